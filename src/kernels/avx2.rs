//! Kernels for x86-64 CPUs with AVX2 and FMA (Intel since 2013, AMD since 2015).

use std::arch::x86_64::*;

use super::isa::Isa;
use super::tile::{Job, Spots, tile, tiles};
use super::winograd::{Gather, Spread};
use super::{Kernels, depthwise, point, pool, winograd};

/// Made only by functions that are compiled for AVX2 and FMA, so a value proves that the CPU has both.
#[derive(Clone, Copy)]
struct Avx2(());

/// Methods that only name an intrinsic.
macro_rules! intrinsics {
    ($($name:ident($($arg:ident),+) = $intrinsic:ident;)+) => {$(
        #[inline(always)]
        fn $name(self, $($arg: __m256),+) -> __m256 {
            // SAFETY: a value of `Avx2` proves that the CPU has the instruction.
            unsafe { $intrinsic($($arg),+) }
        }
    )+};
}

impl Isa for Avx2 {
    const LANES: usize = 8;
    type V = __m256;

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: a value of `Avx2` proves that the CPU has the instruction.
        unsafe { _mm256_set1_ps(x) }
    }

    intrinsics! {
        fma(a, b, c) = _mm256_fmadd_ps;
        add(a, b) = _mm256_add_ps;
        sub(a, b) = _mm256_sub_ps;
        mul(a, b) = _mm256_mul_ps;
        max(a, b) = _mm256_max_ps;
        min(a, b) = _mm256_min_ps;
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m256 {
        // SAFETY: eight floats are readable by contract.
        unsafe { _mm256_loadu_ps(p) }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m256) {
        // SAFETY: eight floats are writable by contract.
        unsafe { _mm256_storeu_ps(p, v) }
    }
}

/// # Safety
/// As [`tile`], on a CPU with AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn dense<const P: usize, const N: usize>(job: &Job, spots: &Spots) {
    // SAFETY: same contract.
    unsafe { tile::<_, P, N>(Avx2(()), job, spots) }
}

/// Functions compiled for AVX2 and FMA that run a generic kernel.
macro_rules! stamp {
    ($($name:ident($job:ty) = $kernel:path;)+) => {$(
        /// # Safety
        /// As the generic kernel, on a CPU with AVX2 and FMA.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn $name(job: &$job) {
            // SAFETY: same contract.
            unsafe { $kernel(Avx2(()), job) }
        }
    )+};
}

stamp! {
    spread(Spread) = winograd::spread;
    gather(Gather) = winograd::gather;
    depthwise_full(depthwise::Job) = depthwise::depthwise::<_, 1, 6>;
    depthwise_half(depthwise::Job) = depthwise::depthwise::<_, 2, 4>;
    pool_(pool::Job) = pool::pool;
    replicate(pool::ReplicateJob) = pool::replicate;
    point_(point::Job) = point::point;
}

/// Whether this CPU has AVX2 and FMA.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// The AVX2 kernels. To be handed out only where [`available`].
pub(super) static KERNELS: Kernels = Kernels {
    name: "avx2",
    lanes: Avx2::LANES,
    tiles: tiles!(dense: 1 => 1 2 3 4 5 6 7 8; 2 => 1 2 3 4 5 6; 3 => 1 2 3 4; 4 => 1; 8 => 1),
    spread,
    gather,
    depthwise: depthwise_full,
    depthwise_half,
    pool: pool_,
    replicate,
    point: point_,
};
