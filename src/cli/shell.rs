//! `rxlt completions` and `rxlt man`: what shells and `man` know of the command, made from the command itself.

use std::path::PathBuf;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Force, print};
use crate::{
    checkpoint::Output,
    error::{Error, Result},
};

/// Print what a shell completes commands and flags by.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rxlt completions bash > ~/.local/share/bash-completion/completions/rxlt
  rxlt completions zsh > ~/.zfunc/_rxlt
  rxlt completions fish > ~/.config/fish/completions/rxlt.fish")]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Print the manual page, or write the pages of all commands.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  rxlt man | man -l -\n  rxlt man ~/.local/share/man/man1")]
pub struct ManArgs {
    /// The folder for rxlt.1, rxlt-run.1, …; it is made if it is not there. Without it rxlt.1 is printed.
    folder: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

/// `rxlt completions`
pub fn completions(args: &CompletionsArgs, mut command: Command) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "rxlt", &mut text);
    print(&String::from_utf8_lossy(&text))
}

/// `rxlt man`
pub fn man(args: &ManArgs, mut command: Command) -> Result<()> {
    command.build();
    let Some(folder) = &args.folder else { return print(&String::from_utf8_lossy(&page(&command)?)) };
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::Output(format!("cannot create {}: {error}; name another folder", folder.display())))?;
    let mut pages = Vec::new();
    collect("", &command, &mut pages)?;
    let output = |(name, _): &(String, Vec<u8>)| Output::new(&folder.join(name), args.force.existing(), &[]);
    // All are looked at before one is written.
    let outputs = pages.iter().map(output).collect::<Result<Vec<_>>>()?;
    outputs.iter().zip(&pages).try_for_each(|(output, (_, text))| output.write(text))?;
    print(&format!("{}: {} pages\n", folder.display(), pages.len()))
}

/// The page of a command and of those below it, by the names of their files.
fn collect(above: &str, command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let name = format!("{above}{}", command.get_name());
    pages.push((format!("{name}.1"), page(&command.clone().name(name.clone()))?));
    let shown = command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help");
    shown.into_iter().try_for_each(|below| collect(&format!("{name}-"), below, pages))
}

fn page(command: &Command) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    Man::new(command.clone())
        .render(&mut text)
        .map_err(|error| Error::Io(format!("cannot make the page of {}: {error}", command.get_name())))?;
    Ok(text)
}
