//! What training holds in memory: recomputed layers change nothing but that.

mod harness;

use harness::{Outcome, Test};
use rxlt::{
    array::Segments,
    models::{Batch, Config, HeadKind, Model, Place, Target, Words},
    ops::Distribution,
    rng::Draw,
    tensor::Device,
    train::{
        objective::{Mixture, Norm, Objective, Pgd, RandomPerturbation, Scene, Standard, Start},
        optimizer::{Decay, Optimizer, Settings},
    },
};

fn main() {
    harness::run(vec![
        Test::new("recomputed layers give the same bits: reference", || recompute(&Device::Reference)),
        Test::new("recomputed layers give the same bits: cpu", || recompute(&Device::cpu())),
        Test::new("recomputed layers give the same bits: wgpu", || harness::on_gpu(recompute)),
    ]);
}

fn tiny(device: &Device) -> Model {
    let config = serde_json::json!({
        "model_type": "xlm-roberta", "vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 40, "type_vocab_size": 1,
        "pad_token_id": 1,
    });
    let config = Config::new(config.as_object().expect("an object").clone()).expect("the configuration is right");
    Model::fresh(config, HeadKind::Classify(vec!["no".into(), "yes".into()]), 7, device).expect("the model fits")
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
    Batch { ids: ids.into(), types: vec![0; tokens].into(), segments, target: Target::Labels(labels.into()) }
}

/// Every kind of objective at once, with dropout: loss and gradients have the same bits, kept or computed again.
fn recompute(device: &Device) -> Outcome {
    let (at, norm, start) = (Place::Word, Norm::L2, Start::Random);
    let adv = Pgd { norm, radius: 0.1, step_size: 0.05, steps: 2, start, at, clean_weight: 0.5 };
    let distribution = Distribution::Gaussian;
    let noise = RandomPerturbation { distribution, scale: 0.1, samples: 3, at: Place::Embedding };
    let objective = Mixture(vec![(0.5, Box::new(adv)), (0.25, Box::new(noise)), (0.25, Box::new(Standard))]);
    let run = |recompute: bool| {
        let mut model = tiny(device);
        model.encoder.recompute = recompute;
        let mut optimizer = Optimizer::lazy(&model, settings(10));
        let batch = batch(&[9, 6, 1], 3);
        let active = optimizer.activate(&model, batch.ids.iter().copied()).expect("the table is lazy");
        let draw = Some(Draw { seed: 1, step: 4, stream: 0 });
        let scene = Scene { model: &model, words: Words::Active(&active), batch: &batch, weight: 0.5, draw };
        let leaves = Optimizer::leaves(&model, Some(&active));
        let (loss, grads) = objective.loss(&scene).into_gradients(&leaves);
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
