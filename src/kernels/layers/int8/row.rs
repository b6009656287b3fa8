//! The int8 row microkernel, for 3x3 convolutions over one channel: as for floats, the weights stay in registers
//! while a row of pixels passes. A row of the window is one group of summands, or two.

use super::epilogue::{Int8Epilogue, scales};
use super::tile::Job;
use crate::kernels::isa::int8::Ints;
use crate::kernels::layers::border::Runs;
use crate::kernels::layers::f32::row as float;
pub(crate) use crate::kernels::layers::f32::row::{RUN, RUNS, choose};
use crate::kernels::layers::panels::Panels;
use crate::kernels::layers::pixels::Grids;

/// How an instruction set computes them.
pub(crate) type RowKernel = float::RowKernel<unsafe fn(&RowJob)>;

/// Pixels that follow one another, for one register of output channels. Offsets and steps count items.
pub(crate) struct RowJob<'a> {
    /// The tile job of the channels; it has [`RUNS`] runs of [`RUN`] items, filled up to whole groups.
    job: Job<'a>,
    /// Offsets of the first pixel.
    input: usize,
    output: usize,
    /// From one pixel to the next.
    step: usize,
    pitch: usize,
    count: usize,
}

/// A row, `P` pixels at a time, stored as integers.
///
/// # Safety
/// As [`super::tile::tile`] for every pixel; there are at least `P`.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "not yet compiled for others"))]
#[inline(always)]
pub(crate) unsafe fn row<I: Ints, const P: usize>(isa: I, row: &RowJob) {
    /// The most groups of a run.
    const MOST: usize = RUN.div_ceil(2);
    let RowJob { job, input, output, step, pitch, count } = row;
    let (limits, each) = (job.epilogue.limits, RUN.div_ceil(I::GROUP));
    // SAFETY: the caller guarantees the groups of every pixel of the row, its output, and the weights of all runs.
    unsafe {
        let scale = scales::<I, 1>(isa, job.epilogue, job.c)[0];
        let bias = isa.i32_load(job.epilogue.bias.as_ptr().add(job.c));
        let mut weights = [[isa.load_weights(job.weights.cast()); MOST]; RUNS];
        for r in 0..RUNS {
            for g in 0..each {
                weights[r][g] =
                    isa.load_weights(job.weights.cast::<I::Item>().add((r * each + g) * I::LANES * I::GROUP));
            }
        }
        for x in (0..*count).step_by(P) {
            // The last pixels overlap those before.
            let x = x.min(count - P);
            let mut sum = [bias; P];
            for r in 0..RUNS {
                let from = job.input.cast::<I::Item>().add(input + x * step + *job.starts.get_unchecked(r));
                for g in 0..each {
                    for i in 0..P {
                        sum[i] = isa.dot(sum[i], isa.load_group(from.add(i * step + g * I::GROUP)), weights[r][g]);
                    }
                }
            }
            let mut v = [[scale]; P];
            let mut to = [job.output.cast::<I::Item>().add(output + x * pitch + job.c); P];
            for i in 0..P {
                v[i][0] = isa.mul(isa.to_f32(sum[i]), scale);
                to[i] = to[i].add(i * pitch);
            }
            isa.store_pixels(&limits, &v, &to);
        }
    }
}

/// Rows of pixels that are multiplied by all panels of a layer.
pub(crate) struct Sweep<'a> {
    pub rows: usize,
    pub columns: usize,
    pub runs: Runs<'a>,
    pub epilogue: &'a Int8Epilogue,
    pub grids: Grids,
    pub input: *const u8,
    pub output: *mut u8,
}

/// Multiplies all rows of a sweep by all panels, each of one register.
///
/// # Safety
/// As [`super::tile::sweep`]; the runs are what a [`RowJob`] has, and rows have the `pixels` of the kernel.
pub(crate) unsafe fn sweep(panels: &Panels<u8>, kernel: RowKernel, sweep: &Sweep) {
    let Sweep { rows, columns, runs, epilogue, grids: Grids { from, to, .. }, input, output } = sweep;
    for (c, weights) in panels.parts() {
        for y in 0..*rows {
            let Runs { starts, run, .. } = *runs;
            let job =
                Job { starts, run, skip: 0, epilogue, c, input: *input, weights: weights.as_ptr(), output: *output };
            let (input, output) = (from.offset(y, 0), to.offset(y, 0));
            let row = RowJob { job, input, output, step: from.pixel, pitch: to.pixel, count: *columns };
            // SAFETY: the pixels are those of the grid; the caller guarantees panels, runs and epilogue that belong
            // together.
            unsafe { (kernel.run)(&row) };
        }
    }
}
