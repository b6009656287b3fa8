//! The interface of every network, whichever code runs it.

use crate::error::{Error, Result};

/// A network with named f32 inputs of fixed shape `[1, c, h, w]` and named f32 outputs.
///
/// [`Network::run`] allocates nothing after the first call.
pub trait Network: Send {
    /// Names and shapes `[batch, channels, height, width]` of the inputs, in order.
    fn inputs(&self) -> &[(String, [usize; 4])];

    /// Names and shapes of the outputs, in order.
    fn outputs(&self) -> &[(String, Vec<usize>)];

    /// Runs on `inputs`, each row-major NCHW, in the order and shapes of [`Network::inputs`]. [`Network::output`] gives
    /// the results.
    ///
    /// # Errors
    /// Fatal: there are too few or too many inputs, one has the wrong length, or tract fails.
    fn run(&mut self, inputs: &[&[f32]]) -> Result<()>;

    /// The values of output `i` of the last run, row-major.
    fn output(&self, i: usize) -> &[f32];

    /// Number of values of input `i`; 0 if there is no such input.
    fn input_values(&self, i: usize) -> usize {
        self.inputs().get(i).map_or(0, |(_, shape)| shape.iter().product())
    }
}

/// Checks the number of inputs and their lengths.
///
/// # Errors
/// Fatal: as [`Network::run`].
pub(super) fn check_inputs(subject: &str, wanted: &[(String, [usize; 4])], found: &[&[f32]]) -> Result<()> {
    if wanted.len() != found.len() {
        return Err(Error::fatal(subject, format!("{} inputs, wanted {}", found.len(), wanted.len())));
    }
    for ((name, shape), values) in wanted.iter().zip(found) {
        let count: usize = shape.iter().product();
        if values.len() != count {
            let message = format!("input {name} has {} values, wanted {count}", values.len());
            return Err(Error::fatal(subject, message));
        }
    }
    Ok(())
}

/// Builds networks of one model for an input of `(height, width)` pixels. With it, face tracking depends on neither
/// files nor tract, and tests can pass scripted networks.
pub type Build = Box<dyn Fn(usize, usize) -> Result<Box<dyn Network>> + Send>;
