//! The dense micro-kernel: a few pixels times a few registers of output channels, held in registers
//! over the whole sum. Strides over taps and channels make it a convolution of any size and stride, a
//! fully connected layer or the products of Winograd's method; nothing is gathered or packed at run time.

use crate::kernels::Kernels;
use crate::kernels::isa::Isa;
use crate::kernels::layers::border::Runs;
use crate::kernels::layers::epilogue::PackedEpilogue;
use crate::kernels::layers::panels::{Outputs, Panel, Panels};
use crate::kernels::layers::pixels::{PixelOffsets, Walk};

/// Floats of a cache line.
const LINE: usize = 16;

/// How many summands ahead weights are prefetched: those of large layers are not in near caches.
const AHEAD: usize = 16;

/// What all tiles of a panel have in common.
pub(crate) struct Job<'a> {
    /// Starts of the runs of input floats that a pixel sums over.
    pub starts: &'a [usize],
    /// Floats per run.
    pub run: usize,
    /// Weights between two runs.
    pub skip: usize,
    pub epilogue: &'a PackedEpilogue,
    /// First output channel of the panel.
    pub c: usize,
    pub input: *const f32,
    pub weights: *const f32,
    /// The residual, or null, of the panel's channels.
    pub residual: *const f32,
    /// All output channels: floats, or integers if the epilogue quantises them.
    pub output: *mut f32,
}

/// A tile of a fixed number of pixels and registers.
pub(crate) type Tile = unsafe fn(&Job, &PixelOffsets);

/// `P` pixels times `N` registers.
///
/// # Safety
/// For each of the first `P` offsets: `input + offset + a run's offset` is readable for `run` floats,
/// `output + offset + c` is writable and `residual + offset` (unless null) readable for `N` registers. `weights` is
/// readable for `N` registers for each summand of the runs and for what is between them, and `c` plus `N` registers is
/// within the epilogue's channels.
#[inline(always)]
pub(crate) unsafe fn tile<I: Isa, const P: usize, const N: usize>(isa: I, job: &Job, offsets: &PixelOffsets) {
    // SAFETY: the caller keeps the contract, which sums and store share.
    unsafe {
        let mut sum = sums::<I, P, N>(isa, job, offsets);
        store_tile(isa, job, offsets, &mut sum);
    }
}

/// Prefetches the `N` registers of weights that are read `AHEAD` summands later.
#[inline(always)]
pub(crate) fn ahead<I: Isa, const N: usize>(isa: I, weights: *const f32) {
    for line in 0..(N * I::LANES).div_ceil(LINE) {
        isa.prefetch(weights.wrapping_add(AHEAD * N * I::LANES + line * LINE));
    }
}

/// The sums of a tile.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
pub(crate) unsafe fn sums<I: Isa, const P: usize, const N: usize>(
    isa: I,
    job: &Job,
    offsets: &PixelOffsets,
) -> [[I::V; N]; P] {
    // SAFETY: the caller guarantees the inputs of each pixel and run, and the weights and biases of `N` registers.
    unsafe {
        let bias = job.epilogue.bias.as_ptr().add(job.c);
        let mut sum = [[isa.zero(); N]; P];
        for j in 0..N {
            let b = isa.load(bias.add(j * I::LANES));
            for i in 0..P {
                sum[i][j] = b;
            }
        }
        let mut w = job.weights;
        for &start in job.starts {
            let mut pixel = [job.input; P];
            for i in 0..P {
                pixel[i] = job.input.add(offsets.input(i) + start);
            }
            for k in 0..job.run {
                let mut b = [isa.zero(); N];
                for j in 0..N {
                    b[j] = isa.load(w.add(j * I::LANES));
                }
                ahead::<I, N>(isa, w);
                for i in 0..P {
                    let a = isa.splat(*pixel[i].add(k));
                    for j in 0..N {
                        sum[i][j] = isa.fma(a, b[j], sum[i][j]);
                    }
                }
                w = w.add(N * I::LANES);
            }
            w = w.wrapping_add(job.skip);
        }
        sum
    }
}

/// Activation, residual and store of the sums of a tile.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
pub(crate) unsafe fn store_tile<I: Isa, const P: usize, const N: usize>(
    isa: I,
    job: &Job,
    offsets: &PixelOffsets,
    sum: &mut [[I::V; N]; P],
) {
    // SAFETY: the caller guarantees that each pixel's output takes `N` registers from channel `c` on.
    unsafe {
        apply(isa, job, offsets, sum);
        for i in 0..P {
            for j in 0..N {
                isa.store(job.output.add(offsets.output(i) + job.c + j * I::LANES), sum[i][j]);
            }
        }
    }
}

/// Activation and residual of the sums of a tile.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
pub(crate) unsafe fn apply<I: Isa, const P: usize, const N: usize>(
    isa: I,
    job: &Job,
    offsets: &PixelOffsets,
    sum: &mut [[I::V; N]; P],
) {
    // SAFETY: the caller guarantees that the residual, unless null, has `N` registers for each pixel.
    unsafe {
        if job.residual.is_null() {
            job.epilogue.apply(isa, sum, (job.c, I::LANES), None);
        } else {
            let mut residual = [[job.residual; N]; P];
            for i in 0..P {
                for j in 0..N {
                    residual[i][j] = job.residual.add(offsets.residual(i) + j * I::LANES);
                }
            }
            job.epilogue.apply(isa, sum, (job.c, I::LANES), Some(&residual));
        }
    }
}

/// The tiles of an instruction set: for each panel width in channels, tiles of 1, 2, ... pixels.
pub(crate) type Tiles = &'static [(usize, &'static [Tile])];

/// Makes the [`Tiles`] of an instruction set out of `[$tile]`, which is `$tile::<PIXELS, REGISTERS>`, each register of
/// `$lanes` channels; with `[$tile $store]`, what is stored is its first parameter.
macro_rules! tiles {
    ($($tile:tt * $lanes:tt: { $($n:literal => $($p:literal)+);+ }),+) => {
        &[$($(($n * $lanes, $crate::kernels::layers::f32::tile::tiles!(@ $tile $n [$($p)+]))),+),+]
    };
    (@ [$tile:ident] $n:literal [$($p:literal)+]) => { &[$($tile::<$p, $n>),+] };
    (@ [$tile:ident $store:ident] $n:literal [$($p:literal)+]) => { &[$($tile::<$store, $p, $n>),+] };
}
pub(crate) use tiles;

/// Pixels that are multiplied by all panels of a layer.
pub(crate) struct Sweep<'a> {
    pub walk: &'a mut Walk,
    /// How many pixels of the walk, from its first on.
    pub pixels: usize,
    pub runs: Runs<'a>,
    pub epilogue: &'a PackedEpilogue,
    pub input: *const f32,
    /// Null if there is no residual.
    pub residual: *const f32,
    pub output: *mut f32,
}

impl Panels<f32> {
    /// Packs `weight(k, channel)` for `depth` summands and `channels` output channels. `pixels` is as for
    /// [`Panels::lay`].
    pub fn pack(
        kernels: &Kernels,
        pixels: usize,
        depth: usize,
        channels: Outputs,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        Self::lay(kernels, pixels, depth, channels, |weights, k, c| weights.push(c.map_or(0.0, |c| weight(k, c))))
    }

    /// Multiplies the pixels of a sweep by all panels.
    ///
    /// # Safety
    /// Every pixel's offsets satisfy the contract of [`tile`] for the channels of all panels; `weights` was packed
    /// for the summands of all runs, and the CPU has the instructions of `tiles`.
    pub unsafe fn sweep(&self, tiles: Tiles, sweep: Sweep) {
        let Sweep { walk, pixels, runs, epilogue, input, residual, output } = sweep;
        let prepare = |panel: &Panel| {
            let (_, tiles) = tiles.iter().find(|t| t.0 == panel.width)?;
            let c = panel.c;
            // SAFETY: the panel starts inside the packed weights, and its channels inside the output pixel.
            let job = unsafe {
                let weights = self.weights.as_ptr().add(panel.weights + runs.skips[0] * panel.width);
                let residual = if residual.is_null() { residual } else { residual.add(c) };
                let Runs { starts, run, skips: [_, skip] } = runs;
                Job { starts, run, skip: skip * panel.width, epilogue, c, input, weights, residual, output }
            };
            Some((tiles.len(), (job, *tiles)))
        };
        self.each(walk, pixels, prepare, |(job, tiles), count, offsets| {
            // SAFETY: the offsets are those of `count` pixels of the grid; the caller guarantees weights, epilogue and
            // CPU.
            unsafe { tiles[count - 1](job, offsets) };
        });
    }
}
