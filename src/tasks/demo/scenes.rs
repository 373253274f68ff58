//! Pairs of meanings with a label, and chains of meanings that go together.

use super::Rng;
use super::relation::{Relation, relation};
use super::world::{
    self, Concept, Count, HANDLINGS, Meaning, NOUNS, Predicate, Subject, Thing, Town, any, chance, country, exclusive,
    find,
};

/// Edits tried for one hypothesis before another is drawn.
const ATTEMPTS: usize = 80;

/// One premise for each label and the hypothesis they share, so that a hypothesis tells nothing of its label.
fn triple(rng: &mut Rng) -> ([Meaning; 3], Meaning) {
    loop {
        let hypothesis = world::meaning(rng);
        let mut premises = [None, None, None];
        for _ in 0..ATTEMPTS {
            let premise = edited(&hypothesis, rng);
            match relation(&premise, &hypothesis) {
                Some(label) if differs(&premise, &hypothesis) => premises[label as usize].get_or_insert(premise),
                _ => continue,
            };
            if let [Some(a), Some(b), Some(c)] = &premises {
                return ([a.clone(), b.clone(), c.clone()], hypothesis);
            }
        }
    }
}

/// A premise and a hypothesis of the wanted label.
pub(super) fn pair(label: usize, rng: &mut Rng) -> (Meaning, Meaning) {
    let (premises, hypothesis) = triple(rng);
    (premises[label].clone(), hypothesis)
}

/// What a short text says: one thing, or one thing and what follows from it, or two things of one subject.
pub(super) fn chain(rng: &mut Rng) -> Vec<Meaning> {
    let first = world::meaning(rng);
    match rng.below(100) {
        0..10 => vec![first],
        10..80 => match consequence(&first, rng) {
            Some(second) if chance(50, rng) => vec![first, second],
            Some(second) => vec![second, first],
            None => vec![first],
        },
        _ => match same_subject(&first, rng) {
            Some(second) => vec![first, second],
            None => vec![first],
        },
    }
}

fn consequence(first: &Meaning, rng: &mut Rng) -> Option<Meaning> {
    (0..ATTEMPTS)
        .map(|_| edited(first, rng))
        .find(|second| relation(first, second) == Some(Relation::Entailment) && differs(first, second))
}

fn differs(first: &Meaning, second: &Meaning) -> bool {
    Meaning { register: first.register, ..second.clone() } != *first
}

fn same_subject(first: &Meaning, rng: &mut Rng) -> Option<Meaning> {
    (0..ATTEMPTS)
        .map(|_| Meaning { subject: first.subject, ..world::meaning(rng) })
        .find(|second| second.is_plausible() && relation(first, second) != Some(Relation::Contradiction))
}

/// The meaning with one of its parts changed, sometimes two.
fn edited(meaning: &Meaning, rng: &mut Rng) -> Meaning {
    loop {
        let mut new = meaning.clone();
        new.register = usize::from(chance(15, rng));
        for _ in 0..=u32::from(chance(30, rng)) {
            edit(&mut new, rng);
        }
        if new.is_plausible() {
            return new;
        }
    }
}

fn edit(meaning: &mut Meaning, rng: &mut Rng) {
    match rng.below(12) {
        0 => meaning.company = toggled(meaning.company, world::NAMES, rng),
        1 => meaning.spot = toggled(meaning.spot, world::SPOTS, rng),
        2 => meaning.time = toggled(meaning.time, world::TIMES, rng),
        3..6 => meaning.town = moved(meaning.town, rng),
        6 => meaning.subject = replaced(meaning.subject, rng),
        7 | 8 => meaning.negated = !meaning.negated,
        _ => meaning.predicate = varied(meaning, rng),
    }
}

/// None for some; another one for some in half of the cases.
fn toggled(old: Option<Concept>, all: &[Concept], rng: &mut Rng) -> Option<Concept> {
    (old.is_none() || chance(50, rng)).then(|| any(all, rng))
}

/// The country for its city, a city for its country, another town or none.
fn moved(town: Option<Town>, rng: &mut Rng) -> Option<Town> {
    match town {
        None => Some(world::town(rng.below(8) as usize, rng)),
        Some(_) if chance(35, rng) => None,
        Some(Town::City(city)) if chance(50, rng) => Some(Town::Country(country(city))),
        Some(Town::Country(old)) if chance(50, rng) => {
            world::CITIES.iter().find(|city| country(city) == old).map(|city| Town::City(city))
        }
        Some(_) => Some(world::town(rng.below(8) as usize, rng)),
    }
}

fn replaced(old: Subject, rng: &mut Rng) -> Subject {
    match old {
        Subject::Thing(thing) => Subject::Thing(reworded(thing, rng)),
        Subject::Name(_) | Subject::Role(_) if chance(50, rng) => Subject::Someone,
        _ => world::actor(rng).0,
    }
}

/// Its class, one of its class, a sister, or the same with an adjective more, less or other.
fn reworded(thing: Thing, rng: &mut Rng) -> Thing {
    let Thing { noun, adjective } = thing;
    if chance(50, rng) {
        let adjective = if adjective.is_some() && chance(50, rng) { None } else { Some(world::adjective(noun, rng)) };
        return Thing { noun, adjective };
    }
    let kin: Vec<_> = NOUNS.iter().filter(|n| n.kind == find(noun).kind && n.name != noun).map(|n| n.name).collect();
    let noun = match find(noun).class {
        Some(class) if chance(40, rng) => class,
        _ if kin.is_empty() => noun,
        _ => any(&kin, rng),
    };
    Thing { noun, adjective }
}

fn varied(meaning: &Meaning, rng: &mut Rng) -> Predicate {
    match (meaning.predicate, meaning.subject) {
        (Predicate::Handles { verb, count, object }, _) => match rng.below(3) {
            0 => Predicate::Handles { verb: opposite(verb, HANDLINGS, rng), count, object },
            1 => Predicate::Handles { verb, count: recounted(count, rng), object },
            _ => Predicate::Handles { verb, count, object: reworded(object, rng) },
        },
        (Predicate::Does(verb), _) => Predicate::Does(opposite(verb, world::DOINGS, rng)),
        (_, Subject::Thing(thing)) if chance(30, rng) => world::property(&thing, rng),
        (Predicate::Is(adjective), _) => Predicate::Is(opposite(adjective, world::QUALITIES, rng)),
        (Predicate::Costs(_), _) => Predicate::Costs(any(world::PRICES, rng)),
    }
}

/// Something that excludes `word` in two of three draws, else any of `all`.
fn opposite(word: Concept, all: &[Concept], rng: &mut Rng) -> Concept {
    let against: Vec<_> = all.iter().copied().filter(|other| exclusive(word, other)).collect();
    if against.is_empty() || chance(33, rng) { any(all, rng) } else { any(&against, rng) }
}

fn recounted(count: Count, rng: &mut Rng) -> Count {
    if count != Count::Several && chance(40, rng) { Count::Several } else { world::count(rng) }
}
