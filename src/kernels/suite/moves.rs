//! Properties of the kernels that choose, copy and mix values.

use super::*;

pub(crate) fn pooling(kernels: &'static Kernels, case: &Case) {
    let Some((h, w)) = case.output() else { return };
    let input = planes(case.seed, case.co, case.h, case.w);
    let (from, to) = (case.map(kernels, case.co, case.h, case.w), padded(kernels, case.co, h, w));
    for pooling in [Pooling::Max, Pooling::Mean, Pooling::Sum(0.25)] {
        let layer = Pool::pack(kernels, from, to, case.window, pooling).unwrap();
        let mut output = empty(&to);
        layer.run(&load(&from, &input), &mut output);
        for (i, got) in store(&to, &output).iter().enumerate() {
            let at = (i / (h * w), i / w % h, i % w);
            let want = naive::pool(&input, &case.window, pooling, at);
            assert!(want.allows(*got), "{pooling:?} at {at:?}: {got}, not {want:?}");
        }
    }
}

pub(crate) fn pointwise(kernels: &'static Kernels, case: &Case) {
    let input = planes(case.seed, case.co, case.h, case.w);
    let (from, to) = (padded(kernels, case.co, case.h, case.w), padded(kernels, case.co, case.h, case.w));
    let (mut after, other, beside) = case.after(kernels, case.h, case.w);
    if case.tight && other.is_none() {
        after.activation = Activation::Sigmoid;
    }
    let scale = if case.tight { vec![] } else { values(case.seed ^ 4, case.co) };
    let layer = Elementwise::pack(kernels, from, to, &scale, after.clone()).unwrap();
    let mut output = empty(&to);
    layer.run(&load(&from, &input), other.as_ref().map(|_| &beside[..]), &mut output);
    case.check(&to, &store(&to, &output), &after, &other, |c, y, x| {
        let v = f64::from(input.v[(c * case.h + y) * case.w + x]) * scale.get(c).map_or(1.0, |s| f64::from(*s));
        let shift = f64::from(after.bias[c]);
        naive::Exact { value: v + shift, magnitude: v.abs() + shift.abs() + 1.0, terms: 4 }
    });
}

/// Two maps side by side in a wider one, enlarged on the way: each leaves the other's channels alone.
pub(crate) fn replication(kernels: &'static Kernels, case: &Case) {
    let wide = padded(kernels, case.ci + case.co, 2 * case.h, 3 * case.w);
    let mut output = empty(&wide);
    let parts = [(0, case.ci, 5), (case.ci, case.co, 6)];
    for (first, count, salt) in parts.into_iter().rev() {
        let from = padded(kernels, count, case.h, case.w);
        let layer = Replicate::pack(kernels, from, wide.slice(first, count), [2, 3], Epilogue::default()).unwrap();
        layer.run(&load(&from, &planes(case.seed ^ salt, count, case.h, case.w)), None, &mut output);
    }
    let got = store(&wide, &output);
    for (first, count, salt) in parts {
        let input = planes(case.seed ^ salt, count, case.h, case.w);
        for (i, v) in got[first * wide.h * wide.w..][..count * wide.h * wide.w].iter().enumerate() {
            let (c, y, x) = (i / (wide.h * wide.w), i / wide.w % wide.h, i % wide.w);
            assert_eq!(Some(*v), input.at(c, (y / 2) as isize, (x / 3) as isize));
        }
    }
}

/// Enlarged, with what follows: bias, activation, a second map.
pub(crate) fn enlargement(kernels: &'static Kernels, case: &Case) {
    let factor = [[2, 2], [1, 3], [3, 2]][case.ci % 3];
    let (h, w) = (case.h * factor[0], case.w * factor[1]);
    let input = planes(case.seed, case.co, case.h, case.w);
    let (from, to) = (padded(kernels, case.co, case.h, case.w), padded(kernels, case.co, h, w));
    let (after, other, beside) = case.after(kernels, h, w);
    let layer = Replicate::pack(kernels, from, to, factor, after.clone()).unwrap();
    let mut output = empty(&to);
    layer.run(&load(&from, &input), other.as_ref().map(|_| &beside[..]), &mut output);
    case.check(&to, &store(&to, &output), &after, &other, |c, y, x| {
        let v = f64::from(input.at(c, (y / factor[0]) as isize, (x / factor[1]) as isize).unwrap_or(0.0));
        let shift = f64::from(after.bias[c]);
        naive::Exact { value: v + shift, magnitude: v.abs() + shift.abs(), terms: 2 }
    });
}

/// Interpolation of a map to another size, of rows and columns that lie anywhere.
pub(crate) fn interpolation(kernels: &'static Kernels, case: &Case) {
    let (h, w) = (case.h * 2, case.w + case.ci);
    let input = planes(case.seed, case.co, case.h, case.w);
    let (from, to) = (case.map(kernels, case.co, case.h, case.w), padded(kernels, case.co, h, w));
    let between = |salt: u64, count: usize, size: usize| -> Vec<Between> {
        let random = values(case.seed ^ salt, 3 * count);
        let index = |v: f32| ((v * 0.5 + 0.5) * size as f32) as usize % size;
        random
            .as_chunks()
            .0
            .iter()
            .map(|[a, b, p]| (index(*a), index(*b), p.abs()))
            .map(|(first, second, part)| Between { first, second, part })
            .collect()
    };
    let (rows, columns) = (between(7, h, case.h), between(8, w, case.w));
    let layer = Resize::pack(kernels, from, to, rows.clone(), columns.clone()).unwrap();
    let mut output = empty(&to);
    layer.run(&load(&from, &input), &mut output);
    for (i, got) in store(&to, &output).iter().enumerate() {
        let at = (i / (h * w), i / w % h, i % w);
        let want = naive::interpolate(&input, at.0, &rows[at.1], &columns[at.2]);
        assert!(want.allows(*got), "at {at:?}: {got}, not {want:?}");
    }
}
