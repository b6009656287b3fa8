//! int8 layers: convolutions of 8-bit activations with 8-bit weights.
//!
//! **What is computed.** An integer `q` represents the real number `scale * (q - zero)`
//! ([`Quant`](super::quant::Quant)). A convolution sums `weight * (q - zero)` and its bias in 32 bits without rounding.
//! It converts the sum to a float, multiplies it by one float per channel, clamps it (ReLU is such a clamp), rounds it
//! to the nearest integer, ties to even, and adds the zero point of the output. Every step is exact or rounded once as
//! IEEE 754 says, so all tables give the same bits. `scalar` is the definition in code; the suite compares the others
//! with it.
//!
//! **What is stored.** Each table has its own [`Storage`](super::quant::Storage): `q - zero` in 16 bits where products are
//! taken of pairs of 16 bits (plain Rust, `vpmaddwd` of AVX2 and AVX-512: twice the products of a fused multiply-add),
//! or `q` in 8 bits where four products are summed at once: unsigned with VNNI, signed with NEON, with and without dot
//! products. Borders hold the zero point.

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
