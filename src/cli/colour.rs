//! `heatmark camera colour` (feature `nokhwa`).

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::{Done, print};
use crate::error::Error;
use crate::picture::{self, Canvas};
use crate::source::v4l::linux::Machine;
use crate::source::v4l::probe;
use crate::source::v4l::selector::Selector;
use crate::source::webcam::{Picture, Webcam};

/// Arguments of `heatmark camera colour`; `--source` names the camera.
#[derive(Debug, Args)]
pub struct Colour {
    /// Requested columns and rows; the nearest size that the camera has is used.
    #[arg(long, value_name = "WxH", default_value = "640x480", value_parser = size)]
    size: (u32, u32),
    /// Pictures to wait for.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pictures: u32,
    /// Write the last picture to this file, as PNG.
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let (w, h) = text.split_once('x').ok_or("wanted COLUMNSxROWS, as in 640x480")?;
    let side = |s: &str| s.parse().ok().filter(|n| (16..=8192).contains(n)).ok_or("wanted 16 to 8192 a side");
    Ok((side(w)?, side(h)?))
}

/// Longest silence before the camera is given up.
const SILENCE: Duration = Duration::from_secs(5);

/// Watches a camera.
pub(super) fn run(source: Option<&str>, colour: &Colour) -> Done {
    // There may be several webcams, so there is no default.
    let spec = source.ok_or_else(|| Error::fix("camera colour", "found no --source, wanted /dev/videoN"))?;
    let found = probe::find(&mut Machine::new("/"), &Selector::parse(spec)?)?;
    probe::permit(&found)?;
    let node = found.path.display().to_string();
    let mut camera = Webcam::open(&found.path, colour.size, 30, SILENCE)?;
    let (mut picture, mut first, mut read) = (Picture::default(), None, 0);
    while read < colour.pictures {
        if !camera.read(&mut picture, SILENCE)? {
            let silence = SILENCE.as_secs();
            return Err(Error::retry(node, format_args!("sent no picture for {silence} s, after {read}")).into());
        }
        first.get_or_insert((Instant::now(), picture.seq));
        read += 1;
    }
    let rate = first.map_or(0.0, |(at, seq)| (picture.seq - seq) as f64 / at.elapsed().as_secs_f64().max(1e-3));
    let size = (picture.width, picture.height);
    if let Some(file) = &colour.png {
        let mut png = Vec::new();
        picture::png(&Canvas { width: size.0, height: size.1, rgb: picture.rgb }, &mut png)?;
        std::fs::write(file, png).map_err(|e| Error::fix(file.display(), "cannot be written").because(e))?;
    }
    let about = camera.about();
    print::out(&format!("{node}: {about}, {read} pictures of {}x{}, {rate:.1} a second\n", size.0, size.1))
}
