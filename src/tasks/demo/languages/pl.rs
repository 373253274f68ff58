//! Polish: cases, the genitive after a denial and from five on, animate and inanimate masculines.

use super::{Row, Setting, either, join, number, subject_first, word};
use crate::tasks::demo::world::{Count, Meaning, Predicate, Subject, Thing};

/// Gender (a: masculine with its genitive as accusative), nominative, accusative, genitive, plural, its genitive.
const NOUNS: &[Row<6>] = &[
    ("animal", &[["n", "zwierzę", "zwierzę", "zwierzęcia", "zwierzęta", "zwierząt"]]),
    ("dog", &[["a", "pies", "psa", "psa", "psy", "psów"]]),
    ("cat", &[["a", "kot", "kota", "kota", "koty", "kotów"]]),
    ("horse", &[["a", "koń", "konia", "konia", "konie", "koni"]]),
    ("bird", &[["a", "ptak", "ptaka", "ptaka", "ptaki", "ptaków"]]),
    ("fruit", &[["m", "owoc", "owoc", "owocu", "owoce", "owoców"]]),
    ("apple", &[["n", "jabłko", "jabłko", "jabłka", "jabłka", "jabłek"]]),
    ("banana", &[["a", "banan", "banana", "banana", "banany", "bananów"]]),
    ("orange", &[["f", "pomarańcza", "pomarańczę", "pomarańczy", "pomarańcze", "pomarańczy"]]),
    ("tomato", &[["a", "pomidor", "pomidora", "pomidora", "pomidory", "pomidorów"]]),
    ("potato", &[["a", "ziemniak", "ziemniaka", "ziemniaka", "ziemniaki", "ziemniaków"]]),
    ("onion", &[["f", "cebula", "cebulę", "cebuli", "cebule", "cebul"]]),
    ("flower", &[["m", "kwiat", "kwiat", "kwiatu", "kwiaty", "kwiatów"]]),
    ("rose", &[["f", "róża", "różę", "róży", "róże", "róż"]]),
    ("tulip", &[["a", "tulipan", "tulipana", "tulipana", "tulipany", "tulipanów"]]),
    ("book", &[["f", "książka", "książkę", "książki", "książki", "książek"]]),
    ("novel", &[["f", "powieść", "powieść", "powieści", "powieści", "powieści"]]),
    ("dictionary", &[["m", "słownik", "słownik", "słownika", "słowniki", "słowników"]]),
    ("building", &[["m", "budynek", "budynek", "budynku", "budynki", "budynków"]]),
    ("hotel", &[["m", "hotel", "hotel", "hotelu", "hotele", "hoteli"]]),
    ("restaurant", &[["f", "restauracja", "restaurację", "restauracji", "restauracje", "restauracji"]]),
    ("school", &[["f", "szkoła", "szkołę", "szkoły", "szkoły", "szkół"]]),
    ("bank", &[["m", "bank", "bank", "banku", "banki", "banków"]]),
    (
        "car",
        &[
            ["m", "samochód", "samochód", "samochodu", "samochody", "samochodów"],
            ["n", "auto", "auto", "auta", "auta", "aut"],
        ],
    ),
    ("bicycle", &[["m", "rower", "rower", "roweru", "rowery", "rowerów"]]),
    ("guitar", &[["f", "gitara", "gitarę", "gitary", "gitary", "gitar"]]),
    ("radio", &[["n", "radio", "radio", "radia", "radia", "radiów"]]),
    ("phone", &[["m", "telefon", "telefon", "telefonu", "telefony", "telefonów"]]),
];

/// Masculine, feminine, neuter (and plural); genitive masculine, feminine; accusative feminine; genitive plural.
const ADJECTIVES: &[Row<7>] = &[
    ("big", &[["duży", "duża", "duże", "dużego", "dużej", "dużą", "dużych"]]),
    ("small", &[["mały", "mała", "małe", "małego", "małej", "małą", "małych"]]),
    ("new", &[["nowy", "nowa", "nowe", "nowego", "nowej", "nową", "nowych"]]),
    ("old", &[["stary", "stara", "stare", "starego", "starej", "starą", "starych"]]),
    ("red", &[["czerwony", "czerwona", "czerwone", "czerwonego", "czerwonej", "czerwoną", "czerwonych"]]),
    ("green", &[["zielony", "zielona", "zielone", "zielonego", "zielonej", "zieloną", "zielonych"]]),
    ("white", &[["biały", "biała", "białe", "białego", "białej", "białą", "białych"]]),
    ("black", &[["czarny", "czarna", "czarne", "czarnego", "czarnej", "czarną", "czarnych"]]),
    ("expensive", &[["drogi", "droga", "drogie", "drogiego", "drogiej", "drogą", "drogich"]]),
    ("cheap", &[["tani", "tania", "tanie", "taniego", "taniej", "tanią", "tanich"]]),
    ("clean", &[["czysty", "czysta", "czyste", "czystego", "czystej", "czystą", "czystych"]]),
    ("dirty", &[["brudny", "brudna", "brudne", "brudnego", "brudnej", "brudną", "brudnych"]]),
    ("open", &[["otwarty", "otwarta", "otwarte", "otwartego", "otwartej", "otwartą", "otwartych"]]),
    ("closed", &[["zamknięty", "zamknięta", "zamknięte", "zamkniętego", "zamkniętej", "zamkniętą", "zamkniętych"]]),
];

const VERBS: &[Row<1>] = &[
    ("buy", &[["kupuje"]]),
    ("sell", &[["sprzedaje"]]),
    ("see", &[["widzi"]]),
    ("find", &[["znajduje"]]),
    ("lose", &[["gubi"]]),
    ("want", &[["chce"]]),
    ("eat", &[["je"]]),
    ("wash", &[["myje"]]),
    ("draw", &[["rysuje"]]),
    ("work", &[["pracuje"]]),
    ("sleep", &[["śpi"]]),
    ("wait", &[["czeka"]]),
    ("sing", &[["śpiewa"]]),
    ("dance", &[["tańczy"]]),
    ("laugh", &[["śmieje się"]]),
    ("cry", &[["płacze"]]),
];

const ROLES: &[Row<1>] = &[
    ("teacher", &[["nauczyciel"]]),
    ("doctor", &[["lekarz"], ["doktor"]]),
    ("student", &[["student"]]),
    ("tourist", &[["turysta"]]),
    ("cook", &[["kucharz"]]),
];

const COMPANY: &[Row<1>] = &[
    ("Anna", &[["z Anną"]]),
    ("Tom", &[["z Tomem"]]),
    ("Maria", &[["z Marią"]]),
    ("David", &[["z Davidem"]]),
    ("Sara", &[["z Sarą"]]),
    ("Peter", &[["z Peterem"]]),
    ("Emma", &[["z Emmą"]]),
    ("Daniel", &[["z Danielem"]]),
];

const SETTING: Setting = Setting {
    spots: &[
        ("school", &[["w szkole"]]),
        ("hospital", &[["w szpitalu"]]),
        ("library", &[["w bibliotece"]]),
        ("hotel", &[["w hotelu"]]),
        ("restaurant", &[["w restauracji"]]),
        ("park", &[["w parku"]]),
        ("market", &[["na targu"]]),
        ("station", &[["na dworcu"]]),
    ],
    cities: &[
        ("Berlin", &[["w Berlinie"]]),
        ("Paris", &[["w Paryżu"]]),
        ("London", &[["w Londynie"]]),
        ("Madrid", &[["w Madrycie"]]),
        ("Rome", &[["w Rzymie"]]),
        ("Oslo", &[["w Oslo"]]),
        ("Tokyo", &[["w Tokio"]]),
        ("Nairobi", &[["w Nairobi"]]),
    ],
    countries: &[
        ("Germany", &[["w Niemczech"]]),
        ("France", &[["we Francji"]]),
        ("England", &[["w Anglii"]]),
        ("Spain", &[["w Hiszpanii"]]),
        ("Italy", &[["we Włoszech"]]),
        ("Norway", &[["w Norwegii"]]),
        ("Japan", &[["w Japonii"]]),
        ("Kenya", &[["w Kenii"]]),
    ],
    times: &[
        ("Monday", &[["w poniedziałek"]]),
        ("Friday", &[["w piątek"]]),
        ("Sunday", &[["w niedzielę"]]),
        ("morning", &[["rano"]]),
        ("evening", &[["wieczorem"]]),
        ("summer", &[["latem"]]),
        ("winter", &[["zimą"]]),
    ],
};

pub(super) fn say(m: &Meaning) -> String {
    let subject = match m.subject {
        Subject::Someone => "ktoś".to_string(),
        Subject::Name(name) => name.to_string(),
        Subject::Role(role) => word(ROLES, role, m)[0].to_string(),
        Subject::Thing(thing) => nominative(thing, m),
    };
    let company = m.company.map_or("", |name| word(COMPANY, name, m)[0]);
    let predicate = join([either(m, ["", "nie"]), &predicate(m)]);
    subject_first(m, &SETTING, &subject, &predicate, company)
}

fn predicate(m: &Meaning) -> String {
    match (m.predicate, m.subject) {
        (Predicate::Does(doing), _) => word(VERBS, doing, m)[0].to_string(),
        (Predicate::Handles { verb, count, object }, _) => {
            format!("{} {}", word(VERBS, verb, m)[0], counted(count, object, m))
        }
        (Predicate::Is(adjective), Subject::Thing(thing)) => {
            format!("jest {}", word(ADJECTIVES, adjective, m)[gender(thing, m)])
        }
        (Predicate::Is(adjective), _) => format!("jest {}", word(ADJECTIVES, adjective, m)[0]),
        (Predicate::Costs(price), _) => format!("kosztuje {price} euro"),
    }
}

/// The column of the nominative singular among the adjective's forms.
fn gender(thing: Thing, m: &Meaning) -> usize {
    match word(NOUNS, thing.noun, m)[0] {
        "f" => 1,
        "n" => 2,
        _ => 0,
    }
}

fn described(thing: Thing, adjective: usize, noun: usize, m: &Meaning) -> String {
    let adjective = thing.adjective.map_or("", |a| word(ADJECTIVES, a, m)[adjective]);
    join([adjective, word(NOUNS, thing.noun, m)[noun]])
}

fn nominative(thing: Thing, m: &Meaning) -> String {
    described(thing, gender(thing, m), 1, m)
}

fn accusative(thing: Thing, m: &Meaning) -> String {
    let adjective = match word(NOUNS, thing.noun, m)[0] {
        "a" => 3,
        "f" => 5,
        _ => gender(thing, m),
    };
    described(thing, adjective, 2, m)
}

fn genitive(thing: Thing, m: &Meaning) -> String {
    let adjective = if gender(thing, m) == 1 { 4 } else { 3 };
    described(thing, adjective, 3, m)
}

fn counted(count: Count, thing: Thing, m: &Meaning) -> String {
    let few = described(thing, 2, 4, m);
    let many = described(thing, 6, 5, m);
    let two = if gender(thing, m) == 1 { "dwie" } else { "dwa" };
    match count {
        Count::Exactly(1) if m.negated => genitive(thing, m),
        Count::Exactly(1) => accusative(thing, m),
        Count::Exactly(n @ 2..=4) => format!("{} {few}", number(n, [two, "trzy"])),
        Count::Exactly(n) => format!("{n} {many}"),
        Count::Several => format!("kilka {many}"),
    }
}
