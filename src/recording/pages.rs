//! Reads multi-page TIFF: our own recordings with their metadata, and plain grey or colour pages.

use std::io::{BufRead, Read, Seek};

use flate2::Crc;
use tiff::ColorType;
use tiff::decoder::{Decoder, Limits};
use tiff::tags::Tag;

use super::ifd::First;
use super::page::Page;
use super::{CameraInfo, Clip, Largest, Unit};
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat, FrameMeta, Signal};
use crate::units::Nanos;

/// Largest ImageDescription or table read, bytes.
const MAX_VALUE: usize = 1 << 20;
/// Largest page, bytes a pixel: RGBA with 16 bits, rounded up.
const MAX_PIXEL: usize = 13;

/// Pixel layout of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// 16-bit grey.
    Grey16,
    /// 8-bit grey.
    Grey8,
    /// 8-bit colour with this many samples per pixel.
    Colour(usize),
}

/// The pages of a TIFF, first to last.
pub struct Pages<R: Read + Seek> {
    decoder: Decoder<R>,
    unit: Option<Unit>,
    largest: Largest,
    /// Facts of the current page, if the file is a recording of ours.
    page: Option<Page>,
    layout: Layout,
    format: FrameFormat,
    /// Seconds between frames of a foreign TIFF, as nanoseconds.
    period_ns: u64,
    camera: CameraInfo,
    fresh: bool,
    index: u64,
    frames: u64,
    skipped: u64,
    bytes: Vec<u8>,
    truncation: Option<String>,
}

impl<R: BufRead + Seek + Send> Pages<R> {
    /// Reads the first page's facts. `unit` gives the meaning of 16-bit counts if the file does not;
    /// `rate_hz` paces a TIFF without times.
    ///
    /// # Errors
    /// `Fix` if the first page is damaged, of an unsupported kind or size, or cannot have `unit`.
    pub fn open(name: &str, inner: R, unit: Option<Unit>, rate_hz: f32) -> Result<Self> {
        Self::open_up_to(Largest::THERMAL, name, inner, unit, rate_hz)
    }

    /// As [`Pages::open`], with pages up to this size.
    ///
    /// # Errors
    /// As for [`Pages::open`].
    pub fn open_up_to(largest: Largest, name: &str, mut inner: R, unit: Option<Unit>, rate_hz: f32) -> Result<Self> {
        // The decoder accepts limits only after the first page.
        First::read(&mut inner).map_err(|e| incomplete(name, e))?;
        let decoder = Decoder::new(inner).map_err(|e| incomplete(name, e))?.with_limits(limits(largest));
        let mut pages = Self {
            decoder,
            unit,
            largest,
            page: None,
            layout: Layout::Grey16,
            format: FrameFormat { width: 0, height: 0, signal: Signal::Counts, rate_hz },
            period_ns: if rate_hz > 0.0 { (1e9 / f64::from(rate_hz)) as u64 } else { 0 },
            camera: CameraInfo::default(),
            fresh: true,
            index: 0,
            frames: 0,
            skipped: 0,
            bytes: Vec::new(),
            truncation: None,
        };
        pages.describe().map_err(|what| Error::fix(name, what))?;
        if pages.page.is_none() {
            largest.check(name, pages.format.width, pages.format.height)?;
            if pages.layout != Layout::Grey16 && !matches!(unit, None | Some(Unit::Counts)) {
                return Err(not_sixteen(name));
            }
        }
        Ok(pages)
    }

    /// Pixel layout of the current page.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The facts of the page read last; `None` if the file is not a recording of ours.
    pub fn page(&self) -> Option<&Page> {
        self.page.as_ref()
    }

    /// The whole description of the page read last, results included.
    pub fn description(&mut self) -> Option<String> {
        self.decoder.find_tag(Tag::ImageDescription).ok()??.into_string().ok()
    }

    /// Reads the current page's format.
    fn describe(&mut self) -> Result<(), String> {
        let (width, height) = self.decoder.dimensions().map_err(|e| e.to_string())?;
        let colour = self.decoder.colortype().map_err(|e| e.to_string())?;
        self.layout = layout(colour)
            .ok_or_else(|| format!("holds {colour:?} pixels; supported are 16-bit and 8-bit grey and 8-bit colour"))?;
        self.page = self.description().and_then(|text| Page::parse(&text)).transpose()?;
        let (signal, rate_hz) = match &self.page {
            Some(page) if self.layout == Layout::Grey16 => (page.signal, page.rate_hz),
            Some(_) => return Err("claims to be a recording, but its pixels are not 16-bit grey".into()),
            None if self.layout == Layout::Grey16 => (self.unit.unwrap_or(Unit::Counts).signal(), self.format.rate_hz),
            None => (Signal::Grey8, self.format.rate_hz),
        };
        self.format = FrameFormat { width, height, signal, rate_hz };
        if self.format.pixels() > self.largest.pixels() {
            let (w, h) = (self.largest.width, self.largest.height);
            return Err(format!("holds pages of {width}x{height} pixels; at most {w}x{h} are supported"));
        }
        if let Some(page) = &self.page
            && page.camera != self.camera
        {
            self.camera = page.camera.clone();
        }
        Ok(())
    }

    /// Moves to the next page. `Ok(false)` at the end; an error if the chain is broken.
    fn advance(&mut self) -> Result<bool, String> {
        if self.fresh {
            self.fresh = false;
            return Ok(true);
        }
        if !self.decoder.more_images() {
            return Ok(false);
        }
        self.index += 1;
        self.decoder.next_image().map_err(|e| e.to_string())?;
        self.describe()?;
        Ok(true)
    }

    fn decode(&mut self, into: &mut Frame) -> Result<(), String> {
        let wanted = self.decoder.image_buffer_layout().map_err(|e| e.to_string())?.len;
        let samples = match self.layout {
            Layout::Grey16 => 2,
            Layout::Grey8 => 1,
            Layout::Colour(samples) => samples,
        };
        if wanted != self.format.pixels() * samples || wanted > max_page(self.largest) {
            return Err(format!("a page of {wanted} bytes"));
        }
        self.bytes.resize(wanted, 0);
        self.decoder.read_image_bytes(&mut self.bytes).map_err(|e| e.to_string())?;
        into.reshape(self.format);
        if !matches!(self.layout, Layout::Colour(_)) {
            into.visible = None;
        }
        match self.layout {
            Layout::Grey16 => {
                for (pixel, pair) in into.pixels.iter_mut().zip(self.bytes.chunks_exact(2)) {
                    *pixel = u16::from_ne_bytes([pair[0], pair[1]]);
                }
            }
            Layout::Grey8 => copy_grey(&self.bytes, &mut into.pixels),
            Layout::Colour(samples) => colours(&self.bytes, samples, into),
        }
        self.stamp(into)
    }

    fn stamp(&self, into: &mut Frame) -> Result<(), String> {
        let Some(page) = &self.page else {
            let at = Nanos(self.index.saturating_mul(self.period_ns));
            into.meta = FrameMeta { seq: self.index, captured: at, received: at, ..FrameMeta::default() };
            return Ok(());
        };
        into.meta = page.meta();
        let mut crc = Crc::new();
        for chunk in into.pixels.chunks(256) {
            let mut bytes = [0; 512];
            for (pair, count) in bytes.chunks_exact_mut(2).zip(chunk) {
                pair.copy_from_slice(&count.to_le_bytes());
            }
            crc.update(&bytes[..chunk.len() * 2]);
        }
        match page.crc32 {
            Some(wanted) if wanted != crc.sum() => Err("its pixels do not match their checksum".into()),
            _ => Ok(()),
        }
    }
}

impl<R: BufRead + Seek + Send> Clip for Pages<R> {
    fn format(&self) -> FrameFormat {
        self.format
    }

    fn camera(&self) -> &CameraInfo {
        &self.camera
    }

    fn read(&mut self, into: &mut Frame) -> bool {
        while self.truncation.is_none() {
            let done = match self.advance() {
                Ok(false) => return false,
                Ok(true) => self.decode(into),
                Err(e) => Err(e),
            };
            match done {
                Ok(()) => {
                    self.frames += 1;
                    return true;
                }
                // The next page may be intact: its link was read before this page's damage was found.
                Err(_) if self.decoder.more_images() => self.skipped += 1,
                Err(e) => self.truncation = Some(format!("cut short after {} frames: {e}", self.frames)),
            }
        }
        false
    }

    fn truncation(&self) -> Option<&str> {
        self.truncation.as_deref()
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// Largest decoded page, bytes.
fn max_page(largest: Largest) -> usize {
    largest.pixels() * MAX_PIXEL
}

fn limits(largest: Largest) -> Limits {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = max_page(largest);
    limits.intermediate_buffer_size = max_page(largest);
    limits.ifd_value_size = MAX_VALUE;
    limits
}

fn layout(colour: ColorType) -> Option<Layout> {
    match colour {
        ColorType::Gray(16) => Some(Layout::Grey16),
        ColorType::Gray(8) => Some(Layout::Grey8),
        ColorType::RGB(8) => Some(Layout::Colour(3)),
        ColorType::RGBA(8) => Some(Layout::Colour(4)),
        _ => None,
    }
}

/// Brightness of a colour: ITU-R BT.601 luma.
pub fn luma(r: u8, g: u8, b: u8) -> u8 {
    ((u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114 + 500) / 1000) as u8
}

/// Takes 8-bit colour pixels of `samples` bytes each: their colours, and their brightness as counts. `into` has the
/// picture's size.
pub fn colours(bytes: &[u8], samples: usize, into: &mut Frame) {
    let visible = into.visible.get_or_insert_default();
    visible.reshape(into.format.width, into.format.height);
    visible.alone = true;
    let pixels = into.pixels.iter_mut().zip(visible.rgb.chunks_exact_mut(3));
    for ((count, to), from) in pixels.zip(bytes.chunks_exact(samples)) {
        to.copy_from_slice(&from[..3]);
        *count = u16::from(luma(from[0], from[1], from[2]));
    }
}

/// Widens 8-bit grey.
pub fn copy_grey(bytes: &[u8], pixels: &mut [u16]) {
    for (pixel, &grey) in pixels.iter_mut().zip(bytes) {
        *pixel = u16::from(grey);
    }
}

fn incomplete(name: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::fix(name, "has no complete TIFF page").because(cause)
}

/// The error for a unit stated for 8-bit pixels.
pub fn not_sixteen(name: &str) -> Error {
    Error::fix(name, "holds 8-bit pixels, which carry no temperature; leave `signal` out for such pictures")
}
