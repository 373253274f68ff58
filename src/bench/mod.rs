//! `rxlt bench`: what operations and whole steps take on a device, beside what the device can do at most.

mod batches;
mod cases;
mod ceiling;
mod report;
mod steps;
mod timing;

pub use batches::{Lengths, Size};
pub use ceiling::Ceilings;
pub use report::{check_comparable, comparison, tables};
pub use timing::Timing;

use crate::{
    array::{Format, Shape},
    cpu,
    error::{Error, Result},
    gpu::Autotune,
    ops::{self, Spec},
    profile::{self, Work},
    tensor::{Device, Tensor, without_graph},
};
use cases::{CASES, Case, Scene, UPDATES, UpdateCase};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use steps::{Step, Steps};
use timing::{Budget, measure};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Shapes are those of this encoder,
    pub size: Size,
    /// on sequences of these lengths.
    pub lengths: Lengths,
    /// Only what has one of these in its name; everything where there is none.
    pub filters: Vec<String>,
    /// Few samples.
    pub quick: bool,
    /// About so long is each step measured where samples are not few, and an operation a twentieth of it.
    pub time: Duration,
}

impl Options {
    /// How long a step is measured where nothing is said.
    pub const TIME: Duration = Duration::from_secs(8);
}

/// A device, as far as figures depend on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// `cpu`, or the adapter's name.
    pub device: String,
    /// The processor's name.
    pub processor: Option<String>,
    /// Threads of the CPU backend.
    pub threads: usize,
    /// `vulkan`, `metal`, `dx12`, or `cpu`.
    pub backend: String,
    /// The driver's name and version.
    pub driver: Option<String>,
    /// What operands of matrix products are rounded to.
    pub precision: String,
}

/// All figures of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Of this format.
    pub schema: u32,
    /// Of rxlt.
    pub version: String,
    /// That it was built from, where that is known.
    pub commit: Option<String>,
    /// Where it ran.
    pub machine: Machine,
    /// Whether a GPU's kernels were chosen by timing them.
    #[serde(default)]
    pub autotune: Autotune,
    /// The encoder.
    pub size: String,
    /// The sequences.
    pub lengths: String,
    /// Whether everything asked for was measured; a run that was cut short leaves what it had.
    #[serde(default = "yes")]
    pub complete: bool,
    /// What the device can do at most; measured after the steps.
    pub ceilings: Option<Ceilings>,
    /// What was measured.
    pub results: Vec<Entry>,
}

/// Reports were once written at the end only.
fn yes() -> bool {
    true
}

/// One figure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Such as `linear/up/forward` or `step/update`.
    pub name: String,
    /// Shapes of the operands.
    pub shapes: String,
    /// How long it takes.
    #[serde(flatten)]
    pub timing: Timing,
    /// Floating point operations of matrix products and attention.
    pub flops: f64,
    /// Bytes of operands and results.
    pub bytes: f64,
    /// The time that arithmetic or memory traffic alone would need, by the ceilings, as a share of the time taken; none
    /// before there are ceilings.
    pub share: Option<f64>,
    /// What only a whole step has.
    pub step: Option<StepFigures>,
}

/// What only a whole step has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepFigures {
    /// Sequences per second.
    pub examples_per_second: f64,
    /// Tokens per second.
    pub tokens_per_second: f64,
    /// The most memory of the process while it was measured, where the system tells.
    pub peak_bytes: Option<u64>,
    /// The most memory of the GPU's buffers so far.
    pub gpu_peak_bytes: Option<u64>,
}

/// The version of the format of [`Report`].
pub const SCHEMA: u32 = 1;

/// Every name that can be measured.
pub fn names() -> Vec<String> {
    let steps = Step::ALL.iter().map(|step| step.name().to_owned());
    let cases = CASES.iter().flat_map(|case| [name_of(case, "forward"), name_of(case, "backward")]);
    steps.chain(cases).chain(UPDATES.iter().map(|case| case.update.to_owned())).collect()
}

fn spec_of(case: &Case) -> &'static Spec {
    ops::ALL.iter().find(|spec| spec.name == case.operation).expect("cases are of operations of the table")
}

fn name_of(case: &Case, pass: &str) -> String {
    match case.variant {
        "" => format!("{}/{pass}", case.operation),
        variant => format!("{}/{variant}/{pass}", case.operation),
    }
}

/// Measures; `progress` hears what comes next, and `keep` gets what is there after each figure.
pub fn run(
    device: &Device,
    options: &Options,
    progress: impl Fn(&str),
    keep: impl Fn(&Report) -> Result<()>,
) -> Result<Report> {
    let wanted =
        |name: &str| options.filters.is_empty() || options.filters.iter().any(|filter| name.contains(filter.as_str()));
    if !names().iter().any(|name| wanted(name)) {
        let filters = options.filters.join(", ");
        return Err(Error::Usage(format!("nothing is called {filters}; rxlt bench --list shows what there is")));
    }
    let bench = Bench { device, options, wanted: &wanted, progress: &progress };
    let mut report = Report::empty(device, options);
    keep(&report)?;
    let add = |report: &mut Report, entry: Entry| {
        report.add(entry);
        keep(report)
    };
    // First: what operations leave in the pool would count as memory of a step.
    bench.steps(&mut |entry| add(&mut report, entry))?;
    let scene = Scene::new(options.size, options.lengths);
    progress("ceilings");
    report.set_ceilings(Ceilings::measure(device, &scene, bench.budget()));
    bench.operations(&scene, &mut |entry| add(&mut report, entry))?;
    report.complete = true;
    keep(&report)?;
    Ok(report)
}

/// What an update takes on a device.
#[derive(Clone, Copy, Debug)]
pub struct UpdateFigures {
    /// The median, of one update.
    pub seconds: f64,
    /// Tokens that are trained on per second.
    pub tokens_per_second: f64,
}

/// Times plain updates of an encoder with fresh weights, over some batches of a round: one round to warm up, one measured.
pub fn update(device: &Device, size: Size, lengths: Lengths, batches: usize) -> Result<UpdateFigures> {
    let mut steps = Steps::new(size, lengths, device)?;
    steps.shorten(batches);
    let measured =
        crate::error::catch(|| Ok(steps.measure(Step::Update, Budget { time: Duration::ZERO, samples: 1 })))?;
    let seconds = measured.timing.seconds;
    Ok(UpdateFigures { seconds, tokens_per_second: measured.tokens / seconds })
}

impl Report {
    /// Nothing measured yet.
    fn empty(device: &Device, options: &Options) -> Report {
        Report {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("RXLT_COMMIT").map(str::to_owned),
            machine: Machine::of(device),
            autotune: match device {
                Device::Gpu(gpu) => gpu.effort(),
                _ => Autotune::Off,
            },
            size: options.size.to_string(),
            lengths: options.lengths.to_string(),
            complete: false,
            ceilings: None,
            results: Vec::new(),
        }
    }

    fn add(&mut self, mut entry: Entry) {
        entry.share = self.ceilings.map(|ceilings| entry.share_of(&ceilings));
        self.results.push(entry);
    }

    fn set_ceilings(&mut self, ceilings: Ceilings) {
        self.ceilings = Some(ceilings);
        for entry in &mut self.results {
            entry.share = Some(entry.share_of(&ceilings));
        }
    }
}

impl Entry {
    fn share_of(&self, ceilings: &Ceilings) -> f64 {
        ceilings.share(Work { flops: self.flops, bytes: self.bytes }, self.timing.seconds)
    }
}

/// Who takes a figure as soon as it is there.
type Taker<'a> = &'a mut dyn FnMut(Entry) -> Result<()>;

struct Bench<'a> {
    device: &'a Device,
    options: &'a Options,
    wanted: &'a dyn Fn(&str) -> bool,
    progress: &'a dyn Fn(&str),
}

impl Bench<'_> {
    fn budget(&self) -> Budget {
        match self.options.quick {
            true => Budget { time: Duration::from_millis(50), samples: 3 },
            false => Budget { time: self.options.time / 20, samples: 7 },
        }
    }

    fn steps(&self, take: Taker) -> Result<()> {
        let steps: Vec<Step> = Step::ALL.into_iter().filter(|step| (self.wanted)(step.name())).collect();
        if steps.is_empty() {
            return Ok(());
        }
        (self.progress)("a model with fresh weights");
        let mut model = Steps::new(self.options.size, self.options.lengths, self.device)?;
        let budget = match self.options.quick {
            true => Budget { time: Duration::ZERO, samples: 1 },
            false => Budget { time: self.options.time, samples: 2 },
        };
        for step in steps {
            (self.progress)(step.name());
            let measured = model.measure(step, budget);
            let seconds = measured.timing.seconds;
            let figures = StepFigures {
                examples_per_second: measured.examples / seconds,
                tokens_per_second: measured.tokens / seconds,
                peak_bytes: measured.peak_bytes,
                gpu_peak_bytes: match self.device {
                    Device::Gpu(gpu) => Some(gpu.statistics().peak_bytes),
                    _ => None,
                },
            };
            let shapes = format!("{} sequences, {:.0} tokens", measured.examples, measured.tokens);
            take(entry(step.name().to_owned(), shapes, measured.timing, measured.work, Some(figures)))?;
        }
        Ok(())
    }

    fn operations(&self, scene: &Scene, take: Taker) -> Result<()> {
        let cases = CASES.iter().flat_map(|case| self.case(case, scene));
        cases.chain(UPDATES.iter().filter_map(|case| self.update(case, scene))).try_for_each(take)
    }

    /// An operation forward, and backward where it has a gradient.
    fn case(&self, case: &Case, scene: &Scene) -> Vec<Entry> {
        let names = [name_of(case, "forward"), name_of(case, "backward")];
        let [forward, backward] = [&names[0], &names[1]].map(|name| (self.wanted)(name));
        if !forward && !backward {
            return Vec::new();
        }
        let shapes = (case.inputs)(scene);
        if shapes.iter().any(|shape| shape.rows() > self.device.max_rows(shape.columns())) {
            (self.progress)(&format!("{} is left out: this device binds no tensor of that size", names[0]));
            return Vec::new();
        }
        let format = |i: usize| match spec_of(case).in_f16.as_ref().is_some_and(|in_f16| in_f16.inputs.contains(&i)) {
            true => self.device.format(),
            false => Format::F32,
        };
        let made = |(i, shape): (usize, &Shape)| filled(shape, self.device).cast(format(i)).tracked();
        let inputs: Vec<Tensor> = shapes.iter().enumerate().map(made).collect();
        let listed = shapes.iter().map(|shape| format!("{shape:?}")).collect::<Vec<_>>().join(" ");
        let mut entries = Vec::new();
        if forward {
            entries.push(self.time(&names[0], &listed, || without_graph(|| drop((case.run)(scene, &inputs)))));
        }
        let output = (case.run)(scene, &inputs);
        if backward && output.is_tracked() {
            let direction = filled(output.shape(), self.device).cast(output.format());
            let wanted: Vec<&Tensor> = inputs.iter().collect();
            entries.push(self.time(&names[1], &listed, || drop(output.gradients_along(&direction, &wanted))));
        }
        entries
    }

    fn update(&self, case: &UpdateCase, scene: &Scene) -> Option<Entry> {
        if !(self.wanted)(case.update) {
            return None;
        }
        let make =
            |shapes: &[Shape]| -> Vec<Tensor> { shapes.iter().map(|shape| filled(shape, self.device)).collect() };
        let (state_shapes, input_shapes) = ((case.state)(scene), (case.inputs)(scene));
        let (state, inputs) = (make(&state_shapes), make(&input_shapes));
        let (state, inputs): (Vec<&Tensor>, Vec<&Tensor>) = (state.iter().collect(), inputs.iter().collect());
        let update = (case.make)(scene);
        let listed = state_shapes.iter().chain(&input_shapes).map(|shape| format!("{shape:?}"));
        let listed = listed.collect::<Vec<_>>().join(" ");
        Some(self.time(case.update, &listed, || Tensor::update(&*update, &state, &inputs)))
    }

    fn time(&self, name: &str, shapes: &str, run: impl Fn()) -> Entry {
        (self.progress)(name);
        let ((), work) = profile::count(&run);
        entry(name.to_owned(), shapes.to_owned(), measure(self.device, self.budget(), &run), work, None)
    }
}

fn entry(name: String, shapes: String, timing: Timing, work: Work, step: Option<StepFigures>) -> Entry {
    Entry { name, shapes, timing, flops: work.flops, bytes: work.bytes, share: None, step }
}

/// Small positive numbers that are neither equal nor special.
fn filled(shape: &Shape, device: &Device) -> Tensor {
    let values: Vec<f32> = (0..shape.len()).map(|i| ((i * 7919) % 1009) as f32 / 2018.0 + 1e-3).collect();
    Tensor::new(&values, shape.clone(), device)
}

impl Machine {
    /// What a device is.
    pub fn of(device: &Device) -> Machine {
        let (name, backend, driver) = match device {
            Device::Gpu(gpu) => {
                let adapter = gpu.adapter();
                (adapter.name.clone(), adapter.backend.clone(), Some(adapter.driver.clone()))
            }
            Device::Cpu(_) => ("cpu".into(), "cpu".into(), None),
            Device::Reference => ("reference".into(), "reference".into(), None),
            Device::Planned(_) => ("planned".into(), "planned".into(), None),
        };
        let threads = rayon::current_num_threads();
        let precision = match device {
            Device::Cpu(precision) => cpu::named(*precision),
            _ => device.precision().to_string(),
        };
        Machine { device: name, processor: processor(), threads, backend, driver, precision }
    }
}

/// The processor's name, where the system tells.
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
