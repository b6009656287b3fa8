//! Pictures as PNG and JPEG, into a reused buffer. The encoders make a handful of small allocations of their own for
//! each picture, so they run on the thread that asks for the picture.

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

use super::canvas::Canvas;
use crate::error::{Error, Result};

/// Encodes as 8-bit RGB PNG, fast rather than small. `into` is emptied first and keeps its allocation.
///
/// # Errors
/// [`Error::fatal`] if the canvas is empty or its bytes do not match its size.
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

/// Below this quality, colour is stored at half resolution; from it on, thin coloured lines keep full resolution.
const FULL_COLOUR: u8 = 85;

/// Encodes as baseline JPEG of `quality` 1 to 100 (limited to that). `into` is emptied first and
/// keeps its allocation.
///
/// # Errors
/// [`Error::fatal`] if the canvas is empty, a side exceeds 65535 pixels or its bytes do not match its size.
pub fn jpeg(canvas: &Canvas, quality: u8, into: &mut Vec<u8>) -> Result<()> {
    into.clear();
    let refused = || Error::fatal("jpeg", format!("cannot encode {}x{} pixels", canvas.width, canvas.height));
    let side = |n: u32| u16::try_from(n).map_err(|e| refused().because(e));
    let (width, height) = (side(canvas.width)?, side(canvas.height)?);
    if canvas.rgb.len() != usize::from(width) * usize::from(height) * 3 {
        return Err(refused());
    }
    let quality = quality.clamp(1, 100);
    let mut encoder = Encoder::new(into, quality);
    encoder.set_sampling_factor(if quality < FULL_COLOUR { SamplingFactor::F_2_2 } else { SamplingFactor::F_1_1 });
    encoder.encode_image(Rows { rgb: &canvas.rgb, width, height }).map_err(|e| refused().because(e))
}

/// A picture as input of the encoder, whose own reading of RGB takes longer than all of its arithmetic.
struct Rows<'a> {
    rgb: &'a [u8],
    width: u16,
    height: u16,
}

/// Pixels that are converted together.
const STRIP: usize = 16;

impl ImageBuffer for Rows<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, [luma, blue, red, _]: &mut [Vec<u8>; 4]) {
        let width = usize::from(self.width);
        let row = &self.rgb[usize::from(y) * width * 3..][..width * 3];
        let grown = |plane: &mut Vec<u8>| {
            let before = plane.len();
            plane.resize(before + width, 0);
            before
        };
        let (luma_at, blue_at, red_at) = (grown(luma), grown(blue), grown(red));
        let planes = luma[luma_at..].chunks_mut(STRIP).zip(blue[blue_at..].chunks_mut(STRIP));
        let planes = planes.zip(red[red_at..].chunks_mut(STRIP));
        for (strip, ((luma, blue), red)) in row.chunks(STRIP * 3).zip(planes) {
            let mut rgb = [[0i16; STRIP]; 3];
            for (i, pixel) in strip.as_chunks::<3>().0.iter().enumerate() {
                for c in 0..3 {
                    rgb[c][i] = pixel[c].into();
                }
            }
            let (y, cb, cr) = ycbcr(&rgb);
            luma.copy_from_slice(&y[..luma.len()]);
            blue.copy_from_slice(&cb[..blue.len()]);
            red.copy_from_slice(&cr[..red.len()]);
        }
    }
}

/// JFIF's colours (ITU-T T.871), within one level. Computed in 1/256, so that every sum fits 16 bits.
fn ycbcr([r, g, b]: &[[i16; STRIP]; 3]) -> ([u8; STRIP], [u8; STRIP], [u8; STRIP]) {
    let (mut y, mut cb, mut cr) = ([0; STRIP], [0; STRIP], [0; STRIP]);
    for i in 0..STRIP {
        let (r, g, b) = (r[i], g[i], b[i]);
        y[i] = ((77 * r as u16 + 150 * g as u16 + 29 * b as u16 + 128) >> 8) as u8;
        cb[i] = (((128 * b - 43 * r - 85 * g + 127) >> 8) + 128) as u8;
        cr[i] = (((128 * r - 107 * g - 21 * b + 127) >> 8) + 128) as u8;
    }
    (y, cb, cr)
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
    fn colours_are_those_of_jfif_to_a_level() {
        for step in 0..=u16::MAX {
            // All corners of the cube, and a fine net within it.
            let rgb = [step % 41, step / 41 % 41, step / 1681].map(|n| (n.min(40) * 255 / 40) as u8);
            let [r, g, b] = rgb.map(f32::from);
            let (y, cb, cr) = ycbcr(&rgb.map(|v| [v.into(); STRIP]));
            let want = [
                0.299 * r + 0.587 * g + 0.114 * b,
                128.0 - 0.168_736 * r - 0.331_264 * g + 0.5 * b,
                128.0 + 0.5 * r - 0.418_688 * g - 0.081_312 * b,
            ];
            for (got, want) in [y[3], cb[3], cr[3]].into_iter().zip(want) {
                assert!((f32::from(got) - want.min(255.0)).abs() < 1.1, "{rgb:?}: {got}, not {want}");
            }
        }
    }

    #[test]
    fn rows_of_any_width_are_converted_whole() {
        for width in [1u16, 15, 16, 17, 33, 640] {
            let rgb: Vec<u8> = (0..usize::from(width) * 6).map(|i| (i * 37 % 251) as u8).collect();
            let mut planes = [vec![9], vec![], vec![], vec![]];
            let rows = Rows { rgb: &rgb, width, height: 2 };
            rows.fill_buffers(1, &mut planes);
            assert_eq!(planes.each_ref().map(Vec::len), [1 + usize::from(width), width.into(), width.into(), 0]);
            assert_eq!(planes[0][0], 9, "what was there stays");
            for (x, pixel) in rgb[usize::from(width) * 3..].as_chunks::<3>().0.iter().enumerate() {
                let (y, cb, cr) = ycbcr(&pixel.map(|v| [v.into(); STRIP]));
                assert_eq!((planes[0][1 + x], planes[1][x], planes[2][x]), (y[0], cb[0], cr[0]));
            }
        }
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
