//! Integers with AVX2: `vpmaddwd` multiplies sixteen pairs of 16-bit numbers and adds neighbours, without saturation
//! (which `vpmaddubsw`, on bytes, has); AVX-VNNI's `vpdpbusd` sums four products of bytes, its `vpdpwssd` two of 16-bit
//! numbers.

use std::arch::x86_64::*;

use super::Avx2;
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
        impl Ints for Avx2<$dot> {
            type Item = $item;
            type S = __m256i;
            type W = __m256i;
            const GROUP: usize = $group;

            intrinsics! {
                i32_splat(x: i32) -> __m256i = _mm256_set1_epi32;
                i32_add(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi32;
                to_f32(x: __m256i) -> __m256 = _mm256_cvtepi32_ps;
                // Rounds as the control register says: ties to even, unless it was changed.
                round_to_i32(x: __m256) -> __m256i = _mm256_cvtps_epi32;
            }

            #[inline(always)]
            unsafe fn i32_load(self, p: *const i32) -> __m256i {
                // SAFETY: the caller guarantees that eight sums are readable.
                unsafe { _mm256_loadu_si256(p.cast()) }
            }

            #[inline(always)]
            unsafe fn i32_store(self, p: *mut i32, v: __m256i) {
                // SAFETY: the caller guarantees that eight sums are writable.
                unsafe { _mm256_storeu_si256(p.cast(), v) }
            }

            #[inline(always)]
            unsafe fn load_weights(self, p: *const $item) -> __m256i {
                // SAFETY: the caller guarantees that a register of weights is readable.
                unsafe { _mm256_loadu_si256(p.cast()) }
            }

            #[inline(always)]
            unsafe fn load_group(self, p: *const $item) -> __m256i {
                // SAFETY: the caller guarantees that two 16-bit or four 8-bit values are readable.
                unsafe { _mm256_set1_epi32(p.cast::<i32>().read_unaligned()) }
            }

            #[inline(always)]
            fn dot(self, $sum: __m256i, $a: __m256i, $w: __m256i) -> __m256i {
                // SAFETY: a value of this type proves that the CPU has the instructions.
                unsafe { $products }
            }

            #[inline(always)]
            unsafe fn load_items(self, $from: *const $item) -> __m256i {
                // SAFETY: the caller guarantees that eight values are readable.
                unsafe { $widened }
            }

            #[inline(always)]
            unsafe fn store_item(self, $to: *mut $item, $v: __m256i) {
                // SAFETY: the caller guarantees that eight values are writable.
                unsafe { $narrowed }
            }

            $(store_pack4! { $floats })?
        }
    };
}

/// Pairs of 16-bit numbers, for any instruction that sums their products.
macro_rules! pairs {
    ($dot:literal, |$sum:ident, $a:ident, $w:ident| $products:expr) => {
        ints!($dot, i16, 2, |$sum, $a, $w| $products, |p| _mm256_cvtepi16_epi32(_mm_loadu_si128(p.cast())), |p, v| {
            let v = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
            _mm_storeu_si128(p.cast(), v);
        });
    };
}

pairs!(0, |sum, a, w| _mm256_add_epi32(sum, _mm256_madd_epi16(a, w)));
pairs!(2, |sum, a, w| _mm256_dpwssd_avx_epi32(sum, a, w));

/// Groups of four bytes, for any instruction that sums their products.
macro_rules! fours {
    ($dot:literal, |$sum:ident, $a:ident, $w:ident| $products:expr) => {
        ints!($dot, u8, 4, |$sum, $a, $w| $products, |p| _mm256_cvtepu8_epi32(_mm_loadl_epi64(p.cast())), |p, v| {
            let v = _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
            _mm_storel_epi64(p.cast(), _mm_packus_epi16(v, v));
        }, store_pack4: __m256);

        impl Pack4 for Avx2<$dot> {
            type B = __m256i;

            #[inline(always)]
            fn pack_bytes(self, v: &[__m256i; 4], zero: i32) -> __m256i {
                // SAFETY: a value of `Avx2` proves that the CPU has the instructions.
                unsafe {
                    let zero = _mm256_set1_epi16(zero as i16);
                    let a = _mm256_adds_epi16(_mm256_packs_epi32(v[0], v[1]), zero);
                    let b = _mm256_adds_epi16(_mm256_packs_epi32(v[2], v[3]), zero);
                    // Half of each register, both times.
                    let mixed = _mm256_packus_epi16(a, b);
                    _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
                }
            }

            #[inline(always)]
            fn clamp_bytes(self, v: __m256i, least: __m256i, most: __m256i) -> __m256i {
                // SAFETY: minimum and maximum of bytes are part of what this type proves.
                unsafe { _mm256_min_epu8(_mm256_max_epu8(v, least), most) }
            }

            #[inline(always)]
            unsafe fn store_bytes(self, to: &[*mut u8; 4], v: __m256i) {
                // SAFETY: the caller guarantees that eight bytes each are writable.
                unsafe {
                    let (low, high) = (_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
                    _mm_storel_epi64(to[0].cast(), low);
                    _mm_storeh_pd(to[1].cast(), _mm_castsi128_pd(low));
                    _mm_storel_epi64(to[2].cast(), high);
                    _mm_storeh_pd(to[3].cast(), _mm_castsi128_pd(high));
                }
            }
        }
    };
}

fours!(1, |sum, a, w| _mm256_dpbusd_avx_epi32(sum, a, w));
fours!(3, |sum, a, w| _mm256_dpbusd_epi32(sum, a, w));

impl<const DOT: u8> Int16 for Avx2<DOT>
where
    Self: Ints<S = __m256i>,
{
    type H = __m256i;
    const I16_LANES: usize = 16;

    intrinsics! {
        i16_splat(x: i16) -> __m256i = _mm256_set1_epi16;
        i16_add(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi16;
        i16_sub(a: __m256i, b: __m256i) -> __m256i = _mm256_sub_epi16;
        i32_sub(a: __m256i, b: __m256i) -> __m256i = _mm256_sub_epi32;
        i32_mul(a: __m256i, b: __m256i) -> __m256i = _mm256_mullo_epi32;
    }

    #[inline(always)]
    fn i16_shl<const N: i32>(self, a: __m256i) -> __m256i {
        // SAFETY: a value of `Avx2` proves that the CPU has the instruction.
        unsafe { _mm256_slli_epi16::<N>(a) }
    }

    #[inline(always)]
    fn i32_shl<const N: i32>(self, a: __m256i) -> __m256i {
        // SAFETY: a value of this type proves that the CPU shifts left by a constant.
        unsafe { _mm256_slli_epi32::<N>(a) }
    }

    #[inline(always)]
    fn i32_shr<const N: i32>(self, a: __m256i) -> __m256i {
        // SAFETY: a value of this type proves that the CPU shifts right by a constant.
        unsafe { _mm256_srai_epi32::<N>(a) }
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
