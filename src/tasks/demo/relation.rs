//! What follows from a meaning: the judge that labels every pair.
//!
//! Both sentences are taken to speak of the same scene, as in SNLI (Bowman et al., 2015): Anna is in one town at
//! a time, and two apples are not three.

use super::world::{Count, Meaning, Predicate, Subject, Thing, Town, country, exclusive, find};

/// What the premise says of the hypothesis; the order of [`super::LABELS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Contradiction,
    Entailment,
    Neutral,
}

/// How one part of the premise stands to the same part of the hypothesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Same,
    /// The premise says more.
    Narrower,
    /// The premise says less.
    Wider,
    /// Not both.
    Apart,
    /// Neither follows.
    Other,
    /// People would not agree.
    Unclear,
}

/// The relation of two meanings, `None` where people would not agree.
pub(super) fn relation(premise: &Meaning, hypothesis: &Meaning) -> Option<Relation> {
    use Relation::*;
    match (premise.negated, hypothesis.negated) {
        (false, false) => affirmed(premise, hypothesis),
        (false, true) => Some(match affirmed(premise, hypothesis)? {
            // Who buys a dog may buy a cat as well.
            Contradiction if matches!(premise.predicate, Predicate::Handles { .. }) => return None,
            Contradiction => Entailment,
            Entailment => Contradiction,
            Neutral => Neutral,
        }),
        // What is denied of the red car is denied of the car, but not the other way round.
        (true, _) if is_of_thing(premise) && !is_of_same(premise, hypothesis) => None,
        (true, _) => {
            let follows = match affirmed(hypothesis, premise)? {
                // Not open is closed, but not big need not be small.
                Contradiction if is_open_or_closed(premise) => return None,
                backward => backward == Entailment,
            };
            Some(match (follows, hypothesis.negated) {
                (true, true) => Entailment,
                (true, false) => Contradiction,
                (false, _) => Neutral,
            })
        }
    }
}

fn is_of_thing(meaning: &Meaning) -> bool {
    matches!(meaning.subject, Subject::Thing(_))
}

fn is_of_same(premise: &Meaning, hypothesis: &Meaning) -> bool {
    premise.subject == hypothesis.subject && premise.town == hypothesis.town
}

fn is_open_or_closed(meaning: &Meaning) -> bool {
    matches!(meaning.predicate, Predicate::Is("open" | "closed"))
}

/// The relation of the two without their negations.
fn affirmed(premise: &Meaning, hypothesis: &Meaning) -> Option<Relation> {
    let predicate = predicates(premise, hypothesis);
    let parts = [
        subjects(premise, hypothesis),
        predicate,
        optional(premise.company, hypothesis.company, |_, _| Part::Unclear),
        optional(premise.spot, hypothesis.spot, |_, _| Part::Apart),
        optional(premise.time, hypothesis.time, |a, b| if exclusive(a, b) { Part::Apart } else { Part::Other }),
        towns(premise, hypothesis),
    ];
    let any = |part| parts.contains(&part);
    match () {
        () if any(Part::Unclear) || (any(Part::Apart) && predicate == Part::Other) => None,
        () if any(Part::Apart) => Some(Relation::Contradiction),
        () if any(Part::Wider) || any(Part::Other) => Some(Relation::Neutral),
        () => Some(Relation::Entailment),
    }
}

fn optional<T: PartialEq>(premise: Option<T>, hypothesis: Option<T>, differ: impl Fn(T, T) -> Part) -> Part {
    match (premise, hypothesis) {
        (None, None) => Part::Same,
        (Some(_), None) => Part::Narrower,
        (None, Some(_)) => Part::Wider,
        (Some(a), Some(b)) if a == b => Part::Same,
        (Some(a), Some(b)) => differ(a, b),
    }
}

fn subjects(premise: &Meaning, hypothesis: &Meaning) -> Part {
    let with_company = premise.company.is_some() || hypothesis.company.is_some();
    match (premise.subject, hypothesis.subject) {
        (Subject::Thing(a), Subject::Thing(b)) => match things(a, b) {
            // Two cats: each may be of its own colour.
            Part::Apart | Part::Other => Part::Unclear,
            part => part,
        },
        (Subject::Thing(_), _) | (_, Subject::Thing(_)) => Part::Unclear,
        (a, b) if a == b => Part::Same,
        (_, Subject::Someone) => Part::Narrower,
        (Subject::Someone, _) => Part::Wider,
        (Subject::Name(_), Subject::Name(_)) if !with_company => Part::Apart,
        (Subject::Name(_), Subject::Role(_)) | (Subject::Role(_), Subject::Name(_)) => Part::Other,
        _ => Part::Unclear,
    }
}

fn towns(premise: &Meaning, hypothesis: &Meaning) -> Part {
    let part = optional(premise.town, hypothesis.town, |a, b| match (a, b) {
        (Town::City(a), Town::Country(b)) if country(a) == b => Part::Narrower,
        (Town::Country(a), Town::City(b)) if country(b) == a => Part::Wider,
        _ => Part::Apart,
    });
    match (part, premise.subject) {
        // There is a hotel in either town.
        (Part::Apart, Subject::Thing(_)) => Part::Unclear,
        (part, _) => part,
    }
}

fn things(a: Thing, b: Thing) -> Part {
    let nouns = match (find(a.noun), find(b.noun)) {
        (a, b) if a.name == b.name => Part::Same,
        (a, b) if a.class == Some(b.name) => Part::Narrower,
        (a, b) if b.class == Some(a.name) => Part::Wider,
        (a, b) if a.kind == b.kind => Part::Apart,
        _ => Part::Unclear,
    };
    let adjectives = optional(a.adjective, b.adjective, |a, b| if exclusive(a, b) { Part::Apart } else { Part::Other });
    strongest(&[nouns, adjectives])
}

fn counts(a: Count, b: Count) -> Part {
    match (a, b) {
        (a, b) if a == b => Part::Same,
        (Count::Exactly(3..), Count::Several) => Part::Narrower,
        (Count::Several, Count::Exactly(3..)) => Part::Wider,
        (Count::Exactly(2..), Count::Exactly(2..)) => Part::Apart,
        _ => Part::Unclear,
    }
}

fn predicates(premise: &Meaning, hypothesis: &Meaning) -> Part {
    match (premise.predicate, hypothesis.predicate) {
        (Predicate::Does(a), Predicate::Does(b)) if a == b => Part::Same,
        (Predicate::Does(a), Predicate::Does(b)) if exclusive(a, b) => Part::Apart,
        (Predicate::Does(_), Predicate::Does(_)) => Part::Other,
        (Predicate::Handles { verb: a, count: n, object: x }, Predicate::Handles { verb: b, count: k, object: y }) => {
            strongest(&[handlings(a, b), counts(n, k), things(x, y)])
        }
        (Predicate::Is(a), Predicate::Is(b)) => match () {
            () if a == b => Part::Same,
            () if exclusive(a, b) => Part::Apart,
            () if says(premise, b) || says(hypothesis, a) => Part::Unclear,
            () => Part::Other,
        },
        (Predicate::Costs(a), Predicate::Costs(b)) if a == b => Part::Same,
        (Predicate::Costs(_), Predicate::Costs(_)) => Part::Apart,
        (Predicate::Costs(_), Predicate::Is(a)) | (Predicate::Is(a), Predicate::Costs(_)) => match a {
            "expensive" | "cheap" => Part::Unclear,
            _ if says(premise, a) || says(hypothesis, a) => Part::Unclear,
            _ => Part::Other,
        },
        _ => Part::Unclear,
    }
}

/// Whether the subject's adjective already decides about `adjective`.
fn says(meaning: &Meaning, adjective: &'static str) -> bool {
    match meaning.subject {
        Subject::Thing(Thing { adjective: Some(known), .. }) => known == adjective || exclusive(known, adjective),
        _ => false,
    }
}

fn handlings(a: &'static str, b: &'static str) -> Part {
    const INDEPENDENT: &[&str] = &["buy", "sell", "lose", "eat", "wash", "draw"];
    match () {
        () if a == b => Part::Same,
        () if exclusive(a, b) => Part::Apart,
        () if INDEPENDENT.contains(&a) && INDEPENDENT.contains(&b) => Part::Other,
        // Who finds a dog also sees it.
        () => Part::Unclear,
    }
}

/// Several parts as one: a doubt outweighs a clash, a clash a difference, a difference a lack.
fn strongest(parts: &[Part]) -> Part {
    let order = [Part::Unclear, Part::Apart, Part::Other, Part::Wider, Part::Narrower];
    let clash = parts.contains(&Part::Apart) && parts.contains(&Part::Other);
    if clash {
        return Part::Unclear;
    }
    order.into_iter().find(|part| parts.contains(part)).unwrap_or(Part::Same)
}
