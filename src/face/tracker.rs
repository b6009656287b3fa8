//! Tracking: which measurement belongs to which face, when the detector runs, which faces are lost.
//!
//! In every frame each track measures the crop that its last shape and motion predict. The detector
//! runs when there is no track, on a schedule, and when a track is lost (its crop shows no face) or
//! doubted (its shape jumped). A doubted shape counts only if the detector finds a face there.
//!
//! A new face that is not certain at first is tracked for a few frames without being published (tentative), and
//! published once it was measured in each of them. A track that the detector keeps missing continues only while
//! its presence is as high as a new face needs.

use std::time::Duration;

use super::decode::{CANDIDATES, Detection, distinct};
use super::detector::{Detector, Flip};
use super::landmarker::{Landmarker, Shape};
use super::settings::Settings;
use super::track::Track;
use crate::error::Result;
use crate::frame::Frame;
use crate::geometry::{Rect, intersection_over_min, iou};
use crate::result::TrackState;
use crate::units::Nanos;

/// A shape that deviates from its prediction by more than this (face sizes) is doubted.
const JUMP: f32 = 0.35;

/// Boxes with a higher IoU are the same face.
const SAME_IOU: f32 = 0.5;

/// Boxes whose intersection covers more of the smaller one are parts of the same face.
const SAME_OVERLAP: f32 = 0.7;

/// How far a head extends above its face's box, in face sizes: networks see false faces in the hair.
const CROWN: f32 = 0.6;

/// Lowest IoU at which a detection belongs to a track.
const MATCH_IOU: f32 = 0.2;

/// How much a corrected shape must improve its IoU with the detection.
const IOU_GAIN: f32 = 0.15;

/// Largest roll difference within one face, radians.
const ROLL_ERROR: f32 = 0.9;

/// Beyond this roll, radians, the crop is upright: the networks are not trained on upside-down heads.
const MAX_ROLL: f32 = 2.1;

/// Presence that a new face needs above that of a tracked one, at a detector score of 0.5.
const ENTRY_MARGIN: f32 = 0.2;

/// Lowest mean confidence of a face's points. If presence is high but no point is certain, the crop shows something
/// else, or too little of the face.
const MEAN_CONFIDENCE: f32 = 0.1;

/// Lowest presence and score at which a new face is published at once.
const CERTAIN: f32 = 0.9;

/// Consecutive frames in which a less certain face must be measured before it is published.
const TENTATIVE_FRAMES: u8 = 3;

/// A tracked face whose presence is too low for a new face is lost after this many detector misses in a row.
const MAX_MISSES: u8 = 4;

/// Gaps in the stream longer than this end every track.
const GAP: Duration = Duration::from_secs(2);

/// Two tracks measured different faces only if their centres are further apart than this share of the smaller face's
/// size.
const APART: f32 = 0.3;

/// The older of two tracks loses a face to the younger if it deviates from its prediction by this much more, face
/// sizes.
const SENIORITY: f32 = 0.1;

/// Largest distance between the centres of a shape and of its detection, as a share of the larger size.
const MAX_OFFSET: f32 = 0.6;

/// Smallest ratio of the sizes of a shape and of its detection.
const MIN_SIZE_RATIO: f32 = 0.4;

/// The tracks of one stream.
pub struct Tracker {
    settings: Settings,
    presence: f32,
    /// Oldest first.
    pub tracks: Vec<Track>,
    detections: Vec<Detection>,
    next_id: u64,
    /// Time and size of the last frame.
    last: Option<(Nanos, (usize, usize))>,
    /// When the detector ran last.
    detected: Option<Nanos>,
    /// Orientation of the next detector run. It alternates: the detector may find a face in one and miss it in the
    /// other.
    flip: Flip,
}

impl Tracker {
    /// A tracker without tracks. `presence`: what a tracked face needs, 0 to 1.
    pub fn new(settings: Settings, presence: f32) -> Self {
        let tracks = Vec::with_capacity(settings.max_faces);
        let detections = Vec::with_capacity(CANDIDATES);
        Self { settings, presence, tracks, detections, next_id: 1, last: None, detected: None, flip: Flip::None }
    }

    /// Advances the tracks to `frame`. Every track ends if the frame is older or much later than the last one, or of
    /// another size.
    ///
    /// # Errors
    /// Those of the two networks.
    pub fn step(&mut self, frame: &Frame, detector: &mut Detector, landmarker: &mut Landmarker) -> Result<()> {
        let now = frame.meta.captured;
        let dt = self.advance(frame);
        if frame.meta.ffc.hides_scene() {
            self.tracks.iter_mut().for_each(|t| t.pause(dt));
            return Ok(());
        }
        self.measure(frame, now, landmarker)?;
        if self.due(now) {
            self.detected = Some(now);
            self.detections.clear();
            let flip = self.flip;
            self.flip = flip.other();
            self.detections.extend_from_slice(detector.detect(frame, flip)?);
            self.associate(now);
            self.correct(frame, landmarker)?;
            self.enter(frame, now, landmarker)?;
        }
        for t in &mut self.tracks {
            if t.doubted {
                t.fresh = None;
            }
        }
        self.separate(now);
        let lost = Duration::from_millis(self.settings.lost_ms.into());
        self.tracks.iter_mut().for_each(|t| t.settle(now));
        self.tracks.retain(|t| t.state != TrackState::Lost || (t.confirmed() && now.since(t.seen) <= lost));
        for t in self.tracks.iter_mut().filter(|t| t.confirmed() && t.id == 0) {
            t.id = self.next_id;
            self.next_id += 1;
        }
        Ok(())
    }

    /// Time since the last frame; drops every track if the frame size changed or the capture time jumped.
    fn advance(&mut self, frame: &Frame) -> Duration {
        let now = frame.meta.captured;
        let size = (frame.width(), frame.height());
        let (then, old) = self.last.replace((now, size)).unwrap_or((now, size));
        let dt = now.since(then);
        if old != size || now < then || dt > GAP {
            self.tracks.clear();
            self.detected = None;
        }
        dt
    }

    /// Measures every track where it is predicted to be.
    fn measure(&mut self, frame: &Frame, now: Nanos, landmarker: &mut Landmarker) -> Result<()> {
        let mut look = |t: &mut Track, bbox: Rect, roll: f32| -> Result<()> {
            let crop = landmarker.crop(bbox, crop_roll(roll));
            t.fresh = landmarker.measure(frame, &crop, self.settings.views)?.filter(|s| credible(s, self.presence));
            t.doubted = t.fresh.is_some_and(|s| t.deviation(&s, now) > JUMP);
            Ok(())
        };
        for t in &mut self.tracks {
            look(t, t.expected(now), t.shape.roll)?;
            if let Some(off) = t.fresh.filter(|_| t.doubted) {
                // The crop was off the face; a centred crop gives a better measurement.
                look(t, off.bbox, off.roll)?;
            }
        }
        Ok(())
    }

    /// Whether the detector runs in this frame.
    fn due(&self, now: Nanos) -> bool {
        let passed = |ms: u32| self.detected.is_none_or(|then| now.since(then) >= Duration::from_millis(ms.into()));
        let sure = self.tracks.iter().filter(|t| t.fresh.is_some() && !t.doubted).count();
        if self.tracks.iter().any(|t| t.fresh.is_some() && t.doubted) {
            return true;
        }
        // The detector runs in the frame that loses a face; after that the search interval applies.
        if self.tracks.iter().any(|t| t.fresh.is_none() && t.state != TrackState::Lost) {
            return true;
        }
        if sure < self.tracks.len() || sure == 0 {
            return passed(self.settings.search_every_ms);
        }
        sure < self.settings.max_faces && passed(self.settings.detect_every_ms)
    }

    /// Removes the detections that belong to measured tracks.
    fn associate(&mut self, now: Nanos) {
        let entry = entry(self.presence);
        let tracks = &mut self.tracks;
        tracks.iter_mut().for_each(|t| t.matched = None);
        self.detections.retain(|d| {
            let affinity = |t: &Track| t.fresh.map_or(0.0, |s| iou(s.bbox, d.bbox));
            let best = tracks.iter_mut().max_by(|a, b| affinity(a).total_cmp(&affinity(b)));
            let Some(t) = best.filter(|t| affinity(t) >= MATCH_IOU) else { return true };
            (t.score, t.matched) = (d.score, Some(*d));
            // A doubted shape is accepted only if the detector finds the face there too.
            t.doubted &= affinity(t) < SAME_IOU && t.fresh.is_some_and(|s| t.deviation(&s, now) > JUMP);
            false
        });
        for t in &mut self.tracks {
            t.misses = if t.matched.is_some() { 0 } else { t.misses.saturating_add(1) };
            if t.misses >= MAX_MISSES && t.fresh.is_some_and(|s| !s.presence.ge(&entry)) {
                t.fresh = None;
            }
        }
    }

    /// Remeasures tracks whose shape is not where the detector found their face, and keeps the better shape.
    fn correct(&mut self, frame: &Frame, landmarker: &mut Landmarker) -> Result<()> {
        for t in &mut self.tracks {
            let (Some(face), Some(old)) = (t.matched, t.fresh) else { continue };
            let crop = landmarker.crop_of(&face);
            let roll_error = |s: &Shape| magnitude(s.roll - crop.roll);
            let shared = iou(old.bbox, face.bbox);
            // The crop follows the last shape, so a shape beside the face, or upside down, would never correct itself.
            if shared >= SAME_IOU && roll_error(&old) <= ROLL_ERROR {
                continue;
            }
            let Some(new) = landmarker.refine(frame, &crop, self.settings.views)? else { continue };
            let closer = iou(new.bbox, face.bbox) > shared + IOU_GAIN;
            if enters(&new, &face, self.presence) && (closer || roll_error(&new) + ROLL_ERROR < roll_error(&old)) {
                t.fresh = Some(new);
                t.doubted = false;
                // Smoothing must not bridge the two.
                t.state = TrackState::Lost;
            }
        }
        Ok(())
    }

    /// Measures the detections that matched no track: reacquired faces and new ones.
    fn enter(&mut self, frame: &Frame, now: Nanos, landmarker: &mut Landmarker) -> Result<()> {
        let mut tries = self.settings.max_faces;
        for i in 0..self.detections.len() {
            let face = self.detections[i];
            if tries == 0 {
                break;
            }
            let lost = self.tracks.iter().any(|t| t.fresh.is_none() || t.doubted);
            if self.tracks.len() >= self.settings.max_faces && !lost {
                break;
            }
            tries -= 1;
            let crop = landmarker.crop_of(&face);
            let Some(shape) = landmarker.refine(frame, &crop, self.settings.views)? else { continue };
            if !enters(&shape, &face, self.presence) {
                continue;
            }
            let taken = |t: &Track| !t.doubted && t.fresh.is_some_and(|s| same(&s, &shape));
            if !self.tracks.iter().any(taken) {
                self.admit(shape, face.score, now);
            }
        }
        Ok(())
    }

    /// Assigns a shape to the lost track that it fits best, or to a new one.
    fn admit(&mut self, shape: Shape, score: f32, now: Nanos) {
        let free = |t: &Track| t.fresh.is_none() || t.doubted;
        let best = self
            .tracks
            .iter_mut()
            .filter(|t| free(t) && t.plausible(&shape, now))
            .min_by(|a, b| a.deviation(&shape, now).total_cmp(&b.deviation(&shape, now)));
        if let Some(t) = best {
            (t.fresh, t.doubted, t.score) = (Some(shape), false, score);
            return;
        }
        if self.tracks.len() >= self.settings.max_faces {
            // A measured face replaces the one lost for longest.
            let Some(i) =
                (0..self.tracks.len()).filter(|&i| free(&self.tracks[i])).min_by_key(|&i| self.tracks[i].seen)
            else {
                return;
            };
            self.tracks.remove(i);
        }
        let tentative = if shape.presence.min(score) >= CERTAIN { 0 } else { TENTATIVE_FRAMES };
        self.tracks.push(Track::new(shape, score, now, self.settings.smooth, tentative));
    }

    /// If two tracks measured the same face, the one that jumped further loses it.
    fn separate(&mut self, now: Nanos) {
        for i in 0..self.tracks.len() {
            for j in 0..i {
                let (Some(a), Some(b)) = (self.tracks[j].fresh, self.tracks[i].fresh) else { continue };
                let apart = {
                    let (p, q) = (a.center(), b.center());
                    (p[0] - q[0]).hypot(p[1] - q[1]) > APART * a.size().min(b.size())
                };
                if !same(&a, &b) && apart {
                    continue;
                }
                let older = self.tracks[j].deviation(&a, now);
                let younger = self.tracks[i].deviation(&b, now);
                // If both deviate about equally, the older one keeps it.
                let loser = if older > younger + SENIORITY { j } else { i };
                self.tracks[loser].fresh = None;
            }
        }
    }
}

/// Presence that a new face needs, given the presence that a tracked one needs.
fn entry(presence: f32) -> f32 {
    (presence + ENTRY_MARGIN).min((1.0 + presence) / 2.0)
}

/// Absolute angle between a roll and upright, 0 to pi radians.
fn magnitude(roll: f32) -> f32 {
    let roll = roll.rem_euclid(std::f32::consts::TAU);
    roll.min(std::f32::consts::TAU - roll)
}

/// The roll of the crop for a head of this roll, radians.
fn crop_roll(roll: f32) -> f32 {
    if magnitude(roll) > MAX_ROLL { 0.0 } else { roll }
}

/// Whether two shapes belong to one face, or at least to one head.
pub fn same(a: &Shape, b: &Shape) -> bool {
    intersection_over_min(a.bbox, b.bbox) > SAME_OVERLAP || along(a, b) > SAME_IOU || along(b, a) > SAME_IOU
}

/// IoU of two boxes after that of `a` is moved up its head towards `b`, by `CROWN` at most. A much smaller face
/// there overlaps little: it may be someone further away.
fn along(a: &Shape, b: &Shape) -> f32 {
    let (p, q) = (a.center(), b.center());
    let (x, y) = a.roll.sin_cos();
    let up = ((q[0] - p[0]) * x - (q[1] - p[1]) * y).min(CROWN * a.size()).max(0.0);
    iou(a.bbox.shifted([up * x, -(up * y)]), b.bbox)
}

/// Sorts the faces of a still, shapes with detector scores, by `belief`, strongest first, and keeps one per head.
pub fn strongest(faces: &mut Vec<(Shape, f32)>) {
    let belief = |(shape, score): &(Shape, f32)| belief(shape.presence, *score);
    faces.sort_by(|a, b| belief(b).total_cmp(&belief(a)));
    distinct(faces, |a, b| same(&a.0, &b.0));
}

/// Whether a detection's shape is good enough for a new face. `presence`: what a tracked face needs.
pub fn enters(shape: &Shape, face: &Detection, presence: f32) -> bool {
    credible(shape, presence) && belief(shape.presence, face.score) >= entry(presence) && agrees(shape, face)
}

/// Probability of a face given two independent observations, the landmark network's presence and the detector's
/// score, with an even prior (Bayes' rule: the odds are multiplied). A score of 0.5 leaves the presence unchanged.
fn belief(presence: f32, score: f32) -> f32 {
    let (both, neither) = (presence * score, (1.0 - presence) * (1.0 - score));
    both / (both + neither).max(f32::MIN_POSITIVE)
}

fn credible(shape: &Shape, presence: f32) -> bool {
    let mean = shape.confidence.iter().sum::<f32>() / shape.confidence.len() as f32;
    shape.presence.ge(&presence) && mean.ge(&MEAN_CONFIDENCE)
}

/// Whether the shape is where the detector found its face.
fn agrees(shape: &Shape, face: &Detection) -> bool {
    let (a, b) = (shape.center(), face.bbox.center());
    let (small, large) = (shape.size().min(face.bbox.size()), shape.size().max(face.bbox.size()));
    (a[0] - b[0]).hypot(a[1] - b[1]) < MAX_OFFSET * large && small > MIN_SIZE_RATIO * large
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::fake;
    use crate::landmarks::COUNT;

    fn face(bbox: Rect) -> Shape {
        let points = [bbox.center(); COUNT];
        Shape { points, confidence: [0.5; COUNT], spread: [1.0; COUNT], presence: 0.5, bbox, roll: 0.0 }
    }

    #[test]
    fn the_detector_sees_a_stream_as_it_is_and_mirrored_in_turn() {
        let world = fake::World::default();
        let mut detector = Detector::new(&fake::detector_card(), world.detector(), None).unwrap();
        let mut landmarker = Landmarker::new(&fake::landmark_card(), &world.landmarks()).unwrap();
        let mut tracker = Tracker::new(Settings::default(), 0.5);
        let mut frame = fake::frame(160, 120, &[]);
        let next = [(); 4].map(|()| {
            frame.meta.captured.0 += 100_000_000;
            tracker.step(&frame, &mut detector, &mut landmarker).unwrap();
            tracker.flip
        });
        assert_eq!(next, [Flip::Horizontal, Flip::None, Flip::Horizontal, Flip::None]);
        assert_eq!(world.detections(), 4);
    }

    #[test]
    fn two_witnesses_are_believed_together() {
        let bbox = Rect::new(100.0, 100.0, 150.0, 150.0);
        let enters = |presence: f32, score: f32| {
            let seen = Detection { bbox, score, points: [bbox.center(); 5] };
            enters(&Shape { presence, ..face(bbox) }, &seen, 0.5)
        };
        // At a score of 0.5 the presence alone decides.
        assert!(enters(0.71, 0.5) && !enters(0.69, 0.5));
        // A sure detector makes up for a doubtful network, down to what a tracked face needs, and the reverse.
        assert!(enters(0.52, 0.75) && !enters(0.48, 0.99));
        assert!(enters(0.95, 0.2) && !enters(0.85, 0.2));
        for certain in [0.0, 1.0] {
            assert!(!enters(0.0, certain) && !enters(f32::NAN, certain) && enters(0.9, 1.0));
        }
        assert!(!enters(1.0, 0.0) && !enters(0.9, f32::NAN));
    }

    #[test]
    fn of_two_faces_on_one_head_the_surer_stays() {
        // Measured in a photograph by base and by nano.
        for [face_box, hair] in [
            [[17.3, 136.8, 60.7, 183.3], [12.4, 116.0, 58.0, 160.5]],
            [[16.9, 137.7, 59.7, 183.3], [10.5, 116.4, 54.3, 156.3]],
        ]
        .map(|pair| pair.map(Rect::from))
        {
            assert!(iou(face_box, hair) < SAME_IOU && intersection_over_min(face_box, hair) < SAME_OVERLAP);
            for (sure, doubtful) in [(face_box, hair), (hair, face_box)] {
                let mut faces = vec![(face(doubtful), 0.31), (face(sure), 0.71)];
                strongest(&mut faces);
                assert_eq!(faces.iter().map(|f| f.0.bbox).collect::<Vec<_>>(), [sure]);
            }
        }
    }

    #[test]
    fn people_before_each_other_both_stay() {
        let front = Rect::new(100.0, 100.0, 150.0, 150.0);
        // Beside (IoU 0.3), beside and higher, above the hair, and half behind a shoulder.
        for [x, y] in [[127.0, 100.0], [122.0, 90.0], [100.0, 40.0], [75.0, 125.0]] {
            let back = Rect::new(x, y, x + 50.0, y + 50.0);
            let mut faces = vec![(face(back), 0.5), (face(front), 0.9)];
            strongest(&mut faces);
            assert_eq!(faces.iter().map(|f| f.0.bbox).collect::<Vec<_>>(), [front, back]);
        }
    }

    #[test]
    fn somebody_far_behind_a_tilted_head_stays() {
        let front = Shape { roll: 0.34, ..face(Rect::new(45.7, 39.5, 78.0, 83.0)) };
        let back = face(Rect::new(71.8, 20.9, 89.0, 38.8));
        assert!(!same(&front, &back) && !same(&back, &front));
    }

    #[test]
    fn hair_is_where_the_head_points() {
        let right = std::f32::consts::FRAC_PI_2;
        let lying = Shape { roll: right, ..face(Rect::new(100.0, 100.0, 150.0, 150.0)) };
        let above = Shape { roll: right, ..face(Rect::new(100.0, 75.0, 150.0, 125.0)) };
        let crown = Shape { roll: right, ..face(Rect::new(125.0, 100.0, 175.0, 150.0)) };
        assert!(same(&lying, &crown) && same(&crown, &lying) && !same(&lying, &above));
    }
}
