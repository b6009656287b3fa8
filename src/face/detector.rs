//! Whole frame to face boxes, at one or several scales.

use super::box_fusion::{BoxFusion, View};
use super::decode::{self, CANDIDATES, DecodeFaces, Detection};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::Rect;
use crate::nn::card::{Card, Decoding, Input, Task};
use crate::nn::{Build, Network};
use crate::preprocess::{Letterbox, Preprocessor};

/// Scales: the card's input size times these.
const LEVELS: [usize; 3] = [1, 2, 4];

/// Frames with an extent above this many pixels use the next level.
const EXTENTS: [f32; 2] = [240.0, 480.0];

/// Views of a still: levels above its own, and margin (input size over the size that the frame needs). The detector
/// runs on each view as it is and mirrored.
const STILL_VIEWS: [(usize, f32); 5] = [(0, 1.0), (0, 1.2), (1, 1.0), (1, 1.2), (1, 1.4)];

/// Longest side of faces that count in a still enlarged to the level above its own, input pixels. Enlarging is for
/// tiny faces; large ones are found at the still's own level.
const MAX_ENLARGED: f32 = 56.0;

/// Faces with shorter sides may be missed, input pixels.
const MIN_SIDE: f32 = 12.0;

/// Index of the mirror image of each of the five points.
const MIRRORED: [usize; 5] = [1, 0, 2, 4, 3];

/// How the detector sees a frame. It may find a face one way that it misses the other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flip {
    /// As it is.
    None,
    /// Mirrored, left for right.
    Horizontal,
}

impl Flip {
    /// The other way.
    pub fn other(self) -> Self {
        match self {
            Flip::None => Flip::Horizontal,
            Flip::Horizontal => Flip::None,
        }
    }
}

/// The detector at every scale needed so far. Its results depend only on the frame and the arguments, not on
/// earlier calls.
pub struct Detector {
    build: Build,
    spec: Input,
    constants: Decoding,
    decode: DecodeFaces,
    levels: [Option<Level>; LEVELS.len()],
    preprocess: Preprocessor,
    merged: Vec<Detection>,
    fusion: BoxFusion,
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
    /// Mirrors the input and finds the faces in it; `mirrored` holds them in pixels of the unmirrored input.
    fn mirror(&mut self, decode: DecodeFaces, constants: &Decoding) -> Result<()> {
        self.input.chunks_exact_mut(self.width).for_each(<[f32]>::reverse);
        self.network.run(&[&self.input])?;
        decode(self.network.as_ref(), constants, &mut self.mirrored);
        self.mirrored.iter_mut().for_each(|face| *face = mirror(face, self.width as f32));
        Ok(())
    }
}

impl Detector {
    /// A detector from its card and a network builder; `score` replaces the card's threshold.
    ///
    /// Builds the smallest level at once, which checks the model, and the others when a frame needs them.
    ///
    /// # Errors
    /// `Fix` if the card is not for a detector or has an unknown output layout; those of `build`.
    pub fn new(card: &Card, build: Build, score: Option<f32>) -> Result<Self> {
        if card.task != Task::Detector {
            return Err(Error::fix(&card.name, format!("is a {:?} model, wanted a detector", card.task)));
        }
        let mut detector = Self {
            build,
            spec: card.face_input()?.clone(),
            constants: Decoding { threshold: score.unwrap_or(card.decoding.threshold), ..card.decoding.clone() },
            decode: decode::detector(card)?,
            levels: [const { None }; LEVELS.len()],
            preprocess: Preprocessor::default(),
            merged: Vec::with_capacity(CANDIDATES),
            fusion: BoxFusion::default(),
        };
        detector.ready(0)?;
        Ok(detector)
    }

    /// The level for frames of this size.
    fn level(width: usize, height: usize) -> usize {
        // A portrait frame needs the same level as a landscape frame.
        let extent = (width as f32).max(height as f32 * 4.0 / 3.0);
        EXTENTS.iter().filter(|&&e| extent > e).count()
    }

    /// Builds the network for frames of this size (pixels), so that the first frame is not late.
    ///
    /// # Errors
    /// Those of the network builder.
    pub fn prepare(&mut self, width: usize, height: usize) -> Result<()> {
        self.ready(Self::level(width, height).min(1)).map(|_| ())
    }

    fn ready(&mut self, level: usize) -> Result<&mut Level> {
        let slot = &mut self.levels[level];
        if slot.is_none() {
            let (h, w) = (self.spec.height * LEVELS[level], self.spec.width * LEVELS[level]);
            let network = (self.build)(h, w)?;
            let size = network.input_values(0);
            let found = Vec::with_capacity(CANDIDATES);
            let mirrored = Vec::with_capacity(CANDIDATES);
            *slot = Some(Level { network, input: vec![0.0; size], width: w, found, mirrored });
        }
        slot.as_mut().ok_or_else(vanished)
    }

    /// Faces of a frame, strongest first, in frame pixels, at the one scale that suits the frame's size.
    ///
    /// # Errors
    /// Those of the network.
    pub fn detect(&mut self, frame: &Frame, flip: Flip) -> Result<&[Detection]> {
        let level = Self::level(frame.width(), frame.height()).min(1);
        let place = self.fill_input(frame, level, 1.0)?;
        self.run(level, self.constants.threshold, flip)?;
        self.merged.clear();
        self.merged.extend(self.levels[level].iter().flat_map(|l| &l.found).map(|f| to_frame(f, &place)));
        Ok(&self.merged)
    }

    /// Faces of a still, strongest first, in frame pixels. Fuses the detections at every scale up to the frame's own
    /// and enlarged, each as it is and mirrored.
    ///
    /// # Errors
    /// Those of the network.
    pub fn detect_still(&mut self, frame: &Frame) -> Result<&[Detection]> {
        self.candidates(frame, self.constants.threshold)
    }

    /// Like [`Detector::detect_still`], down to scores of `least`.
    ///
    /// # Errors
    /// Those of the network.
    pub fn candidates(&mut self, frame: &Frame, least: f32) -> Result<&[Detection]> {
        let own = Self::level(frame.width(), frame.height());
        let below = (0..own).map(|level| (level, 1.0));
        let views = below.chain(STILL_VIEWS.map(|(above, margin)| (own + above, margin)));
        self.fusion.clear();
        for (level, margin) in views.filter(|view| view.0 < LEVELS.len()) {
            let place = self.fill_input(frame, level, margin)?;
            let most = if level > own { MAX_ENLARGED } else { f32::INFINITY };
            let view = View { sides: MIN_SIDE * place.scale..most * place.scale, scale: place.scale };
            for flip in [Flip::None, Flip::Horizontal] {
                // Weak detections count too: they lower the mean score.
                self.run(level, least / 2.0, flip)?;
                let found = self.levels[level].iter().flat_map(|l| &l.found);
                let seen = found.map(|face| to_frame(face, &place));
                self.fusion.view(&view, seen, self.constants.nms_iou);
            }
        }
        self.merged.clear();
        self.merged.extend(self.fusion.faces().filter(|f| f.score >= least));
        decode::suppress(&mut self.merged, self.constants.nms_iou);
        Ok(&self.merged)
    }

    /// Lowest score of a face, 0 to 1.
    pub fn threshold(&self) -> f32 {
        self.constants.threshold
    }

    /// The result of the last detection.
    pub fn found(&self) -> &[Detection] {
        &self.merged
    }

    /// Fills a level's input from a frame.
    fn fill_input(&mut self, frame: &Frame, level: usize, margin: f32) -> Result<Letterbox> {
        self.ready(level)?;
        let Some(l) = self.levels[level].as_mut() else { return Err(vanished()) };
        Ok(self.preprocess.letterbox(frame, &self.spec, l.width, margin, &mut l.input))
    }

    /// Finds the faces in a level's input, mirrored first if `flip` asks for it. Detections are in pixels of the
    /// unmirrored input.
    fn run(&mut self, level: usize, threshold: f32, flip: Flip) -> Result<()> {
        let constants = Decoding { threshold, ..self.constants.clone() };
        let Some(l) = self.levels[level].as_mut() else { return Err(vanished()) };
        if flip == Flip::Horizontal {
            l.mirror(self.decode, &constants)?;
            std::mem::swap(&mut l.found, &mut l.mirrored);
        } else {
            l.network.run(&[&l.input])?;
            (self.decode)(l.network.as_ref(), &constants, &mut l.found);
        }
        Ok(())
    }
}

fn vanished() -> Error {
    Error::fatal("detector", "a level vanished")
}

/// Input pixels to frame pixels.
fn to_frame(face: &Detection, place: &Letterbox) -> Detection {
    let Rect { x0, y0, x1, y1 } = face.bbox;
    let ([x0, y0], [x1, y1]) = (place.to_frame([x0, y0]), place.to_frame([x1, y1]));
    Detection { bbox: Rect { x0, y0, x1, y1 }, points: face.points.map(|p| place.to_frame(p)), score: face.score }
}

/// A face of the mirror image in the picture; `width` in the same pixels.
fn mirror(face: &Detection, width: f32) -> Detection {
    let Rect { x0, y0, x1, y1 } = face.bbox;
    let points = MIRRORED.map(|i| [width - face.points[i][0], face.points[i][1]]);
    Detection { bbox: Rect::new(width - x1, y0, width - x0, y1), points, score: face.score }
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
        let found = d.detect(&frame, Flip::None).unwrap();
        assert_eq!(found.len(), 1);
        let b = found[0].bbox;
        assert!((b.x0 + b.x1 - 120.0).abs() < 3.0 && (b.y0 + b.y1 - 80.0).abs() < 3.0, "{b:?}");
        assert!((b.width() - 30.0).abs() < 4.0, "{b:?}");
    }

    #[test]
    fn both_ways_round_find_the_same_face_and_neither_depends_on_the_call_before() {
        let world = fake::World::default();
        let mut d = Detector::new(&fake::detector_card(), world.detector(), None).unwrap();
        let frame = fake::frame(160, 120, &[([40.0, 50.0], 40.0)]);
        let ways = [Flip::None, Flip::Horizontal, Flip::Horizontal, Flip::None];
        let found = ways.map(|flip| d.detect(&frame, flip).unwrap()[0]);
        assert_eq!((found[0], found[1]), (found[3], found[2]));
        let centres = found.map(|face| face.bbox.center()[0]);
        assert!(centres.iter().all(|x| (x - 40.0).abs() < 3.0), "{centres:?}");
        let inputs = [Flip::None, Flip::Horizontal].map(|flip| {
            d.detect(&frame, flip).unwrap();
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
        assert_eq!(
            world.detections() - before,
            2 * STILL_VIEWS.len(),
            "as it is, enlarged and with margin, both ways round"
        );
    }

    #[test]
    fn a_mirrored_face_keeps_its_own_right() {
        let face = Detection {
            bbox: Rect::new(10.0, 5.0, 30.0, 35.0),
            points: [[14.0, 12.0], [26.0, 12.0], [20.0, 20.0], [16.0, 28.0], [24.0, 29.0]],
            score: 0.5,
        };
        let there = mirror(&face, 160.0);
        assert_eq!(there.bbox, Rect::new(130.0, 5.0, 150.0, 35.0));
        assert_eq!((there.points[0], there.points[3]), ([134.0, 12.0], [136.0, 29.0]));
        assert_eq!(mirror(&there, 160.0), face);
    }

    #[test]
    fn a_landmark_card_is_no_detector() {
        let world = fake::World::default();
        assert!(Detector::new(&fake::landmark_card(), world.detector(), None).is_err());
    }
}
