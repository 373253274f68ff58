//! Ranks that are threads of this process, each with a device of its own.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{Link, Ranks};

/// So many ranks, one for each thread that takes one.
pub fn threads(count: usize) -> Vec<Ranks> {
    let table = Arc::new(Table { state: Mutex::new(State::new(count)), changed: Condvar::new() });
    (0..count).map(|rank| Ranks::of(Seat { rank, count, table: table.clone() })).collect()
}

/// A rank's place at the table.
struct Seat {
    rank: usize,
    count: usize,
    table: Arc<Table>,
}

/// Where ranks lay down what the others read.
struct Table {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// What each has laid down in this round.
    laid: Vec<Option<Arc<[u8]>>>,
    /// How many have read it.
    readers: usize,
    /// How many have come to the end.
    met: usize,
}

impl State {
    fn new(count: usize) -> State {
        State { laid: vec![None; count], readers: 0, met: 0 }
    }
}

impl Seat {
    /// What all have laid down, when all have.
    fn round(&self, mine: &[u8]) -> Vec<Arc<[u8]>> {
        let Table { state, changed } = &*self.table;
        let guard = state.lock().unwrap_or_else(PoisonError::into_inner);
        // Who is early waits until the round before is cleared away.
        let is_taken = |state: &mut State| state.laid[self.rank].is_some();
        let mut guard = changed.wait_while(guard, is_taken).unwrap_or_else(PoisonError::into_inner);
        guard.laid[self.rank] = Some(mine.into());
        changed.notify_all();
        let is_incomplete = |state: &mut State| state.laid.iter().any(Option::is_none);
        let mut guard = changed.wait_while(guard, is_incomplete).unwrap_or_else(PoisonError::into_inner);
        let all: Vec<Arc<[u8]>> = guard.laid.iter().flatten().cloned().collect();
        guard.readers += 1;
        if guard.readers == self.count {
            guard.readers = 0;
            guard.laid.fill(None);
            changed.notify_all();
        } else {
            // Nobody lays down anew before all have read.
            drop(changed.wait_while(guard, |state| state.readers > 0).unwrap_or_else(PoisonError::into_inner));
        }
        all
    }
}

impl Link for Seat {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.count
    }

    fn on_machine(&self) -> (usize, usize) {
        (self.rank, self.count)
    }

    fn gather(&self, mine: &[u8]) -> Vec<Vec<u8>> {
        self.round(mine).iter().map(|bytes| bytes.to_vec()).collect()
    }

    fn exchange(&self, mine: &[u8]) -> Vec<u8> {
        let piece = mine.len() / self.count;
        let own = self.rank * piece..(self.rank + 1) * piece;
        self.round(mine).iter().flat_map(|bytes| bytes[own.clone()].iter().copied()).collect()
    }

    fn sum(&self, numbers: &mut [f32]) {
        let all = self.round(bytemuck::cast_slice(numbers));
        numbers.fill(0.0);
        for bytes in all {
            let other = bytes.as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes));
            numbers.iter_mut().zip(other).for_each(|(sum, x)| *sum += x);
        }
    }

    fn meet(&self, patience: Duration) -> bool {
        let Table { state, changed } = &*self.table;
        let until = Instant::now() + patience;
        let mut guard = state.lock().unwrap_or_else(PoisonError::into_inner);
        guard.met += 1;
        changed.notify_all();
        while guard.met < self.count {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            guard = changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn abort(&self, _: u8) {
        // The process ends, and all its threads with it.
    }
}
