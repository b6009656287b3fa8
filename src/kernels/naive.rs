//! The definitions that every table of kernels is tested against: plain loops over planes, in double precision.

use super::{Activation, Between, Pooling, ResidualPosition, Window};

/// Planes of `c` x `h` x `w` values.
#[derive(Clone, Debug)]
pub(crate) struct Planes {
    pub c: usize,
    pub h: usize,
    pub w: usize,
    pub v: Vec<f32>,
}

impl Planes {
    pub fn at(&self, c: usize, y: isize, x: isize) -> Option<f32> {
        let inside = y >= 0 && x >= 0 && y < self.h as isize && x < self.w as isize;
        inside.then(|| self.v[(c * self.h + y as usize) * self.w + x as usize])
    }
}

/// An exact result, the sum of the magnitudes behind it, and the number of its terms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exact {
    pub value: f64,
    pub magnitude: f64,
    pub terms: usize,
}

impl Exact {
    /// Whether a single-precision sum in any order may give `got`: the classical bound of one rounding unit per
    /// term of the magnitudes (Higham, "Accuracy and Stability of Numerical Algorithms", section 4.2).
    pub fn allows(&self, got: f32) -> bool {
        let bound = (self.terms + 6) as f64 * f64::from(f32::EPSILON) / 2.0 * self.magnitude + 1e-30;
        (f64::from(got) - self.value).abs() <= bound
    }
}

fn activate(act: &Activation, x: f64, c: usize) -> f64 {
    match act {
        Activation::None => x,
        Activation::Clamp { lo, hi } => x.max(f64::from(*lo)).min(f64::from(*hi)),
        Activation::Slope(s) if x < 0.0 => x * f64::from(if s.len() == 1 { s[0] } else { s[c] }),
        Activation::Slope(_) => x,
        Activation::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
    }
}

/// Activation and residual of a sum.
pub(crate) fn finish(sum: Exact, act: &Activation, other: Option<(f32, ResidualPosition)>, c: usize) -> Exact {
    let other_size = other.map_or(0.0, |o| f64::from(o.0).abs());
    let value = match other {
        None => activate(act, sum.value, c),
        Some((o, ResidualPosition::BeforeActivation)) => activate(act, sum.value + f64::from(o), c),
        Some((o, ResidualPosition::AfterActivation)) => activate(act, sum.value, c) + f64::from(o),
    };
    // Only hard swish has a slope above 1, and its slope is at most 1.5.
    let magnitude = 1.5 * (sum.magnitude + other_size) + value.abs();
    Exact { value, magnitude, terms: sum.terms + 2 }
}

/// The sum under one window; `groups` of 1 or `input.c`.
pub(crate) fn convolve(
    input: &Planes,
    weights: &[f32],
    bias: f32,
    window: &Window,
    depthwise: bool,
    (o, y, x): (usize, usize, usize),
) -> Exact {
    let [kh, kw] = window.size;
    let channels = if depthwise { o..o + 1 } else { 0..input.c };
    let per_output = channels.len() * kh * kw;
    let mut sum = Exact { value: f64::from(bias), magnitude: f64::from(bias).abs(), terms: per_output + 1 };
    for (i, c) in channels.enumerate() {
        for tap in 0..kh * kw {
            let yy = (y * window.stride[0] + tap / kw) as isize - window.before[0] as isize;
            let xx = (x * window.stride[1] + tap % kw) as isize - window.before[1] as isize;
            let product =
                f64::from(input.at(c, yy, xx).unwrap_or(0.0)) * f64::from(weights[o * per_output + i * kh * kw + tap]);
            sum.value += product;
            sum.magnitude += product.abs();
        }
    }
    sum
}

/// One output of a pooling layer.
pub(crate) fn pool(input: &Planes, window: &Window, pooling: Pooling, (c, y, x): (usize, usize, usize)) -> Exact {
    let [kh, kw] = window.size;
    let values: Vec<f64> = (0..kh * kw)
        .filter_map(|t| {
            let yy = (y * window.stride[0] + t / kw) as isize - window.before[0] as isize;
            let xx = (x * window.stride[1] + t % kw) as isize - window.before[1] as isize;
            input.at(c, yy, xx).map(f64::from)
        })
        .collect();
    let (sum, size) = (values.iter().sum::<f64>(), values.iter().map(|v| v.abs()).sum::<f64>());
    let factor = match pooling {
        Pooling::Max => {
            let value = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            return Exact { value, magnitude: 0.0, terms: 0 };
        }
        Pooling::Mean => 1.0 / values.len() as f64,
        Pooling::Sum(factor) => f64::from(factor),
    };
    Exact { value: sum * factor, magnitude: size * factor.abs(), terms: values.len() + 2 }
}

/// One output of an interpolation.
pub(crate) fn interpolate(input: &Planes, c: usize, row: &Between, column: &Between) -> Exact {
    let mut sum = Exact { value: 0.0, magnitude: 0.0, terms: 6 };
    for (y, down) in [(row.first, 1.0 - f64::from(row.part)), (row.second, f64::from(row.part))] {
        for (x, across) in [(column.first, 1.0 - f64::from(column.part)), (column.second, f64::from(column.part))] {
            let v = f64::from(input.at(c, y as isize, x as isize).unwrap_or(0.0));
            sum.value += v * down * across;
            // A difference of two values is rounded before it is weighted.
            sum.magnitude += v.abs();
        }
    }
    sum
}

/// Mean of `fine * fine` bilinear samples of a picture of `w` x `h` counts under the output pixel at column and row
/// `j`, `i` of `width` x `height`; `across` is the step per column. A row's step is `across` turned by a right angle.
pub(crate) fn resample(
    (pixels, w, h): (&[u16], usize, usize),
    (centre, across, fine): ([f32; 2], [f32; 2], usize),
    (width, height): (usize, usize),
    (j, i): (usize, usize),
) -> f64 {
    let sample = |n: usize| {
        let u = j as f64 + ((n % fine) as f64 + 0.5) / fine as f64 - width as f64 / 2.0;
        let v = i as f64 + ((n / fine) as f64 + 0.5) / fine as f64 - height as f64 / 2.0;
        let [ax, ay] = across.map(f64::from);
        let x = f64::from(centre[0]) + ax * u - ay * v - 0.5;
        let y = f64::from(centre[1]) + ay * u + ax * v - 0.5;
        let pick = |dx: f64, dy: f64| {
            let x = (x.floor() + dx).clamp(0.0, w as f64 - 1.0) as usize;
            let y = (y.floor() + dy).clamp(0.0, h as f64 - 1.0) as usize;
            f64::from(pixels[y * w + x])
        };
        let (fx, fy) = (x - x.floor(), y - y.floor());
        (pick(0.0, 0.0) * (1.0 - fx) + pick(1.0, 0.0) * fx) * (1.0 - fy)
            + (pick(0.0, 1.0) * (1.0 - fx) + pick(1.0, 1.0) * fx) * fy
    };
    (0..fine * fine).map(sample).sum::<f64>() / (fine * fine) as f64
}
