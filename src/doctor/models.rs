//! Models and training against the numbers of PyTorch and transformers: hidden states, logits, loss, every gradient,
//! twelve steps of AdamW, and the perturbations of projected gradient ascent.
//!
//! Three small models come with the program; `tests/golden.rs` makes the same comparisons with these and other folders.

use super::{Effort, Findings, Group, Seen, Subject};
use crate::{
    array::{Precision, Segments},
    checkpoint::Weights,
    cpu,
    error::{Error, Result as Checked},
    gpu::{Kernels, Opening},
    learn::{
        methods::{Adv, Norm, RsRp, Standard, Start},
        objective::{Objective, Scene},
        optimizer::{Decay, Optimizer, Settings},
        reduce::Share,
        update::Update,
    },
    models::{Batch, Config, HeadKind, Model, Place, Target, Wanted, Whole, Words},
    nn::Pass,
    ops::Distribution,
    rng::Draw,
    tensor::{Device, Tensor},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The group.
pub const GROUP: Group = Group { name: "models", run };

macro_rules! embedded {
    ($name:literal) => {
        (
            $name,
            [
                ("config.json", include_bytes!(concat!("../../tests/golden/", $name, "/config.json")) as &[u8]),
                ("model.safetensors", include_bytes!(concat!("../../tests/golden/", $name, "/model.safetensors"))),
                ("golden.safetensors", include_bytes!(concat!("../../tests/golden/", $name, "/golden.safetensors"))),
            ],
        )
    };
}

/// A model's files, by name.
type Files = [(&'static str, &'static [u8]); 3];

/// The models that come with the program, by name, with their files.
const EMBEDDED: [(&str, Files); 3] = [embedded!("xlmr-classify"), embedded!("bert-classify"), embedded!("xlmr-mlm")];

/// How close numbers are to those expected: the worst of all comparisons by its own tolerance.
#[derive(Debug, Default)]
pub struct Closeness {
    /// The error of the worst, its tolerance, and what it is.
    worst: Option<(f64, f64, String)>,
}

impl Closeness {
    /// Keeps a comparison if none before was worse.
    fn record(&mut self, what: String, error: f64, tolerance: f64) {
        let share = |(error, tolerance): (f64, f64)| if error.is_nan() { f64::INFINITY } else { error / tolerance };
        if self.worst.as_ref().is_none_or(|(worst, of, _)| share((error, tolerance)) > share((*worst, *of))) {
            self.worst = Some((error, tolerance, what));
        }
    }

    /// `|a − b| ≤ tolerance · (1 + |b|)` everywhere.
    fn close(&mut self, what: &str, got: &[f32], expected: &[f32], tolerance: f32) {
        self.close_mostly(what, got, expected, tolerance, tolerance);
    }

    /// The same but for one element in a hundred, which may be off by `most`.
    fn close_mostly(&mut self, what: &str, got: &[f32], expected: &[f32], tolerance: f32, most: f32) {
        if got.len() != expected.len() {
            let what = format!("{what}: got {} numbers, expected {}", got.len(), expected.len());
            return self.record(what, f64::INFINITY, f64::from(most));
        }
        let error = |(got, expected): (&f32, &f32)| f64::from((got - expected).abs() / (1.0 + expected.abs()));
        let mut errors: Vec<(f64, usize)> = got.iter().zip(expected).map(error).zip(0..).collect();
        errors.sort_by(|a, b| b.0.total_cmp(&a.0)); // NaN first
        let place = |i: usize| format!("{what}, element {i}: got {}, expected {}", got[i], expected[i]);
        if let Some((error, i)) = errors.first() {
            self.record(place(*i), *error, f64::from(most));
        }
        // Behind the hundredth that may be off.
        if let Some((error, i)) = errors.get(errors.len() / 100) {
            self.record(place(*i), *error, f64::from(tolerance));
        }
    }

    /// The same bits.
    fn same(&mut self, what: &str, got: f32, expected: f32) {
        let error = if got.to_bits() == expected.to_bits() { 0.0 } else { f64::INFINITY };
        self.record(format!("{what}: got {got}, expected {expected}"), error, f64::MIN_POSITIVE);
    }

    /// The error of the worst, as a share of its tolerance.
    pub fn share(&self) -> f64 {
        self.worst.as_ref().map_or(0.0, |(error, tolerance, _)| error / tolerance)
    }

    /// What is beyond its tolerance, if anything is.
    pub fn verdict(&self) -> Result<(), String> {
        match &self.worst {
            Some((error, tolerance, what)) if error.is_nan() || error > tolerance => {
                Err(format!("{what}, error {error:.1e}, tolerance {tolerance:.0e}"))
            }
            _ => Ok(()),
        }
    }

    fn seen(self) -> Seen {
        match self.worst {
            Some((error, bound, place)) => Seen::Within { error, bound, place },
            None => Seen::Wrong("nothing was compared".into()),
        }
    }
}

/// A part of the comparison, by name.
pub struct Part {
    /// What is compared.
    pub name: &'static str,
    /// Whether PyTorch's loss is in it.
    of_loss: bool,
    compare: fn(&Golden, &Device, &mut Closeness),
}

/// All parts.
pub const PARTS: [Part; 5] = [
    Part { name: "hidden states and logits", of_loss: false, compare: forward },
    Part { name: "gradients", of_loss: true, compare: all_gradients },
    Part { name: "twelve steps of AdamW", of_loss: true, compare: all_training },
    Part { name: "ascent in L2 and L∞ balls", of_loss: true, compare: perturbations },
    Part { name: "identities", of_loss: false, compare: identities },
];

impl Part {
    /// How close a device comes to the numbers.
    pub fn compare(&self, golden: &Golden, device: &Device) -> Closeness {
        let mut seen = Closeness::default();
        (self.compare)(golden, device, &mut seen);
        seen
    }
}

fn run(subject: &Subject, findings: &mut Findings) -> Checked<()> {
    for (name, files) in EMBEDDED {
        let folder = subject.scratch.join(name);
        fs::create_dir_all(&folder).map_err(|error| Error::write(&folder, &error))?;
        for (file, bytes) in files {
            let path = folder.join(file);
            fs::write(&path, bytes).map_err(|error| Error::write(&path, &error))?;
        }
        let golden = Golden::open(&folder).map_err(Error::Data)?;
        for part in &PARTS {
            findings.check(format!("{name}: {}", part.name), None, || Ok(part.compare(&golden, subject.device).seen()));
        }
        if subject.effort == Effort::Full {
            let opening = Opening { kernels: Kernels::Portable, ..Opening::default() };
            if let Some(device) = subject.opened(opening) {
                findings.check(format!("{name}: gradients by portable kernels"), None, || {
                    Ok(PARTS[1].compare(&Golden::open(&folder).map_err(Error::Data)?, &device?).seen())
                });
            }
        }
        rounded(subject, name, &folder, findings);
    }
    Ok(())
}

/// In the shorter precision of the device, if it has one.
fn rounded(subject: &Subject, name: &str, folder: &Path, findings: &mut Findings) {
    let precision = match subject.device {
        Device::Gpu(_) => Precision::F16,
        _ => Precision::Bf16,
    };
    findings.check(format!("{name}: logits and gradients in {precision}"), None, || {
        let device = match subject.opened(Opening { precision, ..Opening::default() }) {
            Some(Err(Error::Device(reason))) => return Ok(Seen::Skipped(reason)),
            Some(device) => device?,
            None if cpu::supports(precision) => Device::Cpu(precision),
            None => return Ok(Seen::Skipped("this processor has no AVX512-BF16".into())),
        };
        // Opened anew: a batch stays with the GPU that it was first used on.
        Ok(in_precision(&Golden::open(folder).map_err(Error::Data)?, &device).seen())
    });
}

/// One folder of numbers.
pub struct Golden {
    folder: PathBuf,
    numbers: Weights,
    head: HeadKind,
    batch: Batch,
    /// Rows of the padded [b, t] layout that hold tokens.
    rows: Vec<usize>,
}

impl Golden {
    /// The folder's content, or why it cannot be checked yet.
    pub fn open(folder: &Path) -> Result<Golden, String> {
        let config = Config::load(folder).map_err(|error| error.to_string())?;
        let text = fs::read_to_string(folder.join("config.json")).expect("it was just read");
        let raw: serde_json::Value = serde_json::from_str(&text).expect("it was just parsed");
        let class = raw["architectures"][0].as_str().unwrap_or_default().to_string();
        let labels = config.labels.clone().unwrap_or_default();
        let heads = [HeadKind::Classify(labels.clone()), HeadKind::Tag(labels), HeadKind::Span, HeadKind::MaskedLm];
        let head = heads.into_iter().find(|head| config.architecture.class(head) == class);
        let head = head.ok_or_else(|| format!("{class} is not supported"))?;
        let numbers = Weights::open(&folder.join("golden.safetensors")).expect("the golden numbers can be read");
        let (batch, rows) = batch(&numbers, &head);
        Ok(Golden { folder: folder.to_path_buf(), numbers, head, batch, rows })
    }

    /// Whether the folder has numbers for a part. PyTorch's loss of a span lets padding compete with tokens: where
    /// sequences are padded, its loss and all that follows from it are of another function than ours, which has none, and
    /// what can be compared is what the model says of each token.
    pub fn has(&self, part: &Part) -> bool {
        let is_padded = self.rows.len() < self.numbers.shape("input_ids").map_or(0, |shape| shape.iter().product());
        self.head != HeadKind::Span || !is_padded || !part.of_loss
    }

    /// What the folder's model predicts.
    pub fn head(&self) -> &HeadKind {
        &self.head
    }

    fn model(&self, device: &Device) -> Model {
        Model::load(&self.folder, self.head.clone(), 7, device).expect("the golden model loads")
    }

    /// The model with its word table cut into windows, as on a device that cannot bind the whole.
    fn model_in_windows(&self, device: &Device) -> Model {
        let mut model = self.model(device);
        let (values, columns) = (model.words.to_vec(), model.words.columns);
        let each = model.words.rows.div_ceil(3) * columns;
        let window = |values: &[f32]| Tensor::new(values, [values.len() / columns, columns], device).tracked();
        model.words.windows = values.chunks(each).map(window).collect();
        model
    }

    fn read(&self, name: &str) -> Vec<f32> {
        self.numbers.read(name).expect("the golden numbers can be read")
    }

    /// The rows of tokens of a padded [b, t, h] tensor.
    fn packed(&self, name: &str) -> Vec<f32> {
        let values = self.read(name);
        let width = *self.numbers.shape(name).expect("it is there").last().expect("it has axes");
        self.rows.iter().flat_map(|row| values[row * width..(row + 1) * width].to_vec()).collect()
    }

    /// The numbers of tokens of a padded [b, t] tensor.
    fn packed_column(&self, name: &str) -> Vec<f32> {
        let values = self.read(name);
        self.rows.iter().map(|row| values[*row]).collect()
    }

    /// A gradient or parameter by name; the tied output layer goes by two.
    fn named(&self, prefix: &str, name: &str) -> Vec<f32> {
        let tied = if name.ends_with("word_embeddings.weight") { "lm_head.decoder.weight" } else { name };
        let known = [name, tied].map(|name| format!("{prefix}.{name}"));
        self.read(known.iter().find(|name| self.numbers.contains(name)).expect("every parameter is golden"))
    }

    fn scene<'a>(&'a self, model: &'a Model, words: Words<'a>, draw: Option<Draw>) -> Scene<'a> {
        Scene { model, words, batch: &self.batch, weight: self.weight(), draw }
    }

    /// 1 / examples.
    fn weight(&self) -> f32 {
        1.0 / n_examples(&self.batch) as f32
    }
}

/// The padded batch without its padding.
fn batch(numbers: &Weights, head: &HeadKind) -> (Batch, Vec<usize>) {
    let shape = numbers.shape("input_ids").expect("there are inputs").to_vec();
    let read = |name: &str| numbers.read_u32(name).expect("inputs are whole numbers");
    let (ids, mask) = (read("input_ids"), read("attention_mask"));
    let types = ["token_type_ids", "langs"].into_iter().find(|name| numbers.contains(name));
    let types = types.map_or_else(|| vec![0; ids.len()], read);
    let rows: Vec<usize> = (0..ids.len()).filter(|i| mask[*i] == 1).collect();
    let lengths = mask.chunks(shape[1]).map(|row| row.iter().sum::<u32>() as usize);
    let pick = |values: &[u32]| rows.iter().map(|i| values[*i]).collect::<Vec<u32>>();
    let segments = Segments::new(lengths);
    let target = match head {
        HeadKind::Span => {
            let (begins, ends) = (read("start_positions"), read("end_positions"));
            let places: Vec<u32> = begins.iter().zip(&ends).flat_map(|(begin, end)| [*begin, *end]).collect();
            let rows = (0..segments.rows() as u32).collect::<Vec<_>>().into();
            let wanted = Wanted::Places { groups: segments.clone(), places: places.into() };
            Target { rows, wanted, whole: Whole::Nothing }
        }
        HeadKind::Classify(_) => Target::labels(&segments, read("labels")),
        _ => {
            // Labels of -100 do not fit u32; the masked positions are those with a label.
            let labels = labels_as_f64(numbers);
            let masked: Vec<usize> = (0..rows.len()).filter(|i| labels[rows[*i]] >= 0.0).collect();
            let words: Vec<u32> = masked.iter().map(|i| labels[rows[*i]] as u32).collect();
            Target::classes(masked.iter().map(|i| *i as u32).collect::<Vec<_>>().into(), words)
        }
    };
    let (ids, positions, types) = (pick(&ids).into(), segments.positions(), pick(&types).into());
    let batch = Batch { ids, positions, types, segments, target, other: None };
    (batch, rows)
}

/// The i64 labels, which may be negative, straight from the file.
fn labels_as_f64(numbers: &Weights) -> Vec<f64> {
    let bytes = fs::read(numbers.source()).expect("the file is there");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("the file was checked");
    let labels = file.tensor("labels").expect("there are labels");
    labels.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().expect("8 bytes")) as f64).collect()
}

/// In a shorter precision, logits and gradients are near those of f32, and not the same.
pub fn in_precision(golden: &Golden, device: &Device) -> Closeness {
    rounding(&|device| golden.model(device), &golden.batch, device)
}

/// The same of any model and batch: within a factor of what rounding its weights alone does.
pub fn rounding(model: &dyn Fn(&Device) -> Model, batch: &Batch, device: &Device) -> Closeness {
    let (exact, got) = (model(&Device::cpu()), model(device));
    let rounded = with_rounded_weights(&exact, device.precision());
    let batch = &off_steps(&exact, batch, step(device.precision()));
    let exact = logits_and_gradients(&exact, batch);
    let [by_weights, found] = [&rounded, &got].map(|model| logits_and_gradients(model, batch));
    let mut seen = Closeness::default();
    for (i, what) in ["logits", "gradients"].into_iter().enumerate() {
        let (error, scale) = (distance(&found[i], &exact[i]), distance(&by_weights[i], &exact[i]));
        match error > scale / MOST {
            true => {
                seen.record(format!("{what}: {error:.1e} off, rounded weights alone {scale:.1e}"), error, MOST * scale)
            }
            false => {
                let what = format!("{what} are those of f32: was {} used at all?", device.precision());
                seen.record(what, f64::INFINITY, MOST * scale);
            }
        }
    }
    seen
}

/// How near 0 rounding may move an input of a rectifier, of numbers of the order of 1, to its other side: some units in the
/// last place, which are 5e-4 to 1e-3 in f16, and 4e-3 to 8e-3 in bf16, whose fraction is three bits shorter.
fn step(precision: Precision) -> f32 {
    const IN_F16: f32 = 4e-3;
    if precision == Precision::Bf16 { 8.0 * IN_F16 } else { IN_F16 }
}

/// The sequences of which no rectifier of the head is so near its step that rounding decides the slope: with the others, a
/// gradient is another one, and its distance says nothing. The farthest where all are that near.
fn off_steps(model: &Model, batch: &Batch, step: f32) -> Batch {
    let (HeadKind::Classify(_), Wanted::Classes(labels)) = (&model.head_kind, &batch.target.wanted) else {
        return batch.clone();
    };
    let hidden = model.activations(Place::Encoder, batch, Words::Table, Pass::evaluation());
    let Some(nearest) = model.head.nearest_step(&hidden) else { return batch.clone() };
    let farthest = nearest.iter().copied().fold(0.0, f32::max);
    let kept: Vec<usize> = (0..nearest.len()).filter(|i| nearest[*i] > step || nearest[*i] == farthest).collect();
    let ranges: Vec<_> = batch.segments.ranges().collect();
    let pick = |values: &[u32]| kept.iter().flat_map(|i| values[ranges[*i].clone()].to_vec()).collect::<Vec<u32>>();
    let of_kept: Vec<u32> = kept.iter().map(|i| labels[*i]).collect();
    let segments = Segments::new(kept.iter().map(|i| ranges[*i].len()));
    let target = Target::labels(&segments, of_kept);
    Batch {
        ids: pick(&batch.ids).into(),
        positions: pick(&batch.positions).into(),
        types: pick(&batch.types).into(),
        segments,
        target,
        other: None,
    }
}

/// How many times as far off a device may be as the model's own weights make it when they alone are rounded, and the rest
/// is computed in f32: at most so many times, and at least this part.
///
/// Depth, width, and how large logits are decide how far rounding carries, for each model in its own way; all of that is in
/// the model itself. Rounding its weights once tells it, whatever the sizes: the other operand of each product is rounded as
/// often and as far, in attention both are, and in f16 a GPU rounds what it stores, too, while a backward pass rounds the
/// gradient's operands beside those of the forward pass. These are independent errors of the same size, some two to eight
/// of them, so that their sum is √2 to √8 times as large, and it varies by chance where logits are few.
const MOST: f64 = 6.0;

/// The model with the weights of its matrices rounded, and a tied word table, which is an operand, too.
fn with_rounded_weights(model: &Model, precision: Precision) -> Model {
    let round = |x: f32| match precision {
        Precision::Bf16 => half::bf16::from_f32(x).to_f32(),
        Precision::F16 => half::f16::from_f32(x).to_f32(),
        Precision::F32 => x,
    };
    let kept = Model::fresh(model.config.clone(), model.head_kind.clone(), 7, model.device());
    let copy = kept.expect("a model of this configuration was made before");
    let mut tensors = model.tensors();
    let is_operand = |i: usize, shape: &[usize], name: &str| match i {
        0 => model.head_kind == HeadKind::MaskedLm,
        _ => shape.len() == 2 && !name.contains("embeddings"),
    };
    for (i, (name, shape, values)) in tensors.iter_mut().enumerate() {
        if is_operand(i, shape, name) {
            values.iter_mut().for_each(|x| *x = round(*x));
        }
    }
    copy.assign(&tensors);
    copy
}

fn logits_and_gradients(model: &Model, batch: &Batch) -> [Vec<f32>; 2] {
    let embedded = model.activations(Place::Embedding, batch, Words::Table, Pass::evaluation());
    let logits = model.logits_from(Place::Embedding, &embedded, batch, Pass::evaluation()).to_vec();
    // Scaled as a training step does it in f16, which has no small numbers.
    let scene = Scene { model, words: Words::Table, batch, weight: 1.0 / n_examples(batch) as f32, draw: None };
    let grads = Standard::default().loss(&scene).scale(1024.0).gradients(&model.leaves());
    [logits, grads.iter().flat_map(Tensor::to_vec).collect()]
}

/// How many predictions the loss averages over.
fn n_examples(batch: &Batch) -> usize {
    match &batch.target.wanted {
        Wanted::Classes(goals) | Wanted::Each(goals) | Wanted::Places { places: goals, .. } => goals.len(),
        Wanted::Numbers(numbers) => numbers.len(),
    }
}

/// `‖a − b‖ / ‖b‖`.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>();
    (square(&mut a.iter().zip(b).map(|(a, b)| a - b)) / square(&mut b.iter().copied())).sqrt()
}

fn all_gradients(golden: &Golden, device: &Device, seen: &mut Closeness) {
    for model in [golden.model(device), golden.model_in_windows(device)] {
        gradients(golden, &model, seen);
    }
}

fn all_training(golden: &Golden, device: &Device, seen: &mut Closeness) {
    for dense in [false, true] {
        if !dense && golden.head == HeadKind::MaskedLm {
            continue; // a tied table has a dense gradient
        }
        for model in [golden.model(device), golden.model_in_windows(device)] {
            training(golden, &model, dense, seen);
        }
    }
}

fn forward(golden: &Golden, device: &Device, seen: &mut Closeness) {
    let model = golden.model(device);
    let (batch, pass) = (&golden.batch, Pass::evaluation());
    let embedded = model.activations(Place::Embedding, batch, Words::Table, pass);
    for (i, state) in model.encoder.hidden_states(&embedded, &batch.segments, pass).iter().enumerate() {
        seen.close(&format!("hidden.{i}"), &state.to_vec(), &golden.packed(&format!("hidden.{i}")), 2e-5);
    }
    let logits = model.logits_from(Place::Embedding, &embedded, batch, pass).to_vec();
    let expected = match golden.head {
        HeadKind::Span => {
            let [begins, ends] = ["start_logits", "end_logits"].map(|name| golden.packed_column(name));
            begins.iter().zip(&ends).flat_map(|(begin, end)| [*begin, *end]).collect()
        }
        HeadKind::Classify(_) => golden.read("logits"),
        _ => {
            let v = *golden.numbers.shape("logits").expect("it is there").last().expect("it has axes");
            let all = golden.packed("logits");
            let rows = batch.target.rows.iter();
            rows.flat_map(|row| all[*row as usize * v..(*row as usize + 1) * v].to_vec()).collect()
        }
    };
    seen.close("logits", &logits, &expected, 5e-5);
}

fn gradients(golden: &Golden, model: &Model, seen: &mut Closeness) {
    let scene = golden.scene(model, Words::Table, None);
    let words = scene.activations(Place::Word);
    let loss = scene.loss_from(Place::Word, &words);
    seen.close("loss", &loss.to_vec(), &golden.read("loss"), 2e-5);
    let mut wanted = model.leaves();
    wanted.push(&words);
    let mut grads = loss.gradients(&wanted);
    let by_words = grads.pop().expect("it was asked for");
    seen.close("embed_grad", &by_words.to_vec(), &golden.packed("embed_grad"), 2e-5);
    let table: Vec<f32> = grads.split_off(model.parameters.len()).iter().flat_map(Tensor::to_vec).collect();
    seen.close(&model.words.name, &table, &golden.named("grad", &model.words.name), 5e-5);
    for (parameter, grad) in model.parameters.iter().zip(grads) {
        seen.close(&parameter.name, &grad.to_vec(), &golden.named("grad", &parameter.name), 5e-5);
    }
}

fn training(golden: &Golden, model: &Model, dense: bool, seen: &mut Closeness) {
    let settings = Settings {
        learning_rate: 1e-3,
        betas: [0.9, 0.999],
        epsilon: 1e-8,
        weight_decay: 0.01,
        max_grad_norm: 1.0,
        warmup_steps: 3,
        total_steps: 12,
        decay: Decay::Linear,
    };
    let mut optimizer = if dense { Optimizer::dense(model, settings) } else { Optimizer::lazy(model, settings) };
    let mut losses = Vec::new();
    for _ in 0..12 {
        let update = Update {
            model,
            head: 0,
            objective: &Standard::default(),
            weight: golden.weight(),
            draw: None,
            share: Share::alone(),
        };
        let (loss, _) = update.make(&mut optimizer, std::slice::from_ref(&golden.batch));
        losses.push(loss.item());
        model.device().submit();
    }
    // Rounding grows from step to step: 2e-5 at the first becomes up to 2e-4 at the twelfth.
    seen.close("losses.adamw", &losses, &golden.read("losses.adamw"), 2e-4);
    optimizer.flush(model);
    for (name, _, values) in model.tensors() {
        // AdamW divides by the root of the second moment: where a gradient is near 0, rounding decides its sign, and a
        // parameter may end up to some learning rates (1e-3) away.
        // A key's bias has no gradient at all (softmax does not see it), so all of it is rounding's.
        let expected = golden.named("param_after", &name);
        let is_of_keys = ["key.bias", "k_lin.bias"].iter().any(|end| name.ends_with(end));
        let usual = if is_of_keys { 8e-3 } else { 2e-5 };
        seen.close_mostly(&name, &values, &expected, usual, 8e-3);
    }
}

fn perturbations(golden: &Golden, device: &Device, seen: &mut Closeness) {
    let model = golden.model(device);
    let scene = golden.scene(&model, Words::Table, None);
    for (name, norm, radius, step_size) in
        [("l2", Norm::L2, 0.5.into(), 0.2.into()), ("linf", Norm::Linf, 0.02.into(), 0.01.into())]
    {
        let pgd = Adv {
            norm,
            radius,
            step_size,
            steps: 3,
            start: Start::Zero,
            at: Place::Word,
            clean_weight: 0.0,
            ..Adv::default()
        };
        let nudge = pgd.nudge(&scene, &scene.activations(Place::Word)).to_vec();
        let expected = golden.packed(&format!("pgd.{name}.delta"));
        match norm {
            Norm::L2 => seen.close("pgd.l2.delta", &nudge, &expected, 2e-5),
            // Where a gradient is near 0 its sign is rounding's: a step or two of 0.01 the other way.
            Norm::Linf => seen.close_mostly("pgd.linf.delta", &nudge, &expected, 1e-6, 4.1e-2),
        }
        let loss = pgd.loss(&scene).item();
        seen.close("pgd loss", &[loss], &golden.read(&format!("pgd.{name}.loss")), 5e-5);
    }
}

/// What must be equal to what: no ascent and no noise are plain training, wherever they enter.
fn identities(golden: &Golden, device: &Device, seen: &mut Closeness) {
    let model = golden.model(device);
    let draw = Draw { seed: 5, step: 1, stream: 0 };
    let scene = golden.scene(&model, Words::Table, Some(draw));
    let plain = Standard::default().loss(&scene).item();
    for at in [Place::Word, Place::Embedding, Place::Encoder] {
        let pgd = Adv {
            norm: Norm::L2,
            radius: 0.5.into(),
            step_size: 0.2.into(),
            steps: 0,
            start: Start::Zero,
            at,
            clean_weight: 0.0,
            ..Adv::default()
        };
        seen.same(&format!("no steps at {at:?}"), pgd.loss(&scene).item(), plain);
        let silent = RsRp { distribution: Distribution::Gaussian, scale: 0.0, samples: 1, at, ..RsRp::default() };
        seen.same(&format!("no noise at {at:?}"), silent.loss(&scene).item(), plain);
        let random = Adv { steps: 2, start: Start::Random, ..pgd.clone() };
        let nudge = random.nudge(&scene, &scene.activations(at)).to_vec();
        let columns = model.config.hidden_size;
        for rows in golden.batch.segments_at(at).ranges() {
            let block = &nudge[rows.start * columns..rows.end * columns];
            let norm = block.iter().map(|x| x * x).sum::<f32>().sqrt();
            seen.record(format!("a nudge of norm {norm} in a ball of 0.5"), f64::from(norm - 0.5).max(0.0), 1e-5);
        }
    }
}
