//! The tables: every kernel, compiled for every instruction set.
//!
//! A table is a [`Kernels`](super::Kernels) with an [`Int8Kernels`](super::Int8Kernels) in it. The list of what is in
//! them is [`kernel_list`](super::kernel_list); here its rows become functions with the CPU features of a table.

#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod scalar;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

/// A function compiled with these CPU features that runs a generic kernel.
macro_rules! function {
    ($value:expr, [$($features:literal)?], $name:ident($job:ty) = $kernel:path) => {
        /// # Safety
        /// The contract of the generic kernel holds, and the CPU has these features.
        $(#[target_feature(enable = $features)])?
        #[allow(unused_unsafe, reason = "some generic kernels are safe")]
        pub(super) unsafe fn $name(job: $job) {
            // SAFETY: the caller keeps the generic kernel's contract; the instruction set is that of the features.
            unsafe { $kernel($value, job) }
        }
    };
}
pub(crate) use function;

/// The functions of one instruction set, and the table made of them, in a module.
///
/// `f32` makes the functions for floats and pictures, and `table(name, int8)`; `int8` makes those for integers, and
/// `TABLE`. `tiles` lists the pixels per tile for each number of registers; sums, weights and one input must fit in
/// registers. `rows` is the number of pixels of the row microkernel, where it is faster, and further such kernels.
macro_rules! tables {
    (
        f32 $module:ident: $isa:ty = $value:expr, $features:tt,
        tiles: $tiles:tt $(of $tile:ident)?, panel: $panel:expr, rows: [$($pixels:literal $(, $row:expr)*)?]
    ) => {
        pub(super) mod $module {
            use super::*;
            use crate::kernels::isa::Isa;
            use crate::kernels::layers::f32::{row, tile};
            use crate::kernels::{Int8Kernels, Kernels, image, kernel_list, layers};

            const LANES: usize = <$isa as Isa>::LANES;
            const TILES: tile::Tiles = $crate::kernels::tables::tables!(@tiles $isa, $value, $features, $tiles $($tile)?);
            const ROWS: &[row::RowKernel] = &[$(
                row::RowKernel { lanes: LANES, pixels: $pixels, run: whole_row } $(, $row)*
            )?];
            $($crate::kernels::tables::function! { $value, $features, whole_row(&row::RowJob) = row::row::<_, $pixels> })?

            kernel_list! { tables { @f32 $value, $features, $panel } }
        }
    };
    (
        int8 $module:ident: $isa:ty = $value:expr, $features:tt, $storage:expr,
        tiles: $tiles:tt $(and $part_isa:ty = $part_value:expr, $part_features:tt * $part:literal: $part_tiles:tt)?,
        rows: [$($pixels:literal $(, $row:expr, $int8_row:expr)?)?],
        winograd: [$($products:ty = $products_value:expr, $products_features:tt, costs: $costs:expr)?],
        faster: $faster:expr
    ) => {
        pub(super) mod $module {
            use super::*;
            use crate::kernels::isa::Isa;
            use crate::kernels::isa::int8::Ints;
            #[allow(unused_imports, reason = "not every table has Winograd's method")]
            use crate::kernels::isa::int8::Int16;
            use crate::kernels::layers::int8::epilogue::{FLOATS, ITEMS};
            #[allow(unused_imports, reason = "not every table has Winograd's method")]
            use crate::kernels::layers::int8::epilogue::SUMS;
            use crate::kernels::layers::int8::{row, tile, winograd};
            use crate::kernels::layers::f32::{row as float_row, tile as float_tile};
            use crate::kernels::layers::f32::tile::tiles;
            use crate::kernels::layers::pixels::PixelOffsets;
            use crate::kernels::layers::quant::Storage;
            use crate::kernels::{Int8Kernels, kernel_list, layers};

            const LANES: usize = <$isa as Isa>::LANES;

            $crate::kernels::tables::tables! { @dense dense: $isa = $value, $features }
            $($crate::kernels::tables::tables! { @dense part: $part_isa = $part_value, $part_features })?
            $crate::kernels::tables::tables! { @quantising $isa, $value, $features }
            $(
                $crate::kernels::tables::function! {
                    $value, $features, whole_row(&row::RowJob) = row::row::<_, $pixels>
                }
                $crate::kernels::tables::function! {
                    $value, $features, quantise_row(&float_row::RowJob) = tile::quantising_row::<_, $pixels>
                }
            )?

            const TILES: [tile::Tiles; 2] = [
                tiles!([dense ITEMS] * LANES: $tiles $(, [part ITEMS] * $part: $part_tiles)?),
                tiles!([dense FLOATS] * LANES: $tiles $(, [part FLOATS] * $part: $part_tiles)?),
            ];
            const QUANTISING: float_tile::Tiles = tiles!([quantising] * LANES: $tiles);
            const QUANTISING_ROWS: &[float_row::RowKernel] = &[$(
                float_row::RowKernel { lanes: LANES, pixels: $pixels, run: quantise_row } $(, $row)?
            )?];
            const ROWS: &[row::RowKernel] = &[$(
                row::RowKernel { lanes: LANES, pixels: $pixels, run: whole_row } $(, $int8_row)?
            )?];
            $(
                $crate::kernels::tables::tables! { @dense products: $products = $products_value, $products_features }
                $crate::kernels::tables::tables! { @winograd $value, $features }
            )?
            #[allow(unused_mut, unused_assignments, reason = "not every table has Winograd's method")]
            const WINOGRAD: Option<winograd::Table> = {
                let mut table = None;
                $(table = Some(winograd::Table {
                    input_transforms: [input_f2, input_f4],
                    output_transforms: [output_f2, output_f4],
                    tiles: tiles!([products SUMS] * LANES: $tiles),
                    i16_lanes: <$isa as Int16>::I16_LANES,
                    costs: $costs,
                });)?
                table
            };

            kernel_list! { tables { @int8 $isa, $value, $features, $storage, $faster } }
        }
    };
    // Called by `kernel_list`.
    (
        { @f32 $value:expr, $features:tt, $panel:expr }
        f32 { $($name:ident: $job:ty = $kernel:path;)* } int8 $ignored:tt
    ) => {
        $($crate::kernels::tables::function! { $value, $features, $name($job) = $kernel })*

        /// The table, under this name. To be handed out only on a CPU with the features.
        pub const fn table(name: &'static str, int8: Int8Kernels) -> Kernels {
            Kernels { name, lanes: LANES, tiles: TILES, rows: ROWS, panel: $panel, int8, $($name),* }
        }
    };
    (
        { @int8 $isa:ty, $value:expr, $features:tt, $storage:expr, $faster:expr }
        f32 $ignored:tt int8 { $($name:ident: $job:ty = $kernel:path;)* }
    ) => {
        $($crate::kernels::tables::function! { $value, $features, $name($job) = $kernel })*

        /// The table. To be handed out only on a CPU with the features.
        pub const TABLE: Int8Kernels = Int8Kernels {
            storage: $storage,
            group: <$isa as Ints>::GROUP,
            tiles: TILES,
            quantising_tiles: Some(QUANTISING),
            rows: QUANTISING_ROWS,
            int8_rows: ROWS,
            matrix: None,
            winograd: WINOGRAD,
            faster: $faster,
            $($name),*
        };
    };
    // Tiles of floats: generic ones, or those of a function.
    (@tiles $isa:ty, $value:expr, $features:tt, $tiles:tt) => {{
        $crate::kernels::tables::tables! { @tile $isa, $value, $features }
        tile::tiles!([dense] * LANES: $tiles)
    }};
    (@tiles $isa:ty, $value:expr, $features:tt, $tiles:tt $tile:ident) => { tile::tiles!([$tile] * LANES: $tiles) };
    (@tile $isa:ty, $value:expr, [$($features:literal)?]) => {
        /// # Safety
        /// The contract of [`tile::tile`] holds, and the CPU has these features.
        $(#[target_feature(enable = $features)])?
        unsafe fn dense<const P: usize, const N: usize>(
            job: &tile::Job,
            offsets: &layers::pixels::PixelOffsets,
        ) {
            // SAFETY: the caller keeps the contract of `tile`; the instruction set is that of the features.
            unsafe { tile::tile::<$isa, P, N>($value, job, offsets) }
        }
    };
    // Tiles of integers.
    (@dense $name:ident: $isa:ty = $value:expr, [$($features:literal)?]) => {
        /// # Safety
        /// The contract of [`tile::tile`] holds, and the CPU has these features.
        $(#[target_feature(enable = $features)])?
        unsafe fn $name<const STORE: usize, const P: usize, const N: usize>(job: &tile::Job, offsets: &PixelOffsets) {
            // SAFETY: the caller keeps the contract of `tile`; the instruction set is that of the features.
            unsafe { tile::tile::<$isa, STORE, P, N>($value, job, offsets) }
        }
    };
    (@quantising $isa:ty, $value:expr, [$($features:literal)?]) => {
        /// # Safety
        /// The contract of [`tile::quantising_tile`] holds, and the CPU has these features.
        $(#[target_feature(enable = $features)])?
        unsafe fn quantising<const P: usize, const N: usize>(job: &float_tile::Job, offsets: &PixelOffsets) {
            // SAFETY: the caller keeps the contract of `quantising_tile`; the instruction set is that of the features.
            unsafe { tile::quantising_tile::<$isa, P, N>($value, job, offsets) }
        }
    };
    (@winograd $value:expr, $features:tt) => {
        $crate::kernels::tables::function! {
            $value, $features, input_f2(&winograd::InputTransform) = winograd::input_transform::<_, winograd::Two, 4, 2>
        }
        $crate::kernels::tables::function! {
            $value, $features, input_f4(&winograd::InputTransform) = winograd::input_transform::<_, winograd::Four, 6, 4>
        }
        $crate::kernels::tables::function! {
            $value, $features, output_f2(&winograd::OutputTransform) = winograd::output_transform::<_, winograd::Two, 4, 2>
        }
        $crate::kernels::tables::function! {
            $value, $features, output_f4(&winograd::OutputTransform) = winograd::output_transform::<_, winograd::Four, 6, 4>
        }
    };
}
pub(crate) use tables;
