//! `heatmark record`.

use std::path::PathBuf;

use clap::Args;

use super::play::{self, Options};
use super::{Base, Done, Failure};
use crate::assembly::Input;
use crate::error::Error;
use crate::recording::CameraInfo;
use crate::sink::record;

/// Arguments of `heatmark record`.
#[derive(Debug, Args)]
pub struct Record {
    /// What to record: a camera (as for `heatmark run`), `demo`, a recording, a picture or a folder of pictures.
    source: String,
    /// Folder of the recordings; made where it does not exist.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Write each frame's result into its page.
    #[arg(long)]
    results: bool,
    #[command(flatten)]
    options: Options,
}

/// Records raw frames, with temperature and times, and shows them meanwhile.
pub(super) fn run(base: &Base, record: &Record) -> Done {
    let mut flags = Vec::new();
    if let Some(dir) = &record.dir {
        let dir = dir.to_str().ok_or_else(|| Error::fix("--dir", "the path is not UTF-8"))?;
        flags.push(("--dir", "record.dir", dir.into()));
    }
    if record.results {
        flags.push(("--results", "record.results", true.into()));
    }
    let settled = record.options.settle(base, flags)?;
    let config = &settled.values;
    let input = Input::of(&record.source, &config.source)?;
    let sink = record::Record::new(config.record.clone(), CameraInfo::default())?;
    let counts = sink.counts();
    let done = play::run(base, config, input, record.options.seconds, vec![Box::new(sink)]);
    if !base.quiet {
        let (frames, files, lost) = (counts.frames(), counts.files(), counts.lost());
        let megabytes = counts.bytes() as f64 / 1e6;
        let dir = config.record.dir.display();
        let text = format!("  recorded {frames} frames in {files} files under {dir}, {megabytes:.1} MB, {lost} lost\n");
        if config.ndjson.stdout {
            eprint!("{text}");
        } else if !matches!(done, Err(Failure::ReaderGone)) {
            super::print::out(&text)?;
        }
    }
    done
}
