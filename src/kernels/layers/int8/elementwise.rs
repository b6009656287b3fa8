//! Elementwise int8 layers: quantisation, and dequantise-add-requantise with enlargement.

use super::epilogue::Into8;
use super::memory::narrow;
use crate::error::{Error, Result};
use crate::kernels::isa::int8::Ints;
use crate::kernels::layers::epilogue::Activation;
use crate::kernels::layers::pixels::Grid;
use crate::kernels::layers::quant::{Quant, Requantise, Storage};
use crate::kernels::layers::window::mismatch;
use crate::kernels::{Kernels, Map};

/// What rounding needs.
pub(crate) struct Quantising<'a> {
    layer: &'a Quantise,
    input: *const f32,
    output: *mut u8,
}

/// Quantises floats: `x / scale`, limited, rounded to the nearest, ties to even. A NaN becomes some number
/// within the limits.
#[derive(Debug)]
pub struct Quantise {
    kernels: &'static Kernels,
    from: Map,
    to: Map,
    requantise: Requantise,
}

/// # Safety
/// The maps of the layer lie inside the memory behind the pointers, rounded up to whole registers.
#[inline(always)]
pub(crate) unsafe fn quantise<I: Ints>(isa: I, job: &Quantising) {
    let Quantise { from, to, requantise, .. } = *job.layer;
    let (grid, out, registers) = (Grid::of(&from), Grid::of(&to), to.vectors(I::LANES));
    if narrow(&to) {
        let count = to.c * to.w;
        for y in 0..to.h {
            // SAFETY: the rows exist in both maps, without gaps, and have a register's values or more.
            unsafe {
                let (from, to) = (job.input.add(grid.offset(y, 0)), job.output.cast::<I::Item>().add(out.offset(y, 0)));
                let mut at = 0;
                while at + 4 * I::LANES <= count {
                    quantise_registers::<I, 4>(isa, &requantise, from.add(at), to.add(at));
                    at += 4 * I::LANES;
                }
                while at < count {
                    // The last ones overlap those before.
                    at = at.min(count - I::LANES);
                    quantise_registers::<I, 1>(isa, &requantise, from.add(at), to.add(at));
                    at += I::LANES;
                }
            }
        }
        return;
    }
    for y in 0..to.h {
        for x in 0..to.w {
            // SAFETY: pixel `(y, x)` exists in both maps.
            unsafe {
                let from = job.input.add(grid.offset(y, x));
                let to = job.output.cast::<I::Item>().add(out.offset(y, x));
                let (fours, ones) = (registers / 4, registers % 4);
                for r in (0..fours).map(|r| 4 * r) {
                    quantise_registers::<I, 4>(isa, &requantise, from.add(r * I::LANES), to.add(r * I::LANES));
                }
                for r in (0..ones).map(|r| 4 * fours + r) {
                    quantise_registers::<I, 1>(isa, &requantise, from.add(r * I::LANES), to.add(r * I::LANES));
                }
            }
        }
    }
}

/// Rounds `N` registers.
///
/// # Safety
/// They are readable at `from`, and writable at `to`.
#[inline(always)]
unsafe fn quantise_registers<I: Ints, const N: usize>(
    isa: I,
    requantise: &Requantise,
    from: *const f32,
    to: *mut I::Item,
) {
    let mut v = [isa.zero(); N];
    // SAFETY: the caller guarantees `N` registers at `from` and at `to`.
    unsafe {
        for j in 0..N {
            v[j] = isa.mul(isa.load(from.add(j * I::LANES)), isa.splat(requantise.factor));
        }
        isa.store_items(&requantise.limits, &v, to);
    }
}

fn wide(map: &Map, lanes: usize) -> bool {
    map.holds(lanes) && map.pitch >= map.vectors(lanes) * lanes
}

impl Quantise {
    /// A pass `from` a map of floats `to` one of integers; if `to` is a [narrow](Kernels::int8_narrow) map, the floats
    /// have no gaps either.
    ///
    /// # Errors
    /// If the sizes do not belong together.
    pub fn pack(kernels: &'static Kernels, from: Map, to: Map, quant: &Quant) -> Result<Self> {
        if (from.c, from.h, from.w) != (to.c, to.h, to.w) || to.values() == 0 || !quant.valid() {
            return Err(mismatch("rounding", &from, &to));
        }
        let rows = narrow(&to) && to.pitch == to.c && from.pitch == from.c && to.c * to.w >= kernels.lanes;
        if !rows && (!wide(&from, kernels.lanes) || !wide(&to, kernels.lanes)) {
            return Err(narrow_maps());
        }
        Ok(Self { kernels, from, to, requantise: Requantise::of(kernels, quant) })
    }

    /// Computes the layer. int8 memory is given as a slice of floats.
    ///
    /// # Panics
    /// If a slice is shorter than the map it was packed for.
    pub fn run(&self, input: &[f32], output: &mut [f32]) {
        // Rows without gaps are no more than their values.
        let lanes = if narrow(&self.to) { 1 } else { self.kernels.lanes };
        assert!(input.len() >= self.from.reach(lanes));
        assert!(output.len() >= self.kernels.int8_memory(self.to.reach(lanes)));
        let job = Quantising { layer: self, input: input.as_ptr(), output: output.as_mut_ptr().cast() };
        // SAFETY: input and output have the lengths that `pack` found, as asserted; the CPU has the instructions.
        unsafe { (self.kernels.int8.quantise)(&job) }
    }
}

fn narrow_maps() -> Error {
    Error::fatal("kernels", "the maps of an elementwise int8 layer are not wide enough for its registers")
}

/// One input of a [`AddRequantise`].
#[derive(Clone, Copy, Debug)]
struct Side {
    map: Map,
    /// What is stored for zero, negated.
    shift: i32,
    /// Units of the output per step.
    factor: f32,
}

/// What mixing needs.
pub(crate) struct AddRequantising<'a> {
    layer: &'a AddRequantise,
    input: *const u8,
    other: *const u8,
    output: *mut u8,
}

/// Dequantises one map, adds another and requantises the sum, or keeps it as floats; each pixel of the first is
/// repeated: `input * (scale / into) + other * (scale / into)`. Each product and the sum are rounded as floats,
/// limited, and, for integers, rounded to the nearest one, ties to even.
#[derive(Clone, Copy, Debug)]
pub struct AddRequantise {
    kernels: &'static Kernels,
    input: Side,
    other: Option<Side>,
    /// How often a pixel of the input is repeated, down and across.
    repeat: [usize; 2],
    to: Map,
    limits: (f32, f32),
    /// What is stored for zero; `None` for floats.
    zero: Option<i32>,
}

/// # Safety
/// The maps of the layer lie inside the memory behind the pointers, rounded up to whole registers.
#[inline(always)]
pub(crate) unsafe fn add_requantise<I: Ints>(isa: I, job: &AddRequantising) {
    // Copies that no store can change, so values derived from them stay in registers.
    let AddRequantise { input, other, repeat, to, limits, zero, .. } = *job.layer;
    let (lo, hi) = (isa.splat(limits.0), isa.splat(limits.1));
    let requantise = |s: &Side| (isa.i32_splat(s.shift), isa.splat(s.factor));
    let (first, second) = (requantise(&input), other.as_ref().map(requantise));
    let side = |(shift, factor): (I::S, I::V), p: *const u8, offset: usize| {
        // SAFETY: the offset is of a pixel of the map at `p`.
        let v = unsafe { isa.load_items(p.cast::<I::Item>().add(offset)) };
        isa.mul(isa.to_f32(isa.i32_add(v, shift)), factor)
    };
    let beside = other.map_or(Grid::default(), |o| Grid::of(&o.map));
    for y in 0..to.h {
        for from in 0..input.map.w {
            let (source, x) = (input.map.at(y / repeat[0], from), from * repeat[1]);
            for c in (0..to.vectors(I::LANES)).map(|r| r * I::LANES) {
                let a = side(first, job.input, source + c);
                for x in x..x + repeat[1] {
                    let mut v = a;
                    if let Some(second) = second {
                        v = isa.add(v, side(second, job.other, beside.offset(y, x) + c));
                    }
                    let (v, at) = (isa.min(hi, isa.max(lo, v)), to.at(y, x) + c);
                    // SAFETY: pixel `(y, x)` exists in the output.
                    unsafe {
                        match zero {
                            Some(zero) => {
                                let v = isa.i32_add(isa.round_to_i32(v), isa.i32_splat(zero));
                                isa.store_item(job.output.cast::<I::Item>().add(at), v);
                            }
                            None => isa.store(job.output.cast::<f32>().add(at), v),
                        }
                    }
                }
            }
        }
    }
}

impl AddRequantise {
    /// A pass over `input`, each pixel repeated `repeat` times down and across, and `other`, if any, of the size of
    /// `to`. The activation must be a limit.
    ///
    /// # Errors
    /// If the sizes do not belong together.
    pub fn pack(
        kernels: &'static Kernels,
        input: (Map, Quant),
        other: Option<(Map, Quant)>,
        repeat: [usize; 2],
        to: Map,
        act: &Activation,
        into: &Into8,
    ) -> Result<Self> {
        let (from, lanes) = (input.0, kernels.lanes);
        let enlarged = (from.c, from.h * repeat[0], from.w * repeat[1]) == (to.c, to.h, to.w) && !repeat.contains(&0);
        let same = other.is_none_or(|o| (o.0.c, o.0.h, o.0.w) == (to.c, to.h, to.w));
        if !enlarged || !same || to.values() == 0 {
            return Err(mismatch("elementwise int8 layer", &from, &to));
        }
        if ![Some(from), other.map(|o| o.0), Some(to)].iter().flatten().all(|m| wide(m, lanes)) {
            return Err(narrow_maps());
        }
        let (lo, hi) = match act {
            Activation::None => (f32::NEG_INFINITY, f32::INFINITY),
            Activation::Clamp { lo, hi } => (*lo, hi.max(*lo)),
            _ => return Err(Error::fatal("kernels", "an elementwise int8 layer takes no activation but a clamp")),
        };
        let item: Storage = kernels.int8.storage;
        let (step, limits, zero) = match into {
            Into8::Numbers(q) => (q.scale, q.limits(lo, hi), Some(item.zero(q))),
            Into8::Floats => (1.0, (lo, hi), None),
        };
        let side = |(map, q): (Map, Quant)| Side { map, shift: -item.zero(&q), factor: q.scale / step };
        Ok(Self { kernels, input: side(input), other: other.map(side), repeat, to, limits, zero })
    }

    /// Operations of one run, one per value.
    pub fn flops(&self) -> u64 {
        self.to.values() as u64
    }

    /// Computes the layer. int8 memory is given as a slice of floats.
    ///
    /// # Panics
    /// If a slice is shorter than the map it was packed for, or `other` is missing.
    pub fn run(&self, input: &[f32], other: Option<&[f32]>, output: &mut [f32]) {
        let (kernels, reach) = (self.kernels, |m: &Map| m.reach(self.kernels.lanes));
        let need = if self.zero.is_some() { kernels.int8_memory(reach(&self.to)) } else { reach(&self.to) };
        assert!(input.len() >= kernels.int8_memory(reach(&self.input.map)) && output.len() >= need);
        let other = match (other, &self.other) {
            (Some(o), Some(side)) => {
                assert!(o.len() >= kernels.int8_memory(reach(&side.map)));
                o.as_ptr().cast()
            }
            (None, None) => std::ptr::null(),
            _ => panic!("a second map is given exactly where the layer was packed with one"),
        };
        let job =
            AddRequantising { layer: self, input: input.as_ptr().cast(), other, output: output.as_mut_ptr().cast() };
        // SAFETY: the maps fit their memory, as asserted, and a `Kernels` is only handed out on a CPU that has its
        // instructions.
        unsafe { (kernels.int8.add_requantise)(&job) }
    }
}
