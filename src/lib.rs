//! Heatmark: a real-time inference runtime for thermal cameras.
//!
//! Folders are the data path, top to bottom:
//! [`source`] → [`frame`] → [`radiometry`], [`preprocess`] → [`nn`] ([`kernels`]) → [`face`] →
//! [`render`] → [`sink`]. [`pipeline`] is the one place that assembles them and the only one that
//! starts threads on the path. `source`, `face`, `render` and `sink` never import one another.
//! [`assembly`] makes its parts from a [`config`]; [`cli`] is the program.
//!
//! `unsafe` stands in [`kernels`], in [`source::v4l::linux`] and in [`bench::alloc`] (an allocator that
//! counts), nowhere else. Loops of `synth` are compiled for several instruction sets by a crate that sees to it.

pub mod assembly;
pub mod bench;
pub mod cli;
pub mod clock;
pub mod config;
pub mod doctor;
pub mod error;
pub mod eval;
pub mod face;
pub mod fleet;
pub mod frame;
pub mod geometry;
pub mod kernels;
pub mod landmarks;
pub mod look;
pub mod nn;
pub mod npy;
pub mod picture;
pub mod pipeline;
pub mod preprocess;
pub mod radiometry;
pub mod ranges;
pub mod recording;
pub mod render;
pub mod result;
pub mod session;
pub mod sink;
pub mod source;
pub mod status;
pub mod stop;
pub mod stream;
#[cfg(feature = "synth")]
pub mod synth;
pub mod units;

pub use error::{Error, Remedy, Result};
pub use face::{Engine, EngineBuilder};
pub use frame::{FfcState, Frame, FrameFormat, FrameMeta, Signal};
pub use result::Face;
pub use stream::Stream;
