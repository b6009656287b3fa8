//! What is drawn of the two cameras of a sequence before anything is rendered.

use super::table;
use crate::synth::random::Random;

/// What thermal pixels mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Hundredths of a kelvin.
    Centikelvin,
    /// Raw counts of unknown temperature.
    Counts,
    /// 8-bit grey after the camera's gain control.
    Grey8,
}

impl Signal {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Signal::Centikelvin => "centikelvin",
            Signal::Counts => "counts",
            Signal::Grey8 => "grey8",
        }
    }
}

/// The thermal camera.
#[derive(Debug, Clone, Copy)]
pub struct ThermalCamera {
    /// Columns and rows.
    pub size: [usize; 2],
    /// What pixels mean.
    pub signal: Signal,
    /// Frames per second.
    pub fps: f32,
    /// Point spread, pixels.
    pub blur: f32,
    /// Noise, K.
    pub noise: f32,
    /// Columns' offsets, K.
    pub stripes: f32,
    /// Corners against the centre, K.
    pub vignette: f32,
    /// Share of wrong pixels.
    pub dead: f32,
    /// Exposure, ticks.
    pub exposure: f32,
    /// Counts per K, and at 0 degC (raw counts).
    pub counts: [f32; 2],
    /// Grey: hotter is darker.
    pub inverted: bool,
    /// Grey: exponent of the curve, and strength of local sharpening.
    pub curve: [f32; 2],
    /// Grey: shares of pixels clipped at both ends.
    pub clip: [f32; 2],
    /// Grey: the least span shown, K.
    pub span: f32,
    /// Seed of the fixed pattern.
    pub pattern: u64,
}

/// Sizes of thermal pictures.
const SIZES: [[usize; 2]; 5] = [[80, 60], [120, 90], [160, 120], [240, 180], [320, 240]];

impl ThermalCamera {
    /// Draws one in which a target of `size` scene pixels is at least 6 pixels large.
    pub fn draw(size: f32, blurred: bool, r: &mut Random) -> Self {
        let fit: Vec<[usize; 2]> = SIZES.iter().copied().filter(|s| size * s[0] as f32 >= 6.0 * 320.0).collect();
        let size = if fit.is_empty() { SIZES[4] } else { *r.pick(&fit) };
        let signal = match r.unit() {
            u if u < 0.6 => Signal::Centikelvin,
            u if u < 0.8 => Signal::Counts,
            _ => Signal::Grey8,
        };
        Self {
            size,
            signal,
            fps: *r.pick(&[9.0, 9.0, 9.0, 15.0, 25.0, 30.0, 30.0, 30.0]),
            blur: r.range(0.3, 0.85),
            noise: r.log_range(0.02, 0.15),
            stripes: r.range(0.0, 0.08),
            vignette: r.normal(0.0, 0.3),
            dead: if r.chance(0.1) { r.range(0.0, 0.002) } else { 0.0 },
            exposure: if blurred { r.range(0.4, 1.0) } else { r.range(0.15, 0.4) },
            counts: [r.range(12.0, 60.0), r.range(5000.0, 9000.0)],
            inverted: r.chance(0.25),
            curve: [r.range(0.7, 1.4), if r.chance(0.5) { r.range(0.0, 1.2) } else { 0.0 }],
            clip: [r.range(0.0, 0.02), r.range(0.0, 0.02)],
            span: r.range(3.0, 14.0),
            pattern: r.bits(),
        }
    }

    /// Thermal pixels per scene pixel.
    pub fn scale(&self) -> f32 {
        self.size[0] as f32 / super::path::SCENE[0]
    }
}

/// Light of the visible picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Light {
    /// As it should be.
    Good,
    /// Dark.
    Low,
    /// Over-exposed.
    High,
}

/// The visible camera.
#[derive(Debug, Clone, Copy)]
pub struct VisibleCamera {
    /// The light.
    pub light: Light,
    /// Gain on displayed values.
    pub gain: f32,
    /// Added to them.
    pub haze: f32,
    /// Gains of red and blue.
    pub tint: [f32; 2],
    /// Noise, 1/255.
    pub noise: f32,
    /// Share of the noise that all three channels share.
    pub grey_noise: f32,
    /// Point spread, pixels.
    pub blur: f32,
    /// Exposure, ticks.
    pub exposure: f32,
    /// No colour.
    pub grey: bool,
    /// From this tick on the gain is multiplied.
    pub jump: Option<(f32, f32)>,
    /// Ticks by which its frames are late, and their phase.
    pub late: [f32; 2],
}

impl VisibleCamera {
    /// Draws one.
    pub fn draw(light: Light, blurred: bool, r: &mut Random) -> Self {
        let (gain, noise) = match light {
            Light::Good => (r.range(0.8, 1.15), r.range(0.5, 4.0)),
            Light::Low => (r.log_range(0.08, 0.5), r.range(2.0, 12.0)),
            Light::High => (r.range(1.8, 3.5), r.range(0.5, 4.0)),
        };
        let dark = light == Light::Low;
        Self {
            light,
            gain,
            haze: if r.chance(0.3) { r.range(0.0, 0.25) } else { 0.0 },
            tint: [r.range(0.88, 1.14), r.range(0.85, 1.15)],
            noise,
            grey_noise: r.unit(),
            blur: if r.chance(0.25) { r.range(0.6, 1.6) } else { r.range(0.3, 0.6) },
            exposure: if blurred || dark { r.range(0.4, 1.0) } else { r.log_range(0.02, 0.35) },
            grey: r.chance(0.06),
            jump: None,
            late: [if r.chance(0.3) { r.range(0.0, 2.3) } else { r.range(0.0, 0.5) }, r.unit()],
        }
    }

    /// When the newest visible frame at `t` was taken.
    pub fn newest(&self, t: f32) -> f32 {
        let [late, phase] = self.late;
        (t - late - phase).floor() + phase
    }
}

/// How the thermal picture is shifted against the visible one: slowly changing, larger for nearer things.
#[derive(Debug, Clone, Copy)]
pub struct Offset {
    /// Direction and distance at the start, shares of the target's size.
    pub by: [f32; 2],
    /// Change per tick, shares of the size.
    pub drift: [f32; 2],
    /// The background's share of it.
    pub far: f32,
    /// Size of things in the thermal picture against the visible one.
    pub growth: f32,
}

/// What skew leaves to the cameras' own offset of [`super::table::OFFSET`].
const OWN: [f32; 7] = [0.004, 0.027, 0.052, 0.142, 0.252, 0.332, 0.52];

impl Offset {
    /// Draws one; `rank` says how large among all.
    pub fn draw(rank: f32, r: &mut Random) -> Self {
        let distance = table::quantile(&OWN, [0.002, 0.8], rank);
        let (s, c) = libm::sincosf(r.range(0.0, std::f32::consts::TAU));
        let drift = 0.004 * distance;
        Self {
            by: [distance * c, distance * s],
            drift: [r.normal(0.0, drift), r.normal(0.0, drift)],
            far: r.range(0.2, 1.0),
            growth: libm::expf(r.normal(0.0, 0.05)),
        }
    }

    /// Shares of the size at `t`, at most 1.5 times the first.
    pub fn at(&self, t: f32) -> [f32; 2] {
        let t = t.min(120.0);
        [self.by[0] + self.drift[0] * t, self.by[1] + self.drift[1] * t]
    }
}
