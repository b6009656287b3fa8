//! Detector, tracker, landmarks, pose, temperatures.
//!
//! [`Engine`] turns frames into faces: [`detector`] finds them, [`landmarker`] puts 70 points on each,
//! [`tracker`] tracks them over time, [`pose`] and [`temperature`] derive head pose and temperatures.

mod box_fusion;
mod builder;
pub mod decode;
pub mod detector;
#[cfg(test)]
pub(crate) mod fake;
pub mod landmarker;
pub mod pose;
pub mod settings;
pub mod shape;
pub mod smooth;
pub mod temperature;
pub mod track;
pub mod tracker;

pub use builder::EngineBuilder;
pub use settings::Settings;

use self::detector::Detector;
use self::landmarker::{Landmarker, Shape, VIEWS};
use self::pose::Fit;
use self::temperature::{Reader, Surface};
use self::tracker::Tracker;
use crate::error::Result;
use crate::frame::{Frame, FrameFormat, Signal};
use crate::geometry::Rect;
use crate::landmarks::COUNT;
use crate::nn::{Build, Card, Model, Stopwatch};
use crate::radiometry::{self, Thermometer};
use crate::result::{Face, FrameResult, Landmark, NoTemperature, Readings, TrackState};

/// A face in a still is dropped if its presence in the detector's crop is below this.
const MIN_PRESENCE: f32 = 0.1;

/// Largest error of a fitted head, as a share of the face's size, at which it decides which points face away.
const MAX_RESIDUAL: f32 = 0.15;

/// Faces of one stream, or of stills.
///
/// Allocates nothing per frame once it has seen the largest frame, if `FrameResult::faces` has room for
/// [`Settings::max_faces`].
pub struct Engine {
    settings: Settings,
    surface: radiometry::Settings,
    presence: f32,
    detector: Detector,
    landmarker: Landmarker,
    tracker: Tracker,
    stills: Vec<(Shape, f32)>,
    own: Option<Box<Own>>,
}

/// Frame and result for callers that pass only pixels.
struct Own {
    frame: Frame,
    result: FrameResult,
}

impl Own {
    fn new(signal: Signal, faces: usize) -> Box<Self> {
        let format = FrameFormat { width: 1, height: 1, signal, rate_hz: 0.0 };
        Box::new(Self { frame: Frame::new(format), result: FrameResult::new("pixels".into(), faces) })
    }
}

impl Engine {
    /// For a stream: loads the models that `settings` name and checks them. `surface`: emissivity and reflection of
    /// skin.
    ///
    /// # Errors
    /// `Fix` for settings out of range, an unknown model or one that does not match its card.
    pub fn new(settings: &Settings, surface: radiometry::Settings) -> Result<Self> {
        Self::through(settings, surface, settings.landmarks_model()?, |build| build)
    }

    /// For stills.
    ///
    /// # Errors
    /// Those of [`Engine::new`].
    pub fn of_stills(settings: &Settings, surface: radiometry::Settings) -> Result<Self> {
        Self::through(settings, surface, settings.still_landmarks_model()?, |build| build)
    }

    /// Like [`Engine::new`], but times the networks.
    ///
    /// # Errors
    /// Those of [`Engine::new`].
    pub fn timed(settings: &Settings, surface: radiometry::Settings, watch: &Stopwatch) -> Result<Self> {
        Self::through(settings, surface, settings.landmarks_model()?, |build| watch.on(build))
    }

    /// With this landmark network; `wrap` wraps the functions that build the networks.
    fn through(
        settings: &Settings,
        surface: radiometry::Settings,
        landmarks: &str,
        wrap: impl Fn(Build) -> Build,
    ) -> Result<Self> {
        let names = [settings.detector_model()?, landmarks];
        for (name, setting) in names.into_iter().zip([&settings.detector, &settings.landmarks]) {
            if name != setting {
                log::info!("{name}: the fastest here of its accuracy");
            }
        }
        let (detector, landmarks) = (Model::find(names[0])?, Model::find(names[1])?);
        let cards = (detector.card().clone(), landmarks.card().clone());
        Self::with(settings, surface, (&cards.0, wrap(detector.into_build())), (&cards.1, wrap(landmarks.into_build())))
    }

    /// An engine of given networks.
    ///
    /// # Errors
    /// `Fix` for settings out of range or a card of another task; those of the network builders.
    pub fn with(
        settings: &Settings,
        surface: radiometry::Settings,
        detector: (&Card, Build),
        landmarks: (&Card, Build),
    ) -> Result<Self> {
        settings.validate()?;
        let presence = settings.presence.unwrap_or(landmarks.0.decoding.threshold);
        Ok(Self {
            settings: settings.clone(),
            surface,
            presence,
            detector: Detector::new(detector.0, detector.1, settings.score)?,
            landmarker: Landmarker::new(landmarks.0, &landmarks.1)?,
            tracker: Tracker::new(settings.clone(), presence),
            stills: Vec::new(),
            own: None,
        })
    }

    /// Builds what frames of this size need, so that the first frame is not late.
    ///
    /// # Errors
    /// Those of the network builder.
    pub fn prepare(&mut self, width: usize, height: usize) -> Result<()> {
        self.detector.prepare(width, height)
    }

    /// Tracks the faces of a stream in its next frame and writes them to `result`, with the frame's
    /// number, times, size and state. The caller sets name, latency and drop counts.
    ///
    /// Frames with a closed shutter are not searched: faces coast. If the stream jumps in time or
    /// changes its size, tracking restarts; track numbers continue.
    ///
    /// # Errors
    /// Those of the networks.
    pub fn process_frame(&mut self, frame: &Frame, result: &mut FrameResult) -> Result<()> {
        result.describe(frame);
        self.find(frame, result)
    }

    /// Like [`Engine::process_frame`], but only adds faces to a result that already describes `frame`.
    ///
    /// # Errors
    /// Those of the networks.
    pub fn find(&mut self, frame: &Frame, result: &mut FrameResult) -> Result<()> {
        self.tracker.step(frame, &mut self.detector, &mut self.landmarker)?;
        let now = frame.meta.captured;
        for t in self.tracker.tracks.iter().filter(|t| t.confirmed()) {
            let (points, confidence) = t.shown(now);
            let mut face = self.describe(frame, &points, &confidence, t.fit.as_ref());
            (face.track, face.track_state, face.score, face.presence) = (t.id, t.state, t.score, t.shape.presence);
            if t.state == TrackState::Lost {
                // A closed shutter or a non-radiometric signal is the more useful reason.
                let reason = self.reader(frame).refusal().unwrap_or(NoTemperature::Lost);
                (face.landmark_c, face.region_c) = (Readings::none(reason), Readings::none(reason));
            }
            result.faces.push(face);
        }
        Ok(())
    }

    /// All faces of a single picture: searched at several scales, refined, not smoothed; numbered from 1,
    /// strongest first.
    ///
    /// # Errors
    /// Those of the networks.
    pub fn process_still_frame(&mut self, frame: &Frame, result: &mut FrameResult) -> Result<()> {
        result.describe(frame);
        self.stills.clear();
        for i in 0..self.detector.detect_still(frame)?.len() {
            let face = self.detector.found()[i];
            let crop = self.landmarker.crop_of(&face);
            let Some(shape) = self.landmarker.measure(frame, &crop, 1)? else { continue };
            if shape.presence < MIN_PRESENCE {
                continue;
            }
            // A face must hold up when several views are averaged. The crop around the measured shape is usually
            // better than the detector's, but not if the first measurement was wrong.
            for around in [self.landmarker.crop(shape.bbox, shape.roll), crop] {
                let Some(shape) = self.landmarker.measure(frame, &around, VIEWS)? else { continue };
                if tracker::enters(&shape, &face, self.presence) {
                    self.stills.push((shape, face.score));
                    break;
                }
            }
        }
        tracker::strongest(&mut self.stills);
        for &(shape, score) in &self.stills {
            result.faces.push(self.still(frame, &shape, score, result.faces.len() as u64 + 1));
        }
        Ok(())
    }

    /// Landmarks of a face whose box is known, to evaluate them without the detector. `None` if the
    /// network's output is not a valid shape.
    ///
    /// # Errors
    /// Those of the network.
    pub fn infer_box(&mut self, frame: &Frame, bbox: Rect) -> Result<Option<(Face, Shape)>> {
        let upright = self.landmarker.crop(bbox, 0.0);
        let Some(mut shape) = self.landmarker.measure(frame, &upright, VIEWS)? else { return Ok(None) };
        // In use the crop is also rotated by the face's roll, but an uncertain measurement's roll may be wrong.
        let along = self.landmarker.crop(bbox, shape.roll);
        if let Some(turned) = self.landmarker.measure(frame, &along, VIEWS)?
            && turned.spread.iter().sum::<f32>() < shape.spread.iter().sum::<f32>()
        {
            shape = turned;
        }
        Ok(Some((self.still(frame, &shape, 1.0, 1), shape)))
    }

    /// Faces found by the detector alone, strongest first, down to scores of `least`.
    ///
    /// # Errors
    /// Those of the network.
    pub fn candidates(&mut self, frame: &Frame, least: f32) -> Result<&[decode::Detection]> {
        self.detector.candidates(frame, least)
    }

    /// Lowest score that the detector counts as a face.
    pub fn detector_threshold(&self) -> f32 {
        self.detector.threshold()
    }

    /// A thermometer with the engine's settings; `None` for a signal that is not radiometric.
    pub fn thermometer(&self, signal: Signal) -> Option<Thermometer> {
        Thermometer::new(signal, self.surface)
    }

    fn still(&self, frame: &Frame, shape: &Shape, score: f32, track: u64) -> Face {
        let fit = pose::fit(&shape.points, |i| shape.confidence[i]);
        let face = self.describe(frame, &shape.points, &shape.confidence, fit.as_ref());
        Face { track, score, presence: shape.presence, ..face }
    }

    fn reader<'a>(&self, frame: &'a Frame) -> Reader<'a> {
        Reader {
            frame,
            thermometer: self.thermometer(frame.format.signal),
            range_c: self.settings.range_c,
            visible: self.settings.visible,
        }
    }

    /// A face from its points.
    fn describe(
        &self,
        frame: &Frame,
        points: &[[f32; 2]; COUNT],
        confidence: &[f32; COUNT],
        fit: Option<&Fit>,
    ) -> Face {
        let bbox = Rect::around(points);
        let size = bbox.size();
        // A head that fits its points badly cannot tell which points are turned away.
        let trusted = fit.filter(|f| f.residual < MAX_RESIDUAL * size);
        let surface = Surface { points, confidence, fit: trusted, size };
        let reader = self.reader(frame);
        Face {
            track: 0,
            track_state: TrackState::Tracked,
            bbox,
            score: 0.0,
            presence: 0.0,
            pose: fit.map(|f| f.pose).unwrap_or_default(),
            landmarks: std::array::from_fn(|i| Landmark {
                x: points[i][0],
                y: points[i][1],
                confidence: confidence[i],
            }),
            region_c: reader.regions(&surface).into(),
            landmark_c: reader.points(&surface).into(),
        }
    }
}

#[cfg(test)]
mod tests;
