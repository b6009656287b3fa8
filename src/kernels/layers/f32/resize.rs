//! Linear interpolation between the pixels of a map.

use crate::error::{Error, Result};
use crate::kernels::isa::Isa;
use crate::kernels::layers::window::mismatch;
use crate::kernels::{Kernels, Map};

/// Position of an output row or column between two of the input: `part` of the way from `first` to `second`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Between {
    /// Index of the one.
    pub first: usize,
    /// Index of the other.
    pub second: usize,
    /// 0 to 1.
    pub part: f32,
}

/// What an interpolating kernel needs.
pub(crate) struct Job<'a> {
    pub resize: &'a Resize,
    pub input: *const f32,
    pub output: *mut f32,
}

/// A map resized by linear interpolation along rows and columns.
#[derive(Debug)]
pub struct Resize {
    kernels: &'static Kernels,
    rows: Vec<Between>,
    columns: Vec<Between>,
    from: Map,
    to: Map,
}

/// # Safety
/// The maps of `job.resize` lie inside the memory behind `input` and `output`, rounded up to whole registers.
#[inline(always)]
pub(crate) unsafe fn resize<I: Isa>(isa: I, job: &Job) {
    let r = job.resize;
    let between = |a, b, part| isa.fma(isa.sub(b, a), part, a);
    for (y, row) in r.rows.iter().enumerate() {
        let down = isa.splat(row.part);
        for (x, column) in r.columns.iter().enumerate() {
            let across = isa.splat(column.part);
            for c in (0..r.to.vectors(I::LANES)).map(|v| v * I::LANES) {
                // SAFETY: `pack` checked that the rows and columns exist in the input; pixel `(y, x)` does.
                unsafe {
                    let at = |y, x| isa.load(job.input.add(r.from.at(y, x) + c));
                    let above = between(at(row.first, column.first), at(row.first, column.second), across);
                    let below = between(at(row.second, column.first), at(row.second, column.second), across);
                    isa.store(job.output.add(r.to.at(y, x) + c), between(above, below, down));
                }
            }
        }
    }
}

impl Resize {
    /// Interpolation `from` -> `to`; `rows` and `columns` give the position of each output row and column.
    ///
    /// # Errors
    /// If the sizes do not belong together.
    pub fn pack(
        kernels: &'static Kernels,
        from: Map,
        to: Map,
        rows: Vec<Between>,
        columns: Vec<Between>,
    ) -> Result<Self> {
        let inside = |all: &[Between], size: usize| {
            all.iter().all(|b| b.first < size && b.second < size && (0.0..=1.0).contains(&b.part))
        };
        let same = from.c == to.c && (rows.len(), columns.len()) == (to.h, to.w) && to.values() > 0;
        if !same || !inside(&rows, from.h) || !inside(&columns, from.w) {
            return Err(mismatch("interpolation", &from, &to));
        }
        let lanes = kernels.lanes;
        if !from.holds(lanes) || !to.holds(lanes) {
            return Err(Error::fatal("kernels", "an interpolation's maps are not wide enough for its registers"));
        }
        Ok(Self { kernels, rows, columns, from, to })
    }

    /// Multiplications and additions of one run.
    pub fn flops(&self) -> u64 {
        9 * self.to.values() as u64
    }

    /// Computes the layer.
    ///
    /// # Panics
    /// If a slice is shorter than the map it was packed for.
    pub fn run(&self, input: &[f32], output: &mut [f32]) {
        let lanes = self.kernels.lanes;
        assert!(input.len() >= self.from.reach(lanes) && output.len() >= self.to.reach(lanes));
        let job = Job { resize: self, input: input.as_ptr(), output: output.as_mut_ptr() };
        // SAFETY: both lengths were just checked, and rows and columns by `pack`.
        unsafe { (self.kernels.resize)(&job) };
    }
}
