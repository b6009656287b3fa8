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

/// The detector at every scale that was needed so far.
pub struct Detector {
    build: Build,
    spec: Input,
    constants: Decoding,
    decode: DecodeFaces,
    levels: [Option<Level>; LEVELS.len()],
    preprocess: Preprocessor,
    merged: Vec<Detection>,
}

/// The network at one input size.
struct Level {
    network: Box<dyn Network>,
    input: Vec<f32>,
    width: usize,
    found: Vec<Detection>,
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
            *slot = Some(Level { network, input: vec![0.0; size], width: w, found });
        }
        slot.as_mut().ok_or_else(|| Error::fatal("detector", "a level vanished"))
    }

    /// Faces of a frame of a stream, strongest first, in frame pixels: one scale, chosen by the frame's size.
    pub fn detect(&mut self, frame: &Frame) -> Result<&[Detection]> {
        self.merged.clear();
        self.scan(frame, Self::level(frame.width(), frame.height()).min(1))?;
        Ok(&self.merged)
    }

    /// Faces of a still: every scale up to the frame's own, merged.
    pub fn detect_still(&mut self, frame: &Frame) -> Result<&[Detection]> {
        self.merged.clear();
        for level in 0..=Self::level(frame.width(), frame.height()) {
            self.scan(frame, level)?;
        }
        decode::suppress(&mut self.merged, self.constants.nms_iou);
        Ok(&self.merged)
    }

    /// What the last detection found.
    pub fn found(&self) -> &[Detection] {
        &self.merged
    }

    /// Runs one level and adds what it found.
    fn scan(&mut self, frame: &Frame, level: usize) -> Result<()> {
        self.ready(level)?;
        let Some(l) = self.levels[level].as_mut() else { return Ok(()) };
        let place = self.preprocess.letterbox(frame, &self.spec, l.width, &mut l.input);
        l.network.run(&l.input)?;
        (self.decode)(l.network.as_ref(), &self.constants, &mut l.found);
        for face in &l.found {
            decode::keep(&mut self.merged, to_frame(face, &place));
        }
        Ok(())
    }
}

/// Input pixels to frame pixels.
fn to_frame(face: &Detection, place: &Letterbox) -> Detection {
    let [x0, y0, x1, y1] = face.bbox;
    let ([x0, y0], [x1, y1]) = (place.to_frame([x0, y0]), place.to_frame([x1, y1]));
    Detection { bbox: [x0, y0, x1, y1], points: face.points.map(|p| place.to_frame(p)), score: face.score }
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
    fn stills_are_searched_at_several_scales_and_found_once() {
        let world = fake::World::default();
        let mut d = Detector::new(&fake::detector_card(), world.detector(), None).unwrap();
        let frame = fake::frame(640, 480, &[([200.0, 200.0], 90.0), ([450.0, 300.0], 60.0)]);
        assert_eq!(d.detect_still(&frame).unwrap().len(), 2);
        assert_eq!(world.sizes(), [(160, 128), (320, 256), (640, 512)]);
        let small = fake::frame(160, 120, &[([80.0, 60.0], 40.0)]);
        let before = world.detections();
        assert_eq!(d.detect_still(&small).unwrap().len(), 1);
        assert_eq!(world.detections() - before, 1, "small frames need one scale");
    }

    #[test]
    fn a_landmark_card_is_no_detector() {
        let world = fake::World::default();
        assert!(Detector::new(&fake::landmark_card(), world.detector(), None).is_err());
    }
}
