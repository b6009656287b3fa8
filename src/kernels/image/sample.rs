//! Resampling of 16-bit pictures: bilinear on a rotated lattice, exact reduction by integer factors.

mod axis_aligned;
mod rotated;

use super::percentile::{MinMax, subsample_row, subsampled_len};
use crate::kernels::Kernels;
use crate::kernels::isa::Counts;
use crate::kernels::isa::tail::store_at;

/// Counts in rows without gaps.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    pixels: &'a [u16],
    width: usize,
    height: usize,
}

/// Most pixels of a picture: pixel indices are computed in single precision.
const MOST_PIXELS: usize = 1 << 24;

/// Columns or rows up to which positions are accurate to a hundredth of a pixel.
const KNOWN: usize = 1 << 14;

impl<'a> Picture<'a> {
    /// A picture of `width` x `height` counts; `None` if there is none, `pixels` are too few, or more than
    /// 2^24 are asked for.
    pub fn new(pixels: &'a [u16], width: usize, height: usize) -> Option<Self> {
        let size = width.checked_mul(height).filter(|s| (1..=MOST_PIXELS).contains(s))?;
        Some(Self { pixels: pixels.get(..size)?, width, height })
    }

    /// Bilinear sample at `(x, y)`, clamped to the picture; NaN reads as 0. The first pixel's centre is at
    /// (0.5, 0.5).
    #[inline]
    pub fn bilinear(&self, at: [f32; 2]) -> f32 {
        let (pixels, shares) = self.square(at);
        bilinear(pixels, shares)
    }

    /// The four pixels whose centres surround `(x, y)`, clamped to the picture, as two rows of two; and the position
    /// between the first and second column and row, 0 to 1.
    #[inline]
    pub fn square(&self, [x, y]: [f32; 2]) -> ([u16; 4], [f32; 2]) {
        let (w, h) = (self.width, self.height);
        // `max` before `min`: NaN becomes 0.
        let x = (x - 0.5).max(0.0).min((w - 1) as f32);
        let y = (y - 0.5).max(0.0).min((h - 1) as f32);
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(w - 1), (y0 + 1).min(h - 1));
        let at = |x: usize, y: usize| self.pixels[y * w + x];
        ([at(x0, y0), at(x1, y0), at(x0, y1), at(x1, y1)], [x - x0 as f32, y - y0 as f32])
    }
}

/// Interpolates between the four pixels of a square.
#[inline]
pub fn bilinear(pixels: [u16; 4], [fx, fy]: [f32; 2]) -> f32 {
    let between = |a: u16, b: u16| f32::from(a) + (f32::from(b) - f32::from(a)) * fx;
    let (top, bottom) = (between(pixels[0], pixels[1]), between(pixels[2], pixels[3]));
    top + (bottom - top) * fy
}

/// Output pixels laid over a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lattice {
    /// Position of the output's centre in the picture, pixels.
    pub centre: [f32; 2],
    /// Step in the picture per output column; a row's step is this turned by a right angle.
    pub across: [f32; 2],
    /// Samples per side of an output pixel, at least 1.
    pub fine: usize,
}

impl Lattice {
    /// Position of `(u, v)` output pixels from the output's centre.
    fn at(&self, u: f32, v: f32) -> [f32; 2] {
        let [ax, ay] = self.across;
        [self.centre[0] + ax * u - ay * v, self.centre[1] + ay * u + ax * v]
    }

    /// If all samples fall on pixel centres: the pixel of the first sample, and the factor of the reduction.
    fn reduction(&self, width: usize, height: usize) -> Option<([isize; 2], usize)> {
        let factor = self.fine as f32;
        if self.across != [factor, 0.0] || self.fine > 2 {
            return None;
        }
        let corner = self.at(-(width as f32) / 2.0, -(height as f32) / 2.0);
        let whole = |v: &f32| v.fract() == 0.0 && v.abs() < MOST_PIXELS as f32;
        corner.iter().all(whole).then(|| (corner.map(|v| v as isize), self.fine))
    }
}

/// Arguments of the bilinear kernel.
pub(crate) struct Job<'a> {
    picture: &'a Picture<'a>,
    lattice: &'a Lattice,
    /// `height` rows of `width`.
    out: &'a mut [f32],
    width: usize,
    height: usize,
}

/// Arguments of the reducing kernel.
pub(crate) struct Reduction<'a> {
    picture: &'a Picture<'a>,
    /// Column and row of the first sample, maybe outside.
    corner: [isize; 2],
    /// 1 or 2.
    factor: usize,
    /// `height` rows of `width`.
    out: &'a mut [f32],
    width: usize,
    height: usize,
    /// Takes every second value of every second row.
    samples: &'a mut [f32],
    /// Set to the least and the greatest of these.
    range: &'a mut [f32; 2],
}

impl Kernels {
    /// Fills `out` (rows of `width`): each output pixel is the mean of `fine * fine` bilinear samples on a regular grid
    /// inside it, coordinates clamped to the picture; a NaN coordinate reads as 0. What [`Kernels::subsample`] keeps of
    /// it goes into `samples`; returns the least and the greatest of these.
    ///
    /// # Panics
    /// If `samples` is too short.
    pub fn resample(
        &self,
        picture: &Picture,
        lattice: &Lattice,
        width: usize,
        out: &mut [f32],
        samples: &mut [f32],
    ) -> [f32; 2] {
        let height = out.len().checked_div(width).unwrap_or(0);
        assert!(samples.len() >= subsampled_len(width, height));
        let ordinary = picture.width > 1 && picture.height > 1;
        if let Some((corner, factor)) = lattice.reduction(width, height).filter(|_| ordinary) {
            let mut range = [0.0; 2];
            let job = Reduction { picture, corner, factor, out, width, height, samples, range: &mut range };
            // SAFETY: a `Kernels` is only handed out on a CPU that has its instructions.
            unsafe { (self.reduce)(job) };
            return range;
        }
        if ordinary {
            let job = Job { picture, lattice, out: &mut *out, width, height };
            // SAFETY: the picture has two rows and columns; the CPU has the instructions of this table.
            unsafe { (self.sample)(job) };
        } else {
            narrow(picture, lattice, width, out);
        }
        self.subsample(out, width, samples)
    }
}

/// A picture of a single row or column.
fn narrow(picture: &Picture, lattice: &Lattice, width: usize, out: &mut [f32]) {
    let height = out.len().checked_div(width).unwrap_or(0) as f32;
    let (k, step) = (lattice.fine, 1.0 / lattice.fine as f32);
    for (i, row) in out.chunks_exact_mut(width.max(1)).enumerate() {
        for (j, value) in row.iter_mut().enumerate() {
            let sample = |n: usize| {
                let u = j as f32 + ((n % k) as f32 + 0.5) * step - width as f32 / 2.0;
                let v = i as f32 + ((n / k) as f32 + 0.5) * step - height / 2.0;
                picture.bilinear(lattice.at(u, v))
            };
            *value = (0..k * k).map(sample).sum::<f32>() * step * step;
        }
    }
}

/// Bilinear samples on a lattice.
///
/// # Safety
/// The picture has two rows and columns at least.
#[inline(always)]
pub(crate) unsafe fn sample<I: Counts>(isa: I, job: Job) {
    if axis_aligned::fits(job.picture, job.lattice) {
        // SAFETY: the picture is large enough, as the caller guarantees, and the lattice fits.
        unsafe { axis_aligned::sample(isa, job) }
    } else {
        // SAFETY: the caller guarantees two rows and columns, which is all that a rotated lattice needs.
        unsafe { rotated::sample(isa, job) }
    }
}

/// Means of 1x1 or 2x2 pixels, coordinates clamped to the picture.
#[inline(always)]
pub(crate) fn reduce<I: Counts>(isa: I, job: Reduction) {
    let Reduction { picture, corner: [left, top], factor, out, width, height, samples, range: total } = job;
    let mut range = MinMax::new(isa);
    let (w, h) = (picture.width as isize, picture.height as isize);
    // Outputs all of whose columns exist.
    let first = (-left).max(0).unsigned_abs().div_ceil(factor).min(width);
    let last = ((w - left).max(0).unsigned_abs() / factor).clamp(first, width);
    for i in 0..height {
        let row = |a: usize| {
            let y = (top + (i * factor + a) as isize).clamp(0, h - 1) as usize;
            &picture.pixels[y * picture.width..][..picture.width]
        };
        let (upper, lower) = (row(0), row(factor - 1));
        let single = |j: usize| {
            let column = |b: usize| (left + (j * factor + b) as isize).clamp(0, w - 1) as usize;
            let pair = |row: &[u16]| f32::from(row[column(0)]) + f32::from(row[column(factor - 1)]);
            // With a factor of one, all four are the same.
            (pair(upper) + pair(lower)) * 0.25
        };
        let line = &mut out[i * width..][..width];
        let mut j = 0;
        while j < width {
            if j < first || j + I::LANES > last {
                line[j] = single(j);
                j += 1;
                continue;
            }
            let column = (left + (j * factor) as isize).unsigned_abs();
            // SAFETY: outputs from `first` to `last` have all their columns in the picture, and `j` plus the lanes is
            // not beyond `last`, which is at most `width`.
            unsafe {
                let v = match factor {
                    1 => isa.load_u16(upper.as_ptr().add(column)),
                    _ => isa.load_u16_means(upper.as_ptr().add(column), lower.as_ptr().add(column)),
                };
                store_at(isa, line, j, v);
            }
            j += I::LANES;
        }
        // Done here, while the row is in the cache.
        if i % 2 == 0 {
            let half = width.div_ceil(2);
            subsample_row(isa, line, &mut samples[i / 2 * half..][..half], &mut range);
        }
    }
    *total = range.lanes(isa);
}
