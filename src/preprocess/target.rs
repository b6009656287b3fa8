//! Crops of trackers.
//!
//! Training does exactly the same (`models/training/heatmark_training/track_preprocess.py`); always change both.
//!
//! - A box of `w` x `h` pixels, each at least 3, has the side `l = sqrt((w + c) (h + c))`, `c = (w + h) / 2`. The
//!   template is the square of side `l` around the box, the search crop one of side `2 l` around the place where the
//!   target should be. Sampling is that of [`super`], without rotation; colours are sampled one by one.
//! - Thermal: `low` and `high` are percentiles of the template's crop, as in [`super`]. `span = max(high - low, floor)`
//!   with a floor of 1 K, 5 grey levels or 30 counts. `x = clamp((v - low) / span, -1, 2)`.
//! - Visible: `m` and `s` are mean and standard deviation of the template's crop over all pixels and colours.
//!   `x = clamp((v - m) / max(s, 5) / 4 + 1/2, -1, 2)`.
//!
//! Search crops keep the numbers of their template, so that the temperature of a target remains visible. Without
//! temperatures the numbers follow the target slowly, as cameras change their gain and exposure.

use super::{Preprocessor, subsamples};
use crate::frame::{Frame, Signal, Visible};
use crate::geometry::Point;
use crate::kernels::{Colours, Grid, Lattice, Picture, subsampled_len};

/// Smallest side of a box, pixels.
pub const MIN_SIDE: f32 = 3.0;

/// Smallest standard deviation of a visible template, levels.
const VISIBLE_FLOOR: f32 = 5.0;

/// Inputs are clamped to -1 to 2: this is the distance.
const TOP: f32 = 3.0;

/// Side of the template of a box of `w` x `h` pixels.
pub fn template_side(w: f32, h: f32) -> f32 {
    let (w, h) = (w.max(MIN_SIDE), h.max(MIN_SIDE));
    let c = (w + h) / 2.0;
    ((w + c) * (h + c)).sqrt()
}

/// A square of a picture, pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Square {
    /// Its middle.
    pub centre: Point,
    /// Its side.
    pub side: f32,
}

impl Square {
    fn lattice(self, size: usize) -> Lattice {
        let scale = self.side / size.max(1) as f32;
        Lattice { centre: self.centre, across: [scale, 0.0], fine: subsamples(scale) }
    }
}

/// How pixels become inputs: `clamp((v - zero) * gain, 0, 3) - 1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    zero: f32,
    gain: f32,
}

impl Levels {
    fn thermal([low, high]: [f32; 2], signal: Signal) -> Self {
        let span = (high - low).max(span_floor(signal));
        Self { zero: low - span, gain: 1.0 / span }
    }

    fn visible(contrast: Contrast) -> Self {
        let gain = 0.25 / contrast.deviation.max(VISIBLE_FLOOR);
        Self { zero: contrast.mean - 1.5 / gain, gain }
    }

    /// Moved by `share`, 0 to 1, of the way to others.
    pub fn toward(self, other: Self, share: f32) -> Self {
        let between = |from: f32, to: f32| from + share * (to - from);
        Self { zero: between(self.zero, other.zero), gain: between(self.gain.recip(), other.gain.recip()).recip() }
    }
}

/// Smallest span of a thermal template, and the least rise that stands out from a frame, counts.
pub fn span_floor(signal: Signal) -> f32 {
    match signal {
        Signal::Radiometric { kelvin_per_count, .. } if kelvin_per_count > 0.0 => 1.0 / kelvin_per_count,
        Signal::Radiometric { .. } | Signal::Counts => 30.0,
        Signal::Grey8 => 5.0,
    }
}

/// Brightness of a crop, counts or levels.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Contrast {
    /// Mean.
    pub mean: f32,
    /// Standard deviation.
    pub deviation: f32,
}

impl Contrast {
    /// Of values that are not NaN; zeros if there are none.
    pub fn of(values: &[f32]) -> Self {
        // Sums of differences to the first value, in lanes that run side by side.
        let Some(&first) = values.first() else { return Self::default() };
        let (chunks, rest) = values.as_chunks::<16>();
        let (mut sums, mut squares) = ([0f32; 16], [0f32; 16]);
        for chunk in chunks {
            for i in 0..16 {
                let d = chunk[i] - first;
                sums[i] += d;
                squares[i] += d * d;
            }
        }
        let total = |lanes: [f32; 16]| lanes.iter().map(|v| f64::from(*v)).sum::<f64>();
        let (mut sum, mut square) = (total(sums), total(squares));
        for v in rest {
            let d = f64::from(v - first);
            sum += d;
            square += d * d;
        }
        let n = values.len() as f64;
        let mean = sum / n;
        let deviation = (square / n - mean * mean).max(0.0).sqrt() as f32;
        Self { mean: first + mean as f32, deviation }
    }
}

impl Preprocessor {
    /// The thermal crop of a template, rows of `size`, and the levels that its track keeps. `percentiles`: those of the
    /// card.
    pub fn thermal_template(
        &mut self,
        frame: &Frame,
        square: Square,
        percentiles: [f32; 2],
        size: usize,
        out: &mut [f32],
    ) -> (Levels, Contrast) {
        let bounds = self.thermal(frame, square, size, out);
        let contrast = Contrast::of(out);
        let levels = Levels::thermal(self.ranks.percentiles(self.kernels, bounds, percentiles), frame.format.signal);
        self.stretch(out, levels);
        (levels, contrast)
    }

    /// The levels that a thermal template of this square would have. `out`: room for rows of `size`.
    pub fn thermal_levels(
        &mut self,
        frame: &Frame,
        square: Square,
        percentiles: [f32; 2],
        size: usize,
        out: &mut [f32],
    ) -> Levels {
        let bounds = self.thermal(frame, square, size, out);
        Levels::thermal(self.ranks.percentiles(self.kernels, bounds, percentiles), frame.format.signal)
    }

    /// The levels that a visible template of this square would have. `out`: room for three planes in rows of `size`.
    pub fn visible_levels(&mut self, picture: &Visible, square: Square, size: usize, out: &mut [f32]) -> Levels {
        self.visible(picture, square, size, out);
        Levels::visible(Contrast::of(out))
    }

    /// A thermal search crop, rows of `size`. The contrast is that of every second row and column.
    pub fn thermal_search(
        &mut self,
        frame: &Frame,
        square: Square,
        levels: Levels,
        size: usize,
        out: &mut [f32],
    ) -> Contrast {
        self.thermal(frame, square, size, out);
        let contrast = Contrast::of(self.ranks.samples(subsampled_len(size, size)));
        self.stretch(out, levels);
        contrast
    }

    /// Samples a thermal frame; the bounds are those of the samples for the percentiles.
    fn thermal(&mut self, frame: &Frame, square: Square, size: usize, out: &mut [f32]) -> [f32; 2] {
        let samples = self.ranks.samples(subsampled_len(size, size));
        match Picture::new(&frame.pixels, frame.width(), frame.height()) {
            Some(picture) => self.kernels.resample(&picture, &square.lattice(size), size, out, samples),
            None => {
                out.fill(0.0);
                samples.fill(0.0);
                [0.0; 2]
            }
        }
    }

    /// The visible crop of a template, three planes in rows of `size`, and the levels that its track keeps.
    pub fn visible_template(
        &mut self,
        picture: &Visible,
        square: Square,
        size: usize,
        out: &mut [f32],
    ) -> (Levels, Contrast) {
        self.visible(picture, square, size, out);
        let contrast = Contrast::of(out);
        let levels = Levels::visible(contrast);
        self.stretch(out, levels);
        (levels, contrast)
    }

    /// A visible search crop, three planes in rows of `size`. The contrast is that of green, in every second row and
    /// column.
    pub fn visible_search(
        &mut self,
        picture: &Visible,
        square: Square,
        levels: Levels,
        size: usize,
        out: &mut [f32],
    ) -> Contrast {
        let contrast = self.visible(picture, square, size, out);
        self.stretch(out, levels);
        contrast
    }

    /// Samples each colour; the contrast is that of green.
    fn visible(&mut self, picture: &Visible, square: Square, size: usize, out: &mut [f32]) -> Contrast {
        let plane = size * size;
        let Some(colours) = Colours::new(&picture.rgb, picture.width as usize, picture.height as usize) else {
            out.fill(0.0);
            return Contrast::default();
        };
        let Lattice { centre, across: [step, _], fine } = square.lattice(size);
        self.kernels.resample_colours(&colours, &Grid { centre, step, fine, size }, &mut self.lines, out);
        let samples = self.ranks.samples(subsampled_len(size, size));
        self.kernels.subsample(&out[plane..2 * plane], size, samples);
        Contrast::of(samples)
    }

    fn stretch(&self, out: &mut [f32], levels: Levels) {
        self.kernels.stretch(out, levels.zero, levels.gain, TOP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameFormat;
    use crate::kernels;

    const SIZE: usize = 32;

    fn frame() -> Frame {
        let format = FrameFormat { width: 40, height: 30, signal: Signal::Grey8, rate_hz: 0.0 };
        let mut frame = Frame::new(format);
        frame.pixels.iter_mut().enumerate().for_each(|(i, p)| *p = (i * 7 % 251) as u16);
        frame
    }

    /// Each colour of the picture is the thermal frame plus a constant.
    fn coloured(frame: &Frame) -> Visible {
        let mut picture = Visible::new(40, 30);
        let pixels = frame.pixels.iter().flat_map(|p| [0, 1, 2].map(|c| (*p as u8).saturating_add(c)));
        picture.rgb = pixels.collect();
        picture
    }

    #[test]
    fn levels_move_to_those_of_a_brighter_picture() {
        let (mut made, dim) = (Preprocessor::default(), frame());
        let mut bright = frame();
        bright.pixels.iter_mut().for_each(|p| *p = 40 + *p / 2);
        let (square, mut out) = (squares()[0], vec![0.0; SIZE * SIZE]);
        let (mut levels, _) = made.thermal_template(&dim, square, [2.0, 98.0], SIZE, &mut out);
        let wanted = out.clone();
        for _ in 0..300 {
            let seen = made.thermal_levels(&bright, square, [2.0, 98.0], SIZE, &mut out);
            levels = levels.toward(seen, 0.02);
        }
        made.thermal_search(&bright, square, levels, SIZE, &mut out);
        let apart = |a: &[f32]| a.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).sum::<f32>() / wanted.len() as f32;
        assert!(apart(&out) < 0.02, "{}", apart(&out));
        let (fixed, _) = made.thermal_template(&dim, square, [2.0, 98.0], SIZE, &mut out);
        made.thermal_search(&bright, square, fixed, SIZE, &mut out);
        assert!(apart(&out) > 0.1, "without moving levels it would be {}", apart(&out));
    }

    fn squares() -> [Square; 5] {
        let square = |x, y, side| Square { centre: [x, y], side };
        [
            square(20.0, 15.0, 12.0),
            square(19.3, 14.9, 39.0),
            square(-3.0, 40.0, 20.0),
            square(500.0, -99.0, 8.0),
            square(20.0, 15.0, 300.0),
        ]
    }

    #[test]
    fn a_plane_of_a_visible_crop_is_the_crop_of_that_plane() {
        let (frame, mut preprocess) = (frame(), Preprocessor::default());
        let picture = coloured(&frame);
        for square in squares() {
            let (mut thermal, mut planes) = (vec![0.0; SIZE * SIZE], vec![0.0; 3 * SIZE * SIZE]);
            preprocess.thermal(&frame, square, SIZE, &mut thermal);
            preprocess.visible(&picture, square, SIZE, &mut planes);
            for (colour, plane) in planes.chunks_exact(SIZE * SIZE).enumerate() {
                let shift = colour as f32;
                assert!(plane.iter().zip(&thermal).all(|(a, b)| (a - b - shift).abs() < 0.05), "{square:?}");
            }
        }
    }

    #[test]
    fn levels_follow_their_definition() {
        let frame = frame();
        for kernels in kernels::available() {
            let mut preprocess = Preprocessor::on(kernels);
            for square in squares() {
                let (mut raw, mut out) = (vec![0.0; SIZE * SIZE], vec![0.0; SIZE * SIZE]);
                preprocess.thermal(&frame, square, SIZE, &mut raw);
                preprocess.thermal_template(&frame, square, [2.0, 98.0], SIZE, &mut out);
                let mut kept: Vec<f32> =
                    raw.chunks(SIZE).step_by(2).flat_map(|r| r.iter().copied().step_by(2)).collect();
                kept.sort_by(f32::total_cmp);
                let at = |p: f64| kept[(p * (kept.len() - 1) as f64 + 0.5) as usize];
                let (low, span) = (at(0.02), (at(0.98) - at(0.02)).max(5.0));
                let near = |(v, x): (&f32, &f32)| (((v - low) / span).clamp(-1.0, 2.0) - x).abs() < 1e-5;
                assert!(raw.iter().zip(&out).all(near), "{square:?} on {}", kernels.name());

                let (mut raw, mut out) = (vec![0.0; 3 * SIZE * SIZE], vec![0.0; 3 * SIZE * SIZE]);
                preprocess.visible(&coloured(&frame), square, SIZE, &mut raw);
                let (_, contrast) = preprocess.visible_template(&coloured(&frame), square, SIZE, &mut out);
                let mean = raw.iter().map(|v| f64::from(*v)).sum::<f64>() / raw.len() as f64;
                let square = raw.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / raw.len() as f64;
                assert!((f64::from(contrast.mean) - mean).abs() < 1e-2);
                assert!((f64::from(contrast.deviation) - square.sqrt()).abs() < 1e-2);
                let gain = 0.25 / square.sqrt().max(5.0) as f32;
                let near = |(v, x): (&f32, &f32)| (((v - mean as f32) * gain + 0.5).clamp(-1.0, 2.0) - x).abs() < 1e-4;
                assert!(raw.iter().zip(&out).all(near));
            }
        }
    }

    #[test]
    fn nothing_yields_a_nan() {
        let (mut preprocess, frame) = (Preprocessor::default(), frame());
        let empty = Frame::new(FrameFormat { width: 0, height: 0, ..frame.format });
        let mut out = vec![f32::NAN; 3 * SIZE * SIZE];
        for side in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e30] {
            for x in [1.0, f32::NAN, -1e30, f32::INFINITY] {
                let square = Square { centre: [x, 2.0], side };
                for picture in [&coloured(&frame), &Visible::default()] {
                    let (levels, _) = preprocess.visible_template(picture, square, SIZE, &mut out);
                    preprocess.visible_search(picture, square, levels, SIZE, &mut out);
                    assert!(out.iter().all(|v| (-1.0..=2.0).contains(v)), "{square:?}");
                }
                for frame in [&frame, &empty] {
                    let out = &mut out[..SIZE * SIZE];
                    let (levels, _) = preprocess.thermal_template(frame, square, [2.0, 98.0], SIZE, out);
                    preprocess.thermal_search(frame, square, levels, SIZE, out);
                    assert!(out.iter().all(|v| (-1.0..=2.0).contains(v)), "{square:?}");
                }
            }
        }
    }
}
