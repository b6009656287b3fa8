//! One result against one truth: distance, normalised distance, overlap.

use std::fmt;

use serde::Serialize;

use crate::geometry::Rect;

/// A box as the field's files give it, pixels: left, top, width, height. In double precision, because results and
/// truths are whole numbers often, and then a distance or an overlap meets its threshold exactly.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Xywh {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width; 0 or less if there is no target.
    pub w: f64,
    /// Height; 0 or less if there is no target.
    pub h: f64,
}

impl Xywh {
    /// From left, top, width, height.
    pub const fn new(x: f64, y: f64, w: f64, h: f64) -> Self {
        Self { x, y, w, h }
    }

    /// Whether there is no target.
    pub fn is_empty(self) -> bool {
        !(self.w > 0.0 && self.h > 0.0)
    }

    /// Whether all four values are numbers.
    pub fn is_finite(self) -> bool {
        [self.x, self.y, self.w, self.h].iter().all(|v| v.is_finite())
    }

    /// The same in whole pixels, halves to the even number.
    #[must_use]
    pub fn rounded(self) -> Self {
        let [x, y, w, h] = [self.x, self.y, self.w, self.h].map(f64::round_ties_even);
        Self { x, y, w, h }
    }

    /// The same box by its edges.
    pub fn rect(self) -> Rect {
        Rect::new(self.x as f32, self.y as f32, (self.x + self.w) as f32, (self.y + self.h) as f32)
    }

    fn centre(self) -> [f64; 2] {
        [self.x + self.w / 2.0, self.y + self.h / 2.0]
    }
}

impl fmt::Display for Xywh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x {} y {} w {} h {}", self.x, self.y, self.w, self.h)
    }
}

impl From<Rect> for Xywh {
    fn from(r: Rect) -> Self {
        let [x0, y0, x1, y1] = r.to_array().map(f64::from);
        Self::new(x0, y0, x1 - x0, y1 - y0)
    }
}

/// How well a result agrees with a truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// Distance of the centres, pixels. The field's centre (w - 1) / 2 moves both alike.
    pub distance: f64,
    /// The same with x over the truth's width and y over its height.
    pub normalised: f64,
    /// Intersection over union, 0 to 1.
    pub overlap: f64,
}

impl Measure {
    /// What the field's tools give a frame without a usable truth: no distance exceeds a threshold, no overlap does.
    pub const UNUSABLE: Self = Self { distance: -1.0, normalised: -1.0, overlap: -1.0 };

    /// Of a `result` against a truth that is not empty.
    pub fn of(result: Xywh, truth: Xywh) -> Self {
        let ([ax, ay], [bx, by]) = (result.centre(), truth.centre());
        // Divided before the difference is taken, as LasHeR's tool does: equal up to rounding, which decides ties.
        let by_size = ((result.x + (result.w - 1.0) / 2.0) / truth.w - (truth.x + (truth.w - 1.0) / 2.0) / truth.w)
            .hypot((result.y + (result.h - 1.0) / 2.0) / truth.h - (truth.y + (truth.h - 1.0) / 2.0) / truth.h);
        Self { distance: (ax - bx).hypot(ay - by), normalised: by_size, overlap: overlap(result, truth) }
    }

    /// Per value the better of two.
    #[must_use]
    pub fn better(self, other: Self) -> Self {
        Self {
            distance: self.distance.min(other.distance),
            normalised: self.normalised.min(other.normalised),
            overlap: self.overlap.max(other.overlap),
        }
    }
}

/// Intersection over union, 0 if either is empty.
fn overlap(a: Xywh, b: Xywh) -> f64 {
    let side = |a: f64, wide: f64, b: f64, wide_b: f64| ((a + wide).min(b + wide_b) - a.max(b)).max(0.0);
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let both = side(a.x, a.w, b.x, b.w) * side(a.y, a.h, b.y, b.h);
    both / (a.w * a.h + b.w * b.h - both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_overlaps_by_hand() {
        let truth = Xywh::new(10.0, 20.0, 10.0, 20.0);
        let m = Measure::of(Xywh::new(13.0, 24.0, 10.0, 20.0), truth);
        assert_eq!(m.distance, 5.0);
        assert!((m.normalised - 0.3f64.hypot(0.2)).abs() < 1e-12, "{m:?}");
        assert!((m.overlap - 7.0 * 16.0 / (400.0 - 112.0)).abs() < 1e-12, "{m:?}");
        // Twice as large with the same centre.
        let m = Measure::of(Xywh::new(5.0, 10.0, 20.0, 40.0), truth);
        assert_eq!((m.distance, m.overlap), (0.0, 0.25));
        assert!(m.normalised < 1e-12);
        let apart = Measure::of(Xywh::new(100.0, 20.0, 10.0, 20.0), truth);
        assert_eq!((apart.distance, apart.overlap), (90.0, 0.0));
        assert_eq!(apart.better(m), Measure { distance: 0.0, normalised: m.normalised, overlap: 0.25 });
    }

    #[test]
    fn a_box_survives_its_edges() {
        let b = Xywh::new(1.5, 2.0, 3.0, 4.25);
        assert_eq!((b.rect().to_array(), Xywh::from(b.rect())), ([1.5, 2.0, 4.5, 6.25], b));
        assert!(Xywh::new(0.0, 0.0, 0.0, 4.0).is_empty() && Xywh::new(0.0, 0.0, f64::NAN, 4.0).is_empty());
        assert!(!Xywh::new(0.0, f64::NAN, 1.0, 4.0).is_finite() && b.is_finite());
        assert_eq!(overlap(Xywh::default(), Xywh::default()), 0.0);
    }
}
