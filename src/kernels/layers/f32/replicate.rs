//! Nearest-neighbour enlargement and copies.

use crate::error::{Error, Result};
use crate::kernels::isa::Isa;
use crate::kernels::layers::epilogue::{Activation, Epilogue, PackedEpilogue};
use crate::kernels::layers::pixels::Grid;
use crate::kernels::layers::window::mismatch;
use crate::kernels::{Kernels, Map};

/// Nearest-neighbour enlargement by whole factors, or a plain copy; a residual may be added.
#[derive(Debug)]
pub struct Replicate {
    kernels: &'static Kernels,
    factor: [usize; 2],
    from: Map,
    to: Map,
    /// Bias, activation and residual, unless the values stay unchanged.
    after: Option<(PackedEpilogue, Option<Map>)>,
}

/// What a replicating kernel needs.
pub(crate) struct Job<'a> {
    pub replicate: &'a Replicate,
    pub input: *const f32,
    pub residual: *const f32,
    pub output: *mut f32,
}

/// `F` neighbouring outputs of one row that show the value `v`.
///
/// # Safety
/// The `F` pixels from `(y, x)` on exist in the output and, if there is one, the residual.
#[inline(always)]
unsafe fn copies<I: Isa, const F: usize>(isa: I, job: &Job, v: I::V, c: usize, (y, x): (usize, usize)) {
    let r = job.replicate;
    let to = Grid::of(&r.to);
    let mut out = [[v]; F];
    // SAFETY: the caller guarantees the pixels; the bias is padded to full registers.
    unsafe {
        if let Some((epilogue, residual)) = &r.after {
            let bias = isa.load(epilogue.bias.as_ptr().add(c));
            for i in 0..F {
                out[i][0] = isa.add(v, bias);
            }
            match residual {
                None => epilogue.apply(isa, &mut out, (c, 0), None),
                Some(map) => {
                    let residual_grid = Grid::of(map);
                    let mut residuals = [[job.residual]; F];
                    for i in 0..F {
                        residuals[i][0] = job.residual.add(residual_grid.offset(y, x + i) + c);
                    }
                    epilogue.apply(isa, &mut out, (c, 0), Some(&residuals));
                }
            }
        }
        for i in 0..F {
            isa.store(job.output.add(to.offset(y, x + i) + c), out[i][0]);
        }
    }
}

/// # Safety
/// The maps lie inside the memory behind the pointers, rounded up to whole registers.
#[inline(always)]
pub(crate) unsafe fn replicate<I: Isa>(isa: I, job: &Job) {
    let r = job.replicate;
    let from = Grid::of(&r.from);
    for yy in 0..r.to.h {
        let y = yy / r.factor[0];
        for x in 0..r.from.w {
            for c in (0..r.from.vectors(I::LANES)).map(|v| v * I::LANES) {
                // SAFETY: pixel `(y, x)` and its copies exist.
                unsafe {
                    let v = isa.load(job.input.add(from.offset(y, x) + c));
                    if r.factor[1] == 2 {
                        copies::<I, 2>(isa, job, v, c, (yy, 2 * x));
                    } else {
                        for xx in x * r.factor[1]..(x + 1) * r.factor[1] {
                            copies::<I, 1>(isa, job, v, c, (yy, xx));
                        }
                    }
                }
            }
        }
    }
}

impl Replicate {
    /// Enlarges `from` by `factor` (rows, columns) into `to`. Channels beyond those of `to` are untouched if nothing is
    /// applied after, else those in its last register may change.
    ///
    /// # Errors
    /// If the sizes do not belong together.
    pub fn pack(kernels: &'static Kernels, from: Map, to: Map, factor: [usize; 2], after: Epilogue) -> Result<Self> {
        if from.c != to.c || from.h * factor[0] != to.h || from.w * factor[1] != to.w || to.values() == 0 {
            return Err(mismatch("replication", &from, &to));
        }
        let lanes = kernels.lanes;
        let same = after.bias.is_empty() && after.activation == Activation::None && after.residual.is_none();
        let (residual, position) = after.residual.unzip();
        if residual.is_some_and(|o: Map| (o.c, o.h, o.w) != (to.c, to.h, to.w)) {
            return Err(mismatch("replication", &from, &to));
        }
        let wide = from.holds(lanes) && to.holds(lanes) && residual.is_none_or(|o| o.holds(lanes));
        if !same && !(wide && after.activation.fuses()) {
            return Err(Error::fatal("kernels", "a replication's maps are not wide enough for its registers"));
        }
        let channels = to.vectors(lanes) * lanes;
        let epilogue = PackedEpilogue::new(&after.bias, after.activation, position.unwrap_or_default(), channels);
        Ok(Self { kernels, factor, from, to, after: (!same).then_some((epilogue, residual)) })
    }

    /// Operations of one run: additions of a residual.
    pub fn flops(&self) -> u64 {
        if self.after.is_some() { self.to.values() as u64 } else { 0 }
    }

    /// Copies the values.
    ///
    /// # Panics
    /// If a slice is shorter than the map it was packed for, or `residual` is missing.
    pub fn run(&self, input: &[f32], residual: Option<&[f32]>, output: &mut [f32]) {
        let lanes = self.kernels.lanes;
        let residual = match (residual, self.after.as_ref().and_then(|a| a.1)) {
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
            let job = Job { replicate: self, input: input.as_ptr(), residual, output: output.as_mut_ptr() };
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
