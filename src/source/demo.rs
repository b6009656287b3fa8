//! The built-in clip and the built-in pair: they work with no camera, no file and no network.

use std::io::Cursor;

use super::Settings;
use super::mjpeg::Mjpeg;
use super::paired::Paired;
use super::replay::Replay;
use crate::error::Result;
use crate::recording::Clip;
use crate::recording::pages::Pages;

/// The clip, a Heatmark recording.
pub const CLIP: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/clips/demo.tiff"));

/// The thermal half of the built-in pair, a Heatmark recording.
const THERMAL: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/clips/pair.tiff"));
/// Its visible half, Motion JPEG.
const VISIBLE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/clips/pair.mjpeg"));

/// The box of the walker in the first frame of the built-in pair: x, y, width, height, pixels.
pub const WALKER: &str = "8.71,61.98,13.71,33.0";

/// Opens the built-in pair.
///
/// # Errors
/// `Fatal` or `Fix` if it was damaged before the build.
pub fn open_pair(settings: &Settings) -> Result<Paired> {
    let rate_hz = settings.rate_hz;
    let thermal = Replay::new("pair", settings.repeat, move || {
        let pages = Pages::open("pair", Cursor::new(THERMAL), None, rate_hz)?;
        Ok(Box::new(pages) as Box<dyn Clip>)
    })?;
    let visible = Mjpeg::new("visible", VISIBLE.into(), settings)?;
    Paired::new(Box::new(thermal), Box::new(visible))
}

/// Opens the built-in clip.
///
/// # Errors
/// `Fatal` or `Fix` if the clip was damaged before the build.
pub fn open(settings: &Settings) -> Result<Replay> {
    let rate_hz = settings.rate_hz;
    Replay::new("demo", settings.repeat, move || {
        let pages = Pages::open("demo", Cursor::new(CLIP), None, rate_hz)?;
        Ok(Box::new(pages) as Box<dyn Clip>)
    })
}
