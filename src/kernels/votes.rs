//! What a map's cells make of points that all of them vote for: means by the softmax of weights.

use super::Kernels;
use super::isa::{Isa, ROUND};
use super::part::MOST_LANES;

/// Values of a vote besides its weight: two coordinates, and the logarithm of the expected error.
pub const VALUES: usize = 3;

/// What the voting kernel needs.
pub(super) struct Job {
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
    /// after the other, x, y and the logarithm; where a vote is not finite, a mean is not, either.
    ///
    /// # Panics
    /// If `cells` or `means` is too short, or there are fewer than 16 points.
    pub fn votes(&self, cells: &[f32], size: (usize, usize), points: usize, means: &mut [f32]) {
        assert!(cells.len() >= size.0 * size.1 * (1 + VALUES) * points && means.len() >= VALUES * points);
        assert!(points >= MOST_LANES);
        let job = Job { cells: cells.as_ptr(), size, points, means: means.as_mut_ptr() };
        // SAFETY: both lengths fit; a `Kernels` is only handed out on a CPU that has its instructions.
        unsafe { (self.votes)(&job) };
    }
}

/// # Safety
/// `cells` is readable for as many cells, `means` writable for all points.
#[inline(always)]
pub(super) unsafe fn votes<I: Isa>(isa: I, job: &Job) {
    let (rows, columns) = job.size;
    let cell = (1 + VALUES) * job.points;
    for p in (0..job.points).step_by(I::LANES) {
        // The last register overlaps the one before.
        let p = p.min(job.points - I::LANES);
        // SAFETY: by contract.
        unsafe {
            let from = job.cells.add(p);
            let mut most = isa.splat(f32::NEG_INFINITY);
            for i in 0..rows * columns {
                most = isa.max(most, isa.load(from.add(i * cell)));
            }
            let (mut total, mut sums) = (isa.zero(), [isa.zero(); VALUES]);
            for y in 0..rows {
                let down = isa.splat((y as i32 as f32 + 0.5) * 2.0 / rows as i32 as f32 - 1.0);
                for x in 0..columns {
                    let right = isa.splat((x as i32 as f32 + 0.5) * 2.0 / columns as i32 as f32 - 1.0);
                    let at = from.add((y * columns + x) * cell);
                    let weight = shrink(isa, isa.sub(isa.load(at), most));
                    total = isa.add(total, weight);
                    let centre = [right, down, isa.zero()];
                    for k in 0..VALUES {
                        let value = isa.load(at.add((1 + k) * job.points));
                        sums[k] = isa.fma(weight, isa.add(value, centre[k]), sums[k]);
                    }
                }
            }
            for k in 0..VALUES {
                isa.store(job.means.add(k * job.points + p), isa.div(sums[k], total));
            }
        }
    }
}

/// `e^x` for finite x up to 0, to about six digits; next to nothing below -87; NaN for what is not finite.
#[inline(always)]
fn shrink<I: Isa>(isa: I, x: I::V) -> I::V {
    // 2^t for t = n + f: n goes into the exponent, 2^f (|f| <= 1/2) is its Taylor polynomial.
    let least = isa.max(isa.splat(-126.0), isa.mul(x, isa.splat(std::f32::consts::LOG2_E)));
    let t = isa.fma(x, isa.zero(), least);
    let shifted = isa.add(t, isa.splat(ROUND));
    let f = isa.mul(isa.sub(t, isa.sub(shifted, isa.splat(ROUND))), isa.splat(std::f32::consts::LN_2));
    let mut sum = isa.splat(1.0 / 720.0);
    for divisor in [120.0, 24.0, 6.0, 2.0, 1.0, 1.0] {
        sum = isa.fma(sum, f, isa.splat(1.0 / divisor));
    }
    isa.mul(isa.power(shifted), sum)
}
