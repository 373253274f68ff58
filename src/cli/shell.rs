//! `rxlt completions` and `rxlt man`: what shells and `man` know of the command, made from the command itself.

use std::path::PathBuf;

use clap::{Command, builder::Resettable};
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
pub fn completions(args: &CompletionsArgs, command: Command) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut shown(&command), "rxlt", &mut text);
    print(&String::from_utf8_lossy(&text))
}

/// `rxlt man`
pub fn man(args: &ManArgs, mut command: Command) -> Result<()> {
    without_help(&mut command);
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

/// `help`, of which there is no page, is no command of its own.
fn without_help(command: &mut Command) {
    *command = std::mem::take(command).disable_help_subcommand(true);
    command.get_subcommands_mut().for_each(without_help);
}

/// The page of a command and of those below it, by the names of their files.
fn collect(above: &str, command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let name = format!("{above}{}", command.get_name());
    pages.push((format!("{name}.1"), page(&command.clone().name(name.clone()))?));
    let shown = command.get_subcommands().filter(|below| !below.is_hide_set());
    shown.into_iter().try_for_each(|below| collect(&format!("{name}-"), below, pages))
}

/// The command without what no help shows: shells would offer it.
fn shown(command: &Command) -> Command {
    let bare = Command::new(command.get_name().to_owned())
        .args(command.get_arguments().filter(|argument| !argument.is_hide_set()))
        .subcommands(command.get_subcommands().filter(|below| !below.is_hide_set()).map(shown));
    match command.get_about() {
        Some(about) => bare.about(about.clone()),
        None => bare,
    }
}

/// The page of a command. What stands below its options in the help has sections of its own, in the lines that it has there.
fn page(command: &Command) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let below = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    Man::new(command.clone().after_help(Resettable::Reset))
        .render(&mut text)
        .map_err(|error| Error::Io(format!("cannot make the page of {}: {error}", command.get_name())))?;
    below.split("\n\n").filter(|part| !part.is_empty()).for_each(|part| text.extend(section(part).into_bytes()));
    Ok(text)
}

/// `Examples:` and lines below, or a sentence, as a section.
fn section(part: &str) -> String {
    let is_heading = |(heading, _): &(&str, &str)| heading.split(' ').count() <= 2;
    let (heading, lines) = part.split_once(':').filter(is_heading).unwrap_or(("Notes", part));
    let escaped = lines.trim_start().replace('\\', "\\e").replace('-', "\\-");
    let lines: String = escaped.lines().map(|line| format!("\\&{}\n", line.trim_start())).collect();
    format!(".SH {}\n.nf\n{lines}.fi\n", heading.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    #[test]
    fn shells_are_not_told_what_no_help_shows() {
        let below = |name: &'static str| Command::new(name).arg(Arg::new("a").long("shown-flag"));
        let hidden = below("secret").hide(true);
        let command = Command::new("rxlt")
            .subcommand(below("run").arg(Arg::new("b").long("own-flag").hide(true)))
            .subcommand(hidden);
        let mut text = Vec::new();
        clap_complete::generate(Shell::Bash, &mut shown(&command), "rxlt", &mut text);
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("--shown-flag") && !text.contains("--own-flag") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn examples_keep_their_lines() {
        let page = page(&Command::new("x").about("it").after_help("Examples:\n  x  -y")).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(page.ends_with(".SH EXAMPLES\n.nf\n\\&x  \\-y\n.fi\n") && !page.contains("EXTRA"), "{page}");
        assert_eq!(section("Examples:\n  a  -b\n  'c'"), ".SH EXAMPLES\n.nf\n\\&a  \\-b\n\\&'c'\n.fi\n");
        assert_eq!(section("Exit codes: 0 done,\n2 usage"), ".SH EXIT CODES\n.nf\n\\&0 done,\n\\&2 usage\n.fi\n");
        assert_eq!(section("X=y in it prints: all"), ".SH NOTES\n.nf\n\\&X=y in it prints: all\n.fi\n");
    }
}
