//! A report as headings, sentences, tables and plots, and its forms as plain text and Markdown.

use super::{
    Table,
    paper::Paper,
    table::{WIDTH, markdown},
};
use crate::{
    error::{Error, Result},
    terminal::wrapped,
};

/// A report, part by part.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// What follows.
    pub blocks: Vec<Block>,
}

/// A part of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// What all of it comes to.
    Verdict(String),
    /// The beginning of a section.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// What makes figures doubtful, or is left out: said whatever else is.
    Note(String),
    /// A table.
    Table {
        /// By which it is asked for, and referred to in LaTeX.
        name: &'static str,
        /// What it shows.
        caption: String,
        /// The table.
        table: Table,
        /// The same as papers have it, where they have it otherwise.
        paper: Option<Box<Paper>>,
    },
    /// An SVG image, for pages alone: a table beside it holds the same.
    Plot {
        /// What it shows.
        caption: String,
        /// Its source.
        svg: String,
    },
}

impl Document {
    /// Begins with what all of it comes to.
    pub fn verdict(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Verdict(text.into()));
    }

    /// Begins a section.
    pub fn heading(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Heading(text.into()));
    }

    /// Adds a paragraph.
    pub fn text(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text(text.into()));
    }

    /// Adds a paragraph that stays whatever tables are chosen.
    pub fn note(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Note(text.into()));
    }

    /// Adds a table.
    pub fn table(&mut self, name: &'static str, caption: impl Into<String>, table: Table) {
        self.blocks.push(Block::Table { name, caption: caption.into(), table, paper: None });
    }

    /// Adds a table that papers have in another form.
    pub(super) fn table_and_paper(
        &mut self,
        name: &'static str,
        caption: impl Into<String>,
        table: Table,
        paper: Option<Paper>,
    ) {
        self.blocks.push(Block::Table { name, caption: caption.into(), table, paper: paper.map(Box::new) });
    }

    pub(super) fn plot(&mut self, caption: impl Into<String>, svg: String) {
        self.blocks.push(Block::Plot { caption: caption.into(), svg });
    }

    /// The same with these tables alone, what is said of them, the verdict and the notes.
    pub fn only(self, names: &[String]) -> Result<Document> {
        let mut there: Vec<&str> = Vec::new();
        for name in self.blocks.iter().filter_map(Block::table_name) {
            there.extend((!there.contains(&name)).then_some(name)); // several tables may have one name
        }
        if let Some(missing) = names.iter().find(|name| !there.contains(&name.as_str())) {
            let there = there.join(", ");
            return Err(Error::Usage(format!(
                "--tables {missing}: these runs have no such table; the report has {there}"
            )));
        }
        let is_chosen = |block: &Block| block.table_name().is_some_and(|name| names.iter().any(|own| own == name));
        let mut blocks = Vec::new();
        for section in self.blocks.chunk_by(|_, next| !matches!(next, Block::Heading(_))) {
            let is_wanted = section.iter().any(is_chosen) || !matches!(section[0], Block::Heading(_));
            let kept = |block: &&Block| match block {
                Block::Verdict(_) | Block::Note(_) => true,
                Block::Heading(_) | Block::Text(_) => is_wanted,
                Block::Table { .. } => is_chosen(block),
                Block::Plot { .. } => false,
            };
            blocks.extend(section.iter().filter(kept).cloned());
        }
        Ok(Document { blocks, ..self })
    }

    /// Plain text for a terminal.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n{}\n", wrapped(&self.title, WIDTH), underline(&self.title, '='));
        for block in &self.blocks {
            text += &match block {
                Block::Heading(heading) => format!("\n{}\n{}\n", wrapped(heading, WIDTH), underline(heading, '-')),
                Block::Verdict(sentence) | Block::Text(sentence) | Block::Note(sentence) => {
                    format!("\n{}\n", wrapped(sentence, WIDTH))
                }
                Block::Table { caption, table, .. } => format!("\n{}\n\n{}", wrapped(caption, WIDTH), table.to_text()),
                Block::Plot { .. } => String::new(),
            };
        }
        text
    }

    /// Markdown.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("# {}\n", markdown(&self.title));
        for block in &self.blocks {
            text += &match block {
                Block::Heading(heading) => format!("\n## {}\n", markdown(heading)),
                Block::Verdict(sentence) => format!("\n**{}**\n", markdown(sentence)),
                Block::Text(sentence) | Block::Note(sentence) => format!("\n{}\n", markdown(sentence)),
                Block::Table { caption, table, .. } => {
                    format!("\n{}\n\n{}", markdown(caption), table.to_markdown())
                }
                Block::Plot { .. } => String::new(),
            };
        }
        text
    }
}

impl Block {
    /// The name of a table.
    pub fn table_name(&self) -> Option<&'static str> {
        match self {
            Block::Table { name, .. } => Some(name),
            _ => None,
        }
    }
}

fn underline(heading: &str, line: char) -> String {
    line.to_string().repeat(heading.chars().count().min(WIDTH))
}

/// A metric as a sentence begins with it.
pub(super) fn capitalized(metric: &str) -> String {
    let mut letters = metric.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Column;

    #[test]
    fn tables_are_chosen_with_what_is_said_of_them() {
        let mut document = Document { title: "t".into(), blocks: Vec::new() };
        let table = || Table::new([Column::words("a")]).row(["x"]);
        document.verdict("better");
        document.heading("one");
        document.text("of one");
        document.table("first", "caption one", table());
        document.table("second", "caption two", table());
        document.heading("two");
        document.text("of two");
        document.plot("plot", String::new());
        document.note("doubtful");
        let text = document.clone().only(&["second".into()]).unwrap().to_text();
        for (part, is_there) in [
            ("better", true),
            ("of one", true),
            ("caption one", false),
            ("caption two", true),
            ("of two", false),
            ("doubtful", true),
        ] {
            assert_eq!(text.contains(part), is_there, "{part}: {text}");
        }
        let error = document.only(&["third".into()]).unwrap_err();
        assert!(error.message().contains("--tables third") && error.message().contains("first, second"), "{error}");
    }
}
