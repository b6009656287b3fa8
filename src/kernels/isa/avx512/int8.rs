//! Integers with AVX-512: `vpmaddwd` on thirty-two 16-bit numbers, or VNNI's `vpdpbusd` on sixty-four bytes and
//! `vpdpwssd` on thirty-two 16-bit numbers.

use std::arch::x86_64::*;

use super::Avx512;
use crate::kernels::isa::int8::{Int16, Ints, Limits, Pack4};
use crate::kernels::isa::x86::{intrinsics, store_pack4};

/// What both kinds of numbers have in common; they differ in what is stored and how many of it a product sums.
macro_rules! ints {
    (
        $dot:literal, $item:ty, $group:literal,
        |$sum:ident, $a:ident, $w:ident| $products:expr,
        |$from:ident| $widened:expr,
        |$to:ident, $v:ident| $narrowed:expr
        $(, store_pack4: $floats:ty)?
    ) => {
        impl Ints for Avx512<$dot> {
            type Item = $item;
            type S = __m512i;
            type W = __m512i;
            const GROUP: usize = $group;

            intrinsics! {
                i32_splat(x: i32) -> __m512i = _mm512_set1_epi32;
                i32_add(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi32;
                to_f32(x: __m512i) -> __m512 = _mm512_cvtepi32_ps;
                // Rounds as the control register says: ties to even, unless it was changed.
                round_to_i32(x: __m512) -> __m512i = _mm512_cvtps_epi32;
            }

            #[inline(always)]
            unsafe fn i32_load(self, p: *const i32) -> __m512i {
                // SAFETY: the caller guarantees that sixteen sums are readable.
                unsafe { _mm512_loadu_si512(p.cast()) }
            }

            #[inline(always)]
            unsafe fn i32_store(self, p: *mut i32, v: __m512i) {
                // SAFETY: the caller guarantees that sixteen sums are writable.
                unsafe { _mm512_storeu_si512(p.cast(), v) }
            }

            #[inline(always)]
            unsafe fn load_weights(self, p: *const $item) -> __m512i {
                // SAFETY: the caller guarantees that a register of weights is readable.
                unsafe { _mm512_loadu_si512(p.cast()) }
            }

            #[inline(always)]
            unsafe fn load_group(self, p: *const $item) -> __m512i {
                // SAFETY: the caller guarantees that two 16-bit or four 8-bit values are readable.
                unsafe { _mm512_set1_epi32(p.cast::<i32>().read_unaligned()) }
            }

            #[inline(always)]
            fn dot(self, $sum: __m512i, $a: __m512i, $w: __m512i) -> __m512i {
                // SAFETY: a value of this type proves that the CPU has the instructions.
                unsafe { $products }
            }

            #[inline(always)]
            unsafe fn load_items(self, $from: *const $item) -> __m512i {
                // SAFETY: the caller guarantees that sixteen values are readable.
                unsafe { $widened }
            }

            #[inline(always)]
            unsafe fn store_item(self, $to: *mut $item, $v: __m512i) {
                // SAFETY: the caller guarantees that sixteen values are writable.
                unsafe { $narrowed }
            }

            $(store_pack4! { $floats })?
        }
    };
}

/// Pairs of 16-bit numbers, for any instruction that sums their products.
macro_rules! pairs {
    ($dot:literal, |$sum:ident, $a:ident, $w:ident| $products:expr) => {
        ints!(
            $dot,
            i16,
            2,
            |$sum, $a, $w| $products,
            |p| _mm512_cvtepi16_epi32(_mm256_loadu_si256(p.cast())),
            |p, v| _mm256_storeu_si256(p.cast(), _mm512_cvtsepi32_epi16(v))
        );
    };
}

pairs!(0, |sum, a, w| _mm512_add_epi32(sum, _mm512_madd_epi16(a, w)));
pairs!(2, |sum, a, w| _mm512_dpwssd_epi32(sum, a, w));

ints!(
    1,
    u8,
    4,
    |sum, a, w| _mm512_dpbusd_epi32(sum, a, w),
    |p| _mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast())),
    |p, v| _mm_storeu_si128(p.cast(), _mm512_cvtepi32_epi8(v)),
    store_pack4: __m512
);

impl Pack4 for Avx512<1> {
    type B = __m512i;

    #[inline(always)]
    fn pack_bytes(self, v: &[__m512i; 4], zero: i32) -> __m512i {
        // SAFETY: a value of `Avx512` proves that the CPU has the instructions.
        unsafe {
            let zero = _mm512_set1_epi16(zero as i16);
            let a = _mm512_adds_epi16(_mm512_packs_epi32(v[0], v[1]), zero);
            let b = _mm512_adds_epi16(_mm512_packs_epi32(v[2], v[3]), zero);
            // A quarter of each register, all four times.
            let mixed = _mm512_packus_epi16(a, b);
            _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), mixed)
        }
    }

    #[inline(always)]
    fn clamp_bytes(self, v: __m512i, least: __m512i, most: __m512i) -> __m512i {
        // SAFETY: minimum and maximum of bytes are part of what this type proves.
        unsafe { _mm512_min_epu8(_mm512_max_epu8(v, least), most) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, to: &[*mut u8; 4], v: __m512i) {
        // SAFETY: the caller guarantees that sixteen bytes each are writable.
        unsafe {
            _mm_storeu_si128(to[0].cast(), _mm512_castsi512_si128(v));
            _mm_storeu_si128(to[1].cast(), _mm512_extracti32x4_epi32::<1>(v));
            _mm_storeu_si128(to[2].cast(), _mm512_extracti32x4_epi32::<2>(v));
            _mm_storeu_si128(to[3].cast(), _mm512_extracti32x4_epi32::<3>(v));
        }
    }
}

/// Registers of 32 bytes for 16-bit numbers: pixels have multiples of sixteen channels, not of thirty-two.
impl<const DOT: u8> Int16 for Avx512<DOT>
where
    Self: Ints<S = __m512i>,
{
    type H = __m256i;
    const I16_LANES: usize = 16;

    intrinsics! {
        i16_splat(x: i16) -> __m256i = _mm256_set1_epi16;
        i16_add(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi16;
        i16_sub(a: __m256i, b: __m256i) -> __m256i = _mm256_sub_epi16;
        i32_sub(a: __m512i, b: __m512i) -> __m512i = _mm512_sub_epi32;
        i32_mul(a: __m512i, b: __m512i) -> __m512i = _mm512_mullo_epi32;
    }

    #[inline(always)]
    fn i16_shl<const N: i32>(self, a: __m256i) -> __m256i {
        // SAFETY: a value of `Avx512` proves that the CPU has the instruction.
        unsafe { _mm256_slli_epi16::<N>(a) }
    }

    #[inline(always)]
    fn i32_shl<const N: i32>(self, a: __m512i) -> __m512i {
        // SAFETY: a value of this type proves that the CPU shifts left by a constant.
        unsafe { _mm512_sll_epi32(a, _mm_cvtsi32_si128(N)) }
    }

    #[inline(always)]
    fn i32_shr<const N: i32>(self, a: __m512i) -> __m512i {
        // SAFETY: a value of this type proves that the CPU shifts right by a constant.
        unsafe { _mm512_sra_epi32(a, _mm_cvtsi32_si128(N)) }
    }

    #[inline(always)]
    unsafe fn i16_load(self, p: *const Self::Item, zero: __m256i) -> __m256i {
        // SAFETY: the caller guarantees that sixteen items are readable.
        unsafe {
            match size_of::<Self::Item>() {
                1 => _mm256_sub_epi16(_mm256_cvtepu8_epi16(_mm_loadu_si128(p.cast())), zero),
                _ => _mm256_loadu_si256(p.cast()),
            }
        }
    }

    #[inline(always)]
    unsafe fn i16_store(self, p: *mut i16, v: __m256i) {
        // SAFETY: the caller guarantees that sixteen numbers are writable.
        unsafe { _mm256_storeu_si256(p.cast(), v) }
    }
}
