//! What is odd about official numbers, said beside them.

/// Something that a reader of a number must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// A name to search for, such as `bare_tags`.
    pub name: &'static str,
    /// What it means.
    pub text: String,
    /// What becomes of the number.
    pub verdict: Verdict,
}

/// What becomes of a number with a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the official one, and to be read with care.
    Odd,
    /// The official script prints it, and it means nothing.
    Void,
}

impl Note {
    pub(super) fn odd(name: &'static str, text: impl Into<String>) -> Note {
        Note { name, text: text.into(), verdict: Verdict::Odd }
    }

    pub(super) fn void(name: &'static str, text: impl Into<String>) -> Note {
        Note { name, text: text.into(), verdict: Verdict::Void }
    }
}

/// From so many items on, gold labels that are all the same are no accident: three labels drawn alike would be so once
/// in 3^19 files.
const MANY: usize = 20;

/// A note where gold labels look as if they had been taken out before the files were published.
pub(super) fn removed_labels(gold: &[&str], known: &[&str], place: &str) -> Option<Note> {
    let first = gold.first()?;
    let constant = gold.len() >= MANY && gold.iter().all(|label| label == first);
    let unknown = !known.is_empty() && gold.iter().all(|label| !known.contains(label));
    if unknown && gold.iter().all(|label| label.contains('\t')) {
        let (n, example) = (first.split('\t').count(), known[0]);
        let text = format!(
            "{place}: its lines have {n} columns, and a line of gold is a label alone, such as \"{example}\": the score means \
             nothing; cut that column out"
        );
        return Some(Note::void("gold_columns", text));
    }
    let what = match (constant, unknown) {
        (_, true) => format!("none of {} gold labels is one of {}", gold.len(), known.join(", ")),
        (true, _) => format!("all {} gold labels are \"{first}\"", gold.len()),
        _ => return None,
    };
    let text = format!("{place}: {what}: they look removed, and the score means nothing; fetch files with labels");
    Some(Note::void("labels_removed", text))
}

/// A note where predictions are no labels of the task: the official scripts count them as wrong, and say nothing.
pub(super) fn unknown_labels(given: &[&str], known: &[&str], place: &str) -> Option<Note> {
    let is_unknown = |label: &&str| !known.is_empty() && !known.contains(label);
    let n = given.iter().filter(|label| is_unknown(label)).count();
    let first = given.iter().position(is_unknown)?;
    let (label, number, of, known) = (given[first], first + 1, given.len(), known.join(", "));
    let text = format!(
        "{place}: number {number}, \"{label}\", is none of {known}; {n} of {of} predictions are no label and count as wrong, as in \
         the official script"
    );
    Some(Note::odd("unknown_labels", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_that_are_no_label_are_counted() {
        let note = unknown_labels(&["1", "1.0", "0.0"], &["0", "1"], "f").unwrap();
        assert_eq!(note.verdict, Verdict::Odd);
        assert!(note.text.starts_with("f: number 2, \"1.0\", is none of 0, 1; 2 of 3 predictions"), "{}", note.text);
        assert_eq!(unknown_labels(&["1", "0"], &["0", "1"], "f"), None);
        assert_eq!(unknown_labels(&["17"], &[], "f"), None);
    }

    #[test]
    fn removed_labels_are_seen() {
        let same = vec!["neutral"; MANY];
        assert_eq!(removed_labels(&same, &[], "f").unwrap().verdict, Verdict::Void);
        assert_eq!(removed_labels(&same[1..], &["neutral"], "f"), None);
        assert!(removed_labels(&["", ""], &["neutral"], "f").unwrap().text.contains("none of 2 gold labels"));
        assert_eq!(removed_labels(&[], &["neutral"], "f"), None);
        assert!(
            removed_labels(&["a\tb\tneutral"], &["neutral"], "f").unwrap().text.contains("its lines have 3 columns")
        );
    }
}
