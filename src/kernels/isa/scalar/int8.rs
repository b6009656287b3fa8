//! Integers in plain Rust: the definition of every result.

use super::{Scalar, zip};
use crate::kernels::isa::int8::{Int16, Ints};

type S = [i32; 4];

impl Ints for Scalar {
    type Item = i16;
    type S = S;
    type W = [[i16; 2]; 4];
    const GROUP: usize = 2;

    #[inline(always)]
    fn i32_splat(self, x: i32) -> S {
        [x; 4]
    }

    #[inline(always)]
    fn i32_add(self, a: S, b: S) -> S {
        zip(a, b, i32::wrapping_add)
    }

    #[inline(always)]
    fn dot(self, sum: S, a: Self::W, w: Self::W) -> S {
        let product = |i: usize, k: usize| i32::from(a[i][k]).wrapping_mul(i32::from(w[i][k]));
        let both = |i: usize| product(i, 0).wrapping_add(product(i, 1));
        self.i32_add(sum, [both(0), both(1), both(2), both(3)])
    }

    #[inline(always)]
    fn to_f32(self, x: S) -> Self::V {
        x.map(|x| x as f32)
    }

    #[inline(always)]
    fn round_to_i32(self, x: Self::V) -> S {
        /// Floats from this one on are integers, so adding it rounds as floats do: ties to even.
        const WHOLE: f32 = 12_582_912.0;
        x.map(|x| ((x + WHOLE) - WHOLE) as i32)
    }

    #[inline(always)]
    unsafe fn i32_load(self, p: *const i32) -> S {
        // SAFETY: the caller guarantees that four sums are readable.
        unsafe { p.cast::<S>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn i32_store(self, p: *mut i32, v: S) {
        // SAFETY: the caller guarantees that four sums are writable.
        unsafe { p.cast::<S>().write_unaligned(v) }
    }

    #[inline(always)]
    unsafe fn load_weights(self, p: *const i16) -> Self::W {
        // SAFETY: the caller guarantees that eight weights are readable.
        unsafe { p.cast::<Self::W>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_group(self, p: *const i16) -> Self::W {
        // SAFETY: the caller guarantees that two values are readable.
        [unsafe { p.cast::<[i16; 2]>().read_unaligned() }; 4]
    }

    #[inline(always)]
    unsafe fn load_items(self, p: *const i16) -> S {
        // SAFETY: the caller guarantees that four values are readable.
        unsafe { p.cast::<[i16; 4]>().read_unaligned() }.map(i32::from)
    }

    #[inline(always)]
    unsafe fn store_item(self, p: *mut i16, v: S) {
        // SAFETY: the caller guarantees that four values are writable.
        unsafe { p.cast::<[i16; 4]>().write_unaligned(v.map(|v| v as i16)) }
    }
}

impl Int16 for Scalar {
    type H = [i16; 8];
    const I16_LANES: usize = 8;

    #[inline(always)]
    fn i16_splat(self, x: i16) -> [i16; 8] {
        [x; 8]
    }

    #[inline(always)]
    fn i16_add(self, a: [i16; 8], b: [i16; 8]) -> [i16; 8] {
        std::array::from_fn(|i| a[i].wrapping_add(b[i]))
    }

    #[inline(always)]
    fn i16_sub(self, a: [i16; 8], b: [i16; 8]) -> [i16; 8] {
        std::array::from_fn(|i| a[i].wrapping_sub(b[i]))
    }

    #[inline(always)]
    fn i16_shl<const N: i32>(self, a: [i16; 8]) -> [i16; 8] {
        a.map(|a| a << N)
    }

    #[inline(always)]
    fn i32_sub(self, a: S, b: S) -> S {
        zip(a, b, i32::wrapping_sub)
    }

    #[inline(always)]
    fn i32_mul(self, a: S, b: S) -> S {
        zip(a, b, i32::wrapping_mul)
    }

    #[inline(always)]
    fn i32_shl<const N: i32>(self, a: S) -> S {
        a.map(|a| a << N)
    }

    #[inline(always)]
    fn i32_shr<const N: i32>(self, a: S) -> S {
        a.map(|a| a >> N)
    }

    #[inline(always)]
    unsafe fn i16_load(self, p: *const i16, _: [i16; 8]) -> [i16; 8] {
        // SAFETY: the caller guarantees that eight numbers are readable.
        unsafe { p.cast::<[i16; 8]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn i16_store(self, p: *mut i16, v: [i16; 8]) {
        // SAFETY: the caller guarantees that eight numbers are writable.
        unsafe { p.cast::<[i16; 8]>().write_unaligned(v) }
    }
}
