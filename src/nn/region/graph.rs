//! The graph of a region, independent of tract: [`super::read`] makes it and [`super::fuse`] consumes it.

use crate::kernels::{Activation, Between, Into8, Pooling, Quant, Window};

/// The order of a value's axes when it is written out row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DimOrder {
    /// Channels, rows, columns.
    Nchw,
    /// Rows, columns, channels.
    Nhwc,
}

/// The shape of a value: a map of `c` x `h` x `w` for each image of the batch, seen as a tensor of shape `shape`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ValueInfo {
    pub c: usize,
    pub h: usize,
    pub w: usize,
    pub shape: Vec<usize>,
    pub order: DimOrder,
}

impl ValueInfo {
    /// A map of the given row-major `[batch, c, h, w]`.
    pub fn map(batch: usize, c: usize, h: usize, w: usize) -> Self {
        Self { c, h, w, shape: vec![batch, c, h, w], order: DimOrder::Nchw }
    }

    /// Whether the tensor's axes are the map's.
    pub fn is_map(&self) -> bool {
        self.order == DimOrder::Nchw && self.shape.get(1..) == Some(&[self.c, self.h, self.w])
    }

    /// Whether each image is a plain vector: `[batch, values]`, in the order of a map or of a single pixel.
    pub fn is_vector(&self) -> bool {
        self.order == DimOrder::Nchw && self.shape.len() == 2 && self.shape[1] == self.values()
    }

    /// Values per image.
    pub fn values(&self) -> usize {
        self.c * self.h * self.w
    }
}

/// Weights and bias of an int8 convolution.
#[derive(Clone, Debug)]
pub(super) struct Int8Weights {
    /// In the order of the float layer's, from -127 to 127.
    pub values: Vec<i8>,
    /// Per output, the value of one step of a weight.
    pub scale: Vec<f32>,
    /// Per output, in steps of the sum: `scale` times the scale of the input.
    pub bias: Vec<i32>,
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
    /// `scale * x + shift` per channel; a single element stands for all channels.
    Affine {
        scale: Vec<f32>,
        shift: Vec<f32>,
    },
    Activation(Activation),
    Add,
    /// Of channels.
    Concat,
    /// Nearest neighbour, by integer factors: rows, columns.
    Upsample([usize; 2]),
    /// Linear interpolation: positions of the output's rows and columns.
    Resize {
        rows: Vec<Between>,
        columns: Vec<Between>,
    },
    Pool {
        window: Window,
        pooling: Pooling,
    },
    /// Floats to int8 or uint8. In the graph, only this layer's value is an integer.
    Quantise(Quant),
    /// int8 or uint8 to floats.
    Dequantise(Quant),
    /// A convolution of int8 or uint8 values.
    Conv8 {
        window: Window,
        weights: Int8Weights,
        from: Quant,
        into: Into8,
    },
    /// int8 or uint8 values, each pixel repeated, plus a second operand if there is one.
    AddRequantise {
        repeat: [usize; 2],
        from: Quant,
        other: Option<Quant>,
        into: Into8,
    },
    /// The same data under another shape.
    View,
}

/// A layer and where its inputs come from.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub name: String,
    pub layer: Layer,
    /// Indices of nodes before this one.
    pub inputs: Vec<usize>,
    pub info: ValueInfo,
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
    /// Follows views back to the node that holds their data.
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
