//! Whole-number arithmetic: convolutions of 8-bit activations with 8-bit weights.
//!
//! **What is computed.** A real number `v` is stood for by a whole one `q` with `v = scale * (q - zero)` ([`Quant`]).
//! A convolution sums `weight * (q - zero)` and its bias in 32 bits without rounding, turns the sum into a float,
//! multiplies it by one float per channel, limits it (which is where ReLU is), rounds it to the nearest whole number,
//! halves to even, and adds the output's zero. Every step is exact or rounded once as IEEE 754 says, so all tables of
//! kernels give the same bits; `scalar` is the definition in code, `suite` holds the others to it.
//!
//! **What is stored.** How a value lies in memory is a table's own choice ([`Item`]): `q - zero` in 16 bits where
//! products are taken of pairs of 16 bits (plain Rust, `vpmaddwd` of AVX2 and AVX-512: twice the products of a fused
//! multiply-add), or `q` in 8 bits where four are summed at once: unsigned ones with VNNI, signed ones with NEON, with
//! and without dot products. Borders hold what stands for zero.

mod conv;
mod ints;
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code))]
mod matrix;
mod mix;
mod scalar;
mod strip;
#[cfg(test)]
mod suite;
mod tile;
mod winograd;

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use conv::{Conv8, Into8, Sums};
pub(super) use mix::Steps;
pub use mix::{Mix, Round};
pub use winograd::Winograd8;

#[cfg(target_arch = "x86_64")]
pub(super) use amx::{TABLE as AMX, available as has_amx};
#[cfg(target_arch = "x86_64")]
pub(super) use avx2::{dot::TABLE as AVXVNNI, plain::TABLE as AVX2};
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::{dot::TABLE as AVX512VNNI, plain::TABLE as AVX512};
#[cfg(target_arch = "aarch64")]
pub(super) use neon::{DOT, PLAIN};
pub(super) use scalar::TABLE as SCALAR;

use super::{Kernels, Map, strip as float_strip, tile as float};

/// What the whole numbers of a map stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quant {
    /// A step of one; above 0.
    pub scale: f32,
    /// The number that stands for 0, within [`Quant::range`].
    pub zero: i32,
    /// Numbers from -128 to 127 rather than from 0 to 255.
    pub signed: bool,
}

impl Quant {
    /// The lowest and the highest number.
    pub fn range(&self) -> (i32, i32) {
        if self.signed { (-128, 127) } else { (0, 255) }
    }

    /// Whether all values make sense: a finite scale above zero, and a zero within the range.
    pub fn valid(&self) -> bool {
        let (low, high) = self.range();
        self.scale.is_normal() && self.scale > 0.0 && (low..=high).contains(&self.zero)
    }

    /// Whether its steps are coarser than those of the sums of `from` and weights of these scales; only then are sums
    /// rounded to it, and none leaves 32 bits.
    pub fn coarser(&self, from: &Quant, scale: &[f32]) -> bool {
        scale.iter().all(|s| (from.scale * s / self.scale).abs() < 1.0)
    }

    /// Limits, in steps from zero, of a value that is at most limited to `lo..=hi` before it is rounded.
    fn limits(&self, lo: f32, hi: f32) -> (f32, f32) {
        let (low, high) = self.range();
        let (low, high) = ((low - self.zero) as f32, (high - self.zero) as f32);
        // Limits that leave nothing would make `min` and `max` disagree about their order.
        let lo = (lo / self.scale).clamp(low, high);
        (lo, (hi / self.scale).clamp(lo, high))
    }
}

/// How a table stores whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// `q - zero` as i16.
    Halves,
    /// `q`, less 128 if unsigned, as i8.
    #[cfg_attr(not(target_arch = "aarch64"), expect(dead_code))]
    Signed,
    /// `q`, plus 128 if signed, as u8.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code))]
    Unsigned,
}

impl Item {
    fn bytes(self) -> usize {
        match self {
            Item::Halves => 2,
            Item::Signed | Item::Unsigned => 1,
        }
    }

    /// What is stored for zero.
    fn zero(self, quant: &Quant) -> i32 {
        match self {
            Item::Halves => 0,
            Item::Signed => quant.zero - if quant.signed { 0 } else { 128 },
            Item::Unsigned => quant.zero + if quant.signed { 128 } else { 0 },
        }
    }
}

/// The int8 kernels of one instruction set.
pub(super) struct Table {
    pub item: Item,
    /// Summands of one product.
    pub group: usize,
    /// Those that store numbers, and those that store floats.
    pub tiles: [tile::Tiles; 2],
    /// Float tiles whose results are rounded before they are stored.
    pub rounding: Option<float::Tiles>,
    /// Strips of floats whose results are, where it pays.
    pub strips: &'static [float_strip::Kernel],
    /// Strips of whole numbers.
    pub narrow: &'static [strip::Kernel],
    pub round: unsafe fn(&mix::Rounding),
    pub mix: unsafe fn(&mix::Mixing),
    /// Whole convolutions, where an instruction multiplies matrices.
    pub matrix: Option<unsafe fn(&matrix::Sweep)>,
    /// Winograd's transforms for F(2x2) and F(4x4), where they pay.
    pub winograd: Option<winograd::Table>,
    /// Whether a network runs faster in int8 than in float on CPUs of this table.
    pub faster: bool,
}

/// Channels of a pixel are stored up to a multiple of this, but for narrow maps.
const PITCH: usize = 16;

/// Channels of which the summands of one product are more.
const NARROW: usize = 4;

/// Whether the pixels of a map have no gap between their few channels.
fn narrow(map: &Map) -> bool {
    !map.pitch.is_multiple_of(PITCH)
}

impl Kernels {
    /// Whether networks with much dense convolution run faster in int8 than in float on these kernels.
    pub fn faster_in_int8(&self) -> bool {
        self.int8.faster
    }

    /// Whether float convolutions can round their results on the way.
    pub fn rounds(&self) -> bool {
        self.int8.rounding.is_some()
    }

    /// A map of whole numbers. Its lengths count numbers, not floats.
    pub fn int8_map(&self, c: usize, h: usize, w: usize) -> Map {
        let map = Map::bordered(c, h, w, c.next_multiple_of(PITCH));
        // The last pixel's products may read on.
        Map { len: map.len + if self.int8.matrix.is_some() { matrix::DEPTH } else { 0 }, ..map }
    }

    /// As [`Kernels::int8_map`], of fewer than four channels that leave no gap, for what only [`Conv8`] reads; if
    /// there are rows enough for [`Round`] to make it.
    pub fn int8_narrow(&self, c: usize, h: usize, w: usize) -> Option<Map> {
        let map = Map::bordered(c, h, w, c);
        // The last group of a run may read on.
        (c < NARROW && c * w >= self.lanes).then_some(Map { len: map.len + NARROW, ..map })
    }

    /// Floats of memory that hold as many whole numbers.
    pub fn int8_memory(&self, numbers: usize) -> usize {
        (numbers * self.int8.item.bytes()).div_ceil(size_of::<f32>())
    }

    /// Whether memory of zeros holds whole numbers that stand for zero.
    pub fn int8_zeroed(&self, quant: &Quant) -> bool {
        self.int8.item.zero(quant) == 0
    }

    /// Fills the border of a map of whole numbers with what stands for zero.
    pub fn int8_clear(&self, map: &Map, quant: &Quant, memory: &mut [f32]) {
        let zero = self.int8.item.zero(quant);
        match self.int8.item {
            Item::Halves => map.fill_border(numbers::<i16>(memory), zero as i16),
            Item::Signed => map.fill_border(numbers::<i8>(memory), zero as i8),
            Item::Unsigned => map.fill_border(numbers::<u8>(memory), zero as u8),
        }
    }
}

/// Whole numbers that memory of floats can hold as well.
pub(super) trait Number: Copy {}
impl Number for i8 {}
impl Number for u8 {}
impl Number for i16 {}
impl Number for i32 {}

/// Memory of floats as memory of whole numbers.
fn numbers<T: Number>(memory: &mut [f32]) -> &mut [T] {
    let count = size_of_val(memory) / size_of::<T>();
    // SAFETY: whole numbers of up to four bytes need no more alignment than floats; all bits are valid for either.
    unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast(), count) }
}
