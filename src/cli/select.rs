//! `rxlt select`: each method's settings, chosen on dev data from a grid of equal size.

use std::path::PathBuf;

use super::{
    Force,
    jobs::Jobs,
    print,
    run::Show,
    sweep::{arguments, counts, refuse_changed, run_here, status},
    tell, write_page,
};
use crate::{
    checkpoint::Output,
    error::{Error, Result},
    recipe::Resolved,
    sweep::{
        Cell, Grid,
        grid::State,
        page::{Tried, page},
        select::{self, check_equal, for_selection, trials},
    },
};

/// Choose each method's settings on dev data, from as many trials of each, over several seeds.
///
/// The grid is one as rxlt sweep takes it, of one recipe. Its runs are measured on the source language's dev data: no
/// test item and no other language is read. What comes of it is a page that says what was searched, with how much effort
/// for each method, and a recipe with what was chosen, in which plain training stands a second time with as much compute
/// as the most expensive method. The same command goes on where it was stopped.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  rxlt select grid.toml --output selected.toml --page selection.md --jobs auto
  rxlt run selected.toml

grid.toml:
  name = \"sib200-selection\"
  recipes = [\"open-sib200\"]
  methods = [\"standard\", \"adv\"]
  seeds = [1, 2, 3]
  trials = 6                       # drawn from each method's combinations; without it all
  [settings]
  \"stages.0.learning_rate\" = [5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3]
  \"methods.1.adv.radius\" = [0.1, 0.3, 1.0]")]
pub struct Args {
    /// The grid file.
    grid: PathBuf,
    /// Where the recipe with the settings chosen is written.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Where the page is written, as Markdown, or as HTML where the name ends in .html; stdout has it as text.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Let methods have different numbers of trials, which favours the one with more.
    #[arg(long)]
    unequal: bool,
    /// Only say what would be tried, and how far it is; reads no data and writes nothing.
    #[arg(long)]
    dry_run: bool,
    /// Keep the models of all trials.
    #[arg(long)]
    keep_models: bool,
    /// How many runs at once, or auto, as with rxlt run.
    #[arg(long, value_name = "N|auto", default_value = "1")]
    jobs: Jobs,
    /// How progress is shown, as with rxlt run.
    #[arg(long, value_enum, default_value = "auto")]
    progress: Show,
    #[command(flatten)]
    force: Force,
}

/// `rxlt select`
pub fn run(args: &Args) -> Result<()> {
    let mut grid = Grid::read(&args.grid)?;
    if !args.keep_models {
        grid.arguments.push("--discard-models".to_owned());
    }
    let base = for_selection(&mut grid)?;
    let (given, cells) = (arguments(&args.grid, &grid)?, grid.cells()?);
    let mut methods = trials(&cells);
    if !args.unequal {
        check_equal(&methods)?;
    }
    let inputs = [args.grid.as_path()];
    let output = Output::new(&args.output, args.force.existing(), &inputs)?;
    let file = args.page.as_ref().map(|path| Output::new(path, args.force.existing(), &inputs)).transpose()?;
    refuse_changed(&cells)?;
    if args.dry_run {
        tell(&counts(&cells));
        return status(&cells);
    }
    let unfinished = run_here(&given, &cells, args.jobs, args.progress);
    // What failed is a result: a rate at which training diverges is not chosen, and stands on the page.
    if let Err(error @ (Error::Stopped(_) | Error::Usage(_) | Error::Config(_))) = unfinished {
        return Err(error);
    }
    if unfinished.is_ok() && cells.iter().any(|cell| cell.state() != State::Done) {
        return Err(Error::Stopped(
            "another process is at work on the rest; the same command goes on when it is done".into(),
        ));
    }
    methods.iter_mut().flat_map(|(_, trials)| trials).try_for_each(select::Trial::read_effort)?;
    let tried = methods.iter().map(|(name, trials)| Tried::read(name, trials)).collect::<Result<Vec<_>>>()?;
    let is_nothing = tried.iter().all(|one| one.chosen().is_none());
    if is_nothing && unfinished.is_err() {
        return unfinished; // no result, and so no page
    }
    let document = page(&grid.name, &tried);
    print(&document.to_text())?;
    if let Some(file) = file {
        write_page(&file, &document)?;
    }
    let chosen: Option<Vec<&Cell>> = tried.iter().map(Tried::chosen).collect();
    let Some(chosen) = chosen else { return unfinished };
    let recipe = Resolved { recipe: select::chosen(&grid, &base, &chosen), sources: base.sources };
    let text = format!("# Settings chosen by rxlt select {}.\n{}", args.grid.display(), recipe.to_toml());
    Resolved::parse(&text, &args.output.display().to_string(), &[])?;
    output.write(text.as_bytes())?;
    // Seeds that settings were chosen by are not those that a claim is made with.
    let seeds = if recipe.recipe.seeds.is_empty() { " --set seeds=[1,2,3,4,5]" } else { "" };
    tell(&format!("{}: the recipe with what was chosen; rxlt run {0}{seeds} trains it", args.output.display()));
    match unfinished {
        Err(Error::Diverged(message)) => {
            tell(&format!("note: not all trials could be chosen: {message}"));
            Ok(())
        }
        others => others,
    }
}
