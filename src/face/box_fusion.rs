//! Merges the detections of one face in several views of a picture: weighted boxes fusion (Solovyev, Wang, Gabruseva
//! 2021, "Weighted boxes fusion: Ensembling boxes from different object detection models", Image Vis. Comput.
//! 107:104117), with views instead of models.

use std::ops::Range;

use super::decode::Detection;
use crate::geometry::iou;

/// Of the views that could show a face, the share that does, raised to this power, multiplies its score. The paper's
/// exponent is 1; views are less independent than models.
const MISS_EXPONENT: f32 = 0.25;

/// Properties of a view.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// Range of the longer side of the faces that it can show, frame pixels.
    pub sides: Range<f32>,
    /// Frame pixels per pixel of the view.
    pub scale: f32,
}

impl View {
    /// Weight of a detection, the inverse of its variance: errors are similar in pixels of the view, and smaller
    /// at higher scores.
    fn weight(&self, face: &Detection) -> f32 {
        face.score.max(1e-6) / (self.scale * self.scale)
    }
}

/// Collects the detections of the views, view by view.
#[derive(Debug, Default)]
pub(super) struct BoxFusion {
    /// By view: range of the longer side of the faces that it can show, frame pixels.
    views: Vec<Range<f32>>,
    faces: Vec<Fused>,
    /// Whether the current view shows the face of the same index.
    shown: Vec<bool>,
}

/// A face, the weighted mean of its detections.
#[derive(Debug, Clone, Copy)]
struct Fused {
    mean: Detection,
    weights: f32,
    scores: f32,
    views: u32,
}

impl BoxFusion {
    /// Removes all views and faces.
    pub fn clear(&mut self) {
        self.views.clear();
        self.faces.clear();
    }

    /// Adds a view: each of its faces, in frame pixels and strongest first, joins the face with the highest
    /// IoU above `least`, or becomes a new face.
    pub fn view(&mut self, view: &View, seen: impl Iterator<Item = Detection>, least: f32) {
        self.shown.clear();
        self.shown.resize(self.faces.len(), false);
        for face in seen.filter(|face| face.bbox.longer_side() < view.sides.end) {
            let free = (0..self.shown.len()).filter(|&i| !self.shown[i]);
            let overlaps = free.map(|i| (i, iou(self.faces[i].mean.bbox, face.bbox)));
            match overlaps.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|best| best.1 > least) {
                Some((i, _)) => {
                    self.shown[i] = true;
                    self.faces[i].join(&face, view.weight(&face));
                }
                None => {
                    let weights = view.weight(&face);
                    self.faces.push(Fused { mean: face, weights, scores: face.score, views: 1 });
                }
            }
        }
        self.views.push(view.sides.clone());
    }

    /// The fused faces.
    pub fn faces(&self) -> impl Iterator<Item = Detection> {
        self.faces.iter().map(|face| {
            let could = self.views.iter().filter(|sides| sides.contains(&face.mean.bbox.longer_side())).count();
            let (views, could) = (face.views as f32, (could as f32).max(face.views as f32));
            Detection { score: face.scores / views * (views / could).powf(MISS_EXPONENT), ..face.mean }
        })
    }
}

impl Fused {
    fn join(&mut self, face: &Detection, weight: f32) {
        self.scores += face.score;
        self.weights += weight;
        self.views += 1;
        let share = weight / self.weights;
        let towards = |a: &mut f32, b: f32| *a += (b - *a) * share;
        let mut edges = self.mean.bbox.to_array();
        edges.iter_mut().zip(face.bbox.to_array()).for_each(|(a, b)| towards(a, b));
        self.mean.bbox = edges.into();
        let points = self.mean.points.as_flattened_mut().iter_mut();
        points.zip(face.points.as_flattened()).for_each(|(a, b)| towards(a, *b));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Rect;

    fn face(x: f32, score: f32) -> Detection {
        Detection { bbox: Rect::new(x, 0.0, x + 20.0, 20.0), points: [[x, 1.0]; 5], score }
    }

    const ALL: View = View { sides: 0.0..99.0, scale: 1.0 };

    fn fused(views: &[(View, Vec<Detection>)]) -> Vec<Detection> {
        let mut fusion = BoxFusion::default();
        fusion.view(&ALL, [face(7.0, 1.0)].into_iter(), 0.4);
        fusion.clear();
        for (view, seen) in views {
            fusion.view(view, seen.iter().copied(), 0.4);
        }
        let mut faces: Vec<_> = fusion.faces().collect();
        faces.sort_by(|a, b| a.bbox.x0.total_cmp(&b.bbox.x0));
        faces
    }

    fn near(found: &[Detection], wanted: &[Detection]) {
        assert_eq!(found.len(), wanted.len(), "{found:?}");
        for (a, b) in found.iter().zip(wanted) {
            let off = |a: f32, b: f32| (a - b).abs() > 1e-5;
            assert!(!off(a.score, b.score) && !off(a.bbox.x0, b.bbox.x0), "{a:?}, {b:?}");
            assert!(!off(a.points[0][0], b.points[0][0]), "{a:?}, {b:?}");
        }
    }

    #[test]
    fn views_of_one_face_become_their_mean_and_surer_and_closer_ones_weigh_more() {
        let found = fused(&[
            (ALL, vec![face(0.0, 0.8), face(50.0, 0.4)]),
            (ALL, vec![face(4.0, 0.4), face(52.0, 0.4)]),
            (ALL, vec![face(2.0, 0.6), face(51.0, 0.1)]),
        ]);
        near(&found, &[face(2.8 / 1.8, 0.6), face(51.0, 0.3)]);
        let close = View { scale: 0.5, ..ALL };
        near(&fused(&[(ALL, vec![face(0.0, 0.5)]), (close, vec![face(5.0, 0.5)])]), &[face(4.0, 0.5)]);
    }

    #[test]
    fn a_face_that_views_miss_is_less_sure_but_not_where_they_could_not_show_it() {
        let twice = vec![(ALL, vec![face(0.0, 0.8)]), (ALL, vec![face(0.0, 0.6)])];
        near(&fused(&twice), &[face(0.0, 0.7)]);
        let missed = [twice.clone(), vec![(ALL, vec![]), (ALL, vec![])]].concat();
        near(&fused(&missed), &[face(0.0, 0.7 * 0.5f32.powf(MISS_EXPONENT))]);
        let of = |sides| View { sides, scale: 1.0 };
        let blind = [twice, vec![(of(30.0..99.0), vec![]), (of(0.0..15.0), vec![face(0.0, 1.0)])]].concat();
        near(&fused(&blind), &[face(0.0, 0.7)]);
    }

    #[test]
    fn two_faces_of_one_view_stay_two() {
        let close = vec![face(0.0, 0.8), face(6.0, 0.6)];
        near(&fused(&[(ALL, close.clone())]), &close);
        near(&fused(&[(ALL, close.clone()), (ALL, close.clone())]), &close);
    }

    #[test]
    fn scores_of_nothing_make_no_nan() {
        near(&fused(&[(ALL, vec![face(0.0, 0.0)]), (ALL, vec![face(0.0, 0.0)])]), &[face(0.0, 0.0)]);
        assert!(fused(&[]).is_empty());
    }
}
