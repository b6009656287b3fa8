//! What int8 kernels need from an instruction set, besides floats.

use super::Isa;

/// Integers that can be stored in memory of floats.
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

/// Registers of 32-bit sums, as many as floats in a register. Sums and products of integers wrap around.
pub(crate) trait Ints: Isa {
    /// A stored value, and a weight.
    type Item: Number;
    /// `LANES` sums.
    type S: Copy;
    /// `GROUP` summands for each of `LANES` sums.
    type W: Copy;
    /// Summands of one product.
    const GROUP: usize;

    fn i32_splat(self, x: i32) -> Self::S;
    fn i32_add(self, a: Self::S, b: Self::S) -> Self::S;
    /// Adds the products of each lane's summands.
    fn dot(self, sum: Self::S, a: Self::W, w: Self::W) -> Self::S;
    /// Floats nearest to the sums.
    fn to_f32(self, x: Self::S) -> Self::V;
    /// The nearest integers, ties to even; for -1e6 to 1e6.
    fn round_to_i32(self, x: Self::V) -> Self::S;

    /// Reads `LANES` sums.
    ///
    /// # Safety
    /// `p` is valid for reading them; no alignment is needed.
    unsafe fn i32_load(self, p: *const i32) -> Self::S;

    /// Writes `LANES` sums.
    ///
    /// # Safety
    /// `p` is valid for writing them; no alignment is needed.
    unsafe fn i32_store(self, p: *mut i32, v: Self::S);

    /// Reads `LANES * GROUP` weights.
    ///
    /// # Safety
    /// `p` is valid for reading them.
    unsafe fn load_weights(self, p: *const Self::Item) -> Self::W;

    /// Reads `GROUP` values for all lanes.
    ///
    /// # Safety
    /// `p` is valid for reading them.
    unsafe fn load_group(self, p: *const Self::Item) -> Self::W;

    /// Reads `LANES` values.
    ///
    /// # Safety
    /// `p` is valid for reading them.
    unsafe fn load_items(self, p: *const Self::Item) -> Self::S;

    /// Writes `LANES` values that an item can hold.
    ///
    /// # Safety
    /// `p` is valid for writing them.
    unsafe fn store_item(self, p: *mut Self::Item, v: Self::S);

    /// Limits, rounds and stores `N` registers of scaled sums. The limits are those of an item; a NaN becomes some
    /// number within them.
    ///
    /// # Safety
    /// `p` is valid for writing as many items.
    #[inline(always)]
    unsafe fn store_items<const N: usize>(self, limits: &Limits, v: &[Self::V; N], p: *mut Self::Item) {
        let (lo, hi, zero) = (self.splat(limits.lo), self.splat(limits.hi), self.i32_splat(limits.zero));
        for j in 0..N {
            let v = self.round_to_i32(self.min(self.max(v[j], lo), hi));
            // SAFETY: the caller guarantees that `p` takes the items of `N` registers, of which this is one.
            unsafe { self.store_item(p.add(j * Self::LANES), self.i32_add(v, zero)) };
        }
    }

    /// What to pass to [`Ints::store_pixels`] for `x`, any number, if the upper limit there is at most `hi`.
    #[inline(always)]
    fn below(self, x: Self::V, _hi: Self::V) -> Self::V {
        x
    }

    /// As [`Ints::store_items`], for `P` pixels at `to`; the numbers must be below 2^31.
    ///
    /// # Safety
    /// As there, for each pixel.
    #[inline(always)]
    unsafe fn store_pixels<const P: usize, const N: usize>(
        self,
        limits: &Limits,
        v: &[[Self::V; N]; P],
        to: &[*mut Self::Item; P],
    ) {
        for i in 0..P {
            // SAFETY: the caller guarantees that each place takes the items of `N` registers.
            unsafe { self.store_items(limits, &v[i], to[i]) };
        }
    }
}

/// Saturating instructions on four registers of integers at once.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "others pack a register at a time"))]
pub(crate) trait Pack4: Ints<Item = u8> {
    /// The bytes of four registers.
    type B: Copy;

    /// Adds `zero` (0 to 255) to the numbers and limits each to a byte.
    fn pack_bytes(self, v: &[Self::S; 4], zero: i32) -> Self::B;
    fn clamp_bytes(self, v: Self::B, least: Self::B, most: Self::B) -> Self::B;

    /// Writes the bytes of each register.
    ///
    /// # Safety
    /// Each is valid for writing `LANES` bytes.
    unsafe fn store_bytes(self, to: &[*mut u8; 4], v: Self::B);

    /// [`Ints::store_pixels`] with the limits applied to bytes. The steps before saturate or keep the order, so the
    /// results equal those of limits on the floats.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    unsafe fn store_pack4<const P: usize, const N: usize>(
        self,
        limits: &Limits,
        v: &[[Self::V; N]; P],
        to: &[*mut u8; P],
    ) {
        let least = self.pack_bytes(&[self.round_to_i32(self.splat(limits.lo)); 4], limits.zero);
        let most = self.pack_bytes(&[self.round_to_i32(self.splat(limits.hi)); 4], limits.zero);
        let whole = P * N / 4 * 4;
        for k in (0..whole).step_by(4) {
            let (mut four, mut places) = ([self.i32_splat(0); 4], [to[0]; 4]);
            for l in 0..4 {
                let (i, j) = ((k + l) / N, (k + l) % N);
                four[l] = self.round_to_i32(v[i][j]);
                places[l] = to[i].wrapping_add(j * Self::LANES);
            }
            // SAFETY: the four places are registers of the pixels that the caller guarantees to be writable.
            unsafe { self.store_bytes(&places, self.clamp_bytes(self.pack_bytes(&four, limits.zero), least, most)) };
        }
        for k in whole..P * N {
            // SAFETY: the register is one of its pixel's, all of which the caller guarantees to be writable.
            unsafe { self.store_items(limits, &[v[k / N][k % N]], to[k / N].add(k % N * Self::LANES)) };
        }
    }
}

/// What Winograd's method needs: registers of `I16_LANES` 16-bit numbers, and more operations on sums.
pub(crate) trait Int16: Ints {
    /// `I16_LANES` numbers.
    type H: Copy;
    const I16_LANES: usize;

    fn i16_splat(self, x: i16) -> Self::H;
    fn i16_add(self, a: Self::H, b: Self::H) -> Self::H;
    fn i16_sub(self, a: Self::H, b: Self::H) -> Self::H;
    /// Times `2^N`.
    fn i16_shl<const N: i32>(self, a: Self::H) -> Self::H;

    fn i32_sub(self, a: Self::S, b: Self::S) -> Self::S;
    fn i32_mul(self, a: Self::S, b: Self::S) -> Self::S;
    /// Times `2^N`.
    fn i32_shl<const N: i32>(self, a: Self::S) -> Self::S;
    /// Divided by `2^N`, rounded down.
    fn i32_shr<const N: i32>(self, a: Self::S) -> Self::S;

    /// Reads `I16_LANES` items as 16-bit numbers, less `zero`. Items of 16 bits are stored without it.
    ///
    /// # Safety
    /// `p` is valid for reading them; no alignment is needed.
    unsafe fn i16_load(self, p: *const Self::Item, zero: Self::H) -> Self::H;

    /// Writes `I16_LANES` numbers.
    ///
    /// # Safety
    /// `p` is valid for writing them; no alignment is needed.
    unsafe fn i16_store(self, p: *mut i16, v: Self::H);
}
