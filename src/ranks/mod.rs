//! One run on many devices: every rank, a process or a thread, goes through the same run, takes its share of each update
//! and each evaluation, and hears of what the others found.
//!
//! All ranks do the same in the same order; whatever one alone may do (writing, and deciding by what lies on the disk, which
//! another may just have written) the first does, and tells the others ([`Ranks::first`]). Each message says from which line
//! of the program it comes, so that ranks that are not at the same one are found out. What carries the bytes is a [`Link`], given from outside: MPI, or
//! the threads of this process.

mod threads;

use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    panic::Location,
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Error, Result, raise};

pub use threads::threads;

/// What carries bytes between the ranks of a run. Every rank calls the same methods in the same order.
pub trait Link: Send + Sync {
    /// The number of this rank, from 0.
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn count(&self) -> usize;

    /// The number of this rank among those of its machine, and how many these are.
    fn on_machine(&self) -> (usize, usize);

    /// What every rank has, by rank: byte strings of any length.
    fn gather(&self, mine: &[u8]) -> Vec<Vec<u8>>;

    /// Sends the i-th of `count` equal pieces to rank i, and returns the pieces for this one, by rank.
    fn exchange(&self, mine: &[u8]) -> Vec<u8>;

    /// Replaces numbers by their sums over the ranks, added up in whatever order is fastest.
    fn sum(&self, numbers: &mut [f32]);

    /// Whether all ranks come here within some time.
    fn meet(&self, patience: Duration) -> bool;

    /// Ends all ranks at once with this exit code.
    fn abort(&self, code: u8);
}

/// The ranks of a run as one of them sees them; by default there is no other.
#[derive(Clone, Default)]
pub struct Ranks(Option<Arc<Joined>>);

struct Joined {
    link: Box<dyn Link>,
    /// Whether the first rank is at work alone, and the others wait for what comes of it.
    is_deciding: AtomicBool,
}

static ALONE: Ranks = Ranks(None);

/// The first rank is at work alone as long as this lives, however that ends.
struct Deciding<'a>(&'a AtomicBool);

impl Drop for Deciding<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// How long who ends with an error waits for the others to end with the same one.
const PATIENCE: Duration = Duration::from_secs(2);

impl Ranks {
    /// There is no other rank.
    pub fn alone() -> &'static Ranks {
        &ALONE
    }

    /// The ranks that a link joins.
    pub fn of(link: impl Link + 'static) -> Ranks {
        let joined = || Arc::new(Joined { link: Box::new(link), is_deciding: AtomicBool::new(false) });
        Ranks(Some(joined()).filter(|joined| joined.link.count() > 1))
    }

    /// What carries bytes, at a place where all ranks are.
    fn link(&self) -> Option<&dyn Link> {
        let joined = self.0.as_ref()?;
        assert!(!joined.is_deciding.load(Ordering::Relaxed), "the other ranks wait, and nothing can be asked of them");
        Some(&*joined.link)
    }

    /// The number of this rank, from 0.
    pub fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |joined| joined.link.rank())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.as_ref().map_or(1, |joined| joined.link.count())
    }

    /// The number of this rank among those of its machine, and how many these are.
    pub fn on_machine(&self) -> (usize, usize) {
        self.0.as_ref().map_or((0, 1), |joined| joined.link.on_machine())
    }

    /// Whether this is the rank that writes and speaks.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Whether there is no other.
    pub fn is_alone(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the i-th part of a work is this rank's: they go round.
    pub fn has(&self, i: usize) -> bool {
        i % self.count() == self.rank()
    }

    /// Lets the first rank do something, and tells its result, an error too, to all. Nobody goes on before it is done. What
    /// it does may ask for the same again, for a part of it.
    #[track_caller]
    pub fn first<T: Serialize + DeserializeOwned>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let here = place(Location::caller());
        let Some(Joined { link, is_deciding }) = self.0.as_deref() else { return work() };
        if !self.is_first() {
            return decoded(&link.gather(&here), here).swap_remove(0).expect("the first has said it");
        }
        if is_deciding.swap(true, Ordering::Relaxed) {
            return work();
        }
        let deciding = Deciding(is_deciding);
        let result = work();
        drop(deciding);
        decoded::<Result<T>>(&link.gather(&encoded(&result, here)), here);
        result
    }

    /// What every rank has, by rank.
    #[track_caller]
    pub fn shared<T: Serialize + DeserializeOwned>(&self, mine: T) -> Vec<T> {
        let here = place(Location::caller());
        match self.link() {
            None => vec![mine],
            Some(link) => decoded(&link.gather(&encoded(&mine, here)), here).into_iter().flatten().collect(),
        }
    }

    /// Whether it holds for any rank.
    #[track_caller]
    pub fn any(&self, mine: bool) -> bool {
        if self.is_alone() { mine } else { self.shared(mine).contains(&true) }
    }

    /// [`Error::Config`] for all, where ranks have not all the same of something.
    #[track_caller]
    pub fn agree(&self, what: &str, mine: &str) -> Result<()> {
        if self.is_alone() {
            return Ok(());
        }
        let all = self.shared(mine.to_owned());
        match all.iter().position(|other| *other != all[0]) {
            None => Ok(()),
            Some(other) => Err(Error::Config(format!(
                "the ranks of a run must have the same {what}: rank 0 has {}, rank {other} has {}",
                all[0], all[other]
            ))),
        }
    }

    /// [`Link::exchange`]; alone a rank has its own.
    pub fn exchange(&self, mine: &[u8]) -> Vec<u8> {
        self.link().map_or_else(|| mine.to_vec(), |link| link.exchange(mine))
    }

    /// [`Link::gather`].
    pub fn gather(&self, mine: &[u8]) -> Vec<Vec<u8>> {
        self.link().map_or_else(|| vec![mine.to_vec()], |link| link.gather(mine))
    }

    /// [`Link::sum`].
    pub fn sum(&self, numbers: &mut [f32]) {
        if let Some(link) = self.link() {
            link.sum(numbers);
        }
    }

    /// Whether all ranks come to their end together: who ends with an error waits a little for the others to end with it.
    pub fn meet(&self) -> bool {
        self.link().is_none_or(|link| link.meet(PATIENCE))
    }

    /// Ends all ranks at once: the process cannot go on.
    pub fn abort(&self, code: u8) {
        if let Some(joined) = &self.0 {
            joined.link.abort(code);
            process::exit(i32::from(code));
        }
    }

    /// What stands before the messages of this rank where something happened to it alone.
    pub fn prefix(&self) -> String {
        if self.is_alone() { String::new() } else { format!("rank {} of {}: ", self.rank(), self.count()) }
    }
}

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "rank {} of {}", self.rank(), self.count())
    }
}

/// A line of the program, as a message begins with it.
type Place = [u8; 8];

fn place(at: &Location) -> Place {
    let mut hash = DefaultHasher::new();
    (at.file(), at.line()).hash(&mut hash);
    hash.finish().to_le_bytes()
}

fn encoded<T: Serialize>(value: &T, here: Place) -> Vec<u8> {
    let mut bytes = here.to_vec();
    rmp_serde::encode::write(&mut bytes, value).expect("what ranks tell each other is plain data");
    bytes
}

/// What all ranks have said, by rank; none where one had nothing to say.
fn decoded<T: DeserializeOwned>(messages: &[Vec<u8>], here: Place) -> Vec<Option<T>> {
    let read = |bytes: &Vec<u8>| {
        let (place, bytes) = bytes.split_at(here.len());
        if place != here {
            raise(Error::Config(
                "the ranks of a run are not at the same place of the program: start all by one mpirun, with one program and \
                 the same flags"
                    .into(),
            ));
        }
        let value = || rmp_serde::from_slice(bytes).expect("ranks of one version tell each other what they expect");
        (!bytes.is_empty()).then(value)
    };
    messages.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// Runs every rank in a thread, and gives what they return, by rank.
    fn on_each<T: Send>(count: usize, work: impl Fn(Ranks) -> T + Sync) -> Vec<T> {
        thread::scope(|scope| {
            let work = &work;
            let all: Vec<_> = threads(count).into_iter().map(|ranks| scope.spawn(move || work(ranks))).collect();
            all.into_iter().map(|one| one.join().expect("a rank panicked")).collect()
        })
    }

    #[test]
    fn the_first_decides_and_all_hear_of_it() {
        for count in [1, 2, 3] {
            let found = on_each(count, |ranks| ranks.first(|| Ok(ranks.rank() + 7)));
            assert_eq!(found, vec![Ok(7); count]);
            let again = on_each(count, |ranks| ranks.first(|| ranks.first(|| Ok(ranks.rank()))));
            assert_eq!(again, vec![Ok(0); count]);
            let failed = on_each(count, |ranks| ranks.first(|| Err::<(), _>(Error::Full("no room".into()))));
            assert_eq!(failed, vec![Err(Error::Full("no room".into())); count]);
        }
    }

    #[test]
    fn what_ranks_have_is_shared_to_the_bit() {
        let all = on_each(3, |ranks| {
            let numbers = [f32::NAN, f32::MIN_POSITIVE / 2.0, ranks.rank() as f32].map(|x| vec![x; ranks.rank()]);
            let shared = ranks.shared(numbers.to_vec());
            shared.into_iter().flatten().flatten().map(f32::to_bits).collect::<Vec<u32>>()
        });
        let of = |rank: u8| {
            let numbers = [f32::NAN, f32::MIN_POSITIVE / 2.0, f32::from(rank)];
            numbers.into_iter().flat_map(move |x| vec![x.to_bits(); usize::from(rank)])
        };
        let expected: Vec<u32> = (0..3).flat_map(of).collect();
        assert!(all.iter().all(|one| *one == expected));
        assert_eq!(on_each(3, |ranks| ranks.any(ranks.rank() == 2)), [true; 3]);
        assert_eq!(on_each(3, |ranks| ranks.any(false)), [false; 3]);
    }

    #[test]
    fn pieces_go_to_their_ranks_and_sums_to_all() {
        for (rank, received) in on_each(3, |ranks| {
            let rank = ranks.rank() as u8;
            ranks.exchange(&[10 * rank, 10 * rank, 10 * rank + 1, 10 * rank + 1, 10 * rank + 2, 10 * rank + 2])
        })
        .into_iter()
        .enumerate()
        {
            let rank = rank as u8;
            assert_eq!(received, [rank, rank, 10 + rank, 10 + rank, 20 + rank, 20 + rank]);
        }
        let sums = on_each(4, |ranks| {
            let mut numbers = [1.0, ranks.rank() as f32];
            ranks.sum(&mut numbers);
            numbers
        });
        assert_eq!(sums, [[4.0, 6.0]; 4]);
    }

    #[test]
    fn ranks_that_differ_say_so() {
        let said = on_each(3, |ranks| ranks.agree("device", if ranks.rank() == 2 { "a card" } else { "cpu" }));
        let expected = "the ranks of a run must have the same device: rank 0 has cpu, rank 2 has a card".to_owned();
        assert_eq!(said, vec![Err(Error::Config(expected)); 3]);
        assert_eq!(on_each(2, |ranks| ranks.agree("version", "1")), [Ok(()), Ok(())]);
    }

    #[test]
    fn who_waits_for_one_that_does_not_come_waits_no_longer() {
        let met = on_each(2, |ranks| match ranks.link() {
            Some(link) if ranks.is_first() => link.meet(Duration::from_millis(30)),
            _ => false,
        });
        assert!(!met[0]);
        let met = on_each(3, |ranks| ranks.link().is_none_or(|link| link.meet(Duration::from_secs(60))));
        assert_eq!(met, [true; 3]);
    }
}
