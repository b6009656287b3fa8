//! Winograd's minimal filtering of integers, without rounding: the same bits as the direct convolution.
//!
//! The transforms' matrices hold fractions. Each row of the weights' matrix is multiplied to make it integer; the
//! results of the inverse transform are 4 (F(2x2)) or 576 (F(4x4)) times the sums. Numbers wrap around at 2^32, where
//! division by 9 is multiplication by its inverse; a power of two remains. So a result is exact if that multiple of it
//! fits, even if sums on the way overflow. Transformed inputs and weights always fit 16 bits, and pairs of them are
//! multiplied, whatever else the table stores.

mod filter;

use self::filter::Filter;
pub(crate) use self::filter::{Four, Two};
use super::epilogue::{Int8Epilogue, Into8, Store, scales};
use super::memory::narrow;
use super::pack::{Group, pack};
use super::tile::{Sweep, Tiles, sweep};
use super::weights::Sums;
use crate::error::{Error, Result};
use crate::kernels::isa::int8::{Int16, Limits};
use crate::kernels::layers::border::Runs;
use crate::kernels::layers::epilogue::Activation;
use crate::kernels::layers::f32::winograd::{Tile, Winograd};
use crate::kernels::layers::panels::{Outputs, Panels};
use crate::kernels::layers::pixels::{Grid, Grids, Walk};
use crate::kernels::layers::quant::Storage;
use crate::kernels::layers::window::{Window, mismatch};
use crate::kernels::{Kernels, Map};

/// Most points that are transformed before their products are taken, so that both stay in the caches.
const BLOCK: usize = 36 * 36;

/// The transforms of an instruction set, for [`Tile::Two`] and [`Tile::Four`].
#[derive(Clone, Copy)]
pub(crate) struct Table {
    pub input_transforms: [unsafe fn(&InputTransform); 2],
    pub output_transforms: [unsafe fn(&OutputTransform); 2],
    /// Products of pairs of 16-bit numbers.
    pub tiles: Tiles,
    /// Numbers in a register of 16-bit ones.
    pub i16_lanes: usize,
    /// Costs of a tile's input and output transforms, in units of one register's product and sum.
    pub costs: [(usize, usize); 2],
}

/// Summands of a product of 16-bit numbers.
const PAIR: usize = 2;

/// One tile of the input to its points. Offsets count items.
pub(crate) struct InputTransform {
    /// Items.
    pub input: *const u8,
    /// What is stored for zero.
    pub zero: i16,
    pub row: usize,
    pub pixel: usize,
    /// Registers of channels.
    pub registers: usize,
    pub points: *mut i16,
    /// From one point to the next.
    pub stride: usize,
}

/// The points to one tile of the output.
pub(crate) struct OutputTransform<'a> {
    pub points: *const i32,
    /// Sums from one point to the next.
    pub stride: usize,
    /// Registers of channels.
    pub registers: usize,
    pub epilogue: &'a Int8Epilogue,
    /// Items or floats, as the epilogue says.
    pub output: *mut u8,
    pub to: Grid,
    /// Rows and columns of the tile that exist.
    pub size: (usize, usize),
}

/// # Safety
/// The `SIDE` x `SIDE` pixels at `input` are readable and as many points writable, for `registers` registers each.
#[inline(always)]
pub(crate) unsafe fn input_transform<I: Int16, F: Filter<SIDE, OUT>, const SIDE: usize, const OUT: usize>(
    isa: I,
    t: &InputTransform,
) {
    // Before the loop: cleared once.
    let (mut lines, zero) = ([[isa.i16_splat(0); SIDE]; SIDE], isa.i16_splat(t.zero));
    let input = t.input.cast::<I::Item>();
    for c in (0..t.registers).map(|r| r * I::I16_LANES) {
        for y in 0..SIDE {
            let mut d = [isa.i16_splat(0); SIDE];
            for x in 0..SIDE {
                // SAFETY: pixel `(y, x)` of the tile.
                d[x] = unsafe { isa.i16_load(input.add(y * t.row + x * t.pixel + c), zero) };
            }
            lines[y] = F::input(isa, d);
        }
        for x in 0..SIDE {
            let mut column = [isa.i16_splat(0); SIDE];
            for y in 0..SIDE {
                column[y] = lines[y][x];
            }
            let column = F::input(isa, column);
            for y in 0..SIDE {
                // SAFETY: point `y * SIDE + x`.
                unsafe { isa.i16_store(t.points.add((y * SIDE + x) * t.stride + c), column[y]) };
            }
        }
    }
}

/// # Safety
/// `SIDE` x `SIDE` points are readable for `registers` registers each; the `size` pixels at `output` are writable, and
/// `epilogue` is padded to as many channels.
#[inline(always)]
pub(crate) unsafe fn output_transform<I: Int16, F: Filter<SIDE, OUT>, const SIDE: usize, const OUT: usize>(
    isa: I,
    t: &OutputTransform,
) {
    // Before the loop: cleared once.
    let mut lines = [[isa.i32_splat(0); SIDE]; OUT];
    for c in (0..t.registers).map(|r| r * I::LANES) {
        for x in 0..SIDE {
            let mut d = [isa.i32_splat(0); SIDE];
            for y in 0..SIDE {
                // SAFETY: point `y * SIDE + x`.
                d[y] = unsafe { isa.i32_load(t.points.add((y * SIDE + x) * t.stride + c)) };
            }
            let column = F::output(isa, d);
            for y in 0..OUT {
                lines[y][x] = column[y];
            }
        }
        // SAFETY: `epilogue` has a bias and a scale for every padded channel.
        let (bias, [scale]) = unsafe { (isa.i32_load(t.epilogue.bias.as_ptr().add(c)), scales(isa, t.epilogue, c)) };
        let (limits, (rows, columns)) = (t.epilogue.limits, t.size);
        // Checked once for all pixels of a tile.
        let whole = (rows, columns) == (OUT, OUT);
        let value = |v: I::S| isa.mul(isa.to_f32(isa.i32_add(F::divide(isa, v), bias)), scale);
        for y in 0..OUT {
            let line = F::output(isa, lines[y]);
            let at = t.to.offset(y, 0) + c;
            // SAFETY: only pixels that exist are written.
            unsafe {
                if t.epilogue.store != Store::Floats && whole {
                    let to = t.output.cast::<I::Item>().add(at);
                    for x in 0..OUT {
                        isa.store_items(&limits, &[value(line[x])], to.add(x * t.to.pixel));
                    }
                } else {
                    for x in 0..if y < rows { columns.min(OUT) } else { 0 } {
                        let (at, v) = (at + x * t.to.pixel, value(line[x]));
                        match t.epilogue.store {
                            Store::Floats => isa.store(t.output.cast::<f32>().add(at), limits.limit(isa, v)),
                            _ => isa.store_items(&limits, &[v], t.output.cast::<I::Item>().add(at)),
                        }
                    }
                }
            }
        }
    }
}

/// A stride-1 3x3 int8 convolution with weights in the transformed domain.
#[derive(Debug)]
pub struct Winograd8 {
    kernels: &'static Kernels,
    tile: Tile,
    points: Vec<Panels<u8>>,
    epilogue: Int8Epilogue,
    /// Stores the products unchanged, until they are transformed back.
    plain: Int8Epilogue,
    from: Map,
    to: Map,
    /// What is stored for zero of the input.
    zero: i16,
    /// 16-bit numbers of a point's channels.
    wide: usize,
    /// Pairs of a point's channels.
    run: usize,
    block: usize,
    flops: u64,
}

/// What a sum is multiplied by before the last shift, as a power of two.
fn headroom(tile: Tile) -> u32 {
    match tile {
        Tile::Two => 2,
        Tile::Four => 6,
    }
}

fn points(tile: Tile) -> usize {
    (tile.outputs() + 2).pow(2)
}

impl Winograd8 {
    /// The tile with which the method beats the direct kernel for this layer, if any.
    pub fn tile(kernels: &Kernels, window: Window, (from, to): (&Map, &Map), weights: &[i8]) -> Option<Tile> {
        let same = window == Winograd::WINDOW && from.border == 1 && (from.h, from.w) == (to.h, to.w);
        let same = same && !narrow(from);
        let table = kernels.int8.winograd.as_ref().filter(|_| same)?;
        /// Cost of starting and ending a tile's sums, in units of one register's product and sum.
        const START: usize = 40;
        /// Reading a register of weights from beyond the first-level cache, or beyond the second if a layer has more of
        /// them than it holds.
        const WEIGHT: [usize; 2] = [1, 3];
        /// Weights that a second-level cache holds.
        const HELD: usize = 1 << 19;
        let co = to.vectors(kernels.lanes);
        let weight = |taps: usize| WEIGHT[usize::from(taps * from.c * to.c > HELD)];
        let sums = |pixels: usize, depth: usize, weight: usize| {
            pixels * depth * co + pixels.div_ceil(6) * co.div_ceil(2) * START + depth * co * weight
        };
        let cost = |tile: Tile| {
            let tiles = to.h.div_ceil(tile.outputs()) * to.w.div_ceil(tile.outputs());
            let (spread, gather) = table.costs[tile as usize];
            let sums = sums(tiles, from.c.div_ceil(PAIR), weight(points(tile)));
            points(tile) * sums + tiles * (spread * from.c.div_ceil(table.i16_lanes) + gather * co)
        };
        let fits = [Tile::Two, Tile::Four].into_iter().filter(|t| holds(weights, from.c, headroom(*t)));
        let best = fits.min_by_key(|t| cost(*t))?;
        let direct = sums(to.h * to.w, 9 * from.c.div_ceil(kernels.int8.group), weight(9));
        (cost(best) * 110 < direct * 100).then_some(best)
    }

    /// A convolution `from` -> `to` of one size.
    ///
    /// # Errors
    /// If the sizes do not belong together, the sums could be too large for the tile, or these kernels lack the method.
    pub fn pack(
        kernels: &'static Kernels,
        tile: Tile,
        (from, to): (Map, Map),
        layer: &Sums,
        act: &Activation,
        into: &Into8,
    ) -> Result<Self> {
        let Some(table) = &kernels.int8.winograd else {
            return Err(Error::fatal("kernels", "no int8 Winograd on this CPU"));
        };
        let same = (from.h, from.w) == (to.h, to.w) && from.border == 1 && from.values() * to.values() > 0;
        if !same {
            return Err(mismatch("int8 Winograd convolution", &from, &to));
        }
        layer.check(from.c, to.c, 9)?;
        let (rows, columns) = (to.h.div_ceil(tile.outputs()), to.w.div_ceil(tile.outputs()));
        let wide = from.c.next_multiple_of(table.i16_lanes);
        let corner = from.origin - from.row - from.pitch;
        let last = corner + (rows * tile.outputs() + 1) * from.row + (columns * tile.outputs() + 1) * from.pitch;
        if last + wide > from.len || wide > from.pitch || !into.fits(&to, kernels.lanes) {
            return Err(Error::fatal("kernels", "an int8 Winograd layer's maps are not wide enough for its tiles"));
        }
        if !holds(layer.weights, from.c, headroom(tile)) {
            return Err(Error::fatal("kernels", "an int8 Winograd layer's sums could be too large for its tile"));
        }
        let transformed = match tile {
            Tile::Two => transform::<Two, 4, 2>(layer.weights),
            Tile::Four => transform::<Four, 6, 4>(layer.weights),
        };
        let count = rows * columns;
        let block = count.div_ceil(count.div_ceil(BLOCK / points(tile)));
        let (run, outputs) = (from.c.div_ceil(PAIR), Outputs { count: to.c, unpadded: false });
        let panels = (0..points(tile)).map(|p| {
            let weight = |k: usize, o: usize| match k < from.c {
                true => transformed[(o * from.c + k) * points(tile) + p],
                false => 0,
            };
            pack(kernels, table.tiles, Group { storage: Storage::I16, items: PAIR }, run, outputs, weight)
        });
        let channels = to.vectors(kernels.lanes) * kernels.lanes;
        let limits = Limits { lo: 0.0, hi: 0.0, zero: 0 };
        let plain = Int8Epilogue { bias: vec![0; channels], scale: vec![], limits, store: Store::Sums };
        Ok(Self {
            kernels,
            tile,
            points: panels.collect(),
            epilogue: into.epilogue(kernels, layer, act, |_| 0, channels)?,
            plain,
            from,
            to,
            zero: kernels.int8.storage.zero(&layer.from) as i16,
            wide,
            run,
            block,
            flops: 18 * (from.c * to.values()) as u64,
        })
    }

    /// Multiplications and additions of the convolution as defined, not as computed.
    pub fn flops(&self) -> u64 {
        self.flops
    }

    /// Floats of scratch memory for the points' inputs, and for their sums.
    fn scratch_parts(&self) -> (usize, usize) {
        let points = self.points.len() * self.block;
        ((points * self.wide * size_of::<i16>()).div_ceil(size_of::<f32>()), points * self.plain.bias.len())
    }

    /// Floats of scratch memory that [`Winograd8::run`] needs.
    pub fn scratch(&self) -> usize {
        let (inputs, sums) = self.scratch_parts();
        inputs + sums
    }

    /// Computes the layer; the contents of `scratch` do not matter. int8 memory is given as a slice of floats.
    ///
    /// # Panics
    /// If a slice is shorter than the map it was packed for.
    pub fn run(&self, input: &[f32], output: &mut [f32], scratch: &mut [f32]) {
        let Some(table) = &self.kernels.int8.winograd else { return };
        let (kernels, side) = (self.kernels, self.tile.outputs());
        let reach = self.to.reach(kernels.lanes);
        let need = if self.epilogue.store == Store::Items { kernels.int8_memory(reach) } else { reach };
        assert!(input.len() >= kernels.int8_memory(self.from.len) && output.len() >= need);
        assert!(scratch.len() >= self.scratch());
        let (inputs, sums) = scratch.split_at_mut(self.scratch_parts().0);
        let (rows, columns) = (self.to.h.div_ceil(side), self.to.w.div_ceil(side));
        let (to_points, from_points) =
            (table.input_transforms[self.tile as usize], table.output_transforms[self.tile as usize]);
        let corner = self.from.origin - self.from.row - self.from.pitch;
        let co = self.plain.bias.len();
        for first in (0..rows * columns).step_by(self.block) {
            let count = self.block.min(rows * columns - first);
            for t in 0..count {
                let (y, x) = ((first + t) / columns * side, (first + t) % columns * side);
                let offset = corner + y * self.from.row + x * self.from.pitch;
                // SAFETY: `pack` checked that the last tile's pixels are inside the map; `inputs` holds the points of
                // `block` tiles; the CPU has the instructions of these `kernels`.
                unsafe {
                    to_points(&InputTransform {
                        input: input.as_ptr().cast::<u8>().add(offset * kernels.int8.storage.bytes()),
                        zero: self.zero,
                        row: self.from.row,
                        pixel: self.from.pitch,
                        registers: self.wide / table.i16_lanes,
                        points: inputs.as_mut_ptr().cast::<i16>().add(t * self.wide),
                        stride: count * self.wide,
                    });
                }
            }
            self.multiply(table.tiles, count, inputs, sums);
            for t in 0..count {
                let (y, x) = ((first + t) / columns * side, (first + t) % columns * side);
                let grid = Grid::of(&self.to);
                // SAFETY: `sums` holds the products of `block` tiles, and the CPU has the instructions; `size` keeps
                // the pixels inside the output map.
                unsafe {
                    from_points(&OutputTransform {
                        points: sums.as_ptr().cast::<i32>().add(t * co),
                        stride: count * co,
                        registers: co / kernels.lanes,
                        epilogue: &self.epilogue,
                        output: output.as_mut_ptr().cast(),
                        to: Grid { at: grid.offset(y, x), ..grid },
                        size: (side.min(self.to.h - y), side.min(self.to.w - x)),
                    });
                }
            }
        }
    }

    /// The products of `count` tiles, point by point.
    fn multiply(&self, tiles: Tiles, count: usize, inputs: &[f32], sums: &mut [f32]) {
        let co = self.plain.bias.len();
        let grid = |pixel: usize| Grid { at: 0, row: 0, pixel };
        let mut walk = Walk::new(Grids { from: grid(self.wide), residual: None, to: grid(co) }, count);
        let (mut input, mut output) = (inputs.as_ptr().cast::<i16>(), sums.as_mut_ptr().cast::<i32>());
        for panels in &self.points {
            // SAFETY: each point has `count` pixels of all registers in both, and the panels were packed for `run`
            // pairs, which are no more than `wide` numbers.
            unsafe {
                let (input_bytes, output_bytes) = (input.cast(), output.cast());
                let pixels = Sweep {
                    walk: &mut walk,
                    pixels: count,
                    runs: Runs::one(self.run),
                    epilogue: &self.plain,
                    input: input_bytes,
                    output: output_bytes,
                };
                sweep(panels, tiles, pixels);
                (input, output) = (input.add(count * self.wide), output.add(count * co));
            }
        }
    }
}

/// Whether no sum over `inputs` channels, times 2^`headroom`, can exceed 32 bits.
fn holds(weights: &[i8], inputs: usize, headroom: u32) -> bool {
    let size = |w: &[i8]| w.iter().map(|w| u64::from(w.unsigned_abs())).sum::<u64>() * 255;
    weights.chunks(inputs * 9).all(|w| size(w) < 1 << (31 - headroom))
}

/// `[outputs * inputs][points]` out of `[outputs * inputs][3][3]`.
fn transform<F: Filter<SIDE, OUT>, const SIDE: usize, const OUT: usize>(weights: &[i8]) -> Vec<i16> {
    let mut transformed = Vec::with_capacity(weights.len() / 9 * SIDE * SIDE);
    for taps in weights.as_chunks::<9>().0 {
        for p in 0..SIDE * SIDE {
            let (u, v) = (&F::G[p / SIDE], &F::G[p % SIDE]);
            let sum: i32 = (0..9).map(|t| u[t / 3] * v[t % 3] * i32::from(taps[t])).sum();
            transformed.push(sum as i16);
        }
    }
    transformed
}
