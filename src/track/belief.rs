//! Whether a target is in view: states with hysteresis.

use std::time::Duration;

use crate::result::TargetState;

/// Consecutive frames without the target after which it is lost.
const MISSES: u8 = 3;

/// What is needed at each step, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limits {
    /// Score below which a box does not follow.
    pub score: f32,
    /// Presence below which a tracked target counts as not seen.
    pub keep: f32,
    /// Presence that a lost target needs near the place where it was.
    pub find: f32,
    /// Presence that it needs anywhere in the frame.
    pub accept: f32,
}

impl Limits {
    /// For a score and the presence at which a target is as likely in view as not.
    pub fn new(score: f32, presence: f32) -> Self {
        let above = |share: f32| presence + share * (1.0 - presence);
        Self { score, keep: 0.6 * presence, find: above(0.2), accept: above(0.5) }
    }
}

/// The state of one target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Belief {
    pub state: TargetState,
    misses: u8,
    /// Time without the target since it was lost; shutter calibration does not count.
    gone: Duration,
}

impl Default for Belief {
    fn default() -> Self {
        Self { state: TargetState::Tracked, misses: 0, gone: Duration::ZERO }
    }
}

impl Belief {
    /// The presence that is needed near the expected place.
    pub fn needed(&self, limits: &Limits) -> f32 {
        if self.state == TargetState::Tracked { limits.keep } else { limits.find }
    }

    /// The target was seen.
    pub fn seen(&mut self) {
        *self = Self::default();
    }

    /// The target was not seen in a frame that came `dt` after the last. After `patience` it is searched everywhere.
    pub fn missed(&mut self, dt: Duration, patience: Duration) {
        self.misses = self.misses.saturating_add(1);
        if self.state == TargetState::Tracked && self.misses < MISSES {
            return;
        }
        if self.state != TargetState::Tracked {
            self.gone += dt;
        }
        self.state = if self.gone >= patience { TargetState::Searching } else { TargetState::Lost };
    }

    /// There was nothing to look at.
    pub fn paused(&mut self) {
        if self.state == TargetState::Tracked {
            self.state = TargetState::Lost;
        }
    }

    /// Side of the search crop as a multiple of the usual one: it grows and starts anew while the target is lost.
    pub fn reach(&self) -> f32 {
        const REACHES: [f32; 4] = [1.0, 1.5, 1.0, 2.0];
        match self.state {
            TargetState::Tracked => 1.0,
            _ => REACHES[usize::from(self.misses) % REACHES.len()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(100);
    const PATIENCE: Duration = Duration::from_millis(300);

    #[test]
    fn a_target_is_lost_after_three_frames_and_searched_after_its_time() {
        let mut belief = Belief::default();
        let mut states = vec![];
        for _ in 0..7 {
            belief.missed(FRAME, PATIENCE);
            states.push(belief.state);
        }
        use TargetState::{Lost, Searching, Tracked};
        assert_eq!(states, [Tracked, Tracked, Lost, Lost, Lost, Searching, Searching]);
        belief.seen();
        belief.missed(FRAME, PATIENCE);
        assert_eq!(belief.state, Tracked);
    }

    #[test]
    fn a_pause_costs_no_patience() {
        let mut belief = Belief::default();
        (0..50).for_each(|_| belief.paused());
        assert_eq!(belief.state, TargetState::Lost);
        belief.missed(FRAME, PATIENCE);
        assert_eq!(belief.state, TargetState::Lost);
    }

    #[test]
    fn a_lost_target_needs_more_than_a_tracked_one() {
        let limits = Limits::new(0.15, 0.5);
        let mut belief = Belief::default();
        let tracked = belief.needed(&limits);
        belief.paused();
        assert!(tracked < 0.5 && belief.needed(&limits) > 0.5 && limits.accept > limits.find);
        assert!(Limits::new(0.0, 1.0).accept <= 1.0 && Limits::new(0.0, 0.0).keep == 0.0);
    }
}
