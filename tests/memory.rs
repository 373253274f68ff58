//! What training holds in memory: it is foreseen, it does not grow, and recomputed layers change nothing but that.

mod harness;

use harness::{Outcome, Test};
use rxlt::{
    array::{Precision, Segments},
    cpu::block,
    data::source::Labelled,
    error::Error,
    gpu::{Gpu, Opening},
    kinds::item::{Goal, Item},
    learn::{
        methods::{Adv, Norm, RsRp, Standard, Start},
        objective::{Mixture, Objective, Scene},
        optimizer::{Decay, Optimizer, Settings},
        reduce::Share,
        sampler::TaskSampler,
    },
    measure::exam::Exam,
    models::{Batch, Config, HeadKind, Model, Place, Target, Words},
    ops::Distribution,
    recipe::Stage,
    rng::{Draw, Rng},
    run::{
        budget::Bytes,
        memory::{self, Forecast, Subject},
        plan::{Branch, Orders, Plan},
    },
    tensor::Device,
};

fn main() {
    harness::run(vec![
        Test::new("recomputed layers give the same bits: reference", || recompute(&Device::Reference)),
        Test::new("recomputed layers give the same bits: cpu", || recompute(&Device::cpu())),
        Test::new("recomputed layers give the same bits: wgpu", || harness::on_gpu(recompute)),
        Test::new("recomputed layers give the same bits: wgpu in f16", || in_f16(recompute)),
        Test::new("what is taken is foreseen: cpu", || foreseen(&Device::cpu())),
        Test::new("what is taken is foreseen: wgpu", || harness::on_gpu(foreseen)),
        Test::new("what is taken is foreseen: wgpu in f16", || in_f16(foreseen)),
        Test::new("in f16 a step keeps half the activations: wgpu", || in_f16(halved)),
        Test::new("parts of what is foreseen add up: small tensors", small),
        Test::new("a limit makes micro-batches smaller, or is refused", limit),
        Test::new("2,000 updates take no more memory than the first: cpu", || constant(&Device::cpu())),
        Test::new("2,000 updates take no more memory than the first: wgpu", || harness::on_gpu(constant)),
    ]);
}

fn in_f16(test: impl FnOnce(&Device) -> Outcome) -> Outcome {
    harness::on_gpu_as(Opening { precision: Precision::F16, ..Opening::default() }, test)
}

fn config(hidden: usize, layers: usize) -> Config {
    let config = serde_json::json!({
        "model_type": "xlm-roberta", "vocab_size": 60, "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": 2, "intermediate_size": 2 * hidden, "max_position_embeddings": 40, "type_vocab_size": 1,
        "pad_token_id": 1,
    });
    Config::new(config.as_object().expect("an object").clone()).expect("the configuration is right")
}

fn head() -> HeadKind {
    HeadKind::Classify(vec!["no".into(), "yes".into()])
}

fn tiny(device: &Device) -> Model {
    Model::fresh(config(16, 2), head(), 7, device).expect("the model fits")
}

fn settings(total_steps: u32) -> Settings {
    Settings {
        learning_rate: 1e-3,
        betas: [0.9, 0.999],
        epsilon: 1e-8,
        weight_decay: 0.01,
        max_grad_norm: 1.0,
        warmup_steps: 0,
        total_steps,
        decay: Decay::Linear,
    }
}

/// Sequences of these lengths; which words they have follows from `number`.
fn batch(lengths: &[usize], number: usize) -> Batch {
    let tokens: usize = lengths.iter().sum();
    let ids: Vec<u32> = (0..tokens).map(|i| 6 + ((i * 5 + number) % 50) as u32).collect();
    let labels: Vec<u32> = (0..lengths.len() as u32).map(|i| i % 2).collect();
    let segments = Segments::new(lengths.to_vec());
    let (positions, types) = (segments.positions(), vec![0; tokens].into());
    let target = Target::labels(&segments, labels);
    Batch { ids: ids.into(), positions, types, segments, target, other: None }
}

/// Every kind of objective at once, with dropout: loss and gradients have the same bits, kept or computed again.
fn recompute(device: &Device) -> Outcome {
    let (at, norm, start) = (Place::Word, Norm::L2, Start::Random);
    let adv = Adv {
        norm,
        radius: 0.1.into(),
        step_size: 0.05.into(),
        steps: 2,
        start,
        at,
        clean_weight: 0.5,
        ..Adv::default()
    };
    let distribution = Distribution::Gaussian;
    let noise = RsRp { distribution, scale: 0.1, samples: 3, at: Place::Embedding, ..RsRp::default() };
    let objective = Mixture(vec![(0.5, Box::new(adv)), (0.25, Box::new(noise)), (0.25, Box::new(Standard::default()))]);
    let run = |recompute: bool| {
        let mut model = tiny(device);
        model.encoder.recompute = recompute;
        let mut optimizer = Optimizer::lazy(&model, settings(10));
        let batch = batch(&[9, 6, 1], 3);
        let active = optimizer.activate(&model, batch.ids.iter().copied()).expect("the table is lazy");
        let draw = Some(Draw { seed: 1, step: 4, stream: 0 });
        let scene = Scene { model: &model, words: Words::Active(&active), batch: &batch, weight: 0.5, draw };
        let leaves = optimizer.leaves(&model, Some(&active));
        let loss = objective.loss(&scene).scale(1024.0); // as a step in f16 does, which has no small numbers
        let (loss, grads) = loss.into_gradients(&leaves);
        (loss.to_array(), grads.iter().map(|grad| grad.to_array()).collect::<Vec<_>>())
    };
    let (kept, again) = (run(false), run(true));
    assert_eq!(kept.0.values, again.0.values, "loss");
    for (i, (kept, again)) in kept.1.iter().zip(&again.1).enumerate() {
        assert_eq!(kept.values, again.values, "gradient {i}");
    }
    assert!(kept.1.iter().all(|grad| grad.values.iter().any(|x| *x != 0.0)), "every parameter has a gradient");
    Outcome::Passed
}

/// Examples of 11 to 30 tokens.
fn examples(n: usize) -> Labelled {
    let mut rng = Rng::new(5, 0);
    let item = |i: usize| {
        let length = 11 + rng.below(20) as usize;
        let ids: Vec<u32> = (0..length).map(|_| 6 + rng.below(50)).collect();
        Item::new(i.to_string(), ids, vec![0; length], vec![0], Goal::Classes(vec![i as u32 % 2]))
    };
    let of_example = (0..n).map(|i| i..i + 1).collect();
    Labelled { items: (0..n).map(item).collect(), of_example, n_truncated: 0, share_unknown: 0.0 }
}

fn branch(objective: impl Objective + 'static, source: Labelled) -> [Branch; 1] {
    [Branch { task: "test".into(), objective: Box::new(objective), source: Box::new(source), exam: Exam::None }]
}

fn plan<'a>(stage: &'a Stage, branches: &'a [Branch], sampler: &'a TaskSampler, tokens: usize) -> Plan<'a> {
    let updates = stage.n_updates(branches.iter().map(|branch| branch.source.len()).sum());
    Plan { name: "1-test", stage, branches, sampler, updates, seed: 3, tokens, share: Share::alone() }
}

/// All updates of a plan, with all that training does on the device.
fn train(models: &[Model], plan: &Plan, forecast: &Forecast, mut after: impl FnMut(u64)) {
    let mut optimizer = plan.optimizer(models);
    assert_eq!(forecast.prepare(models[0].device()), None);
    let mut orders = Orders::default();
    let mut late = None;
    for step in 0..plan.updates {
        let turn = plan.turn(step, &mut orders);
        let (model, items) = (&models[turn.branch], plan.items(&turn).expect("the examples are there"));
        let update = plan.update(turn.branch, model, &items, step as u32);
        let (loss, _) = update.make(&mut optimizer, &plan.batches(&items));
        let pending = loss.read_later();
        model.device().submit();
        if let Some(loss) = late.replace(pending) {
            assert!(loss.wait()[0].is_finite());
        }
        after(step);
    }
}

/// A device whose counters know nothing yet, with the bytes that it holds beside.
fn fresh(device: &Device) -> (Device, u64) {
    match device {
        Device::Gpu(gpu) => {
            let opening = Opening { precision: gpu.precision(), ..Opening::default() };
            let again = Gpu::open_as(Some(&gpu.adapter().name), opening).expect("it was opened before");
            (Device::Gpu(again), 0)
        }
        _ => {
            block::release();
            block::forget_peaks();
            (device.clone(), block::usage().held)
        }
    }
}

/// The most bytes held, and the most in use at once.
fn taken(device: &Device) -> (u64, u64) {
    match device {
        Device::Gpu(gpu) => (gpu.statistics().held_bytes, gpu.statistics().peak_bytes),
        _ => (block::usage().held_peak, block::usage().peak),
    }
}

/// What is foreseen for a stage is what training takes, whatever the method: within a tenth, since sizes vary.
fn foreseen(device: &Device) -> Outcome {
    let (at, norm, start) = (Place::Word, Norm::L2, Start::Random);
    let adv = Adv {
        norm,
        radius: 0.1.into(),
        step_size: 0.05.into(),
        steps: 1,
        start,
        at,
        clean_weight: 0.5,
        ..Adv::default()
    };
    let stage = Stage { task: "demo".into(), batch_size: 16, ..Stage::default() };
    let source = || examples(16 * 12);
    let cases = [
        ("standard", branch(Standard::default(), source()), 4096, false),
        ("adv", branch(adv, source()), 4096, false),
        ("recomputed", branch(Standard::default(), source()), 4096, true),
        ("micro-batches", branch(Standard::default(), source()), 100, false),
    ];
    for (name, branches, tokens, recompute) in cases {
        let (device, base) = fresh(device);
        let sampler = TaskSampler::default();
        let plan = plan(&stage, &branches, &sampler, tokens);
        let (config, head) = (config(64, 3), [head()]);
        let subject =
            Subject { config: &config, heads: &head, device: &device, recompute, depth: config.num_hidden_layers };
        let forecast = memory::forecast(&subject, &plan).expect("the stage fits");
        let parts = forecast.parts;
        let mut model = Model::fresh(config.clone(), head[0].clone(), 7, &device).expect("the model fits");
        model.encoder.recompute = recompute;
        train(&[model], &plan, &forecast, |_| ());
        let (total, (held, used)) = (forecast.pooled.0, taken(&device));
        let (held, used) = (held - base, used - base);
        println!("{device:?} {name}: foreseen {total}, held {held}, in use at once {used}");
        assert!(total.abs_diff(held) * 10 <= held, "{name}: foreseen {parts} ({total}), held {held}");
        assert!(used <= held && used * 5 >= total * 4, "{name}: foreseen {parts} ({total}), in use {used}");
    }
    Outcome::Passed
}

/// Of what a step takes beside weights, gradients and the optimizer's state; embeddings and sums stay in f32.
fn halved(device: &Device) -> Outcome {
    let stage = Stage { task: "demo".into(), batch_size: 64, ..Stage::default() };
    let source = examples(128);
    let (branches, sampler) = (branch(Standard::default(), source), TaskSampler::default());
    let plan = plan(&stage, &branches, &sampler, 4096);
    let (config, head) = (config(64, 8), [head()]);
    let activations = |device: &Device| {
        let subject =
            Subject { config: &config, heads: &head, device, recompute: false, depth: config.num_hidden_layers };
        memory::forecast(&subject, &plan).expect("the stage fits").parts.activations.0
    };
    let Device::Gpu(gpu) = device else { panic!("{device:?} is no GPU") };
    let full = Device::Gpu(Gpu::open(Some(&gpu.adapter().name)).expect("it was opened before"));
    let (half, full) = (activations(device), activations(&full));
    println!("{half} bytes of activations in f16, {full} in f32");
    assert!(half * 10 < full * 6, "{half} bytes of activations in f16, {full} in f32");
    Outcome::Passed
}

/// What is foreseen of a model of small tensors alone is all of it, though no pool has them.
fn small() -> Outcome {
    let (config, head, device) = (config(16, 2), [head()], Device::cpu());
    let stage = Stage { task: "demo".into(), batch_size: 16, ..Stage::default() };
    let (branches, sampler) = (branch(Standard::default(), examples(64)), TaskSampler::default());
    let subject =
        Subject { config: &config, heads: &head, device: &device, recompute: false, depth: config.num_hidden_layers };
    let numbers: u64 = tiny(&device).leaves().iter().map(|leaf| leaf.shape().len() as u64).sum();
    for tokens in [4096, 10] {
        let parts = memory::forecast(&subject, &plan(&stage, &branches, &sampler, tokens)).expect("it fits").parts;
        let [weights, optimizer, gradients, activations] =
            [parts.weights, parts.optimizer, parts.gradients, parts.activations].map(|part| part.0);
        assert_eq!(weights, numbers * 4, "{parts}");
        assert!((1..=weights).contains(&gradients) && (1..=2 * weights).contains(&optimizer), "{parts}");
        assert_eq!(weights + optimizer + gradients + activations, parts.total.0, "{parts}");
        assert!(activations > 0, "{parts}");
    }
    Outcome::Passed
}

/// A limit between what the largest and what the smallest micro-batches take is met; one below is refused.
fn limit() -> Outcome {
    let (config, head, device) = (config(64, 3), [head()], Device::cpu());
    let subject =
        Subject { config: &config, heads: &head, device: &device, recompute: false, depth: config.num_hidden_layers };
    let stage = Stage { task: "demo".into(), batch_size: 64, ..Stage::default() };
    let source = examples(128);
    let (branches, sampler) = (branch(Standard::default(), source), TaskSampler::default());
    let plan = plan(&stage, &branches, &sampler, 4096);
    let choose = |limit| memory::choose(&subject, &plan, limit).map(|(choice, _)| choice);
    let free = choose(None).expect("there is no limit");
    assert_eq!(free.tokens_per_micro_batch, 4096);
    let limit = Bytes(free.beside.0 + free.predicted.total.0 * 2 / 3);
    let chosen = choose(Some(limit)).expect("smaller micro-batches fit");
    assert!(chosen.tokens_per_micro_batch < free.predicted.longest, "{chosen:?}");
    assert!(chosen.predicted.total.0 + chosen.beside.0 <= limit.0, "{chosen:?}");
    let refused = choose(Some(Bytes(1 << 20)));
    let Err(Error::Usage(message)) = refused else { panic!("{refused:?}") };
    for part in ["--memory-limit 1.00 MiB", "micro-batches of 30 tokens", "recompute = true", "MiB or more"] {
        assert!(message.contains(part), "expected \"{part}\" in: {message}");
    }
    Outcome::Passed
}

/// Batches as they come: after a while nothing is made any more, and nothing more is held. Eight sequences are enough
/// for no batch to have less than half the tokens of the longest, to which the pool is laid out.
fn constant(device: &Device) -> Outcome {
    let (device, _) = fresh(device);
    let stage = Stage { task: "demo".into(), batch_size: 8, updates: Some(2_000), ..Stage::default() };
    let source = examples(400);
    let (branches, sampler) = (branch(Standard::default(), source), TaskSampler::default());
    let plan = plan(&stage, &branches, &sampler, 4096);
    let (config, head) = (config(if matches!(device, Device::Gpu(_)) { 16 } else { 64 }, 1), [head()]);
    let subject =
        Subject { config: &config, heads: &head, device: &device, recompute: false, depth: config.num_hidden_layers };
    let forecast = memory::forecast(&subject, &plan).expect("the stage fits");
    let model = Model::fresh(config.clone(), head[0].clone(), 7, &device).expect("the model fits");
    let made = || match &device {
        Device::Gpu(gpu) => (gpu.statistics().allocations, gpu.statistics().pipelines, gpu.statistics().held_bytes),
        _ => (block::usage().made, 0, block::usage().held),
    };
    let (mut early, mut groups) = ((0, 0, 0), 0);
    train(&[model], &plan, &forecast, |step| {
        if step == 500 {
            early = made();
        }
        if let (Device::Gpu(gpu), 1_000) = (&device, step) {
            groups = gpu.statistics().bind_groups;
        }
    });
    let last = made();
    println!("{device:?}: after 500 updates {early:?}, after 2,000 {last:?}");
    if let Device::Gpu(gpu) = &device {
        let statistics = gpu.statistics();
        println!("{statistics:?}, bind groups after 1,000 updates: {groups}");
    }
    assert_eq!(last, early, "blocks made, pipelines made, bytes held");
    Outcome::Passed
}
