//! Textures that repeat, drawn once for all sequences: the grain of everything.

use crate::synth::random::{Random, hash_noise};

/// Side of a tile, texels; a power of two.
pub const SIDE: usize = 256;

/// Which texture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Noise of spectral slope -2, like photographs.
    Rough = 0,
    /// Noise of spectral slope -3, like thermal pictures.
    Soft = 1,
    /// Only the broadest waves.
    Broad = 2,
    /// Flat cells with straight edges.
    Cells = 3,
    /// Fallen leaves: overlapping discs of every size.
    Leaves = 4,
    /// Bands across, uneven.
    Bands = 5,
    /// Bricks.
    Bricks = 6,
    /// Fine grain.
    Fine = 7,
    /// Thin bright lines across, as the seams of quilted jackets.
    Seams = 8,
}

/// All textures.
pub const GRAINS: [Grain; 9] = [
    Grain::Rough,
    Grain::Soft,
    Grain::Broad,
    Grain::Cells,
    Grain::Leaves,
    Grain::Bands,
    Grain::Bricks,
    Grain::Fine,
    Grain::Seams,
];

/// The textures: mean 0, deviation 1, `SIDE` x `SIDE` each, repeating.
pub struct Tiles(Vec<Vec<f32>>);

impl Tiles {
    /// Draws all (some 60 ms).
    pub fn new() -> Self {
        Self(GRAINS.iter().map(|g| normal(draw(*g, &mut Random::new(0x7113, *g as u64)))).collect())
    }

    /// The texture at `u, v` in tiles, bilinear.
    #[inline]
    pub fn at(&self, grain: Grain, u: f32, v: f32) -> f32 {
        let t = &self.0[grain as usize][..SIDE * SIDE];
        let (x, y) = (u * SIDE as f32, v * SIDE as f32);
        let (fx, fy) = (x.floor(), y.floor());
        let (i, j) = (fx as i32 as usize, fy as i32 as usize);
        let (a, b) = (x - fx, y - fy);
        let m = SIDE - 1;
        let (i0, i1, j0, j1) = (i & m, i.wrapping_add(1) & m, (j & m) * SIDE, (j.wrapping_add(1) & m) * SIDE);
        let top = t[j0 + i0] + a * (t[j0 + i1] - t[j0 + i0]);
        let low = t[j1 + i0] + a * (t[j1 + i1] - t[j1 + i0]);
        top + b * (low - top)
    }
}

impl Default for Tiles {
    fn default() -> Self {
        Self::new()
    }
}

fn normal(mut t: Vec<f32>) -> Vec<f32> {
    let n = t.len() as f32;
    let mean = t.iter().sum::<f32>() / n;
    let sd = (t.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n).sqrt().max(1e-6);
    t.iter_mut().for_each(|x| *x = (*x - mean) / sd);
    t
}

fn draw(grain: Grain, r: &mut Random) -> Vec<f32> {
    match grain {
        Grain::Rough => octaves(r, 1, 7, 0.95),
        Grain::Soft => octaves(r, 1, 7, 0.66),
        Grain::Broad => octaves(r, 1, 3, 0.6),
        Grain::Fine => octaves(r, 5, 8, 1.1),
        Grain::Cells => cells(r),
        Grain::Leaves => leaves(r),
        Grain::Bands => bands(r),
        Grain::Seams => seams(r),
        Grain::Bricks => bricks(r),
    }
}

/// Value noise in octaves `from..to`, each `gain` times as strong as the one before.
fn octaves(r: &mut Random, from: u32, to: u32, gain: f32) -> Vec<f32> {
    let mut t = vec![0.0; SIDE * SIDE];
    let mut strength = 1.0;
    for octave in from..to {
        let n = 1usize << octave;
        let grid: Vec<f32> = (0..n * n).map(|_| r.normal(0.0, strength)).collect();
        let step = n as f32 / SIDE as f32;
        for y in 0..SIDE {
            let (j, v) = eased(y as f32 * step);
            for x in 0..SIDE {
                let (i, u) = eased(x as f32 * step);
                let g = |i: usize, j: usize| grid[(j % n) * n + i % n];
                let top = g(i, j) + u * (g(i + 1, j) - g(i, j));
                let low = g(i, j + 1) + u * (g(i + 1, j + 1) - g(i, j + 1));
                t[y * SIDE + x] += top + v * (low - top);
            }
        }
        strength *= gain;
    }
    t
}

fn eased(x: f32) -> (usize, f32) {
    let f = x - x.floor();
    (x as usize, f * f * (3.0 - 2.0 * f))
}

fn around(d: f32) -> f32 {
    let n = SIDE as f32;
    d - n * (d / n).round()
}

fn cells(r: &mut Random) -> Vec<f32> {
    let n = SIDE as f32;
    let points: Vec<[f32; 4]> =
        (0..48).map(|_| [r.unit() * n, r.unit() * n, r.range(0.6, 1.7), r.normal(0.0, 1.0)]).collect();
    let at = |i: usize| {
        let (x, y) = ((i % SIDE) as f32, (i / SIDE) as f32);
        let away = |p: &[f32; 4]| (around(x - p[0]).abs() + around(y - p[1]).abs()) * p[2];
        points.iter().map(|p| (away(p), p[3])).fold((f32::MAX, 0.0), |a, b| if b.0 < a.0 { b } else { a }).1
    };
    (0..SIDE * SIDE).map(at).collect()
}

fn leaves(r: &mut Random) -> Vec<f32> {
    let mut t = vec![0.0; SIDE * SIDE];
    for _ in 0..2600 {
        // Areas that fall with the cube of the radius give photographs' spectrum.
        let radius = 2.2 / (1.0 - r.unit() * 0.985).sqrt();
        let (cx, cy, value) = (r.unit() * SIDE as f32, r.unit() * SIDE as f32, r.normal(0.0, 1.0));
        let (s, c) = libm::sincosf(r.range(0.0, std::f32::consts::PI));
        let flat = r.range(1.0, 2.6);
        let reach = radius as i32 + 1;
        for j in -reach..=reach {
            for i in -reach..=reach {
                let (x, y) = (i as f32, j as f32);
                let (p, q) = (c * x + s * y, (c * y - s * x) * flat);
                if p * p + q * q < radius * radius {
                    let at = |c: f32, d: i32| (c as i32 + d).rem_euclid(SIDE as i32) as usize;
                    t[at(cy, j) * SIDE + at(cx, i)] = value + 0.25 * q / radius;
                }
            }
        }
    }
    t
}

fn bands(r: &mut Random) -> Vec<f32> {
    let waves: Vec<f32> = (0..SIDE).map(|_| r.normal(0.0, 1.0)).collect();
    let wobble = octaves(r, 2, 5, 0.6);
    let at = |i: usize| {
        let (y, w) = ((i / SIDE) as f32, wobble[i]);
        let phase = (y + 2.0 * w) * (14.0 / SIDE as f32) * std::f32::consts::TAU;
        libm::sinf(phase) + 0.25 * waves[((y + 2.0 * w) as i32).rem_euclid(SIDE as i32) as usize / 16]
    };
    (0..SIDE * SIDE).map(at).collect()
}

fn seams(r: &mut Random) -> Vec<f32> {
    let wobble = octaves(r, 2, 5, 0.6);
    let strength = octaves(r, 3, 6, 0.7);
    let at = |i: usize| {
        let y = (i / SIDE) as f32 + 2.5 * wobble[i];
        let d = y - 16.0 * (y / 16.0).round();
        libm::expf(-0.2 * d * d) * (1.0 + 0.5 * strength[i]).max(0.0) + 0.1 * strength[i]
    };
    (0..SIDE * SIDE).map(at).collect()
}

fn bricks(r: &mut Random) -> Vec<f32> {
    let salt = r.bits() as u32;
    let at = |i: usize| {
        let (x, y) = (i % SIDE, i / SIDE);
        let row = y / 16;
        let x = (x + (row % 2) * 16) % SIDE;
        if y % 16 < 2 || x % 32 < 2 { -2.0 } else { hash_noise((x / 32) as i32, row as i32, salt) }
    };
    (0..SIDE * SIDE).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_normal_and_repeat() {
        let tiles = Tiles::new();
        for g in GRAINS {
            let t = &tiles.0[g as usize];
            let mean = t.iter().sum::<f32>() / t.len() as f32;
            assert!(mean.abs() < 1e-2, "{g:?} {mean}");
            let (a, b) = (tiles.at(g, 0.3, 0.7), tiles.at(g, -1.7, 2.7));
            assert!((a - b).abs() < 2e-2, "{g:?}: {a} {b}");
        }
    }
}
