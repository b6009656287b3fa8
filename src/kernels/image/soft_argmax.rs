//! What a map's cells make of points that all of them vote for: means by the softmax of weights.

use std::f32::consts::LOG2_E;
use std::ops::Range;

use crate::kernels::Kernels;
use crate::kernels::isa::tail::MOST_LANES;
use crate::kernels::isa::{BIASED, Isa};

/// Values of a vote besides its weight: two coordinates, and the logarithm of the expected error.
pub const SOFT_ARGMAX_VALUES: usize = 3;

/// What the voting kernel needs.
pub(crate) struct Job {
    /// Of each cell, a weight of each point, then each of its values.
    cells: *const f32,
    /// Rows and columns of cells.
    size: (usize, usize),
    /// No fewer than the lanes.
    points: usize,
    /// Where the means are written: for each value, all points.
    means: *mut f32,
}

impl Kernels {
    /// Means over `rows` x `columns` cells, by the softmax of the points' weights. A cell has, for each of `points`
    /// points, a weight's logarithm; then, for all of them, how far to the right of the cell's centre it lies, how far
    /// below it, and the logarithm of its error. Cells cover -1 to 1 both ways. `means` takes, for all points, one
    /// after the other, x, y and the logarithm; where a vote is not finite, a mean is not, either, but for a weight of
    /// nothing (a logarithm of minus infinity), which leaves the mean to the other cells.
    ///
    /// # Panics
    /// If `cells` or `means` is too short, or there are fewer than 16 points.
    pub fn soft_argmax(&self, cells: &[f32], size: (usize, usize), points: usize, means: &mut [f32]) {
        assert!(
            cells.len() >= size.0 * size.1 * (1 + SOFT_ARGMAX_VALUES) * points
                && means.len() >= SOFT_ARGMAX_VALUES * points
        );
        assert!(points >= MOST_LANES);
        let job = Job { cells: cells.as_ptr(), size, points, means: means.as_mut_ptr() };
        // SAFETY: both lengths fit; a `Kernels` is only handed out on a CPU that has its instructions.
        unsafe { (self.soft_argmax)(&job) };
    }
}

/// What the cells so far make of a register of points.
#[derive(Clone, Copy)]
struct Sum<V> {
    /// The largest weight's logarithm, times `-log2(e)`; weights are counted in units of it.
    most: V,
    total: V,
    values: [V; SOFT_ARGMAX_VALUES],
}

/// Registers of points whose sums are at hand together.
const GROUP: usize = 16;

/// Rows of cells of which the near cache is to hold all.
const BAND: usize = 2;

/// By bands of rows, whose cells are still near for the second and the later registers of points.
///
/// # Safety
/// `cells` is readable for as many cells, `means` writable for all points.
#[inline(always)]
pub(crate) unsafe fn soft_argmax<I: Isa>(isa: I, job: &Job) {
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
            // By number: zipped, the sums and registers would come through a function that is not inlined here.
            for register in 0..group {
                // SAFETY: by contract.
                unsafe { add(isa, job.cells.add(from(first + register)), job, band.clone(), &mut sums[register]) };
            }
        }
        for register in 0..group {
            let Sum { total, values, .. } = sums[register];
            for k in 0..SOFT_ARGMAX_VALUES {
                let to = k * job.points + from(first + register);
                // SAFETY: by contract.
                unsafe { isa.store(job.means.add(to), isa.div(values[k], total)) };
            }
        }
    }
}

/// Adds some rows of cells to the sums of a register of points.
///
/// # Safety
/// The rows of the cells are readable, register by register.
#[inline(always)]
unsafe fn add<I: Isa>(isa: I, cells: *const f32, job: &Job, band: Range<usize>, sum: &mut Sum<I::V>) {
    let (rows, columns) = job.size;
    let stride = (1 + SOFT_ARGMAX_VALUES) * job.points;
    // SAFETY: by contract.
    unsafe {
        let largest = largest(isa, cells, stride, band.start * columns..band.end * columns);
        let most = isa.min(sum.most, isa.mul(largest, isa.splat(-LOG2_E)));
        let shrunk = power(isa, isa.sub(most, sum.most));
        let mut right = isa.mul(sum.values[0], shrunk);
        let mut below = isa.mul(sum.values[1], shrunk);
        let mut error = isa.mul(sum.values[2], shrunk);
        let (mut total, across) = (isa.mul(sum.total, shrunk), isa.splat(step(columns)));
        for y in band {
            let (mut row, mut middle) = (isa.zero(), isa.splat(first(columns)));
            for x in 0..columns {
                let at = cells.add((y * columns + x) * stride);
                let weight = power(isa, isa.fma(isa.load(at), isa.splat(LOG2_E), most));
                row = isa.add(row, weight);
                let place = isa.add(isa.load(at.add(job.points)), middle);
                middle = isa.add(middle, across);
                right = isa.fma(weight, place, right);
                below = isa.fma(weight, isa.load(at.add(2 * job.points)), below);
                error = isa.fma(weight, isa.load(at.add(3 * job.points)), error);
            }
            total = isa.add(total, row);
            below = isa.fma(row, isa.splat(first(rows) + y as i32 as f32 * step(rows)), below);
        }
        *sum = Sum { most, total, values: [right, below, error] };
    }
}

/// The largest of what some cells have first.
///
/// # Safety
/// As [`add`].
#[inline(always)]
unsafe fn largest<I: Isa>(isa: I, cells: *const f32, stride: usize, of: Range<usize>) -> I::V {
    let least = isa.splat(f32::MIN / 4.0);
    // Several, that none waits for the one before.
    let mut most = [least; 4];
    let mut cell = of.start;
    // SAFETY: by contract.
    unsafe {
        while cell + most.len() <= of.end {
            for k in 0..most.len() {
                most[k] = isa.max(most[k], isa.load(cells.add((cell + k) * stride)));
            }
            cell += most.len();
        }
        while cell < of.end {
            most[0] = isa.max(most[0], isa.load(cells.add(cell * stride)));
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

/// `2^x` for x up to 0, to five digits; next to nothing below -126; NaN for NaN.
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
