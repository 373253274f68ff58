//! What goes wrong is noticed: numbers that are not finite, memory that is not there, a device that is gone; and nothing
//! grows.

use super::{Findings, Group, Seen, Subject};
use crate::{
    array::{Format, Segments},
    error::{Error, Result, catch},
    gpu::{Gpu, Opening},
    learn::{
        methods::{Adv, Norm, Standard, Start},
        optimizer::{Decay, Optimizer, Settings},
        reduce::Share,
        update::Update,
    },
    models::{Batch, Config, HeadKind, Model, Place, Target, Words},
    nn::Pass,
    rng::Draw,
    tensor::{Device, Tensor},
};
use std::sync::Arc;

/// The group.
pub const GROUP: Group = Group { name: "robustness", run };

fn run(subject: &Subject, findings: &mut Findings) -> Result<()> {
    for (name, value) in [("NaN", f32::NAN), ("infinity", f32::INFINITY), ("minus infinity", f32::NEG_INFINITY)] {
        findings.check(format!("{name} in an activation is noticed"), None, || not_finite(subject.device, value));
    }
    for (name, fault) in [("NaN in a gradient", Fault::Nan), ("a gradient beyond the range of its norm", Fault::Large)]
    {
        findings.check(format!("{name} is noticed"), None, || bad_gradient(subject.device, fault));
    }
    findings.check("gradients are clipped to their norm", Some(CLIPPED), || clipped(subject.device));
    findings.check("200 updates take no more memory than the first", None, || steady(subject.device));
    let Device::Gpu(gpu) = subject.device else { return Ok(()) };
    findings.check("a tensor beyond the limits is an error", None, || too_large(gpu));
    findings.check("a device that is gone is an error", None, || gone(subject));
    Ok(())
}

/// Two layers of 16, by which everything passes that passes through a large encoder.
fn small(device: &Device) -> Result<Model> {
    let config = serde_json::json!({
        "model_type": "xlm-roberta", "vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 20, "type_vocab_size": 1,
        "pad_token_id": 1,
    });
    let config = Config::new(config.as_object().expect("it is an object").clone()).map_err(Error::Config)?;
    Model::fresh(config, HeadKind::Classify(vec!["no".into(), "yes".into()]), 7, device)
}

const SETTINGS: Settings = Settings {
    learning_rate: 1e-3,
    betas: [0.9, 0.999],
    epsilon: 1e-8,
    weight_decay: 0.01,
    max_grad_norm: 1.0,
    warmup_steps: 0,
    total_steps: 1_000,
    decay: Decay::Linear,
};

fn batch(number: u32) -> Batch {
    let ids: Vec<u32> = (0..15).map(|i| 6 + (i * 5 + number) % 50).collect();
    let segments = Segments::new([9, 6]);
    let (positions, target) = (segments.positions(), Target::labels(&segments, vec![0, 1]));
    Batch { ids: ids.into(), positions, types: vec![0; 15].into(), segments, target, other: None }
}

/// The loss shows it, and the update leaves the weights as they are.
fn not_finite(device: &Device, value: f32) -> Result<Seen> {
    let model = small(device)?;
    let mut optimizer = Optimizer::lazy(&model, SETTINGS);
    let batch = batch(0);
    let active = optimizer.activate(&model, batch.ids.iter().copied());
    let words = active.as_ref().map_or(Words::Table, Words::Active);
    let embedded = model.activations(Place::Embedding, &batch, words, Pass::evaluation());
    let mut spoilt = vec![0.0; embedded.shape().len()];
    spoilt[3] = value;
    let spoilt = embedded.add(&Tensor::new(&spoilt, embedded.shape().clone(), device));
    let before = model.tensors();
    let loss = model.loss_from(Place::Embedding, &spoilt, &batch, 0.5, Pass::evaluation());
    let (loss, grads) = optimizer.gradients(loss, &optimizer.leaves(&model, active.as_ref()));
    optimizer.step(&model, active.as_ref(), &grads);
    if loss.item().is_finite() {
        return Ok(Seen::Wrong(format!("the loss is {}", loss.item())));
    }
    Ok(match bits(&before) == bits(&model.tensors()) {
        true => Seen::Right("the loss tells, and no weight is touched".into()),
        false => Seen::Wrong("the update went into the weights".into()),
    })
}

/// What is wrong with a gradient.
#[derive(Clone, Copy)]
enum Fault {
    /// One number of the first.
    Nan,
    /// Each number is finite; the sum of their squares is not.
    Large,
}

/// The norm shows it, and the update leaves the weights as they are.
fn bad_gradient(device: &Device, fault: Fault) -> Result<Seen> {
    let model = small(device)?;
    let mut optimizer = Optimizer::lazy(&model, SETTINGS);
    let update = Update {
        model: &model,
        head: 0,
        objective: &Standard::default(),
        weight: 0.5,
        draw: None,
        share: Share::alone(),
    };
    let mut gradients = update.gradients(&mut optimizer, &[batch(0)]);
    let grads = &mut gradients.grads;
    let wrong = match fault {
        Fault::Nan => f32::NAN,
        Fault::Large => 1e30,
    };
    let mut values = vec![0.0; grads[0].shape().len()];
    values[3] = wrong;
    grads[0] = grads[0].add(&Tensor::new(&values, grads[0].shape().clone(), device));
    let before = model.tensors();
    let square = gradients.step(&mut optimizer).item();
    Ok(match (square.is_finite(), bits(&before) == bits(&model.tensors())) {
        (false, true) => Seen::Right("the norm tells, and no weight is touched".into()),
        (true, _) => Seen::Wrong(format!("the sum of squares is {square}")),
        (false, false) => Seen::Wrong("the update went into the weights".into()),
    })
}

/// How far a weight may be from the reference's after three clipped updates, relative to numbers beyond 1: each is a step
/// of at most the rate, 1e-3, of gradients that are right to some 1e-5 of their largest, on weights rounded to 2⁻²⁴.
const CLIPPED: f64 = 1e-6;

/// Losses a thousand times as large, and an AdamW whose steps follow the size of gradients: only the clipped norm makes
/// them what they are.
fn clipped(device: &Device) -> Result<Seen> {
    let settings = Settings { epsilon: 1.0, ..SETTINGS };
    let weights = |device: &Device| -> Result<Vec<f32>> {
        let model = small(device)?;
        let mut optimizer = Optimizer::lazy(&model, settings);
        let update = Update {
            model: &model,
            head: 0,
            objective: &Standard::default(),
            weight: 500.0,
            draw: None,
            share: Share::alone(),
        };
        for step in 0..3 {
            update.make(&mut optimizer, &[batch(step)]);
        }
        optimizer.flush(&model);
        Ok(model.tensors().into_iter().flat_map(|(_, _, values)| values).collect())
    };
    let (got, expected) = (weights(device)?, weights(&Device::Reference)?);
    let errors =
        got.iter().zip(&expected).map(|(got, expected)| f64::from((got - expected).abs() / (1.0 + expected.abs())));
    let worst = errors
        .enumerate()
        .fold((0, 0.0), |worst, (i, error)| if error > worst.1 || error.is_nan() { (i, error) } else { worst });
    Ok(Seen::Error(worst.1, format!("weight {}: got {}, expected {}", worst.0, got[worst.0], expected[worst.0])))
}

/// The bits of all tensors.
fn bits(tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u32> {
    tensors.iter().flat_map(|(_, _, values)| values.iter().map(|x| x.to_bits())).collect()
}

/// Buffers of a GPU are counted; of the processor's memory the system tells.
fn steady(device: &Device) -> Result<Seen> {
    const FIRST: u32 = 50;
    let model = small(device)?;
    let mut optimizer = Optimizer::lazy(&model, SETTINGS);
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
    let taken = |device: &Device| match device {
        Device::Gpu(gpu) => Some(gpu.statistics().allocations),
        _ => resident(),
    };
    let mut before = None;
    for step in 0..FIRST + 200 {
        if step == FIRST {
            before = taken(device);
        }
        let draw = Some(Draw { seed: 1, step, stream: 0 });
        let update = Update { model: &model, head: 0, objective: &adv, weight: 0.5, draw, share: Share::alone() };
        let (loss, _) = update.make(&mut optimizer, &[batch(step)]);
        device.submit();
        if !loss.item().is_finite() {
            return Ok(Seen::Wrong(format!("the loss of update {step} is {}", loss.item())));
        }
    }
    let (Some(before), Some(after)) = (before, taken(device)) else {
        return Ok(Seen::Skipped("this system does not tell a process's memory".into()));
    };
    let grown = after.saturating_sub(before);
    let (most, unit) = match device {
        Device::Gpu(_) => (0, "buffers"),
        _ => (4 << 20, "bytes"), // of threads and of what the allocator keeps: no multiple of what an update holds
    };
    let said = format!("{grown} {unit} more after 200 updates");
    Ok(if grown <= most { Seen::Right(said) } else { Seen::Wrong(said) })
}

/// Bytes of this process in memory.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn too_large(gpu: &Arc<Gpu>) -> Result<Seen> {
    let words = gpu.max_binding_bytes() / 4 + 1;
    Ok(match catch(|| Ok(gpu.allocate(words, Format::F32).len())) {
        Err(Error::Device(message)) if message.contains("MiB") => Seen::Right(message),
        other => Seen::Wrong(format!("{words} words gave {other:?}")),
    })
}

/// Opened once more, to be spoilt.
fn gone(subject: &Subject) -> Result<Seen> {
    let own = match subject.opened_anew(Opening::default()) {
        Some(Device::Gpu(own)) => own,
        _ => return Ok(Seen::Skipped("the adapter cannot be opened twice".into())),
    };
    let x = Tensor::new(&[1.0; 500], [500], &Device::Gpu(own.clone()));
    own.submit();
    own.destroy();
    Ok(match catch(|| Ok(x.scale(2.0).to_vec())) {
        Err(Error::Device(message)) if message.contains("lost") => Seen::Right(String::new()),
        other => Seen::Wrong(format!("it gave {other:?}")),
    })
}
