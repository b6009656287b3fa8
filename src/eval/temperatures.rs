//! Errors of temperatures.

use serde::Serialize;

use crate::landmarks::{COUNT, GROUPS, REGION_COUNT, REGIONS};
use crate::radiometry::Thermometer;
use crate::result::Face;
use crate::units::Celsius;

/// Minimum face size for metrics by group and region, square root of the box area in pixels.
pub const NEAR: f32 = 40.0;

/// True temperatures of a face, degC; NaN where not known.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    /// What an ideal camera sees under each point.
    pub apparent_c: [f32; COUNT],
    /// The skin temperature under each point.
    pub skin_c: [f32; COUNT],
    /// What an ideal camera sees of each region; NaN unless all of it is visible.
    pub regions_c: [f32; REGION_COUNT],
}

/// Collects errors, K.
#[derive(Debug, Default)]
pub struct Errors(Vec<f64>);

/// Temperature errors, K.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct TemperatureScores {
    /// Mean error; positive if readings are too warm.
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
    /// Adds a reading and its true value, in the same unit.
    pub fn add(&mut self, found: f32, truth: f32) {
        if found.is_finite() && truth.is_finite() {
            self.0.push(f64::from(found) - f64::from(truth));
        }
    }
}

/// Metrics of several collections together; `None` without readings.
fn scores<'e>(errors: impl IntoIterator<Item = &'e Errors>) -> Option<TemperatureScores> {
    let all: Vec<f64> = errors.into_iter().flat_map(|e| &e.0).copied().collect();
    let mut size: Vec<f64> = all.iter().map(|e| e.abs()).collect();
    size.sort_by(f64::total_cmp);
    let (n, last) = (all.len() as f64, all.len().checked_sub(1)?);
    Some(TemperatureScores {
        bias_k: all.iter().sum::<f64>() / n,
        mean_k: size.iter().sum::<f64>() / n,
        median_k: size[last / 2],
        p95_k: size[(last as f64 * 0.95) as usize],
        readings: all.len(),
    })
}

/// Collects readings of faces. *Apparent* temperatures, as an ideal camera sees them, do not depend on the assumed
/// emissivity and surroundings; skin temperatures are what a user reads.
#[derive(Debug, Default)]
pub struct Temperatures {
    /// Apparent temperatures of points, faces under [`NEAR`].
    far_points: Errors,
    /// Apparent temperatures of regions, faces under [`NEAR`].
    far_regions: Errors,
    /// Apparent temperatures of points, other faces, by group; each point is in one group.
    groups: [Errors; GROUPS.len()],
    /// Apparent temperatures of regions, other faces.
    regions: [Errors; REGION_COUNT],
    /// Skin temperatures of points.
    skin: Errors,
    displacement: Errors,
}

/// Errors of readings.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct TemperatureReport {
    /// By the kind of reading.
    pub kinds: Vec<(&'static str, TemperatureScores)>,
    /// Apparent temperatures of the points of faces of at least [`NEAR`] px, by group.
    pub groups: Vec<(&'static str, TemperatureScores)>,
    /// Apparent temperatures of each region of these faces.
    pub regions: Vec<(&'static str, TemperatureScores)>,
    /// The picture at found points against the picture at annotated points: the error from misplaced points.
    pub displacement: Option<TemperatureScores>,
}

impl Temperatures {
    /// Adds the readings of a face of `size` px at its visible points and in its regions.
    pub fn add(&mut self, face: &Face, truth: &Heat, visible: &[bool; COUNT], size: f32, thermometer: &Thermometer) {
        let near = size >= NEAR;
        let seen = |surface: f32| thermometer.seen(Celsius(surface)).0;
        for (group, (_, ranges)) in GROUPS.iter().enumerate() {
            let errors = if near { &mut self.groups[group] } else { &mut self.far_points };
            for i in ranges.iter().cloned().flatten().filter(|&i| visible[i]) {
                let Ok(found) = face.landmark_c.at(i) else { continue };
                errors.add(seen(found), truth.apparent_c[i]);
                self.skin.add(found, truth.skin_c[i]);
            }
        }
        for i in 0..REGION_COUNT {
            let Ok(found) = face.region_c.at(i) else { continue };
            let errors = if near { &mut self.regions[i] } else { &mut self.far_regions };
            errors.add(seen(found), truth.regions_c[i]);
        }
    }

    /// Adds the picture's values at a found point and at its annotation, K.
    pub fn displaced(&mut self, found: f32, truth: f32) {
        self.displacement.add(found, truth);
    }

    /// The metrics; `None` without readings.
    pub fn report(&self) -> Option<TemperatureReport> {
        let kinds = [
            ("points, apparent", scores(self.groups.iter().chain([&self.far_points]))),
            ("points, apparent, from 40 px", scores(&self.groups)),
            ("regions, apparent", scores(self.regions.iter().chain([&self.far_regions]))),
            ("regions, apparent, from 40 px", scores(&self.regions)),
            ("points, skin", scores([&self.skin])),
        ];
        let told = |(name, scores): (&'static str, Option<TemperatureScores>)| Some((name, scores?));
        let kinds: Vec<_> = kinds.into_iter().filter_map(told).collect();
        let one = |(name, errors): (&'static str, &Errors)| told((name, scores([errors])));
        let groups = GROUPS.iter().map(|g| g.0).zip(&self.groups).filter_map(one).collect();
        let regions = REGIONS.iter().map(|r| r.name).zip(&self.regions).filter_map(one).collect();
        let displacement = scores([&self.displacement]);
        let any = displacement.is_some() || !kinds.is_empty();
        any.then_some(TemperatureReport { kinds, groups, regions, displacement })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperature_errors_are_summed_up() {
        let mut t = Errors::default();
        assert_eq!(scores([&t]), None);
        for (found, truth) in [(34.0, 33.0), (33.0, 34.0), (35.0, 33.0), (f32::NAN, 33.0)] {
            t.add(found, truth);
        }
        let s = scores([&t]).unwrap();
        assert!((s.bias_k - 2.0 / 3.0).abs() < 1e-5, "{s:?}");
        assert!((s.mean_k - 4.0 / 3.0).abs() < 1e-5, "{s:?}");
        assert_eq!(s.readings, 3);
        assert_eq!(Temperatures::default().report(), None);
    }
}
