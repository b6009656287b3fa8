//! The built-in clip: works with no camera, no file and no network.

use std::io::Cursor;

use super::Settings;
use super::replay::Replay;
use crate::error::Result;
use crate::recording::Clip;
use crate::recording::pages::Pages;

/// The clip, a Heatmark recording.
pub const CLIP: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/clips/demo.tiff"));

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
