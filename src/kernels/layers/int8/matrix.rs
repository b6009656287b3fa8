//! Dense convolution where an instruction multiplies whole matrices: a block of pixels of one row, [`DEPTH`] bytes of
//! each, times the weights of [`OUTPUTS`] outputs.

use std::ops::Range;

use super::epilogue::Int8Epilogue;
use super::weights::Sums;
use crate::kernels::layers::border::OutputRegion;
use crate::kernels::layers::pixels::{Grid, Grids};
use crate::kernels::{Lines, Map};

/// Bytes of a pixel that one product sums over; reads may go this far beyond a pixel's last byte.
pub(crate) const DEPTH: usize = 64;
/// Outputs of one product.
pub(crate) const OUTPUTS: usize = 16;
/// Most pixels of one product.
const PIXELS: usize = 16;
/// Bytes of the weights of one product.
pub(crate) const WEIGHTS: usize = DEPTH * OUTPUTS;

/// What a kernel for a whole layer needs.
pub(crate) struct Sweep<'a> {
    pub packed: &'a Packed,
    pub epilogue: &'a Int8Epilogue,
    pub input: *const u8,
    /// Items or floats, as the epilogue says.
    pub output: *mut u8,
    pub grids: Grids,
    /// Rows and columns of the output.
    pub size: (usize, usize),
}

/// A layer's weights, and how its pixels are divided into blocks.
#[derive(Debug)]
pub(crate) struct Packed {
    /// For each pair of output registers and each chunk: the weights of one register, then of the other, in groups of
    /// four bytes of the pixel, each group for all outputs in turn. A last odd register is alone.
    pub weights: Lines<u8>,
    /// Offsets, in bytes, of the chunks that a pixel sums over.
    pub chunks: Vec<usize>,
    /// Registers of outputs.
    registers: usize,
    /// The highest first output of one register, and of a pair: in an unpadded map they end with the pixel.
    last: [usize; 2],
    /// Pixels of a block, and the distance between blocks of a row. The last block ends with the row, so it may overlap
    /// the one before.
    pub height: usize,
}

impl Packed {
    /// Packs a layer whose pixels sum over one run of bytes, or one for each row or tap of the window.
    pub fn new(layer: &Sums, (from, to): (&Map, &Map), taps: usize, whole: &OutputRegion) -> Self {
        let (runs, items) = (&whole.starts, whole.run);
        let offsets = || (0..items).step_by(DEPTH);
        let chunks: Vec<usize> = runs.iter().flat_map(|r| offsets().map(move |o| r + o)).collect();
        let registers = to.c.div_ceil(OUTPUTS);
        let last = |outputs: usize| if to.unpadded(OUTPUTS) { to.c.saturating_sub(outputs) } else { usize::MAX };
        let last = [last(OUTPUTS), last(2 * OUTPUTS)];
        let mut weights = Lines::new(registers * chunks.len() * WEIGHTS);
        let (per_run, per_tap) = (taps / runs.len(), items * runs.len() / taps);
        for (k, (run, first)) in (0..runs.len()).flat_map(|r| offsets().map(move |o| (r, o))).enumerate() {
            for byte in first..items.min(first + DEPTH) {
                let (tap, c) = (run * per_run + byte / per_tap, byte % per_tap);
                if c >= from.c {
                    continue;
                }
                for (pair, outputs) in pairs(registers, last).enumerate() {
                    let (wide, within) = (outputs.len() / OUTPUTS, byte - first);
                    for (i, o) in outputs.enumerate().filter(|(_, o)| *o < to.c) {
                        let (register, lane) = (i / OUTPUTS, i % OUTPUTS);
                        let start = (2 * pair * chunks.len() + k * wide + register) * WEIGHTS;
                        let place = start + within / 4 * 4 * OUTPUTS + lane * 4 + within % 4;
                        weights[place] = layer.weights[(o * from.c + c) * taps + tap] as u8;
                    }
                }
            }
        }
        let height = to.w.div_ceil(to.w.div_ceil(PIXELS));
        Self { weights, chunks, registers, last, height }
    }

    /// The outputs of each pair of registers, and of a last odd one; there may be more of them than the layer has.
    pub fn pairs(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        pairs(self.registers, self.last)
    }
}

fn pairs(registers: usize, last: [usize; 2]) -> impl Iterator<Item = Range<usize>> {
    (0..registers).step_by(2).map(move |first| {
        let wide = (registers - first).min(2);
        let begin = (first * OUTPUTS).min(last[wide - 1]);
        begin..begin + wide * OUTPUTS
    })
}

impl Sweep<'_> {
    /// Blocks of the layer, and the row and first column of each.
    pub fn blocks(&self) -> impl Iterator<Item = (usize, usize)> {
        let ((rows, columns), height) = (self.size, self.packed.height);
        (0..rows).flat_map(move |y| (0..columns.div_ceil(height)).map(move |i| (y, (i * height).min(columns - height))))
    }

    /// Where a block's first pixel is read and written.
    pub fn offsets(&self, (y, x): (usize, usize)) -> [usize; 2] {
        let offset = |g: &Grid| g.offset(y, x);
        [offset(&self.grids.from), offset(&self.grids.to)]
    }
}
