//! What the int8 tables of x86-64 have in common.

/// The table `TABLE` of all int8 kernels of an instruction set.
macro_rules! table {
    ($isa:ty = $value:expr, $features:literal, $item:expr, tiles: { $($tiles:tt)+ } $(and { $($more:tt)+ })?,
        strip: $pixels:literal $(or $strip:expr)*, winograd: $winograd:expr) => {
        use crate::kernels::int8::{Item, Table, mix, tile};
        use crate::kernels::isa::Isa;
        use crate::kernels::strip;
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
            strip_(strip::Strip) = tile::rounding_strip::<_, $pixels>;
        }

        const LANES: usize = <$isa as Isa>::LANES;
        const TILES: tile::Tiles = tiles!(dense * LANES: $($tiles)+ $(, $($more)+)?);

        /// These kernels. To be handed out only on a CPU with the features.
        pub(in crate::kernels) const TABLE: Table = Table {
            item: $item,
            group: <$isa as Ints>::GROUP,
            tiles: TILES,
            rounding: Some(tiles!(rounding * LANES: $($tiles)+)),
            strips: &[strip::Kernel { lanes: LANES, pixels: $pixels, run: strip_ } $(, $strip)*],
            round,
            mix: mixed,
            matrix: None,
            winograd: $winograd,
            faster: true,
        };
    };
}
pub(super) use table;

/// Tiles of an instruction set that differs from its table's.
macro_rules! dense {
    ($name:ident: $isa:ty = $value:expr, $features:literal) => {
        /// # Safety
        /// As [`tile::tile`], on a CPU with these features.
        #[target_feature(enable = $features)]
        unsafe fn $name<const P: usize, const N: usize>(job: &tile::Job, spots: &Spots) {
            // SAFETY: same contract.
            unsafe { tile::tile::<$isa, P, N>($value, job, spots) }
        }
    };
}
pub(super) use dense;

/// The table `WINOGRAD` of Winograd's transforms for an instruction set, and of the tiles for its products of 16 bits.
macro_rules! winograd_table {
    ($isa:ty = $value:expr, $features:literal, tiles: $tiles:ident, costs: $costs:expr) => {
        use crate::kernels::int8::winograd;

        stamp! { $value, $features:
            spread_two(winograd::Spread) = winograd::spread::<_, winograd::Two, 4, 2>;
            spread_four(winograd::Spread) = winograd::spread::<_, winograd::Four, 6, 4>;
            gather_two(winograd::Gather) = winograd::gather::<_, winograd::Two, 4, 2>;
            gather_four(winograd::Gather) = winograd::gather::<_, winograd::Four, 6, 4>;
        }

        const WINOGRAD: winograd::Table = winograd::Table {
            spread: [spread_two, spread_four],
            gather: [gather_two, gather_four],
            tiles: $tiles,
            halves: <$isa as Halves>::HALVES,
            costs: $costs,
        };
    };
}
pub(super) use winograd_table;
