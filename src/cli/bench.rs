//! `heatmark bench`.

use std::time::Instant;

use clap::Args;

use super::{Base, Done, print};
use crate::bench::{self, Plan};
use crate::error::Error;

/// Arguments of `heatmark bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// Input: `demo` or a recording.
    #[arg(default_value = "demo")]
    source: String,
    /// Frames to measure.
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    frames: u32,
    /// Warm-up frames before the measurement; at least one pass of the recording.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    warm_up: u32,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Measures every stage. Fails if a stage allocates that must not.
pub(super) fn run(base: &Base, bench: &Bench, started: Instant) -> Done {
    let settled = base.settle(Vec::new())?;
    let plan = Plan { source: bench.source.clone(), frames: bench.frames, warm_up: bench.warm_up, started };
    let report = bench::run(&settled.values, &plan)?;
    let text = if bench.json {
        serde_json::to_string(&report).map_err(|e| Error::fatal("bench", "the report has no JSON form").because(e))?
    } else {
        report.to_string()
    };
    print::out(&format!("{text}\n"))?;
    let broken = report.broken_promises();
    match broken.is_empty() {
        true => Ok(()),
        false => Err(Error::fatal(broken.join(", "), "allocates after warm-up, wanted no allocation").into()),
    }
}
