//! A request to stop: while there is work in memory that would be lost, training looks at it and saves before it leaves;
//! at all other times the process leaves at once, because what it writes is whole or not there. What one rank of a run is
//! asked, all are.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::{
    error::{Error, Result},
    ranks::Ranks,
};

/// Whether somebody asked the run to stop; clones share the answer.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    requested: Arc<AtomicBool>,
    /// How many have something in memory that has to be saved before the process may leave.
    unsaved: Arc<Mutex<usize>>,
    /// Who is to hear of it.
    ranks: Ranks,
}

/// As long as this lives, a request to stop waits for [`Stop::is_requested`] to be looked at.
#[derive(Debug)]
pub struct Unsaved<'a>(&'a Stop);

impl Stop {
    /// Nobody has asked yet.
    pub fn new() -> Stop {
        Stop::default()
    }

    /// The same request for one of the ranks of a run.
    pub fn of_rank(&self, ranks: &Ranks) -> Stop {
        Stop { ranks: ranks.clone(), ..self.clone() }
    }

    /// Who stops together.
    pub fn ranks(&self) -> &Ranks {
        &self.ranks
    }

    /// Asks to stop.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Relaxed);
    }

    /// Whether this process was asked to stop; another rank may have been, and this one not.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Whether any rank was asked to stop: all of them ask this at the same place, and stop there.
    pub fn is_agreed(&self) -> bool {
        self.ranks.any(self.is_requested())
    }

    /// [`Error::Stopped`] once stopping was asked for, by all ranks together: to be called where all is saved.
    pub fn check(&self, saved: &str) -> Result<()> {
        match self.is_agreed() {
            true => Err(Error::Stopped(format!("stopped on request, {saved}; the same command goes on from there"))),
            false => Ok(()),
        }
    }

    /// From here on there is something to save.
    pub fn hold(&self) -> Unsaved<'_> {
        *self.lock() += 1;
        Unsaved(self)
    }

    /// Calls `leave` if nothing in memory has to be saved; nothing can become so before it returns.
    pub fn if_nothing_is_unsaved(&self, leave: impl FnOnce()) {
        let unsaved = self.lock();
        if *unsaved == 0 {
            leave();
        }
    }

    /// The flag itself, for signal handlers.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.requested.clone()
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Unsaved<'_> {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
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
