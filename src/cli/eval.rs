//! `heatmark eval`.

use std::path::PathBuf;

use clap::Args;

use super::{Base, Done, print};
use crate::error::Error;
use crate::eval::{self, Options};
use crate::face::Engine;
use crate::frame::Signal;

/// Arguments of `heatmark eval`.
#[derive(Debug, Args)]
pub struct Eval {
    /// Annotated pictures: a synthetic data set, a folder with `.pts` or YOLO labels (boxes; 5, 68 or 70 points), a CSV
    /// file of points, or a picture.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What 16-bit counts mean if the file does not say so: centikelvin, decikelvin or counts.
    #[arg(long, value_name = "UNIT")]
    signal: Option<String>,
    /// Stop after this many pictures.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Evaluates the networks on annotated pictures.
pub(super) fn run(base: &Base, eval: &Eval) -> Done {
    let mut flags = Vec::new();
    if let Some(unit) = &eval.signal {
        flags.push(("--signal", "source.signal", unit.as_str().into()));
    }
    let settled = base.settle(flags)?;
    let config = &settled.values;
    let mut engine = Engine::of_stills(&config.face, config.surface)?;
    let signal = config.source.signal.map_or(Signal::Counts, |unit| unit.signal());
    let report = eval::run(&eval.paths, &mut engine, &Options { signal, limit: eval.limit })?;
    let text = if eval.json {
        serde_json::to_string(&report).map_err(|e| Error::fatal("eval", "the report has no JSON form").because(e))?
    } else {
        report.to_string()
    };
    print::out(&format!("{}\n", text.trim_end()))
}
