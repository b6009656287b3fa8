//! One followed face: its identity, its motion, its smoothed shape.

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

/// Time constant with which a prediction trusts the last velocity, seconds: heads stop and turn back.
const COAST: f32 = 0.3;

/// Share of the face size that a prediction moves the crop by at most.
const REACH: f32 = 0.5;

/// Time in which the confidence of a coasting shape halves, seconds.
const FADE: f32 = 0.2;

/// Share of a new velocity measurement in the estimate.
const VELOCITY_GAIN: f32 = 0.5;

/// Ratios of a new to the last size at which a lost face may be back.
const SIZE_RATIOS: RangeInclusive<f32> = 0.5..=2.0;

/// How far from where it was lost a face may be back, face sizes: at once, and more per second. People walk by at up
/// to some two face sizes a second at the distances in question.
const JITTER: f32 = 0.75;
const SPEED: f32 = 2.0;

/// A tracked face.
pub struct Track {
    /// Its number, given when it is first shown and never used again in a run; 0 before.
    pub id: u64,
    /// As published.
    pub state: TrackState,
    /// The detector's last score.
    pub score: f32,
    /// The last measurement, unsmoothed; the crop follows this.
    pub shape: Shape,
    /// When it was taken.
    pub seen: Nanos,
    /// The measurement of the current frame, until it is accepted.
    pub fresh: Option<Shape>,
    /// True where `fresh` counts only if the detector agrees.
    pub doubted: bool,
    /// Where the detector saw it, the last time it ran.
    pub matched: Option<Detection>,
    /// Detections in a row that did not show this face.
    pub misses: u8,
    /// Measurements it still needs before it is shown.
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
    /// A track from its first measurement, which is accepted by [`Track::settle`]; it is shown after
    /// `tentative` of them.
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

    /// True once the track has proved itself.
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

    /// Distance of a shape from what was expected: centre distance and log of the size ratio, in face sizes.
    pub fn deviation(&self, shape: &Shape, now: Nanos) -> f32 {
        let [dx, dy] = self.drift(now);
        let (a, b) = (self.shape.center(), shape.center());
        let own = self.shape.size().max(1e-3);
        let ratio = (shape.size().max(1e-3) / own).ln().abs();
        (b[0] - a[0] - dx).hypot(b[1] - a[1] - dy) / own + ratio
    }

    /// True where a lost face could have got to this shape by now.
    pub fn plausible(&self, shape: &Shape, now: Nanos) -> bool {
        let elapsed = now.since(self.seen).as_secs_f32();
        let ratio = shape.size() / self.shape.size().max(1e-3);
        let (a, b) = (self.shape.center(), shape.center());
        let distance = (b[0] - a[0]).hypot(b[1] - a[1]) / self.shape.size().max(shape.size()).max(1e-3);
        SIZE_RATIOS.contains(&ratio) && distance < JITTER + SPEED * elapsed
    }

    /// Lets time pass that does not count as lost (the shutter hides the scene).
    pub fn pause(&mut self, dt: Duration) {
        self.seen = self.seen + dt;
        self.state = TrackState::Lost;
        self.fresh = None;
        self.velocity = [0.0; 2];
    }

    /// Takes the fresh measurement, or counts the face as lost in this frame.
    pub fn settle(&mut self, now: Nanos) {
        self.doubted = false;
        let Some(shape) = self.fresh.take() else {
            self.state = TrackState::Lost;
            return;
        };
        self.tentative = self.tentative.saturating_sub(1);
        let dt = now.since(self.seen).as_secs_f32();
        if self.state == TrackState::Lost {
            // What happened meanwhile is unknown: neither speed nor smoothing may bridge it.
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
