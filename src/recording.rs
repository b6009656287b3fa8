//! Writes and reads recordings: 16-bit clips with their capture times.
//!
//! Our own format is a multi-page 16-bit TIFF that any viewer opens ([`mod@write`], [`pages`]).
//! CPTV ([`cptv`]) and PureThermal Y16 ([`y16`]) are read-only.
//!
//! Damage is never an error once a recording is open: intact frames are read, and
//! [`Clip::truncation`] says why the rest are not.

pub mod cptv;
pub mod files;
mod gzip;
pub mod ifd;
pub mod page;
pub mod pages;
mod tail;
pub mod write;
pub mod y16;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat, Signal};

pub use tail::Medium;

/// Smallest picture read from a file: columns, rows.
pub const MIN_SIZE: (u32, u32) = (80, 60);
/// Largest thermal picture read from a file or recorded: columns, rows.
pub const MAX_SIZE: (u32, u32) = (1280, 1024);

/// A recording, read from its first to its last frame.
pub trait Clip: Send {
    /// The format of the frame read last; before any read, that of the first.
    fn format(&self) -> FrameFormat;

    /// The camera that made it, if the file says.
    fn camera(&self) -> &CameraInfo;

    /// Fills `into` with the next frame and its recorded times; false at the end.
    fn read(&mut self, into: &mut Frame) -> bool;

    /// Why [`Clip::read`] ended before the end of the recording; `None` if it is whole.
    fn truncation(&self) -> Option<&str>;

    /// Frames skipped because they were damaged.
    fn skipped(&self) -> u64 {
        0
    }
}

/// Facts about the camera that made a recording. Unknown facts are absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CameraInfo {
    /// Name of the source or device ("lepton", "livingsprings03").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Maker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Firmware revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
}

/// The unit of 16-bit counts, stated by the user for a file that does not give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Hundredths of a kelvin (Lepton TLinear at 0.01 K).
    Centikelvin,
    /// Tenths of a kelvin (Lepton TLinear at 0.1 K).
    Decikelvin,
    /// Sensor counts without a known relation to temperature.
    Counts,
}

impl Unit {
    /// What a count means.
    pub fn signal(self) -> Signal {
        match self {
            Unit::Centikelvin => Signal::CENTIKELVIN,
            Unit::Decikelvin => Signal::Radiometric { kelvin_per_count: 0.1, kelvin_at_zero: 0.0 },
            Unit::Counts => Signal::Counts,
        }
    }
}

/// The largest picture that is read; the smallest is always [`MIN_SIZE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Largest {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Largest {
    /// Pictures of thermal cameras: [`MAX_SIZE`].
    pub const THERMAL: Self = Self { width: MAX_SIZE.0, height: MAX_SIZE.1 };
    /// Pictures in visible light.
    pub const VISIBLE: Self = Self { width: 4096, height: 4096 };

    /// Pixels of the largest picture.
    pub fn pixels(self) -> usize {
        self.width as usize * self.height as usize
    }

    /// Rejects pictures that are smaller than [`MIN_SIZE`] or larger than this.
    ///
    /// # Errors
    /// `Fix` for such a picture.
    pub fn check(self, subject: impl fmt::Display, width: u32, height: u32) -> Result<()> {
        let ((w0, h0), (w1, h1)) = (MIN_SIZE, (self.width, self.height));
        if (w0..=w1).contains(&width) && (h0..=h1).contains(&height) {
            return Ok(());
        }
        Err(Error::fix(
            subject,
            format_args!("is {width}x{height} pixels; supported are {w0}x{h0} (columns x rows) to {w1}x{h1}"),
        ))
    }
}

impl Default for Largest {
    fn default() -> Self {
        Self::THERMAL
    }
}
