//! The tables of x86-64.

use super::{function, tables};
use crate::kernels::isa::avx2::Avx2;
use crate::kernels::isa::avx512::Avx512;
use crate::kernels::layers::panels::two;
use crate::kernels::layers::{f32, int8};
use crate::kernels::{Int8Kernels, Kernels};

// With four pixels by three registers the compiler spills, and the tile runs at half the speed.
tables! {
    f32 avx2: Avx2<0> = Avx2::<0>(()), ["avx2,fma"],
    tiles: { 1 => 1 2 3 4 5 6 7 8; 2 => 1 2 3 4 5 6; 3 => 1 2 3; 4 => 1; 8 => 1 },
    panel: two,
    rows: [6]
}

tables! {
    int8 avx2_int8: Avx2<0> = Avx2::<0>(()), ["avx2,fma"], Storage::I16,
    tiles: { 1 => 1 2 3 4 5 6 7 8; 2 => 1 2 3 4 5 6; 3 => 1 2 3 },
    rows: [6],
    winograd: [Avx2<0> = Avx2::<0>(()), ["avx2,fma"], costs: [(30, 40), (130, 190)]],
    faster: true
}

// VNNI on bytes, and on pairs of 16-bit integers for Winograd's products.
tables! {
    int8 avxvnni_int8: Avx2<1> = Avx2::<1>(()), ["avx2,fma,avxvnni"], Storage::U8,
    tiles: { 1 => 1 2 3 4 5 6 7 8; 2 => 1 2 3 4 5 6; 3 => 1 2 3 },
    rows: [6],
    winograd: [Avx2<2> = Avx2::<2>(()), ["avx2,fma,avxvnni"], costs: [(25, 55), (100, 215)]],
    faster: true
}

// On CPUs that split an instruction on a whole register in two, as Zen 4 does, half a register takes half the time.
function! {
    Avx2::<0>(()), ["avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"],
    half_row(&f32::row::RowJob) = f32::row::row::<_, 8>
}

tables! {
    f32 avx512: Avx512<0> = Avx512::<0>(()), ["avx512f,avx512bw,avx512dq,avx512vl"],
    tiles: {
        1 => 1 2 3 4 5 6 7 8 9 10 11 12; 2 => 1 2 3 4 5 6 7 8 9 10 11 12; 3 => 1 2 3 4 5 6 7 8; 4 => 1 2 3 4 5 6; 8 => 1
    },
    panel: three_or_two,
    rows: [8, row::RowKernel { lanes: 8, pixels: 8, run: half_row }]
}

/// Two panels of three instead of one of four and one of two.
fn three_or_two(left: usize) -> usize {
    match left {
        3 | 6 | 9 => 3,
        _ => left.min(2),
    }
}

tables! {
    int8 avx512_int8: Avx512<0> = Avx512::<0>(()), ["avx512f,avx512bw,avx512dq,avx512vl"], Storage::I16,
    tiles: { 1 => 1 2 3 4 5 6 7 8 9 10 11 12; 2 => 1 2 3 4 5 6 7 8 9 10 11 12; 3 => 1 2 3 4 5 6 7 8; 4 => 1 2 3 4 5 6 },
    rows: [8],
    winograd: [
        Avx512<0> = Avx512::<0>(()), ["avx512f,avx512bw,avx512dq,avx512vl"], costs: [(30, 40), (130, 190)]
    ],
    faster: true
}

function! {
    Avx2::<3>(()), ["avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma"],
    quantising_half_row(&f32::row::RowJob) = int8::tile::quantising_row::<_, 8>
}
function! {
    Avx2::<3>(()), ["avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma"],
    int8_half_row(&int8::row::RowJob) = int8::row::row::<_, 8>
}

tables! {
    int8 avx512vnni_int8: Avx512<1> = Avx512::<1>(()), ["avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"], Storage::U8,
    tiles: { 1 => 1 2 3 4 5 6 7 8 9 10 11 12; 2 => 1 2 3 4 5 6 7 8 9 10 11 12; 3 => 1 2 3 4 5 6 7 8; 4 => 1 2 3 4 5 6 }
        and Avx2<3> = Avx2::<3>(()), ["avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma"] * 8:
        { 1 => 1 2 3 4 5 6 7 8 9 10 11 12; 3 => 1 2 3 4 5 6 7 8 },
    rows: [
        8,
        float_row::RowKernel { lanes: 8, pixels: 8, run: quantising_half_row },
        row::RowKernel { lanes: 8, pixels: 8, run: int8_half_row }
    ],
    winograd: [
        Avx512<2> = Avx512::<2>(()), ["avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"], costs: [(25, 55), (100, 215)]
    ],
    faster: true
}

/// The AVX2 kernels.
pub(crate) static AVX2: Kernels = avx2::table("avx2", avx2_int8::TABLE);

/// The AVX2 kernels, with dot products for int8.
pub(crate) static AVXVNNI: Kernels = avx2::table("avxvnni", avxvnni_int8::TABLE);

/// The AVX-512 kernels.
pub(crate) static AVX512: Kernels = avx512::table("avx512", avx512_int8::TABLE);

/// The AVX-512 kernels, with dot products for int8.
pub(crate) static AVX512VNNI: Kernels = avx512::table("avx512vnni", avx512vnni_int8::TABLE);

/// As [`AVX512VNNI`], for CPUs with slow gather instructions: they read rotated crops by single loads, as AVX2's
/// kernels do.
pub(crate) static AVX512VNNI_LOADS: Kernels =
    Kernels { sample: avx2::sample, ..avx512::table("avx512vnni", avx512vnni_int8::TABLE) };

/// The AVX-512 kernels, with products of matrices for int8.
pub(crate) static AMX: Kernels =
    avx512::table("amx", Int8Kernels { matrix: Some(int8::amx::sweep), winograd: None, ..avx512vnni_int8::TABLE });
