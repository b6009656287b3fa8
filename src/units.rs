//! Physical units as newtypes; suffixes (`_c`, `_ms`, `_ns`) name the unit at every edge.

use serde::{Deserialize, Serialize};

/// 0 °C in kelvin.
pub const ZERO_CELSIUS_K: f32 = 273.15;

/// Degrees Celsius.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Celsius(pub f32);

/// Kelvin.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Kelvin(pub f32);

/// Hundredths of a kelvin, the unit of Lepton TLinear at 0.01 K (16 bits cover 0 to 655.35 K).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Centikelvin(pub u16);

impl From<Kelvin> for Celsius {
    fn from(k: Kelvin) -> Self {
        Self(k.0 - ZERO_CELSIUS_K)
    }
}

impl From<Celsius> for Kelvin {
    fn from(c: Celsius) -> Self {
        Self(c.0 + ZERO_CELSIUS_K)
    }
}

impl From<Centikelvin> for Kelvin {
    fn from(ck: Centikelvin) -> Self {
        Self(f32::from(ck.0) / 100.0)
    }
}

impl From<Centikelvin> for Celsius {
    fn from(ck: Centikelvin) -> Self {
        // Subtracting before scaling keeps hundredths exact in f32.
        Self((f32::from(ck.0) - 27315.0) / 100.0)
    }
}

impl From<Celsius> for Centikelvin {
    /// Rounds to the nearest and saturates outside 0 to 655.35 K.
    fn from(c: Celsius) -> Self {
        Self((c.0 * 100.0 + 27315.0).round().clamp(0.0, 65535.0) as u16)
    }
}

/// Nanoseconds of a monotonic clock ([`crate::clock::Clock`]); only differences mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(pub u64);

impl Nanos {
    /// Time since `earlier`; zero where `earlier` is later.
    pub fn since(self, earlier: Nanos) -> std::time::Duration {
        std::time::Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Microseconds since `earlier`; zero where `earlier` is later.
    pub fn micros_since(self, earlier: Nanos) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }
}

impl std::ops::Add<std::time::Duration> for Nanos {
    type Output = Nanos;
    fn add(self, d: std::time::Duration) -> Nanos {
        Nanos(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_centikelvin_survives_the_round_trip() {
        for ck in 0..=u16::MAX {
            assert_eq!(Centikelvin::from(Celsius::from(Centikelvin(ck))), Centikelvin(ck));
        }
    }
}
