//! English.

use std::collections::BTreeMap;

use super::{Row, Setting, either, join, number, starts_with_vowel, subject_first, word};
use crate::tasks::demo::world::{Count, Meaning, Predicate, Subject, Thing};

/// Singular, plural.
const NOUNS: &[Row<2>] = &[
    ("animal", &[["animal", "animals"]]),
    ("dog", &[["dog", "dogs"], ["hound", "hounds"]]),
    ("cat", &[["cat", "cats"]]),
    ("horse", &[["horse", "horses"]]),
    ("bird", &[["bird", "birds"]]),
    ("fruit", &[["fruit", "fruits"]]),
    ("apple", &[["apple", "apples"]]),
    ("banana", &[["banana", "bananas"]]),
    ("orange", &[["orange", "oranges"]]),
    ("tomato", &[["tomato", "tomatoes"]]),
    ("potato", &[["potato", "potatoes"]]),
    ("onion", &[["onion", "onions"]]),
    ("flower", &[["flower", "flowers"], ["blossom", "blossoms"]]),
    ("rose", &[["rose", "roses"]]),
    ("tulip", &[["tulip", "tulips"]]),
    ("book", &[["book", "books"]]),
    ("novel", &[["novel", "novels"]]),
    ("dictionary", &[["dictionary", "dictionaries"]]),
    ("building", &[["building", "buildings"]]),
    ("hotel", &[["hotel", "hotels"], ["inn", "inns"]]),
    ("restaurant", &[["restaurant", "restaurants"], ["diner", "diners"]]),
    ("school", &[["school", "schools"]]),
    ("bank", &[["bank", "banks"]]),
    ("car", &[["car", "cars"], ["automobile", "automobiles"]]),
    ("bicycle", &[["bicycle", "bicycles"], ["bike", "bikes"]]),
    ("guitar", &[["guitar", "guitars"]]),
    ("radio", &[["radio", "radios"]]),
    ("phone", &[["phone", "phones"], ["telephone", "telephones"]]),
];

const ADJECTIVES: &[Row<1>] = &[
    ("big", &[["big"], ["large"]]),
    ("small", &[["small"], ["little"]]),
    ("new", &[["new"]]),
    ("old", &[["old"]]),
    ("red", &[["red"]]),
    ("green", &[["green"]]),
    ("white", &[["white"]]),
    ("black", &[["black"]]),
    ("expensive", &[["expensive"], ["costly"]]),
    ("cheap", &[["cheap"], ["inexpensive"]]),
    ("clean", &[["clean"], ["spotless"]]),
    ("dirty", &[["dirty"], ["filthy"]]),
    ("open", &[["open"]]),
    ("closed", &[["closed"], ["shut"]]),
];

/// Third person, infinitive.
const VERBS: &[Row<2>] = &[
    ("buy", &[["buys", "buy"], ["purchases", "purchase"]]),
    ("sell", &[["sells", "sell"]]),
    ("see", &[["sees", "see"], ["spots", "spot"]]),
    ("find", &[["finds", "find"], ["discovers", "discover"]]),
    ("lose", &[["loses", "lose"], ["misplaces", "misplace"]]),
    ("want", &[["wants", "want"], ["desires", "desire"]]),
    ("eat", &[["eats", "eat"]]),
    ("wash", &[["washes", "wash"], ["rinses", "rinse"]]),
    ("draw", &[["draws", "draw"], ["sketches", "sketch"]]),
    ("work", &[["works", "work"]]),
    ("sleep", &[["sleeps", "sleep"]]),
    ("wait", &[["waits", "wait"]]),
    ("sing", &[["sings", "sing"]]),
    ("dance", &[["dances", "dance"]]),
    ("laugh", &[["laughs", "laugh"], ["chuckles", "chuckle"]]),
    ("cry", &[["cries", "cry"], ["weeps", "weep"]]),
];

const ROLES: &[Row<1>] = &[
    ("teacher", &[["teacher"], ["instructor"]]),
    ("doctor", &[["doctor"], ["physician"]]),
    ("student", &[["student"]]),
    ("tourist", &[["tourist"]]),
    ("cook", &[["cook"], ["chef"]]),
];

const SOMEONE: &[Row<1>] = &[("someone", &[["Someone"], ["Somebody"]])];

const SETTING: Setting = Setting {
    spots: &[
        ("school", &[["at school"]]),
        ("hospital", &[["at the hospital"]]),
        ("library", &[["in the library"]]),
        ("hotel", &[["at the hotel"]]),
        ("restaurant", &[["at the restaurant"]]),
        ("park", &[["in the park"]]),
        ("market", &[["at the market"]]),
        ("station", &[["at the station"]]),
    ],
    cities: &[
        ("Berlin", &[["in Berlin"]]),
        ("Paris", &[["in Paris"]]),
        ("London", &[["in London"]]),
        ("Madrid", &[["in Madrid"]]),
        ("Rome", &[["in Rome"]]),
        ("Oslo", &[["in Oslo"]]),
        ("Tokyo", &[["in Tokyo"]]),
        ("Nairobi", &[["in Nairobi"]]),
    ],
    countries: &[
        ("Germany", &[["in Germany"]]),
        ("France", &[["in France"]]),
        ("England", &[["in England"]]),
        ("Spain", &[["in Spain"]]),
        ("Italy", &[["in Italy"]]),
        ("Norway", &[["in Norway"]]),
        ("Japan", &[["in Japan"]]),
        ("Kenya", &[["in Kenya"]]),
    ],
    times: &[
        ("Monday", &[["on Monday"]]),
        ("Friday", &[["on Friday"]]),
        ("Sunday", &[["on Sunday"]]),
        ("morning", &[["in the morning"]]),
        ("evening", &[["in the evening"]]),
        ("summer", &[["in summer"]]),
        ("winter", &[["in winter"]]),
    ],
};

pub(super) fn say(m: &Meaning) -> String {
    let subject = match m.subject {
        Subject::Someone => word(SOMEONE, "someone", m)[0].to_string(),
        Subject::Name(name) => name.to_string(),
        Subject::Role(role) => format!("the {}", word(ROLES, role, m)[0]),
        Subject::Thing(thing) => format!("the {}", singular(thing, m)),
    };
    let company = m.company.map_or(String::new(), |name| format!("with {name}"));
    subject_first(m, &SETTING, &subject, &predicate(m), &company)
}

fn predicate(m: &Meaning) -> String {
    let verb = |[third, infinitive]: [&str; 2]| match m.negated {
        false => third.to_string(),
        true => format!("does not {infinitive}"),
    };
    match m.predicate {
        Predicate::Does(doing) => verb(word(VERBS, doing, m)),
        Predicate::Handles { verb: handling, count, object } => {
            format!("{} {}", verb(word(VERBS, handling, m)), counted(count, object, m))
        }
        Predicate::Is(adjective) => format!("{} {}", either(m, ["is", "is not"]), word(ADJECTIVES, adjective, m)[0]),
        Predicate::Costs(price) => format!("{} {price} euros", verb(["costs", "cost"])),
    }
}

fn adjective(thing: Thing, m: &Meaning) -> &'static str {
    thing.adjective.map_or("", |a| word(ADJECTIVES, a, m)[0])
}

fn singular(thing: Thing, m: &Meaning) -> String {
    join([adjective(thing, m), word(NOUNS, thing.noun, m)[0]])
}

fn counted(count: Count, thing: Thing, m: &Meaning) -> String {
    let one = singular(thing, m);
    let many = join([adjective(thing, m), word(NOUNS, thing.noun, m)[1]]);
    match count {
        Count::Exactly(1) if starts_with_vowel(&one) => format!("an {one}"),
        Count::Exactly(1) => format!("a {one}"),
        Count::Exactly(n) => format!("{} {many}", number(n, ["two", "three"])),
        Count::Several => format!("several {many}"),
    }
}

/// Every word that has synonyms, and these, in all forms.
pub(super) fn synonyms() -> BTreeMap<String, Vec<String>> {
    let mut table = BTreeMap::new();
    for (_, words) in [ADJECTIVES, ROLES, SOMEONE].concat() {
        add_synonyms(words, &mut table);
    }
    for (_, words) in [NOUNS, VERBS].concat() {
        add_synonyms(words, &mut table);
    }
    table
}

fn add_synonyms<const FORMS: usize>(words: &[[&str; FORMS]], table: &mut BTreeMap<String, Vec<String>>) {
    for (i, word) in words.iter().enumerate() {
        let others = || words.iter().enumerate().filter(move |(j, _)| *j != i);
        for form in 0..FORMS {
            for (_, other) in others() {
                table.entry(word[form].to_string()).or_default().push(other[form].to_string());
            }
        }
    }
}
