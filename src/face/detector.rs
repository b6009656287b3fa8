//! Whole frame to face boxes, at one or several scales.

use super::decode::{self, CANDIDATES, DecodeFaces, Detection};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::nn::card::{Card, Decoding, Input, Task};
use crate::nn::{Build, Network};
use crate::preprocess::{Letterbox, Preprocessor};

/// Scales: the card's input size times these.
const LEVELS: [usize; 3] = [1, 2, 4];

/// Frames whose extent is above this many pixels get the next level.
const EXTENTS: [f32; 2] = [240.0, 480.0];

/// Of a still enlarged to the level above its own, faces below this size count, input pixels: the detector is
/// surer of faces that are not tiny, and what is large was seen before.
const ENLARGED: f32 = 56.0;

/// Where the five points of a mirrored face lie: left and right change places.
const MIRRORED: [usize; 5] = [1, 0, 2, 4, 3];

/// The detector at every scale that was needed so far.
pub struct Detector {
    build: Build,
    spec: Input,
    constants: Decoding,
    decode: DecodeFaces,
    levels: [Option<Level>; LEVELS.len()],
    preprocess: Preprocessor,
    merged: Vec<Detection>,
    /// Whether the last look at a stream was at its mirror image.
    mirrored: bool,
}

/// The network at one input size.
struct Level {
    network: Box<dyn Network>,
    input: Vec<f32>,
    width: usize,
    found: Vec<Detection>,
    mirrored: Vec<Detection>,
}

impl Level {
    /// Mirrors the input and finds the faces in it; `mirrored` holds them as they lie in the picture.
    fn mirror(&mut self, decode: DecodeFaces, constants: &Decoding) -> Result<()> {
        self.input.chunks_exact_mut(self.width).for_each(<[f32]>::reverse);
        self.network.run(&self.input)?;
        decode(self.network.as_ref(), constants, &mut self.mirrored);
        self.mirrored.iter_mut().for_each(|face| *face = mirror(face, self.width as f32));
        Ok(())
    }
}

impl Detector {
    /// A detector from its card and a maker of networks; `score` replaces the card's threshold.
    ///
    /// Builds the smallest level at once, which checks the model; the others when a frame needs them.
    pub fn new(card: &Card, build: Build, score: Option<f32>) -> Result<Self> {
        if card.task != Task::Detector {
            return Err(Error::fix(&card.name, format!("is a {:?} model, wanted a detector", card.task)));
        }
        let mut detector = Self {
            build,
            spec: card.input.clone(),
            constants: Decoding { threshold: score.unwrap_or(card.decoding.threshold), ..card.decoding.clone() },
            decode: decode::detector(card)?,
            levels: [const { None }; LEVELS.len()],
            preprocess: Preprocessor::default(),
            merged: Vec::with_capacity(CANDIDATES),
            mirrored: true,
        };
        detector.ready(0)?;
        Ok(detector)
    }

    /// Which level suits frames of this size best.
    fn level(width: usize, height: usize) -> usize {
        // A portrait frame is as demanding as its landscape twin.
        let extent = (width as f32).max(height as f32 * 4.0 / 3.0);
        EXTENTS.iter().filter(|&&e| extent > e).count()
    }

    /// Builds what frames of this size need, so that the first frame is not late.
    pub fn prepare(&mut self, width: usize, height: usize) -> Result<()> {
        self.ready(Self::level(width, height).min(1)).map(|_| ())
    }

    fn ready(&mut self, level: usize) -> Result<&mut Level> {
        let slot = &mut self.levels[level];
        if slot.is_none() {
            let (h, w) = (self.spec.height * LEVELS[level], self.spec.width * LEVELS[level]);
            let network = (self.build)(h, w)?;
            let size = network.input_shape().iter().product();
            let found = Vec::with_capacity(CANDIDATES);
            let mirrored = Vec::with_capacity(CANDIDATES);
            *slot = Some(Level { network, input: vec![0.0; size], width: w, found, mirrored });
        }
        slot.as_mut().ok_or_else(vanished)
    }

    /// Faces of a frame of a stream, strongest first, in frame pixels: one scale, chosen by the frame's size, and
    /// by turns as it is and mirrored, for what the network misses one way round it may find the other.
    pub fn detect(&mut self, frame: &Frame) -> Result<&[Detection]> {
        self.merged.clear();
        self.mirrored = !self.mirrored;
        let level = Self::level(frame.width(), frame.height()).min(1);
        let place = self.look(frame, level, self.constants.threshold, self.mirrored)?;
        self.take(level, &place, f32::INFINITY);
        Ok(&self.merged)
    }

    /// Faces of a still and of its mirror image: every scale up to the frame's own, and enlarged, merged.
    pub fn detect_still(&mut self, frame: &Frame) -> Result<&[Detection]> {
        self.candidates(frame, self.constants.threshold)
    }

    /// The same down to scores of `least`.
    pub fn candidates(&mut self, frame: &Frame, least: f32) -> Result<&[Detection]> {
        self.merged.clear();
        let own = Self::level(frame.width(), frame.height());
        for level in 0..(own + 2).min(LEVELS.len()) {
            // What one view doubts lowers the mean.
            let place = self.look(frame, level, least / 2.0, false)?;
            self.look_mirrored(level, least)?;
            self.take(level, &place, if level > own { ENLARGED } else { f32::INFINITY });
        }
        decode::suppress(&mut self.merged, self.constants.nms_iou);
        Ok(&self.merged)
    }

    /// The score from which on something is a face.
    pub fn threshold(&self) -> f32 {
        self.constants.threshold
    }

    /// What the last detection found.
    pub fn found(&self) -> &[Detection] {
        &self.merged
    }

    /// Finds the faces of a frame, or of its mirror image, at one level, in input pixels of the frame as it is.
    fn look(&mut self, frame: &Frame, level: usize, threshold: f32, mirrored: bool) -> Result<Letterbox> {
        let constants = Decoding { threshold, ..self.constants.clone() };
        self.ready(level)?;
        let Some(l) = self.levels[level].as_mut() else { return Err(vanished()) };
        let place = self.preprocess.letterbox(frame, &self.spec, l.width, &mut l.input);
        if mirrored {
            l.mirror(self.decode, &constants)?;
            std::mem::swap(&mut l.found, &mut l.mirrored);
        } else {
            l.network.run(&l.input)?;
            (self.decode)(l.network.as_ref(), &constants, &mut l.found);
        }
        Ok(place)
    }

    /// Finds the faces of the mirror image of what a level has just looked at, and joins them to those of the
    /// picture.
    fn look_mirrored(&mut self, level: usize, least: f32) -> Result<()> {
        let constants = Decoding { threshold: least / 2.0, ..self.constants.clone() };
        let Some(l) = self.levels[level].as_mut() else { return Err(vanished()) };
        l.mirror(self.decode, &constants)?;
        agree(&mut l.found, &mut l.mirrored, self.constants.nms_iou, least);
        Ok(())
    }

    /// Takes over what a level found below `limit` input pixels.
    fn take(&mut self, level: usize, place: &Letterbox, limit: f32) {
        let side = |[x0, y0, x1, y1]: [f32; 4]| (x1 - x0).max(y1 - y0);
        let found = self.levels[level].iter().flat_map(|l| &l.found);
        for face in found.filter(|f| side(f.bbox) < limit) {
            decode::keep(&mut self.merged, to_frame(face, place));
        }
    }
}

fn vanished() -> Error {
    Error::fatal("detector", "a level vanished")
}

/// Input pixels to frame pixels.
fn to_frame(face: &Detection, place: &Letterbox) -> Detection {
    let [x0, y0, x1, y1] = face.bbox;
    let ([x0, y0], [x1, y1]) = (place.to_frame([x0, y0]), place.to_frame([x1, y1]));
    Detection { bbox: [x0, y0, x1, y1], points: face.points.map(|p| place.to_frame(p)), score: face.score }
}

/// A face of the mirror image in the picture; `width` in the same pixels.
fn mirror(face: &Detection, width: f32) -> Detection {
    let [x0, y0, x1, y1] = face.bbox;
    let points = MIRRORED.map(|i| [width - face.points[i][0], face.points[i][1]]);
    Detection { bbox: [width - x1, y0, width - x0, y1], points, score: face.score }
}

/// Joins what two views of one picture saw into `faces`: faces that overlap become their mean, what only one
/// view saw stays as it is. Those with scores under `least` are left out.
fn agree(faces: &mut Vec<Detection>, others: &mut Vec<Detection>, nms_iou: f32, least: f32) {
    for face in faces.iter_mut() {
        let same = |o: &Detection| decode::overlap(face.bbox, o.bbox);
        let best = (0..others.len()).max_by(|&a, &b| same(&others[a]).total_cmp(&same(&others[b])));
        let Some(i) = best.filter(|&i| same(&others[i]) > nms_iou) else { continue };
        let other = others.swap_remove(i);
        let mean = |a: f32, b: f32| (a + b) / 2.0;
        face.bbox = std::array::from_fn(|k| mean(face.bbox[k], other.bbox[k]));
        for (p, q) in face.points.iter_mut().zip(&other.points) {
            *p = [mean(p[0], q[0]), mean(p[1], q[1])];
        }
        face.score = mean(face.score, other.score);
    }
    faces.append(others);
    faces.retain(|f| f.score >= least);
    decode::suppress(faces, nms_iou);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::fake;

    #[test]
    fn faces_are_mapped_back_through_the_letterbox() {
        let world = fake::World::default();
        let mut d = Detector::new(&fake::detector_card(), world.detector(), None).unwrap();
        // 320 x 180 into 320 x 256: scale 1, 38 rows of border above.
        let frame = fake::frame(320, 180, &[([60.0, 40.0], 30.0)]);
        let found = d.detect(&frame).unwrap();
        assert_eq!(found.len(), 1);
        let b = found[0].bbox;
        assert!((b[0] + b[2] - 120.0).abs() < 3.0 && (b[1] + b[3] - 80.0).abs() < 3.0, "{b:?}");
        assert!((b[2] - b[0] - 30.0).abs() < 4.0, "{b:?}");
    }

    #[test]
    fn a_stream_is_looked_at_one_way_round_and_then_the_other() {
        let world = fake::World::default();
        let mut d = Detector::new(&fake::detector_card(), world.detector(), None).unwrap();
        let frame = fake::frame(160, 120, &[([40.0, 50.0], 40.0)]);
        let centres: Vec<f32> = (0..4)
            .map(|_| {
                let b = d.detect(&frame).unwrap()[0].bbox;
                (b[0] + b[2]) / 2.0
            })
            .collect();
        assert!(centres.iter().all(|x| (x - 40.0).abs() < 3.0), "{centres:?}");
        let inputs = [0, 1].map(|_| {
            d.detect(&frame).unwrap();
            d.levels[0].as_ref().unwrap().input.clone()
        });
        let rows = |i: usize| inputs[i].chunks_exact(160);
        assert!(rows(0).zip(rows(1)).all(|(a, b)| a.iter().eq(b.iter().rev())));
    }

    #[test]
    fn stills_are_searched_at_several_scales_and_found_once() {
        let world = fake::World::default();
        let mut d = Detector::new(&fake::detector_card(), world.detector(), None).unwrap();
        let frame = fake::frame(640, 480, &[([200.0, 200.0], 90.0), ([450.0, 300.0], 60.0)]);
        assert_eq!(d.detect_still(&frame).unwrap().len(), 2);
        assert_eq!(world.sizes(), [(160, 128), (320, 256), (640, 512)]);
        let small = fake::frame(160, 120, &[([80.0, 60.0], 40.0)]);
        let before = world.detections();
        assert_eq!(d.detect_still(&small).unwrap().len(), 1);
        assert_eq!(world.detections() - before, 4, "as it is and enlarged, both ways round");
    }

    #[test]
    fn two_views_agree_on_their_mean_and_keep_what_one_alone_sees() {
        let face = |x: f32, score: f32| Detection { bbox: [x, 0.0, x + 20.0, 20.0], points: [[x, 1.0]; 5], score };
        let mut faces = vec![face(0.0, 0.9), face(50.0, 0.4), face(100.0, 0.2)];
        let mut others = vec![face(150.0, 0.6), face(54.0, 0.24), face(2.0, 0.7), face(200.0, 0.2), face(250.0, 0.4)];
        agree(&mut faces, &mut others, Decoding::default().nms_iou, 0.3);
        let want = [face(1.0, 0.8), face(150.0, 0.6), face(250.0, 0.4), face(52.0, 0.32)];
        assert_eq!(faces.len(), want.len(), "{faces:?}");
        for (a, b) in faces.iter().zip(&want) {
            assert!((a.score - b.score).abs() < 1e-6 && (a.bbox[0] - b.bbox[0]).abs() < 1e-5, "{a:?}, {b:?}");
            assert!((a.points[0][0] - b.points[0][0]).abs() < 1e-5);
        }
    }

    #[test]
    fn a_mirrored_face_keeps_its_own_right() {
        let face = Detection {
            bbox: [10.0, 5.0, 30.0, 35.0],
            points: [[14.0, 12.0], [26.0, 12.0], [20.0, 20.0], [16.0, 28.0], [24.0, 29.0]],
            score: 0.5,
        };
        let there = mirror(&face, 160.0);
        assert_eq!(there.bbox, [130.0, 5.0, 150.0, 35.0]);
        assert_eq!((there.points[0], there.points[3]), ([134.0, 12.0], [136.0, 29.0]));
        assert_eq!(mirror(&there, 160.0), face);
    }

    #[test]
    fn a_landmark_card_is_no_detector() {
        let world = fake::World::default();
        assert!(Detector::new(&fake::landmark_card(), world.detector(), None).is_err());
    }
}
