//! Golden files: inputs of a network and the outputs that it must give.

use super::card::Golden;
use super::network::Network;
use crate::error::{Error, Result};
use crate::npy::{Array, Values};

/// The arrays of a golden file, read one after the other.
pub(super) struct Answers<'a> {
    golden: &'a Golden,
    rest: &'a [u8],
}

impl<'a> Answers<'a> {
    pub fn new(golden: &'a Golden, bytes: &'a [u8]) -> Self {
        Self { golden, rest: bytes }
    }

    /// The next array, an input of `count` values.
    ///
    /// # Errors
    /// Fix: it is no such input.
    pub fn input(&mut self, count: usize) -> Result<Vec<f32>> {
        let file = &self.golden.file;
        let (array, rest) = Array::parse(self.rest, file)?;
        self.rest = rest;
        let input: Vec<f32> = match array.values {
            Values::F32(v) => v,
            Values::U8(v) => v.iter().map(|&b| f32::from(b) / 127.5 - 1.0).collect(),
            _ => return Err(Error::fix(file, "its input must be f32 or u8")),
        };
        if input.len() != count {
            return Err(Error::fix(file, format!("its input has {} values, wanted {count}", input.len())));
        }
        Ok(input)
    }

    /// Compares every output of the last run with the next arrays.
    ///
    /// # Errors
    /// Fix: the file has other outputs. Fatal: a value differs.
    pub fn compare(&mut self, network: &dyn Network) -> Result<()> {
        let Golden { file, tolerance } = self.golden;
        for (i, (name, _)) in network.outputs().iter().enumerate() {
            let (array, after) = Array::parse(self.rest, file)?;
            self.rest = after;
            let Values::F32(want) = array.values else {
                return Err(Error::fix(file, format!("output {name} must be f32")));
            };
            let found = network.output(i);
            if found.len() != want.len() {
                let message = format!("output {name} has {} values, the model gives {}", want.len(), found.len());
                return Err(Error::fix(file, message));
            }
            // Relative to the largest value, unless all are near zero.
            let scale = want.iter().fold(1f32, |m, v| m.max(v.abs()));
            // NaN on either side must count as a difference.
            let agrees = |(a, b): (&f32, &f32)| (a - b).abs() <= tolerance * scale;
            if let Some(at) = found.iter().zip(&want).position(|p| !agrees(p)) {
                let (f, w) = (found[at], want[at]);
                let message = format!("self-check failed: {name}[{at}] is {f}, trained as {w} (scale {scale})");
                return Err(Error::fatal(file, message));
            }
        }
        Ok(())
    }
}
