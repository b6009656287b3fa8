//! Dense convolution of whole numbers.

use super::matrix::{DEPTH, Packed, Sweep};
use super::tile::{Finish, Limits, Store, Tiles, sweep};
use super::{Item, Quant};
use crate::error::{Error, Result};
use crate::kernels::conv::{Window, mismatch};
use crate::kernels::tile::{Grid, Grids, Panels, Walk};
use crate::kernels::{Act, Kernels, Map};

/// What an int8 convolution's sums become.
#[derive(Clone, Debug, PartialEq)]
pub enum Into8 {
    /// Whole numbers again.
    Numbers(Quant),
    /// Floats, in a map as float layers have it.
    Floats,
}

impl Into8 {
    /// What is stored, where from `scale` (the worth of a sum's step) and the limits of the activation.
    pub(super) fn finish(
        &self,
        kernels: &Kernels,
        layer: &Sums,
        act: &Act,
        zero_sums: impl Fn(usize) -> i32,
        channels: usize,
    ) -> Result<Finish> {
        let (lo, hi) = match act {
            Act::None => (f32::NEG_INFINITY, f32::INFINITY),
            Act::Clamp { lo, hi } => (*lo, *hi),
            _ => return Err(Error::fatal("kernels", "an int8 convolution only limits its results")),
        };
        let (step, (lo, hi), zero, store) = match self {
            Into8::Numbers(q) if q.valid() => (q.scale, q.limits(lo, hi), kernels.int8.item.zero(q), Store::Items),
            Into8::Numbers(_) => return Err(Error::fatal("kernels", "whole numbers without a scale or zero")),
            Into8::Floats => (1.0, (lo, hi.max(lo)), 0, Store::Floats),
        };
        let scale = |c: usize| layer.scale.get(c).map_or(0.0, |s| layer.from.scale * s / step);
        let bias = |c: usize| layer.bias.get(c).map_or(0, |b| b.wrapping_sub(zero_sums(c)));
        let scale: Vec<f32> = (0..channels).map(scale).collect();
        if scale.iter().any(|s| !s.is_finite()) {
            return Err(Error::fatal("kernels", "the scales of an int8 convolution are too far apart"));
        }
        Ok(Finish { bias: (0..channels).map(bias).collect(), scale, limits: Limits { lo, hi, zero }, store })
    }

    /// Whether `map` can take the results in registers of `lanes` channels.
    pub(super) fn fits(&self, map: &Map, lanes: usize) -> bool {
        map.holds(lanes) && map.pitch.is_multiple_of(lanes)
    }

    /// As [`Into8::fits`], in whole panels of which the last may end with the channels.
    fn fits_dense(&self, map: &Map, lanes: usize) -> bool {
        let snug = self == &Self::Floats && map.snug(lanes) && map.c >= 8 * lanes && map.dense_reach(lanes) <= map.len;
        snug || self.fits(map, lanes)
    }
}

/// The numbers of an int8 convolution.
#[derive(Clone, Debug)]
pub struct Sums<'a> {
    /// What the input's numbers stand for.
    pub from: Quant,
    /// `[outputs, inputs, rows, columns]`, from -127 to 127.
    pub weights: &'a [i8],
    /// The worth of a weight's step, per output.
    pub scale: &'a [f32],
    /// In steps of the sum, per output; from -2^30 to 2^30.
    pub bias: &'a [i32],
}

impl Sums<'_> {
    /// Sizes and ranges: no sum may leave 32 bits.
    pub(super) fn check(&self, inputs: usize, outputs: usize, taps: usize) -> Result<()> {
        let depth = inputs * taps;
        let sizes = self.weights.len() == outputs * depth && self.scale.len() == outputs && self.bias.len() == outputs;
        let ranges = self.from.valid()
            && !self.weights.contains(&i8::MIN)
            && self.scale.iter().all(|s| s.is_finite())
            && self.bias.iter().all(|b| b.unsigned_abs() <= 1 << 30)
            && depth <= (1 << 30) / (255 * 127);
        if sizes && ranges && depth > 0 {
            return Ok(());
        }
        Err(Error::fatal("kernels", "the weights of an int8 convolution do not fit its maps, or its sums 32 bits"))
    }
}

/// Packed weights, by what multiplies them.
#[derive(Debug)]
enum Weights {
    /// Runs and the groups of each.
    Panels {
        panels: Panels<u8>,
        runs: Vec<usize>,
        run: usize,
    },
    Matrix(Packed),
}

/// A dense convolution with packed weights.
#[derive(Debug)]
pub struct Conv8 {
    kernels: &'static Kernels,
    weights: Weights,
    finish: Finish,
    size: (usize, usize),
    grids: Grids,
    /// Floats of memory that make every access of `run` valid: input, output.
    need: [usize; 2],
    flops: u64,
}

/// Appends an item.
pub(super) fn push(item: Item, to: &mut Vec<u8>, value: i16) {
    match item {
        Item::Halves => to.extend(value.to_ne_bytes()),
        Item::Signed | Item::Unsigned => to.push(value as u8),
    }
}

/// Packs `weight(k, output)` for these `tiles` and `depth` groups of so many items each.
pub(super) fn pack(
    kernels: &Kernels,
    tiles: Tiles,
    (item, group): (Item, usize),
    depth: usize,
    outputs: (usize, bool),
    weight: impl Fn(usize, usize) -> i16,
) -> Panels<u8> {
    let least = tiles.iter().map(|t| t.0).min().unwrap_or(kernels.lanes);
    Panels::lay_to(kernels, least, depth, outputs, |to, k, c| {
        for k in k * group..(k + 1) * group {
            push(item, to, c.map_or(0, |c| weight(k, c)));
        }
    })
}

impl Conv8 {
    /// A convolution `from` -> `to` of maps as [`Kernels::int8_map`] makes them; with [`Into8::Floats`], `to` is a map
    /// of floats.
    ///
    /// # Errors
    /// If the sizes do not belong together.
    pub fn pack(
        kernels: &'static Kernels,
        (from, to): (Map, Map),
        window: Window,
        layer: &Sums,
        act: &Act,
        into: &Into8,
    ) -> Result<Self> {
        let ([kh, kw], group, lanes) = (window.size, kernels.int8.group, kernels.lanes);
        if !window.fits(&from, &to) || to.values() * from.values() == 0 {
            return Err(mismatch("int8 convolution", &from, &to));
        }
        layer.check(from.c, to.c, kh * kw)?;
        let corner = from.origin - window.before[0] * from.row - window.before[1] * from.pitch;
        let input = Grid { at: corner, row: window.stride[0] * from.row, pixel: window.stride[1] * from.pitch };
        // Taps of a row are one run where the channels leave no gap.
        let (runs, items): (Vec<_>, _) = if from.c == from.pitch {
            ((0..kh).map(|y| y * from.row).collect(), kw * from.c)
        } else {
            let taps = (0..kh * kw).map(|t| t / kw * from.row + t % kw * from.pitch);
            (taps.collect(), from.c.next_multiple_of(group))
        };
        let read = if kernels.int8.matrix.is_some() { items.next_multiple_of(DEPTH) } else { items };
        let need_in = input.spot(to.h - 1, to.w - 1) + runs.iter().max().map_or(0, |r| r + read);
        if need_in > from.len || !from.pitch.is_multiple_of(group) || !into.fits_dense(&to, lanes) {
            return Err(Error::fatal("kernels", "an int8 convolution's maps are not wide enough for its registers"));
        }
        let padded = items * runs.len() / (kh * kw);
        let weight = |k: usize, o: usize| {
            let (tap, c) = (k / padded, k % padded);
            if c < from.c { i16::from(layer.weights[(o * from.c + c) * kh * kw + tap]) } else { 0 }
        };
        let zero = kernels.int8.item.zero(&layer.from);
        let per_output = from.c * kh * kw;
        let zero_sums =
            |o: usize| layer.weights[o * per_output..][..per_output].iter().map(|w| i32::from(*w) * zero).sum::<i32>();
        let finish = into.finish(kernels, layer, act, zero_sums, to.vectors(lanes) * lanes)?;
        let reach = to.dense_reach(lanes);
        let need_out = if finish.store == Store::Items { kernels.int8_memory(reach) } else { reach };
        let grids = Grids { from: input, beside: None, to: Grid::of(&to) };
        let weights = match kernels.int8.matrix {
            Some(_) => Weights::Matrix(Packed::new(layer, (&from, &to), kh * kw, &runs, items)),
            None => {
                let outputs = (to.c, to.snug(lanes));
                let items_of = (kernels.int8.item, group);
                let panels = pack(kernels, kernels.int8.tiles, items_of, runs.len() * items / group, outputs, weight);
                Weights::Panels { panels, runs, run: items / group }
            }
        };
        Ok(Self {
            kernels,
            weights,
            finish,
            size: (to.h, to.w),
            grids,
            need: [kernels.int8_memory(need_in), need_out],
            flops: 2 * (per_output * to.values()) as u64,
        })
    }

    /// Multiplications and additions of one run.
    pub fn flops(&self) -> u64 {
        self.flops
    }

    /// Computes the layer. Memory of whole numbers is given as floats.
    ///
    /// # Panics
    /// If a slice is shorter than the map it was packed for.
    pub fn run(&self, input: &[f32], output: &mut [f32]) {
        assert!(input.len() >= self.need[0] && output.len() >= self.need[1]);
        let Self { finish, size, grids, .. } = self;
        let (input, output) = (input.as_ptr().cast(), output.as_mut_ptr().cast());
        // SAFETY: `need` bounds every spot of the grid, and was just checked; `finish` is padded to whole registers; a
        // `Kernels` is only handed out on a CPU that has its instructions.
        unsafe {
            match (&self.weights, self.kernels.int8.matrix) {
                (Weights::Matrix(packed), Some(multiply)) => {
                    multiply(&Sweep { packed, finish, input, output, grids: *grids, size: *size });
                }
                (Weights::Panels { panels, runs, run }, _) => {
                    let (mut walk, pixels) = (Walk::new(*grids, size.1), size.0 * size.1);
                    let tiles = self.kernels.int8.tiles;
                    sweep(panels, tiles, (&mut walk, pixels), (runs, *run), finish, (input, output));
                }
                (Weights::Matrix(_), None) => {}
            }
        }
    }
}
