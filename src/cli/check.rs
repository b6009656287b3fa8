//! `heatmark config`: check, show, reference, boards.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Base, Done, print};
use crate::config::{self, boards, reference};

/// Subcommands of `heatmark config`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a file and report every error with its line.
    Check {
        /// The file to check; by default the file of `--config`.
        file: Option<PathBuf>,
    },
    /// Show every effective value and where it was set.
    Show {
        /// Only values that are set.
        #[arg(long)]
        changed: bool,
    },
    /// Print every key with its meaning, range and default, as a template file.
    Reference,
    /// List the boards for `--board`.
    Boards,
}

/// Runs a subcommand.
pub(super) fn run(base: &Base, command: &Command) -> Done {
    match command {
        Command::Check { file } => check(base, file.as_ref()),
        Command::Show { changed } => show(base, *changed),
        Command::Reference => print::out(&reference::text()?),
        Command::Boards => list_boards(),
    }
}

fn check(base: &Base, file: Option<&PathBuf>) -> Done {
    let mut given = base.given(Vec::new());
    given.file = file.cloned().or(given.file);
    let settled = config::load(&given)?;
    let set = settled.entries.iter().filter(|e| matches!(e.origin, config::layers::Origin::File(..))).count();
    let name = given.file.as_ref().map_or("no file".to_string(), |f| f.display().to_string());
    print::out(&format!("{name}: ok, {set} of {} keys set\n", settled.entries.len()))
}

fn show(base: &Base, changed: bool) -> Done {
    let settled = config::load(&base.given(Vec::new()))?;
    let entries = settled.entries.iter().filter(|e| !changed || e.origin != config::layers::Origin::Default);
    let rows: Vec<_> = entries.map(|e| [e.path.clone(), format!("= {}", e.shown), format!("# {}", e.origin)]).collect();
    print::out(&print::columns(&rows))
}

fn list_boards() -> Done {
    let mine = boards::choose(boards::AUTO)?;
    let rows: Vec<_> = boards::all()?
        .into_iter()
        .map(|b| {
            let here = if b.name == mine.name { "(this machine)" } else { "" };
            [b.name.to_string(), b.about.name, here.to_string()]
        })
        .collect();
    print::out(&print::columns(&rows))
}
