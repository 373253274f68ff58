//! The corpus of a stage of masked language modelling: sentences and pairs of them, tokenized once into a file of the
//! run and read from there, one sequence at a time.
//!
//! A *group* is what is drawn from as one: the sentences of a language (`de`), or its pairs with English (`de-en`).
//! Within a pair both sides are masked, so that a word can be guessed from its translation (Conneau & Lample, 2019).

use super::{
    languages::for_group,
    source::{Masking, Source},
    taught::Taught,
};
use crate::{
    checkpoint,
    error::{Error, Result},
    kinds::item::{Goal, Item},
    learn::augment::stream_of,
    rng::{Purpose, Rng},
    text::{Encoded, Tokenizer},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

/// One text in so many is held out, wherever else it stands too.
const HELD_OUT_SHARE: u64 = 100;

/// The most held-out texts of a group that are evaluated.
const HELD_OUT: usize = 50;

/// Texts tokenized at a time while the corpus is written.
const AT_ONCE: usize = 20_000;

/// Stands between the two sides of a pair in the file.
const BETWEEN: u32 = u32::MAX;

const IDS: &str = "ids";
const STARTS: &str = "starts";
/// For each training sequence the number of its text among those of its group, where a teacher reads these.
const SOURCES: &str = "sources";
const GROUPS: &str = "groups.json";

/// A sentence, or a sentence and its translation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The (first) sentence.
    pub a: String,
    /// Its translation.
    pub b: Option<String>,
}

impl Text {
    /// Its one or two sentences.
    pub fn sides(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.a.as_str()).chain(self.b.as_deref())
    }

    /// Whether it is kept for evaluation: a function of the text alone, so that no copy of it is trained on.
    pub(super) fn is_held_out(&self) -> bool {
        self.sides().any(|side| stream_of(&folded(side)).is_multiple_of(HELD_OUT_SHARE))
    }
}

/// What stays of a text when case, spaces and punctuation do not count.
pub fn folded(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What is drawn from as one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// A language, or two joined by a hyphen.
    pub name: String,
    /// Whether it consists of pairs.
    pub pairs: bool,
    /// Sequences to train on.
    pub sequences: usize,
    /// Tokens in them, special ones left out.
    pub tokens: usize,
    /// Sequences held out, which lie behind them.
    pub held_out: usize,
}

/// How sequences are made and drawn.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The most tokens of a sequence, special ones included.
    pub max_length: usize,
    /// Whether consecutive sentences share a sequence while there is room.
    pub pack: bool,
    /// A group with a share p is drawn in proportion to p to the power of this (Conneau & Lample, 2019).
    pub alpha: f64,
    /// The share of sequences that are pairs, where there are pairs and sentences.
    pub pair_share: f64,
    /// The share of pairs that become two sequences, each to be told from others, instead of one.
    pub ranked_share: f64,
    /// Whether the words of a joined pair's second side have the positions that they would have alone.
    pub restart_positions: bool,
    /// Whether each text is one sequence, cut where it is too long, because a teacher has a vector of it.
    pub taught: bool,
}

/// A corpus on disk.
pub struct Corpus {
    groups: Vec<Group>,
    ids: File,
    /// Where each sequence starts in the file of ids, and the end of the last.
    starts: Vec<u64>,
    tokenizer: Tokenizer,
    /// The tokenizer for the languages of each group.
    of_groups: Vec<Tokenizer>,
    layout: Layout,
    masking: Masking,
    /// What sequences should be to a teacher, where there is one.
    taught: Option<Taught>,
    seed: u64,
}

impl Corpus {
    /// Tokenizes texts into a folder that appears when it is whole; does nothing where it is already.
    pub fn write(
        folder: &Path,
        texts: &BTreeMap<String, Vec<Text>>,
        tokenizer: &Tokenizer,
        layout: &Layout,
    ) -> Result<()> {
        if checkpoint::is_complete(folder) {
            return Ok(());
        }
        checkpoint::commit_folder(folder, |folder| {
            let mut writer = Writer::new(folder, tokenizer, layout)?;
            let groups: Vec<Group> =
                texts.iter().map(|(name, texts)| writer.group(name, texts)).collect::<Result<_>>()?;
            writer.finish()?;
            let groups = serde_json::to_vec_pretty(&groups).expect("groups are plain data");
            checkpoint::write_file(&folder.join(GROUPS), &groups)
        })
    }

    /// Opens what [`Corpus::write`] wrote.
    pub fn open(folder: &Path, tokenizer: Tokenizer, layout: Layout, masking: Masking, seed: u64) -> Result<Corpus> {
        let groups: Vec<Group> =
            serde_json::from_slice(&read(folder, GROUPS)?).map_err(|error| damaged(folder, &error))?;
        let starts: Vec<u64> = read(folder, STARTS)?.as_chunks().0.iter().map(|b| u64::from_le_bytes(*b)).collect();
        let sequences: usize = groups.iter().map(|group| group.sequences + group.held_out).sum();
        if starts.len() != sequences + 1 {
            return Err(damaged(folder, &format_args!("{sequences} sequences, and {} starts", starts.len())));
        }
        let path = folder.join(IDS);
        let ids = File::open(&path).map_err(|error| Error::read(&path, &error))?;
        let of_group = |group: &Group| for_group(&tokenizer, &group.name, group.pairs);
        let of_groups = groups.iter().map(of_group).collect::<Result<_>>()?;
        let corpus = Corpus { groups, ids, starts, tokenizer, of_groups, layout, masking, taught: None, seed };
        match corpus.is_empty() {
            false => Ok(corpus),
            true => Err(Error::Data("mlm: no text is longer than its special tokens".into())),
        }
    }

    /// The same, whose sequences are to have a teacher's vectors.
    pub fn with_teacher(self, taught: Taught) -> Result<Corpus> {
        if taught.len() != self.len() {
            let (expected, found) = (self.len(), taught.len());
            let what = "vectors of the run's teacher; remove the stage's folder taught, and they are made again";
            return Err(Error::Data(format!("mlm: expected {expected}, found {found} {what}")));
        }
        Ok(Corpus { taught: Some(taught), ..self })
    }

    /// For each group the numbers of the training texts that became sequences, from the folder of a corpus that was
    /// written for a teacher.
    pub fn sources(&self, folder: &Path) -> Result<Vec<(&str, Vec<u32>)>> {
        let all: Vec<u32> = read(folder, SOURCES)?.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
        let mut rest = &all[..];
        let of_group = |group: &'_ Group| -> Result<Vec<u32>> {
            let lacking = || damaged(folder, &"too few sources");
            let (own, after) = rest.split_at_checked(group.sequences).ok_or_else(lacking)?;
            rest = after;
            Ok(own.to_vec())
        };
        let own: Vec<Vec<u32>> = self.groups.iter().map(of_group).collect::<Result<_>>()?;
        Ok(self.groups.iter().map(|group| group.name.as_str()).zip(own).collect())
    }

    /// The groups in the order of their names.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The share of sequences that are pairs: all or none where there is nothing else.
    fn pair_share(&self) -> f64 {
        let any = |pairs: bool| self.groups.iter().any(|group| group.pairs == pairs && group.sequences > 0);
        match (any(false), any(true)) {
            (false, _) => 1.0,
            (_, false) => 0.0,
            _ => self.layout.pair_share,
        }
    }

    /// How many sequences of each group an epoch sees: shares to the power of α, within sentences and within pairs.
    pub fn quotas(&self) -> Vec<usize> {
        let (total, pair_share) = (self.len() as f64, self.pair_share());
        let sum = |pairs: bool| -> f64 {
            let groups = self.groups.iter().filter(|group| group.pairs == pairs && group.sequences > 0);
            groups.map(|group| (group.sequences as f64).powf(self.layout.alpha)).sum()
        };
        let sums = [sum(false), sum(true)];
        let quota = |group: &Group| {
            let share = if group.pairs { pair_share } else { 1.0 - pair_share };
            let power = (group.sequences as f64).powf(self.layout.alpha) / sums[usize::from(group.pairs)];
            if group.sequences == 0 { 0 } else { (total * share * power).round() as usize }
        };
        self.groups.iter().map(quota).collect()
    }

    /// The held-out sequences of every group, masked the same way each time. Where training masks nothing, they are the
    /// pairs, whose sides are to be told from others.
    pub fn held_out(&self) -> Result<Vec<Item>> {
        let only_ranked = self.layout.taught || self.layout.ranked_share >= 1.0 && self.pair_share() >= 1.0;
        let ranked_share = if only_ranked { 1.0 } else { 0.0 };
        let (mut items, mut first) = (Vec::new(), 0);
        for (group, tokenizer) in self.groups.iter().zip(&self.of_groups) {
            for i in (0..group.held_out).filter(|_| group.pairs || !only_ranked) {
                let mut rng = Rng::for_purpose(self.seed, Purpose::Mask, u64::MAX - (first + i) as u64);
                let id = format!("{}:held-out:{}", group.name, i + 1);
                items.push(self.read(id, tokenizer, first + group.sequences + i, ranked_share, &mut rng)?);
            }
            first += group.sequences + group.held_out;
        }
        Ok(items)
    }

    /// Reads a sequence and masks it. A pair is turned round half of the time; it becomes one sequence, or two that are
    /// not masked but told from others.
    fn read(&self, id: String, tokenizer: &Tokenizer, record: usize, ranked_share: f64, rng: &mut Rng) -> Result<Item> {
        let ids = self.record(record)?;
        let longest = self.layout.max_length;
        let Some(at) = ids.iter().position(|id| *id == BETWEEN) else {
            return Ok(self.masked(id, &tokenizer.assemble(&ids, None, longest)?, rng));
        };
        let (a, b) = (&ids[..at], &ids[at + 1..]);
        let turned = tokenizer.turned();
        let (a, b, of_a, of_b) =
            if rng.below(2) == 0 { (a, b, tokenizer, &turned) } else { (b, a, &turned, tokenizer) };
        if f64::from(rng.uniform()) >= ranked_share {
            let joined = of_a.assemble(a, Some(b), longest)?;
            let restart = self.layout.restart_positions.then_some(joined.second);
            return Ok(Item { restart, ..self.masked(id, &joined, rng) });
        }
        self.whole(id, &[(a, of_a), (b, of_b)], Goal::Ranked)
    }

    /// Reads a sequence, and what it should be to the teacher.
    fn lesson(&self, id: String, tokenizer: &Tokenizer, record: usize, vector: Vec<f32>) -> Result<Item> {
        let (ids, turned) = (self.record(record)?, tokenizer.turned());
        let sides: Vec<(&[u32], &Tokenizer)> = ids.split(|id| *id == BETWEEN).zip([tokenizer, &turned]).collect();
        self.whole(id, &sides, Goal::Vector(vector))
    }

    /// Sentences of which each is a sequence, and nothing is masked.
    fn whole(&self, id: String, sides: &[(&[u32], &Tokenizer)], goal: Goal) -> Result<Item> {
        let longest = self.layout.max_length;
        let assemble = |(ids, tokenizer): &(&[u32], &Tokenizer)| tokenizer.assemble(ids, None, longest);
        let sides: Vec<Encoded> = sides.iter().map(assemble).collect::<Result<_>>()?;
        let ids = sides.iter().flat_map(|side| side.ids.clone()).collect();
        let types = sides.iter().flat_map(|side| self.types(side)).collect();
        let sequences = sides.iter().map(|side| side.ids.len()).collect();
        Ok(Item { sequences, ..Item::new(id, ids, types, Vec::new(), goal) })
    }

    fn masked(&self, id: String, encoded: &Encoded, rng: &mut Rng) -> Item {
        Item { types: self.types(encoded), ..self.masking.apply(id, &encoded.ids, rng) }
    }

    /// The languages of tokens, where the model tells them apart; the sides of a pair are of one type.
    fn types(&self, encoded: &Encoded) -> Vec<u32> {
        match self.tokenizer.languages().next() {
            Some(_) => encoded.types.clone(),
            None => vec![0; encoded.ids.len()],
        }
    }

    fn record(&self, record: usize) -> Result<Vec<u32>> {
        let (start, end) = (self.starts[record], self.starts[record + 1]);
        let mut bytes = vec![0; (end - start) as usize * 4];
        let read = checkpoint::read_at(&self.ids, &mut bytes, start * 4);
        match read {
            Ok(n) if n == bytes.len() => Ok(bytes.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect()),
            Ok(_) => {
                Err(Error::Data("the corpus of the run ends too early; remove it, and it is written again".into()))
            }
            Err(error) => Err(Error::Io(format!("cannot read the corpus of the run: {error}"))),
        }
    }
}

impl Source for Corpus {
    fn len(&self) -> usize {
        self.groups.iter().map(|group| group.sequences).sum()
    }

    /// Each group's sequences in random order, again and again until its quota is met, all shuffled together.
    fn order(&self, seed: u64, epoch: u64) -> Vec<usize> {
        let mut rng = Rng::for_purpose(seed, Purpose::Shuffle, epoch);
        let (mut order, mut first) = (Vec::with_capacity(self.len()), 0);
        for (group, quota) in self.groups.iter().zip(self.quotas()) {
            let mut sequences: Vec<usize> = (first..first + group.sequences).collect();
            rng.shuffle(&mut sequences);
            order.extend(sequences.iter().cycle().take(quota));
            first += group.sequences + group.held_out;
        }
        rng.shuffle(&mut order);
        order.truncate(self.len());
        for i in 0..self.len() - order.len() {
            order.push(order[i]); // quotas were rounded down
        }
        order
    }

    fn item(&self, record: usize, epoch: u64, place: usize) -> Result<Item> {
        let mut rng = Rng::for_purpose(self.seed, Purpose::Mask, epoch << 32 | place as u64);
        let (mut first, mut held_out, mut number) = (0, 0, 0);
        while record >= first + self.groups[number].sequences {
            first += self.groups[number].sequences + self.groups[number].held_out;
            held_out += self.groups[number].held_out;
            number += 1;
        }
        let id = format!("{}:{}", self.groups[number].name, record - first + 1);
        if let Some(taught) = &self.taught {
            return self.lesson(id, &self.of_groups[number], record, taught.vector(record - held_out)?);
        }
        self.read(id, &self.of_groups[number], record, self.layout.ranked_share, &mut rng)
    }

    fn n_tokens(&self, record: usize) -> usize {
        let ids = (self.starts[record + 1] - self.starts[record]) as usize;
        // Two special tokens around a sentence; four with a pair, for which one number stands between its sides.
        (ids + 3).min(2 * self.layout.max_length)
    }
}

/// A file of the corpus in a folder.
fn read(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    std::fs::read(&path).map_err(|error| Error::read(&path, &error))
}

fn damaged(folder: &Path, what: &dyn std::fmt::Display) -> Error {
    Error::Data(format!("{}: {what}; remove the folder, and it is written again", folder.display()))
}

/// A corpus being written.
struct Writer<'a> {
    folder: &'a Path,
    ids: BufWriter<File>,
    starts: Vec<u64>,
    sources: Vec<u32>,
    /// That of the group being written.
    tokenizer: Tokenizer,
    layout: &'a Layout,
}

impl Writer<'_> {
    fn new<'a>(folder: &'a Path, tokenizer: &Tokenizer, layout: &'a Layout) -> Result<Writer<'a>> {
        let path = folder.join(IDS);
        let file = File::create(&path).map_err(|error| Error::write(&path, &error))?;
        let (ids, starts, sources) = (BufWriter::new(file), vec![0], Vec::new());
        Ok(Writer { folder, ids, starts, sources, tokenizer: tokenizer.clone(), layout })
    }

    /// Writes the sequences to train on, then those held out.
    fn group(&mut self, name: &str, texts: &[Text]) -> Result<Group> {
        let (held_out, training): (Vec<&Text>, Vec<&Text>) = texts.iter().partition(|text| text.is_held_out());
        let pairs = texts.first().is_some_and(|text| text.b.is_some());
        self.tokenizer = for_group(&self.tokenizer, name, pairs)?;
        let (before, start) = (self.starts.len(), self.end());
        for (i, part) in training.chunks(AT_ONCE).enumerate() {
            match self.layout.taught {
                true => self.whole(part, i * AT_ONCE)?,
                false => self.sequences(part, self.layout.pack && !pairs)?,
            }
        }
        let (between, tokens) = (self.starts.len(), (self.end() - start) as usize);
        // A language of few texts keeps most of them.
        let most = HELD_OUT.min(texts.len() / 20);
        self.sequences(&held_out[..most.min(held_out.len())], false)?;
        let (sequences, held_out) = (between - before, self.starts.len() - between);
        Ok(Group { name: name.to_owned(), pairs, sequences, tokens, held_out })
    }

    /// Writes each text as one sequence, whose end is left out where it is too long, and says which text it is.
    fn whole(&mut self, texts: &[&Text], first: usize) -> Result<()> {
        for (i, mut record) in self.tokenize(texts)?.into_iter().enumerate().filter(|(_, record)| !record.is_empty()) {
            if !record.contains(&BETWEEN) {
                record.truncate(self.layout.max_length.saturating_sub(2).max(1)); // `<s>` and `</s>`
            }
            self.put(&record)?;
            self.sources.push((first + i) as u32);
        }
        Ok(())
    }

    /// Writes texts as sequences: a long sentence is cut into several, short ones share one if asked to.
    fn sequences(&mut self, texts: &[&Text], pack: bool) -> Result<()> {
        let room = self.layout.max_length.saturating_sub(2).max(1); // `<s>` and `</s>`
        let last = self.tokenizer.specials().last;
        let mut packed: Vec<u32> = Vec::new();
        for record in self.tokenize(texts)? {
            if record.is_empty() || record.contains(&BETWEEN) {
                self.put(&record)?;
                continue;
            }
            for part in record.chunks(room) {
                if !pack || packed.len() + 1 + part.len() > room {
                    self.put(&std::mem::take(&mut packed))?;
                }
                if !packed.is_empty() {
                    packed.push(last);
                }
                packed.extend(part);
            }
        }
        self.put(&packed)
    }

    fn tokenize(&self, texts: &[&Text]) -> Result<Vec<Vec<u32>>> {
        let of_b = self.tokenizer.turned();
        let tokenize = |text: &&Text| -> Result<Vec<u32>> {
            let mut ids = self.tokenizer.tokens(&text.a)?;
            let Some(b) = &text.b else { return Ok(ids) };
            let b = of_b.tokens(b)?;
            if ids.is_empty() || b.is_empty() {
                return Ok(Vec::new());
            }
            ids.push(BETWEEN);
            ids.extend(b);
            Ok(ids)
        };
        texts.par_iter().map(tokenize).collect()
    }

    fn put(&mut self, record: &[u32]) -> Result<()> {
        if record.is_empty() {
            return Ok(());
        }
        for id in record {
            let written = self.ids.write_all(&id.to_le_bytes());
            written.map_err(|error| Error::write(&self.folder.join(IDS), &error))?;
        }
        self.starts.push(self.end() + record.len() as u64);
        Ok(())
    }

    fn end(&self) -> u64 {
        *self.starts.last().expect("the first start is there")
    }

    fn finish(mut self) -> Result<()> {
        self.ids.flush().map_err(|error| Error::write(&self.folder.join(IDS), &error))?;
        let bytes: Vec<u8> = self.starts.iter().flat_map(|start| start.to_le_bytes()).collect();
        checkpoint::write_file(&self.folder.join(STARTS), &bytes)?;
        if !self.layout.taught {
            return Ok(());
        }
        let bytes: Vec<u8> = self.sources.iter().flat_map(|source| source.to_le_bytes()).collect();
        checkpoint::write_file(&self.folder.join(SOURCES), &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{array::Segments, kinds::item::pack, models::Whole};

    fn layout() -> Layout {
        Layout {
            max_length: 24,
            pack: false,
            alpha: 0.3,
            pair_share: 0.6,
            ranked_share: 0.0,
            restart_positions: false,
            taught: false,
        }
    }

    fn text(a: String) -> Text {
        Text { a, b: None }
    }

    fn pair(a: String, b: String) -> Text {
        Text { a, b: Some(b) }
    }

    /// German and Swahili of unlike sizes, and pairs of two languages.
    fn texts() -> BTreeMap<String, Vec<Text>> {
        BTreeMap::from([
            ("de".to_string(), (0..900).map(|i| text(format!("der Satz {i} ist kurz"))).collect()),
            ("de-en".to_string(), (0..300).map(|i| pair(format!("the line {i}"), format!("die Zeile {i}"))).collect()),
            ("sw".to_string(), (0..100).map(|i| text(format!("sentensi {i} ni fupi"))).collect()),
            ("sw-en".to_string(), (0..80).map(|i| pair(format!("a row {i}"), format!("safu ya {i}"))).collect()),
        ])
    }

    fn tokenizer(texts: &BTreeMap<String, Vec<Text>>) -> Tokenizer {
        let sides = texts.values().flatten().flat_map(Text::sides).map(str::to_owned);
        Tokenizer::train_unigram(sides.collect::<Vec<_>>().into_iter(), 200, false).unwrap()
    }

    fn corpus(texts: &BTreeMap<String, Vec<Text>>, layout: Layout) -> (tempfile::TempDir, Corpus) {
        let (folder, tokenizer) = (tempfile::tempdir().unwrap(), tokenizer(texts));
        let path = folder.path().join("corpus");
        Corpus::write(&path, texts, &tokenizer, &layout).unwrap();
        let mask = tokenizer.specials().mask;
        let special = (0..tokenizer.n_ids() as u32).filter(|id| tokenizer.is_special(*id)).collect();
        let masking = Masking { probability: 0.2, mask, special, n_ids: tokenizer.n_ids() as u32 };
        let corpus = Corpus::open(&path, tokenizer, layout, masking, 5).unwrap();
        (folder, corpus)
    }

    #[test]
    fn shares_are_those_of_the_formula() {
        let (_folder, corpus) = corpus(&texts(), layout());
        let order = corpus.order(1, 0);
        assert_eq!(order.len(), corpus.len());
        let n: Vec<f64> = corpus.groups().iter().map(|group| group.sequences as f64).collect();
        let power = |i: usize| n[i].powf(0.3);
        let expected = [
            0.4 * power(0) / (power(0) + power(2)),
            0.6 * power(1) / (power(1) + power(3)),
            0.4 * power(2) / (power(0) + power(2)),
            0.6 * power(3) / (power(1) + power(3)),
        ];
        let mut first = 0;
        for (group, expected) in corpus.groups().iter().zip(expected) {
            let drawn = order.iter().filter(|i| (first..first + group.sequences).contains(i)).count();
            let share = drawn as f64 / order.len() as f64;
            // Quotas are whole, and what rounding leaves is filled up.
            assert!((share - expected).abs() < 3.0 / order.len() as f64, "{}: {share} {expected}", group.name);
            first += group.sequences + group.held_out;
        }
        assert_eq!(order, corpus.order(1, 0));
        assert_ne!(order, corpus.order(1, 1));
    }

    #[test]
    fn what_is_held_out_is_not_trained_on_anywhere() {
        let mut texts = texts();
        let both: Vec<Text> = texts["de-en"].iter().map(|pair| text(pair.a.to_uppercase() + "!")).collect();
        texts.insert("en".to_string(), both);
        let (_folder, corpus) = corpus(&texts, layout());
        let held_out = corpus.held_out().unwrap();
        assert!(held_out.iter().any(|item| item.id.starts_with("de:held-out:")), "{}", held_out.len());
        let mut first = 0;
        for group in corpus.groups() {
            let kept = texts[&group.name].iter().filter(|text| !text.is_held_out()).count();
            assert_eq!(group.sequences, kept, "{}", group.name);
            first += group.sequences + group.held_out;
        }
        assert_eq!(corpus.starts.len(), first + 1);
        let english = texts["en"].iter().zip(&texts["de-en"]);
        assert!(english.clone().any(|(line, _)| line.is_held_out()));
        assert!(english.clone().all(|(line, pair)| !line.is_held_out() || pair.is_held_out()));
    }

    #[test]
    fn where_nothing_is_masked_translations_are_held_out() {
        let only_ranked = Layout { pair_share: 1.0, ranked_share: 1.0, ..layout() };
        let (_folder, corpus) = corpus(&texts(), only_ranked);
        let held_out = corpus.held_out().unwrap();
        assert!(held_out.iter().any(|item| item.id.starts_with("de-en:")));
        assert!(held_out.iter().all(|item| item.goal == Goal::Ranked && item.id.contains("-en:")));
    }

    #[test]
    fn packed_sequences_hold_whole_sentences_in_order() {
        let texts =
            BTreeMap::from([("de".to_string(), (0..60).map(|i| text("wort ".repeat(1 + i % 7))).collect::<Vec<_>>())]);
        let (_folder, corpus) = corpus(&texts, Layout { pack: true, ..layout() });
        let last = corpus.tokenizer.specials().last;
        let records: Vec<Vec<u32>> = (0..corpus.len()).map(|i| corpus.record(i).unwrap()).collect();
        assert!(records.iter().all(|record| record.len() <= 22));
        let tokens = |text: &Text| corpus.tokenizer.tokens(&text.a).unwrap();
        let whole: Vec<u32> = texts["de"].iter().filter(|text| !text.is_held_out()).flat_map(tokens).collect();
        let joined: Vec<u32> = records.iter().flatten().copied().filter(|id| *id != last).collect();
        assert_eq!(joined, whole);
        assert!(records.iter().any(|record| record.contains(&last)));
        let n_short = records.windows(2).filter(|two| two[0].len() + 1 + two[1].len() <= 22).count();
        assert_eq!(n_short, 0, "neighbours that would fit into one sequence");
    }

    #[test]
    fn pairs_are_one_sequence_in_either_order_masked_on_both_sides() {
        let texts = BTreeMap::from([("de-en".to_string(), vec![pair("the first line".into(), "die Zeile".into()); 8])]);
        let (_folder, corpus) = corpus(&texts, Layout { max_length: 48, ..layout() });
        let [a, b] = ["the first line", "die Zeile"].map(|text| corpus.tokenizer.tokens(text).unwrap());
        let [start, end] = [corpus.tokenizer.specials().first, corpus.tokenizer.specials().last];
        let expected = |a: &[u32], b: &[u32]| [&[start], a, &[end, end], b, &[end]].concat();
        let (mut orders, mut sides) = ([0, 0], [0, 0]);
        for place in 0..200 {
            let item = corpus.item(place % corpus.len(), 0, place).unwrap();
            let Goal::Classes(words) = &item.goal else { panic!("{:?}", item.goal) };
            let mut ids = item.ids.clone();
            item.rows.iter().zip(words).for_each(|(at, word)| ids[*at as usize] = *word);
            let turned = usize::from(ids != expected(&a, &b));
            assert!(turned == 0 || ids == expected(&b, &a));
            orders[turned] += 1;
            let middle = 1 + [a.len(), b.len()][turned];
            item.rows.iter().for_each(|at| sides[usize::from(*at as usize > middle)] += 1);
            assert_eq!(item.ids, corpus.item(place % corpus.len(), 0, place).unwrap().ids);
        }
        assert!(orders.iter().all(|n| *n > 60) && sides.iter().all(|n| *n > 60), "{orders:?} {sides:?}");
    }

    #[test]
    fn positions_of_the_second_side_may_begin_anew() {
        let texts = BTreeMap::from([("de-en".to_string(), vec![pair("the first line".into(), "die Zeile".into()); 8])]);
        let positions = |restart_positions| {
            let (_folder, corpus) = corpus(&texts, Layout { max_length: 48, restart_positions, ..layout() });
            let item = corpus.item(0, 0, 0).unwrap();
            let end = corpus.tokenizer.specials().last;
            let second = item.ids.windows(2).position(|two| two == [end, end]).unwrap() + 1; // its `</s>` is as `<s>`
            (pack(&[item]).positions.to_vec(), second as u32)
        };
        let (running, _) = positions(false);
        assert_eq!(running, (0..running.len() as u32).collect::<Vec<_>>());
        let (anew, second) = positions(true);
        assert_eq!(anew, (0..second).chain(0..anew.len() as u32 - second).collect::<Vec<_>>());
    }

    #[test]
    fn ranked_pairs_are_two_sequences() {
        let texts = BTreeMap::from([("de-en".to_string(), vec![pair("the first line".into(), "die Zeile".into()); 8])]);
        let (_folder, corpus) = corpus(&texts, Layout { ranked_share: 1.0, ..layout() });
        let items: Vec<Item> = (0..3).map(|place| corpus.item(0, 0, place).unwrap()).collect();
        let batch = pack(&items);
        assert_eq!(batch.target.whole, Whole::Translations(vec![0, 2, 4]));
        assert_eq!((batch.segments.count(), batch.target.rows.len()), (6, 0));
        let start = corpus.tokenizer.specials().first;
        assert!(batch.segments.first_rows().iter().all(|row| batch.ids[*row as usize] == start));
        let lengths = items.iter().flat_map(|item| item.sequences.clone());
        assert_eq!(batch.segments.offsets[..], Segments::new(lengths).offsets[..]);
    }
}
