//! Faces for thermal cameras: 70 landmarks and the temperature under each, in real time, on a CPU.
//!
//! ```
//! use std::time::Duration;
//! use heatmark::{Engine, Signal};
//! use ndarray::Array2;
//!
//! let mut engine = Engine::builder().signal(Signal::CENTIKELVIN).build()?;
//! let pixels = Array2::<u16>::from_elem((120, 160), 29_500); // one frame of 160x120, all at 21.85 degC
//! let faces = engine.process(pixels.view(), Duration::ZERO)?;
//! assert!(faces.is_empty());
//! # Ok::<(), heatmark::Error>(())
//! ```
//!
//! [`Engine`] takes pixels from anywhere; [`Stream`] runs a camera or a file on three threads and calls back with
//! every result; [`open`], [`read_still`] and [`Recorder`] read and write files; a [`Sink`] is an output.
//! The folder `examples/` has a program for each.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | none | the inference core: [`Engine`], frames, results |
//! | `stream` | files, recordings, [`Stream`], sinks, the overlay |
//! | `camera` | V4L2 cameras |
//! | `page` | the live page, its streams and metrics |
//! | `program` | the command line, configuration, evaluation, benchmarks |
//! | `synth` | the renderer of training scenes |
//! | `base-model` | the float network `face-landmarks-base`, 10 MB |
//! | `nokhwa` | colour cameras |
//!
//! # Stability
//!
//! What this page lists is the public interface. The modules below it are internal: they are public for the
//! program, tests and benchmarks, and may change in any release.

#[cfg(feature = "program")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod assembly;
#[cfg(feature = "program")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod bench;
#[cfg(feature = "program")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod cli;
#[cfg(feature = "stream")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod clock;
#[cfg(feature = "program")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod config;
#[cfg(feature = "program")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod doctor;
#[cfg_attr(not(clippy), doc(hidden))]
pub mod error;
#[cfg(feature = "program")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod eval;
#[cfg_attr(not(clippy), doc(hidden))]
pub mod face;
#[cfg(feature = "program")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod fleet;
#[cfg_attr(not(clippy), doc(hidden))]
pub mod frame;
#[cfg_attr(not(clippy), doc(hidden))]
pub mod geometry;
#[cfg_attr(not(clippy), doc(hidden))]
pub mod kernels;
pub mod landmarks;
#[cfg(feature = "stream")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod look;
#[cfg_attr(not(clippy), doc(hidden))]
pub mod nn;
#[cfg_attr(not(clippy), doc(hidden))]
pub mod npy;
#[cfg(feature = "stream")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod picture;
#[cfg(feature = "stream")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod pipeline;
#[cfg_attr(not(clippy), doc(hidden))]
pub mod preprocess;
#[cfg_attr(not(clippy), doc(hidden))]
pub mod radiometry;
#[cfg(feature = "stream")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod ranges;
#[cfg(feature = "stream")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod recording;
#[cfg(feature = "stream")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod render;
#[cfg_attr(not(clippy), doc(hidden))]
pub mod result;
#[cfg(feature = "program")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod session;
#[cfg(feature = "stream")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod sink;
#[cfg(feature = "stream")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod source;
#[cfg(feature = "stream")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod status;
#[cfg(feature = "stream")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod stop;
#[cfg(feature = "stream")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod stream;
#[cfg(feature = "synth")]
#[cfg_attr(not(clippy), doc(hidden))]
pub mod synth;
#[cfg_attr(not(clippy), doc(hidden))]
pub mod track;
#[cfg_attr(not(clippy), doc(hidden))]
pub mod units;

pub use error::{Error, Remedy, Result};
pub use face::{Engine, EngineBuilder};
pub use frame::{FfcState, Frame, FrameFormat, FrameMeta, Signal};
pub use geometry::Rect;
pub use result::{
    DropCounts, DropReason, Face, FrameResult, Landmark, Latency, NoTemperature, Pose, Readings, StreamState,
    TrackState,
};
pub use units::{Celsius, Nanos};

#[cfg(feature = "stream")]
pub use {
    picture::Canvas,
    pipeline::Summary,
    recording::CameraInfo,
    recording::files::{Files as Recorder, Settings as RecorderSettings},
    sink::{Output, RESULT_SCHEMA, Report, Sink, Wants},
    source::{Read, Source},
    status::{Counts, LatencySummary, Snapshot},
    stream::{Stream, open, read_still},
};

/// Names of the built-in models.
pub fn models() -> Vec<&'static str> {
    nn::Model::names().collect()
}
