//! Kernels for x86-64 CPUs with AVX2 and FMA (Intel since 2013, AMD since 2015).

pub(crate) mod int8;

use std::arch::x86_64::*;

use super::x86::{intrinsics, transpose};
use super::{Counts, Isa, Transpose};

/// Made only by functions that are compiled for AVX2 and FMA, and for AVX-VNNI if `DOT` is 1 (on bytes) or 2 (on
/// pairs of 16-bit numbers), for AVX-512's VNNI if it is 3 (on bytes), so a value proves that the CPU has them.
#[derive(Clone, Copy)]
pub(crate) struct Avx2<const DOT: u8>(pub(crate) ());

impl<const DOT: u8> Isa for Avx2<DOT> {
    const LANES: usize = 8;
    type V = __m256;

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: a value of `Avx2` proves that the CPU has the instruction.
        unsafe { _mm256_set1_ps(x) }
    }

    intrinsics! {
        fma(a: __m256, b: __m256, c: __m256) -> __m256 = _mm256_fmadd_ps;
        add(a: __m256, b: __m256) -> __m256 = _mm256_add_ps;
        sub(a: __m256, b: __m256) -> __m256 = _mm256_sub_ps;
        mul(a: __m256, b: __m256) -> __m256 = _mm256_mul_ps;
        div(a: __m256, b: __m256) -> __m256 = _mm256_div_ps;
        max(a: __m256, b: __m256) -> __m256 = _mm256_max_ps;
        min(a: __m256, b: __m256) -> __m256 = _mm256_min_ps;
    }

    #[inline(always)]
    fn exp2_biased(self, shifted: __m256) -> __m256 {
        // SAFETY: a value of this type proves that the CPU has the instructions.
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(shifted))) }
    }

    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        // SAFETY: asking for an address reads nothing, and cannot fail.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m256 {
        // SAFETY: the caller guarantees that eight floats are readable.
        unsafe { _mm256_loadu_ps(p) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m256) {
        // SAFETY: the caller guarantees that eight floats are writable.
        unsafe { _mm256_storeu_ps(p, v) }
    }
}

impl<const DOT: u8> Transpose for Avx2<DOT> {
    #[inline(always)]
    unsafe fn load_fours(self, p: *const f32, stride: usize) -> __m256 {
        // SAFETY: the caller guarantees that all are readable.
        unsafe {
            let low = _mm256_castps128_ps256(_mm_loadu_ps(p));
            _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(p.add(stride)))
        }
    }

    transpose! {
        __m256: _mm256_unpacklo_ps _mm256_unpackhi_ps, _mm256_unpacklo_pd _mm256_unpackhi_pd,
        _mm256_castps_pd _mm256_castpd_ps
    }
}

/// The counts at `i` and `i + 1` for each of the eight indices at `at`. Uses single loads instead of the gather
/// instruction, which is slower on many CPUs.
///
/// # Safety
/// `p` is valid for reading them, on a CPU with AVX2.
#[inline(always)]
unsafe fn pairs(p: *const u16, at: *const u32) -> [__m256; 2] {
    // SAFETY: the caller guarantees that both counts of each index are readable, and that the CPU has the instructions.
    unsafe {
        let mut both = [0i32; 8];
        for i in 0..8 {
            both[i] = p.add(at.add(i).read() as usize).cast::<i32>().read_unaligned();
        }
        let v = _mm256_setr_epi32(both[0], both[1], both[2], both[3], both[4], both[5], both[6], both[7]);
        let even = _mm256_and_si256(v, _mm256_set1_epi32(0xffff));
        [_mm256_cvtepi32_ps(even), _mm256_cvtepi32_ps(_mm256_srli_epi32::<16>(v))]
    }
}

impl Counts for Avx2<0> {
    #[inline(always)]
    fn limit(self, x: __m256, limit: __m256) -> __m256 {
        // `max` gives its second operand for a NaN.
        self.min(self.max(x, self.zero()), limit)
    }

    #[inline(always)]
    fn floor(self, x: __m256) -> __m256 {
        // SAFETY: a value of `Avx2` proves that the CPU has the instruction.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC }>(x) }
    }

    #[inline(always)]
    fn even_lanes(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: a value of `Avx2` proves that the CPU has the instructions.
        unsafe {
            let mixed = _mm256_castps_pd(_mm256_shuffle_ps::<0b10_00_10_00>(a, b));
            _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(mixed))
        }
    }

    #[inline(always)]
    unsafe fn load_u16(self, p: *const u16) -> __m256 {
        // SAFETY: the caller guarantees that eight counts are readable.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast()))) }
    }

    #[inline(always)]
    unsafe fn load_u8(self, p: *const u8) -> __m256 {
        // SAFETY: the caller guarantees that eight bytes are readable.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(p.cast()))) }
    }

    #[inline(always)]
    unsafe fn load_u16_means(self, upper: *const u16, lower: *const u16) -> __m256 {
        // SAFETY: the caller guarantees that sixteen counts of either are readable.
        unsafe {
            // Counts minus 2^15 fit the instruction that adds neighbours.
            let (middle, ones) = (_mm256_set1_epi16(i16::MIN), _mm256_set1_epi16(1));
            let upper = _mm256_madd_epi16(_mm256_xor_si256(_mm256_loadu_si256(upper.cast()), middle), ones);
            let lower = _mm256_madd_epi16(_mm256_xor_si256(_mm256_loadu_si256(lower.cast()), middle), ones);
            let sums = _mm256_cvtepi32_ps(_mm256_add_epi32(upper, lower));
            _mm256_fmadd_ps(sums, _mm256_set1_ps(0.25), _mm256_set1_ps(32_768.0))
        }
    }

    #[inline(always)]
    unsafe fn store_u32(self, p: *mut u32, v: __m256) {
        // SAFETY: the caller guarantees that eight numbers are writable.
        unsafe { _mm256_storeu_si256(p.cast(), _mm256_cvttps_epi32(v)) }
    }

    #[inline(always)]
    unsafe fn gather_squares(self, p: *const u16, at: *const u32, below: usize) -> [__m256; 4] {
        // SAFETY: the caller guarantees that the counts are readable.
        unsafe {
            let ([a, b], [c, d]) = (pairs(p, at), pairs(p.add(below), at));
            [a, b, c, d]
        }
    }

    #[inline(always)]
    unsafe fn gather_pairs(self, p: *const f32, _: usize, at: *const u32) -> [__m256; 2] {
        // SAFETY: the caller guarantees that the values are readable.
        unsafe {
            let mut both = [0f64; 8];
            for i in 0..8 {
                both[i] = p.add(at.add(i).read() as usize).cast::<f64>().read_unaligned();
            }
            let near = _mm256_setr_pd(both[0], both[1], both[4], both[5]);
            let far = _mm256_setr_pd(both[2], both[3], both[6], both[7]);
            let (near, far) = (_mm256_castpd_ps(near), _mm256_castpd_ps(far));
            [_mm256_shuffle_ps::<0b10_00_10_00>(near, far), _mm256_shuffle_ps::<0b11_01_11_01>(near, far)]
        }
    }

    #[inline(always)]
    unsafe fn store_u8(self, p: *mut u8, v: __m256) {
        // SAFETY: the caller guarantees that eight bytes are writable.
        unsafe {
            let v = _mm256_cvttps_epi32(v);
            let v = _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
            _mm_storel_epi64(p.cast(), _mm_packus_epi16(v, v));
        }
    }
}

/// Whether this CPU has AVX2 and FMA.
pub(crate) fn available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Whether this CPU has dot products of bytes in registers of 32.
pub(crate) fn dot_products() -> bool {
    available() && is_x86_feature_detected!("avxvnni")
}
