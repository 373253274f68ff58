//! What a stage will put on the disk, and what it will take of the machine's memory, held against what is there before
//! anything is trained: a disk that is full after a week, or the system's killer, costs more than a refusal.

use std::{fs, path::Path};

use super::budget::{Bytes, Choice};
use crate::{
    cpu::block,
    error::{Error, Result},
    ranks::Ranks,
    tensor::Device,
};

/// What one prediction takes as a line, with its probabilities.
const PREDICTION: u64 = 400;

/// What decides how much a stage writes.
pub struct Writing {
    /// What it holds in memory.
    pub weights: Bytes,
    /// AdamW's moments.
    pub optimizer: Bytes,
    /// How many copies of the weights lie beside the checkpoints: the best model, the sum for an average.
    pub more_weights: u64,
    /// How many models it leaves: one for each task that it learns.
    pub models: u64,
    /// How many methods are still to come, this one among them; each leaves a checkpoint and models.
    pub methods: u64,
    /// How many test examples are predicted by each.
    pub predictions: u64,
}

impl Writing {
    fn checkpoint(&self) -> u64 {
        self.weights.0 + self.optimizer.0 + self.more_weights * self.weights.0
    }

    /// The most that lies there at once: an old checkpoint goes only when its successor is whole.
    fn most(&self) -> u64 {
        let method = self.checkpoint() + self.models * self.weights.0 + self.predictions * PREDICTION;
        self.methods * method + self.checkpoint()
    }
}

/// Refuses to begin where the disk will be full before the end; what `stage` holds already is taken into account.
pub fn check_disk(writing: &Writing, stage: &Path) -> Result<()> {
    let Some(free) = free(stage) else { return Ok(()) };
    let needed = writing.most().saturating_sub(size(stage));
    if needed <= free {
        return Ok(());
    }
    let predictions = Bytes(writing.predictions * PREDICTION);
    Err(Error::Io(format!(
        "{}: the run will write up to {} more (two checkpoints of {} at once, models of {}, predictions of {predictions}; \
         {} methods), and the disk has {} free; make room, or name an --output on another disk",
        stage.display(),
        Bytes(needed),
        Bytes(writing.checkpoint()),
        writing.weights,
        writing.methods,
        Bytes(free),
    )))
}

/// Refuses to begin where tensors on the processor, those of all ranks of this machine, will not fit into what the system
/// has left.
pub fn check_memory(name: &str, choice: &Choice, device: &Device, ranks: &Ranks) -> Result<()> {
    if !matches!(device, Device::Cpu(_)) {
        return Ok(());
    }
    // What ranks send: their gradients end to end, those of a stretch received, and the sums.
    let sent = if ranks.is_alone() { 0 } else { 3 * choice.predicted.gradients.0 };
    let (_, neighbours) = ranks.on_machine();
    let more = (choice.predicted.total.0.saturating_sub(block::usage().held) + sent) * neighbours as u64;
    match limits().into_iter().min_by_key(|(_, left)| *left) {
        Some((what, left)) if more > left => Err(Error::Device(format!(
            "{name}: will take {} more memory, and {what} leaves {} ({choice}); set tokens_per_micro_batch lower, \
             recompute = true, or --memory-limit, or take a smaller model",
            Bytes(more),
            Bytes(left),
        ))),
        _ => Ok(()),
    }
}

/// What each of the system's limits leaves, as Linux tells it.
fn limits() -> Vec<(&'static str, u64)> {
    let kib = |file: &str, key: &str| -> Option<u64> {
        let text = fs::read_to_string(file).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    let number = |file: &str| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let address = limits.lines().find_map(|line| line.strip_prefix("Max address space"));
    let address = address.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let group = number("/sys/fs/cgroup/memory.max").zip(number("/sys/fs/cgroup/memory.current"));
    let found = [
        ("the machine", kib("/proc/meminfo", "MemAvailable:")),
        ("the control group", group.map(|(most, used)| most.saturating_sub(used))),
        ("ulimit -v", address.zip(kib("/proc/self/status", "VmSize:")).map(|(most, used)| most.saturating_sub(used))),
    ];
    found.into_iter().filter_map(|(what, left)| Some((what, left?))).collect()
}

/// What the disk of a folder has free for this user.
#[cfg(unix)]
pub fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail * disk.f_frsize)
}

/// Not known on this system.
#[cfg(not(unix))]
pub fn free(_: &Path) -> Option<u64> {
    None
}

/// The bytes of all files below a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_checkpoints_lie_there_at_once() {
        let writing = Writing {
            weights: Bytes(100),
            optimizer: Bytes(200),
            more_weights: 1,
            models: 1,
            methods: 2,
            predictions: 3,
        };
        // Checkpoints of 100 + 200 + 100; twice that, a model and predictions; and the checkpoint being replaced.
        assert_eq!(writing.most(), 2 * (400 + 100 + 1200) + 400);
        let writing = Writing { models: 3, ..writing };
        assert_eq!(writing.most(), 2 * (400 + 300 + 1200) + 400);
        let folder = tempfile::tempdir().unwrap();
        check_disk(&writing, folder.path()).unwrap();
        let error = check_disk(&Writing { weights: Bytes(1 << 60), ..writing }, folder.path()).unwrap_err();
        assert_eq!(error.exit_code(), 74);
        assert!(error.message().contains("make room"), "{error}");
    }
}
