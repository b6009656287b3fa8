//! `heatmark model`: list, explain.

use std::path::Path;

use clap::Subcommand;

use super::{Base, Done, print};
use crate::error::Error;
use crate::kernels;
use crate::nn::Model;

/// Subcommands of `heatmark model`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the built-in models.
    List,
    /// Show what runs each operator of a model, its cost, and which operators tract runs and why.
    Explain {
        /// Name of a built-in model, or path of a model card (`.toml`) or an ONNX file (`.onnx`).
        #[arg(value_name = "NAME|FILE")]
        model: String,
        /// Input shape if the ONNX file does not fix it: batch, channels, height, width.
        #[arg(long, value_name = "N,C,H,W", value_delimiter = ',')]
        shape: Vec<usize>,
    },
}

/// Runs a subcommand.
pub(super) fn run(base: &Base, command: &Command) -> Done {
    base.settle(Vec::new())?;
    match command {
        Command::List => list(),
        Command::Explain { model, shape } => {
            let kernels = kernels::chosen()?;
            let told = match (model.ends_with(".onnx"), &shape[..]) {
                (true, shape) => Model::explain_file(Path::new(model), shape, kernels),
                (false, []) => Model::find(model)?.explain(kernels),
                _ => Err(Error::fix("--shape", "is for ONNX files; a model card gives the shape of its input")),
            };
            print::out(&told?)
        }
    }
}

fn list() -> Done {
    let mut rows = Vec::new();
    for name in Model::names() {
        let model = Model::find(name)?;
        let card = model.card();
        let size = match (&card.input, &card.tracker) {
            (Some(input), _) => format!("{}x{}", input.width, input.height),
            (None, Some(crops)) => format!("{0}x{0}", crops.search),
            (None, None) => String::new(),
        };
        rows.push([name.to_string(), size, card.description.clone()]);
    }
    if rows.is_empty() {
        return print::out("no models are built in\n");
    }
    print::out(&print::columns(&rows))
}
