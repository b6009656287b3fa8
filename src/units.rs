//! Physical units as newtypes; name suffixes (`_c`, `_ms`, `_ns`) give the unit of plain numbers.

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

/// Nanoseconds of a monotonic clock ([`crate::clock::Clock`]); only differences are meaningful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(pub u64);

impl Nanos {
    /// Time since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Nanos) -> std::time::Duration {
        std::time::Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Microseconds since `earlier`; zero if `earlier` is later.
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
    fn time_never_runs_backwards_or_over() {
        let (early, late) = (Nanos(1_500), Nanos(4_000));
        assert_eq!((late.micros_since(early), early.micros_since(late)), (2, 0));
        assert_eq!((late.since(early).as_nanos(), early.since(late).as_nanos()), (2_500, 0));
        assert_eq!(Nanos(u64::MAX) + std::time::Duration::from_secs(1), Nanos(u64::MAX));
    }
}
