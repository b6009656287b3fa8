//! Counts to temperature, with emissivity and reflected temperature; only for radiometric signals.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::frame::Signal;
#[cfg(feature = "stream")]
use crate::ranges;
use crate::units::{Celsius, Kelvin};

/// Allowed emissivities.
pub(crate) const EMISSIVITY: RangeInclusive<f64> = 0.1..=1.0;
/// Allowed reflected temperatures, degC.
pub(crate) const REFLECTED_C: RangeInclusive<f64> = -100.0..=500.0;

/// Properties of the measured surface.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "stream", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Emissivity of the measured surface. Human skin: 0.98 (Steketee 1973, Phys. Med. Biol. 18:686).
    #[cfg_attr(feature = "stream", schemars(range(min = *EMISSIVITY.start(), max = *EMISSIVITY.end())))]
    pub emissivity: f32,
    /// Apparent temperature of the surroundings that the surface reflects, degC.
    #[cfg_attr(feature = "stream", schemars(range(min = *REFLECTED_C.start(), max = *REFLECTED_C.end())))]
    pub reflected_c: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { emissivity: 0.98, reflected_c: 23.0 }
    }
}

impl Settings {
    /// Checks every range; the error names the key.
    ///
    /// # Errors
    /// `Fix` for the first value out of its range.
    pub fn validate(&self) -> Result<()> {
        #[cfg(feature = "stream")]
        ranges::check("surface", self)?;
        Ok(())
    }
}

/// Converts the counts of one signal into temperatures of a surface.
#[derive(Debug, Clone, Copy)]
pub struct Thermometer {
    kelvin_per_count: f32,
    kelvin_at_zero: f32,
    inv_emissivity: f32,
    /// `(1 - e) * T_reflected^4`, K^4.
    reflected_k4: f32,
}

impl Thermometer {
    /// `None` if `signal` is not radiometric.
    pub fn new(signal: Signal, surface: Settings) -> Option<Self> {
        let Signal::Radiometric { kelvin_per_count, kelvin_at_zero } = signal else { return None };
        let e = surface.emissivity.clamp(0.1, 1.0);
        let r = Kelvin::from(Celsius(surface.reflected_c)).0;
        Some(Self { kelvin_per_count, kelvin_at_zero, inv_emissivity: 1.0 / e, reflected_k4: (1.0 - e) * r.powi(4) })
    }

    /// Temperature of a blackbody that gives this count; fractional counts are means over pixels.
    pub fn apparent(&self, count: f32) -> Kelvin {
        Kelvin(count * self.kelvin_per_count + self.kelvin_at_zero)
    }

    /// Surface temperature: total-radiation (Stefan-Boltzmann) grey-body correction
    /// `T = ((T_app^4 - (1 - e) T_refl^4) / e)^(1/4)`, within 0.1 K of the 8-14 um band integral
    /// for skin in a room. NaN if the reflection alone exceeds the reading.
    pub fn surface(&self, count: f32) -> Celsius {
        let k = self.apparent(count).0;
        Celsius::from(Kelvin(((k.powi(4) - self.reflected_k4) * self.inv_emissivity).sqrt().sqrt()))
    }

    /// Temperature of a blackbody that looks like a surface of this temperature: the inverse of
    /// [`Thermometer::surface`].
    pub fn seen(&self, surface: Celsius) -> Celsius {
        let k4 = Kelvin::from(surface).0.powi(4) / self.inv_emissivity + self.reflected_k4;
        Celsius::from(Kelvin(k4.sqrt().sqrt()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blackbody_reads_its_own_temperature() {
        let t = Thermometer::new(Signal::CENTIKELVIN, Settings { emissivity: 1.0, reflected_c: 80.0 }).unwrap();
        assert!((t.surface(30815.0).0 - 35.0).abs() < 1e-3);
    }

    #[test]
    fn a_surface_as_warm_as_the_room_needs_no_correction() {
        let t = Thermometer::new(Signal::CENTIKELVIN, Settings { emissivity: 0.9, reflected_c: 23.0 }).unwrap();
        assert!((t.surface(29615.0).0 - 23.0).abs() < 1e-2);
    }

    #[test]
    fn skin_in_a_cool_room_is_warmer_than_it_looks() {
        let t = Thermometer::new(Signal::CENTIKELVIN, Settings { emissivity: 0.98, reflected_c: 20.0 }).unwrap();
        let c = t.surface(30715.0).0;
        assert!((34.2..34.3).contains(&c), "{c}");
    }

    #[test]
    fn what_is_seen_of_a_surface_is_read_as_that_surface() {
        let t = Thermometer::new(Signal::CENTIKELVIN, Settings { emissivity: 0.95, reflected_c: 10.0 }).unwrap();
        for count in [28000.0, 30715.0, 32000.0] {
            let there_and_back = t.seen(t.surface(count));
            assert!((there_and_back.0 - (count / 100.0 - 273.15)).abs() < 2e-3, "{count}: {there_and_back:?}");
        }
    }

    #[test]
    fn counts_have_no_temperature() {
        assert!(Thermometer::new(Signal::Counts, Settings::default()).is_none());
        assert!(Thermometer::new(Signal::Grey8, Settings::default()).is_none());
    }
}
