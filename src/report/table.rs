//! A table that prints itself, aligned for the terminal or as Markdown.

/// Widest line that fits everybody's terminal.
const WIDTH: usize = 80;

/// The heading of a column and the side its cells keep to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    heading: String,
    to_the_right: bool,
}

impl Column {
    /// A column of words.
    pub fn words(heading: impl Into<String>) -> Column {
        Column { heading: heading.into(), to_the_right: false }
    }

    /// A column of numbers, aligned to the right.
    pub fn numbers(heading: impl Into<String>) -> Column {
        Column { heading: heading.into(), to_the_right: true }
    }
}

/// Headings and rows of cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    /// Rows before which a line is drawn.
    rules: Vec<usize>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Table {
        Table { columns: columns.into_iter().collect(), rows: Vec::new(), rules: Vec::new() }
    }

    /// Appends a row; cells missing at its end stay empty.
    #[track_caller]
    pub fn row<T: Into<String>>(mut self, cells: impl IntoIterator<Item = T>) -> Table {
        let mut cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        let (found, expected) = (cells.len(), self.columns.len());
        assert!(found <= expected, "a row of {found} cells in a table of {expected} columns");
        cells.resize(expected, String::new());
        self.rows.push(cells);
        self
    }

    /// Draws a line below the rows so far.
    pub fn rule(mut self) -> Table {
        self.rules.push(self.rows.len());
        self
    }

    /// Plain text: columns two spaces apart, or one where only that fits 80 characters.
    pub fn to_text(&self) -> String {
        let widths: Vec<usize> = (0..self.columns.len()).map(|column| self.width(column)).collect();
        let gaps = widths.len().saturating_sub(1);
        let gap = if widths.iter().sum::<usize>() + 2 * gaps <= WIDTH { "  " } else { " " };
        let rule = widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().join(gap);
        let headings: Vec<String> = self.columns.iter().map(|column| column.heading.clone()).collect();
        let mut lines = vec![self.line(&headings, &widths, gap), rule.clone()];
        for (i, row) in self.rows.iter().enumerate() {
            if self.rules.contains(&i) {
                lines.push(rule.clone());
            }
            lines.push(self.line(row, &widths, gap));
        }
        lines.join("\n") + "\n"
    }

    /// A Markdown table; lines between rows are left out, since Markdown has none.
    pub fn to_markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let headings = self.columns.iter().map(|column| escaped(&column.heading)).collect();
        let sides = self.columns.iter().map(|column| if column.to_the_right { "---:" } else { "---" }.to_owned());
        let rows = self.rows.iter().map(|row| line(row.iter().map(|cell| escaped(cell)).collect()));
        [line(headings), line(sides.collect())].into_iter().chain(rows).collect()
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].chars().count());
        cells.chain([self.columns[column].heading.chars().count()]).max().unwrap_or(0)
    }

    fn line(&self, cells: &[String], widths: &[usize], gap: &str) -> String {
        let cells = cells.iter().zip(&self.columns).zip(widths).map(|((cell, column), width)| {
            if column.to_the_right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        cells.collect::<Vec<_>>().join(gap).trim_end().to_owned()
    }
}

/// A cell that Markdown takes for text.
fn escaped(cell: &str) -> String {
    let mut text = String::new();
    for character in cell.chars() {
        match character {
            '\n' | '\r' => text.push(' '),
            '<' => text.push_str("&lt;"),
            '&' => text.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' => text.extend(['\\', character]),
            _ => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let table = Table::new([Column::words("language"), Column::numbers("n"), Column::numbers("accuracy")]);
        table.row(["de", "5010", "7.1"]).row(["zh"]).rule().row(["mean", "", "70.0"])
    }

    #[test]
    fn text_is_aligned() {
        let expected = "language     n  accuracy\n\
                        --------  ----  --------\n\
                        de        5010       7.1\n\
                        zh\n\
                        --------  ----  --------\n\
                        mean                70.0\n";
        assert_eq!(table().to_text(), expected);
        assert_eq!(
            Table::new([Column::words("é–"), Column::words("b")]).row(["x", "y"]).to_text(),
            "é–  b\n--  -\nx   y\n"
        );
    }

    #[test]
    fn wide_tables_move_together() {
        for (columns, gap) in [(16, "  "), (20, " ")] {
            let table = Table::new(vec![Column::numbers("123"); columns]);
            assert_eq!(table.to_text().lines().next().unwrap(), vec!["123"; columns].join(gap));
        }
    }

    #[test]
    fn markdown_is_escaped() {
        let expected = "| language | n | accuracy |\n| --- | ---: | ---: |\n| de | 5010 | 7.1 |\n| zh |  |  |\n| mean |  | 70.0 |\n";
        assert_eq!(table().to_markdown(), expected);
        let table = Table::new([Column::words("a|b")]).row(["<script>\nx_y"]);
        assert_eq!(table.to_markdown(), "| a\\|b |\n| --- |\n| &lt;script> x\\_y |\n");
    }
}
