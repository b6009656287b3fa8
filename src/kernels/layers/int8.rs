//! Whole-number arithmetic: convolutions of 8-bit activations with 8-bit weights.
//!
//! **What is computed.** A real number `v` is represented by an integer `q` with `v = scale * (q - zero)` ([`Quant`]).
//! A convolution sums `weight * (q - zero)` and its bias in 32 bits without rounding, turns the sum into a float,
//! multiplies it by one float per channel, limits it (which is where ReLU is), rounds it to the nearest integer,
//! ties to even, and adds the output's zero. Every step is exact or rounded once as IEEE 754 says, so all tables of
//! kernels give the same bits; `scalar` is the definition in code, `suite` holds the others to it.
//!
//! **What is stored.** How a value lies in memory is a table's own choice ([`Item`]): `q - zero` in 16 bits where
//! products are taken of pairs of 16 bits (plain Rust, `vpmaddwd` of AVX2 and AVX-512: twice the products of a fused
//! multiply-add), or `q` in 8 bits where four are summed at once: unsigned ones with VNNI, signed ones with NEON, with
//! and without dot products. Borders hold what stands for zero.

#[cfg(target_arch = "x86_64")]
pub(crate) mod amx;
pub(crate) mod conv;
pub(crate) mod elementwise;
pub(crate) mod epilogue;
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code))]
pub(crate) mod matrix;
pub(crate) mod memory;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod pack;
pub(crate) mod row;
pub(crate) mod tile;
pub(crate) mod weights;
pub(crate) mod winograd;
