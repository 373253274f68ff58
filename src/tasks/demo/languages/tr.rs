//! Turkish: the verb last, suffixes that follow the vowels, the singular after numbers.

use super::{Row, Setting, either, join, number, sentence, word};
use crate::tasks::demo::world::{Count, Meaning, Predicate, Subject, Thing};

const NOUNS: &[Row<1>] = &[
    ("animal", &[["hayvan"]]),
    ("dog", &[["köpek"]]),
    ("cat", &[["kedi"]]),
    ("horse", &[["at"]]),
    ("bird", &[["kuş"]]),
    ("fruit", &[["meyve"]]),
    ("apple", &[["elma"]]),
    ("banana", &[["muz"]]),
    ("orange", &[["portakal"]]),
    ("tomato", &[["domates"]]),
    ("potato", &[["patates"]]),
    ("onion", &[["soğan"]]),
    ("flower", &[["çiçek"]]),
    ("rose", &[["gül"]]),
    ("tulip", &[["lale"]]),
    ("book", &[["kitap"]]),
    ("novel", &[["roman"]]),
    ("dictionary", &[["sözlük"]]),
    ("building", &[["bina"], ["yapı"]]),
    ("hotel", &[["otel"]]),
    ("restaurant", &[["restoran"], ["lokanta"]]),
    ("school", &[["okul"]]),
    ("bank", &[["banka"]]),
    ("car", &[["araba"], ["otomobil"]]),
    ("bicycle", &[["bisiklet"]]),
    ("guitar", &[["gitar"]]),
    ("radio", &[["radyo"]]),
    ("phone", &[["telefon"]]),
];

const ADJECTIVES: &[Row<1>] = &[
    ("big", &[["büyük"]]),
    ("small", &[["küçük"]]),
    ("new", &[["yeni"]]),
    ("old", &[["eski"]]),
    ("red", &[["kırmızı"]]),
    ("green", &[["yeşil"]]),
    ("white", &[["beyaz"]]),
    ("black", &[["siyah"]]),
    ("expensive", &[["pahalı"]]),
    ("cheap", &[["ucuz"]]),
    ("clean", &[["temiz"]]),
    ("dirty", &[["kirli"]]),
    ("open", &[["açık"]]),
    ("closed", &[["kapalı"]]),
];

/// Affirmed, denied.
const VERBS: &[Row<2>] = &[
    ("buy", &[["satın alıyor", "satın almıyor"]]),
    ("sell", &[["satıyor", "satmıyor"]]),
    ("see", &[["görüyor", "görmüyor"]]),
    ("find", &[["buluyor", "bulmuyor"]]),
    ("lose", &[["kaybediyor", "kaybetmiyor"]]),
    ("want", &[["istiyor", "istemiyor"]]),
    ("eat", &[["yiyor", "yemiyor"]]),
    ("wash", &[["yıkıyor", "yıkamıyor"]]),
    ("draw", &[["çiziyor", "çizmiyor"]]),
    ("work", &[["çalışıyor", "çalışmıyor"]]),
    ("sleep", &[["uyuyor", "uyumuyor"]]),
    ("wait", &[["bekliyor", "beklemiyor"]]),
    ("sing", &[["şarkı söylüyor", "şarkı söylemiyor"]]),
    ("dance", &[["dans ediyor", "dans etmiyor"]]),
    ("laugh", &[["gülüyor", "gülmüyor"]]),
    ("cry", &[["ağlıyor", "ağlamıyor"]]),
];

const ROLES: &[Row<1>] = &[
    ("teacher", &[["öğretmen"]]),
    ("doctor", &[["doktor"], ["hekim"]]),
    ("student", &[["öğrenci"]]),
    ("tourist", &[["turist"]]),
    ("cook", &[["aşçı"]]),
];

const SETTING: Setting = Setting {
    spots: &[
        ("school", &[["okulda"]]),
        ("hospital", &[["hastanede"]]),
        ("library", &[["kütüphanede"]]),
        ("hotel", &[["otelde"]]),
        ("restaurant", &[["restoranda"]]),
        ("park", &[["parkta"]]),
        ("market", &[["pazarda"]]),
        ("station", &[["istasyonda"]]),
    ],
    cities: &[
        ("Berlin", &[["Berlin'de"]]),
        ("Paris", &[["Paris'te"]]),
        ("London", &[["Londra'da"]]),
        ("Madrid", &[["Madrid'de"]]),
        ("Rome", &[["Roma'da"]]),
        ("Oslo", &[["Oslo'da"]]),
        ("Tokyo", &[["Tokyo'da"]]),
        ("Nairobi", &[["Nairobi'de"]]),
    ],
    countries: &[
        ("Germany", &[["Almanya'da"]]),
        ("France", &[["Fransa'da"]]),
        ("England", &[["İngiltere'de"]]),
        ("Spain", &[["İspanya'da"]]),
        ("Italy", &[["İtalya'da"]]),
        ("Norway", &[["Norveç'te"]]),
        ("Japan", &[["Japonya'da"]]),
        ("Kenya", &[["Kenya'da"]]),
    ],
    times: &[
        ("Monday", &[["pazartesi günü"]]),
        ("Friday", &[["cuma günü"]]),
        ("Sunday", &[["pazar günü"]]),
        ("morning", &[["sabah"]]),
        ("evening", &[["akşam"]]),
        ("summer", &[["yazın"]]),
        ("winter", &[["kışın"]]),
    ],
};

pub(super) fn say(m: &Meaning) -> String {
    let subject = match m.subject {
        Subject::Someone => "biri".to_string(),
        Subject::Name(name) => name.to_string(),
        Subject::Role(role) => word(ROLES, role, m)[0].to_string(),
        Subject::Thing(thing) => return of_thing(thing, m),
    };
    let company = m.company.map_or(String::new(), |name| format!("{name} ile"));
    sentence([&*subject, SETTING.time(m), &company, SETTING.town(m), SETTING.spot(m), &predicate(m)])
}

/// The town stands before the thing, made an adjective by `-ki`.
fn of_thing(thing: Thing, m: &Meaning) -> String {
    let town = match SETTING.town(m) {
        "" => String::new(),
        town => format!("{town}ki"),
    };
    sentence([&*town, &described(thing, m), SETTING.time(m), &predicate(m), either(m, ["", "değil"])])
}

fn predicate(m: &Meaning) -> String {
    match m.predicate {
        Predicate::Does(doing) => either(m, word(VERBS, doing, m)).to_string(),
        Predicate::Handles { verb, count, object } => {
            format!("{} {}", counted(count, object, m), either(m, word(VERBS, verb, m)))
        }
        Predicate::Is(adjective) => word(ADJECTIVES, adjective, m)[0].to_string(),
        Predicate::Costs(price) => format!("{price} avro"),
    }
}

fn adjective(thing: Thing, m: &Meaning) -> &'static str {
    thing.adjective.map_or("", |a| word(ADJECTIVES, a, m)[0])
}

fn described(thing: Thing, m: &Meaning) -> String {
    join([adjective(thing, m), word(NOUNS, thing.noun, m)[0]])
}

fn counted(count: Count, thing: Thing, m: &Meaning) -> String {
    let object = described(thing, m);
    match count {
        Count::Exactly(1) if m.negated => object,
        Count::Exactly(1) => join([adjective(thing, m), "bir", word(NOUNS, thing.noun, m)[0]]),
        Count::Exactly(n) => format!("{} {object}", number(n, ["iki", "üç"])),
        Count::Several => format!("birkaç {object}"),
    }
}
