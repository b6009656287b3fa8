//! Which pictures a target is looked for in.
//!
//! 1. A picture that is missing, or whose template is not known, is not used.
//! 2. A picture that shows almost nothing any more is *blind* (darkness, glare, smoke, thermal crossover): its contrast
//!    is below a quarter of what it was when the target was given. A blind picture is not used while the other sees; it
//!    sees again at 40 %.
//! 3. With both, all three choices are measured on the same crops from time to time, and whenever the target is doubtful.
//!    One picture alone is used if it is clearly surer than both, twice in a row, until both are about as sure again.

use crate::preprocess::target::Contrast;
use crate::result::Modality;

/// Frames between two judgements.
const EVERY: u32 = 12;

/// How much surer one picture must be than both, 0 to 1.
const MARGIN: f32 = 0.15;

/// How much less sure both may be than the one in use, to be used again.
const RETURN: f32 = 0.05;

/// Judgements in a row that leave both.
const TWICE: u8 = 2;

/// Contrast below which a picture is blind and above which it sees, as shares of the first.
const BLIND: f32 = 0.25;
const SEES: f32 = 0.4;

/// Standard deviation below which a visible picture is blind, levels.
const DARK: f32 = 2.5;

/// Whether one picture still shows something.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Eye {
    first: Contrast,
    blind: bool,
}

impl Eye {
    /// With the contrast of the first search crop.
    pub fn opened(first: Contrast) -> Self {
        Self { first, blind: false }
    }

    /// Looks at the contrast of a search crop; `least`: one below which nothing is seen in any case.
    fn look(&mut self, now: Contrast, least: f32) {
        let share = if self.blind { SEES } else { BLIND };
        // NaN is blind.
        self.blind = !(now.deviation >= (share * self.first.deviation).max(least));
    }
}

/// The pictures in use for one target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    pub thermal: Eye,
    pub visible: Eye,
    now: Modality,
    frames: u32,
    doubts: u8,
}

impl Choice {
    pub fn new(thermal: Eye, visible: Eye) -> Self {
        Self { thermal, visible, now: Modality::Both, frames: 0, doubts: 0 }
    }

    /// Takes in the contrast of this frame's crops.
    pub fn look(&mut self, thermal: Option<Contrast>, visible: Option<Contrast>) {
        if let Some(contrast) = thermal {
            self.thermal.look(contrast, 0.0);
        }
        if let Some(contrast) = visible {
            self.visible.look(contrast, DARK);
        }
    }

    /// Of the `usable` pictures, those to use in this frame.
    pub fn pick(&self, usable: Modality) -> Modality {
        match (usable, self.thermal.blind, self.visible.blind) {
            (Modality::Both, true, false) => Modality::Visible,
            (Modality::Both, false, true) => Modality::Thermal,
            (Modality::Both, ..) => self.now,
            (one, ..) => one,
        }
    }

    /// Whether all choices should be measured in this frame, in which the target's presence is `presence` of the
    /// `needed`. Call it once a frame that could use both.
    pub fn due(&mut self, presence: f32, needed: f32) -> bool {
        self.frames += 1;
        let doubtful = !(presence >= needed) && self.frames >= 3;
        let due = self.frames >= EVERY || doubtful || self.doubts > 0;
        if due {
            self.frames = 0;
        }
        due
    }

    /// Judges by the confidence in each choice, 0 to 1, in the order of [`Modality::ALL`]. Returns the choice from now on.
    pub fn judge(&mut self, confidence: [f32; 3]) -> Modality {
        let [both, thermal, visible] = confidence;
        let (alone, surest) =
            if visible > thermal { (Modality::Visible, visible) } else { (Modality::Thermal, thermal) };
        if self.now == Modality::Both {
            self.doubts = if surest > both + MARGIN { self.doubts + 1 } else { 0 };
            if self.doubts >= TWICE {
                (self.now, self.doubts) = (alone, 0);
            }
        } else if both + RETURN >= surest {
            self.now = Modality::Both;
        } else if surest > confidence[self.now.index()] + MARGIN {
            self.now = alone;
        }
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contrast(deviation: f32) -> Option<Contrast> {
        Some(Contrast { mean: 100.0, deviation })
    }

    fn choice() -> Choice {
        let eye = Eye::opened(Contrast { mean: 100.0, deviation: 20.0 });
        Choice::new(eye, eye)
    }

    #[test]
    fn a_blind_picture_is_left_out_and_comes_back() {
        let mut choice = choice();
        assert_eq!(choice.pick(Modality::Both), Modality::Both);
        choice.look(contrast(20.0), contrast(4.0));
        assert_eq!(choice.pick(Modality::Both), Modality::Thermal);
        assert_eq!(choice.pick(Modality::Visible), Modality::Visible, "the only one");
        choice.look(contrast(20.0), contrast(7.0));
        assert_eq!(choice.pick(Modality::Both), Modality::Thermal, "not yet");
        choice.look(contrast(4.0), contrast(9.0));
        assert_eq!(choice.pick(Modality::Both), Modality::Visible);
        choice.look(contrast(f32::NAN), contrast(1.0));
        assert_eq!(choice.pick(Modality::Both), Modality::Both, "both are blind");
    }

    #[test]
    fn one_alone_must_be_clearly_surer_twice() {
        let mut choice = choice();
        assert_eq!(choice.judge([0.5, 0.6, 0.1]), Modality::Both);
        assert_eq!(choice.judge([0.5, 0.7, 0.1]), Modality::Both);
        assert!(choice.due(0.9, 0.3), "a doubt is looked at again at once");
        assert_eq!(choice.judge([0.5, 0.7, 0.1]), Modality::Thermal);
        assert_eq!(choice.pick(Modality::Both), Modality::Thermal);
        assert_eq!(choice.judge([0.5, 0.6, 0.8]), Modality::Visible);
        assert_eq!(choice.judge([0.78, 0.6, 0.8]), Modality::Both);
    }

    #[test]
    fn judgements_are_rare_unless_the_target_is_doubtful() {
        let mut choice = choice();
        let count = |presence: f32, choice: &mut Choice| (0..120).filter(|_| choice.due(presence, 0.3)).count();
        assert_eq!(count(0.9, &mut choice), 10);
        assert_eq!(count(0.1, &mut choice), 40);
        assert_eq!(count(f32::NAN, &mut choice), 40);
    }
}
