//! One tracked face: its identity, its motion, its smoothed shape.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::decode::Detection;
use super::landmarker::Shape;
use super::pose::{self, Fit};
use super::smooth::{self, OneEuro};
use crate::geometry::Rect;
use crate::landmarks::COUNT;
use crate::result::TrackState;
use crate::units::Nanos;

/// Time constant with which a predicted velocity decays, seconds: heads stop and turn back.
const COAST: f32 = 0.3;

/// Most that a prediction moves the crop, as a share of the face size.
const REACH: f32 = 0.5;

/// Time in which the confidence of a coasting shape halves, seconds.
const FADE: f32 = 0.2;

/// Weight of a new velocity measurement in the estimate.
const VELOCITY_GAIN: f32 = 0.5;

/// Ratios of the new to the last size at which a lost face can be reacquired.
const SIZE_RATIOS: RangeInclusive<f32> = 0.5..=2.0;

/// How far from where it was lost a face can be reacquired, in face sizes: `JITTER` at once plus `SPEED` per second.
/// At typical distances people walk past at up to about two face sizes a second.
const JITTER: f32 = 0.75;
const SPEED: f32 = 2.0;

/// A tracked face.
pub struct Track {
    /// Its number, assigned when it is first published and never reused in a run; 0 before.
    pub id: u64,
    /// As published.
    pub state: TrackState,
    /// The detector's last score.
    pub score: f32,
    /// The last measurement, unsmoothed; the crop is predicted from it.
    pub shape: Shape,
    /// When `shape` was measured.
    pub seen: Nanos,
    /// The measurement of the current frame, until it is accepted.
    pub fresh: Option<Shape>,
    /// True if `fresh` counts only when the detector agrees.
    pub doubted: bool,
    /// Where the detector found it the last time it ran.
    pub matched: Option<Detection>,
    /// Detections in a row that did not show this face.
    pub misses: u8,
    /// Measurements it still needs before it is published.
    tentative: u8,
    /// The head fitted to the smoothed points.
    pub fit: Option<Fit>,
    /// Smoothed points, frame pixels.
    pub points: [[f32; 2]; COUNT],
    /// Pixels per second.
    velocity: [f32; 2],
    filter: OneEuro,
}

impl Track {
    /// A track from its first measurement, which [`Track::settle`] accepts. It is published after
    /// `tentative` measurements.
    pub fn new(shape: Shape, score: f32, now: Nanos, smooth: smooth::Settings, tentative: u8) -> Self {
        Self {
            id: 0,
            state: TrackState::Tracked,
            score,
            shape,
            seen: now,
            fresh: Some(shape),
            doubted: false,
            matched: None,
            misses: 0,
            tentative,
            fit: None,
            points: shape.points,
            velocity: [0.0; 2],
            filter: OneEuro::new(smooth),
        }
    }

    /// True once the track is no longer tentative.
    pub fn confirmed(&self) -> bool {
        self.tentative == 0
    }

    /// How far the face is expected to have moved since it was seen, pixels.
    pub fn drift(&self, now: Nanos) -> [f32; 2] {
        let elapsed = now.since(self.seen).as_secs_f32();
        let reach = REACH * self.shape.size();
        // The integral of a velocity that decays with time constant COAST.
        let t = COAST * (1.0 - (-elapsed / COAST).exp());
        let [x, y] = self.velocity.map(|v| v * t);
        let share = (reach / x.hypot(y).max(1e-6)).min(1.0);
        [x * share, y * share]
    }

    /// The box expected now.
    pub fn expected(&self, now: Nanos) -> Rect {
        self.shape.bbox.shifted(self.drift(now))
    }

    /// Deviation of a shape from the prediction: centre distance plus log of the size ratio, in face sizes.
    pub fn deviation(&self, shape: &Shape, now: Nanos) -> f32 {
        let [dx, dy] = self.drift(now);
        let (a, b) = (self.shape.center(), shape.center());
        let own = self.shape.size().max(1e-3);
        let ratio = (shape.size().max(1e-3) / own).ln().abs();
        (b[0] - a[0] - dx).hypot(b[1] - a[1] - dy) / own + ratio
    }

    /// True if a lost face could have this shape by now.
    pub fn plausible(&self, shape: &Shape, now: Nanos) -> bool {
        let elapsed = now.since(self.seen).as_secs_f32();
        let ratio = shape.size() / self.shape.size().max(1e-3);
        let (a, b) = (self.shape.center(), shape.center());
        let distance = (b[0] - a[0]).hypot(b[1] - a[1]) / self.shape.size().max(shape.size()).max(1e-3);
        SIZE_RATIOS.contains(&ratio) && distance < JITTER + SPEED * elapsed
    }

    /// Lets time pass without counting it as lost time (the shutter hides the scene).
    pub fn pause(&mut self, dt: Duration) {
        self.seen = self.seen + dt;
        self.state = TrackState::Lost;
        self.fresh = None;
        self.velocity = [0.0; 2];
    }

    /// Accepts the fresh measurement, or marks the face as lost in this frame.
    pub fn settle(&mut self, now: Nanos) {
        self.doubted = false;
        let Some(shape) = self.fresh.take() else {
            self.state = TrackState::Lost;
            return;
        };
        self.tentative = self.tentative.saturating_sub(1);
        let dt = now.since(self.seen).as_secs_f32();
        if self.state == TrackState::Lost {
            // The motion in between is unknown: neither velocity nor smoothing may bridge the gap.
            self.state = TrackState::Reacquired;
            self.filter.reset();
            self.velocity = [0.0; 2];
        } else {
            self.state = TrackState::Tracked;
            if dt > 0.0 {
                let (a, b) = (self.shape.center(), shape.center());
                for k in 0..2 {
                    self.velocity[k] += VELOCITY_GAIN * ((b[k] - a[k]) / dt - self.velocity[k]);
                }
            }
        }
        self.points = self.filter.apply(&shape.points, shape.size(), dt);
        self.fit = pose::fit(&self.points, |i| shape.confidence[i]);
        self.shape = shape;
        self.seen = now;
    }

    /// The points to publish, and their confidences.
    pub fn shown(&self, now: Nanos) -> ([[f32; 2]; COUNT], [f32; COUNT]) {
        if self.state != TrackState::Lost {
            return (self.points, self.shape.confidence);
        }
        let [dx, dy] = self.drift(now);
        let fade = 0.5f32.powf(now.since(self.seen).as_secs_f32() / FADE);
        let (mut points, mut confidence) = (self.points, self.shape.confidence);
        for ([x, y], c) in points.iter_mut().zip(&mut confidence) {
            (*x, *y, *c) = (*x + dx, *y + dy, *c * fade);
        }
        (points, confidence)
    }

    /// Square root of the area of the box around the smoothed points, pixels.
    pub fn size(&self) -> f32 {
        Rect::around(&self.points).size()
    }
}
