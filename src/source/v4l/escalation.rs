//! Which recovery step to take for a camera that does not work.
//!
//! Reopening it usually helps. If not, its USB device is reset, then taken from its driver and given back. A step that
//! helped is remembered and tried first the next time.

use std::fmt;

/// A recovery step before the camera is opened again, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Nothing.
    Reopen,
    /// `USBDEVFS_RESET`.
    Reset,
    /// `authorized` off and on in sysfs.
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

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The camera was unplugged, or another program uses it: no step helps.
    Gone,
    /// The camera was present and did not work.
    Faulty,
}

/// Chooses steps.
#[derive(Debug, Clone)]
pub struct Escalation {
    strongest: Step,
    remembered: Step,
    last_tried: Option<Step>,
    /// Steps that this process may not take.
    forbidden: Vec<Step>,
}

impl Escalation {
    /// An escalation up to the step `strongest`.
    pub fn new(strongest: Step) -> Self {
        Self { strongest, remembered: Step::Reopen, last_tried: None, forbidden: Vec::new() }
    }

    /// The step after a stream that ended in `outcome`.
    pub fn step(&mut self, outcome: Outcome) -> Step {
        if outcome == Outcome::Gone {
            return Step::Reopen;
        }
        let wanted = match self.last_tried {
            None => self.remembered,
            Some(Step::Reopen) => Step::Reset,
            Some(Step::Reset) => Step::Replug,
            // The two alternate from here on: a camera may need time after each.
            Some(Step::Replug) => Step::Reset,
        };
        let step = [wanted, Step::Replug, Step::Reset]
            .into_iter()
            .find(|step| *step <= self.strongest && !self.forbidden.contains(step))
            .unwrap_or(Step::Reopen);
        self.last_tried = Some(step);
        step
    }

    /// Leaves out `step` from now on; true the first time.
    pub fn forbid(&mut self, step: Step) -> bool {
        let first = !self.forbidden.contains(&step);
        if first {
            self.forbidden.push(step);
        }
        first
    }

    /// The step that helped last, which is tried first.
    pub fn remembered(&self) -> Step {
        self.remembered
    }

    /// The camera works again. Returns the step that helped, if it has not helped before.
    pub fn recovered(&mut self) -> Option<Step> {
        let step = self.last_tried.take()?;
        let is_new = step != self.remembered && step != Step::Reopen;
        if step != Step::Reopen {
            self.remembered = step;
        }
        is_new.then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(escalation: &mut Escalation, n: usize) -> Vec<Step> {
        (0..n).map(|_| escalation.step(Outcome::Faulty)).collect()
    }

    #[test]
    fn steps_grow_stronger_and_never_end() {
        use Step::{Reopen, Replug, Reset};
        let mut escalation = Escalation::new(Replug);
        assert_eq!(steps(&mut escalation, 6), [Reopen, Reset, Replug, Reset, Replug, Reset]);
        let mut escalation = Escalation::new(Reset);
        assert_eq!(steps(&mut escalation, 4), [Reopen, Reset, Reset, Reset]);
        assert_eq!(steps(&mut Escalation::new(Reopen), 3), [Reopen; 3]);
    }

    #[test]
    fn what_helped_is_tried_first_and_reported_once() {
        use Step::{Reopen, Reset};
        let mut escalation = Escalation::new(Step::Replug);
        assert_eq!(escalation.recovered(), None, "nothing was faulty");
        steps(&mut escalation, 1);
        assert_eq!(escalation.recovered(), None, "opening again is no news");
        assert_eq!(steps(&mut escalation, 2), [Reopen, Reset]);
        assert_eq!(escalation.recovered(), Some(Reset));
        assert_eq!(steps(&mut escalation, 1), [Reset]);
        assert_eq!(escalation.recovered(), None);
    }

    #[test]
    fn a_camera_that_is_gone_is_only_opened_again() {
        let mut escalation = Escalation::new(Step::Replug);
        assert_eq!((0..5).map(|_| escalation.step(Outcome::Gone)).collect::<Vec<_>>(), [Step::Reopen; 5]);
    }

    #[test]
    fn forbidden_steps_are_left_out() {
        let mut escalation = Escalation::new(Step::Replug);
        assert!(escalation.forbid(Step::Reset) && !escalation.forbid(Step::Reset));
        assert_eq!(steps(&mut escalation, 3), [Step::Reopen, Step::Replug, Step::Replug]);
        escalation.forbid(Step::Replug);
        assert_eq!(steps(&mut escalation, 2), [Step::Reopen; 2]);
    }
}
