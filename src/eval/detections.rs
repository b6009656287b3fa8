//! Detection metrics against annotated boxes.

use serde::Serialize;

use super::mean::{Bins, SHARES, SIZES, Table};
use crate::geometry::{Rect, iou};

/// An annotated face.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Around its points, pixels.
    pub bbox: Rect,
    /// Whether it counts. A detection of a face that does not count is neither right nor wrong.
    pub counts: bool,
    /// Share of its points behind objects or outside the picture.
    pub hidden: f32,
}

/// Collects detections.
#[derive(Debug)]
pub struct Detections {
    /// Score, whether it is right, and whether the score reaches the threshold.
    hits: Vec<(f32, bool, bool)>,
    sizes: Bins<{ SIZES.len() }>,
    shares: Bins<{ SHARES.len() }>,
    pictures: usize,
    ignored: usize,
}

impl Default for Detections {
    fn default() -> Self {
        let (hits, pictures, ignored) = Default::default();
        Self { hits, sizes: Bins::new(SIZES), shares: Bins::new(SHARES), pictures, ignored }
    }
}

/// Metrics of a detector.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct DetectionScores {
    /// Annotated faces that count.
    pub faces: usize,
    /// Annotated faces that do not count.
    pub ignored: usize,
    /// Average precision at an IoU of 0.5: area under the precision envelope over recall, from all candidates.
    pub ap_50: f64,
    /// Share of faces found at the detector's threshold.
    pub recall: f64,
    /// Share of detections that are right, at the same threshold.
    pub precision: f64,
    /// False positives per picture, at the same threshold.
    pub false_per_picture: f64,
    /// Recall by face size, the square root of the box area in pixels.
    pub recall_by_size: Table,
    /// Recall by the share of the face's points that are hidden.
    pub recall_by_hidden: Table,
}

impl Detections {
    /// Adds a picture: its faces, and candidates as boxes with scores, strongest first. Candidates with at least
    /// `threshold` are detections.
    pub fn add(&mut self, truth: &[Target], found: &[(Rect, f32)], threshold: f32) {
        self.pictures += 1;
        // What matches each face: nothing, a candidate (false), a detection (true).
        let mut taken = vec![None; truth.len()];
        for &(bbox, score) in found {
            let called = score >= threshold;
            let best = (0..truth.len())
                .filter(|&i| truth[i].counts && taken[i].is_none())
                .max_by(|&a, &b| iou(truth[a].bbox, bbox).total_cmp(&iou(truth[b].bbox, bbox)))
                .filter(|&i| iou(truth[i].bbox, bbox) >= 0.5);
            if let Some(i) = best {
                taken[i] = Some(called);
            } else if truth.iter().any(|t| !t.counts && iou(t.bbox, bbox) >= 0.3) {
                continue;
            }
            self.hits.push((score, best.is_some(), called));
        }
        for (t, hit) in truth.iter().zip(taken) {
            if !t.counts {
                self.ignored += 1;
                continue;
            }
            let hit = if hit == Some(true) { 1.0 } else { 0.0 };
            self.sizes.add(t.bbox.size(), hit);
            self.shares.add(t.hidden, hit);
        }
    }

    /// The metrics.
    pub fn scores(&self) -> DetectionScores {
        let faces = self.sizes.count();
        let called = self.hits.iter().filter(|h| h.2).count();
        let right = self.hits.iter().filter(|h| h.1 && h.2).count();
        DetectionScores {
            faces,
            ignored: self.ignored,
            ap_50: average_precision(&self.hits, faces),
            recall: right as f64 / faces.max(1) as f64,
            precision: right as f64 / called.max(1) as f64,
            false_per_picture: (called - right) as f64 / self.pictures.max(1) as f64,
            recall_by_size: self.sizes.table(),
            recall_by_hidden: self.shares.table(),
        }
    }
}

/// Area under the precision envelope over recall, using every recall level (PASCAL VOC since 2010).
fn average_precision(hits: &[(f32, bool, bool)], faces: usize) -> f64 {
    let mut hits = hits.to_vec();
    hits.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut right = 0;
    let mut steps: Vec<f64> = Vec::new();
    for (i, (_, hit, _)) in hits.iter().enumerate() {
        if *hit {
            right += 1;
            steps.push(f64::from(right) / (i + 1) as f64);
        }
    }
    // The envelope: precision never falls from right to left.
    let mut best = 0.0f64;
    let mut sum = 0.0;
    for p in steps.iter().rev() {
        best = best.max(*p);
        sum += best;
    }
    sum / faces.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::mean::Mean;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    }

    #[test]
    fn average_precision_is_that_of_a_worked_example() {
        // Five faces; ranked right, wrong, right, right, wrong: precisions 1, 2/3, 3/4, envelope 1, 3/4, 3/4.
        let hits = [(0.9, true), (0.8, false), (0.7, true), (0.6, true), (0.5, false)].map(|(s, hit)| (s, hit, true));
        close(average_precision(&hits, 5), (1.0 + 0.75 + 0.75) / 5.0);
        let mut d = Detections::default();
        let face = |x: f32, side: f32| Rect::new(x, 0.0, x + side, side);
        let target = |bbox, counts, hidden| Target { bbox, counts, hidden };
        // A double detection of one face is wrong; a small face is only a candidate.
        // A third is ignored, and so is what was found there.
        let small = face(100.0, 14.0);
        let truth =
            [target(face(0.0, 40.0), true, 0.0), target(small, true, 0.3), target(face(200.0, 30.0), false, 0.9)];
        let found = [(face(201.0, 30.0), 0.95), (face(1.0, 40.0), 0.9), (face(0.0, 40.0), 0.8), (small, 0.2)];
        d.add(&truth, &found, 0.5);
        let s = d.scores();
        assert_eq!((s.faces, s.ignored), (2, 1));
        // Ranked right, wrong, right: precisions 1 and 2/3.
        close(s.ap_50, (1.0 + 2.0 / 3.0) / 2.0);
        close(s.recall, 0.5);
        close(s.precision, 0.5);
        close(s.false_per_picture, 1.0);
        let (missed, found) = (Mean { mean: 0.0, count: 1 }, Mean { mean: 1.0, count: 1 });
        assert_eq!((s.recall_by_size[1].2, s.recall_by_size[4].2), (missed, found));
        assert_eq!((s.recall_by_hidden[2].2, s.recall_by_hidden[0].2), (missed, found));
    }
}
