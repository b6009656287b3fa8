//! Partitions tract's model: operators with a kernel become layers; the others stay with tract, and the reason is kept.

mod layers;
mod quant;

use std::collections::HashMap;

use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::TypedConcat;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::cnn::{Conv, MaxPool, PaddingSpec, SumPool};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::logic::Iff;
use tract_onnx::tract_core::ops::nn::Reduce;
use tract_onnx::tract_core::ops::quant::DequantizeLinearF32;

use super::graph::{Graph, Layer, Node, ValueInfo};
use crate::error::Error;
use crate::kernels::Pooling;

/// Why an operator is left to tract.
pub(super) type Reason = String;

/// Converts tract's error about a model to ours.
pub(super) fn broken(what: &str, cause: TractError) -> Error {
    Error::fix("model", what).because(format!("{cause:#}"))
}

/// What runs an operator of the model.
#[derive(Clone, Debug)]
pub(super) enum RunBy {
    /// A constant, or part of a pattern that became one layer.
    Absorbed,
    /// Our kernels: the index of its node in the graph.
    Kernels(usize),
    Tract(Reason),
}

/// The region of a model: the part that starts at its inputs and that our kernels can run.
pub(super) struct Partition {
    pub graph: Graph,
    /// Inputs of the model, in the order of the graph's source nodes.
    pub inputs: Vec<OutletId>,
    /// Values that tract's part reads or that are outputs of the model, in the order of the graph's outputs.
    pub outputs: Vec<OutletId>,
    /// By node of the model.
    pub run_by: HashMap<usize, RunBy>,
}

impl Partition {
    /// Whether the region is the whole model.
    pub fn whole(&self, model: &TypedModel) -> bool {
        let ours = |o: &OutletId| self.outputs.contains(o);
        !self.run_by.values().any(|r| matches!(r, RunBy::Tract(_))) && model.outputs.iter().all(ours)
    }
}

struct Reader<'m> {
    model: &'m TypedModel,
    graph: Graph,
    values: HashMap<OutletId, usize>,
    runs: HashMap<usize, RunBy>,
}

/// Partitions `model`, which must not have been decluttered (that hides convolutions).
///
/// # Errors
/// If the operators of the model form a loop.
pub(super) fn read(model: &TypedModel) -> TractResult<Partition> {
    let mut reader = Reader { model, graph: Graph::default(), values: HashMap::new(), runs: HashMap::new() };
    let mut inputs = vec![];
    for id in model.eval_order()? {
        let node = model.node(id);
        let outlet = OutletId::new(id, 0);
        if reader.is_constant(outlet) {
            reader.runs.insert(id, RunBy::Absorbed);
        } else if model.inputs.contains(&outlet) {
            let runs = reader.source(node, &mut inputs);
            reader.runs.insert(id, runs);
        } else {
            let runs = match reader.layer(node) {
                Ok(at) => {
                    reader.values.insert(outlet, at);
                    RunBy::Kernels(at)
                }
                Err(why) => RunBy::Tract(why),
            };
            reader.runs.insert(id, runs);
        }
    }
    reader.absorb_patterns();
    let outputs = reader.outputs();
    reader.graph.outputs = outputs.iter().map(|o| reader.values[o]).collect();
    Ok(Partition { graph: reader.graph, inputs, outputs, run_by: reader.runs })
}

fn floats(tensor: &Tensor) -> Option<Vec<f32>> {
    let tensor = tensor.cast_to::<f32>().ok()?;
    Some(tensor.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.to_vec())
}

impl Reader<'_> {
    fn is_constant(&self, outlet: OutletId) -> bool {
        let known = self.model.outlet_fact(outlet).is_ok_and(|f| f.konst.is_some());
        known || {
            let node = self.model.node(outlet.node);
            // Depends only on constants. In evaluation order, its inputs were handled before.
            !node.inputs.is_empty() && node.inputs.iter().all(|i| self.absorbed_constant(*i))
        }
    }

    fn absorbed_constant(&self, outlet: OutletId) -> bool {
        matches!(self.runs.get(&outlet.node), Some(RunBy::Absorbed))
    }

    /// The value of an outlet that depends only on constants.
    fn constant(&self, outlet: OutletId) -> Option<Arc<Tensor>> {
        if let Some(value) = &self.model.outlet_fact(outlet).ok()?.konst {
            return Some(value.clone());
        }
        if !self.absorbed_constant(outlet) {
            return None;
        }
        let node = self.model.node(outlet.node);
        let inputs: Option<TVec<TValue>> = node.inputs.iter().map(|i| Some(self.constant(*i)?.into_tvalue())).collect();
        let outputs = node.op.eval_out_of_plan(inputs?).ok()??;
        Some(outputs.get(outlet.slot)?.clone().into_arc_tensor())
    }

    fn constants(&self, outlet: OutletId) -> Option<Vec<f32>> {
        floats(&*self.constant(outlet)?)
    }

    /// The concrete shape of an f32 outlet.
    fn shape(&self, outlet: OutletId) -> Result<Vec<usize>, Reason> {
        let fact = self.model.outlet_fact(outlet).map_err(|e| e.to_string())?;
        if fact.datum_type != f32::datum_type() {
            return Err(format!("its values are {:?}, not f32", fact.datum_type));
        }
        let shape = fact.shape.as_concrete().ok_or("its shape is not fixed")?;
        if shape.contains(&0) {
            return Err("its shape holds a zero".into());
        }
        Ok(shape.to_vec())
    }

    fn push(&mut self, node: &TypedNode, layer: Layer, inputs: Vec<usize>, info: ValueInfo) -> usize {
        self.graph.nodes.push(Node { name: node.name.clone(), layer, inputs, info });
        self.graph.nodes.len() - 1
    }

    fn source(&mut self, node: &TypedNode, sources: &mut Vec<OutletId>) -> RunBy {
        let outlet = OutletId::new(node.id, 0);
        let info = match self.shape(outlet).map(<[usize; 4]>::try_from) {
            Ok(Ok([n, c, h, w])) if sources.is_empty() || n == self.graph.batch => ValueInfo::map(n, c, h, w),
            Ok(_) => return RunBy::Tract("an input that is not [batch, channels, rows, columns]".into()),
            Err(why) => return RunBy::Tract(why),
        };
        self.graph.batch = info.shape[0];
        sources.push(outlet);
        let at = self.push(node, Layer::Source, vec![], info);
        self.values.insert(outlet, at);
        RunBy::Kernels(at)
    }

    /// The graph's node behind input `i`.
    fn input(&self, node: &TypedNode, i: usize) -> Result<usize, Reason> {
        let outlet = node.inputs.get(i).ok_or("it lacks an input")?;
        self.values.get(outlet).copied().ok_or_else(|| {
            let before = self.model.node(outlet.node);
            format!("it follows {} ({})", before.name, before.op.name())
        })
    }

    fn map_input(&self, node: &TypedNode, i: usize) -> Result<(usize, ValueInfo), Reason> {
        let at = self.input(node, i)?;
        let info = self.graph.nodes[at].info.clone();
        if info.is_map() { Ok((at, info)) } else { Err("its input is not a map of channels, rows and columns".into()) }
    }

    /// The shape of `node`'s output, which is a map.
    fn map_output(&self, node: &TypedNode) -> Result<ValueInfo, Reason> {
        let shape = self.shape(OutletId::new(node.id, 0))?;
        match <[usize; 4]>::try_from(shape) {
            Ok([n, c, h, w]) if n == self.graph.batch => Ok(ValueInfo::map(n, c, h, w)),
            _ => Err("its output is not a map of channels, rows and columns".into()),
        }
    }

    fn layer(&mut self, node: &TypedNode) -> Result<usize, Reason> {
        if node.outputs.len() != 1 {
            return Err("it has several outputs".into());
        }
        let op: &dyn TypedOp = node.op.as_ref();
        if let Some(op) = op.downcast_ref::<Conv>() {
            self.conv(node, op)
        } else if let Some(op) = op.downcast_ref::<TypedBinOp>() {
            self.binary(node, op)
        } else if let Some(op) = op.downcast_ref::<AxisOp>() {
            self.axes(node, op)
        } else if let Some(op) = op.downcast_ref::<EinSum>() {
            self.einsum(node, op)
        } else if let Some(op) = op.downcast_ref::<ElementWiseOp>() {
            self.element(node, op)
        } else if let Some(op) = op.downcast_ref::<DequantizeLinearF32>() {
            self.dequantise(node, op)
        } else if let Some(op) = op.downcast_ref::<MaxPool>() {
            self.pool(node, &op.pool_spec, |_| Ok(Pooling::Max))
        } else if let Some(op) = op.downcast_ref::<SumPool>() {
            self.pool(node, &op.pool_spec, |w| match (op.normalize, op.count_include_pad) {
                (true, false) => Ok(Pooling::Mean),
                (true, true) if matches!(&op.pool_spec.padding, PaddingSpec::ExplicitOnnxPool(_, _, true)) => {
                    Err("it rounds up and counts the padding".into())
                }
                (true, true) => Ok(Pooling::Sum(1.0 / (w.size[0] * w.size[1]) as f32)),
                (false, _) => Ok(Pooling::Sum(1.0)),
            })
        } else if let Some(op) = op.downcast_ref::<Reduce>() {
            self.reduce(node, op)
        } else if let Some(op) = op.downcast_ref::<TypedConcat>() {
            self.concat(node, op)
        } else if op.is::<Iff>() {
            self.prelu(node)
        } else if op.downcast_ref::<Cast>().is_some_and(|c| c.to == f32::datum_type()) {
            let at = self.input(node, 0)?;
            Ok(self.push(node, Layer::View, vec![at], self.graph.nodes[at].info.clone()))
        } else if op.name() == "Resize" {
            self.resize(node)
        } else {
            Err(format!("no kernel for {}", op.name()))
        }
    }

    /// Marks operators that only our layers read: the layers do their work, so they need not run.
    fn absorb_patterns(&mut self) {
        let Ok(order) = self.model.eval_order() else { return };
        for id in order.into_iter().rev() {
            let Some(RunBy::Tract(_)) = self.runs.get(&id) else { continue };
            let read = |slot: usize| {
                let outlet = OutletId::new(id, slot);
                let ours = |n: usize| !matches!(self.runs.get(&n), Some(RunBy::Tract(_)) | None);
                self.model.outputs.contains(&outlet)
                    || self.model.node(id).outputs[slot].successors.iter().any(|s| !ours(s.node))
            };
            let outputs = &self.model.node(id).outputs;
            let consumed = outputs.iter().any(|o| !o.successors.is_empty());
            if consumed && !(0..outputs.len()).any(read) {
                self.runs.insert(id, RunBy::Absorbed);
            }
        }
    }

    /// Values of our layers that are outputs of the model or that tract's part reads.
    fn outputs(&self) -> Vec<OutletId> {
        let left = |n: usize| matches!(self.runs.get(&n), Some(RunBy::Tract(_)));
        let mut outputs: Vec<OutletId> = self
            .values
            .iter()
            .filter(|(_, at)| !matches!(self.graph.nodes[**at].layer, Layer::Source))
            .map(|(o, _)| *o)
            .filter(|o| {
                let successors = &self.model.node(o.node).outputs[o.slot].successors;
                self.model.outputs.contains(o) || successors.iter().any(|s| left(s.node))
            })
            .collect();
        outputs.sort();
        outputs
    }
}
