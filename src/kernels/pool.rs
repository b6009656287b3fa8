//! Pooling over windows, and over the whole map.

use super::conv::{Window, mismatch};
use super::isa::Isa;
use super::tile::Grid;
use super::{Kernels, Map};
use crate::error::{Error, Result};

/// How the values under a window become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pooling {
    /// The largest. Values outside the map do not count. A NaN may be passed over.
    Max,
    /// The mean of the values inside the map.
    Mean,
    /// The sum times a factor: with one over the window's size, the mean that counts the padding as zeros.
    Sum(f32),
}

/// What a pooling kernel needs.
pub(super) struct Job<'a> {
    pub pool: &'a Pool,
    pub input: *const f32,
    pub output: *mut f32,
}

/// Pooling of one map; see [`Pool::pack`].
#[derive(Debug)]
pub struct Pool {
    kernels: &'static Kernels,
    pooling: Pooling,
    window: Window,
    from: Map,
    to: Map,
}

/// Rows or columns of the map under window `i`.
#[inline]
fn span(window: &Window, axis: usize, i: usize, size: usize) -> (usize, usize) {
    let start = i * window.stride[axis];
    let end = (start + window.size[axis]).saturating_sub(window.before[axis]).min(size);
    (start.saturating_sub(window.before[axis]).min(end), end)
}

/// # Safety
/// The maps of `job.pool` lie inside the memory behind `input` and `output`, rounded up to whole registers.
#[inline(always)]
pub(super) unsafe fn pool<I: Isa>(isa: I, job: &Job) {
    let p = job.pool;
    for y in 0..p.to.h {
        let (y0, y1) = span(&p.window, 0, y, p.from.h);
        for x in 0..p.to.w {
            let (x0, x1) = span(&p.window, 1, x, p.from.w);
            let factor = match p.pooling {
                Pooling::Max => 1.0,
                Pooling::Mean => 1.0 / ((y1 - y0) * (x1 - x0)) as f32,
                Pooling::Sum(factor) => factor,
            };
            for c in (0..p.to.vectors(I::LANES)).map(|r| r * I::LANES) {
                let max = p.pooling == Pooling::Max;
                let mut all = isa.splat(if max { f32::NEG_INFINITY } else { 0.0 });
                for yy in y0..y1 {
                    let mut line = isa.splat(if max { f32::NEG_INFINITY } else { 0.0 });
                    for xx in x0..x1 {
                        // SAFETY: the span is inside the map.
                        let v = unsafe { isa.load(job.input.add(p.from.at(yy, xx) + c)) };
                        line = if max { isa.max(line, v) } else { isa.add(line, v) };
                    }
                    all = if max { isa.max(all, line) } else { isa.add(all, line) };
                }
                let v = if max { all } else { isa.mul(all, isa.splat(factor)) };
                // SAFETY: pixel `(y, x)` exists.
                unsafe { isa.store(job.output.add(p.to.at(y, x) + c), v) };
            }
        }
    }
}

impl Pool {
    /// Pooling `from` -> `to`. Every window must have at least one value of the map under it.
    ///
    /// # Errors
    /// If the sizes do not belong together.
    pub fn pack(kernels: &'static Kernels, from: Map, to: Map, window: Window, pooling: Pooling) -> Result<Self> {
        let covered = |axis: usize, count: usize, size: usize| {
            (0..count).all(|i| {
                let (start, end) = span(&window, axis, i, size);
                start < end
            })
        };
        let sizes = window.stride.iter().chain(&window.size).all(|v| *v > 0);
        if from.c != to.c || to.values() == 0 || !sizes || !covered(0, to.h, from.h) || !covered(1, to.w, from.w) {
            return Err(mismatch("pooling", &from, &to));
        }
        let lanes = kernels.lanes;
        if from.reach(lanes) > from.len || to.reach(lanes) > to.len {
            return Err(Error::fatal("kernels", "a pooling layer's maps are not wide enough for its registers"));
        }
        Ok(Self { kernels, pooling, window, from, to })
    }

    /// Additions or comparisons of one run.
    pub fn flops(&self) -> u64 {
        (self.to.values() * self.window.size[0] * self.window.size[1]) as u64
    }

    /// Computes the layer.
    ///
    /// # Panics
    /// If a slice is shorter than the map it was packed for.
    pub fn run(&self, input: &[f32], output: &mut [f32]) {
        let lanes = self.kernels.lanes;
        assert!(input.len() >= self.from.reach(lanes) && output.len() >= self.to.reach(lanes));
        let job = Job { pool: self, input: input.as_ptr(), output: output.as_mut_ptr() };
        // SAFETY: both lengths were just checked.
        unsafe { (self.kernels.pool)(&job) };
    }
}

/// Nearest-neighbour enlargement by whole factors, or a plain copy.
#[derive(Debug)]
pub struct Replicate {
    kernels: &'static Kernels,
    factor: [usize; 2],
    from: Map,
    to: Map,
}

/// What a replicating kernel needs.
pub(super) struct ReplicateJob<'a> {
    pub replicate: &'a Replicate,
    pub input: *const f32,
    pub output: *mut f32,
}

/// # Safety
/// The maps lie inside the memory behind `input` and `output`, rounded up to whole registers.
#[inline(always)]
pub(super) unsafe fn replicate<I: Isa>(isa: I, job: &ReplicateJob) {
    let r = job.replicate;
    let (from, to) = (Grid::of(&r.from), Grid::of(&r.to));
    for y in 0..r.from.h {
        for x in 0..r.from.w {
            for c in (0..r.from.vectors(I::LANES)).map(|v| v * I::LANES) {
                // SAFETY: pixel `(y, x)` and its copies exist.
                unsafe {
                    let v = isa.load(job.input.add(from.spot(y, x) + c));
                    for yy in y * r.factor[0]..(y + 1) * r.factor[0] {
                        for xx in x * r.factor[1]..(x + 1) * r.factor[1] {
                            isa.store(job.output.add(to.spot(yy, xx) + c), v);
                        }
                    }
                }
            }
        }
    }
}

impl Replicate {
    /// Enlarges `from` by `factor` (rows, columns) into `to`, of which the channels beyond its own are untouched.
    ///
    /// # Errors
    /// If the sizes do not belong together.
    pub fn pack(kernels: &'static Kernels, from: Map, to: Map, factor: [usize; 2]) -> Result<Self> {
        if from.c != to.c || from.h * factor[0] != to.h || from.w * factor[1] != to.w || to.values() == 0 {
            return Err(mismatch("replication", &from, &to));
        }
        Ok(Self { kernels, factor, from, to })
    }

    /// Copies the values.
    ///
    /// # Panics
    /// If a slice is shorter than the map it was packed for.
    pub fn run(&self, input: &[f32], output: &mut [f32]) {
        let lanes = self.kernels.lanes;
        let whole = self.to.c.is_multiple_of(lanes) && self.from.reach(lanes) <= input.len();
        if whole {
            assert!(output.len() >= self.to.reach(lanes));
            let job = ReplicateJob { replicate: self, input: input.as_ptr(), output: output.as_mut_ptr() };
            // SAFETY: both lengths were just checked, and whole registers touch no other channels.
            unsafe { (self.kernels.replicate)(&job) };
            return;
        }
        for y in 0..self.to.h {
            for x in 0..self.to.w {
                let from = &input[self.from.at(y / self.factor[0], x / self.factor[1])..][..self.from.c];
                output[self.to.at(y, x)..][..self.to.c].copy_from_slice(from);
            }
        }
    }
}
