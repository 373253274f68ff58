//! Whose turn it is: which task each update of a stage is of, where it trains on several at once.

use crate::rng::{Purpose, Rng};

/// Examples beyond which a task is drawn no more often: K of Phang et al. (2020), section 3.1.
const MOST_EXAMPLES: usize = 1 << 17;

/// Which task each update is of, and how many updates that task had before.
#[derive(Debug, Default)]
pub struct TaskSampler(Vec<(u16, u32)>);

impl TaskSampler {
    /// Draws each update's task with a probability in proportion to min(n, 2¹⁷)^α, n being its number of examples: 1 draws
    /// in proportion to size, 0 all tasks alike.
    pub fn new(sizes: &[usize], alpha: f64, updates: u64, seed: u64) -> TaskSampler {
        if sizes.len() < 2 {
            return TaskSampler(Vec::new());
        }
        let powers: Vec<f64> = sizes.iter().map(|n| ((*n).min(MOST_EXAMPLES) as f64).powf(alpha)).collect();
        let sum: f64 = powers.iter().sum();
        let (mut rng, mut had) = (Rng::for_purpose(seed, Purpose::Tasks, 0), vec![0; sizes.len()]);
        let drawn = |_| {
            let mut left = f64::from(rng.uniform()) * sum;
            let last = sizes.len() - 1;
            let task = powers.iter().position(|power| {
                left -= power;
                left < 0.0
            });
            let task = task.unwrap_or(last); // where rounding leaves a crumb of the sum
            had[task] += 1;
            (task as u16, had[task] - 1)
        };
        TaskSampler((0..updates).map(drawn).collect())
    }

    /// The task of the update after `step` updates, and how many updates it had before.
    pub fn task_of(&self, step: u64) -> (usize, u64) {
        self.0.get(step as usize).map_or((0, step), |(task, nth)| (usize::from(*task), u64::from(*nth)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_drawn_by_a_power_of_their_size() {
        let n = 20_000;
        let share = |sizes: &[usize], alpha| {
            let sampler = TaskSampler::new(sizes, alpha, n, 7);
            (0..n).filter(|step| sampler.task_of(*step).0 == 0).count() as f64 / n as f64
        };
        // Of 20,000 draws a share p has a deviation of √(p(1−p)/20,000) < 0.0036: four of them.
        for (sizes, alpha, expected) in [
            ([900, 100], 1.0, 0.9),
            ([900, 100], 0.5, 0.75),
            ([900, 100], 0.0, 0.5),
            ([1 << 20, 1 << 17], 1.0, 0.5), // beyond 2¹⁷ a task is as large
        ] {
            assert!((share(&sizes, alpha) - expected).abs() < 0.0144, "{sizes:?} {alpha}");
        }
    }

    #[test]
    fn each_task_goes_through_its_examples_in_order() {
        let sampler = TaskSampler::new(&[5, 4, 3], 1.0, 100, 3);
        let mut had = [0; 3];
        for step in 0..100 {
            let (task, nth) = sampler.task_of(step);
            assert_eq!(nth, had[task]);
            had[task] += 1;
        }
        assert_eq!(TaskSampler::new(&[5], 1.0, 100, 3).task_of(41), (0, 41));
        let again = TaskSampler::new(&[5, 4, 3], 1.0, 100, 3);
        assert!((0..100).all(|step| sampler.task_of(step) == again.task_of(step)));
    }
}
