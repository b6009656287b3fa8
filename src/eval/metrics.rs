//! Landmark metrics: NME, failure rate and AUC as in the 300-W benchmark, and calibration.

use serde::Serialize;

use super::mean::{Bins, Mean, SHARES, SIZES, Table};
use super::sample::Truth;
use crate::geometry::Rect;
use crate::landmarks::{COUNT, GROUPS, five};

/// What a distance is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// Distance between the outer eye corners (points 36 and 45), as in 300-W.
    InterOcular,
    /// Square root of the area of the truth's box.
    Box,
    /// Diagonal of the truth's box.
    Diagonal,
}

impl Norm {
    /// Every norm, in the order of the report.
    pub const ALL: [Norm; 3] = [Norm::InterOcular, Norm::Box, Norm::Diagonal];

    fn length(self, points: &[[f32; 2]; COUNT], bbox: Rect) -> f32 {
        match self {
            Norm::InterOcular => (points[45][0] - points[36][0]).hypot(points[45][1] - points[36][1]),
            Norm::Box => bbox.size(),
            Norm::Diagonal => bbox.width().hypot(bbox.height()),
        }
    }
}

/// Summary of the normalised mean errors of many faces.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Curve {
    /// Number of faces.
    pub faces: usize,
    /// Normalised mean error: mean over the faces with landmarks.
    pub nme: f64,
    /// Median over the same faces.
    pub median: f64,
    /// Share of all faces whose error exceeds 0.08; faces without landmarks fail.
    pub failure_8: f64,
    /// The same for 0.10.
    pub failure_10: f64,
    /// Area under the cumulative error distribution up to 0.08, divided by 0.08.
    pub auc_8: f64,
    /// The same for 0.10.
    pub auc_10: f64,
}

impl Curve {
    /// Summary of the error of every face; infinity for a face without landmarks.
    pub fn new(errors: &[f64]) -> Self {
        let mut known: Vec<f64> = errors.iter().copied().filter(|e| e.is_finite()).collect();
        known.sort_by(f64::total_cmp);
        let n = errors.len().max(1) as f64;
        let failure = |limit: f64| errors.iter().filter(|e| **e > limit).count() as f64 / n;
        // The integral of a step function that rises by 1 / n at every error.
        let auc = |limit: f64| errors.iter().map(|e| (limit - e).max(0.0)).sum::<f64>() / (n * limit);
        Self {
            faces: errors.len(),
            nme: known.iter().sum::<f64>() / known.len().max(1) as f64,
            median: known.get(known.len() / 2).copied().unwrap_or(0.0),
            failure_8: failure(0.08),
            failure_10: failure(0.10),
            auc_8: auc(0.08),
            auc_10: auc(0.10),
        }
    }
}

/// Collects landmark errors.
#[derive(Debug)]
pub struct Landmarks {
    faces: usize,
    errors: [Vec<f64>; Norm::ALL.len()],
    /// Mean over the five points of each face, over the square root of the box area.
    few: Vec<f64>,
    /// Mean over the visible points of each face, over the square root of the box area.
    seen: Vec<f64>,
    sizes: Bins<{ SIZES.len() }>,
    shares: Bins<{ SHARES.len() }>,
    groups: [Mean; GROUPS.len()],
    visibility: [Mean; 3],
    missed: usize,
}

impl Default for Landmarks {
    fn default() -> Self {
        let (faces, errors, few, seen, groups, visibility, missed) = Default::default();
        let (sizes, shares) = (Bins::new(SIZES), Bins::new(SHARES));
        Self { faces, errors, few, seen, sizes, shares, groups, visibility, missed }
    }
}

/// Landmark errors of a set.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct LandmarkScores {
    /// Annotated faces with landmarks.
    pub faces: usize,
    /// Faces of these that were missed.
    pub missed: usize,
    /// Errors of the five points that most sets annotate ([`five`]) over the square root of the box area.
    pub five_box: Curve,
    /// Errors over the distance of the outer eye corners.
    pub inter_ocular: Curve,
    /// Errors over the square root of the box area.
    pub box_size: Curve,
    /// Errors over the box diagonal.
    pub diagonal: Curve,
    /// Errors of the visible points only over the square root of the box area, of faces that have visible points.
    pub visible_box: Curve,
    /// Mean of the same by face size, the square root of the box area in pixels, of faces with landmarks found.
    pub visible_by_size: Table,
    /// The same by the share of the face's points that are hidden.
    pub visible_by_hidden: Table,
    /// Mean error of each group of points over the square root of the box area.
    pub groups: Vec<(&'static str, f64)>,
    /// The same for visible points.
    pub visible: Mean,
    /// The same for points hidden by the head itself.
    pub self_occluded: Mean,
    /// The same for points hidden by an object.
    pub occluded: Mean,
}

impl Landmarks {
    /// Adds a face with at least five annotated points. `found` is `None` for a missed face; `hidden` is the share of
    /// points behind objects or outside the picture.
    pub fn add(&mut self, truth: &Truth, hidden: f32, found: Option<&[[f32; 2]; COUNT]>) {
        self.faces += 1;
        self.missed += usize::from(found.is_none());
        let known = |p: &[[f32; 2]]| p.iter().any(|p| p[0].is_finite());
        if let Some(few) = truth.five.filter(|few| known(few)) {
            let mean = found.map(|found| mean(&distances(&five(found), &few)));
            self.few.push(mean.map_or(f64::INFINITY, |mean| mean / f64::from(truth.bbox.size()).max(1e-3)));
        }
        let Some(points) = &truth.points else { return };
        match found {
            Some(found) => self.add_all(truth, points, hidden, found),
            None => {
                self.errors.iter_mut().for_each(|e| e.push(f64::INFINITY));
                self.seen.push(f64::INFINITY);
            }
        }
    }

    fn add_all(&mut self, face: &Truth, truth: &[[f32; 2]; COUNT], hidden: f32, found: &[[f32; 2]; COUNT]) {
        let (bbox, visibility) = (face.bbox, &face.visibility);
        let distance = distances(found, truth);
        let mean = mean(&distance);
        for (errors, norm) in self.errors.iter_mut().zip(Norm::ALL) {
            let length = f64::from(norm.length(truth, bbox));
            // The norm is undefined without two distinct eye corners.
            if length > 1e-3 {
                errors.push(mean / length);
            }
        }
        let size = f64::from(bbox.size()).max(1e-3);
        for (group, (_, ranges)) in self.groups.iter_mut().zip(GROUPS) {
            for i in ranges.iter().cloned().flatten().filter(|&i| distance[i].is_finite()) {
                group.add(distance[i] / size);
            }
        }
        let mut seen = Mean::default();
        for i in (0..COUNT).filter(|&i| distance[i].is_finite()) {
            self.visibility[usize::from(visibility[i].min(2))].add(distance[i] / size);
            if visibility[i] == 0 {
                seen.add(distance[i] / size);
            }
        }
        if seen.count > 0 {
            self.seen.push(seen.mean);
            self.sizes.add(size as f32, seen.mean);
            self.shares.add(hidden, seen.mean);
        }
    }

    /// The metrics.
    pub fn scores(&self) -> LandmarkScores {
        let [inter_ocular, box_size, diagonal] = std::array::from_fn(|i| Curve::new(&self.errors[i]));
        let [visible, self_occluded, occluded] = self.visibility;
        LandmarkScores {
            faces: self.faces,
            missed: self.missed,
            five_box: Curve::new(&self.few),
            inter_ocular,
            box_size,
            diagonal,
            visible_box: Curve::new(&self.seen),
            visible_by_size: self.sizes.table(),
            visible_by_hidden: self.shares.table(),
            groups: GROUPS.iter().zip(&self.groups).map(|(g, m)| (g.0, m.mean)).collect(),
            visible,
            self_occluded,
            occluded,
        }
    }
}

/// Distance of each point to its annotation; NaN for a point that is not annotated.
fn distances<const N: usize>(found: &[[f32; 2]; N], truth: &[[f32; 2]; N]) -> [f64; N] {
    std::array::from_fn(|i| f64::from((found[i][0] - truth[i][0]).hypot(found[i][1] - truth[i][1])))
}

/// Mean of the finite distances.
fn mean(distances: &[f64]) -> f64 {
    let (mut sum, mut count) = (0.0, 0usize);
    for d in distances.iter().filter(|d| d.is_finite()) {
        sum += d;
        count += 1;
    }
    sum / count.max(1) as f64
}

/// `q` of `1 - (1 + q) exp(-q) = 0.9`: the radius, in error scales, that holds 90 % of a radial Laplace error.
pub const RADIUS_90: f32 = 3.889_72;

/// Compares predicted with true errors.
#[derive(Debug, Default)]
pub struct Calibration {
    covered: Mean,
    confidence: Mean,
    near: Mean,
}

/// Calibration of predicted errors. Ideal: a coverage of 0.9, and a confidence equal to `within_5`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct CalibrationScores {
    /// Share of points within their predicted 90 % radius.
    pub coverage_90: f64,
    /// Mean confidence.
    pub confidence: f64,
    /// Share of points within 5 % of the face size, which the confidence predicts.
    pub within_5: f64,
    /// Number of points.
    pub points: usize,
}

impl Calibration {
    /// Adds a point: its error and predicted error scale (one unit), and confidence.
    pub fn add(&mut self, error: f32, spread: f32, confidence: f32, size: f32) {
        if !error.is_finite() {
            return;
        }
        let share = |yes: bool| if yes { 1.0 } else { 0.0 };
        self.covered.add(share(error <= RADIUS_90 * spread));
        self.confidence.add(f64::from(confidence));
        self.near.add(share(error <= 0.05 * size));
    }

    /// The metrics.
    pub fn scores(&self) -> CalibrationScores {
        CalibrationScores {
            coverage_90: self.covered.mean,
            confidence: self.confidence.mean,
            within_5: self.near.mean,
            points: self.covered.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::decode::within;
    use crate::face::pose::project;
    use crate::result::Pose;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-5, "{a}, wanted {b}");
    }

    #[test]
    fn a_shift_of_every_point_is_its_length_over_the_norm() {
        let truth = project(Pose::default(), 3.0, [80.0, 60.0]);
        let found = truth.map(|p| [p[0] + 3.0, p[1] - 4.0]);
        let b = Rect::around(&truth);
        let mut l = Landmarks::default();
        let mut visibility = [0; COUNT];
        visibility[3] = 1;
        visibility[40] = 2;
        let face = Truth { visibility, ..Truth::boxed(b).with(&truth) };
        l.add(&face, 2.0 / 70.0, Some(&found));
        let s = l.scores();
        let (w, h) = (f64::from(b.width()), f64::from(b.height()));
        close(s.inter_ocular.nme, 5.0 / (3.0 * 2.0 * 4.46));
        close(s.box_size.nme, 5.0 / (w * h).sqrt());
        close(s.five_box.nme, 5.0 / (w * h).sqrt());
        close(s.diagonal.nme, 5.0 / w.hypot(h));
        assert!(s.groups.iter().all(|g| (g.1 - s.box_size.nme).abs() < 1e-5));
        for (table, by) in [(s.visible_by_size, (w * h).sqrt() as f32), (s.visible_by_hidden, 2.0 / 70.0)] {
            let [(low, high, mean)] = table.into_iter().filter(|bin| bin.2.count > 0).collect::<Vec<_>>()[..] else {
                panic!("one face, one bin")
            };
            assert!(low <= by && high.is_none_or(|high| by < high), "{low} {by} {high:?}");
            close(mean.mean, s.visible_box.nme);
        }
        assert_eq!((s.visible.count, s.self_occluded.count, s.occluded.count), (68, 1, 1));
    }

    #[test]
    fn points_that_are_not_annotated_do_not_count_and_missed_faces_fail() {
        let truth = project(Pose::default(), 3.0, [80.0, 60.0]);
        let mut partial = truth;
        partial[68] = [f32::NAN; 2];
        partial[69] = [f32::NAN; 2];
        let mut l = Landmarks::default();
        let face = Truth::boxed(Rect::around(&truth)).with(&partial);
        l.add(&face, 0.0, Some(&truth));
        l.add(&face, 0.0, None);
        let s = l.scores();
        assert_eq!((s.faces, s.missed, s.visible.count), (2, 1, 68));
        close(s.box_size.nme, 0.0);
        close(s.box_size.failure_10, 0.5);
        close(s.box_size.auc_8, 0.5);
    }

    #[test]
    fn of_five_points_only_those_that_are_annotated_count() {
        let truth = project(Pose::default(), 3.0, [80.0, 60.0]);
        let mut few = five(&truth).map(|[x, y]| [x + 3.0, y + 4.0]);
        few[0] = [f32::NAN; 2];
        let mut l = Landmarks::default();
        l.add(&Truth::boxed(Rect::new(60.0, 30.0, 100.0, 70.0)).with(&few), 0.0, Some(&truth));
        let s = l.scores();
        assert_eq!((s.faces, s.five_box.faces, s.box_size.faces, s.visible.count), (1, 1, 0, 0));
        close(s.five_box.nme, 5.0 / 40.0);
        // Nothing but the box is known of a face all of whose points are missing.
        l.add(&Truth::boxed(Rect::new(60.0, 30.0, 100.0, 70.0)).with(&[[f32::NAN; 2]; 5]), 0.0, Some(&truth));
        assert_eq!(l.scores().five_box.faces, 1);
    }

    #[test]
    fn the_cumulative_curve_is_integrated_exactly() {
        let c = Curve::new(&[0.02, 0.06, 0.09, 0.2]);
        close(c.nme, 0.0925);
        close(c.failure_8, 0.5);
        close(c.failure_10, 0.25);
        close(c.auc_8, (0.06 + 0.02) / (4.0 * 0.08));
        close(c.auc_10, (0.08 + 0.04 + 0.01) / (4.0 * 0.10));
        assert_eq!(Curve::new(&[]), Curve::default());
    }

    #[test]
    fn errors_drawn_from_the_prediction_are_calibrated() {
        close(f64::from(within(RADIUS_90, 1.0)), 0.9);
        let mut c = Calibration::default();
        // The distribution function inverted by bisection at evenly spaced probabilities.
        for i in 0..1000 {
            let p = (i as f32 + 0.5) / 1000.0;
            let (mut low, mut high) = (0.0f32, 40.0f32);
            for _ in 0..50 {
                let middle = (low + high) / 2.0;
                if within(middle, 2.0) < p { low = middle } else { high = middle }
            }
            c.add(low, 2.0, within(0.05 * 60.0, 2.0), 60.0);
        }
        let s = c.scores();
        assert!((s.coverage_90 - 0.9).abs() < 2e-3 && (s.confidence - s.within_5).abs() < 2e-3, "{s:?}");
    }
}
