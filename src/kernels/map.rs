//! Layout of a feature map in memory.

use std::ops::Range;

/// A feature map of `c` channels on `h` rows and `w` columns inside a slice of floats.
///
/// The channels of one pixel are adjacent (NHWC). A bordered map has one pixel of zeros around it, so a
/// 3x3 window never needs a test; the rows and columns after the last are zero up to a multiple of four,
/// so a Winograd tile never does either. A map may also be some channels of a wider one ([`Map::slice`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Map {
    /// Channels that carry values.
    pub c: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
    /// Floats from a pixel to its right neighbour.
    pub pitch: usize,
    /// Floats from a pixel to the one below it.
    pub row: usize,
    /// Floats before the first pixel.
    pub origin: usize,
    /// Floats of the whole map, including the border.
    pub len: usize,
    /// Pixels of zeros on each side: 0 or 1.
    pub border: usize,
}

impl Map {
    /// A map with a border of zeros. `pitch` is at least `c`.
    pub fn bordered(c: usize, h: usize, w: usize, pitch: usize) -> Self {
        let row = (w.next_multiple_of(4) + 2) * pitch;
        Self { c, h, w, pitch, row, origin: row + pitch, len: (h.next_multiple_of(4) + 2) * row, border: 1 }
    }

    /// A map without a border, its pixels one after the other: for readers whose windows stay inside.
    pub fn plain(c: usize, h: usize, w: usize, pitch: usize) -> Self {
        Self { c, h, w, pitch, row: w * pitch, origin: 0, len: h * w * pitch, border: 0 }
    }

    /// A vector of `c` values: one pixel without a border.
    pub fn vector(c: usize, pitch: usize) -> Self {
        Self { c, h: 1, w: 1, pitch, row: pitch, origin: 0, len: pitch, border: 0 }
    }

    /// `count` channels of this map from `first` on, as a map over the same floats.
    #[inline]
    pub fn slice(&self, first: usize, count: usize) -> Self {
        Self { c: count, origin: self.origin + first, ..*self }
    }

    /// Index of the first channel of pixel `(y, x)`.
    #[inline]
    pub fn at(&self, y: usize, x: usize) -> usize {
        self.origin + y * self.row + x * self.pitch
    }

    /// Registers of `lanes` floats that hold the channels of one pixel.
    #[inline]
    pub fn vectors(&self, lanes: usize) -> usize {
        self.c.div_ceil(lanes)
    }

    /// Floats in use, without border and padding.
    #[inline]
    pub fn values(&self) -> usize {
        self.c * self.h * self.w
    }

    /// Whether registers of `lanes` floats stay inside the map.
    #[inline]
    pub fn holds(&self, lanes: usize) -> bool {
        self.reach(lanes) <= self.len
    }

    /// One past the last float that a kernel with registers of `lanes` floats touches inside the map.
    #[inline]
    pub fn reach(&self, lanes: usize) -> usize {
        match (self.h, self.w) {
            (0, _) | (_, 0) => 0,
            (h, w) => self.at(h - 1, w - 1) + self.vectors(lanes) * lanes,
        }
    }

    /// Whether registers of `lanes` floats reach from one pixel into the next. Only dense layers can write such a map:
    /// their last register ends with the pixel, and overlaps the one before.
    #[inline]
    pub fn unpadded(&self, lanes: usize) -> bool {
        self.pitch < self.vectors(lanes) * lanes
    }

    /// As [`Map::reach`], for dense layers.
    #[inline]
    pub(crate) fn dense_reach(&self, lanes: usize) -> usize {
        match (self.h, self.w) {
            (h @ 1.., w @ 1..) if self.unpadded(lanes) => self.at(h - 1, w - 1) + self.c,
            _ => self.reach(lanes),
        }
    }

    /// Whether the values are in the order rows, columns, channels without gaps.
    pub fn packed(&self) -> bool {
        self.border == 0 && self.pitch == self.c && self.row == self.w * self.c
    }

    /// The floats of row `y`, all channels of the pitch included. Only for a map that is not a slice.
    fn line(&self, y: usize) -> Range<usize> {
        self.at(y, 0)..self.at(y, 0) + self.w * self.pitch
    }

    /// Zeros everything around the pixels. The map must not be a slice of a wider one.
    pub fn clear_border(&self, data: &mut [f32]) {
        self.fill_border(data, 0.0);
    }

    /// As [`Map::clear_border`], for values of another type with this `zero`.
    pub(crate) fn fill_border<T: Copy>(&self, data: &mut [T], zero: T) {
        let Some(last) = self.h.checked_sub(1) else { return data[..self.len].fill(zero) };
        data[..self.at(0, 0)].fill(zero);
        let after = self.line(last).end;
        data[after..self.len].fill(zero);
        // The gap between two rows is usually so small that a call would take longer than the writes.
        let data = &mut data[..after];
        match self.row - self.w * self.pitch {
            2 => self.fill_between::<T, 2>(data, zero),
            32 => self.fill_between::<T, 32>(data, zero),
            64 => self.fill_between::<T, 64>(data, zero),
            128 => self.fill_between::<T, 128>(data, zero),
            gap => (0..last).map(|y| self.line(y).end).for_each(|end| data[end..end + gap].fill(zero)),
        }
    }

    /// Fills the `GAP` values between each row and the next.
    fn fill_between<T: Copy, const GAP: usize>(&self, data: &mut [T], zero: T) {
        for y in 1..self.h {
            if let Some(gap) = data[..self.at(y, 0)].last_chunk_mut::<GAP>() {
                *gap = [zero; GAP];
            }
        }
    }

    /// Fills the map from row-major channels, rows, columns.
    pub fn read_planes(&self, planes: &[f32], data: &mut [f32]) {
        let plane = self.h * self.w;
        if plane == 0 {
            return;
        }
        if self.c == 1 && self.pitch == 1 {
            for (y, line) in planes[..plane].chunks_exact(self.w).enumerate() {
                data[self.at(y, 0)..][..self.w].copy_from_slice(line);
            }
            return;
        }
        if self.c == 3 && self.pitch == 3 {
            let [red, green, blue] = [0, 1, 2].map(|c| &planes[c * plane..][..plane]);
            for y in 0..self.h {
                let [red, green, blue] = [red, green, blue].map(|p| &p[y * self.w..][..self.w]);
                let row = data[self.at(y, 0)..][..3 * self.w].as_chunks_mut::<3>().0;
                for (x, pixel) in row.iter_mut().enumerate() {
                    *pixel = [red[x], green[x], blue[x]];
                }
            }
            return;
        }
        for (c, plane) in planes.chunks_exact(plane).take(self.c).enumerate() {
            for (y, line) in plane.chunks_exact(self.w).enumerate() {
                let row = &mut data[self.at(y, 0) + c..];
                for (to, from) in row.iter_mut().step_by(self.pitch).zip(line) {
                    *to = *from;
                }
            }
        }
    }

    /// Writes the map as row-major channels, rows, columns.
    pub fn write_planes(&self, data: &[f32], planes: &mut [f32]) {
        let plane = self.h * self.w;
        if plane == 1 {
            planes[..self.c].copy_from_slice(&data[self.at(0, 0)..][..self.c]);
            return;
        }
        if plane == 0 {
            return;
        }
        for (c, plane) in planes[..self.c * plane].chunks_exact_mut(plane).enumerate() {
            for (y, line) in plane.chunks_exact_mut(self.w).enumerate() {
                let row = &data[self.at(y, 0) + c..];
                for (to, from) in line.iter_mut().zip(row.iter().step_by(self.pitch)) {
                    *to = *from;
                }
            }
        }
    }

    /// Writes the map as row-major rows, columns, channels.
    pub fn write_pixels(&self, data: &[f32], pixels: &mut [f32]) {
        if self.c == 0 {
            return;
        }
        for (i, pixel) in pixels.chunks_exact_mut(self.c).take(self.h * self.w).enumerate() {
            pixel.copy_from_slice(&data[self.at(i / self.w, i % self.w)..][..self.c]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_survive_a_round_trip_and_the_border_stays_zero() {
        for pitch in [3, 8] {
            round_trip(Map::bordered(3, 5, 6, pitch));
            round_trip(Map::plain(3, 5, 6, pitch));
        }
        round_trip(Map::bordered(1, 5, 6, 1));
        round_trip(Map::plain(8, 5, 6, 8));
        round_trip(Map::bordered(19, 5, 6, 24));
    }

    fn round_trip(map: Map) {
        let planes: Vec<f32> = (1..=map.values()).map(|v| v as f32).collect();
        let mut data = vec![f32::NAN; map.len];
        map.clear_border(&mut data);
        for y in 0..5 {
            for x in 0..6 {
                data[map.at(y, x)..][..map.pitch].fill(0.0);
            }
        }
        map.read_planes(&planes, &mut data);
        let mut back = vec![0.0; planes.len()];
        map.write_planes(&data, &mut back);
        assert_eq!(planes, back);
        assert_eq!(data.iter().filter(|v| **v != 0.0).count(), planes.len());
        let mut pixels = vec![0.0; planes.len()];
        map.write_pixels(&data, &mut pixels);
        assert!((0..map.c).all(|c| pixels[c] == planes[30 * c]));
    }
}
