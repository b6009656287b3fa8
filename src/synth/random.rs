//! Random numbers that are the same on every machine: PCG for the bits, libm for the functions.

use rand_core::Rng as _;
use rand_pcg::Pcg64Mcg;

/// A stream of random numbers determined by a seed and an index.
#[derive(Debug, Clone)]
pub struct Random(Pcg64Mcg);

impl Random {
    /// Stream number `index` of `seed`; streams are independent of each other.
    pub fn new(seed: u64, index: u64) -> Self {
        // SplitMix64 finaliser (Steele 2014): decorrelates neighbouring seeds and indices.
        let mix = |x: u64| {
            let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            x ^ (x >> 31)
        };
        let a = mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
        let b = mix(index.wrapping_add(a));
        Self(Pcg64Mcg::new((u128::from(a) << 64) | u128::from(b)))
    }

    /// Uniform 64 bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, 1)`.
    #[inline]
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Uniform in `[lo, hi)`.
    #[inline]
    pub fn range(&mut self, lo: f32, hi: f32) -> f32 {
        lo + (hi - lo) * self.unit()
    }

    /// Log-uniform in `[lo, hi)`, both above zero.
    pub fn log_range(&mut self, lo: f32, hi: f32) -> f32 {
        libm::expf(self.range(libm::logf(lo), libm::logf(hi)))
    }

    /// Uniform in `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// True with probability `p`.
    #[inline]
    pub fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// Gaussian (Box-Muller).
    #[inline]
    pub fn normal(&mut self, mean: f32, sd: f32) -> f32 {
        let r = (-2.0 * libm::logf(1.0 - self.unit())).sqrt();
        mean + sd * r * libm::cosf(std::f32::consts::TAU * self.unit())
    }

    /// A random element of a non-empty slice.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// A fast hash of two coordinates to `[-1, 1)`: stateless noise.
#[inline]
pub fn hash_noise(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77) ^ seed;
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    h ^= h >> 15;
    h as f32 / 2_147_483_648.0 - 1.0
}

/// Smooth step from 0 at `x <= -1` to 1 at `x >= 1`.
#[inline]
pub fn step(x: f32) -> f32 {
    let u = (x * 0.5 + 0.5).clamp(0.0, 1.0);
    u * u * (3.0 - 2.0 * u)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_ranges() {
        let mut r = Random::new(1, 2);
        let v: Vec<f32> = (0..20_000).map(|_| r.normal(3.0, 2.0)).collect();
        let m = v.iter().sum::<f32>() / v.len() as f32;
        let sd = (v.iter().map(|x| (x - m) * (x - m)).sum::<f32>() / v.len() as f32).sqrt();
        assert!((m - 3.0).abs() < 0.05 && (sd - 2.0).abs() < 0.05, "{m} {sd}");
        assert!((0..10_000).all(|_| (2.0..5.0).contains(&r.range(2.0, 5.0)) && r.below(7) < 7));
    }

    #[test]
    fn the_stream_is_fixed() {
        let mut r = Random::new(42, 7);
        let a = [r.bits(), r.bits()];
        let mut again = Random::new(42, 7);
        assert_eq!(a, [again.bits(), again.bits()]);
        assert_ne!(a[0], Random::new(42, 8).bits());
        assert_ne!(a[0], Random::new(43, 7).bits());
    }
}
