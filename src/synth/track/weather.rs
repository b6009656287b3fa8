//! Air, sun and sky: what sets the temperatures of a scene.

use crate::synth::random::Random;

/// The weather of a sequence.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Air and everything in the shade, degC.
    pub ambient: f32,
    /// Warming of what the sun shines on, K.
    pub sun: f32,
    /// Apparent temperature of the sky, degC.
    pub sky: f32,
    /// Ground against air, K.
    pub ground: f32,
    /// Whether there is a sky.
    pub outdoor: bool,
}

impl Weather {
    /// Draws one.
    pub fn draw(outdoor: bool, r: &mut Random) -> Self {
        if !outdoor {
            return Self { ambient: r.normal(21.0, 2.5), sun: 0.0, sky: 5.0, ground: r.normal(-0.5, 0.8), outdoor };
        }
        let ambient = r.normal(13.0, 10.0).clamp(-15.0, 38.0);
        let sun = if r.chance(0.5) { 0.0 } else { r.range(1.0, 14.0) };
        let sky = ambient - 3.0 - if r.chance(0.4) { r.range(0.0, 8.0) } else { r.range(10.0, 45.0) };
        // At night the ground is cooler than air or, if it is paved, still warm.
        let ground = if sun > 0.0 { sun * r.range(0.2, 1.3) } else { r.normal(0.0, 2.0) };
        Self { ambient, sun, sky, ground, outdoor }
    }

    /// Bare skin of the face, degC.
    pub fn skin(&self) -> f32 {
        34.2 - 0.11 * (24.0 - self.ambient).max(0.0) + 0.04 * (self.ambient - 30.0).max(0.0)
    }

    /// The outside of clothes that let `share` of the body's warmth through, degC.
    pub fn cloth(&self, share: f32) -> f32 {
        self.ambient + share * (33.0 - self.ambient) + 0.4 * self.sun
    }
}
