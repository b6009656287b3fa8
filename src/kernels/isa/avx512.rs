//! Kernels for x86-64 CPUs with AVX-512 (F, BW, DQ, VL: Intel servers since 2017, AMD since 2022).

pub(crate) mod int8;

use std::arch::x86_64::*;

use super::x86::{intrinsics, transpose};
use super::{Counts, Isa, Transpose};

/// Made only by functions that are compiled for AVX-512, and for its VNNI if `DOT` is 1 (on bytes) or 2 (on pairs of
/// 16-bit numbers), so a value proves that the CPU has them.
#[derive(Clone, Copy)]
pub(crate) struct Avx512<const DOT: u8>(pub(crate) ());

impl<const DOT: u8> Isa for Avx512<DOT> {
    const LANES: usize = 16;
    type V = __m512;

    intrinsics! {
        splat(x: f32) -> __m512 = _mm512_set1_ps;
        fma(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmadd_ps;
        add(a: __m512, b: __m512) -> __m512 = _mm512_add_ps;
        sub(a: __m512, b: __m512) -> __m512 = _mm512_sub_ps;
        mul(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps;
        div(a: __m512, b: __m512) -> __m512 = _mm512_div_ps;
        max(a: __m512, b: __m512) -> __m512 = _mm512_max_ps;
        min(a: __m512, b: __m512) -> __m512 = _mm512_min_ps;
    }

    #[inline(always)]
    fn exp2_biased(self, shifted: __m512) -> __m512 {
        // SAFETY: a value of this type proves that the CPU has the instructions.
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(shifted))) }
    }

    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        // SAFETY: asking for an address reads nothing, and cannot fail.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        // SAFETY: the caller guarantees that sixteen floats are readable.
        unsafe { _mm512_loadu_ps(p) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m512) {
        // SAFETY: the caller guarantees that sixteen floats are writable.
        unsafe { _mm512_storeu_ps(p, v) }
    }
}

impl<const DOT: u8> Transpose for Avx512<DOT> {
    #[inline(always)]
    unsafe fn load_fours(self, p: *const f32, stride: usize) -> __m512 {
        // SAFETY: the caller guarantees that all are readable.
        unsafe {
            let four = |i: usize| _mm_loadu_ps(p.add(i * stride));
            let v = _mm512_insertf32x4::<1>(_mm512_castps128_ps512(four(0)), four(1));
            _mm512_insertf32x4::<3>(_mm512_insertf32x4::<2>(v, four(2)), four(3))
        }
    }

    transpose! {
        __m512: _mm512_unpacklo_ps _mm512_unpackhi_ps, _mm512_unpacklo_pd _mm512_unpackhi_pd,
        _mm512_castps_pd _mm512_castpd_ps
    }
}

/// Neighbouring counts as floats: the even ones, and the odd ones.
///
/// # Safety
/// On a CPU with AVX-512.
#[inline(always)]
unsafe fn pairs(v: __m512i) -> [__m512; 2] {
    // SAFETY: the caller guarantees that the CPU has AVX-512.
    unsafe {
        let even = _mm512_and_si512(v, _mm512_set1_epi32(0xffff));
        [_mm512_cvtepi32_ps(even), _mm512_cvtepi32_ps(_mm512_srli_epi32::<16>(v))]
    }
}

impl Counts for Avx512<0> {
    #[inline(always)]
    fn limit(self, x: __m512, limit: __m512) -> __m512 {
        // `max` gives its second operand for a NaN.
        self.min(self.max(x, self.zero()), limit)
    }

    #[inline(always)]
    fn floor(self, x: __m512) -> __m512 {
        // SAFETY: a value of `Avx512` proves that the CPU has the instruction.
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(x) }
    }

    #[inline(always)]
    fn even_lanes(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: a value of `Avx512` proves that the CPU has the instructions.
        unsafe {
            let places = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            _mm512_permutex2var_ps(a, places, b)
        }
    }

    #[inline(always)]
    unsafe fn load_u16(self, p: *const u16) -> __m512 {
        // SAFETY: the caller guarantees that sixteen counts are readable.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()))) }
    }

    #[inline(always)]
    unsafe fn load_u8(self, p: *const u8) -> __m512 {
        // SAFETY: the caller guarantees that sixteen bytes are readable.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast()))) }
    }

    #[inline(always)]
    unsafe fn load_u16_means(self, upper: *const u16, lower: *const u16) -> __m512 {
        // SAFETY: the caller guarantees that thirty-two counts of either are readable.
        unsafe {
            // Counts minus 2^15 fit the instruction that adds neighbours.
            let (middle, ones) = (_mm512_set1_epi16(i16::MIN), _mm512_set1_epi16(1));
            let upper = _mm512_madd_epi16(_mm512_xor_si512(_mm512_loadu_si512(upper.cast()), middle), ones);
            let lower = _mm512_madd_epi16(_mm512_xor_si512(_mm512_loadu_si512(lower.cast()), middle), ones);
            let sums = _mm512_cvtepi32_ps(_mm512_add_epi32(upper, lower));
            _mm512_fmadd_ps(sums, _mm512_set1_ps(0.25), _mm512_set1_ps(32_768.0))
        }
    }

    #[inline(always)]
    unsafe fn store_u32(self, p: *mut u32, v: __m512) {
        // SAFETY: the caller guarantees that sixteen numbers are writable.
        unsafe { _mm512_storeu_si512(p.cast(), _mm512_cvttps_epi32(v)) }
    }

    #[inline(always)]
    unsafe fn gather_squares(self, p: *const u16, at: *const u32, below: usize) -> [__m512; 4] {
        // SAFETY: the caller guarantees that the counts are readable; two neighbours are gathered as one number.
        unsafe {
            let at = _mm512_loadu_si512(at.cast());
            let [a, b] = pairs(_mm512_i32gather_epi32::<2>(at, p.cast()));
            let [c, d] = pairs(_mm512_i32gather_epi32::<2>(at, p.add(below).cast()));
            [a, b, c, d]
        }
    }

    #[inline(always)]
    unsafe fn gather_pairs(self, p: *const f32, count: usize, at: *const u32) -> [__m512; 2] {
        // SAFETY: the caller guarantees that the values are readable; two registers are read where the values have so
        // many.
        unsafe {
            let first = at.read();
            let at = _mm512_loadu_si512(at.cast());
            let place = _mm512_sub_epi32(at, _mm512_set1_epi32(first as i32));
            let near = _mm512_cmplt_epu32_mask(place, _mm512_set1_epi32(31)) == !0;
            if near && first as usize + 32 <= count {
                let (a, b) = (self.load(p.add(first as usize)), self.load(p.add(first as usize + 16)));
                let next = _mm512_add_epi32(place, _mm512_set1_epi32(1));
                return [_mm512_permutex2var_ps(a, place, b), _mm512_permutex2var_ps(a, next, b)];
            }
            [_mm512_i32gather_ps::<4>(at, p), _mm512_i32gather_ps::<4>(at, p.add(1))]
        }
    }

    #[inline(always)]
    unsafe fn store_u8(self, p: *mut u8, v: __m512) {
        // SAFETY: the caller guarantees that sixteen bytes are writable.
        unsafe { _mm_storeu_si128(p.cast(), _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(v))) }
    }
}

/// Whether gather instructions are slower than single loads: on AMD CPUs, at least up to Zen 4 (measured there: 12 to
/// 17 us per crop of 160x120 with gathers, 10 with loads).
pub(crate) fn slow_gathers() -> bool {
    let vendor = __cpuid(0);
    [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
}

/// Whether this CPU has these parts of AVX-512, and what the kernels of half a register need.
pub(crate) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
}

/// Whether this CPU has dot products of bytes in registers of 64.
pub(crate) fn dot_products() -> bool {
    available() && is_x86_feature_detected!("avx512vnni")
}
