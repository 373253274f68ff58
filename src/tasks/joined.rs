//! What joins an item with its translations: the id that its file gives it, else its place in the file.

use super::{
    Loaded, Row, Task, TextFile,
    cluster::{unclustered, unify},
    sha256,
};
use crate::error::{Error, Result};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The row that an id stands for, in all languages the same: the number that it is, else 48 bits of its SHA-256.
pub fn joined_by(id: &str) -> usize {
    let of_hash = || usize::from_str_radix(&sha256(id.as_bytes())[..12], 16).expect("a hash is hexadecimal");
    // "01" and "+1" are not "1".
    let number = id.parse::<u32>().ok().filter(|number| number.to_string() == id);
    number.map_or_else(of_hash, |number| number as usize)
}

/// Gives rows the numbers of what a column of ids calls them, each with its line; a column without any is none. A row without
/// an id is joined with none.
pub(super) fn join(rows: &mut [Row], ids: &[(usize, String)], file: &TextFile) {
    if ids.iter().all(|(_, id)| id.is_empty()) {
        return;
    }
    for (row, (line, id)) in rows.iter_mut().zip(ids) {
        (row.row, row.key) = match id.is_empty() {
            true => (joined_by(&file.place(*line)), None),
            false => (joined_by(id), Some(id.clone())),
        };
    }
}

/// Says how many rows have no id where others have one.
pub(super) fn unjoined_note(path: &str, rows: &[Row]) -> Option<String> {
    let n = rows.iter().filter(|row| row.key.is_none()).count();
    (n > 0 && n < rows.len()).then(|| format!("{path}: rows without an id are joined with no translation: {n}"))
}

/// Joins items with their translations: a cluster is one in all languages.
///
/// Refuses languages of which some name their items and others only count them: items would be joined with others than
/// their translations, and every interval over languages would be wrong.
///
/// What comes back is to be said: languages of different lengths are joined by place, and what items share.
pub fn join_languages(task: &Task, languages: &mut [Loaded]) -> Result<Vec<String>> {
    unify(languages.iter_mut().flat_map(|loaded| &mut loaded.examples).map(|one| (one.row, &mut one.cluster)));
    let of_translations = |note: &dyn Fn(&[Loaded]) -> Option<String>| task.parallel.then(|| note(languages)).flatten();
    let notes = [
        if task.parallel { check_ids(languages)? } else { None },
        repeated_note(languages),
        of_translations(&apart_note),
        of_translations(&other_labels_note),
        unclustered(task, languages),
        copies_note(languages),
    ];
    Ok(notes.into_iter().flatten().collect())
}

/// From this share of equal texts on, two languages' files are hardly of two languages.
const COPIED: f64 = 0.5;
/// Fewer texts than these may be equal by accident, such as names.
const FEW: usize = 10;

/// Says which languages have the texts of one before them.
fn copies_note(languages: &[Loaded]) -> Option<String> {
    let mut owners: HashMap<String, Vec<usize>> = HashMap::new();
    let mut found = Vec::new();
    for (i, Loaded { language, examples, .. }) in languages.iter().enumerate() {
        let texts: HashSet<String> = examples.iter().map(|one| one.text().trim().to_owned()).collect();
        let (n, mut shared) = (texts.len(), vec![0; i]);
        for text in texts {
            let before = owners.entry(text).or_default();
            before.iter().for_each(|other| shared[*other] += 1);
            before.push(i);
        }
        let is_copy = |other: &usize| n >= FEW && shared[*other] as f64 > COPIED * n as f64;
        if let Some(other) = (0..i).max_by_key(|other| shared[*other]).filter(is_copy) {
            found.push(format!("{language} has {} of its {n} texts from {}", shared[other], languages[other].language));
        }
    }
    let remedy = "if a file is a copy or of no language, give it another name: it would weigh in every mean";
    (!found.is_empty()).then(|| format!("{}; {remedy}", found.join(", ")))
}

/// Says which languages with ids have none of the first one's.
fn apart_note(languages: &[Loaded]) -> Option<String> {
    let rows = |loaded: &Loaded| loaded.examples.iter().map(|one| one.row).collect();
    let (first, others) = languages.split_first()?;
    let others = others.iter().filter(|other| is_named(other)).map(|other| (other.language.as_str(), rows(other)));
    apart((&first.language, &rows(first)), others)
}

/// Says which languages have no item in common with the first one, by their rows.
pub fn apart<'a>(
    (first, own): (&str, &BTreeSet<usize>),
    others: impl Iterator<Item = (&'a str, BTreeSet<usize>)>,
) -> Option<String> {
    let apart = others.filter(|(_, rows)| rows.is_disjoint(own)).map(|(language, _)| language);
    let names = apart.collect::<Vec<&str>>().join(", ");
    (!names.is_empty())
        .then(|| format!("no item of {names} has the id of one of {first}: they count as different texts"))
}

/// From this share of the items of one id on that have other labels, they may not be the same.
const OTHERS: f64 = 0.05;

/// Says that items of one id, or of one line where there are no ids, have other labels in another language.
fn other_labels_note(languages: &[Loaded]) -> Option<String> {
    let (first, others) = languages.split_first()?;
    let mut labels: HashMap<usize, Vec<usize>> = HashMap::new(); // of an id that stands twice any
    first.examples.iter().for_each(|one| labels.entry(one.row).or_default().extend(one.label));
    let differ = |other: &Loaded| {
        let both = other.examples.iter().filter_map(|one| Some((labels.get(&one.row)?, one.label?)));
        let both: Vec<bool> = both.map(|(own, label)| !own.contains(&label)).collect();
        let n = both.iter().filter(|differs| **differs).count();
        (n as f64 > OTHERS * both.len() as f64).then(|| format!("{} {n} of {}", other.language, both.len()))
    };
    let found: Vec<String> = others.iter().filter_map(differ).collect();
    let (found, first) = (found.join(", "), &first.language);
    let what = if languages.iter().any(is_named) { "id" } else { "line" };
    (!found.is_empty()).then(|| {
        format!(
            "items have other labels than those of the same {what} in {first}: {found}; if they are no translations of each \
             other, say parallel = false in the task's file"
        )
    })
}

fn is_named(loaded: &Loaded) -> bool {
    loaded.examples.iter().any(|example| example.key.is_some())
}

/// Says that ids stand more than once in a language.
fn repeated_note(languages: &[Loaded]) -> Option<String> {
    let again = |loaded: &Loaded| {
        let mut seen = HashSet::new();
        let keys = loaded.examples.iter().filter_map(|example| example.key.as_deref());
        let again: Vec<&str> = keys.filter(|key| !seen.insert(*key)).collect();
        again.first().map(|first| format!("{} {} (such as \"{first}\")", loaded.language, again.len()))
    };
    let found: Vec<String> = languages.iter().filter_map(again).collect();
    let said = "rows with an id that one before them has count as one item with it";
    (!found.is_empty()).then(|| format!("{said}: {}", found.join(", ")))
}

fn check_ids(languages: &[Loaded]) -> Result<Option<String>> {
    let (named, counted): (Vec<&Loaded>, Vec<&Loaded>) = languages.iter().partition(|loaded| is_named(loaded));
    // Ids that count the rows of a file say no more than their order, and go with files that have none.
    let (named, counting): (Vec<&Loaded>, Vec<&Loaded>) = named.into_iter().partition(|loaded| !counts_rows(loaded));
    let (Some(named), Some(counted)) = (named.first(), counted.first()) else {
        let may_be_others = named.is_empty() && counting.len() < languages.len();
        return Ok(unequal_note(&[counted, counting].concat()).filter(|_| may_be_others));
    };
    let of = |loaded: &Loaded| {
        let file = loaded.files.first().map(|file| format!(" ({})", file.path.display())).unwrap_or_default();
        format!("{}{file}", loaded.language)
    };
    let example = named.examples.iter().find_map(|example| example.key.as_deref()).unwrap_or_default();
    Err(Error::Data(format!(
        "the items of {} have ids, such as \"{example}\", and those of {} have none: it cannot be told which are \
         translations of each other; give every language a column of ids, or none",
        of(named),
        of(counted)
    )))
}

/// Whether the ids are 1, 2, 3 and so on to the end of the file, but for rows that are left out.
fn counts_rows(loaded: &Loaded) -> bool {
    let rows: Vec<usize> = loaded.examples.iter().map(|example| example.row).collect();
    rows.windows(2).all(|pair| pair[0] < pair[1]) && rows.first() > Some(&0) && rows.last() <= Some(&n_rows(loaded))
}

fn n_rows(loaded: &Loaded) -> usize {
    loaded.files.iter().map(|file| file.rows).sum()
}

/// Says that rows without ids are joined by their places, where not all files have as many.
fn unequal_note(languages: &[&Loaded]) -> Option<String> {
    let least = languages.iter().min_by_key(|loaded| n_rows(loaded))?;
    let most = languages.iter().max_by_key(|loaded| n_rows(loaded))?;
    (n_rows(least) < n_rows(most)).then(|| {
        format!(
            "{} has {} rows and {} has {}, without ids: rows are joined by their places; where they translate each other, give \
             them ids, else say parallel = false in the task's file",
            least.language,
            n_rows(least),
            most.language,
            n_rows(most)
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::tasks::{Example, Split, definition::Definition, register};

    fn load(task: &Task, folder: &Path, language: &str, text: &str) -> Result<Loaded> {
        std::fs::write(folder.join(format!("test-{language}.csv")), text).unwrap();
        task.load(folder, Split::Test, language)
    }

    #[test]
    fn a_language_with_the_texts_of_another_is_said() {
        let of = |language: &str, texts: &[String]| {
            let example = |text: &String| Example { a: text.clone(), ..Example::default() };
            Loaded { examples: texts.iter().map(example).collect(), ..Loaded::none(language) }
        };
        let texts = |prefix: &str| (0..12).map(|i| format!("{prefix}{i}")).collect::<Vec<_>>();
        let (de, fr) = (texts("de"), texts("fr"));
        let half = [&fr[..5], &texts("it")[..7]].concat();
        let all = [of("de", &de), of("fr", &fr), of("it", &half), of("old", &de)];
        let said = copies_note(&all).unwrap();
        assert!(said.starts_with("old has 12 of its 12 texts from de; if a file is a copy"), "{said}");
        assert_eq!(copies_note(&all[..3]), None);
    }

    #[test]
    fn items_are_joined_by_what_their_files_call_them() {
        let text = "name = \"joined\"\nlabels = [\"a\", \"b\"]\n[[layouts]]\ntest = [\"test-{language}.csv\"]\n";
        let task = register(&Definition::parse(text, "joined").unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let rows = |loaded: &Loaded| loaded.examples.iter().map(|example| example.row).collect::<Vec<_>>();
        let load = |language: &str, text: &str| load(task, folder.path(), language, text);

        let en = load("en", "id,text,label\nx-1,one,a\nx-2,two,b\nx-3,three,a\n").unwrap();
        let de = load("de", "id,text,label\nx-3,drei,a\nx-1,eins,a\nx-2,zwei,b\n").unwrap();
        assert_eq!(rows(&de), [rows(&en)[2], rows(&en)[0], rows(&en)[1]]);
        assert_eq!(de.examples[0].key.as_deref(), Some("x-3"));
        // One id that is no number does not make the others mean something else.
        let fr = load("fr", "id,text,label\n30,trois,a\n10,un,a\n7b,deux,b\n").unwrap();
        assert_eq!(rows(&fr), [30, 10, joined_by("7b")]);
        // Ids that only count say nothing that the order does not.
        let es = load("es", "id,text,label\n1,uno,a\n2,dos,b\n3,tres,a\n").unwrap();
        let it = load("it", "text,label\nuno,a\ndue,b\ntre,a\n").unwrap();
        assert_eq!((rows(&es), rows(&it)), (vec![1, 2, 3], vec![1, 2, 3]));
        let shuffled = load("pt", "id,text,label\n3,três,a\n1,um,a\n2,dois,b\n").unwrap();
        let shorter = load("ro", "text,label\nunu,a\ndoi,b\n").unwrap();
        assert_eq!(check_ids(&[es.clone(), shuffled]).unwrap(), None);
        assert_eq!(check_ids(&[es, it.clone()]).unwrap(), None);
        assert_eq!(check_ids(&[en.clone(), de]).unwrap(), None);
        let pl = load("pl", "id,text,label\nx-1,jeden,a\nx-2,dwa,b\nx-1,trzy,a\n").unwrap();
        let notes = join_languages(task, &mut [en.clone(), pl]).unwrap();
        assert_eq!(
            notes,
            ["rows with an id that one before them has count as one item with it: pl 1 (such as \"x-1\")"]
        );
        let apart = load("nl", "id,text,label\ny-1,een,a\ny-2,twee,b\n").unwrap();
        let notes = join_languages(task, &mut [en.clone(), apart]).unwrap();
        assert_eq!(notes, ["no item of nl has the id of one of en: they count as different texts"]);
        let others = load("hu", "id,text,label\nx-1,egy,b\nx-2,kettő,b\nx-3,három,b\n").unwrap();
        let notes = join_languages(task, &mut [en.clone(), others]).unwrap();
        assert!(notes.len() == 1 && notes[0].contains("the same id in en: hu 2 of 3;"), "{notes:?}");
        let by_line = load("el", "text,label\nένα,b\nδύο,b\nτρία,b\n").unwrap();
        let notes = join_languages(task, &mut [it.clone(), by_line]).unwrap();
        assert!(notes.len() == 1 && notes[0].contains("the same line in it: el 2 of 3;"), "{notes:?}");
        assert_ne!(joined_by("01"), joined_by("1"));
        let note = check_ids(&[it.clone(), shorter]).unwrap().unwrap();
        assert!(note.starts_with("ro has 2 rows and it has 3, without ids"), "{note}");
        let error = check_ids(&[it, en]).unwrap_err();
        let says = ["test-en.csv) have ids, such as \"x-1\"", "test-it.csv) have none", "or none"];
        assert!(says.iter().all(|text| error.message().contains(text)), "{error}");

        // Files that are said to be no translations of each other are joined by neither.
        let apart: &Task = Box::leak(Box::new(Task { parallel: false, ..*task }));
        let mut own = [("en", "text,label\none,a\ntwo,b\n"), ("de", "text,label\neins,b\nzwei,a\ndrei,a\n")]
            .map(|(language, text)| super::tests::load(apart, folder.path(), language, text).unwrap());
        assert!(join_languages(apart, &mut own).unwrap().is_empty());
        let all: BTreeSet<usize> = own.iter().flat_map(rows).collect();
        assert_eq!(all.len(), 5);

        let jsonl = folder.path().join("words.jsonl");
        let line = |id: &str| format!("{{{id}\"tokens\": [\"a\"], \"ner_tags\": [\"O\"]}}\n");
        let read = |text: String| {
            std::fs::write(&jsonl, text).unwrap();
            let layout = crate::tasks::shipped("panx").layouts[0];
            crate::tasks::records::words(&TextFile::read(&jsonl).unwrap(), &layout)
        };
        let named = read(line("\"id\": \"z\", ") + &line("\"id\": 7, ")).unwrap();
        assert_eq!((named[0].row, named[1].row), (joined_by("z"), 7));
        let error = read(line("\"id\": \"z\", \"id\": \"y\", ")).unwrap_err();
        assert!(error.message().contains("\"id\" stands there twice; keep one of them"), "{error}");

        let sw = load("sw", "id,text,label\nx-1,moja,a\n,mbili,b\n,tatu,b\n").unwrap();
        let [first, second, third] = rows(&sw)[..] else { panic!("three rows") };
        assert!(first == joined_by("x-1") && second != third && ![first, 2, 3].contains(&second));
        assert!(
            sw.notes[0].ends_with("test-sw.csv: rows without an id are joined with no translation: 2"),
            "{:?}",
            sw.notes
        );
    }
}
