//! Single pictures: PNG, TIFF and JPEG.
//!
//! 16-bit grey keeps its counts, with the unit that the user states or none. Everything else has been tone-mapped and
//! becomes 8-bit grey without temperature; colours, for example of an ironbow palette, become their brightness.

use std::io::{Cursor, Read as _};
use std::path::Path;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::Settings;
use super::file::{FileKind, SUPPORTED, open_file};
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat, Signal};
use crate::recording::ifd::First;
use crate::recording::pages::{Layout, Pages, colours, luma, not_sixteen};
use crate::recording::{Clip, Unit};

/// Largest file that is read as a picture, bytes. One in visible light may be larger: 3 bytes for each of its pixels
/// may not be compressed at all.
const MAX_FILE: u64 = 32 << 20;
/// Memory limit of a decoder, not counting the pixels, bytes.
const MAX_ALLOC: usize = 48 << 20;
/// Limit on the scans of a progressive JPEG: each costs a pass over the picture.
const MAX_SCANS: usize = 64;

/// A picture and how it was converted.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The frame.
    pub frame: Frame,
    /// Why there is no temperature; `None` if there is one.
    pub note: Option<&'static str>,
}

const COLOUR: &str = "a colour picture, turned to grey; it carries no temperature";
const PALETTE: &str = "a palette picture, turned to grey; it carries no temperature";
const GREY: &str = "an 8-bit picture; it carries no temperature";
const UNKNOWN: &str = "16-bit counts of unknown unit; no temperature without `signal`";

/// Reads one picture, of a multi-page TIFF the first, and logs its note.
///
/// # Errors
/// `Fix` if it cannot be read.
pub fn still(path: &Path, settings: &Settings) -> Result<Frame> {
    let picture = read(path, settings)?;
    if let Some(note) = picture.note {
        log::info!("{}: {note}", path.display());
    }
    Ok(picture.frame)
}

/// Reads one picture with its note.
///
/// # Errors
/// `Fix` if it cannot be read or is too large.
pub fn read(path: &Path, settings: &Settings) -> Result<Picture> {
    let (file, name) = open_file(path)?;
    let mut bytes = Vec::new();
    let most = MAX_FILE.max(4 * settings.largest.pixels() as u64);
    file.take(most + 1).read_to_end(&mut bytes).map_err(|e| Error::fix(&name, "cannot be read").because(e))?;
    if bytes.len() as u64 > most {
        return Err(Error::fix(name, format_args!("is larger than {} MB, too large for a picture", most >> 20)));
    }
    decode(&name, bytes, settings)
}

/// Decodes one picture. `name` is for messages.
///
/// # Errors
/// `Fix` if it is damaged, of another kind, or of a size that is not supported.
pub fn decode(name: &str, bytes: Vec<u8>, settings: &Settings) -> Result<Picture> {
    match FileKind::of(name, &mut Cursor::new(&bytes))? {
        FileKind::Tiff => decode_tiff(name, bytes, settings),
        FileKind::Png => decode_png(name, &bytes, settings),
        FileKind::Jpeg => decode_jpeg(name, &bytes, settings),
        FileKind::Cptv | FileKind::Y16 | FileKind::Video => {
            Err(Error::fix(name, format_args!("is a recording, not a picture; supported are {SUPPORTED}")))
        }
    }
}

fn decode_tiff(name: &str, mut bytes: Vec<u8>, settings: &Settings) -> Result<Picture> {
    let incomplete = |e| Error::fix(name, "has no complete TIFF page").because(e);
    let first = First::read(&mut Cursor::new(&mut bytes)).map_err(incomplete)?;
    let palette = first.take_palette(&mut bytes);
    let mut pages = Pages::open_up_to(settings.largest, name, Cursor::new(bytes), settings.signal, 0.0)?;
    let mut frame = Frame::new(pages.format());
    settings.largest.check(name, frame.format.width, frame.format.height)?;
    if !pages.read(&mut frame) {
        return Err(Error::fix(
            name,
            format_args!("is a damaged picture: {}", pages.truncation().unwrap_or("it has no page")),
        ));
    }
    if let Some(palette) = &palette {
        for pixel in &mut frame.pixels {
            let [r, g, b] = palette[usize::from(*pixel) % 256];
            *pixel = u16::from(luma(r, g, b));
        }
    }
    let note = match pages.layout() {
        _ if palette.is_some() => Some(PALETTE),
        Layout::Grey16 if pages.page().is_none() && settings.signal.is_none() => Some(UNKNOWN),
        Layout::Grey16 => None,
        Layout::Grey8 => Some(GREY),
        Layout::Colour(_) => Some(COLOUR),
    };
    Ok(Picture { frame, note })
}

fn damaged(name: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::fix(name, "is a damaged picture").because(cause)
}

fn decode_png(name: &str, bytes: &[u8], settings: &Settings) -> Result<Picture> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: MAX_ALLOC });
    decoder.set_transformations(png::Transformations::EXPAND);
    let info = decoder.read_header_info().map_err(|e| damaged(name, e))?;
    let tinted = if info.color_type == png::ColorType::Indexed { PALETTE } else { COLOUR };
    let (width, height) = (info.width, info.height);
    settings.largest.check(name, width, height)?;
    let mut reader = decoder.read_info().map_err(|e| damaged(name, e))?;
    let (colour, depth) = reader.output_color_type();
    let samples = Samples { per_pixel: colour.samples(), sixteen: depth == png::BitDepth::Sixteen };
    let size =
        reader.output_buffer_size().filter(|n| *n <= samples.bytes(settings.largest.width, settings.largest.height));
    let size = size.ok_or_else(|| damaged(name, format!("its header and its pixels differ at {width}x{height}")))?;
    let mut pixels = vec![0; size];
    reader.next_frame(&mut pixels).map_err(|e| damaged(name, e))?;
    convert(name, (width, height), &pixels, samples, settings.signal, tinted)
}

fn decode_jpeg(name: &str, bytes: &[u8], settings: &Settings) -> Result<Picture> {
    // A camera's JPEG may end early or have wrong tables although its picture is good.
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MAX_SCANS);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| damaged(name, e))?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    let (width, height) = (width as u32, height as u32);
    settings.largest.check(name, width, height)?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let wanted = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(wanted));
    let samples = Samples { per_pixel: if grey { 1 } else { 3 }, sixteen: false };
    let pixels = decoder.decode().map_err(|e| damaged(name, e))?;
    convert(name, (width, height), &pixels, samples, settings.signal, COLOUR)
}

/// The samples that a decoder wrote: 1 grey, 2 grey and alpha, 3 colours, 4 colours and alpha; 16-bit ones big-endian.
#[derive(Debug, Clone, Copy)]
struct Samples {
    per_pixel: usize,
    sixteen: bool,
}

impl Samples {
    fn pixel(self) -> usize {
        self.per_pixel * if self.sixteen { 2 } else { 1 }
    }

    fn bytes(self, width: u32, height: u32) -> usize {
        width as usize * height as usize * self.pixel()
    }
}

fn convert(
    name: &str,
    (width, height): (u32, u32),
    bytes: &[u8],
    samples: Samples,
    unit: Option<Unit>,
    tinted: &'static str,
) -> Result<Picture> {
    if bytes.len() != samples.bytes(width, height) {
        return Err(damaged(name, format!("{} bytes of pixels for {width}x{height}", bytes.len())));
    }
    let grey = samples.per_pixel < 3;
    let counts = grey && samples.sixteen;
    if !counts && !matches!(unit, None | Some(Unit::Counts)) {
        return Err(not_sixteen(name));
    }
    let signal = if counts { unit.unwrap_or(Unit::Counts).signal() } else { Signal::Grey8 };
    let mut frame = Frame::new(FrameFormat { width, height, signal, rate_hz: 0.0 });
    let pixels = frame.pixels.iter_mut().zip(bytes.chunks_exact(samples.pixel()));
    match (grey, samples.sixteen) {
        (true, true) => pixels.for_each(|(pixel, s)| *pixel = u16::from_be_bytes([s[0], s[1]])),
        (true, false) => pixels.for_each(|(pixel, s)| *pixel = u16::from(s[0])),
        (false, true) => {
            let high: Vec<u8> = bytes.iter().copied().step_by(2).collect();
            colours(&high, samples.per_pixel, &mut frame);
        }
        (false, false) => colours(bytes, samples.per_pixel, &mut frame),
    }
    let note = match grey {
        true if counts => unit.is_none().then_some(UNKNOWN),
        true => Some(GREY),
        false => Some(tinted),
    };
    Ok(Picture { frame, note })
}
