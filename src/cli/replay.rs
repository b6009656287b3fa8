//! `heatmark replay`.

use std::path::Path;

use clap::Args;

use super::play::{self, Options};
use super::{Base, Done};
use crate::fleet::Fleet;
use crate::pipeline::{Input, Policy};

/// Arguments of `heatmark replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// A recording (TIFF, CPTV, Y16), a picture, or a folder of pictures. `demo` is the built-in clip, unless a file
    /// has that name.
    file: String,
    /// Every frame, as fast as inference allows; identical results, byte for byte, on every run.
    #[arg(long, conflicts_with = "paced")]
    every: bool,
    /// Every frame, none before its time; playback falls behind if inference is slower.
    #[arg(long)]
    paced: bool,
    /// Restart at the end.
    #[arg(long)]
    repeat: bool,
    /// What 16-bit counts mean if the file does not say so: centikelvin, decikelvin or counts.
    #[arg(long, value_name = "UNIT")]
    signal: Option<String>,
    #[command(flatten)]
    options: Options,
}

/// Plays a recording. By default it behaves like a camera: late frames are dropped.
pub(super) fn run(base: &Base, replay: &Replay) -> Done {
    let mut flags = Vec::new();
    let policy = match (replay.every, replay.paced) {
        (true, _) => Policy::Every,
        (_, true) => Policy::Paced,
        _ => Policy::Live,
    };
    if policy.loses_nothing() {
        let flag = if replay.every { "--every" } else { "--paced" };
        flags.push((flag, "sink.ndjson.every", true.into()));
    }
    if replay.repeat {
        flags.push(("--repeat", "source.repeat", true.into()));
    }
    if let Some(unit) = &replay.signal {
        flags.push(("--signal", "source.signal", unit.as_str().into()));
    }
    let settled = replay.options.settle(base, flags)?;
    let config = &settled.values;
    let input = Input::recording(&spec(&replay.file), &config.source, policy)?;
    play::run(base, config, replay.options.seconds, |more| Fleet::one(config, input, more))
}

/// The source that plays a file. A plain name means a file here, even if a source has that name.
fn spec(file: &str) -> String {
    let built_in = file == "demo" && !Path::new(file).exists();
    if built_in { file.into() } else { format!("replay:{file}") }
}
