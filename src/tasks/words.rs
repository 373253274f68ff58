//! Words with a tag each: a word and its tag a line, or CoNLL-U; sentences are parted by empty lines.

use super::{Row, TextFile, Word, text_file::excerpt};
use crate::error::{Error, Result};

/// A line a word: the word first, its tag last, parted by a tab or by spaces. Lines that begin with `-DOCSTART-`, and those
/// of comments, which begin with `# ` and are no word with its tag, are passed over.
pub fn read_lines(file: &TextFile) -> Result<Vec<Row>> {
    read_tagged(file, None)
}

/// The same, where a line may hold a word alone.
pub fn read_words(file: &TextFile) -> Result<Vec<Row>> {
    read_tagged(file, Some(""))
}

/// Lines of words; `untagged` stands for the tag of one that has none, if one may have none.
fn read_tagged(file: &TextFile, untagged: Option<&'static str>) -> Result<Vec<Row>> {
    read(file, |line, content, is_inside| {
        if is_comment(content, is_inside) || content.starts_with("-DOCSTART-") {
            return Ok(None);
        }
        let parted = if content.contains('\t') { content.split('\t').collect() } else { spaced(content) };
        match parted[..] {
            [word, .., tag] if line == 1 && is_header(word, tag) => Err(Error::Data(format!(
                "{}: \"{word}\" and \"{tag}\" seem to be names of columns, which files of words have none of; remove the line",
                file.place(line)
            ))),
            [word, .., tag] if !word.trim().is_empty() && !tag.trim().is_empty() => Ok(Some((word.trim(), tag.trim()))),
            ref fields => match (fields.first().map(|word| word.trim()).filter(|word| !word.is_empty()), untagged) {
                (Some(word), Some(tag)) => Ok(Some((word, tag))),
                _ => Err(Error::Data(format!(
                    "{}: expected a word and its tag, parted by a tab or a space, found {} fields: {}",
                    file.place(line),
                    fields.len(),
                    excerpt(content)
                ))),
            },
        }
    })
}

/// Whether a line is no word: it begins with `# `, and does not go on with a tag alone. Inside of a sentence whatever stands
/// alone there is one; before it, what is written as tags are: `O`, `B-LOC`, `SYM`.
fn is_comment(content: &str, is_inside: bool) -> bool {
    let Some(rest) = content.strip_prefix("# ") else { return false };
    let rest = spaced(rest);
    let is_tag = |text: &str| {
        let kind = text.split_once('-').filter(|(place, _)| place.len() == 1).map_or(text, |(place, _)| place);
        kind.bytes().all(|byte| byte.is_ascii_uppercase())
    };
    let is_word = match rest[..] {
        [tag] => is_inside || is_tag(tag),
        [.., tag] => is_inside && is_tag(tag),
        [] => is_inside,
    };
    !is_word
}

/// Whether a first line names columns.
fn is_header(word: &str, tag: &str) -> bool {
    let is = |text: &str, names: &[&str]| names.iter().any(|name| text.trim().eq_ignore_ascii_case(name));
    is(word, &["word", "words", "token", "tokens", "form"])
        && is(tag, &["tag", "tags", "label", "labels", "ner_tags", "pos", "upos"])
}

fn spaced(content: &str) -> Vec<&str> {
    content.split_ascii_whitespace().collect()
}

/// CoNLL-U (universaldependencies.org/format): words with their universal part of speech. Tokens of several words and
/// empty nodes are passed over, as their words are there.
pub fn read_conllu(file: &TextFile) -> Result<Vec<Row>> {
    read(file, |line, content, _| {
        if content.starts_with('#') {
            return Ok(None);
        }
        let fields: Vec<&str> = content.split('\t').collect();
        let [number, form, _, upos, ..] = fields[..] else {
            return Err(Error::Data(format!(
                "{}: expected 10 columns (ID, FORM, LEMMA, UPOS, …) parted by tabs, found {}: {}",
                file.place(line),
                fields.len(),
                excerpt(content)
            )));
        };
        Ok((!number.contains(['-', '.'])).then_some((form, upos)))
    })
}

/// Sentences of what `word` makes of each line, which is told whether a sentence has begun.
fn read<'a>(
    file: &'a TextFile,
    word: impl Fn(usize, &'a str, bool) -> Result<Option<(&'a str, &'a str)>>,
) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    let mut open = false;
    for (line, content) in file.lines() {
        if content.trim().is_empty() {
            open = false;
            continue;
        }
        let Some((text, tag)) = word(line, content, open)? else { continue };
        if !open {
            rows.push(Row { line, row: rows.len() + 1, ..Row::default() });
            open = true;
        }
        let row = rows.last_mut().expect("one was just begun");
        if !row.a.is_empty() {
            row.a.push(' ');
        }
        row.a.push_str(text);
        row.words.push(Word { line, text: text.to_owned(), tag: tag.to_owned() });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(read: fn(&TextFile) -> Result<Vec<Row>>, text: &str) -> Result<Vec<(usize, String, String)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.tsv");
        std::fs::write(&path, text).unwrap();
        let rows = read(&TextFile::read(&path)?)?;
        let tags = |row: &Row| row.words.iter().map(|word| word.tag.as_str()).collect::<Vec<_>>().join(" ");
        Ok(rows.iter().map(|row| (row.line, row.a.clone(), tags(row))).collect())
    }

    #[test]
    fn sentences_are_parted_by_empty_lines() {
        let expected = [(1, "From the AP".to_owned(), "ADP DET PROPN".to_owned()), (6, "Yes".into(), "INTJ".into())];
        let text = "From\tADP\nthe\tDET\nAP\tPROPN\n\n\nYes\tINTJ\n";
        assert_eq!(read_text(read_lines, text).unwrap(), expected);
        assert_eq!(read_text(read_lines, &text.replace('\t', " ")).unwrap(), expected);
        let document = "-DOCSTART- O\n\nU.N. NNP I-NP B-ORG\n";
        assert_eq!(read_text(read_lines, document).unwrap(), [(3, "U.N.".to_owned(), "B-ORG".to_owned())]);
    }

    #[test]
    fn a_hash_may_be_a_word() {
        for (text, words, tags) in [
            ("I O\nlove O\n# O\nLondon B-LOC\n", "I love # London", "O O O B-LOC"),
            ("# B-LOC\nParis I-LOC\n", "# Paris", "B-LOC I-LOC"),
            ("# SYM\n1 NUM\n", "# 1", "SYM NUM"),
            ("a x O\n# NN O\n", "a #", "O O"),
            ("#\tO\na\tO\n", "# a", "O O"),
            ("# id 17\na O\n", "a", "O"),
            ("# newdoc\na O\n", "a", "O"),
            ("# text = It is O\na O\n", "a", "O"),
        ] {
            let found = read_text(read_lines, text).unwrap();
            assert_eq!((&found[0].1[..], &found[0].2[..]), (words, tags), "{text}");
        }
        assert_eq!(read_text(read_words, "say\n# Hi\n").unwrap()[0].1, "say #");
    }

    #[test]
    fn conllu_has_words_not_tokens() {
        let text = "# sent_id = 1\n1-2\tzum\t_\t_\n1\tzu\tzu\tADP\t_\n2\tdem\tder\tDET\t_\n2.1\tx\tx\tVERB\n3\tHaus\tHaus\tNOUN\n";
        assert_eq!(read_text(read_conllu, text).unwrap(), [(3, "zu dem Haus".to_owned(), "ADP DET NOUN".to_owned())]);
    }

    #[test]
    fn words_may_stand_alone_where_nobody_asks_for_tags() {
        let text = "From\nthe\tO\nAP\t\n\nYes\n";
        let expected = [(1, "From the AP".to_owned(), " O ".to_owned()), (5, "Yes".into(), "".into())];
        assert_eq!(read_text(read_words, text).unwrap(), expected);
    }

    #[test]
    fn lines_without_a_tag_are_refused() {
        for (read, text, says) in [
            (read_lines as fn(&TextFile) -> Result<Vec<Row>>, "a\tB\nword\n", "f.tsv:2: expected a word and its tag"),
            (read_lines, "a\t\n", "f.tsv:1: expected a word and its tag"),
            (read_conllu, "1 a b\n", "f.tsv:1: expected 10 columns"),
        ] {
            let error = read_text(read, text).unwrap_err();
            assert!(error.message().contains(says), "{error}");
        }
    }
}
