//! All processes that mpirun has started, as the ranks of a run.

use std::{
    mem,
    thread::sleep,
    time::{Duration, Instant},
};

use mpi::{collective::SystemOperation, datatype::PartitionMut, topology::SimpleCommunicator, traits::*};
use rxlt::ranks::Link;

/// The most bytes of all ranks that are gathered at once: MPI counts in 32 bits.
const MOST: usize = 1 << 30;

/// How often it is asked whether all ranks have met.
const AGAIN: Duration = Duration::from_millis(2);

/// The place of this process in the world of MPI.
pub struct World {
    rank: usize,
    count: usize,
    on_machine: (usize, usize),
}

impl World {
    /// MPI is at work.
    pub fn new() -> World {
        let world = SimpleCommunicator::world();
        let machine = world.split_shared(world.rank());
        let on_machine = (machine.rank() as usize, machine.size() as usize);
        World { rank: world.rank() as usize, count: world.size() as usize, on_machine }
    }

    /// The communicator is asked for anew each time, since it belongs to the thread that MPI was started in.
    fn all(&self) -> SimpleCommunicator {
        SimpleCommunicator::world()
    }
}

impl Link for World {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.count
    }

    fn on_machine(&self) -> (usize, usize) {
        self.on_machine
    }

    fn gather(&self, mine: &[u8]) -> Vec<Vec<u8>> {
        let mut lengths = vec![0u64; self.count];
        self.all().all_gather_into(&(mine.len() as u64), &mut lengths[..]);
        let mut gathered: Vec<Vec<u8>> = lengths.iter().map(|length| Vec::with_capacity(*length as usize)).collect();
        let (longest, part) = (lengths.iter().max().map_or(0, |length| *length as usize), MOST / self.count);
        for start in (0..longest).step_by(part) {
            let own = &mine[start.min(mine.len())..(start + part).min(mine.len())];
            let counts = lengths.iter().map(|length| (*length as usize).saturating_sub(start).min(part) as i32);
            let counts: Vec<i32> = counts.collect();
            let starts = counts.iter().scan(0, |end, count| Some(mem::replace(end, *end + count)));
            let starts: Vec<i32> = starts.collect();
            let mut bytes = vec![0; counts.iter().sum::<i32>() as usize];
            let mut parts = PartitionMut::new(&mut bytes[..], &counts[..], &starts[..]);
            self.all().all_gather_varcount_into(own, &mut parts);
            for ((all, count), start) in gathered.iter_mut().zip(&counts).zip(&starts) {
                all.extend_from_slice(&bytes[*start as usize..(start + count) as usize]);
            }
        }
        gathered
    }

    fn exchange(&self, mine: &[u8]) -> Vec<u8> {
        let mut received = vec![0; mine.len()];
        self.all().all_to_all_into(mine, &mut received[..]);
        received
    }

    fn sum(&self, numbers: &mut [f32]) {
        let own = numbers.to_vec();
        self.all().all_reduce_into(&own[..], numbers, SystemOperation::sum());
    }

    fn meet(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut all = self.all().immediate_barrier();
        loop {
            all = match all.test() {
                Ok(_) => return true,
                Err(waiting) => waiting,
            };
            if Instant::now() > until {
                // Whoever does not come is still at work: what waits for them ends with the process.
                mem::forget(all);
                return false;
            }
            sleep(AGAIN);
        }
    }

    fn abort(&self, code: u8) {
        self.all().abort(i32::from(code));
    }
}
