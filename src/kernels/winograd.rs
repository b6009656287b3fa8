//! Winograd's minimal filtering F(4x4, 3x3) for stride-1 3x3 convolutions (Lavin and Gray, "Fast
//! Algorithms for Convolutional Neural Networks", 2015): 36 multiplications for 16 outputs in place of 144.
//!
//! The polynomials are interpolated at 0, +-sqrt(1/2), +-sqrt(2) and infinity rather than at the usual whole
//! numbers: the matrices hold no number above 2 sqrt(2), which keeps the rounding error several times smaller
//! (Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd Convolution", 2020).

use super::act::Finish;
use super::conv::{After, Window, mismatch};
use super::isa::Isa;
use super::tile::{Grid, Panels};
use super::{Kernels, Map};
use crate::error::{Error, Result};

/// Points of the transformed domain.
const POINTS: usize = 36;
/// Most tiles transformed before their products are taken, so that both stay in the second-level cache.
const BLOCK: usize = 24;

/// The points sqrt(1/2) and sqrt(2), whose squares are 1/2 and 2.
const NEAR: f64 = std::f64::consts::FRAC_1_SQRT_2;
const FAR: f64 = std::f64::consts::SQRT_2;

/// Weights to the transformed domain: `G g G'`.
const G: [[f64; 3]; 6] = [
    [1.0, 0.0, 0.0],
    [-2.0 / 3.0, -2.0 / 3.0 * NEAR, -1.0 / 3.0],
    [-2.0 / 3.0, 2.0 / 3.0 * NEAR, -1.0 / 3.0],
    [1.0 / 6.0, FAR / 6.0, 1.0 / 3.0],
    [1.0 / 6.0, -FAR / 6.0, 1.0 / 3.0],
    [0.0, 0.0, 1.0],
];

/// One 6x6 tile of the input to its 36 points.
pub(super) struct Spread {
    pub input: *const f32,
    pub row: usize,
    pub pixel: usize,
    /// Registers of channels.
    pub registers: usize,
    pub points: *mut f32,
    /// Floats from one point to the next.
    pub stride: usize,
}

/// 36 points to one tile of the output.
pub(super) struct Gather<'a> {
    pub points: *const f32,
    /// Floats from one point to the next.
    pub stride: usize,
    /// Registers of channels.
    pub registers: usize,
    pub finish: &'a Finish,
    pub output: *mut f32,
    pub to: Grid,
    /// The residual, or null.
    pub other: *const f32,
    pub beside: Grid,
    /// Rows and columns of the tile that exist.
    pub size: (usize, usize),
}

/// The input's side of one line: the products of a polynomial without one of its roots.
#[inline(always)]
fn spread_line<I: Isa>(isa: I, d: [I::V; 6]) -> [I::V; 6] {
    let (near, far) = (isa.splat(NEAR as f32), isa.splat(FAR as f32));
    let squares = isa.splat(-2.5);
    let even_near = isa.fma(isa.splat(-2.0), d[2], d[4]);
    let even_far = isa.fma(isa.splat(-0.5), d[2], d[4]);
    let odd_near = isa.sub(isa.mul(near, d[3]), isa.mul(far, d[1]));
    let odd_far = isa.sub(isa.mul(far, d[3]), isa.mul(near, d[1]));
    [
        isa.fma(squares, d[2], isa.add(d[0], d[4])),
        isa.add(even_near, odd_near),
        isa.sub(even_near, odd_near),
        isa.add(even_far, odd_far),
        isa.sub(even_far, odd_far),
        isa.fma(squares, d[3], isa.add(d[1], d[5])),
    ]
}

/// The output's side of one line: the powers of the points.
#[inline(always)]
fn gather_line<I: Isa>(isa: I, d: [I::V; 6]) -> [I::V; 4] {
    let (near, far) = (isa.splat(NEAR as f32), isa.splat(FAR as f32));
    let (sum_near, diff_near) = (isa.add(d[1], d[2]), isa.sub(d[1], d[2]));
    let (sum_far, diff_far) = (isa.add(d[3], d[4]), isa.sub(d[3], d[4]));
    let cubes = (isa.splat((NEAR * 0.5) as f32), isa.splat((FAR * 2.0) as f32));
    [
        isa.add(isa.add(d[0], sum_near), sum_far),
        isa.fma(far, diff_far, isa.mul(near, diff_near)),
        isa.fma(isa.splat(2.0), sum_far, isa.mul(isa.splat(0.5), sum_near)),
        isa.fma(cubes.1, diff_far, isa.fma(cubes.0, diff_near, d[5])),
    ]
}

/// # Safety
/// The 6x6 pixels at `input` are readable and 36 points writable, for `registers` registers each.
#[inline(always)]
pub(super) unsafe fn spread<I: Isa>(isa: I, t: &Spread) {
    for register in 0..t.registers {
        let c = register * I::LANES;
        let mut lines = [[isa.zero(); 6]; 6];
        for y in 0..6 {
            let mut d = [isa.zero(); 6];
            for x in 0..6 {
                // SAFETY: pixel `(y, x)` of the tile.
                d[x] = unsafe { isa.load(t.input.add(y * t.row + x * t.pixel + c)) };
            }
            lines[y] = spread_line(isa, d);
        }
        for x in 0..6 {
            let column = [lines[0][x], lines[1][x], lines[2][x], lines[3][x], lines[4][x], lines[5][x]];
            let column = spread_line(isa, column);
            for y in 0..6 {
                // SAFETY: point `y * 6 + x` of 36.
                unsafe { isa.store(t.points.add((y * 6 + x) * t.stride + c), column[y]) };
            }
        }
    }
}

/// # Safety
/// 36 points are readable for `registers` registers each; the `size` pixels at `output` are writable, those at
/// `other` (unless null) readable, and `finish` is padded to as many channels.
#[inline(always)]
pub(super) unsafe fn gather<I: Isa>(isa: I, t: &Gather) {
    for register in 0..t.registers {
        let c = register * I::LANES;
        let mut lines = [[isa.zero(); 6]; 4];
        for x in 0..6 {
            let mut d = [isa.zero(); 6];
            for y in 0..6 {
                // SAFETY: point `y * 6 + x` of 36.
                d[y] = unsafe { isa.load(t.points.add((y * 6 + x) * t.stride + c)) };
            }
            let column = gather_line(isa, d);
            for y in 0..4 {
                lines[y][x] = column[y];
            }
        }
        // SAFETY: `finish` has a bias for every padded channel; pixels beyond `size` are neither read nor written.
        unsafe {
            let bias = isa.load(t.finish.bias.as_ptr().add(c));
            let mut tile = [[bias; 4]; 4];
            for y in 0..4 {
                let line = gather_line(isa, lines[y]);
                for x in 0..4 {
                    tile[y][x] = isa.add(line[x], bias);
                }
            }
            if t.other.is_null() {
                t.finish.apply(isa, &mut tile, (c, 0), None);
            } else {
                let mut other = [[t.other; 4]; 4];
                for y in 0..4 {
                    for x in 0..4 {
                        let inside = (y.min(t.size.0 - 1), x.min(t.size.1 - 1));
                        other[y][x] = t.other.add(t.beside.spot(inside.0, inside.1) + c);
                    }
                }
                t.finish.apply(isa, &mut tile, (c, 0), Some(&other));
            }
            for y in 0..4 {
                for x in 0..4 {
                    if y < t.size.0 && x < t.size.1 {
                        isa.store(t.output.add(t.to.spot(y, x) + c), tile[y][x]);
                    }
                }
            }
        }
    }
}

/// A stride-1 3x3 convolution with weights in the transformed domain.
#[derive(Debug)]
pub struct Winograd {
    kernels: &'static Kernels,
    points: Vec<Panels>,
    finish: Finish,
    /// Adds nothing: the products are finished after the inverse transform.
    plain: Finish,
    from: Map,
    to: Map,
    other: Option<Map>,
    block: usize,
    flops: u64,
}

impl Winograd {
    /// The window that this method computes.
    pub const WINDOW: Window = Window { size: [3, 3], stride: [1, 1], before: [1, 1] };

    /// Whether the method beats the direct kernel for this layer, by a model of both costs in units of one
    /// register's multiply-add, fitted to measurements: a tile's sums start and end in about 80, and the
    /// transforms of a 4x4 tile and a register of channels take about 300.
    pub fn wins(lanes: usize, from: &Map, to: &Map) -> bool {
        if from.border == 0 || (from.h, from.w) != (to.h, to.w) || !from.pitch.is_multiple_of(lanes) {
            return false;
        }
        const START: usize = 80;
        const TRANSFORM: usize = 300;
        let (ci, co) = (from.vectors(lanes), to.vectors(lanes));
        // Six pixels times two registers are the usual tile.
        let starts = |pixels: usize| pixels.div_ceil(6) * co.div_ceil(2) * START;
        let (pixels, tiles) = (to.h * to.w, from.h.div_ceil(4) * from.w.div_ceil(4));
        let direct = 9 * pixels * from.c * co + starts(pixels);
        let products = POINTS * (tiles * from.c * co + starts(tiles));
        let fast = products + TRANSFORM * tiles * (ci + co);
        // Cold weights, four times as many, and a few outputs computed in vain.
        fast * 115 < direct * 100
    }

    /// A convolution `from` -> `to`; `weights` are `[to.c, from.c, 3, 3]`.
    ///
    /// # Errors
    /// If the sizes do not belong together or `from` has no border.
    pub fn pack(kernels: &'static Kernels, from: Map, to: Map, weights: &[f32], after: After) -> Result<Self> {
        let lanes = kernels.lanes;
        let same = (from.h, from.w) == (to.h, to.w) && from.border == 1 && from.values() * to.values() > 0;
        if !same || weights.len() != to.c * from.c * 9 {
            return Err(mismatch("Winograd convolution", &from, &to));
        }
        let (other, join) = after.other.unzip();
        let tiles = (from.h.div_ceil(4), from.w.div_ceil(4));
        // The last tile's last pixel, counted from the corner of the border.
        let corner = from.origin - from.row - from.pitch;
        let last = corner + (tiles.0 * 4 + 1) * from.row + (tiles.1 * 4 + 1) * from.pitch;
        let fits = last + from.vectors(lanes) * lanes <= from.len
            && to.reach(lanes) <= to.len
            && other.is_none_or(|o: Map| (o.c, o.h, o.w) == (to.c, to.h, to.w) && o.reach(lanes) <= o.len);
        if !fits || !after.act.fuses() {
            return Err(Error::fatal("kernels", "a Winograd layer's maps are not wide enough for its tiles"));
        }
        let count = tiles.0 * tiles.1;
        let block = count.div_ceil(count.div_ceil(BLOCK));
        let channels = to.vectors(lanes) * lanes;
        let transformed = transform_weights(weights, from.c, to.c);
        let points = (0..POINTS)
            .map(|p| {
                let weight = |k: usize, o: usize| transformed[(p * from.c + k) * to.c + o];
                Panels::pack(kernels, block.max(2), from.c, to.c, weight)
            })
            .collect();
        Ok(Self {
            kernels,
            points,
            finish: Finish::new(&after.bias, after.act, join.unwrap_or_default(), channels),
            plain: Finish::new(&[], Default::default(), Default::default(), channels),
            from,
            to,
            other,
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
        POINTS * self.block * lanes * (self.from.vectors(lanes) + self.to.vectors(lanes))
    }

    /// Computes the layer; the contents of `scratch` do not matter.
    ///
    /// # Panics
    /// If a slice is shorter than the map it was packed for, or `other` is missing.
    pub fn run(&self, input: &[f32], other: Option<&[f32]>, output: &mut [f32], scratch: &mut [f32]) {
        let lanes = self.kernels.lanes;
        assert!(input.len() >= self.from.len && output.len() >= self.to.reach(lanes));
        assert!(scratch.len() >= self.scratch());
        let (other, beside) = match (other, self.other) {
            (Some(o), Some(map)) => {
                assert!(o.len() >= map.reach(lanes));
                (o.as_ptr(), Grid::of(&map))
            }
            (None, None) => (std::ptr::null(), Grid::default()),
            _ => panic!("a residual is given exactly where the layer was packed with one"),
        };
        let columns = self.to.w.div_ceil(4);
        let tiles = self.to.h.div_ceil(4) * columns;
        let (ci, co) = (self.from.vectors(lanes), self.to.vectors(lanes));
        let (spread, sums) = scratch.split_at_mut(POINTS * self.block * ci * lanes);
        let corner = self.from.origin - self.from.row - self.from.pitch;
        for first in (0..tiles).step_by(self.block) {
            let count = self.block.min(tiles - first);
            for t in 0..count {
                let (y, x) = ((first + t) / columns * 4, (first + t) % columns * 4);
                // SAFETY: `pack` checked that the last tile's pixels are inside the map; `spread` holds 36 points
                // of `block` tiles; the CPU has the instructions of these `kernels`.
                unsafe {
                    (self.kernels.spread)(&Spread {
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
                let (y, x) = ((first + t) / columns * 4, (first + t) % columns * 4);
                let shift = |g: Grid| Grid { at: g.spot(y, x), ..g };
                // SAFETY: as above; `size` keeps the pixels inside the output map.
                unsafe {
                    (self.kernels.gather)(&Gather {
                        points: sums.as_ptr().add(t * co * lanes),
                        stride: count * co * lanes,
                        registers: co,
                        finish: &self.finish,
                        output: output.as_mut_ptr(),
                        to: shift(Grid::of(&self.to)),
                        other,
                        beside: shift(beside),
                        size: (4.min(self.to.h - y), 4.min(self.to.w - x)),
                    });
                }
            }
        }
    }

    /// The 36 products of `count` tiles.
    fn multiply(&self, count: usize, spread: &[f32], sums: &mut [f32]) {
        let lanes = self.kernels.lanes;
        let (ci, co) = (self.from.vectors(lanes) * lanes, self.to.vectors(lanes) * lanes);
        for (p, panels) in self.points.iter().enumerate() {
            let (from, to) = (&spread[p * count * ci..][..count * ci], &mut sums[p * count * co..][..count * co]);
            // SAFETY: both slices hold `count` pixels of all registers, and the panels were packed for `from.c`
            // summands, which is at most `ci`.
            unsafe {
                panels.sweep(
                    self.kernels.tiles,
                    (1, count),
                    (&[0], self.from.c),
                    &self.plain,
                    (from.as_ptr(), Grid { at: 0, row: 0, pixel: ci }),
                    (std::ptr::null(), Grid::default()),
                    (to.as_mut_ptr(), Grid { at: 0, row: 0, pixel: co }),
                );
            }
        }
    }
}

/// `[36][inputs][outputs]` out of `[outputs][inputs][3][3]`, computed in double precision.
fn transform_weights(weights: &[f32], inputs: usize, outputs: usize) -> Vec<f32> {
    let mut transformed = vec![0.0; POINTS * inputs * outputs];
    for (i, taps) in weights.chunks_exact(9).enumerate() {
        let (o, c) = (i / inputs, i % inputs);
        for p in 0..POINTS {
            let (u, v) = (&G[p / 6], &G[p % 6]);
            let sum: f64 = (0..9).map(|t| u[t / 3] * v[t % 3] * f64::from(taps[t])).sum();
            transformed[(p * inputs + c) * outputs + o] = sum as f32;
        }
    }
    transformed
}
