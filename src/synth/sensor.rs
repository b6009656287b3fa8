//! Turns an ideal thermal picture into the output of a microbolometer.

use serde::Serialize;

use super::random::{Random, hash_noise};
use super::raster::{Layers, material};

/// Sub-pixels per pixel and axis.
pub const SUPERSAMPLING: usize = 2;

/// A camera's imperfections, constant over a sequence.
#[derive(Debug, Clone)]
pub struct Sensor {
    /// Point spread, pixels (standard deviation).
    pub blur_px: f32,
    /// Noise-equivalent temperature difference, K.
    pub netd_k: f32,
    /// Column and row offsets, K.
    pub stripes_k: f32,
    /// Difference of the corners to the centre, K.
    pub vignette_k: f32,
    /// Motion blur, pixels.
    pub motion_px: [f32; 2],
    /// Share of pixels with wrong values.
    pub dead: f32,
    /// Seed of the fixed pattern.
    pub pattern: u64,
}

/// Which of a sensor's imperfections are rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "program", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Faults {
    /// Blur, noise, stripes, vignetting and dead pixels, drawn for each record.
    Drawn,
    /// The optics' blur and smear alone.
    NoiseFree,
    /// None: nothing but its pixels.
    Ideal,
}

impl Sensor {
    /// The same sensor with only these imperfections.
    pub fn with(self, faults: Faults) -> Self {
        match faults {
            Faults::Drawn => self,
            Faults::NoiseFree => Self { blur_px: self.blur_px, motion_px: self.motion_px, ..Self::ideal() },
            Faults::Ideal => Self::ideal(),
        }
    }

    /// A sensor without imperfections except its pixel size.
    pub fn ideal() -> Self {
        Self { blur_px: 0.0, netd_k: 0.0, stripes_k: 0.0, vignette_k: 0.0, motion_px: [0.0; 2], dead: 0.0, pattern: 0 }
    }

    /// Draws a Lepton-like sensor, from good to worn: NETD 20 to 120 mK.
    pub fn draw(r: &mut Random) -> Self {
        let moving = r.chance(0.2);
        Self {
            blur_px: r.range(0.25, 1.3),
            netd_k: r.range(0.02, 0.12),
            stripes_k: r.range(0.0, 0.07),
            vignette_k: r.normal(0.0, 0.35),
            motion_px: if moving { [r.normal(0.0, 1.5), r.normal(0.0, 0.8)] } else { [0.0; 2] },
            dead: if r.chance(0.1) { r.range(0.0, 0.002) } else { 0.0 },
            pattern: r.bits(),
        }
    }

    /// Reduces the sub-pixel plane to pixels and adds blur, smear, pattern and noise. Returns degC per pixel.
    pub fn expose(&self, layers: &Layers, r: &mut Random) -> Vec<f32> {
        let (w, h) = (layers.width / SUPERSAMPLING, layers.height / SUPERSAMPLING);
        let mut plane = layers.temp.clone();
        self.smear(&mut plane, layers.width, layers.height);
        blur(&mut plane, layers.width, layers.height, self.blur_px * SUPERSAMPLING as f32);
        let mut fixed = Random::new(self.pattern, 1);
        let columns: Vec<f32> = (0..w).map(|_| fixed.normal(0.0, self.stripes_k)).collect();
        let rows: Vec<f32> = (0..h).map(|_| fixed.normal(0.0, 0.5 * self.stripes_k)).collect();
        let mut out = Vec::with_capacity(w * h);
        let s = SUPERSAMPLING;
        for (y, row) in rows.iter().enumerate() {
            for (x, column) in columns.iter().enumerate() {
                let mut sum = 0.0;
                for j in 0..s {
                    let at = (y * s + j) * layers.width + x * s;
                    sum += plane[at..at + s].iter().sum::<f32>();
                }
                let (u, v) = (x as f32 / w as f32 - 0.5, y as f32 / h as f32 - 0.5);
                let mut t = sum / (s * s) as f32 + column + row + self.vignette_k * (u * u + v * v) * 4.0;
                if self.netd_k > 0.0 {
                    t += self.netd_k * gauss(r);
                }
                out.push(t);
            }
        }
        let dead = (self.dead * (w * h) as f32).round() as usize;
        for _ in 0..dead {
            let i = fixed.below(w * h);
            out[i] += fixed.normal(0.0, 20.0);
        }
        out
    }

    fn smear(&self, plane: &mut [f32], w: usize, h: usize) {
        let [dx, dy] = self.motion_px.map(|m| m * SUPERSAMPLING as f32);
        let steps = dx.abs().max(dy.abs()).round() as i32;
        if steps < 1 {
            return;
        }
        let sharp = plane.to_vec();
        let offsets: Vec<[i32; 2]> = (0..=steps)
            .map(|k| k as f32 / steps as f32 - 0.5)
            .map(|f| [(f * dx).round() as i32, (f * dy).round() as i32])
            .collect();
        let share = 1.0 / offsets.len() as f32;
        for (y, row) in plane.chunks_exact_mut(w).enumerate() {
            for (x, out) in row.iter_mut().enumerate() {
                let from = |&[i, j]: &[i32; 2]| {
                    let sx = (x as i32 + i).clamp(0, w as i32 - 1) as usize;
                    let sy = (y as i32 + j).clamp(0, h as i32 - 1) as usize;
                    sharp[sy * w + sx]
                };
                *out = share * offsets.iter().map(from).sum::<f32>();
            }
        }
    }
}

/// A Gaussian from twelve 10-bit numbers (Irwin-Hall): fast, and tails beyond six sigma do not matter here.
#[inline]
fn gauss(r: &mut Random) -> f32 {
    // Ten bits each, at bits 0, 10, ... 50. Taking every other one leaves twenty bits for each sum.
    const EVERY_OTHER: u64 = 1023 | 1023 << 20 | 1023 << 40;
    let (a, b) = (r.bits(), r.bits());
    let sums = (a & EVERY_OTHER) + ((a >> 10) & EVERY_OTHER) + (b & EVERY_OTHER) + ((b >> 10) & EVERY_OTHER);
    let sum = ((sums + (sums >> 20) + (sums >> 40)) & 0xf_ffff) as u32;
    (sum as f32 - 6138.0) / 1024.0
}

/// Separable Gaussian blur in place, borders replicated.
pub fn blur(plane: &mut [f32], w: usize, h: usize, sigma: f32) {
    if sigma < 0.1 {
        return;
    }
    let rad = (2.5 * sigma).ceil() as usize;
    let mut k: Vec<f32> = (0..=2 * rad)
        .map(|i| {
            let d = i as f32 - rad as f32;
            libm::expf(-0.5 * d * d / (sigma * sigma))
        })
        .collect();
    let norm: f32 = k.iter().sum();
    k.iter_mut().for_each(|x| *x /= norm);
    let mut line = vec![0.0f32; w + 2 * rad];
    for row in plane.chunks_exact_mut(w) {
        line[rad..rad + w].copy_from_slice(row);
        line[..rad].fill(row[0]);
        line[rad + w..].fill(row[w - 1]);
        row.fill(0.0);
        for (i, a) in k.iter().enumerate() {
            row.iter_mut().zip(&line[i..]).for_each(|(o, s)| *o += a * s);
        }
    }
    let source = plane.to_vec();
    for y in 0..h {
        let out = &mut plane[y * w..(y + 1) * w];
        out.fill(0.0);
        for (i, a) in k.iter().enumerate() {
            let from = (y + i).saturating_sub(rad).min(h - 1) * w;
            out.iter_mut().zip(&source[from..from + w]).for_each(|(o, s)| *o += a * s);
        }
    }
}

/// Adds strands of hair and weave of cloth, which are finer than the meshes.
pub fn texture(layers: &mut Layers, hair_k: f32, cloth_k: f32, salt: u32) {
    for y in 0..layers.height {
        for x in 0..layers.width {
            let i = y * layers.width + x;
            let (k, along) = match material::kind(layers.material[i]) {
                material::HAIR => (hair_k, 5),
                material::HAT | material::CLOTH => (cloth_k, 2),
                _ => continue,
            };
            let n = hash_noise(x as i32, y as i32 / along, salt);
            layers.temp[i] += k * n;
            if let Some(p) = layers.rgb.get_mut(i) {
                *p = p.map(|c| c * (1.0 + 0.15 * n));
            }
        }
    }
}

/// A temperature in degC as centikelvin, saturating.
pub fn centikelvin(c: f32) -> u16 {
    (c * 100.0 + 27315.0).round().clamp(0.0, 65535.0) as u16
}

/// The colour plane as 8-bit sRGB, reduced to pixels.
pub fn colour(layers: &Layers) -> Vec<[u8; 3]> {
    let (w, h) = (layers.width / SUPERSAMPLING, layers.height / SUPERSAMPLING);
    let s = SUPERSAMPLING;
    let mut out = Vec::with_capacity(w * h);
    for y in 0..h {
        for x in 0..w {
            let mut sum = [0.0f32; 3];
            for j in 0..s {
                for p in &layers.rgb[(y * s + j) * layers.width + x * s..][..s] {
                    (0..3).for_each(|k| sum[k] += p[k]);
                }
            }
            // Gamma 2 stands in for the sRGB curve.
            out.push(sum.map(|c| ((c / (s * s) as f32).clamp(0.0, 1.0).sqrt() * 255.0).round() as u8));
        }
    }
    out
}
