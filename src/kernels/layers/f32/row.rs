//! The row microkernel, for dense layers of few summands: the weights stay in registers while a row of pixels passes.
//! It has no offsets to look up, which would take as long as so few products.

use super::tile::Job;
use crate::kernels::isa::Isa;
use crate::kernels::layers::border::Runs;
use crate::kernels::layers::epilogue::PackedEpilogue;
use crate::kernels::layers::panels::Panels;
use crate::kernels::layers::pixels::Grids;

/// Runs of input floats of a pixel: the rows of a window of 3x3.
pub(crate) const RUNS: usize = 3;
/// Floats of a run: its columns, over one channel.
pub(crate) const RUN: usize = 3;

/// A row microkernel of an instruction set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowKernel<F = unsafe fn(&RowJob)> {
    /// Output channels.
    pub lanes: usize,
    /// Pixels at once; a row has at least as many.
    pub pixels: usize,
    pub run: F,
}

/// The smallest kernel that holds `channels`, or else the largest, for rows of `columns` pixels.
pub(crate) fn choose<F: Copy>(kernels: &[RowKernel<F>], channels: usize, columns: usize) -> Option<RowKernel<F>> {
    let rows = kernels.iter().filter(|k| columns >= k.pixels);
    rows.copied().min_by_key(|k| (channels > k.lanes, if channels > k.lanes { usize::MAX - k.lanes } else { k.lanes }))
}

/// Pixels that follow one another, for one register of output channels.
pub(crate) struct RowJob<'a> {
    /// The tile job of the channels; it has `RUNS` runs of `RUN` floats and no residual.
    pub job: Job<'a>,
    /// Offsets of the first pixel.
    pub input: usize,
    pub output: usize,
    /// From one pixel to the next.
    pub step: usize,
    pub pitch: usize,
    pub count: usize,
}

/// A row, `P` pixels at a time.
///
/// # Safety
/// As [`super::tile::tile`] for every pixel; there are at least `P`.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "others gain nothing by it"))]
#[inline(always)]
pub(crate) unsafe fn row<I: Isa, const P: usize>(isa: I, row: &RowJob) {
    let job = &row.job;
    // SAFETY: every pixel of the row is read and written as the caller guarantees; the last `P` end with the row.
    unsafe {
        let weights = weights(isa, job);
        for x in (0..row.count).step_by(P) {
            // The last pixels overlap those before.
            let x = x.min(row.count - P);
            let sum = sums::<I, P>(isa, row, &weights, x);
            let to = job.output.add(row.output + x * row.pitch + job.c);
            for i in 0..P {
                isa.store(to.add(i * row.pitch), sum[i][0]);
            }
        }
    }
}

/// All weights of a row.
///
/// # Safety
/// As [`row`].
#[inline(always)]
pub(crate) unsafe fn weights<I: Isa>(isa: I, job: &Job) -> [[I::V; RUN]; RUNS] {
    let mut weights = [[isa.zero(); RUN]; RUNS];
    for r in 0..RUNS {
        for k in 0..RUN {
            // SAFETY: there is a register for each summand.
            weights[r][k] = unsafe { isa.load(job.weights.add((r * RUN + k) * I::LANES)) };
        }
    }
    weights
}

/// `P` pixels from the one at `x` on, after their activation.
///
/// # Safety
/// As [`row`].
#[inline(always)]
pub(crate) unsafe fn sums<I: Isa, const P: usize>(
    isa: I,
    row: &RowJob,
    weights: &[[I::V; RUN]; RUNS],
    x: usize,
) -> [[I::V; 1]; P] {
    let RowJob { job, input, step, .. } = row;
    // SAFETY: the caller guarantees the inputs of `P` pixels from `x` on, and the bias of the register.
    unsafe {
        let mut sum = [[isa.load(job.epilogue.bias.as_ptr().add(job.c))]; P];
        for r in 0..RUNS {
            let from = job.input.add(input + x * step + *job.starts.get_unchecked(r));
            for k in 0..RUN {
                for i in 0..P {
                    sum[i][0] = isa.fma(isa.splat(*from.add(i * step + k)), weights[r][k], sum[i][0]);
                }
            }
        }
        job.epilogue.apply(isa, &mut sum, (job.c, I::LANES), None);
        sum
    }
}

/// Rows of pixels that are multiplied by all panels of a layer.
pub(crate) struct Sweep<'a> {
    pub rows: usize,
    pub columns: usize,
    pub runs: Runs<'a>,
    pub epilogue: &'a PackedEpilogue,
    pub grids: Grids,
    pub input: *const f32,
    pub output: *mut f32,
}

/// Multiplies all rows of a sweep by all panels, each of one register.
///
/// # Safety
/// As [`Panels::sweep`]; there are `RUNS` runs, panels were packed for `RUN` floats each, and rows have the `pixels` of
/// the kernel.
pub(crate) unsafe fn sweep(panels: &Panels<f32>, kernel: RowKernel, sweep: &Sweep) {
    let Sweep { rows, columns, runs, epilogue, grids: Grids { from, to, .. }, input, output } = sweep;
    for (c, weights) in panels.parts() {
        for y in 0..*rows {
            let weights = weights.as_ptr();
            let job = Job {
                starts: runs.starts,
                run: RUN,
                skip: 0,
                epilogue,
                c,
                input: *input,
                weights,
                residual: std::ptr::null(),
                output: *output,
            };
            let (input, output) = (from.offset(y, 0), to.offset(y, 0));
            let row = RowJob { job, input, output, step: from.pixel, pitch: to.pixel, count: *columns };
            // SAFETY: the pixels are those of the grid; the caller guarantees that the kernel was chosen for this row
            // and these panels.
            unsafe { (kernel.run)(&row) };
        }
    }
}
