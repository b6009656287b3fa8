//! What every network can do, whichever code runs it.

use crate::error::Result;

/// A network with one f32 input of fixed shape `[1, c, h, w]` and named f32 outputs.
///
/// [`Network::run`] allocates nothing after the first call.
pub trait Network: Send {
    /// Input shape `[batch, channels, height, width]`.
    fn input_shape(&self) -> [usize; 4];

    /// Names and shapes of the outputs, in order.
    fn outputs(&self) -> &[(String, Vec<usize>)];

    /// Runs on `input`, row-major NCHW, as many values as [`Network::input_shape`] has. [`Network::output`] has the
    /// results.
    ///
    /// # Errors
    /// Fatal: the input has another length, or tract fails.
    fn run(&mut self, input: &[f32]) -> Result<()>;

    /// The values of output `i` of the last run, row-major.
    fn output(&self, i: usize) -> &[f32];
}

/// Builds networks of one model for an input of `(height, width)` pixels. Face tracking knows neither files nor tract,
/// and tests can pass scripted networks.
pub type Build = Box<dyn Fn(usize, usize) -> Result<Box<dyn Network>> + Send>;
