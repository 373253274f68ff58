//! Pairs with other items' first sentences: what of a task is answered from the second sentence alone.
//!
//! A model that is right as often then does not read pairs (Poliak et al., 2018: many hypotheses of NLI give their label
//! away).

use crate::tasks::{Loaded, Task};

/// The most items that are asked for twice.
const MOST: usize = 1000;

/// The first of the items, each with the first sentence of the one half the set further on, or the next that differs; none
/// of tasks without pairs or single labels, and where all first sentences are one.
///
/// First sentences are those of the set in another order (but where the same one stands at both places), and the same for
/// all models.
pub fn with_foreign_firsts(task: &Task, measured: &Loaded) -> Option<Loaded> {
    if !task.pairs || !task.has_one_label() {
        return None;
    }
    let mut foreign = measured.clone();
    foreign.examples.truncate(MOST);
    let firsts: Vec<String> = foreign.examples.iter().map(|example| example.a.clone()).collect();
    let n = firsts.len();
    for (i, example) in foreign.examples.iter_mut().enumerate() {
        let others = (0..n).map(|step| &firsts[(i + n / 2 + step) % n]);
        example.a.clone_from(others.into_iter().find(|other| **other != example.a)?);
    }
    Some(foreign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{Split, demo, find};

    #[test]
    fn every_first_sentence_is_anothers() {
        let (task, own) = (find("demo").unwrap(), demo::load(Split::Test, "en", 101, 7).unwrap());
        let foreign = with_foreign_firsts(task, &own).unwrap();
        assert_eq!(foreign.examples.len(), 101);
        let firsts = |loaded: &Loaded| {
            let mut firsts: Vec<String> = loaded.examples.iter().map(|example| example.a.clone()).collect();
            firsts.sort();
            firsts.dedup();
            firsts
        };
        assert!(firsts(&foreign).iter().all(|first| firsts(&own).contains(first)));
        assert!(firsts(&foreign).len() * 10 > firsts(&own).len() * 9, "hardly any is lost");
        for (own, foreign) in own.examples.iter().zip(&foreign.examples) {
            assert_ne!(own.a, foreign.a);
            assert_eq!((&own.b, own.label, &own.id), (&foreign.b, foreign.label, &foreign.id));
        }
    }

    #[test]
    fn some_sets_have_no_foreign_firsts() {
        let mut same = demo::load(Split::Test, "en", 4, 7).unwrap();
        same.examples.iter_mut().for_each(|example| example.a = "It rains.".into());
        assert_eq!(with_foreign_firsts(find("demo").unwrap(), &same), None);
        let single = demo::load(Split::Test, "en", 4, 7).unwrap();
        assert_eq!(with_foreign_firsts(find("sib200").unwrap(), &single), None);
    }
}
