//! What is known of a study's languages, and the groups that they fall into.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

use super::Options;
use crate::report::{
    languages::{self, Language},
    runs::Study,
};

/// One in so many languages, those with the least text, is called low-resource.
const LOW_RESOURCE: usize = 3;

/// A language and what is known of it.
#[derive(Debug, Clone, Serialize)]
pub struct LanguageFacts {
    /// Its code in the data.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Test examples.
    pub examples: usize,
    /// Its script.
    pub script: Option<&'static str>,
    /// Its family.
    pub family: Option<&'static str>,
    /// Its branch of that, as far down as is told apart; the language itself where nothing is known of it.
    pub branch: String,
    /// Distance from the source.
    pub distance: Option<f64>,
    /// Share of the text that the encoder was trained on.
    pub text_share: Option<f64>,
}

pub(super) fn facts(study: &Study, options: &Options) -> Vec<LanguageFacts> {
    let total: f64 = options.text.iter().flat_map(|text| text.values()).sum();
    let given = |table: &BTreeMap<String, f64>, code: &str, known: Option<&Language>| {
        let names = known.map_or(["", ""], |known| [known.code, known.flores]);
        [code].iter().chain(&names).find_map(|name| table.get(*name)).copied()
    };
    let source = languages::find(study.task.source);
    let fact = |(i, code): (usize, &String)| {
        let known = languages::find(code);
        LanguageFacts {
            code: code.clone(),
            name: known.map_or(code.clone(), |known| known.name.to_owned()),
            examples: study.examples[i].iter().sum(),
            script: known.map(|known| known.script),
            family: known.map(Language::family),
            branch: known.map_or(code.clone(), Language::branch),
            distance: match &options.distances {
                Some((_, table)) => given(table, code, known),
                None => known.zip(source).map(|(known, source)| known.distance_from(source)),
            },
            text_share: options.text.as_ref().and_then(|text| Some(given(text, code, known)? / total)),
        }
    };
    study.languages.iter().enumerate().map(fact).collect()
}

/// A group of languages, and those that it is compared with.
pub(super) struct Group {
    pub name: String,
    pub members: Vec<usize>,
    pub others: Vec<usize>,
}

/// Groups of languages other than the source. Where a property parts them in two, those without it are the others;
/// what nobody knows of a language puts it on no side. Properties that the same languages have are one group under both
/// names, and a script or family of one language is that language: one question asked twice would count twice in
/// corrections over all groups.
pub(super) fn groups(facts: &[LanguageFacts], others: &[usize]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut add = |name: String, is_two: Sides, has: &dyn Fn(&LanguageFacts) -> Option<bool>| {
        let on = |side: bool| others.iter().copied().filter(|i| has(&facts[*i]) == Some(side)).collect::<Vec<usize>>();
        let (members, others) = (on(true), if is_two == Sides::Two { on(false) } else { Vec::new() });
        if members.len() < if is_two == Sides::Two { 1 } else { 2 } {
            return;
        }
        let is_same = |group: &&mut Group| {
            group.members == members && (group.others == others || group.others.is_empty() || others.is_empty())
        };
        match groups.iter_mut().find(is_same) {
            // What parts languages in two comes first.
            Some(same) if same.others.is_empty() && !others.is_empty() => {
                *same = Group { name: format!("{name}; {}", same.name), members, others };
            }
            Some(same) => same.name = format!("{}; {name}", same.name),
            None => groups.push(Group { name, members, others }),
        }
    };
    let known = |fact: &LanguageFacts| languages::find(&fact.code);
    let scripts: BTreeSet<&str> = facts.iter().filter_map(|fact| fact.script).collect();
    for script in &scripts {
        add(format!("script: {script}"), Sides::One, &|fact| Some(fact.script == Some(script)));
    }
    add("scripts other than Latin".into(), Sides::Two, &|fact| fact.script.map(|script| script != "Latin"));
    let families: BTreeSet<&str> = facts.iter().filter_map(|fact| fact.family).collect();
    for family in &families {
        add(format!("family: {family}"), Sides::One, &|fact| Some(fact.family == Some(family)));
    }
    add("families other than Indo-European".into(), Sides::Two, &|fact| fact.family.map(|own| own != "Indo-European"));
    add("morphologically rich (SPMRL)".into(), Sides::Two, &|fact| known(fact).map(Language::is_morphologically_rich));
    add("agglutinative".into(), Sides::Two, &|fact| known(fact).map(Language::is_agglutinative));
    let mut shares: Vec<f64> = others.iter().filter_map(|i| facts[*i].text_share).collect();
    shares.sort_by(f64::total_cmp);
    let Some(bound) = (shares.len() / LOW_RESOURCE).checked_sub(1).map(|last| shares[last]) else { return groups };
    let low = |fact: &LanguageFacts| fact.text_share.map(|share| share <= bound);
    let name = format!("low-resource (the third with the least text, up to {:.1} %)", 100.0 * bound);
    add(name, Sides::Two, &low);
    add("not low-resource".into(), Sides::One, &|fact| low(fact).map(|is_low| !is_low));
    groups
}

/// Whether a property parts languages in two sides that are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sides {
    One,
    Two,
}
