//! The weights of an int8 convolution, as a network gives them.

use crate::error::{Error, Result};
use crate::kernels::layers::quant::Quant;

/// The numbers of an int8 convolution.
#[derive(Clone, Debug)]
pub struct Sums<'a> {
    /// What the input's numbers stand for.
    pub from: Quant,
    /// `[outputs, inputs, rows, columns]`, from -127 to 127.
    pub weights: &'a [i8],
    /// The value of one step of a weight, per output.
    pub scale: &'a [f32],
    /// In steps of the sum, per output; from -2^30 to 2^30.
    pub bias: &'a [i32],
}

impl Sums<'_> {
    /// Checks sizes and ranges: no sum may exceed 32 bits.
    pub(crate) fn check(&self, inputs: usize, outputs: usize, taps: usize) -> Result<()> {
        let depth = inputs * taps;
        let sizes = self.weights.len() == outputs * depth && self.scale.len() == outputs && self.bias.len() == outputs;
        let ranges = self.from.valid()
            && !self.weights.contains(&i8::MIN)
            && self.scale.iter().all(|s| s.is_finite())
            && self.bias.iter().all(|b| b.unsigned_abs() <= 1 << 30)
            && depth <= (1 << 30) / (255 * 127);
        if sizes && ranges && depth > 0 {
            return Ok(());
        }
        Err(Error::fatal("kernels", "the weights of an int8 convolution do not fit its maps, or its sums 32 bits"))
    }
}
