//! What int8 kernels need of an instruction set, besides floats.

use super::tile::Limits;
use crate::kernels::isa::Isa;

/// Registers of as many 32-bit sums as there are floats in one. Sums and products of whole numbers wrap around.
pub(in crate::kernels) trait Ints: Isa {
    /// A stored value, and a weight.
    type Item: super::Number;
    /// `LANES` sums.
    type S: Copy;
    /// `GROUP` summands for each of `LANES` sums.
    type W: Copy;
    /// Summands of one product.
    const GROUP: usize;

    fn all(self, x: i32) -> Self::S;
    fn plus(self, a: Self::S, b: Self::S) -> Self::S;
    /// Adds the products of each lane's summands.
    fn dot(self, sum: Self::S, a: Self::W, w: Self::W) -> Self::S;
    /// Floats nearest to the sums.
    fn float(self, x: Self::S) -> Self::V;
    /// The nearest whole numbers, halves to even; for -1e6 to 1e6.
    fn nearest(self, x: Self::V) -> Self::S;

    /// Reads `LANES` sums.
    ///
    /// # Safety
    /// `p` is valid for reading them; no alignment is needed.
    unsafe fn load_sums(self, p: *const i32) -> Self::S;

    /// Writes `LANES` sums.
    ///
    /// # Safety
    /// `p` is valid for writing them; no alignment is needed.
    unsafe fn store_sums(self, p: *mut i32, v: Self::S);

    /// Reads `LANES * GROUP` weights.
    ///
    /// # Safety
    /// `p` is valid for reading them.
    unsafe fn weights(self, p: *const Self::Item) -> Self::W;

    /// Reads `GROUP` values for all lanes.
    ///
    /// # Safety
    /// `p` is valid for reading them.
    unsafe fn group(self, p: *const Self::Item) -> Self::W;

    /// Reads `LANES` values.
    ///
    /// # Safety
    /// `p` is valid for reading them.
    unsafe fn widen(self, p: *const Self::Item) -> Self::S;

    /// Writes `LANES` values that an item can hold.
    ///
    /// # Safety
    /// `p` is valid for writing them.
    unsafe fn narrow(self, p: *mut Self::Item, v: Self::S);

    /// Limits, rounds and stores `N` registers of scaled sums. The limits are those of an item; a NaN becomes some
    /// number within them.
    ///
    /// # Safety
    /// `p` is valid for writing as many items.
    #[inline(always)]
    unsafe fn items<const N: usize>(self, limits: &Limits, v: &[Self::V; N], p: *mut Self::Item) {
        let (lo, hi, zero) = (self.splat(limits.lo), self.splat(limits.hi), self.all(limits.zero));
        for j in 0..N {
            let v = self.nearest(self.min(self.max(v[j], lo), hi));
            // SAFETY: by contract.
            unsafe { self.narrow(p.add(j * Self::LANES), self.plus(v, zero)) };
        }
    }
}

/// What Winograd's method needs: registers of `HALVES` 16-bit numbers, and more to do with sums.
pub(in crate::kernels) trait Halves: Ints {
    /// `HALVES` numbers.
    type H: Copy;
    const HALVES: usize;

    fn all_halves(self, x: i16) -> Self::H;
    fn add_halves(self, a: Self::H, b: Self::H) -> Self::H;
    fn sub_halves(self, a: Self::H, b: Self::H) -> Self::H;
    /// Times `2^N`.
    fn up_halves<const N: i32>(self, a: Self::H) -> Self::H;

    fn minus(self, a: Self::S, b: Self::S) -> Self::S;
    fn times(self, a: Self::S, b: Self::S) -> Self::S;
    /// Times `2^N`.
    fn up<const N: i32>(self, a: Self::S) -> Self::S;
    /// The whole part, rounded down, of the `2^N`th.
    fn down<const N: i32>(self, a: Self::S) -> Self::S;

    /// Reads `HALVES` items as 16-bit numbers, less `zero`; such as are 16-bit numbers are stored without it.
    ///
    /// # Safety
    /// `p` is valid for reading them; no alignment is needed.
    unsafe fn halves(self, p: *const Self::Item, zero: Self::H) -> Self::H;

    /// Writes `HALVES` numbers.
    ///
    /// # Safety
    /// `p` is valid for writing them; no alignment is needed.
    unsafe fn store_halves(self, p: *mut i16, v: Self::H);
}
