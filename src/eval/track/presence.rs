//! Whether a tracker knows that its target is in view: AUROC, time to find it again, false hold.

use serde::Serialize;

use super::measure::{Measure, Xywh};
use crate::result::TargetState;

/// What a tracker answers for one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// Where the target is or is thought to be, in pixels of the truth's modality.
    pub bbox: Xywh,
    /// Probability 0 to 1 that the target is in view; `None` if the tracker gives none.
    pub presence: Option<f64>,
    /// What the tracker says.
    pub state: TargetState,
}

/// The least overlap with the truth at which a returned target counts as found.
const FOUND: f64 = 0.3;

/// Collects answers of many sequences.
#[derive(Debug, Clone, Default)]
pub struct Presence {
    present: Vec<f64>,
    absent: Vec<f64>,
    present_frames: usize,
    absent_frames: usize,
    dropped: usize,
    held: usize,
    /// Seconds from each return until the target was found; infinite if it never was.
    waits: Vec<f64>,
}

/// How well presence is known. The first frame, where the box is given, does not count.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct PresenceScores {
    /// Frames with the target in view.
    pub present_frames: usize,
    /// Frames without it.
    pub absent_frames: usize,
    /// Probability that a frame with the target has a higher presence than one without it, ties counted half;
    /// `None` if the tracker gives no presence or one kind of frame is missing.
    pub auroc: Option<f64>,
    /// Share of the frames without target that are reported as tracked; `None` if there are none.
    pub false_hold: Option<f64>,
    /// Share of the frames with the target that are not reported as tracked; `None` if there are none.
    pub dropped: Option<f64>,
    /// How often the target came back into view.
    pub returns: usize,
    /// How often of these it was reported as tracked with an overlap of 0.3 or more before it left again.
    pub found_again: usize,
    /// Median of the time from the return until then, seconds, where "never" is longer than any; `None` if the median
    /// is "never" or there were no returns.
    pub find_again_s: Option<f64>,
}

impl Presence {
    /// Adds a sequence from the frame after the given box on: truths (empty: not in view) and answers, a row each,
    /// at `rate` rows a second.
    pub fn add(&mut self, truths: &[Xywh], answers: &[Answer], rate: f64) {
        let mut gone = false;
        // The row at which the target came back, until it is found.
        let mut back: Option<usize> = None;
        for (i, (&truth, answer)) in truths.iter().zip(answers).enumerate() {
            let tracked = answer.state == TargetState::Tracked;
            if truth.is_empty() {
                self.absent_frames += 1;
                self.held += usize::from(tracked);
                self.absent.extend(answer.presence);
                self.waits.extend(back.take().map(|_| f64::INFINITY));
                gone = true;
                continue;
            }
            self.present_frames += 1;
            self.dropped += usize::from(!tracked);
            self.present.extend(answer.presence);
            if gone {
                back = Some(i);
                gone = false;
            }
            if let Some(since) = back
                && tracked
                && Measure::of(answer.bbox, truth).overlap >= FOUND
            {
                self.waits.push((i - since) as f64 / rate);
                back = None;
            }
        }
        self.waits.extend(back.map(|_| f64::INFINITY));
    }

    /// Adds what another one collected.
    pub fn join(&mut self, other: &Self) {
        self.present.extend(&other.present);
        self.absent.extend(&other.absent);
        self.waits.extend(&other.waits);
        self.present_frames += other.present_frames;
        self.absent_frames += other.absent_frames;
        self.dropped += other.dropped;
        self.held += other.held;
    }

    /// The measures.
    pub fn scores(&self) -> PresenceScores {
        let share = |count: usize, of: usize| (of > 0).then(|| count as f64 / of as f64);
        let mut waits = self.waits.clone();
        waits.sort_by(f64::total_cmp);
        PresenceScores {
            present_frames: self.present_frames,
            absent_frames: self.absent_frames,
            auroc: auroc(&self.present, &self.absent),
            false_hold: share(self.held, self.absent_frames),
            dropped: share(self.dropped, self.present_frames),
            returns: waits.len(),
            found_again: waits.iter().filter(|w| w.is_finite()).count(),
            find_again_s: waits.get(waits.len() / 2).copied().filter(|w| w.is_finite()),
        }
    }
}

/// The probability that a value of `high` exceeds one of `low`; equal ones count half (Mann-Whitney).
fn auroc(high: &[f64], low: &[f64]) -> Option<f64> {
    if high.is_empty() || low.is_empty() {
        return None;
    }
    let mut all: Vec<(f64, bool)> = high.iter().map(|v| (*v, true)).chain(low.iter().map(|v| (*v, false))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut wins, mut below) = (0.0, 0usize);
    for equal in all.chunk_by(|a, b| a.0 == b.0) {
        let highs = equal.iter().filter(|v| v.1).count();
        let lows = equal.len() - highs;
        wins += highs as f64 * (below as f64 + lows as f64 / 2.0);
        below += lows;
    }
    Some(wins / (high.len() as f64 * low.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Xywh = Xywh::new(10.0, 10.0, 8.0, 8.0);
    const GONE: Xywh = Xywh::new(0.0, 0.0, 0.0, 0.0);

    fn answer(presence: f64, x: f64) -> Answer {
        let state = if presence >= 0.5 { TargetState::Tracked } else { TargetState::Lost };
        Answer { bbox: Xywh { x, ..HERE }, presence: Some(presence), state }
    }

    #[test]
    fn auroc_counts_ties_half() {
        assert_eq!(auroc(&[0.9, 0.8], &[0.1, 0.2]), Some(1.0));
        assert_eq!(auroc(&[0.1], &[0.9, 0.2]), Some(0.0));
        assert_eq!(auroc(&[0.5; 4], &[0.5; 3]), Some(0.5));
        // Pairs: .7>.3, .7=.7 (half), .2<.3, .2<.7.
        assert_eq!(auroc(&[0.7, 0.2], &[0.3, 0.7]), Some(1.5 / 4.0));
        assert_eq!((auroc(&[], &[0.1]), auroc(&[0.1], &[])), (None, None));
    }

    #[test]
    fn holds_drops_and_returns_are_counted() {
        let mut p = Presence::default();
        let truths = [HERE, HERE, GONE, GONE, HERE, HERE, HERE, HERE];
        let answers = [
            answer(0.9, 10.0),
            answer(0.4, 10.0), // dropped
            answer(0.8, 10.0), // held
            answer(0.1, 10.0),
            answer(0.1, 10.0),  // dropped
            answer(0.6, 100.0), // tracked, but not the target
            answer(0.7, 11.0),
            answer(0.9, 10.0),
        ];
        p.add(&truths, &answers, 10.0);
        let s = p.scores();
        assert_eq!((s.present_frames, s.absent_frames), (6, 2));
        assert_eq!((s.false_hold, s.dropped), (Some(0.5), Some(2.0 / 6.0)));
        assert_eq!((s.returns, s.found_again, s.find_again_s), (1, 1, Some(0.2)));
        // Above .8: .9 .9; below: .4 .1 .6 .7; above .1: all but .1, which is equal.
        assert_eq!(s.auroc, Some((2.0 + 5.0 + 0.5) / 12.0));
    }

    #[test]
    fn a_target_that_is_never_found_again_waits_for_ever() {
        let mut p = Presence::default();
        let lost = [answer(0.1, 10.0); 5];
        p.add(&[GONE, HERE, GONE, HERE, HERE], &lost, 30.0);
        assert_eq!((p.scores().returns, p.scores().found_again, p.scores().find_again_s), (2, 0, None));
        let mut other = Presence::default();
        for _ in 0..3 {
            other.add(&[GONE, HERE], &[answer(0.1, 10.0), answer(0.9, 10.0)], 30.0);
        }
        p.join(&other);
        let s = p.scores();
        assert_eq!((s.returns, s.found_again, s.find_again_s), (5, 3, Some(0.0)));
        let none = Presence::default().scores();
        assert_eq!((none.auroc, none.false_hold, none.find_again_s, none.returns), (None, None, None, 0));
        // Without presence only states are scored.
        let mut silent = Presence::default();
        silent.add(&[HERE, GONE], &[Answer { presence: None, ..answer(0.9, 10.0) }; 2], 30.0);
        assert_eq!((silent.scores().auroc, silent.scores().false_hold), (None, Some(1.0)));
    }
}
