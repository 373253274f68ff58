//! Hungarian: cases, the singular after numbers, `a` and `az`, no copula before an adjective.

use super::{Row, Setting, either, join, number, sentence, starts_with_vowel, word};
use crate::tasks::demo::world::{Count, Meaning, Predicate, Subject, Thing, Town};

/// Nominative, accusative.
const NOUNS: &[Row<2>] = &[
    ("animal", &[["állat", "állatot"]]),
    ("dog", &[["kutya", "kutyát"]]),
    ("cat", &[["macska", "macskát"]]),
    ("horse", &[["ló", "lovat"]]),
    ("bird", &[["madár", "madarat"]]),
    ("fruit", &[["gyümölcs", "gyümölcsöt"]]),
    ("apple", &[["alma", "almát"]]),
    ("banana", &[["banán", "banánt"]]),
    ("orange", &[["narancs", "narancsot"]]),
    ("tomato", &[["paradicsom", "paradicsomot"]]),
    ("potato", &[["burgonya", "burgonyát"], ["krumpli", "krumplit"]]),
    ("onion", &[["hagyma", "hagymát"]]),
    ("flower", &[["virág", "virágot"]]),
    ("rose", &[["rózsa", "rózsát"]]),
    ("tulip", &[["tulipán", "tulipánt"]]),
    ("book", &[["könyv", "könyvet"]]),
    ("novel", &[["regény", "regényt"]]),
    ("dictionary", &[["szótár", "szótárt"]]),
    ("building", &[["épület", "épületet"]]),
    ("hotel", &[["hotel", "hotelt"], ["szálloda", "szállodát"]]),
    ("restaurant", &[["étterem", "éttermet"]]),
    ("school", &[["iskola", "iskolát"]]),
    ("bank", &[["bank", "bankot"]]),
    ("car", &[["autó", "autót"]]),
    ("bicycle", &[["bicikli", "biciklit"], ["kerékpár", "kerékpárt"]]),
    ("guitar", &[["gitár", "gitárt"]]),
    ("radio", &[["rádió", "rádiót"]]),
    ("phone", &[["telefon", "telefont"]]),
];

/// Before a noun, as a predicate.
const ADJECTIVES: &[Row<2>] = &[
    ("big", &[["nagy", "nagy"]]),
    ("small", &[["kis", "kicsi"]]),
    ("new", &[["új", "új"]]),
    ("old", &[["régi", "régi"]]),
    ("red", &[["piros", "piros"]]),
    ("green", &[["zöld", "zöld"]]),
    ("white", &[["fehér", "fehér"]]),
    ("black", &[["fekete", "fekete"]]),
    ("expensive", &[["drága", "drága"]]),
    ("cheap", &[["olcsó", "olcsó"]]),
    ("clean", &[["tiszta", "tiszta"]]),
    ("dirty", &[["piszkos", "piszkos"]]),
];

/// These take the verb `van`.
const STATES: &[Row<1>] = &[("open", &[["nyitva"]]), ("closed", &[["zárva"]])];

/// Affirmed, denied (where a prefix goes behind).
const VERBS: &[Row<2>] = &[
    ("buy", &[["vesz", "nem vesz"], ["vásárol", "nem vásárol"]]),
    ("sell", &[["elad", "nem ad el"]]),
    ("see", &[["lát", "nem lát"]]),
    ("find", &[["talál", "nem talál"]]),
    ("lose", &[["elveszít", "nem veszít el"]]),
    ("want", &[["szeretne", "nem szeretne"]]),
    ("eat", &[["eszik", "nem eszik"]]),
    ("wash", &[["megmos", "nem mos meg"]]),
    ("draw", &[["rajzol", "nem rajzol"]]),
    ("work", &[["dolgozik", "nem dolgozik"]]),
    ("sleep", &[["alszik", "nem alszik"]]),
    ("wait", &[["vár", "nem vár"]]),
    ("sing", &[["énekel", "nem énekel"]]),
    ("dance", &[["táncol", "nem táncol"]]),
    ("laugh", &[["nevet", "nem nevet"]]),
    ("cry", &[["sír", "nem sír"]]),
];

const ROLES: &[Row<1>] = &[
    ("teacher", &[["a tanár"]]),
    ("doctor", &[["az orvos"], ["a doktor"]]),
    ("student", &[["a diák"]]),
    ("tourist", &[["a turista"]]),
    ("cook", &[["a szakács"]]),
];

const COMPANY: &[Row<1>] = &[
    ("Anna", &[["Annával"]]),
    ("Tom", &[["Tommal"]]),
    ("Maria", &[["Mariával"]]),
    ("David", &[["Daviddal"]]),
    ("Sara", &[["Sarával"]]),
    ("Peter", &[["Peterrel"]]),
    ("Emma", &[["Emmával"]]),
    ("Daniel", &[["Daniellel"]]),
];

/// The adjectives of towns.
const LOCAL: &[Row<1>] = &[
    ("Berlin", &[["berlini"]]),
    ("Paris", &[["párizsi"]]),
    ("London", &[["londoni"]]),
    ("Madrid", &[["madridi"]]),
    ("Rome", &[["római"]]),
    ("Oslo", &[["oslói"]]),
    ("Tokyo", &[["tokiói"]]),
    ("Nairobi", &[["nairobi"]]),
    ("Germany", &[["németországi"]]),
    ("France", &[["franciaországi"]]),
    ("England", &[["angliai"]]),
    ("Spain", &[["spanyolországi"]]),
    ("Italy", &[["olaszországi"]]),
    ("Norway", &[["norvégiai"]]),
    ("Japan", &[["japán"]]),
    ("Kenya", &[["kenyai"]]),
];

const SETTING: Setting = Setting {
    spots: &[
        ("school", &[["az iskolában"]]),
        ("hospital", &[["a kórházban"]]),
        ("library", &[["a könyvtárban"]]),
        ("hotel", &[["a hotelben"]]),
        ("restaurant", &[["az étteremben"]]),
        ("park", &[["a parkban"]]),
        ("market", &[["a piacon"]]),
        ("station", &[["az állomáson"]]),
    ],
    cities: &[
        ("Berlin", &[["Berlinben"]]),
        ("Paris", &[["Párizsban"]]),
        ("London", &[["Londonban"]]),
        ("Madrid", &[["Madridban"]]),
        ("Rome", &[["Rómában"]]),
        ("Oslo", &[["Oslóban"]]),
        ("Tokyo", &[["Tokióban"]]),
        ("Nairobi", &[["Nairobiban"]]),
    ],
    countries: &[
        ("Germany", &[["Németországban"]]),
        ("France", &[["Franciaországban"]]),
        ("England", &[["Angliában"]]),
        ("Spain", &[["Spanyolországban"]]),
        ("Italy", &[["Olaszországban"]]),
        ("Norway", &[["Norvégiában"]]),
        ("Japan", &[["Japánban"]]),
        ("Kenya", &[["Kenyában"]]),
    ],
    times: &[
        ("Monday", &[["hétfőn"]]),
        ("Friday", &[["pénteken"]]),
        ("Sunday", &[["vasárnap"]]),
        ("morning", &[["reggel"]]),
        ("evening", &[["este"]]),
        ("summer", &[["nyáron"]]),
        ("winter", &[["télen"]]),
    ],
};

pub(super) fn say(m: &Meaning) -> String {
    let subject = match m.subject {
        Subject::Someone => "valaki".to_string(),
        Subject::Name(name) => name.to_string(),
        Subject::Role(role) => word(ROLES, role, m)[0].to_string(),
        Subject::Thing(thing) => definite(thing, m),
    };
    let company = m.company.map_or("", |name| word(COMPANY, name, m)[0]);
    let (spot, town, time) = (SETTING.spot(m), SETTING.town(m), SETTING.time(m));
    let not = either(m, ["", "nem"]);
    match m.predicate {
        Predicate::Does(doing) => sentence([&*subject, time, either(m, word(VERBS, doing, m)), company, town, spot]),
        Predicate::Handles { verb, count, object } => {
            let object = counted(count, object, m);
            sentence([&*subject, time, either(m, word(VERBS, verb, m)), &object, company, town, spot])
        }
        Predicate::Is(state @ ("open" | "closed")) => {
            let state = word(STATES, state, m)[0];
            sentence([&*subject, time, either(m, ["", "nincs"]), state, either(m, ["van", ""])])
        }
        Predicate::Is(adjective) => sentence([&*subject, time, not, word(ADJECTIVES, adjective, m)[1]]),
        Predicate::Costs(price) if m.negated => sentence([&*subject, "nem kerül", &price.to_string(), "euróba"]),
        Predicate::Costs(price) => sentence([&*subject, &price.to_string(), "euróba kerül"]),
    }
}

fn described(thing: Thing, local: &str, case: usize, m: &Meaning) -> String {
    let adjective = thing.adjective.map_or("", |a| word(ADJECTIVES, a, m)[0]);
    join([adjective, local, word(NOUNS, thing.noun, m)[case]])
}

/// With its article and, as an adjective, its town.
fn definite(thing: Thing, m: &Meaning) -> String {
    let local = match m.town {
        Some(Town::City(town) | Town::Country(town)) => word(LOCAL, town, m)[0],
        None => "",
    };
    let thing = described(thing, local, 0, m);
    format!("{} {thing}", if starts_with_vowel(&thing) { "az" } else { "a" })
}

fn counted(count: Count, thing: Thing, m: &Meaning) -> String {
    let object = described(thing, "", 1, m);
    match count {
        Count::Exactly(1) if m.negated => object,
        Count::Exactly(1) => format!("egy {object}"),
        Count::Exactly(n) => format!("{} {object}", number(n, ["két", "három"])),
        Count::Several => format!("több {object}"),
    }
}
