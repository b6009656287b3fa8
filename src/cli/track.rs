//! `heatmark track`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use clap::Args;

use super::play::{self, Options, Recording};
use super::{Base, Done};
use crate::error::Error;
use crate::fleet::Fleet;
use crate::pipeline::{Input, Policy};
use crate::sink::boxes::BoxSink;
use crate::sink::pictures::PictureSink;
use crate::sink::{Output, Sink, Wants};
use crate::source::demo;

/// Arguments of `heatmark track`.
#[derive(Debug, Args)]
pub struct Track {
    /// The thermal recording: what `replay` plays, a video, or a folder of numbered pictures. `demo` is the built-in
    /// pair, unless a file has that name.
    #[arg(value_name = "THERMAL", required_unless_present = "rgb")]
    thermal: Option<String>,
    /// The recording in visible light of the same scene, up to 4096x4096 pixels, alone or beside the thermal one.
    #[arg(long, value_name = "VISIBLE")]
    rgb: Option<String>,
    /// What to track: a box `x,y,width,height` in pixels of the thermal frame, `hottest`, `face` or `person`; may be
    /// repeated. Without it, choose on the page.
    #[arg(long, value_name = "WHAT", allow_hyphen_values = true)]
    init: Vec<String>,
    /// Number of the frame, from 0, in which it is.
    #[arg(long, value_name = "FRAME", default_value_t = 0)]
    at: u64,
    /// The tracker: a built-in model or the path of a model card.
    #[arg(long, value_name = "NAME|CARD")]
    model: Option<String>,
    /// Write the box of each frame to this file as `x,y,width,height`; zeros where there is none.
    #[arg(long, value_name = "FILE")]
    boxes: Option<PathBuf>,
    /// A fifth column in that file: the probability that the target is in view.
    #[arg(long, requires = "boxes")]
    presence: bool,
    /// Write every frame with the results drawn on it to this folder, as numbered PNGs.
    #[arg(long, value_name = "DIR")]
    annotate: Option<PathBuf>,
    /// As fast as inference allows instead of as recorded; identical results on every run.
    #[arg(long)]
    every: bool,
    #[command(flatten)]
    recording: Recording,
    #[command(flatten)]
    options: Options,
}

/// Tracks in recordings. No frame is lost.
pub(super) fn run(base: &Base, track: &Track) -> Done {
    let mut flags = track.recording.flags();
    flags.extend(["track.enabled", "sink.ndjson.every"].map(|key| ("track", key, true.into())));
    let built_in = track.rgb.is_none() && track.thermal.as_deref().is_some_and(play::is_built_in);
    let mut starts: Vec<toml::Value> = track.init.iter().map(|text| text.as_str().into()).collect();
    if starts.is_empty() && built_in {
        starts.push(demo::WALKER.into());
    }
    if !starts.is_empty() {
        flags.push(("--init", "track.start", starts.into()));
    }
    let at = i64::try_from(track.at).map_err(|_| Error::fix("--at", "is too large"))?;
    flags.push(("--at", "track.start_frame", at.into()));
    if let Some(model) = &track.model {
        flags.push(("--model", "track.model", model.as_str().into()));
    }
    let settled = track.options.settle(base, flags)?;
    let config = &settled.values;
    let starts = !config.track.start.is_empty();
    if !starts && !config.sink.http.enabled {
        let wanted = "wanted x,y,width,height, hottest, face or person; without the page nothing can be chosen later";
        return Err(Error::fix("--init", format_args!("is missing, {wanted}")).into());
    }
    for recording in [&track.thermal, &track.rgb].into_iter().flatten() {
        let same = |path: &PathBuf| {
            path.canonicalize().is_ok_and(|p| Path::new(recording).canonicalize().is_ok_and(|r| p == r))
        };
        if track.boxes.as_ref().is_some_and(same) {
            return Err(Error::fix(
                "--boxes",
                format_args!("{recording} is the recording itself, wanted another file"),
            )
            .into());
        }
    }
    let policy = if track.every { Policy::Every } else { Policy::Paced };
    let input = if built_in {
        Input::demo_pair(&config.source, policy)?
    } else {
        let [thermal, visible] =
            [&track.thermal, &track.rgb].map(|spec| spec.as_deref().map(|s| format!("replay:{s}")));
        Input::pair(thermal.as_deref(), visible.as_deref(), &config.source, policy)?
    };
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if let Some(path) = &track.boxes {
        sinks.push(Box::new(BoxSink::create(path, track.presence)?));
    }
    if let Some(folder) = &track.annotate {
        sinks.push(Box::new(PictureSink::create(folder)?));
    }
    let seen = Arc::new(Seen::default());
    sinks.push(Box::new(Watch { seen: Arc::clone(&seen), last: None }));
    play::run(base, config, track.options.seconds, |more| {
        Fleet::one(config, input, &mut |number| more(number).into_iter().chain(sinks.drain(..)).collect())
    })?;
    if starts { seen.check(config.track.start_frame).map_err(Into::into) } else { Ok(()) }
}

/// What was seen of a run.
#[derive(Default)]
struct Seen {
    frames: AtomicU64,
    started: AtomicBool,
}

impl Seen {
    /// A target that was asked for in frame `at` must have been started.
    fn check(&self, at: u64) -> Result<(), Error> {
        let frames = self.frames.load(Relaxed);
        if self.started.load(Relaxed) {
            return Ok(());
        }
        Err(if frames <= at {
            Error::fix("--at", format_args!("is frame {at}, but the run ended after {frames} frames, counted from 0"))
        } else {
            Error::fix("--init", format_args!("nothing was tracked: the shutter is closed in all frames from {at} on"))
        })
    }
}

/// A sink that only watches.
struct Watch {
    seen: Arc<Seen>,
    /// The frame seen last; one may come again.
    last: Option<u64>,
}

impl Sink for Watch {
    fn name(&self) -> &str {
        "watch"
    }

    fn wants(&self) -> Wants {
        Wants::default()
    }

    fn put(&mut self, out: &Output<'_>) -> Result<(), Error> {
        if out.frame.is_some() && self.last.replace(out.result.seq) != Some(out.result.seq) {
            self.seen.frames.fetch_add(1, Relaxed);
        }
        self.seen.started.fetch_or(!out.result.targets.is_empty(), Relaxed);
        Ok(())
    }
}
