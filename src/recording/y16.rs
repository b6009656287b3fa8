//! Reads `.raw.y16.gz`, PureThermal Y16 recordings.
//!
//! Inside gzip: `PTY16V1\n`; u32 length and that many bytes of JSON; then per frame u64 index,
//! f64 UNIX seconds, i64 UNIX milliseconds and the counts. Everything is little-endian.
//! Counts are passed on unchanged, including the camera's bad rows.

use std::io::{self, Read};

use serde::Deserialize;

use super::gzip::{Gzip, GzipClip, Progress, counts_le, invalid, unreadable};
use super::{CameraInfo, Largest, Unit};
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat, FrameMeta, Signal};
use crate::units::Nanos;

/// First bytes after decompression.
pub const MAGIC: &[u8; 8] = b"PTY16V1\n";

/// Longest header accepted, bytes.
const MAX_HEADER: usize = 64 << 10;

#[derive(Deserialize)]
struct Header {
    width: u32,
    height: u32,
    #[serde(default)]
    fps: f32,
    #[serde(default)]
    raw_unit: String,
    #[serde(default)]
    endianness: String,
}

/// A PureThermal Y16 recording.
pub struct Y16<R: Read + Send> {
    gzip: Gzip<R>,
    bytes: Vec<u8>,
    progress: Progress,
    first_utc_ns: i64,
    last: Nanos,
}

impl<R: Read + Send> Y16<R> {
    /// Reads the header. Counts are centikelvin if the header says so, unless `unit` overrides it.
    ///
    /// # Errors
    /// `Fix` if the header cannot be read or the size or byte order is not supported.
    pub fn open(name: &str, inner: R, unit: Option<Unit>) -> Result<Self> {
        let mut gzip = Gzip::new(inner);
        let header = read_header(&mut gzip).map_err(|e| unreadable(name, "the Y16 header", e))?;
        Largest::THERMAL.check(name, header.width, header.height)?;
        if !matches!(header.endianness.as_str(), "" | "little") {
            return Err(Error::fix(name, format_args!("has {} endian counts; wanted little", header.endianness)));
        }
        let signal = match unit {
            Some(unit) => unit.signal(),
            None if header.raw_unit.starts_with("kelvin_x100") => Signal::CENTIKELVIN,
            None => Signal::Counts,
        };
        let rate_hz = if (0.0..=1000.0).contains(&header.fps) { header.fps } else { 0.0 };
        let format = FrameFormat { width: header.width, height: header.height, signal, rate_hz };
        Ok(Self {
            gzip,
            bytes: vec![0; format.pixels() * 2],
            progress: Progress::new(format, CameraInfo { model: Some("PureThermal".into()), ..CameraInfo::default() }),
            first_utc_ns: 0,
            last: Nanos::default(),
        })
    }
}

fn read_header<R: Read>(gzip: &mut Gzip<R>) -> io::Result<Header> {
    if &gzip.array::<8>()? != MAGIC {
        return Err(invalid("does not begin with PTY16V1"));
    }
    let len = u32::from_le_bytes(gzip.array()?) as usize;
    if len > MAX_HEADER {
        return Err(invalid(format!("{len} bytes of JSON; at most {MAX_HEADER} are accepted")));
    }
    let mut json = vec![0; len];
    gzip.fill(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

impl<R: Read + Send> GzipClip for Y16<R> {
    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn progress_mut(&mut self) -> &mut Progress {
        &mut self.progress
    }

    fn next(&mut self, into: &mut Frame) -> io::Result<bool> {
        let Some(first) = self.gzip.byte_or_end()? else { return Ok(false) };
        let mut index = [first, 0, 0, 0, 0, 0, 0, 0];
        self.gzip.fill(&mut index[1..])?;
        let seconds = f64::from_le_bytes(self.gzip.array()?);
        let millis = i64::from_le_bytes(self.gzip.array()?);
        self.gzip.fill(&mut self.bytes)?;
        // Seconds have microsecond resolution; fall back to whole milliseconds if they are not plausible.
        let utc_ns = if seconds.is_finite() && (0.0..9e9).contains(&seconds) {
            ((seconds * 1e6).round() as i64) * 1000
        } else {
            millis.saturating_mul(1_000_000)
        };
        if self.progress.frames == 0 {
            self.first_utc_ns = utc_ns;
        }
        let since_first = u64::try_from(utc_ns.saturating_sub(self.first_utc_ns)).unwrap_or(0);
        self.last = self.last.max(Nanos(since_first));
        into.reshape(self.progress.format);
        into.meta = FrameMeta {
            seq: u64::from_le_bytes(index),
            captured: self.last,
            received: self.last,
            captured_utc_ns: Some(utc_ns),
            ..FrameMeta::default()
        };
        counts_le(&self.bytes, &mut into.pixels);
        Ok(true)
    }
}
