//! The dense tile of NEON.

use std::arch::aarch64::*;

use super::tile::{self, Job};
use crate::kernels::isa::Isa;
use crate::kernels::isa::neon::Neon;
use crate::kernels::layers::pixels::PixelOffsets;

/// Four summands of `P` pixels times `N` registers: the products take single lanes of the pixels, so that a pixel
/// costs one load per four summands.
///
/// # Safety
/// Four floats are readable at each pixel and `4 * N` registers at `w`.
#[inline(always)]
unsafe fn four<const P: usize, const N: usize>(
    sum: &mut [[float32x4_t; N]; P],
    pixel: &[*const f32; P],
    w: *const f32,
) {
    /// The products of one lane.
    macro_rules! lane {
        ($a:ident, $lane:literal) => {
            let mut b = [vdupq_n_f32(0.0); N];
            for j in 0..N {
                b[j] = vld1q_f32(w.add(($lane * N + j) * 4));
            }
            for i in 0..P {
                for j in 0..N {
                    sum[i][j] = vfmaq_laneq_f32::<$lane>(sum[i][j], b[j], $a[i]);
                }
            }
        };
    }
    // SAFETY: the caller guarantees four floats at each pixel and `4 * N` registers of weights.
    unsafe {
        let mut a = [vdupq_n_f32(0.0); P];
        for i in 0..P {
            a[i] = vld1q_f32(pixel[i]);
        }
        lane!(a, 0);
        lane!(a, 1);
        lane!(a, 2);
        lane!(a, 3);
    }
}

/// As [`tile::tile`], with four summands at a time.
///
/// # Safety
/// As [`tile::tile`].
pub(crate) unsafe fn dense<const P: usize, const N: usize>(job: &Job, offsets: &PixelOffsets) {
    if job.run < 4 {
        // SAFETY: the caller keeps the contract of `tile`.
        return unsafe { tile::tile::<_, P, N>(Neon, job, offsets) };
    }
    // SAFETY: four summands are read only while a run has as many; the rest is what the caller guarantees for `tile`.
    unsafe {
        let bias = job.epilogue.bias.as_ptr().add(job.c);
        let mut sum = [[Neon.zero(); N]; P];
        for j in 0..N {
            let b = Neon.load(bias.add(j * 4));
            for i in 0..P {
                sum[i][j] = b;
            }
        }
        let mut w = job.weights;
        for &start in job.starts {
            let mut pixel = [job.input; P];
            for i in 0..P {
                pixel[i] = job.input.add(offsets.input(i) + start);
            }
            let mut left = job.run;
            while left >= 4 {
                four(&mut sum, &pixel, w);
                for i in 0..P {
                    pixel[i] = pixel[i].add(4);
                }
                w = w.add(16 * N);
                left -= 4;
            }
            for k in 0..left {
                for i in 0..P {
                    let a = Neon.splat(*pixel[i].add(k));
                    for j in 0..N {
                        sum[i][j] = Neon.fma(a, Neon.load(w.add(j * 4)), sum[i][j]);
                    }
                }
                w = w.add(4 * N);
            }
            w = w.wrapping_add(job.skip);
        }
        tile::store_tile(Neon, job, offsets, &mut sum);
    }
}
