//! The background of a sequence: a picture per camera, larger than what is seen, in which the camera pans.

use super::album::Album;
use super::figure::{Figure, Paint, Point, Pose};
use super::layer::{Layer, Look, Modality, Picture, Pixel};
use super::path::SCENE;
use super::tile::Tiles;

/// Both pictures, and how they are painted.
pub struct Stage<'t> {
    /// Textures.
    pub tiles: &'t Tiles,
    /// Photographs.
    pub album: &'t Album,
    /// Where light comes from.
    pub light: Point,
    /// Room beside the first picture, scene pixels.
    pub margin: Point,
    pictures: [Picture; 2],
    scale: [f32; 2],
    layer: Layer,
}

impl<'t> Stage<'t> {
    /// Empty, with `margin` beside the first picture; `scale` is thermal pixels per scene pixel.
    pub fn new(tiles: &'t Tiles, album: &'t Album, light: Point, margin: Point, scale: f32) -> Self {
        let scale = [1.0, scale];
        let picture = |k: f32| {
            let side = |i: usize| ((SCENE[i] + 2.0 * margin[i]) * k).ceil() as usize + 1;
            Picture::new(side(0), side(1))
        };
        Self { tiles, album, light, margin, pictures: scale.map(picture), scale, layer: Layer::default() }
    }

    /// Left, top, right and bottom edge, scene pixels of the first picture.
    pub fn edges(&self) -> [f32; 4] {
        let [mx, my] = self.margin;
        [-mx, -my, SCENE[0] + mx, SCENE[1] + my]
    }

    /// Draws a figure placed in scene pixels.
    pub fn draw(&mut self, figure: &Figure, pose: &Pose) {
        for modality in [Modality::Visible, Modality::Thermal] {
            let k = self.scale[modality as usize];
            let look = Look { tiles: self.tiles, album: self.album, modality, light: self.light };
            let pose = pose.then(k, [self.margin[0] * k, self.margin[1] * k]);
            self.pictures[modality as usize].draw(figure, &pose, &look, &mut self.layer);
        }
    }

    /// Paints rows `from..to` (scene pixels): `f(x, y, modality)` gives a colour and its coverage, which is taken as a
    /// signed distance to the edge in scene pixels, positive inside.
    pub fn paint(&mut self, [from, to]: [f32; 2], f: impl Fn(f32, f32, Modality) -> (Pixel, f32)) {
        for modality in [Modality::Visible, Modality::Thermal] {
            let k = self.scale[modality as usize];
            let picture = &mut self.pictures[modality as usize];
            let row = |y: f32| (((y + self.margin[1]) * k).max(0.0) as usize).min(picture.height);
            let rows = row(from)..row(to + 1.0).max(row(from));
            for j in rows {
                let y = (j as f32 + 0.5) / k - self.margin[1];
                let line = &mut picture.px[j * picture.width..(j + 1) * picture.width];
                for (i, q) in line.iter_mut().enumerate() {
                    let x = (i as f32 + 0.5) / k - self.margin[0];
                    let (p, d) = f(x, y, modality);
                    let a = (d * k + 0.5).clamp(0.0, 1.0);
                    if a > 0.0 {
                        for c in 0..4 {
                            q[c] += a * (p[c] - q[c]);
                        }
                    }
                }
            }
        }
    }

    /// Changes pixels in place: `f(x, y, modality, pixel)`.
    pub fn change(&mut self, f: impl Fn(f32, f32, Modality, &mut Pixel)) {
        for modality in [Modality::Visible, Modality::Thermal] {
            let k = self.scale[modality as usize];
            let picture = &mut self.pictures[modality as usize];
            for (j, line) in picture.px.chunks_exact_mut(picture.width).enumerate() {
                let y = (j as f32 + 0.5) / k - self.margin[1];
                for (i, q) in line.iter_mut().enumerate() {
                    f((i as f32 + 0.5) / k - self.margin[0], y, modality, q);
                }
            }
        }
    }

    /// Mirrors what is above row `y` into what is below it, with waves: water.
    pub fn mirror(&mut self, y: f32, waves: impl Fn(f32, f32) -> (f32, f32), tint: impl Fn(&mut Pixel, Modality, f32)) {
        for modality in [Modality::Visible, Modality::Thermal] {
            let k = self.scale[modality as usize];
            let margin = self.margin;
            let picture = &mut self.pictures[modality as usize];
            let (w, h) = (picture.width, picture.height);
            let top = ((y + margin[1]) * k).clamp(1.0, h as f32) as usize;
            for j in top..h {
                for i in 0..w {
                    let (dx, dy) = waves(i as f32 / k, (j - top) as f32 / k);
                    let from_x = (i as f32 + dx * k).clamp(0.0, (w - 1) as f32) as usize;
                    let up = (j - top) as f32 * 1.1 + 1.0 + dy * k;
                    let from_y = (top as f32 - up.abs()).max(0.0) as usize;
                    let mut p = picture.px[from_y * w + from_x];
                    tint(&mut p, modality, dy);
                    picture.px[j * w + i] = p;
                }
            }
        }
    }

    /// The surface `paint` at `u, v` in texture units.
    #[inline]
    pub fn surface(tiles: &Tiles, paint: &Paint, u: f32, v: f32, modality: Modality) -> Pixel {
        if modality == Modality::Visible {
            let (grain, k, strength) = paint.colour;
            let s = (1.0 + strength * tiles.at(grain, u * k, v * k)).max(0.05);
            [paint.rgb[0] * s, paint.rgb[1] * s, paint.rgb[2] * s, 0.0]
        } else {
            let (grain, k, strength) = paint.heat;
            [0.0, 0.0, 0.0, paint.celsius + strength * tiles.at(grain, u * k, v * k)]
        }
    }

    /// What a camera sees that has turned by `view` (pan in scene pixels, zoom) and is shifted by `shift`.
    pub fn seen(&self, modality: Modality, size: [usize; 2], view: [f32; 3], shift: Point, out: &mut Picture) {
        let picture = &self.pictures[modality as usize];
        let k = self.scale[modality as usize];
        let (w, h) = (picture.width, picture.height);
        (out.width, out.height) = (size[0], size[1]);
        out.px.resize(size[0] * size[1], [0.0; 4]);
        let zoom = 1.0 / view[2];
        let back = |p: f32, axis: usize| {
            let middle = 0.5 * SCENE[axis];
            ((p / k - shift[axis] - middle) * zoom + middle + view[axis] + self.margin[axis]) * k
        };
        let limit = |v: f32, n: usize| v.clamp(0.0, (n - 1) as f32 - 1e-3);
        let columns: Vec<(usize, f32)> = (0..size[0])
            .map(|i| limit(back(i as f32 + 0.5, 0) - 0.5, w))
            .map(|x| (x as usize, x - (x as usize) as f32))
            .collect();
        for (j, line) in out.px.chunks_exact_mut(size[0]).enumerate() {
            let y = limit(back(j as f32 + 0.5, 1) - 0.5, h);
            let (y, b) = (y as usize, y - (y as usize) as f32);
            let (top, low) = (&picture.px[y * w..(y + 1) * w], &picture.px[(y + 1) * w..(y + 2) * w]);
            for (q, &(x, a)) in line.iter_mut().zip(&columns) {
                for c in 0..4 {
                    let t = top[x][c] + a * (top[x + 1][c] - top[x][c]);
                    let l = low[x][c] + a * (low[x + 1][c] - low[x][c]);
                    q[c] = t + b * (l - t);
                }
            }
        }
    }
}
