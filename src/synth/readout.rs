//! How a Lepton converts temperatures to counts: radiometric or raw, in two gains.

use super::sensor::centikelvin;
use crate::frame::Signal;

/// Range of the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gain {
    /// Fine steps, scenes up to about 140 degC.
    #[default]
    High,
    /// Coarse steps and four times the noise, up to about 450 degC.
    Low,
}

/// The meaning of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readout {
    /// Raw 14-bit counts without a given relation to temperature, instead of TLinear.
    pub raw: bool,
    /// Range.
    pub gain: Gain,
}

/// Planck's law over the band in the form fitted for Lepton-class cameras, `R / (exp(B / T) - 1)`: R in counts, B in K.
const PLANCK: (f32, f32) = (395_653.0, 1428.0);

/// Raw count of a scene at the sensor's own temperature.
const MIDDLE: f32 = 8192.0;

impl Readout {
    /// The signal of the frames: TLinear in steps of 0.01 K (high gain) or 0.1 K (low gain), or counts.
    pub fn signal(self) -> Signal {
        match (self.raw, self.gain) {
            (true, _) => Signal::Counts,
            (false, Gain::High) => Signal::CENTIKELVIN,
            (false, Gain::Low) => Signal::Radiometric { kelvin_per_count: 0.1, kelvin_at_zero: 0.0 },
        }
    }

    /// Noise relative to that of high gain.
    pub fn noise(self) -> f32 {
        if self.gain == Gain::Low { 4.0 } else { 1.0 }
    }

    /// Count for an apparent temperature, degC, with the sensor at `sensor_c`.
    pub fn count(self, c: f32, sensor_c: f32) -> u16 {
        let flux = |c: f32| PLANCK.0 / (libm::expf(PLANCK.1 / (c + 273.15).max(1.0)) - 1.0);
        match (self.raw, self.gain) {
            (false, Gain::High) => centikelvin(c),
            (false, Gain::Low) => (c * 10.0 + 2731.5).round().clamp(0.0, 65535.0) as u16,
            (true, gain) => {
                let share = if gain == Gain::Low { 0.25 } else { 1.0 };
                (MIDDLE + share * (flux(c) - flux(sensor_c))).round().clamp(0.0, 16383.0) as u16
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_follow_the_signal() {
        let linear = Readout::default();
        assert_eq!((linear.count(36.85, 29.0), linear.count(-300.0, 29.0)), (31_000, 0));
        let coarse = Readout { gain: Gain::Low, ..linear };
        assert_eq!(coarse.count(36.85, 29.0), 3100);
        let raw = Readout { raw: true, ..linear };
        assert_eq!(raw.count(29.0, 29.0), 8192);
        // Raw counts rise with the scene, steeper when hot, fall with the sensor, and stay within 14 bits.
        let at = |c| i32::from(raw.count(c, 29.0));
        assert!(at(31.0) - at(29.0) > 50 && at(81.0) - at(79.0) > at(31.0) - at(29.0));
        assert!(raw.count(34.0, 33.0) < raw.count(34.0, 29.0));
        assert_eq!((raw.count(900.0, 29.0), raw.count(-273.0, 120.0)), (16_383, raw.count(-250.0, 120.0)));
        let low = Readout { gain: Gain::Low, ..raw };
        assert!((low.count(60.0, 29.0) - 8192).abs_diff((raw.count(60.0, 29.0) - 8192) / 4) <= 1);
    }
}
