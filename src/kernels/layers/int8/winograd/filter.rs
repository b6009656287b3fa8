//! The transforms of F(4x4, 3x3) and F(2x2, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks", 2015) in whole numbers, at the usual whole points.

use crate::kernels::isa::int8::Halves;

/// One line of a tile.
pub trait Filter<const SIDE: usize, const OUT: usize> {
    /// Weights to the transformed domain, each row multiplied until it is whole.
    const G: [[i32; 3]; SIDE];

    fn spread<I: Halves>(isa: I, d: [I::H; SIDE]) -> [I::H; SIDE];

    /// The outputs, 2 or 24 times as large.
    fn gather<I: Halves>(isa: I, d: [I::S; SIDE]) -> [I::S; OUT];

    /// The sum in `times * sum`.
    fn divide<I: Halves>(isa: I, v: I::S) -> I::S;
}

/// F(4x4, 3x3) at 0, +-1, +-2 and infinity.
pub struct Four;

/// F(2x2, 3x3) at 0, +-1 and infinity.
pub struct Two;

impl Filter<6, 4> for Four {
    // Rows of 1/4, 1/6, 1/6, 1/24, 1/24 and 1 times these.
    const G: [[i32; 3]; 6] = [[1, 0, 0], [-1, -1, -1], [-1, 1, -1], [1, 2, 4], [1, -2, 4], [0, 0, 1]];

    #[inline(always)]
    fn spread<I: Halves>(isa: I, d: [I::H; 6]) -> [I::H; 6] {
        let five = |x: I::H| isa.add_halves(isa.up_halves::<2>(x), x);
        let four = |x: I::H| isa.up_halves::<2>(x);
        let (even, odd) = (isa.sub_halves(d[4], four(d[2])), isa.sub_halves(d[3], four(d[1])));
        let (far, near) = (isa.sub_halves(d[4], d[2]), isa.up_halves::<1>(isa.sub_halves(d[3], d[1])));
        [
            isa.add_halves(isa.sub_halves(four(d[0]), five(d[2])), d[4]),
            isa.add_halves(even, odd),
            isa.sub_halves(even, odd),
            isa.add_halves(far, near),
            isa.sub_halves(far, near),
            isa.add_halves(isa.sub_halves(four(d[1]), five(d[3])), d[5]),
        ]
    }

    #[inline(always)]
    fn gather<I: Halves>(isa: I, d: [I::S; 6]) -> [I::S; 4] {
        let (sum_near, diff_near) = (isa.plus(d[1], d[2]), isa.minus(d[1], d[2]));
        let (sum_far, diff_far) = (isa.plus(d[3], d[4]), isa.minus(d[3], d[4]));
        // Times 6, 4, 1 and 24 for the rows of 1/4, 1/6, 1/24 and 1.
        let (sum_near, diff_near) = (isa.up::<2>(sum_near), isa.up::<2>(diff_near));
        let first = isa.plus(isa.up::<1>(d[0]), isa.up::<2>(d[0]));
        let last = isa.plus(isa.up::<3>(d[5]), isa.up::<4>(d[5]));
        [
            isa.plus(isa.plus(first, sum_near), sum_far),
            isa.plus(diff_near, isa.up::<1>(diff_far)),
            isa.plus(sum_near, isa.up::<2>(sum_far)),
            isa.plus(isa.plus(diff_near, isa.up::<3>(diff_far)), last),
        ]
    }

    #[inline(always)]
    fn divide<I: Halves>(isa: I, v: I::S) -> I::S {
        /// 9 times this is 1 more than a multiple of 2^32.
        const NINTH: i32 = 954_437_177;
        isa.down::<6>(isa.times(v, isa.all(NINTH)))
    }
}

impl Filter<4, 2> for Two {
    // Rows of 1, 1/2, 1/2 and 1 times these.
    const G: [[i32; 3]; 4] = [[1, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 1]];

    #[inline(always)]
    fn spread<I: Halves>(isa: I, d: [I::H; 4]) -> [I::H; 4] {
        [isa.sub_halves(d[0], d[2]), isa.add_halves(d[1], d[2]), isa.sub_halves(d[2], d[1]), isa.sub_halves(d[3], d[1])]
    }

    #[inline(always)]
    fn gather<I: Halves>(isa: I, d: [I::S; 4]) -> [I::S; 2] {
        let (sum, diff) = (isa.plus(d[1], d[2]), isa.minus(d[1], d[2]));
        [isa.plus(isa.up::<1>(d[0]), sum), isa.plus(diff, isa.up::<1>(d[3]))]
    }

    #[inline(always)]
    fn divide<I: Halves>(isa: I, v: I::S) -> I::S {
        isa.down::<2>(v)
    }
}
