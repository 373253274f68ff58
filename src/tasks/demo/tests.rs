//! The demo's data is what it promises: parallel, balanced, without a giveaway, and said properly.

use std::collections::{BTreeMap, BTreeSet};

use std::collections::HashSet;

use super::world::{self, Count, Meaning, Predicate, Subject, Thing, Town};
use super::*;

/// Draws enough meanings to meet every word.
fn meanings() -> Vec<Meaning> {
    let mut rng = Rng::new(1, 1);
    (0..20_000).map(|_| world::meaning(&mut rng)).collect()
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(|word| word.trim_end_matches('.').to_lowercase()).collect()
}

#[test]
fn every_language_says_every_meaning() {
    let meanings = meanings();
    for language in LANGUAGES {
        let say = languages::speaker(language);
        for meaning in &meanings {
            let text = say(meaning);
            let clean = !text.contains("  ") && !text.contains(['{', '}', '|', ',', '_']) && !text.contains(" .");
            let framed = text.ends_with('.') && text.chars().next().is_some_and(char::is_uppercase);
            assert!(clean && framed, "{language}: {text:?} of {meaning:?}");
            let count = text.split(' ').count();
            assert!((2..=20).contains(&count), "{language}: {count} words in {text:?}");
        }
    }
}

#[test]
fn every_concept_occurs() {
    let said: BTreeSet<String> = meanings().iter().flat_map(|m| words(&format!("{m:?}"))).collect();
    let occurs = |concept: &str| said.iter().any(|word| word.contains(&format!("\"{}\"", concept.to_lowercase())));
    let nouns: Vec<_> = world::NOUNS.iter().map(|noun| noun.name).collect();
    let all = [world::NAMES, world::ROLES, world::SPOTS, world::CITIES, world::COUNTRIES, world::TIMES, &nouns];
    let more = [world::DOINGS, world::HANDLINGS, world::QUALITIES];
    for concept in all.iter().chain(&more).copied().flatten() {
        assert!(occurs(concept), "{concept} is never said");
    }
}

/// The grammar of each language on four hand-checked sentences.
#[test]
fn sentences_are_grammatical() {
    let thing = |noun, adjective| Thing { noun, adjective: Some(adjective) };
    let plain = Meaning {
        subject: Subject::Name("Anna"),
        negated: false,
        predicate: Predicate::Handles { verb: "buy", count: Count::Exactly(2), object: thing("apple", "big") },
        company: Some("Tom"),
        spot: None,
        town: Some(Town::City("Rome")),
        time: None,
        register: 0,
    };
    let denied = Meaning {
        negated: true,
        predicate: Predicate::Handles { verb: "draw", count: Count::Exactly(1), object: thing("dog", "black") },
        company: None,
        town: None,
        ..plain.clone()
    };
    let state = Meaning {
        subject: Subject::Thing(thing("hotel", "old")),
        predicate: Predicate::Is("closed"),
        time: Some("Monday"),
        company: None,
        ..plain.clone()
    };
    let price = Meaning {
        subject: Subject::Thing(thing("dictionary", "red")),
        negated: true,
        predicate: Predicate::Costs(12),
        company: None,
        town: None,
        ..plain.clone()
    };
    let expected = [
        (
            "en",
            [
                "Anna buys two big apples with Tom in Rome.",
                "Anna does not draw a black dog.",
                "The old hotel in Rome is closed on Monday.",
                "The red dictionary does not cost 12 euros.",
            ],
        ),
        (
            "de",
            [
                "Anna kauft mit Tom in Rom zwei große Äpfel.",
                "Anna zeichnet keinen schwarzen Hund.",
                "Das alte Hotel in Rom ist am Montag geschlossen.",
                "Das rote Wörterbuch kostet nicht 12 Euro.",
            ],
        ),
        (
            "es",
            [
                "Anna compra dos manzanas grandes con Tom en Roma.",
                "Anna no dibuja ningún perro negro.",
                "El hotel viejo en Roma está cerrado el lunes.",
                "El diccionario rojo no cuesta 12 euros.",
            ],
        ),
        (
            "fi",
            [
                "Anna ostaa kaksi isoa omenaa Tomin kanssa Roomassa.",
                "Anna ei piirrä mustaa koiraa.",
                "Vanha hotelli Roomassa on kiinni maanantaina.",
                "Punainen sanakirja ei maksa 12 euroa.",
            ],
        ),
        (
            "fr",
            [
                "Anna achète deux grandes pommes avec Tom à Rome.",
                "Anna ne dessine pas de chien noir.",
                "Le vieil hôtel à Rome est fermé lundi.",
                "Le dictionnaire rouge ne coûte pas 12 euros.",
            ],
        ),
        (
            "hu",
            [
                "Anna vesz két nagy almát Tommal Rómában.",
                "Anna nem rajzol fekete kutyát.",
                "A régi római hotel hétfőn zárva van.",
                "A piros szótár nem kerül 12 euróba.",
            ],
        ),
        (
            "id",
            [
                "Anna membeli dua butir apel besar bersama Tom di Roma.",
                "Anna tidak menggambar anjing hitam.",
                "Hotel tua di Roma itu tutup pada hari Senin.",
                "Kamus merah itu tidak berharga 12 euro.",
            ],
        ),
        (
            "pl",
            [
                "Anna kupuje dwa duże jabłka z Tomem w Rzymie.",
                "Anna nie rysuje czarnego psa.",
                "Stary hotel w Rzymie jest zamknięty w poniedziałek.",
                "Czerwony słownik nie kosztuje 12 euro.",
            ],
        ),
        (
            "sw",
            [
                "Anna ananunua matufaha makubwa mawili pamoja na Tom mjini Roma.",
                "Anna hachori mbwa mweusi.",
                "Hoteli ya zamani mjini Roma imefungwa siku ya Jumatatu.",
                "Kamusi nyekundu haigharimu euro 12.",
            ],
        ),
        (
            "tr",
            [
                "Anna Tom ile Roma'da iki büyük elma satın alıyor.",
                "Anna siyah köpek çizmiyor.",
                "Roma'daki eski otel pazartesi günü kapalı.",
                "Kırmızı sözlük 12 avro değil.",
            ],
        ),
    ];
    assert_eq!(expected.map(|(language, _)| language), LANGUAGES);
    for (language, sentences) in expected {
        let say = languages::speaker(language);
        assert_eq!([&plain, &denied, &state, &price].map(say), sentences, "{language}");
    }
}

#[test]
fn pairs_are_parallel_balanced_and_reproducible() {
    let english = pairs("en", 7, 3000);
    for (label, name) in LABELS.iter().enumerate() {
        assert_eq!(english.iter().filter(|pair| pair.label == label).count(), 1000, "{name}");
    }
    for language in LANGUAGES {
        let other = pairs(language, 7, 3000);
        assert!(english.iter().zip(&other).all(|(a, b)| a.label == b.label), "{language}");
        assert_eq!(other, pairs(language, 7, 3000), "{language}");
        assert_eq!(other[..100], pairs(language, 7, 100), "{language}: a shorter set is a beginning of a longer");
    }
    assert_ne!(english, pairs("en", 8, 3000));
}

/// The digits of a text are the same in every language if and only if the texts are parallel.
#[test]
fn plain_text_is_not_parallel() {
    let digits = |texts: Vec<String>| texts.join(" ").chars().filter(char::is_ascii_digit).collect::<String>();
    let sets: BTreeSet<String> = LANGUAGES.iter().map(|language| digits(text(language, 7, 500))).collect();
    assert_eq!(sets.len(), LANGUAGES.len());
    assert_eq!(text("fi", 7, 50), text("fi", 7, 50));
}

/// The accuracy of a naive Bayes classifier over the bag of words of one sentence of each pair.
fn bag_of_words_accuracy(language: &str, sentence: fn(&Pair) -> &str) -> f64 {
    let (train, test) = (pairs(language, 1, 9000), pairs(language, 2, 3000));
    let mut counts: BTreeMap<String, [f64; 3]> = BTreeMap::new();
    for pair in &train {
        for word in words(sentence(pair)) {
            counts.entry(word).or_insert([1.0; 3])[pair.label] += 1.0;
        }
    }
    let totals: Vec<f64> = (0..3).map(|label| counts.values().map(|count| count[label]).sum()).collect();
    let right = test.iter().filter(|pair| {
        let score = |label: usize| -> f64 {
            words(sentence(pair)).iter().filter_map(|w| counts.get(w)).map(|c| (c[label] / totals[label]).ln()).sum()
        };
        (0..3).max_by(|a, b| score(*a).total_cmp(&score(*b))) == Some(pair.label)
    });
    right.count() as f64 / test.len() as f64
}

#[test]
fn one_sentence_alone_tells_little() {
    for language in ["en", "fi"] {
        let hypothesis = bag_of_words_accuracy(language, |pair| &pair.hypothesis);
        let premise = bag_of_words_accuracy(language, |pair| &pair.premise);
        println!("{language}: hypothesis only {hypothesis:.3}, premise only {premise:.3}");
        assert!(hypothesis < 0.40, "{language}: {hypothesis}");
        assert!(premise < 0.55, "{language}: {premise}");
    }
}

#[test]
fn neighbours_are_words_of_the_pairs() {
    let said: BTreeSet<String> = pairs("en", 7, 9000)
        .iter()
        .flat_map(|pair| [pair.premise.clone(), pair.hypothesis.clone()])
        .flat_map(|text| text.trim_end_matches('.').split(' ').map(String::from).collect::<Vec<_>>())
        .collect();
    let table = neighbours();
    for (word, others) in &table {
        assert!(said.contains(word), "{word} is never said");
        assert!(!others.is_empty() && others.iter().all(|other| table.contains_key(other)), "{word}");
    }
    assert_eq!(table["big"], ["large"]);
}

/// For the eye: `cargo test --release --lib demo -- --nocapture samples`.
#[test]
fn samples() {
    for language in LANGUAGES {
        let texts = text(language, 3, 3000);
        let tokens: Vec<String> = texts.iter().flat_map(|text| words(text)).collect();
        let sentences = texts.iter().map(|text| text.matches('.').count()).sum::<usize>();
        let distinct = tokens.iter().collect::<BTreeSet<_>>().len();
        let mean = tokens.len() as f64 / sentences as f64;
        println!("\n{language}: {distinct} distinct words, {mean:.1} words a sentence");
        for Pair { premise, hypothesis, label } in pairs(language, 3, 9) {
            println!("  {:13} | {premise} | {hypothesis}", LABELS[label]);
        }
        texts[..3].iter().for_each(|text| println!("  {text}"));
        assert!((120..700).contains(&distinct) && (4.0..9.0).contains(&mean));
    }
}

#[test]
fn nothing_that_is_measured_is_trained_on() {
    let pairs = |split, n| -> HashSet<(String, Option<String>)> {
        let loaded = load(split, "en", n, 7).unwrap();
        loaded.examples.into_iter().map(|example| (example.a, example.b)).collect()
    };
    let train = load(Split::Train, "en", 9_000, 7).unwrap();
    assert_eq!(train.examples.len(), 9_000);
    let train: HashSet<_> = train.examples.into_iter().map(|example| (example.a, example.b)).collect();
    for split in [Split::Dev, Split::Test] {
        assert_eq!(train.intersection(&pairs(split, HELD_OUT)).count(), 0, "{split}");
    }
}
