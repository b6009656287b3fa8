//! Writes a rendered sequence as a recording in our own format, with its truth in a second file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use tiff::encoder::colortype::RGB8;
use tiff::encoder::{Compression, DeflateLevel, Predictor, TiffEncoder};
use tiff::tags::Tag;

use super::readout::{self, Readout};
use super::sequence::{COLOUR_HZ, COLOUR_SIZE, Demo, RATE_HZ, SENSOR_C};
use super::studio::Studio;
use super::truth::{FaceTruth, Visibility};
use crate::error::{Error, Result};
use crate::frame::{FfcState, Frame};
use crate::recording::CameraInfo;
use crate::recording::write::Writer;
use crate::source::cameras::lepton::{Gain, Telemetry};
use crate::units::Celsius;

/// Converts an I/O error at `path`.
fn io<E: std::error::Error + Send + Sync + 'static>(path: &Path) -> impl FnOnce(E) -> Error {
    let name = path.display().to_string();
    move |e| Error::fix(name, "cannot be written").because(e)
}

/// Renders the first `frames` frames of the built-in clip into `path`, and their truth into the same name
/// with `.truth.ndjson`.
///
/// # Errors
/// `Fix` where the file cannot be written.
pub fn write_demo(studio: &Studio, seed: u64, frames: u64, readout: Readout, path: &Path) -> Result<()> {
    let truth_path = path.with_extension("truth.ndjson");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path).map_err(io(path))?;
    let mut truth = BufWriter::new(File::create(&truth_path).map_err(io(&truth_path))?);
    let camera =
        CameraInfo { name: Some("demo".into()), model: Some("rendered Lepton 3".into()), ..CameraInfo::default() };
    let mut writer = Writer::new(&path.display().to_string(), file, camera, 9)?;
    let mut demo = Demo::with(studio, seed, readout);
    for i in 0..frames {
        let (frame, faces) = demo.frame(studio, i);
        writer.put(&frame, None, 0)?;
        let faces: Vec<_> = faces.iter().map(face).collect();
        writeln!(truth, "{}", serde_json::json!({ "seq": i, "faces": faces })).map_err(io(&truth_path))?;
    }
    writer.finish()?;
    truth.flush().map_err(io(&truth_path))
}

/// A simulated Lepton 3 on a PureThermal: the transfers it sends for the frames of a clip.
#[derive(Debug, Default)]
pub struct Transfers {
    last_ffc_ms: u32,
}

/// Camera uptime at the start of a clip, ms.
const UP_MS: u32 = 60_000;

/// The camera's frame counter runs at three times the rate at which it sends frames.
const COUNTS: u32 = 3;

impl Transfers {
    /// The transfer of a clip's next frame: its rows, then two rows of telemetry. Call it in frame order.
    pub fn next(&mut self, frame: &Frame, readout: Readout) -> Vec<u16> {
        let seq = frame.meta.seq as u32;
        let uptime_ms = UP_MS + (seq as f32 / RATE_HZ * 1000.0) as u32;
        if frame.meta.ffc == FfcState::Running {
            self.last_ffc_ms = uptime_ms;
        }
        let gain = if readout.gain == readout::Gain::Low { Gain::Low } else { Gain::High };
        let step = if gain == Gain::Low { 0.1 } else { 0.01 };
        let said = Telemetry {
            counter: COUNTS * seq,
            uptime_ms,
            ffc: frame.meta.ffc,
            ffc_desired: frame.meta.ffc == FfcState::Imminent,
            last_ffc_ms: self.last_ffc_ms,
            agc: false,
            shutter_locked: false,
            overheating: false,
            fpa: Celsius(frame.meta.sensor_c.unwrap_or(SENSOR_C)),
            housing: None,
            gain,
            kelvin_per_count: (!readout.raw).then_some(step),
        };
        let mut words = frame.pixels.clone();
        words.extend(said.words());
        words.resize(frame.pixels.len() + 2 * frame.width(), 0);
        words
    }
}

/// Renders the first `frames` frames of the clip as a PureThermal sends them, 160 x 122 with telemetry, into
/// `path` with `.y16`: raw little-endian counts, one frame after the other, for a virtual camera.
///
/// # Errors
/// `Fix` where the file cannot be written.
pub fn write_transfers(studio: &Studio, seed: u64, frames: u64, readout: Readout, path: &Path) -> Result<()> {
    let path = path.with_extension("y16");
    let mut out = BufWriter::new(File::create(&path).map_err(io(&path))?);
    let (mut demo, mut transfers) = (Demo::with(studio, seed, readout), Transfers::default());
    for i in 0..frames {
        let (frame, _) = demo.frame(studio, i);
        for word in transfers.next(&frame, readout) {
            out.write_all(&word.to_le_bytes()).map_err(io(&path))?;
        }
    }
    out.flush().map_err(io(&path))
}

/// Renders what a colour camera beside the thermal one sees during `frames` thermal frames into `path`
/// with `.rgb.tiff`: a TIFF of 8-bit pages, Deflate. The truth in its pixels goes into `.rgb.truth.ndjson`.
/// Both contain the driver's timestamp of each frame; the truth also contains the exposure time.
///
/// # Errors
/// `Fix` where a file cannot be written.
pub fn write_colour(studio: &Studio, seed: u64, frames: u64, path: &Path) -> Result<()> {
    let (path, truth_path) = (path.with_extension("rgb.tiff"), path.with_extension("rgb.truth.ndjson"));
    let mut truth = BufWriter::new(File::create(&truth_path).map_err(io(&truth_path))?);
    let file = BufWriter::new(File::create(&path).map_err(io(&path))?);
    let mut tiff = TiffEncoder::new(file)
        .map_err(io(&path))?
        .with_compression(Compression::Deflate(DeflateLevel::Balanced))
        .with_predictor(Predictor::Horizontal);
    let mut demo = Demo::new(studio, seed);
    let count = (frames as f32 / RATE_HZ * COLOUR_HZ) as u64;
    for i in 0..count {
        let frame = demo.colour(studio, i);
        let about = serde_json::json!({ "seq": i, "captured_ns": frame.stamped.0, "rate_hz": COLOUR_HZ });
        let mut page = tiff.new_image::<RGB8>(COLOUR_SIZE.0 as u32, COLOUR_SIZE.1 as u32).map_err(io(&path))?;
        page.encoder().write_tag(Tag::ImageDescription, about.to_string().as_str()).map_err(io(&path))?;
        page.write_data(frame.rgb.as_flattened()).map_err(io(&path))?;
        let faces: Vec<_> = frame.faces.iter().map(face).collect();
        let line = serde_json::json!({
            "seq": i, "captured_ns": frame.stamped.0, "exposed_ns": frame.exposed.0, "faces": faces,
        });
        writeln!(truth, "{line}").map_err(io(&truth_path))?;
    }
    truth.flush().map_err(io(&truth_path))
}

fn face(f: &FaceTruth) -> serde_json::Value {
    let round = |x: f32| (f64::from(x) * 100.0).round() / 100.0;
    let points: Vec<_> = f.points.iter().map(|p| [round(p[0]), round(p[1])]).collect();
    let visible: Vec<u8> = f.visibility.iter().map(|v| u8::from(*v == Visibility::Visible)).collect();
    serde_json::json!({
        "box": f.bbox.to_array().map(round),
        "pose_deg": f.pose.map(round),
        "points": points,
        "visible": visible,
        "apparent_c": f.apparent_c.map(round).to_vec(),
        "skin_c": f.skin_c.map(round).to_vec(),
    })
}
