//! Robust methods against PyTorch: FreeLB, and consistency by ascent (SMART), noise (R3F) and other words (xTune).
//!
//! `scripts/make_methods.py tests/golden/xlmr-classify tests/methods` wrote the numbers.

use std::path::Path;

use rxlt::{
    array::Segments,
    checkpoint::Weights,
    learn::{
        methods::{Consistency, FreeLb, Length, Norm, Targets, With, WordNorms},
        objective::{Objective, Scene},
    },
    models::{Batch, Config, HeadKind, Model, Place, Reworded, Target, Wanted, Whole, Words},
    nn::Pass,
    ops::Distribution,
    rng::Draw,
    tensor::{Device, Tensor},
};

const DRAW: Draw = Draw { seed: 5, step: 1, stream: 0 };

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// The padded sequences without their padding, and the same in other words.
fn batch(golden: &Weights) -> Batch {
    let shape = golden.shape("input_ids").unwrap().to_vec();
    let (ids, mask) = (golden.read_u32("input_ids").unwrap(), golden.read_u32("attention_mask").unwrap());
    let segments = Segments::new(mask.chunks(shape[1]).map(|row| row.iter().sum::<u32>() as usize));
    let ids: Vec<u32> = ids.into_iter().zip(&mask).filter(|(_, mask)| **mask == 1).map(|(id, _)| id).collect();
    let target = Target::labels(&segments, golden.read_u32("labels").unwrap());
    let of = |ids: Vec<u32>, other| Batch {
        types: vec![0; ids.len()].into(),
        ids: ids.into(),
        positions: segments.positions(),
        segments: segments.clone(),
        target: target.clone(),
        other,
    };
    let reworded = ids.iter().map(|id| if *id >= 6 { (id - 6) * 7 % 90 + 6 } else { *id }).collect();
    let other = Reworded { batch: of(reworded, None), rows: None };
    of(ids, Some(Box::new(other)))
}

fn ready(consistency: Consistency) -> Box<dyn Objective> {
    rxlt::learn::methods::Method { consistency: Some(consistency), ..Default::default() }
        .completed()
        .objective(&WordNorms::UNIT)
}

/// Each method with the settings of the script, and how far its gradients may be off in f32.
fn methods() -> Vec<(&'static str, Box<dyn Objective>, f64)> {
    let free = |norm, radius: f64, step_size: f64| -> Box<dyn Objective> {
        let (radius, step_size, init) = (radius.into(), step_size.into(), Length::Of(0.0));
        Box::new(FreeLb { norm, radius, step_size, init, steps: 3, ..FreeLb::default() })
    };
    let ascent = Consistency {
        weight: Some(3.0),
        radius: Some(0.02.into()),
        step_size: Some(0.05.into()),
        ..Consistency::default()
    };
    let noise =
        Consistency { with: With::Noise, weight: Some(0.7), radius: Some(0.1.into()), ..Consistency::default() };
    let typos = Some(Default::default());
    let text = Consistency { with: With::Text, weight: Some(5.0), typos, ..Consistency::default() };
    vec![
        ("freelb.l2", free(Norm::L2, 0.5, 0.2), 1e-4),
        // Where a slope is near 0 its sign is rounding's, and a number of the nudge goes the other way.
        ("freelb.linf", free(Norm::Linf, 0.02, 0.01), 5e-3),
        ("ascent", ready(ascent), 5e-3),
        ("noise", ready(noise), 1e-4),
        ("text", ready(text), 1e-4),
    ]
}

#[test]
fn methods_are_those_of_pytorch() {
    let golden = folder("golden/xlmr-classify");
    let numbers = Weights::open(&golden.join("golden.safetensors")).unwrap();
    let expected = Weights::open(&folder("methods/xlmr-classify.safetensors")).unwrap();
    let batch = batch(&numbers);
    let head = HeadKind::Classify(["LABEL_0", "LABEL_1", "LABEL_2"].map(str::to_owned).to_vec());
    for (name, objective, in_f32) in methods() {
        // In f64 the numbers of the file, which are f32, and the noise, which is drawn in f32, are all that differs.
        for (device, tolerance) in [(Device::Reference, 1e-6), (Device::cpu(), in_f32)] {
            let model = Model::load(&golden, head.clone(), 7, &device).unwrap();
            let weight = 1.0 / batch.segments.count() as f32;
            let scene = Scene { model: &model, words: Words::Table, batch: &batch, weight, draw: Some(DRAW) };
            assert_eq!(model.config.hidden_dropout_prob, 0.0); // what is drawn is noise alone
            let leaves = model.leaves();
            let backward = |loss: Tensor, leaves: &[&Tensor]| loss.into_gradients(leaves);
            let (loss, gradients) = objective.gradients(&scene, &leaves, &backward);
            let close = |what: &str, found: &[f32], expected: &[f32]| {
                assert_eq!(found.len(), expected.len(), "{name} {what}");
                for (found, expected) in found.iter().zip(expected) {
                    let error = f64::from((found - expected).abs() / (1.0 + expected.abs()));
                    assert!(error <= tolerance, "{name} on {device:?}, {what}: {found}, PyTorch {expected}");
                }
            };
            close("loss", &loss.to_vec(), &expected.read(&format!("{name}.loss")).unwrap());
            let names = model.parameters.iter().map(|parameter| parameter.name.as_str()).chain([&*model.words.name]);
            let mut seen = 0;
            for (parameter, gradient) in names.zip(&gradients) {
                let known = [parameter.to_owned(), format!("{parameter}.weight")]
                    .map(|parameter| format!("{name}.grad.{parameter}"));
                let Some(key) = known.iter().find(|key| expected.contains(key)) else { continue };
                close(key, &gradient.to_vec(), &expected.read(key).unwrap());
                seen += 1;
            }
            assert_eq!(seen, 4, "{name}: gradients that were compared");
        }
    }
}

fn small(head: HeadKind) -> Model {
    let config = serde_json::json!({
        "model_type": "xlm-roberta", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 6, "max_position_embeddings": 12, "type_vocab_size": 1, "pad_token_id": 1,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "initializer_range": 0.5,
    });
    Model::fresh(Config::new(config.as_object().unwrap().clone()).unwrap(), head, 7, &Device::Reference).unwrap()
}

/// Two sequences of four and three tokens, of which `rows` are read.
fn two(rows: &[u32], wanted: Wanted) -> Batch {
    let segments = Segments::new([4, 3]);
    let target = Target { rows: rows.to_vec().into(), wanted, whole: Whole::Nothing };
    let ids: Vec<u32> = vec![0, 5, 7, 2, 0, 8, 2];
    Batch { ids: ids.into(), positions: segments.positions(), types: vec![0; 7].into(), segments, target, other: None }
}

fn heads() -> Vec<(HeadKind, Batch)> {
    let names = || vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let places = Wanted::Places { groups: Segments::new([4, 3]), places: vec![1, 2, 0, 1].into() };
    vec![
        (HeadKind::Classify(names()), two(&[0, 4], Wanted::Classes(vec![2, 0].into()))),
        (HeadKind::Tag(names()), two(&[1, 2, 5], Wanted::Classes(vec![2, 0, 1].into()))),
        (HeadKind::AnyOf(names()), two(&[0, 4], Wanted::Each(vec![1, 0, 1, 0, 0, 1].into()))),
        (HeadKind::Number, two(&[0, 4], Wanted::Numbers(vec![0.5, -1.0]))),
        (HeadKind::Span, two(&[0, 1, 2, 3, 4, 5, 6], places)),
    ]
}

/// How far predictions are apart, as it is written: both directions of Kullback-Leibler, and squares of numbers.
fn apart(a: &[f64], b: &[f64], wanted: &Wanted) -> f64 {
    fn softmax(x: &[f64]) -> Vec<f64> {
        let sum: f64 = x.iter().map(|x| x.exp()).sum();
        x.iter().map(|x| x.exp() / sum).collect()
    }
    let both = |a: &[f64], b: &[f64]| -> f64 {
        softmax(a).iter().zip(softmax(b)).map(|(p, q)| (p - q) * (p.ln() - q.ln())).sum()
    };
    match wanted {
        Wanted::Classes(_) => a.chunks(3).zip(b.chunks(3)).map(|(a, b)| both(a, b)).sum(),
        Wanted::Each(_) => a.iter().zip(b).map(|(a, b)| both(&[0.0, *a], &[0.0, *b])).sum(),
        Wanted::Numbers(_) => a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum(),
        Wanted::Places { groups, .. } => {
            let column = |x: &[f64], rows: std::ops::Range<usize>, k: usize| -> Vec<f64> {
                rows.map(|row| x[2 * row + k]).collect()
            };
            let of = |rows: std::ops::Range<usize>, k| both(&column(a, rows.clone(), k), &column(b, rows, k));
            groups.ranges().map(|rows| of(rows.clone(), 0) + of(rows, 1)).sum()
        }
    }
}

/// Each head's loss under noise is what papers write, and its gradients are those of central differences.
#[test]
fn consistency_holds_for_every_head() {
    for (head, batch) in heads() {
        let model = small(head.clone());
        let (distribution, radius) = (Distribution::Gaussian, 0.3);
        let consistency = Consistency {
            with: With::Noise,
            weight: Some(2.0),
            radius: Some(radius.into()),
            distribution: Some(distribution),
            targets: Some(Targets::Free),
            ..Consistency::default()
        };
        let objective = ready(consistency);
        let scene = Scene { model: &model, words: Words::Table, batch: &batch, weight: 0.25, draw: Some(DRAW) };
        let value = || objective.loss(&scene).to_array().values[0];
        let words = scene.activations(Place::Word);
        let noise = rxlt::ops::noise(words.shape(), distribution, radius as f32, scene.noise_draw(0), words.device());
        let logits = |x: &Tensor| model.logits_from(Place::Word, x, &batch, Pass::evaluation()).to_array().values;
        let written = scene.loss_from(Place::Word, &words).to_array().values[0]
            + 2.0 * 0.25 * apart(&logits(&words), &logits(&words.add(&noise)), &batch.target.wanted);
        assert!((value() - written).abs() < 1e-12, "{head:?}: {} {written}", value());

        let leaves = model.leaves();
        let gradients = objective.loss(&scene).gradients(&leaves);
        let mut all = model.tensors();
        for (i, gradient) in gradients.iter().enumerate() {
            let place = (i + 1) % leaves.len(); // the word table stands first among tensors, last among leaves
            let at = gradient.shape().len() / 2;
            let mut shifted = |by: f32| {
                let before = all[place].2[at];
                all[place].2[at] = before + by;
                model.assign(&all);
                all[place].2[at] = before;
                value()
            };
            let found = (shifted(1e-3) - shifted(-1e-3)) / 2e-3;
            model.assign(&all);
            let gradient = gradient.to_array().values[at];
            // Central differences err by the square of the step; parameters are f32 on the host.
            assert!(
                (found - gradient).abs() < 2e-4 * (1.0 + gradient.abs()),
                "{head:?} {}: {found} {gradient}",
                all[place].0
            );
        }
    }
}

/// Backward passes one after the other give the gradient of the mean loss at the points of the ascent.
#[test]
fn the_passes_of_freelb_add_up() {
    for norm in [Norm::L2, Norm::Linf] {
        for at in [Place::Word, Place::Embedding, Place::Encoder] {
            let (head, batch) = heads().remove(0);
            let model = small(head);
            let scene = Scene { model: &model, words: Words::Table, batch: &batch, weight: 0.5, draw: Some(DRAW) };
            let free = FreeLb { norm, at, steps: 3, ..FreeLb::default() };
            let leaves = model.leaves();
            let (whole, expected) = free.loss(&scene).into_gradients(&leaves);
            let backward = |loss: Tensor, leaves: &[&Tensor]| loss.into_gradients(leaves);
            let (loss, found) = free.gradients(&scene, &leaves, &backward);
            assert!((loss.to_array().values[0] - whole.to_array().values[0]).abs() < 1e-12, "{norm:?} {at:?}");
            for (found, expected) in found.iter().zip(&expected) {
                for (found, expected) in found.to_array().values.iter().zip(&expected.to_array().values) {
                    assert!((found - expected).abs() < 1e-12, "{norm:?} {at:?}: {found} {expected}");
                }
            }
            // One point at the clean activations is plain training; so is what has not begun.
            let plain = scene.loss_from(Place::Word, &scene.activations(Place::Word)).to_array().values[0];
            for free in [
                FreeLb { steps: 1, init: Length::Of(0.0), at, ..free.clone() },
                FreeLb { begin: u64::from(DRAW.step) + 1, ..free.clone() },
            ] {
                assert!((free.loss(&scene).to_array().values[0] - plain).abs() < 1e-12, "{free:?}");
            }
            assert!((whole.to_array().values[0] - plain).abs() > 1e-9, "an ascent changes the loss");
        }
    }
}
