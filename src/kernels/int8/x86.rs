//! What the int8 tables of x86-64 have in common.

/// The table `TABLE` of all int8 kernels of an instruction set; `$products` are its tiles for Winograd's products of 16 bits.
macro_rules! table {
    ($isa:ty = $value:expr, $features:literal, $item:expr, tiles: $tiles:tt $(and $half:ident * $part:literal: $more:tt)?,
        strip: $pixels:literal $(or $strip:expr, $narrow:expr)?, winograd: $products:ident, costs: $costs:expr) => {
        use crate::kernels::int8::tile::{FLOATS, ITEMS, SUMS, both};
        use crate::kernels::int8::{Item, Table, mix, strip, tile, winograd};
        use crate::kernels::isa::Isa;
        use crate::kernels::strip as float_strip;
        use crate::kernels::tile::{self as float, Spots, tiles};
        use crate::kernels::x86::stamp;

        dense! { dense: $isa = $value, $features }

        /// # Safety
        /// As [`tile::rounding`], on a CPU with these features.
        #[target_feature(enable = $features)]
        unsafe fn rounding<const P: usize, const N: usize>(job: &float::Job, spots: &Spots) {
            // SAFETY: same contract.
            unsafe { tile::rounding::<$isa, P, N>($value, job, spots) }
        }

        stamp! { $value, $features:
            round(mix::Rounding) = mix::round;
            mixed(mix::Mixing) = mix::mix;
            rounding_strip(float_strip::Strip) = tile::rounding_strip::<_, $pixels>;
            strip_(strip::Strip) = strip::strip::<_, $pixels>;
            spread_two(winograd::Spread) = winograd::spread::<_, winograd::Two, 4, 2>;
            spread_four(winograd::Spread) = winograd::spread::<_, winograd::Four, 6, 4>;
            gather_two(winograd::Gather) = winograd::gather::<_, winograd::Two, 4, 2>;
            gather_four(winograd::Gather) = winograd::gather::<_, winograd::Four, 6, 4>;
        }

        const LANES: usize = <$isa as Isa>::LANES;

        /// These kernels. To be handed out only on a CPU with the features.
        pub(in crate::kernels) const TABLE: Table = Table {
            item: $item,
            group: <$isa as Ints>::GROUP,
            tiles: both!(dense * LANES: $tiles $(, $half * $part: $more)?),
            rounding: Some(tiles!([rounding] * LANES: $tiles)),
            strips: &[float_strip::Kernel { lanes: LANES, pixels: $pixels, run: rounding_strip } $(, $strip)?],
            narrow: &[strip::Kernel { lanes: LANES, pixels: $pixels, run: strip_ } $(, $narrow)?],
            round,
            mix: mixed,
            matrix: None,
            winograd: Some(winograd::Table {
                spread: [spread_two, spread_four],
                gather: [gather_two, gather_four],
                tiles: tiles!([$products SUMS] * LANES: $tiles),
                halves: <$isa as Halves>::HALVES,
                costs: $costs,
            }),
            faster: true,
        };
    };
}
pub(super) use table;

/// [`Ints::below`](super::ints::Ints::below) and [`Ints::pixels`](super::ints::Ints::pixels) by [`Fours`](super::ints::Fours).
macro_rules! by_fours {
    ($v:ty) => {
        #[inline(always)]
        fn below(self, x: $v, hi: $v) -> $v {
            crate::kernels::isa::Isa::min(self, x, hi)
        }

        #[inline(always)]
        unsafe fn pixels<const P: usize, const N: usize>(self, limits: &Limits, v: &[[$v; N]; P], to: &[*mut u8; P]) {
            // SAFETY: same contract.
            unsafe { self.by_fours(limits, v, to) }
        }
    };
}
pub(super) use by_fours;

/// Tiles of an instruction set that differs from its table's.
macro_rules! dense {
    ($name:ident: $isa:ty = $value:expr, $features:literal) => {
        /// # Safety
        /// As [`tile::tile`], on a CPU with these features.
        #[target_feature(enable = $features)]
        unsafe fn $name<const STORE: usize, const P: usize, const N: usize>(job: &tile::Job, spots: &Spots) {
            // SAFETY: same contract.
            unsafe { tile::tile::<$isa, STORE, P, N>($value, job, spots) }
        }
    };
}
pub(super) use dense;
