//! Spanish: two genders, the adjective behind its noun, `ser` and `estar`.

use super::{Row, Setting, either, join, number, subject_first, word};
use crate::tasks::demo::world::{Count, Meaning, Predicate, Subject, Thing};

/// Gender, singular, plural.
const NOUNS: &[Row<3>] = &[
    ("animal", &[["m", "animal", "animales"]]),
    ("dog", &[["m", "perro", "perros"]]),
    ("cat", &[["m", "gato", "gatos"]]),
    ("horse", &[["m", "caballo", "caballos"]]),
    ("bird", &[["m", "pájaro", "pájaros"]]),
    ("fruit", &[["f", "fruta", "frutas"]]),
    ("apple", &[["f", "manzana", "manzanas"]]),
    ("banana", &[["f", "banana", "bananas"], ["m", "plátano", "plátanos"]]),
    ("orange", &[["f", "naranja", "naranjas"]]),
    ("tomato", &[["m", "tomate", "tomates"]]),
    ("potato", &[["f", "patata", "patatas"]]),
    ("onion", &[["f", "cebolla", "cebollas"]]),
    ("flower", &[["f", "flor", "flores"]]),
    ("rose", &[["f", "rosa", "rosas"]]),
    ("tulip", &[["m", "tulipán", "tulipanes"]]),
    ("book", &[["m", "libro", "libros"]]),
    ("novel", &[["f", "novela", "novelas"]]),
    ("dictionary", &[["m", "diccionario", "diccionarios"]]),
    ("building", &[["m", "edificio", "edificios"]]),
    ("hotel", &[["m", "hotel", "hoteles"]]),
    ("restaurant", &[["m", "restaurante", "restaurantes"]]),
    ("school", &[["f", "escuela", "escuelas"]]),
    ("bank", &[["m", "banco", "bancos"]]),
    ("car", &[["m", "coche", "coches"], ["m", "auto", "autos"]]),
    ("bicycle", &[["f", "bicicleta", "bicicletas"]]),
    ("guitar", &[["f", "guitarra", "guitarras"]]),
    ("radio", &[["f", "radio", "radios"]]),
    ("phone", &[["m", "teléfono", "teléfonos"]]),
];

/// Copula, masculine, feminine; the plural adds an s.
const ADJECTIVES: &[Row<3>] = &[
    ("big", &[["es", "grande", "grande"]]),
    ("small", &[["es", "pequeño", "pequeña"]]),
    ("new", &[["es", "nuevo", "nueva"]]),
    ("old", &[["es", "viejo", "vieja"]]),
    ("red", &[["es", "rojo", "roja"]]),
    ("green", &[["es", "verde", "verde"]]),
    ("white", &[["es", "blanco", "blanca"]]),
    ("black", &[["es", "negro", "negra"]]),
    ("expensive", &[["es", "caro", "cara"]]),
    ("cheap", &[["es", "barato", "barata"]]),
    ("clean", &[["está", "limpio", "limpia"]]),
    ("dirty", &[["está", "sucio", "sucia"]]),
    ("open", &[["está", "abierto", "abierta"]]),
    ("closed", &[["está", "cerrado", "cerrada"]]),
];

const VERBS: &[Row<1>] = &[
    ("buy", &[["compra"]]),
    ("sell", &[["vende"]]),
    ("see", &[["ve"]]),
    ("find", &[["encuentra"]]),
    ("lose", &[["pierde"]]),
    ("want", &[["quiere"]]),
    ("eat", &[["come"]]),
    ("wash", &[["lava"]]),
    ("draw", &[["dibuja"]]),
    ("work", &[["trabaja"]]),
    ("sleep", &[["duerme"]]),
    ("wait", &[["espera"]]),
    ("sing", &[["canta"]]),
    ("dance", &[["baila"]]),
    ("laugh", &[["ríe"], ["se ríe"]]),
    ("cry", &[["llora"]]),
];

const ROLES: &[Row<1>] = &[
    ("teacher", &[["el profesor"], ["el maestro"]]),
    ("doctor", &[["el doctor"], ["el médico"]]),
    ("student", &[["el estudiante"]]),
    ("tourist", &[["el turista"]]),
    ("cook", &[["el cocinero"]]),
];

const SETTING: Setting = Setting {
    spots: &[
        ("school", &[["en la escuela"]]),
        ("hospital", &[["en el hospital"]]),
        ("library", &[["en la biblioteca"]]),
        ("hotel", &[["en el hotel"]]),
        ("restaurant", &[["en el restaurante"]]),
        ("park", &[["en el parque"]]),
        ("market", &[["en el mercado"]]),
        ("station", &[["en la estación"]]),
    ],
    cities: &[
        ("Berlin", &[["en Berlín"]]),
        ("Paris", &[["en París"]]),
        ("London", &[["en Londres"]]),
        ("Madrid", &[["en Madrid"]]),
        ("Rome", &[["en Roma"]]),
        ("Oslo", &[["en Oslo"]]),
        ("Tokyo", &[["en Tokio"]]),
        ("Nairobi", &[["en Nairobi"]]),
    ],
    countries: &[
        ("Germany", &[["en Alemania"]]),
        ("France", &[["en Francia"]]),
        ("England", &[["en Inglaterra"]]),
        ("Spain", &[["en España"]]),
        ("Italy", &[["en Italia"]]),
        ("Norway", &[["en Noruega"]]),
        ("Japan", &[["en Japón"]]),
        ("Kenya", &[["en Kenia"]]),
    ],
    times: &[
        ("Monday", &[["el lunes"]]),
        ("Friday", &[["el viernes"]]),
        ("Sunday", &[["el domingo"]]),
        ("morning", &[["por la mañana"]]),
        ("evening", &[["por la noche"]]),
        ("summer", &[["en verano"]]),
        ("winter", &[["en invierno"]]),
    ],
};

pub(super) fn say(m: &Meaning) -> String {
    let subject = match m.subject {
        Subject::Someone => "alguien".to_string(),
        Subject::Name(name) => name.to_string(),
        Subject::Role(role) => word(ROLES, role, m)[0].to_string(),
        Subject::Thing(thing) => {
            let article = if is_feminine(thing, m) { "la" } else { "el" };
            format!("{article} {}", singular(thing, m))
        }
    };
    let company = m.company.map_or(String::new(), |name| format!("con {name}"));
    let predicate = join([either(m, ["", "no"]), &predicate(m)]);
    subject_first(m, &SETTING, &subject, &predicate, &company)
}

fn predicate(m: &Meaning) -> String {
    match m.predicate {
        Predicate::Does(doing) => word(VERBS, doing, m)[0].to_string(),
        Predicate::Handles { verb, count, object } => {
            format!("{} {}", word(VERBS, verb, m)[0], counted(count, object, m))
        }
        Predicate::Is(adjective) => {
            let [copula, masculine, feminine] = word(ADJECTIVES, adjective, m);
            let is_feminine = matches!(m.subject, Subject::Thing(thing) if is_feminine(thing, m));
            format!("{copula} {}", if is_feminine { feminine } else { masculine })
        }
        Predicate::Costs(price) => format!("cuesta {price} euros"),
    }
}

fn is_feminine(thing: Thing, m: &Meaning) -> bool {
    word(NOUNS, thing.noun, m)[0] == "f"
}

fn adjective(thing: Thing, m: &Meaning) -> &'static str {
    let form = if is_feminine(thing, m) { 2 } else { 1 };
    thing.adjective.map_or("", |a| word(ADJECTIVES, a, m)[form])
}

fn singular(thing: Thing, m: &Meaning) -> String {
    join([word(NOUNS, thing.noun, m)[1], adjective(thing, m)])
}

fn plural(thing: Thing, m: &Meaning) -> String {
    let noun = word(NOUNS, thing.noun, m)[2];
    match adjective(thing, m) {
        "" => noun.to_string(),
        adjective => format!("{noun} {adjective}s"),
    }
}

fn counted(count: Count, thing: Thing, m: &Meaning) -> String {
    let feminine = is_feminine(thing, m);
    match count {
        Count::Exactly(1) => {
            let article = either(m, if feminine { ["una", "ninguna"] } else { ["un", "ningún"] });
            format!("{article} {}", singular(thing, m))
        }
        Count::Exactly(n) => format!("{} {}", number(n, ["dos", "tres"]), plural(thing, m)),
        Count::Several => format!("{} {}", if feminine { "varias" } else { "varios" }, plural(thing, m)),
    }
}
