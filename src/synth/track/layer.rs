//! Pictures with colour, temperature and coverage, and figures drawn on them.

use super::album::{Album, Photo};
use super::figure::{Figure, Part, Point, Pose, Print, Shape};
use super::tile::Tiles;
use crate::geometry::Rect;

/// Red, green, blue (0 to 1 as displayed) and temperature, degC.
pub type Pixel = [f32; 4];

/// Which camera looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modality {
    /// In visible light.
    Visible = 0,
    /// In thermal infrared.
    Thermal = 1,
}

/// A picture without gaps.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Pixels by rows.
    pub px: Vec<Pixel>,
}

impl Picture {
    /// Of one value.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, px: vec![[0.0; 4]; width * height] }
    }

    /// Puts `layer` in front.
    pub fn put(&mut self, layer: &Layer) {
        layer.over(self.width, self.height, |i, p, a| {
            let q = &mut self.px[i];
            for k in 0..4 {
                q[k] = q[k] * (1.0 - a) + p[k];
            }
        });
    }

    /// Draws a figure.
    pub fn draw(&mut self, figure: &Figure, pose: &Pose, look: &Look, scratch: &mut Layer) {
        scratch.cover(figure.extent(pose), Some([self.width, self.height]));
        scratch.draw(figure, pose, look);
        self.put(scratch);
    }
}

/// A cut-out: pixels times their coverage, and the coverage.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    /// Left column in the picture.
    pub x: i32,
    /// Top row in the picture.
    pub y: i32,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Pixels times coverage.
    pub px: Vec<Pixel>,
    /// Coverage, 0 to 1.
    pub alpha: Vec<f32>,
}

/// How figures are looked at.
#[derive(Clone, Copy)]
pub struct Look<'t> {
    /// Textures.
    pub tiles: &'t Tiles,
    /// Photographs.
    pub album: &'t Album,
    /// Through which camera.
    pub modality: Modality,
    /// Where light comes from: towards x and y.
    pub light: Point,
}

/// Side limit of a layer, so that a wild pose cannot take all memory.
const LARGEST: f32 = 1400.0;

impl Layer {
    /// Empties the layer and makes it hold `area`, cut to a picture of size `within` if given.
    pub fn cover(&mut self, area: Rect, within: Option<[usize; 2]>) {
        let (mut x0, mut y0, mut x1, mut y1) =
            (area.x0.floor() - 2.0, area.y0.floor() - 2.0, area.x1.ceil() + 2.0, area.y1.ceil() + 2.0);
        if let Some([w, h]) = within {
            (x0, y0, x1, y1) = (x0.max(0.0), y0.max(0.0), x1.min(w as f32), y1.min(h as f32));
        }
        (self.x, self.y) = (x0 as i32, y0 as i32);
        self.width = (x1 - x0).clamp(0.0, LARGEST) as usize;
        self.height = (y1 - y0).clamp(0.0, LARGEST) as usize;
        self.px.clear();
        self.px.resize(self.width * self.height, [0.0; 4]);
        self.alpha.clear();
        self.alpha.resize(self.width * self.height, 0.0);
    }

    /// Calls `f(index in the picture, pixel times coverage, coverage)` for all of the layer within a picture.
    pub fn over(&self, w: usize, h: usize, mut f: impl FnMut(usize, &Pixel, f32)) {
        for j in 0..self.height {
            let y = self.y + j as i32;
            if y < 0 || y >= h as i32 {
                continue;
            }
            let from = (-self.x).max(0) as usize;
            let to = self.width.min((w as i32 - self.x).max(0) as usize);
            let row = j * self.width;
            for i in from..to.max(from) {
                let a = self.alpha[row + i];
                if a > 0.0 {
                    f(y as usize * w + (self.x + i as i32) as usize, &self.px[row + i], a);
                }
            }
        }
    }

    /// Draws all parts of a figure.
    pub fn draw(&mut self, figure: &Figure, pose: &Pose, look: &Look) {
        for part in &figure.parts {
            if part.paint.opaque[look.modality as usize] > 0.0 {
                self.part(part, pose, look);
            }
        }
    }

    fn part(&mut self, part: &Part, pose: &Pose, look: &Look) {
        let extent = part.shape.extent(pose);
        let edge = |v: f32, least: i32, n: usize| (v as i32 - least).clamp(0, n as i32) as usize;
        let (i0, i1) = (edge(extent.x0 - 1.0, self.x, self.width), edge(extent.x1 + 2.0, self.x, self.width));
        let (j0, j1) = (edge(extent.y0 - 1.0, self.y, self.height), edge(extent.y1 + 2.0, self.y, self.height));
        if i0 >= i1 || j0 >= j1 {
            return;
        }
        let back = pose.back();
        let scale = pose.scale();
        let brush = Brush::new(part, &extent, look);
        let m = back.matrix;
        for j in j0..j1 {
            let y = (self.y + j as i32) as f32 + 0.5;
            let row = j * self.width;
            for i in i0..i1 {
                let x = (self.x + i as i32) as f32 + 0.5;
                let p = [m[0] * x + m[1] * y + back.origin[0], m[2] * x + m[3] * y + back.origin[1]];
                let c = part.shape.coverage(p, scale) * brush.opaque;
                if c > 0.0 {
                    let colour = brush.at(p, [x, y]);
                    let q = &mut self.px[row + i];
                    for k in 0..4 {
                        q[k] = q[k] * (1.0 - c) + colour[k] * c;
                    }
                    let a = &mut self.alpha[row + i];
                    *a = *a * (1.0 - c) + c;
                }
            }
        }
    }

    /// Smears along a movement of `by` pixels, centred. The layer must have room for half of it on each side.
    pub fn smear(&mut self, by: Point) {
        let steps = by[0].abs().max(by[1].abs()).ceil() as i32;
        if steps < 1 || self.px.is_empty() {
            return;
        }
        let (w, h) = (self.width as i32, self.height as i32);
        let (mut px, mut alpha) = (vec![[0.0f32; 4]; self.px.len()], vec![0.0f32; self.alpha.len()]);
        let share = 1.0 / (steps + 1) as f32;
        for k in 0..=steps {
            let f = k as f32 / steps as f32 - 0.5;
            let (dx, dy) = ((f * by[0]).round() as i32, (f * by[1]).round() as i32);
            for y in dy.max(0)..(h + dy).min(h) {
                let n = (w - dx.abs()).max(0) as usize;
                let to = (y * w + dx.max(0)) as usize;
                let from = ((y - dy) * w + (-dx).max(0)) as usize;
                for i in 0..n {
                    if self.alpha[from + i] > 0.0 {
                        alpha[to + i] += share * self.alpha[from + i];
                        for c in 0..4 {
                            px[to + i][c] += share * self.px[from + i][c];
                        }
                    }
                }
            }
        }
        (self.px, self.alpha) = (px, alpha);
    }
}

/// A paint, ready for one shape.
struct Brush<'l> {
    part: &'l Part,
    look: &'l Look<'l>,
    centre: Point,
    relief: Point,
    round: Point,
    opaque: f32,
    visible: bool,
    print: Option<(&'l Photo, Print)>,
}

impl<'l> Brush<'l> {
    fn new(part: &'l Part, extent: &Rect, look: &'l Look<'l>) -> Self {
        let half = [(0.5 * extent.width()).max(0.5), (0.5 * extent.height()).max(0.5)];
        Self {
            part,
            look,
            centre: [0.5 * (extent.x0 + extent.x1), 0.5 * (extent.y0 + extent.y1)],
            relief: [part.paint.relief * look.light[0] / half[0], part.paint.relief * look.light[1] / half[1]],
            round: [1.0 / half[0], 1.0 / half[1]],
            opaque: part.paint.opaque[look.modality as usize],
            visible: look.modality == Modality::Visible,
            print: part.paint.print.and_then(|p| {
                let photos = &look.album.photos;
                Some((photos.get((p.which * photos.len() as f32) as usize)?, p))
            }),
        }
    }

    /// The surface at `p` of the figure, `at` of the picture.
    #[inline]
    fn at(&self, p: Point, at: Point) -> Pixel {
        let paint = &self.part.paint;
        let (dx, dy) = (at[0] - self.centre[0], at[1] - self.centre[1]);
        let (u, v) = (p[0] + paint.place[0], p[1] + paint.place[1]);
        if let Some((photo, print)) = self.print {
            return self.printed(photo, &print, p, [dx, dy]);
        }
        if self.visible {
            let (grain, k, strength) = paint.colour;
            let t = if strength > 0.0 { strength * self.look.tiles.at(grain, u * k, v * k) } else { 0.0 };
            let s = (1.0 + t + dx * self.relief[0] + dy * self.relief[1]).max(0.05);
            [paint.rgb[0] * s, paint.rgb[1] * s, paint.rgb[2] * s, 0.0]
        } else {
            let (grain, k, strength) = paint.heat;
            let t = if strength > 0.0 { strength * self.look.tiles.at(grain, u * k, v * k) } else { 0.0 };
            let (a, b) = (dx * self.round[0], dy * self.round[1]);
            [0.0, 0.0, 0.0, paint.celsius + t - paint.rim * (a * a + b * b).min(1.5)]
        }
    }
}

impl Brush<'_> {
    /// A photograph's surface at `p` of the figure, `away` from the middle of the shape in the picture.
    fn printed(&self, photo: &Photo, print: &Print, p: Point, away: Point) -> Pixel {
        let (w, h) = (photo.width as f32, photo.height as f32);
        let (x, y) = (w * (print.at[0] + p[0] * print.scale), h * print.at[1] + w * p[1] * print.scale);
        if self.visible {
            let s = (1.0 + away[0] * self.relief[0] + away[1] * self.relief[1]).max(0.05);
            let c = photo.colour(x, y);
            return [c[0] * s, c[1] * s, c[2] * s, 0.0];
        }
        let warmth = print.kelvin * photo.warmth(x, y, print.seed, print.sign);
        [0.0, 0.0, 0.0, self.part.paint.celsius + warmth]
    }
}

impl Shape {
    /// Share of the pixel around `p` that the shape covers; `scale` is pixels per unit.
    #[inline]
    fn coverage(&self, p: Point, scale: f32) -> f32 {
        match self {
            Shape::Capsule { from: (a, r0), to: (b, r1) } => {
                let (ax, ay) = (p[0] - a[0], p[1] - a[1]);
                let (bx, by) = (b[0] - a[0], b[1] - a[1]);
                let t = ((ax * bx + ay * by) / (bx * bx + by * by).max(1e-9)).clamp(0.0, 1.0);
                let (dx, dy) = (ax - t * bx, ay - t * by);
                let (d, r) = ((dx * dx + dy * dy).sqrt() * scale, (r0 + t * (r1 - r0)) * scale);
                // The part of the interval d +- 0.5 within +- r.
                ((d + 0.5).min(r) - (d - 0.5).max(-r)).clamp(0.0, 1.0)
            }
            Shape::Ellipse { centre, half } => {
                let (x, y) = ((p[0] - centre[0]) / half[0], (p[1] - centre[1]) / half[1]);
                let q = (x * x + y * y).sqrt();
                // Distance to first order: value over gradient.
                let g = ((x / half[0]) * (x / half[0]) + (y / half[1]) * (y / half[1])).sqrt() / q.max(1e-6);
                let small = (2.0 * half[0].min(half[1]) * scale).min(1.0);
                small * (0.5 - (q - 1.0) / g.max(1e-6) * scale).clamp(0.0, 1.0)
            }
            Shape::Polygon(points) => (0.5 - away(points, p) * scale).clamp(0.0, 1.0),
        }
    }
}

/// Signed distance of `p` to a polygon, negative inside.
#[inline]
fn away(points: &[Point], p: Point) -> f32 {
    let mut least = f32::MAX;
    let mut inside = false;
    let mut b = points[points.len() - 1];
    for &a in points {
        let (ex, ey) = (b[0] - a[0], b[1] - a[1]);
        let (wx, wy) = (p[0] - a[0], p[1] - a[1]);
        let t = ((wx * ex + wy * ey) / (ex * ex + ey * ey).max(1e-12)).clamp(0.0, 1.0);
        let (dx, dy) = (wx - t * ex, wy - t * ey);
        least = least.min(dx * dx + dy * dy);
        if (a[1] > p[1]) != (b[1] > p[1]) && p[0] < ex * (p[1] - a[1]) / ey + a[0] {
            inside = !inside;
        }
        b = a;
    }
    if inside { -least.sqrt() } else { least.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::super::figure::Paint;
    use super::*;

    #[test]
    fn coverage_adds_up_to_the_area() {
        let tiles = Tiles::new();
        let album = Album::default();
        let look = Look { tiles: &tiles, album: &album, modality: Modality::Thermal, light: [0.0; 2] };
        let paint = Paint::plain([0.5; 3], 30.0);
        for (i, want) in [(0, 0.8), (1, 0.628), (2, 0.628)] {
            let mut f = Figure::default();
            match i {
                0 => f.rect(-0.5, -0.4, 0.5, 0.4, &paint),
                1 => f.oval([0.0, 0.0], [0.5, 0.4], &paint),
                _ => f.limb([-0.1, 0.0], 0.3, [0.4768, 0.0], 0.3, &paint),
            }
            for angle in [0.0, 0.4] {
                let pose = Pose::new([20.3, 17.7], [21.0, 21.0], angle);
                let mut layer = Layer::default();
                layer.cover(f.extent(&pose), None);
                layer.draw(&f, &pose, &look);
                let area = layer.alpha.iter().sum::<f32>() / 441.0;
                assert!(
                    (area - want).abs() < 0.03 || i == 2 && (area / 0.6288 - 1.0).abs() < 0.03,
                    "{i} {angle}: {area}"
                );
            }
        }
    }
}
