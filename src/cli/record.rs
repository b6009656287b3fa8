//! `heatmark record`.

use std::path::PathBuf;

use clap::Args;

use super::play::{self, Options};
use super::{Base, Done};
use crate::error::Error;
use crate::fleet::Fleet;
use crate::pipeline::{Input, Policy};

/// Arguments of `heatmark record`.
#[derive(Debug, Args)]
pub struct Record {
    /// What to record: a camera (as for `heatmark run`), `demo`, a recording, a picture or a folder of pictures.
    source: String,
    /// Folder for the recordings; created if missing.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Write each frame's result into its TIFF page.
    #[arg(long)]
    results: bool,
    #[command(flatten)]
    options: Options,
}

/// Records raw frames with temperature and times, and shows them during the recording.
pub(super) fn run(base: &Base, record: &Record) -> Done {
    let mut flags = vec![("record", "sink.record.enabled", true.into())];
    if let Some(dir) = &record.dir {
        let dir = dir.to_str().ok_or_else(|| Error::fix("--dir", "the path is not UTF-8"))?;
        flags.push(("--dir", "sink.record.dir", dir.into()));
    }
    if record.results {
        flags.push(("--results", "sink.record.results", true.into()));
    }
    let settled = record.options.settle(base, flags)?;
    let config = &settled.values;
    let input = Input::open(&record.source, &config.source, Policy::Live)?;
    play::run(base, config, record.options.seconds, |more| Fleet::one(config, input, more))
}
