//! Depthwise 3x3 convolution: one filter per channel.

use crate::error::{Error, Result};
use crate::kernels::isa::Isa;
use crate::kernels::layers::epilogue::{Epilogue, PackedEpilogue};
use crate::kernels::layers::pixels::Grid;
use crate::kernels::layers::window::{Window, mismatch};
use crate::kernels::{Kernels, Lines, Map};

/// What a depthwise kernel needs.
pub(crate) struct Job<'a> {
    pub input: *const f32,
    pub from: Grid,
    pub output: *mut f32,
    pub to: Grid,
    pub residual: *const f32,
    pub residual_grid: Grid,
    /// Nine registers per register of channels.
    pub weights: *const f32,
    pub epilogue: &'a PackedEpilogue,
    pub registers: usize,
    pub rows: usize,
    pub columns: usize,
}

/// `R` neighbouring outputs of one row, `w` the nine registers of weights.
///
/// # Safety
/// The input pixels below the outputs are readable, the outputs writable, the weights readable.
#[inline(always)]
unsafe fn run_of<I: Isa, const S: usize, const R: usize>(
    isa: I,
    job: &Job,
    w: *const f32,
    c: usize,
    (y, x): (usize, usize),
) {
    let (line, step) = (job.from.row / S, job.from.pixel / S);
    // SAFETY: the corner of the first window; the bias is padded to whole registers.
    let (corner, bias) =
        unsafe { (job.input.add(job.from.offset(y, x) + c), isa.load(job.epilogue.bias.as_ptr().add(c))) };
    let mut sum = [[bias]; R];
    for ky in 0..3 {
        // One row of the filter at a time leaves registers for more sums.
        let mut row = [isa.zero(); 3];
        for kx in 0..3 {
            // SAFETY: tap `(ky, kx)`.
            row[kx] = unsafe { isa.load(w.add((ky * 3 + kx) * I::LANES)) };
        }
        for column in 0..(R - 1) * S + 3 {
            // SAFETY: `column` is under one of the `R` windows.
            let v = unsafe { isa.load(corner.add(ky * line + column * step)) };
            for r in 0..R {
                if column >= r * S && column < r * S + 3 {
                    sum[r][0] = isa.fma(v, row[column - r * S], sum[r][0]);
                }
            }
        }
    }
    // SAFETY: pixel `x + r` of row `y` exists in the output and in the residual.
    unsafe {
        if job.residual.is_null() {
            job.epilogue.apply(isa, &mut sum, (c, 0), None);
        } else {
            let mut residual = [[job.residual]; R];
            for r in 0..R {
                residual[r][0] = job.residual.add(job.residual_grid.offset(y, x + r) + c);
            }
            job.epilogue.apply(isa, &mut sum, (c, 0), Some(&residual));
        }
        let output = job.output.add(job.to.offset(y, x) + c);
        for r in 0..R {
            isa.store(output.add(r * job.to.pixel), sum[r][0]);
        }
    }
}

/// Bytes that reliably stay in the first-level cache.
const NEAR: usize = 24 << 10;

/// A depthwise 3x3 convolution with stride `S`.
///
/// # Safety
/// `job`'s grids stay inside its slices for `rows` x `columns` outputs and 3x3 windows, each for `registers`
/// registers; `from.row` and `from.pixel` step from output to output, so they are multiples of `S`.
#[inline(always)]
pub(crate) unsafe fn depthwise<I: Isa, const S: usize>(isa: I, job: &Job) {
    // The outputs of a row are split evenly over as few runs as possible.
    let most = if S == 1 { 6 } else { 4 };
    let runs = job.columns.div_ceil(most);
    let start = |run: usize| run * job.columns / runs;
    // Three rows are read and one is written. Where whole rows are too wide, a block of runs goes all the way down.
    let run_bytes = (3 * S + 1) * most * job.registers * I::LANES * size_of::<f32>();
    let block = (NEAR / run_bytes).max(1);
    for first in (0..runs).step_by(block) {
        for y in 0..job.rows {
            for register in 0..job.registers {
                // SAFETY: weights and bias are padded to whole registers; the caller guarantees the windows.
                unsafe {
                    let (w, c) = (job.weights.add(register * 9 * I::LANES), register * I::LANES);
                    for i in first..runs.min(first + block) {
                        let x = start(i);
                        match start(i + 1) - x {
                            1 => run_of::<I, S, 1>(isa, job, w, c, (y, x)),
                            2 => run_of::<I, S, 2>(isa, job, w, c, (y, x)),
                            3 => run_of::<I, S, 3>(isa, job, w, c, (y, x)),
                            4 => run_of::<I, S, 4>(isa, job, w, c, (y, x)),
                            5 if S == 1 => run_of::<I, S, 5>(isa, job, w, c, (y, x)),
                            _ => run_of::<I, S, 6>(isa, job, w, c, (y, x)),
                        }
                    }
                }
            }
        }
    }
}

/// A depthwise 3x3 layer with packed weights; the stride is 1 or 2 both ways.
#[derive(Debug)]
pub struct Depthwise {
    kernels: &'static Kernels,
    stride: usize,
    weights: Lines<f32>,
    epilogue: PackedEpilogue,
    from: Grid,
    to: Map,
    residual: Option<Map>,
    need: usize,
}

impl Depthwise {
    /// Whether this kernel computes this window.
    pub fn covers(window: &Window) -> bool {
        window.size == [3, 3] && matches!(window.stride, [1, 1] | [2, 2])
    }

    /// A convolution `from` -> `to`; `weights` are `[c, 3, 3]`.
    ///
    /// # Errors
    /// If the sizes do not belong together.
    pub fn pack(
        kernels: &'static Kernels,
        from: Map,
        to: Map,
        window: Window,
        weights: &[f32],
        after: Epilogue,
    ) -> Result<Self> {
        let lanes = kernels.lanes;
        if !Self::covers(&window) || from.c != to.c || weights.len() != to.c * 9 || !window.fits(&from, &to) {
            return Err(mismatch("depthwise convolution", &from, &to));
        }
        let stride = window.stride[0];
        let at = from.origin - window.before[0] * from.row - window.before[1] * from.pitch;
        let grid = Grid { at, row: stride * from.row, pixel: stride * from.pitch };
        let registers = to.vectors(lanes);
        let need = grid.offset(to.h - 1, to.w - 1) + 2 * from.row + 2 * from.pitch + registers * lanes;
        let (residual, position) = after.residual.unzip();
        let fits = need <= from.len
            && to.holds(lanes)
            && residual.is_none_or(|o: Map| (o.c, o.h, o.w) == (to.c, to.h, to.w) && o.holds(lanes));
        if !fits || to.values() == 0 || !after.activation.fuses() {
            return Err(Error::fatal("kernels", "a depthwise layer's maps are not wide enough for its registers"));
        }
        let mut packed = Lines::new(registers * 9 * lanes);
        for (i, w) in weights.iter().enumerate() {
            let (c, tap) = (i / 9, i % 9);
            packed[(c / lanes * 9 + tap) * lanes + c % lanes] = *w;
        }
        let epilogue =
            PackedEpilogue::new(&after.bias, after.activation, position.unwrap_or_default(), registers * lanes);
        Ok(Self { kernels, stride, weights: packed, epilogue, from: grid, to, residual, need })
    }

    /// Multiplications and additions of one run.
    pub fn flops(&self) -> u64 {
        18 * self.to.values() as u64
    }

    /// Computes the layer.
    ///
    /// # Panics
    /// If a slice is shorter than the map it was packed for, or `residual` is missing.
    pub fn run(&self, input: &[f32], residual: Option<&[f32]>, output: &mut [f32]) {
        let lanes = self.kernels.lanes;
        assert!(input.len() >= self.need && output.len() >= self.to.reach(lanes));
        let (residual, residual_grid) = match (residual, self.residual) {
            (Some(o), Some(map)) => {
                assert!(o.len() >= map.reach(lanes));
                (o.as_ptr(), Grid::of(&map))
            }
            (None, None) => (std::ptr::null(), Grid::default()),
            _ => panic!("a residual is given exactly where the layer was packed with one"),
        };
        let job = Job {
            input: input.as_ptr(),
            from: self.from,
            output: output.as_mut_ptr(),
            to: Grid::of(&self.to),
            residual,
            residual_grid,
            weights: self.weights.as_ptr(),
            epilogue: &self.epilogue,
            registers: self.to.vectors(lanes),
            rows: self.to.h,
            columns: self.to.w,
        };
        // SAFETY: `pack` checked the grids against the lengths asserted here, and the stride against the kernel.
        unsafe {
            match self.stride {
                1 => (self.kernels.depthwise_stride1)(&job),
                _ => (self.kernels.depthwise_stride2)(&job),
            }
        }
    }
}
