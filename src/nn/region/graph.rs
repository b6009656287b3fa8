//! The layers of a region, free of tract: what [`super::read`] makes and [`super::fuse`] consumes.

use super::int8::Numbers;
use crate::kernels::{Act, Between, Into8, Pooling, Quant, Window};

/// In which order a value's numbers come when it is written out row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Channels, rows, columns.
    Planes,
    /// Rows, columns, channels.
    Pixels,
}

/// A value: a map of `c` x `h` x `w` for each image of the batch, seen as a tensor of some shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Form {
    pub c: usize,
    pub h: usize,
    pub w: usize,
    pub shape: Vec<usize>,
    pub order: Order,
}

impl Form {
    /// A map of the given row-major `[batch, c, h, w]`.
    pub fn map(batch: usize, c: usize, h: usize, w: usize) -> Self {
        Self { c, h, w, shape: vec![batch, c, h, w], order: Order::Planes }
    }

    /// Whether the tensor's axes are the map's.
    pub fn is_map(&self) -> bool {
        self.order == Order::Planes && self.shape.get(1..) == Some(&[self.c, self.h, self.w])
    }

    /// Whether each image is a plain vector: `[batch, values]`, in the order of a map or of a single pixel.
    pub fn is_vector(&self) -> bool {
        self.order == Order::Planes && self.shape.len() == 2 && self.shape[1] == self.values()
    }

    /// Numbers per image.
    pub fn values(&self) -> usize {
        self.c * self.h * self.w
    }

    /// Whether two values have the same numbers at the same places.
    pub fn matches(&self, other: &Form) -> bool {
        self == other
    }
}

/// What a layer computes.
#[derive(Clone, Debug)]
pub(super) enum Layer {
    /// An input of the region.
    Source,
    /// Weights `[outputs, inputs, rows, columns]`, or `[channels, rows, columns]` if depthwise.
    Conv {
        window: Window,
        depthwise: bool,
        weights: Vec<f32>,
        bias: Vec<f32>,
    },
    /// Weights `[outputs, values]`.
    Connected {
        weights: Vec<f32>,
        bias: Vec<f32>,
    },
    /// Per channel; one number stands for all channels.
    Affine {
        scale: Vec<f32>,
        shift: Vec<f32>,
    },
    Act(Act),
    Add,
    /// Side by side along the channels.
    Concat,
    /// Nearest neighbour, by whole factors.
    Upsample([usize; 2]),
    /// Linear interpolation: where the output's rows and columns lie.
    Resize {
        rows: Vec<Between>,
        columns: Vec<Between>,
    },
    Pool {
        window: Window,
        pooling: Pooling,
    },
    /// Floats to whole numbers. Only this layer's value is such.
    Quantise(Quant),
    /// Whole numbers to floats.
    Dequantise(Quant),
    /// A convolution of whole numbers.
    Conv8 {
        window: Window,
        numbers: Numbers,
        from: Quant,
        into: Into8,
    },
    /// Whole numbers, each pixel repeated, and others, if any, that are added.
    Mix {
        repeat: [usize; 2],
        from: Quant,
        other: Option<Quant>,
        into: Into8,
    },
    /// The same numbers under another shape.
    View,
}

/// A layer and where its inputs come from.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub name: String,
    pub layer: Layer,
    /// Indices of nodes before this one.
    pub inputs: Vec<usize>,
    pub form: Form,
}

/// Layers in an order in which they can be computed.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    /// Images per run.
    pub batch: usize,
    pub nodes: Vec<Node>,
    /// Nodes whose values leave the region.
    pub outputs: Vec<usize>,
}

impl Graph {
    /// Follows views back to the node whose numbers they show.
    pub fn root(&self, mut node: usize) -> usize {
        while matches!(self.nodes[node].layer, Layer::View) {
            node = self.nodes[node].inputs[0];
        }
        node
    }

    /// Whether each node leads to an output.
    pub fn live(&self) -> Vec<bool> {
        let mut live = vec![false; self.nodes.len()];
        for &o in &self.outputs {
            live[o] = true;
        }
        for i in (0..self.nodes.len()).rev() {
            if live[i] {
                for &input in &self.nodes[i].inputs {
                    live[input] = true;
                }
            }
        }
        live
    }
}
