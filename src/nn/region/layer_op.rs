//! A packed layer as the plan sees it, whichever kernel computes it.

use std::fmt::Debug;

use crate::kernels::{
    AddRequantise, Conv, Conv8, Depthwise, Elementwise, Pool, Quantise, Replicate, Resize, Winograd, Winograd8,
};

/// The memory of one layer for one image, as slices of the arena or of the caller's input.
pub(super) struct Operands<'m> {
    pub input: &'m [f32],
    /// The second operand of an addition; given if and only if the layer was packed with one.
    pub other: Option<&'m [f32]>,
    pub output: &'m mut [f32],
    /// At least [`LayerOp::scratch_floats`] long; its contents are only used within the layer.
    pub scratch: &'m mut [f32],
}

/// One layer, packed for one table of kernels. It is boxed when a model is loaded; a run allocates nothing.
pub(super) trait LayerOp: Debug + Send + Sync {
    /// Multiplications and additions for one image.
    fn flops(&self) -> u64;

    /// Floats of scratch memory that [`LayerOp::run`] needs.
    fn scratch_floats(&self) -> usize {
        0
    }

    /// Computes the layer for one image.
    fn run(&self, operands: Operands);
}

impl LayerOp for Conv {
    fn flops(&self) -> u64 {
        self.flops()
    }

    fn run(&self, Operands { input, other, output, .. }: Operands) {
        self.run(input, other, output);
    }
}

impl LayerOp for Winograd {
    fn flops(&self) -> u64 {
        self.flops()
    }

    fn scratch_floats(&self) -> usize {
        self.scratch()
    }

    fn run(&self, Operands { input, other, output, scratch }: Operands) {
        self.run(input, other, output, scratch);
    }
}

impl LayerOp for Depthwise {
    fn flops(&self) -> u64 {
        self.flops()
    }

    fn run(&self, Operands { input, other, output, .. }: Operands) {
        self.run(input, other, output);
    }
}

impl LayerOp for Pool {
    fn flops(&self) -> u64 {
        self.flops()
    }

    fn run(&self, Operands { input, output, .. }: Operands) {
        self.run(input, output);
    }
}

impl LayerOp for Elementwise {
    fn flops(&self) -> u64 {
        self.flops()
    }

    fn run(&self, Operands { input, other, output, .. }: Operands) {
        self.run(input, other, output);
    }
}

impl LayerOp for Replicate {
    fn flops(&self) -> u64 {
        self.flops()
    }

    fn run(&self, Operands { input, other, output, .. }: Operands) {
        self.run(input, other, output);
    }
}

impl LayerOp for Resize {
    fn flops(&self) -> u64 {
        self.flops()
    }

    fn run(&self, Operands { input, output, .. }: Operands) {
        self.run(input, output);
    }
}

impl LayerOp for Conv8 {
    fn flops(&self) -> u64 {
        self.flops()
    }

    fn run(&self, Operands { input, output, .. }: Operands) {
        self.run(input, output);
    }
}

impl LayerOp for Winograd8 {
    fn flops(&self) -> u64 {
        self.flops()
    }

    fn scratch_floats(&self) -> usize {
        self.scratch()
    }

    fn run(&self, Operands { input, output, scratch, .. }: Operands) {
        self.run(input, output, scratch);
    }
}

impl LayerOp for AddRequantise {
    fn flops(&self) -> u64 {
        self.flops()
    }

    fn run(&self, Operands { input, other, output, .. }: Operands) {
        self.run(input, other, output);
    }
}

impl LayerOp for Quantise {
    /// Rounding is not counted.
    fn flops(&self) -> u64 {
        0
    }

    fn run(&self, Operands { input, output, .. }: Operands) {
        self.run(input, output);
    }
}
