//! Value-by-value layers that could not be fused into another: scale and shift per channel, addition of
//! two maps, activation.

use crate::error::{Error, Result};
use crate::kernels::isa::Isa;
use crate::kernels::layers::epilogue::{Activation, Epilogue, PackedEpilogue};
use crate::kernels::layers::pixels::Grid;
use crate::kernels::layers::window::mismatch;
use crate::kernels::{Kernels, Map};

/// What a pointwise kernel needs.
pub(crate) struct Job<'a> {
    pub layer: &'a Elementwise,
    pub input: *const f32,
    pub residual: *const f32,
    pub output: *mut f32,
}

/// `act(scale * x + shift + residual)` per value.
#[derive(Debug)]
pub struct Elementwise {
    kernels: &'static Kernels,
    /// Per padded channel; empty means one.
    scale: Vec<f32>,
    epilogue: PackedEpilogue,
    from: Map,
    to: Map,
    residual: Option<Map>,
}

/// # Safety
/// The maps of `job.layer` lie inside the memory behind the pointers, rounded up to whole registers.
#[inline(always)]
pub(crate) unsafe fn elementwise<I: Isa>(isa: I, job: &Job) {
    let p = job.layer;
    let (from, to) = (Grid::of(&p.from), Grid::of(&p.to));
    let residual_grid = p.residual.as_ref().map(Grid::of).unwrap_or_default();
    for y in 0..p.to.h {
        for x in 0..p.to.w {
            for c in (0..p.to.vectors(I::LANES)).map(|r| r * I::LANES) {
                // SAFETY: pixel `(y, x)` exists in all maps; scale and bias are padded to whole registers.
                unsafe {
                    let v = isa.load(job.input.add(from.offset(y, x) + c));
                    let bias = isa.load(p.epilogue.bias.as_ptr().add(c));
                    let mut v = [[match p.scale.is_empty() {
                        true => isa.add(v, bias),
                        false => isa.fma(v, isa.load(p.scale.as_ptr().add(c)), bias),
                    }]];
                    if job.residual.is_null() {
                        p.epilogue.apply(isa, &mut v, (c, 0), None);
                    } else {
                        let residual = [[job.residual.add(residual_grid.offset(y, x) + c)]];
                        p.epilogue.apply(isa, &mut v, (c, 0), Some(&residual));
                    }
                    isa.store(job.output.add(to.offset(y, x) + c), v[0][0]);
                }
            }
        }
    }
}

impl Elementwise {
    /// A layer `from` -> `to` of one size. An empty `scale` means one; `after.bias` is the shift.
    ///
    /// # Errors
    /// If the sizes do not belong together.
    pub fn pack(kernels: &'static Kernels, from: Map, to: Map, scale: &[f32], after: Epilogue) -> Result<Self> {
        let same = |m: &Map| (m.c, m.h, m.w) == (to.c, to.h, to.w);
        let (residual, position) = after.residual.unzip();
        if !same(&from) || residual.is_some_and(|o| !same(&o)) || to.values() == 0 {
            return Err(mismatch("pointwise layer", &from, &to));
        }
        let lanes = kernels.lanes;
        if !from.holds(lanes) || !to.holds(lanes) || residual.is_some_and(|o| !o.holds(lanes)) {
            return Err(Error::fatal("kernels", "a pointwise layer's maps are not wide enough for its registers"));
        }
        let channels = to.vectors(lanes) * lanes;
        let mut scale = scale.to_vec();
        if !scale.is_empty() {
            scale.resize(channels, 0.0);
        }
        let epilogue = PackedEpilogue::new(&after.bias, after.activation, position.unwrap_or_default(), channels);
        Ok(Self { kernels, scale, epilogue, from, to, residual })
    }

    /// Operations of one run, one per value.
    pub fn flops(&self) -> u64 {
        self.to.values() as u64
    }

    /// Computes the layer.
    ///
    /// # Panics
    /// If a slice is shorter than the map it was packed for, or `residual` is missing.
    pub fn run(&self, input: &[f32], residual: Option<&[f32]>, output: &mut [f32]) {
        let lanes = self.kernels.lanes;
        assert!(input.len() >= self.from.reach(lanes) && output.len() >= self.to.reach(lanes));
        let residual = match (residual, self.residual) {
            (Some(o), Some(map)) => {
                assert!(o.len() >= map.reach(lanes));
                o.as_ptr()
            }
            (None, None) => std::ptr::null(),
            _ => panic!("a second map is given exactly where the layer was packed with one"),
        };
        let job = Job { layer: self, input: input.as_ptr(), residual, output: output.as_mut_ptr() };
        // SAFETY: input, output and residual have the lengths asserted above; the CPU has the instructions.
        unsafe { (self.kernels.elementwise)(&job) };
        if self.epilogue.activation == Activation::Sigmoid {
            for i in 0..self.to.h * self.to.w {
                for v in &mut output[self.to.at(i / self.to.w, i % self.to.w)..][..self.to.c] {
                    *v = Activation::Sigmoid.apply(*v, 0);
                }
            }
        }
    }
}
