//! One function per kind of operator, which gives a layer or the reason why there is none.

use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::TypedConcat;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat, PoolSpec};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::logic::comp_gt;
use tract_onnx::tract_core::ops::nn::{DataFormat, HardSwish, LeakyRelu, Reduce, Reducer, Sigmoid};

use super::super::graph::{DimOrder, Layer, ValueInfo};
use super::quant::quantisation;
use super::{Reader, Reason, floats};
use crate::kernels::{Activation, Between, Pooling, Window};

/// `[rows, columns]` of a two-element list.
fn pair(values: &[usize]) -> Result<[usize; 2], Reason> {
    values.try_into().map_err(|_| "not two-dimensional".to_string())
}

impl Reader<'_> {
    pub(super) fn conv(&mut self, node: &TypedNode, op: &Conv) -> Result<usize, Reason> {
        let (at, from) = self.map_input(node, 0)?;
        let to = self.map_output(node)?;
        let spec = &op.pool_spec;
        if op.q_params.is_some() || spec.data_format != DataFormat::NCHW || op.kernel_fmt != KernelFormat::OIHW {
            return Err("quantised, or an unusual layout".into());
        }
        if spec.dilations().iter().any(|d| *d != 1) {
            return Err("dilated".into());
        }
        let window = self.window(spec, &from)?;
        let constant = |i: usize| node.inputs.get(i).and_then(|o| self.constants(*o));
        let weights = constant(1).ok_or("its weights are not constant")?;
        let mut bias = constant(2).ok_or("its bias is not constant")?;
        if bias.len() == 1 {
            bias = vec![bias[0]; to.c];
        }
        let depthwise = op.group != 1;
        let expected = to.c * if depthwise { 1 } else { from.c } * window.size[0] * window.size[1];
        if weights.len() != expected || bias.len() != to.c {
            return Err("grouped, but not one filter per channel".into());
        }
        if depthwise && (op.group != from.c || from.c != to.c || !crate::kernels::Depthwise::covers(&window)) {
            return Err("grouped, but not 3x3 with one filter per channel and stride 1 or 2".into());
        }
        // Maps have a border of one pixel, so a window must not reach further.
        let reach = |i: usize, n: usize, m: usize| {
            let end = (m - 1) * window.stride[i] + window.size[i];
            window.before[i] <= 1 && end <= n + 1 + window.before[i]
        };
        if !reach(0, from.h, to.h) || !reach(1, from.w, to.w) {
            return Err("padded by more than one pixel".into());
        }
        Ok(self.push(node, Layer::Conv { window, depthwise, weights, bias }, vec![at], to))
    }

    fn window(&self, spec: &PoolSpec, from: &ValueInfo) -> Result<Window, Reason> {
        let pads = spec.computed_padding(&[from.h, from.w]);
        let before: Vec<usize> = pads.iter().map(|p| p.pad_before).collect();
        Ok(Window { size: pair(&spec.kernel_shape)?, stride: pair(&spec.strides())?, before: pair(&before)? })
    }

    pub(super) fn pool(
        &mut self,
        node: &TypedNode,
        spec: &PoolSpec,
        pooling: impl Fn(&Window) -> Result<Pooling, Reason>,
    ) -> Result<usize, Reason> {
        let (at, from) = self.map_input(node, 0)?;
        let to = self.map_output(node)?;
        if spec.data_format != DataFormat::NCHW || spec.dilations().iter().any(|d| *d != 1) {
            return Err("dilated, or an unusual layout".into());
        }
        let window = self.window(spec, &from)?;
        let layer = Layer::Pool { window, pooling: pooling(&window)? };
        // Every window must cover a pixel of the map.
        let inside = |i: usize, n: usize, m: usize| {
            window.before[i] < window.size[i] && (m - 1) * window.stride[i] < n + window.before[i]
        };
        if !inside(0, from.h, to.h) || !inside(1, from.w, to.w) {
            return Err("a window lies in the padding".into());
        }
        Ok(self.push(node, layer, vec![at], to))
    }

    pub(super) fn reduce(&mut self, node: &TypedNode, op: &Reduce) -> Result<usize, Reason> {
        let (at, from) = self.map_input(node, 0)?;
        let to = self.map_output(node)?;
        let pooling = match op.reducer {
            Reducer::Sum => Pooling::Sum(1.0),
            Reducer::Max => Pooling::Max,
            _ => return Err(format!("no kernel for {}", op.name())),
        };
        let mut axes = op.axes.to_vec();
        axes.sort_unstable();
        if axes != [2, 3] {
            return Err("it does not reduce exactly rows and columns".into());
        }
        let window = Window { size: [from.h, from.w], stride: [1, 1], before: [0, 0] };
        Ok(self.push(node, Layer::Pool { window, pooling }, vec![at], to))
    }

    pub(super) fn concat(&mut self, node: &TypedNode, op: &TypedConcat) -> Result<usize, Reason> {
        let to = self.map_output(node)?;
        if op.axis != 1 {
            return Err("it does not join channels".into());
        }
        let inputs: Result<Vec<usize>, Reason> =
            (0..node.inputs.len()).map(|i| self.map_input(node, i).map(|v| v.0)).collect();
        Ok(self.push(node, Layer::Concat, inputs?, to))
    }

    /// Resize, if it repeats each pixel or interpolates linearly. Runs it once on distinct values to find out.
    pub(super) fn resize(&mut self, node: &TypedNode) -> Result<usize, Reason> {
        let (at, from) = self.map_input(node, 0)?;
        let to = self.map_output(node)?;
        if from.c != to.c {
            return Err("it changes the channels".into());
        }
        let count = from.values() * self.graph.batch;
        let values: Vec<f32> = (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32).collect();
        let probe = Tensor::from_shape(&from.shape, &values).map_err(|e| e.to_string())?;
        let mut inputs = tvec!(probe.into_tvalue());
        for outlet in &node.inputs[1..] {
            inputs.push(self.constant(*outlet).ok_or("its scale is not constant")?.into_tvalue());
        }
        let output = node.op.eval_out_of_plan(inputs).ok().flatten().and_then(|o| floats(o.first()?));
        let output = output.filter(|o| o.len() == to.values() * self.graph.batch).ok_or("it cannot be tried")?;
        let layer =
            resized(&from, &to, &values, &output).ok_or("it neither repeats pixels nor interpolates linearly")?;
        Ok(self.push(node, layer, vec![at], to))
    }

    pub(super) fn axes(&mut self, node: &TypedNode, op: &AxisOp) -> Result<usize, Reason> {
        let at = self.input(node, 0)?;
        let from = self.graph.nodes[at].info.clone();
        let shape = self.shape(OutletId::new(node.id, 0))?;
        if self.graph.batch != 1 && shape.first() != Some(&self.graph.batch) {
            return Err("it mixes the images of the batch".into());
        }
        let mut info = ValueInfo { shape, ..from.clone() };
        match op {
            AxisOp::Move(a, b) => {
                let (low, high) = ((*a).min(*b), (*a).max(*b));
                let moved = from.shape.get(*a) == Some(&1);
                let passed = if a < b { low + 1..high + 1 } else { low..high };
                let ones = from.shape.get(passed).is_some_and(|s| s.iter().all(|d| *d == 1));
                if from.is_map() && (*a, *b) == (1, 3) {
                    info.order = DimOrder::Nhwc;
                } else if !moved && !ones {
                    return Err("it reorders values in a way that has no kernel".into());
                }
            }
            AxisOp::Add(_) | AxisOp::Rm(_) | AxisOp::Reshape(..) => {}
        }
        Ok(self.push(node, Layer::View, vec![at], info))
    }

    pub(super) fn einsum(&mut self, node: &TypedNode, op: &EinSum) -> Result<usize, Reason> {
        if op.q_params.is_some() || node.inputs.len() != 2 {
            return Err("quantised, or not a product of two".into());
        }
        let data = usize::from(self.values.contains_key(&node.inputs[1]));
        let at = self.input(node, data)?;
        let from = self.graph.nodes[at].info.clone();
        let constant = self.constant(node.inputs[1 - data]).ok_or("neither factor is constant")?;
        let shape = self.shape(OutletId::new(node.id, 0))?;
        if !from.is_vector() || constant.rank() != 2 || shape.len() != 2 || shape[0] != self.graph.batch {
            return Err("not a vector per image times a matrix".into());
        }
        // The sum is over the axis that both factors share. It must be the vector's second.
        let at_of = |axis: &Axis, slot: usize| axis.inputs[slot].first().copied();
        let (mut summed, mut kept) = (None, None);
        for axis in op.axes.iter_all_axes() {
            match (at_of(axis, data), at_of(axis, 1 - data), axis.outputs[0].first()) {
                (Some(1), Some(k), None) => summed = Some(k),
                (None, Some(o), Some(1)) => kept = Some(o),
                (Some(0), None, Some(0)) => {}
                _ => return Err("not a vector per image times a matrix".into()),
            }
        }
        let (values, outputs) = (from.values(), shape[1]);
        let matrix = floats(&constant).filter(|m| m.len() == values * outputs).ok_or("its matrix is not f32")?;
        let weights = match (kept, summed) {
            (Some(0), Some(1)) => matrix,
            (Some(1), Some(0)) => (0..outputs * values).map(|i| matrix[i % values * outputs + i / values]).collect(),
            _ => return Err("not a vector per image times a matrix".into()),
        };
        let info = ValueInfo { c: outputs, h: 1, w: 1, shape, order: DimOrder::Nchw };
        Ok(self.push(node, Layer::Connected { weights, bias: vec![0.0; outputs] }, vec![at], info))
    }

    pub(super) fn element(&mut self, node: &TypedNode, op: &ElementWiseOp) -> Result<usize, Reason> {
        let mini = op.0.as_ref();
        if let Some(quant) = quantisation(mini) {
            return self.quantise(node, quant);
        }
        let act = if let Some(leaky) = mini.downcast_ref::<LeakyRelu>() {
            Activation::Slope(vec![leaky.alpha])
        } else if mini.is::<HardSwish>() {
            Activation::HardSwish
        } else if mini.is::<Sigmoid>() {
            Activation::Sigmoid
        } else {
            return Err(format!("no kernel for {}", op.name()));
        };
        let at = self.input(node, 0)?;
        Ok(self.push(node, Layer::Activation(act), vec![at], self.graph.nodes[at].info.clone()))
    }

    pub(super) fn binary(&mut self, node: &TypedNode, op: &TypedBinOp) -> Result<usize, Reason> {
        let name = op.0.name();
        let constant = (0..2).find_map(|i| Some((i, self.constant(node.inputs[i])?)));
        let shape = self.shape(OutletId::new(node.id, 0))?;
        let Some((slot, tensor)) = constant else {
            if name != "Add" {
                return Err(format!("no kernel for {name} of two values"));
            }
            let (a, b) = (self.input(node, 0)?, self.input(node, 1)?);
            let info = self.graph.nodes[a].info.clone();
            if info != self.graph.nodes[b].info || info.shape != shape {
                return Err("it adds values of different shapes".into());
            }
            return Ok(self.push(node, Layer::Add, vec![a, b], info));
        };
        let at = self.input(node, 1 - slot)?;
        let info = self.graph.nodes[at].info.clone();
        if info.shape != shape {
            return Err("its constant enlarges the value".into());
        }
        let values = floats(&tensor).ok_or("its constant is not f32")?;
        let values = per_channel(&info, tensor.shape(), values).ok_or("its constant is not one number per channel")?;
        let single = (values.len() == 1).then(|| values[0]);
        let each = |f: fn(&f32) -> f32| values.iter().map(f).collect::<Vec<_>>();
        let (ones, zeros) = (vec![1.0; values.len()], vec![0.0; values.len()]);
        let layer = match (name, single, slot) {
            ("Max", Some(lo), _) => Layer::Activation(Activation::Clamp { lo, hi: f32::INFINITY }),
            ("Min", Some(hi), _) => Layer::Activation(Activation::Clamp { lo: f32::NEG_INFINITY, hi }),
            ("Add", ..) => Layer::Affine { scale: ones, shift: values },
            ("Sub", _, 1) => Layer::Affine { scale: ones, shift: each(|v| -v) },
            ("Mul", ..) => Layer::Affine { scale: values, shift: zeros },
            ("Div", _, 1) => Layer::Affine { scale: each(|v| 1.0 / v), shift: zeros },
            _ => return Err(format!("no kernel for {name} with this constant")),
        };
        Ok(self.push(node, layer, vec![at], info))
    }

    /// `0 > x ? slope * x : x`: tract's form of PRelu. `absorb_patterns` removes the comparison.
    pub(super) fn prelu(&mut self, node: &TypedNode) -> Result<usize, Reason> {
        let other = || "it chooses between values, but not as PRelu does".to_string();
        let (test, x) = (self.model.node(node.inputs[0].node), node.inputs[2]);
        let compares = test.op.downcast_ref::<TypedBinOp>().is_some_and(|op| op.0.name() == comp_gt().name());
        let zero = test.inputs.first().and_then(|o| self.constants(*o));
        let from_zero = zero.is_some_and(|z| z.iter().all(|v| *v == 0.0));
        if !compares || !from_zero || test.inputs.get(1) != Some(&x) {
            return Err(other());
        }
        let at = *self.values.get(&x).ok_or_else(other)?;
        let product = self.values.get(&node.inputs[1]).map(|i| &self.graph.nodes[*i]).ok_or_else(other)?;
        match &product.layer {
            Layer::Affine { scale, shift } if product.inputs == [at] && shift.iter().all(|s| *s == 0.0) => {
                let act = Activation::Slope(scale.clone());
                Ok(self.push(node, Layer::Activation(act), vec![at], self.graph.nodes[at].info.clone()))
            }
            _ => Err(other()),
        }
    }
}

/// A constant that broadcasts to the shape `info`, as one value or one per channel.
fn per_channel(info: &ValueInfo, shape: &[usize], values: Vec<f32>) -> Option<Vec<f32>> {
    if values.len() == 1 {
        return Some(values);
    }
    // Channels are the second axis of a map, and of a vector with a single pixel.
    let channels = info.is_map() || (info.is_vector() && info.h * info.w == 1);
    let offset = info.shape.len().checked_sub(shape.len())?;
    let axis = 1usize.checked_sub(offset)?;
    (channels && shape.get(axis) == Some(&info.c) && values.len() == info.c).then_some(values)
}

/// The layer that computes `output`, of shape `to`, from `values`, of shape `from`.
fn resized(from: &ValueInfo, to: &ValueInfo, values: &[f32], output: &[f32]) -> Option<Layer> {
    let place = |i: usize| (i / (to.h * to.w), i / to.w % to.h, i % to.w);
    let value = |plane: usize, y: usize, x: usize| values[(plane * from.h + y) * from.w + x];
    let factor = [to.h / from.h, to.w / from.w];
    if [from.h * factor[0], from.w * factor[1]] == [to.h, to.w] {
        let mut all = output.iter().enumerate().map(|(i, v)| (place(i), v));
        if all.all(|((plane, y, x), v)| *v == value(plane, y / factor[0], x / factor[1])) {
            return Some(Layer::Upsample(factor));
        }
    }
    CORNERS.iter().find_map(|corners| {
        let (rows, columns) = (between(from.h, to.h, corners), between(from.w, to.w, corners));
        let near = |(i, v): (usize, &f32)| {
            let (plane, y, x) = place(i);
            let (row, column) = (&rows[y], &columns[x]);
            let along = |y: usize| {
                let (a, b) = (value(plane, y, column.first), value(plane, y, column.second));
                a + (b - a) * column.part
            };
            let (above, below) = (along(row.first), along(row.second));
            // Values are up to 2^24.
            (above + (below - above) * row.part - v).abs() < 400.0
        };
        output.iter().enumerate().all(near).then(|| Layer::Resize { rows: rows.clone(), columns: columns.clone() })
    })
}

/// The position of output `i` of `n` among `m` inputs, by ONNX's coordinate transformations: half_pixel, align_corners,
/// asymmetric.
const CORNERS: [fn(f64, f64, f64) -> f64; 3] = [
    |i, m, n| (i + 0.5) * m / n - 0.5,
    |i, m, n| if n > 1.0 { i * (m - 1.0) / (n - 1.0) } else { 0.0 },
    |i, m, n| i * m / n,
];

fn between(inputs: usize, outputs: usize, corners: &fn(f64, f64, f64) -> f64) -> Vec<Between> {
    let last = inputs - 1;
    let one = |i: usize| {
        let at = corners(i as f64, inputs as f64, outputs as f64).clamp(0.0, last as f64);
        let first = (at as usize).min(last);
        Between { first, second: (first + 1).min(last), part: (at - first as f64) as f32 }
    };
    (0..outputs).map(one).collect()
}
