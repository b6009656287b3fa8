//! Kernels for 64-bit Arm CPUs, all of which have NEON.

pub(crate) mod int8;

use std::arch::aarch64::*;

use super::{Counts, Isa, Transpose};

/// Every CPU of this architecture has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Neon;

/// Methods that only name an intrinsic.
macro_rules! intrinsics {
    ($($name:ident($($arg:ident),+) = $intrinsic:ident;)+) => {$(
        #[inline(always)]
        fn $name(self, $($arg: float32x4_t),+) -> float32x4_t {
            // SAFETY: every CPU of this architecture has the instruction.
            unsafe { $intrinsic($($arg),+) }
        }
    )+};
}

impl Isa for Neon {
    const LANES: usize = 4;
    type V = float32x4_t;

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: every CPU of this architecture has the instruction.
        unsafe { vdupq_n_f32(x) }
    }

    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: every CPU of this architecture has the instruction.
        unsafe { vfmaq_f32(c, a, b) }
    }

    intrinsics! {
        add(a, b) = vaddq_f32;
        sub(a, b) = vsubq_f32;
        mul(a, b) = vmulq_f32;
        div(a, b) = vdivq_f32;
        // These give NaN if either operand is NaN.
        max(a, b) = vmaxq_f32;
        min(a, b) = vminq_f32;
    }

    #[inline(always)]
    fn exp2_biased(self, shifted: float32x4_t) -> float32x4_t {
        // SAFETY: every CPU of this architecture has the instructions.
        unsafe { vreinterpretq_f32_u32(vshlq_n_u32::<23>(vreinterpretq_u32_f32(shifted))) }
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> float32x4_t {
        // SAFETY: the caller guarantees that four floats are readable.
        unsafe { vld1q_f32(p) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: float32x4_t) {
        // SAFETY: the caller guarantees that four floats are writable.
        unsafe { vst1q_f32(p, v) }
    }
}

/// The counts at `i` and `i + 1` for each of the four indices at `at`.
///
/// # Safety
/// `p` is valid for reading them.
#[inline(always)]
unsafe fn pairs(p: *const u16, at: *const u32) -> [float32x4_t; 2] {
    // SAFETY: the caller guarantees that both counts of each index are readable.
    unsafe {
        let mut both = [0u32; 4];
        for i in 0..4 {
            both[i] = p.add(at.add(i).read() as usize).cast::<u32>().read_unaligned();
        }
        let both = vld1q_u32(both.as_ptr());
        let left = vandq_u32(both, vdupq_n_u32(0xffff));
        [vcvtq_f32_u32(left), vcvtq_f32_u32(vshrq_n_u32::<16>(both))]
    }
}

impl Counts for Neon {
    #[inline(always)]
    fn limit(self, x: float32x4_t, limit: float32x4_t) -> float32x4_t {
        // SAFETY: every CPU of this architecture has the instructions. Of a NaN and a number they give the number.
        unsafe { vminnmq_f32(vmaxnmq_f32(x, vdupq_n_f32(0.0)), limit) }
    }

    #[inline(always)]
    fn floor(self, x: float32x4_t) -> float32x4_t {
        // SAFETY: every CPU of this architecture has the instruction.
        unsafe { vrndq_f32(x) }
    }

    #[inline(always)]
    fn even_lanes(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: every CPU of this architecture has the instruction.
        unsafe { vuzp1q_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn load_u16(self, p: *const u16) -> float32x4_t {
        // SAFETY: the caller guarantees that four counts are readable.
        unsafe { vcvtq_f32_u32(vmovl_u16(vld1_u16(p))) }
    }

    #[inline(always)]
    unsafe fn load_u8(self, p: *const u8) -> float32x4_t {
        // SAFETY: the caller guarantees that four bytes are readable.
        let four = unsafe { p.cast::<u32>().read_unaligned() };
        // SAFETY: a value of `Neon` proves that the CPU has the instructions.
        unsafe { vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(u64::from(four)))))) }
    }

    #[inline(always)]
    unsafe fn load_u16_means(self, upper: *const u16, lower: *const u16) -> float32x4_t {
        // SAFETY: the caller guarantees that eight counts of either are readable.
        unsafe { vcvtq_n_f32_u32::<2>(vpadalq_u16(vpaddlq_u16(vld1q_u16(upper)), vld1q_u16(lower))) }
    }

    #[inline(always)]
    unsafe fn store_u32(self, p: *mut u32, v: float32x4_t) {
        // SAFETY: the caller guarantees that four numbers are writable.
        unsafe { vst1q_u32(p, vcvtq_u32_f32(v)) }
    }

    #[inline(always)]
    unsafe fn gather_squares(self, p: *const u16, at: *const u32, below: usize) -> [float32x4_t; 4] {
        // SAFETY: the caller guarantees that the counts are readable.
        unsafe {
            let ([a, b], [c, d]) = (pairs(p, at), pairs(p.add(below), at));
            [a, b, c, d]
        }
    }

    #[inline(always)]
    unsafe fn gather_pairs(self, p: *const f32, _: usize, at: *const u32) -> [float32x4_t; 2] {
        // SAFETY: the caller guarantees that the values are readable.
        unsafe {
            let mut two = [vdup_n_f32(0.0); 4];
            for i in 0..4 {
                two[i] = vld1_f32(p.add(at.add(i).read() as usize));
            }
            let (near, far) = (vcombine_f32(two[0], two[1]), vcombine_f32(two[2], two[3]));
            [vuzp1q_f32(near, far), vuzp2q_f32(near, far)]
        }
    }

    #[inline(always)]
    unsafe fn store_u8(self, p: *mut u8, v: float32x4_t) {
        // SAFETY: the caller guarantees that four bytes are writable.
        unsafe {
            let halves = vmovn_u32(vcvtq_u32_f32(v));
            let bytes = vreinterpret_u32_u8(vmovn_u16(vcombine_u16(halves, halves)));
            p.cast::<u32>().write_unaligned(vget_lane_u32::<0>(bytes));
        }
    }
}

impl Transpose for Neon {
    #[inline(always)]
    unsafe fn load_fours(self, p: *const f32, _: usize) -> float32x4_t {
        // SAFETY: the caller guarantees that the four floats at `p` are readable.
        unsafe { vld1q_f32(p) }
    }

    #[inline(always)]
    fn transpose4(self, [a, b, c, d]: [float32x4_t; 4]) -> [float32x4_t; 4] {
        // SAFETY: every CPU of this architecture has the instructions.
        unsafe {
            let pair = |a, b| [vreinterpretq_f64_f32(vtrn1q_f32(a, b)), vreinterpretq_f64_f32(vtrn2q_f32(a, b))];
            let ([even, odd], [even_below, odd_below]) = (pair(a, b), pair(c, d));
            [
                vreinterpretq_f32_f64(vtrn1q_f64(even, even_below)),
                vreinterpretq_f32_f64(vtrn1q_f64(odd, odd_below)),
                vreinterpretq_f32_f64(vtrn2q_f64(even, even_below)),
                vreinterpretq_f32_f64(vtrn2q_f64(odd, odd_below)),
            ]
        }
    }
}

/// Whether this CPU has dot products of bytes.
pub(crate) fn dot_products() -> bool {
    std::arch::is_aarch64_feature_detected!("dotprod")
}
