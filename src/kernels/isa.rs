//! Instruction sets: what a kernel needs from a register.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod int8;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod scalar;
pub(crate) mod tail;
#[cfg(target_arch = "x86_64")]
mod x86;

/// 1.5 * 2^23 + 127: adding it to a small number leaves the nearest integer in the low bits, biased as exponents are.
pub(crate) const BIASED: f32 = 12_583_039.0;

/// An instruction set. A value of it is proof that this CPU has the instructions.
///
/// `max` and `min` return NaN if their *second* operand is NaN, so clamping never turns a NaN into a number. If only
/// the first is NaN, they return either NaN or the second.
pub(crate) trait Isa: Copy + 'static {
    /// Floats in a register.
    const LANES: usize;
    /// A register.
    type V: Copy;

    fn splat(self, x: f32) -> Self::V;
    /// `a * b + c`, fused if the instruction set can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger; NaN if `b` is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; NaN if `b` is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;

    /// `2^n` for integers `n` from -126 to 127 in the low bits of [`BIASED`]` + n`.
    fn exp2_biased(self, shifted: Self::V) -> Self::V;

    /// Prefetches the cache line of an address. The address need not be valid.
    #[inline(always)]
    fn prefetch(self, _: *const f32) {}

    /// Reads `LANES` floats.
    ///
    /// # Safety
    /// `p` is valid for reading `LANES` floats; no alignment is needed.
    unsafe fn load(self, p: *const f32) -> Self::V;

    /// Writes `LANES` floats.
    ///
    /// # Safety
    /// `p` is valid for writing `LANES` floats; no alignment is needed.
    unsafe fn store(self, p: *mut f32, v: Self::V);

    /// All lanes zero.
    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(0.0)
    }
}

/// Additional operations for pictures of 16-bit counts.
pub(crate) trait Counts: Isa {
    /// `x` limited to `0..=limit`; 0 if it is NaN.
    fn limit(self, x: Self::V, limit: Self::V) -> Self::V;

    /// The largest integer not above `x`; only for 0 to 2^24.
    fn floor(self, x: Self::V) -> Self::V;

    /// The even lanes of `a`, then those of `b`.
    fn even_lanes(self, a: Self::V, b: Self::V) -> Self::V;

    /// Reads `LANES` counts.
    ///
    /// # Safety
    /// `p` is valid for reading `LANES` counts.
    unsafe fn load_u16(self, p: *const u16) -> Self::V;

    /// Reads `LANES` bytes.
    ///
    /// # Safety
    /// `p` is valid for reading `LANES` bytes.
    unsafe fn load_u8(self, p: *const u8) -> Self::V;

    /// Reads `2 * LANES` counts of each row and returns the means of squares of four.
    ///
    /// # Safety
    /// `upper` and `lower` are valid for reading `2 * LANES` counts.
    unsafe fn load_u16_means(self, upper: *const u16, lower: *const u16) -> Self::V;

    /// Writes integers from 0 to 2^24.
    ///
    /// # Safety
    /// `p` is valid for writing `LANES` numbers.
    unsafe fn store_u32(self, p: *mut u32, v: Self::V);

    /// The counts at `i`, `i + 1`, `i + below` and `i + below + 1` for each of the `LANES` indices `i` at `at`.
    ///
    /// # Safety
    /// `p` is valid for reading all of these.
    unsafe fn gather_squares(self, p: *const u16, at: *const u32, below: usize) -> [Self::V; 4];

    /// The values at `i` and `i + 1`, out of `count`, for each of the `LANES` indices `i` at `at`.
    ///
    /// # Safety
    /// `p` is valid for reading `count` values, more than any `i + 1`, and `at` for reading `LANES` indices.
    unsafe fn gather_pairs(self, p: *const f32, count: usize, at: *const u32) -> [Self::V; 2];

    /// Writes `v` truncated to bytes: exact from 0 to 255, otherwise any byte.
    ///
    /// # Safety
    /// `p` is valid for writing `LANES` bytes.
    unsafe fn store_u8(self, p: *mut u8, v: Self::V);
}

/// Channels that are transposed at a time.
pub(crate) const FOUR: usize = 4;

/// Additional operations for transposing.
pub(crate) trait Transpose: Isa {
    /// Reads four floats at `p` and at every further `stride` floats, until the register is full.
    ///
    /// # Safety
    /// All of them are readable.
    unsafe fn load_fours(self, p: *const f32, stride: usize) -> Self::V;

    /// Transposes the 4 x 4 floats in each group of four lanes of four registers.
    fn transpose4(self, rows: [Self::V; FOUR]) -> [Self::V; FOUR];
}
