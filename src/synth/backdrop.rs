//! Backgrounds: rooms, streets, warm and cold objects.

use super::climate::Climate;
use super::random::{Random, hash_noise};
use super::raster::Layers;
use super::vector::Rgb;
use crate::geometry::Rect;

/// A smooth random field over the picture, from a coarse grid.
struct Smooth {
    cells: usize,
    values: Vec<f32>,
}

impl Smooth {
    fn draw(r: &mut Random, cells: usize) -> Self {
        Self { cells, values: (0..(cells + 1) * (cells + 1)).map(|_| r.normal(0.0, 1.0)).collect() }
    }

    #[inline]
    fn at(&self, u: f32, v: f32) -> f32 {
        let ((i, fu), (j, fv)) = (cell(u, self.cells), cell(v, self.cells));
        let (top, bottom) = (self.along(j, i, fu), self.along(j + 1, i, fu));
        top + fv * (bottom - top)
    }

    /// The field on line `j` of the grid, between its points `i` and `i + 1`.
    #[inline]
    fn along(&self, j: usize, i: usize, f: f32) -> f32 {
        let a = &self.values[j * (self.cells + 1) + i..][..2];
        a[0] + f * (a[1] - a[0])
    }
}

/// A [`Smooth`] read row by row. Between two lines of its grid only the weight of each changes.
struct Rows<'s> {
    field: &'s Smooth,
    columns: Vec<(usize, f32)>,
    line: Option<usize>,
    top: Vec<f32>,
    bottom: Vec<f32>,
    share: f32,
}

impl<'s> Rows<'s> {
    fn new(field: &'s Smooth, us: &[f32]) -> Self {
        let columns = us.iter().map(|u| cell(*u, field.cells)).collect();
        Self { field, columns, line: None, top: vec![0.0; us.len()], bottom: vec![0.0; us.len()], share: 0.0 }
    }

    /// Moves to the row at `v`.
    fn go(&mut self, v: f32) {
        let (j, f) = cell(v, self.field.cells);
        self.share = f;
        if self.line.replace(j) != Some(j) {
            for ((top, bottom), &(i, f)) in self.top.iter_mut().zip(&mut self.bottom).zip(&self.columns) {
                (*top, *bottom) = (self.field.along(j, i, f), self.field.along(j + 1, i, f));
            }
        }
    }
}

/// Cell of a position `u` (share of the picture), and the eased position within it.
#[inline]
fn cell(u: f32, cells: usize) -> (usize, f32) {
    let n = cells as f32;
    let x = (u * n).clamp(0.0, n - 1e-3);
    let t = x - (x as usize) as f32;
    (x as usize, t * t * (3.0 - 2.0 * t))
}

/// Kind of background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A random room, or a street if the climate is outdoors.
    Any,
    /// A quiet office: a wall, a window, a shelf, a radiator, a lamp.
    Office,
}

/// Fills the whole picture.
pub fn paint(layers: &mut Layers, place: Place, climate: &Climate, r: &mut Random) {
    match place {
        Place::Office => office(layers, climate, r),
        Place::Any if climate.outdoor => street(layers, climate, r),
        Place::Any => room(layers, climate, r),
    }
}

fn office(layers: &mut Layers, climate: &Climate, r: &mut Random) {
    let a = climate.ambient_c;
    let (broad, rough) = (Smooth::draw(r, 3), Smooth::draw(r, 9));
    let wall = [0.62, 0.6, 0.55];
    fill(layers, [&broad, &rough], |v| {
        move |_, [broad, rough]| (a + 0.9 * (0.5 - v) + 0.25 * broad + 0.06 * rough, wall)
    });
    window(layers, Rect::new(0.44, 0.03, 0.66, 0.47), a - 3.4, a - 1.2);
    rect(layers, Rect::new(0.0, 0.24, 0.13, 0.27), |_, _| (a + 0.7, [0.35, 0.25, 0.15]));
    rect(layers, Rect::new(0.03, 0.13, 0.055, 0.24), |_, v| (a + 0.3 + v, [0.5, 0.2, 0.2]));
    rect(layers, Rect::new(0.06, 0.11, 0.09, 0.24), |_, v| (a + 0.5 + v, [0.2, 0.3, 0.5]));
    radiator(layers, Rect::new(0.62, 0.68, 0.97, 0.98), a + 8.5, 34.0);
    blob(layers, [0.93, 0.10], [0.028, 0.03], |_, _| (a + 9.0, [0.95; 3]));
}

fn room(layers: &mut Layers, climate: &Climate, r: &mut Random) {
    let (gx, gy) = (r.normal(0.0, 0.8), r.normal(0.3, 1.4));
    let (broad, rough) = (Smooth::draw(r, 3), Smooth::draw(r, 9));
    let (ab, ar) = (r.range(0.0, 0.8), r.range(0.0, 0.3));
    let wall: Rgb = [r.range(0.2, 0.9), r.range(0.2, 0.9), r.range(0.2, 0.9)];
    fill(layers, [&broad, &rough], |v| {
        let level = climate.ambient_c + gy * (0.5 - v);
        move |u, [broad, rough]| {
            let shade = 0.8 + 0.1 * broad;
            let t = level + gx * (u - 0.5) + ab * broad + ar * rough;
            (t, [wall[0] * shade, wall[1] * shade, wall[2] * shade])
        }
    });
    for _ in 0..r.below(8) {
        thing(layers, climate, r);
    }
}

fn street(layers: &mut Layers, climate: &Climate, r: &mut Random) {
    let horizon = r.range(-0.4, 0.9);
    let clouds = r.range(0.0, 1.0);
    let sky_c = climate.ambient_c - 3.0 - (1.0 - clouds) * r.log_range(3.0, 45.0);
    let ground_c = climate.ambient_c + climate.sun_k * r.range(0.3, 1.1) + r.normal(0.0, 2.5);
    let (broad, rough) = (Smooth::draw(r, 4), Smooth::draw(r, 14));
    let (ab, ar, grain) = (r.range(0.2, 1.6), r.range(0.0, 0.9), r.range(0.0, 0.6));
    let salt = r.bits() as u32;
    let (w, h) = (layers.width as i32, layers.height as i32);
    fill(layers, [&broad, &rough], |v| {
        let sky = sky_c + 6.0 * (v - horizon).min(0.0).abs() * (clouds - 0.5);
        let ground = ground_c - 2.0 * (v - horizon).min(0.3);
        let line = (v * h as f32 * 0.5) as i32;
        move |u, [broad, rough]| {
            let field = ab * broad + ar * rough;
            if v < horizon {
                (sky + 0.4 * field, [0.55, 0.65, 0.8])
            } else {
                let noise = grain * hash_noise((u * w as f32 * 0.5) as i32, line, salt);
                (ground + field + noise, [0.4, 0.4, 0.38])
            }
        }
    });
    // Buildings, trees and posts along the horizon, then nearer objects.
    for _ in 0..r.below(7) {
        let t = climate.ambient_c + r.normal(0.0, 2.5) + climate.sun_k * r.range(0.0, 0.6);
        let (u0, wide, tall) = (r.range(-0.2, 1.0), r.range(0.02, 0.5), r.range(0.05, 0.6));
        let top = horizon - tall;
        let colour = [r.unit(), r.unit(), r.unit()];
        if r.chance(0.4) {
            let lumps = Smooth::draw(r, 7);
            blob(layers, [u0 + wide / 2.0, horizon - tall * 0.4], [wide / 2.0, tall * 0.5], |u, v| {
                (t + 1.2 * lumps.at(u, v), [0.15, 0.3, 0.1])
            });
        } else {
            rect(layers, Rect::new(u0, top, u0 + wide, horizon + 0.03), |u, v| {
                let window = hash_noise((u * 24.0) as i32, (v * 24.0) as i32, salt) > 0.35;
                (t + if window { 2.5 } else { 0.0 }, colour)
            });
        }
    }
    if r.chance(0.35) {
        // Paving: joints and lines are cooler or warmer than the slabs.
        let (pitch, depth, lean) = (r.range(0.05, 0.25), r.normal(0.0, 1.2), r.range(-1.0, 1.0));
        let from = horizon.max(0.0);
        rect(layers, Rect::new(0.0, from, 1.0, 1.0), |u, v| {
            let d = 1.0 / (0.15 + (v - from));
            let across = ((u - 0.5) * d * 0.6 + lean) / pitch;
            let line = (across - libm::floorf(across)) < 0.1 || (d / pitch - libm::floorf(d / pitch)) < 0.1;
            (if line { ground_c + depth } else { f32::NAN }, [0.4, 0.4, 0.38])
        });
    }
    for _ in 0..r.below(4) {
        thing(layers, climate, r);
    }
}

/// Furniture, windows, radiators, lamps, screens, mugs, vehicles, animals.
fn thing(layers: &mut Layers, climate: &Climate, r: &mut Random) {
    let a = climate.ambient_c;
    let (u, v) = (r.range(-0.1, 1.0), r.range(-0.1, 1.0));
    let colour = [r.unit(), r.unit(), r.unit()];
    match r.below(16) {
        12 => hand(layers, [u, v], climate, r),
        13 => bundle(layers, [u, v], climate, r),
        14 => spotted(layers, [u, v], climate, r),
        0 => {
            let (t, ribs) = (a + r.range(3.0, 22.0), r.range(20.0, 60.0));
            radiator(layers, Rect::new(u, v, u + r.range(0.1, 0.4), v + r.range(0.1, 0.3)), t, ribs);
        }
        1 => {
            let (t, frame) = (a + r.normal(-2.0, 5.0), a + r.normal(0.0, 1.0));
            window(layers, Rect::new(u, v, u + r.range(0.1, 0.4), v + r.range(0.1, 0.5)), t, frame);
        }
        2 => {
            let t = a + r.range(6.0, 50.0);
            blob(layers, [u, v], [r.range(0.01, 0.05), r.range(0.01, 0.06)], |_, _| (t, [0.95; 3]));
        }
        3 => {
            let t = a + r.range(2.0, 14.0);
            rect(layers, Rect::new(u, v, u + r.range(0.1, 0.3), v + r.range(0.08, 0.22)), |_, y| {
                (t + 3.0 * (0.5 - y), [0.1; 3])
            });
        }
        4 | 5 => animal(layers, climate, r),
        6 => {
            // Warm and head-sized, but not a person.
            let t = a + r.range(2.0, 14.0);
            let s = r.range(0.04, 0.2);
            let rough = Smooth::draw(r, 8);
            let k = r.range(0.1, 0.8);
            blob(layers, [u, v], [s, s * r.range(0.9, 1.5)], |x, y| (t + k * rough.at(x, y), colour));
        }
        7 => {
            let t = a + r.normal(0.0, 2.0);
            let lumps = Smooth::draw(r, 10);
            blob(layers, [u, v], [r.range(0.05, 0.3), r.range(0.05, 0.3)], |x, y| (t + 0.7 * lumps.at(x, y), colour));
        }
        _ => {
            let t = a + r.normal(0.0, 1.8) + climate.sun_k * r.range(0.0, 0.5);
            let slope = r.normal(0.0, 1.0);
            rect(layers, Rect::new(u, v, u + r.range(0.03, 0.7), v + r.range(0.03, 0.8)), |x, _| {
                (t + slope * (x - u), colour)
            });
        }
    }
}

/// Warm ribs.
fn radiator(layers: &mut Layers, area: Rect, temp: f32, ribs: f32) {
    rect(layers, area, |x, _| {
        let between = libm::sinf(x * ribs * std::f32::consts::TAU) > 0.3;
        (if between { temp - 2.0 } else { temp }, [0.8; 3])
    });
}

/// Panes in a frame.
fn window(layers: &mut Layers, area: Rect, temp: f32, frame: f32) {
    let Rect { x0, y0, .. } = area;
    rect(layers, area, |x, y| {
        let (p, q) = ((x - x0) / area.width(), (y - y0) / area.height());
        let edge = !(0.06..=0.94).contains(&p) || !(0.05..=0.95).contains(&q) || (p - 0.5).abs() < 0.03;
        (if edge { frame } else { temp + q }, [0.7, 0.8, 0.9])
    });
}

/// A furry body with a head, ears and legs: warm, blobby, not a face.
fn animal(layers: &mut Layers, climate: &Climate, r: &mut Random) {
    let t = climate.ambient_c + r.range(3.0, 13.0);
    let (u, v, s) = (r.unit(), r.range(0.2, 1.0), r.log_range(0.03, 0.16));
    let fur = Smooth::draw(r, 16);
    let k = r.range(0.2, 1.2);
    let side = if r.chance(0.5) { 1.0 } else { -1.0 };
    let paint = |x: f32, y: f32| (t + k * fur.at(x, y), [0.3, 0.25, 0.2]);
    blob(layers, [u, v], [1.6 * s, s], paint);
    let head = [u + side * 1.7 * s, v - 0.7 * s];
    blob(layers, head, [0.62 * s, 0.55 * s], |x, y| (t + 1.0 + k * fur.at(x, y), [0.3; 3]));
    for e in [-0.35f32, 0.35] {
        let tall = r.range(0.2, 0.8) * s;
        blob(layers, [head[0] + e * s, head[1] - 0.6 * s - 0.3 * tall], [0.16 * s, tall], |_, _| (t + 1.8, [0.3; 3]));
    }
    for l in [-1.0f32, -0.4, 0.5, 1.1] {
        rect(layers, Rect::new(u + (l - 0.12) * s, v, u + (l + 0.12) * s, v + r.range(1.2, 1.9) * s), |_, _| {
            (t - 1.5, [0.3; 3])
        });
    }
}

/// A hand held into the picture: a palm, fingers, a wrist.
fn hand(layers: &mut Layers, [u, v]: [f32; 2], climate: &Climate, r: &mut Random) {
    let t = 33.0 - r.range(0.0, 3.0 + 6.0 * climate.chill);
    let (s, lean) = (r.log_range(0.03, 0.2), r.range(-1.0, 1.0));
    let tint = [0.7, 0.5, 0.4];
    let paint = |t: f32| move |_: f32, _: f32| (t, tint);
    let aspect = layers.width as f32 / layers.height as f32;
    let along = |k: f32, f: f32| [u + (lean * k + f) * s, v - k * s * aspect];
    for finger in 0..r.below(3) + 3 {
        let f = (finger as f32 - 1.8) * 0.42;
        for step in 0..6 {
            let k = 0.8 + 0.26 * step as f32;
            blob(layers, along(k, f * (1.0 + 0.25 * k)), [0.2 * s, 0.26 * s], paint(t - 0.12 * step as f32));
        }
    }
    blob(layers, [u, v], [0.9 * s, s], paint(t + 0.5));
    for step in 1..6 {
        blob(layers, along(-0.5 * step as f32, 0.0), [0.6 * s, 0.6 * s], paint(t));
    }
}

/// Clothes on a chair, a bag, a torso in folds: large, patchy, lukewarm, sometimes with a warm opening.
fn bundle(layers: &mut Layers, [u, v]: [f32; 2], climate: &Climate, r: &mut Random) {
    let contrast = 33.0 - climate.ambient_c;
    let t = climate.ambient_c + contrast * r.range(0.1, 0.7);
    let (wide, tall) = (r.range(0.08, 0.3), r.range(0.1, 0.4));
    let (broad, fine) = (Smooth::draw(r, 4), Smooth::draw(r, 18));
    let (a, b) = (contrast * r.range(0.03, 0.15), contrast * r.range(0.0, 0.06));
    let colour = [r.unit(), r.unit(), r.unit()];
    blob(layers, [u, v], [wide, tall], |x, y| (t + a * broad.at(x, y) + b * fine.at(x, y), colour));
    if r.chance(0.5) {
        let warm = climate.ambient_c + contrast * r.range(0.8, 1.05);
        let s = r.range(0.2, 0.5) * wide;
        blob(layers, [u + r.normal(0.0, 0.3) * wide, v - 0.7 * tall], [s, s * r.range(0.7, 1.4)], |_, _| {
            (warm, colour)
        });
    }
}

/// Warm, head-sized, with spots unlike those of a face: pots, lamps, wheels, teddy bears.
fn spotted(layers: &mut Layers, [u, v]: [f32; 2], climate: &Climate, r: &mut Random) {
    let t = climate.ambient_c + r.range(3.0, 16.0);
    let s = r.log_range(0.025, 0.2);
    let rough = Smooth::draw(r, 12);
    let k = r.range(0.0, 0.6);
    let high = s * r.range(0.7, 1.5);
    if r.chance(0.6) {
        blob(layers, [u, v], [s, high], |x, y| (t + k * rough.at(x, y), [0.5; 3]));
    } else {
        rect(layers, Rect::new(u - s, v - high, u + s, v + high), |x, y| (t + k * rough.at(x, y), [0.5; 3]));
    }
    for _ in 0..r.below(6) {
        let (angle, reach, size) = (r.range(0.0, std::f32::consts::TAU), r.range(0.0, 0.9), s * r.range(0.08, 0.35));
        let (sin, cos) = libm::sincosf(angle);
        let spot = t + r.normal(0.0, 4.0);
        let flat = r.range(0.4, 2.0);
        blob(layers, [u + s * reach * cos, v + high * reach * sin], [size, size * flat], |_, _| (spot, [0.3; 3]));
    }
}

type Paint = (f32, Rgb);

/// Paints the whole picture from two fields; `row` prepares the data of a row.
fn fill<R: Fn(f32, [f32; 2]) -> Paint>(layers: &mut Layers, fields: [&Smooth; 2], row: impl Fn(f32) -> R) {
    let (w, h) = (layers.width, layers.height);
    let pitch = 1.0 / w as f32;
    let us: Vec<f32> = (0..w).map(|x| (x as f32 + 0.5) * pitch).collect();
    let [mut a, mut b] = fields.map(|f| Rows::new(f, &us));
    for (y, temps) in layers.temp.chunks_exact_mut(w).enumerate() {
        let v = (y as f32 + 0.5) / h as f32;
        let at = row(v);
        a.go(v);
        b.go(v);
        let lines = a.top.iter().zip(&a.bottom).zip(b.top.iter().zip(&b.bottom));
        let (fa, fb) = (a.share, b.share);
        let paints =
            us.iter().zip(lines).map(|(u, ((ta, ba), (tb, bb)))| at(*u, [ta + fa * (ba - ta), tb + fb * (bb - tb)]));
        temps.iter_mut().zip(paints.clone()).for_each(|(t, paint)| *t = paint.0);
        if let Some(rgb) = layers.rgb.get_mut(y * w..(y + 1) * w) {
            rgb.iter_mut().zip(paints).for_each(|(p, paint)| *p = paint.1.map(|c| 0.8 * c));
        }
    }
}

fn rect(layers: &mut Layers, area: Rect, at: impl Fn(f32, f32) -> Paint) {
    let at = &at;
    region(layers, area, |_, _| true, |v| move |u| at(u, v));
}

fn blob(layers: &mut Layers, centre: [f32; 2], radius: [f32; 2], at: impl Fn(f32, f32) -> Paint) {
    // Round in a picture of any aspect ratio.
    let aspect = layers.width as f32 / layers.height as f32;
    let (rx, ry) = (radius[0], radius[1] * aspect);
    let at = &at;
    let inside = |u: f32, v: f32| ((u - centre[0]) / rx).powi(2) + ((v - centre[1]) / ry).powi(2) < 1.0;
    region(layers, Rect::new(centre[0] - rx, centre[1] - ry, centre[0] + rx, centre[1] + ry), inside, |v| {
        move |u| at(u, v)
    });
}

/// Paints the pixels of an area (shares of the picture); a NaN temperature leaves a pixel unchanged.
fn region<R: Fn(f32) -> Paint>(
    layers: &mut Layers,
    area: Rect,
    inside: impl Fn(f32, f32) -> bool,
    row: impl Fn(f32) -> R,
) {
    let (w, h) = (layers.width, layers.height);
    let pitch = 1.0 / w as f32;
    let lim = |x: f32, n: usize| (x * n as f32).round().clamp(0.0, n as f32) as usize;
    for y in lim(area.y0, h)..lim(area.y1, h) {
        let v = (y as f32 + 0.5) / h as f32;
        let at = row(v);
        for x in lim(area.x0, w)..lim(area.x1, w) {
            let u = (x as f32 + 0.5) * pitch;
            if !inside(u, v) {
                continue;
            }
            let (temp, colour) = at(u);
            if temp.is_finite() {
                let i = y * w + x;
                layers.temp[i] = temp;
                if let Some(p) = layers.rgb.get_mut(i) {
                    *p = [0.8 * colour[0], 0.8 * colour[1], 0.8 * colour[2]];
                }
            }
        }
    }
}
