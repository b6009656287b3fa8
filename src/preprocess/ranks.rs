//! Percentiles without sorting: values are counted in classes, and only those in the class of the wanted rank
//! are examined further.

use crate::kernels::Kernels;

/// Classes between the smallest and the largest value.
const CLASSES: usize = 256;
/// Samples whose classes are tested at once.
const CHUNK: usize = 64;
/// Up to this many values are sorted without further division.
const FEW: usize = 64;
/// Most times that a class is divided again before its values are sorted.
const DIVISIONS: usize = 3;

/// Finds order statistics; holds scratch memory.
#[derive(Debug, Default)]
pub(super) struct Ranks {
    samples: Vec<f32>,
    classes: Vec<u8>,
    near: [Vec<f32>; 2],
    near_classes: Vec<u8>,
}

impl Ranks {
    /// Memory for `count` samples.
    pub fn samples(&mut self, count: usize) -> &mut [f32] {
        self.samples.resize(count, 0.0);
        self.classes.resize(count, 0);
        self.near_classes.resize(count, 0);
        self.near.iter_mut().for_each(|near| near.resize(count, 0.0));
        &mut self.samples
    }

    /// The samples with index `floor(p (n - 1) + 0.5)` in sorted order for the percentiles `p` (0 to 100); zeros if
    /// there are no samples. Samples must not be NaN; `bounds` are the smallest and the largest.
    pub fn percentiles(&mut self, kernels: &Kernels, bounds: [f32; 2], percentiles: [f32; 2]) -> [f32; 2] {
        let Some(last) = self.samples.len().checked_sub(1) else { return [0.0; 2] };
        let ranks = percentiles.map(|p| ((f64::from(p) / 100.0 * last as f64 + 0.5) as usize).min(last));
        let Some(counts) = divide(kernels, &self.samples, bounds, &mut self.classes) else { return [bounds[0]; 2] };
        let places = ranks.map(|rank| place(&counts, rank));
        let counts = self.gather(places.map(|(class, _)| class));
        std::array::from_fn(|i| {
            nth(kernels, &mut self.near[i][..counts[i]], &mut self.near_classes, ranks[i] - places[i].1)
        })
    }

    /// Gathers the samples of two classes; returns how many there are.
    fn gather(&mut self, wanted: [u8; 2]) -> [usize; 2] {
        let near = &mut self.near;
        let [a, b] = wanted;
        let mut counts = [0; 2];
        let mut keep = |which: usize, sample: f32| {
            near[which][counts[which]] = sample;
            counts[which] += 1;
        };
        let (chunks, rest) = self.classes.as_chunks::<CHUNK>();
        let (samples, last) = self.samples.as_chunks::<CHUNK>();
        for (samples, classes) in samples.iter().zip(chunks) {
            // Most chunks hold none, so a chunk is first tested as a whole.
            if !classes.iter().fold(false, |any, c| any | (*c == a) | (*c == b)) {
                continue;
            }
            for (samples, classes) in samples.as_chunks::<8>().0.iter().zip(classes.as_chunks::<8>().0) {
                for (which, class) in wanted.into_iter().enumerate() {
                    let mut hits = equal(*classes, class);
                    while hits != 0 {
                        keep(which, samples[hits.trailing_zeros() as usize / 8]);
                        hits &= hits - 1;
                    }
                }
            }
        }
        for (sample, class) in last.iter().zip(rest) {
            for which in (0..2).filter(|&i| wanted[i] == *class) {
                keep(which, *sample);
            }
        }
        counts
    }
}

/// Sets the highest bit of each byte that equals `class`; the first byte is the lowest.
fn equal(bytes: [u8; 8], class: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let x = u64::from_le_bytes(bytes) ^ u64::from_le_bytes([class; 8]);
    // The sum carries into the highest bit of every byte whose lower bits are not zero, and no further.
    !(((x & LOW) + LOW) | x | LOW)
}

/// The value of this rank. Reorders `values`.
fn nth(kernels: &Kernels, mut values: &mut [f32], classes: &mut [u8], mut rank: usize) -> f32 {
    for _ in 0..DIVISIONS {
        if values.len() <= FEW {
            break;
        }
        let Some(counts) = divide(kernels, values, kernels.min_max(values), classes) else { break };
        let (class, before) = place(&counts, rank);
        let mut kept = 0;
        for i in 0..values.len() {
            values[kept] = values[i];
            kept += usize::from(classes[i] == class);
        }
        values = &mut values[..kept];
        rank -= before;
    }
    let last = values.len().saturating_sub(1);
    *values.select_nth_unstable_by(rank.min(last), f32::total_cmp).1
}

/// Values per class.
type Counts = [u32; CLASSES];

/// Puts each value in one of equally wide classes between the smallest and the largest; `None` if all are the same.
fn divide(kernels: &Kernels, values: &[f32], [low, high]: [f32; 2], classes: &mut [u8]) -> Option<Counts> {
    if !(low < high) {
        return None;
    }
    kernels.bin(values, low, (CLASSES - 1) as f32 / (high - low), classes);
    // Four separate counts: neighbouring values often share a class, and would wait for each other.
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
    use crate::kernels::{self, subsampled_len};

    fn sorted(values: &[f32], width: usize, percentiles: [f32; 2]) -> [f32; 2] {
        let rows = values.chunks_exact(width).step_by(2);
        let mut samples: Vec<f32> = rows.flat_map(|row| row.iter().step_by(2).copied()).collect();
        samples.sort_by(f32::total_cmp);
        percentiles.map(|p| samples[(f64::from(p) / 100.0 * (samples.len() - 1) as f64 + 0.5) as usize])
    }

    fn check(values: &[f32], width: usize, percentiles: [f32; 2]) {
        let want = sorted(values, width, percentiles);
        for kernels in kernels::available() {
            let mut ranks = Ranks::default();
            let bounds = kernels.subsample(values, width, ranks.samples(subsampled_len(width, values.len() / width)));
            let got = ranks.percentiles(kernels, bounds, percentiles);
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
        let none = Ranks::default().percentiles(kernels::scalar(), [f32::INFINITY, f32::NEG_INFINITY], [1.0, 99.0]);
        assert_eq!(none, [0.0; 2]);
    }
}
