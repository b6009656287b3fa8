//! What int8 kernels need of an instruction set, besides floats.

use super::Isa;

/// Whole numbers that memory of floats can hold as well.
pub(crate) trait Number: Copy {}
impl Number for i8 {}
impl Number for u8 {}
impl Number for i16 {}
impl Number for i32 {}

/// What happens to a scaled sum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub lo: f32,
    pub hi: f32,
    /// What is stored for zero.
    pub zero: i32,
}

impl Limits {
    /// A scaled sum as a float.
    #[inline(always)]
    pub fn limit<I: Isa>(&self, isa: I, v: I::V) -> I::V {
        isa.min(isa.splat(self.hi), isa.max(isa.splat(self.lo), v))
    }
}

/// Registers of as many 32-bit sums as there are floats in one. Sums and products of whole numbers wrap around.
pub(crate) trait Ints: Isa {
    /// A stored value, and a weight.
    type Item: Number;
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

    /// What [`Ints::pixels`] is to have for `x`, which may be any number, if it limits to `hi` or less.
    #[inline(always)]
    fn below(self, x: Self::V, _hi: Self::V) -> Self::V {
        x
    }

    /// As [`Ints::items`], of `P` pixels at `to`, and of numbers below 2^31.
    ///
    /// # Safety
    /// As there, for each pixel.
    #[inline(always)]
    unsafe fn pixels<const P: usize, const N: usize>(
        self,
        limits: &Limits,
        v: &[[Self::V; N]; P],
        to: &[*mut Self::Item; P],
    ) {
        for i in 0..P {
            // SAFETY: by contract.
            unsafe { self.items(limits, &v[i], to[i]) };
        }
    }
}

/// What saturating instructions do to four registers of whole numbers at once.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "others pack a register at a time"))]
pub(crate) trait Fours: Ints<Item = u8> {
    /// Four registers' bytes.
    type B: Copy;

    /// The numbers, plus `zero` (0 to 255), each limited to a byte.
    fn bytes(self, v: &[Self::S; 4], zero: i32) -> Self::B;
    fn within(self, v: Self::B, least: Self::B, most: Self::B) -> Self::B;

    /// Writes the bytes of each register.
    ///
    /// # Safety
    /// Each is valid for writing `LANES` bytes.
    unsafe fn write(self, to: &[*mut u8; 4], v: Self::B);

    /// [`Ints::pixels`], with the limits on bytes: what comes before them saturates or keeps the order, so that the
    /// results are those of limits on the floats.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    unsafe fn by_fours<const P: usize, const N: usize>(
        self,
        limits: &Limits,
        v: &[[Self::V; N]; P],
        to: &[*mut u8; P],
    ) {
        let least = self.bytes(&[self.nearest(self.splat(limits.lo)); 4], limits.zero);
        let most = self.bytes(&[self.nearest(self.splat(limits.hi)); 4], limits.zero);
        let whole = P * N / 4 * 4;
        for k in (0..whole).step_by(4) {
            let (mut four, mut places) = ([self.all(0); 4], [to[0]; 4]);
            for l in 0..4 {
                let (i, j) = ((k + l) / N, (k + l) % N);
                four[l] = self.nearest(v[i][j]);
                places[l] = to[i].wrapping_add(j * Self::LANES);
            }
            // SAFETY: by contract.
            unsafe { self.write(&places, self.within(self.bytes(&four, limits.zero), least, most)) };
        }
        for k in whole..P * N {
            // SAFETY: by contract.
            unsafe { self.items(limits, &[v[k / N][k % N]], to[k / N].add(k % N * Self::LANES)) };
        }
    }
}

/// What Winograd's method needs: registers of `HALVES` 16-bit numbers, and more to do with sums.
pub(crate) trait Halves: Ints {
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
