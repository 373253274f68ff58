//! French: two genders, elision, `ne … pas` with `de`, adjectives before or behind.

use super::{Row, Setting, number, starts_with_vowel, subject_first, word};
use crate::tasks::demo::world::{Count, Meaning, Predicate, Subject, Thing};

/// Gender, singular, plural.
const NOUNS: &[Row<3>] = &[
    ("animal", &[["m", "animal", "animaux"]]),
    ("dog", &[["m", "chien", "chiens"]]),
    ("cat", &[["m", "chat", "chats"]]),
    ("horse", &[["m", "cheval", "chevaux"]]),
    ("bird", &[["m", "oiseau", "oiseaux"]]),
    ("fruit", &[["m", "fruit", "fruits"]]),
    ("apple", &[["f", "pomme", "pommes"]]),
    ("banana", &[["f", "banane", "bananes"]]),
    ("orange", &[["f", "orange", "oranges"]]),
    ("tomato", &[["f", "tomate", "tomates"]]),
    ("potato", &[["f", "pomme de terre", "pommes de terre"]]),
    ("onion", &[["m", "oignon", "oignons"]]),
    ("flower", &[["f", "fleur", "fleurs"]]),
    ("rose", &[["f", "rose", "roses"]]),
    ("tulip", &[["f", "tulipe", "tulipes"]]),
    ("book", &[["m", "livre", "livres"]]),
    ("novel", &[["m", "roman", "romans"]]),
    ("dictionary", &[["m", "dictionnaire", "dictionnaires"]]),
    ("building", &[["m", "bâtiment", "bâtiments"], ["m", "édifice", "édifices"]]),
    ("hotel", &[["m", "hôtel", "hôtels"]]),
    ("restaurant", &[["m", "restaurant", "restaurants"]]),
    ("school", &[["f", "école", "écoles"]]),
    ("bank", &[["f", "banque", "banques"]]),
    ("car", &[["f", "voiture", "voitures"], ["f", "auto", "autos"]]),
    ("bicycle", &[["m", "vélo", "vélos"], ["f", "bicyclette", "bicyclettes"]]),
    ("guitar", &[["f", "guitare", "guitares"]]),
    ("radio", &[["f", "radio", "radios"]]),
    ("phone", &[["m", "téléphone", "téléphones"]]),
];

/// Place, masculine, masculine before a vowel, feminine, plural masculine, plural feminine.
const ADJECTIVES: &[Row<6>] = &[
    ("big", &[["before", "grand", "grand", "grande", "grands", "grandes"]]),
    ("small", &[["before", "petit", "petit", "petite", "petits", "petites"]]),
    ("new", &[["before", "nouveau", "nouvel", "nouvelle", "nouveaux", "nouvelles"]]),
    ("old", &[["before", "vieux", "vieil", "vieille", "vieux", "vieilles"]]),
    ("red", &[["behind", "rouge", "rouge", "rouge", "rouges", "rouges"]]),
    ("green", &[["behind", "vert", "vert", "verte", "verts", "vertes"]]),
    ("white", &[["behind", "blanc", "blanc", "blanche", "blancs", "blanches"]]),
    ("black", &[["behind", "noir", "noir", "noire", "noirs", "noires"]]),
    ("expensive", &[["behind", "cher", "cher", "chère", "chers", "chères"]]),
    ("cheap", &[["behind", "bon marché", "bon marché", "bon marché", "bon marché", "bon marché"]]),
    ("clean", &[["behind", "propre", "propre", "propre", "propres", "propres"]]),
    ("dirty", &[["behind", "sale", "sale", "sale", "sales", "sales"]]),
    ("open", &[["behind", "ouvert", "ouvert", "ouverte", "ouverts", "ouvertes"]]),
    ("closed", &[["behind", "fermé", "fermé", "fermée", "fermés", "fermées"]]),
];

const VERBS: &[Row<1>] = &[
    ("buy", &[["achète"]]),
    ("sell", &[["vend"]]),
    ("see", &[["voit"]]),
    ("find", &[["trouve"]]),
    ("lose", &[["perd"]]),
    ("want", &[["veut"]]),
    ("eat", &[["mange"]]),
    ("wash", &[["lave"]]),
    ("draw", &[["dessine"]]),
    ("work", &[["travaille"]]),
    ("sleep", &[["dort"]]),
    ("wait", &[["attend"]]),
    ("sing", &[["chante"]]),
    ("dance", &[["danse"]]),
    ("laugh", &[["rit"]]),
    ("cry", &[["pleure"]]),
];

const ROLES: &[Row<1>] = &[
    ("teacher", &[["le professeur"], ["l'enseignant"]]),
    ("doctor", &[["le médecin"], ["le docteur"]]),
    ("student", &[["l'étudiant"]]),
    ("tourist", &[["le touriste"]]),
    ("cook", &[["le cuisinier"]]),
];

const SETTING: Setting = Setting {
    spots: &[
        ("school", &[["à l'école"]]),
        ("hospital", &[["à l'hôpital"]]),
        ("library", &[["à la bibliothèque"]]),
        ("hotel", &[["à l'hôtel"]]),
        ("restaurant", &[["au restaurant"]]),
        ("park", &[["au parc"]]),
        ("market", &[["au marché"]]),
        ("station", &[["à la gare"]]),
    ],
    cities: &[
        ("Berlin", &[["à Berlin"]]),
        ("Paris", &[["à Paris"]]),
        ("London", &[["à Londres"]]),
        ("Madrid", &[["à Madrid"]]),
        ("Rome", &[["à Rome"]]),
        ("Oslo", &[["à Oslo"]]),
        ("Tokyo", &[["à Tokyo"]]),
        ("Nairobi", &[["à Nairobi"]]),
    ],
    countries: &[
        ("Germany", &[["en Allemagne"]]),
        ("France", &[["en France"]]),
        ("England", &[["en Angleterre"]]),
        ("Spain", &[["en Espagne"]]),
        ("Italy", &[["en Italie"]]),
        ("Norway", &[["en Norvège"]]),
        ("Japan", &[["au Japon"]]),
        ("Kenya", &[["au Kenya"]]),
    ],
    times: &[
        ("Monday", &[["lundi"]]),
        ("Friday", &[["vendredi"]]),
        ("Sunday", &[["dimanche"]]),
        ("morning", &[["le matin"]]),
        ("evening", &[["le soir"]]),
        ("summer", &[["en été"]]),
        ("winter", &[["en hiver"]]),
    ],
};

pub(super) fn say(m: &Meaning) -> String {
    let subject = match m.subject {
        Subject::Someone => "quelqu'un".to_string(),
        Subject::Name(name) => name.to_string(),
        Subject::Role(role) => word(ROLES, role, m)[0].to_string(),
        Subject::Thing(thing) => {
            let article = if is_feminine(thing, m) { "la" } else { "le" };
            elided(article, &singular(thing, m))
        }
    };
    let company = m.company.map_or(String::new(), |name| format!("avec {name}"));
    subject_first(m, &SETTING, &subject, &predicate(m), &company)
}

/// `le`, `la`, `ne` and `de` lose their vowel before another; the h of this vocabulary is mute.
fn elided(short: &str, next: &str) -> String {
    match starts_with_vowel(next) || next.starts_with('h') {
        true => format!("{}'{next}", &short[..1]),
        false => format!("{short} {next}"),
    }
}

fn predicate(m: &Meaning) -> String {
    let verb = |affirmed: &str| match m.negated {
        false => affirmed.to_string(),
        true => format!("{} pas", elided("ne", affirmed)),
    };
    match m.predicate {
        Predicate::Does(doing) => verb(word(VERBS, doing, m)[0]),
        Predicate::Handles { verb: handling, count, object } => {
            format!("{} {}", verb(word(VERBS, handling, m)[0]), counted(count, object, m))
        }
        Predicate::Is(adjective) => {
            let [_, masculine, _, feminine, ..] = word(ADJECTIVES, adjective, m);
            let is_feminine = matches!(m.subject, Subject::Thing(thing) if is_feminine(thing, m));
            format!("{} {}", verb("est"), if is_feminine { feminine } else { masculine })
        }
        Predicate::Costs(price) => format!("{} {price} euros", verb("coûte")),
    }
}

fn is_feminine(thing: Thing, m: &Meaning) -> bool {
    word(NOUNS, thing.noun, m)[0] == "f"
}

fn with_adjective(thing: Thing, noun: &str, form: usize, m: &Meaning) -> String {
    match thing.adjective.map(|a| word(ADJECTIVES, a, m)) {
        None => noun.to_string(),
        Some(forms) if forms[0] == "before" => format!("{} {noun}", forms[form]),
        Some(forms) => format!("{noun} {}", forms[form]),
    }
}

fn singular(thing: Thing, m: &Meaning) -> String {
    let noun = word(NOUNS, thing.noun, m)[1];
    let form = match is_feminine(thing, m) {
        true => 3,
        false if starts_with_vowel(noun) || noun.starts_with('h') => 2,
        false => 1,
    };
    with_adjective(thing, noun, form, m)
}

fn counted(count: Count, thing: Thing, m: &Meaning) -> String {
    let feminine = is_feminine(thing, m);
    let many = with_adjective(thing, word(NOUNS, thing.noun, m)[2], if feminine { 5 } else { 4 }, m);
    match count {
        Count::Exactly(1) if m.negated => elided("de", &singular(thing, m)),
        Count::Exactly(1) => format!("{} {}", if feminine { "une" } else { "un" }, singular(thing, m)),
        Count::Exactly(n) => format!("{} {many}", number(n, ["deux", "trois"])),
        Count::Several => format!("plusieurs {many}"),
    }
}
