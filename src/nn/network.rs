//! The interface of every network, whichever code runs it.

use crate::error::Result;

/// A network with one f32 input of fixed shape `[1, c, h, w]` and named f32 outputs.
///
/// [`Network::run`] allocates nothing after the first call.
pub trait Network: Send {
    /// Input shape `[batch, channels, height, width]`.
    fn input_shape(&self) -> [usize; 4];

    /// Names and shapes of the outputs, in order.
    fn outputs(&self) -> &[(String, Vec<usize>)];

    /// Runs on `input`, row-major NCHW, with the shape [`Network::input_shape`]. [`Network::output`] gives the results.
    ///
    /// # Errors
    /// Fatal: the input has the wrong length, or tract fails.
    fn run(&mut self, input: &[f32]) -> Result<()>;

    /// The values of output `i` of the last run, row-major.
    fn output(&self, i: usize) -> &[f32];
}

/// Builds networks of one model for an input of `(height, width)` pixels. With it, face tracking depends on neither
/// files nor tract, and tests can pass scripted networks.
pub type Build = Box<dyn Fn(usize, usize) -> Result<Box<dyn Network>> + Send>;
