//! The dense micro-kernel for whole numbers: as the one for floats, a few pixels times a few registers of sums, over
//! groups of summands that one product adds up.

use super::ints::Ints;
use crate::kernels::tile::{self as float, Grids, Panel, Panels, Spots};

/// Where the results go, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) enum Store {
    Items,
    Floats,
    /// Sums as they are: for Winograd's products.
    Sums,
}

/// What happens to a sum before it is stored.
#[derive(Clone, Debug)]
pub(in crate::kernels) struct Finish {
    /// Per padded channel.
    pub bias: Vec<i32>,
    /// Per padded channel; steps of the output, or its value, per step of the sum.
    pub scale: Vec<f32>,
    /// Limits of the scaled sum.
    pub lo: f32,
    pub hi: f32,
    /// What is stored for zero.
    pub zero: i32,
    pub store: Store,
}

/// What all tiles of a panel have in common. Offsets count items; weights and outputs are those of the panel.
pub(in crate::kernels) struct Job<'a> {
    /// Offsets of the runs that a pixel sums over.
    pub runs: &'a [usize],
    /// Groups per run.
    pub run: usize,
    pub finish: &'a Finish,
    /// First output channel of the panel.
    pub c: usize,
    pub input: *const u8,
    pub weights: *const u8,
    /// Items, floats or sums, as `finish.store` says.
    pub output: *mut u8,
}

/// A tile of a fixed number of pixels and registers.
pub(in crate::kernels) type Tile = unsafe fn(&Job, &Spots);

/// For each panel width in registers, tiles of 1, 2, ... pixels.
pub(in crate::kernels) type Tiles = &'static [(usize, &'static [Tile])];

/// `P` pixels times `N` registers.
///
/// # Safety
/// For each of the first `P` spots: `input + spot + run offset` is readable for `run` groups and `output + spot +
/// c` writable for `N` registers of what is stored. `weights` is readable for `runs.len() * run * N` registers, and
/// `c` plus `N` registers is within `finish`'s channels.
#[inline(always)]
pub(super) unsafe fn tile<I: Ints, const P: usize, const N: usize>(isa: I, job: &Job, spots: &Spots) {
    // SAFETY: all offsets are within what the caller promises.
    unsafe {
        let bias = job.finish.bias.as_ptr().add(job.c);
        let mut sum = [[isa.all(0); N]; P];
        for j in 0..N {
            let b = isa.load_sums(bias.add(j * I::LANES));
            for i in 0..P {
                sum[i][j] = b;
            }
        }
        let input = job.input.cast::<I::Item>();
        let mut w = job.weights.cast::<I::Item>();
        for &run in job.runs {
            let mut pixel = [input; P];
            for i in 0..P {
                pixel[i] = input.add(spots.input[i] + run);
            }
            for k in 0..job.run {
                let mut b = [isa.weights(w); N];
                for j in 1..N {
                    b[j] = isa.weights(w.add(j * I::LANES * I::GROUP));
                }
                for i in 0..P {
                    let a = isa.group(pixel[i].add(k * I::GROUP));
                    for j in 0..N {
                        sum[i][j] = isa.dot(sum[i][j], a, b[j]);
                    }
                }
                w = w.add(N * I::LANES * I::GROUP);
            }
        }
        // A copy for what follows, whose loops may stay loops: then the sums themselves never leave their registers.
        let mut done = [[isa.all(0); N]; P];
        for i in 0..P {
            for j in 0..N {
                done[i][j] = sum[i][j];
            }
        }
        store(isa, job, spots, &done);
    }
}

/// A tile of floats, whose results are stored as whole numbers.
///
/// # Safety
/// As [`float::tile`], but that `output` is writable for whole numbers, which `finish` says how to make.
#[inline(always)]
pub(super) unsafe fn rounding<I: Ints, const P: usize, const N: usize>(isa: I, job: &float::Job, spots: &Spots) {
    let Some(steps) = &job.finish.steps else { return };
    // SAFETY: all offsets are within what the caller promises.
    unsafe {
        let mut sum = float::sums::<I, P, N>(isa, job, spots);
        float::apply(isa, job, spots, &mut sum);
        let to = job.output.cast::<I::Item>().add(job.c);
        for i in 0..P {
            for j in 0..N {
                steps.store(isa, sum[i][j], to.add(spots.output[i] + j * I::LANES));
            }
        }
    }
}

/// Scales, limits, rounds and stores the sums of a tile.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
unsafe fn store<I: Ints, const P: usize, const N: usize>(isa: I, job: &Job, spots: &Spots, sum: &[[I::S; N]; P]) {
    let f = job.finish;
    // SAFETY: all offsets are within what the caller promises.
    unsafe {
        match f.store {
            Store::Items => {
                let to = job.output.cast::<I::Item>().add(job.c);
                for i in 0..P {
                    for j in 0..N {
                        narrow(isa, f, job.c + j * I::LANES, sum[i][j], to.add(spots.output[i] + j * I::LANES));
                    }
                }
            }
            Store::Floats => {
                let to = job.output.cast::<f32>().add(job.c);
                for i in 0..P {
                    for j in 0..N {
                        let v = scaled(isa, f, job.c + j * I::LANES, sum[i][j]);
                        isa.store(to.add(spots.output[i] + j * I::LANES), v);
                    }
                }
            }
            Store::Sums => {
                let to = job.output.cast::<i32>().add(job.c);
                for i in 0..P {
                    for j in 0..N {
                        isa.store_sums(to.add(spots.output[i] + j * I::LANES), sum[i][j]);
                    }
                }
            }
        }
    }
}

/// A sum's float, within the limits.
///
/// # Safety
/// `finish` has `LANES` channels from `c` on.
#[inline(always)]
pub(super) unsafe fn scaled<I: Ints>(isa: I, finish: &Finish, c: usize, sum: I::S) -> I::V {
    // SAFETY: by contract.
    let v = isa.mul(isa.float(sum), unsafe { isa.load(finish.scale.as_ptr().add(c)) });
    isa.min(isa.splat(finish.hi), isa.max(isa.splat(finish.lo), v))
}

/// Stores a sum's items.
///
/// # Safety
/// `finish` has `LANES` channels from `c` on, and `to` is writable for as many items.
#[inline(always)]
pub(super) unsafe fn narrow<I: Ints>(isa: I, finish: &Finish, c: usize, sum: I::S, to: *mut I::Item) {
    // SAFETY: by contract; the limits are those of an item.
    unsafe {
        let v = isa.nearest(scaled(isa, finish, c, sum));
        isa.narrow(to, isa.plus(v, isa.all(finish.zero)));
    }
}

/// All pixels of a `rows` x `columns` grid times all panels. The packed weights are bytes of items.
///
/// # Safety
/// Every pixel's spots satisfy the contract of [`tile`] for the channels of all panels; `panels` was packed for
/// `runs.len() * run` groups, and the CPU has the instructions of `tiles`.
pub(super) unsafe fn sweep(
    panels: &Panels<u8>,
    tiles: Tiles,
    size: (usize, usize),
    (runs, run): (&[usize], usize),
    finish: &Finish,
    grids: Grids,
    (input, output): (*const u8, *mut u8),
) {
    let prepare = |panel: &Panel| {
        let (_, tiles) = tiles.iter().find(|t| t.0 == panel.width)?;
        // SAFETY: the panel starts inside the packed weights.
        let weights = unsafe { panels.weights.as_ptr().add(panel.weights) };
        Some((tiles.len(), (Job { runs, run, finish, c: panel.c, input, weights, output }, *tiles)))
    };
    panels.each(size, grids, prepare, |(job, tiles), count, spots| {
        // SAFETY: the spots are those of `count` pixels of the grid; the rest is this function's contract.
        unsafe { tiles[count - 1](job, spots) };
    });
}
