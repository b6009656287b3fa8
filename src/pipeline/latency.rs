//! Latency histograms with fixed buckets, and frame rates over a sliding window.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::status::LatencySummary;
use crate::units::Nanos;

/// Linear buckets per octave: a quantile is at most 1/8 too high.
const STEPS: u64 = 8;
/// log2 of [`STEPS`].
const STEP_BITS: u32 = 3;
/// Durations of 2^27 µs (134 s) or more fall into the last bucket.
const OCTAVES: u32 = 27;
const BUCKETS: usize = ((OCTAVES - STEP_BITS + 1) as u64 * STEPS) as usize;
/// The octaves that [`Distribution::cumulative`] reports: from 2^6 µs (64 µs) to 2^23 µs (8.4 s).
const REPORTED: std::ops::RangeInclusive<u32> = 6..=23;

fn bucket(us: u64) -> usize {
    let us = us.min((1u64 << OCTAVES) - 1);
    if us < STEPS {
        return us as usize;
    }
    let octave = us.ilog2();
    let step = (us >> (octave - STEP_BITS)) & (STEPS - 1);
    ((u64::from(octave - STEP_BITS) + 1) * STEPS + step) as usize
}

/// The longest duration that falls into bucket `i`, µs.
fn upper_us(i: usize) -> u64 {
    let (octave, step) = (i as u64 / STEPS, i as u64 % STEPS);
    if octave == 0 { step } else { ((STEPS + step + 1) << (octave - 1)) - 1 }
}

/// A histogram of durations that one thread fills and any thread reads. Never allocates.
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
    max_us: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], sum_us: AtomicU64::new(0), max_us: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// Adds one duration, µs.
    pub fn add(&self, us: u64) {
        self.buckets[bucket(us)].fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
        self.max_us.fetch_max(us, Relaxed);
    }

    /// The durations added so far.
    pub fn read(&self) -> Distribution {
        let mut buckets = [0; BUCKETS];
        for (to, from) in buckets.iter_mut().zip(&self.buckets) {
            *to = from.load(Relaxed);
        }
        Distribution { buckets, sum_us: self.sum_us.load(Relaxed), max_us: self.max_us.load(Relaxed) }
    }
}

/// A [`Histogram`] at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    buckets: [u64; BUCKETS],
    /// Sum of all durations, µs.
    pub sum_us: u64,
    /// The longest, µs.
    pub max_us: u64,
}

impl Distribution {
    /// Number of durations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The duration that a share `q` (0 to 1) of all durations does not exceed, µs, at most 1/8 too high;
    /// 0 if there are none.
    pub fn quantile_us(&self, q: f64) -> u64 {
        let rank = ((self.count() as f64 * q).ceil() as u64).max(1);
        let mut seen = 0;
        for (i, n) in self.buckets.iter().enumerate() {
            seen += n;
            if seen >= rank {
                return upper_us(i).min(self.max_us);
            }
        }
        0
    }

    /// Pairs of (upper bound in µs, durations below it), rising by powers of two from 64 µs to 8.4 s: the
    /// `le` buckets of a Prometheus histogram. The caller adds `+Inf` ([`Self::count`]).
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut seen = self.buckets[..bucket(1u64 << REPORTED.start())].iter().sum::<u64>();
        REPORTED.map(move |octave| {
            let at = (octave, seen);
            let from = bucket(1u64 << octave);
            seen += self.buckets[from..from + STEPS as usize].iter().sum::<u64>();
            (1u64 << at.0, at.1)
        })
    }

    /// The published summary.
    pub fn summary(&self) -> LatencySummary {
        let count = self.count();
        let known = |us| (count > 0).then_some(us);
        LatencySummary {
            count,
            sum_us: self.sum_us,
            p50_us: known(self.quantile_us(0.50)),
            p99_us: known(self.quantile_us(0.99)),
            max_us: known(self.max_us),
            buckets: self.cumulative().collect(),
        }
    }
}

/// Marks kept for a rate; above 100 per second the window is shorter than [`WINDOW`].
const MARKS: usize = 512;
/// The sliding window of a rate.
pub const WINDOW: Duration = Duration::from_secs(5);

/// The rate of an event over the last five seconds. One thread marks, any thread reads.
#[derive(Debug)]
pub struct Rate {
    marks: [AtomicU64; MARKS],
    count: AtomicU64,
}

impl Default for Rate {
    fn default() -> Self {
        Self { marks: [const { AtomicU64::new(0) }; MARKS], count: AtomicU64::new(0) }
    }
}

impl Rate {
    /// Records an event at `now`.
    pub fn mark(&self, now: Nanos) {
        let n = self.count.load(Relaxed);
        self.marks[n as usize % MARKS].store(now.0, Relaxed);
        self.count.store(n + 1, Relaxed);
    }

    /// Events per second in the window that ends `now`; 0 if it contains fewer than two.
    pub fn per_second(&self, now: Nanos) -> f32 {
        let n = self.count.load(Relaxed);
        let (mut first, mut last, mut seen) = (u64::MAX, 0u64, 0u32);
        // The oldest mark may be overwritten while it is read, so it is skipped.
        for i in n.saturating_sub(MARKS as u64 - 1)..n {
            let mark = self.marks[i as usize % MARKS].load(Relaxed);
            if now.since(Nanos(mark)) <= WINDOW {
                (first, last, seen) = (first.min(mark), last.max(mark), seen + 1);
            }
        }
        if seen < 2 || last <= first {
            return 0.0;
        }
        (f64::from(seen - 1) * 1e9 / (last - first) as f64) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_tile_the_whole_range() {
        let mut next = 0;
        for i in 0..BUCKETS {
            assert_eq!(bucket(next), i);
            assert_eq!(bucket(upper_us(i)), i);
            next = upper_us(i) + 1;
        }
        assert_eq!(next, 1u64 << OCTAVES);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn an_empty_histogram_has_no_quantiles() {
        let summary = Histogram::default().read().summary();
        assert_eq!((summary.count, summary.sum_us, summary.mean_us()), (0, 0, 0));
        assert_eq!((summary.p50_us, summary.p99_us, summary.max_us), (None, None, None));
        assert!(summary.buckets.iter().all(|&(_, below)| below == 0));
    }

    proptest! {
        #[test]
        fn figures_agree_with_sorting(mut us in prop::collection::vec(0u64..20_000_000, 1..200)) {
            let histogram = Histogram::default();
            us.iter().for_each(|&us| histogram.add(us));
            us.sort_unstable();
            let d = histogram.read();
            for q in [0.0, 0.5, 0.9, 0.99, 1.0] {
                let rank = ((us.len() as f64 * q).ceil() as usize).max(1);
                let (exact, got) = (us[rank - 1], d.quantile_us(q));
                prop_assert!(got >= exact && got <= exact + exact / 8, "{q}: {exact} {got}");
            }
            prop_assert_eq!((d.count(), d.max_us), (us.len() as u64, us[us.len() - 1]));
            prop_assert_eq!(d.summary().mean_us(), us.iter().sum::<u64>() / us.len() as u64);
            for (bound, below) in d.cumulative() {
                prop_assert_eq!(below, us.iter().filter(|&&us| us < bound).count() as u64);
            }
        }
    }

    #[test]
    fn reported_bounds_are_the_powers_of_two() {
        let bounds: Vec<u64> = Histogram::default().read().cumulative().map(|(bound, _)| bound).collect();
        assert_eq!((bounds.len(), bounds[0], bounds[17]), (18, 64, 8_388_608));
    }

    #[test]
    fn a_rate_forgets_what_left_the_window() {
        let rate = Rate::default();
        let second = Duration::from_secs(1);
        assert_eq!(rate.per_second(Nanos(0)), 0.0);
        let mut now = Nanos(0);
        for _ in 0..2_000 {
            now = now + second / 200;
            rate.mark(now);
        }
        assert!((rate.per_second(now) - 200.0).abs() < 0.5, "{}", rate.per_second(now));
        for _ in 0..60 {
            now = now + second / 9;
            rate.mark(now);
        }
        assert!((rate.per_second(now) - 9.0).abs() < 0.1, "{}", rate.per_second(now));
        assert_eq!(rate.per_second(now + WINDOW + second), 0.0);
    }
}
