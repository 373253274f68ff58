//! How labels are told apart: not by case, by Unicode's forms of a letter, or by what nobody sees.

use std::collections::BTreeMap;

use unicode_normalization_alignments::UnicodeNormalization;

/// A label but for case, Unicode's forms and what nobody sees.
fn plain(label: &str) -> String {
    let is_seen = |c: &char| !c.is_control() && !"\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{ad}".contains(*c);
    label.nfkc().map(|(c, _)| c).filter(is_seen).collect::<String>().to_lowercase()
}

/// The first of these that is the name: to the letter, else plainly.
pub(super) fn find<'a>(mut known: impl Iterator<Item = &'a str> + Clone, name: &str) -> Option<usize> {
    let to_the_letter = known.clone().position(|known| known == name);
    to_the_letter.or_else(|| {
        let name = plain(name);
        known.position(|known| plain(known) == name)
    })
}

/// Names that are alike, group by group; so are 1 and 1.0 where all numbers are whole.
pub(super) fn alike<'a>(names: impl Iterator<Item = &'a str> + Clone) -> impl Iterator<Item = Vec<&'a str>> {
    let is_fraction = |name: &str| name.parse::<f64>().is_ok_and(|number| number.fract() != 0.0);
    let are_whole = !names.clone().any(is_fraction);
    let key = |name: &str| match name.strip_suffix(".0").filter(|whole| are_whole && whole.parse::<i64>().is_ok()) {
        Some(whole) => whole.to_owned(),
        None => plain(name),
    };
    // As many names as there are rows may be numbers, so none is held against each other.
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    names.for_each(|name| groups.entry(key(name)).or_default().push(name));
    groups.into_values().filter(|group| group.len() > 1)
}
