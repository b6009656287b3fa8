//! The dense int8 tile of CPUs with NEON dot products.

use std::arch::aarch64::*;
use std::arch::asm;

use super::tile::{self, Job, biases, groups, pixels};
use crate::kernels::isa::neon::int8::Dot;
use crate::kernels::layers::pixels::PixelOffsets;

/// Four groups of `P` pixels times `N` registers: the products take single lanes of the pixels, so that a pixel costs
/// one load per four groups.
///
/// # Safety
/// Four groups are readable at each pixel and `4 * N` registers at `w`, and the CPU has dot products.
#[inline(always)]
unsafe fn four<const P: usize, const N: usize>(sum: &mut [[int32x4_t; N]; P], pixel: &[*const i8; P], w: *const i8) {
    /// The products of one lane.
    macro_rules! lane {
        ($a:ident, $lane:literal) => {
            for j in 0..N {
                let b = vld1q_s8(w.add(($lane * N + j) * 16));
                for i in 0..P {
                    // The intrinsic is not stable yet.
                    asm!(
                        concat!("sdot {sum:v}.4s, {w:v}.16b, {a:v}.4b[", $lane, "]"),
                        sum = inout(vreg) sum[i][j],
                        w = in(vreg) b,
                        a = in(vreg) $a[i],
                        options(pure, nomem, nostack, preserves_flags)
                    );
                }
            }
        };
    }
    // SAFETY: the caller guarantees the pixels, the weights and dot products; the instruction touches nothing but its
    // registers.
    unsafe {
        let mut a = [vdupq_n_s8(0); P];
        for i in 0..P {
            a[i] = vld1q_s8(pixel[i]);
        }
        lane!(a, 0);
        lane!(a, 1);
        lane!(a, 2);
        lane!(a, 3);
    }
}

/// As [`tile::tile`], with four groups at a time.
///
/// # Safety
/// As [`tile::tile`], on a CPU with dot products.
#[target_feature(enable = "neon,dotprod")]
pub(crate) unsafe fn dot<const STORE: usize, const P: usize, const N: usize>(job: &Job, offsets: &PixelOffsets) {
    let isa = Dot(());
    // SAFETY: the caller keeps the contract of `tile`; four groups are read only where there are as many.
    unsafe {
        let mut sum = biases::<Dot, P, N>(isa, job);
        let mut w = job.weights.cast::<i8>();
        for &start in job.starts {
            let mut pixel = pixels::<Dot, P>(job, offsets, start);
            for _ in 0..job.run / 4 {
                four(&mut sum, &pixel, w);
                for i in 0..P {
                    pixel[i] = pixel[i].add(16);
                }
                w = w.add(64 * N);
            }
            w = groups(isa, &mut sum, &pixel, w, 0..job.run % 4).wrapping_byte_add(job.skip);
        }
        tile::store_tile::<_, STORE, P, N>(isa, job, offsets, &sum);
    }
}
