//! Things made of shapes: outlines, paints, and how large they are.

use super::tile::Grain;
use crate::geometry::Rect;

/// A point of a figure; x to the right, y down, the figure about 1 large around the origin.
pub type Point = [f32; 2];

/// An outline.
#[derive(Debug, Clone)]
pub enum Shape {
    /// All points near a line: between two discs.
    Capsule {
        /// Centre and radius of the first disc.
        from: (Point, f32),
        /// Centre and radius of the second disc.
        to: (Point, f32),
    },
    /// An ellipse with its axes along x and y.
    Ellipse {
        /// Its centre.
        centre: Point,
        /// Half axes.
        half: Point,
    },
    /// A polygon.
    Polygon(Vec<Point>),
}

/// What a surface looks like and how warm it is.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    /// Colour, 0 to 1 as displayed.
    pub rgb: [f32; 3],
    /// Temperature, degC.
    pub celsius: f32,
    /// Texture of the colour: which, tiles per unit, strength.
    pub colour: (Grain, f32, f32),
    /// Texture of the temperature: which, tiles per unit, strength in K.
    pub heat: (Grain, f32, f32),
    /// Light from one side: brightness gained at the lit edge.
    pub relief: f32,
    /// Cooler edges, K.
    pub rim: f32,
    /// Opacity in visible light and in thermal.
    pub opaque: [f32; 2],
    /// Where in the texture.
    pub place: Point,
    /// A photograph on it, if there are any.
    pub print: Option<Print>,
}

/// A part of a photograph on a surface.
#[derive(Debug, Clone, Copy)]
pub struct Print {
    /// Which photograph, as a share of all.
    pub which: f32,
    /// Where it begins, shares of its size.
    pub at: Point,
    /// Shares of its width per unit.
    pub scale: f32,
    /// Strength of its regions' own warmth, K.
    pub kelvin: f32,
    /// How far warmth follows brightness.
    pub sign: f32,
    /// Seed of that warmth.
    pub seed: u32,
}

impl Paint {
    /// Plain and opaque.
    pub fn plain(rgb: [f32; 3], celsius: f32) -> Self {
        Self {
            rgb,
            celsius,
            colour: (Grain::Rough, 1.0, 0.03),
            heat: (Grain::Soft, 0.7, 0.15),
            relief: 0.12,
            rim: 0.0,
            opaque: [1.0; 2],
            place: [0.0; 2],
            print: None,
        }
    }

    /// With another texture of the colour.
    pub fn colour(self, grain: Grain, scale: f32, strength: f32) -> Self {
        Self { colour: (grain, scale, strength), ..self }
    }

    /// With another texture of the temperature.
    pub fn heat(self, grain: Grain, scale: f32, strength: f32) -> Self {
        Self { heat: (grain, scale, strength), ..self }
    }

    /// Warmer by `kelvin`.
    pub fn warmer(self, kelvin: f32) -> Self {
        Self { celsius: self.celsius + kelvin, ..self }
    }

    /// Brighter by a factor.
    pub fn brighter(self, factor: f32) -> Self {
        Self { rgb: self.rgb.map(|c| c * factor), ..self }
    }
}

/// A painted shape.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its outline.
    pub shape: Shape,
    /// Its surface.
    pub paint: Paint,
}

/// A thing: its parts from back to front.
#[derive(Debug, Clone, Default)]
pub struct Figure {
    /// The parts.
    pub parts: Vec<Part>,
}

impl Figure {
    /// Adds a capsule.
    pub fn limb(&mut self, from: Point, r0: f32, to: Point, r1: f32, paint: &Paint) {
        self.parts.push(Part { shape: Shape::Capsule { from: (from, r0), to: (to, r1) }, paint: *paint });
    }

    /// Adds an ellipse.
    pub fn oval(&mut self, centre: Point, half: Point, paint: &Paint) {
        self.parts.push(Part { shape: Shape::Ellipse { centre, half }, paint: *paint });
    }

    /// Adds a polygon.
    pub fn polygon(&mut self, points: &[Point], paint: &Paint) {
        self.parts.push(Part { shape: Shape::Polygon(points.to_vec()), paint: *paint });
    }

    /// Adds an upright rectangle.
    pub fn rect(&mut self, x0: f32, y0: f32, x1: f32, y1: f32, paint: &Paint) {
        self.polygon(&[[x0, y0], [x1, y0], [x1, y1], [x0, y1]], paint);
    }

    /// The box around all parts as `pose` places them.
    pub fn extent(&self, pose: &Pose) -> Rect {
        let none = Rect::new(f32::MAX, f32::MAX, f32::MIN, f32::MIN);
        self.parts
            .iter()
            .map(|p| p.shape.extent(pose))
            .fold(none, |a, b| Rect::new(a.x0.min(b.x0), a.y0.min(b.y0), a.x1.max(b.x1), a.y1.max(b.y1)))
    }
}

impl Shape {
    /// The box around the shape as `pose` places it.
    pub fn extent(&self, pose: &Pose) -> Rect {
        let disc = |c: Point, half: Point| {
            let [x, y] = pose.of(c);
            let m = pose.matrix;
            let reach = |a: f32, b: f32| (a * a * half[0] * half[0] + b * b * half[1] * half[1]).sqrt();
            let (i, j) = (reach(m[0], m[1]), reach(m[2], m[3]));
            Rect::new(x - i, y - j, x + i, y + j)
        };
        let join = |a: Rect, b: Rect| Rect::new(a.x0.min(b.x0), a.y0.min(b.y0), a.x1.max(b.x1), a.y1.max(b.y1));
        match self {
            Shape::Capsule { from, to } => join(disc(from.0, [from.1; 2]), disc(to.0, [to.1; 2])),
            Shape::Ellipse { centre, half } => disc(*centre, *half),
            Shape::Polygon(points) => {
                let at = |p: &Point| {
                    let [x, y] = pose.of(*p);
                    Rect::new(x, y, x, y)
                };
                points.iter().map(at).reduce(join).unwrap_or(Rect::new(0.0, 0.0, 0.0, 0.0))
            }
        }
    }
}

/// Where a figure is drawn: a linear map and a place.
#[derive(Debug, Clone, Copy)]
pub struct Pose {
    /// Rows of the map from figure to picture.
    pub matrix: [f32; 4],
    /// Where the figure's origin goes.
    pub origin: Point,
}

impl Pose {
    /// Scaled by `scale` per axis, then turned by `angle` (radians, clockwise in the picture).
    pub fn new(origin: Point, scale: Point, angle: f32) -> Self {
        let (s, c) = libm::sincosf(angle);
        Self { matrix: [c * scale[0], -s * scale[1], s * scale[0], c * scale[1]], origin }
    }

    /// Where a point goes.
    #[inline]
    pub fn of(&self, p: Point) -> Point {
        let m = self.matrix;
        [m[0] * p[0] + m[1] * p[1] + self.origin[0], m[2] * p[0] + m[3] * p[1] + self.origin[1]]
    }

    /// Followed by a scaling by `k` and a shift.
    pub fn then(&self, k: f32, shift: Point) -> Self {
        Self {
            matrix: self.matrix.map(|m| m * k),
            origin: [self.origin[0] * k + shift[0], self.origin[1] * k + shift[1]],
        }
    }

    /// Pixels per unit, on average.
    pub fn scale(&self) -> f32 {
        let m = self.matrix;
        (m[0] * m[3] - m[1] * m[2]).abs().sqrt().max(1e-6)
    }

    /// The map back: rows, and where the picture's origin comes from.
    pub fn back(&self) -> Pose {
        let m = self.matrix;
        let det = m[0] * m[3] - m[1] * m[2];
        let k = if det.abs() < 1e-9 { 0.0 } else { 1.0 / det };
        let n = [m[3] * k, -m[1] * k, -m[2] * k, m[0] * k];
        let o = self.origin;
        Self { matrix: n, origin: [-(n[0] * o[0] + n[1] * o[1]), -(n[2] * o[0] + n[3] * o[1])] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poses_invert() {
        let pose = Pose::new([3.0, -2.0], [4.0, -7.0], 0.8);
        let p = pose.back().of(pose.of([0.25, -0.5]));
        assert!((p[0] - 0.25).abs() < 1e-5 && (p[1] + 0.5).abs() < 1e-5, "{p:?}");
    }
}
