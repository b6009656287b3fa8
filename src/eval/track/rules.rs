//! The rules by which the field scores one pass over a sequence (OPE), and ours.
//!
//! | rule | sets | truth | frames without target | distance | mean over |
//! |---|---|---|---|---|---|
//! | `plain` | our own, clips, pairs | one | left out | <= 20 px, and <= 5 px | sequences |
//! | `single` | LasHeR, RGBT210 | one | precise and without overlap, as the sets' tools count them | <= 20 px | sequences |
//! | `better` | RGBT234, VTUAV | two, per frame the better (MPR, MSR) | as `single` | <= 20 px | sequences |
//! | `gtot` | GTOT | two, per frame the better | as `single` | < 5 px | frames; the area under the success curve by trapezoids |
//!
//! Everywhere: the first frame counts as found; a result with a width or height of 0 or less repeats the one before;
//! the success rate is the mean share of frames whose overlap exceeds each of 21 thresholds from 0 to 1. `single`,
//! `better` and `gtot` round results to whole pixels, as the public toolkit `rgbt` 1.0.1 does.

use serde::Serialize;

use super::measure::{Measure, Xywh};

/// How results are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Our own: frames without the target are left out, presence is scored in them.
    Plain,
    /// LasHeR and RGBT210.
    Single,
    /// RGBT234 and VTUAV.
    Better,
    /// GTOT.
    Gtot,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 4] = [Rule::Plain, Rule::Single, Rule::Better, Rule::Gtot];

    /// As in `--rule`.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Plain => "plain",
            Rule::Single => "single",
            Rule::Better => "better",
            Rule::Gtot => "gtot",
        }
    }

    /// Whether results are rounded to whole pixels.
    pub fn rounds(self) -> bool {
        self != Rule::Plain
    }

    /// Whether scores are means over all frames instead of means over sequences.
    pub(super) fn pools(self) -> bool {
        self == Rule::Gtot
    }

    /// Pixels from one threshold of the precision curve to the next.
    pub(super) fn pixels(self) -> f64 {
        if self == Rule::Gtot { 0.5 } else { 1.0 }
    }

    /// `None` for a frame that is left out.
    pub(super) fn measure(self, result: Xywh, truths: &[Xywh]) -> Option<Measure> {
        let count = if matches!(self, Rule::Plain | Rule::Single) { 1 } else { truths.len() };
        truths.iter().take(count).filter_map(|&truth| self.against(result, truth)).reduce(Measure::better)
    }

    fn against(self, result: Xywh, truth: Xywh) -> Option<Measure> {
        match self {
            Rule::Plain => (!truth.is_empty()).then(|| Measure::of(result, truth)),
            // LasHeR's tool wants all four values above 0: a box at the left or upper edge fails too.
            Rule::Single if [truth.x, truth.y, truth.w, truth.h].iter().any(|v| *v <= 0.0) => Some(Measure::UNUSABLE),
            _ if truth.is_empty() => Some(Measure::UNUSABLE),
            _ => Some(Measure::of(result, truth)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::track::curves::Curves;

    const A: Xywh = Xywh::new(10.0, 10.0, 20.0, 20.0);

    fn one(truths: &[Xywh]) -> Vec<Vec<Xywh>> {
        truths.iter().map(|t| vec![*t]).collect()
    }

    fn curves(rule: Rule, truths: &[Vec<Xywh>], results: &[Xywh]) -> Curves {
        rule.curves(truths, results, |_| true)
    }

    fn at(x: f64) -> Xywh {
        Xywh { x, ..A }
    }

    #[test]
    fn the_first_frame_is_given_and_an_empty_result_repeats() {
        let truths = one(&[A, A, A, A]);
        let results = [at(900.0), at(14.0), Xywh::default(), at(500.0)];
        for rule in Rule::ALL {
            let c = curves(rule, &truths, &results);
            assert_eq!(c.frames, 4);
            // Distances 0, 4, 4, 490.
            assert_eq!((c.share_within(rule, 5.0), c.share_within(rule, 3.0)), (0.75, 0.25), "{rule:?}");
        }
        // Never a result: the given box stays.
        let c = curves(Rule::Plain, &truths, &[Xywh::default(); 4]);
        assert_eq!(c.share_within(Rule::Plain, 0.0), 1.0);
        assert_eq!(curves(Rule::Plain, &[], &[]).frames, 0);
    }

    #[test]
    fn frames_without_target_are_left_out_by_us_and_counted_by_the_field() {
        let truths = one(&[A, Xywh::default(), Xywh { x: 0.0, ..A }, A]);
        let results = [A, at(300.0), at(10.0), at(500.0)];
        let c = curves(Rule::Plain, &truths, &results);
        // Distances 0, 10, 490.
        assert_eq!((c.frames, c.share_within(Rule::Plain, 20.0)), (3, 2.0 / 3.0));
        let c = curves(Rule::Single, &truths, &results);
        assert_eq!((c.frames, c.share_within(Rule::Single, 20.0)), (4, 0.75), "no target and the edge: precise");
        assert!((c.success_rate(Rule::Single) - 0.25 * 20.0 / 21.0).abs() < 1e-12, "{c:?}");
        let c = curves(Rule::Better, &truths, &results);
        assert_eq!(c.share_within(Rule::Better, 0.0), 0.5, "the edge is a box like others");
    }

    #[test]
    fn of_two_truths_the_better_counts() {
        let truths = vec![vec![A, at(40.0)]; 2];
        let results = [A, at(43.0)];
        assert_eq!(curves(Rule::Better, &truths, &results).share_within(Rule::Better, 3.0), 1.0);
        assert_eq!(curves(Rule::Single, &truths, &results).share_within(Rule::Single, 3.0), 0.5);
        // GTOT: less than 5, not 5.
        let within = |x| curves(Rule::Gtot, &truths, &[A, at(x)]).share_within(Rule::Gtot, 5.0);
        assert_eq!((within(45.0), within(44.5)), (0.5, 1.0));
        assert_eq!(curves(Rule::Single, &truths, &[A, at(15.0)]).share_within(Rule::Single, 5.0), 1.0);
    }
}
