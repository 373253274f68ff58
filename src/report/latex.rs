//! A report in LaTeX: tables with the lines of booktabs that fit a column or a page of a paper.
//!
//! What papers have by method and language has methods as rows and languages as columns, cut into blocks that fit. How
//! wide something is is reckoned from the widths of Computer Modern at the size of `\footnotesize`.

use super::{
    Table,
    document::{Block, Document},
    paper::{Figure, Paper},
};
use crate::terminal::wrapped;

/// Lines of tables that one float holds at most.
const LINES: usize = 56;

/// Between two columns, in points: twice `\tabcolsep`.
const GAP: usize = 6;

/// The size of `\tiny`, whose letters are wide for their height.
const SMALL: f64 = 6.4;

/// What tables have to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// One column of a paper in two columns: 219 pt, as in ACL's style.
    Column,
    /// The page: 455 pt.
    Page,
}

impl Fit {
    /// In points.
    fn width(self) -> usize {
        match self {
            Fit::Column => 219,
            Fit::Page => 455,
        }
    }

    /// The float that is so wide where a paper has two columns.
    fn float(self) -> &'static str {
        match self {
            Fit::Column => "table",
            Fit::Page => "table*",
        }
    }
}

impl Figure {
    fn line(&self) -> String {
        if self.value.is_empty() {
            return String::new();
        }
        let value = latex(&self.value);
        let value = if self.is_bold { format!("\\textbf{{{value}}}") } else { value };
        let beside =
            if self.beside.is_empty() { String::new() } else { format!("\\,{{\\tiny {}}}", latex(&self.beside)) };
        let star = if self.has_star { "\\rlap{\\textsuperscript{*}}" } else { "" };
        value + &beside + star
    }

    /// Points that it takes.
    fn width(&self) -> usize {
        let line = points_of(&self.value, 8.0)
            + points_of(&self.beside, SMALL)
            + if self.beside.is_empty() { 0.0 } else { 1.4 };
        // A star hangs into the gap.
        line.max(points_of(&self.below, SMALL)).ceil() as usize
    }
}

impl Document {
    /// LaTeX: a float for each table, sentences as comments.
    pub fn to_latex(&self, fit: Fit) -> String {
        let mut text = comment(&self.title) + "% In the preamble: \\usepackage{booktabs}\n";
        if self.blocks.iter().any(Block::wants_fonts) {
            text += "% Some texts want XeLaTeX or LuaLaTeX, and a font that has their scripts.\n";
        }
        let mut labels: Vec<&str> = Vec::new();
        for block in &self.blocks {
            text += &match block {
                Block::Heading(sentence) | Block::Verdict(sentence) | Block::Text(sentence) | Block::Note(sentence) => {
                    format!("\n{}", comment(sentence))
                }
                Block::Table { name, caption, table, paper } => {
                    labels.push(name);
                    let number = match labels.iter().filter(|other| *other == name).count() {
                        1 => String::new(),
                        n => format!("-{n}"),
                    };
                    let label = format!("tab:{}-{name}{number}", slug(&self.title));
                    match paper {
                        Some(paper) => paper.to_latex(&label, fit),
                        None => table.to_latex(caption, &label, fit),
                    }
                }
                Block::Plot { .. } => String::new(),
            };
        }
        text
    }
}

impl Block {
    /// Whether it is a table with letters that pdfLaTeX has not.
    fn wants_fonts(&self) -> bool {
        let Block::Table { caption, table, paper: None, .. } = self else { return false };
        let cells = table.rows.iter().flatten().chain(table.below.values()).chain([caption]);
        cells
            .flat_map(|cell| latex(cell).chars().collect::<Vec<_>>())
            .any(|letter| letter > '\u{17f}' && !"’“”…".contains(letter))
    }
}

impl Paper {
    fn to_latex(&self, label: &str, fit: Fit) -> String {
        let first = self.rows.iter().map(|(name, _)| points_of(name, 8.0)).fold(0.0, f64::max).ceil() as usize;
        let first = first.min(fit.width() / 3);
        let width = |i: usize| {
            let figures = self.rows.iter().filter_map(|(_, figures)| figures.get(i)).map(Figure::width);
            // Nothing of a heading is lost where it is long: it is what a line may be broken in.
            figures.chain([heading_width(&self.headings[i])]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = [first].into_iter().chain((0..self.headings.len()).map(width)).collect();
        let columns = widths.iter().map(|_| super::Column::words(""));
        let blocks = Table::new(columns).blocks(&widths, GAP, fit.width());
        let tabular = |block: &Vec<usize>| {
            let columns: Vec<usize> = block[1..].iter().map(|column| column - 1).collect();
            let sides = "r".repeat(columns.len());
            let headings: Vec<String> = columns.iter().map(|i| heading(&self.headings[*i])).collect();
            let mut lines = vec![format!("  \\begin{{tabular}}{{@{{}}l{sides}@{{}}}}"), "    \\toprule".into()];
            lines.push(format!("     & {} \\\\", headings.join(" & ")));
            lines.push("    \\midrule".into());
            for (name, figures) in &self.rows {
                let of = |show: &dyn Fn(&Figure) -> String| {
                    columns.iter().map(|i| show(&figures[*i])).collect::<Vec<_>>().join(" & ")
                };
                lines.push(format!("    {} & {} \\\\", squeezed(name, first), of(&Figure::line)));
                if figures.iter().any(|figure| !figure.below.is_empty()) {
                    let below = |figure: &Figure| match figure.below.is_empty() {
                        true => String::new(),
                        false => format!("\\tiny {}", latex(&figure.below)),
                    };
                    lines.push(format!("     & {} \\\\", of(&below)));
                }
            }
            lines.extend(["    \\bottomrule".into(), "  \\end{tabular}".into()]);
            lines
        };
        floats(blocks.iter().map(tabular).collect(), &self.caption, label, fit)
    }
}

impl Table {
    /// LaTeX with the lines of booktabs, in a float with this caption.
    pub fn to_latex(&self, caption: &str, label: &str, fit: Fit) -> String {
        let width = |i: usize| {
            let cells = self.rows.iter().map(|row| points_of(&row[i], 8.0));
            cells.chain([heading_width(&self.columns[i].heading) as f64]).fold(0.0, f64::max).ceil() as usize
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let total = widths.iter().map(|width| width + GAP).sum::<usize>().saturating_sub(GAP);
        let fit = if total > Fit::Column.width() { Fit::Page } else { fit };
        // A text that is too long for its column is a paragraph.
        let most = fit.width().saturating_sub(GAP + widths[..self.keys.min(widths.len())].iter().sum::<usize>() / 2);
        let widths: Vec<usize> = widths.iter().map(|width| (*width).min(most.max(60))).collect();
        let side = |i: &usize| {
            let natural = width(*i);
            match (natural > widths[*i], self.columns[*i].to_the_right) {
                (true, _) => format!("p{{{}pt}}", widths[*i]),
                (false, true) => "r".into(),
                (false, false) => "l".into(),
            }
        };
        let blocks = self.blocks(&widths, GAP, fit.width());
        let last = blocks.len() - 1;
        let tabular = |(number, block): (usize, &Vec<usize>)| {
            let sides: String = block.iter().map(side).collect();
            let headings: Vec<String> = block.iter().map(|i| heading(&self.columns[*i].heading)).collect();
            let mut lines = vec![format!("  \\begin{{tabular}}{{@{{}}{sides}@{{}}}}"), "    \\toprule".into()];
            lines.push(format!("    {} \\\\", headings.join(" & ")));
            lines.push("    \\midrule".into());
            for (i, row) in self.rows.iter().enumerate() {
                if self.rules.contains(&i) && i > 0 {
                    lines.push("    \\midrule".into());
                }
                let cells: Vec<String> = block.iter().map(|column| latex(&row[*column])).collect();
                lines.push(format!("    {} \\\\", cells.join(" & ")));
                if let Some(below) = self.below.get(&i).filter(|_| number == last) {
                    let n = block.len();
                    lines.push(format!("    \\multicolumn{{{n}}}{{p{{{}pt}}}}{{{}}} \\\\", fit.width(), latex(below)));
                }
            }
            lines.extend(["    \\bottomrule".into(), "  \\end{tabular}".into()]);
            lines
        };
        floats(blocks.iter().enumerate().map(tabular).collect(), caption, label, fit)
    }
}

/// Floats of one or several tables below each other.
fn floats(tabulars: Vec<Vec<String>>, caption: &str, label: &str, fit: Fit) -> String {
    let mut parts: Vec<Vec<Vec<String>>> = Vec::new();
    for tabular in tabulars {
        let lines = |part: &Vec<Vec<String>>| part.iter().map(Vec::len).sum::<usize>();
        match parts.last_mut().filter(|part| lines(part) + tabular.len() <= LINES) {
            Some(part) => part.push(tabular),
            None => parts.push(vec![tabular]),
        }
    }
    let float = fit.float();
    let part = |(i, part): (usize, &Vec<Vec<String>>)| {
        let (caption, label) = match i {
            0 => (latex(caption), label.to_owned()),
            i => (format!("Table~\\ref{{{label}}}, continued."), format!("{label}-part{}", i + 1)),
        };
        let tables: Vec<String> = part.iter().map(|lines| lines.join("\n")).collect();
        format!(
            "\n\\begin{{{float}}}\n  \\centering\\footnotesize\\setlength{{\\tabcolsep}}{{{}pt}}\n  \\caption{{{caption}}}\n  \
             \\label{{{label}}}\n{}\n\\end{{{float}}}\n",
            GAP / 2,
            tables.join("\n\n  \\smallskip\n")
        )
    };
    parts.iter().enumerate().map(part).collect()
}

/// A heading, on two lines where it is long and has several words.
fn heading(text: &str) -> String {
    match two_lines(text) {
        None => latex(text),
        Some([above, below]) => {
            format!("\\shortstack{{{}\\\\{}}}", latex(above), latex(below))
        }
    }
}

/// Points that a heading takes.
fn heading_width(text: &str) -> usize {
    let lines = two_lines(text).map_or(vec![text], |lines| lines.to_vec());
    lines.into_iter().map(|line| points_of(line, 8.0)).fold(0.0, f64::max).ceil() as usize
}

/// The two lines of a long heading of several words.
fn two_lines(text: &str) -> Option<[&str; 2]> {
    let middle = text.len() / 2;
    let space = text.match_indices(' ').map(|(at, _)| at).min_by_key(|at| at.abs_diff(middle))?;
    (text.len() > 8).then(|| [&text[..space], &text[space + 1..]])
}

/// A name that takes so many points at most: smaller where it is longer.
fn squeezed(name: &str, points: usize) -> String {
    match points_of(name, 8.0) > points as f64 + 0.5 {
        true => format!(
            "\\parbox[t]{{{points}pt}}{{\\raggedright\\tiny {}\\strut}}",
            latex(name).replace(['-', '/'], "-\\allowbreak{}")
        ),
        false => latex(name),
    }
}

/// About how many points a text takes at a size, by the widths of Computer Modern in ems.
fn points_of(text: &str, size: f64) -> f64 {
    let em = |letter: char| match letter {
        'i' | 'j' | 'l' | '.' | ',' | '\'' | ':' | '[' | ']' | '|' | ' ' => 0.3,
        'f' | 't' | 'r' | 's' | '(' | ')' | '-' | '*' | 'I' => 0.42,
        '−' | '+' | '±' | '<' | '=' | '≤' | '≥' | 'm' | 'w' | '%' => 0.83,
        'M' | 'W' | '—' => 1.03,
        'A'..='Z' => 0.75,
        letter if letter.is_ascii() => 0.55,
        _ => 0.7,
    };
    size * text.chars().map(em).sum::<f64>() * 1.06
}

/// A label's part of a text.
fn slug(text: &str) -> String {
    let letters = text.split(':').next().unwrap_or_default().chars();
    letters.map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' }).collect()
}

/// A comment of lines that are not too long.
fn comment(text: &str) -> String {
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    wrapped(&text, 98).lines().map(|line| format!("% {line}\n")).collect()
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
            '—' => escaped.push_str("---"),
            '≤' => escaped.push_str("$\\leq$"),
            '≥' => escaped.push_str("$\\geq$"),
            '×' => escaped.push_str("$\\times$"),
            '…' => escaped.push_str("\\dots{}"),
            '“' => escaped.push_str("``"),
            '”' => escaped.push_str("''"),
            '’' => escaped.push('\''),
            '`' => escaped.push_str("\\textasciigrave{}"),
            '\n' | '\r' => escaped.push(' '),
            // A row that begins so would be taken for the argument of the line break before it.
            '[' => escaped.push_str("{[}"),
            '*' => escaped.push_str("{*}"),
            // LaTeX has no control characters.
            c if c.is_control() => escaped.push(' '),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Column;

    #[test]
    fn latex_is_escaped() {
        let table = Table::new([Column::words("a_b"), Column::numbers("%")]).row(["\\input{x}", "−1.2 ± 0.3"]);
        let expected = r"
\begin{table}
  \centering\footnotesize\setlength{\tabcolsep}{3pt}
  \caption{50 \% \& more}
  \label{tab:x}
  \begin{tabular}{@{}lr@{}}
    \toprule
    a\_b & \% \\
    \midrule
    \textbackslash{}input\{x\} & $-$1.2 $\pm$ 0.3 \\
    \bottomrule
  \end{tabular}
\end{table}
";
        assert_eq!(table.to_latex("50 % & more", "tab:x", Fit::Column), expected);
        assert_eq!(latex("p ≤ 0.05\n[x]"), "p $\\leq$ 0.05 {[}x]");
    }

    #[test]
    fn a_paper_has_languages_as_columns_in_blocks_that_fit() {
        let figure = |value: &str, has_star: bool, is_bold: bool| Figure {
            value: value.into(),
            beside: "0.3".into(),
            below: "[−0.1, +3.0]".into(),
            has_star,
            is_bold,
        };
        let languages = ["en", "de", "zho_Hans", "sw", "mean without en"];
        let row = |name: &str, star: bool| (name.to_owned(), languages.map(|_| figure("72.9", star, star)).to_vec());
        let paper = Paper {
            caption: "c".into(),
            headings: languages.map(str::to_owned).into(),
            rows: vec![row("standard", false), row("rs_rp", true)],
        };
        for (fit, blocks, float) in [(Fit::Column, 2, "\\begin{table}"), (Fit::Page, 1, "\\begin{table*}")] {
            let text = paper.to_latex("tab:x", fit);
            assert_eq!(text.matches("\\begin{tabular}").count(), blocks, "{text}");
            assert_eq!(text.matches("\n    standard & ").count(), blocks, "{text}");
            assert_eq!(text.matches("\\textbf{72.9}\\,{\\tiny 0.3}\\rlap{\\textsuperscript{*}}").count(), 5, "{text}");
            assert_eq!(text.matches("\\tiny {[}$-$0.1, +3.0]").count(), 10, "{text}");
            assert!(text.contains(float) && text.contains("zho\\_Hans"), "{text}");
            assert!(
                text.contains("\\shortstack{mean\\\\without en}") || text.contains("\\shortstack{mean without\\\\en}"),
                "{text}"
            );
        }
        let many = Paper { rows: (0..30).map(|i| row(&format!("m{i}"), false)).collect(), ..paper };
        let text = many.to_latex("tab:x", Fit::Column);
        assert!(text.contains("\\caption{Table~\\ref{tab:x}, continued.}\n  \\label{tab:x-part2}"), "{text}");
    }
}
