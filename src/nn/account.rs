//! What a file lacks or has too much of, in as few lines as a person reads: layers that lack the same are one line.

use std::collections::BTreeMap;

/// The most lines that are said: a screen has 24, and some are for the message around them.
const MOST_LINES: usize = 21;
/// Tensors of one layer that, if all are meant, are one line.
const FEW: usize = 4;

/// A tensor's name, and what is to be said of it: `missing, expected (8, 8)`.
pub type Finding = (String, String);

/// What a file lacks, then what it has too much of, together on a screen.
pub fn screen(problems: &[Finding], left: &[Finding]) -> Vec<String> {
    let mut lines = lines(problems, if left.is_empty() { MOST_LINES } else { MOST_LINES * 2 / 3 });
    lines.extend(self::lines(left, MOST_LINES - lines.len().min(MOST_LINES * 2 / 3)));
    lines
}

/// Lines such as `bert.encoder.layer.{6 to 11}.output.dense.bias: missing, expected (8)`, and how many more there are.
fn lines(findings: &[Finding], most: usize) -> Vec<String> {
    let mut groups: Vec<Group> = Vec::new();
    for (name, what) in findings {
        let (start, number, end) = parts(name);
        let known = groups.iter_mut().find(|group| group.start == start && group.end == end && group.what == what);
        match (known, number) {
            (Some(group), Some(number)) => group.numbers.push(number),
            (Some(_), None) => {}
            (None, _) => groups.push(Group { start, numbers: number.into_iter().collect(), end, what }),
        }
    }
    let mut lines = whole_layers(&groups);
    if lines.len() > most {
        let rest = lines.len() - (most - 1);
        lines.truncate(most - 1);
        lines.push(format!("and {rest} more like these"));
    }
    lines
}

/// Findings that differ in the number of the layer alone.
struct Group<'a> {
    start: &'a str,
    numbers: Vec<usize>,
    end: &'a str,
    what: &'a str,
}

/// A name before the number of its layer, the number, and what follows.
fn parts(name: &str) -> (&str, Option<usize>, &str) {
    let mut at = 0;
    for part in name.split('.') {
        if let (false, Ok(number)) = (part.is_empty(), part.parse::<usize>()) {
            return (&name[..at], Some(number), &name[at + part.len()..]);
        }
        at += part.len() + 1;
    }
    (name, None, "")
}

/// One line for each group, or for all groups that say the same kind of thing of the same layers.
fn whole_layers(groups: &[Group]) -> Vec<String> {
    let kind = |group: &Group| group.what.split(',').next().unwrap_or_default().to_string();
    let key = |group: &Group| (group.start.to_string(), group.numbers.clone(), kind(group));
    let mut sizes: BTreeMap<(String, Vec<usize>, String), usize> = BTreeMap::new();
    for group in groups.iter().filter(|group| !group.numbers.is_empty()) {
        *sizes.entry(key(group)).or_default() += 1;
    }
    let mut lines = Vec::new();
    for group in groups {
        let numbers = ranges(&group.numbers);
        match sizes.get_mut(&key(group)) {
            Some(size) if *size > FEW => {
                lines.push(format!("{}{numbers}: {} ({size} tensors each)", group.start, kind(group)));
                *size = 0; // said
            }
            Some(0) => {}
            _ if group.numbers.len() > 1 => {
                lines.push(format!("{}{{{numbers}}}{}: {}", group.start, group.end, group.what));
            }
            _ => lines.push(format!("{}{numbers}{}: {}", group.start, group.end, group.what)),
        }
    }
    lines
}

/// `0, 2 to 4`
pub fn ranges(numbers: &[usize]) -> String {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for number in sorted {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let run = |(first, last): &(usize, usize)| match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    };
    runs.iter().map(run).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(findings: &[(&str, &str)]) -> Vec<String> {
        let findings: Vec<Finding> = findings.iter().map(|(name, what)| (name.to_string(), what.to_string())).collect();
        lines(&findings, MOST_LINES)
    }

    #[test]
    fn layers_that_lack_the_same_are_one_line() {
        assert_eq!(said(&[("a.b", "missing")]), ["a.b: missing"]);
        assert_eq!(said(&[("a.0.b", "missing, expected (2)")]), ["a.0.b: missing, expected (2)"]);
        let layers = [("l.3.b", "odd"), ("l.1.b", "odd"), ("l.2.b", "odd"), ("l.7.b", "odd")];
        assert_eq!(said(&layers), ["l.{1 to 3, 7}.b: odd"]);
        let tensors: Vec<(String, String)> = (0..12)
            .flat_map(|layer| (0..16).map(move |i| (format!("l.{layer}.t{i}"), format!("missing, expected ({i})"))))
            .collect();
        assert_eq!(lines(&tensors, MOST_LINES), ["l.0 to 11: missing (16 tensors each)"]);
    }

    #[test]
    fn a_screen_is_not_exceeded() {
        let many: Vec<(String, String)> = (0..100).map(|i| (format!("t{i}x"), "missing".to_string())).collect();
        let alone = screen(&many, &[]);
        assert_eq!((alone.len(), alone[MOST_LINES - 1].as_str()), (MOST_LINES, "and 80 more like these"));
        for (problems, left) in [(&many[..], &many[..]), (&many[..2], &many[..]), (&many[..], &many[..2])] {
            let lines = screen(problems, left);
            assert!(lines.len() <= MOST_LINES, "{}", lines.len());
            assert_eq!(lines[0], "t0x: missing");
        }
        assert_eq!(screen(&many[..2], &many[..]).len(), MOST_LINES, "the room is used");
    }
}
