//! Networks. The only folder that names tract.
//!
//! A model is an ONNX file and a [`card`] that says what it is for, how its input is made and how its
//! outputs are read. [`load`] turns both into a [`Network`] and runs the card's golden input before
//! anything else may.

pub mod card;
mod graph;
pub mod load;
pub mod timed;

pub use card::{Card, Task};
pub use load::Model;
pub use timed::Stopwatch;

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

/// Makes networks of one model for a requested input size `(height, width)`, so that whoever follows
/// faces neither knows files nor tract, and tests can hand in scripted ones.
pub type Build = Box<dyn Fn(usize, usize) -> Result<Box<dyn Network>> + Send>;
