//! Swahili: noun classes, with which adjectives, numbers and verbs agree.

use super::{Row, Setting, either, join, subject_first, word};
use crate::tasks::demo::world::{Count, Meaning, Predicate, Subject, Thing};

/// Class of the singular (that of the plural is the next), singular, plural; animals agree as in class 1.
const NOUNS: &[Row<3>] = &[
    ("animal", &[["1", "mnyama", "wanyama"]]),
    ("dog", &[["1", "mbwa", "mbwa"]]),
    ("cat", &[["1", "paka", "paka"]]),
    ("horse", &[["1", "farasi", "farasi"]]),
    ("bird", &[["1", "ndege", "ndege"]]),
    ("fruit", &[["5", "tunda", "matunda"]]),
    ("apple", &[["5", "tufaha", "matufaha"]]),
    ("banana", &[["9", "ndizi", "ndizi"]]),
    ("orange", &[["5", "chungwa", "machungwa"]]),
    ("tomato", &[["9", "nyanya", "nyanya"]]),
    ("potato", &[["7", "kiazi", "viazi"]]),
    ("onion", &[["7", "kitunguu", "vitunguu"]]),
    ("flower", &[["5", "ua", "maua"]]),
    ("rose", &[["5", "waridi", "mawaridi"]]),
    ("tulip", &[["9", "tulipu", "tulipu"]]),
    ("book", &[["7", "kitabu", "vitabu"]]),
    ("novel", &[["9", "riwaya", "riwaya"]]),
    ("dictionary", &[["9", "kamusi", "kamusi"]]),
    ("building", &[["5", "jengo", "majengo"]]),
    ("hotel", &[["9", "hoteli", "hoteli"]]),
    ("restaurant", &[["3", "mkahawa", "mikahawa"]]),
    ("school", &[["9", "shule", "shule"]]),
    ("bank", &[["9", "benki", "benki"]]),
    ("car", &[["5", "gari", "magari"]]),
    ("bicycle", &[["9", "baiskeli", "baiskeli"]]),
    ("guitar", &[["5", "gitaa", "magitaa"]]),
    ("radio", &[["9", "redio", "redio"]]),
    ("phone", &[["9", "simu", "simu"]]),
];

/// The forms of classes 1 to 10.
const ADJECTIVES: &[Row<10>] = &[
    ("big", &[["mkubwa", "wakubwa", "mkubwa", "mikubwa", "kubwa", "makubwa", "kikubwa", "vikubwa", "kubwa", "kubwa"]]),
    ("small", &[["mdogo", "wadogo", "mdogo", "midogo", "dogo", "madogo", "kidogo", "vidogo", "ndogo", "ndogo"]]),
    ("new", &[["mpya", "wapya", "mpya", "mipya", "jipya", "mapya", "kipya", "vipya", "mpya", "mpya"]]),
    (
        "old",
        &[[
            "wa zamani",
            "wa zamani",
            "wa zamani",
            "ya zamani",
            "la zamani",
            "ya zamani",
            "cha zamani",
            "vya zamani",
            "ya zamani",
            "za zamani",
        ]],
    ),
    (
        "red",
        &[[
            "mwekundu", "wekundu", "mwekundu", "myekundu", "jekundu", "mekundu", "chekundu", "vyekundu", "nyekundu",
            "nyekundu",
        ]],
    ),
    (
        "green",
        &[[
            "wa kijani",
            "wa kijani",
            "wa kijani",
            "ya kijani",
            "la kijani",
            "ya kijani",
            "cha kijani",
            "vya kijani",
            "ya kijani",
            "za kijani",
        ]],
    ),
    ("white", &[["mweupe", "weupe", "mweupe", "myeupe", "jeupe", "meupe", "cheupe", "vyeupe", "nyeupe", "nyeupe"]]),
    ("black", &[["mweusi", "weusi", "mweusi", "myeusi", "jeusi", "meusi", "cheusi", "vyeusi", "nyeusi", "nyeusi"]]),
    ("expensive", &[["ghali", "ghali", "ghali", "ghali", "ghali", "ghali", "ghali", "ghali", "ghali", "ghali"]]),
    ("cheap", &[["rahisi", "rahisi", "rahisi", "rahisi", "rahisi", "rahisi", "rahisi", "rahisi", "rahisi", "rahisi"]]),
    ("clean", &[["safi", "safi", "safi", "safi", "safi", "safi", "safi", "safi", "safi", "safi"]]),
    (
        "dirty",
        &[["mchafu", "wachafu", "mchafu", "michafu", "chafu", "machafu", "kichafu", "vichafu", "chafu", "chafu"]],
    ),
];

/// The forms of classes 2, 4, 6, 8 and 10.
const NUMBERS: &[Row<5>] = &[
    ("2", &[["wawili", "miwili", "mawili", "viwili", "mbili"]]),
    ("3", &[["watatu", "mitatu", "matatu", "vitatu", "tatu"]]),
];

/// What stands behind the subject's prefix.
const STATES: &[Row<1>] = &[("open", &[["funguliwa"]]), ("closed", &[["fungwa"]])];

/// Affirmed, denied.
const VERBS: &[Row<2>] = &[
    ("buy", &[["ananunua", "hanunui"]]),
    ("sell", &[["anauza", "hauzi"]]),
    ("see", &[["anaona", "haoni"]]),
    ("find", &[["anapata", "hapati"]]),
    ("lose", &[["anapoteza", "hapotezi"]]),
    ("want", &[["anataka", "hataki"]]),
    ("eat", &[["anakula", "hali"]]),
    ("wash", &[["anaosha", "haoshi"]]),
    ("draw", &[["anachora", "hachori"]]),
    ("work", &[["anafanya kazi", "hafanyi kazi"]]),
    ("sleep", &[["analala", "halali"]]),
    ("wait", &[["anasubiri", "hasubiri"]]),
    ("sing", &[["anaimba", "haimbi"]]),
    ("dance", &[["anacheza ngoma", "hachezi ngoma"]]),
    ("laugh", &[["anacheka", "hacheki"]]),
    ("cry", &[["analia", "halii"]]),
];

const ROLES: &[Row<1>] = &[
    ("teacher", &[["mwalimu"]]),
    ("doctor", &[["daktari"]]),
    ("student", &[["mwanafunzi"]]),
    ("tourist", &[["mtalii"]]),
    ("cook", &[["mpishi"]]),
];

const SETTING: Setting = Setting {
    spots: &[
        ("school", &[["shuleni"]]),
        ("hospital", &[["hospitalini"]]),
        ("library", &[["maktabani"]]),
        ("hotel", &[["hotelini"]]),
        ("restaurant", &[["mkahawani"]]),
        ("park", &[["bustanini"]]),
        ("market", &[["sokoni"]]),
        ("station", &[["kituoni"]]),
    ],
    cities: &[
        ("Berlin", &[["mjini Berlin"]]),
        ("Paris", &[["mjini Paris"]]),
        ("London", &[["mjini London"]]),
        ("Madrid", &[["mjini Madrid"]]),
        ("Rome", &[["mjini Roma"]]),
        ("Oslo", &[["mjini Oslo"]]),
        ("Tokyo", &[["mjini Tokyo"]]),
        ("Nairobi", &[["mjini Nairobi"]]),
    ],
    countries: &[
        ("Germany", &[["nchini Ujerumani"]]),
        ("France", &[["nchini Ufaransa"]]),
        ("England", &[["nchini Uingereza"]]),
        ("Spain", &[["nchini Uhispania"]]),
        ("Italy", &[["nchini Italia"]]),
        ("Norway", &[["nchini Norwei"]]),
        ("Japan", &[["nchini Japani"]]),
        ("Kenya", &[["nchini Kenya"]]),
    ],
    times: &[
        ("Monday", &[["siku ya Jumatatu"]]),
        ("Friday", &[["siku ya Ijumaa"]]),
        ("Sunday", &[["siku ya Jumapili"]]),
        ("morning", &[["asubuhi"]]),
        ("evening", &[["jioni"]]),
        ("summer", &[["wakati wa kiangazi"]]),
        ("winter", &[["wakati wa baridi"]]),
    ],
};

pub(super) fn say(m: &Meaning) -> String {
    let subject = match m.subject {
        Subject::Someone => "mtu fulani".to_string(),
        Subject::Name(name) => name.to_string(),
        Subject::Role(role) => word(ROLES, role, m)[0].to_string(),
        Subject::Thing(thing) => singular(thing, m),
    };
    let company = m.company.map_or(String::new(), |name| format!("pamoja na {name}"));
    subject_first(m, &SETTING, &subject, &predicate(m), &company)
}

fn predicate(m: &Meaning) -> String {
    let class = match m.subject {
        Subject::Thing(thing) => class(thing, m),
        _ => 1,
    };
    match m.predicate {
        Predicate::Does(doing) => either(m, word(VERBS, doing, m)).to_string(),
        Predicate::Handles { verb, count, object } => {
            format!("{} {}", either(m, word(VERBS, verb, m)), counted(count, object, m))
        }
        Predicate::Is(state @ ("open" | "closed")) => {
            format!("{}{}{}", prefix(class, m), either(m, ["me", "ja"]), word(STATES, state, m)[0])
        }
        Predicate::Is(adjective) => {
            format!("{} {}", either(m, ["ni", "si"]), word(ADJECTIVES, adjective, m)[class - 1])
        }
        Predicate::Costs(price) => format!("{}{} euro {price}", prefix(class, m), either(m, ["nagharimu", "gharimu"])),
    }
}

/// What a verb begins with to agree with its subject.
fn prefix(class: usize, m: &Meaning) -> &'static str {
    either(
        m,
        match class {
            1 => ["a", "ha"],
            3 => ["u", "hau"],
            5 => ["li", "hali"],
            7 => ["ki", "haki"],
            _ => ["i", "hai"],
        },
    )
}

/// The class of the singular.
fn class(thing: Thing, m: &Meaning) -> usize {
    match word(NOUNS, thing.noun, m)[0] {
        "1" => 1,
        "3" => 3,
        "5" => 5,
        "7" => 7,
        _ => 9,
    }
}

fn described(thing: Thing, noun: usize, class: usize, m: &Meaning) -> String {
    let adjective = thing.adjective.map_or("", |a| word(ADJECTIVES, a, m)[class - 1]);
    join([word(NOUNS, thing.noun, m)[noun], adjective])
}

fn singular(thing: Thing, m: &Meaning) -> String {
    described(thing, 1, class(thing, m), m)
}

fn counted(count: Count, thing: Thing, m: &Meaning) -> String {
    let class = class(thing, m) + 1;
    let many = described(thing, 2, class, m);
    let agreeing = |n: &'static str| word(NUMBERS, n, m)[class / 2 - 1].to_string();
    match count {
        Count::Exactly(1) => singular(thing, m),
        Count::Exactly(2) => format!("{many} {}", agreeing("2")),
        Count::Exactly(3) => format!("{many} {}", agreeing("3")),
        Count::Exactly(n) => format!("{many} {n}"),
        Count::Several => format!("{many} kadhaa"),
    }
}
