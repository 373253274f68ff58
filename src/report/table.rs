//! A table that prints itself: aligned for the terminal, as Markdown, LaTeX and HTML.

use std::collections::BTreeMap;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Widest line that fits everybody's terminal.
const WIDTH: usize = 80;

/// What a column of texts keeps at least, where a terminal has no room.
const LEAST: usize = 8;

/// The heading of a column and the side its cells keep to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    heading: String,
    to_the_right: bool,
    may_be_cut: bool,
}

impl Column {
    /// A column of words.
    pub fn words(heading: impl Into<String>) -> Column {
        Column { heading: heading.into(), to_the_right: false, may_be_cut: false }
    }

    /// A column of texts of any length, which end in … where a terminal has no room.
    pub fn texts(heading: impl Into<String>) -> Column {
        Column { may_be_cut: true, ..Column::words(heading) }
    }

    /// A column of numbers, aligned to the right.
    pub fn numbers(heading: impl Into<String>) -> Column {
        Column { to_the_right: true, ..Column::words(heading) }
    }
}

/// Headings and rows of cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    /// Texts below rows, by the number of the row.
    below: BTreeMap<usize, String>,
    /// Rows before which a line is drawn.
    rules: Vec<usize>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Table {
        Table { columns: columns.into_iter().collect(), rows: Vec::new(), below: BTreeMap::new(), rules: Vec::new() }
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

    /// Puts a text below the last row, as wide as the table; Markdown has it in a last column.
    pub fn below(mut self, text: impl Into<String>) -> Table {
        if let Some(last) = self.rows.len().checked_sub(1) {
            self.below.insert(last, text.into());
        }
        self
    }

    /// Draws a line below the rows so far.
    pub fn rule(mut self) -> Table {
        self.rules.push(self.rows.len());
        self
    }

    /// Plain text: columns two spaces apart, or one where only that fits 80 characters.
    pub fn to_text(&self) -> String {
        let mut widths: Vec<usize> = (0..self.columns.len()).map(|column| self.width(column)).collect();
        let gaps = widths.len().saturating_sub(1);
        let may_shrink = |i: &usize, widths: &[usize]| self.columns[*i].may_be_cut && widths[*i] > LEAST;
        while widths.iter().sum::<usize>() + 2 * gaps > WIDTH {
            let Some(widest) = (0..widths.len()).filter(|i| may_shrink(i, &widths)).max_by_key(|i| widths[*i]) else {
                break;
            };
            widths[widest] -= 1;
        }
        let gap = if widths.iter().sum::<usize>() + 2 * gaps <= WIDTH { "  " } else { " " };
        let rule = widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().join(gap);
        let headings: Vec<String> = self.columns.iter().map(|column| column.heading.clone()).collect();
        let mut lines = vec![self.line(&headings, &widths, gap), rule.clone()];
        for (i, row) in self.rows.iter().enumerate() {
            if self.rules.contains(&i) {
                lines.push(rule.clone());
            }
            lines.push(self.line(row, &widths, gap));
            lines.extend(self.below.get(&i).map(|text| format!("  {}", cut(text, WIDTH - 2))));
        }
        lines.join("\n") + "\n"
    }

    /// A Markdown table; lines between rows are left out, since Markdown has none.
    pub fn to_markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let with = |text: &str| (!self.below.is_empty()).then(|| text.to_owned());
        let headings = self.columns.iter().map(|column| markdown(&column.heading)).chain(with("text")).collect();
        let sides = self.columns.iter().map(|column| if column.to_the_right { "---:" } else { "---" }.to_owned());
        let below = |i: usize| with(&markdown(self.below.get(&i).map_or("", String::as_str)));
        let rows = self.rows.iter().enumerate();
        let rows = rows.map(|(i, row)| line(row.iter().map(|cell| markdown(cell)).chain(below(i)).collect()));
        [line(headings), line(sides.chain(with("---")).collect())].into_iter().chain(rows).collect()
    }

    /// LaTeX with the lines of booktabs, in a `table` with this caption.
    pub fn to_latex(&self, caption: &str) -> String {
        let sides: String = self.columns.iter().map(|column| if column.to_the_right { 'r' } else { 'l' }).collect();
        let line = |cells: Vec<String>| format!("    {} \\\\\n", cells.join(" & "));
        let mut text = format!(
            "\n\\begin{{table}}\n  \\centering\n  \\caption{{{}}}\n  \\begin{{tabular}}{{{sides}}}\n    \\toprule\n",
            latex(caption)
        );
        text += &line(self.columns.iter().map(|column| latex(&column.heading)).collect());
        text += "    \\midrule\n";
        for (i, row) in self.rows.iter().enumerate() {
            if self.rules.contains(&i) && i > 0 {
                text += "    \\midrule\n";
            }
            text += &line(row.iter().map(|cell| latex(cell)).collect());
            if let Some(below) = self.below.get(&i) {
                let n = self.columns.len();
                text += &format!("    \\multicolumn{{{n}}}{{p{{\\linewidth}}}}{{{}}} \\\\\n", latex(below));
            }
        }
        text + "    \\bottomrule\n  \\end{tabular}\n\\end{table}\n"
    }

    /// An HTML table; every cell is escaped, and the first of a row is its heading.
    pub fn to_html(&self, caption: &str) -> String {
        let class = |column: &Column| if column.to_the_right { " class=\"number\"" } else { "" };
        let mut text = format!("<table>\n<caption><span>{}</span></caption>\n<thead><tr>", html(caption));
        for column in &self.columns {
            text += &format!("<th scope=\"col\"{}>{}</th>", class(column), html(&column.heading));
        }
        text += "</tr></thead>\n<tbody>\n";
        for (i, row) in self.rows.iter().enumerate() {
            text += if self.rules.contains(&i) && i > 0 { "<tr class=\"rule\">" } else { "<tr>" };
            for (j, (cell, column)) in row.iter().zip(&self.columns).enumerate() {
                let (tag, scope) = if j == 0 { ("th", " scope=\"row\"") } else { ("td", "") };
                text += &format!("<{tag}{scope}{}>{}</{tag}>", class(column), html(cell));
            }
            text += "</tr>\n";
            if let Some(below) = self.below.get(&i) {
                let n = self.columns.len();
                text += &format!("<tr class=\"below\"><td colspan=\"{n}\" dir=\"auto\">{}</td></tr>\n", html(below));
            }
        }
        text + "</tbody>\n</table>\n"
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].width());
        cells.chain([self.columns[column].heading.width()]).max().unwrap_or(0)
    }

    fn line(&self, cells: &[String], widths: &[usize], gap: &str) -> String {
        let cells = cells.iter().zip(&self.columns).zip(widths).map(|((cell, column), width)| {
            let cell = if column.may_be_cut { cut(cell, *width) } else { cell.clone() };
            let room = " ".repeat(width.saturating_sub(cell.width()));
            if column.to_the_right { room + &cell } else { cell + &room }
        });
        cells.collect::<Vec<_>>().join(gap).trim_end().to_owned()
    }
}

/// A text on one line that takes at most so many columns of a terminal: what does not fit is …, and what a terminal would
/// take for a command is a space.
pub(super) fn cut(text: &str, width: usize) -> String {
    let plain = |c: char| if c.is_control() || "\u{2028}\u{2029}".contains(c) { ' ' } else { c };
    let text: String = text.chars().map(plain).collect();
    if text.width() <= width {
        return text;
    }
    let mut left = width.saturating_sub(1);
    let fits = |c: &char| {
        let room = left.checked_sub(c.width().unwrap_or(0));
        left = room.unwrap_or(left);
        room.is_some()
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{}…", kept.trim_end())
}

/// Text that HTML and SVG take for text, also inside quotes.
pub(super) fn html(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML has no control characters but these.
            c if c.is_control() && !matches!(c, '\n' | '\t') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Text that LaTeX takes for text.
fn latex(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '|' => escaped.push_str("\\textbar{}"),
            '"' => escaped.push_str("\\textquotedbl{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', character]),
            '−' => escaped.push_str("$-$"),
            '±' => escaped.push_str("$\\pm$"),
            'ρ' => escaped.push_str("$\\rho$"),
            '–' => escaped.push_str("--"),
            '\n' | '\r' => escaped.push(' '),
            // A row that begins so would be taken for the argument of the line break before it.
            '[' => escaped.push_str("{[}"),
            '*' => escaped.push_str("{*}"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Text that Markdown takes for text.
pub(super) fn markdown(cell: &str) -> String {
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
    fn texts_are_cut_by_what_a_terminal_shows() {
        for (text, width, expected) in [
            ("short", 8, "short"),
            ("somewhat long", 8, "somewha…"),
            ("two words", 5, "two…"),
            ("彼は家に帰った", 14, "彼は家に帰った"),
            ("彼は家に帰った", 8, "彼は家…"),
            ("a\u{1b}[31m\tb\nc", 20, "a [31m b c"),
        ] {
            assert_eq!(cut(text, width), expected);
        }
        let table = Table::new([Column::words("彼"), Column::texts("said"), Column::numbers("n")]);
        let table = table.row(["x", &"word ".repeat(30), "1"]).below("語".repeat(60)).row(["語語", "b", "2"]);
        let lines: Vec<String> = table.to_text().lines().map(str::to_owned).collect();
        assert!(lines.iter().all(|line| line.width() <= 80), "{lines:#?}");
        assert!(lines[2].ends_with("…   1") && lines[2].width() == 80 && lines[3].ends_with("語…"), "{lines:#?}");
        assert_eq!(lines[4].width(), 80);
        assert!(table.to_markdown().starts_with("| 彼 | said | n | text |\n"), "{}", table.to_markdown());
        assert!(table.to_html("").contains("<tr class=\"below\"><td colspan=\"3\" dir=\"auto\">語"));
        assert!(table.to_latex("").contains("\\multicolumn{3}{p{\\linewidth}}{語"));
    }

    #[test]
    fn markdown_is_escaped() {
        let expected = "| language | n | accuracy |\n| --- | ---: | ---: |\n| de | 5010 | 7.1 |\n| zh |  |  |\n| mean |  | 70.0 |\n";
        assert_eq!(table().to_markdown(), expected);
        let table = Table::new([Column::words("a|b")]).row(["<script>\nx_y"]);
        assert_eq!(table.to_markdown(), "| a\\|b |\n| --- |\n| &lt;script> x\\_y |\n");
    }

    #[test]
    fn latex_is_escaped() {
        let table = Table::new([Column::words("a_b"), Column::numbers("%")]).row(["\\input{x}", "−1.2 ± 0.3"]);
        let expected = "\n\\begin{table}\n  \\centering\n  \\caption{50 \\% \\& more}\n  \\begin{tabular}{lr}\n    \\toprule\n    \
                        a\\_b & \\% \\\\\n    \\midrule\n    \\textbackslash{}input\\{x\\} & $-$1.2 $\\pm$ 0.3 \\\\\n    \
                        \\bottomrule\n  \\end{tabular}\n\\end{table}\n";
        assert_eq!(table.to_latex("50 % & more"), expected);
    }

    #[test]
    fn html_is_escaped() {
        let table = Table::new([Column::words("<b>"), Column::numbers("n")]).row(["<script>\"'&\u{1}", "1"]);
        let page = table.to_html("<i>");
        for part in
            ["<caption><span>&lt;i&gt;</span></caption>", "&lt;b&gt;", "&lt;script&gt;&quot;&#39;&amp;\u{fffd}</th>"]
        {
            assert!(page.contains(part), "{page}");
        }
        assert!(!page.contains("<script"), "{page}");
    }
}
