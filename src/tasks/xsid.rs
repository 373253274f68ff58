//! xSID's files (van der Goot et al., 2021): intents of short commands from its slot and intent release.

use super::{Row, TextFile, text_file::excerpt};
use crate::error::{Error, Result};

/// Reads `intent TAB words TAB slot tags`, one command per line.
pub fn read_lines(file: &TextFile) -> Result<Vec<Row>> {
    let row = |(line, content): (usize, &str)| match content.split('\t').collect::<Vec<_>>()[..] {
        [intent, words, _slots] => {
            Ok(Row { line, row: line, a: words.to_owned(), label: Some(intent.to_owned()), ..Row::default() })
        }
        ref fields => Err(Error::Data(format!(
            "{}: expected 3 columns (intent, words, slots), found {}: {}",
            file.place(line),
            fields.len(),
            excerpt(content)
        ))),
    };
    file.lines().map(row).collect()
}

/// Reads blocks of `# key = value` lines and one line per word, parted by empty lines.
///
/// Blocks are parallel by their order, as in the release; `# id` numbers are used only for the Norwegian copies
/// (`17/B`), since the Lithuanian file numbers its blocks its own way. In de-ba some blocks are missing a partner, so
/// its rows do not line up with the others from 100 (valid) and 149 (test) on.
pub fn read_blocks(file: &TextFile) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let lines: Vec<(usize, &str)> = file.lines().collect();
    for block in lines.split(|(_, content)| content.trim().is_empty()).filter(|block| !block.is_empty()) {
        rows.push(read_block(file, block, rows.len() + 1)?);
    }
    Ok(rows)
}

fn read_block(file: &TextFile, block: &[(usize, &str)], number: usize) -> Result<Row> {
    let mut row = Row { line: block[0].0, row: number, ..Row::default() };
    let mut text = None;
    for (line, content) in block {
        let Some(comment) = content.strip_prefix('#') else {
            check_word(file, *line, content)?;
            continue;
        };
        let Some((key, value)) = comment.split_once(['=', ':']) else { continue };
        match (key.trim(), value.trim()) {
            ("text", value) => text = Some(value.to_owned()),
            ("intent", value) => row.label = Some(value.to_owned()),
            ("id", value) => row.row = copy_of(value).unwrap_or(number),
            _ => {}
        }
    }
    row.a =
        text.ok_or_else(|| Error::Data(format!("{}: a block without a \"# text =\" line", file.place(row.line))))?;
    Ok(row)
}

/// The 17 of `17/B`.
fn copy_of(id: &str) -> Option<usize> {
    id.split_once('/')?.0.parse().ok()
}

fn check_word(file: &TextFile, line: usize, content: &str) -> Result<()> {
    match content.split('\t').count() {
        4 => Ok(()),
        found => Err(Error::Data(format!(
            "{}: expected 4 columns (number, word, intent, slot), found {found}: {}",
            file.place(line),
            excerpt(content)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Reader = fn(&TextFile) -> Result<Vec<Row>>;

    fn read_text(reader: Reader, text: &str) -> Result<Vec<Row>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.conll");
        std::fs::write(&path, text).unwrap();
        reader(&TextFile::read(&path)?)
    }

    #[test]
    fn blocks_and_lines_are_read() {
        let blocks = "# text = show all\n# intent = x/y\n# slots: 5:8:n\n1\tshow\tx/y\tO\n2\tall\tx/y\tO\n\n\
                      # id = 90\n# intent: z\n# text-en = a = b\n# text: c = d: e\n1\tc\tz\tO\n\n\n\
                      # id = 17/B\n# text = f\n1\tf\tz\tO\n";
        let rows = read_text(read_blocks, blocks).unwrap();
        let found: Vec<_> = rows.iter().map(|r| (r.line, r.row, r.a.as_str(), r.label.as_deref())).collect();
        assert_eq!(found, [(1, 1, "show all", Some("x/y")), (7, 2, "c = d: e", Some("z")), (14, 17, "f", None)]);

        let rows = read_text(read_lines, "GetWeather\tis it cold\tO O O\n").unwrap();
        assert_eq!((rows[0].a.as_str(), rows[0].label.as_deref()), ("is it cold", Some("GetWeather")));
    }

    #[test]
    fn broken_blocks_and_lines_are_refused() {
        let cases: [(Reader, &str, &str); 3] = [
            (read_lines, "a\tb\n", "f.conll:1: expected 3 columns (intent, words, slots), found 2: \"a\\tb\""),
            (
                read_blocks,
                "# text = a\n1\ta\tO\n",
                "f.conll:2: expected 4 columns (number, word, intent, slot), found 3: \"1\\ta\\tO\"",
            ),
            (read_blocks, "# text = a\n\n# id = 2\n1\ta\tx\tO\n", "f.conll:3: a block without a \"# text =\" line"),
        ];
        for (reader, text, end) in cases {
            let error = read_text(reader, text).unwrap_err();
            assert!(error.message().ends_with(end), "{error}");
        }
    }
}
