//! A layer with what was fused into it: the form between the graph and packed kernels.

use super::graph::{Graph, Layer};
use crate::kernels::{Activation, ResidualPosition};

/// One pass over memory: a layer, and the bias, scale, activation and addition that are applied before its result is
/// stored.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// Nodes of the graph, in order; the unit stores the value of the last one.
    pub nodes: Vec<usize>,
    /// Never a source, a view or an activation.
    pub layer: Layer,
    pub activation: Activation,
    /// Nodes whose values it reads, with views resolved.
    pub inputs: Vec<usize>,
    /// A node whose value is added, and whether before or after the activation.
    pub other: Option<(usize, ResidualPosition)>,
    /// Nodes whose values it stores in the channels after its own.
    pub also: Vec<usize>,
}

impl Unit {
    /// A unit of one node, with nothing fused into it.
    pub fn plain(node: usize, layer: Layer, inputs: Vec<usize>) -> Self {
        Self { nodes: vec![node], layer, activation: Activation::None, inputs, other: None, also: vec![] }
    }

    /// The node whose value the unit stores.
    pub fn output(&self) -> usize {
        self.nodes.last().copied().unwrap_or_default()
    }

    /// Whether it reads a node's value.
    pub fn reads(&self, node: usize) -> bool {
        self.inputs.contains(&node) || self.other.is_some_and(|o| o.0 == node)
    }

    /// How many channels it stores.
    pub fn channels(&self, graph: &Graph) -> usize {
        self.also.iter().chain([&self.output()]).map(|n| graph.nodes[*n].info.c).sum()
    }
}
