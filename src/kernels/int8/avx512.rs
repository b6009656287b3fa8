//! Whole numbers with AVX-512: `vpmaddwd`, or VNNI's `vpdpwssd`, on thirty-two pairs of 16-bit numbers.

use std::arch::x86_64::*;

use super::ints::{Halves, Ints};
use super::x86::table;
use crate::kernels::avx512::Avx512;
use crate::kernels::x86::intrinsics;

impl<const DOT: bool> Ints for Avx512<DOT> {
    type Item = i16;
    type S = __m512i;
    type W = __m512i;
    const GROUP: usize = 2;

    intrinsics! {
        all(x: i32) -> __m512i = _mm512_set1_epi32;
        plus(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi32;
        float(x: __m512i) -> __m512 = _mm512_cvtepi32_ps;
        // Rounds as the control register says, which is to even unless somebody changed it.
        nearest(x: __m512) -> __m512i = _mm512_cvtps_epi32;
    }

    #[inline(always)]
    fn dot(self, sum: __m512i, a: __m512i, w: __m512i) -> __m512i {
        // SAFETY: a value of `Avx512` proves that the CPU has the instructions.
        unsafe {
            match DOT {
                true => _mm512_dpwssd_epi32(sum, a, w),
                false => _mm512_add_epi32(sum, _mm512_madd_epi16(a, w)),
            }
        }
    }

    #[inline(always)]
    unsafe fn load_sums(self, p: *const i32) -> __m512i {
        // SAFETY: sixteen sums are readable by contract.
        unsafe { _mm512_loadu_si512(p.cast()) }
    }

    #[inline(always)]
    unsafe fn store_sums(self, p: *mut i32, v: __m512i) {
        // SAFETY: sixteen sums are writable by contract.
        unsafe { _mm512_storeu_si512(p.cast(), v) }
    }

    #[inline(always)]
    unsafe fn weights(self, p: *const i16) -> __m512i {
        // SAFETY: thirty-two weights are readable by contract.
        unsafe { _mm512_loadu_si512(p.cast()) }
    }

    #[inline(always)]
    unsafe fn group(self, p: *const i16) -> __m512i {
        // SAFETY: two values are readable by contract.
        unsafe { _mm512_set1_epi32(p.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn widen(self, p: *const i16) -> __m512i {
        // SAFETY: sixteen values are readable by contract.
        unsafe { _mm512_cvtepi16_epi32(_mm256_loadu_si256(p.cast())) }
    }

    #[inline(always)]
    unsafe fn narrow(self, p: *mut i16, v: __m512i) {
        // SAFETY: sixteen values are writable by contract.
        unsafe { _mm256_storeu_si256(p.cast(), _mm512_cvtsepi32_epi16(v)) }
    }
}

/// Registers of 32 bytes for 16-bit numbers: pixels have multiples of sixteen channels, not of thirty-two.
impl<const DOT: bool> Halves for Avx512<DOT> {
    type H = __m256i;
    const HALVES: usize = 16;

    #[inline(always)]
    fn no_halves(self) -> __m256i {
        // SAFETY: a value of `Avx512` proves that the CPU has the instruction.
        unsafe { _mm256_setzero_si256() }
    }

    intrinsics! {
        add_halves(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi16;
        sub_halves(a: __m256i, b: __m256i) -> __m256i = _mm256_sub_epi16;
        minus(a: __m512i, b: __m512i) -> __m512i = _mm512_sub_epi32;
        times(a: __m512i, b: __m512i) -> __m512i = _mm512_mullo_epi32;
    }

    #[inline(always)]
    fn up_halves<const N: i32>(self, a: __m256i) -> __m256i {
        // SAFETY: a value of `Avx512` proves that the CPU has the instruction.
        unsafe { _mm256_slli_epi16::<N>(a) }
    }

    #[inline(always)]
    fn up<const N: i32>(self, a: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_sll_epi32(a, _mm_cvtsi32_si128(N)) }
    }

    #[inline(always)]
    fn down<const N: i32>(self, a: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_sra_epi32(a, _mm_cvtsi32_si128(N)) }
    }

    #[inline(always)]
    unsafe fn load_halves(self, p: *const i16) -> __m256i {
        // SAFETY: sixteen numbers are readable by contract.
        unsafe { _mm256_loadu_si256(p.cast()) }
    }

    #[inline(always)]
    unsafe fn store_halves(self, p: *mut i16, v: __m256i) {
        // SAFETY: sixteen numbers are writable by contract.
        unsafe { _mm256_storeu_si256(p.cast(), v) }
    }
}

/// AVX-512 alone.
pub(super) mod plain {
    use super::*;
    table! {
        Avx512<false> = Avx512::<false>(()), "avx512f,avx512bw,avx512dq,avx512vl",
        tiles: {
            1 => 1 2 3 4 5 6 7 8 9 10 11 12; 2 => 1 2 3 4 5 6 7 8 9 10 11 12; 3 => 1 2 3 4 5 6 7 8; 4 => 1 2 3 4 5 6
        }
    }
}

/// With VNNI.
pub(super) mod dot {
    use super::*;
    table! {
        Avx512<true> = Avx512::<true>(()), "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni",
        tiles: {
            1 => 1 2 3 4 5 6 7 8 9 10 11 12; 2 => 1 2 3 4 5 6 7 8 9 10 11 12; 3 => 1 2 3 4 5 6 7 8; 4 => 1 2 3 4 5 6
        }
    }
}
