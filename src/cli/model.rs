//! `heatmark model`: list, explain.

use clap::Subcommand;

use super::{Base, Done, print};
use crate::kernels;
use crate::nn::Model;

/// What can be asked about models.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the built-in models.
    List,
    /// Show who runs each operator of a model, what it costs, and what was left to tract and why.
    Explain {
        /// A built-in model by name, or the path of a model card (`.toml`).
        #[arg(value_name = "NAME|CARD")]
        model: String,
    },
}

/// Runs one of them.
pub(super) fn run(base: &Base, command: &Command) -> Done {
    base.settle(Vec::new())?;
    match command {
        Command::List => list(),
        Command::Explain { model } => print::out(&Model::find(model)?.explain(kernels::chosen()?)?),
    }
}

fn list() -> Done {
    let mut rows = Vec::new();
    for name in Model::names() {
        let model = Model::find(name)?;
        let card = model.card();
        rows.push([name.to_string(), format!("{}x{}", card.input.width, card.input.height), card.description.clone()]);
    }
    if rows.is_empty() {
        return print::out("no models are built in\n");
    }
    print::out(&print::columns(&rows))
}
