//! Means, and means by bins of another quantity.

use serde::Serialize;

/// Upper limits of the face sizes (square root of the box area, pixels) of the reported bins.
pub const SIZES: [f32; 7] = [12.0, 16.0, 24.0, 32.0, 48.0, 96.0, f32::INFINITY];

/// Upper limits of the shares of hidden points of the reported bins.
pub const SHARES: [f32; 4] = [0.05, 0.2, 0.4, f32::INFINITY];

/// Mean of a quantity with the number of its samples.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Mean {
    /// Mean; 0 for no samples.
    pub mean: f64,
    /// Number of samples.
    pub count: usize,
}

impl Mean {
    /// Adds a sample.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.mean += (value - self.mean) / self.count as f64;
    }
}

/// Lower and upper limit of each bin (the last has no upper limit), and its mean.
pub type Table = Vec<(f32, Option<f32>, Mean)>;

/// Means by bins of another quantity.
#[derive(Debug)]
pub struct Bins<const N: usize> {
    limits: [f32; N],
    means: [Mean; N],
}

impl<const N: usize> Bins<N> {
    /// Empty bins with these upper limits, in rising order; the last one is infinite.
    pub fn new(limits: [f32; N]) -> Self {
        Self { limits, means: [Mean::default(); N] }
    }

    /// Adds a sample to the bin of `by`.
    pub fn add(&mut self, by: f32, value: f64) {
        let at = self.limits.iter().position(|&limit| by < limit).unwrap_or(N - 1);
        self.means[at].add(value);
    }

    /// Number of samples in all bins.
    pub fn count(&self) -> usize {
        self.means.iter().map(|m| m.count).sum()
    }

    /// Limits and means of all bins.
    pub fn table(&self) -> Table {
        let lower = std::iter::once(0.0).chain(self.limits);
        let upper = self.limits.into_iter().map(|limit| Some(limit).filter(|l| l.is_finite()));
        lower.zip(upper).zip(self.means).map(|((low, high), mean)| (low, high, mean)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_fall_into_the_bin_below_the_limit_that_they_do_not_reach() {
        let mut bins = Bins::new([1.0, 2.0, f32::INFINITY]);
        for (by, value) in [(0.5, 1.0), (1.0, 2.0), (1.9, 4.0), (2.0, 5.0), (1e9, 7.0), (f32::NAN, 9.0)] {
            bins.add(by, value);
        }
        let mean = |mean, count| Mean { mean, count };
        let want = vec![(0.0, Some(1.0), mean(1.0, 1)), (1.0, Some(2.0), mean(3.0, 2)), (2.0, None, mean(7.0, 3))];
        assert_eq!((bins.table(), bins.count()), (want, 6));
    }
}
