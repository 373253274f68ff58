//! The autotuner: which of a matrix product's kernels is fastest here, found by timing those that agree with the plain
//! one, and kept for each class of shapes.

use super::{
    Buffer, Gpu, cache,
    faults::lock,
    kernel::{Formats, Kernel, Product},
    pool::count,
};
use crate::{
    array::Format,
    error::{Error, Result, raise},
    rng::Rng,
};
use half::f16;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, MutexGuard},
    time::Instant,
};

/// How much time goes into the choice between kernels of matrix products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Autotune {
    /// None: the adapter's properties decide.
    #[default]
    Off,
    /// A few runs of each kernel.
    Quick,
    /// More runs, where other work disturbs the device.
    Full,
}

impl Autotune {
    fn repeats(self) -> usize {
        match self {
            Autotune::Off => 0,
            Autotune::Quick => 3,
            Autotune::Full => 15,
        }
    }
}

/// A kernel that may be taken, and its name.
type Candidate<'a> = (&'static str, &'a Kernel);

/// What another kernel may take of the time of the adapter's own to be preferred: less would be noise.
const CLEARLY_FASTER: f64 = 0.95;

/// How far results that are stored in f16 may be from one another: a unit in the last place.
const STORED_IN_F16: f32 = 1e-3;

/// The choices made so far, and where they are kept.
#[derive(Default)]
pub(super) struct Tuner {
    effort: Autotune,
    /// The name of the kernel for each class that was met.
    choices: BTreeMap<String, String>,
    /// What earlier processes chose, and this one.
    cache: Option<(PathBuf, Choices)>,
    /// The run's own file.
    record: Option<PathBuf>,
    notes: Vec<String>,
}

/// A file of choices.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choices {
    /// The adapter, its driver and the version of rxlt.
    made_by: String,
    choices: BTreeMap<String, String>,
}

impl Choices {
    /// The file's choices, if it is there; else why they cannot be taken.
    fn read(path: &Path) -> Result<Option<Choices>, String> {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| error.to_string())?,
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| error.to_string())
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self).expect("text can be written as JSON") + "\n";
        cache::write_whole(path, text.as_bytes())
    }
}

impl Tuner {
    /// What was chosen for a class, by this process or those before.
    fn find(&self, class: &str) -> Option<&String> {
        let cached = || self.cache.as_ref().and_then(|(_, cached)| cached.choices.get(class));
        self.choices.get(class).or_else(cached)
    }

    /// Follows a choice from now on, and writes it down before anything is computed with it.
    fn keep(&mut self, made_by: &str, class: String, name: &str) {
        self.choices.insert(class.clone(), name.to_owned());
        if let Some(path) = &self.record {
            let file = Choices { made_by: made_by.to_owned(), choices: self.choices.clone() };
            file.write(path).unwrap_or_else(|error| raise(Error::write(path, &error)));
        }
        let Some((path, cached)) = &mut self.cache else { return };
        if cached.choices.insert(class, name.to_owned()).as_deref() == Some(name) {
            return;
        }
        if let Err(error) = cached.write(path) {
            let note = format!("choices of kernels are not kept for later: cannot write {}: {error}", path.display());
            self.notes.push(note);
            self.cache = None; // told once
        }
    }
}

impl Gpu {
    /// From now on, chooses between the kernels of matrix products with this effort when a class of shapes is first
    /// met. Choices are kept in `folder`, and those that are there already are taken.
    pub fn autotune(&self, effort: Autotune, folder: Option<&Path>) {
        let mut tuner = Tuner { effort, ..Tuner::default() };
        if let Some(folder) = folder.filter(|_| effort != Autotune::Off) {
            let made_by = format!("{}, {effort:?}", self.made_by());
            let path = folder.join(format!("autotune-{}.json", &cache::hex(made_by.as_bytes())[..16]));
            let found = Choices::read(&path).unwrap_or_else(|reason| {
                tuner.notes.push(format!("{} is damaged ({reason}); kernels are timed anew", path.display()));
                None
            });
            let found = found.filter(|found| found.made_by == made_by);
            tuner.cache = Some((path, found.unwrap_or(Choices { made_by, choices: BTreeMap::new() })));
        }
        *lock(&self.tuner) = tuner;
    }

    /// How much time goes into the choice between kernels.
    pub fn effort(&self) -> Autotune {
        lock(&self.tuner).effort
    }

    /// Follows the choices in the file of a run, if there are any, and writes further ones there: a run that goes on
    /// computes as it did before. A run begun without choices goes on without.
    pub fn record_choices(&self, path: &Path, resumed: bool) -> Result<()> {
        let found = Choices::read(path).map_err(|reason| {
            let remedy = "restore the file, or begin the run anew in another folder";
            Error::Data(format!("{}: choices of kernels cannot be read: {reason}; {remedy}", path.display()))
        })?;
        let mut tuner = lock(&self.tuner);
        let (off, made_by) = (tuner.effort == Autotune::Off, self.made_by());
        if found.is_none() && resumed && !off {
            let message = "the run was begun without --autotune, which would change its numbers: leave it out";
            return Err(Error::Usage(format!("there is no {}: {message}, or begin anew elsewhere", path.display())));
        }
        tuner.record = (found.is_some() || !off).then(|| path.to_owned());
        let here = found.filter(|found| found.made_by == made_by);
        let choices = here.unwrap_or(Choices { made_by, choices: BTreeMap::new() });
        if !off {
            // Even without choices it says that the run makes them.
            choices.write(path).map_err(|error| Error::write(path, &error))?;
        }
        tuner.choices = choices.choices;
        Ok(())
    }

    /// What there is to say of the choices since this was last asked.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.tuner).notes)
    }

    /// What choices hold for.
    fn made_by(&self) -> String {
        let adapter = self.adapter();
        let (version, opening) = (env!("CARGO_PKG_VERSION"), self.opening());
        format!("rxlt {version}, {}, {}, {}, {opening:?}", adapter.name, adapter.backend, adapter.driver)
    }

    /// The kernel that runs here, as far as it is chosen; nothing is timed.
    pub(super) fn chosen<'a>(&self, kernel: &'a Kernel, formats: &Formats) -> &'a Kernel {
        let Some((tuner, candidates, class)) = self.choice(kernel, formats) else { return self.own(kernel) };
        let known = tuner.find(&class).and_then(|name| named(kernel, &candidates, name));
        known.map_or_else(|| self.own(kernel), |(_, chosen)| chosen)
    }

    /// The kernel that runs here: the choice is made now, if it was not before.
    pub(super) fn tuned<'a>(self: &Arc<Self>, kernel: &'a Kernel, formats: &Formats) -> &'a Kernel {
        let Some((mut tuner, candidates, class)) = self.choice(kernel, formats) else { return self.own(kernel) };
        let known = tuner.find(&class).and_then(|name| named(kernel, &candidates, name));
        let (name, chosen) = match known {
            Some(known) => known,
            None if tuner.effort == Autotune::Off => return self.own(kernel),
            None => self.fastest((kernel, formats), &class, &candidates, &mut tuner),
        };
        if tuner.choices.get(&class).is_none_or(|kept| kept != name) {
            tuner.keep(&self.made_by(), class, name);
        }
        chosen
    }

    /// The variant for such an adapter.
    fn own<'a>(&self, kernel: &'a Kernel) -> &'a Kernel {
        kernel.variant_for(|suits| self.suits(suits))
    }

    /// What a choice is between, and for which class of shapes, where there is one.
    fn choice<'a>(
        &self,
        kernel: &'a Kernel,
        formats: &Formats,
    ) -> Option<(MutexGuard<'_, Tuner>, Vec<Candidate<'a>>, String)> {
        let product = kernel.product.as_ref().filter(|product| !product.is_empty())?;
        let tuner = lock(&self.tuner);
        if tuner.effort == Autotune::Off && tuner.choices.is_empty() {
            return None;
        }
        let candidates = self.candidates(kernel, formats);
        let class = class(product, formats, &candidates);
        (candidates.len() > 1).then_some((tuner, candidates, class))
    }

    /// The kernels of a product that run here in the memory that the adapter's own takes, that one first.
    fn candidates<'a>(&self, kernel: &'a Kernel, formats: &Formats) -> Vec<Candidate<'a>> {
        let suiting = kernel.variants.iter().filter(|(suits, _)| self.suits(*suits));
        let mut all: Vec<_> = suiting.map(|(suits, variant)| (suits.name(), variant)).collect();
        all.push((PLAIN, kernel));
        all.extend(kernel.product.iter().flat_map(|product| &product.others).map(|(name, other)| (*name, other)));
        let words = |kernel: &Kernel| formats.scratch_words(kernel).iter().sum::<usize>();
        let most = words(all[0].1);
        all.retain(|(_, candidate)| words(candidate) <= most);
        all
    }

    /// The fastest of the kernels that agree with the plain one.
    fn fastest<'a>(
        self: &Arc<Self>,
        (plain, formats): (&'a Kernel, &Formats),
        class: &str,
        candidates: &[Candidate<'a>],
        tuner: &mut Tuner,
    ) -> Candidate<'a> {
        let product = plain.product.as_ref().expect("there is a choice only for products");
        count(&self.counters.tunings);
        let trial = self.trial(product.extents, formats);
        let tolerance = match formats.outputs[0] {
            Format::F32 => product.tolerance,
            Format::F16 => STORED_IN_F16,
        };
        let expected = trial.result(plain);
        let mut best = (f64::INFINITY, (PLAIN, plain));
        for (name, candidate) in candidates {
            let error = furthest(&trial.result(candidate), &expected); // that was the warm-up, too
            if error.is_nan() || error > tolerance {
                tuner.notes.push(format!(
                    "kernel \"{name}\" of {class} is not used on {}: it differs from the plain one by {error:.1e}, \
                     expected at most {tolerance:.0e}",
                    self.adapter().name
                ));
                continue;
            }
            let times = (0..tuner.effort.repeats()).map(|_| self.seconds(|| trial.run(candidate)));
            let seconds = times.fold(f64::INFINITY, f64::min);
            if seconds < CLEARLY_FASTER * best.0 {
                best = (seconds, (*name, *candidate));
            }
        }
        best.1
    }

    /// A product of random inputs, with a third one for a bias, stored as told.
    pub(super) fn trial(self: &Arc<Self>, [m, n, k]: [usize; 3], formats: &Formats) -> Trial {
        let mut rng = Rng::new(1, 0);
        let small = (k as f32).sqrt().recip(); // outputs stay near 1
        let lengths = [m * k, n * k, n].into_iter().zip(&formats.inputs);
        let inputs = lengths.zip([1.0, small, 1.0]).map(|((len, format), scale)| {
            let buffer = self.allocate(len, *format);
            let numbers: Vec<f32> = (0..len).map(|_| scale * (2.0 * rng.uniform() - 1.0)).collect();
            self.overwrite(&buffer, &words_of(&numbers, *format));
            buffer
        });
        let output = self.allocate(m * n, formats.outputs[0]);
        Trial { gpu: self.clone(), formats: formats.clone(), inputs: inputs.collect(), output }
    }

    /// How long the device takes for what `run` records: by its clock, or by ours where it has none to spare.
    fn seconds(&self, run: impl Fn()) -> f64 {
        self.time(&run).unwrap_or_else(|| {
            self.synchronize();
            let start = Instant::now();
            run();
            self.synchronize();
            start.elapsed().as_secs_f64()
        })
    }
}

/// Inputs of a product, and room for its output.
pub(super) struct Trial {
    gpu: Arc<Gpu>,
    formats: Formats,
    inputs: Vec<Buffer>,
    output: Buffer,
}

impl Trial {
    /// Records just this kernel.
    fn run(&self, kernel: &Kernel) {
        let inputs: Vec<&Buffer> = self.inputs.iter().collect();
        self.gpu.run_variant(kernel, &self.formats, &[&self.output], &inputs);
    }

    /// What the kernel computes; NaN where it writes nothing.
    pub(super) fn result(&self, kernel: &Kernel) -> Vec<f32> {
        self.gpu.overwrite(&self.output, &words_of(&vec![f32::NAN; self.output.len()], self.output.format()));
        self.run(kernel);
        self.gpu.read(&self.output)
    }
}

/// Numbers as they lie in memory.
fn words_of(numbers: &[f32], format: Format) -> Vec<u32> {
    match format {
        Format::F32 => bytemuck::cast_slice(numbers).to_vec(),
        Format::F16 => {
            let half = |number: Option<&f32>| u32::from(f16::from_f32(number.copied().unwrap_or(0.0)).to_bits());
            numbers.chunks(2).map(|pair| half(pair.first()) | half(pair.get(1)) << 16).collect()
        }
    }
}

/// The name of the kernel that runs everywhere.
const PLAIN: &str = "plain";

/// Shapes for which one choice is made: extents up to the same powers of two, with the same kernels to choose from.
fn class(product: &Product, formats: &Formats, candidates: &[Candidate]) -> String {
    let [m, n, k] = product.extents.map(usize::next_power_of_two);
    let names: Vec<&str> = candidates.iter().map(|(name, _)| *name).collect();
    let stored = if formats.inputs.contains(&Format::F16) { " stored" } else { "" };
    format!("{} {}{stored} {m}x{n}x{k}: {}", product.name, product.precision, names.join(", "))
}

/// The kernel with a name. The plain one is there even if it takes more memory: where no other was right.
fn named<'a>(plain: &'a Kernel, candidates: &[Candidate<'a>], name: &str) -> Option<Candidate<'a>> {
    candidates.iter().copied().chain([(PLAIN, plain)]).find(|(known, _)| *known == name)
}

/// The largest error, relative to numbers beyond 1; NaN where a number is none.
pub(super) fn furthest(got: &[f32], expected: &[f32]) -> f32 {
    let errors = got.iter().zip(expected).map(|(got, expected)| (got - expected).abs() / (1.0 + expected.abs()));
    errors.fold(0.0, |most, error| if most.is_nan() || error <= most { most } else { error })
}
