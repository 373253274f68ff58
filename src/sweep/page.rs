//! The page of a selection: what was tried of each method, what it took, and what was chosen.

use std::path::PathBuf;

use super::{
    Cell,
    grid::State,
    select::{Effort, Trial},
};
use crate::{
    error::Result,
    report::{
        Column, Table,
        analysis::{Analysis, Gain, Kind, Measured, Options, analyze},
        document::Document,
        percent, points, range,
        runs::{Labels, Study},
    },
};

/// A method with its trials, measured.
pub struct Tried<'a> {
    /// The method.
    pub method: &'a str,
    /// Its settings.
    pub trials: &'a [Trial],
    /// The place of the trial that is the best; none where none is finished.
    pub best: Option<usize>,
    /// All finished trials, against the best.
    analysis: Option<Analysis>,
}

impl<'a> Tried<'a> {
    /// Reads what the finished trials answered. The best has the highest mean over seeds, the earlier of equals.
    pub fn read(method: &'a str, trials: &'a [Trial]) -> Result<Tried<'a>> {
        let done: Vec<&Trial> = trials.iter().filter(|trial| trial.is_done()).collect();
        if done.is_empty() {
            return Ok(Tried { method, trials, best: None, analysis: None });
        }
        let cells = || done.iter().flat_map(|trial| &trial.cells);
        let runs: Vec<PathBuf> = cells().map(|cell| cell.folder.clone()).collect();
        let labels: Labels = cells().map(|cell| (cell.folder.clone(), cell.variant.clone())).collect();
        let study = Study::read_as(&runs, &labels)?;
        let options = |baseline| Options { baseline, ..Options::default() };
        let first = analyze(&study, &options(Some(done[0].variant.clone())))?;
        let mut best = &done[0].variant;
        for trial in &done {
            let value = |variant: &str| measured(&first, variant).map_or(f64::MIN, |found| found.value);
            best = if value(&trial.variant) > value(best) { &trial.variant } else { best };
        }
        let analysis = analyze(&study, &options(Some(best.clone())))?;
        let best = trials.iter().position(|trial| trial.variant == *best);
        Ok(Tried { method, trials, best, analysis: Some(analysis) })
    }

    /// The run, of any seed, with the settings chosen.
    pub fn chosen(&self) -> Option<&'a Cell> {
        self.trials[self.best?].cells.first()
    }

    /// What all its trials took.
    fn effort(&self) -> Effort {
        Effort::sum(self.trials.iter().map(|trial| &trial.effort))
    }

    /// How many other trials cannot be told from the best: the interval of the difference holds zero.
    fn ties(&self) -> usize {
        let analysis = self.analysis.iter();
        let others =
            analysis.flat_map(|analysis| analysis.methods.iter().filter_map(|one| gain_of(analysis, &one.name)));
        others.filter(|gain| !(gain.low > 0.0 || gain.high < 0.0)).count() // one with the same answers has no interval
    }
}

/// What a variant has in the language of training.
fn measured<'a>(analysis: &'a Analysis, variant: &str) -> Option<&'a Measured> {
    let method = analysis.methods.iter().find(|method| method.name == variant)?;
    method.measures.iter().find(|one| one.kind == Kind::Language && one.name == analysis.source)
}

fn gain_of<'a>(analysis: &'a Analysis, variant: &str) -> Option<&'a Gain> {
    measured(analysis, variant)?.gain.as_ref()
}

/// Writes the page.
pub fn page(name: &str, tried: &[Tried]) -> Document {
    let mut page = Document { title: format!("{name}: settings chosen on dev data"), blocks: Vec::new() };
    for one in tried {
        page.text(verdict(one));
    }
    let facts = tried.iter().find_map(|one| one.analysis.as_ref());
    if let Some(analysis) = facts {
        let seeds = analysis.methods.iter().map(|method| method.seeds.len()).max().unwrap_or(0);
        page.text(format!(
            "Measured by {} on {} items of the {} dev data, {seeds} seeds for each setting; no test item and no other language \
             was read. The best is the highest mean over seeds; its figure is too high by having been chosen.",
            analysis.metric, analysis.items, analysis.source
        ));
        if seeds < 2 {
            page.text("One seed: differences are of these models, and another seed may choose otherwise.");
        }
    }
    effort(tried, &mut page);
    for one in tried {
        settings(one, &mut page);
    }
    let notes = facts.map_or(&[][..], |analysis| &analysis.notes);
    notes.iter().for_each(|note| page.text(note.clone()));
    page
}

fn verdict(tried: &Tried) -> String {
    let (method, n) = (tried.method, tried.trials.len());
    let (Some(best), Some(analysis)) = (tried.best, &tried.analysis) else {
        return format!("{method}: nothing is finished.");
    };
    let (variant, ties) = (&tried.trials[best].variant, tried.ties());
    let value = measured(analysis, variant).map_or(f64::NAN, |found| found.value);
    let told = match ties {
        0 if n == 1 => "nothing else was tried".to_owned(),
        0 => "every other is told from it".to_owned(),
        ties => format!("not told from {ties} of them"),
    };
    let name = settings_of(tried, variant);
    format!("{method}: {name} ({} %), the best of {n}; {told}.", percent(value))
}

fn effort(tried: &[Tried], page: &mut Document) {
    let counts: Vec<usize> = tried.iter().map(|one| one.trials.len()).collect();
    let equal = counts.windows(2).all(|pair| pair[0] == pair[1]);
    if !equal {
        page.text("Methods were tried with different numbers of settings: the one with more is favoured.");
    }
    let headings = ["settings", "updates", "passes of an example", "minutes"];
    let columns = [Column::texts("method")].into_iter().chain(headings.map(Column::numbers));
    let row = |one: &Tried| {
        let Effort { updates, passes, seconds, .. } = one.effort();
        let minutes = format!("{:.1}", seconds / 60.0);
        [one.method.to_owned(), one.trials.len().to_string(), updates.to_string(), passes.to_string(), minutes]
    };
    let table = tried.iter().fold(Table::new(columns), |table, one| table.row(row(one)));
    page.table(
        "effort",
        "What was tried of each method: settings, updates of all runs, and how often an example passed through the encoder, \
         forward and back",
        table,
    );
}

fn settings(tried: &Tried, page: &mut Document) {
    let metric = tried.analysis.as_ref().map_or("", |analysis| analysis.metric);
    let headings = [metric, "against the best", "updates"];
    let columns = [Column::texts(tried.method)].into_iter().chain(headings.map(Column::numbers));
    let mut table = Table::new(columns);
    for (place, trial) in tried.trials.iter().enumerate() {
        let found = tried.analysis.as_ref().and_then(|analysis| measured(analysis, &trial.variant));
        let value = found.map(|found| {
            let deviation = found.deviation.map_or(String::new(), |deviation| format!(" ± {}", percent(deviation)));
            format!("{}{deviation}", percent(found.value))
        });
        let gain = tried.analysis.as_ref().and_then(|analysis| gain_of(analysis, &trial.variant));
        let gain = gain.map(|gain| format!("{} {}", points(gain.value), range([gain.low, gain.high])));
        let is_best = tried.best == Some(place);
        let against = if is_best { "chosen".to_owned() } else { gain.unwrap_or_default() };
        let name = settings_of(tried, &trial.variant).to_owned();
        table =
            table.row([name, value.unwrap_or_else(|| unfinished(trial)), against, trial.effort.updates.to_string()]);
    }
    page.table("settings", format!("{}: {metric} in %, mean ± standard deviation over seeds", tried.method), table);
}

/// What a variant is called beside its method's name.
fn settings_of<'v>(tried: &Tried, variant: &'v str) -> &'v str {
    let name = variant.strip_prefix(tried.method).map(str::trim).filter(|name| !name.is_empty());
    name.unwrap_or("as the recipe has it")
}

/// Why a trial has no figure.
fn unfinished(trial: &Trial) -> String {
    let states: Vec<State> = trial.cells.iter().map(Cell::state).collect();
    let worst = states.iter().filter(|state| **state != State::Done).max();
    worst.map_or(String::new(), |state| state.name().to_owned())
}
