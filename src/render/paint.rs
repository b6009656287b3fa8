//! Counts to coloured pixels, 1 to 8 times as large: interpolated as counts, then coloured, so that every colour is one
//! of the palette.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::agc::Gain;
use super::palette::Lut;
use super::range::Span;
use crate::frame::Frame;
use crate::kernels::{self, Kernels};
use crate::picture::Canvas;

/// Largest magnification.
pub const MAX_SCALE: u32 = 8;

/// Most pixels of a picture; larger ones are magnified less than asked for.
const MAX_PIXELS: u64 = 1 << 25;

/// How the picture is interpolated between pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Each pixel is a square.
    Nearest,
    /// Linear blend of the four nearest pixels.
    #[default]
    Bilinear,
}

/// The magnification used for a wanted one: 1 to [`MAX_SCALE`], and small enough to keep the picture within 33
/// megapixels.
pub fn scale_for(width: u32, height: u32, wanted: u32) -> u32 {
    let pixels = (u64::from(width) * u64::from(height)).max(1);
    let fits = (1..=wanted.clamp(1, MAX_SCALE)).rev().find(|&s| pixels.saturating_mul(u64::from(s * s)) <= MAX_PIXELS);
    fits.unwrap_or(1)
}

/// Palette positions of the rows being mixed; each has one extra pixel at either end.
#[derive(Debug)]
pub struct Painter {
    kernels: &'static Kernels,
    above: Vec<f32>,
    here: Vec<f32>,
    below: Vec<f32>,
    mixed: Vec<f32>,
    /// Palette levels of one line, grouped by subpixel.
    levels: Vec<u8>,
}

impl Default for Painter {
    fn default() -> Self {
        Self::on(kernels::current())
    }
}

impl Painter {
    /// A painter with these kernels.
    pub fn on(kernels: &'static Kernels) -> Self {
        let (above, here, below, mixed, levels) = Default::default();
        Self { kernels, above, here, below, mixed, levels }
    }

    /// Paints the whole frame `scale` times as large and sets the size of the canvas accordingly. The gain must have
    /// been updated with this frame, and `frame.pixels` must have the length its format says.
    pub fn paint(
        &mut self,
        frame: &Frame,
        tone: (&mut Gain, Span),
        lut: &Lut,
        scale: u32,
        filter: Filter,
        canvas: &mut Canvas,
    ) {
        canvas.resize(frame.format.width * scale, frame.format.height * scale);
        match scale {
            2 => self.scaled::<2>(frame, tone, lut, filter, canvas),
            3 => self.scaled::<3>(frame, tone, lut, filter, canvas),
            4 => self.scaled::<4>(frame, tone, lut, filter, canvas),
            5 => self.scaled::<5>(frame, tone, lut, filter, canvas),
            6 => self.scaled::<6>(frame, tone, lut, filter, canvas),
            7 => self.scaled::<7>(frame, tone, lut, filter, canvas),
            8 => self.scaled::<8>(frame, tone, lut, filter, canvas),
            _ => self.scaled::<1>(frame, tone, lut, filter, canvas),
        }
    }

    fn scaled<const S: usize>(
        &mut self,
        frame: &Frame,
        (gain, span): (&mut Gain, Span),
        lut: &Lut,
        filter: Filter,
        canvas: &mut Canvas,
    ) {
        let width = frame.width();
        let kernels = self.kernels;
        let colours = &Colours::of(lut);
        let bands = canvas.rgb.chunks_exact_mut((width * 3 * S * S).max(1));
        let mut positions = |y: usize, into: &mut Vec<f32>| {
            let row = frame.pixels.get(y * width..(y + 1) * width).unwrap_or_default();
            gain.row(y, row, frame.height(), span, into);
        };
        if filter == Filter::Nearest || S == 1 {
            for (y, band) in bands.enumerate() {
                positions(y, &mut self.here);
                nearest::<S>(kernels, &self.here, &mut self.levels, lut, band);
            }
            return;
        }
        let last = frame.height().saturating_sub(1);
        positions(0, &mut self.here);
        self.above.clone_from(&self.here);
        for (y, band) in bands.enumerate() {
            positions((y + 1).min(last), &mut self.below);
            for (j, line) in band.chunks_exact_mut(width * 3 * S).enumerate() {
                let t = offset::<S>(j);
                let other = if t < 0.0 { &self.above } else { &self.below };
                self.mixed.resize(self.here.len(), 0.0);
                kernels.blend(&self.here, other, t.abs(), &mut self.mixed);
                mix::<S>(kernels, &self.mixed, &mut self.levels, colours, line);
            }
            std::mem::swap(&mut self.above, &mut self.here);
            std::mem::swap(&mut self.here, &mut self.below);
        }
    }
}

/// Centre of the `j`-th of `S` subpixels, from the pixel's own centre, in pixels.
const fn offset<const S: usize>(j: usize) -> f32 {
    (j as f32 + 0.5) / S as f32 - 0.5
}

/// A palette whose colours are padded to four bytes, to read each at once; the last byte is ignored.
struct Colours([[u8; 4]; 256]);

impl Colours {
    fn of(lut: &Lut) -> Self {
        Self(lut.map(|[r, g, b]| [r, g, b, 0]))
    }

    /// Writes `S` pixels, all but the last as four bytes, the last of which the next pixel overwrites.
    #[inline(always)]
    fn put<const S: usize>(&self, levels: [u8; S], out: &mut [u8]) {
        for (j, level) in levels.into_iter().enumerate() {
            let colour = self.0[usize::from(level)];
            let out = &mut out[3 * j..];
            // As arrays: slices of these lengths would be copied by function calls.
            if j + 1 < S {
                if let Some(to) = out.first_chunk_mut() {
                    *to = colour;
                }
            } else if let (Some(to), [r, g, b, _]) = (out.first_chunk_mut(), colour) {
                *to = [r, g, b];
            }
        }
    }
}

fn nearest<const S: usize>(kernels: &Kernels, row: &[f32], levels: &mut Vec<u8>, lut: &Lut, band: &mut [u8]) {
    let stride = band.len() / S;
    let (line, rest) = band.split_at_mut(stride);
    let width = row.len().saturating_sub(2);
    let Some(inner) = row.get(1..=width) else { return };
    levels.resize(width, 0);
    kernels.blend_u8(inner, inner, 0.0, levels);
    for (out, level) in line.chunks_exact_mut(3 * S).zip(&*levels) {
        out.as_chunks_mut().0.fill(lut[usize::from(*level)]);
    }
    rest.chunks_exact_mut(stride.max(1)).for_each(|copy| copy.copy_from_slice(line));
}

/// First the levels, one subpixel of every pixel at a time, then the colours.
fn mix<const S: usize>(kernels: &Kernels, row: &[f32], levels: &mut Vec<u8>, colours: &Colours, line: &mut [u8]) {
    let width = row.len().saturating_sub(2);
    levels.resize(width * S, 0);
    for (j, levels) in levels.chunks_exact_mut(width.max(1)).enumerate() {
        let t = offset::<S>(j);
        let (here, other) = (&row[1..=width], if t < 0.0 { &row[..width] } else { &row[2..] });
        kernels.blend_u8(here, other, t.abs(), levels);
    }
    let mut parts = [&levels[..]; S];
    for (j, part) in parts.iter_mut().enumerate() {
        *part = &levels[j * width..][..width];
    }
    for (x, out) in line.chunks_exact_mut(3 * S).take(width).enumerate() {
        let mut here = [0; S];
        for j in 0..S {
            here[j] = parts[j][x];
        }
        colours.put(here, out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::agc::Mode;
    use super::super::palette::PALETTES;
    use super::super::pattern;
    use super::*;
    use crate::frame::{FrameFormat, Signal};

    fn frame(width: u32, pixels: &[u16]) -> Frame {
        let height = pixels.len() as u32 / width;
        let mut f = Frame::new(FrameFormat { width, height, signal: Signal::Counts, rate_hz: 0.0 });
        f.pixels.copy_from_slice(pixels);
        f
    }

    fn painted(kernels: &'static Kernels, f: &Frame, scale: u32, filter: Filter) -> Canvas {
        let mut c = Canvas::default();
        let span = Span { low: 1000.0, high: 1255.0 };
        let mut gain = Gain::new(Default::default(), 0).on(kernels);
        gain.update(Mode::Linear, f, span);
        Painter::on(kernels).paint(f, (&mut gain, span), &PALETTES[0].lut(), scale, filter, &mut c);
        c
    }

    fn tables(filter: Filter) -> impl Iterator<Item = (Filter, &'static Kernels)> {
        kernels::available().into_iter().map(move |k| (filter, k))
    }

    /// The definition, one pixel at a time.
    fn by_definition(f: &Frame, scale: u32, filter: Filter) -> Vec<u8> {
        let (w, h) = (f.width() as f32, f.height() as f32);
        let at = |x: f32, y: f32| {
            let (x, y) = (x.clamp(0.0, w - 1.0) as usize, y.clamp(0.0, h - 1.0) as usize);
            f32::from(f.pixels[y * f.width() + x])
        };
        let mut out = Vec::new();
        for y in 0..f.format.height * scale {
            for x in 0..f.format.width * scale {
                let (u, v) = ((x as f32 + 0.5) / scale as f32, (y as f32 + 0.5) / scale as f32);
                let count = if filter == Filter::Nearest {
                    at(u.floor(), v.floor())
                } else {
                    let (u, v) = (u - 0.5, v - 0.5);
                    let (i, j, s, t) = (u.floor(), v.floor(), u - u.floor(), v - v.floor());
                    let top = at(i, j) * (1.0 - s) + at(i + 1.0, j) * s;
                    let low = at(i, j + 1.0) * (1.0 - s) + at(i + 1.0, j + 1.0) * s;
                    top * (1.0 - t) + low * t
                };
                out.push((count - 1000.0).clamp(0.0, 255.0).round() as u8);
            }
        }
        out
    }

    #[test]
    fn every_scale_and_filter_agrees_with_its_definition() {
        let pixels: Vec<u16> = (0..7 * 5u32).map(|i| 980 + (i * 7919 % 311) as u16).collect();
        let f = frame(7, &pixels);
        for scale in 1..=MAX_SCALE {
            for (filter, kernels) in [Filter::Nearest, Filter::Bilinear].into_iter().flat_map(tables) {
                let got: Vec<u8> = painted(kernels, &f, scale, filter).rgb.chunks_exact(3).map(|p| p[0]).collect();
                for (i, (g, w)) in got.iter().zip(by_definition(&f, scale, filter)).enumerate() {
                    assert!(g.abs_diff(w) <= 1, "{scale}x {filter:?} pixel {i}: {g}, wanted {w}");
                }
                assert_eq!(got.len(), 35 * (scale * scale) as usize);
            }
        }
    }

    #[test]
    fn counts_beyond_the_range_take_the_end_colours() {
        let c = painted(kernels::scalar(), &frame(3, &[0, 1128, 65535]), 1, Filter::Nearest);
        assert_eq!(c.rgb, [[0; 3], [128; 3], [255; 3]].concat());
    }

    #[test]
    fn a_step_stays_a_step_or_becomes_a_ramp() {
        let f = frame(2, &[1000, 1255]);
        assert_eq!(pattern(&painted(kernels::scalar(), &f, 4, Filter::Nearest)), ["    @@@@"; 4]);
        assert_eq!(pattern(&painted(kernels::scalar(), &f, 4, Filter::Bilinear)), ["  .-*%@@"; 4]);
    }

    #[test]
    fn magnification_stays_within_memory() {
        assert_eq!(scale_for(160, 120, 0), 1);
        assert_eq!(scale_for(160, 120, 4), 4);
        assert_eq!(scale_for(160, 120, 99), 8);
        assert_eq!(scale_for(1280, 1024, 8), 5);
        assert_eq!(scale_for(4096, 4096, 8), 1);
        assert_eq!(scale_for(u32::MAX, u32::MAX, 8), 1);
    }
}
