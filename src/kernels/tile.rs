//! The dense micro-kernel: a few pixels times a few registers of output channels, held in registers
//! over the whole sum. Strides over taps and channels make it a convolution of any size and stride, a
//! fully connected layer or the products of Winograd's method; nothing is gathered or packed at run time.

use super::Lines;
use super::act::Finish;
use super::isa::Isa;
use super::rim::Runs;
pub(super) use super::spots::{Grid, Grids, Spots, Walk};

/// Floats of a cache line.
const LINE: usize = 16;

/// Bytes of weights that stay in the first-level cache beside all else.
const NEAR: usize = 20 << 10;

/// The most panels of which each pixel is computed before the next.
const TOGETHER: usize = 8;

/// Summands that weights are asked for ahead of their use: those of large layers come from far.
const AHEAD: usize = 16;

/// What all tiles of a panel have in common.
pub(super) struct Job<'a> {
    /// Where the runs of input floats start that a pixel sums over.
    pub starts: &'a [usize],
    /// Floats per run.
    pub run: usize,
    /// Weights between two runs.
    pub skip: usize,
    pub finish: &'a Finish,
    /// First output channel of the panel.
    pub c: usize,
    pub input: *const f32,
    pub weights: *const f32,
    /// The residual, or null, of the panel's channels.
    pub other: *const f32,
    /// Of all channels; floats, or whole numbers where `finish` says how to make them.
    pub output: *mut f32,
}

/// A tile of a fixed number of pixels and registers.
pub(super) type Tile = unsafe fn(&Job, &Spots);

/// `P` pixels times `N` registers.
///
/// # Safety
/// For each of the first `P` spots: `input + spot + a run's offset` is readable for `run` floats, `output + spot + c`
/// writable and `other + spot` (unless null) readable for `N` registers. `weights` is readable for `N` registers for each
/// summand of the runs and for what is between them, and `c` plus `N` registers is within `finish`'s channels.
#[inline(always)]
pub(super) unsafe fn tile<I: Isa, const P: usize, const N: usize>(isa: I, job: &Job, spots: &Spots) {
    // SAFETY: same contract.
    unsafe {
        let mut sum = sums::<I, P, N>(isa, job, spots);
        finish(isa, job, spots, &mut sum);
    }
}

/// Asks for the `N` registers of weights that are to be read as many summands later.
#[inline(always)]
pub(super) fn ahead<I: Isa, const N: usize>(isa: I, weights: *const f32) {
    for line in 0..(N * I::LANES).div_ceil(LINE) {
        isa.prefetch(weights.wrapping_add(AHEAD * N * I::LANES + line * LINE));
    }
}

/// The sums of a tile.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
pub(super) unsafe fn sums<I: Isa, const P: usize, const N: usize>(isa: I, job: &Job, spots: &Spots) -> [[I::V; N]; P] {
    // SAFETY: all offsets are within what the caller promises.
    unsafe {
        let bias = job.finish.bias.as_ptr().add(job.c);
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
                pixel[i] = job.input.add(spots.input(i) + start);
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
pub(super) unsafe fn finish<I: Isa, const P: usize, const N: usize>(
    isa: I,
    job: &Job,
    spots: &Spots,
    sum: &mut [[I::V; N]; P],
) {
    // SAFETY: all offsets are within what the caller promises.
    unsafe {
        apply(isa, job, spots, sum);
        for i in 0..P {
            for j in 0..N {
                isa.store(job.output.add(spots.output(i) + job.c + j * I::LANES), sum[i][j]);
            }
        }
    }
}

/// Activation and residual of the sums of a tile.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
pub(super) unsafe fn apply<I: Isa, const P: usize, const N: usize>(
    isa: I,
    job: &Job,
    spots: &Spots,
    sum: &mut [[I::V; N]; P],
) {
    // SAFETY: all offsets are within what the caller promises.
    unsafe {
        if job.other.is_null() {
            job.finish.apply(isa, sum, (job.c, I::LANES), None);
        } else {
            let mut other = [[job.other; N]; P];
            for i in 0..P {
                for j in 0..N {
                    other[i][j] = job.other.add(spots.other(i) + j * I::LANES);
                }
            }
            job.finish.apply(isa, sum, (job.c, I::LANES), Some(&other));
        }
    }
}

/// The tiles of an instruction set: for each panel width in channels, tiles of 1, 2, ... pixels.
pub(super) type Tiles = &'static [(usize, &'static [Tile])];

/// Makes the [`Tiles`] of an instruction set out of `[$tile]`, which is `$tile::<PIXELS, REGISTERS>`, each register of
/// `$lanes` channels; with `[$tile $store]`, what is stored is its first parameter.
macro_rules! tiles {
    ($($tile:tt * $lanes:tt: { $($n:literal => $($p:literal)+);+ }),+) => {
        &[$($(($n * $lanes, $crate::kernels::tile::tiles!(@ $tile $n [$($p)+]))),+),+]
    };
    (@ [$tile:ident] $n:literal [$($p:literal)+]) => { &[$($tile::<$p, $n>),+] };
    (@ [$tile:ident $store:ident] $n:literal [$($p:literal)+]) => { &[$($tile::<$store, $p, $n>),+] };
}
pub(super) use tiles;

/// Two registers, and three rather than two and one: for sixteen vector registers.
pub(super) fn two(left: usize) -> usize {
    match left {
        3 => 3,
        _ => left.min(2),
    }
}

/// A range of output channels and where its weights start.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    /// Channels.
    pub width: usize,
    /// First output channel.
    pub c: usize,
    /// Offset of the first weight.
    pub weights: usize,
}

/// Weights of a dense layer, panel by panel, each in the order in which its tiles read them.
#[derive(Debug)]
pub(super) struct Panels<W> {
    panels: Vec<Panel>,
    pub weights: Lines<W>,
}

impl<W: Copy + Default> Panels<W> {
    /// Packs what `push` appends for each of `depth` steps and each of `channels` output channels, of which there
    /// are more, `None`, up to whole registers. `pixels` tells how many pixels share the weights: a single one
    /// gets wider panels. The last panel of a `snug` map ends with the channels.
    pub fn lay(
        kernels: &super::Kernels,
        pixels: usize,
        depth: usize,
        channels: (usize, bool),
        push: impl FnMut(&mut Vec<W>, usize, Option<usize>),
    ) -> Self {
        let width = |left: usize| panel_width(kernels, left.div_ceil(kernels.lanes), pixels) * kernels.lanes;
        Self::by(width, depth, channels, push)
    }

    /// As [`Panels::lay`] for more pixels than one, where there are tiles of so many channels. If some are of a part of
    /// a register, the last channels take such a part, or, with a register's before them, three.
    pub fn lay_to(
        kernels: &super::Kernels,
        widths: &[usize],
        depth: usize,
        channels: (usize, bool),
        push: impl FnMut(&mut Vec<W>, usize, Option<usize>),
    ) -> Self {
        let lanes = kernels.lanes;
        let least = widths.iter().copied().min().unwrap_or(lanes);
        let width = |left: usize| match (left / lanes, left % lanes) {
            (0, rest) if rest <= least => least,
            (1, 1..) if least < lanes && left <= 3 * least && widths.contains(&(3 * least)) => 3 * least,
            (whole, rest) if (1..=least).contains(&rest) && least < lanes => (kernels.panel)(whole) * lanes,
            _ => (kernels.panel)(left.div_ceil(lanes)) * lanes,
        };
        Self::by(width, depth, channels, push)
    }

    /// As [`Panels::lay`], in panels of `width` channels.
    pub fn narrow(
        width: usize,
        depth: usize,
        channels: (usize, bool),
        push: impl FnMut(&mut Vec<W>, usize, Option<usize>),
    ) -> Self {
        Self::by(|_| width, depth, channels, push)
    }

    /// As [`Panels::lay`], `width` channels of those left at a time.
    fn by(
        width: impl Fn(usize) -> usize,
        depth: usize,
        (channels, snug): (usize, bool),
        mut push: impl FnMut(&mut Vec<W>, usize, Option<usize>),
    ) -> Self {
        let (mut panels, mut weights) = (vec![], vec![]);
        let mut first = 0;
        while first < channels {
            let width = width(channels - first);
            let last = if snug { channels.saturating_sub(width) } else { usize::MAX };
            let begin = last.min(first);
            panels.push(Panel { width, c: begin, weights: weights.len() });
            for k in 0..depth {
                for c in begin..begin + width {
                    push(&mut weights, k, (c < channels).then_some(c));
                }
            }
            first += width;
        }
        Self { panels, weights: Lines::of(&weights) }
    }

    /// The first channel of each panel, and the weights from its own on.
    pub fn parts(&self) -> impl Iterator<Item = (usize, &[W])> {
        self.panels.iter().map(|p| (p.c, &self.weights[p.weights..]))
    }

    /// Calls `tile` for so many pixels of a grid, from its first on, times all panels, with what `prepare` makes of the
    /// panel, a number of pixels up to the one that it gives too, and their spots. A panel of which it makes nothing
    /// is passed over.
    #[inline]
    pub fn each<T>(
        &self,
        walk: &mut Walk,
        pixels: usize,
        mut prepare: impl FnMut(&Panel) -> Option<(usize, T)>,
        mut tile: impl FnMut(&T, usize, &Spots),
    ) {
        for panel in &self.panels {
            let Some((most, work)) = prepare(panel) else { continue };
            walk.restart();
            for count in shares(pixels, most) {
                tile(&work, count, walk.next(count));
            }
        }
    }
}

impl<W> Panels<W> {
    /// Whether all weights stay in the first-level cache, beside all else, from one tile to the next.
    pub fn near(&self) -> bool {
        (2..=TOGETHER).contains(&self.panels.len()) && size_of_val(&self.weights[..]) <= NEAR
    }

    /// As [`Panels::each`] for [near](Panels::near) panels, all of them for a tile's pixels before the next pixels: what
    /// is written lies in a row then.
    #[inline(never)]
    pub fn together<T>(
        &self,
        walk: &mut Walk,
        pixels: usize,
        mut prepare: impl FnMut(&Panel) -> Option<(usize, T)>,
        mut tile: impl FnMut(&T, usize, &Spots),
    ) {
        let mut works = [const { None }; TOGETHER];
        let mut most = usize::MAX;
        for (work, panel) in works.iter_mut().zip(&self.panels) {
            if let Some((pixels, prepared)) = prepare(panel) {
                most = most.min(pixels);
                *work = Some(prepared);
            }
        }
        walk.restart();
        for count in shares(pixels, most) {
            let spots = walk.next(count);
            works.iter().flatten().for_each(|work| tile(work, count, spots));
        }
    }
}

impl Panels<f32> {
    /// Packs `weight(k, channel)` for `depth` summands and `channels` output channels. `pixels` is as for
    /// [`Panels::lay`].
    pub fn pack(
        kernels: &super::Kernels,
        pixels: usize,
        depth: usize,
        channels: (usize, bool),
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        Self::lay(kernels, pixels, depth, channels, |weights, k, c| weights.push(c.map_or(0.0, |c| weight(k, c))))
    }

    /// So many pixels of a grid, from its first on, times all panels; `other` is null where nothing joins.
    ///
    /// # Safety
    /// Every pixel's spots satisfy the contract of [`tile`] for the channels of all panels; `weights` was packed
    /// for the summands of all runs, and the CPU has the instructions of `tiles`.
    pub unsafe fn sweep(
        &self,
        tiles: Tiles,
        (walk, pixels): (&mut Walk, usize),
        runs: Runs,
        finish: &Finish,
        (input, other, output): (*const f32, *const f32, *mut f32),
    ) {
        let prepare = |panel: &Panel| {
            let (_, tiles) = tiles.iter().find(|t| t.0 == panel.width)?;
            let c = panel.c;
            // SAFETY: the panel starts inside the packed weights, and its channels inside the output pixel.
            let job = unsafe {
                let weights = self.weights.as_ptr().add(panel.weights + runs.skips[0] * panel.width);
                let other = if other.is_null() { other } else { other.add(c) };
                let Runs { starts, run, skips: [_, skip] } = runs;
                Job { starts, run, skip: skip * panel.width, finish, c, input, weights, other, output }
            };
            Some((tiles.len(), (job, *tiles)))
        };
        self.each(walk, pixels, prepare, |(job, tiles), count, spots| {
            // SAFETY: the spots are those of `count` pixels of the grid; the rest is this function's contract.
            unsafe { tiles[count - 1](job, spots) };
        });
    }
}

/// Pixels shared out evenly among as few tiles of at most so many as can hold them.
#[inline(always)]
fn shares(pixels: usize, most: usize) -> impl Iterator<Item = usize> {
    let tiles = pixels.div_ceil(most);
    let (least, more) = (pixels / tiles.max(1), pixels % tiles.max(1));
    (0..tiles).map(move |number| least + usize::from(number < more))
}

/// Registers of the next panel when `left` remain: a single pixel gets wide ones, as its sums would otherwise wait
/// for one another; else what an instruction set prefers.
fn panel_width(kernels: &super::Kernels, left: usize, pixels: usize) -> usize {
    match (left, pixels) {
        (8.., 1) => 8,
        (4.., 1) => 4,
        (_, 1) => left.min(2),
        _ => (kernels.panel)(left),
    }
}
