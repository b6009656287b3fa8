//! Quantisation: what integers stand for, how tables store them, and how floats become integers.

use crate::kernels::Kernels;
use crate::kernels::isa::int8::Limits;

/// What the integers of a map stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quant {
    /// The value of one step; above 0.
    pub scale: f32,
    /// The number that stands for 0, within [`Quant::range`].
    pub zero: i32,
    /// Numbers from -128 to 127 instead of 0 to 255.
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

    /// Whether its steps are coarser than those of sums of `from` with weights of these scales. Only then are sums
    /// rounded to its steps, and none exceeds 32 bits.
    pub fn coarser(&self, from: &Quant, scale: &[f32]) -> bool {
        scale.iter().all(|s| (from.scale * s / self.scale).abs() < 1.0)
    }

    /// Limits, in steps from zero, for a value that is limited to `lo..=hi` before it is rounded.
    pub(crate) fn limits(&self, lo: f32, hi: f32) -> (f32, f32) {
        let (low, high) = self.range();
        let (low, high) = ((low - self.zero) as f32, (high - self.zero) as f32);
        // If no value were left within the limits, the order of `min` and `max` would matter.
        let lo = (lo / self.scale).clamp(low, high);
        (lo, (hi / self.scale).clamp(lo, high))
    }
}

/// How a table stores integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// `q - zero` as i16.
    I16,
    /// `q`, less 128 if unsigned, as i8.
    #[cfg_attr(not(target_arch = "aarch64"), expect(dead_code))]
    I8,
    /// `q`, plus 128 if signed, as u8.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code))]
    U8,
}

impl Storage {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Storage::I16 => 2,
            Storage::I8 | Storage::U8 => 1,
        }
    }

    /// What is stored for zero.
    pub(crate) fn zero(self, quant: &Quant) -> i32 {
        match self {
            Storage::I16 => 0,
            Storage::I8 => quant.zero - if quant.signed { 0 } else { 128 },
            Storage::U8 => quant.zero + if quant.signed { 128 } else { 0 },
        }
    }
}

/// How floats become stored integers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requantise {
    /// Steps per unit.
    pub factor: f32,
    pub limits: Limits,
}

impl Requantise {
    /// To numbers as these kernels store them.
    pub fn of(kernels: &Kernels, quant: &Quant) -> Self {
        let (lo, hi) = quant.limits(f32::NEG_INFINITY, f32::INFINITY);
        Self { factor: quant.scale.recip(), limits: Limits { lo, hi, zero: kernels.int8.storage.zero(quant) } }
    }

    /// The results equal those of floats limited to `lo..=hi` first: a factor above zero keeps the order.
    pub fn limited(self, lo: f32, hi: f32) -> Self {
        let Limits { lo: low, hi: high, zero } = self.limits;
        let within = |x: f32| (x * self.factor).clamp(low, high);
        Self { limits: Limits { lo: within(lo.min(hi)), hi: within(hi), zero }, ..self }
    }
}
