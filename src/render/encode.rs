//! Pictures as PNG and JPEG, into a buffer that is kept. The encoders make a handful of small
//! allocations of their own for each picture, so they belong to the thread of whoever wants one.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::Canvas;
use crate::error::{Error, Result};

/// Encodes as 8-bit RGB PNG, fast rather than small. `into` is emptied first and keeps its allocation.
///
/// # Errors
/// [`Error::fatal`] where the canvas is empty or its bytes do not match its size.
pub fn png(canvas: &Canvas, into: &mut Vec<u8>) -> Result<()> {
    into.clear();
    let mut encoder = png::Encoder::new(into, canvas.width, canvas.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let failed = |e| Error::fatal("png", format!("cannot encode {}x{} pixels", canvas.width, canvas.height)).because(e);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&canvas.rgb).map_err(failed)?;
    writer.finish().map_err(failed)
}

/// Below this quality colour is kept at half resolution; thin coloured lines need all of it above.
const FULL_COLOUR: u8 = 85;

/// Encodes as baseline JPEG of `quality` 1 to 100 (limited to that). `into` is emptied first and
/// keeps its allocation.
///
/// # Errors
/// [`Error::fatal`] where the canvas is empty, a side exceeds 65535 pixels or its bytes do not match its size.
pub fn jpeg(canvas: &Canvas, quality: u8, into: &mut Vec<u8>) -> Result<()> {
    into.clear();
    let refused = || Error::fatal("jpeg", format!("cannot encode {}x{} pixels", canvas.width, canvas.height));
    let side = |n: u32| u16::try_from(n).map_err(|e| refused().because(e));
    let (width, height) = (side(canvas.width)?, side(canvas.height)?);
    let quality = quality.clamp(1, 100);
    let mut encoder = Encoder::new(into, quality);
    encoder.set_sampling_factor(if quality < FULL_COLOUR { SamplingFactor::F_2_2 } else { SamplingFactor::F_1_1 });
    encoder.encode(&canvas.rgb, width, height, ColorType::Rgb).map_err(|e| refused().because(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Canvas {
        let mut c = Canvas::new(64, 32);
        for (i, px) in c.rgb.chunks_exact_mut(3).enumerate() {
            px.copy_from_slice(&[(i % 64 * 4) as u8, (i / 64 * 8) as u8, 90]);
        }
        c
    }

    #[test]
    fn png_returns_every_byte() {
        let (c, mut bytes) = (ramp(), vec![1, 2, 3]);
        png(&c, &mut bytes).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        let mut back = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut back).unwrap();
        assert_eq!((info.width, info.height, info.color_type), (64, 32, png::ColorType::Rgb));
        assert_eq!(back, c.rgb);
    }

    #[test]
    fn jpeg_comes_close_and_closer_with_quality() {
        let c = ramp();
        let worst = |quality| {
            let mut bytes = Vec::new();
            jpeg(&c, quality, &mut bytes).unwrap();
            let bytes = zune_jpeg::zune_core::bytestream::ZCursor::new(&bytes);
            let back = zune_jpeg::JpegDecoder::new(bytes).decode().unwrap();
            back.iter().zip(&c.rgb).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
        };
        assert!(worst(95) <= 8, "{}", worst(95));
        assert!(worst(30) <= 60, "{}", worst(30));
        assert!(worst(95) < worst(0));
    }

    #[test]
    fn nothing_and_nonsense_are_refused() {
        let mut out = Vec::new();
        let wrong = Canvas { width: 9, height: 9, rgb: vec![0; 5] };
        for c in [Canvas::default(), wrong] {
            assert!(png(&c, &mut out).is_err());
            assert!(jpeg(&c, 80, &mut out).is_err());
        }
        assert!(jpeg(&Canvas { width: 70_000, height: 1, rgb: vec![0; 210_000] }, 80, &mut out).is_err());
    }
}
