//! `heatmark replay`.

use clap::Args;

use super::play::{self, Options, Recording};
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
    #[command(flatten)]
    recording: Recording,
    #[command(flatten)]
    options: Options,
}

/// Plays a recording. By default it behaves like a camera: late frames are dropped.
pub(super) fn run(base: &Base, replay: &Replay) -> Done {
    let mut flags = replay.recording.flags();
    let policy = match (replay.every, replay.paced) {
        (true, _) => Policy::Every,
        (_, true) => Policy::Paced,
        _ => Policy::Live,
    };
    if policy.loses_nothing() {
        let flag = if replay.every { "--every" } else { "--paced" };
        flags.push((flag, "sink.ndjson.every", true.into()));
    }
    let settled = replay.options.settle(base, flags)?;
    let config = &settled.values;
    let input = Input::recording(&spec(&replay.file), &config.source, policy)?;
    play::run(base, config, replay.options.seconds, |more| Fleet::one(config, input, more))
}

/// The source that plays a file. A plain name means a file here, even if a source has that name.
fn spec(file: &str) -> String {
    if play::is_built_in(file) { file.into() } else { format!("replay:{file}") }
}
