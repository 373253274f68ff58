//! What wgpu reports outside of any call: validation errors, exhausted memory, a lost device.

use crate::error::{Error, raise};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The first fault since the last check; a lost device stays lost.
#[derive(Default)]
pub(super) struct Faults(Mutex<Option<Fault>>);

#[derive(Clone)]
enum Fault {
    /// A call that wgpu refused: a bug of ours.
    Bug(String),
    Memory(String),
    Lost(String),
}

impl Faults {
    /// Collects what `device` reports from now on.
    pub(super) fn of(device: &wgpu::Device) -> Arc<Faults> {
        let faults = Arc::new(Faults::default());
        let (uncaptured, lost) = (faults.clone(), faults.clone());
        device.on_uncaptured_error(Arc::new(move |error| {
            uncaptured.add(match error {
                wgpu::Error::OutOfMemory { source } => Fault::Memory(source.to_string()),
                // A lost device makes what is recorded for it invalid, which may be reported before the loss is.
                wgpu::Error::Validation { description, .. } if description.contains("device is lost") => {
                    Fault::Lost(description)
                }
                wgpu::Error::Validation { description, .. } => Fault::Bug(description),
                wgpu::Error::Internal { description, .. } => Fault::Bug(description),
            });
        }));
        device.set_device_lost_callback(move |reason, message| {
            let reason = if reason == wgpu::DeviceLostReason::Destroyed { "it was given back " } else { "" };
            lost.add(Fault::Lost(format!("{reason}{message}").trim().to_string()));
        });
        faults
    }

    /// Notes that the device is about to be given up, so that whatever wgpu says of it from now on is understood.
    pub(super) fn lose(&self) {
        self.add(Fault::Lost("it was given back".into()));
    }

    fn add(&self, fault: Fault) {
        let mut first = lock(&self.0);
        if first.is_none() || matches!(fault, Fault::Lost(_)) {
            *first = Some(fault);
        }
    }

    /// Unwinds if something was reported; `context` says what was being done.
    pub(super) fn check(&self, context: impl fmt::Display) {
        let mut first = lock(&self.0);
        let Some(fault) = first.clone() else { return };
        if !matches!(fault, Fault::Lost(_)) {
            *first = None;
        }
        drop(first);
        match fault {
            Fault::Bug(text) => panic!("{context}: {text}"),
            Fault::Memory(text) => raise(Error::Device(format!(
                "out of memory on the GPU ({context}: {text}); use a smaller micro-batch (rxlt run --memory-limit \
                 chooses it), a smaller maximum length, recompute = true, or another device"
            ))),
            // A driver that is refused memory outside of an allocation of ours takes the device with it.
            Fault::Lost(text) if text.to_lowercase().contains("out of memory") => raise(Error::Device(format!(
                "out of memory: the GPU was lost over it ({context}: {text}); use a smaller micro-batch (rxlt run \
                 --memory-limit chooses it), a smaller maximum length, recompute = true, or another device"
            ))),
            Fault::Lost(text) => raise(Error::Device(format!(
                "the GPU was lost ({context}: {text}); look for driver resets in the system's log, then resume the run"
            ))),
        }
    }
}

/// The guarded value: a panic elsewhere leaves it usable.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
