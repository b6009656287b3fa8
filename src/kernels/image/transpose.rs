//! Transposition of a map from NHWC to NCHW, the order that most readers of outputs want.

use crate::kernels::isa::tail::store_at;
use crate::kernels::isa::{FOUR, Transpose};
use crate::kernels::{Kernels, Map};

/// Arguments of the transposing kernel: pixels in a row, at least as many as a register has lanes, of four channels or
/// more.
pub(crate) struct Job<'a> {
    from: &'a [f32],
    /// From one pixel to the next.
    pitch: usize,
    pixels: usize,
    channels: usize,
    to: &'a mut [f32],
    /// From one plane to the next.
    plane: usize,
}

/// The channels of some pixels as planes.
///
/// # Safety
/// `from` holds the pixels, all but the last with the whole pitch, and `to` as many values of each plane.
#[inline(always)]
pub(crate) unsafe fn nhwc_to_nchw<I: Transpose>(isa: I, job: Job) {
    let Job { from, pitch, pixels, channels, to, plane } = job;
    for x in (0..pixels).step_by(I::LANES) {
        // The last pixels and channels overlap those before.
        let x = x.min(pixels - I::LANES);
        for c in (0..channels).step_by(FOUR) {
            let c = c.min(channels - FOUR);
            let mut rows = [isa.zero(); FOUR];
            for (i, row) in rows.iter_mut().enumerate() {
                // SAFETY: pixels `x + i`, `x + i + 4` and so on, up to at most the last of the register's, all in
                // `from`.
                *row = unsafe { isa.load_fours(from.as_ptr().add((x + i) * pitch + c), FOUR * pitch) };
            }
            for (i, row) in isa.transpose4(rows).into_iter().enumerate() {
                // SAFETY: plane `c + i` has a value for each pixel of the register.
                unsafe { store_at(isa, to, (c + i) * plane + x, row) };
            }
        }
    }
}

impl Kernels {
    /// Writes `map` as NCHW, as [`Map::write_planes`] does.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn nhwc_to_nchw(&self, map: &Map, data: &[f32], planes: &mut [f32]) {
        let plane = map.h * map.w;
        // Pixels without gaps between rows count as one row.
        let (lines, pixels) = if map.row == map.w * map.pitch { (1, plane) } else { (map.h, map.w) };
        if pixels < self.lanes || map.c < FOUR {
            return map.write_planes(data, planes);
        }
        assert!(data.len() >= map.at(map.h - 1, map.w - 1) + map.c && planes.len() >= map.values());
        for line in 0..lines {
            let (from, to) = (&data[map.at(line, 0)..], &mut planes[line * map.w..]);
            let job = Job { from, pitch: map.pitch, pixels, channels: map.c, to, plane };
            // SAFETY: the line's pixels are in `data`, and in `planes` at their place in each plane; a `Kernels` is
            // only handed out on a CPU that has its instructions.
            unsafe { (self.nhwc_to_nchw)(job) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::available;

    #[test]
    fn every_shape_is_written_as_by_definition() {
        for (h, w) in [(1, 1), (1, 16), (3, 5), (4, 4), (5, 17), (12, 12), (7, 40)] {
            for c in [1, 3, 4, 5, 14, 16, 31, 280] {
                for map in
                    [Map::plain(c, h, w, c), Map::plain(c, h, w, c + 3), Map::bordered(c, h, w, c.next_multiple_of(16))]
                {
                    let data: Vec<f32> = (0..map.len).map(|i| i as f32).collect();
                    let mut wanted = vec![-1.0; map.values() + 3];
                    map.write_planes(&data, &mut wanted);
                    for kernels in available() {
                        let mut planes = vec![-1.0; wanted.len()];
                        kernels.nhwc_to_nchw(&map, &data, &mut planes);
                        assert_eq!(planes, wanted, "{} {map:?}", kernels.name());
                    }
                }
            }
        }
    }
}
