//! What is largest, and what is refused.

use super::*;

/// The largest sums that weights and activations can have.
pub(crate) fn extremes(kernels: &'static Kernels) {
    for (weight, q) in [(127, 255), (-127, 255), (127, 0), (-127, 0)] {
        let quant = Quant { scale: 0.5, zero: 255 - q, signed: false };
        let input = Planes { c: 112, h: 5, w: 7, quant, q: vec![q; 112 * 35] };
        let n = Numbers { weights: vec![weight; 9 * 112 * 9], scale: vec![0.25; 9], bias: vec![-3; 9] };
        // As floats, and in the smallest steps that there are: those of the sum are 0.5 * 0.25.
        let steps = Into8::Numbers(Quant { scale: 0.1251, zero: 7, signed: true });
        for into in [Into8::Floats, steps] {
            let case =
                Case { ci: 112, co: 9, h: 5, w: 7, window: Winograd::WINDOW, act: Activation::None, into, seed: 1 };
            convolves(kernels, &case, &input, &n);
            filters(kernels, &case, &input, &n);
        }
    }
}

/// Sizes and numbers that do not belong together are errors, not panics.
pub(crate) fn refusals(kernels: &'static Kernels) {
    let (a, b) = (kernels.int8_map(8, 6, 6), kernels.int8_map(16, 3, 3));
    let good = Quant { scale: 0.1, zero: 3, signed: false };
    let (weights, scale, bias) = (vec![1; 16 * 8 * 9], vec![0.1; 16], vec![0; 16]);
    let layer = Sums { from: good, weights: &weights, scale: &scale, bias: &bias };
    let pack = |layer: &Sums, stride: usize, act: &Activation, into: &Into8| {
        Conv8::pack(kernels, (a, b), Window::square(3, stride), layer, act, into)
    };
    let into = Into8::Numbers(good);
    assert!(pack(&layer, 2, &Activation::None, &into).is_ok());
    assert!(pack(&layer, 3, &Activation::None, &into).is_err());
    assert!(pack(&layer, 2, &Activation::HardSwish, &into).is_err());
    assert!(pack(&Sums { weights: &weights[1..], ..layer.clone() }, 2, &Activation::None, &into).is_err());
    assert!(pack(&Sums { scale: &scale[1..], ..layer.clone() }, 2, &Activation::None, &into).is_err());
    assert!(
        pack(
            &Sums { scale: &[f32::MAX; 16], from: Quant { scale: 1e9, ..good }, ..layer.clone() },
            2,
            &Activation::None,
            &into
        )
        .is_err()
    );
    assert!(pack(&Sums { scale: &[1.0; 16], ..layer.clone() }, 2, &Activation::None, &into).is_err());
    assert!(pack(&Sums { scale: &[0.999; 16], ..layer.clone() }, 2, &Activation::None, &into).is_ok());
    assert!(pack(&Sums { bias: &[i32::MAX; 16], ..layer.clone() }, 2, &Activation::None, &into).is_err());
    assert!(pack(&Sums { weights: &[i8::MIN; 16 * 72], ..layer.clone() }, 2, &Activation::None, &into).is_err());
    for bad in [
        Quant { scale: 0.0, ..good },
        Quant { scale: f32::NAN, ..good },
        Quant { zero: 256, ..good },
        Quant { zero: -1, ..good },
        Quant { zero: -129, signed: true, ..good },
    ] {
        assert!(!bad.valid());
        assert!(pack(&Sums { from: bad, ..layer.clone() }, 2, &Activation::None, &into).is_err());
        assert!(pack(&layer, 2, &Activation::None, &Into8::Numbers(bad)).is_err());
        assert!(Quantise::pack(kernels, a, a, &bad).is_err());
    }
    assert!(AddRequantise::pack(kernels, (a, good), None, [1, 1], b, &Activation::None, &into).is_err());
    assert!(AddRequantise::pack(kernels, (a, good), None, [0, 1], a, &Activation::None, &into).is_err());
    assert!(AddRequantise::pack(kernels, (a, good), Some((b, good)), [1, 1], a, &Activation::None, &into).is_err());
    assert!(Winograd8::pack(kernels, Tile::Four, (a, b), &layer, &Activation::None, &into).is_err());
}
