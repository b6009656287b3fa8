//! Winograd's minimal filtering for stride-1 3x3 convolutions: fewer products, between two transforms.

mod filter;

use self::filter::Filter;
pub(crate) use self::filter::{Four, Two};
use super::tile::Sweep;
use crate::error::{Error, Result};
use crate::kernels::isa::Isa;
use crate::kernels::layers::border::Runs;
use crate::kernels::layers::epilogue::{Epilogue, PackedEpilogue};
use crate::kernels::layers::panels::{Outputs, Panels};
use crate::kernels::layers::pixels::{Grid, Grids, Walk};
use crate::kernels::layers::window::{Window, mismatch};
use crate::kernels::{Kernels, Map};

/// Most points that are transformed before their products are taken, so that both stay in the second-level
/// cache: 24 tiles of 36.
const BLOCK: usize = 24 * 36;

/// One tile of the input to its points.
pub(crate) struct InputTransform {
    pub input: *const f32,
    pub row: usize,
    pub pixel: usize,
    /// Registers of channels.
    pub registers: usize,
    pub points: *mut f32,
    /// Floats from one point to the next.
    pub stride: usize,
}

/// The points to one tile of the output.
pub(crate) struct OutputTransform<'a> {
    pub points: *const f32,
    /// Floats from one point to the next.
    pub stride: usize,
    /// Registers of channels.
    pub registers: usize,
    pub epilogue: &'a PackedEpilogue,
    pub output: *mut f32,
    pub to: Grid,
    /// The residual, or null.
    pub residual: *const f32,
    pub residual_grid: Grid,
    /// Rows and columns of the tile that exist.
    pub size: (usize, usize),
}

/// # Safety
/// The `SIDE` x `SIDE` pixels at `input` are readable and as many points writable, for `registers` registers each.
#[inline(always)]
pub(crate) unsafe fn input_transform<I: Isa, F: Filter<SIDE, OUT>, const SIDE: usize, const OUT: usize>(
    isa: I,
    t: &InputTransform,
) {
    for register in 0..t.registers {
        let c = register * I::LANES;
        let mut lines = [[isa.zero(); SIDE]; SIDE];
        for y in 0..SIDE {
            let mut d = [isa.zero(); SIDE];
            for x in 0..SIDE {
                // SAFETY: pixel `(y, x)` of the tile.
                d[x] = unsafe { isa.load(t.input.add(y * t.row + x * t.pixel + c)) };
            }
            lines[y] = F::input(isa, d);
        }
        for x in 0..SIDE {
            let mut column = [isa.zero(); SIDE];
            for y in 0..SIDE {
                column[y] = lines[y][x];
            }
            let column = F::input(isa, column);
            for y in 0..SIDE {
                // SAFETY: point `y * SIDE + x`.
                unsafe { isa.store(t.points.add((y * SIDE + x) * t.stride + c), column[y]) };
            }
        }
    }
}

/// # Safety
/// `SIDE` x `SIDE` points are readable for `registers` registers each; the `size` pixels at `output` are writable,
/// those at `residual` (unless null) readable, and `epilogue` is padded to as many channels.
#[inline(always)]
pub(crate) unsafe fn output_transform<I: Isa, F: Filter<SIDE, OUT>, const SIDE: usize, const OUT: usize>(
    isa: I,
    t: &OutputTransform,
) {
    for register in 0..t.registers {
        let c = register * I::LANES;
        let mut lines = [[isa.zero(); SIDE]; OUT];
        for x in 0..SIDE {
            let mut d = [isa.zero(); SIDE];
            for y in 0..SIDE {
                // SAFETY: point `y * SIDE + x`.
                d[y] = unsafe { isa.load(t.points.add((y * SIDE + x) * t.stride + c)) };
            }
            let column = F::output(isa, d);
            for y in 0..OUT {
                lines[y][x] = column[y];
            }
        }
        // SAFETY: `epilogue` has a bias for every padded channel; pixels beyond `size` are neither read nor written.
        unsafe {
            let bias = isa.load(t.epilogue.bias.as_ptr().add(c));
            let mut tile = [[bias; OUT]; OUT];
            for y in 0..OUT {
                let line = F::output(isa, lines[y]);
                for x in 0..OUT {
                    tile[y][x] = isa.add(line[x], bias);
                }
            }
            if t.residual.is_null() {
                t.epilogue.apply(isa, &mut tile, (c, 0), None);
            } else {
                let mut residual = [[t.residual; OUT]; OUT];
                for y in 0..OUT {
                    for x in 0..OUT {
                        let inside = (y.min(t.size.0 - 1), x.min(t.size.1 - 1));
                        residual[y][x] = t.residual.add(t.residual_grid.offset(inside.0, inside.1) + c);
                    }
                }
                t.epilogue.apply(isa, &mut tile, (c, 0), Some(&residual));
            }
            for y in 0..OUT {
                for x in 0..OUT {
                    if y < t.size.0 && x < t.size.1 {
                        isa.store(t.output.add(t.to.offset(y, x) + c), tile[y][x]);
                    }
                }
            }
        }
    }
}

/// Outputs of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// 2x2 from 4x4 inputs.
    Two,
    /// 4x4 from 6x6 inputs.
    Four,
}

impl Tile {
    /// Rows and columns of outputs.
    pub fn outputs(self) -> usize {
        match self {
            Tile::Two => 2,
            Tile::Four => 4,
        }
    }

    /// Points of the transformed domain.
    fn points(self) -> usize {
        (self.outputs() + 2) * (self.outputs() + 2)
    }

    /// Tiles down and across a map.
    fn count(self, map: &Map) -> (usize, usize) {
        (map.h.div_ceil(self.outputs()), map.w.div_ceil(self.outputs()))
    }
}

/// A stride-1 3x3 convolution with weights in the transformed domain.
#[derive(Debug)]
pub struct Winograd {
    kernels: &'static Kernels,
    tile: Tile,
    points: Vec<Panels<f32>>,
    epilogue: PackedEpilogue,
    /// Adds nothing: bias and activation follow after the inverse transform.
    plain: PackedEpilogue,
    from: Map,
    to: Map,
    residual: Option<Map>,
    block: usize,
    flops: u64,
}

impl Winograd {
    /// The window that this method computes.
    pub const WINDOW: Window = Window { size: [3, 3], stride: [1, 1], before: [1, 1] };

    /// The tile with which the method beats the direct kernel for this layer, if any, by a model of the costs in
    /// units of one register's multiply-add, fitted to measurements.
    pub fn tile(lanes: usize, from: &Map, to: &Map) -> Option<Tile> {
        if from.border == 0 || (from.h, from.w) != (to.h, to.w) || !from.pitch.is_multiple_of(lanes) {
            return None;
        }
        /// Cost of starting and ending a tile's sums.
        const START: usize = 80;
        /// Cost of reading a register of weights from beyond the second-level cache.
        const WEIGHT: usize = 2;
        let (ci, co) = (from.vectors(lanes), to.vectors(lanes));
        // Six pixels times two registers are the usual tile; weights are read once for all of them.
        let sums = |pixels: usize, depth: usize| {
            pixels * depth * co + pixels.div_ceil(6) * co.div_ceil(2) * START + depth * co * WEIGHT
        };
        let cost = |tile: Tile| {
            let (rows, columns) = tile.count(to);
            let transform = match tile {
                Tile::Two => 90,
                Tile::Four => 300,
            };
            tile.points() * sums(rows * columns, from.c) + transform * rows * columns * (ci + co)
        };
        let best = if cost(Tile::Two) < cost(Tile::Four) { Tile::Two } else { Tile::Four };
        // A few outputs are computed in vain.
        (cost(best) * 110 < sums(to.h * to.w, 9 * from.c) * 100).then_some(best)
    }

    /// A convolution `from` -> `to`; `weights` are `[to.c, from.c, 3, 3]`.
    ///
    /// # Errors
    /// If the sizes do not belong together or `from` has no border.
    pub fn pack(
        kernels: &'static Kernels,
        tile: Tile,
        from: Map,
        to: Map,
        weights: &[f32],
        after: Epilogue,
    ) -> Result<Self> {
        let lanes = kernels.lanes;
        let same = (from.h, from.w) == (to.h, to.w) && from.border == 1 && from.values() * to.values() > 0;
        if !same || weights.len() != to.c * from.c * 9 {
            return Err(mismatch("Winograd convolution", &from, &to));
        }
        let (residual, position) = after.residual.unzip();
        let (tiles, side) = (tile.count(&from), tile.outputs());
        // The last tile's last pixel, counted from the corner of the border.
        let corner = from.origin - from.row - from.pitch;
        let last = corner + (tiles.0 * side + 1) * from.row + (tiles.1 * side + 1) * from.pitch;
        let fits = last + from.vectors(lanes) * lanes <= from.len
            && to.holds(lanes)
            && residual.is_none_or(|o: Map| (o.c, o.h, o.w) == (to.c, to.h, to.w) && o.holds(lanes));
        if !fits || !after.activation.fuses() {
            return Err(Error::fatal("kernels", "a Winograd layer's maps are not wide enough for its tiles"));
        }
        let count = tiles.0 * tiles.1;
        let block = count.div_ceil(count.div_ceil(BLOCK / tile.points()));
        let channels = to.vectors(lanes) * lanes;
        let transformed = match tile {
            Tile::Two => transform::<Two, 4, 2>(weights, from.c, to.c),
            Tile::Four => transform::<Four, 6, 4>(weights, from.c, to.c),
        };
        let points = (0..tile.points())
            .map(|p| {
                let weight = |k: usize, o: usize| transformed[(p * from.c + k) * to.c + o];
                Panels::pack(kernels, block.max(2), from.c, Outputs { count: to.c, unpadded: false }, weight)
            })
            .collect();
        Ok(Self {
            kernels,
            tile,
            points,
            epilogue: PackedEpilogue::new(&after.bias, after.activation, position.unwrap_or_default(), channels),
            plain: PackedEpilogue::new(&[], Default::default(), Default::default(), channels),
            from,
            to,
            residual,
            block,
            flops: 18 * (from.c * to.values()) as u64,
        })
    }

    /// Multiplications and additions of the convolution as defined, not as computed.
    pub fn flops(&self) -> u64 {
        self.flops
    }

    /// Floats of scratch memory that [`Winograd::run`] needs.
    pub fn scratch(&self) -> usize {
        let lanes = self.kernels.lanes;
        self.points.len() * self.block * lanes * (self.from.vectors(lanes) + self.to.vectors(lanes))
    }

    /// Computes the layer; the contents of `scratch` do not matter.
    ///
    /// # Panics
    /// If a slice is shorter than the map it was packed for, or `residual` is missing.
    pub fn run(&self, input: &[f32], residual: Option<&[f32]>, output: &mut [f32], scratch: &mut [f32]) {
        let lanes = self.kernels.lanes;
        assert!(input.len() >= self.from.len && output.len() >= self.to.reach(lanes));
        assert!(scratch.len() >= self.scratch());
        let (residual, residual_grid) = match (residual, self.residual) {
            (Some(o), Some(map)) => {
                assert!(o.len() >= map.reach(lanes));
                (o.as_ptr(), Grid::of(&map))
            }
            (None, None) => (std::ptr::null(), Grid::default()),
            _ => panic!("a residual is given exactly where the layer was packed with one"),
        };
        let ((rows, columns), side) = (self.tile.count(&self.to), self.tile.outputs());
        let tiles = rows * columns;
        let (to_points, from_points) = match self.tile {
            Tile::Two => (self.kernels.winograd_input_f2, self.kernels.winograd_output_f2),
            Tile::Four => (self.kernels.winograd_input_f4, self.kernels.winograd_output_f4),
        };
        let (ci, co) = (self.from.vectors(lanes), self.to.vectors(lanes));
        let (spread, sums) = scratch.split_at_mut(self.points.len() * self.block * ci * lanes);
        let corner = self.from.origin - self.from.row - self.from.pitch;
        for first in (0..tiles).step_by(self.block) {
            let count = self.block.min(tiles - first);
            for t in 0..count {
                let (y, x) = ((first + t) / columns * side, (first + t) % columns * side);
                // SAFETY: `pack` checked that the last tile's pixels are inside the map; `spread` holds the points
                // of `block` tiles; the CPU has the instructions of these `kernels`.
                unsafe {
                    to_points(&InputTransform {
                        input: input.as_ptr().add(corner + y * self.from.row + x * self.from.pitch),
                        row: self.from.row,
                        pixel: self.from.pitch,
                        registers: ci,
                        points: spread.as_mut_ptr().add(t * ci * lanes),
                        stride: count * ci * lanes,
                    });
                }
            }
            self.multiply(count, spread, sums);
            for t in 0..count {
                let (y, x) = ((first + t) / columns * side, (first + t) % columns * side);
                let shift = |g: Grid| Grid { at: g.offset(y, x), ..g };
                // SAFETY: `sums` holds the points of `block` tiles, and the CPU has the instructions; `size` keeps the
                // pixels inside the output map.
                unsafe {
                    from_points(&OutputTransform {
                        points: sums.as_ptr().add(t * co * lanes),
                        stride: count * co * lanes,
                        registers: co,
                        epilogue: &self.epilogue,
                        output: output.as_mut_ptr(),
                        to: shift(Grid::of(&self.to)),
                        residual,
                        residual_grid: shift(residual_grid),
                        size: (side.min(self.to.h - y), side.min(self.to.w - x)),
                    });
                }
            }
        }
    }

    /// The products of `count` tiles, point by point.
    fn multiply(&self, count: usize, spread: &[f32], sums: &mut [f32]) {
        let lanes = self.kernels.lanes;
        let (ci, co) = (self.from.vectors(lanes) * lanes, self.to.vectors(lanes) * lanes);
        let grid = |pixel: usize| Grid { at: 0, row: 0, pixel };
        let mut walk = Walk::new(Grids { from: grid(ci), residual: None, to: grid(co) }, count);
        for (p, panels) in self.points.iter().enumerate() {
            let (from, to) = (&spread[p * count * ci..][..count * ci], &mut sums[p * count * co..][..count * co]);
            // SAFETY: both slices hold `count` pixels of all registers, and the panels were packed for `from.c`
            // summands, which is at most `ci`.
            unsafe {
                let sweep = Sweep {
                    walk: &mut walk,
                    pixels: count,
                    runs: Runs::one(self.from.c),
                    epilogue: &self.plain,
                    input: from.as_ptr(),
                    residual: std::ptr::null(),
                    output: to.as_mut_ptr(),
                };
                panels.sweep(self.kernels.tiles, sweep);
            }
        }
    }
}

/// `[points][inputs][outputs]` out of `[outputs][inputs][3][3]`, computed in double precision.
fn transform<F: Filter<SIDE, OUT>, const SIDE: usize, const OUT: usize>(
    weights: &[f32],
    inputs: usize,
    outputs: usize,
) -> Vec<f32> {
    let mut transformed = vec![0.0; SIDE * SIDE * inputs * outputs];
    for (i, taps) in weights.chunks_exact(9).enumerate() {
        let (o, c) = (i / inputs, i % inputs);
        for p in 0..SIDE * SIDE {
            let (u, v) = (&F::G[p / SIDE], &F::G[p % SIDE]);
            let sum: f64 = (0..9).map(|t| u[t / 3] * v[t % 3] * f64::from(taps[t])).sum();
            transformed[(p * inputs + c) * outputs + o] = sum as f32;
        }
    }
    transformed
}
