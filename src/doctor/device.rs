//! The device itself: what it is, what is known of its driver, and the memory that it really gives.

use super::{Effort, Findings, Group, Seen, Subject};
use crate::{
    array::{Format, Precision},
    cpu,
    error::{Error, Result, catch},
    gpu::{Adapter, Gpu, Kind},
    tensor::Device,
};
use std::sync::Arc;

/// The group.
pub const GROUP: Group = Group { name: "device", run };

/// A device and driver of which wrong results were reported.
struct Known {
    /// Parts of the adapter's name and of its driver; empty where any will do.
    name: &'static str,
    driver: &'static str,
    /// What was seen.
    what: &'static str,
    /// Where it was reported.
    source: &'static str,
}

/// Reports that name a device and a driver. None condemns one: the checks that follow do.
const KNOWN: &[Known] = &[
    Known {
        name: "HD Graphics 630",
        driver: "22.20.16",
        what: "shaders write nothing but zeros",
        source: "gfx-rs/wgpu#1881",
    },
    Known {
        name: "Turnip Adreno (TM) 702",
        driver: "",
        what: "products of few rows are wrong",
        source: "ggml-org/llama.cpp#25906",
    },
    Known {
        name: "Adreno",
        driver: "Qualcomm",
        what: "shaders are compiled wrongly or not at all",
        source: "ggml-org/llama.cpp#5186, #12421",
    },
    Known {
        name: "PowerVR",
        driver: "",
        what: "results are wrong until cooperative matrices are switched off",
        source: "ggml-org/llama.cpp#28502",
    },
    Known { name: "Mali-G720", driver: "", what: "matrix products are wrong", source: "ggml-org/llama.cpp#23241" },
];

fn run(subject: &Subject, findings: &mut Findings) -> Result<()> {
    let Device::Gpu(gpu) = subject.device else {
        findings.check("processor", None, || Ok(Seen::Right(processor())));
        return Ok(());
    };
    let adapter = gpu.adapter();
    findings.check("adapter", None, || Ok(Seen::Right(described(adapter))));
    findings.check("limits", None, || Ok(limits(adapter)));
    findings.check("driver", None, || Ok(Seen::Right(reported(adapter))));
    findings.check("one card, one adapter", None, || Ok(Seen::Right(duplicates(adapter))));
    findings.check("memory that can be had", None, || memory(gpu, subject.effort));
    Ok(())
}

fn processor() -> String {
    let bf16 = match cpu::supports(Precision::Bf16) {
        true if cpu::has_amx() => "bf16 by AMX",
        true => "bf16",
        false => "no bf16",
    };
    format!("{} threads, f32, {bf16}", rayon::current_num_threads())
}

/// What an adapter is, in a line.
pub fn described(adapter: &Adapter) -> String {
    let f16 = if adapter.f16 { "f16" } else { "no f16" };
    let subgroups = match adapter.subgroups {
        None => "no subgroups".to_owned(),
        Some((least, most)) if least == most => format!("subgroups of {least}"),
        Some((least, most)) => format!("subgroups of {least} to {most}"),
    };
    let cooperative = match adapter.cooperative.as_slice() {
        [] => "no cooperative matrices".to_owned(),
        sides => format!("cooperative matrices of {}", sides.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")),
    };
    let Adapter { name, kind, backend, driver, .. } = adapter;
    format!("{name} ({kind}, {backend}, driver {driver}), {f16}, {subgroups}, {cooperative}")
}

/// What kernels need at least: what WebGPU promises everywhere.
fn limits(adapter: &Adapter) -> Seen {
    let Adapter { max_binding_bytes, max_buffer_bytes, storage_buffers, workgroup_memory, .. } = adapter;
    let said = format!(
        "bindings of {} MiB, buffers of {} MiB, {storage_buffers} at once, {workgroup_memory} bytes a workgroup",
        max_binding_bytes >> 20,
        max_buffer_bytes >> 20
    );
    let enough = *max_binding_bytes >= 1 << 27 && *storage_buffers >= 7 && *workgroup_memory >= 16_384;
    if enough { Seen::Right(said) } else { Seen::Wrong(said + "; 128 MiB, 7 and 16,384 are needed") }
}

fn reported(adapter: &Adapter) -> String {
    let hit = |known: &&Known| adapter.name.contains(known.name) && adapter.driver.contains(known.driver);
    match KNOWN.iter().find(hit) {
        Some(known) => {
            format!("reported of such: {} ({}); the checks below tell of this one", known.what, known.source)
        }
        None => format!("{}: no report of wrong results is known here", adapter.driver),
    }
}

fn duplicates(adapter: &Adapter) -> String {
    let all = Gpu::adapters();
    let same = |(i, other): &(usize, &Adapter)| {
        other.duplicate_of.is_some_and(|first| first == adapter.position || *i == adapter.position)
    };
    let said: Vec<String> = all
        .iter()
        .enumerate()
        .filter(same)
        .map(|(i, other)| format!("{i} ({}) is the card of {}", other.backend, other.duplicate_of.unwrap_or(i)))
        .collect();
    if said.is_empty() { format!("{} adapters, each its own card", all.len()) } else { said.join("; ") }
}

/// Takes memory block by block and writes to each, up to a share of what there is, reads back from each what was written,
/// and gives it back.
fn memory(gpu: &Arc<Gpu>, effort: Effort) -> Result<Seen> {
    const BLOCK: usize = 64 << 20;
    let all = gpu.adapter().memory.unwrap_or(1 << 30) as usize;
    // A driver on the processor takes what everything else lives in.
    let share = match (gpu.adapter().kind, effort) {
        (Kind::Discrete, Effort::Full) => all / 10 * 8,
        (Kind::Discrete, Effort::Usual) => (all / 2).min(8 << 30),
        (Kind::Software, _) => (all / 16).min(1 << 30),
        _ => (all / 4).min(4 << 30),
    };
    let words = (BLOCK / 4).min(gpu.max_binding_bytes() / 4);
    let pattern = |i: usize| 0x3f80_0000 | (i as u32) << 8; // a number from 1 on that tells the block
    let mut blocks = Vec::new();
    let mut refused = None;
    while (blocks.len() + 1) * 4 * words <= share {
        let i = blocks.len();
        let taken = catch(|| {
            let buffer = gpu.allocate(words, Format::F32);
            gpu.overwrite(&buffer, &vec![pattern(i); words]);
            gpu.submit();
            Ok(buffer)
        });
        match taken {
            Ok(buffer) => blocks.push(buffer),
            Err(Error::Device(reason)) => {
                refused = Some(reason);
                break;
            }
            Err(other) => return Err(other),
        }
    }
    for (i, block) in blocks.iter().enumerate() {
        let expected = f32::from_bits(pattern(i));
        let got = gpu.read(block);
        if let Some(at) = got.iter().position(|x| x.to_bits() != expected.to_bits()) {
            let at = (i * words + at) * 4;
            return Ok(Seen::Wrong(format!("byte {at} does not hold what was written there")));
        }
    }
    let had = (blocks.len() * 4 * words) >> 20;
    Ok(match refused {
        _ if blocks.is_empty() => Seen::Wrong("not one block of memory was given".into()),
        Some(reason) => Seen::Right(format!("{had} MiB of {} MiB, then: {reason}", all >> 20)),
        None => Seen::Right(format!("{had} MiB written and read back, of {} MiB", all >> 20)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_report_names_its_device_and_its_source() {
        for Known { name, what, source, .. } in KNOWN {
            assert!(!name.is_empty() && !what.is_empty(), "{name}: {what}");
            let number = source.rsplit('#').next().is_some_and(|number| number.parse::<u32>().is_ok());
            assert!(number && source.contains('/'), "{name}: {source} is no issue of a repository");
        }
    }
}
