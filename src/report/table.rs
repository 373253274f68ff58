//! A table that prints itself: aligned for the terminal, as Markdown and as HTML.
//!
//! Where it is wider than a terminal, it is cut into blocks of columns, one below the other, and what says which row is
//! meant stands in each.

use super::languages;
use crate::terminal::wrapped;
use std::{collections::BTreeMap, ops::Range};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns of the widest line that fits everybody's terminal.
pub(super) const WIDTH: usize = 80;

/// What a column of texts keeps at least, where a terminal has no room.
const LEAST: usize = 8;

/// What the columns that say which row is meant have together at most, where a terminal has no room.
const MOST_OF_KEYS: usize = 36;

/// What a part of a heading has at most before it is broken.
const LONGEST_PART: usize = 16;

/// The heading of a column and the side its cells keep to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub(super) heading: String,
    pub(super) to_the_right: bool,
    may_be_cut: bool,
    has_languages: bool,
}

impl Column {
    /// A column of words.
    pub fn words(heading: impl Into<String>) -> Column {
        Column { heading: heading.into(), to_the_right: false, may_be_cut: false, has_languages: false }
    }

    /// A column of words, of which those that are codes of languages have the names beside where there is room.
    pub fn languages(heading: impl Into<String>) -> Column {
        Column { has_languages: true, ..Column::words(heading) }
    }

    /// A column of texts of any length, which end in … where a terminal has no room.
    pub fn texts(heading: impl Into<String>) -> Column {
        Column { may_be_cut: true, ..Column::words(heading) }
    }

    /// A column of numbers, aligned to the right.
    pub fn numbers(heading: impl Into<String>) -> Column {
        Column { to_the_right: true, ..Column::words(heading) }
    }

    /// The name of the language whose code a cell is.
    fn name(&self, cell: &str) -> Option<&'static str> {
        let known = languages::find(cell).filter(|_| self.has_languages)?;
        Some(known.name)
    }

    /// A cell, with the name of the language whose code it is.
    fn named(&self, cell: &str) -> String {
        self.name(cell).map_or_else(|| cell.to_owned(), |name| format!("{cell} {name}"))
    }
}

/// Headings and rows of cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<String>>,
    /// Texts below rows, by the number of the row.
    pub(super) below: BTreeMap<usize, String>,
    /// Rows before which a line is drawn.
    pub(super) rules: Vec<usize>,
    /// The row at which means and other sums begin.
    means: Option<usize>,
    /// How many columns say which row is meant.
    pub(super) keys: usize,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Table {
        let columns = columns.into_iter().collect();
        Table { columns, rows: Vec::new(), below: BTreeMap::new(), rules: Vec::new(), means: None, keys: 1 }
    }

    /// The same, in which so many columns together say which row is meant.
    pub fn keyed(self, keys: usize) -> Table {
        Table { keys, ..self }
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

    /// Puts a text below the last row, as wide as the table; Markdown has it in a list below the table.
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

    /// Draws a line below the rows so far; those to come are means and other sums, which stay at the end.
    pub fn means(mut self) -> Table {
        self.means = Some(self.rows.len());
        self.rule()
    }

    /// Plain text of at most 80 columns: two spaces between columns, or one where that lets the table stay in one piece.
    pub fn to_text(&self) -> String {
        let n = self.columns.len();
        let gaps = n.saturating_sub(1);
        let mut widths: Vec<usize> = (0..n).map(|column| self.width(column)).collect();
        let sum = |widths: &[usize]| widths.iter().sum::<usize>();
        let may_shrink = |i: &usize, widths: &[usize]| self.columns[*i].may_be_cut && widths[*i] > LEAST;
        while sum(&widths) + 2 * gaps > WIDTH {
            let Some(widest) = (0..n).filter(|i| may_shrink(i, &widths)).max_by_key(|i| widths[*i]) else { break };
            widths[widest] -= 1;
        }
        if sum(&widths) + gaps > WIDTH {
            (0..n).for_each(|i| widths[i] = widths[i].min(self.narrowest(i)));
        }
        let gap = if sum(&widths) + 2 * gaps > WIDTH && sum(&widths) + gaps <= WIDTH { 1 } else { 2 };
        if sum(&widths) + gap * gaps > WIDTH {
            self.limit(&mut widths, gap);
        }
        let blocks = self.blocks(&widths, gap, WIDTH);
        let last = blocks.len() - 1;
        let texts = blocks.iter().enumerate().map(|(i, block)| self.block(block, &widths, gap, i == last));
        texts.collect::<Vec<_>>().join("\n")
    }

    /// How narrow a column may become without cutting its cells: its heading in parts.
    fn narrowest(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
        let parts = parts(&self.columns[column].heading).map(|part| part.trim_end().width().min(LONGEST_PART));
        cells.max(parts.max().unwrap_or(0)).max(1)
    }

    /// Makes columns fit that would not even stand alone: what they hold is broken over lines.
    fn limit(&self, widths: &mut [usize], gap: usize) {
        let keys = self.keys.min(widths.len());
        while widths[..keys].iter().sum::<usize>() > MOST_OF_KEYS && keys < widths.len() {
            let Some(widest) = (0..keys).max_by_key(|i| widths[*i]).filter(|i| widths[*i] > 1) else { break };
            widths[widest] -= 1;
        }
        let room = WIDTH - widths[..keys].iter().map(|width| width + gap).sum::<usize>().min(WIDTH - 1);
        widths[keys..].iter_mut().for_each(|width| *width = (*width).min(room));
        if let ([only], true) = (&mut *widths, keys == 1) {
            *only = (*only).min(WIDTH);
        }
    }

    /// The columns of each block: those that say which row is meant, and others as there is room for. Blocks are as few
    /// as can be, and then about as wide.
    pub(super) fn blocks(&self, widths: &[usize], gap: usize, room: usize) -> Vec<Vec<usize>> {
        let widest = self.filled(widths, gap, room);
        let narrower = (1..room).rev().map(|room| self.filled(widths, gap, room));
        narrower.take_while(|blocks| blocks.len() == widest.len()).last().unwrap_or(widest)
    }

    /// Blocks each of which has all that there is room for.
    fn filled(&self, widths: &[usize], gap: usize, room: usize) -> Vec<Vec<usize>> {
        let keys = self.keys.min(widths.len());
        let taken = widths[..keys].iter().map(|width| width + gap).sum::<usize>().saturating_sub(gap);
        let mut blocks = vec![(0..keys).collect::<Vec<usize>>()];
        let mut left = room.saturating_sub(taken);
        for (column, width) in widths.iter().enumerate().skip(keys) {
            let is_first = blocks.last().is_some_and(|block| block.len() == keys);
            if width + gap > left && !is_first {
                blocks.push((0..keys).collect());
                left = room.saturating_sub(taken);
            }
            left = left.saturating_sub(width + gap);
            blocks.last_mut().expect("there is one").push(column);
        }
        blocks
    }

    /// A block of columns as plain text.
    fn block(&self, block: &[usize], widths: &[usize], gap: usize, is_last: bool) -> String {
        let gap = " ".repeat(gap);
        let rule = block.iter().map(|column| "-".repeat(widths[*column])).collect::<Vec<_>>().join(&gap);
        let headings: Vec<&str> = self.columns.iter().map(|column| column.heading.as_str()).collect();
        let mut lines = self.lines(&headings, block, widths, &gap, true);
        lines.push(rule.clone());
        for (i, row) in self.rows.iter().enumerate() {
            if self.rules.contains(&i) {
                lines.push(rule.clone());
            }
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            lines.extend(self.lines(&cells, block, widths, &gap, false));
            let below = self.below.get(&i).filter(|_| is_last);
            lines.extend(below.map(|text| format!("  {}", cut(text, WIDTH - 2))));
        }
        lines.join("\n") + "\n"
    }

    /// The lines of a row: several where a cell has more than its width; headings keep to the last, cells to the first.
    fn lines(&self, cells: &[&str], block: &[usize], widths: &[usize], gap: &str, is_heading: bool) -> Vec<String> {
        let pieces = |column: &usize| match self.columns[*column].may_be_cut {
            true => vec![cut(cells[*column], widths[*column])],
            false => broken(cells[*column], widths[*column]),
        };
        let pieces: Vec<Vec<String>> = block.iter().map(pieces).collect();
        let height = pieces.iter().map(Vec::len).max().unwrap_or(1);
        let line = |number: usize| {
            let cells = block.iter().zip(&pieces).map(|(column, pieces)| {
                let skipped = if is_heading { height - pieces.len() } else { 0 };
                let piece = number.checked_sub(skipped).and_then(|i| pieces.get(i)).map_or("", String::as_str);
                let room = " ".repeat(widths[*column].saturating_sub(piece.width()));
                if self.columns[*column].to_the_right { room + piece } else { piece.to_owned() + &room }
            });
            cells.collect::<Vec<_>>().join(gap).trim_end().to_owned()
        };
        (0..height).map(line).collect()
    }

    /// Markdown tables of at most 80 columns, if no single cell is too long; lines between rows are left out, since
    /// Markdown has none.
    pub fn to_markdown(&self) -> String {
        let cell = |column: usize, text: &str| markdown(&self.columns[column].named(text));
        let headings: Vec<String> = self.columns.iter().map(|column| markdown(&column.heading)).collect();
        let row = |row: &Vec<String>| row.iter().enumerate().map(|(i, text)| cell(i, text)).collect::<Vec<String>>();
        let rows: Vec<Vec<String>> = self.rows.iter().map(row).collect();
        let width = |i: usize| {
            let cells = rows.iter().map(|row| row[i].width()).chain([headings[i].width()]);
            cells.max().unwrap_or(0).max(3 + usize::from(self.columns[i].to_the_right))
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |block: &[usize], cells: &[String]| {
            let cells = block.iter().map(|i| {
                let room = " ".repeat(widths[*i].saturating_sub(cells[*i].width()));
                if self.columns[*i].to_the_right { room + &cells[*i] } else { cells[*i].clone() + &room }
            });
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let sides: Vec<String> = (0..widths.len())
            .map(|i| match self.columns[i].to_the_right {
                true => "-".repeat(widths[i] - 1) + ":",
                false => "-".repeat(widths[i]),
            })
            .collect();
        let blocks = self.blocks(&widths, 3, WIDTH - 4);
        let block = |block: &Vec<usize>| {
            let rows = rows.iter().map(|row| line(block, row));
            [line(block, &headings), line(block, &sides)].into_iter().chain(rows).collect::<String>()
        };
        let mut text = blocks.iter().map(block).collect::<Vec<_>>().join("\n");
        if !self.below.is_empty() {
            text.push('\n');
        }
        for (i, below) in &self.below {
            let key = self.rows[*i].iter().enumerate().find(|(column, _)| !self.columns[*column].to_the_right);
            let key = key.map_or(String::new(), |(_, cell)| markdown(cell));
            let lines = wrapped(&format!("{key}: {}", markdown(below)), WIDTH - 2);
            text += &format!("- {}\n", lines.replace('\n', "\n  "));
        }
        text
    }

    /// An HTML table; every cell is escaped, and the first of a row is its heading. Rows between two lines are a part of
    /// the table's body, and means the last.
    pub fn to_html(&self, caption: &str) -> String {
        let class = |column: &Column| if column.to_the_right { " class=\"number\"" } else { "" };
        let mut text = format!("<table>\n<caption><span>{}</span></caption>\n<thead><tr>", html(caption));
        for column in &self.columns {
            text += &format!("<th scope=\"col\"{}>{}</th>", class(column), html(&column.heading));
        }
        text += "</tr></thead>\n";
        for part in self.bodies() {
            let is_means = self.means.is_some_and(|means| part.start >= means);
            text += if is_means { "<tbody class=\"means\">\n" } else { "<tbody>\n" };
            for i in part {
                text += "<tr>";
                for (j, (cell, column)) in self.rows[i].iter().zip(&self.columns).enumerate() {
                    let (tag, scope) = if j == 0 { ("th", " scope=\"row\"") } else { ("td", "") };
                    let shown = match column.name(cell) {
                        Some(name) => format!(
                            "<span class=\"code\">{}</span> <span class=\"name\">{}</span>",
                            html(cell),
                            html(name)
                        ),
                        None => html(cell),
                    };
                    text += &format!("<{tag}{scope}{}>{shown}</{tag}>", class(column));
                }
                text += "</tr>\n";
                if let Some(below) = self.below.get(&i) {
                    let n = self.columns.len();
                    text +=
                        &format!("<tr class=\"below\"><td colspan=\"{n}\" dir=\"auto\">{}</td></tr>\n", html(below));
                }
            }
            text += "</tbody>\n";
        }
        text + "</table>\n"
    }

    /// The rows between two lines.
    fn bodies(&self) -> Vec<Range<usize>> {
        let mut ends: Vec<usize> = self.rules.iter().copied().filter(|at| *at > 0 && *at < self.rows.len()).collect();
        ends.push(self.rows.len());
        ends.dedup();
        let starts = [0].into_iter().chain(ends.clone());
        starts.zip(ends).map(|(start, end)| start..end).collect()
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].width());
        cells.chain([self.columns[column].heading.width()]).max().unwrap_or(0)
    }
}

/// A text in the parts between which a line may be broken.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([' ', '-', '/', '_', '+', ','])
}

/// A text over as many lines as it takes where each has so many columns: broken between its parts, or inside one that is
/// too long.
fn broken(text: &str, width: usize) -> Vec<String> {
    if text.width() <= width {
        return vec![text.to_owned()];
    }
    let mut lines = vec![String::new()];
    for part in parts(text) {
        let is_longer = |line: &String| line.width() + part.trim_end().width() > width;
        if lines.last().is_some_and(|line| !line.is_empty() && is_longer(line)) {
            lines.push(String::new());
        }
        for character in part.chars() {
            let line = lines.last_mut().expect("there is one");
            match line.width() + character.width().unwrap_or(0) > width && !line.is_empty() {
                true if character == ' ' => {}
                true => lines.push(character.to_string()),
                false => line.push(character),
            }
        }
    }
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
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

    /// Whatever the columns are, nothing is wider than a terminal and nothing is lost.
    #[test]
    fn wide_tables_are_cut_into_blocks() {
        let long = "open-sib200-with-a-rather-long-name/2-sib200-adversarial";
        for (methods, label, cell) in [
            (2, "adv", "72.9"),
            (5, "adv", "+7.7 [−18.8, +34.2]*"),
            (9, "adv", "72.9 ± 0.3"),
            (9, long, "72.9"),
            (2, &long.repeat(3), "72.9"),
        ] {
            let headings = (0..methods).map(|i| Column::numbers(format!("{label}{i}")));
            let table = Table::new([Column::languages("language"), Column::numbers("n")].into_iter().chain(headings));
            let row = |first: &str| [first.to_owned(), "5010".into()].into_iter().chain(vec![cell.to_owned(); methods]);
            let table = table.row(row("sw")).row(row("zho_Hant")).means().row(row("mean without eng_Latn"));
            let text = table.to_text();
            assert!(text.lines().all(|line| line.width() <= 80), "{text}");
            let blocks = text.split("\n\n").count();
            assert_eq!(text.matches("zho_Hant").count(), blocks, "{text}");
            assert_eq!(text.matches(cell).count(), 3 * methods, "{text}");
            let headings: String =
                text.split("\n\n").flat_map(|block| block.lines().take_while(|line| !line.starts_with("--"))).collect();
            let letters = |text: &str, which: char| text.chars().filter(|c| *c == which).count();
            assert!(letters(&headings, 'v') >= methods * letters(label, 'v'), "{text}");
            let markdown = table.to_markdown();
            assert!(label.len() > 30 || markdown.lines().all(|line| line.width() <= 80), "{markdown}");
            assert!(
                markdown.contains("| sw Swahili ") && markdown.contains("| zho\\_Hant Chinese (traditional) "),
                "{markdown}"
            );
        }
        // What says which row is meant may be too long, too.
        let table = Table::new([Column::words("method"), Column::numbers("gain")]).row([long.repeat(2), "+1.2".into()]);
        assert!(table.to_text().lines().all(|line| line.width() <= 80), "{}", table.to_text());
        assert_eq!(broken("one two-three", 8), ["one two-", "three"]);
        assert_eq!(broken("abcdefgh", 3), ["abc", "def", "gh"]);
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
        assert!(table.to_markdown().contains("\n- x:\n  語"), "{}", table.to_markdown());
        assert!(table.to_html("").contains("<tr class=\"below\"><td colspan=\"3\" dir=\"auto\">語"));
    }

    #[test]
    fn markdown_is_escaped() {
        let expected = "\
| language |    n | accuracy |
| -------- | ---: | -------: |
| de       | 5010 |      7.1 |
| zh       |      |          |
| mean     |      |     70.0 |
";
        assert_eq!(table().to_markdown(), expected);
        let table = Table::new([Column::words("a|b")]).row(["<script>\nx_y"]);
        assert_eq!(table.to_markdown(), "| a\\|b             |\n| ---------------- |\n| &lt;script> x\\_y |\n");
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
        let table = Table::new([Column::languages("language"), Column::numbers("n")]);
        let page = table.row(["sw", "1"]).means().row(["mean", "1"]).to_html("");
        assert!(page.contains("<span class=\"code\">sw</span> <span class=\"name\">Swahili</span></th>"), "{page}");
        assert!(page.contains("<tbody class=\"means\">\n<tr><th scope=\"row\">mean</th>"), "{page}");
    }
}
