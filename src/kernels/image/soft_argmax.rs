//! Soft-argmax: the expected position of each point under the softmax of its logits over the cells of a map.

use std::f32::consts::LOG2_E;
use std::ops::Range;

use crate::kernels::Kernels;
use crate::kernels::isa::tail::{MOST_LANES, load_at, store_at};
use crate::kernels::isa::{BIASED, Isa};

/// Values of a point in a cell besides its logit: two coordinates, and the logarithm of the expected error.
pub const SOFT_ARGMAX_VALUES: usize = 3;

/// Arguments of the soft-argmax kernel.
pub(crate) struct Job<'a> {
    /// Of each cell, the logit of each point, then each of its values.
    cells: &'a [f32],
    /// Rows and columns of cells.
    size: (usize, usize),
    /// At least as many as lanes.
    points: usize,
    /// Where the means are written: for each value, all points.
    means: &'a mut [f32],
}

impl Kernels {
    /// Means over `size` (rows, columns) cells, by the softmax of each point's logits. A cell has a logit for each of
    /// `points` points; then, for all of them, how far to the right of the cell's centre the point lies, how far below
    /// it, and the logarithm of its error. Cells cover -1 to 1 both ways. `means` takes x of all points, then y, then
    /// the logarithm. A value that is not finite makes the mean not finite, except a logit of minus infinity, which
    /// leaves the mean to the other cells.
    ///
    /// # Panics
    /// If `cells` or `means` is too short, or there are fewer than 16 points.
    pub fn soft_argmax(&self, cells: &[f32], size: (usize, usize), points: usize, means: &mut [f32]) {
        assert!(
            cells.len() >= size.0 * size.1 * (1 + SOFT_ARGMAX_VALUES) * points
                && means.len() >= SOFT_ARGMAX_VALUES * points
        );
        assert!(points >= MOST_LANES);
        let job = Job { cells, size, points, means };
        // SAFETY: both lengths fit; a `Kernels` is only handed out on a CPU that has its instructions.
        unsafe { (self.soft_argmax)(job) };
    }
}

/// The sums over the cells so far, for a register of points.
#[derive(Clone, Copy)]
struct Sum<V> {
    /// The largest weight's logarithm, times `-log2(e)`; weights are relative to the largest.
    most: V,
    total: V,
    values: [V; SOFT_ARGMAX_VALUES],
}

/// Registers of points whose sums are kept at the same time.
const GROUP: usize = 16;

/// Rows of cells that fit in the nearest cache together.
const BAND: usize = 2;

/// Works in bands of rows, whose cells are still cached for the second and later registers of points.
///
/// # Safety
/// `cells` holds as many cells, `means` all values of all points.
#[inline(always)]
pub(crate) unsafe fn soft_argmax<I: Isa>(isa: I, job: Job) {
    let (rows, _) = job.size;
    // The last register overlaps the one before.
    let from = |register: usize| (register * I::LANES).min(job.points - I::LANES);
    let registers = job.points.div_ceil(I::LANES);
    let none = Sum { most: isa.splat(f32::MAX / 4.0), total: isa.zero(), values: [isa.zero(); SOFT_ARGMAX_VALUES] };
    let mut sums = [none; GROUP];
    for first in (0..registers).step_by(GROUP) {
        let group = GROUP.min(registers - first);
        sums[..group].fill(none);
        for y in (0..rows).step_by(BAND) {
            let band = y..rows.min(y + BAND);
            // Indexed: a zip of sums and registers would go through a function that is not inlined here.
            for register in 0..group {
                // SAFETY: a register of points from this one on is in every cell, and all rows of the band are in
                // `cells`.
                unsafe { add(isa, from(first + register), &job, band.clone(), &mut sums[register]) };
            }
        }
        for register in 0..group {
            let Sum { total, values, .. } = sums[register];
            for k in 0..SOFT_ARGMAX_VALUES {
                let to = k * job.points + from(first + register);
                // SAFETY: value `k` of the register's points has its place in `means`.
                unsafe { store_at(isa, job.means, to, isa.div(values[k], total)) };
            }
        }
    }
}

/// Adds some rows of cells to the sums of a register of points, from `point` on.
///
/// # Safety
/// `job.cells` holds the rows of cells, and each cell a register of points from `point` on.
#[inline(always)]
unsafe fn add<I: Isa>(isa: I, point: usize, job: &Job, band: Range<usize>, sum: &mut Sum<I::V>) {
    let (rows, columns) = job.size;
    let stride = (1 + SOFT_ARGMAX_VALUES) * job.points;
    // SAFETY: the caller guarantees a register of points in each cell of the band, for the logit and for every value.
    unsafe {
        let largest = largest(isa, &job.cells[point..], stride, band.start * columns..band.end * columns);
        let most = isa.min(sum.most, isa.mul(largest, isa.splat(-LOG2_E)));
        let shrunk = power(isa, isa.sub(most, sum.most));
        let mut right = isa.mul(sum.values[0], shrunk);
        let mut below = isa.mul(sum.values[1], shrunk);
        let mut error = isa.mul(sum.values[2], shrunk);
        let (mut total, across) = (isa.mul(sum.total, shrunk), isa.splat(step(columns)));
        for y in band {
            let (mut row, mut middle) = (isa.zero(), isa.splat(first(columns)));
            for x in 0..columns {
                let at = (y * columns + x) * stride + point;
                let weight = power(isa, isa.fma(load_at(isa, job.cells, at), isa.splat(LOG2_E), most));
                row = isa.add(row, weight);
                let place = isa.add(load_at(isa, job.cells, at + job.points), middle);
                middle = isa.add(middle, across);
                right = isa.fma(weight, place, right);
                below = isa.fma(weight, load_at(isa, job.cells, at + 2 * job.points), below);
                error = isa.fma(weight, load_at(isa, job.cells, at + 3 * job.points), error);
            }
            total = isa.add(total, row);
            below = isa.fma(row, isa.splat(first(rows) + y as i32 as f32 * step(rows)), below);
        }
        *sum = Sum { most, total, values: [right, below, error] };
    }
}

/// The largest values, lane by lane, of the first register of some cells.
///
/// # Safety
/// `cells` holds a register from the start of every cell of `of` on.
#[inline(always)]
unsafe fn largest<I: Isa>(isa: I, cells: &[f32], stride: usize, of: Range<usize>) -> I::V {
    let least = isa.splat(f32::MIN / 4.0);
    // Several accumulators, so that none waits for the previous one.
    let mut most = [least; 4];
    let mut cell = of.start;
    // SAFETY: every cell that is read is in `of`, and starts with a register.
    unsafe {
        while cell + most.len() <= of.end {
            for k in 0..most.len() {
                most[k] = isa.max(most[k], load_at(isa, cells, (cell + k) * stride));
            }
            cell += most.len();
        }
        while cell < of.end {
            most[0] = isa.max(most[0], load_at(isa, cells, cell * stride));
            cell += 1;
        }
    }
    isa.max(isa.max(most[0], most[1]), isa.max(most[2], most[3]))
}

/// From the middle of a cell to that of the next.
#[inline(always)]
fn step(cells: usize) -> f32 {
    2.0 / cells as i32 as f32
}

/// The middle of the first cell.
#[inline(always)]
fn first(cells: usize) -> f32 {
    step(cells) * 0.5 - 1.0
}

/// `2^x` for x up to 0, to five digits; almost 0 below -126; NaN for NaN.
#[inline(always)]
fn power<I: Isa>(isa: I, x: I::V) -> I::V {
    // x = n + f: n goes into the exponent, 2^f (|f| <= 1/2) is the polynomial of least relative error.
    let x = isa.max(isa.splat(-126.0), x);
    let shifted = isa.add(x, isa.splat(BIASED));
    let f = isa.sub(x, isa.sub(shifted, isa.splat(BIASED)));
    let mut sum = isa.splat(POWERS[0]);
    for factor in &POWERS[1..] {
        sum = isa.fma(sum, f, isa.splat(*factor));
    }
    isa.mul(isa.exp2_biased(shifted), sum)
}

/// 2^f to 2.6e-6 of it for |f| <= 1/2, the highest power first.
const POWERS: [f32; 5] = [9.570_101e-3, 5.591_786_3e-2, 0.240_247_44, 0.693_121_8, 0.999_999_3];
