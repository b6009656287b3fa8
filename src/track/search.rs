//! Tiles over a whole frame, in which a lost target is looked for.

use crate::geometry::Point;

/// Most tiles of a frame; they become larger than usual if the target is small.
const MOST: usize = 48;

/// Distance of two tiles as a share of their side.
const STEP: f32 = 0.7;

/// The tiles of one pass.
#[derive(Debug)]
pub(super) struct Tiles {
    /// Those left, the next last.
    centres: Vec<Point>,
    side: f32,
}

impl Default for Tiles {
    fn default() -> Self {
        Self { centres: Vec::with_capacity(MOST), side: 0.0 }
    }
}

impl Tiles {
    /// Forgets the pass.
    pub fn clear(&mut self) {
        self.centres.clear();
    }

    /// The next tile: its middle and side, pixels. A new pass over a frame of `size` starts near `from`; its tiles have
    /// the side `side`, or more if they would be too many.
    pub fn next(&mut self, [width, height]: [f32; 2], side: f32, from: Point) -> Option<(Point, f32)> {
        if self.centres.is_empty() {
            self.lay(width, height, side, from);
        }
        Some((self.centres.pop()?, self.side))
    }

    fn lay(&mut self, width: f32, height: f32, side: f32, from: Point) {
        let longest = width.max(height);
        if !(longest.is_finite() && longest > 0.0 && side > 0.0) {
            return;
        }
        let count = |extent: f32, side: f32| (extent / (STEP * side)).ceil().clamp(1.0, 1e4) as usize;
        let mut side = side;
        while count(width, side) * count(height, side) > MOST {
            side *= 1.1;
        }
        self.side = side;
        let (columns, rows) = (count(width, side), count(height, side));
        for i in 0..columns * rows {
            let along = |at: usize, of: usize, extent: f32| (at as f32 + 0.5) / of as f32 * extent;
            self.centres.push([along(i % columns, columns, width), along(i / columns, rows, height)]);
        }
        let far = |p: &Point| (p[0] - from[0]).hypot(p[1] - from[1]);
        self.centres.sort_unstable_by(|a, b| far(b).total_cmp(&far(a)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_covers_the_frame_from_near_to_far() {
        for (size, side) in [([320.0, 256.0], 80.0), ([640.0, 512.0], 12.0), ([30.0, 20.0], 400.0)] {
            let (mut tiles, from) = (Tiles::default(), [40.0, 30.0]);
            let mut pass = vec![tiles.next(size, side, from).unwrap()];
            while !tiles.centres.is_empty() {
                pass.push(tiles.next(size, side, from).unwrap());
            }
            assert!(pass.len() <= MOST);
            for i in 0..1000 {
                let p = [(i % 40) as f32 / 39.0 * size[0], (i / 40) as f32 / 24.0 * size[1]];
                let covers = |(c, side): &(Point, f32)| (0..2).all(|k| (p[k] - c[k]).abs() <= side / 2.0);
                assert!(pass.iter().any(covers), "{p:?} of {size:?}");
            }
            let far = |t: &(Point, f32)| (t.0[0] - from[0]).hypot(t.0[1] - from[1]);
            assert!(pass.is_sorted_by(|a, b| far(a) <= far(b)));
        }
    }

    #[test]
    fn nothing_is_laid_over_nothing() {
        for (size, side) in [([0.0; 2], 10.0), ([f32::NAN; 2], 10.0), ([10.0; 2], 0.0), ([10.0; 2], f32::NAN)] {
            assert_eq!(Tiles::default().next(size, side, [0.0; 2]), None);
        }
        assert!(Tiles::default().next([10.0; 2], 1.0, [f32::NAN; 2]).is_some());
    }
}
