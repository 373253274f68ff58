//! A request to stop: while there is work in memory that would be lost, training looks at it and saves before it leaves;
//! at all other times the process leaves at once, because what it writes is whole or not there.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::error::{Error, Result};

/// Whether somebody asked the run to stop; clones share the answer.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    requested: Arc<AtomicBool>,
    /// Whether something in memory has to be saved before the process may leave.
    unsaved: Arc<Mutex<bool>>,
}

/// As long as this lives, a request to stop waits for [`Stop::is_requested`] to be looked at.
#[derive(Debug)]
pub struct Unsaved<'a>(&'a Stop);

impl Stop {
    /// Nobody has asked yet.
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Asks to stop.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }

    /// Whether to stop at the next opportunity.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// [`Error::Stopped`] once stopping was asked for: to be called where all is saved.
    pub fn check(&self, saved: &str) -> Result<()> {
        match self.is_requested() {
            true => Err(Error::Stopped(format!("stopped on request, {saved}; the same command goes on from there"))),
            false => Ok(()),
        }
    }

    /// From here on there is something to save.
    pub fn hold(&self) -> Unsaved<'_> {
        *self.lock() = true;
        Unsaved(self)
    }

    /// Calls `leave` if nothing in memory has to be saved; nothing can become so before it returns.
    pub fn if_nothing_is_unsaved(&self, leave: impl FnOnce()) {
        let unsaved = self.lock();
        if !*unsaved {
            leave();
        }
    }

    /// The flag itself, for signal handlers.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.requested.clone()
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Unsaved<'_> {
    fn drop(&mut self) {
        *self.0.lock() = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_leaves_only_where_nothing_is_lost() {
        let stop = Stop::new();
        let leaves = || {
            let mut left = false;
            stop.if_nothing_is_unsaved(|| left = true);
            left
        };
        assert!(leaves());
        let unsaved = stop.hold();
        assert!(!leaves());
        drop(unsaved);
        assert!(leaves());
    }
}
