//! Levels of a picture: the samples that percentiles are taken from, their classes, and the stretch to -1..1.

use super::Kernels;
use super::isa::Counts;
use super::part::{MOST_LANES, bytes_some, load_some, store_some};

/// What the thinning kernel needs.
pub(super) struct Thinning {
    from: *const f32,
    /// Columns, and rows that are kept.
    width: usize,
    rows: usize,
    to: *mut f32,
}

/// What the bounding kernel needs.
pub(super) struct Bounding {
    values: *const f32,
    count: usize,
    /// Where the least and the greatest are written.
    to: *mut [f32; 2],
}

/// What the classing kernel needs.
pub(super) struct Classing {
    values: *const f32,
    count: usize,
    low: f32,
    scale: f32,
    to: *mut u8,
}

/// What the stretching kernel needs.
pub(super) struct Stretching {
    values: *mut f32,
    count: usize,
    low: f32,
    gain: f32,
}

impl Kernels {
    /// Every second value of every second row of `values` (rows of `width`), from the first on, into `to`; tells
    /// how many.
    ///
    /// # Panics
    /// If `to` is shorter than that.
    pub fn thin(&self, values: &[f32], width: usize, to: &mut [f32]) -> usize {
        let rows = values.len().checked_div(width).unwrap_or(0).div_ceil(2);
        let count = rows * width.div_ceil(2);
        assert!(to.len() >= count);
        let job = Thinning { from: values.as_ptr(), width, rows, to: to.as_mut_ptr() };
        // SAFETY: both lengths fit; a `Kernels` is only handed out on a CPU that has its instructions.
        unsafe { (self.thin)(&job) };
        count
    }

    /// The least and the greatest value; infinity and minus infinity of none. `values` holds no NaN.
    pub fn bounds(&self, values: &[f32]) -> [f32; 2] {
        let mut to = [0.0; 2];
        let job = Bounding { values: values.as_ptr(), count: values.len(), to: &mut to };
        // SAFETY: all values are there, and two places for the bounds.
        unsafe { (self.bounds)(&job) };
        to
    }

    /// `(v - low) * scale`, rounded down, of each value; any byte where that is not 0 to 255.
    ///
    /// # Panics
    /// If `to` is shorter than `values`.
    pub fn classes(&self, values: &[f32], low: f32, scale: f32, to: &mut [u8]) {
        assert!(to.len() >= values.len());
        let job = Classing { values: values.as_ptr(), count: values.len(), low, scale, to: to.as_mut_ptr() };
        // SAFETY: both lengths fit.
        unsafe { (self.classes)(&job) };
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
/// the values of each.
#[inline(always)]
pub(super) unsafe fn thin<I: Counts>(isa: I, job: &Thinning) {
    let half = job.width.div_ceil(2);
    for i in 0..job.rows {
        // SAFETY: no row is read or written beyond its end.
        unsafe {
            let (from, to) = (job.from.add(2 * i * job.width), job.to.add(i * half));
            for j in (0..half).step_by(I::LANES) {
                let left = job.width - 2 * j;
                let a = load_some(isa, from.add(2 * j), left);
                let b = match left > I::LANES {
                    true => load_some(isa, from.add(2 * j + I::LANES), left - I::LANES),
                    false => a,
                };
                store_some(isa, to.add(j), isa.evens(a, b), half - j);
            }
        }
    }
}

/// # Safety
/// `values` is readable for `count` values, `to` writable.
#[inline(always)]
pub(super) unsafe fn bounds<I: Counts>(isa: I, job: &Bounding) {
    let (mut low, mut high) = (isa.splat(f32::INFINITY), isa.splat(f32::NEG_INFINITY));
    let whole = job.count - job.count % I::LANES;
    // SAFETY: no more than `count` values are read; the buffers hold the lanes of any register.
    unsafe {
        for i in (0..whole).step_by(I::LANES) {
            let v = isa.load(job.values.add(i));
            (low, high) = (isa.min(low, v), isa.max(high, v));
        }
        let (mut lows, mut highs) = ([f32::INFINITY; MOST_LANES], [f32::NEG_INFINITY; MOST_LANES]);
        isa.store(lows.as_mut_ptr(), low);
        isa.store(highs.as_mut_ptr(), high);
        let mut ends = [f32::INFINITY, f32::NEG_INFINITY];
        for i in 0..I::LANES {
            ends = [ends[0].min(lows[i]), ends[1].max(highs[i])];
        }
        for i in whole..job.count {
            let v = job.values.add(i).read();
            ends = [ends[0].min(v), ends[1].max(v)];
        }
        job.to.write(ends);
    }
}

/// # Safety
/// `values` and `to` are valid for `count` values.
#[inline(always)]
pub(super) unsafe fn classes<I: Counts>(isa: I, job: &Classing) {
    let (low, scale) = (isa.splat(job.low), isa.splat(job.scale));
    for i in (0..job.count).step_by(I::LANES) {
        // SAFETY: no more than is left is read or written.
        unsafe {
            let left = job.count - i;
            let v = isa.mul(isa.sub(load_some(isa, job.values.add(i), left), low), scale);
            bytes_some(isa, job.to.add(i), v, left);
        }
    }
}

/// # Safety
/// `values` is valid for `count` values.
#[inline(always)]
pub(super) unsafe fn stretch<I: Counts>(isa: I, job: &Stretching) {
    let (low, gain) = (isa.splat(job.low), isa.splat(job.gain));
    let (one, two) = (isa.splat(1.0), isa.splat(2.0));
    for i in (0..job.count).step_by(I::LANES) {
        // SAFETY: no more than is left is read or written.
        unsafe {
            let left = job.count - i;
            let v = isa.mul(isa.sub(load_some(isa, job.values.add(i), left), low), gain);
            store_some(isa, job.values.add(i), isa.sub(isa.limit(v, two), one), left);
        }
    }
}
