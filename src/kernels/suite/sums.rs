//! Properties of the kernels that multiply and add.

use super::*;

pub(crate) fn dense(kernels: &'static Kernels, case: &Case) {
    let Some((h, w)) = case.output() else { return };
    let input = planes(case.seed, case.ci, case.h, case.w);
    let pitch = if case.tight { case.ci } else { case.ci.next_multiple_of(kernels.lanes) };
    let from = match case.window.size {
        [1, 1] if case.bare => Map::plain(case.ci, case.h, case.w, pitch),
        _ => Map::bordered(case.ci, case.h, case.w, pitch),
    };
    let to = case.map(kernels, case.co, h, w);
    let weights = values(case.seed ^ 3, case.co * case.ci * case.window.size[0] * case.window.size[1]);
    let (after, other, beside) = case.after(kernels, h, w);
    let conv = Conv::pack(kernels, from, to, case.window, &weights, after.clone()).unwrap();
    let mut output = empty(&to);
    conv.run(&load(&from, &input), other.as_ref().map(|_| &beside[..]), &mut output);
    case.check(&to, &store(&to, &output), &after, &other, |c, y, x| {
        naive::convolve(&input, &weights, after.bias[c], &case.window, false, (c, y, x))
    });
}

/// Pixels that touch, though their channels fill no whole registers.
pub(crate) fn touching(kernels: &'static Kernels, case: &Case) {
    let case = Case { co: 8 * kernels.lanes + case.co, join: None, ..case.clone() };
    let Some((h, w)) = case.output() else { return };
    let input = planes(case.seed, case.ci, case.h, case.w);
    let (from, to) = (padded(kernels, case.ci, case.h, case.w), Map::plain(case.co, h, w, case.co));
    let weights = values(case.seed ^ 3, case.co * case.ci * case.window.size[0] * case.window.size[1]);
    let (after, ..) = case.after(kernels, h, w);
    let conv = Conv::pack(kernels, from, to, case.window, &weights, after.clone()).unwrap();
    let mut output = vec![7.0; to.len + 3];
    conv.run(&load(&from, &input), None, &mut output);
    assert_eq!(output[to.len..], [7.0; 3], "beyond the end");
    case.check(&to, &store(&to, &output[..to.len]), &after, &None, |c, y, x| {
        naive::convolve(&input, &weights, after.bias[c], &case.window, false, (c, y, x))
    });
}

pub(crate) fn depthwise(kernels: &'static Kernels, case: &Case) {
    let case = Case { ci: case.co, ..case.clone() };
    let Some((h, w)) = case.output() else { return };
    let input = planes(case.seed, case.ci, case.h, case.w);
    let (from, to) = (padded(kernels, case.ci, case.h, case.w), case.map(kernels, case.co, h, w));
    let weights = values(case.seed ^ 3, case.co * 9);
    let (after, other, beside) = case.after(kernels, h, w);
    let layer = Depthwise::pack(kernels, from, to, case.window, &weights, after.clone()).unwrap();
    let mut output = empty(&to);
    layer.run(&load(&from, &input), other.as_ref().map(|_| &beside[..]), &mut output);
    case.check(&to, &store(&to, &output), &after, &other, |c, y, x| {
        naive::convolve(&input, &weights, after.bias[c], &case.window, true, (c, y, x))
    });
}

/// Winograd's error is bounded by the largest magnitude around, not by each output's own.
pub(crate) fn winograd(kernels: &'static Kernels, case: &Case) {
    let case = Case { window: Winograd::WINDOW, ..case.clone() };
    let input = planes(case.seed, case.ci, case.h, case.w);
    let (from, to) = (padded(kernels, case.ci, case.h, case.w), padded(kernels, case.co, case.h, case.w));
    let weights = values(case.seed ^ 3, case.co * case.ci * 9);
    let (after, other, beside) = case.after(kernels, case.h, case.w);
    let largest = (0..to.values())
        .map(|i| (i / (to.h * to.w), i / to.w % to.h, i % to.w))
        .map(|at| naive::convolve(&input, &weights, after.bias[at.0], &case.window, false, at).magnitude)
        .fold(0.0, f64::max);
    for tile in [Tile::Two, Tile::Four] {
        let layer = Winograd::pack(kernels, tile, from, to, &weights, after.clone()).unwrap();
        let (mut output, mut scratch) = (empty(&to), vec![f32::NAN; layer.scratch()]);
        layer.run(&load(&from, &input), other.as_ref().map(|_| &beside[..]), &mut output, &mut scratch);
        case.check(&to, &store(&to, &output), &after, &other, |c, y, x| {
            let sum = naive::convolve(&input, &weights, after.bias[c], &case.window, false, (c, y, x));
            naive::Exact { magnitude: largest, terms: 24, ..sum }
        });
    }
}

pub(crate) fn connected(kernels: &'static Kernels, case: &Case) {
    let input = planes(case.seed, case.ci, case.h, case.w);
    let pitch = if case.tight { case.ci } else { case.ci.next_multiple_of(kernels.lanes) };
    let from = Map::bordered(case.ci, case.h, case.w, pitch);
    let to = Map::vector(case.co, case.co.next_multiple_of(kernels.lanes));
    let weights = values(case.seed ^ 3, case.co * from.values());
    let after = Epilogue { bias: values(case.seed ^ 2, case.co), activation: act(case.act, case.co), residual: None };
    let layer = Conv::fully_connected(kernels, from, to, &weights, after.clone()).unwrap();
    let mut output = empty(&to);
    layer.run(&load(&from, &input), None, &mut output);
    let whole = Window { size: [case.h, case.w], stride: [1, 1], before: [0, 0] };
    case.check(&to, &store(&to, &output), &after, &None, |c, y, x| {
        naive::convolve(&input, &weights, after.bias[c], &whole, false, (c, y, x))
    });
}

/// Rows too wide for the nearest cache are worked on in blocks.
pub(crate) fn wide(kernels: &'static Kernels) {
    for stride in [1, 2] {
        let window = Window::square(3, stride);
        let join = Some(ResidualPosition::BeforeActivation);
        let (tight, bare) = (false, false);
        depthwise(kernels, &Case { ci: 1, co: 203, h: 5, w: 61, window, act: 1, join, tight, bare, seed: 3 });
    }
}
