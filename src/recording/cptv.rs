//! Reads CPTV, the thermal recordings of The Cacophony Project, versions 1 and 2.
//!
//! The public format description (`SPEC.md` and `SPECv2.md` of go-cptv): gzip around `CPTV`,
//! a version byte, and sections of length-coded fields: one header `H`, then frames `F`, each
//! followed by its packed pixels. Pixels are differences to the previous frame, in rows of
//! alternating direction. The first difference is an i32 (LE); each of the others is stored as its
//! difference to the one before, signed, `w` bits, most significant bit first.
//!
//! Counts are raw Lepton counts unless the user states a unit.

use std::io::{self, Read};

use super::gzip::{Gzip, GzipClip, Progress, invalid, unreadable};
use super::{CameraInfo, Largest, Unit};
use crate::error::{Error, Result};
use crate::frame::{FfcState, Frame, FrameFormat, FrameMeta};
use crate::units::Nanos;

/// First bytes after decompression.
pub const MAGIC: &[u8; 4] = b"CPTV";

/// How long frames are marked as settling after an FFC: CPTV records when the last FFC was, not
/// whether the shutter is closed.
const SETTLING_MS: u32 = 10_000;

/// Widest packed difference: two differences of 16-bit counts need 18 bits; writers round up.
const MAX_BITS: u8 = 32;

/// A CPTV recording.
pub struct Cptv<R: Read + Send> {
    gzip: Gzip<R>,
    version: u8,
    start_utc_ns: Option<i64>,
    first_on_ms: Option<u32>,
    last: Nanos,
    previous: Vec<u16>,
    packed: Vec<u8>,
    progress: Progress,
}

impl<R: Read + Send> Cptv<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// `Fix` if the header cannot be read or the size or compression is not supported.
    pub fn open(name: &str, inner: R, unit: Option<Unit>) -> Result<Self> {
        let mut gzip = Gzip::new(inner);
        let (version, header) = read_header(&mut gzip).map_err(|e| unreadable(name, "the CPTV header", e))?;
        let (Some(width), Some(height)) = (header.width, header.height) else {
            return Err(Error::fix(name, "has no width or height in its CPTV header"));
        };
        Largest::THERMAL.check(name, width, height)?;
        if header.compression != Some(1) {
            let found = header.compression.map_or("none".into(), |c| c.to_string());
            return Err(Error::fix(name, format_args!("uses CPTV compression {found}; only 1 is supported")));
        }
        let signal = unit.unwrap_or(Unit::Counts).signal();
        let format = FrameFormat { width, height, signal, rate_hz: header.rate_hz };
        Ok(Self {
            gzip,
            version,
            start_utc_ns: header.start_utc_ns,
            first_on_ms: None,
            last: Nanos::default(),
            previous: vec![0; format.pixels()],
            packed: Vec::new(),
            progress: Progress::new(format, header.camera),
        })
    }

    /// Format version, 1 or 2.
    pub fn version(&self) -> u8 {
        self.version
    }

    fn unpack(&mut self, fields: &FrameFields) -> io::Result<()> {
        let pixels = self.progress.format.pixels();
        let bits = fields.bits.filter(|b| *b <= MAX_BITS).ok_or_else(|| invalid("a frame without usable bit width"))?;
        let size = fields.size.ok_or_else(|| invalid("a frame without size"))? as usize;
        let wanted = 4 + ((pixels - 1) * usize::from(bits)).div_ceil(8);
        // Some writers pad; no frame needs more than 4 bytes per pixel.
        if size < wanted || size > 4 * pixels + 64 {
            return Err(invalid(format!("a frame of {size} bytes; {wanted} wanted")));
        }
        self.packed.resize(size, 0);
        self.gzip.fill(&mut self.packed)?;
        add_packed(&self.packed, bits, self.progress.format.width as usize, &mut self.previous);
        Ok(())
    }

    fn meta(&mut self, fields: &FrameFields) -> FrameMeta {
        let mut ffc = FfcState::Idle;
        let since_first_ns = if self.version == 1 {
            // Microseconds since the header's time.
            u64::from(fields.time) * 1000
        } else {
            let first = *self.first_on_ms.get_or_insert(fields.time);
            // The camera's millisecond counter wraps after 49 days.
            if let Some(last_ffc) = fields.last_ffc_ms.filter(|&at| at != 0) {
                let since = fields.time.wrapping_sub(last_ffc);
                if since < SETTLING_MS {
                    ffc = FfcState::Settling;
                }
            }
            u64::from(fields.time.wrapping_sub(first)) * 1_000_000
        };
        self.last = self.last.max(Nanos(since_first_ns));
        let offset = i64::try_from(since_first_ns).unwrap_or(0);
        FrameMeta {
            seq: self.progress.frames,
            captured: self.last,
            received: self.last,
            captured_utc_ns: self.start_utc_ns.map(|start| start.saturating_add(offset)),
            ffc,
            sensor_c: fields.sensor_c.filter(|c| c.is_finite() && *c != 0.0),
        }
    }
}

/// Adds packed differences to the previous frame in place. The caller has checked the length of `packed`.
fn add_packed(packed: &[u8], bits: u8, width: usize, frame: &mut [u16]) {
    let Some((start, stream)) = packed.split_first_chunk::<4>() else { return };
    let mut stream = stream.iter();
    let mut difference = i32::from_le_bytes(*start);
    let (mut held, mut held_bits) = (0u64, 0u32);
    let bits = u32::from(bits);
    let mut first = true;
    for (y, row) in frame.chunks_exact_mut(width).enumerate() {
        for step in 0..width {
            if !first && bits > 0 {
                while held_bits < bits {
                    held = held << 8 | u64::from(stream.next().copied().unwrap_or(0));
                    held_bits += 8;
                }
                let raw = (held >> (held_bits - bits)) as u32;
                held_bits -= bits;
                // Shifting up and back down keeps `bits` bits and extends the sign.
                difference = difference.wrapping_add((raw << (32 - bits)).cast_signed() >> (32 - bits));
            }
            first = false;
            let x = if y % 2 == 0 { step } else { width - 1 - step };
            row[x] = i32::from(row[x]).wrapping_add(difference) as u16;
        }
    }
}

#[derive(Default)]
struct Header {
    width: Option<u32>,
    height: Option<u32>,
    compression: Option<u8>,
    rate_hz: f32,
    start_utc_ns: Option<i64>,
    camera: CameraInfo,
}

fn read_header<R: Read>(gzip: &mut Gzip<R>) -> io::Result<(u8, Header)> {
    if &gzip.array::<4>()? != MAGIC {
        return Err(invalid("does not begin with CPTV"));
    }
    let [version] = gzip.array()?;
    if !(1..=2).contains(&version) {
        return Err(invalid(format!("version {version}; 1 and 2 are supported")));
    }
    let [section, count] = gzip.array()?;
    if section != b'H' {
        return Err(invalid("the header section is missing"));
    }
    let mut header = Header::default();
    read_fields(gzip, count, |code, data| {
        match code {
            b'X' => header.width = number(data),
            b'Y' => header.height = number(data),
            b'C' => header.compression = data.first().copied(),
            b'Z' => header.rate_hz = data.first().map_or(0.0, |&hz| f32::from(hz)),
            b'T' => {
                let micros = data.try_into().ok().map(u64::from_le_bytes);
                header.start_utc_ns = micros.and_then(|us| i64::try_from(us).ok()?.checked_mul(1000));
            }
            b'D' => header.camera.name = text(data),
            b'B' => header.camera.brand = text(data),
            b'E' => header.camera.model = text(data),
            b'V' => header.camera.firmware = text(data),
            // Newer writers store a number, the format description says text.
            b'N' => header.camera.serial = number(data).map_or_else(|| text(data), |n| Some(n.to_string())),
            _ => {}
        }
    })?;
    Ok((version, header))
}

#[derive(Default)]
struct FrameFields {
    time: u32,
    bits: Option<u8>,
    size: Option<u32>,
    last_ffc_ms: Option<u32>,
    sensor_c: Option<f32>,
    background: bool,
}

/// The next frame's fields; `None` at a clean end.
fn read_frame_fields<R: Read>(gzip: &mut Gzip<R>) -> io::Result<Option<FrameFields>> {
    match gzip.byte_or_end()? {
        None => return Ok(None),
        Some(b'F') => {}
        Some(other) => return Err(invalid(format!("a section of kind {other}; a frame wanted"))),
    }
    let [count] = gzip.array()?;
    let mut fields = FrameFields::default();
    read_fields(gzip, count, |code, data| match code {
        b't' => fields.time = number(data).unwrap_or(0),
        b'w' => fields.bits = data.first().copied(),
        b'f' => fields.size = number(data),
        b'c' => fields.last_ffc_ms = number(data),
        b'a' => fields.sensor_c = data.try_into().ok().map(f32::from_le_bytes),
        // A computed background, stored before the first real frame.
        b'g' => fields.background = data.first().is_some_and(|&b| b != 0),
        _ => {}
    })?;
    Ok(Some(fields))
}

fn read_fields<R: Read>(gzip: &mut Gzip<R>, count: u8, mut take: impl FnMut(u8, &[u8])) -> io::Result<()> {
    let mut data = [0; 255];
    for _ in 0..count {
        let [len, code] = gzip.array()?;
        let data = &mut data[..usize::from(len)];
        gzip.fill(data)?;
        take(code, data);
    }
    Ok(())
}

fn number(data: &[u8]) -> Option<u32> {
    data.try_into().ok().map(u32::from_le_bytes)
}

fn text(data: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(data).trim().to_string();
    (!text.is_empty()).then_some(text)
}

impl<R: Read + Send> GzipClip for Cptv<R> {
    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn progress_mut(&mut self) -> &mut Progress {
        &mut self.progress
    }

    fn next(&mut self, into: &mut Frame) -> io::Result<bool> {
        loop {
            let Some(fields) = read_frame_fields(&mut self.gzip)? else { return Ok(false) };
            self.unpack(&fields)?;
            if fields.background {
                continue;
            }
            into.reshape(self.progress.format);
            into.pixels.copy_from_slice(&self.previous);
            into.meta = self.meta(&fields);
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packs as the format description says, independently of the reader's bit handling.
    fn pack(frame: &[u16], previous: &[u16], width: usize, bits: usize) -> Vec<u8> {
        let mut walk = Vec::new();
        for (y, (row, old)) in frame.chunks(width).zip(previous.chunks(width)).enumerate() {
            let mut line: Vec<i32> = row.iter().zip(old).map(|(a, b)| i32::from(*a) - i32::from(*b)).collect();
            if y % 2 == 1 {
                line.reverse();
            }
            walk.extend(line);
        }
        let mut out = walk[0].to_le_bytes().to_vec();
        let mut digits = String::new();
        for pair in walk.windows(2) {
            let value = (pair[1] - pair[0]) as u32;
            digits.extend((0..bits).rev().map(|b| if value >> b & 1 == 1 { '1' } else { '0' }));
        }
        for byte in digits.as_bytes().chunks(8) {
            let mut value = 0u8;
            for (i, digit) in byte.iter().enumerate() {
                value |= (digit - b'0') << (7 - i);
            }
            out.push(value);
        }
        out
    }

    #[test]
    fn every_bit_width_unpacks_what_was_packed() {
        let width = 7;
        let old: Vec<u16> = (0..35).map(|i| 30_000 + i * 3).collect();
        for bits in 6..=24 {
            let swing = (1i32 << (bits - 4)).min(8000);
            let new: Vec<u16> = (0..35i32).map(|i| (30_000 + (i * 7919 % 5 - 2) * swing / 3) as u16).collect();
            let packed = pack(&new, &old, width, bits);
            let mut frame = old.clone();
            add_packed(&packed, bits as u8, width, &mut frame);
            assert_eq!(frame, new, "{bits} bits");
        }
    }

    #[test]
    fn no_bits_means_one_difference_everywhere() {
        let mut frame = vec![10; 14];
        add_packed(&(-3i32).to_le_bytes(), 0, 7, &mut frame);
        assert_eq!(frame, vec![7; 14]);
    }
}
