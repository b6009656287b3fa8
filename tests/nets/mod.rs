//! ONNX networks with random weights, built in code.

#![allow(dead_code)]

use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use tract_onnx::pb::{self, attribute_proto::AttributeType, tensor_proto::DataType};
use tract_onnx::prelude::*;

/// A network under construction: a chain from `at`, with names kept for branches.
pub struct Net {
    graph: pb::GraphProto,
    random: Pcg64,
    batch: usize,
    count: usize,
    /// Name and `[channels, rows, columns]` of the newest value.
    pub at: String,
    pub shape: [usize; 3],
}

fn ints(name: &str, values: &[usize]) -> pb::AttributeProto {
    let ints = values.iter().map(|v| *v as i64).collect();
    pb::AttributeProto { name: name.into(), r#type: AttributeType::Ints as i32, ints, ..Default::default() }
}

fn int(name: &str, i: i64) -> pb::AttributeProto {
    pb::AttributeProto { name: name.into(), r#type: AttributeType::Int as i32, i, ..Default::default() }
}

fn float(name: &str, f: f32) -> pb::AttributeProto {
    pb::AttributeProto { name: name.into(), r#type: AttributeType::Float as i32, f, ..Default::default() }
}

fn text(name: &str, s: &str) -> pb::AttributeProto {
    let s = s.as_bytes().to_vec();
    pb::AttributeProto { name: name.into(), r#type: AttributeType::String as i32, s, ..Default::default() }
}

/// The type of an f32 value; a dimension of zero is a symbol.
fn value(name: &str, dims: &[usize]) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension::Value};
    let dim = dims.iter().map(|d| {
        let value = if *d == 0 { Value::DimParam("N".into()) } else { Value::DimValue(*d as i64) };
        Dimension { value: Some(value), ..Default::default() }
    });
    let tensor = pb::type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(pb::TensorShapeProto { dim: dim.collect() }),
    };
    let r#type = Some(pb::TypeProto { value: Some(pb::type_proto::Value::TensorType(tensor)), ..Default::default() });
    pb::ValueInfoProto { name: name.into(), r#type, ..Default::default() }
}

impl Net {
    /// A network on `[batch, c, h, w]`; a batch of 0 is one that is not fixed.
    pub fn new(seed: u64, batch: usize, [c, h, w]: [usize; 3]) -> Self {
        let graph = pb::GraphProto { input: vec![value("input", &[batch, c, h, w])], ..Default::default() };
        let random = Pcg64::seed_from_u64(seed);
        Self { graph, random, batch, count: 0, at: "input".into(), shape: [c, h, w] }
    }

    pub fn uniform(&mut self) -> f32 {
        self.random.next_u32() as f32 / 2f32.powi(31) - 1.0
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.random.next_u32() as usize % n
    }

    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}{}", self.count)
    }

    /// A constant of uniform numbers in `-size..size`.
    pub fn weights(&mut self, dims: &[usize], size: f32) -> String {
        let data: Vec<f32> = (0..dims.iter().product()).map(|_| self.uniform() * size).collect();
        self.constant(dims, data)
    }

    pub fn constant(&mut self, dims: &[usize], float_data: Vec<f32>) -> String {
        let name = self.name("w");
        let dims = dims.iter().map(|d| *d as i64).collect();
        let data_type = DataType::Float as i32;
        let tensor = pb::TensorProto { name: name.clone(), dims, data_type, float_data, ..Default::default() };
        self.graph.initializer.push(tensor);
        name
    }

    fn integers(&mut self, values: &[i64]) -> String {
        let name = self.name("i");
        let (dims, data_type) = (vec![values.len() as i64], DataType::Int64 as i32);
        let int64_data = values.to_vec();
        let tensor = pb::TensorProto { name: name.clone(), dims, data_type, int64_data, ..Default::default() };
        self.graph.initializer.push(tensor);
        name
    }

    /// Any operator; its output becomes the newest value, of unchanged shape.
    pub fn op(&mut self, op: &str, input: Vec<String>, attribute: Vec<pb::AttributeProto>) -> &mut Self {
        let name = self.name(&op.to_lowercase());
        let output = vec![name.clone()];
        let node =
            pb::NodeProto { name: name.clone(), op_type: op.into(), input, output, attribute, ..Default::default() };
        self.graph.node.push(node);
        self.at = name;
        self
    }

    /// An operator on the newest value only.
    pub fn unary(&mut self, op: &str) -> &mut Self {
        self.op(op, vec![self.at.clone()], vec![])
    }

    fn window(&mut self, size: usize, stride: usize, pad: usize) -> Vec<pb::AttributeProto> {
        for n in &mut self.shape[1..] {
            *n = (*n + 2 * pad - size) / stride + 1;
        }
        vec![ints("kernel_shape", &[size; 2]), ints("strides", &[stride; 2]), ints("pads", &[pad; 4])]
    }

    /// A convolution with bias, padded by half its size.
    pub fn conv(&mut self, outputs: usize, size: usize, stride: usize) -> &mut Self {
        let inputs = self.shape[0];
        self.convolution(outputs, inputs, size, stride, size / 2, 1)
    }

    pub fn depthwise(&mut self, stride: usize) -> &mut Self {
        self.convolution(self.shape[0], 1, 3, stride, 1, self.shape[0])
    }

    pub fn convolution(
        &mut self,
        outputs: usize,
        inputs: usize,
        size: usize,
        stride: usize,
        pad: usize,
        group: usize,
    ) -> &mut Self {
        let spread = (6.0 / (inputs * size * size) as f32).sqrt();
        let w = self.weights(&[outputs, inputs, size, size], spread);
        let b = self.weights(&[outputs], 0.5);
        let mut attributes = self.window(size, stride, pad);
        attributes.push(int("group", group as i64));
        self.shape[0] = outputs;
        self.op("Conv", vec![self.at.clone(), w, b], attributes)
    }

    /// A constant of 8-bit or 32-bit integers.
    fn quantised(&mut self, data_type: DataType, dims: &[usize], int32_data: Vec<i32>) -> String {
        let name = self.name("q");
        let dims = dims.iter().map(|d| *d as i64).collect();
        let data_type = data_type as i32;
        self.graph.initializer.push(pb::TensorProto {
            name: name.clone(),
            dims,
            data_type,
            int32_data,
            ..Default::default()
        });
        name
    }

    /// QuantizeLinear and DequantizeLinear: the value, rounded to multiples of `scale`.
    pub fn rounded(&mut self, scale: f32, zero: i32, signed: bool) -> &mut Self {
        self.rounded_back(scale, zero, signed, scale)
    }

    /// As [`Net::rounded`], with another scale on the way back.
    pub fn rounded_back(&mut self, scale: f32, zero: i32, signed: bool, back: f32) -> &mut Self {
        let data_type = if signed { DataType::Int8 } else { DataType::Uint8 };
        let (scale, back) = (self.constant(&[], vec![scale]), self.constant(&[], vec![back]));
        let zero = self.quantised(data_type, &[], vec![zero]);
        self.op("QuantizeLinear", vec![self.at.clone(), scale, zero.clone()], vec![]);
        self.op("DequantizeLinear", vec![self.at.clone(), back, zero], vec![])
    }

    /// A convolution with weights that are dequantised, on a value that is rounded to multiples of `step`. All scales
    /// are powers of two, so that floats compute it exactly.
    pub fn conv8(&mut self, outputs: usize, size: usize, stride: usize, step: f32) -> &mut Self {
        let inputs = self.shape[0];
        let dims = [outputs, inputs, size, size];
        let mut numbers: Vec<i32> = (0..dims.iter().product()).map(|_| self.below(255) as i32 - 127).collect();
        let depth = numbers.len() / outputs;
        numbers.iter_mut().step_by(depth).for_each(|n| *n = 127);
        let scale: Vec<f32> = (0..outputs).map(|_| 2f32.powi(-(10 + self.below(3) as i32))).collect();
        let bias = (0..outputs).map(|_| self.below(40_000) as i32 - 20_000).collect();
        let steps = scale.iter().map(|s| s * step).collect();
        let mut dequantised = |data_type: DataType, dims: &[usize], numbers: Vec<i32>, scale: Vec<f32>| {
            let zero = self.quantised(data_type, &[outputs], vec![0; outputs]);
            let numbers = self.quantised(data_type, dims, numbers);
            let scale = self.constant(&[outputs], scale);
            let at = self.at.clone();
            self.op("DequantizeLinear", vec![numbers, scale, zero], vec![int("axis", 0)]);
            std::mem::replace(&mut self.at, at)
        };
        let w = dequantised(DataType::Int8, &dims, numbers, scale);
        let b = dequantised(DataType::Int32, &[outputs], bias, steps);
        let attributes = self.window(size, stride, size / 2);
        self.shape[0] = outputs;
        self.op("Conv", vec![self.at.clone(), w, b], attributes)
    }

    pub fn relu(&mut self) -> &mut Self {
        self.unary("Relu")
    }

    pub fn clip(&mut self, lo: f32, hi: f32) -> &mut Self {
        let (lo, hi) = (self.constant(&[], vec![lo]), self.constant(&[], vec![hi]));
        self.op("Clip", vec![self.at.clone(), lo, hi], vec![])
    }

    pub fn leaky(&mut self, alpha: f32) -> &mut Self {
        self.op("LeakyRelu", vec![self.at.clone()], vec![float("alpha", alpha)])
    }

    pub fn prelu(&mut self) -> &mut Self {
        let slope = self.weights(&[self.shape[0], 1, 1], 0.5);
        self.op("PRelu", vec![self.at.clone(), slope], vec![])
    }

    pub fn add(&mut self, other: &str) -> &mut Self {
        self.op("Add", vec![self.at.clone(), other.into()], vec![])
    }

    pub fn concat(&mut self, others: &[(String, usize)]) -> &mut Self {
        let mut inputs = vec![self.at.clone()];
        for (name, channels) in others {
            inputs.push(name.clone());
            self.shape[0] += channels;
        }
        self.op("Concat", inputs, vec![int("axis", 1)])
    }

    /// Nearest-neighbour enlargement, as PyTorch exports it.
    pub fn upsample(&mut self, factor: usize) -> &mut Self {
        let scales = self.constant(&[4], vec![1.0, 1.0, factor as f32, factor as f32]);
        let attributes = vec![
            text("mode", "nearest"),
            text("coordinate_transformation_mode", "asymmetric"),
            text("nearest_mode", "floor"),
        ];
        self.shape[1] *= factor;
        self.shape[2] *= factor;
        self.op("Resize", vec![self.at.clone(), String::new(), scales], attributes)
    }

    /// Resizing by any factors, with the corners where `corners` says; the mode is ONNX's.
    pub fn resize(&mut self, mode: &str, corners: &str, [rows, columns]: [f32; 2]) -> &mut Self {
        let scales = self.constant(&[4], vec![1.0, 1.0, rows, columns]);
        self.shape[1] = (self.shape[1] as f32 * rows) as usize;
        self.shape[2] = (self.shape[2] as f32 * columns) as usize;
        let attributes = vec![text("mode", mode), text("coordinate_transformation_mode", corners)];
        self.op("Resize", vec![self.at.clone(), String::new(), scales], attributes)
    }

    pub fn pool(&mut self, op: &str, size: usize, stride: usize, pad: usize) -> &mut Self {
        let attributes = self.window(size, stride, pad);
        self.op(op, vec![self.at.clone()], attributes)
    }

    pub fn global(&mut self, op: &str) -> &mut Self {
        self.shape = [self.shape[0], 1, 1];
        self.unary(op)
    }

    /// Flatten and a fully connected layer.
    pub fn gemm(&mut self, outputs: usize) -> &mut Self {
        let values = self.shape.iter().product();
        self.op("Flatten", vec![self.at.clone()], vec![int("axis", 1)]);
        let w = self.weights(&[outputs, values], (3.0 / values as f32).sqrt());
        let b = self.weights(&[outputs], 0.5);
        self.shape = [outputs, 1, 1];
        self.op("Gemm", vec![self.at.clone(), w, b], vec![int("transB", 1)])
    }

    pub fn matmul(&mut self, outputs: usize) -> &mut Self {
        let values = self.shape.iter().product();
        self.op("Flatten", vec![self.at.clone()], vec![int("axis", 1)]);
        let w = self.weights(&[values, outputs], (3.0 / values as f32).sqrt());
        self.shape = [outputs, 1, 1];
        self.op("MatMul", vec![self.at.clone(), w], vec![])
    }

    pub fn reshape(&mut self, dims: &[i64]) -> &mut Self {
        let shape = self.integers(dims);
        self.op("Reshape", vec![self.at.clone(), shape], vec![])
    }

    pub fn transpose(&mut self, perm: &[usize]) -> &mut Self {
        self.op("Transpose", vec![self.at.clone()], vec![ints("perm", perm)])
    }

    /// Changes an attribute of the newest operator.
    pub fn with_ints(&mut self, name: &str, values: &[usize]) -> &mut Self {
        if let Some(node) = self.graph.node.last_mut() {
            node.attribute.retain(|a| a.name != name);
            node.attribute.push(ints(name, values));
        }
        self
    }

    /// The newest value is an output of the network.
    pub fn output(&mut self) -> &mut Self {
        let r#type = None;
        self.graph.output.push(pb::ValueInfoProto { name: self.at.clone(), r#type, ..Default::default() });
        self
    }

    /// Goes on from an earlier value.
    pub fn from(&mut self, at: &str, shape: [usize; 3]) -> &mut Self {
        (self.at, self.shape) = (at.into(), shape);
        self
    }

    /// The network as tract loads it, typed but not yet decluttered.
    pub fn typed(&self) -> TractResult<TypedModel> {
        let version = pb::OperatorSetIdProto { version: 17, ..Default::default() };
        let model = pb::ModelProto {
            ir_version: 8,
            opset_import: vec![version],
            graph: Some(self.graph.clone()),
            ..Default::default()
        };
        onnx().model_for_proto_model(&model)?.into_typed()
    }
}

/// A quantised network: residuals, enlarged maps, signed and unsigned values with zeros of all kinds.
pub fn quantised(h: usize, w: usize) -> Net {
    let mut n = Net::new(31, 1, [2, h, w]);
    n.rounded(1.0 / 64.0, 128, false).conv8(16, 3, 2, 1.0 / 64.0).relu().rounded(1.0 / 128.0, 0, false);
    let (near, shape) = (n.at.clone(), n.shape);
    n.conv8(24, 3, 1, 1.0 / 128.0).relu().rounded(1.0 / 64.0, -128, true).conv8(16, 1, 1, 1.0 / 64.0);
    n.rounded(1.0 / 64.0, -5, true).add(&near).relu().rounded(1.0 / 32.0, 3, false);
    let whole = n.at.clone();
    n.conv8(37, 3, 2, 1.0 / 32.0).clip(0.0, 2.5).rounded(1.0 / 64.0, 0, false).conv8(16, 3, 1, 1.0 / 64.0);
    n.rounded(1.0 / 32.0, 100, false).upsample(2).rounded(1.0 / 32.0, 100, false).add(&whole);
    n.rounded(1.0 / 16.0, 120, false).conv8(9, 1, 1, 1.0 / 16.0).output();
    n.from(&whole, shape).pool("MaxPool", 2, 2, 0).rounded(1.0 / 32.0, 3, false).conv8(5, 3, 1, 1.0 / 32.0).output();
    n.from(&whole, shape).conv8(8, 3, 2, 1.0 / 32.0).relu().gemm(3).output();
    n
}

/// MobileNetV2 at half width with a 140-value head.
pub fn mobilenet(h: usize, w: usize) -> Net {
    let mut n = Net::new(1, 1, [1, h, w]);
    let round = |c: usize| ((c / 2 + 4) / 8 * 8).max(8);
    n.conv(round(32), 3, 2).clip(0.0, 6.0);
    for (t, c, times, stride) in
        [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 3, 2), (6, 96, 2, 1), (6, 160, 2, 2)]
    {
        for i in 0..times {
            let (input, stride) = ((n.at.clone(), n.shape), if i == 0 { stride } else { 1 });
            if t > 1 {
                n.conv(input.1[0] * t, 1, 1).clip(0.0, 6.0);
            }
            n.depthwise(stride).clip(0.0, 6.0).conv(round(c), 1, 1);
            if n.shape == input.1 {
                n.add(&input.0);
            }
        }
    }
    n.conv(round(320), 1, 1).relu().global("GlobalAveragePool").gemm(140).output();
    n
}

/// A re-parameterised RepVGG: plain 3x3 convolutions with ReLU, of the given widths.
pub fn repvgg(h: usize, w: usize, [a, b, c, d]: [usize; 4]) -> Net {
    let mut n = Net::new(2, 1, [1, h, w]);
    for (width, stride) in [(a, 2), (b, 2), (b, 1), (c, 2), (c, 1), (c, 1), (d, 2), (d, 1)] {
        n.conv(width, 3, stride).relu();
    }
    n.global("GlobalAveragePool").gemm(140).output();
    n
}

/// A landmark student: plain convolutions, a 1x1 neck, 70 points of three numbers and a presence score.
pub fn landmarks(batch: usize) -> Net {
    let mut n = Net::new(3, batch, [1, 96, 96]);
    for (width, stride) in [(16, 2), (32, 2), (32, 1), (64, 2), (64, 1), (96, 2), (96, 1)] {
        n.conv(width, 3, stride).relu();
    }
    n.conv(32, 1, 1).relu();
    let (neck, shape) = (n.at.clone(), n.shape);
    n.gemm(210).reshape(&[batch as i64, 70, 3]).output();
    n.from(&neck, shape).global("GlobalAveragePool").gemm(1).unary("Sigmoid").output();
    n
}

/// A detector with two scales: enlarged deep features are added to, then laid beside, shallower ones.
pub fn detector(h: usize, w: usize) -> Net {
    let mut n = Net::new(4, 1, [1, h, w]);
    n.conv(16, 3, 2).relu().conv(16, 3, 1).relu();
    let high = (n.at.clone(), n.shape);
    n.conv(32, 3, 2).relu().conv(32, 3, 1).relu();
    let middle = (n.at.clone(), n.shape);
    n.conv(48, 3, 2).relu().conv(48, 3, 1).relu().conv(32, 1, 1).relu().upsample(2);
    let low = n.at.clone();
    n.from(&middle.0, middle.1).conv(32, 1, 1).add(&low).relu().conv(32, 3, 1).relu().upsample(2);
    let (deep, channels) = (n.at.clone(), n.shape[0]);
    n.from(&high.0, high.1).conv(16, 1, 1).relu().concat(&[(deep, channels)]).conv(24, 3, 1).relu();
    let (neck, shape) = (n.at.clone(), n.shape);
    n.conv(1, 1, 1).unary("Sigmoid").output();
    n.from(&neck, shape).conv(14, 1, 1).output();
    n
}

/// A YuNet-like detector: depthwise blocks, pooling, nearest enlargement, heads as lists of anchors.
pub fn yunet(h: usize, w: usize) -> Net {
    let mut n = Net::new(5, 1, [1, h, w]);
    let block = |n: &mut Net, c: usize| {
        n.conv(c, 1, 1).depthwise(1).relu();
    };
    n.conv(16, 3, 2).relu();
    block(&mut n, 16);
    n.pool("MaxPool", 2, 2, 0);
    for _ in 0..2 {
        block(&mut n, 32);
    }
    n.pool("MaxPool", 2, 2, 0);
    block(&mut n, 64);
    let shallow = (n.at.clone(), n.shape);
    n.pool("MaxPool", 2, 2, 0);
    block(&mut n, 64);
    let deep = (n.at.clone(), n.shape);
    n.upsample(2).add(&shallow.0);
    block(&mut n, 64);
    let joined = (n.at.clone(), n.shape);
    for (at, shape) in [joined, deep] {
        for channels in [1, 4, 10] {
            n.from(&at, shape).conv(channels, 1, 1).depthwise(1);
            if channels == 1 {
                n.unary("Sigmoid");
            }
            n.transpose(&[0, 2, 3, 1]).reshape(&[1, -1, channels as i64]).output();
        }
    }
    n
}
