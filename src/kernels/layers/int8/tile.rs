//! The dense micro-kernel for integers: as the one for floats, a few pixels times a few registers of sums, over
//! groups of summands that one product adds up.

use std::ops::Range;

use super::epilogue::{FLOATS, ITEMS, Int8Epilogue, scales};
use crate::kernels::isa::int8::Ints;
use crate::kernels::layers::border::Runs;
use crate::kernels::layers::f32::row::{self, RowJob};
use crate::kernels::layers::f32::tile as float;
use crate::kernels::layers::panels::{Panel, Panels};
use crate::kernels::layers::pixels::{PixelOffsets, Walk};
use crate::kernels::layers::quant::Requantise;

/// What all tiles of a panel have in common. Offsets count items; weights and outputs are those of the panel.
pub(crate) struct Job<'a> {
    /// Starts of the runs that a pixel sums over.
    pub starts: &'a [usize],
    /// Groups per run.
    pub run: usize,
    /// Bytes of weights between two runs.
    pub skip: usize,
    pub epilogue: &'a Int8Epilogue,
    /// First output channel of the panel.
    pub c: usize,
    pub input: *const u8,
    pub weights: *const u8,
    /// Items, floats or sums, as `epilogue.store` and the parameter of the tile say.
    pub output: *mut u8,
}

/// Bytes of a group's items: four, or two of 16 bits.
const GROUP: usize = 4;

/// A tile of a fixed number of pixels and registers.
pub(crate) type Tile = unsafe fn(&Job, &PixelOffsets);

/// For each panel width in channels, tiles of 1, 2, ... pixels.
pub(crate) type Tiles = &'static [(usize, &'static [Tile])];

/// `P` pixels times `N` registers, stored as `STORE` says.
///
/// # Safety
/// For each of the first `P` offsets: `input + offset + a run's offset` is readable for `run` groups and `output +
/// offset + c` writable for `N` registers of what is stored. `weights` is readable for `N` registers for each group of
/// the runs and for what is between them, and `c` plus `N` registers is within the epilogue's channels.
#[inline(always)]
pub(crate) unsafe fn tile<I: Ints, const STORE: usize, const P: usize, const N: usize>(
    isa: I,
    job: &Job,
    offsets: &PixelOffsets,
) {
    // SAFETY: the caller guarantees the groups of each pixel and run, and the weights between and behind them.
    unsafe {
        let mut sum = biases::<I, P, N>(isa, job);
        let mut w = job.weights.cast::<I::Item>();
        for &start in job.starts {
            let pixel = pixels::<I, P>(job, offsets, start);
            w = groups(isa, &mut sum, &pixel, w, 0..job.run).wrapping_byte_add(job.skip);
        }
        store_tile::<I, STORE, P, N>(isa, job, offsets, &sum);
    }
}

/// A tile of floats, whose results are stored as integers.
///
/// # Safety
/// As [`float::tile`], but that `output` is writable for integers, as the epilogue says.
#[inline(always)]
pub(crate) unsafe fn quantising_tile<I: Ints, const P: usize, const N: usize>(
    isa: I,
    job: &float::Job,
    offsets: &PixelOffsets,
) {
    // Read before anything is written.
    let Some(Requantise { factor, limits }) = job.epilogue.requantise else { return };
    // SAFETY: the caller keeps the contract of the float tile, and guarantees that the output takes `P` x `N` items.
    unsafe {
        let mut sum = float::sums::<I, P, N>(isa, job, offsets);
        float::apply(isa, job, offsets, &mut sum);
        let mut to = [job.output.cast::<I::Item>().add(job.c); P];
        for i in 0..P {
            to[i] = to[i].add(offsets.output(i));
            for j in 0..N {
                sum[i][j] = isa.below(isa.mul(sum[i][j], isa.splat(factor)), isa.splat(limits.hi));
            }
        }
        isa.store_pixels(&limits, &sum, &to);
    }
}

/// A row of floats, whose results are stored as integers, `P` pixels at a time.
///
/// # Safety
/// As [`row::row`], but that `output` is writable for integers, as the epilogue says.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "others gain nothing by it"))]
#[inline(always)]
pub(crate) unsafe fn quantising_row<I: Ints, const P: usize>(isa: I, row: &RowJob) {
    let job = &row.job;
    // Read before anything is written.
    let Some(Requantise { factor, limits }) = job.epilogue.requantise else { return };
    // SAFETY: the row's pixels are those of a float row, and the output takes a register of items for each.
    unsafe {
        let weights = row::weights(isa, job);
        for x in (0..row.count).step_by(P) {
            // The last pixels overlap those before.
            let x = x.min(row.count - P);
            let mut sum = row::sums::<I, P>(isa, row, &weights, x);
            let mut to = [job.output.cast::<I::Item>().add(row.output + x * row.pitch + job.c); P];
            for i in 0..P {
                to[i] = to[i].add(i * row.pitch);
                sum[i][0] = isa.below(isa.mul(sum[i][0], isa.splat(factor)), isa.splat(limits.hi));
            }
            isa.store_pixels(&limits, &sum, &to);
        }
    }
}

/// The sums before any product.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
pub(crate) unsafe fn biases<I: Ints, const P: usize, const N: usize>(isa: I, job: &Job) -> [[I::S; N]; P] {
    let mut sum = [[isa.i32_splat(0); N]; P];
    for j in 0..N {
        // SAFETY: the channels of all registers are within the epilogue's.
        let b = unsafe { isa.i32_load(job.epilogue.bias.as_ptr().add(job.c + j * I::LANES)) };
        for i in 0..P {
            sum[i][j] = b;
        }
    }
    sum
}

/// Where the pixels of a tile start in a run.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
pub(crate) unsafe fn pixels<I: Ints, const P: usize>(
    job: &Job,
    offsets: &PixelOffsets,
    run: usize,
) -> [*const I::Item; P] {
    let input = job.input.cast::<I::Item>();
    let mut pixel = [input; P];
    for i in 0..P {
        // SAFETY: the offsets are readable.
        pixel[i] = unsafe { input.add(offsets.input(i) + run) };
    }
    pixel
}

/// Adds the products of some groups of a run. Returns where the weights of the next one are.
///
/// # Safety
/// The groups are readable behind each pixel, and `N` registers of weights for each at `w`.
#[inline(always)]
pub(crate) unsafe fn groups<I: Ints, const P: usize, const N: usize>(
    isa: I,
    sum: &mut [[I::S; N]; P],
    pixel: &[*const I::Item; P],
    mut w: *const I::Item,
    range: Range<usize>,
) -> *const I::Item {
    // SAFETY: the caller guarantees the groups behind each pixel, and the weights for all of them.
    unsafe {
        for k in range {
            let mut b = [isa.load_weights(w); N];
            for j in 1..N {
                b[j] = isa.load_weights(w.add(j * I::LANES * I::GROUP));
            }
            // A register of weights is as large as one of floats.
            float::ahead::<I, N>(isa, w.cast());
            for i in 0..P {
                let a = isa.load_group(pixel[i].add(k * I::GROUP));
                for j in 0..N {
                    sum[i][j] = isa.dot(sum[i][j], a, b[j]);
                }
            }
            w = w.add(N * I::LANES * I::GROUP);
        }
    }
    w
}

/// Scales the sums of a tile, limits and rounds what becomes integers, and stores them.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
pub(crate) unsafe fn store_tile<I: Ints, const STORE: usize, const P: usize, const N: usize>(
    isa: I,
    job: &Job,
    offsets: &PixelOffsets,
    sum: &[[I::S; N]; P],
) {
    // A copy: its loops need not be unrolled, and the sums themselves never leave their registers.
    let mut done = [[isa.i32_splat(0); N]; P];
    for i in 0..P {
        for j in 0..N {
            done[i][j] = sum[i][j];
        }
    }
    // SAFETY: the offsets and the output are those that the caller guarantees for the tile.
    unsafe { store::<I, STORE, P, N>(isa, job, offsets, &done) };
}

/// What [`store_tile`] does, with sums in memory.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn store<I: Ints, const STORE: usize, const P: usize, const N: usize>(
    isa: I,
    job: &Job,
    offsets: &PixelOffsets,
    sum: &[[I::S; N]; P],
) {
    let f = job.epilogue;
    // SAFETY: the caller guarantees `N` registers of what is stored for each pixel, and their scales.
    unsafe {
        match STORE {
            ITEMS => {
                let (scale, limits) = (scales::<I, N>(isa, f, job.c), f.limits);
                let mut to = [job.output.cast::<I::Item>().add(job.c); P];
                let mut v = [scale; P];
                for i in 0..P {
                    to[i] = to[i].add(offsets.output(i));
                    for j in 0..N {
                        v[i][j] = isa.mul(isa.to_f32(sum[i][j]), scale[j]);
                    }
                }
                isa.store_pixels(&limits, &v, &to);
            }
            FLOATS => {
                let scale = scales::<I, N>(isa, f, job.c);
                let to = job.output.cast::<f32>().add(job.c);
                for i in 0..P {
                    for j in 0..N {
                        let v = isa.mul(isa.to_f32(sum[i][j]), scale[j]);
                        isa.store(to.add(offsets.output(i) + j * I::LANES), v);
                    }
                }
            }
            _ => {
                let to = job.output.cast::<i32>().add(job.c);
                for i in 0..P {
                    for j in 0..N {
                        isa.i32_store(to.add(offsets.output(i) + j * I::LANES), sum[i][j]);
                    }
                }
            }
        }
    }
}

/// Pixels that are multiplied by all panels of a layer. The packed weights are bytes of items.
pub(crate) struct Sweep<'a> {
    pub walk: &'a mut Walk,
    /// How many pixels of the walk, from its first on.
    pub pixels: usize,
    pub runs: Runs<'a>,
    pub epilogue: &'a Int8Epilogue,
    pub input: *const u8,
    /// Items, floats or sums, as the epilogue says.
    pub output: *mut u8,
}

/// Multiplies the pixels of a sweep by all panels: panel by panel, or, if [`Panels::near`] holds,
/// [together](Panels::together).
///
/// # Safety
/// Every pixel's offsets satisfy the contract of [`tile`] for the channels of all panels; `panels` was packed for
/// the groups of all runs; `tiles` store what the epilogue says, and the CPU has their instructions.
pub(crate) unsafe fn sweep(panels: &Panels<u8>, tiles: Tiles, sweep: Sweep) {
    let Sweep { walk, pixels, runs, epilogue, input, output } = sweep;
    let prepare = |panel: &Panel| {
        let (_, tiles) = tiles.iter().find(|t| t.0 == panel.width)?;
        let Runs { starts, run, skips } = runs;
        let [first, skip] = skips.map(|groups| groups * panel.width * GROUP);
        // The panel starts inside the packed weights, and has those before the first run.
        let weights = panels.weights[panel.weights + first..].as_ptr();
        Some((tiles.len(), (Job { starts, run, skip, epilogue, c: panel.c, input, weights, output }, *tiles)))
    };
    let tile = |(job, tiles): &(Job, &[Tile]), count: usize, offsets: &PixelOffsets| {
        // SAFETY: the offsets are those of `count` pixels of the walk; panels, epilogue and tiles belong together, as
        // the caller guarantees.
        unsafe { tiles[count - 1](job, offsets) }
    };
    if panels.near() { panels.together(walk, pixels, prepare, tile) } else { panels.each(walk, pixels, prepare, tile) }
}
