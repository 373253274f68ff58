//! Which device computes, and the list of those that could.

use serde_json::json;

use super::{print, tell};
use crate::{
    array::Precision,
    cpu,
    error::{Error, Result},
    gpu::{self, Adapter, Autotune, Gpu, Kind},
    ranks::Ranks,
    run::folder::cpu_name,
    tensor::Device,
};

/// Which device computes.
#[derive(Debug, Clone, clap::Args)]
pub struct Which {
    /// What computes; auto takes a discrete GPU, else an integrated one, else the processor.
    #[arg(long, value_enum, default_value = "auto")]
    backend: Backend,
    /// An adapter by its number in `rxlt devices`, a part of its name, or such as vulkan:1; the only way to get a
    /// software adapter. The environment's RXLT_DEVICE stands for it. `rxlt run` shares its work among several, such as
    /// 0,1.
    #[arg(long, value_name = "NAME|NUMBER|BACKEND:NUMBER")]
    device: Option<String>,
}

/// The device to compute on, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct DeviceArgs {
    #[command(flatten)]
    which: Which,
    /// What the operands of matrix products are rounded to, and in f16 activations, too; sums and weights are f32. bf16
    /// needs a processor with AVX512-BF16, and takes AMX where there is some; f16 a GPU that computes in it.
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    precision: Precision,
    /// Time the kernels of matrix products on a GPU when shapes are first met, and take the fastest of those that are
    /// right. Choices are kept in the user's cache folder, and in a run's own.
    #[arg(long, value_enum, default_value_t = Autotune::Off)]
    autotune: Autotune,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Backend {
    Auto,
    Cpu,
    Wgpu,
}

/// A device, what to call it, and why it was chosen.
pub struct Chosen {
    /// Where tensors live.
    pub device: Device,
    /// Name, backend and driver.
    pub name: String,
    /// The reason.
    pub why: String,
}

impl Chosen {
    /// What there is to say of the choice of kernels since this was last asked.
    pub fn notes(&self) -> Vec<String> {
        match &self.device {
            Device::Gpu(gpu) => gpu.take_notes(),
            _ => Vec::new(),
        }
    }

    /// What computes, whatever the number of threads: the same where it gives the same bits.
    pub fn kind(&self) -> String {
        match &self.device {
            Device::Cpu(precision) => {
                format!("{} in {}", cpu_name().unwrap_or_else(|| "a processor".into()), cpu::named(*precision))
            }
            _ => self.name.clone(),
        }
    }

    /// Tells it.
    pub fn tell_notes(&self) {
        self.notes().iter().for_each(|note| tell(note));
    }
}

/// What there is for several runs at once.
pub enum Room {
    /// The processor, whose threads they share.
    Processor,
    /// One adapter that was named.
    Named,
    /// The numbers of the GPUs that `auto` chooses from.
    Gpus(Vec<usize>),
}

impl DeviceArgs {
    /// What there is for several runs at once, found without opening it.
    pub fn room(&self) -> Room {
        let from_environment = || std::env::var("RXLT_DEVICE").ok().filter(|name| !name.is_empty());
        match self.which.device.clone().or_else(from_environment) {
            _ if self.which.backend == Backend::Cpu => return Room::Processor,
            Some(name) if name.eq_ignore_ascii_case("cpu") => return Room::Processor,
            Some(_) => return Room::Named,
            None => {}
        }
        let adapters = Gpu::adapters();
        let of_kind = |kind| {
            let own = |adapter: &Adapter| adapter.kind == kind && adapter.duplicate_of.is_none();
            adapters.iter().enumerate().filter(|(_, one)| own(one)).map(|(number, _)| number).collect::<Vec<usize>>()
        };
        let found = [Kind::Discrete, Kind::Integrated].map(of_kind).into_iter().find(|numbers| !numbers.is_empty());
        found.map_or(Room::Processor, Room::Gpus)
    }

    /// The devices that are named, where it is more than one.
    pub fn several(&self) -> Vec<&str> {
        let names = self.which.device.as_deref().map_or(Vec::new(), |names| names.split(',').collect());
        if names.len() > 1 { names } else { Vec::new() }
    }

    /// The same with one of them.
    pub fn named(&self, name: &str) -> DeviceArgs {
        let which = Which { device: Some(name.to_owned()), ..self.which.clone() };
        DeviceArgs { which, ..self.clone() }
    }

    /// What one of the ranks of a run computes on: its own of the devices that are named, or a GPU of its own.
    pub fn of_rank(&self, ranks: &Ranks) -> Result<DeviceArgs> {
        let (place, neighbours) = ranks.on_machine();
        if ranks.is_alone() {
            return Ok(self.clone());
        }
        let message = match (self.several(), self.room()) {
            (_, Room::Processor) => return Ok(self.clone()),
            (names, _) if names.len() == neighbours => return Ok(self.named(names[place])),
            (names, _) if !names.is_empty() => format!("--device names {}", names.len()),
            (_, Room::Gpus(numbers)) if numbers.len() >= neighbours => {
                return Ok(self.named(&numbers[place].to_string()));
            }
            (_, Room::Gpus(numbers)) => format!("there are {} GPUs", numbers.len()),
            (_, Room::Named) if neighbours == 1 => return Ok(self.clone()),
            (_, Room::Named) => "one device is named".to_owned(),
        };
        Err(Error::Usage(format!(
            "{neighbours} ranks on this machine, and {message}: start as many as there are devices, or name one for each, \
             such as --device 0,1, the same twice where they may share it"
        )))
    }

    /// Whether kernels are chosen by timing them.
    pub fn is_autotuned(&self) -> bool {
        self.autotune != Autotune::Off
    }

    /// Opens the device asked for, or the best.
    pub fn open(&self) -> Result<Chosen> {
        let chosen = self.which.open(self.precision)?;
        match &chosen.device {
            Device::Gpu(gpu) => gpu.autotune(self.autotune, gpu::cache_folder().as_deref()),
            _ if self.autotune == Autotune::Off => {}
            _ => {
                let message = "--autotune chooses between kernels of a GPU: leave it out, or name a GPU by --device";
                return Err(Error::Usage(format!("{}: {message}", chosen.name)));
            }
        }
        Ok(chosen)
    }
}

impl Which {
    /// Opens the device asked for, or the best, in a precision.
    pub fn open(&self, precision: Precision) -> Result<Chosen> {
        let from_environment = || std::env::var("RXLT_DEVICE").ok().filter(|name| !name.is_empty());
        let (wanted, why) = match &self.device {
            Some(name) => (Some(name.clone()), format!("--device {name}")),
            None if self.backend != Backend::Cpu => (from_environment(), "RXLT_DEVICE".to_owned()),
            None => (None, String::new()),
        };
        match (self.backend, wanted) {
            (Backend::Auto | Backend::Cpu, Some(name)) if name.eq_ignore_ascii_case("cpu") => processor(precision, why),
            (Backend::Cpu, Some(name)) => {
                Err(Error::Usage(format!("--backend cpu has no device \"{name}\"; leave one of them out")))
            }
            (Backend::Cpu, None) => processor(precision, "--backend cpu".into()),
            (Backend::Auto | Backend::Wgpu, Some(name)) => open(&name, precision, why),
            (Backend::Wgpu, None) => best_adapter(precision),
            (Backend::Auto, None) => automatic(precision),
        }
    }
}

fn processor(precision: Precision, why: String) -> Result<Chosen> {
    match precision {
        _ if cpu::supports(precision) => {}
        Precision::F16 => {
            return Err(Error::Usage("the processor computes in f32 or bf16, not in f16: take one of those".into()));
        }
        other => {
            let message = "this processor has no AVX512-BF16, which --precision bf16 needs: leave --precision out";
            return Err(Error::Device(format!("{message} for f32, or take a processor that has {other}")));
        }
    }
    let name = format!("cpu ({} threads, {})", rayon::current_num_threads(), cpu::named(precision));
    Ok(Chosen { device: Device::Cpu(precision), name, why })
}

fn open(wanted: &str, precision: Precision, why: String) -> Result<Chosen> {
    let gpu = Gpu::open_in(Some(wanted), precision)?;
    Ok(Chosen { name: describe(gpu.adapter(), precision), device: Device::Gpu(gpu), why })
}

fn best_adapter(precision: Precision) -> Result<Chosen> {
    let gpu = Gpu::open_in(None, precision)?;
    let why = format!("--backend wgpu takes the best adapter, which is {}", gpu.adapter().kind);
    Ok(Chosen { name: describe(gpu.adapter(), precision), device: Device::Gpu(gpu), why })
}

/// A discrete GPU, else an integrated one, else the processor: never a software adapter.
fn automatic(precision: Precision) -> Result<Chosen> {
    let adapters = Gpu::adapters();
    let first = |kind| adapters.iter().position(|adapter| adapter.kind == kind);
    let Some(position) = first(Kind::Discrete).or_else(|| first(Kind::Integrated)) else {
        let others: Vec<String> =
            adapters.iter().map(|adapter| format!("{} ({})", adapter.name, adapter.kind)).collect();
        let passed = if others.is_empty() { String::new() } else { format!("; passed over: {}", others.join(", ")) };
        return processor(precision, format!("no discrete or integrated GPU was found{passed}"));
    };
    let why = format!("the first {} GPU", adapters[position].kind);
    match open(&position.to_string(), precision, why) {
        // A precision is asked for, so what the GPU cannot do is for the user to settle.
        Err(error) if precision == Precision::F32 => {
            processor(precision, format!("{} was found, but {error}", adapters[position].name))
        }
        result => result,
    }
}

fn describe(adapter: &Adapter, precision: Precision) -> String {
    format!("{} ({}, {}, {}, {precision})", adapter.name, adapter.kind, adapter.backend, adapter.driver)
}

/// List the devices of this machine, and which of them `auto` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  rxlt devices\n  rxlt devices --json | head\n  rxlt run --device vulkan:1")]
pub struct ListArgs {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// `rxlt devices`
pub fn list(args: &ListArgs) -> Result<()> {
    let adapters = Gpu::adapters();
    if args.json {
        let adapters: Vec<_> = adapters.iter().enumerate().map(|(i, adapter)| as_json(i, adapter)).collect();
        let cpu = json!({ "name": "cpu", "backend": "cpu", "threads": rayon::current_num_threads(), "bf16": cpu::supports(Precision::Bf16), "amx": cpu::has_amx() });
        return print(&format!("{:#}\n", json!({ "adapters": adapters, "cpu": cpu })));
    }
    let threads = rayon::current_num_threads();
    let mut text: String = adapters.iter().enumerate().map(|(i, adapter)| described(i, adapter)).collect();
    let precisions = match cpu::supports(Precision::Bf16) {
        true if cpu::has_amx() => "f32, bf16 by AMX",
        true => "f32, bf16",
        false => "f32, no bf16",
    };
    text += &format!("cpu  the processor\n     cpu, {precisions}, {threads} threads\n");
    let chosen = automatic(Precision::F32)?;
    print(&format!("{text}\nauto takes {}: {}\n", chosen.name, chosen.why))
}

/// Two lines on an adapter, whose number `--device` takes.
fn described(position: usize, adapter: &Adapter) -> String {
    let mut facts = vec![adapter.kind.to_string(), adapter.backend.clone(), format!("driver {}", adapter.driver)];
    facts.push(adapter.memory.map_or("memory unknown".into(), |bytes| format!("memory {} MiB", bytes >> 20)));
    facts.push(format!("binding limit {} MiB", adapter.max_binding_bytes >> 20));
    facts.push(if adapter.f16 { "f16".into() } else { "no f16".into() });
    facts.push(match adapter.subgroups {
        None => "no subgroups".into(),
        Some((least, most)) if least == most => format!("subgroups of {least}"),
        Some((least, most)) => format!("subgroups of {least} to {most}"),
    });
    facts.extend(adapter.cooperative.first().map(|side| format!("cooperative matrices of {side}")));
    facts.extend(adapter.duplicate_of.map(|other| format!("the same card as {other}")));
    facts.extend((adapter.kind == Kind::Software).then(|| "taken only if named".to_string()));
    format!("{position:>3}  {}\n     {}\n", adapter.name, facts.join(", "))
}

fn as_json(position: usize, adapter: &Adapter) -> serde_json::Value {
    json!({
        "device": position,
        "name": adapter.name,
        "backend": adapter.backend,
        "driver": adapter.driver,
        "kind": adapter.kind.to_string(),
        "memory": adapter.memory,
        "max_binding_bytes": adapter.max_binding_bytes,
        "max_buffer_bytes": adapter.max_buffer_bytes,
        "f16": adapter.f16,
        "subgroups": adapter.subgroups,
        "cooperative_matrices": adapter.cooperative,
        "same_as": adapter.duplicate_of,
    })
}
