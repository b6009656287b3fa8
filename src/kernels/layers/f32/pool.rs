//! Pooling over windows, and over the whole map.

use crate::error::{Error, Result};
use crate::kernels::isa::Isa;
use crate::kernels::layers::window::{Window, mismatch};
use crate::kernels::{Kernels, Map};

/// How the values under a window become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pooling {
    /// The largest. Values outside the map do not count. A NaN may be ignored.
    Max,
    /// The mean of the values inside the map.
    Mean,
    /// The sum times a factor: with one over the window's size, the mean that counts the padding as zeros.
    Sum(f32),
}

/// What a pooling kernel needs.
pub(crate) struct Job<'a> {
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

/// Combines two values of a window: the larger, or their sum.
#[inline(always)]
fn join<I: Isa, const MAX: bool>(isa: I, a: I::V, b: I::V) -> I::V {
    if MAX { isa.max(a, b) } else { isa.add(a, b) }
}

/// All channels of one output whose window is `h` x `w` pixels from `(y, x)` on; the size is known in advance unless
/// `H` and `W` are zero.
///
/// # Safety
/// The window is inside the map. Whole registers of all channels are readable there, and writable at `output`.
#[inline(always)]
unsafe fn pixel<I: Isa, const MAX: bool, const H: usize, const W: usize>(
    isa: I,
    job: &Job,
    (y, x): (usize, usize),
    (h, w): (usize, usize),
    factor: f32,
    output: *mut f32,
) {
    let p = job.pool;
    let (h, w) = if H > 0 { (H, W) } else { (h, w) };
    let (factor, nothing) = (isa.splat(factor), isa.splat(if MAX { f32::NEG_INFINITY } else { 0.0 }));
    for c in (0..p.to.vectors(I::LANES)).map(|r| r * I::LANES) {
        // SAFETY: the caller guarantees that the window is inside the map and the output writable, in full registers.
        unsafe {
            let corner = job.input.add(p.from.at(y, x) + c);
            let mut all = nothing;
            for i in 0..h {
                let mut line = nothing;
                for j in 0..w {
                    line = join::<I, MAX>(isa, line, isa.load(corner.add(i * p.from.row + j * p.from.pitch)));
                }
                all = join::<I, MAX>(isa, all, line);
            }
            isa.store(output.add(c), if MAX { all } else { isa.mul(all, factor) });
        }
    }
}

/// # Safety
/// The maps of `job.pool` lie inside the memory behind `input` and `output`, rounded up to whole registers.
#[inline(always)]
unsafe fn sweep<I: Isa, const MAX: bool>(isa: I, job: &Job) {
    let p = job.pool;
    for y in 0..p.to.h {
        let (y0, y1) = span(&p.window, 0, y, p.from.h);
        for x in 0..p.to.w {
            let (x0, x1) = span(&p.window, 1, x, p.from.w);
            let size = (y1 - y0, x1 - x0);
            let factor = match p.pooling {
                Pooling::Max => 1.0,
                Pooling::Mean => 1.0 / (size.0 * size.1) as f32,
                Pooling::Sum(factor) => factor,
            };
            // SAFETY: the spans are inside the map, and pixel `(y, x)` exists.
            unsafe {
                let output = job.output.add(p.to.at(y, x));
                match size {
                    (2, 2) => pixel::<I, MAX, 2, 2>(isa, job, (y0, x0), size, factor, output),
                    (3, 3) => pixel::<I, MAX, 3, 3>(isa, job, (y0, x0), size, factor, output),
                    _ => pixel::<I, MAX, 0, 0>(isa, job, (y0, x0), size, factor, output),
                }
            }
        }
    }
}

/// # Safety
/// As [`sweep`].
#[inline(always)]
pub(crate) unsafe fn pool<I: Isa>(isa: I, job: &Job) {
    // SAFETY: the caller guarantees that both maps lie inside their memory.
    unsafe {
        match job.pool.pooling {
            Pooling::Max => sweep::<I, true>(isa, job),
            _ => sweep::<I, false>(isa, job),
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
        if !from.holds(lanes) || !to.holds(lanes) {
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
