//! What an encoder learns before a target: balanced subsets of a pool of tasks.

use crate::rng::{Purpose, Rng};

/// What is learned before a target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arm {
    /// What it is called in tables and folder names.
    pub name: String,
    /// The tasks, none where the target is learned at once.
    pub tasks: Vec<String>,
}

/// The name of the arm without tasks.
pub const NONE: &str = "none";

impl Arm {
    /// An arm named by its tasks.
    pub fn of(tasks: Vec<String>) -> Arm {
        let name = if tasks.is_empty() { NONE.to_owned() } else { tasks.join("+") };
        Arm { name, tasks }
    }
}

/// `count` different subsets of `size` tasks, or all where there are fewer, in which tasks stand about as often as one
/// another: those that stood least often come next, in an order made of the seed.
pub fn balanced(pool: &[String], size: usize, count: usize, seed: u64) -> Vec<Arm> {
    if size == 0 || size > pool.len() {
        return if size == 0 { vec![Arm::of(Vec::new())] } else { Vec::new() };
    }
    let mut rng = Rng::for_purpose(seed, Purpose::Shuffle, size as u64);
    let (mut uses, mut arms) = (vec![0; pool.len()], Vec::<Vec<usize>>::new());
    while arms.len() < count.min(binomial(pool.len(), size)) {
        let mut order: Vec<usize> = (0..pool.len()).collect();
        rng.shuffle(&mut order);
        order.sort_by_key(|task| uses[*task]); // stable: ties keep the order that was drawn
        let mut tasks = sorted(&order[..size]);
        // Where the rarest make a subset that is there, others take part, until they make a new one.
        while arms.contains(&tasks) {
            rng.shuffle(&mut order);
            tasks = sorted(&order[..size]);
        }
        tasks.iter().for_each(|task| uses[*task] += 1);
        arms.push(tasks);
    }
    arms.into_iter().map(|tasks| Arm::of(tasks.into_iter().map(|task| pool[task].clone()).collect())).collect()
}

fn sorted(tasks: &[usize]) -> Vec<usize> {
    let mut tasks = tasks.to_vec();
    tasks.sort_unstable();
    tasks
}

fn binomial(n: usize, k: usize) -> usize {
    (1..=k).fold(1, |ways, i| ways * (n - k + i) / i)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Vec<String> {
        ["a", "b", "c", "d", "e", "f", "g"].map(String::from).to_vec()
    }

    #[test]
    fn subsets_differ_and_use_tasks_alike() {
        for (size, count) in [(1, 7), (2, 7), (3, 7), (4, 7), (6, 7)] {
            let arms = balanced(&pool(), size, count, 3);
            assert_eq!(arms.len(), 7, "{size}");
            let uses: Vec<usize> =
                pool().iter().map(|t| arms.iter().filter(|arm| arm.tasks.contains(t)).count()).collect();
            let (least, most) = (uses.iter().min().unwrap(), uses.iter().max().unwrap());
            assert!(most - least <= 2, "{size}: {uses:?}");
            assert_eq!(arms, balanced(&pool(), size, count, 3));
        }
        assert_ne!(balanced(&pool(), 2, 3, 3), balanced(&pool(), 2, 3, 4));
    }

    #[test]
    fn there_are_no_more_than_there_can_be() {
        assert_eq!(balanced(&pool(), 0, 5, 1), [Arm::of(Vec::new())]);
        assert_eq!(balanced(&pool(), 7, 5, 1).len(), 1);
        assert_eq!(balanced(&pool(), 8, 5, 1), []);
        assert_eq!(balanced(&pool(), 1, 50, 1).len(), 7);
    }
}
