//! The one-euro filter on landmarks: still faces do not jitter, moving faces do not lag.
//!
//! Casiez, Roussel & Vogel 2012, "1 euro filter: a simple speed-based low-pass filter for noisy input in
//! interactive systems", CHI. Positions are in units of the face size, so that settings mean the same for
//! near and far faces. The speed of a point is the length of its velocity, so the filter is isotropic.
//!
//! Lag: an exponential filter of cutoff `f` lags a motion of constant speed `v` by `v / (2 pi f)`. With
//! `f = min_cutoff_hz + beta v` that is less than `1 / (2 pi beta)` face sizes at any speed: 2 % for the
//! default `beta` of 8, and never more than the motion of `1 / (2 pi min_cutoff_hz)` seconds.

use std::f32::consts::TAU;

use serde::{Deserialize, Serialize};

use crate::landmarks::COUNT;

/// Settings of the filter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "stream", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Smooth the landmarks; false publishes the network's points as they are.
    pub enabled: bool,
    /// Cutoff for a point at rest, Hz; lower is smoother.
    #[cfg_attr(feature = "stream", schemars(range(min = 0.05, max = 100)))]
    pub min_cutoff_hz: f32,
    /// Hz of cutoff per face size per second; higher lags less.
    #[cfg_attr(feature = "stream", schemars(range(min = 0, max = 1000)))]
    pub beta: f32,
    /// Cutoff of the speed estimate, Hz.
    #[cfg_attr(feature = "stream", schemars(range(min = 0.05, max = 100)))]
    pub speed_cutoff_hz: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, min_cutoff_hz: 1.5, beta: 8.0, speed_cutoff_hz: 2.0 }
    }
}

/// The filter of one face.
#[derive(Debug, Clone, Copy)]
pub struct OneEuro {
    settings: Settings,
    started: bool,
    /// Filtered positions, pixels.
    position: [[f32; 2]; COUNT],
    /// The last unfiltered positions, pixels.
    last: [[f32; 2]; COUNT],
    /// Filtered velocities, face sizes per second.
    velocity: [[f32; 2]; COUNT],
}

impl OneEuro {
    /// A filter that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        let zero = [[0.0; 2]; COUNT];
        Self { settings, started: false, position: zero, last: zero, velocity: zero }
    }

    /// Resets the state: the next points pass through unchanged.
    pub fn reset(&mut self) {
        self.started = false;
    }

    /// Filters points (pixels) of a face of `size` pixels, `dt` seconds after the last ones.
    pub fn apply(&mut self, points: &[[f32; 2]; COUNT], size: f32, dt: f32) -> [[f32; 2]; COUNT] {
        let s = self.settings;
        if !s.enabled || !self.started || !(dt > 0.0 && size > 0.0) {
            *self = Self { started: true, position: *points, last: *points, ..Self::new(s) };
            return *points;
        }
        let share = |cutoff: f32| 1.0 / (1.0 + 1.0 / (TAU * cutoff * dt));
        let slow = share(s.speed_cutoff_hz);
        for i in 0..COUNT {
            for k in 0..2 {
                let speed = (points[i][k] - self.last[i][k]) / (size * dt);
                self.velocity[i][k] += slow * (speed - self.velocity[i][k]);
            }
            let speed = self.velocity[i][0].hypot(self.velocity[i][1]);
            let a = share(s.min_cutoff_hz + s.beta * speed);
            for k in 0..2 {
                self.position[i][k] += a * (points[i][k] - self.position[i][k]);
            }
        }
        self.last = *points;
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: f32 = 50.0;

    /// Feeds one coordinate through and returns the filtered sequence.
    fn run(settings: Settings, rate: f32, input: impl Iterator<Item = f32>) -> Vec<f32> {
        let mut f = OneEuro::new(settings);
        input.map(|x| f.apply(&[[x, 0.0]; COUNT], SIZE, 1.0 / rate)[3][0]).collect()
    }

    #[test]
    fn a_ramp_is_trailed_by_less_than_the_documented_bound() {
        let s = Settings::default();
        let bound = 1.0 / (TAU * s.beta);
        for rate in [8.7, 27.0, 60.0] {
            for speed in [0.05, 0.3, 1.0, 4.0] {
                let n = (4.0 * rate) as usize;
                let truth = |i: usize| speed * SIZE * i as f32 / rate;
                let out = run(s, rate, (0..n).map(truth));
                let lag = (truth(n - 1) - out[n - 1]) / SIZE;
                let want = speed / (TAU * (s.min_cutoff_hz + s.beta * speed));
                assert!(lag > 0.0 && lag < bound, "{rate} Hz, {speed}/s: {lag} of {bound}");
                assert!((lag - want).abs() < 0.05 * want + 1e-4, "{rate} Hz, {speed}/s: {lag}, wanted {want}");
            }
        }
    }

    #[test]
    fn a_step_is_followed_without_overshoot_within_half_a_second() {
        for rate in [8.7, 27.0, 60.0] {
            let n = rate as usize;
            let out = run(Settings::default(), rate, (0..2 * n).map(|i| if i < n { 10.0 } else { 40.0 }));
            assert!((out[n - 1] - 10.0).abs() < 1e-4);
            assert!(out[n] > 10.0 + 0.3 * 30.0, "{rate} Hz: the first frame takes {}", out[n]);
            assert!(out[n + n / 2] > 10.0 + 0.95 * 30.0, "{rate} Hz: {}", out[n + n / 2]);
            assert!(out.windows(2).all(|w| w[1] >= w[0] - 1e-4) && out[2 * n - 1] <= 40.001);
        }
    }

    #[test]
    fn noise_on_a_still_face_is_reduced() {
        let noise: Vec<f32> =
            (0..600u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 16) as f32 / 65536.0 - 0.5).collect();
        let power = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>() / v.len() as f32;
        // Half a percent of the face size, the noise of a good landmark network.
        let scale = 0.005 * SIZE / power(&noise).sqrt();
        let out = run(Settings::default(), 30.0, noise.iter().map(|x| x * scale));
        let gain = (power(&out[30..]) / power(&noise[30..])).sqrt() / scale;
        assert!(gain < 0.55, "{gain}");
    }

    #[test]
    fn the_first_points_and_points_after_a_reset_pass_unchanged() {
        let mut f = OneEuro::new(Settings::default());
        assert_eq!(f.apply(&[[7.0, 9.0]; COUNT], SIZE, 0.1)[0], [7.0, 9.0]);
        assert_ne!(f.apply(&[[9.0, 9.0]; COUNT], SIZE, 0.1)[0], [9.0, 9.0]);
        f.reset();
        assert_eq!(f.apply(&[[50.0, 9.0]; COUNT], SIZE, 0.1)[0], [50.0, 9.0]);
        let mut off = OneEuro::new(Settings { enabled: false, ..Settings::default() });
        off.apply(&[[1.0, 1.0]; COUNT], SIZE, 0.1);
        assert_eq!(off.apply(&[[3.0, 1.0]; COUNT], SIZE, 0.1)[0], [3.0, 1.0]);
    }
}
