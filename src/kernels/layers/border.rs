//! Taps of a window over the map's border of zeros are left out where that is faster: at 6x6 pixels they are a fifth of
//! a 3x3 convolution's products. At 3x3 they are two fifths, but reading the weights again for each region costs more.

use std::ops::Range;

use super::pixels::{Grid, Grids, Walk};
use super::window::Window;
use crate::kernels::Map;

/// The inputs that a pixel sums over.
#[derive(Clone, Debug)]
pub(crate) struct Runs<'a> {
    /// Starts of the runs of contiguous inputs, as offsets from the pixel's.
    pub starts: &'a [usize],
    /// Inputs per run.
    pub run: usize,
    /// Weights of an output before the first run, and between two runs.
    pub skips: [usize; 2],
}

impl Runs<'_> {
    /// A single run of `run` inputs.
    pub fn one(run: usize) -> Self {
        Self { starts: &[0], run, skips: [0, 0] }
    }
}

/// Pixels whose windows have the same taps over the map.
#[derive(Clone, Debug)]
pub(crate) struct OutputRegion {
    /// Position of the first pixel.
    pub at: (usize, usize),
    /// Rows and columns of pixels.
    pub size: (usize, usize),
    /// Starts of its runs.
    pub starts: Vec<usize>,
    /// Inputs per run.
    pub run: usize,
    /// As [`Runs::skips`].
    pub skips: [usize; 2],
    /// Rows and columns of the window that are over the map.
    pub taps: [Range<usize>; 2],
}

impl OutputRegion {
    /// All pixels, with the whole window; `items` is the number of items per pixel of `from` and tap.
    pub fn whole(window: &Window, from: &Map, to: &Map, items: usize) -> Self {
        Self::new(window, from, items, [0..to.h, 0..to.w], window.size.map(|n| 0..n))
    }

    fn new(
        window: &Window,
        from: &Map,
        items: usize,
        [rows, columns]: [Range<usize>; 2],
        taps: [Range<usize>; 2],
    ) -> Self {
        let wide = window.size[1];
        // The taps of a row are one run if the channels leave no gap.
        let together = if contiguous(from) { taps[1].len() } else { 1 };
        let start = |y: usize| taps[1].clone().step_by(together).map(move |x| y * from.row + x * from.pitch);
        let starts = taps[0].clone().flat_map(start).collect();
        let skips = [taps[0].start * wide + taps[1].start, wide - taps[1].len()].map(|taps| taps * items);
        let (at, size) = ((rows.start, columns.start), (rows.len(), columns.len()));
        Self { at, size, starts, run: together * items, skips, taps }
    }

    pub fn runs(&self) -> Runs<'_> {
        Runs { starts: &self.starts, run: self.run, skips: self.skips }
    }

    /// With runs in groups of `group` inputs, the last one padded.
    pub fn grouped(self, group: usize) -> Self {
        Self { run: self.run.div_ceil(group), skips: self.skips.map(|n| n / group), ..self }
    }

    /// Cost of the pixels, in products of all channels: their own, and reading the weights for every tile.
    fn cost(&self) -> usize {
        /// Pixels of a tile.
        const PIXELS: usize = 6;
        /// Weights come from the second-level cache.
        const WEIGHT: usize = 2;
        let pixels = self.size.0 * self.size.1;
        (pixels + pixels.div_ceil(PIXELS) * WEIGHT) * self.taps[0].len() * self.taps[1].len()
    }

    /// A walk over the pixels in these grids, which start at the first pixel of the whole map; and their number.
    pub fn walk(&self, grids: Grids) -> (Walk, usize) {
        let (rows, columns) = self.size;
        // A single column is walked as a row, which is quicker.
        let transposed = columns == 1;
        let at = |g: Grid| {
            let first = Grid { at: g.offset(self.at.0, self.at.1), ..g };
            if transposed { Grid { row: g.pixel, pixel: g.row, ..first } } else { first }
        };
        let Grids { from, residual, to } = grids;
        let grids = Grids { from: at(from), residual: residual.map(at), to: at(to) };
        (Walk::new(grids, if transposed { rows } else { columns }), rows * columns)
    }
}

/// The regions of the `whole` of a convolution `from` -> `to`, with the taps that each needs; a single region if little
/// would be left out, or if `from` has gaps between pixels. Rows over the border are split off first, columns only from
/// the rows in between.
pub(crate) fn regions(whole: &OutputRegion, window: &Window, from: &Map, to: &Map, items: usize) -> Vec<OutputRegion> {
    let undivided = || vec![whole.clone()];
    if !contiguous(from) {
        return undivided();
    }
    let (Some(rows), Some(columns)) = (spans(window, 0, from.h, to.h), spans(window, 1, from.w, to.w)) else {
        return undivided();
    };
    let mut regions = vec![];
    for (y, down) in rows {
        if down.len() < window.size[0] {
            regions.push(OutputRegion::new(window, from, items, [y, 0..to.w], [down, 0..window.size[1]]));
            continue;
        }
        for (x, across) in &columns {
            regions.push(OutputRegion::new(
                window,
                from,
                items,
                [y.clone(), x.clone()],
                [down.clone(), across.clone()],
            ));
        }
    }
    let cost: usize = regions.iter().map(OutputRegion::cost).sum();
    if cost * 10 <= whole.cost() * 9 { regions } else { undivided() }
}

/// Whether a map's pixels follow one another without a gap.
fn contiguous(map: &Map) -> bool {
    map.c == map.pitch
}

/// Outputs along an axis with the same taps over `inputs`, and these taps; `None` if a window has no tap there.
fn spans(window: &Window, axis: usize, inputs: usize, outputs: usize) -> Option<Vec<(Range<usize>, Range<usize>)>> {
    let (size, stride, before) = (window.size[axis], window.stride[axis], window.before[axis]);
    let mut spans: Vec<(Range<usize>, Range<usize>)> = vec![];
    for i in 0..outputs {
        let start = i * stride;
        let taps = before.saturating_sub(start)..(before + inputs).saturating_sub(start).min(size);
        match spans.last_mut() {
            _ if taps.is_empty() => return None,
            Some(last) if last.1 == taps => last.0.end = i + 1,
            _ => spans.push((i..i + 1, taps)),
        }
    }
    Some(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_share_the_pixels_out_and_have_all_taps_over_the_map() {
        let sizes = [(6, 6, 1, true), (12, 12, 1, false), (12, 12, 2, false), (24, 24, 1, false), (3, 3, 1, false)];
        let more = [(1, 1, 1, false), (2, 5, 1, true), (1, 7, 1, false), (5, 4, 2, false), (40, 40, 1, false)];
        for (h, w, stride, divided) in sizes.into_iter().chain(more) {
            let window = Window::square(3, stride);
            let from = Map::bordered(16, h, w, 16);
            let to = Map::bordered(16, h.div_ceil(stride), w.div_ceil(stride), 16);
            let regions = regions(&OutputRegion::whole(&window, &from, &to, 16), &window, &from, &to, 16);
            let mut seen = vec![0; to.h * to.w];
            for region in &regions {
                for (y, x) in (0..region.size.0).flat_map(|y| (0..region.size.1).map(move |x| (y, x))) {
                    let (y, x) = (region.at.0 + y, region.at.1 + x);
                    seen[y * to.w + x] += 1;
                    for (v, u) in (0..3).flat_map(|v| (0..3).map(move |u| (v, u))) {
                        let over = |i: usize, n: usize| (1..=n).contains(&i);
                        if over(y * stride + v, h) && over(x * stride + u, w) {
                            assert!(region.taps[0].contains(&v) && region.taps[1].contains(&u), "{h}x{w}: {region:?}");
                        }
                    }
                }
                assert_eq!(region.starts.len() * region.run, 16 * region.taps[0].len() * region.taps[1].len());
            }
            assert!(seen.iter().all(|n| *n == 1), "{h}x{w}: {seen:?}");
            assert_eq!(regions.len() > 1, divided, "{h}x{w}");
        }
    }

    #[test]
    fn runs_tell_where_their_weights_are() {
        let (window, from) = (Window::square(3, 1), Map::bordered(16, 6, 6, 16));
        let regions = regions(&OutputRegion::whole(&window, &from, &from, 16), &window, &from, &from, 16);
        assert_eq!(regions.len(), 5);
        assert_eq!(regions[0].taps, [1..3, 0..3]);
        assert_eq!(
            (regions[0].run, &regions[0].starts[..], regions[0].skips),
            (48, &[from.row, 2 * from.row][..], [48, 0])
        );
        assert_eq!((regions[1].at, regions[1].size, &regions[1].taps), ((1, 0), (4, 1), &[0..3, 1..3]));
        assert_eq!((regions[1].run, regions[1].starts[1], regions[1].skips), (32, from.row + 16, [16, 16]));
        let gaps = Map { c: 12, ..from };
        let whole = OutputRegion::whole(&window, &gaps, &gaps, 12);
        assert_eq!(whole.starts.len(), 9);
        assert_eq!(super::regions(&whole, &window, &gaps, &gaps, 12).len(), 1);
    }
}
