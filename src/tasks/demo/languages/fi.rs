//! Finnish: cases instead of articles, a verb that says no, the partitive after numbers and denials.

use super::{Row, Setting, join, number, subject_first, word};
use crate::tasks::demo::world::{Count, Meaning, Predicate, Subject, Thing};

/// Nominative, genitive (also the accusative), partitive, partitive plural.
const NOUNS: &[Row<4>] = &[
    ("animal", &[["eläin", "eläimen", "eläintä", "eläimiä"]]),
    ("dog", &[["koira", "koiran", "koiraa", "koiria"]]),
    ("cat", &[["kissa", "kissan", "kissaa", "kissoja"]]),
    ("horse", &[["hevonen", "hevosen", "hevosta", "hevosia"]]),
    ("bird", &[["lintu", "linnun", "lintua", "lintuja"]]),
    ("fruit", &[["hedelmä", "hedelmän", "hedelmää", "hedelmiä"]]),
    ("apple", &[["omena", "omenan", "omenaa", "omenoita"]]),
    ("banana", &[["banaani", "banaanin", "banaania", "banaaneja"]]),
    ("orange", &[["appelsiini", "appelsiinin", "appelsiinia", "appelsiineja"]]),
    ("tomato", &[["tomaatti", "tomaatin", "tomaattia", "tomaatteja"]]),
    ("potato", &[["peruna", "perunan", "perunaa", "perunoita"]]),
    ("onion", &[["sipuli", "sipulin", "sipulia", "sipuleita"]]),
    ("flower", &[["kukka", "kukan", "kukkaa", "kukkia"]]),
    ("rose", &[["ruusu", "ruusun", "ruusua", "ruusuja"]]),
    ("tulip", &[["tulppaani", "tulppaanin", "tulppaania", "tulppaaneja"]]),
    ("book", &[["kirja", "kirjan", "kirjaa", "kirjoja"]]),
    ("novel", &[["romaani", "romaanin", "romaania", "romaaneja"]]),
    ("dictionary", &[["sanakirja", "sanakirjan", "sanakirjaa", "sanakirjoja"]]),
    ("building", &[["rakennus", "rakennuksen", "rakennusta", "rakennuksia"]]),
    ("hotel", &[["hotelli", "hotellin", "hotellia", "hotelleja"]]),
    ("restaurant", &[["ravintola", "ravintolan", "ravintolaa", "ravintoloita"]]),
    ("school", &[["koulu", "koulun", "koulua", "kouluja"]]),
    ("bank", &[["pankki", "pankin", "pankkia", "pankkeja"]]),
    ("car", &[["auto", "auton", "autoa", "autoja"]]),
    ("bicycle", &[["polkupyörä", "polkupyörän", "polkupyörää", "polkupyöriä"]]),
    ("guitar", &[["kitara", "kitaran", "kitaraa", "kitaroita"]]),
    ("radio", &[["radio", "radion", "radiota", "radioita"]]),
    ("phone", &[["puhelin", "puhelimen", "puhelinta", "puhelimia"]]),
];

/// Nominative, genitive, partitive, partitive plural.
const ADJECTIVES: &[Row<4>] = &[
    ("big", &[["iso", "ison", "isoa", "isoja"], ["suuri", "suuren", "suurta", "suuria"]]),
    ("small", &[["pieni", "pienen", "pientä", "pieniä"]]),
    ("new", &[["uusi", "uuden", "uutta", "uusia"]]),
    ("old", &[["vanha", "vanhan", "vanhaa", "vanhoja"]]),
    ("red", &[["punainen", "punaisen", "punaista", "punaisia"]]),
    ("green", &[["vihreä", "vihreän", "vihreää", "vihreitä"]]),
    ("white", &[["valkoinen", "valkoisen", "valkoista", "valkoisia"]]),
    ("black", &[["musta", "mustan", "mustaa", "mustia"]]),
    ("expensive", &[["kallis", "kalliin", "kallista", "kalliita"]]),
    ("cheap", &[["halpa", "halvan", "halpaa", "halpoja"]]),
    ("clean", &[["puhdas", "puhtaan", "puhdasta", "puhtaita"]]),
    ("dirty", &[["likainen", "likaisen", "likaista", "likaisia"]]),
];

/// Adverbs that do not change.
const STATES: &[Row<1>] = &[("open", &[["auki"]]), ("closed", &[["kiinni"]])];

/// Third person, and the form after the verb of denial.
const VERBS: &[Row<2>] = &[
    ("buy", &[["ostaa", "osta"]]),
    ("sell", &[["myy", "myy"]]),
    ("see", &[["näkee", "näe"]]),
    ("find", &[["löytää", "löydä"]]),
    ("lose", &[["kadottaa", "kadota"]]),
    ("want", &[["haluaa", "halua"]]),
    ("eat", &[["syö", "syö"]]),
    ("wash", &[["pesee", "pese"]]),
    ("draw", &[["piirtää", "piirrä"]]),
    ("work", &[["työskentelee", "työskentele"]]),
    ("sleep", &[["nukkuu", "nuku"]]),
    ("wait", &[["odottaa", "odota"]]),
    ("sing", &[["laulaa", "laula"]]),
    ("dance", &[["tanssii", "tanssi"]]),
    ("laugh", &[["nauraa", "naura"]]),
    ("cry", &[["itkee", "itke"]]),
];

const ROLES: &[Row<1>] = &[
    ("teacher", &[["opettaja"]]),
    ("doctor", &[["lääkäri"], ["tohtori"]]),
    ("student", &[["opiskelija"]]),
    ("tourist", &[["turisti"]]),
    ("cook", &[["kokki"]]),
];

const SETTING: Setting = Setting {
    spots: &[
        ("school", &[["koulussa"]]),
        ("hospital", &[["sairaalassa"]]),
        ("library", &[["kirjastossa"]]),
        ("hotel", &[["hotellissa"]]),
        ("restaurant", &[["ravintolassa"]]),
        ("park", &[["puistossa"]]),
        ("market", &[["torilla"]]),
        ("station", &[["asemalla"]]),
    ],
    cities: &[
        ("Berlin", &[["Berliinissä"]]),
        ("Paris", &[["Pariisissa"]]),
        ("London", &[["Lontoossa"]]),
        ("Madrid", &[["Madridissa"]]),
        ("Rome", &[["Roomassa"]]),
        ("Oslo", &[["Oslossa"]]),
        ("Tokyo", &[["Tokiossa"]]),
        ("Nairobi", &[["Nairobissa"]]),
    ],
    countries: &[
        ("Germany", &[["Saksassa"]]),
        ("France", &[["Ranskassa"]]),
        ("England", &[["Englannissa"]]),
        ("Spain", &[["Espanjassa"]]),
        ("Italy", &[["Italiassa"]]),
        ("Norway", &[["Norjassa"]]),
        ("Japan", &[["Japanissa"]]),
        ("Kenya", &[["Keniassa"]]),
    ],
    times: &[
        ("Monday", &[["maanantaina"]]),
        ("Friday", &[["perjantaina"]]),
        ("Sunday", &[["sunnuntaina"]]),
        ("morning", &[["aamulla"]]),
        ("evening", &[["illalla"]]),
        ("summer", &[["kesällä"]]),
        ("winter", &[["talvella"]]),
    ],
};

/// The columns of nouns and adjectives.
const NOMINATIVE: usize = 0;
const GENITIVE: usize = 1;
const PARTITIVE: usize = 2;
const PARTITIVE_PLURAL: usize = 3;

pub(super) fn say(m: &Meaning) -> String {
    let subject = match m.subject {
        Subject::Someone => "joku".to_string(),
        Subject::Name(name) => name.to_string(),
        Subject::Role(role) => word(ROLES, role, m)[0].to_string(),
        Subject::Thing(thing) => in_case(thing, NOMINATIVE, m),
    };
    let company = m.company.map_or(String::new(), |name| format!("{} kanssa", genitive(name)));
    subject_first(m, &SETTING, &subject, &predicate(m), &company)
}

/// The genitive of a first name.
fn genitive(name: &str) -> String {
    let link = if name.ends_with(|c: char| "aeiouyäö".contains(c)) { "" } else { "i" };
    format!("{name}{link}n")
}

fn predicate(m: &Meaning) -> String {
    let verb = |[affirmed, denied]: [&str; 2]| match m.negated {
        false => affirmed.to_string(),
        true => format!("ei {denied}"),
    };
    match m.predicate {
        Predicate::Does(doing) => verb(word(VERBS, doing, m)),
        Predicate::Handles { verb: handling, count, object } => {
            format!("{} {}", verb(word(VERBS, handling, m)), counted(count, object, m))
        }
        Predicate::Is(state @ ("open" | "closed")) => format!("{} {}", verb(["on", "ole"]), word(STATES, state, m)[0]),
        Predicate::Is(adjective) => format!("{} {}", verb(["on", "ole"]), word(ADJECTIVES, adjective, m)[NOMINATIVE]),
        Predicate::Costs(price) => format!("{} {price} euroa", verb(["maksaa", "maksa"])),
    }
}

fn in_case(thing: Thing, case: usize, m: &Meaning) -> String {
    let adjective = thing.adjective.map_or("", |a| word(ADJECTIVES, a, m)[case]);
    join([adjective, word(NOUNS, thing.noun, m)[case]])
}

fn counted(count: Count, thing: Thing, m: &Meaning) -> String {
    match count {
        Count::Exactly(1) => in_case(thing, if m.negated { PARTITIVE } else { GENITIVE }, m),
        Count::Exactly(n) => {
            format!("{} {}", number(n, ["kaksi", "kolme"]), in_case(thing, PARTITIVE, m))
        }
        Count::Several => format!("useita {}", in_case(thing, PARTITIVE_PLURAL, m)),
    }
}
