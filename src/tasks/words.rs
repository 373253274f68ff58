//! Words with a tag each: a word and its tag a line, or CoNLL-U; sentences are parted by empty lines.

use super::{Column, Row, TextFile, Word, text_file::excerpt};
use crate::error::{Error, Result};

/// A line a word: the word first, its tag last or in the column of this number, parted by a tab or by spaces. Lines that
/// begin with `-DOCSTART-`, and those of comments, which begin with `# ` and are no word with its tag, are passed over.
pub fn read_lines(file: &TextFile, tag: Option<&Column>) -> Result<Vec<Row>> {
    read_tagged(file, tag, None)
}

/// The same, where a line may hold a word alone.
pub fn read_words(file: &TextFile, tag: Option<&Column>) -> Result<Vec<Row>> {
    read_tagged(file, tag, Some(""))
}

/// Lines of words; `untagged` stands for the tag of one that has none, if one may have none.
fn read_tagged(file: &TextFile, tag: Option<&Column>, untagged: Option<&'static str>) -> Result<Vec<Row>> {
    let number = match tag {
        Some(Column::Number(number)) => Some(*number),
        _ => None,
    };
    read(file, |line, content, is_inside| {
        if is_comment(content, is_inside) || content.starts_with("-DOCSTART-") {
            return Ok(None);
        }
        let mut parted: Vec<&str> =
            if content.contains('\t') { content.split('\t').collect() } else { spaced(content) };
        if let Some(number) = number.filter(|_| parted.len() > 1 || untagged.is_none()) {
            let Some(tag) = parted.get(number - 1) else {
                let (place, n) = (file.place(line), parted.len());
                return Err(Error::Data(format!("{place}: expected a tag in column {number}, found {n} columns")));
            };
            parted = vec![parted[0], tag];
        }
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

/// CoNLL-U's columns under the names that its description has for them.
const CONLLU: [&str; 10] = ["id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc"];

/// CoNLL-U (universaldependencies.org/format): words tagged by UPOS, by another column, or by one of the features in FEATS or
/// MISC such as `Case`, `_` where a word has none. Tokens of several words and empty nodes are passed over, as their words
/// are there.
pub fn read_conllu(file: &TextFile, tag: Option<&Column>) -> Result<Vec<Row>> {
    let (column, feature) = match tag {
        None => (CONLLU.iter().position(|name| *name == "upos"), None),
        Some(Column::Number(number)) => (Some(number - 1), None),
        Some(Column::Name(name)) => match CONLLU.iter().position(|known| known.eq_ignore_ascii_case(name)) {
            Some(column) => (Some(column), None),
            None => (None, Some(*name)),
        },
    };
    let rows = read(file, |line, content, _| {
        if content.starts_with('#') {
            return Ok(None);
        }
        let fields: Vec<&str> = content.split('\t').collect();
        let of_feature = |feature: &str| {
            let all = [5, 9].into_iter().filter_map(|i| fields.get(i)).flat_map(|field| field.split('|'));
            all.filter_map(|one| one.split_once('=')).find(|(name, _)| *name == feature).map_or("_", |(_, value)| value)
        };
        let tag = match (column, feature) {
            (Some(column), _) => fields.get(column).copied(),
            (None, feature) => feature.map(of_feature),
        };
        let ([number, form, _, _, ..], Some(tag)) = (&fields[..], tag) else {
            return Err(Error::Data(format!(
                "{}: expected 10 columns (ID, FORM, LEMMA, UPOS, …) parted by tabs, found {}: {}",
                file.place(line),
                fields.len(),
                excerpt(content)
            )));
        };
        Ok((!number.contains(['-', '.'])).then_some((*form, tag)))
    })?;
    match feature.filter(|_| rows.iter().flat_map(|row| &row.words).all(|word| word.tag == "_")) {
        None => Ok(rows),
        Some(feature) => Err(Error::Data(format!(
            "{}: no word has the feature \"{feature}\" in FEATS or MISC; the columns are {}",
            file.path.display(),
            CONLLU.join(", ")
        ))),
    }
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

    type Reader = fn(&TextFile, Option<&Column>) -> Result<Vec<Row>>;

    fn read_text(read: Reader, text: &str) -> Result<Vec<(usize, String, String)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.tsv");
        std::fs::write(&path, text).unwrap();
        let rows = read(&TextFile::read(&path)?, None)?;
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
    fn tags_stand_in_a_chosen_column() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.conllu");
        let tags = |read: Reader, text: &str, column: Column| {
            std::fs::write(&path, text).unwrap();
            let rows = read(&TextFile::read(&path)?, Some(&column))?;
            Ok::<_, Error>(rows[0].words.iter().map(|word| word.tag.clone()).collect::<Vec<_>>().join(" "))
        };
        let tree = "1\tgeht\tgehen\tVERB\tVVFIN\tMood=Ind|Tense=Pres\t0\troot\t_\tSpaceAfter=No\n\
                    2\ter\ter\tPRON\tPPER\tCase=Nom\t1\tnsubj\t_\t_\n";
        for (column, expected) in [
            (Column::Name("XPOS"), "VVFIN PPER"),
            (Column::Name("deprel"), "root nsubj"),
            (Column::Number(4), "VERB PRON"),
            (Column::Name("Case"), "_ Nom"),
            (Column::Name("SpaceAfter"), "No _"),
        ] {
            assert_eq!(tags(read_conllu, tree, column).unwrap(), expected);
        }
        let error = tags(read_conllu, tree, Column::Name("Kase")).unwrap_err();
        assert!(error.message().contains("f.conllu: no word has the feature \"Kase\""), "{error}");
        assert!(tags(read_conllu, "1\ta\ta\tX\n", Column::Name("xpos")).unwrap_err().message().contains("found 4"));
        let names = "U.N. NNP I-NP B-ORG\nsays VBZ I-VP O\n";
        assert_eq!(tags(read_lines, names, Column::Number(2)).unwrap(), "NNP VBZ");
        assert_eq!(tags(read_words, &names.replace("says VBZ I-VP O", "says"), Column::Number(3)).unwrap(), "I-NP ");
        let error = tags(read_lines, names, Column::Number(5)).unwrap_err();
        assert!(error.message().contains("f.conllu:1: expected a tag in column 5, found 4 columns"), "{error}");
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
            (read_lines as Reader, "a\tB\nword\n", "f.tsv:2: expected a word and its tag"),
            (read_lines, "a\t\n", "f.tsv:1: expected a word and its tag"),
            (read_conllu, "1 a b\n", "f.tsv:1: expected 10 columns"),
        ] {
            let error = read_text(read, text).unwrap_err();
            assert!(error.message().contains(says), "{error}");
        }
    }
}
