//! The transforms of F(4x4, 3x3) and F(2x2, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks", 2015) in integers, at the usual integer points.

use crate::kernels::isa::int8::Int16;

/// One line of a tile.
pub trait Filter<const SIDE: usize, const OUT: usize> {
    /// Weights to the transformed domain, each row multiplied to make it integer.
    const G: [[i32; 3]; SIDE];

    fn input<I: Int16>(isa: I, d: [I::H; SIDE]) -> [I::H; SIDE];

    /// The outputs, 2 or 24 times as large.
    fn output<I: Int16>(isa: I, d: [I::S; SIDE]) -> [I::S; OUT];

    /// The sum in `times * sum`.
    fn divide<I: Int16>(isa: I, v: I::S) -> I::S;
}

/// F(4x4, 3x3) at 0, +-1, +-2 and infinity.
pub struct Four;

/// F(2x2, 3x3) at 0, +-1 and infinity.
pub struct Two;

impl Filter<6, 4> for Four {
    // Rows of 1/4, 1/6, 1/6, 1/24, 1/24 and 1 times these.
    const G: [[i32; 3]; 6] = [[1, 0, 0], [-1, -1, -1], [-1, 1, -1], [1, 2, 4], [1, -2, 4], [0, 0, 1]];

    #[inline(always)]
    fn input<I: Int16>(isa: I, d: [I::H; 6]) -> [I::H; 6] {
        let five = |x: I::H| isa.i16_add(isa.i16_shl::<2>(x), x);
        let four = |x: I::H| isa.i16_shl::<2>(x);
        let (even, odd) = (isa.i16_sub(d[4], four(d[2])), isa.i16_sub(d[3], four(d[1])));
        let (far, near) = (isa.i16_sub(d[4], d[2]), isa.i16_shl::<1>(isa.i16_sub(d[3], d[1])));
        [
            isa.i16_add(isa.i16_sub(four(d[0]), five(d[2])), d[4]),
            isa.i16_add(even, odd),
            isa.i16_sub(even, odd),
            isa.i16_add(far, near),
            isa.i16_sub(far, near),
            isa.i16_add(isa.i16_sub(four(d[1]), five(d[3])), d[5]),
        ]
    }

    #[inline(always)]
    fn output<I: Int16>(isa: I, d: [I::S; 6]) -> [I::S; 4] {
        let (sum_near, diff_near) = (isa.i32_add(d[1], d[2]), isa.i32_sub(d[1], d[2]));
        let (sum_far, diff_far) = (isa.i32_add(d[3], d[4]), isa.i32_sub(d[3], d[4]));
        // Times 6, 4, 1 and 24 for the rows of 1/4, 1/6, 1/24 and 1.
        let (sum_near, diff_near) = (isa.i32_shl::<2>(sum_near), isa.i32_shl::<2>(diff_near));
        let first = isa.i32_add(isa.i32_shl::<1>(d[0]), isa.i32_shl::<2>(d[0]));
        let last = isa.i32_add(isa.i32_shl::<3>(d[5]), isa.i32_shl::<4>(d[5]));
        [
            isa.i32_add(isa.i32_add(first, sum_near), sum_far),
            isa.i32_add(diff_near, isa.i32_shl::<1>(diff_far)),
            isa.i32_add(sum_near, isa.i32_shl::<2>(sum_far)),
            isa.i32_add(isa.i32_add(diff_near, isa.i32_shl::<3>(diff_far)), last),
        ]
    }

    #[inline(always)]
    fn divide<I: Int16>(isa: I, v: I::S) -> I::S {
        /// 9 times this is 1 more than a multiple of 2^32.
        const NINTH: i32 = 954_437_177;
        isa.i32_shr::<6>(isa.i32_mul(v, isa.i32_splat(NINTH)))
    }
}

impl Filter<4, 2> for Two {
    // Rows of 1, 1/2, 1/2 and 1 times these.
    const G: [[i32; 3]; 4] = [[1, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 1]];

    #[inline(always)]
    fn input<I: Int16>(isa: I, d: [I::H; 4]) -> [I::H; 4] {
        [isa.i16_sub(d[0], d[2]), isa.i16_add(d[1], d[2]), isa.i16_sub(d[2], d[1]), isa.i16_sub(d[3], d[1])]
    }

    #[inline(always)]
    fn output<I: Int16>(isa: I, d: [I::S; 4]) -> [I::S; 2] {
        let (sum, diff) = (isa.i32_add(d[1], d[2]), isa.i32_sub(d[1], d[2]));
        [isa.i32_add(isa.i32_shl::<1>(d[0]), sum), isa.i32_add(diff, isa.i32_shl::<1>(d[3]))]
    }

    #[inline(always)]
    fn divide<I: Int16>(isa: I, v: I::S) -> I::S {
        isa.i32_shr::<2>(v)
    }
}
