//! Precision, normalised precision and success of a sequence by threshold, and their means over sequences.

use serde::Serialize;

use super::measure::{Measure, Xywh};
use super::rules::Rule;

/// Thresholds of both precision curves: 0 to 50 px (GTOT: 0 to 25), and 0 to 0.5 of the target's size.
const PRECISION: usize = 51;
/// Thresholds of the success curve: overlaps from 0 to 1.
const SUCCESS: usize = 21;
/// The threshold of the normalised precision that is published, in hundredths of the target's size.
const NORMALISED: usize = 20;

impl Rule {
    /// The curves of one sequence. `truths` are rows of one or two truths (an empty box: no target), `results` has a
    /// row for each. Only the first of two truths counts under `plain` and `single`, and only rows that `counts` tells.
    pub fn curves(self, truths: &[Vec<Xywh>], results: &[Xywh], counts: impl Fn(usize) -> bool) -> Curves {
        let mut curves = Curves::default();
        let Some(first) = truths.first().and_then(|truths| truths.first()) else { return curves };
        let mut last = *first;
        for (i, (&result, truths)) in results.iter().zip(truths).enumerate() {
            if i > 0 && !result.is_empty() {
                last = result;
            }
            if counts(i)
                && let Some(measure) = self.measure(last, truths)
            {
                curves.add(measure, self);
            }
        }
        curves
    }
}

/// Frames of one sequence that pass each threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    /// Frames that count.
    pub frames: usize,
    precision: [usize; PRECISION],
    normalised: [usize; PRECISION],
    success: [usize; SUCCESS],
}

impl Default for Curves {
    fn default() -> Self {
        Self { frames: 0, precision: [0; PRECISION], normalised: [0; PRECISION], success: [0; SUCCESS] }
    }
}

impl Curves {
    /// Adds a frame.
    pub(super) fn add(&mut self, measure: Measure, rule: Rule) {
        self.frames += 1;
        for (i, count) in self.precision.iter_mut().enumerate() {
            let limit = i as f64 * rule.pixels();
            let inside = if rule == Rule::Gtot { measure.distance < limit } else { measure.distance <= limit };
            *count += usize::from(inside);
        }
        for (i, count) in self.normalised.iter_mut().enumerate() {
            *count += usize::from(measure.normalised <= i as f64 / 100.0);
        }
        for (i, count) in self.success.iter_mut().enumerate() {
            *count += usize::from(measure.overlap > i as f64 * 0.05);
        }
    }

    fn join(&mut self, other: &Self) {
        self.frames += other.frames;
        let add = |into: &mut [usize], from: &[usize]| into.iter_mut().zip(from).for_each(|(a, b)| *a += b);
        add(&mut self.precision, &other.precision);
        add(&mut self.normalised, &other.normalised);
        add(&mut self.success, &other.success);
    }

    fn share(&self, count: usize) -> f64 {
        count as f64 / self.frames.max(1) as f64
    }

    /// Share of frames whose distance is at most (GTOT: less than) `pixels`, a threshold of the curve.
    pub fn share_within(&self, rule: Rule, pixels: f64) -> f64 {
        let at = (pixels / rule.pixels()).round() as usize;
        self.share(self.precision[at.min(PRECISION - 1)])
    }

    /// Share of frames whose distance is at most 0.2 of the target's size.
    pub fn normalised_precision(&self) -> f64 {
        self.share(self.normalised[NORMALISED])
    }

    /// Mean of the success curve; under `gtot` the area under it.
    pub fn success_rate(&self, rule: Rule) -> f64 {
        let sum: usize = self.success.iter().sum();
        if rule == Rule::Gtot {
            let ends = self.success[0] + self.success[SUCCESS - 1];
            return (self.share(sum) - self.share(ends) / 2.0) / (SUCCESS - 1) as f64;
        }
        self.share(sum) / SUCCESS as f64
    }
}

/// Scores of a sequence or a set, shares 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scores {
    /// Sequences with frames that count.
    pub sequences: usize,
    /// Frames that count.
    pub frames: usize,
    /// PR (two truths: MPR): share of frames with the centre within 20 px.
    pub pr: f64,
    /// The same within 5 px, for small targets, and GTOT's own figure.
    pub pr_5: f64,
    /// NPR: within 0.2 of the target's size.
    pub npr: f64,
    /// SR (two truths: MSR): mean share of frames above 21 overlaps, 0 to 1.
    pub sr: f64,
    /// Share of frames within 0 to 50 px in 51 steps; GTOT: 0 to 25 px.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub precision: Vec<f64>,
    /// Share of frames within 0 to 0.5 of the target's size in 51 steps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub normalised_precision: Vec<f64>,
    /// Share of frames above the overlaps 0 to 1 in 21 steps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub success: Vec<f64>,
}

impl Scores {
    /// Mean over sequences (GTOT: over all frames); those without a frame that counts are left out.
    pub fn mean<'a>(rule: Rule, sequences: impl Iterator<Item = &'a Curves>) -> Self {
        let mut all: Vec<Curves> = sequences.filter(|c| c.frames > 0).cloned().collect();
        let (count, frames) = (all.len(), all.iter().map(|c| c.frames).sum());
        if rule.pools() {
            let mut pooled = Curves::default();
            all.iter().for_each(|c| pooled.join(c));
            all = vec![pooled];
        }
        let mean = |of: &dyn Fn(&Curves) -> f64| all.iter().map(of).sum::<f64>() / all.len().max(1) as f64;
        Self {
            sequences: count,
            frames,
            pr: mean(&|c| c.share_within(rule, 20.0)),
            pr_5: mean(&|c| c.share_within(rule, 5.0)),
            npr: mean(&Curves::normalised_precision),
            sr: mean(&|c| c.success_rate(rule)),
            precision: (0..PRECISION).map(|i| mean(&|c| c.share(c.precision[i]))).collect(),
            normalised_precision: (0..PRECISION).map(|i| mean(&|c| c.share(c.normalised[i]))).collect(),
            success: (0..SUCCESS).map(|i| mean(&|c| c.share(c.success[i]))).collect(),
        }
    }

    /// The same without the three curves, which then take no room in a report.
    #[must_use]
    pub(super) fn without_curves(self) -> Self {
        Self { precision: Vec::new(), normalised_precision: Vec::new(), success: Vec::new(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(measures: &[[f64; 3]], rule: Rule) -> Curves {
        let mut c = Curves::default();
        for &[distance, normalised, overlap] in measures {
            c.add(Measure { distance, normalised, overlap }, rule);
        }
        c
    }

    #[test]
    fn thresholds_include_distances_and_exclude_overlaps() {
        let c = curves(&[[20.0, 0.2, 0.5], [20.01, 0.2001, 0.0]], Rule::Plain);
        let s = Scores::mean(Rule::Plain, [c].iter());
        assert_eq!((s.pr, s.pr_5, s.npr), (0.5, 0.0, 0.5));
        // 0.5 exceeds the ten thresholds 0 to 0.45 and no more, 0.0 none.
        assert!((s.sr - 10.0 / 21.0 / 2.0).abs() < 1e-12);
        assert_eq!((s.success[9], s.success[10], s.precision[20], s.normalised_precision[19]), (0.5, 0.0, 0.5, 0.0));
        // A perfect overlap does not exceed 1.
        assert_eq!(curves(&[[0.0, 0.0, 1.0]], Rule::Plain).success_rate(Rule::Plain), 20.0 / 21.0);
        assert_eq!(curves(&[[0.0, 0.0, 1.0]], Rule::Gtot).success_rate(Rule::Gtot), 19.5 / 20.0);
    }

    #[test]
    fn sets_are_means_over_sequences_or_over_frames() {
        let good = [[1.0, 0.0, 1.0]; 3];
        let bad = [[100.0, 2.0, 0.0]; 1];
        let (plain, gtot) = (Rule::Plain, Rule::Gtot);
        let all = [curves(&good, plain), curves(&bad, plain), Curves::default()];
        let s = Scores::mean(plain, all.iter());
        assert_eq!((s.sequences, s.frames, s.pr, s.npr), (2, 4, 0.5, 0.5));
        let s = Scores::mean(gtot, [curves(&good, gtot), curves(&bad, gtot)].iter());
        assert_eq!((s.sequences, s.frames, s.pr_5), (2, 4, 0.75));
        assert!((s.sr - 0.75 * 0.975).abs() < 1e-12);
        let none = Scores::mean(plain, [].iter());
        assert_eq!((none.sequences, none.frames, none.sr), (0, 0, 0.0));
    }
}
