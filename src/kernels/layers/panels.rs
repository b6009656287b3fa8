//! Weights of dense layers, packed in panels of output channels.

use super::pixels::{PixelOffsets, Walk};
use crate::kernels::{Kernels, Lines};

/// Bytes of weights that stay in the first-level cache next to all other data.
const NEAR: usize = 20 << 10;

/// The most panels that are computed for a tile's pixels before the next pixels.
const TOGETHER: usize = 8;

/// Two registers, or three instead of two and one: for sixteen vector registers.
pub(crate) fn two(left: usize) -> usize {
    match left {
        3 => 3,
        _ => left.min(2),
    }
}

/// A range of output channels and where its weights start.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// Channels.
    pub width: usize,
    /// First output channel.
    pub c: usize,
    /// Offset of the first weight.
    pub weights: usize,
}

/// The output channels of a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outputs {
    pub count: usize,
    /// Whether the last panel ends with the channels, as an unpadded map needs.
    pub unpadded: bool,
}

/// Weights of a dense layer, panel by panel, each in the order in which its tiles read them.
#[derive(Debug)]
pub(crate) struct Panels<W> {
    panels: Vec<Panel>,
    pub weights: Lines<W>,
}

impl<W: Copy + Default> Panels<W> {
    /// Packs what `push` appends for each of `depth` steps and each of `channels` output channels, with `None` for the
    /// padding up to whole registers. `pixels` is how many pixels share the weights: a single one gets wider panels.
    /// The last panel of an `unpadded` map ends with the channels.
    pub fn lay(
        kernels: &Kernels,
        pixels: usize,
        depth: usize,
        channels: Outputs,
        push: impl FnMut(&mut Vec<W>, usize, Option<usize>),
    ) -> Self {
        let width = |left: usize| panel_width(kernels, left.div_ceil(kernels.lanes), pixels) * kernels.lanes;
        Self::by(width, depth, channels, push)
    }

    /// As [`Panels::lay`] for more than one pixel, with tiles of these `widths`. If the smallest is part of a register,
    /// it is used for the last channels, or three times it if a whole register precedes them.
    pub fn lay_to(
        kernels: &Kernels,
        widths: &[usize],
        depth: usize,
        channels: Outputs,
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
        channels: Outputs,
        push: impl FnMut(&mut Vec<W>, usize, Option<usize>),
    ) -> Self {
        Self::by(|_| width, depth, channels, push)
    }

    /// As [`Panels::lay`]; `width` gives the channels of a panel from those left.
    fn by(
        width: impl Fn(usize) -> usize,
        depth: usize,
        Outputs { count: channels, unpadded }: Outputs,
        mut push: impl FnMut(&mut Vec<W>, usize, Option<usize>),
    ) -> Self {
        let (mut panels, mut weights) = (vec![], vec![]);
        let mut first = 0;
        while first < channels {
            let width = width(channels - first);
            let last = if unpadded { channels.saturating_sub(width) } else { usize::MAX };
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

    /// Calls `tile` for the first `pixels` pixels of a grid times all panels. `prepare` gives the most pixels per tile
    /// and the work for a panel; `tile` gets the work, a number of pixels and their offsets. A panel for which
    /// `prepare` gives `None` is skipped.
    #[inline]
    pub fn each<T>(
        &self,
        walk: &mut Walk,
        pixels: usize,
        mut prepare: impl FnMut(&Panel) -> Option<(usize, T)>,
        mut tile: impl FnMut(&T, usize, &PixelOffsets),
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
    /// Whether all weights stay in the first-level cache, next to all other data, from one tile to the next.
    pub fn near(&self) -> bool {
        (2..=TOGETHER).contains(&self.panels.len()) && size_of_val(&self.weights[..]) <= NEAR
    }

    /// As [`Panels::each`] for [near](Panels::near) panels, but with all panels for a tile's pixels before the next
    /// pixels, so that writes are sequential.
    #[inline(never)]
    pub fn together<T>(
        &self,
        walk: &mut Walk,
        pixels: usize,
        mut prepare: impl FnMut(&Panel) -> Option<(usize, T)>,
        mut tile: impl FnMut(&T, usize, &PixelOffsets),
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
            let offsets = walk.next(count);
            works.iter().flatten().for_each(|work| tile(work, count, offsets));
        }
    }
}

/// Splits pixels evenly over as few tiles as possible, with at most `most` pixels each.
#[inline(always)]
fn shares(pixels: usize, most: usize) -> impl Iterator<Item = usize> {
    let tiles = pixels.div_ceil(most);
    let (least, more) = (pixels / tiles.max(1), pixels % tiles.max(1));
    (0..tiles).map(move |number| least + usize::from(number < more))
}

/// Registers of the next panel when `left` remain: many for a single pixel, whose sums would otherwise wait for one
/// another; else what the instruction set prefers.
fn panel_width(kernels: &Kernels, left: usize, pixels: usize) -> usize {
    match (left, pixels) {
        (8.., 1) => 8,
        (4.., 1) => 4,
        (_, 1) => left.min(2),
        _ => (kernels.panel)(left),
    }
}
