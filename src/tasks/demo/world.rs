//! The world the demo speaks of: who does what, where and when, and what is usual in it.
//!
//! A [`Meaning`] belongs to no language; its concepts are named in English. What is usual (Anna's town, the
//! colour of a tomato, the price of a radio) is the same whatever the language, and that is all the languages
//! share besides names, digits and cognates.

use super::Rng;

/// The name of a concept, the key into every language's tables.
pub(super) type Concept = &'static str;

/// What one sentence says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) subject: Subject,
    pub(super) negated: bool,
    pub(super) predicate: Predicate,
    /// With whom.
    pub(super) company: Option<Concept>,
    /// At which kind of place.
    pub(super) spot: Option<Concept>,
    pub(super) town: Option<Town>,
    pub(super) time: Option<Concept>,
    /// 0 for the most common words, 1 for their synonyms where a language's tables have them.
    pub(super) register: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Someone,
    Name(Concept),
    Role(Concept),
    Thing(Thing),
}

/// A noun, and perhaps an adjective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thing {
    pub(super) noun: Concept,
    pub(super) adjective: Option<Concept>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predicate {
    /// Sleeps, works: a verb without an object.
    Does(Concept),
    /// Buys two apples.
    Handles { verb: Concept, count: Count, object: Thing },
    /// Is big.
    Is(Concept),
    /// Costs so many euros.
    Costs(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// 1 is said by the indefinite article or by nothing, 2 and 3 in words, the others in digits.
    Exactly(u32),
    Several,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Town {
    City(Concept),
    Country(Concept),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Animal,
    Fruit,
    Vegetable,
    Flower,
    Book,
    Building,
    Device,
}

/// What is known of a noun: its kind, the class it belongs to, its usual adjective and price.
pub(super) struct Noun {
    pub(super) name: Concept,
    pub(super) kind: Kind,
    pub(super) class: Option<Concept>,
    usual: Concept,
    price: u32,
}

const fn noun(name: Concept, kind: Kind, class: Option<Concept>, usual: Concept, price: u32) -> Noun {
    Noun { name, kind, class, usual, price }
}

pub(super) const NAMES: &[Concept] = &["Anna", "Tom", "Maria", "David", "Sara", "Peter", "Emma", "Daniel"];
pub(super) const ROLES: &[Concept] = &["teacher", "doctor", "student", "tourist", "cook"];
/// The first five are where the [`ROLES`] are usually found.
pub(super) const SPOTS: &[Concept] =
    &["school", "hospital", "library", "hotel", "restaurant", "park", "market", "station"];
pub(super) const CITIES: &[Concept] = &["Berlin", "Paris", "London", "Madrid", "Rome", "Oslo", "Tokyo", "Nairobi"];
/// The country of each of the [`CITIES`].
pub(super) const COUNTRIES: &[Concept] =
    &["Germany", "France", "England", "Spain", "Italy", "Norway", "Japan", "Kenya"];
pub(super) const TIMES: &[Concept] = &["Monday", "Friday", "Sunday", "morning", "evening", "summer", "winter"];
pub(super) const DOINGS: &[Concept] = &["work", "sleep", "wait", "sing", "dance", "laugh", "cry"];
pub(super) const HANDLINGS: &[Concept] = &["buy", "sell", "see", "find", "lose", "want", "eat", "wash", "draw"];
pub(super) const QUALITIES: &[Concept] = &[
    "big",
    "small",
    "new",
    "old",
    "red",
    "green",
    "white",
    "black",
    "expensive",
    "cheap",
    "clean",
    "dirty",
    "open",
    "closed",
];
pub(super) const COUNTS: &[u32] = &[1, 2, 3, 4, 5, 8, 10, 12, 20, 50];
pub(super) const PRICES: &[u32] = &[2, 3, 5, 8, 12, 15, 20, 40, 60, 90];

/// The nouns that other nouns have as their class.
pub(super) const CLASSES: &[Concept] = &["animal", "fruit", "flower", "book", "building"];
pub(super) const NOUNS: &[Noun] = &[
    noun("animal", Kind::Animal, None, "small", 60),
    noun("dog", Kind::Animal, Some("animal"), "black", 60),
    noun("cat", Kind::Animal, Some("animal"), "white", 40),
    noun("horse", Kind::Animal, Some("animal"), "big", 90),
    noun("bird", Kind::Animal, Some("animal"), "small", 20),
    noun("fruit", Kind::Fruit, None, "cheap", 3),
    noun("apple", Kind::Fruit, Some("fruit"), "green", 2),
    noun("banana", Kind::Fruit, Some("fruit"), "big", 3),
    noun("orange", Kind::Fruit, Some("fruit"), "expensive", 5),
    noun("tomato", Kind::Vegetable, None, "red", 2),
    noun("potato", Kind::Vegetable, None, "small", 3),
    noun("onion", Kind::Vegetable, None, "cheap", 2),
    noun("flower", Kind::Flower, None, "white", 5),
    noun("rose", Kind::Flower, Some("flower"), "red", 8),
    noun("tulip", Kind::Flower, Some("flower"), "white", 5),
    noun("book", Kind::Book, None, "old", 12),
    noun("novel", Kind::Book, Some("book"), "new", 15),
    noun("dictionary", Kind::Book, Some("book"), "big", 40),
    noun("building", Kind::Building, None, "old", 90),
    noun("hotel", Kind::Building, Some("building"), "expensive", 90),
    noun("restaurant", Kind::Building, Some("building"), "cheap", 90),
    noun("school", Kind::Building, Some("building"), "small", 90),
    noun("bank", Kind::Building, Some("building"), "new", 90),
    noun("car", Kind::Device, None, "expensive", 90),
    noun("bicycle", Kind::Device, None, "red", 60),
    noun("guitar", Kind::Device, None, "old", 40),
    noun("radio", Kind::Device, None, "cheap", 20),
    noun("phone", Kind::Device, None, "new", 60),
];

/// Sets of which only one can hold at a time.
const EXCLUSIVE: &[&[Concept]] = &[
    &["big", "small"],
    &["new", "old"],
    &["red", "green", "white", "black"],
    &["expensive", "cheap"],
    &["clean", "dirty"],
    &["open", "closed"],
    &["Monday", "Friday", "Sunday"],
    &["morning", "evening"],
    &["summer", "winter"],
    &["buy", "sell"],
    &["find", "lose"],
    &["laugh", "cry"],
    &["sleep", "work"],
    &["sleep", "sing"],
    &["sleep", "dance"],
];

impl Kind {
    /// The adjectives that may stand before or be said of a noun of this kind.
    fn adjectives(self) -> &'static [Concept] {
        match self {
            Kind::Animal => &["big", "small", "black", "white", "clean", "dirty"],
            Kind::Fruit | Kind::Vegetable => &["big", "small", "red", "green", "expensive", "cheap"],
            Kind::Flower => &["big", "small", "red", "white", "expensive", "cheap"],
            Kind::Book => &["big", "small", "new", "old", "expensive", "cheap"],
            Kind::Building => &["big", "small", "new", "old", "clean", "dirty"],
            Kind::Device => &["new", "old", "red", "black", "expensive", "cheap", "clean", "dirty"],
        }
    }

    /// The adjectives that may only be said of it.
    fn states(self) -> &'static [Concept] {
        match self {
            Kind::Building => &["open", "closed"],
            _ => &[],
        }
    }
}

/// The kinds of things that a verb takes as its object.
fn objects(verb: Concept) -> &'static [Kind] {
    use Kind::*;
    match verb {
        "see" => &[Animal, Fruit, Vegetable, Flower, Book, Building, Device],
        "find" | "lose" => &[Animal, Book, Device],
        "eat" => &[Fruit, Vegetable],
        "wash" => &[Fruit, Vegetable],
        "draw" => &[Animal, Flower, Building],
        _ => &[Animal, Fruit, Vegetable, Flower, Book, Device],
    }
}

pub(super) fn find(noun: Concept) -> &'static Noun {
    NOUNS.iter().find(|n| n.name == noun).expect("every noun of a meaning comes from NOUNS")
}

/// Whether both cannot hold at the same time.
pub(super) fn exclusive(a: Concept, b: Concept) -> bool {
    a != b && EXCLUSIVE.iter().any(|set| set.contains(&a) && set.contains(&b))
}

pub(super) fn country(city: Concept) -> Concept {
    let at = CITIES.iter().position(|c| *c == city).expect("every city of a meaning comes from CITIES");
    COUNTRIES[at]
}

impl Meaning {
    /// Whether the world allows it, and every language can say it plainly.
    pub(super) fn is_plausible(&self) -> bool {
        let extras = [self.company, self.spot, self.time].iter().flatten().count() + usize::from(self.town.is_some());
        let (subject_fits, adjectives) = match (&self.predicate, &self.subject) {
            (Predicate::Does(_) | Predicate::Handles { .. }, Subject::Thing(_)) => (false, 0),
            (Predicate::Does(verb), _) => (*verb != "sleep" || self.company.is_none(), 0),
            (Predicate::Handles { verb, count, object }, _) => {
                (handled(verb, *count, object, self.negated), usize::from(object.adjective.is_some()))
            }
            (Predicate::Is(adjective), Subject::Thing(thing)) => (self.is_state(adjective, thing), 0),
            (Predicate::Costs(_), Subject::Thing(thing)) => (self.is_priced(thing), 0),
            (Predicate::Is(_) | Predicate::Costs(_), _) => (false, 0),
        };
        let someone_denied = self.negated && self.subject == Subject::Someone;
        let alone = !matches!((self.subject, self.company), (Subject::Name(a), Some(b)) if a == b);
        subject_fits && !someone_denied && alone && extras + adjectives <= 2
    }

    fn is_state(&self, adjective: Concept, thing: &Thing) -> bool {
        let kind = find(thing.noun).kind;
        let passing = kind.states().contains(&adjective);
        let fits = passing || kind.adjectives().contains(&adjective);
        let new = thing.adjective.is_none_or(|known| known != adjective && !exclusive(known, adjective));
        let placed = kind == Kind::Building || self.town.is_none();
        let timed = passing || self.time.is_none();
        fits && new && placed && timed && fits_noun(thing) && self.company.is_none() && self.spot.is_none()
    }

    fn is_priced(&self, thing: &Thing) -> bool {
        let bare = self.company.is_none() && self.spot.is_none() && self.town.is_none() && self.time.is_none();
        let valued = thing.adjective.is_some_and(|a| a == "expensive" || a == "cheap");
        bare && !valued && fits_noun(thing) && find(thing.noun).kind != Kind::Building
    }
}

fn handled(verb: Concept, count: Count, object: &Thing, negated: bool) -> bool {
    let countable = match count {
        Count::Exactly(n) => n <= 5 || ["buy", "sell", "see"].contains(&verb),
        Count::Several => true,
    };
    let plain = !negated || count == Count::Exactly(1);
    countable && plain && fits_noun(object) && objects(verb).contains(&find(object.noun).kind)
}

fn fits_noun(thing: &Thing) -> bool {
    thing.adjective.is_none_or(|a| find(thing.noun).kind.adjectives().contains(&a))
}

/// One of `all`, each as likely.
pub(super) fn any<T: Copy>(all: &[T], rng: &mut Rng) -> T {
    all[rng.below(all.len() as u32) as usize]
}

/// True in `percent` of all draws.
pub(super) fn chance(percent: u32, rng: &mut Rng) -> bool {
    rng.below(100) < percent
}

/// What is usual for person number `who` in three of five draws, else anything.
fn usual<T: Copy>(all: &[T], who: usize, rng: &mut Rng) -> T {
    if chance(60, rng) { all[who % all.len()] } else { any(all, rng) }
}

/// A subject that acts, and the number by which the world knows its habits.
pub(super) fn actor(rng: &mut Rng) -> (Subject, usize) {
    match rng.below(100) {
        0..70 => {
            let who = rng.below(NAMES.len() as u32) as usize;
            (Subject::Name(NAMES[who]), who)
        }
        70..93 => {
            let who = rng.below(ROLES.len() as u32) as usize;
            (Subject::Role(ROLES[who]), who)
        }
        _ => (Subject::Someone, rng.below(NAMES.len() as u32) as usize),
    }
}

/// An adjective for a noun; the usual one in half of the draws.
pub(super) fn adjective(noun: Concept, rng: &mut Rng) -> Concept {
    let known = find(noun);
    if chance(50, rng) { known.usual } else { any(known.kind.adjectives(), rng) }
}

/// A noun of one of `kinds`; names of classes are rarer than names of things.
fn noun_of(kinds: &[Kind], who: usize, rng: &mut Rng) -> Concept {
    let class = chance(15, rng);
    let fitting = |class: bool| -> Vec<Concept> {
        NOUNS.iter().filter(|n| kinds.contains(&n.kind) && CLASSES.contains(&n.name) == class).map(|n| n.name).collect()
    };
    let nouns = fitting(class);
    let nouns = if nouns.is_empty() { fitting(!class) } else { nouns };
    usual(&nouns, 3 * who, rng)
}

fn thing(kinds: &[Kind], who: usize, rng: &mut Rng) -> Thing {
    let noun = noun_of(kinds, who, rng);
    Thing { noun, adjective: chance(40, rng).then(|| adjective(noun, rng)) }
}

pub(super) fn count(rng: &mut Rng) -> Count {
    match rng.below(100) {
        0..10 => Count::Several,
        10..45 => Count::Exactly(1),
        _ => Count::Exactly(any(COUNTS, rng)),
    }
}

fn handling(who: usize, rng: &mut Rng) -> Predicate {
    let verb = usual(HANDLINGS, who, rng);
    Predicate::Handles { verb, count: count(rng), object: thing(objects(verb), who, rng) }
}

/// A predicate of a thing that does not move: its state or its price.
pub(super) fn property(thing: &Thing, rng: &mut Rng) -> Predicate {
    let known = find(thing.noun);
    if known.kind != Kind::Building && chance(40, rng) {
        return Predicate::Costs(if chance(60, rng) { known.price } else { any(PRICES, rng) });
    }
    match known.kind.states() {
        states @ [_, ..] if chance(60, rng) => Predicate::Is(any(states, rng)),
        _ => Predicate::Is(adjective(thing.noun, rng)),
    }
}

/// A place: the usual city of person number `who`, sometimes only its country.
pub(super) fn town(who: usize, rng: &mut Rng) -> Town {
    let city = usual(CITIES, who, rng);
    if chance(25, rng) { Town::Country(country(city)) } else { Town::City(city) }
}

fn draw(rng: &mut Rng) -> Meaning {
    const ALL: &[Kind] =
        &[Kind::Animal, Kind::Fruit, Kind::Vegetable, Kind::Flower, Kind::Book, Kind::Building, Kind::Device];
    let (mut subject, who) = actor(rng);
    let predicate = match rng.below(100) {
        0..20 => Predicate::Does(usual(DOINGS, who, rng)),
        20..65 => handling(who, rng),
        other => {
            let kinds = if other < 80 { &[Kind::Building] } else { ALL };
            let thing = thing(kinds, who, rng);
            subject = Subject::Thing(thing);
            property(&thing, rng)
        }
    };
    Meaning {
        subject,
        negated: chance(25, rng),
        predicate,
        company: chance(25, rng).then(|| usual(NAMES, who ^ 1, rng)),
        spot: chance(30, rng).then(|| usual(SPOTS, who, rng)),
        town: chance(55, rng).then(|| town(who, rng)),
        time: chance(40, rng).then(|| usual(TIMES, who, rng)),
        register: usize::from(chance(15, rng)),
    }
}

/// A meaning as the world has it.
pub(super) fn meaning(rng: &mut Rng) -> Meaning {
    loop {
        let drawn = draw(rng);
        if drawn.is_plausible() {
            return drawn;
        }
    }
}
