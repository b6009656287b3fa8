//! From what a camera sees to its pixels: blur, noise, gain, bits.

use super::cameras::{Signal, ThermalCamera, VisibleCamera};
use super::layer::Picture;
use crate::synth::random::Random;
use crate::synth::sensor::{blur, centikelvin};

/// A table of Gaussian noise, read from random places: much faster than drawing each value.
pub struct Noise(Vec<f32>);

const NOISE: usize = 1 << 16;

impl Noise {
    /// Draws the table.
    pub fn new() -> Self {
        let mut r = Random::new(0x9015e, 0);
        Self((0..NOISE).map(|_| r.normal(0.0, 1.0)).collect())
    }

    /// `n` values.
    fn some(&self, n: usize, r: &mut Random) -> &[f32] {
        let from = r.below(NOISE - n);
        &self.0[from..from + n]
    }
}

impl Default for Noise {
    fn default() -> Self {
        Self::new()
    }
}

/// Pixels of a thermal frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Thermal {
    /// 16 bits.
    Deep(Vec<u16>),
    /// 8 bits.
    Grey(Vec<u8>),
}

/// A thermal camera at work.
pub struct ThermalLab<'n> {
    camera: ThermalCamera,
    noise: &'n Noise,
    fixed: Vec<f32>,
    wrong: Vec<(usize, f32)>,
    shown: Option<[f32; 2]>,
    drift: f32,
    r: Random,
}

impl<'n> ThermalLab<'n> {
    /// Switched on.
    pub fn new(camera: ThermalCamera, noise: &'n Noise) -> Self {
        let [w, h] = camera.size;
        let mut r = Random::new(camera.pattern, 1);
        let columns: Vec<f32> = (0..w).map(|_| r.normal(0.0, camera.stripes)).collect();
        let rows: Vec<f32> = (0..h).map(|_| r.normal(0.0, 0.5 * camera.stripes)).collect();
        let fixed = (0..w * h).map(|i| {
            let (x, y) = (i % w, i / w);
            let (u, v) = (x as f32 / w as f32 - 0.5, y as f32 / h as f32 - 0.5);
            columns[x] + rows[y] + camera.vignette * (u * u + v * v) * 4.0
        });
        let fixed = fixed.collect();
        let dead = (camera.dead * (w * h) as f32).round() as usize;
        let wrong = (0..dead).map(|_| (r.below(w * h), r.normal(0.0, 15.0))).collect();
        let drift = r.normal(0.0, 0.002);
        Self { camera, noise, fixed, wrong, shown: None, drift, r }
    }

    /// The frame of what is seen at `t`.
    pub fn develop(&mut self, seen: &Picture, t: f32) -> Thermal {
        let c = &self.camera;
        let [w, h] = c.size;
        let mut plane: Vec<f32> = seen.px.iter().map(|p| p[3]).collect();
        blur(&mut plane, w, h, c.blur);
        for (line, fixed) in plane.chunks_exact_mut(w).zip(self.fixed.chunks_exact(w)) {
            let noise = self.noise.some(w, &mut self.r);
            for ((p, f), n) in line.iter_mut().zip(fixed).zip(noise) {
                *p += f + c.noise * n + self.drift * t;
            }
        }
        for (i, k) in &self.wrong {
            plane[*i] += k;
        }
        match c.signal {
            Signal::Centikelvin => Thermal::Deep(plane.iter().map(|p| centikelvin(*p)).collect()),
            Signal::Counts => {
                let count = |p: &f32| (p * c.counts[0] + c.counts[1]).round().clamp(0.0, 16383.0) as u16;
                Thermal::Deep(plane.iter().map(count).collect())
            }
            Signal::Grey8 => Thermal::Grey(self.grey(plane)),
        }
    }

    /// Gain control: percentiles that follow the scene slowly, a curve, sharpening, polarity.
    fn grey(&mut self, mut plane: Vec<f32>) -> Vec<u8> {
        let c = &self.camera;
        let [w, h] = c.size;
        if c.curve[1] > 0.05 {
            let mut broad = plane.clone();
            blur(&mut broad, w, h, 2.5);
            plane.iter_mut().zip(&broad).for_each(|(p, b)| *p += c.curve[1] * (*p - b));
        }
        let mut sorted: Vec<f32> = plane.iter().step_by(3).copied().collect();
        let n = sorted.len();
        let mut rank = |share: f32| {
            let k = ((share * n as f32) as usize).min(n - 1);
            *sorted.select_nth_unstable_by(k, f32::total_cmp).1
        };
        let (mut lo, mut hi) = (rank(c.clip[0]), rank(1.0 - c.clip[1] - 1e-3));
        if hi - lo < c.span {
            let spare = 0.5 * (c.span - (hi - lo));
            (lo, hi) = (lo - spare, hi + spare);
        }
        let [lo, hi] = match self.shown {
            Some([a, b]) => [a + 0.25 * (lo - a), b + 0.25 * (hi - b)],
            None => [lo, hi],
        };
        self.shown = Some([lo, hi]);
        let k = 1.0 / (hi - lo).max(0.1);
        // The curve over 1024 steps: a power for each pixel would cost more than all the rest.
        let curve: Vec<u8> = (0..1024)
            .map(|i| {
                let v = libm::powf(i as f32 / 1023.0, c.curve[0]) * 255.0;
                (if c.inverted { 255.0 - v } else { v }).round() as u8
            })
            .collect();
        plane.iter().map(|p| curve[(((p - lo) * k).clamp(0.0, 1.0) * 1023.0) as usize]).collect()
    }
}

/// A visible camera at work.
pub struct VisibleLab<'n> {
    camera: VisibleCamera,
    noise: &'n Noise,
    r: Random,
}

impl<'n> VisibleLab<'n> {
    /// Switched on.
    pub fn new(camera: VisibleCamera, noise: &'n Noise, seed: u64) -> Self {
        Self { camera, noise, r: Random::new(seed, 3) }
    }

    /// The frame of what is seen at `t`, sRGB.
    pub fn develop(&mut self, seen: &Picture, t: f32) -> Vec<u8> {
        let c = &self.camera;
        let (w, h) = (seen.width, seen.height);
        let mut gain = c.gain;
        if let Some((from, factor)) = c.jump.filter(|(from, _)| t >= *from) {
            // Cameras need a few frames to follow, if they do.
            gain *= 1.0 + (factor - 1.0) / (1.0 + 0.02 * (t - from));
        }
        let gains = [gain * c.tint[0], gain, gain * c.tint[1]];
        let mut planes: [Vec<f32>; 3] = [0, 1, 2].map(|k: usize| {
            let scale = 255.0 * gains[k];
            let haze = 255.0 * c.haze * gains[k];
            seen.px.iter().map(|p| (p[k] * (1.0 - c.haze)) * scale + haze * 0.8).collect()
        });
        if c.grey {
            for i in 0..w * h {
                let v = 0.3 * planes[0][i] + 0.59 * planes[1][i] + 0.11 * planes[2][i];
                (0..3).for_each(|k| planes[k][i] = v);
            }
        }
        planes.iter_mut().for_each(|p| blur(p, w, h, c.blur));
        let (all, own) = (c.noise * c.grey_noise.sqrt(), c.noise * (1.0 - c.grey_noise).sqrt());
        let mut out = vec![0; w * h * 3];
        for (j, line) in out.chunks_exact_mut(3 * w).enumerate() {
            let shared = self.noise.some(w, &mut self.r);
            let each = self.noise.some(3 * w, &mut self.r);
            let own = if c.grey { 0.0 } else { own };
            for i in 0..w {
                let n = all * shared[i];
                for k in 0..3 {
                    let v = planes[k][j * w + i] + n + own * each[3 * i + k];
                    line[3 * i + k] = (v + 0.5).clamp(0.0, 255.0) as u8;
                }
            }
        }
        out
    }
}
