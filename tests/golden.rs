//! Models and training against the numbers of PyTorch and transformers: hidden states, logits, loss, every gradient,
//! twelve steps of AdamW, and the perturbations of projected gradient ascent.
//!
//! `RXLT_GOLDEN` names another folder of golden folders, of whatever sizes; the default is the project's own copies in
//! tests/golden, and those of the shared folder where it is there.

mod harness;

use harness::{Outcome, Test};
use rxlt::{
    array::{Precision, Segments},
    checkpoint::Weights,
    cpu,
    gpu::Opening,
    models::{Batch, Config, HeadKind, Model, Place, Target, Words},
    nn::Pass,
    ops::Distribution,
    rng::Draw,
    tensor::{Device, Tensor},
    train::{
        objective::{Norm, Objective, Pgd, RandomPerturbation, Scene, Standard, Start},
        optimizer::{Decay, Optimizer, Settings},
    },
};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn main() {
    let mut tests = Vec::new();
    for folder in folders() {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let parent = folder.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let name = format!("{}::{name}", parent.unwrap_or_default());
        let (cpu, bf16, f16, gpu) = (folder.clone(), folder.clone(), folder.clone(), folder);
        tests.push(Test::new(format!("{name}::cpu in bf16"), move || check_bf16(&bf16)));
        tests.push(Test::new(format!("{name}::wgpu in f16"), move || check_f16(&f16)));
        tests.push(Test::new(format!("{name}::cpu"), move || check(&cpu, &Device::cpu())));
        tests.push(Test::new(format!("{name}::wgpu"), move || harness::on_gpu(|device| check(&gpu, device))));
    }
    harness::run(tests);
}

fn folders() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let roots = match env::var_os("RXLT_GOLDEN") {
        Some(folder) => vec![PathBuf::from(folder)],
        None => vec![own, harness::shared_folder().join("golden")],
    };
    let entries = roots.iter().flat_map(|root| fs::read_dir(root).into_iter().flatten().flatten());
    let mut folders: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.join("golden.safetensors").exists()).collect();
    folders.sort();
    assert!(!folders.is_empty(), "no folder with golden.safetensors below {roots:?}");
    folders
}

/// One folder of numbers.
struct Golden {
    folder: PathBuf,
    numbers: Weights,
    head: HeadKind,
    batch: Batch,
    /// Rows of the padded [b, t] layout that hold tokens.
    rows: Vec<usize>,
}

impl Golden {
    /// The folder's content, or why it cannot be checked yet.
    fn open(folder: &Path) -> Result<Golden, String> {
        let config = Config::load(folder).map_err(|error| error.to_string())?;
        let text = fs::read_to_string(folder.join("config.json")).expect("it was just read");
        let raw: serde_json::Value = serde_json::from_str(&text).expect("it was just parsed");
        let class = raw["architectures"][0].as_str().unwrap_or_default().to_string();
        let head = match &class {
            class if class == config.architecture.classifier => {
                HeadKind::Classify(config.labels.expect("a classifier has labels"))
            }
            class if class == config.architecture.masked_lm => HeadKind::MaskedLm,
            other => return Err(format!("{other} is not supported")),
        };
        let numbers = Weights::open(&folder.join("golden.safetensors")).expect("the golden numbers can be read");
        let (batch, rows) = batch(&numbers, &head);
        Ok(Golden { folder: folder.to_path_buf(), numbers, head, batch, rows })
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

    /// A gradient or parameter by name; the tied output layer goes by two.
    fn named(&self, prefix: &str, name: &str) -> Vec<f32> {
        let tied = if name.ends_with("word_embeddings.weight") { "lm_head.decoder.weight" } else { name };
        let known = [name, tied].map(|name| format!("{prefix}.{name}"));
        self.read(known.iter().find(|name| self.numbers.contains(name)).expect("every parameter is golden"))
    }

    fn scene<'a>(&'a self, model: &'a Model, words: Words<'a>, draw: Option<Draw>) -> Scene<'a> {
        let examples = match &self.batch.target {
            Target::Labels(labels) => labels.len(),
            Target::Masked { words, .. } | Target::Translated { words, .. } => words.len(),
        };
        Scene { model, words, batch: &self.batch, weight: 1.0 / examples as f32, draw }
    }
}

/// The padded batch without its padding.
fn batch(numbers: &Weights, head: &HeadKind) -> (Batch, Vec<usize>) {
    let shape = numbers.shape("input_ids").expect("there are inputs").to_vec();
    let read = |name: &str| numbers.read_u32(name).expect("inputs are whole numbers");
    let (ids, mask) = (read("input_ids"), read("attention_mask"));
    let types = if numbers.contains("token_type_ids") { read("token_type_ids") } else { vec![0; ids.len()] };
    let rows: Vec<usize> = (0..ids.len()).filter(|i| mask[*i] == 1).collect();
    let lengths = mask.chunks(shape[1]).map(|row| row.iter().sum::<u32>() as usize);
    let pick = |values: &[u32]| rows.iter().map(|i| values[*i]).collect::<Vec<u32>>();
    let target = match head {
        HeadKind::Classify(_) => Target::Labels(read("labels").into()),
        HeadKind::MaskedLm => {
            // Labels of -100 do not fit u32; the masked positions are those with the id itself as label.
            let labels = labels_as_f64(numbers);
            let masked: Vec<usize> = (0..rows.len()).filter(|i| labels[rows[*i]] >= 0.0).collect();
            let words: Vec<u32> = masked.iter().map(|i| labels[rows[*i]] as u32).collect();
            Target::Masked { rows: masked.iter().map(|i| *i as u32).collect::<Vec<_>>().into(), words: words.into() }
        }
    };
    let segments = Segments::new(lengths);
    let (ids, positions, types) = (pick(&ids).into(), segments.positions(), pick(&types).into());
    let batch = Batch { ids, positions, types, segments, target };
    (batch, rows)
}

/// The i64 labels, which may be negative, straight from the file.
fn labels_as_f64(numbers: &Weights) -> Vec<f64> {
    let bytes = fs::read(numbers.source()).expect("the file is there");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("the file was checked");
    let labels = file.tensor("labels").expect("there are labels");
    labels.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().expect("8 bytes")) as f64).collect()
}

fn check(folder: &Path, device: &Device) -> Outcome {
    let golden = match Golden::open(folder) {
        Ok(golden) => golden,
        Err(reason) => return Outcome::Ignored(reason),
    };
    forward(&golden, device);
    for model in [golden.model(device), golden.model_in_windows(device)] {
        gradients(&golden, &model);
    }
    for dense in [false, true] {
        if !dense && golden.head == HeadKind::MaskedLm {
            continue; // a tied table has a dense gradient
        }
        for model in [golden.model(device), golden.model_in_windows(device)] {
            training(&golden, &model, dense);
        }
    }
    perturbations(&golden, device);
    identities(&golden, device);
    Outcome::Passed
}

/// A rounded operand is off by at most 2⁻⁸, on average by a third of that, and errors of many products average out. Seen:
/// logits 2.0e-3 to 6.8e-3, gradients 6.8e-3 to 1.03e-2.
fn check_bf16(folder: &Path) -> Outcome {
    match cpu::supports(Precision::Bf16) {
        true => check_rounded(folder, &Device::Cpu(Precision::Bf16), [1e-2, 2e-2]),
        false => Outcome::Ignored("this processor has no AVX512-BF16".into()),
    }
}

/// Operands and what is stored between layers are off by at most 2⁻¹¹.
fn check_f16(folder: &Path) -> Outcome {
    let opening = Opening { precision: Precision::F16, ..Opening::default() };
    harness::on_gpu_as(opening, |device| check_rounded(folder, device, [2e-3, 4e-3]))
}

/// In a shorter precision, logits and gradients are near those of f32, and not the same.
fn check_rounded(folder: &Path, device: &Device, most: [f64; 2]) -> Outcome {
    let golden = match Golden::open(folder) {
        Ok(golden) => golden,
        Err(reason) => return Outcome::Ignored(reason),
    };
    let run = |device: &Device| {
        let model = golden.model(device);
        let embedded = model.activations(Place::Embedding, &golden.batch, Words::Table, Pass::evaluation());
        let logits = model.logits_from(Place::Embedding, &embedded, &golden.batch, Pass::evaluation()).to_vec();
        // Scaled as a training step does it in f16, which has no small numbers.
        let loss = Standard.loss(&golden.scene(&model, Words::Table, None)).scale(1024.0);
        let grads = loss.gradients(&model.leaves());
        (logits, grads.iter().flat_map(Tensor::to_vec).collect::<Vec<f32>>())
    };
    let ((logits, grads), (exact_logits, exact_grads)) = (run(device), run(&Device::cpu()));
    for (what, got, exact, most) in
        [("logits", logits, exact_logits, most[0]), ("gradients", grads, exact_grads, most[1])]
    {
        let error = distance(&got, &exact);
        assert!(error > 1e-5, "{what} are those of f32: was {} used at all?", device.precision());
        assert!(error <= most, "{what}: relative error {error:.1e}");
        println!("    {what}: relative error {error:.1e}");
    }
    Outcome::Passed
}

/// `‖a − b‖ / ‖b‖`.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>();
    (square(&mut a.iter().zip(b).map(|(a, b)| a - b)) / square(&mut b.iter().copied())).sqrt()
}

fn forward(golden: &Golden, device: &Device) {
    let model = golden.model(device);
    let (batch, pass) = (&golden.batch, Pass::evaluation());
    let embedded = model.activations(Place::Embedding, batch, Words::Table, pass);
    for (i, state) in model.encoder.hidden_states(&embedded, &batch.segments, pass).iter().enumerate() {
        close(&format!("hidden.{i}"), &state.to_vec(), &golden.packed(&format!("hidden.{i}")), 2e-5);
    }
    let logits = model.logits_from(Place::Embedding, &embedded, batch, pass).to_vec();
    let expected = match &batch.target {
        Target::Labels(_) => golden.read("logits"),
        Target::Masked { rows, .. } | Target::Translated { rows, .. } => {
            let (all, v) = (golden.packed("logits"), model.config.vocab_size);
            rows.iter().flat_map(|row| all[*row as usize * v..(*row as usize + 1) * v].to_vec()).collect()
        }
    };
    close("logits", &logits, &expected, 5e-5);
}

fn gradients(golden: &Golden, model: &Model) {
    let scene = golden.scene(model, Words::Table, None);
    let words = scene.activations(Place::Word);
    let loss = scene.loss_from(Place::Word, &words);
    close("loss", &loss.to_vec(), &golden.read("loss"), 2e-5);
    let mut wanted = model.leaves();
    wanted.push(&words);
    let mut grads = loss.gradients(&wanted);
    let by_words = grads.pop().expect("it was asked for");
    close("embed_grad", &by_words.to_vec(), &golden.packed("embed_grad"), 2e-5);
    let table: Vec<f32> = grads.split_off(model.parameters.len()).iter().flat_map(Tensor::to_vec).collect();
    close(&model.words.name, &table, &golden.named("grad", &model.words.name), 5e-5);
    for (parameter, grad) in model.parameters.iter().zip(grads) {
        close(&parameter.name, &grad.to_vec(), &golden.named("grad", &parameter.name), 5e-5);
    }
}

fn training(golden: &Golden, model: &Model, dense: bool) {
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
        let active = optimizer.activate(model, golden.batch.ids.iter().copied());
        let words = active.as_ref().map_or(Words::Table, Words::Active);
        let loss = Standard.loss(&golden.scene(model, words, None));
        let grads = loss.gradients(&optimizer.leaves(model, active.as_ref()));
        losses.push(loss.item());
        optimizer.step(model, active.as_ref(), &grads);
        model.device().submit();
    }
    // Rounding grows from step to step: 2e-5 at the first becomes up to 2e-4 at the twelfth.
    close("losses.adamw", &losses, &golden.read("losses.adamw"), 2e-4);
    optimizer.flush(model);
    for (name, _, values) in model.tensors() {
        // AdamW divides by the root of the second moment: where a gradient is near 0, rounding decides its sign, and a
        // parameter may end up to some learning rates (1e-3) away.
        // A key's bias has no gradient at all (softmax does not see it), so all of it is rounding's.
        let expected = golden.named("param_after", &name);
        let usual = if name.ends_with("key.bias") { 8e-3 } else { 2e-5 };
        close_mostly(&name, &values, &expected, usual, 8e-3);
    }
}

fn perturbations(golden: &Golden, device: &Device) {
    let model = golden.model(device);
    let scene = golden.scene(&model, Words::Table, None);
    for (name, norm, radius, step_size) in [("l2", Norm::L2, 0.5, 0.2), ("linf", Norm::Linf, 0.02, 0.01)] {
        let pgd = Pgd { norm, radius, step_size, steps: 3, start: Start::Zero, at: Place::Word, clean_weight: 0.0 };
        let nudge = pgd.nudge(&scene, &scene.activations(Place::Word)).to_vec();
        let expected = golden.packed(&format!("pgd.{name}.delta"));
        match norm {
            Norm::L2 => close("pgd.l2.delta", &nudge, &expected, 2e-5),
            // Where a gradient is near 0 its sign is rounding's: a step or two of 0.01 the other way.
            Norm::Linf => close_mostly("pgd.linf.delta", &nudge, &expected, 1e-6, 4.1e-2),
        }
        let loss = pgd.loss(&scene).item();
        close("pgd loss", &[loss], &golden.read(&format!("pgd.{name}.loss")), 5e-5);
    }
}

/// What must be equal to what: no ascent and no noise are plain training, wherever they enter.
fn identities(golden: &Golden, device: &Device) {
    let model = golden.model(device);
    let draw = Draw { seed: 5, step: 1, stream: 0 };
    let scene = golden.scene(&model, Words::Table, Some(draw));
    let plain = Standard.loss(&scene).item();
    for at in [Place::Word, Place::Embedding, Place::Encoder] {
        let pgd =
            Pgd { norm: Norm::L2, radius: 0.5, step_size: 0.2, steps: 0, start: Start::Zero, at, clean_weight: 0.0 };
        assert_eq!(pgd.loss(&scene).item(), plain, "no steps at {at:?}");
        let silent = RandomPerturbation { distribution: Distribution::Gaussian, scale: 0.0, samples: 1, at };
        assert_eq!(silent.loss(&scene).item(), plain, "no noise at {at:?}");
        let random = Pgd { steps: 2, start: Start::Random, ..pgd };
        let nudge = random.nudge(&scene, &scene.activations(at)).to_vec();
        let columns = model.config.hidden_size;
        for rows in golden.batch.segments_at(at).ranges() {
            let block = &nudge[rows.start * columns..rows.end * columns];
            let norm = block.iter().map(|x| x * x).sum::<f32>().sqrt();
            assert!(norm <= 0.5 + 1e-5, "a nudge of norm {norm} leaves the ball");
        }
    }
}

/// `|a − b| ≤ tolerance · (1 + |b|)` everywhere.
#[track_caller]
fn close(what: &str, got: &[f32], expected: &[f32], tolerance: f32) {
    close_mostly(what, got, expected, tolerance, tolerance);
}

/// The same but for one element in a hundred, which may be off by `most`.
#[track_caller]
fn close_mostly(what: &str, got: &[f32], expected: &[f32], tolerance: f32, most: f32) {
    assert_eq!(got.len(), expected.len(), "{what}: number of elements");
    let mut far = 0;
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (got - expected).abs() / (1.0 + expected.abs());
        assert!(error <= most, "{what}, element {i}: got {got}, expected {expected}, error {error:.1e}");
        far += usize::from(error > tolerance);
    }
    assert!(far * 100 <= got.len(), "{what}: {far} of {} elements are off by more than {tolerance:.0e}", got.len());
}
