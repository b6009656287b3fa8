//! Bilinear samples on an axis-aligned lattice: rows are blended first, then columns of the result, so that an
//! output pixel costs one reading of neighbours per column of its samples instead of one per sample.

use super::{Job, KNOWN, Lattice, Picture};
use crate::kernels::isa::Counts;
use crate::kernels::isa::tail::{MOST_LANES, load_at, load_u16_some, registers, store_at, store_some};

/// Output columns that are made together.
const STRIP: usize = 64;
/// Most samples per side of an output pixel.
const MOST_FINE: usize = 6;
/// Most columns and rows of the picture per output pixel.
const MOST_STEP: f32 = 7.0;
/// Columns of the picture that a strip may need, rounded up to registers.
const SPAN: usize = STRIP * MOST_STEP as usize + 2 * MOST_LANES;
/// Rows of the picture that an output row may need.
const ROWS: usize = MOST_STEP as usize + 3;

/// Whether this kernel applies: columns and rows of the picture rise with those of the output, in steps that fit.
pub(crate) fn fits(picture: &Picture, lattice: &Lattice) -> bool {
    let [step, turn] = lattice.across;
    // False for NaN. In wider pictures single precision does not say exactly which columns a strip needs.
    let sized = picture.width.max(picture.height) <= KNOWN;
    sized && turn == 0.0 && step > 0.0 && step <= MOST_STEP && (1..=MOST_FINE).contains(&lattice.fine)
}

/// Positions of the samples of a strip of columns. The arrays begin at cache lines, so that no register straddles two.
#[repr(C, align(64))]
struct Columns {
    /// For each sample of each output column: the picture column to its left, counted from `first`.
    left: [[u32; STRIP]; MOST_FINE],
    /// Distance to the right of that column.
    across: [[f32; STRIP]; MOST_FINE],
    /// The first column that is needed, and how many.
    first: usize,
    count: usize,
}

/// Shares of the picture's rows in an output row, from `first` on.
struct Rows {
    first: usize,
    count: usize,
    shares: [f32; ROWS],
}

/// Position of sample `number` of those along one side of the output, and the column or row before it.
fn place(lattice: &Lattice, axis: usize, number: usize, samples: usize, size: usize) -> (f32, f32) {
    let step = 1.0 / lattice.fine as f32;
    let from_middle = (number as f32 + 0.5) * step - samples as f32 * step / 2.0;
    let last = (size - 1) as f32;
    // `max` before `min`: NaN becomes 0.
    let at = (lattice.centre[axis] + lattice.across[0] * from_middle - 0.5).max(0.0).min(last);
    (at, at.floor().min(last - 1.0))
}

impl Rows {
    /// For output row `i` of `height`; the shares add up to the mean of all its samples.
    fn new(picture: &Picture, lattice: &Lattice, i: usize, height: usize) -> Self {
        let k = lattice.fine;
        let share = 1.0 / (k * k) as f32;
        let (_, first) = place(lattice, 1, i * k, height * k, picture.height);
        let mut rows = Self { first: first as usize, count: 2, shares: [0.0; ROWS] };
        for b in i * k..(i + 1) * k {
            let (y, top) = place(lattice, 1, b, height * k, picture.height);
            let row = (top as usize - rows.first).min(ROWS - 2);
            rows.shares[row] += (1.0 - (y - top)) * share;
            rows.shares[row + 1] += (y - top) * share;
            rows.count = rows.count.max(row + 2);
        }
        rows
    }
}

/// Bilinear samples on an axis-aligned lattice.
///
/// # Safety
/// The picture has two rows and columns at least, and it [`fits`] the lattice; `out` has `height` rows of `width`.
#[inline(always)]
pub(crate) unsafe fn sample<I: Counts>(isa: I, job: Job) {
    let Job { picture, lattice, out, width, height } = job;
    let mut columns = Columns { first: 0, count: 0, left: [[0; STRIP]; MOST_FINE], across: [[0.0; STRIP]; MOST_FINE] };
    let mut mixed = [0.0; SPAN];
    for j in (0..width).step_by(STRIP) {
        let count = STRIP.min(width - j);
        columns.place(picture, lattice, j, count, width);
        for i in 0..height {
            let rows = Rows::new(picture, lattice, i, height);
            // SAFETY: rows and columns are those of the picture; no more than the output's row holds is written.
            unsafe {
                blend_rows(isa, picture, &rows, &columns, &mut mixed);
                registers!(count, |x, left| {
                    let mut sum = isa.zero();
                    for a in 0..lattice.fine {
                        let [left, right] = isa.gather_pairs(mixed.as_ptr(), SPAN, columns.left[a].as_ptr().add(x));
                        let part = load_at(isa, &columns.across[a], x);
                        sum = isa.add(sum, isa.fma(isa.sub(right, left), part, left));
                    }
                    store_some(isa, out, i * width + j + x, sum, left);
                });
            }
        }
    }
}

impl Columns {
    /// For `count` output columns of `width`, from `j` on.
    fn place(&mut self, picture: &Picture, lattice: &Lattice, j: usize, count: usize, width: usize) {
        let k = lattice.fine;
        let (_, first) = place(lattice, 0, j * k, width * k, picture.width);
        self.first = first as usize;
        self.count = 2;
        for x in 0..count {
            for a in 0..k {
                let (at, left) = place(lattice, 0, (j + x) * k + a, width * k, picture.width);
                let column = (left as usize - self.first).min(SPAN - 2);
                self.left[a][x] = column as u32;
                self.across[a][x] = at - left;
                self.count = self.count.max(column + 2);
            }
        }
    }
}

/// Sums of the rows' shares, in the columns that are needed.
///
/// # Safety
/// Rows and columns are those of the picture.
#[inline(always)]
unsafe fn blend_rows<I: Counts>(isa: I, picture: &Picture, rows: &Rows, columns: &Columns, mixed: &mut [f32; SPAN]) {
    for x in (0..columns.count).step_by(I::LANES) {
        let mut sum = isa.zero();
        let left = picture.width - (columns.first + x);
        // SAFETY: no more counts are read than the row has left; `mixed` holds a strip, rounded up to registers.
        unsafe {
            for (r, share) in rows.shares[..rows.count].iter().enumerate() {
                let at = (rows.first + r) * picture.width + columns.first + x;
                sum = isa.fma(load_u16_some(isa, picture.pixels, at, left), isa.splat(*share), sum);
            }
            store_at(isa, mixed, x, sum);
        }
    }
}
