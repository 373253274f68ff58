//! Pairs mined from two texts, as BUCC wants them: sets, whatever their order.

use std::collections::HashSet;

use super::Marks;

/// The marks of a set of pairs, each a line; a line that stands twice counts once, on either side.
pub fn marks(wanted: &[&str], given: &[&str]) -> Marks {
    let wanted: HashSet<&str> = wanted.iter().copied().collect();
    let given: HashSet<&str> = given.iter().copied().collect();
    Marks { right: wanted.intersection(&given).count(), given: given.len(), wanted: wanted.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_sets() {
        let (wanted, given) = (["a\tb", "c\td", "e\tf"], ["c\td", "x\ty", "c\td", "a\tb"]);
        let marks_of_all = marks(&wanted, &given);
        assert_eq!(marks_of_all, Marks { right: 2, given: 3, wanted: 3 });
        let turned: Vec<&str> = given.iter().rev().copied().collect();
        assert_eq!(marks(&wanted, &turned), marks_of_all);
        assert_eq!(marks(&wanted, &wanted).f1(), 1.0);
    }
}
