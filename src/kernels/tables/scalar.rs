//! The table of plain Rust, which every CPU runs.

use super::tables;
use crate::kernels::Kernels;
use crate::kernels::isa::scalar::Scalar;
use crate::kernels::layers::panels::two;

tables! {
    f32 float: Scalar = Scalar, [],
    tiles: { 1 => 1 2 3 4 5 6 7 8; 2 => 1 2 3 4 5 6; 3 => 1 2 3 4; 4 => 1; 8 => 1 },
    panel: two,
    rows: []
}

tables! {
    int8 integer: Scalar = Scalar, [], Storage::I16,
    tiles: { 1 => 1 2 3 4; 2 => 1 2 3 4; 3 => 1 2 },
    rows: [],
    winograd: [Scalar = Scalar, [], costs: [(30, 40), (130, 190)]],
    faster: false
}

/// The scalar kernels.
pub(crate) static SCALAR: Kernels = float::table("scalar", integer::TABLE);
