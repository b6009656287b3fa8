//! One kernel call of a plan.

use super::layer_op::LayerOp;

/// A packed layer and the buffers that it works on.
#[derive(Debug)]
pub(super) struct Step {
    /// The graph's nodes that it computes; a copy names the concatenation that it is for.
    pub nodes: Vec<usize>,
    /// Name for listings: `conv 3x3/2 1->16 relu`.
    pub name: String,
    pub op: Box<dyn LayerOp>,
    /// Indices of buffers.
    pub input: usize,
    pub other: Option<usize>,
    pub output: usize,
    pub scratch: Option<usize>,
}
