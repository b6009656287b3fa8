//! Errors of temperatures.

use serde::Serialize;

/// Collects temperature errors, K.
#[derive(Debug, Default)]
pub struct Temperatures(Vec<f64>);

/// Temperature errors, K.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct TemperatureScores {
    /// Mean error: above zero reads too warm.
    pub bias_k: f64,
    /// Mean absolute error.
    pub mean_k: f64,
    /// Median absolute error.
    pub median_k: f64,
    /// 95th percentile of the absolute error.
    pub p95_k: f64,
    /// Number of readings.
    pub readings: usize,
}

impl Temperatures {
    /// Adds a reading and the truth, one unit.
    pub fn add(&mut self, found: f32, truth: f32) {
        if found.is_finite() && truth.is_finite() {
            self.0.push(f64::from(found) - f64::from(truth));
        }
    }

    /// The numbers; `None` for no readings.
    pub fn scores(&self) -> Option<TemperatureScores> {
        let n = self.0.len();
        let mut size: Vec<f64> = self.0.iter().map(|e| e.abs()).collect();
        size.sort_by(f64::total_cmp);
        let last = n.checked_sub(1)?;
        Some(TemperatureScores {
            bias_k: self.0.iter().sum::<f64>() / n as f64,
            mean_k: size.iter().sum::<f64>() / n as f64,
            median_k: size[last / 2],
            p95_k: size[(last as f64 * 0.95) as usize],
            readings: n,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperature_errors_are_summed_up() {
        let mut t = Temperatures::default();
        assert_eq!(t.scores(), None);
        for (found, truth) in [(34.0, 33.0), (33.0, 34.0), (35.0, 33.0), (f32::NAN, 33.0)] {
            t.add(found, truth);
        }
        let s = t.scores().unwrap();
        assert!((s.bias_k - 2.0 / 3.0).abs() < 1e-5, "{s:?}");
        assert!((s.mean_k - 4.0 / 3.0).abs() < 1e-5, "{s:?}");
        assert_eq!(s.readings, 3);
    }
}
