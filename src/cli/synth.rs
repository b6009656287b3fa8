//! `heatmark synth`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Subcommand, ValueEnum};

use super::Done;
use crate::error::{Error, Result};
use crate::synth::clip;
use crate::synth::convert;
use crate::synth::dataset::{self, Kind};
use crate::synth::head::HeadModel;
use crate::synth::readout::{self, Readout};
use crate::synth::sensor::Faults;
use crate::synth::sequence;
use crate::synth::sheet;
use crate::synth::studio::Studio;
use crate::synth::track::{self, script::Script};

/// Arguments of `heatmark synth`.
#[derive(Debug, Args)]
pub struct Synth {
    #[command(subcommand)]
    command: Command,
}

/// Options of every kind of rendering.
#[derive(Debug, Args)]
struct Common {
    /// The morphable head, as written by `heatmark synth convert`.
    #[arg(long, value_name = "FILE")]
    face_model: PathBuf,
    /// Random seed; the same seed gives the same bytes on every machine.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Options of a data set.
#[derive(Debug, Args)]
struct Set {
    #[command(flatten)]
    common: Common,
    /// Folder for the arrays; created if missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Records to render.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Also render the same scenes in colour (`rgb.npy`).
    #[arg(long)]
    rgb: bool,
    /// Sensor faults in the picture; the scenes are the same.
    #[arg(long, value_enum, default_value_t = Faults::Drawn)]
    sensor: Faults,
    /// Threads; all cores by default. The output does not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

/// Options of sequences for trackers.
#[derive(Debug, Args)]
struct Track {
    /// Folder for the sequences; created if missing.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["sheet", "pair"])]
    out: Option<PathBuf>,
    /// The built-in pair instead, as two recordings: a thermal one, and Motion JPEG with the same name ending in
    /// `.mjpeg`.
    #[arg(long, value_name = "FILE.tiff", conflicts_with_all = ["out", "sheet"])]
    pair: Option<PathBuf>,
    /// A contact sheet of 48 sequences, for viewing, instead of the sequences.
    #[arg(long, value_name = "FILE.png", conflicts_with = "out")]
    sheet: Option<PathBuf>,
    /// Photographs for surfaces and backgrounds: png, jpg, tif, 80x60 to 1280x1024 pixels.
    #[arg(long, value_name = "FOLDER")]
    photos: Option<PathBuf>,
    /// Thermal pictures for backgrounds, brighter where warmer.
    #[arg(long, value_name = "FOLDER")]
    backgrounds: Option<PathBuf>,
    /// Random seed; the same seed and pictures give the same bytes on every machine.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Sequences to render.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Frames of each.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(2..=2000))]
    frames: u16,
    /// Threads; all cores by default. The output does not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

/// What counts mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Signal {
    /// Radiometric: absolute temperature, 0.01 K per count in high gain, 0.1 K in low gain.
    Tlinear,
    /// Raw 14-bit counts of unknown temperature.
    Counts,
}

/// Range of the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Gain {
    /// Fine steps, little noise.
    High,
    /// Coarse steps, four times the noise; for hot scenes.
    Low,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Crops of 128 x 128 around one face each.
    Crops(Set),
    /// Whole frames with up to four people.
    Frames {
        #[command(flatten)]
        set: Set,
        /// Columns of the sensor.
        #[arg(long, default_value_t = 160, value_parser = clap::value_parser!(u16).range(80..=1280))]
        width: u16,
        /// Rows of the sensor.
        #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u16).range(60..=1024))]
        height: u16,
    },
    /// The built-in clip: a recording, and its ground truth beside it as NDJSON.
    Demo {
        #[command(flatten)]
        common: Common,
        /// The recording; the ground truth goes to the same name ending in `.truth.ndjson`.
        #[arg(long, value_name = "FILE.tiff")]
        out: PathBuf,
        /// Frames to render, at 8.8 per second.
        #[arg(long, default_value_t = sequence::FRAMES, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        frames: u64,
        /// What counts mean.
        #[arg(long, value_enum, default_value_t = Signal::Tlinear)]
        signal: Signal,
        /// Range of the camera.
        #[arg(long, value_enum, default_value_t = Gain::High)]
        gain: Gain,
        /// Also write the view of a colour camera to `.rgb.tiff` and `.rgb.truth.ndjson`: 320 x 240 at
        /// 15 Hz, 3 cm to the side, not synchronised, its times 48 ms late.
        #[arg(long)]
        rgb: bool,
        /// Also write every frame as a PureThermal sends it, with two rows of telemetry, to `.y16`: raw counts of
        /// 160 x 122, for a virtual camera.
        #[arg(long)]
        telemetry: bool,
    },
    /// Pairs of thermal and visible sequences with the boxes of one target in each, for training trackers.
    Track(Track),
    /// Build the face model from the OBJ files of ICT-FaceKit; needed only once.
    Convert {
        /// A checkout of github.com/ICT-VGL/ICT-FaceKit, or its folder `FaceXModel`.
        #[arg(long, value_name = "DIR")]
        ict: PathBuf,
        /// The face model to write.
        #[arg(long, value_name = "FILE.npz")]
        out: PathBuf,
    },
    /// A contact sheet of 64 scenes, for viewing.
    Sheet {
        #[command(flatten)]
        common: Common,
        /// The picture.
        #[arg(long, value_name = "FILE.png")]
        out: PathBuf,
        /// Whole frames instead of face crops.
        #[arg(long)]
        frames: bool,
        /// In colour.
        #[arg(long)]
        rgb: bool,
        /// Mark the points: green is visible, yellow hidden by the head, red hidden by something else.
        #[arg(long)]
        points: bool,
    },
}

/// Renders.
pub(super) fn run(synth: &Synth) -> Done {
    match &synth.command {
        Command::Crops(set) => data(set, Kind::Crops)?,
        Command::Frames { set, width, height } => {
            data(set, Kind::Frames { width: usize::from(*width), height: usize::from(*height) })?;
        }
        Command::Demo { common, out, frames, signal, gain, rgb, telemetry } => {
            let gain = if *gain == Gain::Low { readout::Gain::Low } else { readout::Gain::High };
            let readout = Readout { raw: *signal == Signal::Counts, gain };
            let studio = studio(common)?;
            clip::write_demo(&studio, common.seed, *frames, readout, out)?;
            if *rgb {
                clip::write_colour(&studio, common.seed, *frames, out)?;
            }
            if *telemetry {
                clip::write_transfers(&studio, common.seed, *frames, readout, out)?;
            }
        }
        Command::Track(set) => track(set)?,
        Command::Convert { ict, out } => convert::convert(ict, out)?,
        Command::Sheet { common, out, frames, rgb, points } => {
            let kind = if *frames { Kind::Frames { width: 160, height: 120 } } else { Kind::Crops };
            let png = sheet::contact(&studio(common)?, kind, common.seed, *rgb, *points)?;
            std::fs::write(out, png).map_err(|e| Error::fix(out.display(), "cannot be written").because(e))?;
        }
    }
    Ok(())
}

fn studio(common: &Common) -> Result<Studio> {
    Ok(Studio::new(HeadModel::open(&common.face_model)?))
}

fn data(set: &Set, kind: Kind) -> Result<()> {
    let studio = studio(&set.common)?;
    let threads = threads(set.threads);
    let started = Instant::now();
    let out: &Path = &set.out;
    let order = dataset::Set { kind, seed: set.common.seed, colour: set.rgb, faults: set.sensor };
    dataset::write(&studio, &order, set.count as usize, threads, out)?;
    let seconds = started.elapsed().as_secs_f32();
    log::info!("{}: {} records in {seconds:.1} s, {:.0}/s", out.display(), set.count, set.count as f32 / seconds);
    Ok(())
}

fn threads(wanted: Option<u16>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    wanted.map_or_else(cores, usize::from)
}

fn track(set: &Track) -> Result<()> {
    let album = track::album::Album::open(set.photos.as_deref(), set.backgrounds.as_deref())?;
    let props = track::folder::Props::with(album);
    let frames = usize::from(set.frames);
    if let Some(out) = &set.sheet {
        let png = track::sheet::contact(&props, set.seed, frames)?;
        return std::fs::write(out, png).map_err(|e| Error::fix(out.display(), "cannot be written").because(e));
    }
    if let Some(out) = &set.pair {
        return track::pair::write(&props.play(Script::demo(frames)), out);
    }
    let Some(out) = &set.out else { return Ok(()) };
    let started = Instant::now();
    let order = track::folder::Set { seed: set.seed, count: set.count as usize, frames };
    track::folder::write(&props, &order, threads(set.threads), out)?;
    let seconds = started.elapsed().as_secs_f32();
    let rate = (order.count * frames) as f32 / seconds;
    log::info!("{}: {} sequences in {seconds:.1} s, {rate:.0} frames/s", out.display(), set.count);
    Ok(())
}
