//! What a kernel needs from a register of floats.

/// An instruction set. A value of it is proof that this CPU has the instructions.
///
/// Comparisons keep a NaN of their *second* operand, so clamping never turns a NaN into a number.
pub(super) trait Isa: Copy + 'static {
    /// Floats in a register.
    const LANES: usize;
    /// A register.
    type V: Copy;

    fn splat(self, x: f32) -> Self::V;
    /// `a * b + c`, fused where the instruction set can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger; `b` if either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; `b` if either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;

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
