//! Lines for people: broken between words where a terminal is narrower.

use std::io::{self, IsTerminal, Write};

use ratatui::crossterm::terminal;
use unicode_width::UnicodeWidthStr;

/// Lines of at most so many columns, but for words that are wider.
pub fn wrapped(text: &str, width: usize) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        }
        line = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
    }
    lines.push(line);
    lines.join("\n")
}

/// Writes a line to stderr, broken between words where that is a terminal. If nobody can read it, there is nobody to tell.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{}", fitting(line, width()));
}

/// The columns of the terminal that stderr is; none where it is a file or a pipe, whose lines stay whole.
pub fn width() -> Option<usize> {
    let is_read_by_people = io::stderr().is_terminal();
    let (columns, _) = is_read_by_people.then(terminal::size)?.ok()?;
    Some(usize::from(columns)).filter(|columns| *columns > 0)
}

fn fitting(text: &str, width: Option<usize>) -> String {
    match width {
        None => text.to_owned(),
        Some(width) => text.lines().map(|line| wrapped(line, width)).collect::<Vec<_>>().join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_on_terminals_alone() {
        assert_eq!(wrapped("a bb ccc", 4), "a bb\nccc");
        assert_eq!(wrapped("世界 a", 5), "世界\na");
        assert_eq!(fitting("a bb ccc\n\nlonger than that", Some(4)), "a bb\nccc\n\nlonger\nthan\nthat");
        assert_eq!(fitting("a bb ccc", None), "a bb ccc");
    }
}
