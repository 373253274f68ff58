//! A request to stop: the training loop looks at it after every step, and saves before it leaves.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::error::{Error, Result};

/// Whether somebody asked the run to stop; clones share the answer.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Nobody has asked yet.
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Asks to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether to stop at the next opportunity.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// [`Error::Stopped`] once stopping was asked for: to be called where all is saved.
    pub fn check(&self, saved: &str) -> Result<()> {
        match self.is_requested() {
            true => Err(Error::Stopped(format!("stopped on request, {saved}; the same command goes on from there"))),
            false => Ok(()),
        }
    }

    /// The flag itself, for signal handlers.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }
}
