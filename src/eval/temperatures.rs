//! Errors of temperatures.

use serde::Serialize;

use crate::landmarks::{COUNT, GROUPS, REGION_COUNT, REGIONS};
use crate::radiometry::Thermometer;
use crate::result::Face;
use crate::units::Celsius;

/// Faces from here on are reported apart, square root of the box area in pixels.
pub const NEAR: f32 = 40.0;

/// True temperatures of a face, degC; NaN where not known.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    /// What an ideal camera sees under each point.
    pub apparent_c: [f32; COUNT],
    /// The skin's own under each point.
    pub skin_c: [f32; COUNT],
    /// What an ideal camera sees of each region, where all of it can be seen.
    pub regions_c: [f32; REGION_COUNT],
}

/// Collects errors, K.
#[derive(Debug, Default)]
pub struct Errors(Vec<f64>);

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

impl Errors {
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

/// What is compared: *apparent* temperatures, as an ideal camera sees them, are free of what is assumed of
/// emissivity and surroundings; those of the skin are what a user reads.
const KINDS: [&str; 5] = [
    "points, apparent",
    "points, apparent, from 40 px",
    "regions, apparent",
    "regions, apparent, from 40 px",
    "points, skin",
];

/// Collects readings of faces.
#[derive(Debug, Default)]
pub struct Temperatures {
    kinds: [Errors; KINDS.len()],
    groups: [Errors; GROUPS.len()],
    regions: [Errors; REGION_COUNT],
    displacement: Errors,
}

/// Errors of readings.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct TemperatureReport {
    /// By what is compared; large faces are those of [`NEAR`] px and more.
    pub kinds: Vec<(&'static str, TemperatureScores)>,
    /// Apparent temperatures of the points of large faces, by their groups.
    pub groups: Vec<(&'static str, TemperatureScores)>,
    /// Apparent temperatures of each region of large faces.
    pub regions: Vec<(&'static str, TemperatureScores)>,
    /// Picture at the found points against the picture at the true points: what misplaced points cost.
    pub displacement: Option<TemperatureScores>,
}

impl Temperatures {
    /// Adds what is read of a face of `size` px: of its visible points and of its regions.
    pub fn add(&mut self, face: &Face, truth: &Heat, visible: &[bool; COUNT], size: f32, thermometer: &Thermometer) {
        let large = size >= NEAR;
        let seen = |surface: f32| thermometer.seen(Celsius(surface)).0;
        for i in (0..COUNT).filter(|&i| visible[i]) {
            let Ok(found) = face.landmark_c[i] else { continue };
            self.kinds[0].add(seen(found), truth.apparent_c[i]);
            self.kinds[4].add(found, truth.skin_c[i]);
            if large {
                self.kinds[1].add(seen(found), truth.apparent_c[i]);
                if let Some(g) = GROUPS.iter().position(|(_, ranges)| ranges.iter().any(|r| r.contains(&i))) {
                    self.groups[g].add(seen(found), truth.apparent_c[i]);
                }
            }
        }
        for i in 0..REGION_COUNT {
            let Ok(found) = face.region_c[i] else { continue };
            self.kinds[2].add(seen(found), truth.regions_c[i]);
            if large {
                self.kinds[3].add(seen(found), truth.regions_c[i]);
                self.regions[i].add(seen(found), truth.regions_c[i]);
            }
        }
    }

    /// Adds the picture's values at a found and at the true point, K.
    pub fn displaced(&mut self, found: f32, truth: f32) {
        self.displacement.add(found, truth);
    }

    /// The numbers; `None` for no readings.
    pub fn report(&self) -> Option<TemperatureReport> {
        let named = |names: &mut dyn Iterator<Item = &'static str>, errors: &[Errors]| {
            names.zip(errors).filter_map(|(name, e)| Some((name, e.scores()?))).collect::<Vec<_>>()
        };
        let kinds = named(&mut KINDS.into_iter(), &self.kinds);
        let groups = named(&mut GROUPS.iter().map(|g| g.0), &self.groups);
        let regions = named(&mut REGIONS.iter().map(|r| r.name), &self.regions);
        let displacement = self.displacement.scores();
        (displacement.is_some() || !kinds.is_empty()).then_some(TemperatureReport {
            kinds,
            groups,
            regions,
            displacement,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperature_errors_are_summed_up() {
        let mut t = Errors::default();
        assert_eq!(t.scores(), None);
        for (found, truth) in [(34.0, 33.0), (33.0, 34.0), (35.0, 33.0), (f32::NAN, 33.0)] {
            t.add(found, truth);
        }
        let s = t.scores().unwrap();
        assert!((s.bias_k - 2.0 / 3.0).abs() < 1e-5, "{s:?}");
        assert!((s.mean_k - 4.0 / 3.0).abs() < 1e-5, "{s:?}");
        assert_eq!(s.readings, 3);
        assert_eq!(Temperatures::default().report(), None);
    }
}
