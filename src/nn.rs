//! Networks. The only folder that names tract.

pub mod region;

use crate::error::Result;

/// A network with one f32 input of fixed shape `[1, c, h, w]` and named f32 outputs.
///
/// `run` allocates nothing after the first call.
pub trait Network: Send {
    /// Input shape `[batch, channels, height, width]`.
    fn input_shape(&self) -> [usize; 4];

    /// Output names and shapes, in order.
    fn outputs(&self) -> &[(String, Vec<usize>)];

    /// Runs on `input` (row-major NCHW, `input_shape` long); results are read with [`Network::output`].
    fn run(&mut self, input: &[f32]) -> Result<()>;

    /// The values of output `i` of the last run, row-major.
    fn output(&self, i: usize) -> &[f32];
}
