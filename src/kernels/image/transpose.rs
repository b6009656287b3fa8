//! Pixels to planes: the values of a map as row-major channels, rows, columns, as the readers of most outputs want them.

use crate::kernels::isa::{FOUR, Transpose};
use crate::kernels::{Kernels, Map};

/// Pixels in a row, at least as many as a register has lanes, of four channels or more.
pub(crate) struct Job {
    from: *const f32,
    /// From one pixel to the next.
    pitch: usize,
    pixels: usize,
    channels: usize,
    to: *mut f32,
    /// From one plane to the next.
    plane: usize,
}

/// # Safety
/// The pixels are readable, and as many floats of each plane writable.
#[inline(always)]
pub(crate) unsafe fn nhwc_to_nchw<I: Transpose>(isa: I, job: &Job) {
    let Job { from, pitch, pixels, channels, to, plane } = *job;
    for x in (0..pixels).step_by(I::LANES) {
        // The last pixels and channels overlap those before.
        let x = x.min(pixels - I::LANES);
        for c in (0..channels).step_by(FOUR) {
            let c = c.min(channels - FOUR);
            let mut rows = [isa.zero(); FOUR];
            for (i, row) in rows.iter_mut().enumerate() {
                // SAFETY: pixels `x + i`, `x + i + 4` and so on, of which the last is the last but `3 - i` of the lanes'.
                *row = unsafe { isa.load_fours(from.add((x + i) * pitch + c), FOUR * pitch) };
            }
            for (i, row) in isa.transpose4(rows).into_iter().enumerate() {
                // SAFETY: the lanes' pixels in plane `c + i`.
                unsafe { isa.store(to.add((c + i) * plane + x), row) };
            }
        }
    }
}

impl Kernels {
    /// As [`Map::write_planes`].
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn nhwc_to_nchw(&self, map: &Map, data: &[f32], planes: &mut [f32]) {
        let plane = map.h * map.w;
        // Pixels of which all are next to each other are as one row.
        let (lines, pixels) = if map.row == map.w * map.pitch { (1, plane) } else { (map.h, map.w) };
        if pixels < self.lanes || map.c < FOUR {
            return map.write_planes(data, planes);
        }
        assert!(data.len() >= map.at(map.h - 1, map.w - 1) + map.c && planes.len() >= map.values());
        for line in 0..lines {
            // SAFETY: the pixels of the line are in `data`, and in `planes`, at their place in each plane; a `Kernels` is
            // only handed out on a CPU that has its instructions.
            unsafe {
                (self.nhwc_to_nchw)(&Job {
                    from: data.as_ptr().add(map.at(line, 0)),
                    pitch: map.pitch,
                    pixels,
                    channels: map.c,
                    to: planes.as_mut_ptr().add(line * map.w),
                    plane,
                });
            }
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
