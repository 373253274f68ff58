//! `rxlt recipe`: the recipes that ship.

use std::path::{Path, PathBuf};

use super::{Force, print, print_keys};
use crate::{
    checkpoint::Output,
    error::Result,
    recipe::{Resolved, SHIPPED, find, keys::keys},
    report::{Column, Table},
};

/// List, show or copy the recipes that ship.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rxlt recipe ls\n  rxlt recipe show xnli-adv\n  rxlt recipe keys warmup\n  rxlt recipe copy xnli-adv mine.toml"
)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List their names and what they do.
    Ls,
    /// Print one.
    Show {
        /// Its name.
        name: String,
        /// With every default written out.
        #[arg(long)]
        resolved: bool,
    },
    /// List every key that a recipe may have, with its default and what it means.
    Keys {
        /// Only keys in whose name this stands.
        part: Option<String>,
    },
    /// Copy one into a file, to change it.
    Copy {
        /// Its name.
        name: String,
        /// The new file; NAME.toml where not given.
        file: Option<PathBuf>,
        #[command(flatten)]
        force: Force,
    },
}

/// `rxlt recipe …`
pub fn run(args: &Args) -> Result<()> {
    match &args.command {
        Command::Ls => list(),
        Command::Show { name, resolved: false } => print(find(name)?),
        Command::Show { name, resolved: true } => print(&Resolved::parse(find(name)?, name, &[])?.to_toml()),
        Command::Keys { part } => print_keys(&keys(), part.as_deref().unwrap_or_default()),
        Command::Copy { name, file, force } => {
            copy(name, &file.clone().unwrap_or_else(|| format!("{name}.toml").into()), force)
        }
    }
}

fn list() -> Result<()> {
    let mut table = Table::new([Column::words("recipe"), Column::words("what it does")]);
    for (name, text) in SHIPPED {
        table = table.row([*name, &Resolved::parse(text, name, &[])?.recipe.about]);
    }
    print(&table.to_text())
}

fn copy(name: &str, file: &Path, force: &Force) -> Result<()> {
    let text = find(name)?;
    Output::new(file, force.existing(), &[])?.write(text.as_bytes())?;
    print(&format!("{}: change it, then rxlt run {}\n", file.display(), file.display()))
}
