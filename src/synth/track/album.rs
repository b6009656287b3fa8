//! Photographs and thermal pictures from which sequences take surfaces and backgrounds.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::source::{Settings, still};
use crate::synth::random::hash_noise;

/// Pictures are kept at most this wide, pixels.
const WIDEST: usize = 512;
/// Regions along a side when a picture is divided, and the rounds of doing so.
const REGIONS: [usize; 2] = [14, 10];
const ROUNDS: usize = 4;

/// A picture and its division into regions of about one colour.
#[derive(Debug, Clone)]
pub struct Photo {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    rgb: Vec<[f32; 3]>,
    region: Vec<u16>,
    /// Mean brightness of each region.
    bright: Vec<f32>,
    /// Mean brightness of all.
    pub mean: f32,
}

/// Pictures to take surfaces and backgrounds from.
#[derive(Debug, Clone, Default)]
pub struct Album {
    /// Photographs.
    pub photos: Vec<Photo>,
    /// Thermal pictures, brighter where warmer.
    pub thermals: Vec<Photo>,
}

impl Album {
    /// Reads all pictures of both folders, in the order of their names.
    ///
    /// # Errors
    /// `Fix` where a folder or a picture cannot be read, or a folder holds none.
    pub fn open(photos: Option<&Path>, thermals: Option<&Path>) -> Result<Self> {
        let all = |dir: Option<&Path>| dir.map_or_else(|| Ok(Vec::new()), folder);
        Ok(Self { photos: all(photos)?, thermals: all(thermals)? })
    }
}

fn folder(dir: &Path) -> Result<Vec<Photo>> {
    let unreadable = |e| Error::fix(dir.display(), "the folder cannot be read").because(e);
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        if ["png", "jpg", "jpeg", "tif", "tiff"].contains(&ending.as_str()) {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(Error::fix(dir.display(), "holds no picture (png, jpg, tif)"));
    }
    paths.sort();
    paths.iter().map(|p| photo(p)).collect()
}

fn photo(path: &Path) -> Result<Photo> {
    let frame = still::read(path, &Settings::default())?.frame;
    if let Some(v) = &frame.visible {
        let at = |i: usize| [0, 1, 2].map(|k| f32::from(v.rgb[3 * i + k]) / 255.0);
        return Ok(Photo::new(v.width as usize, v.height as usize, at));
    }
    let most = frame.pixels.iter().copied().max().unwrap_or(1).max(255);
    let at = |i: usize| [f32::from(frame.pixels[i]) / f32::from(most); 3];
    Ok(Photo::new(frame.format.width as usize, frame.format.height as usize, at))
}

impl Photo {
    /// From the colours of its pixels, 0 to 1; made smaller if it is wide, and divided into regions.
    pub fn new(width: usize, height: usize, at: impl Fn(usize) -> [f32; 3]) -> Self {
        let k = width.div_ceil(WIDEST).max(1);
        let (w, h) = ((width / k).max(1), (height / k).max(1));
        let share = 1.0 / (k * k) as f32;
        let mut rgb = vec![[0.0f32; 3]; w * h];
        for y in 0..h * k {
            for x in 0..w * k {
                let p = at(y.min(height - 1) * width + x.min(width - 1));
                let q = &mut rgb[(y / k) * w + x / k];
                (0..3).for_each(|c| q[c] += share * p[c]);
            }
        }
        let (region, bright) = divide(&rgb, w, h);
        let mean = rgb.iter().map(luma).sum::<f32>() / rgb.len() as f32;
        Self { width: w, height: h, rgb, region, bright, mean }
    }

    /// The colour at `x, y` pixels, bilinear; mirrored beyond the edges.
    #[inline]
    pub fn colour(&self, x: f32, y: f32) -> [f32; 3] {
        let (x, y) = (mirror(x, self.width), mirror(y, self.height));
        let (i, j) = (x as usize, y as usize);
        let (a, b) = (x - i as f32, y - j as f32);
        let (i1, j1) = ((i + 1).min(self.width - 1), (j + 1).min(self.height - 1));
        let at = |i: usize, j: usize| self.rgb[j * self.width + i];
        let (p, q, r, s) = (at(i, j), at(i1, j), at(i, j1), at(i1, j1));
        std::array::from_fn(|c| {
            let (top, low) = (p[c] + a * (q[c] - p[c]), r[c] + a * (s[c] - r[c]));
            top + b * (low - top)
        })
    }

    /// A warmth of the region at `x, y`, about -1 to 1, drawn by `seed`: half of the regions share their neighbour's,
    /// so that half of the edges vanish; `sign` says how much it follows the brightness.
    #[inline]
    pub fn warmth(&self, x: f32, y: f32, seed: u32, sign: f32) -> f32 {
        let at = mirror(y, self.height) as usize * self.width + mirror(x, self.width) as usize;
        let mut region = i32::from(self.region[at]);
        while region > 0 && hash_noise(region, 1, seed) > 0.0 {
            region -= 1;
        }
        hash_noise(region, 2, seed) + sign * 2.0 * (self.bright[region as usize] - self.mean)
    }
}

fn luma(p: &[f32; 3]) -> f32 {
    0.3 * p[0] + 0.59 * p[1] + 0.11 * p[2]
}

/// A coordinate folded into `0..n`, so that `n - 1` is not exceeded.
fn mirror(x: f32, n: usize) -> f32 {
    let n = (n.max(2) - 1) as f32;
    let x = x.abs();
    let x = x - 2.0 * n * (x / (2.0 * n)).floor();
    if x > n { 2.0 * n - x } else { x }
}

/// Regions of near colours and places: k-means from a grid, as superpixels are made.
fn divide(rgb: &[[f32; 3]], w: usize, h: usize) -> (Vec<u16>, Vec<f32>) {
    let [nx, ny] = REGIONS;
    let (sx, sy) = (w as f32 / nx as f32, h as f32 / ny as f32);
    let mut centres: Vec<[f32; 5]> = (0..nx * ny)
        .map(|i| {
            let (x, y) = (((i % nx) as f32 + 0.5) * sx, ((i / nx) as f32 + 0.5) * sy);
            let p = rgb[(y as usize).min(h - 1) * w + (x as usize).min(w - 1)];
            [p[0], p[1], p[2], x, y]
        })
        .collect();
    let mut region = vec![0u16; w * h];
    for _ in 0..ROUNDS {
        let mut sums = vec![([0.0f32; 5], 0.0f32); nx * ny];
        for i in 0..w * h {
            let (x, y, p) = ((i % w) as f32, (i / w) as f32, rgb[i]);
            let (cx, cy) = ((x / sx) as usize, (y / sy) as usize);
            let mut best = (f32::MAX, 0);
            for j in cy.saturating_sub(1)..(cy + 2).min(ny) {
                for k in cx.saturating_sub(1)..(cx + 2).min(nx) {
                    let c = &centres[j * nx + k];
                    let (u, v) = ((x - c[3]) / sx, (y - c[4]) / sy);
                    let colour: f32 = (0..3).map(|n| (p[n] - c[n]) * (p[n] - c[n])).sum();
                    let far = 60.0 * colour + u * u + v * v;
                    if far < best.0 {
                        best = (far, j * nx + k);
                    }
                }
            }
            region[i] = best.1 as u16;
            let (sum, n) = &mut sums[best.1];
            [p[0], p[1], p[2], x, y].iter().zip(sum).for_each(|(v, s)| *s += v);
            *n += 1.0;
        }
        for (c, (sum, n)) in centres.iter_mut().zip(&sums).filter(|(_, (_, n))| *n > 0.0) {
            (0..5).for_each(|k| c[k] = sum[k] / n);
        }
    }
    let bright = centres.iter().map(|c| luma(&[c[0], c[1], c[2]])).collect();
    (region, bright)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_follow_colours() {
        let dark = |x: usize, y: usize| (x / 40 + y / 30).is_multiple_of(2);
        let photo = Photo::new(160, 120, |i| [if dark(i % 160, i / 160) { 0.1 } else { 0.9 }; 3]);
        let wrong = (0..160 * 120).filter(|i| {
            let bright = photo.bright[usize::from(photo.region[*i])];
            (bright < 0.5) != dark(i % 160, i / 160)
        });
        assert!(wrong.count() < 400);
        assert!((photo.colour(-5.0, 10.0)[0] - photo.colour(5.0, 10.0)[0]).abs() < 1e-6);
    }
}
