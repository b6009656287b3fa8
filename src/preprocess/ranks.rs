//! Percentiles without sorting: values are counted in classes, and only those in the class of the wanted rank
//! are looked at again.

use crate::kernels::Kernels;

/// Classes between the least and the greatest value.
const CLASSES: usize = 256;
/// Classes that are looked through at once.
const CHUNK: usize = 32;
/// So few values are sorted as they are.
const FEW: usize = 64;
/// Times that a class is divided again before its values are sorted as they are.
const DIVISIONS: usize = 3;

/// Finds order statistics; holds the memory for it.
#[derive(Debug, Default)]
pub(super) struct Ranks {
    samples: Vec<f32>,
    classes: Vec<u8>,
    near: Vec<f32>,
    near_classes: Vec<u8>,
}

impl Ranks {
    /// Of every second row and column of `values` (rows of `width`, no NaN), the samples number
    /// `floor(p (n - 1) + 0.5)` in sorted order for the percentiles `p` (0 to 100); zeros where there are none.
    pub fn percentiles(&mut self, kernels: &Kernels, values: &[f32], width: usize, percentiles: [f32; 2]) -> [f32; 2] {
        let rows = values.len().checked_div(width).unwrap_or(0);
        self.samples.resize(rows.div_ceil(2) * width.div_ceil(2), 0.0);
        let count = kernels.thin(values, width, &mut self.samples);
        let Some(last) = count.checked_sub(1) else { return [0.0; 2] };
        let ranks = percentiles.map(|p| ((f64::from(p) / 100.0 * last as f64 + 0.5) as usize).min(last));
        self.classes.resize(count, 0);
        self.near_classes.resize(count, 0);
        self.near.clear();
        self.near.reserve(count);
        self.pick(kernels, ranks)
    }

    /// The samples of these ranks, which exist.
    fn pick(&mut self, kernels: &Kernels, ranks: [usize; 2]) -> [f32; 2] {
        let Some(counts) = divide(kernels, &self.samples, &mut self.classes) else { return [self.samples[0]; 2] };
        ranks.map(|rank| {
            let (class, before) = place(&counts, rank);
            self.near.clear();
            for at in (0..self.samples.len()).step_by(CHUNK) {
                let end = (at + CHUNK).min(self.samples.len());
                let classes = &self.classes[at..end];
                // Most chunks hold none: all of a chunk are tested at once.
                if classes.iter().fold(false, |any, c| any | (*c == class)) {
                    for (value, c) in self.samples[at..end].iter().zip(classes) {
                        if *c == class {
                            self.near.push(*value);
                        }
                    }
                }
            }
            self.nth(kernels, rank - before)
        })
    }

    /// The value of this rank among those near it. Reorders them; the classes of the samples stay.
    fn nth(&mut self, kernels: &Kernels, mut rank: usize) -> f32 {
        for _ in 0..DIVISIONS {
            if self.near.len() <= FEW {
                break;
            }
            let Some(counts) = divide(kernels, &self.near, &mut self.near_classes) else { break };
            let (class, before) = place(&counts, rank);
            let mut classes = self.near_classes.iter();
            self.near.retain(|_| classes.next() == Some(&class));
            rank -= before;
        }
        let last = self.near.len().saturating_sub(1);
        *self.near.select_nth_unstable_by(rank.min(last), f32::total_cmp).1
    }
}

/// Values per class.
type Counts = [u32; CLASSES];

/// Puts each value in one of equally wide classes; `None` where all values are the same.
fn divide(kernels: &Kernels, values: &[f32], classes: &mut [u8]) -> Option<Counts> {
    let [low, high] = kernels.bounds(values);
    if !(low < high) {
        return None;
    }
    kernels.classes(values, low, (CLASSES - 1) as f32 / (high - low), classes);
    // Four counts side by side: neighbouring values are often of one class, and would wait for one another.
    let mut parts = [[0u32; CLASSES]; 4];
    let classes = &classes[..values.len()];
    let (quads, rest) = classes.as_chunks::<4>();
    let [p, q, r, t] = &mut parts;
    for &[a, b, c, d] in quads {
        p[usize::from(a)] += 1;
        q[usize::from(b)] += 1;
        r[usize::from(c)] += 1;
        t[usize::from(d)] += 1;
    }
    for class in rest {
        p[usize::from(*class)] += 1;
    }
    for i in 0..CLASSES {
        p[i] += q[i] + r[i] + t[i];
    }
    Some(parts[0])
}

/// The class of the value of this rank, and how many values are in the classes below.
fn place(counts: &Counts, rank: usize) -> (u8, usize) {
    let mut before = 0;
    for (class, count) in (0..=u8::MAX).zip(counts) {
        let next = before + *count as usize;
        if next > rank {
            return (class, before);
        }
        before = next;
    }
    (u8::MAX, before)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels;

    fn sorted(values: &[f32], width: usize, percentiles: [f32; 2]) -> [f32; 2] {
        let rows = values.chunks_exact(width).step_by(2);
        let mut samples: Vec<f32> = rows.flat_map(|row| row.iter().step_by(2).copied()).collect();
        samples.sort_by(f32::total_cmp);
        percentiles.map(|p| samples[(f64::from(p) / 100.0 * (samples.len() - 1) as f64 + 0.5) as usize])
    }

    fn check(values: &[f32], width: usize, percentiles: [f32; 2]) {
        let want = sorted(values, width, percentiles);
        for kernels in kernels::available() {
            let got = Ranks::default().percentiles(kernels, values, width, percentiles);
            assert_eq!(got, want, "{}, {} values in rows of {width}", kernels.name(), values.len());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

        #[test]
        fn percentiles_are_those_of_the_sorted_samples(
            width in 1..70usize,
            rows in 1..60usize,
            // From a flat picture to one with a few wild values.
            (spread, wild) in (0..6u32, 0..3usize),
            seed in any::<u64>(),
            low in 0.0f32..60.0,
        ) {
            let mut state = seed | 1;
            let mut next = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 40) as f32 / (1 << 24) as f32
            };
            let scale = 10f32.powi(spread as i32 - 1);
            let mut values: Vec<f32> = (0..width * rows).map(|_| 29_000.0 + (next() * scale).floor()).collect();
            for _ in 0..wild {
                let at = (next() * values.len() as f32) as usize;
                values[at] = if next() < 0.5 { 0.0 } else { 65_535.0 };
            }
            check(&values, width, [low, 100.0 - low / 2.0]);
        }
    }

    #[test]
    fn hostile_distributions_are_still_exact() {
        // Each division takes only the largest value off.
        let steep: Vec<f32> = (0..96 * 96).map(|i| 2f32.powi(-(i % 120)) * 60_000.0).collect();
        check(&steep, 96, [1.0, 99.0]);
        check(&steep, 96, [50.0, 50.0]);
        check(&vec![7.0; 640 * 512], 640, [1.0, 99.0]);
        let tiny = [f32::MIN_POSITIVE / 4.0, 0.0, f32::MIN_POSITIVE / 2.0, 0.0, 0.0];
        check(&tiny.repeat(400), 40, [20.0, 90.0]);
        let empty = Ranks::default().percentiles(kernels::scalar(), &[], 5, [1.0, 99.0]);
        assert_eq!(empty, [0.0; 2]);
        assert_eq!(Ranks::default().percentiles(kernels::scalar(), &[1.0], 0, [1.0, 99.0]), [0.0; 2]);
    }
}
