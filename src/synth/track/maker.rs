//! What all makers of figures need: random numbers for shape, colour and warmth, each of its own seed, so that two
//! things can share one and differ in the others.

use super::figure::{Paint, Print};
use super::tile::Grain;
use super::weather::Weather;
use crate::synth::random::Random;

/// The seeds of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeds {
    /// Of its proportions.
    pub shape: u64,
    /// Of its colours.
    pub colour: u64,
    /// Of its temperatures.
    pub heat: u64,
}

impl Seeds {
    /// Draws all three.
    pub fn draw(r: &mut Random) -> Self {
        Self { shape: r.bits(), colour: r.bits(), heat: r.bits() }
    }
}

/// Draws the same proportions, colours and temperatures for every pose of one thing.
pub struct Maker<'w> {
    /// Proportions.
    pub shape: Random,
    /// Colours.
    pub colour: Random,
    /// Temperatures.
    pub heat: Random,
    /// The weather.
    pub weather: &'w Weather,
    /// Where in its cycle of movement the thing is, 0 to 1.
    pub phase: f32,
    /// How far it is turned: -1 to 1.
    pub turn: f32,
}

impl<'w> Maker<'w> {
    /// Starts a pose.
    pub fn new(seeds: &Seeds, weather: &'w Weather, phase: f32, turn: f32) -> Self {
        Self {
            shape: Random::new(seeds.shape, 1),
            colour: Random::new(seeds.colour, 2),
            heat: Random::new(seeds.heat, 3),
            weather,
            phase,
            turn,
        }
    }

    /// Sine of the cycle, `ahead` cycles later.
    pub fn swing(&self, ahead: f32) -> f32 {
        libm::sinf((self.phase + ahead) * std::f32::consts::TAU)
    }

    /// A colour as people wear and paint: often dull and dark, at times bright.
    pub fn dye(&mut self) -> [f32; 3] {
        let r = &mut self.colour;
        let value = if r.chance(0.4) { r.range(0.04, 0.25) } else { r.range(0.2, 0.95) };
        let pale = if r.chance(0.6) { r.range(0.6, 1.0) } else { r.range(0.0, 0.6) };
        let hue = r.unit() * 3.0;
        std::array::from_fn(|k| {
            let d = (hue - k as f32).abs();
            let c = (1.3 - d.min(3.0 - d)).clamp(0.0, 1.0);
            value * (pale + (1.0 - pale) * c)
        })
    }

    /// Skin.
    pub fn skin(&mut self) -> Paint {
        let tone = self.colour.range(0.3, 1.0);
        let rgb = [0.25 + 0.62 * tone, 0.15 + 0.52 * tone, 0.1 + 0.44 * tone];
        let celsius = self.weather.skin() + self.heat.normal(0.0, 0.5);
        Paint { rim: 0.8, relief: 0.18, ..Paint::plain(rgb, celsius) }.heat(Grain::Soft, 1.5, 0.35)
    }

    /// A garment: its insulation, folds and pattern.
    pub fn cloth(&mut self, thin: [f32; 2]) -> Paint {
        let rgb = self.dye();
        let share = self.heat.range(thin[0], thin[1]);
        let contrast = (33.0 - self.weather.ambient).abs().max(3.0);
        let folds = contrast * self.heat.range(0.02, 0.09);
        let mut p = Paint { rim: 0.05 * contrast, relief: 0.22, ..Paint::plain(rgb, self.weather.cloth(share)) };
        p.place = [self.heat.unit(), self.heat.unit()];
        p = match self.heat.below(5) {
            // Quilted jackets show their seams.
            0 => p.heat(Grain::Seams, 0.45, 1.5 * folds),
            1 => p.heat(Grain::Leaves, 0.6, folds),
            _ => p.heat(Grain::Soft, 1.2, 1.3 * folds),
        };
        match self.colour.below(7) {
            0 => p.colour(Grain::Bands, self.colour.range(0.4, 1.2), self.colour.range(0.1, 0.45)),
            1 => p.colour(Grain::Leaves, self.colour.range(0.6, 1.5), self.colour.range(0.1, 0.4)),
            2 => p.colour(Grain::Cells, self.colour.range(0.6, 1.5), self.colour.range(0.1, 0.5)),
            _ => p.colour(Grain::Rough, 0.8, self.colour.range(0.04, 0.16)),
        }
    }

    /// Any solid surface: its warmth has nothing to do with its colour.
    pub fn solid(&mut self, kelvin: f32) -> Paint {
        let rgb = self.dye();
        let celsius = self.weather.ambient + kelvin + self.heat.normal(0.0, 0.5);
        let mut p = Paint { relief: 0.2, rim: self.heat.range(-0.1, 0.4), ..Paint::plain(rgb, celsius) };
        p.place = [self.heat.unit(), self.colour.unit()];
        let grains = [Grain::Rough, Grain::Cells, Grain::Leaves, Grain::Bands, Grain::Fine, Grain::Bricks];
        let grain = *self.colour.pick(&grains);
        p = p.colour(grain, self.colour.range(0.3, 1.6), self.colour.log_range(0.03, 0.4));
        let grain = *self.heat.pick(&[Grain::Soft, Grain::Soft, Grain::Broad, Grain::Cells, Grain::Leaves]);
        p.heat(grain, self.heat.range(0.3, 1.4), self.heat.log_range(0.08, 0.3) * (1.0 + kelvin.abs() * 0.3))
    }

    /// The same surface, at times with a part of a photograph on it, if there are any.
    pub fn printed(&mut self, paint: Paint, kelvin: f32) -> Paint {
        let print = Print {
            which: self.colour.unit(),
            at: [self.colour.unit(), self.colour.unit()],
            scale: self.colour.range(0.1, 0.9),
            kelvin: self.heat.range(0.1, 0.7) * (0.5 + kelvin.abs()),
            sign: self.heat.range(-0.8, 0.8),
            seed: self.heat.bits() as u32,
        };
        let on = self.colour.chance(0.5);
        Paint { print: on.then_some(print), ..paint }
    }

    /// A warmth against the air, K: mostly above, at times below.
    pub fn kelvin(&mut self) -> f32 {
        let k = self.heat.log_range(0.6, 18.0);
        if self.heat.chance(0.3) { -0.6 * k } else { k }
    }
}
