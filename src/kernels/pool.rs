//! Pooling over windows, and over the whole map.

use super::act::{Act, Finish};
use super::conv::{After, Window, mismatch};
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

/// What a window's values make together: the largest, or else the sum.
#[inline(always)]
fn join<I: Isa, const MAX: bool>(isa: I, a: I::V, b: I::V) -> I::V {
    if MAX { isa.max(a, b) } else { isa.add(a, b) }
}

/// All channels of one output whose window is `h` x `w` pixels from `(y, x)` on; the size is known in advance unless
/// `H` and `W` are zero.
///
/// # Safety
/// The window is inside the map, of all of whose channels whole registers are readable; so they are writable at
/// `output`.
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
        // SAFETY: by contract.
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
pub(super) unsafe fn pool<I: Isa>(isa: I, job: &Job) {
    // SAFETY: same contract.
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

/// Nearest-neighbour enlargement by whole factors, or a plain copy; a second map may be added on the way.
#[derive(Debug)]
pub struct Replicate {
    kernels: &'static Kernels,
    factor: [usize; 2],
    from: Map,
    to: Map,
    /// Bias, activation and second map, unless the values stay as they are.
    after: Option<(Finish, Option<Map>)>,
}

/// What a replicating kernel needs.
pub(super) struct ReplicateJob<'a> {
    pub replicate: &'a Replicate,
    pub input: *const f32,
    pub other: *const f32,
    pub output: *mut f32,
}

/// `F` neighbouring outputs of one row that show the value `v`.
///
/// # Safety
/// The `F` pixels from `(y, x)` on exist in the output and, if there is one, the second map.
#[inline(always)]
unsafe fn strip<I: Isa, const F: usize>(isa: I, job: &ReplicateJob, v: I::V, c: usize, (y, x): (usize, usize)) {
    let r = job.replicate;
    let to = Grid::of(&r.to);
    let mut out = [[v]; F];
    // SAFETY: by contract; the bias is padded to whole registers.
    unsafe {
        if let Some((finish, other)) = &r.after {
            let bias = isa.load(finish.bias.as_ptr().add(c));
            for i in 0..F {
                out[i][0] = isa.add(v, bias);
            }
            match other {
                None => finish.apply(isa, &mut out, (c, 0), None),
                Some(map) => {
                    let beside = Grid::of(map);
                    let mut others = [[job.other]; F];
                    for i in 0..F {
                        others[i][0] = job.other.add(beside.spot(y, x + i) + c);
                    }
                    finish.apply(isa, &mut out, (c, 0), Some(&others));
                }
            }
        }
        for i in 0..F {
            isa.store(job.output.add(to.spot(y, x + i) + c), out[i][0]);
        }
    }
}

/// # Safety
/// The maps lie inside the memory behind the pointers, rounded up to whole registers.
#[inline(always)]
pub(super) unsafe fn replicate<I: Isa>(isa: I, job: &ReplicateJob) {
    let r = job.replicate;
    let from = Grid::of(&r.from);
    for yy in 0..r.to.h {
        let y = yy / r.factor[0];
        for x in 0..r.from.w {
            for c in (0..r.from.vectors(I::LANES)).map(|v| v * I::LANES) {
                // SAFETY: pixel `(y, x)` and its copies exist.
                unsafe {
                    let v = isa.load(job.input.add(from.spot(y, x) + c));
                    if r.factor[1] == 2 {
                        strip::<I, 2>(isa, job, v, c, (yy, 2 * x));
                    } else {
                        for xx in x * r.factor[1]..(x + 1) * r.factor[1] {
                            strip::<I, 1>(isa, job, v, c, (yy, xx));
                        }
                    }
                }
            }
        }
    }
}

impl Replicate {
    /// Enlarges `from` by `factor` (rows, columns) into `to`, of which the channels beyond its own are untouched if
    /// nothing is applied after, else those of its last register may change.
    ///
    /// # Errors
    /// If the sizes do not belong together.
    pub fn pack(kernels: &'static Kernels, from: Map, to: Map, factor: [usize; 2], after: After) -> Result<Self> {
        if from.c != to.c || from.h * factor[0] != to.h || from.w * factor[1] != to.w || to.values() == 0 {
            return Err(mismatch("replication", &from, &to));
        }
        let lanes = kernels.lanes;
        let same = after.bias.is_empty() && after.act == Act::None && after.other.is_none();
        let (other, join) = after.other.unzip();
        if other.is_some_and(|o: Map| (o.c, o.h, o.w) != (to.c, to.h, to.w)) {
            return Err(mismatch("replication", &from, &to));
        }
        let wide = from.holds(lanes) && to.holds(lanes) && other.is_none_or(|o| o.holds(lanes));
        if !same && !(wide && after.act.fuses()) {
            return Err(Error::fatal("kernels", "a replication's maps are not wide enough for its registers"));
        }
        let channels = to.vectors(lanes) * lanes;
        let finish = Finish::new(&after.bias, after.act, join.unwrap_or_default(), channels);
        Ok(Self { kernels, factor, from, to, after: (!same).then_some((finish, other)) })
    }

    /// Operations of one run: additions of a second map.
    pub fn flops(&self) -> u64 {
        if self.after.is_some() { self.to.values() as u64 } else { 0 }
    }

    /// Copies the values.
    ///
    /// # Panics
    /// If a slice is shorter than the map it was packed for, or `other` is missing.
    pub fn run(&self, input: &[f32], other: Option<&[f32]>, output: &mut [f32]) {
        let lanes = self.kernels.lanes;
        let other = match (other, self.after.as_ref().and_then(|a| a.1)) {
            (Some(o), Some(map)) => {
                assert!(o.len() >= map.reach(lanes));
                o.as_ptr()
            }
            (None, None) => std::ptr::null(),
            _ => panic!("a second map is given exactly where the layer was packed with one"),
        };
        let whole = self.to.c.is_multiple_of(lanes) && self.from.reach(lanes) <= input.len();
        if whole || self.after.is_some() {
            assert!(input.len() >= self.from.reach(lanes) && output.len() >= self.to.reach(lanes));
            let job = ReplicateJob { replicate: self, input: input.as_ptr(), other, output: output.as_mut_ptr() };
            // SAFETY: all lengths were just checked; whole registers touch no channels that are another's.
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
