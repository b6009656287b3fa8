//! How hard to knock on a camera that does not answer.
//!
//! Opening it again helps most times. Where it does not, its USB device is reset, then taken from
//! its driver and given back. A step that helped is remembered and tried first the next time.

use std::fmt;

/// What to do before the camera is opened again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Nothing.
    Reopen,
    /// `USBDEVFS_RESET`.
    Reset,
    /// `authorized` off and on.
    Replug,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Reopen => "opening it again",
            Step::Reset => "resetting its USB device",
            Step::Replug => "taking its USB device from its driver and giving it back",
        })
    }
}

/// How one life of a camera went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was pulled out, or is used by another: knocking does not help.
    Away,
    /// It was there and did not do its work.
    Ill,
}

/// Chooses steps.
#[derive(Debug, Clone)]
pub struct Ladder {
    highest: Step,
    learned: Step,
    tried: Option<Step>,
    /// Steps that this process may not take.
    barred: Vec<Step>,
}

impl Ladder {
    /// A ladder up to `highest`.
    pub fn new(highest: Step) -> Self {
        Self { highest, learned: Step::Reopen, tried: None, barred: Vec::new() }
    }

    /// The step after a life that ended so.
    pub fn step(&mut self, ended: Ended) -> Step {
        if ended == Ended::Away {
            return Step::Reopen;
        }
        let wanted = match self.tried {
            None => self.learned,
            Some(Step::Reopen) => Step::Reset,
            Some(Step::Reset) => Step::Replug,
            // From the top again: a camera may need time after each.
            Some(Step::Replug) => Step::Reset,
        };
        let step = [wanted, Step::Replug, Step::Reset]
            .into_iter()
            .find(|step| *step <= self.highest && !self.barred.contains(step))
            .unwrap_or(Step::Reopen);
        self.tried = Some(step);
        step
    }

    /// This process may not take `step`; true the first time.
    pub fn bar(&mut self, step: Step) -> bool {
        let first = !self.barred.contains(&step);
        if first {
            self.barred.push(step);
        }
        first
    }

    /// The step that helped last.
    pub fn learned(&self) -> Step {
        self.learned
    }

    /// Frames come again; the step that did it, where it is news.
    pub fn healed(&mut self) -> Option<Step> {
        let step = self.tried.take()?;
        let news = step != self.learned && step != Step::Reopen;
        if step != Step::Reopen {
            self.learned = step;
        }
        news.then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(ladder: &mut Ladder, n: usize) -> Vec<Step> {
        (0..n).map(|_| ladder.step(Ended::Ill)).collect()
    }

    #[test]
    fn knocks_harder_each_time_and_never_gives_up() {
        use Step::{Reopen, Replug, Reset};
        let mut ladder = Ladder::new(Replug);
        assert_eq!(steps(&mut ladder, 6), [Reopen, Reset, Replug, Reset, Replug, Reset]);
        let mut ladder = Ladder::new(Reset);
        assert_eq!(steps(&mut ladder, 4), [Reopen, Reset, Reset, Reset]);
        assert_eq!(steps(&mut Ladder::new(Reopen), 3), [Reopen; 3]);
    }

    #[test]
    fn what_helped_is_tried_first_and_told_once() {
        use Step::{Reopen, Reset};
        let mut ladder = Ladder::new(Step::Replug);
        assert_eq!(ladder.healed(), None, "nothing was ill");
        steps(&mut ladder, 1);
        assert_eq!(ladder.healed(), None, "opening again is no news");
        assert_eq!(steps(&mut ladder, 2), [Reopen, Reset]);
        assert_eq!(ladder.healed(), Some(Reset));
        assert_eq!(steps(&mut ladder, 1), [Reset]);
        assert_eq!(ladder.healed(), None);
    }

    #[test]
    fn a_camera_that_is_away_is_only_looked_for() {
        let mut ladder = Ladder::new(Step::Replug);
        assert_eq!((0..5).map(|_| ladder.step(Ended::Away)).collect::<Vec<_>>(), [Step::Reopen; 5]);
    }

    #[test]
    fn barred_steps_are_left_out() {
        let mut ladder = Ladder::new(Step::Replug);
        assert!(ladder.bar(Step::Reset) && !ladder.bar(Step::Reset));
        assert_eq!(steps(&mut ladder, 3), [Step::Reopen, Step::Replug, Step::Replug]);
        ladder.bar(Step::Replug);
        assert_eq!(steps(&mut ladder, 2), [Step::Reopen; 2]);
    }
}
