//! Questions and mentions in several languages that look among the same candidates.
//!
//! Passages (LAReQA: Roy et al., 2020; `utils_lareqa.py` of XTREME-R): questions look for the sentence that answers them
//! among those of all paragraphs in all languages. Mentions (Mewsli-X: Ruder et al., 2021; `utils_mewslix.py`): names in
//! news look for the entity that they mean among descriptions in many languages. Places in texts count code points.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    path::Path,
    sync::Arc,
};

use rayon::prelude::*;
use serde::Deserialize;

use super::{
    Origin, Task, TextFile,
    joined::joined_by,
    retrieval::{Entry, Place, Retrieval, called, origin, places},
    squad::{Written, places_of},
};
use crate::{
    error::{Error, Result},
    metrics::is_space,
};

#[derive(Deserialize)]
struct File {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    context: String,
    sentence_breaks: Vec<[usize; 2]>,
    qas: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    id: String,
    question: String,
    answers: Vec<Written>,
}

/// What a file of passages holds.
#[derive(Default)]
struct Passages {
    questions: Vec<Entry>,
    /// The id of each question, which its translations have, too.
    ids: Vec<String>,
    candidates: Vec<Entry>,
    /// For the id of a question the places of its sentences among the candidates.
    right: HashMap<String, Vec<usize>>,
    /// Questions whose answer begins in no sentence.
    n_skipped: usize,
}

impl Passages {
    fn read(file: &TextFile, code: &str) -> Result<Passages> {
        let path = file.path.display();
        let read: File = serde_json::from_str(file.text()).map_err(|error| {
            Error::Data(format!(
                "{path}: {error}; expected XQuAD-R's JSON: SQuAD's, and sentence_breaks beside context"
            ))
        })?;
        let mut passages = Passages::default();
        for (i, paragraph) in read.data.into_iter().flat_map(|article| article.paragraphs).enumerate() {
            passages.add(paragraph, &format!("{code}_{}", i + 1), code).map_err(|reason| {
                Error::Data(format!("{path}: paragraph {}: {reason}; fetch the file again", i + 1))
            })?;
        }
        match passages.questions.is_empty() {
            false => Ok(passages),
            true => Err(Error::Data(format!("{path}: there is no question; fetch or write it again"))),
        }
    }

    /// A paragraph's sentences are candidates where one of its questions can be answered. Each sentence that reads like
    /// the one in which the answer begins is right.
    fn add(&mut self, paragraph: Paragraph, name: &str, code: &str) -> Result<(), String> {
        let Paragraph { context, sentence_breaks, qas } = paragraph;
        let places = places_of(&context);
        let spans: Vec<Range<usize>> = sentence_breaks.iter().map(|[start, end]| *start..*end).collect();
        let texts: Vec<&str> = spans.iter().map(|span| slice(&context, &places, span)).collect::<Result<_, _>>()?;
        let (first, n_before) = (self.candidates.len(), self.questions.len());
        for Question { id, question, answers } in qas {
            let [answer] = &answers[..] else {
                return Err(format!("question \"{id}\": expected one answer, found {}", answers.len()));
            };
            let Some(at) = spans.iter().position(|span| span.contains(&answer.answer_start)) else {
                self.n_skipped += 1;
                continue;
            };
            let same = (0..texts.len()).filter(|other| texts[*other] == texts[at]).map(|place| first + place);
            if self.right.insert(id.clone(), same.collect()).is_some() {
                return Err(format!("question \"{id}\" stands in the file already"));
            }
            let row = joined_by(&id);
            let language = code.to_owned();
            self.questions.push(Entry { id: format!("{id}_{code}"), text: question, context: None, language, row });
            self.ids.push(id);
        }
        let around: Arc<str> = context.as_str().into();
        let candidate = |(place, text): (usize, &&str)| Entry {
            id: format!("{name}_{place}"),
            text: (*text).to_owned(),
            context: Some(around.clone()),
            language: code.to_owned(),
            row: place,
        };
        let is_asked = self.questions.len() > n_before;
        self.candidates.extend(texts.iter().enumerate().map(candidate).filter(|_| is_asked));
        Ok(())
    }

    fn note(&self, file: &TextFile) -> Option<String> {
        let (path, n) = (file.path.display(), self.n_skipped);
        (n > 0).then(|| format!("{path}: {n} questions are left out: their answers begin in no sentence"))
    }
}

/// What the files call the languages whose sentences are looked among.
fn codes_of_pool(task: &Task, place: &Place) -> Result<Vec<String>> {
    let mut codes = task.languages_of(&place.base, place.pattern)?;
    codes.sort();
    let own = task.languages.iter().filter_map(|language| called(&codes, language)).collect();
    Ok(if task.languages.is_empty() { codes } else { own })
}

/// Questions that look for sentences: among those of the task's languages, of a task that names none of all that are
/// there, whichever languages are asked for.
pub(super) fn passages(task: &Task, places: &[Place]) -> Result<Vec<Retrieval>> {
    let place = &places[0];
    let of_pool = codes_of_pool(task, place)?;
    let (mut candidates, mut right, mut files) = (Vec::new(), HashMap::<String, Vec<usize>>::new(), Vec::new());
    let mut asked: HashMap<String, (Passages, Origin, Option<String>)> = HashMap::new();
    for code in of_pool.iter().chain(places.iter().map(|place| &place.code).filter(|code| !of_pool.contains(code))) {
        let file = TextFile::read(&place.path(code))?;
        let mut read = Passages::read(&file, code)?;
        let of_file = origin(&file, read.questions.len());
        if of_pool.contains(code) {
            let first = candidates.len();
            candidates.append(&mut read.candidates);
            for (id, found) in &read.right {
                right.entry(id.clone()).or_default().extend(found.iter().map(|place| first + place));
            }
            files.push(of_file.clone());
        }
        let note = read.note(&file);
        asked.insert(code.clone(), (read, of_file, note));
    }
    let pool: Arc<[Entry]> = candidates.into();
    let retrieval = |place: &Place| {
        let (read, of_file, note) = &asked[&place.code];
        let right = read.ids.iter().map(|id| {
            let none = || Error::Data(format!("{}: \"{id}\" has no answer in the other files", of_file.path.display()));
            right.get(id).cloned().ok_or_else(none)
        });
        let own = (!files.contains(of_file)).then(|| of_file.clone());
        Ok(Retrieval {
            language: place.language.clone(),
            queries: read.questions.clone(),
            candidates: pool.clone(),
            right: right.collect::<Result<_>>()?,
            files: files.iter().cloned().chain(own).collect(),
            notes: note.iter().cloned().collect(),
        })
    };
    places.iter().map(retrieval).collect()
}

#[derive(Deserialize)]
struct Span {
    start: usize,
    end: usize,
}

#[derive(Deserialize)]
struct Entity {
    entity_id: String,
    description: String,
    sentence_spans: Vec<Span>,
    description_language: String,
}

#[derive(Deserialize)]
struct Mentions {
    context: Context,
    mentions: Vec<Mention>,
}

#[derive(Deserialize)]
struct Context {
    text: String,
    language: String,
    sentence_spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Mention {
    example_id: String,
    mention_span: MentionSpan,
    entity_id: String,
}

#[derive(Deserialize)]
struct MentionSpan {
    start: usize,
    end: usize,
    text: String,
}

/// Mentions that look for entities.
pub(super) fn mentions(_: &Task, all: &[Place]) -> Result<Vec<Retrieval>> {
    let path = all[0].base.join(all[0].layout.candidates.expect("the definition was checked"));
    let file = TextFile::read(&path)?;
    let pool: Arc<[Entry]> = entities(&file)?.into();
    let by_id = places(&file, &pool)?;
    let retrieval = |place: &Place| {
        if let Some(reason) = without_labels(place)? {
            return Err(Error::Missing(reason));
        }
        let own = TextFile::read(&place.path(&place.code))?;
        let (mut queries, mut right) = (Vec::new(), Vec::new());
        for (line, of_line) in mentions_of(&own, place)? {
            for mention in &of_line.mentions {
                let at =
                    |reason: &str| Error::Data(format!("{}: \"{}\": {reason}", own.place(line), mention.example_id));
                let found = by_id.get(mention.entity_id.trim_matches(is_space)).ok_or_else(|| {
                    at(&format!("the entity \"{}\" is not in {}; fetch both again", mention.entity_id, path.display()))
                })?;
                right.push(vec![*found]);
                queries.push(Entry {
                    id: mention.example_id.clone(),
                    text: marked(&of_line.context, mention).map_err(|reason| at(&reason))?,
                    context: None,
                    language: place.code.clone(),
                    row: joined_by(&mention.example_id),
                });
            }
        }
        check_once(&own, &queries)?;
        let files = vec![origin(&own, queries.len()), origin(&file, pool.len())];
        let (language, candidates) = (place.language.clone(), pool.clone());
        Ok(Retrieval { language, queries, candidates, right, files, notes: Vec::new() })
    };
    all.iter().map(retrieval).collect()
}

fn check_once(file: &TextFile, queries: &[Entry]) -> Result<()> {
    let mut seen = BTreeSet::new();
    let path = file.path.display();
    match queries.iter().find(|query| !seen.insert(&query.id)) {
        Some(twice) => Err(Error::Data(format!("{path}: \"{}\" stands there twice; fetch the file again", twice.id))),
        None if queries.is_empty() => Err(Error::Data(format!("{path}: there is no mention; fetch it again"))),
        None => Ok(()),
    }
}

/// The descriptions of entities, a line each: their sentences, parted by a space.
fn entities(file: &TextFile) -> Result<Vec<Entry>> {
    let lines: Vec<(usize, &str)> = file.lines().collect();
    let entity = |(line, content): &(usize, &str)| {
        let entity: Entity = parsed(file, *line, content, "entity_id, description, sentence_spans")?;
        let places = places_of(&entity.description);
        let sentence = |span: &Span| slice(&entity.description, &places, &(span.start..span.end));
        let sentences = entity.sentence_spans.iter().map(sentence).collect::<Result<Vec<&str>, String>>();
        let sentences = sentences.map_err(|reason| Error::Data(format!("{}: {reason}", file.place(*line))))?;
        let (text, language) = (on_one_line(&sentences.join(" ")), entity.description_language);
        Ok(Entry { id: entity.entity_id, text, context: None, language, row: *line })
    };
    lines.par_iter().map(entity).collect()
}

/// The lines of a file that are in the language of a place.
fn mentions_of(file: &TextFile, place: &Place) -> Result<Vec<(usize, Mentions)>> {
    let mut all = read_mentions(file)?;
    if !place.pattern.contains("{language}") {
        all.retain(|(_, one)| one.context.language == place.code);
    }
    match all.iter().find(|(_, one)| one.context.language != place.code) {
        Some((line, one)) => {
            let (at, found, code) = (file.place(*line), &one.context.language, &place.code);
            Err(Error::Data(format!("{at}: expected the language \"{code}\", found \"{found}\"; fetch the file again")))
        }
        None => Ok(all),
    }
}

fn read_mentions(file: &TextFile) -> Result<Vec<(usize, Mentions)>> {
    let read = |(line, content)| Ok((line, parsed(file, line, content, "context and mentions")?));
    file.lines().map(read).collect()
}

/// The languages of a file of mentions.
pub(super) fn languages(path: &Path) -> Result<Vec<String>> {
    let all = read_mentions(&TextFile::read(path)?)?;
    let languages: BTreeSet<String> = all.into_iter().map(|(_, one)| one.context.language).collect();
    Ok(languages.into_iter().collect())
}

/// What there is to say where no mention has its entity: XTREME-R's scripts take those of test data out.
pub(super) fn without_labels(place: &Place) -> Result<Option<String>> {
    let file = TextFile::read(&place.path(&place.code))?;
    let all = mentions_of(&file, place)?;
    let mut mentions = all.iter().flat_map(|(_, one)| &one.mentions).peekable();
    let is_without = mentions.peek().is_some() && mentions.all(|mention| mention.entity_id.trim().is_empty());
    Ok(is_without.then(|| {
        format!(
            "{}: no mention has its entity: XTREME-R's scripts take them out of test data; keep wikinews_mentions-test.jsonl, \
             which Mewsli-X's own script makes, or measure --split dev",
            file.path.display()
        )
    }))
}

fn parsed<'a, T: Deserialize<'a>>(file: &TextFile, line: usize, content: &'a str, keys: &str) -> Result<T> {
    serde_json::from_str(content)
        .map_err(|error| Error::Data(format!("{}: {error}; expected Mewsli-X's JSON Lines: {keys}", file.place(line))))
}

/// A mention in its sentence: `Smith: The verdict came for { Smith }, who …`; other braces become parentheses.
fn marked(context: &Context, mention: &Mention) -> Result<String, String> {
    let MentionSpan { start, end, text } = &mention.mention_span;
    let places = places_of(&context.text);
    let found = slice(&context.text, &places, &(*start..*end))?;
    if found != text {
        return Err(format!("expected \"{text}\" at characters {start} to {end} of the text, found \"{found}\""));
    }
    let holds = |span: &&Span| span.start <= *start && *end <= span.end;
    let sentence = context.sentence_spans.iter().find(holds).ok_or("the mention is in no sentence, or in two")?;
    let left = without_braces(slice(&context.text, &places, &(sentence.start..*start))?);
    let right = without_braces(slice(&context.text, &places, &(*end..sentence.end))?);
    Ok(on_one_line(&format!("{text}: {left} {{ {text} }} {right}")))
}

/// Pairs of braces on one line as parentheses: `\{(.*?)\}` by `(\1)`.
fn without_braces(text: &str) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some(open) = rest.find('{') {
        let inside = &rest[open + 1..];
        let close = inside.find('}').filter(|close| !inside[..*close].contains('\n'));
        done += &rest[..open];
        (done, rest) = match close {
            Some(close) => (format!("{done}({})", &inside[..close]), &inside[close + 1..]),
            None => (done + "{", inside),
        };
    }
    done + rest
}

/// Lines joined by a space, two spaces as one, none around: lines end where Python's `str.splitlines` ends them.
fn on_one_line(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let ends = ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
    let joined = text.split(ends).collect::<Vec<_>>().join(" "); // a space behind the last is taken off below
    joined.replace("  ", " ").trim_matches(is_space).to_owned()
}

/// A part of a text by its code points; empty ones are parts too.
fn slice<'a>(text: &'a str, places: &[usize], span: &Range<usize>) -> Result<&'a str, String> {
    let byte = |at: usize| if at == places.len() { Some(text.len()) } else { places.get(at).copied() };
    let part = byte(span.start).zip(byte(span.end)).and_then(|(start, end)| text.get(start..end));
    part.ok_or_else(|| {
        let (start, end, n) = (span.start, span.end, places.len());
        format!("expected places in a text of {n} characters, found {start} to {end}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{Split, shipped};
    use serde_json::json;
    use std::fs;

    fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn found(task: &str, split: Split, files: &[(&str, String)], languages: &[&str]) -> Result<Vec<Retrieval>> {
        let languages: Vec<String> = languages.iter().map(|language| (*language).to_owned()).collect();
        shipped(task).retrievals(folder(files).path(), split, &languages)
    }

    /// Two paragraphs: in the first the second sentence answers `q`, and stands there twice; nobody asks of the second.
    fn article(sentences: [&str; 2], answer_start: usize) -> String {
        let [first, second] = sentences;
        let context = format!("{first} {second}\n{second}");
        let (n, m) = (first.chars().count(), second.chars().count());
        let breaks = [[0, n], [n + 1, n + 1 + m], [n + 2 + m, n + 2 + 2 * m]];
        let question = json!({"id": "q", "question": "?", "answers": [{"text": "x", "answer_start": answer_start}]});
        let other = json!({"context": "Nobody asks.", "sentence_breaks": [[0, 12]], "qas": []});
        let paragraph = json!({"context": context, "sentence_breaks": breaks, "qas": [question]});
        json!({"data": [{"title": "t", "paragraphs": [other, paragraph]}]}).to_string()
    }

    #[test]
    fn questions_look_among_the_sentences_of_all_languages() {
        let files = [
            ("lareqa/xquad-r/en.json", article(["One.", "Two."], 6)),
            ("lareqa/xquad-r/de.json", article(["Äh.", "Zwei."], 4)),
            ("lareqa/xquad-r/fi.json", article(["Yksi.", "Kaksi."], 6)),
        ];
        let all = found("lareqa", Split::Test, &files, &["de", "fi"]).unwrap();
        // English and German are the task's own, Finnish asks in their pool.
        let pool: Vec<(&str, &str)> = all[0].candidates.iter().map(|one| (&one.id[..], &one.language[..])).collect();
        let expected = ["en_2_0", "en_2_1", "en_2_2", "de_2_0", "de_2_1", "de_2_2"];
        assert_eq!(pool, expected.map(|id| (id, &id[..2])));
        assert!(Arc::ptr_eq(&all[0].candidates, &all[1].candidates));
        assert_eq!(all[0].candidates[4].input(), "Zwei.Äh. Zwei.Zwei.");
        for (one, id, n_files) in [(&all[0], "q_de", 2), (&all[1], "q_fi", 3)] {
            assert_eq!((&one.queries[0].id[..], one.queries[0].row, one.files.len()), (id, joined_by("q"), n_files));
            assert_eq!(one.right, [[1, 2, 4, 5]]);
        }
        let measured = shipped("lareqa").measured(folder(&files[..2]).path()).unwrap();
        assert_eq!(measured.texts, ["?", "One.", "Two.", "Two.", "Äh.", "Zwei.", "Zwei.", "?"]);
    }

    #[test]
    fn answers_in_no_sentence_are_said_and_broken_files_refused() {
        let second = article(["One.", "Two."], 6).replace("\"q\"", "\"r\"");
        let both = |start: usize| {
            let [a, b] = [article(["One.", "Two."], start), second.clone()]
                .map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap()["data"][0].clone());
            json!({"data": [a, b]}).to_string()
        };
        let all = found("lareqa", Split::Test, &[("xquad-r/en.json", both(4))], &["en"]).unwrap();
        assert_eq!((all[0].queries.len(), all[0].candidates.len()), (1, 3));
        assert!(all[0].notes[0].contains("xquad-r/en.json: 1 questions are left out"), "{:?}", all[0].notes);
        let good = article(["One.", "Two."], 6);
        for (text, says) in [
            (good.replace("sentence_breaks", "breaks"), "missing field `sentence_breaks`"),
            (good.replace("[0,4]", "[0,99]"), "paragraph 2: expected places in a text of 14 characters, found 0 to 99"),
            (
                good.replace("\"answers\":[{", "\"answers\":[{\"text\":\"y\",\"answer_start\":0},{"),
                "expected one answer",
            ),
            (article(["One.", "Two."], 4), "there is no question"),
        ] {
            let error = found("lareqa", Split::Test, &[("xquad-r/en.json", text)], &["en"]).unwrap_err();
            assert!(error.exit_code() == 65 && error.message().contains(says), "{error}");
        }
    }

    fn entity(id: &str, text: &str, spans: &[[usize; 2]]) -> String {
        let spans: Vec<_> = spans.iter().map(|[start, end]| json!({"start": start, "end": end})).collect();
        json!({"entity_id": id, "title": id, "description": text, "description_language": "en", "description_url": "u",
               "sentence_spans": spans})
        .to_string()
            + "\n"
    }

    fn mention(language: &str, id: &str, entity: &str) -> String {
        let text = "Ö. A {new} {deal} of Smith\nfailed {. End.";
        let span = json!({"start": 21, "end": 26, "text": "Smith"});
        let mention = json!({"example_id": id, "mention_span": span, "entity_id": entity});
        let spans = [json!({"start": 0, "end": 2}), json!({"start": 3, "end": 36}), json!({"start": 37, "end": 41})];
        let context = json!({"document_title": "d", "document_url": "u", "document_id": "1", "language": language,
                             "text": text, "sentence_spans": spans});
        json!({"context": context, "mentions": [mention]}).to_string() + "\n"
    }

    fn entities() -> (&'static str, String) {
        let text = entity("Q1", "A\r\nname.  Ünd more. Rest", &[[0, 8], [10, 19]]) + &entity("Q2", "Other.", &[[0, 6]]);
        ("mewslix/candidate_set_entities.jsonl", text)
    }

    #[test]
    fn mentions_are_marked_in_their_sentence() {
        let own = mention("de", "m1", "Q2") + &mention("en", "m2", " Q1");
        let raw = ("mewslix/wikinews_mentions-test.jsonl", own);
        let all = found("mewslix", Split::Test, &[entities(), raw], &["en", "de"]).unwrap();
        assert_eq!(all[0].candidates[0].text, "A name. Ünd more.");
        assert_eq!(all[0].queries[0].text, "Smith: A (new) (deal) of { Smith } failed {.");
        assert_eq!((&all[0].right[0], &all[1].right[0], &all[1].queries[0].id[..]), (&vec![0], &vec![1], "m1"));
        assert!(Arc::ptr_eq(&all[0].candidates, &all[1].candidates));
    }

    #[test]
    fn entities_that_were_taken_out_are_asked_for() {
        let file = |text: String| ("mewslix/wikinews_mentions/test-de.jsonl", text);
        let folder = folder(&[entities(), file(mention("de", "m1", ""))]);
        let (task, de) = (shipped("mewslix"), ["de".to_owned()]);
        let reason = task.unmeasurable(folder.path(), Split::Test, &de).unwrap().unwrap();
        assert!(reason.contains("keep wikinews_mentions-test.jsonl"), "{reason}");
        assert_eq!(task.retrievals(folder.path(), Split::Test, &de).unwrap_err().exit_code(), 66);
        for (text, says) in [
            (mention("de", "m1", "Q9"), "test-de.jsonl:1: \"m1\": the entity \"Q9\" is not in "),
            (mention("en", "m1", "Q1"), "test-de.jsonl:1: expected the language \"de\", found \"en\""),
            (mention("de", "m1", "Q1").repeat(2), "\"m1\" stands there twice"),
            (
                mention("de", "m1", "Q1").replace("\"end\":26", "\"end\":27"),
                "expected \"Smith\" at characters 21 to 27",
            ),
            (mention("de", "m1", "Q1").replace("\"end\":36", "\"end\":25"), "the mention is in no sentence"),
        ] {
            let error = found("mewslix", Split::Test, &[entities(), file(text)], &["de"]).unwrap_err();
            assert!(error.exit_code() == 65 && error.message().contains(says), "{error}");
        }
    }
}
