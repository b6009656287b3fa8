//! A sequence as two recordings, for the built-in pair: a thermal one in our own format and Motion JPEG.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::cameras::Signal;
use super::develop::Thermal;
use super::folder::{Sequence, table};
use super::layer::Modality;
use super::script::TICKS;
use crate::error::{Error, Result};
use crate::frame::{FfcState, Frame, FrameFormat, FrameMeta};
use crate::recording::CameraInfo;
use crate::recording::write::Writer;
use crate::units::Nanos;

/// Quality of the JPEGs, 1 to 100.
const QUALITY: u8 = 78;

/// Writes the thermal frames to `path`, the visible ones to the same name ending in `.mjpeg`, and the target's boxes in
/// thermal pixels to `.boxes.csv`. Frames that an FFC froze are marked.
///
/// # Errors
/// `Fix` if the thermal camera of the sequence is not radiometric, or a file cannot be written.
pub fn write(sequence: &Sequence, path: &Path) -> Result<()> {
    let (script, camera) = (&sequence.script, &sequence.script.thermal);
    if camera.signal != Signal::Centikelvin {
        let found = camera.signal.name();
        return Err(Error::fix(path.display(), format!("the sequence's camera gives {found}, wanted centikelvin")));
    }
    let bad = |path: &Path, e: std::io::Error| Error::fix(path.display(), "cannot be written").because(e);
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path);
    let file = file.map_err(|e| bad(path, e))?;
    let info = CameraInfo { name: Some("pair".into()), model: Some("rendered".into()), ..CameraInfo::default() };
    let mut thermal = Writer::new(&path.display().to_string(), file, info, 9)?;
    let beside = path.with_extension("mjpeg");
    let mut visible = BufWriter::new(File::create(&beside).map_err(|e| bad(&beside, e))?);
    let [w, h] = script.size(Modality::Thermal);
    let format = FrameFormat {
        width: w as u32,
        height: h as u32,
        signal: crate::frame::Signal::CENTIKELVIN,
        rate_hz: camera.fps,
    };
    let mut frame = Frame::new(format);
    for (i, (shot, seen)) in script.shots.iter().zip(&sequence.thermal).enumerate() {
        if let Thermal::Deep(counts) = seen {
            frame.pixels.copy_from_slice(counts);
        }
        let captured = clock(shot.now);
        let ffc = if shot.ffc { FfcState::Running } else { FfcState::Idle };
        frame.meta = FrameMeta { seq: i as u64, captured, received: captured, ffc, ..FrameMeta::default() };
        thermal.put(&frame, None, 0)?;
    }
    thermal.finish()?;
    let boxes = path.with_extension("boxes.csv");
    std::fs::write(&boxes, table(sequence, Modality::Thermal)).map_err(|e| bad(&boxes, e))?;
    let size = script.size(Modality::Visible);
    for (i, (shot, rgb)) in script.shots.iter().zip(&sequence.visible).enumerate() {
        let again = i > 0 && script.shots[i - 1].visible.total_cmp(&shot.visible).is_eq();
        if !again {
            let jpeg = jpeg(rgb, size, clock(shot.visible))?;
            visible.write_all(&jpeg).map_err(|e| bad(&beside, e))?;
        }
    }
    visible.flush().map_err(|e| bad(&beside, e))
}

/// The pair's clock at a tick; it starts at one second, so that earlier visible frames have a time.
fn clock(tick: f32) -> Nanos {
    Nanos((1e9 * (1.0 + f64::from(tick) / f64::from(TICKS))).max(0.0) as u64)
}

/// A JPEG with its capture time in a comment.
fn jpeg(rgb: &[u8], [width, height]: [usize; 2], captured: Nanos) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let bad = |e| Error::fix("picture", "cannot be encoded as JPEG").because(e);
    encoder.encode(rgb, width as u16, height as u16, ColorType::Rgb).map_err(bad)?;
    let text = format!("captured_ns={}", captured.0);
    let mut comment = vec![0xff, 0xfe, 0, (text.len() + 2) as u8];
    comment.extend(text.bytes());
    // Behind the SOI marker.
    out.splice(2..2, comment);
    Ok(out)
}
