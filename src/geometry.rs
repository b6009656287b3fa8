//! Points and axis-aligned boxes of a picture, in pixels unless stated otherwise.

/// A position in a picture, pixels: x from the left edge, y from the top (centre of the first pixel: 0.5, 0.5).
pub type Point = [f32; 2];

/// An axis-aligned box in a picture, pixels. It is empty if `x1 <= x0` or `y1 <= y0`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rect {
    /// Left edge.
    pub x0: f32,
    /// Top edge.
    pub y0: f32,
    /// Right edge.
    pub x1: f32,
    /// Bottom edge.
    pub y1: f32,
}

impl Rect {
    /// From its edges: left, top, right, bottom.
    pub const fn new(x0: f32, y0: f32, x1: f32, y1: f32) -> Self {
        Self { x0, y0, x1, y1 }
    }

    /// The smallest box around `points`; NaN coordinates are skipped. If all x or all y are NaN, the box is inverted
    /// there (`x0 > x1`).
    pub fn around(points: &[Point]) -> Self {
        points.iter().fold(Self::new(f32::MAX, f32::MAX, f32::MIN, f32::MIN), |b, p| {
            Self::new(b.x0.min(p[0]), b.y0.min(p[1]), b.x1.max(p[0]), b.y1.max(p[1]))
        })
    }

    /// Width, negative if the box is inverted.
    pub fn width(self) -> f32 {
        self.x1 - self.x0
    }

    /// Height, negative if the box is inverted.
    pub fn height(self) -> f32 {
        self.y1 - self.y0
    }

    /// The longer of width and height.
    pub fn longer_side(self) -> f32 {
        self.width().max(self.height())
    }

    /// Area in square pixels, 0 if the box is empty.
    pub fn area(self) -> f32 {
        self.width().max(0.0) * self.height().max(0.0)
    }

    /// Square root of the area, pixels: the size of the face in the box.
    pub fn size(self) -> f32 {
        self.area().sqrt()
    }

    /// The middle.
    pub fn center(self) -> Point {
        [(self.x0 + self.x1) / 2.0, (self.y0 + self.y1) / 2.0]
    }

    /// The box moved by `[x, y]`.
    pub fn shifted(self, [x, y]: [f32; 2]) -> Self {
        Self::new(self.x0 + x, self.y0 + y, self.x1 + x, self.y1 + y)
    }

    /// The box with every edge moved outwards by `margin`.
    pub fn grown(self, margin: f32) -> Self {
        Self::new(self.x0 - margin, self.y0 - margin, self.x1 + margin, self.y1 + margin)
    }

    /// The intersection of two boxes; empty if they do not overlap.
    pub fn intersection(self, other: Self) -> Self {
        Self::new(self.x0.max(other.x0), self.y0.max(other.y0), self.x1.min(other.x1), self.y1.min(other.y1))
    }

    /// Whether all four edges are numbers.
    pub fn is_finite(self) -> bool {
        self.to_array().iter().all(|v| v.is_finite())
    }

    /// `[x0, y0, x1, y1]`, as published.
    pub fn to_array(self) -> [f32; 4] {
        [self.x0, self.y0, self.x1, self.y1]
    }
}

impl From<[f32; 4]> for Rect {
    fn from([x0, y0, x1, y1]: [f32; 4]) -> Self {
        Self { x0, y0, x1, y1 }
    }
}

/// Intersection over union of two boxes, 0 to 1; 0 if either is empty.
pub fn iou(a: Rect, b: Rect) -> f32 {
    let both = a.intersection(b).area();
    let union = a.area() + b.area() - both;
    if union > 0.0 { both / union } else { 0.0 }
}

/// Intersection over the area of the smaller of two boxes: 1 if one contains the other, 0 if either is empty.
pub fn intersection_over_min(a: Rect, b: Rect) -> f32 {
    let smaller = a.area().min(b.area());
    if smaller > 0.0 { a.intersection(b).area() / smaller } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_are_shares_of_what_they_say() {
        let (a, b) = (Rect::new(0.0, 0.0, 4.0, 4.0), Rect::new(2.0, 0.0, 6.0, 2.0));
        assert_eq!((iou(a, b), iou(b, a)), (4.0 / 20.0, 4.0 / 20.0));
        assert_eq!(intersection_over_min(a, b), 0.5);
        assert_eq!(intersection_over_min(a, Rect::new(1.0, 1.0, 2.0, 2.0)), 1.0);
        let (apart, empty) = (Rect::new(9.0, 0.0, 10.0, 1.0), Rect::new(3.0, 3.0, 1.0, 1.0));
        for other in [apart, empty, Rect::default()] {
            assert_eq!((iou(a, other), intersection_over_min(a, other)), (0.0, 0.0));
        }
    }

    #[test]
    fn a_box_around_points_passes_over_nan() {
        let points = [[3.0, f32::NAN], [1.0, 5.0], [2.0, 7.0]];
        let b = Rect::around(&points);
        assert_eq!(b.to_array(), [1.0, 5.0, 3.0, 7.0]);
        assert_eq!((b.center(), b.size(), b.longer_side()), ([2.0, 6.0], 2.0, 2.0));
        assert_eq!(b.shifted([1.0, -1.0]).grown(1.0).to_array(), [1.0, 3.0, 5.0, 7.0]);
        assert!(Rect::around(&[]).width() < 0.0);
    }
}
