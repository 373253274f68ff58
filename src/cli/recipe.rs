//! `rxlt recipe`: the recipes that ship.

use std::{fs, io::Write, path::PathBuf};

use super::print;
use crate::{
    error::{Error, Result},
    report::{Column, Table},
    train::recipe::{Resolved, SHIPPED, find},
};

/// List, show or copy the recipes that ship.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  rxlt recipe ls\n  rxlt recipe show xnli-adv\n  rxlt recipe copy xnli-adv mine.toml"
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
    /// Copy one into a file, to change it.
    Copy {
        /// Its name.
        name: String,
        /// The new file; NAME.toml where not given.
        file: Option<PathBuf>,
    },
}

/// `rxlt recipe …`
pub fn run(args: &Args) -> Result<()> {
    match &args.command {
        Command::Ls => list(),
        Command::Show { name, resolved: false } => print(find(name)?),
        Command::Show { name, resolved: true } => print(&Resolved::parse(find(name)?, name, &[])?.to_toml()),
        Command::Copy { name, file } => copy(name, &file.clone().unwrap_or_else(|| format!("{name}.toml").into())),
    }
}

fn list() -> Result<()> {
    let mut table = Table::new([Column::words("recipe"), Column::words("what it does")]);
    for (name, text) in SHIPPED {
        table = table.row([*name, &Resolved::parse(text, name, &[])?.recipe.about]);
    }
    print(&table.to_text())
}

fn copy(name: &str, file: &PathBuf) -> Result<()> {
    let text = find(name)?;
    let created = fs::File::create_new(file).and_then(|mut out| out.write_all(text.as_bytes()));
    created.map_err(|error| Error::Output(format!("cannot create {}: {error}; name another file", file.display())))?;
    print(&format!("{}: change it, then rxlt run {}\n", file.display(), file.display()))
}
