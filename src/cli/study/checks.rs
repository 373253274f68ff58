//! What a study asks for, looked at before anything is trained: what comes last would else be missed last, after hours.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::{
    cli::{
        named::{self, Network},
        run::check_paths,
    },
    data::Data,
    error::{Error, Result},
    models::Config,
    recipe::Recipe,
    study::{Cell, Design, Intermediate, languages},
    tasks,
};

/// Refuses stages that the model is too small for, and files that are not there or cannot be read.
pub(super) fn check(design: &Design, cells: &[Cell], network: Network) -> Result<()> {
    sizes(cells)?;
    let codes = data(design, cells, network)?;
    complexity(design, &codes)
}

/// Refuses stages that the model is too small for. One that is still to be downloaded, or to be made, is not looked at.
fn sizes(cells: &[Cell]) -> Result<()> {
    let Some(first) = cells.iter().find(|cell| cell.before.is_none()) else { return Ok(()) };
    let Some(path) = &first.resolved.recipe.model.path else { return Ok(()) };
    let folder = named::at_hand(Path::new(path))?;
    if !folder.is_dir() {
        return Ok(());
    }
    let config = Config::load(&folder)?;
    for cell in cells {
        for resolved in cell.before.iter().map(|before| &before.resolved).chain([&cell.resolved]) {
            let of_run = |error: Error| error.with(&format!("this is of {}", resolved.recipe.name));
            resolved.recipe.check_sizes(&config).map_err(of_run)?;
        }
    }
    Ok(())
}

/// Reads all data once; returns the languages that targets are measured in. A data set on the hub is read when it is there.
fn data(design: &Design, cells: &[Cell], network: Network) -> Result<BTreeSet<String>> {
    // Runs that differ in their seed alone read the same, and what a target reads does not depend on what was before.
    let before: BTreeMap<&str, &Intermediate> =
        cells.iter().filter_map(|cell| Some((&cell.arm.name[..], cell.before.as_ref()?))).collect();
    let targets: BTreeMap<usize, &Cell> =
        cells.iter().filter(|cell| cell.before.is_none()).map(|cell| (cell.target, cell)).collect();
    for before in before.values() {
        check_paths(&before.resolved, network)?;
        read(&before.resolved.recipe)?;
    }
    let mut codes = BTreeSet::new();
    for (number, cell) in targets {
        let recipe = &cell.resolved.recipe;
        check_paths(&cell.resolved, network)?;
        codes.extend(read(recipe)?);
        for name in &design.targets[number].challenges {
            Data::new(recipe).challenge(tasks::find(name)?)?;
        }
    }
    Ok(codes)
}

/// Reads what a run reads; returns the languages that it measures in.
fn read(recipe: &Recipe) -> Result<Vec<String>> {
    if named::is_data_set(&recipe.data.folder) { Ok(Vec::new()) } else { Data::new(recipe).read_through() }
}

/// Refuses what languages are to be told apart by, where that is not there.
fn complexity(design: &Design, codes: &BTreeSet<String>) -> Result<()> {
    let folder = Path::new(design.data_folder());
    if let Some(inside) = &design.complexity.treebanks {
        let path = folder.join(inside);
        if languages::treebanks(&path).map_err(|error| error.with("complexity.treebanks names it"))?.is_empty() {
            return Err(Error::Missing(format!(
                "complexity.treebanks: there is no .conllu file in {}",
                path.display()
            )));
        }
    }
    if let Some(inside) = design.complexity.parallel.as_ref().filter(|_| !codes.is_empty()) {
        let pattern = folder.join(inside);
        if !codes.iter().any(|code| languages::text_of(&pattern, code).is_some()) {
            let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
            return Err(Error::Missing(format!(
                "complexity.parallel: there is no {} in any of the languages of the targets ({}); {{language}} stands for the \
                 code",
                pattern.display(),
                codes.join(", ")
            )));
        }
    }
    languages::text_read(design.pretraining_text.as_deref(), "").map(drop)
}
