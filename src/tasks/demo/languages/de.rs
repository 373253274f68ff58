//! German: three genders, the verb in the second place, strong and weak adjectives.

use super::{Row, Setting, either, join, number, sentence, word};
use crate::tasks::demo::world::{Count, Meaning, Predicate, Subject, Thing};

/// Gender, singular (the same in nominative and accusative), plural.
const NOUNS: &[Row<3>] = &[
    ("animal", &[["n", "Tier", "Tiere"]]),
    ("dog", &[["m", "Hund", "Hunde"]]),
    ("cat", &[["f", "Katze", "Katzen"]]),
    ("horse", &[["n", "Pferd", "Pferde"]]),
    ("bird", &[["m", "Vogel", "Vögel"]]),
    ("fruit", &[["f", "Frucht", "Früchte"]]),
    ("apple", &[["m", "Apfel", "Äpfel"]]),
    ("banana", &[["f", "Banane", "Bananen"]]),
    ("orange", &[["f", "Orange", "Orangen"]]),
    ("tomato", &[["f", "Tomate", "Tomaten"]]),
    ("potato", &[["f", "Kartoffel", "Kartoffeln"]]),
    ("onion", &[["f", "Zwiebel", "Zwiebeln"]]),
    ("flower", &[["f", "Blume", "Blumen"]]),
    ("rose", &[["f", "Rose", "Rosen"]]),
    ("tulip", &[["f", "Tulpe", "Tulpen"]]),
    ("book", &[["n", "Buch", "Bücher"]]),
    ("novel", &[["m", "Roman", "Romane"]]),
    ("dictionary", &[["n", "Wörterbuch", "Wörterbücher"]]),
    ("building", &[["n", "Gebäude", "Gebäude"]]),
    ("hotel", &[["n", "Hotel", "Hotels"]]),
    ("restaurant", &[["n", "Restaurant", "Restaurants"]]),
    ("school", &[["f", "Schule", "Schulen"]]),
    ("bank", &[["f", "Bank", "Banken"]]),
    ("car", &[["n", "Auto", "Autos"], ["m", "Wagen", "Wagen"]]),
    ("bicycle", &[["n", "Fahrrad", "Fahrräder"], ["n", "Rad", "Räder"]]),
    ("guitar", &[["f", "Gitarre", "Gitarren"]]),
    ("radio", &[["n", "Radio", "Radios"]]),
    ("phone", &[["n", "Telefon", "Telefone"]]),
];

/// As a predicate, stem before an ending.
const ADJECTIVES: &[Row<2>] = &[
    ("big", &[["groß", "groß"]]),
    ("small", &[["klein", "klein"]]),
    ("new", &[["neu", "neu"]]),
    ("old", &[["alt", "alt"]]),
    ("red", &[["rot", "rot"]]),
    ("green", &[["grün", "grün"]]),
    ("white", &[["weiß", "weiß"]]),
    ("black", &[["schwarz", "schwarz"]]),
    ("expensive", &[["teuer", "teur"]]),
    ("cheap", &[["billig", "billig"], ["günstig", "günstig"]]),
    ("clean", &[["sauber", "sauber"]]),
    ("dirty", &[["schmutzig", "schmutzig"]]),
    ("open", &[["geöffnet", "geöffnet"], ["offen", "offen"]]),
    ("closed", &[["geschlossen", "geschlossen"]]),
];

const VERBS: &[Row<1>] = &[
    ("buy", &[["kauft"]]),
    ("sell", &[["verkauft"]]),
    ("see", &[["sieht"]]),
    ("find", &[["findet"]]),
    ("lose", &[["verliert"]]),
    ("want", &[["möchte"]]),
    ("eat", &[["isst"]]),
    ("wash", &[["wäscht"]]),
    ("draw", &[["zeichnet"]]),
    ("work", &[["arbeitet"]]),
    ("sleep", &[["schläft"]]),
    ("wait", &[["wartet"]]),
    ("sing", &[["singt"]]),
    ("dance", &[["tanzt"]]),
    ("laugh", &[["lacht"]]),
    ("cry", &[["weint"]]),
];

const ROLES: &[Row<1>] = &[
    ("teacher", &[["der Lehrer"]]),
    ("doctor", &[["der Arzt"]]),
    ("student", &[["der Student"]]),
    ("tourist", &[["der Tourist"]]),
    ("cook", &[["der Koch"]]),
];

const SETTING: Setting = Setting {
    spots: &[
        ("school", &[["in der Schule"]]),
        ("hospital", &[["im Krankenhaus"]]),
        ("library", &[["in der Bibliothek"]]),
        ("hotel", &[["im Hotel"]]),
        ("restaurant", &[["im Restaurant"]]),
        ("park", &[["im Park"]]),
        ("market", &[["auf dem Markt"]]),
        ("station", &[["am Bahnhof"]]),
    ],
    cities: &[
        ("Berlin", &[["in Berlin"]]),
        ("Paris", &[["in Paris"]]),
        ("London", &[["in London"]]),
        ("Madrid", &[["in Madrid"]]),
        ("Rome", &[["in Rom"]]),
        ("Oslo", &[["in Oslo"]]),
        ("Tokyo", &[["in Tokio"]]),
        ("Nairobi", &[["in Nairobi"]]),
    ],
    countries: &[
        ("Germany", &[["in Deutschland"]]),
        ("France", &[["in Frankreich"]]),
        ("England", &[["in England"]]),
        ("Spain", &[["in Spanien"]]),
        ("Italy", &[["in Italien"]]),
        ("Norway", &[["in Norwegen"]]),
        ("Japan", &[["in Japan"]]),
        ("Kenya", &[["in Kenia"]]),
    ],
    times: &[
        ("Monday", &[["am Montag"]]),
        ("Friday", &[["am Freitag"]]),
        ("Sunday", &[["am Sonntag"]]),
        ("morning", &[["am Morgen"]]),
        ("evening", &[["am Abend"]]),
        ("summer", &[["im Sommer"]]),
        ("winter", &[["im Winter"]]),
    ],
};

pub(super) fn say(m: &Meaning) -> String {
    let subject = match m.subject {
        Subject::Someone => "jemand".to_string(),
        Subject::Name(name) => name.to_string(),
        Subject::Role(role) => word(ROLES, role, m)[0].to_string(),
        Subject::Thing(thing) => definite(thing, m),
    };
    let company = m.company.map_or(String::new(), |name| format!("mit {name}"));
    let (spot, town, time) = (SETTING.spot(m), SETTING.town(m), SETTING.time(m));
    let not = either(m, ["", "nicht"]);
    match m.predicate {
        Predicate::Does(doing) => sentence([&*subject, word(VERBS, doing, m)[0], time, not, &company, spot, town]),
        Predicate::Handles { verb, count, object } => {
            sentence([&*subject, word(VERBS, verb, m)[0], time, &company, spot, town, &counted(count, object, m)])
        }
        Predicate::Is(adjective) => sentence([&*subject, town, "ist", time, not, word(ADJECTIVES, adjective, m)[0]]),
        Predicate::Costs(price) => sentence([&*subject, "kostet", not, &price.to_string(), "Euro"]),
    }
}

fn adjective(thing: Thing, ending: &str, m: &Meaning) -> String {
    thing.adjective.map_or(String::new(), |a| format!("{}{ending}", word(ADJECTIVES, a, m)[1]))
}

/// The nominative with the definite article.
fn definite(thing: Thing, m: &Meaning) -> String {
    let [gender, singular, _] = word(NOUNS, thing.noun, m);
    let article = match gender {
        "m" => "der",
        "f" => "die",
        _ => "das",
    };
    join([article, &adjective(thing, "e", m), singular])
}

/// The accusative; denied, it is `kein` that says so.
fn counted(count: Count, thing: Thing, m: &Meaning) -> String {
    let [gender, singular, plural] = word(NOUNS, thing.noun, m);
    let (article, ending) = match gender {
        "m" => ("einen", "en"),
        "f" => ("eine", "e"),
        _ => ("ein", "es"),
    };
    let many = join([&*adjective(thing, "e", m), plural]);
    match count {
        Count::Exactly(1) => {
            let article = format!("{}{article}", either(m, ["", "k"]));
            join([&*article, &adjective(thing, ending, m), singular])
        }
        Count::Exactly(n) => format!("{} {many}", number(n, ["zwei", "drei"])),
        Count::Several => format!("mehrere {many}"),
    }
}
