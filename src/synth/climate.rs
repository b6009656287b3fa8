//! Conditions of a scene: air, surroundings, ground, light.

use super::random::Random;
use super::raster::Light;
use super::vector::{Rgb, V3};

/// Conditions shared by everything in a scene.
#[derive(Debug, Clone)]
pub struct Climate {
    /// Air temperature, degC.
    pub ambient_c: f32,
    /// True if outdoors.
    pub outdoor: bool,
    /// 0 (warm room) to 1 (cold air): how much extremities cool.
    pub chill: f32,
    /// Extra temperature of sunlit surfaces, K.
    pub sun_k: f32,
    /// How surfaces look to the sensors.
    pub light: Light,
}

impl Climate {
    /// Draws conditions: a room of 12 to 38 degC, or outdoors from frost to hot sun.
    pub fn draw(r: &mut Random) -> Self {
        let outdoor = r.chance(0.45);
        let ambient_c = if !outdoor {
            if r.chance(0.85) { r.range(16.0, 29.0) } else { r.range(12.0, 38.0) }
        } else {
            r.range(-4.0, 38.0)
        };
        let chill = ((24.0 - ambient_c) / 26.0 + r.normal(0.0, 0.15)).clamp(0.0, 1.0);
        let sun_k = if outdoor && r.chance(0.5) { r.range(2.0, 18.0) } else { 0.0 };
        let sky = if outdoor { r.range(0.0, 14.0) } else { r.range(-1.0, 1.5) };
        let dark = if r.chance(0.2) { r.log_range(0.02, 0.3) } else { 1.0 };
        let tint: Rgb = [r.range(0.85, 1.1), 1.0, r.range(0.8, 1.1)];
        let lamp = r.range(0.2, 0.9) * dark;
        let around = r.range(0.15, 0.6) * dark;
        let light = Light {
            emissivity: r.range(0.965, 0.985),
            grazing: r.range(0.1, 0.45),
            reflected_c: ambient_c - sky,
            direction: V3::new(r.normal(0.0, 0.7), r.range(-0.2, 1.0), r.range(-1.0, 0.2)).unit(),
            lamp: tint.map(|t| t * lamp),
            ambient: tint.map(|t| t * around),
        };
        Self { ambient_c, outdoor, chill, sun_k, light }
    }
}
