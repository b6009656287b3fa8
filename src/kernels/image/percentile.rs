//! Percentile sampling: a sparse sample of a picture, its range, its bins, and the stretch to -1..1.

use crate::kernels::Kernels;
use crate::kernels::isa::Counts;
use crate::kernels::isa::tail::{MOST_LANES, load_at, load_some, registers, store_at, store_some, store_u8_some};

/// Arguments of the subsampling kernel.
pub(crate) struct Subsampling<'a> {
    /// Rows of `width`.
    from: &'a [f32],
    width: usize,
    /// Rows that are kept.
    rows: usize,
    to: &'a mut [f32],
    /// Set to the least and the greatest value kept.
    range: &'a mut [f32; 2],
}

/// Arguments of the range kernel.
pub(crate) struct Range<'a> {
    values: &'a [f32],
    /// Set to the least and the greatest value.
    range: &'a mut [f32; 2],
}

/// Arguments of the binning kernel.
pub(crate) struct Binning<'a> {
    values: &'a [f32],
    low: f32,
    scale: f32,
    /// As long as `values`.
    to: &'a mut [u8],
}

/// Arguments of the stretching kernel.
pub(crate) struct Stretching<'a> {
    values: &'a mut [f32],
    low: f32,
    gain: f32,
    top: f32,
}

/// How many values [`Kernels::subsample`] keeps of `rows` rows of `width`.
pub fn subsampled_len(width: usize, rows: usize) -> usize {
    width.div_ceil(2) * rows.div_ceil(2)
}

impl Kernels {
    /// Copies every second value of every second row of `values` (rows of `width`, no NaN), from the first on, to `to`,
    /// which has room for [`subsampled_len`]. Returns the least and the greatest of them; infinity and minus infinity
    /// if there are none.
    ///
    /// # Panics
    /// If `to` is shorter than that.
    pub fn subsample(&self, values: &[f32], width: usize, to: &mut [f32]) -> [f32; 2] {
        let rows = values.len().checked_div(width).unwrap_or(0);
        assert!(to.len() >= subsampled_len(width, rows));
        let mut range = [0.0; 2];
        let job = Subsampling { from: values, width, rows: rows.div_ceil(2), to, range: &mut range };
        // SAFETY: a `Kernels` is only handed out on a CPU that has its instructions.
        unsafe { (self.subsample)(job) };
        range
    }

    /// The least and the greatest value; infinity and minus infinity if there are none. `values` holds no NaN.
    pub fn min_max(&self, values: &[f32]) -> [f32; 2] {
        let mut range = [0.0; 2];
        // SAFETY: the CPU has the instructions, or this table would not have been handed out.
        unsafe { (self.min_max)(Range { values, range: &mut range }) };
        range
    }

    /// The bin of each value: `(v - low) * scale`, rounded down; any byte where that is not 0 to 255.
    ///
    /// # Panics
    /// If `to` is shorter than `values`.
    pub fn bin(&self, values: &[f32], low: f32, scale: f32, to: &mut [u8]) {
        let to = &mut to[..values.len()];
        // SAFETY: both slices have one length, and the CPU has the instructions of its table.
        unsafe { (self.bin)(Binning { values, low, scale, to }) };
    }

    /// Replaces each value by `clamp((v - low) * gain, 0, top) - 1`.
    pub fn stretch(&self, values: &mut [f32], low: f32, gain: f32, top: f32) {
        // SAFETY: tables are only handed out where the CPU has their instructions.
        unsafe { (self.stretch)(Stretching { values, low, gain, top }) };
    }
}

/// Every second value of every second row.
#[inline(always)]
pub(crate) fn subsample<I: Counts>(isa: I, job: Subsampling) {
    let half = job.width.div_ceil(2);
    let mut range = MinMax::new(isa);
    for i in 0..job.rows {
        let (from, to) = (&job.from[2 * i * job.width..][..job.width], &mut job.to[i * half..][..half]);
        subsample_row(isa, from, to, &mut range);
    }
    *job.range = range.lanes(isa);
}

/// Every second value of a row, from the first on. `to` has half as many, rounded up.
#[inline(always)]
pub(crate) fn subsample_row<I: Counts>(isa: I, from: &[f32], to: &mut [f32], range: &mut MinMax<I>) {
    let to = &mut to[..from.len().div_ceil(2)];
    let mut j = 0;
    while 2 * (j + I::LANES) <= from.len() {
        // SAFETY: two registers from `2 * j` on are in the row, and half as many from `j` on in `to`.
        unsafe {
            let v = isa.even_lanes(load_at(isa, from, 2 * j), load_at(isa, from, 2 * j + I::LANES));
            store_at(isa, to, j, v);
            range.add(isa, v);
        }
        j += I::LANES;
    }
    while 2 * j < from.len() {
        to[j] = from[2 * j];
        range.add(isa, isa.splat(to[j]));
        j += 1;
    }
}

/// The least and the greatest value so far, lane by lane.
pub(crate) struct MinMax<I: Counts>(I::V, I::V);

impl<I: Counts> MinMax<I> {
    /// Of no values.
    #[inline(always)]
    pub(crate) fn new(isa: I) -> Self {
        Self(isa.splat(f32::INFINITY), isa.splat(f32::NEG_INFINITY))
    }

    #[inline(always)]
    fn add(&mut self, isa: I, v: I::V) {
        (self.0, self.1) = (isa.min(self.0, v), isa.max(self.1, v));
    }

    /// Over all lanes.
    #[inline(always)]
    pub(crate) fn lanes(&self, isa: I) -> [f32; 2] {
        let (mut lows, mut highs) = ([f32::INFINITY; MOST_LANES], [f32::NEG_INFINITY; MOST_LANES]);
        // SAFETY: the buffers hold the lanes of any register.
        unsafe {
            store_at(isa, &mut lows, 0, self.0);
            store_at(isa, &mut highs, 0, self.1);
        }
        let (low, high) = (lows.into_iter().fold(f32::INFINITY, f32::min), highs.into_iter());
        [low, high.fold(f32::NEG_INFINITY, f32::max)]
    }
}

/// The least and the greatest value.
#[inline(always)]
pub(crate) fn min_max<I: Counts>(isa: I, job: Range) {
    let mut range = MinMax::new(isa);
    let full = job.values.len() - job.values.len() % I::LANES;
    for i in (0..full).step_by(I::LANES) {
        // SAFETY: the registers up to `full` are in the slice.
        range.add(isa, unsafe { load_at(isa, job.values, i) });
    }
    for v in &job.values[full..] {
        range.add(isa, isa.splat(*v));
    }
    *job.range = range.lanes(isa);
}

/// The bin of each value.
///
/// # Safety
/// `to` is as long as `values`.
#[inline(always)]
pub(crate) unsafe fn bin<I: Counts>(isa: I, job: Binning) {
    let (low, scale) = (isa.splat(job.low), isa.splat(job.scale));
    registers!(job.values.len(), |i, left| {
        // SAFETY: `left` values from `i` on are in both slices.
        unsafe {
            let v = isa.mul(isa.sub(load_some(isa, job.values, i, left), low), scale);
            store_u8_some(isa, job.to, i, v, left);
        }
    });
}

/// Scales and clamps each value in place.
#[inline(always)]
pub(crate) fn stretch<I: Counts>(isa: I, job: Stretching) {
    let (low, gain) = (isa.splat(job.low), isa.splat(job.gain));
    let (one, top) = (isa.splat(1.0), isa.splat(job.top));
    registers!(job.values.len(), |i, left| {
        // SAFETY: `left` values from `i` on are in the slice.
        unsafe {
            let v = isa.mul(isa.sub(load_some(isa, job.values, i, left), low), gain);
            store_some(isa, job.values, i, isa.sub(isa.limit(v, top), one), left);
        }
    });
}
