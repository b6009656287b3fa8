//! Properties of the soft-argmax kernel.

use super::*;

/// Means against their definition, in double precision.
pub(crate) fn means(kernels: &'static Kernels, (rows, columns): (usize, usize), points: usize, seed: u64) {
    let random = values(seed, rows * columns * (1 + SOFT_ARGMAX_VALUES) * points);
    // Logarithms of weights from -100 to 100, and weights of nothing, of which the first cell has none.
    let weigh = |(i, v): (usize, &f32)| match i % (4 * points) < points {
        true if i > points && i % 17 == 0 => f32::NEG_INFINITY,
        true => v * 100.0,
        false => *v,
    };
    let cells: Vec<f32> = random.iter().enumerate().map(weigh).collect();
    let mut got = vec![7.0; SOFT_ARGMAX_VALUES * points + 3];
    kernels.soft_argmax(&cells, (rows, columns), points, &mut got);
    assert_eq!(got[SOFT_ARGMAX_VALUES * points..], [7.0; 3], "beyond the end");
    for p in 0..points {
        let at = |cell: usize, k: usize| f64::from(cells[(cell * 4 + k) * points + p]);
        let all = 0..rows * columns;
        let most = all.clone().map(|c| at(c, 0)).fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = all.clone().map(|c| (at(c, 0) - most).exp()).sum();
        for k in 0..SOFT_ARGMAX_VALUES {
            let centre = |c: usize| match k {
                0 => ((c % columns) as f64 + 0.5) * 2.0 / columns as f64 - 1.0,
                1 => ((c / columns) as f64 + 0.5) * 2.0 / rows as f64 - 1.0,
                _ => 0.0,
            };
            let want: f64 =
                all.clone().map(|c| (at(c, 0) - most).exp() * (at(c, 1 + k) + centre(c))).sum::<f64>() / total;
            let got = got[k * points + p];
            assert!((f64::from(got) - want).abs() < 2e-5, "point {p}, value {k}: {got}, not {want}");
        }
    }
    // What is not finite spoils its point and no other.
    for (k, bad) in [(0, f32::NAN), (0, f32::INFINITY), (1, f32::NAN), (3, f32::INFINITY)] {
        let (mut spoilt, mut means) = (cells.clone(), vec![0.0; SOFT_ARGMAX_VALUES * points]);
        spoilt[k * points + points / 2] = bad;
        // Of the first cell, whose weight is to count.
        spoilt[points / 2] += if k == 0 { 0.0 } else { 300.0 };
        kernels.soft_argmax(&spoilt, (rows, columns), points, &mut means);
        for p in 0..points {
            let finite = (0..SOFT_ARGMAX_VALUES).all(|v| means[v * points + p].is_finite());
            assert_eq!(finite, p != points / 2, "{bad} among values {k}, point {p}");
        }
    }
}
