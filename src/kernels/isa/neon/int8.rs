//! Integers with NEON: sums of four products of bytes at once, with one instruction on CPUs that have dot products
//! (Cortex-A55, A75 and later), with four on others.

use std::arch::aarch64::*;
use std::arch::asm;

use super::Neon;
use crate::kernels::isa::Isa;
use crate::kernels::isa::int8::{Ints, Limits};

/// Made only by functions that are compiled for dot products, so a value proves that the CPU has them.
#[derive(Clone, Copy)]
pub(crate) struct Dot(pub(crate) ());

/// Implements a float instruction set by means of another.
macro_rules! delegate {
    ($($name:ident($($arg:ident),+);)+) => {$(
        #[inline(always)]
        fn $name(self, $($arg: float32x4_t),+) -> float32x4_t {
            Neon.$name($($arg),+)
        }
    )+};
}

impl Isa for Dot {
    const LANES: usize = Neon::LANES;
    type V = float32x4_t;

    delegate! {
        fma(a, b, c);
        add(a, b);
        sub(a, b);
        mul(a, b);
        div(a, b);
        exp2_biased(shifted);
        max(a, b);
        min(a, b);
    }

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        Neon.splat(x)
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> float32x4_t {
        // SAFETY: the caller guarantees four readable floats, as NEON's own load asks for.
        unsafe { Neon.load(p) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: float32x4_t) {
        // SAFETY: the caller guarantees four writable floats, as NEON's own store asks for.
        unsafe { Neon.store(p, v) }
    }
}

/// What both have in common; they differ in `dot`.
macro_rules! bytes {
    ($isa:ty, |$sum:ident, $a:ident, $w:ident| $dot:expr) => {
        impl Ints for $isa {
            type Item = i8;
            type S = int32x4_t;
            type W = int8x16_t;
            const GROUP: usize = 4;

            #[inline(always)]
            fn i32_splat(self, x: i32) -> int32x4_t {
                // SAFETY: every CPU of this architecture has the instruction.
                unsafe { vdupq_n_s32(x) }
            }

            #[inline(always)]
            fn i32_add(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
                // SAFETY: integer addition is part of NEON, which every CPU of this architecture has.
                unsafe { vaddq_s32(a, b) }
            }

            #[inline(always)]
            fn dot(self, $sum: int32x4_t, $a: int8x16_t, $w: int8x16_t) -> int32x4_t {
                $dot
            }

            #[inline(always)]
            fn to_f32(self, x: int32x4_t) -> float32x4_t {
                // SAFETY: NEON converts integers on every CPU of this architecture.
                unsafe { vcvtq_f32_s32(x) }
            }

            #[inline(always)]
            fn round_to_i32(self, x: float32x4_t) -> int32x4_t {
                // SAFETY: every CPU of this architecture rounds with this instruction.
                unsafe { vcvtnq_s32_f32(x) }
            }

            #[inline(always)]
            unsafe fn i32_load(self, p: *const i32) -> int32x4_t {
                // SAFETY: the caller guarantees that four sums are readable.
                unsafe { vld1q_s32(p) }
            }

            #[inline(always)]
            unsafe fn i32_store(self, p: *mut i32, v: int32x4_t) {
                // SAFETY: the caller guarantees that four sums are writable.
                unsafe { vst1q_s32(p, v) }
            }

            #[inline(always)]
            unsafe fn load_weights(self, p: *const i8) -> int8x16_t {
                // SAFETY: the caller guarantees that sixteen weights are readable.
                unsafe { vld1q_s8(p) }
            }

            #[inline(always)]
            unsafe fn load_group(self, p: *const i8) -> int8x16_t {
                // SAFETY: the caller guarantees that four values are readable.
                unsafe { vreinterpretq_s8_s32(vdupq_n_s32(p.cast::<i32>().read_unaligned())) }
            }

            #[inline(always)]
            unsafe fn load_items(self, p: *const i8) -> int32x4_t {
                // SAFETY: the caller guarantees that four values are readable.
                unsafe {
                    let four = vdup_n_s32(p.cast::<i32>().read_unaligned());
                    vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_s32(four))))
                }
            }

            #[inline(always)]
            unsafe fn store_item(self, p: *mut i8, v: int32x4_t) {
                // SAFETY: the caller guarantees that four values are writable.
                unsafe {
                    let halves = vmovn_s32(v);
                    let bytes = vreinterpret_s32_s8(vmovn_s16(vcombine_s16(halves, halves)));
                    p.cast::<i32>().write_unaligned(vget_lane_s32::<0>(bytes));
                }
            }

            #[inline(always)]
            unsafe fn store_items<const N: usize>(self, limits: &Limits, v: &[float32x4_t; N], p: *mut i8) {
                // SAFETY: the caller guarantees that `p` takes the items of all registers.
                unsafe { store_items(limits, v, p) }
            }
        }
    };
}

/// As [`Ints::store_items`]. The limits are applied last, on bytes: all steps before saturate and keep the order, so
/// the results equal those of limits on the floats.
///
/// # Safety
/// As [`Ints::store_items`].
#[inline(always)]
unsafe fn store_items<const N: usize>(limits: &Limits, v: &[float32x4_t; N], p: *mut i8) {
    // SAFETY: the caller guarantees that `p` takes the items of `N` registers; every CPU of this architecture has the
    // instructions.
    unsafe {
        let zero = vdupq_n_s16(limits.zero as i16);
        let limit = |x: f32| vdupq_n_s8((vcvtns_s32_f32(x) + limits.zero) as i8);
        let (lo, hi) = (limit(limits.lo), limit(limits.hi));
        let mut j = 0;
        while j < N {
            // Past the last register the last one is used again; its result is not stored.
            let quarter = |i: usize| vcvtnq_s32_f32(v[if j + i < N { j + i } else { N - 1 }]);
            let half = |i: usize| vqaddq_s16(vqmovn_high_s32(vqmovn_s32(quarter(i)), quarter(i + 1)), zero);
            let bytes = vqmovn_high_s16(vqmovn_s16(half(0)), half(2));
            let bytes = vminq_s8(hi, vmaxq_s8(lo, bytes));
            let to = p.add(j * 4);
            match N - j {
                1 => vst1q_lane_s32::<0>(to.cast(), vreinterpretq_s32_s8(bytes)),
                2 | 3 => vst1_s8(to, vget_low_s8(bytes)),
                _ => vst1q_s8(to, bytes),
            }
            if N - j == 3 {
                vst1q_lane_s32::<2>(to.add(8).cast(), vreinterpretq_s32_s8(bytes));
            }
            j += 4;
        }
    }
}

bytes!(Neon, |sum, a, w| {
    // SAFETY: every CPU of this architecture has the instructions. Two products fit 16 bits, as no weight is -128.
    unsafe {
        let low = vmull_s8(vget_low_s8(a), vget_low_s8(w));
        vpadalq_s16(sum, vpaddq_s16(low, vmull_high_s8(a, w)))
    }
});

bytes!(Dot, |sum, a, w| {
    let mut sum = sum;
    // The intrinsic is not stable yet.
    // SAFETY: a value of `Dot` proves that the CPU has the instruction, which touches nothing but its registers.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {a:v}.16b, {w:v}.16b",
            sum = inout(vreg) sum,
            a = in(vreg) a,
            w = in(vreg) w,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
});
