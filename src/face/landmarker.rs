//! A crop of the frame to 70 points with confidences.

use super::decode::{self, CropPoints, DecodePoints, Detection};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::{Point, Rect};
use crate::landmarks::{COUNT, MIRROR};
use crate::nn::card::{Card, Decoding, Input, Task};
use crate::nn::{Build, Network};
use crate::preprocess::{Crop, Preprocessor};

/// Confidence is the probability that a point is within this share of the face size.
pub const NEAR: f32 = 0.05;

/// Sizes of the views of a crop, as multiples of its own; each is used as it is and mirrored.
const ZOOMS: [f32; 3] = [1.0, 0.9, 1.1];

/// Most views of a crop: its own size, closer, and from further away; each as it is and mirrored.
pub const VIEWS: usize = 2 * ZOOMS.len();

/// Shortest line between the eyes that gives the roll of a shape, as a share of the face's size; it is shorter in
/// profile.
const MIN_EYE_LINE: f32 = 0.25;

/// The same for a detection, whose roll also uses the line from the eyes to the mouth.
const MIN_EYE_LINE_FIVE: f32 = 0.1;

/// Landmarks as measured in one frame, frame pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Positions.
    pub points: [[f32; 2]; COUNT],
    /// Probability of lying within [`NEAR`] of the face size.
    pub confidence: [f32; COUNT],
    /// Scale of the error of each point, pixels ([`decode::within`]).
    pub spread: [f32; COUNT],
    /// Probability that this is a face, 0 to 1.
    pub presence: f32,
    /// Box around the points.
    pub bbox: Rect,
    /// Roll of the head in the picture, radians, clockwise.
    pub roll: f32,
}

impl Shape {
    /// Square root of the box area, pixels.
    pub fn size(&self) -> f32 {
        self.bbox.size()
    }

    /// Centre of the box.
    pub fn center(&self) -> Point {
        self.bbox.center()
    }
}

/// The landmark network with its input.
pub struct Landmarker {
    network: Box<dyn Network>,
    spec: Input,
    factor: f32,
    constants: Decoding,
    decode: DecodePoints,
    preprocess: Preprocessor,
    input: Vec<f32>,
    raw: CropPoints,
}

impl Landmarker {
    /// A landmark network from its card and a network builder.
    ///
    /// # Errors
    /// `Fix` if the card is not for a landmark network or has an unknown output layout; those of `build`.
    pub fn new(card: &Card, build: &Build) -> Result<Self> {
        let (Task::Landmarks, spec) = (card.task, card.face_input()?) else {
            return Err(Error::fix(&card.name, format!("is a {:?} model, wanted landmarks", card.task)));
        };
        let factor = spec.crop_factor.ok_or_else(|| Error::fix(&card.name, "has no crop_factor"))?;
        let decode = decode::landmarker(card)?;
        let network = build(spec.height, spec.width)?;
        let input = vec![0.0; network.input_values(0)];
        Ok(Self {
            network,
            spec: spec.clone(),
            factor,
            constants: card.decoding.clone(),
            decode,
            preprocess: Preprocessor::default(),
            input,
            raw: CropPoints::default(),
        })
    }

    /// The crop for a face box and roll (radians).
    pub fn crop(&self, bbox: Rect, roll: f32) -> Crop {
        Crop::around(bbox, self.factor, roll)
    }

    /// The crop for a detection, with the roll of its five points.
    pub fn crop_of(&self, face: &Detection) -> Crop {
        let [right, left, _, mouth_right, mouth_left] = face.points;
        let eyes = [left[0] - right[0], left[1] - right[1]];
        // In profile the eyes nearly coincide; the line from eyes to mouth is then more reliable.
        let down = [
            (mouth_right[0] + mouth_left[0] - right[0] - left[0]) / 2.0,
            (mouth_right[1] + mouth_left[1] - right[1] - left[1]) / 2.0,
        ];
        // A vector pointing down the face, rotated by a right angle, points along the eyes.
        let along = [eyes[0] + down[1], eyes[1] - down[0]];
        let roll = if along[0].hypot(along[1]) > MIN_EYE_LINE_FIVE * face.bbox.size() {
            along[1].atan2(along[0])
        } else {
            0.0
        };
        self.crop(face.bbox, roll)
    }

    /// Measures a crop in `views` views, 1 to [`VIEWS`], and averages them, weighted by certainty. `None` if no view
    /// gives a shape.
    ///
    /// # Errors
    /// Those of the network.
    pub fn measure(&mut self, frame: &Frame, around: &Crop, views: usize) -> Result<Option<Shape>> {
        let mut sum = [[0.0f32; 3]; COUNT];
        let (mut spread, mut presence, mut count) = ([0.0f32; COUNT], 0.0, 0.0);
        for view in 0..views.min(VIEWS) {
            let crop = Crop { half: around.half * ZOOMS[view / 2], ..*around };
            if !sound(&crop) {
                continue;
            }
            let mirrored = view % 2 == 1;
            if mirrored {
                // Reuses the input of the previous view.
                self.input.chunks_exact_mut(self.spec.width.max(1)).for_each(<[f32]>::reverse);
            } else {
                self.preprocess.crop(frame, &crop, &self.spec, &mut self.input);
            }
            if !self.look(mirrored)? {
                continue;
            }
            for (i, sum) in sum.iter_mut().enumerate() {
                let [x, y] = crop.to_frame(self.raw.points[i]);
                let b = (self.raw.spread[i] * crop.half).max(1e-3);
                let weight = 1.0 / (b * b);
                sum[0] += weight * x;
                sum[1] += weight * y;
                sum[2] += weight;
                spread[i] += b;
            }
            presence += self.raw.presence;
            count += 1.0;
        }
        if count == 0.0 {
            return Ok(None);
        }
        let mut points = [[0.0; 2]; COUNT];
        for (point, [x, y, weight]) in points.iter_mut().zip(sum) {
            *point = [x / weight, y / weight];
        }
        // The errors of the views are correlated, so the mean is hardly more certain than one view.
        spread.iter_mut().for_each(|b| *b /= count);
        Ok(shape(points, spread, presence / count, around.roll))
    }

    /// Runs the network on the input and leaves its output in `raw`, in units of the unmirrored crop. False if the
    /// output is not valid.
    fn look(&mut self, mirrored: bool) -> Result<bool> {
        self.network.run(&[&self.input])?;
        if !(self.decode)(self.network.as_ref(), &self.constants, &mut self.raw) {
            return Ok(false);
        }
        if mirrored {
            let CropPoints { points, spread, .. } = self.raw;
            for (i, &m) in MIRROR.iter().enumerate() {
                let [x, y] = points[usize::from(m)];
                (self.raw.points[i], self.raw.spread[i]) = ([-x, y], spread[usize::from(m)]);
            }
        }
        Ok(true)
    }

    /// Measures a crop once, then measures the crop around the shape found there, in `views` views, and returns that.
    ///
    /// # Errors
    /// Those of the network.
    pub fn refine(&mut self, frame: &Frame, crop: &Crop, views: usize) -> Result<Option<Shape>> {
        let Some(shape) = self.measure(frame, crop, 1)? else { return Ok(None) };
        self.measure(frame, &self.crop(shape.bbox, shape.roll), views)
    }
}

/// Whether a crop is finite and of a usable size.
fn sound(crop: &Crop) -> bool {
    crop.half > 0.5 && crop.half < 1e5 && crop.centre.iter().all(|v| v.is_finite())
}

/// A shape from its points, frame pixels; `None` if they coincide. `fallback`: its roll if the points do
/// not give one.
fn shape(points: [[f32; 2]; COUNT], spread: [f32; COUNT], presence: f32, fallback: f32) -> Option<Shape> {
    let bbox = Rect::around(&points);
    let size = bbox.size();
    if !(size > 1.0) {
        return None;
    }
    let mut confidence = [0.0; COUNT];
    for (c, b) in confidence.iter_mut().zip(spread) {
        *c = decode::within(NEAR * size, b) * presence;
    }
    let roll = roll(&points, size).unwrap_or(fallback);
    Some(Shape { points, confidence, spread, presence, bbox, roll })
}

/// Roll of a shape, from the line between the eyes; `None` in profile, where that line is short.
fn roll(points: &[[f32; 2]; COUNT], size: f32) -> Option<f32> {
    let eye = |first: usize, pupil: usize| {
        let sum = points[first..first + 6].iter().fold(points[pupil], |s, p| [s[0] + p[0], s[1] + p[1]]);
        [sum[0] / 7.0, sum[1] / 7.0]
    };
    let (right, left) = (eye(36, 68), eye(42, 69));
    let line = [left[0] - right[0], left[1] - right[1]];
    (line[0].hypot(line[1]) > MIN_EYE_LINE * size).then(|| line[1].atan2(line[0]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::{fake, pose};
    use crate::result::Pose;

    #[test]
    fn a_rolled_head_gets_a_rolled_crop() {
        for yaw in [0.0, 40.0, -40.0] {
            for roll_deg in [-50.0f32, 0.0, 30.0] {
                let p = pose::project(Pose { yaw, pitch: 0.0, roll: roll_deg }, 4.0, [80.0, 60.0]);
                let found = roll(&p, Rect::around(&p).size()).unwrap().to_degrees();
                assert!((found - roll_deg).abs() < 1.0, "yaw {yaw} roll {roll_deg}: {found}");
            }
        }
        // In profile the eyes fall together, and what they seem to say is noise: the crop keeps its roll.
        let p = pose::project(Pose { yaw: 85.0, pitch: 0.0, roll: 20.0 }, 4.0, [80.0, 60.0]);
        assert_eq!(roll(&p, Rect::around(&p).size()), None);
    }

    #[test]
    fn five_points_tell_the_roll_in_front_and_in_profile() {
        let world = fake::World::default();
        let l = Landmarker::new(&fake::landmark_card(), &world.landmarks()).unwrap();
        for yaw in [0.0, 70.0, -70.0] {
            let p = pose::project(Pose { yaw, pitch: 0.0, roll: 25.0 }, 4.0, [80.0, 60.0]);
            let points = [p[68], p[69], p[30], p[48], p[54]];
            let d = Detection { bbox: Rect::around(&p), points, score: 1.0 };
            let found = l.crop_of(&d).roll.to_degrees();
            assert!((found - 25.0).abs() < 15.0, "yaw {yaw}: {found}");
        }
        let flat = Detection { bbox: Rect::new(0.0, 0.0, 40.0, 50.0), ..Detection::default() };
        assert_eq!(l.crop_of(&flat).roll, 0.0);
    }

    #[test]
    fn a_second_pass_centres_a_poor_crop() {
        let world = fake::World::default();
        let mut l = Landmarker::new(&fake::landmark_card(), &world.landmarks()).unwrap();
        let frame = fake::frame(160, 120, &[([80.0, 60.0], 40.0)]);
        let poor = l.crop(Rect::new(70.0, 50.0, 110.0, 90.0), 0.0);
        let shape = l.refine(&frame, &poor, 1).unwrap().unwrap();
        let c = shape.center();
        assert!((c[0] - 80.0).abs() < 1.5 && (c[1] - 60.0).abs() < 1.5, "{c:?}");
        assert!(shape.presence > 0.9 && (shape.size() - 40.0).abs() < 4.0);
    }

    #[test]
    fn mirrored_and_zoomed_views_agree() {
        let world = fake::World::default();
        let mut l = Landmarker::new(&fake::landmark_card(), &world.landmarks()).unwrap();
        let frame = fake::frame(160, 120, &[([72.0, 60.0], 40.0)]);
        let one = l.refine(&frame, &l.crop(Rect::new(50.0, 40.0, 90.0, 80.0), 0.0), 1).unwrap().unwrap();
        for views in 1..=VIEWS {
            let before = world.crops();
            let all = l.measure(&frame, &l.crop(one.bbox, one.roll), views).unwrap().unwrap();
            assert_eq!(world.crops() - before, views);
            for i in 0..COUNT {
                let (a, b) = (one.points[i], all.points[i]);
                assert!((a[0] - b[0]).hypot(a[1] - b[1]) < 1.5, "{views} views, point {i}: {a:?}, {b:?}");
            }
            // Left stays left: the subject's right eye is on the left of the picture.
            assert!(all.points[68][0] < all.points[69][0]);
            assert!((all.presence - one.presence).abs() < 0.05);
        }
    }

    #[test]
    fn nonsense_is_no_shape() {
        let world = fake::World::default();
        let mut l = Landmarker::new(&fake::landmark_card(), &world.landmarks()).unwrap();
        let frame = fake::frame(160, 120, &[]);
        for half in [f32::NAN, 0.0, -3.0, f32::INFINITY] {
            let crop = Crop { centre: [1.0, 1.0], half, roll: 0.0 };
            assert_eq!(l.measure(&frame, &crop, VIEWS).unwrap(), None);
        }
        world.speak_nonsense(true);
        assert_eq!(l.measure(&frame, &l.crop(Rect::new(60.0, 40.0, 100.0, 80.0), 0.0), VIEWS).unwrap(), None);
    }
}
