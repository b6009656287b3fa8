//! Levels of a picture: the samples that percentiles are taken from, their classes, and the stretch to -1..1.

use crate::kernels::Kernels;
use crate::kernels::isa::Counts;
use crate::kernels::isa::tail::{MOST_LANES, load_some, registers, store_some, store_u8_some};

/// What the thinning kernel needs.
pub(crate) struct Subsampling {
    from: *const f32,
    /// Columns, and rows that are kept.
    width: usize,
    rows: usize,
    to: *mut f32,
    /// Where the least and the greatest of those kept are written.
    ends: *mut [f32; 2],
}

/// What the bounding kernel needs.
pub(crate) struct Bounding {
    values: *const f32,
    count: usize,
    /// Where the least and the greatest are written.
    to: *mut [f32; 2],
}

/// What the classing kernel needs.
pub(crate) struct Binning {
    values: *const f32,
    count: usize,
    low: f32,
    scale: f32,
    to: *mut u8,
}

/// What the stretching kernel needs.
pub(crate) struct Stretching {
    values: *mut f32,
    count: usize,
    low: f32,
    gain: f32,
}

/// How many values [`Kernels::subsample`] keeps of `rows` rows of `width`.
pub fn subsampled_len(width: usize, rows: usize) -> usize {
    width.div_ceil(2) * rows.div_ceil(2)
}

impl Kernels {
    /// Every second value of every second row of `values` (rows of `width`, no NaN), from the first on, into `to`, which
    /// has room for [`subsampled_len`]; tells the least and the greatest of them, infinity and minus infinity of none.
    ///
    /// # Panics
    /// If `to` is shorter than that.
    pub fn subsample(&self, values: &[f32], width: usize, to: &mut [f32]) -> [f32; 2] {
        let rows = values.len().checked_div(width).unwrap_or(0);
        assert!(to.len() >= subsampled_len(width, rows));
        let mut ends = [0.0; 2];
        let job =
            Subsampling { from: values.as_ptr(), width, rows: rows.div_ceil(2), to: to.as_mut_ptr(), ends: &mut ends };
        // SAFETY: both lengths fit; a `Kernels` is only handed out on a CPU that has its instructions.
        unsafe { (self.subsample)(&job) };
        ends
    }

    /// The least and the greatest value; infinity and minus infinity of none. `values` holds no NaN.
    pub fn min_max(&self, values: &[f32]) -> [f32; 2] {
        let mut to = [0.0; 2];
        let job = Bounding { values: values.as_ptr(), count: values.len(), to: &mut to };
        // SAFETY: all values are there, and two places for the bounds.
        unsafe { (self.min_max)(&job) };
        to
    }

    /// `(v - low) * scale`, rounded down, of each value; any byte where that is not 0 to 255.
    ///
    /// # Panics
    /// If `to` is shorter than `values`.
    pub fn bin(&self, values: &[f32], low: f32, scale: f32, to: &mut [u8]) {
        assert!(to.len() >= values.len());
        let job = Binning { values: values.as_ptr(), count: values.len(), low, scale, to: to.as_mut_ptr() };
        // SAFETY: both lengths fit.
        unsafe { (self.bin)(&job) };
    }

    /// Replaces each value by `clamp((v - low) * gain, 0, 2) - 1`.
    pub fn stretch(&self, values: &mut [f32], low: f32, gain: f32) {
        let job = Stretching { values: values.as_mut_ptr(), count: values.len(), low, gain };
        // SAFETY: all values are there.
        unsafe { (self.stretch)(&job) };
    }
}

/// # Safety
/// `from` is readable for every second of `2 * rows` rows, the last maybe being the end; `to` is writable for half
/// the values of each, `ends` for itself.
#[inline(always)]
pub(crate) unsafe fn subsample<I: Counts>(isa: I, job: &Subsampling) {
    let half = job.width.div_ceil(2);
    let mut ends = MinMax::new(isa);
    for i in 0..job.rows {
        // SAFETY: row `2 * i` is there, and half of it has its place.
        unsafe { subsample_row(isa, job.from.add(2 * i * job.width), job.width, job.to.add(i * half), &mut ends) };
    }
    // SAFETY: by contract.
    unsafe { job.ends.write(ends.all(isa)) };
}

/// Every second value of a row, from the first on.
///
/// # Safety
/// `from` is readable for `width` values, `to` writable for half of them, rounded up.
#[inline(always)]
pub(crate) unsafe fn subsample_row<I: Counts>(
    isa: I,
    from: *const f32,
    width: usize,
    to: *mut f32,
    ends: &mut MinMax<I>,
) {
    let mut j = 0;
    // SAFETY: no more than the row is read, and half of it written.
    unsafe {
        while 2 * (j + I::LANES) <= width {
            let v = isa.even_lanes(isa.load(from.add(2 * j)), isa.load(from.add(2 * j + I::LANES)));
            isa.store(to.add(j), v);
            ends.take(isa, v);
            j += I::LANES;
        }
        while 2 * j < width {
            let v = from.add(2 * j).read();
            to.add(j).write(v);
            ends.take(isa, isa.splat(v));
            j += 1;
        }
    }
}

/// The least and the greatest so far.
pub(crate) struct MinMax<I: Counts>(I::V, I::V);

impl<I: Counts> MinMax<I> {
    /// Of nothing.
    #[inline(always)]
    pub(crate) fn new(isa: I) -> Self {
        Self(isa.splat(f32::INFINITY), isa.splat(f32::NEG_INFINITY))
    }

    #[inline(always)]
    fn take(&mut self, isa: I, v: I::V) {
        (self.0, self.1) = (isa.min(self.0, v), isa.max(self.1, v));
    }

    /// Of all lanes.
    #[inline(always)]
    pub(crate) fn all(&self, isa: I) -> [f32; 2] {
        let (mut lows, mut highs) = ([f32::INFINITY; MOST_LANES], [f32::NEG_INFINITY; MOST_LANES]);
        // SAFETY: the buffers hold the lanes of any register.
        unsafe {
            isa.store(lows.as_mut_ptr(), self.0);
            isa.store(highs.as_mut_ptr(), self.1);
        }
        let (low, high) = (lows.into_iter().fold(f32::INFINITY, f32::min), highs.into_iter());
        [low, high.fold(f32::NEG_INFINITY, f32::max)]
    }
}

/// # Safety
/// `values` is readable for `count` values, `to` writable.
#[inline(always)]
pub(crate) unsafe fn min_max<I: Counts>(isa: I, job: &Bounding) {
    let mut ends = MinMax::new(isa);
    let whole = job.count - job.count % I::LANES;
    // SAFETY: no more than `count` values are read.
    unsafe {
        for i in (0..whole).step_by(I::LANES) {
            ends.take(isa, isa.load(job.values.add(i)));
        }
        for i in whole..job.count {
            ends.take(isa, isa.splat(job.values.add(i).read()));
        }
        job.to.write(ends.all(isa));
    }
}

/// # Safety
/// `values` and `to` are valid for `count` values.
#[inline(always)]
pub(crate) unsafe fn bin<I: Counts>(isa: I, job: &Binning) {
    let (low, scale) = (isa.splat(job.low), isa.splat(job.scale));
    registers!(job.count, |i, left| {
        // SAFETY: no more than is left is read or written.
        unsafe {
            let v = isa.mul(isa.sub(load_some(isa, job.values.add(i), left), low), scale);
            store_u8_some(isa, job.to.add(i), v, left);
        }
    });
}

/// # Safety
/// `values` is valid for `count` values.
#[inline(always)]
pub(crate) unsafe fn stretch<I: Counts>(isa: I, job: &Stretching) {
    let (low, gain) = (isa.splat(job.low), isa.splat(job.gain));
    let (one, two) = (isa.splat(1.0), isa.splat(2.0));
    registers!(job.count, |i, left| {
        // SAFETY: no more than is left is read or written.
        unsafe {
            let v = isa.mul(isa.sub(load_some(isa, job.values.add(i), left), low), gain);
            store_some(isa, job.values.add(i), isa.sub(isa.limit(v, two), one), left);
        }
    });
}
