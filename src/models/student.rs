//! A student's first weights: some of its teacher's layers (Sanh et al., 2019, take every other one), and its own words by
//! the teacher's vectors of the pieces that these are of.

use super::{
    Config, HeadKind, Named, Pretrained,
    families::{Architecture, Norms, Positions},
    model::{entry, write_config},
    names,
};
use crate::{
    checkpoint::{self, Values},
    error::{Error, Result},
};
use std::path::Path;

const LAYER: &str = "encoder.layer.";

/// Some layers of a model, by their numbers from 1 on.
#[derive(Clone, Copy, Debug)]
pub struct Layers<'a> {
    /// The model's folder.
    pub teacher: &'a Path,
    /// Which ones, in the order that they have in the student.
    pub numbers: &'a [usize],
}

/// Looks whether a student with these settings can begin with layers of the teacher, which must be whole; nothing is made of
/// it. Returns the teacher.
pub fn check(layers: Layers, student: &Config) -> Result<Pretrained> {
    refuse_other_sizes(&Config::load(layers.teacher)?, layers, student)?;
    let teacher = Pretrained::open(layers.teacher)?;
    teacher.check(&HeadKind::MaskedLm)?;
    Ok(teacher)
}

/// The settings of a student that must be its teacher's, or do what the teacher has.
fn refuse_other_sizes(teacher: &Config, layers: Layers, student: &Config) -> Result<()> {
    let shown = layers.teacher.display();
    let wrong = |key: &str, what: String| Err(Error::Config(format!("model.fresh.{key}: {what}")));
    if !is_like_bert(teacher.architecture) {
        let family = teacher.architecture.model_type;
        let what = format!(
            "{shown} is of the family {family}, whose layers are other than XLM-R's; take one of BERT's or RoBERTa's"
        );
        return wrong("begin.path", what);
    }
    for (key, found, expected) in [
        ("hidden_size", student.hidden_size, teacher.hidden_size),
        ("num_attention_heads", student.num_attention_heads, teacher.num_attention_heads),
        ("intermediate_size", student.intermediate_size, teacher.intermediate_size),
        ("num_hidden_layers", student.num_hidden_layers, layers.numbers.len()),
    ] {
        if found != expected {
            let whose = if key == "num_hidden_layers" { "begin.layers names" } else { "the model to begin with has" };
            return wrong(key, format!("expected {expected}, as {whose}, found {found}"));
        }
    }
    let deepest = teacher.num_hidden_layers;
    if let Some(number) = layers.numbers.iter().find(|number| !(1..=deepest).contains(*number)) {
        return wrong(
            "begin.layers",
            format!("expected numbers from 1 to {deepest}, the layers of {shown}, found {number}"),
        );
    }
    let (longest, found) = (teacher.longest_input(), student.longest_input());
    if found > longest {
        let what = format!("{shown} has positions for {longest} tokens, and this is for {found}; set it lower");
        return wrong("max_position_embeddings", what);
    }
    Ok(())
}

/// Writes the encoder of a student into a folder. Each of its words begins as the mean of the teacher's with the ids that
/// `words` has for it.
pub fn write(layers: Layers, config: &Config, words: &[Vec<u32>], folder: &Path) -> Result<()> {
    let teacher = check(layers, config)?;
    let mut tensors: Vec<Named> = Vec::new();
    for (name, shape, values) in teacher.encoder()? {
        let h = shape.last().copied().unwrap_or(1);
        let (shape, values) = match name.as_str() {
            "embeddings.word_embeddings.weight" => (vec![words.len(), h], means(&values, h, words)),
            "embeddings.position_embeddings.weight" => {
                let (first, n) = (teacher.config.first_position(), config.longest_input());
                let unused = config.first_position();
                let table = [&vec![0.0; unused * h][..], &values[first * h..(first + n) * h]].concat();
                (vec![unused + n, h], table)
            }
            "embeddings.token_type_embeddings.weight" => {
                let n = config.type_vocab_size;
                (vec![n, h], values[..n * h].to_vec())
            }
            _ => (shape, values),
        };
        for name in names_in_student(&name, layers.numbers) {
            let name = format!("{}.{name}", config.architecture.prefix);
            tensors.push((name, shape.clone(), values.clone()));
        }
    }
    write_config(folder, config.encoder_to_json(), "float32")?;
    let entries: Vec<_> = tensors.iter().map(|named| entry(named, Values::F32)).collect();
    checkpoint::write(&folder.join(checkpoint::WEIGHTS[0]), &entries, &[])
}

/// What a tensor of the teacher is called in a student that takes these layers: nothing where that has no use for it, and
/// several names where it takes a layer several times.
fn names_in_student(name: &str, taken: &[usize]) -> Vec<String> {
    match name.strip_prefix(LAYER).and_then(|rest| rest.split_once('.')) {
        None if name.starts_with("embeddings.") => vec![name.to_owned()],
        None => Vec::new(),
        Some((number, rest)) => {
            let places = taken.iter().enumerate().filter(|(_, taken)| number.parse() == Ok(*taken - 1));
            places.map(|(place, _)| format!("{LAYER}{place}.{rest}")).collect()
        }
    }
}

/// Whether a family's encoder is BERT's: learned positions, norms after each part, tensors by BERT's names.
fn is_like_bert(architecture: &Architecture) -> bool {
    let is_layer = |start: &String| *start == format!("{}.{LAYER}", architecture.prefix);
    let learned = architecture.names.positions == Some("embeddings.position_embeddings");
    let known = matches!(architecture.positions, Positions::FromZero | Positions::AfterPadding);
    learned && known && architecture.norms == Norms::After && names::layers(architecture).iter().all(is_layer)
}

/// The means (n, h) of some rows (v, h) each.
fn means(table: &[f32], h: usize, rows: &[Vec<u32>]) -> Vec<f32> {
    let mut all = Vec::with_capacity(rows.len() * h);
    for ids in rows {
        let mut mean = vec![0.0; h];
        for id in ids {
            let row = table[*id as usize * h..].iter().take(h);
            mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x / ids.len() as f32);
        }
        all.extend(mean);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        array::{Ids, Segments},
        checkpoint::Weights,
        models::Model,
        nn::Pass,
        tensor::Device,
        text::{Tokenizer, in_other},
    };
    use serde_json::json;
    use std::{fs, path::PathBuf};

    const WORDS: [&str; 3] =
        ["the house stands in the old town", "a horse and a mouse", "there is no mouse in the house"];

    fn tokenizer(n: usize) -> Tokenizer {
        let texts = (0..40).flat_map(|i| WORDS.map(|text| format!("{text} {}", i % 7)));
        Tokenizer::train_unigram(texts, n, false).unwrap()
    }

    fn config(family: &str, tokenizer: &Tokenizer, layers: usize, positions: usize) -> Config {
        let ids = tokenizer.specials();
        let types = if family == "bert" { 2 } else { 1 };
        let raw = json!({
            "model_type": family, "vocab_size": tokenizer.n_ids(), "hidden_size": 8, "num_hidden_layers": layers,
            "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": positions,
            "type_vocab_size": types, "layer_norm_eps": 1e-12, "pad_token_id": ids.pad, "initializer_range": 0.3,
        });
        Config::new(raw.as_object().unwrap().clone()).unwrap()
    }

    /// A teacher of BERT's family with three layers and positions for 20 tokens.
    fn teacher(folder: &Path, tokenizer: &Tokenizer) -> (PathBuf, Model) {
        let folder = folder.join("teacher");
        fs::create_dir_all(&folder).unwrap();
        let model = Model::fresh(config("bert", tokenizer, 3, 20), HeadKind::MaskedLm, 3, &Device::cpu()).unwrap();
        model.write(&folder).unwrap();
        tokenizer.save(&folder).unwrap();
        (folder, model)
    }

    /// The last hidden states of a text, whose first position is `first`.
    fn states(model: &Model, tokenizer: &Tokenizer, text: &str, first: usize) -> Vec<f32> {
        let ids = tokenizer.encode(text, None, 18).unwrap().ids;
        let n = ids.len();
        let (positions, types): (Ids, Ids) =
            ((first..first + n).map(|i| i as u32).collect::<Vec<_>>().into(), vec![0; n].into());
        let embedded = model.encoder.embed(&model.words.look_up(&ids.into()), &positions, &types, Pass::evaluation());
        model.encoder.encode(&embedded, &Segments::new([n]), None, Pass::evaluation()).to_vec()
    }

    #[test]
    fn a_student_with_all_layers_and_words_computes_what_its_teacher_does() {
        let scratch = tempfile::tempdir().unwrap();
        let pieces = tokenizer(40);
        let (folder, theirs) = teacher(scratch.path(), &pieces);
        let student = config("xlm-roberta", &pieces, 3, 20); // positions for 18, of which two are unused
        let layers = Layers { teacher: &folder, numbers: &[1, 2, 3] };
        write(layers, &student, &in_other(&pieces, &pieces).unwrap(), scratch.path()).unwrap();
        let own = Model::load(scratch.path(), HeadKind::MaskedLm, 9, &Device::cpu()).unwrap();
        assert!(own.initialized.iter().all(|name| name.starts_with("lm_head")), "{:?}", own.initialized);
        for text in WORDS {
            let (a, b) = (states(&theirs, &pieces, text, 0), states(&own, &pieces, text, student.first_position()));
            assert_eq!(a, b, "{text}");
        }
    }

    #[test]
    fn layers_come_in_the_order_that_is_named_and_words_are_means_of_pieces() {
        let scratch = tempfile::tempdir().unwrap();
        let (pieces, own) = (tokenizer(30), tokenizer(44));
        let (folder, _) = teacher(scratch.path(), &pieces);
        let student = config("xlm-roberta", &own, 2, 16);
        let layers = Layers { teacher: &folder, numbers: &[3, 1] };
        let in_theirs = in_other(&own, &pieces).unwrap();
        write(layers, &student, &in_theirs, scratch.path()).unwrap();
        let [theirs, ours] = [&folder, scratch.path()].map(|folder| Weights::open(folder).unwrap());
        let part = "attention.self.key.weight";
        for (taken, place) in [(2, 0), (0, 1)] {
            let [a, b] = [(&theirs, "bert", taken), (&ours, "roberta", place)]
                .map(|(weights, prefix, i)| weights.read(&format!("{prefix}.encoder.layer.{i}.{part}")).unwrap());
            assert_eq!(a, b, "{taken}");
        }
        let [table, words] = [(&theirs, "bert"), (&ours, "roberta")]
            .map(|(weights, prefix)| weights.read(&format!("{prefix}.embeddings.word_embeddings.weight")).unwrap());
        let (mut same, mut joined) = (0, 0);
        for id in (0..own.n_ids() as u32).filter(|id| !own.is_special(*id)) {
            let piece = own.piece(id).unwrap();
            let row = &words[id as usize * 8..][..8];
            match pieces.id(&piece) {
                Some(theirs) => {
                    assert_eq!(row, &table[theirs as usize * 8..][..8], "{piece}");
                    same += 1;
                }
                None => {
                    let ids = &in_theirs[id as usize];
                    let mean =
                        |j: usize| ids.iter().map(|id| table[*id as usize * 8 + j]).sum::<f32>() / ids.len() as f32;
                    assert!(row.iter().enumerate().all(|(j, x)| (x - mean(j)).abs() < 1e-6), "{piece}");
                    let unknown = ids.contains(&pieces.specials().unknown); // too few pieces for every letter
                    assert!(unknown || pieces.decode(ids).trim() == piece.replace('\u{2581}', ""), "{piece}");
                    joined += 1;
                }
            }
        }
        assert!(same > 5 && joined > 5, "{same} {joined}");
        let special = [(own.specials().mask, pieces.specials().mask), (own.specials().last, pieces.specials().last)];
        for (a, b) in special {
            assert_eq!(words[a as usize * 8..][..8], table[b as usize * 8..][..8]);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_by_its_key() {
        let pieces = tokenizer(30);
        let theirs = config("bert", &pieces, 3, 20);
        let student = config("xlm-roberta", &pieces, 2, 16);
        let refused = |teacher: &Config, numbers: &[usize], student: &Config| {
            refuse_other_sizes(teacher, Layers { teacher: Path::new("t"), numbers }, student)
                .map_err(|error| error.message().to_owned())
        };
        assert_eq!(refused(&theirs, &[1, 3], &student), Ok(()));
        let long = config("xlm-roberta", &pieces, 2, 23);
        let wide = Config { hidden_size: 12, ..student.clone() };
        let other = Config { architecture: config("modernbert", &pieces, 3, 20).architecture, ..theirs.clone() };
        for (teacher, numbers, student, says) in [
            (&theirs, &[1, 4][..], &student, "model.fresh.begin.layers: expected numbers from 1 to 3"),
            (&theirs, &[0, 1], &student, "model.fresh.begin.layers: expected numbers from 1 to 3"),
            (&theirs, &[1], &student, "model.fresh.num_hidden_layers: expected 1, as begin.layers names, found 2"),
            (&theirs, &[1, 2], &long, "model.fresh.max_position_embeddings: t has positions for 20 tokens"),
            (&theirs, &[1, 2], &wide, "model.fresh.hidden_size: expected 8"),
            (&other, &[1, 2], &student, "model.fresh.begin.path: t is of the family modernbert"),
        ] {
            let found = refused(teacher, numbers, student).unwrap_err();
            assert!(found.contains(says), "expected \"{says}\" in: {found}");
        }
    }
}
