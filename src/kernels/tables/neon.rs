//! The tables of 64-bit Arm.

use super::tables;
use crate::kernels::isa::neon::Neon;
use crate::kernels::layers::f32::neon::dense;
use crate::kernels::layers::f32::tile::tiles;
use crate::kernels::layers::int8::epilogue::{FLOATS, ITEMS};
use crate::kernels::layers::int8::neon::dot;
use crate::kernels::{Int8Kernels, Kernels};

// Sums, one pixel register each and the weights stay within thirty-two registers.
tables! {
    f32 float: Neon = Neon, [],
    tiles: { 1 => 1 2 3 4 5 6 7 8; 2 => 1 2 3 4 5 6 7 8; 3 => 1 2 3 4 5 6; 4 => 1 2 3 4 5; 8 => 1 } of dense,
    panel: four_or_three,
    rows: []
}

/// Four registers, or three and three instead of four and two: for thirty-two vector registers.
fn four_or_three(left: usize) -> usize {
    match left {
        5 | 6 | 9 => 3,
        _ => left.min(4),
    }
}

// Float networks are as fast: Winograd's method makes up for wider numbers.
tables! {
    int8 integer: Neon = Neon, [], Storage::I8,
    tiles: { 1 => 1 2 3 4 5 6 7 8; 2 => 1 2 3 4 5 6 7 8; 3 => 1 2 3 4 5 6; 4 => 1 2 3 4 5 },
    rows: [],
    winograd: [],
    faster: false
}

/// The NEON kernels.
pub(crate) static NEON: Kernels = float::table("neon", integer::TABLE);

/// The NEON kernels, with dot products for int8. That networks are faster in int8 is estimated from the instruction
/// count (sixteen products each instead of four), not measured.
pub(crate) static DOTPROD: Kernels = float::table(
    "dotprod",
    Int8Kernels {
        // Sums, one pixel register each and two registers of weights stay within thirty-two registers.
        tiles: [
            tiles!([dot ITEMS] * 4: { 1 => 1 2 3 4 5 6 7 8; 2 => 1 2 3 4 5 6 7 8; 3 => 1 2 3 4 5 6 7; 4 => 1 2 3 4 5 6 }),
            tiles!([dot FLOATS] * 4: { 1 => 1 2 3 4 5 6 7 8; 2 => 1 2 3 4 5 6 7 8; 3 => 1 2 3 4 5 6 7; 4 => 1 2 3 4 5 6 }),
        ],
        faster: true,
        ..integer::TABLE
    },
);
