//! Single pictures: PNG, TIFF and JPEG.
//!
//! 16-bit grey keeps its counts, with the meaning the user states or none. Everything else has
//! been through somebody's tone mapping and gives 8-bit grey without temperature; colours (an
//! ironbow palette, say) become their brightness.

use std::io::{Cursor, Read as _};
use std::path::Path;

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::{ColorType, ImageDecoder, Limits};

use super::Settings;
use super::replay::{Kind, SUPPORTED, open_file};
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat, Signal};
use crate::recording::ifd::First;
use crate::recording::pages::{Layout, Pages, copy_grey, luma, not_sixteen};
use crate::recording::{Clip, MAX_SIZE, Unit, check_size};

/// Largest file read as a picture, bytes.
const MAX_FILE: u64 = 32 << 20;
/// Most a decoder may hold, bytes.
const MAX_ALLOC: u64 = 48 << 20;

/// A picture and what had to be done to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The frame.
    pub frame: Frame,
    /// What a user should know: why there is no temperature. `None` where nothing was lost.
    pub note: Option<&'static str>,
}

const COLOUR: &str = "a colour picture, turned to grey; it carries no temperature";
const PALETTE: &str = "a palette picture, turned to grey; it carries no temperature";
const GREY: &str = "an 8-bit picture; it carries no temperature";
const UNKNOWN: &str = "16-bit counts of unknown unit; no temperature without `signal`";

/// Reads one picture, of a multi-page TIFF the first; notes go to the log.
pub fn still(path: &Path, settings: &Settings) -> Result<Frame> {
    let picture = read(path, settings)?;
    if let Some(note) = picture.note {
        log::info!("{}: {note}", path.display());
    }
    Ok(picture.frame)
}

/// Reads one picture with its note.
pub fn read(path: &Path, settings: &Settings) -> Result<Picture> {
    let (file, name) = open_file(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|e| Error::fix(&name, "cannot be read").because(e))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::fix(name, format_args!("is larger than {} MB, too large for a picture", MAX_FILE >> 20)));
    }
    decode(&name, bytes, settings)
}

/// Decodes one picture; errors name it `name`.
pub fn decode(name: &str, bytes: Vec<u8>, settings: &Settings) -> Result<Picture> {
    let broken = |e: image::ImageError| Error::fix(name, "is a damaged picture").because(e);
    match Kind::of(name, &mut Cursor::new(&bytes))? {
        Kind::Tiff => decode_tiff(name, bytes, settings),
        Kind::Png => {
            let decoder = PngDecoder::with_limits(Cursor::new(&bytes), limits()).map_err(broken)?;
            // The colour type in IHDR; the decoder hides it.
            let colour = if bytes.get(25) == Some(&3) { PALETTE } else { COLOUR };
            convert(name, decoder, settings.signal, colour)
        }
        Kind::Jpeg => {
            let decoder = JpegDecoder::new(Cursor::new(&bytes)).map_err(broken)?;
            convert(name, decoder, settings.signal, COLOUR)
        }
        Kind::Cptv | Kind::Y16 => {
            Err(Error::fix(name, format_args!("is a recording, not a picture; supported are {SUPPORTED}")))
        }
    }
}

fn decode_tiff(name: &str, mut bytes: Vec<u8>, settings: &Settings) -> Result<Picture> {
    let damaged = |e| Error::fix(name, "has no complete TIFF page").because(e);
    let first = First::read(&mut Cursor::new(&mut bytes)).map_err(damaged)?;
    let colours = first.take_palette(&mut bytes);
    let mut pages = Pages::open(name, Cursor::new(bytes), settings.signal, 0.0)?;
    let mut frame = Frame::new(pages.format());
    check_size(name, frame.format.width, frame.format.height)?;
    if !pages.read(&mut frame) {
        return Err(Error::fix(
            name,
            format_args!("is a damaged picture: {}", pages.cut().unwrap_or("it has no page")),
        ));
    }
    if let Some(colours) = &colours {
        for pixel in &mut frame.pixels {
            let [r, g, b] = colours[usize::from(*pixel) % 256];
            *pixel = u16::from(luma(r, g, b));
        }
    }
    let note = match pages.layout() {
        _ if colours.is_some() => Some(PALETTE),
        Layout::Grey16 if pages.page().is_none() && settings.signal.is_none() => Some(UNKNOWN),
        Layout::Grey16 => None,
        Layout::Grey8 => Some(GREY),
        Layout::Colour(_) => Some(COLOUR),
    };
    Ok(Picture { frame, note })
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(1 << 16);
    limits.max_image_height = Some(1 << 16);
    limits.max_alloc = Some(MAX_ALLOC);
    limits
}

fn convert(name: &str, mut decoder: impl ImageDecoder, unit: Option<Unit>, tinted: &'static str) -> Result<Picture> {
    let broken = |e: image::ImageError| Error::fix(name, "is a damaged picture").because(e);
    let (width, height) = decoder.dimensions();
    check_size(name, width, height)?;
    let sixteen = matches!(decoder.color_type(), ColorType::L16 | ColorType::La16);
    if !sixteen && !matches!(unit, None | Some(Unit::Counts)) {
        return Err(not_sixteen(name));
    }
    decoder.set_limits(limits()).map_err(broken)?;
    let colour = decoder.color_type();
    let size = decoder.total_bytes();
    // 16-bit RGBA at the largest size.
    if size > u64::from(MAX_SIZE.0) * u64::from(MAX_SIZE.1) * 8 {
        return Err(Error::fix(name, format_args!("needs {size} bytes for {width}x{height} pixels")));
    }
    let mut bytes = vec![0; size as usize];
    decoder.read_image(&mut bytes).map_err(broken)?;
    let signal = if sixteen { unit.unwrap_or(Unit::Counts).signal() } else { Signal::Grey8 };
    let mut frame = Frame::new(FrameFormat { width, height, signal, rate_hz: 0.0 });
    to_grey(&bytes, colour, &mut frame.pixels).ok_or_else(|| {
        Error::fix(name, format_args!("holds {colour:?} pixels; supported are 8-bit and 16-bit grey and colour"))
    })?;
    let note = match colour {
        _ if sixteen => unit.is_none().then_some(UNKNOWN),
        ColorType::L8 | ColorType::La8 => Some(GREY),
        _ => Some(tinted),
    };
    Ok(Picture { frame, note })
}

/// Turns decoded samples (16-bit ones in native order) into counts; `None` for unknown layouts.
fn to_grey(bytes: &[u8], colour: ColorType, pixels: &mut [u16]) -> Option<()> {
    let samples = usize::from(colour.channel_count());
    match colour {
        ColorType::L8 => copy_grey(bytes, pixels),
        ColorType::La8 => {
            pixels.iter_mut().zip(bytes.chunks_exact(2)).for_each(|(pixel, s)| *pixel = u16::from(s[0]));
        }
        ColorType::L16 | ColorType::La16 => {
            for (pixel, s) in pixels.iter_mut().zip(bytes.chunks_exact(2 * samples)) {
                *pixel = u16::from_ne_bytes([s[0], s[1]]);
            }
        }
        ColorType::Rgb8 | ColorType::Rgba8 => {
            for (pixel, s) in pixels.iter_mut().zip(bytes.chunks_exact(samples)) {
                *pixel = u16::from(luma(s[0], s[1], s[2]));
            }
        }
        ColorType::Rgb16 | ColorType::Rgba16 => {
            let high = |s: &[u8], i: usize| (u16::from_ne_bytes([s[2 * i], s[2 * i + 1]]) >> 8) as u8;
            for (pixel, s) in pixels.iter_mut().zip(bytes.chunks_exact(2 * samples)) {
                *pixel = u16::from(luma(high(s, 0), high(s, 1), high(s, 2)));
            }
        }
        _ => return None,
    }
    Some(())
}
