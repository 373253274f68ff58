//! In which language a tokenizer reads: data have names for languages, and models and rules of words may have others.

use crate::{
    error::{Error, Result},
    tasks::{
        Loaded,
        codes::{can_be_same, two_letters},
    },
    text::Tokenizer,
};

/// What texts are called whose language nobody has named.
pub const UNNAMED: &str = "unknown";

/// The tokenizer for texts in a language, by the name that data have for it.
pub fn in_language(tokenizer: &Tokenizer, language: &str) -> Result<Tokenizer> {
    in_languages(tokenizer, [language, language])
}

/// The tokenizer for loaded examples: in the generalized setting the sides of a pair are in two languages.
pub fn for_examples(tokenizer: &Tokenizer, loaded: &Loaded) -> Result<Tokenizer> {
    match &loaded.mixed {
        Some([first, second]) => in_languages(tokenizer, [first, second]),
        None => in_language(tokenizer, &loaded.language),
    }
}

/// The tokenizer for a group of texts, `de`, or of pairs, `de-en`.
pub fn for_group(tokenizer: &Tokenizer, name: &str, pairs: bool) -> Result<Tokenizer> {
    match name.split_once('-').filter(|_| pairs) {
        Some((first, second)) => in_languages(tokenizer, [first, second]),
        None => in_language(tokenizer, name),
    }
}

fn in_languages(tokenizer: &Tokenizer, named: [&str; 2]) -> Result<Tokenizer> {
    if !tokenizer.minds_languages() || named[0] == UNNAMED {
        return Ok(tokenizer.clone());
    }
    tokenizer.in_languages(known(tokenizer, named[0])?, known(tokenizer, named[1])?)
}

/// What the model calls a language, or its code of two letters where the model does not tell languages apart.
fn known<'a>(tokenizer: &'a Tokenizer, language: &'a str) -> Result<&'a str> {
    let mut languages = tokenizer.languages().peekable();
    if languages.peek().is_none() {
        return Ok(two_letters(language));
    }
    let same: Vec<&str> = languages.filter(|known| can_be_same(known, language)).collect();
    match same[..] {
        _ if same.contains(&language) => Ok(language),
        [] => Ok(language), // the tokenizer names those that there are
        [one] => Ok(one),
        _ => Err(Error::Data(format!(
            "{}: \"{language}\" may be any of the model's {}; call the data by one of these names",
            tokenizer.source(),
            same.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn tokenizer(languages: &[&str]) -> Tokenizer {
        let texts = ["a b", "b a"].map(str::to_owned).into_iter().cycle().take(20);
        let numbered = languages.iter().enumerate().map(|(i, name)| ((*name).to_owned(), i as u32));
        Tokenizer::train_unigram(texts, 30, false).unwrap().with_languages(numbered.collect::<BTreeMap<_, _>>())
    }

    fn types(tokenizer: &Tokenizer) -> Vec<u32> {
        tokenizer.encode("a", Some("b"), 20).unwrap().types
    }

    #[test]
    fn languages_are_found_by_the_names_that_data_have() {
        let tokenizer = tokenizer(&["ar", "de", "sw", "zh"]);
        for (name, number) in [("de", 1), ("deu", 1), ("swh_Latn", 2), ("zho_Hans", 3)] {
            let types = types(&in_language(&tokenizer, name).unwrap());
            assert!(types.len() >= 4 && types.iter().all(|found| *found == number), "{name}: {types:?}");
        }
        let error = in_language(&tokenizer, "fi").map(drop).unwrap_err();
        assert!(
            error.message().contains("no embedding of the language \"fi\"; it has those of ar, de, sw, zh"),
            "{error}"
        );
        let error = in_language(&tokenizer, UNNAMED).and_then(|unnamed| unnamed.encode("a", None, 9)).unwrap_err();
        assert!(error.message().contains("nothing says in which language the text is"), "{error}");
    }

    #[test]
    fn a_pair_has_the_languages_of_its_sides() {
        let tokenizer = tokenizer(&["de", "sw"]);
        let mixed = Some(["sw", "de"].map(str::to_owned));
        let loaded = Loaded { mixed, ..Loaded::none("sw-de") };
        let pair = for_examples(&tokenizer, &loaded).unwrap();
        let found = types(&pair);
        let first = pair.encode("a", None, 20).unwrap().ids.len() - 1; // its `</s>` belongs to the second
        assert_eq!(found, [vec![1; first], vec![0; found.len() - first]].concat());
        assert_eq!(types(&pair.turned())[0], 0);
        assert_eq!(types(&for_group(&tokenizer, "sw-de", true).unwrap()), found);
    }

    #[test]
    fn a_name_that_means_several_is_refused() {
        let error = in_language(&tokenizer(&["zh", "zh_classical"]), "zho").map(drop).unwrap_err();
        assert!(error.message().contains("\"zho\" may be any of the model's zh, zh_classical"), "{error}");
        assert!(in_language(&tokenizer(&["zh", "zh_classical"]), "zh").is_ok());
    }

    #[test]
    fn other_tokenizers_take_no_notice() {
        assert!(!tokenizer(&[]).minds_languages());
        let types = types(&in_language(&tokenizer(&[]), "whatever").unwrap());
        assert_eq!(types, vec![0; types.len()]);
    }
}
