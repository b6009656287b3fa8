//! Motion JPEG: pictures one after another in a file, as `ffmpeg -f mjpeg` writes them.
//!
//! A comment segment `captured_ns=N` gives a picture its capture time; without it pictures come at the configured rate.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{Read, Settings, Source, still};
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat};
use crate::units::Nanos;

/// Largest file, bytes; it is held in memory.
const MAX_FILE: u64 = 1 << 30;
/// Start of the comment with the capture time.
const STAMP: &[u8] = b"captured_ns=";

/// A Motion JPEG file, or one built in.
pub struct Mjpeg {
    name: String,
    bytes: Arc<[u8]>,
    settings: Settings,
    format: FrameFormat,
    /// Where the next picture begins.
    at: usize,
    index: u64,
    /// Added to the recorded times: the length of the rounds before this one.
    round_ns: u64,
    last_ns: u64,
}

impl Mjpeg {
    /// Reads a file.
    ///
    /// # Errors
    /// `Fix` if it cannot be read, is too large, or holds no whole picture of a supported size.
    pub fn open(path: &Path, settings: &Settings) -> Result<Self> {
        let bad = |e| Error::fix(path.display(), "cannot be read").because(e);
        let size = std::fs::metadata(path).map_err(bad)?.len();
        if size > MAX_FILE {
            return Err(Error::fix(path.display(), format_args!("is {size} bytes, wanted at most {MAX_FILE}")));
        }
        let name = path.file_name().map_or_else(|| PathBuf::from(path), PathBuf::from);
        Self::new(&format!("replay:{}", name.display()), std::fs::read(path).map_err(bad)?.into(), settings)
    }

    /// Reads pictures from memory. `name` is for messages.
    ///
    /// # Errors
    /// `Fix` if it holds no whole picture of a supported size.
    pub fn new(name: &str, bytes: Arc<[u8]>, settings: &Settings) -> Result<Self> {
        let (mut at, mut damage) = (0, None);
        let first = loop {
            let Some(found) = picture(&bytes[at..]) else {
                let error = Error::fix(name, "holds no whole JPEG picture");
                return Err(damage.map_or(error, |e: Error| e));
            };
            match found.decode(name, settings) {
                Ok(first) => break first,
                Err(e) => damage = damage.or(Some(e)),
            }
            at += found.end;
        };
        let format = FrameFormat { rate_hz: settings.rate_hz, ..first.frame.format };
        let settings = settings.clone();
        Ok(Self { name: name.into(), bytes, settings, format, at: 0, index: 0, round_ns: 0, last_ns: 0 })
    }

    fn period_ns(&self) -> u64 {
        (1e9 / f64::from(self.settings.rate_hz)) as u64
    }
}

impl Source for Mjpeg {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> FrameFormat {
        self.format
    }

    fn read(&mut self, into: &mut Frame, _wait: Duration) -> Result<Read> {
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let Some(found) = picture(rest) else {
                if !self.settings.repeat || self.index == 0 {
                    return Ok(Read::End);
                }
                (self.at, self.round_ns) = (0, self.last_ns + self.period_ns());
                continue;
            };
            let (decoded, stamp) = (found.decode(&self.name, &self.settings), found.captured_ns);
            self.at += found.end;
            let own = stamp.unwrap_or((self.index as f64 * 1e9 / f64::from(self.settings.rate_hz)) as u64);
            let captured = if stamp.is_some() { own.saturating_add(self.round_ns) } else { own };
            let seq = self.index;
            self.index += 1;
            match decoded {
                Ok(picture) => {
                    self.format = FrameFormat { rate_hz: self.settings.rate_hz, ..picture.frame.format };
                    *into = picture.frame;
                    into.format = self.format;
                    (into.meta.seq, self.last_ns) = (seq, captured);
                    (into.meta.captured, into.meta.received) = (Nanos(captured), Nanos(captured));
                    return Ok(Read::Frame);
                }
                Err(e) => log::warn!("skipped: {e}"),
            }
        }
    }
}

/// Largest first picture of a file that is looked through for a second one, bytes.
const MAX_PICTURE: u64 = 32 << 20;

/// True if a second JPEG follows the first one in the file; rewinds it.
pub(super) fn is_motion(file: &mut (impl io::Read + io::Seek)) -> bool {
    let mut start = Vec::new();
    let read = io::Read::read_to_end(&mut io::Read::take(&mut *file, MAX_PICTURE), &mut start);
    let rewound = file.rewind();
    let second = || start.get(picture(&start)?.end..)?.windows(3).position(|w| w == [0xff, 0xd8, 0xff]);
    read.is_ok() && rewound.is_ok() && second().is_some()
}

/// One picture in a file.
struct Found<'a> {
    bytes: &'a [u8],
    /// Bytes up to its end, with what lies before it.
    end: usize,
    captured_ns: Option<u64>,
    /// False if the next picture begins, or the file ends, before its EOI marker.
    whole: bool,
}

impl Found<'_> {
    fn decode(&self, name: &str, settings: &Settings) -> Result<still::Picture> {
        match self.whole {
            true => still::decode(name, self.bytes.to_vec(), settings),
            false => Err(Error::fix(name, format_args!("a picture of {} bytes has no end", self.bytes.len()))),
        }
    }
}

/// Start of a picture: its SOI marker, and the first byte of the next one.
const START: [u8; 3] = [0xff, 0xd8, 0xff];

/// The first JPEG in `bytes` (ITU-T T.81 annex B): from its SOI to its EOI marker.
fn picture(bytes: &[u8]) -> Option<Found<'_>> {
    let next = |from: usize| Some(from + bytes.get(from..)?.windows(3).position(|w| w == START)?);
    let start = next(0)?;
    let (end, captured_ns, whole) = walk(bytes, start + 2);
    // Not inside a segment, where a thumbnail may begin.
    let end = if whole { end } else { next(end).unwrap_or(bytes.len()) };
    Some(Found { bytes: &bytes[start..end], end, captured_ns, whole })
}

/// Goes through the segments from `at` on, to the end of the picture or as far as they are good. Where that is, the
/// capture time, and whether it is the end of the picture.
fn walk(bytes: &[u8], mut at: usize) -> (usize, Option<u64>, bool) {
    let (mut captured_ns, mut scan) = (None, false);
    let mut segment = |at: usize| {
        let marker = *bytes.get(at + 1)?;
        match marker {
            // A stuffed byte, a restart, a fill byte, a marker without a length.
            0x00 | 0xd0..=0xd7 | 0x01 => return Some(at + 2),
            0xff => return Some(at + 1),
            // The next picture begins.
            0xd8 => return None,
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?])).max(2);
        let body = bytes.get(at + 4..at + 2 + length)?;
        // A thumbnail lies in an application segment, before the scan. Anywhere else a length is damaged.
        scan |= marker == 0xda;
        if (scan || !(0xe0..=0xef).contains(&marker)) && body.windows(3).any(|w| w == START) {
            return None;
        }
        if marker == 0xfe
            && let Some(digits) = body.strip_prefix(STAMP)
        {
            captured_ns = std::str::from_utf8(digits).ok().and_then(|text| text.trim().parse().ok());
        }
        Some(at + 2 + length)
    };
    loop {
        // Between segments, any number of fill bytes; inside a scan, data up to the next marker.
        match bytes.get(at..).and_then(|rest| rest.iter().position(|&b| b == 0xff)) {
            Some(skip) => at += skip,
            None => return (bytes.len(), captured_ns, false),
        }
        if bytes.get(at + 1) == Some(&0xd9) {
            return (at + 2, captured_ns, true);
        }
        match segment(at) {
            Some(next) => at = next,
            None => return (at, captured_ns, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

    fn jpeg(grey: u8, stamp: Option<u64>) -> Vec<u8> {
        let mut out = Vec::new();
        let pixels = vec![grey; 3 * 80 * 60];
        Encoder::new(&mut out, 95).encode(&pixels, 80, 60, ColorType::Rgb).unwrap();
        if let Some(ns) = stamp {
            let text = format!("captured_ns={ns}");
            let mut comment = vec![0xff, 0xfe, 0, (text.len() + 2) as u8];
            comment.extend(text.bytes());
            out.splice(2..2, comment);
        }
        out
    }

    fn all(bytes: Vec<u8>, settings: &Settings, most: usize) -> Vec<(u64, u8)> {
        let mut source = Mjpeg::new("x", bytes.into(), settings).unwrap();
        let (mut frame, mut seen) = (Frame::new(source.format()), Vec::new());
        while seen.len() < most && source.read(&mut frame, Duration::ZERO).unwrap() == Read::Frame {
            assert_eq!((frame.width(), frame.height()), (80, 60));
            seen.push((frame.meta.captured.0, frame.visible.as_ref().unwrap().rgb[0]));
        }
        seen
    }

    #[test]
    fn pictures_come_in_order_with_their_times() {
        let settings = Settings { rate_hz: 10.0, ..Settings::default() };
        let stamped = [jpeg(10, Some(700)), jpeg(90, Some(900)), jpeg(200, Some(1200))].concat();
        assert_eq!(all(stamped, &settings, 9), [(700, 10), (900, 90), (1200, 200)]);
        let plain = [jpeg(10, None), b"junk".to_vec(), jpeg(90, None)].concat();
        assert_eq!(all(plain.clone(), &settings, 9), [(0, 10), (100_000_000, 90)]);
        let round = Settings { repeat: true, ..settings };
        let times: Vec<u64> = all(plain, &round, 4).iter().map(|s| s.0 / 100_000_000).collect();
        assert_eq!(times, [0, 1, 2, 3]);
    }

    #[test]
    fn colours_survive_every_sampling() {
        let (w, h) = (96usize, 64usize);
        let wanted: Vec<u8> =
            (0..w * h).flat_map(|i| [(i % w * 255 / w) as u8, (i / w * 255 / h) as u8, 120]).collect();
        for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_2_2] {
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(&mut bytes, 95);
            encoder.set_sampling_factor(sampling);
            encoder.encode(&wanted, w as u16, h as u16, ColorType::Rgb).unwrap();
            let mut source = Mjpeg::new("x", bytes.into(), &Settings::default()).unwrap();
            let mut frame = Frame::new(source.format());
            assert_eq!(source.read(&mut frame, Duration::ZERO).unwrap(), Read::Frame);
            let seen = frame.visible.unwrap().rgb;
            let worst = seen.iter().zip(&wanted).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(worst < 24, "{sampling:?}: {worst}");
        }
    }

    #[test]
    fn damage_ends_or_skips_and_never_panics() {
        let good = [jpeg(10, Some(1)), jpeg(90, None)].concat();
        for cut in 0..good.len() {
            if let Ok(mut source) = Mjpeg::new("x", good[..cut].to_vec().into(), &Settings::default()) {
                let mut frame = Frame::new(source.format());
                while source.read(&mut frame, Duration::ZERO).unwrap() == Read::Frame {}
            }
        }
        // A cut picture costs itself alone, first, between others and last.
        let (a, b) = (jpeg(10, None), jpeg(90, None));
        let cut = &a[..a.len() * 2 / 3];
        let seen = all([cut, &a, cut, cut, &b, cut].concat(), &Settings::default(), 9);
        assert_eq!(seen.iter().map(|s| s.1).collect::<Vec<_>>(), [10, 90]);
        // A length in its scan that reaches into the next ones.
        let mut long = a.clone();
        let inside = a.len() - 8;
        long[inside..inside + 4].copy_from_slice(&[0xff, 0xfe, 0x20, 0]);
        let seen = all([&a[..], &long, &b, &b, &a.repeat(9)[..]].concat(), &Settings::default(), 4);
        assert_eq!(seen.iter().map(|s| s.1).collect::<Vec<_>>(), [10, 90, 90, 10]);
        assert!(Mjpeg::new("x", b"nothing".to_vec().into(), &Settings::default()).is_err());
        for at in 0..200 {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            let _ = Mjpeg::new("x", bad.into(), &Settings::default());
        }
    }
}
