//! Gain control: how the counts of the range are spread over the palette.
//!
//! Linear; by histogram equalisation with a plateau, as in the manuals of uncooled cores (Vickers, "Plateau
//! equalization algorithm for real-time display of high-quality infrared imagery", 1996); or by contrast-limited
//! adaptive histogram equalisation of tiles (Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", 1994).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::range::Span;
use crate::error::Result;
use crate::frame::{Frame, FrameFormat};
use crate::kernels::{self, Kernels};
use crate::ranges;
use crate::units::Nanos;

/// How contrast is distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Equal steps of the count are equal steps on the palette.
    #[default]
    Linear,
    /// Counts that many pixels have get more of the palette.
    Plateau,
    /// Like `plateau`, but for each tile separately; colours of distant tiles cannot be compared.
    Clahe,
}

impl Mode {
    /// Every mode with its name.
    pub const ALL: [(&'static str, Mode); 3] =
        [("linear", Mode::Linear), ("plateau", Mode::Plateau), ("clahe", Mode::Clahe)];

    /// The name in settings and on the page.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

/// Gain control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How contrast is distributed.
    pub mode: Mode,
    /// Highest contrast of `plateau` and `clahe`, as a multiple of the linear contrast: the plateau of the histogram
    /// divided by its mean.
    #[schemars(range(min = 1, max = 20))]
    pub max_gain: f32,
    /// Share of the linear mapping in the blend with the equalised one, percent.
    #[schemars(range(min = 0, max = 100))]
    pub linear_percent: f32,
    /// Number of `clahe` tiles from top to bottom; tiles are about square.
    #[schemars(range(min = 1, max = 8))]
    pub tiles: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { mode: Mode::Linear, max_gain: 3.0, linear_percent: 20.0, tiles: 4 }
    }
}

impl Settings {
    /// # Errors
    /// `Fix`, naming the key that is out of its range.
    pub fn validate(&self) -> Result<()> {
        ranges::check("render.agc", self)
    }
}

/// Histogram classes over the range.
const CLASSES: usize = 256;

/// Palette position (0 to 255) at every boundary of the classes.
type Curve = [f32; CLASSES + 1];

const STRAIGHT: Curve = {
    let mut curve = [0.0; CLASSES + 1];
    let mut i = 0;
    while i <= CLASSES {
        curve[i] = i as f32 * (255.0 / CLASSES as f32);
        i += 1;
    }
    curve
};

/// What the curves were made for.
type Made = (FrameFormat, Mode);

/// The curves of a picture.
#[derive(Debug)]
pub struct Gain {
    settings: Settings,
    /// Time in which a curve covers 63 % of a change, seconds.
    time_constant: f32,
    /// One curve per tile, row by row.
    curves: Vec<Curve>,
    /// Tiles down and across.
    grid: (usize, usize),
    held: Option<(Made, Nanos)>,
    bins: Box<[u32; CLASSES]>,
    kernels: &'static Kernels,
    /// The class of each pixel of a row.
    classes: Vec<u32>,
    /// Curves for one row of pixels, interpolated between the tiles above and below.
    line: Vec<Curve>,
}

impl Gain {
    /// `time_constant_ms` is that of the range.
    pub fn new(settings: Settings, time_constant_ms: u32) -> Self {
        Self {
            settings,
            time_constant: time_constant_ms as f32 / 1000.0,
            curves: Vec::new(),
            grid: (0, 0),
            held: None,
            bins: Box::new([0; CLASSES]),
            kernels: kernels::current(),
            classes: Vec::new(),
            line: Vec::new(),
        }
    }

    /// The same with these kernels.
    pub fn on(self, kernels: &'static Kernels) -> Self {
        Self { kernels, ..self }
    }

    /// Updates the curves from a frame. Shutter calibration does not change them.
    pub fn update(&mut self, mode: Mode, frame: &Frame, span: Span) {
        let made = (frame.format, mode);
        let then = self.held.filter(|h| h.0 == made).map(|h| h.1);
        self.grid = grid(mode, frame.format, self.settings.tiles.into());
        if mode == Mode::Linear {
            self.held = None;
            return;
        }
        if then.is_some() && frame.meta.ffc.spoils_temperature() {
            return;
        }
        let share = then.map_or(1.0, |then| {
            1.0 - (-frame.meta.captured.since(then).as_secs_f32() / self.time_constant.max(1e-6)).exp()
        });
        self.curves.resize(self.grid.0 * self.grid.1, STRAIGHT);
        for part in 0..self.curves.len() {
            self.count(part, frame, span);
            let curve = &mut self.curves[part];
            let mut held = *curve;
            equalise(&mut self.bins, &self.settings, curve);
            if then.is_some() {
                held.iter_mut().zip(&*curve).for_each(|(h, c)| *h += (c - *h) * share);
                *curve = held;
            }
        }
        self.held = Some((made, frame.meta.captured));
    }

    /// Counts the pixels of one tile in each class; pixels outside the range are not counted.
    fn count(&mut self, part: usize, frame: &Frame, span: Span) {
        let (down, across) = self.grid;
        let (width, height) = (frame.width(), frame.height());
        let ends = |i: usize, parts: usize, length: usize| (i * length / parts, (i + 1) * length / parts);
        let (top, bottom) = ends(part / across, down, height);
        let (left, right) = ends(part % across, across, width);
        let gain = CLASSES as f32 / span.width();
        self.classes.resize(right - left, 0);
        // Four histograms side by side: neighbouring pixels are often in the same class, and their increments would
        // wait for one another. The first class holds counts below the range, the last those above.
        let mut parts = [[0u32; CLASSES + 2]; 4];
        for y in top..bottom {
            let row = &frame.pixels[y * width + left..y * width + right];
            self.kernels.bin_counts(row, span.low, gain, CLASSES as u16, &mut self.classes);
            for quad in self.classes.chunks(4) {
                for (part, class) in parts.iter_mut().zip(quad) {
                    part[*class as usize] += 1;
                }
            }
        }
        for (i, bin) in self.bins.iter_mut().enumerate() {
            *bin = parts.iter().map(|p| p[i + 1]).sum();
        }
    }

    /// Palette positions (0 coldest, 255 hottest, not yet limited) of row `y` of a picture of `height` rows, its ends
    /// repeated once. Uses the curves of the last update.
    pub fn row(&mut self, y: usize, row: &[u16], height: usize, span: Span, into: &mut Vec<f32>) {
        let width = row.len();
        into.clear();
        if width == 0 {
            return;
        }
        into.resize(width + 2, 0.0);
        self.inner(y, row, height, span, &mut into[1..=width]);
        (into[0], into[width + 1]) = (into[1], into[width]);
    }

    /// As [`Gain::row`], without the repeated ends.
    fn inner(&mut self, y: usize, row: &[u16], height: usize, span: Span, into: &mut [f32]) {
        if self.held.is_none() {
            self.kernels.scale(row, span.low, 255.0 / span.width(), into);
            return;
        }
        let scale = (span.low, CLASSES as f32 / span.width());
        let (down, across) = self.grid;
        if (down, across) == (1, 1) {
            self.kernels.tone_curve(row, scale, [&self.curves[0]; 2], (0.0, 0.0), into);
            return;
        }
        let (above, below, share) = between(y, height, down);
        self.line.resize(across, STRAIGHT);
        for x in 0..across {
            let (a, b) = (&self.curves[above * across + x], &self.curves[below * across + x]);
            self.kernels.blend(a, b, share, &mut self.line[x]);
        }
        // Between the centres of two tiles the share grows linearly; beyond the outermost centres only one curve
        // applies.
        let width = row.len();
        let step = across as f32 / width as f32;
        let centre = |part: usize| (((part as f32 + 0.5) / step - 0.5).ceil() as usize).min(width);
        let mut x = 0;
        for right in 0..=across {
            let end = if right < across { centre(right) } else { width };
            let (left, right) = (right.saturating_sub(1), right.min(across - 1));
            let share = (x as f32 + 0.5) * step - 0.5 - left as f32;
            if x < end {
                let curves = [&self.line[left][..], &self.line[right][..]];
                self.kernels.tone_curve(&row[x..end], scale, curves, (share, step), &mut into[x..end]);
                x = end;
            }
        }
    }

    /// Palette position at each of 256 even steps of the range: the mean over the picture.
    pub fn ramp(&self) -> [u8; 256] {
        let mut ramp = [0; 256];
        for (i, to) in ramp.iter_mut().enumerate() {
            let class = i as f32 * (CLASSES as f32 / 255.0);
            let curves = if self.held.is_some() { self.curves.as_slice() } else { &[STRAIGHT] };
            let sum: f32 = curves.iter().map(|c| read(c, class)).sum();
            *to = (sum / curves.len().max(1) as f32).round() as u8;
        }
        ramp
    }
}

/// Tiles down and across, as close to square as the picture divides.
fn grid(mode: Mode, format: FrameFormat, tiles: usize) -> (usize, usize) {
    if mode != Mode::Clahe {
        return (1, 1);
    }
    let side = (format.height as usize / tiles).max(8);
    ((format.height as usize / side).clamp(1, 8), (format.width as usize / side).clamp(1, 16))
}

/// The two tiles whose centres enclose a pixel, and its position from the first (0) to the second (1).
fn between(at: usize, length: usize, parts: usize) -> (usize, usize, f32) {
    let place = ((at as f32 + 0.5) * parts as f32 / length as f32 - 0.5).clamp(0.0, (parts - 1) as f32);
    let first = place as usize;
    (first, (first + 1).min(parts - 1), place - first as f32)
}

/// The position at a class, which may be fractional; clamped to the curve's ends.
fn read(curve: &Curve, class: f32) -> f32 {
    let class = class.clamp(0.0, CLASSES as f32);
    let i = (class as usize).min(CLASSES - 1);
    curve[i] + (curve[i + 1] - curve[i]) * (class - i as f32)
}

/// The equalising curve of a histogram. The excess over the plateau is spread evenly over all classes.
fn equalise(bins: &mut [u32; CLASSES], settings: &Settings, into: &mut Curve) {
    let total: u32 = bins.iter().sum();
    if total == 0 {
        *into = STRAIGHT;
        return;
    }
    let mean = total as f32 / CLASSES as f32;
    let plateau = settings.max_gain * mean;
    let kept: f32 = bins.iter().map(|&n| (n as f32).min(plateau)).sum();
    let lift = (total as f32 - kept) / CLASSES as f32;
    let linear = settings.linear_percent / 100.0;
    let mut before = 0.0;
    for (i, to) in into.iter_mut().enumerate() {
        *to = linear * STRAIGHT[i] + (1.0 - linear) * (255.0 * before / total as f32);
        if let Some(&n) = bins.get(i) {
            before += (n as f32).min(plateau) + lift;
        }
    }
}

#[cfg(test)]
mod tests;
