//! The transforms of F(4x4, 3x3) and F(2x2, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks", 2015): 36 multiplications for 16 outputs in place of 144, or 16 for 4 in place of 36.
//!
//! The polynomials of the larger one are interpolated at 0, +-sqrt(1/2), +-sqrt(2) and infinity instead of the usual
//! integers: the matrices hold no number above 2 sqrt(2), which keeps the rounding error several times smaller
//! (Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd Convolution", 2020). Those of the smaller
//! one are interpolated at 0, +-1 and infinity.

use crate::kernels::isa::Isa;

/// One line of a tile, `SIDE` numbers, and of its `OUT` outputs.
pub trait Filter<const SIDE: usize, const OUT: usize> {
    /// Weights to the transformed domain: `G g G'`.
    const G: [[f64; 3]; SIDE];

    /// The input's side: the products of a polynomial without one of its roots.
    fn input<I: Isa>(isa: I, d: [I::V; SIDE]) -> [I::V; SIDE];

    /// The output's side: the powers of the points.
    fn output<I: Isa>(isa: I, d: [I::V; SIDE]) -> [I::V; OUT];
}

/// F(4x4, 3x3).
pub struct Four;

/// F(2x2, 3x3).
pub struct Two;

/// The points sqrt(1/2) and sqrt(2), whose squares are 1/2 and 2.
const NEAR: f64 = std::f64::consts::FRAC_1_SQRT_2;
const FAR: f64 = std::f64::consts::SQRT_2;

impl Filter<6, 4> for Four {
    const G: [[f64; 3]; 6] = [
        [1.0, 0.0, 0.0],
        [-2.0 / 3.0, -2.0 / 3.0 * NEAR, -1.0 / 3.0],
        [-2.0 / 3.0, 2.0 / 3.0 * NEAR, -1.0 / 3.0],
        [1.0 / 6.0, FAR / 6.0, 1.0 / 3.0],
        [1.0 / 6.0, -FAR / 6.0, 1.0 / 3.0],
        [0.0, 0.0, 1.0],
    ];

    #[inline(always)]
    fn input<I: Isa>(isa: I, d: [I::V; 6]) -> [I::V; 6] {
        let (near, far) = (isa.splat(NEAR as f32), isa.splat(FAR as f32));
        let squares = isa.splat(-2.5);
        let even_near = isa.fma(isa.splat(-2.0), d[2], d[4]);
        let even_far = isa.fma(isa.splat(-0.5), d[2], d[4]);
        let odd_near = isa.sub(isa.mul(near, d[3]), isa.mul(far, d[1]));
        let odd_far = isa.sub(isa.mul(far, d[3]), isa.mul(near, d[1]));
        [
            isa.fma(squares, d[2], isa.add(d[0], d[4])),
            isa.add(even_near, odd_near),
            isa.sub(even_near, odd_near),
            isa.add(even_far, odd_far),
            isa.sub(even_far, odd_far),
            isa.fma(squares, d[3], isa.add(d[1], d[5])),
        ]
    }

    #[inline(always)]
    fn output<I: Isa>(isa: I, d: [I::V; 6]) -> [I::V; 4] {
        let (near, far) = (isa.splat(NEAR as f32), isa.splat(FAR as f32));
        let (sum_near, diff_near) = (isa.add(d[1], d[2]), isa.sub(d[1], d[2]));
        let (sum_far, diff_far) = (isa.add(d[3], d[4]), isa.sub(d[3], d[4]));
        let cubes = (isa.splat((NEAR * 0.5) as f32), isa.splat((FAR * 2.0) as f32));
        [
            isa.add(isa.add(d[0], sum_near), sum_far),
            isa.fma(far, diff_far, isa.mul(near, diff_near)),
            isa.fma(isa.splat(2.0), sum_far, isa.mul(isa.splat(0.5), sum_near)),
            isa.fma(cubes.1, diff_far, isa.fma(cubes.0, diff_near, d[5])),
        ]
    }
}

impl Filter<4, 2> for Two {
    const G: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

    #[inline(always)]
    fn input<I: Isa>(isa: I, d: [I::V; 4]) -> [I::V; 4] {
        [isa.sub(d[0], d[2]), isa.add(d[1], d[2]), isa.sub(d[2], d[1]), isa.sub(d[3], d[1])]
    }

    #[inline(always)]
    fn output<I: Isa>(isa: I, d: [I::V; 4]) -> [I::V; 2] {
        [isa.add(isa.add(d[0], d[1]), d[2]), isa.add(isa.sub(d[1], d[2]), d[3])]
    }
}
