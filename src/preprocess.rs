//! Makes the input of the networks: a crop of the frame, resampled and stretched to [-1, 1].
//!
//! Training does exactly the same (`models/training/heatmark_training/preprocess.py`); always change both.
//!
//! - Sampling: bilinear between pixel centres (the first is at 0.5, 0.5), coordinates clamped to the
//!   frame. An output pixel is the mean of `k x k` samples on a regular grid inside it,
//!   `k = clamp(ceil(scale - 0.01), 1, 6)` where `scale` is frame pixels per output pixel.
//! - Range: every second row and column of the result is sorted. `low` and `high` are the samples with index
//!   `floor(p (n - 1) + 0.5)` for the low and high percentile; each value becomes
//!   `x = clamp((v - low) / (high - low + floor), 0, 1) * 2 - 1`.
//! - Local contrast, a second channel if the card asks for it: with mean `m` and standard deviation `s` of the
//!   surrounding window, borders repeated, `clamp((v - m) / (2 s + floor), -1.5, 1.5)` of the resampled values.
//!
//! The result is finite for any frame or crop: a constant picture becomes -1, a NaN coordinate reads pixel 0.

mod contrast;
mod ranks;
pub mod target;

use self::contrast::Contrast;
use self::ranks::Ranks;
use crate::frame::{Frame, Signal};
use crate::geometry::Rect;
use crate::kernels::{self, ColourLines, Kernels, Lattice, Picture, subsampled_len};
use crate::nn::card::Input;

/// A rotated square of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Crop {
    /// Centre, pixels from the left and the top.
    pub centre: [f32; 2],
    /// Half the side, pixels.
    pub half: f32,
    /// Rotation, radians, clockwise in the picture.
    pub roll: f32,
}

impl Crop {
    /// The crop for the box of a face: its longer side times `factor`; `roll` in radians.
    pub fn around(bbox: Rect, factor: f32, roll: f32) -> Self {
        Self { centre: bbox.center(), half: 0.5 * factor * bbox.longer_side(), roll }
    }

    /// Crop units (-1 to 1 over the crop) to frame pixels.
    pub fn to_frame(&self, [u, v]: [f32; 2]) -> [f32; 2] {
        let (sin, cos) = self.roll.sin_cos();
        let [x, y] = self.centre;
        [x + self.half * (cos * u - sin * v), y + self.half * (sin * u + cos * v)]
    }

    /// Frame pixels to crop units: the inverse of [`Crop::to_frame`].
    pub fn to_crop(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let (sin, cos) = self.roll.sin_cos();
        let (x, y) = ((x - self.centre[0]) / self.half, (y - self.centre[1]) / self.half);
        [cos * x + sin * y, cos * y - sin * x]
    }
}

/// Position of a whole frame in a detector input: scaled with its aspect ratio kept, and centred.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Letterbox {
    /// Frame pixels per input pixel.
    pub scale: f32,
    /// Frame position of the input's top left corner.
    pub corner: [f32; 2],
}

impl Letterbox {
    /// For a frame and an input (each width x height) that is `room` times as large as the frame needs.
    pub fn new(frame: (usize, usize), input: (usize, usize), room: f32) -> Self {
        let (fw, fh, w, h) = (frame.0 as f32, frame.1 as f32, input.0.max(1) as f32, input.1.max(1) as f32);
        let scale = (fw / w).max(fh / h) * room;
        Self { scale, corner: [fw / 2.0 - w / 2.0 * scale, fh / 2.0 - h / 2.0 * scale] }
    }

    /// Input pixels to frame pixels.
    pub fn to_frame(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [self.corner[0] + x * self.scale, self.corner[1] + y * self.scale]
    }

    /// Frame pixels to input pixels.
    pub fn to_input(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [(x - self.corner[0]) / self.scale, (y - self.corner[1]) / self.scale]
    }
}

/// Makes network inputs; holds scratch memory. Allocates nothing once it has made the largest input.
#[derive(Debug)]
pub struct Preprocessor {
    kernels: &'static Kernels,
    ranks: Ranks,
    contrast: Contrast,
    lines: ColourLines,
}

impl Default for Preprocessor {
    /// A preprocessor on the kernels that the process uses.
    fn default() -> Self {
        Self::on(kernels::current())
    }
}

impl Preprocessor {
    /// A preprocessor on given kernels.
    pub fn on(kernels: &'static Kernels) -> Self {
        Self { kernels, ranks: Ranks::default(), contrast: Contrast::default(), lines: ColourLines::default() }
    }

    /// Landmark input: `crop` of `frame` into `out` (`spec.channels * spec.height * spec.width` values, row-major).
    pub fn crop(&mut self, frame: &Frame, crop: &Crop, spec: &Input, out: &mut [f32]) {
        let (sin, cos) = crop.roll.sin_cos();
        let scale = 2.0 * crop.half / spec.width.max(1) as f32;
        let lattice = Lattice { centre: crop.centre, across: [cos * scale, sin * scale], fine: subsamples(scale) };
        self.fill(frame, &lattice, spec, spec.width, out);
    }

    /// Detector input: the whole of `frame` into `out` of `width` columns, which is `room` (1 or more) times as large
    /// as the frame needs. Returns the frame's position in it.
    pub fn letterbox(&mut self, frame: &Frame, spec: &Input, width: usize, room: f32, out: &mut [f32]) -> Letterbox {
        let height = out.len() / (width * spec.channels).max(1);
        let place = Letterbox::new((frame.width(), frame.height()), (width, height), room);
        let centre = [frame.width() as f32 / 2.0, frame.height() as f32 / 2.0];
        let lattice = Lattice { centre, across: [place.scale, 0.0], fine: subsamples(place.scale) };
        self.fill(frame, &lattice, spec, width, out);
        place
    }

    /// Resamples, then stretches so that the percentiles become -1 and 1.
    fn fill(&mut self, frame: &Frame, lattice: &Lattice, spec: &Input, width: usize, out: &mut [f32]) {
        let (range, contrast) = out.split_at_mut(out.len() / spec.channels.max(1));
        let height = range.len().checked_div(width).unwrap_or(0);
        let samples = self.ranks.samples(subsampled_len(width, height));
        let bounds = match Picture::new(&frame.pixels, frame.width(), frame.height()) {
            Some(picture) => self.kernels.resample(&picture, lattice, width, range, samples),
            None => {
                range.fill(0.0);
                [0.0; 2]
            }
        };
        let [low, high] = self.ranks.percentiles(self.kernels, bounds, spec.percentiles);
        let floor = contrast_floor(frame.format.signal);
        if let Some(window) = spec.contrast_window {
            self.contrast.measure(range, width, window, low, floor, contrast);
        }
        self.kernels.stretch(range, low, 2.0 / (high - low + floor), 2.0);
    }
}

/// The contrast, in counts, added to every range to keep noise in a flat picture small: 0.2 K,
/// 8 raw counts, or 2 grey levels.
pub fn contrast_floor(signal: Signal) -> f32 {
    match signal {
        Signal::Radiometric { kelvin_per_count, .. } if kelvin_per_count > 0.0 => 0.2 / kelvin_per_count,
        Signal::Radiometric { .. } | Signal::Counts => 8.0,
        Signal::Grey8 => 2.0,
    }
}

/// Samples per side of an output pixel that spans `scale` frame pixels.
fn subsamples(scale: f32) -> usize {
    ((scale - 0.01).ceil() as usize).clamp(1, 6)
}

/// Bilinear sample of `pixels` (`w` x `h`) at frame position `(x, y)`, clamped to the frame; 0 if it has no pixels.
#[inline]
pub fn bilinear(pixels: &[u16], w: usize, h: usize, at: [f32; 2]) -> f32 {
    Picture::new(pixels, w, h).map_or(0.0, |p| p.bilinear(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameFormat;

    fn frame(width: u32, height: u32, signal: Signal, at: impl Fn(usize, usize) -> u16) -> Frame {
        let mut f = Frame::new(FrameFormat { width, height, signal, rate_hz: 0.0 });
        for y in 0..height as usize {
            for x in 0..width as usize {
                f.pixels[y * width as usize + x] = at(x, y);
            }
        }
        f
    }

    fn spec(width: usize, height: usize, percentiles: [f32; 2]) -> Input {
        let name = "input".into();
        Input { name, channels: 1, height, width, percentiles, contrast_window: None, crop_factor: Some(1.4) }
    }

    /// The definition written again, naively and in f64.
    fn reference(f: &Frame, crop: &Crop, r: usize, tails: f64, floor: f64) -> Vec<f64> {
        let (half, t) = (f64::from(crop.half), f64::from(crop.roll));
        let k = ((2.0 * half / r as f64 - 0.01).ceil() as usize).clamp(1, 6);
        let n = k * r;
        let mut fine = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                let (u, v) = ((j as f64 + 0.5) / n as f64 * 2.0 - 1.0, (i as f64 + 0.5) / n as f64 * 2.0 - 1.0);
                let x = f64::from(crop.centre[0]) + half * (t.cos() * u - t.sin() * v) - 0.5;
                let y = f64::from(crop.centre[1]) + half * (t.sin() * u + t.cos() * v) - 0.5;
                let pick = |dx: f64, dy: f64| {
                    let x = (x.floor() + dx).clamp(0.0, f.width() as f64 - 1.0) as usize;
                    let y = (y.floor() + dy).clamp(0.0, f.height() as f64 - 1.0) as usize;
                    f64::from(f.pixels[y * f.width() + x])
                };
                let (fx, fy) = (x - x.floor(), y - y.floor());
                fine[i * n + j] = (pick(0.0, 0.0) * (1.0 - fx) + pick(1.0, 0.0) * fx) * (1.0 - fy)
                    + (pick(0.0, 1.0) * (1.0 - fx) + pick(1.0, 1.0) * fx) * fy;
            }
        }
        let block = |i: usize, j: usize| {
            (0..k * k).map(|s| fine[(i * k + s / k) * n + j * k + s % k]).sum::<f64>() / (k * k) as f64
        };
        let coarse: Vec<f64> = (0..r * r).map(|p| block(p / r, p % r)).collect();
        let mut sub: Vec<f64> =
            (0..r * r).filter(|p| (p / r).is_multiple_of(2) && (p % r).is_multiple_of(2)).map(|p| coarse[p]).collect();
        sub.sort_by(f64::total_cmp);
        let pick = |p: f64| sub[(p * (sub.len() - 1) as f64 + 0.5).floor() as usize];
        let (lo, hi) = (pick(tails), pick(1.0 - tails));
        coarse.iter().map(|v| ((v - lo) / (hi - lo + floor)).clamp(0.0, 1.0) * 2.0 - 1.0).collect()
    }

    #[test]
    fn crops_agree_with_the_definition_at_every_scale_and_rotation() {
        let f = frame(160, 120, Signal::CENTIKELVIN, |x, y| {
            29500 + (x * 7 + y * 3) as u16 + (x as u16 ^ y as u16) * 5 + ((x * 31 + y * 17) % 97) as u16
        });
        for (half, roll) in [(6.0, 0.0), (20.0, 0.3), (48.0, -0.7), (49.0, 3.0), (100.0, 1.2), (700.0, 0.1)] {
            let crop = Crop { centre: [71.3, 55.8], half, roll };
            let want = reference(&f, &crop, 96, 0.01, 20.0);
            for kernels in kernels::available() {
                let mut out = vec![0.0; 96 * 96];
                Preprocessor::on(kernels).crop(&f, &crop, &spec(96, 96, [1.0, 99.0]), &mut out);
                let worst = out.iter().zip(&want).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
                assert!(worst < 1e-3, "{}, half {half} roll {roll}: {worst}", kernels.name());
            }
        }
    }

    #[test]
    fn a_letterbox_keeps_the_aspect_and_repeats_the_border() {
        // 80 x 40 into 160 x 120: scale 0.5, 20 input rows of border above and below.
        let f = frame(80, 40, Signal::Counts, |x, y| (x * 100 + y * 10) as u16);
        let mut out = vec![0.0; 160 * 120];
        let place = Preprocessor::default().letterbox(&f, &spec(160, 120, [0.5, 99.5]), 160, 1.0, &mut out);
        assert_eq!((place.scale, place.corner), (0.5, [0.0, -10.0]));
        assert_eq!(out[..160], out[19 * 160..20 * 160], "rows above the frame repeat its first row");
        assert_ne!(out[20 * 160 + 80], out[30 * 160 + 80]);
        let back = place.to_input(place.to_frame([33.0, 71.0]));
        assert!((back[0] - 33.0).abs() < 1e-4 && (back[1] - 71.0).abs() < 1e-4);
    }

    #[test]
    fn reduction_averages_instead_of_skipping() {
        // One-pixel stripes vanish into their mean when reduced by two, wherever they fall.
        let f = frame(320, 240, Signal::Counts, |x, _| if x % 2 == 0 { 1000 } else { 3000 });
        let picture = Picture::new(&f.pixels, 320, 240).unwrap();
        for centre in [[160.0, 120.0], [160.3, 119.9]] {
            let mut out = vec![0.0; 160 * 120];
            let lattice = Lattice { centre, across: [2.0, 0.0], fine: 2 };
            kernels::scalar().resample(&picture, &lattice, 160, &mut out, &mut vec![0.0; subsampled_len(160, 120)]);
            // The last column looks half a pixel beyond the frame.
            let inner = out.chunks_exact(160).flat_map(|row| &row[1..159]);
            assert!(inner.into_iter().all(|v| (v - 2000.0).abs() < 0.05));
        }
    }

    #[test]
    fn the_range_follows_percentiles_and_signal() {
        // A ramp of 0 to 99 counts, seen pixel by pixel: percentiles 10 and 90 of every second are 10 and 90.
        let at = |signal| {
            let f = frame(101, 2, signal, |x, _| x as u16);
            let mut out = vec![0.0; 202];
            Preprocessor::default().letterbox(&f, &spec(101, 2, [10.0, 90.0]), 101, 1.0, &mut out);
            out
        };
        let out = at(Signal::Counts);
        let gain = 2.0 / (80.0 + contrast_floor(Signal::Counts));
        assert_eq!((out[10], out[9], out[0]), (-1.0, -1.0, -1.0));
        assert!((out[60] - (50.0 * gain - 1.0)).abs() < 1e-6 && (out[100] - 1.0).abs() < 0.05, "{out:?}");
        let grey = at(Signal::Grey8);
        assert!((grey[60] - (50.0 * 2.0 / 82.0 - 1.0)).abs() < 1e-6 && grey[100] == 1.0);
        assert_eq!(contrast_floor(Signal::CENTIKELVIN), 20.0);
        assert_eq!(contrast_floor(Signal::Counts), 8.0);
        assert_eq!(contrast_floor(Signal::Grey8), 2.0);
    }

    #[test]
    fn nothing_finite_or_not_yields_a_nan() {
        let mut p = Preprocessor::default();
        for level in [0, 1, 30_000, u16::MAX] {
            let f = frame(9, 7, Signal::CENTIKELVIN, |_, _| level);
            for crop in [
                Crop { centre: [4.0, 3.0], half: 3.0, roll: 0.0 },
                Crop { centre: [f32::NAN, 3.0], half: 3.0, roll: 0.0 },
                Crop { centre: [4.0, 3.0], half: f32::INFINITY, roll: 0.0 },
                Crop { centre: [4.0, 3.0], half: f32::NAN, roll: f32::NAN },
                Crop { centre: [1e30, -1e30], half: 0.0, roll: f32::INFINITY },
            ] {
                let mut out = vec![f32::NAN; 96 * 96];
                p.crop(&f, &crop, &spec(96, 96, [1.0, 99.0]), &mut out);
                assert!(out.iter().all(|&v| v == -1.0), "{level} {crop:?}");
            }
        }
        let mut out = vec![f32::NAN; 4];
        p.crop(&frame(0, 0, Signal::Counts, |_, _| 0), &Crop::default(), &spec(2, 2, [1.0, 99.0]), &mut out);
        assert!(out.iter().all(|v| v.is_finite()));
    }

    #[test]
    fn crop_units_go_there_and_back() {
        let crop = Crop::around(Rect::new(10.0, 20.0, 50.0, 70.0), 1.4, 0.4);
        assert_eq!((crop.centre, crop.half), ([30.0, 45.0], 35.0));
        for p in [[0.0, 0.0], [0.5, -0.9], [-1.0, 1.0]] {
            let q = crop.to_crop(crop.to_frame(p));
            assert!((p[0] - q[0]).abs() < 1e-5 && (p[1] - q[1]).abs() < 1e-5);
        }
        // Positive roll turns the crop's x axis downwards: clockwise in the picture.
        assert!(crop.to_frame([1.0, 0.0])[1] > 45.0);
    }
}
