//! Where a target is and where it will be.

use std::time::Duration;

use crate::geometry::{Point, Rect};
use crate::preprocess::target::{MIN_SIDE, template_side};

/// Weight of a new size against the old one.
const SIZE_GAIN: f32 = 0.2;

/// Least score of a place whose size is believed.
pub(super) const SIZE_SCORE: f32 = 0.4;

/// Deviation of predicted places before any is known, and the part of it that always remains, in template sides.
const FIRST_SPREAD: f32 = 0.2;
const LEAST_SPREAD: f32 = 0.15;

/// How much of a prediction's error enters the deviation: of larger errors, and of smaller ones.
const SPREAD_GAIN: [f32; 2] = [0.3, 0.05];

/// Deviations that the window around a prediction covers.
const SPREAD_REACH: f32 = 2.5;

/// Largest change of a side from frame to frame, as a factor.
const MAX_GROWTH: f32 = 1.5;

/// Weight of a new velocity against the old one.
const VELOCITY_GAIN: f32 = 0.5;

/// Share of the velocity that is believed for the next frame.
const TRUST: f32 = 0.8;

/// Share of the velocity that remains after a tenth of a second without a measurement.
const DAMPING: f32 = 0.75;

/// Factor of the deviation in a frame without a measurement.
const SPREAD_GROWTH: f32 = 1.15;

/// Furthest predicted move, in template sides.
const MAX_MOVE: f32 = 1.0;

/// A box by its middle, pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub centre: Point,
    /// Width and height.
    pub size: [f32; 2],
}

impl Place {
    pub fn of(bbox: Rect) -> Self {
        Self { centre: bbox.center(), size: [bbox.width(), bbox.height()] }
    }

    pub fn rect(self) -> Rect {
        let ([x, y], [w, h]) = (self.centre, self.size);
        Rect::new(x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0)
    }

    /// Side of its template.
    pub fn side(self) -> f32 {
        template_side(self.size[0], self.size[1])
    }

    /// In other pixels: `scale * v + offset`.
    pub fn mapped(self, scale: [f32; 2], offset: [f32; 2]) -> Self {
        Self {
            centre: std::array::from_fn(|i| scale[i] * self.centre[i] + offset[i]),
            size: std::array::from_fn(|i| scale[i] * self.size[i]),
        }
    }

    pub fn is_finite(self) -> bool {
        self.centre.iter().chain(&self.size).all(|v| v.is_finite())
    }
}

/// How the giver of the first box draws boxes, compared with the network: a factor per side, and the distance of the
/// middles in units of the network's box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Convention {
    ratio: [f32; 2],
    offset: [f32; 2],
}

impl Default for Convention {
    fn default() -> Self {
        Self { ratio: [1.0; 2], offset: [0.0; 2] }
    }
}

impl Convention {
    /// From the given first box and the one that the network gives for it.
    pub fn between(given: Place, predicted: Place) -> Self {
        let ratio = |i: usize| (given.size[i] / predicted.size[i]).clamp(0.4, 2.5);
        let offset = |i: usize| ((given.centre[i] - predicted.centre[i]) / predicted.size[i]).clamp(-0.5, 0.5);
        Self { ratio: [ratio(0), ratio(1)], offset: [offset(0), offset(1)] }
    }

    /// The network's box as the giver would draw it.
    pub fn apply(self, predicted: Place) -> Place {
        Place {
            centre: std::array::from_fn(|i| predicted.centre[i] + self.offset[i] * predicted.size[i]),
            size: std::array::from_fn(|i| predicted.size[i] * self.ratio[i]),
        }
    }
}

/// A place that moves: constant velocity, damped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Motion {
    pub place: Place,
    /// Pixels per second.
    velocity: [f32; 2],
    /// How far off predictions were, in template sides.
    spread: f32,
}

impl Motion {
    pub fn at(place: Place) -> Self {
        Self { place, velocity: [0.0; 2], spread: FIRST_SPREAD }
    }

    /// Where it should be `dt` after the last step.
    pub fn predicted(&self, dt: Duration) -> Point {
        let most = MAX_MOVE * self.place.side();
        let step = |i: usize| (TRUST * self.velocity[i] * dt.as_secs_f32()).clamp(-most, most);
        [self.place.centre[0] + step(0), self.place.centre[1] + step(1)]
    }

    /// How far from the predicted place the target may be, the deviation in pixels.
    pub fn spread(&self) -> f32 {
        self.place.side() * (LEAST_SPREAD + SPREAD_REACH * self.spread)
    }

    /// Moves to a measured place, `dt` after the last step.
    pub fn measured(&mut self, new: Place, dt: Duration) {
        let seconds = dt.as_secs_f32();
        let [x, y] = self.predicted(dt);
        let error = (new.centre[0] - x).hypot(new.centre[1] - y) / self.place.side() - self.spread;
        self.spread += SPREAD_GAIN[usize::from(error < 0.0)] * error;
        for i in 0..2 {
            if seconds > 0.0 {
                let velocity = (new.centre[i] - self.place.centre[i]) / seconds;
                self.velocity[i] += VELOCITY_GAIN * (velocity - self.velocity[i]);
            }
            let old = self.place.size[i];
            let bounded = new.size[i].clamp(old / MAX_GROWTH, old * MAX_GROWTH);
            self.place.size[i] = (old + SIZE_GAIN * (bounded - old)).max(1.0);
        }
        self.place.centre = new.centre;
    }

    /// Moves without a measurement; slows down.
    pub fn coast(&mut self, dt: Duration) {
        self.place.centre = self.predicted(dt);
        self.spread = (self.spread * SPREAD_GROWTH).min(MAX_MOVE);
        let left = DAMPING.powf(dt.as_secs_f32() * 10.0);
        self.velocity.iter_mut().for_each(|v| *v *= left);
    }

    /// Stands still where it is.
    pub fn stop(&mut self) {
        self.velocity = [0.0; 2];
    }

    /// Keeps the middle within a picture of this size, pixels.
    pub fn confine(&mut self, [width, height]: [f32; 2]) {
        let [x, y] = self.place.centre;
        self.place.centre = [x.clamp(0.0, width.max(0.0)), y.clamp(0.0, height.max(0.0))];
        let most = 2.0 * width.max(height).max(MIN_SIDE);
        self.place.size = self.place.size.map(|s| s.min(most));
    }

    /// In other pixels.
    pub fn mapped(self, scale: [f32; 2], offset: [f32; 2]) -> Self {
        let velocity = std::array::from_fn(|i| scale[i] * self.velocity[i]);
        Self { place: self.place.mapped(scale, offset), velocity, spread: self.spread }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(100);

    fn place(x: f32, y: f32, w: f32, h: f32) -> Place {
        Place { centre: [x, y], size: [w, h] }
    }

    #[test]
    fn steady_motion_is_predicted_and_dies_away_without_measurements() {
        let mut motion = Motion::at(place(50.0, 50.0, 20.0, 20.0));
        for i in 1..=10 {
            motion.measured(place(50.0 + 5.0 * i as f32, 50.0, 20.0, 20.0), FRAME);
        }
        let [x, y] = motion.predicted(FRAME);
        assert!((x - 104.0).abs() < 0.1 && y == 50.0, "{x}");
        for _ in 0..100 {
            motion.coast(FRAME);
        }
        assert!((100.0..130.0).contains(&motion.place.centre[0]), "{:?}", motion.place);
        assert!((motion.predicted(FRAME)[0] - motion.place.centre[0]).abs() < 0.01);
        motion.confine([110.0, 40.0]);
        assert_eq!(motion.place.centre, [110.0, 40.0]);
    }

    #[test]
    fn sizes_follow_slowly_and_jumps_are_bounded() {
        let mut motion = Motion::at(place(0.0, 0.0, 10.0, 10.0));
        motion.measured(place(0.0, 0.0, 12.0, 1000.0), FRAME);
        assert!((motion.place.size[0] - 10.4).abs() < 1e-4 && (motion.place.size[1] - 11.0).abs() < 1e-4);
        motion.measured(place(900.0, 0.0, 12.0, 12.0), FRAME);
        assert!(motion.predicted(FRAME)[0] <= 900.0 + motion.place.side());
    }

    #[test]
    fn where_a_target_may_be_follows_from_how_well_it_was_predicted() {
        let (mut steady, mut jumpy) =
            (Motion::at(place(0.0, 0.0, 20.0, 20.0)), Motion::at(place(0.0, 0.0, 20.0, 20.0)));
        for i in 1..=40 {
            steady.measured(place(2.0 * i as f32, 0.0, 20.0, 20.0), FRAME);
            jumpy.measured(place(if i % 2 == 0 { 15.0 } else { 0.0 }, 0.0, 20.0, 20.0), FRAME);
        }
        let first = Motion::at(place(0.0, 0.0, 20.0, 20.0)).spread();
        assert!(steady.spread() < 0.6 * first && jumpy.spread() > 1.2 * first, "{first} {steady:?} {jumpy:?}");
        let before = steady.spread();
        steady.coast(FRAME);
        assert!(steady.spread() > before);
        (0..1000).for_each(|_| steady.coast(FRAME));
        assert!(steady.spread() < 3.0 * steady.place.side());
    }

    #[test]
    fn the_givers_convention_is_kept() {
        let (given, predicted) = (place(50.0, 40.0, 30.0, 20.0), place(52.0, 40.0, 20.0, 25.0));
        let convention = Convention::between(given, predicted);
        let back = convention.apply(predicted);
        assert!((back.centre[0] - 50.0).abs() < 1e-4 && (back.size[1] - 20.0).abs() < 1e-4);
        let twice = convention.apply(place(0.0, 0.0, 40.0, 50.0));
        assert_eq!((twice.centre, twice.size), ([-4.0, 0.0], [60.0, 40.0]));
        let wild = Convention::between(given, place(500.0, 40.0, 1.0, 900.0));
        assert_eq!(wild.apply(place(0.0, 0.0, 10.0, 10.0)), place(-5.0, 0.0, 25.0, 4.0));
    }
}
