//! Indonesian: no inflection; classifiers with numbers, `itu` for what is known.

use super::{Row, Setting, either, join, number, sentence, subject_first, word};
use crate::tasks::demo::world::{Count, Meaning, Predicate, Subject, Thing};

/// Noun, classifier.
const NOUNS: &[Row<2>] = &[
    ("animal", &[["hewan", "ekor"], ["binatang", "ekor"]]),
    ("dog", &[["anjing", "ekor"]]),
    ("cat", &[["kucing", "ekor"]]),
    ("horse", &[["kuda", "ekor"]]),
    ("bird", &[["burung", "ekor"]]),
    ("fruit", &[["buah", "butir"]]),
    ("apple", &[["apel", "butir"]]),
    ("banana", &[["pisang", "buah"]]),
    ("orange", &[["jeruk", "butir"]]),
    ("tomato", &[["tomat", "butir"]]),
    ("potato", &[["kentang", "butir"]]),
    ("onion", &[["bawang", "butir"]]),
    ("flower", &[["bunga", "tangkai"]]),
    ("rose", &[["mawar", "tangkai"]]),
    ("tulip", &[["tulip", "tangkai"]]),
    ("book", &[["buku", "buah"]]),
    ("novel", &[["novel", "buah"]]),
    ("dictionary", &[["kamus", "buah"]]),
    ("building", &[["bangunan", "buah"], ["gedung", "buah"]]),
    ("hotel", &[["hotel", "buah"]]),
    ("restaurant", &[["restoran", "buah"]]),
    ("school", &[["sekolah", "buah"]]),
    ("bank", &[["bank", "buah"]]),
    ("car", &[["mobil", "buah"]]),
    ("bicycle", &[["sepeda", "buah"]]),
    ("guitar", &[["gitar", "buah"]]),
    ("radio", &[["radio", "buah"]]),
    ("phone", &[["telepon", "buah"]]),
];

const ADJECTIVES: &[Row<1>] = &[
    ("big", &[["besar"]]),
    ("small", &[["kecil"]]),
    ("new", &[["baru"]]),
    ("old", &[["tua"]]),
    ("red", &[["merah"]]),
    ("green", &[["hijau"]]),
    ("white", &[["putih"]]),
    ("black", &[["hitam"]]),
    ("expensive", &[["mahal"]]),
    ("cheap", &[["murah"]]),
    ("clean", &[["bersih"]]),
    ("dirty", &[["kotor"]]),
    ("open", &[["buka"]]),
    ("closed", &[["tutup"]]),
];

const VERBS: &[Row<1>] = &[
    ("buy", &[["membeli"]]),
    ("sell", &[["menjual"]]),
    ("see", &[["melihat"]]),
    ("find", &[["menemukan"]]),
    ("lose", &[["kehilangan"]]),
    ("want", &[["menginginkan"]]),
    ("eat", &[["makan"], ["memakan"]]),
    ("wash", &[["mencuci"]]),
    ("draw", &[["menggambar"]]),
    ("work", &[["bekerja"]]),
    ("sleep", &[["tidur"]]),
    ("wait", &[["menunggu"]]),
    ("sing", &[["bernyanyi"]]),
    ("dance", &[["menari"]]),
    ("laugh", &[["tertawa"]]),
    ("cry", &[["menangis"]]),
];

const ROLES: &[Row<1>] = &[
    ("teacher", &[["guru itu"]]),
    ("doctor", &[["dokter itu"]]),
    ("student", &[["mahasiswa itu"]]),
    ("tourist", &[["turis itu"]]),
    ("cook", &[["koki itu"]]),
];

const SETTING: Setting = Setting {
    spots: &[
        ("school", &[["di sekolah"]]),
        ("hospital", &[["di rumah sakit"]]),
        ("library", &[["di perpustakaan"]]),
        ("hotel", &[["di hotel"]]),
        ("restaurant", &[["di restoran"]]),
        ("park", &[["di taman"]]),
        ("market", &[["di pasar"]]),
        ("station", &[["di stasiun"]]),
    ],
    cities: &[
        ("Berlin", &[["di Berlin"]]),
        ("Paris", &[["di Paris"]]),
        ("London", &[["di London"]]),
        ("Madrid", &[["di Madrid"]]),
        ("Rome", &[["di Roma"]]),
        ("Oslo", &[["di Oslo"]]),
        ("Tokyo", &[["di Tokyo"]]),
        ("Nairobi", &[["di Nairobi"]]),
    ],
    countries: &[
        ("Germany", &[["di Jerman"]]),
        ("France", &[["di Prancis"]]),
        ("England", &[["di Inggris"]]),
        ("Spain", &[["di Spanyol"]]),
        ("Italy", &[["di Italia"]]),
        ("Norway", &[["di Norwegia"]]),
        ("Japan", &[["di Jepang"]]),
        ("Kenya", &[["di Kenya"]]),
    ],
    times: &[
        ("Monday", &[["pada hari Senin"]]),
        ("Friday", &[["pada hari Jumat"]]),
        ("Sunday", &[["pada hari Minggu"]]),
        ("morning", &[["pada pagi hari"]]),
        ("evening", &[["pada malam hari"]]),
        ("summer", &[["pada musim panas"]]),
        ("winter", &[["pada musim dingin"]]),
    ],
};

pub(super) fn say(m: &Meaning) -> String {
    let subject = match m.subject {
        Subject::Someone => "seseorang".to_string(),
        Subject::Name(name) => name.to_string(),
        Subject::Role(role) => word(ROLES, role, m)[0].to_string(),
        Subject::Thing(thing) => return of_thing(thing, m),
    };
    let company = m.company.map_or(String::new(), |name| format!("bersama {name}"));
    let predicate = join([either(m, ["", "tidak"]), &predicate(m)]);
    subject_first(m, &SETTING, &subject, &predicate, &company)
}

/// `itu` closes the whole subject, its town included.
fn of_thing(thing: Thing, m: &Meaning) -> String {
    let subject = described(thing, m);
    sentence([&*subject, SETTING.town(m), "itu", either(m, ["", "tidak"]), &predicate(m), SETTING.time(m)])
}

fn predicate(m: &Meaning) -> String {
    match m.predicate {
        Predicate::Does(doing) => word(VERBS, doing, m)[0].to_string(),
        Predicate::Handles { verb, count, object } => {
            format!("{} {}", word(VERBS, verb, m)[0], counted(count, object, m))
        }
        Predicate::Is(adjective) => word(ADJECTIVES, adjective, m)[0].to_string(),
        Predicate::Costs(price) => format!("berharga {price} euro"),
    }
}

fn described(thing: Thing, m: &Meaning) -> String {
    let adjective = thing.adjective.map_or("", |a| word(ADJECTIVES, a, m)[0]);
    join([word(NOUNS, thing.noun, m)[0], adjective])
}

fn counted(count: Count, thing: Thing, m: &Meaning) -> String {
    let classifier = word(NOUNS, thing.noun, m)[1];
    let object = described(thing, m);
    match count {
        Count::Exactly(1) if m.negated => object,
        Count::Exactly(1) => format!("se{classifier} {object}"),
        Count::Exactly(n) => format!("{} {classifier} {object}", number(n, ["dua", "tiga"])),
        Count::Several => format!("beberapa {classifier} {object}"),
    }
}
