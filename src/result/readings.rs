//! Temperatures that may be missing, each with the reason.

use ndarray::{ArrayView1, aview1};

use super::NoTemperature;

/// For each of `N` places on a face, its temperature or why there is none.
#[derive(Debug, Clone, Copy)]
pub struct Readings<const N: usize> {
    // NaN if and only if there is a reason.
    celsius: [f32; N],
    reasons: [Option<NoTemperature>; N],
}

impl<const N: usize> Readings<N> {
    /// No temperatures, all for the same reason.
    pub fn none(reason: NoTemperature) -> Self {
        Self { celsius: [f32::NAN; N], reasons: [Some(reason); N] }
    }

    /// The temperature of one place, degC, or why there is none.
    ///
    /// # Errors
    /// The reason.
    ///
    /// # Panics
    /// If `place` is `N` or more.
    pub fn at(&self, place: usize) -> Result<f32, NoTemperature> {
        self.reasons[place].map_or(Ok(self.celsius[place]), Err)
    }

    /// Every temperature in order, degC.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Result<f32, NoTemperature>> + '_ {
        self.celsius.iter().zip(&self.reasons).map(|(&celsius, reason)| reason.map_or(Ok(celsius), Err))
    }

    /// Sets one place.
    pub fn set(&mut self, place: usize, reading: Result<f32, NoTemperature>) {
        (self.celsius[place], self.reasons[place]) = match reading {
            Ok(celsius) => (celsius, None),
            Err(reason) => (f32::NAN, Some(reason)),
        };
    }

    /// A view of the temperatures, shape `[N]`, degC; NaN for missing ones.
    pub fn view(&self) -> ArrayView1<'_, f32> {
        aview1(&self.celsius)
    }
}

impl<const N: usize> From<[Result<f32, NoTemperature>; N]> for Readings<N> {
    fn from(readings: [Result<f32, NoTemperature>; N]) -> Self {
        let mut all = Self::none(NoTemperature::Lost);
        for (place, reading) in readings.into_iter().enumerate() {
            all.set(place, reading);
        }
        all
    }
}

impl<const N: usize> PartialEq for Readings<N> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_is_nan_exactly_where_there_is_a_reason() {
        let mut readings = Readings::from([Ok(34.5), Err(NoTemperature::Ffc)]);
        assert_eq!(readings.view()[0], 34.5);
        assert!(readings.view()[1].is_nan());
        assert_eq!(readings.at(1), Err(NoTemperature::Ffc));
        readings.set(1, Ok(30.0));
        assert_eq!(readings, Readings::from([Ok(34.5), Ok(30.0)]));
    }
}
