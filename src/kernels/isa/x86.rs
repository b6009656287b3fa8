//! What the tables of x86-64 have in common: how an instruction set's registers become kernels.

/// Methods of an instruction set that only name an intrinsic.
macro_rules! intrinsics {
    ($($name:ident($($arg:ident: $type:ty),+) -> $to:ty = $intrinsic:ident;)+) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $type),+) -> $to {
            // SAFETY: a value of this type proves that the CPU has the instruction.
            unsafe { $intrinsic($($arg),+) }
        }
    )+};
}
pub(crate) use intrinsics;

/// Transposes the 4 x 4 floats in each group of four lanes: first pairs of floats, then pairs of pairs.
macro_rules! transpose {
    ($v:ty: $low:ident $high:ident, $low_pairs:ident $high_pairs:ident, $pairs:ident $floats:ident) => {
        #[inline(always)]
        fn transpose4(self, [a, b, c, d]: [$v; 4]) -> [$v; 4] {
            // SAFETY: a value of this type proves that the CPU has the instructions.
            unsafe {
                let (low, high) = ($pairs($low(a, b)), $pairs($high(a, b)));
                let (low_below, high_below) = ($pairs($low(c, d)), $pairs($high(c, d)));
                [
                    $floats($low_pairs(low, low_below)),
                    $floats($high_pairs(low, low_below)),
                    $floats($low_pairs(high, high_below)),
                    $floats($high_pairs(high, high_below)),
                ]
            }
        }
    };
}
pub(crate) use transpose;

/// `Ints::below` and `Ints::store_pixels` by [`Pack4`](super::int8::Pack4).
macro_rules! store_pack4 {
    ($v:ty) => {
        #[inline(always)]
        fn below(self, x: $v, hi: $v) -> $v {
            crate::kernels::isa::Isa::min(self, x, hi)
        }

        #[inline(always)]
        unsafe fn store_pixels<const P: usize, const N: usize>(
            self,
            limits: &Limits,
            v: &[[$v; N]; P],
            to: &[*mut u8; P],
        ) {
            // SAFETY: the caller guarantees the places that `store_pixels` asks for; `store_pack4` writes the same.
            unsafe { self.store_pack4(limits, v, to) }
        }
    };
}
pub(crate) use store_pack4;
