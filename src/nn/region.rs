//! Networks on our own kernels.
//!
//! tract loads a model, checks it and gives every value a type and a shape. [`install`] then reads the part that
//! hangs from the inputs and consists of operators that the [kernels](crate::kernels) have: convolutions 1x1 to
//! 3x3 (and larger ones padded by no more than a pixel), depthwise 3x3, ReLU, Clip, LeakyRelu, PRelu, HardSwish,
//! Sigmoid, Add, Mul or Sub by channel, maximum, average and global pooling, Concat of channels, Resize that
//! repeats pixels or interpolates linearly, Gemm and MatMul, and changes of shape. QuantizeLinear and
//! DequantizeLinear around convolutions, as quantisers write them, make these run in int8, and additions and
//! enlargements between them. If that is the whole model it becomes an [`Executor`], which needs no tract and
//! allocates nothing; otherwise one operator takes the part's place in tract's model. [`explain`] tells which
//! operator went where, and why.

mod arena;
mod executor;
mod explain;
mod fuse;
mod graph;
mod int8;
mod layout;
mod op;
mod plan;
mod read;
mod siblings;

use std::sync::Arc;

use tract_onnx::prelude::*;

pub use executor::Executor;
pub use explain::explain;

use crate::error::{Error, Result};
use crate::kernels::Kernels;
use graph::Layer;
use plan::Plan;
use read::{Reading, Runs, read};

/// The name of the region's operator in tract's model.
const NAME: &str = "heatmark.region";

/// What became of a model.
#[derive(Debug)]
pub enum Installed {
    /// Everything runs on our kernels.
    Whole(Executor),
    /// Part of it, or nothing, runs on our kernels; the model is still to be optimised by tract.
    Part {
        /// The model, with the region as one operator if there is one.
        model: Box<TypedModel>,
        /// How many of the model's operators are ours, and of how many.
        ours: (usize, usize),
        /// The first operators left to tract, by name, with the reason.
        left: Vec<(String, String)>,
    },
}

/// Hands as much of `model` as possible to `kernels`. The model must come from `into_typed`, before tract has
/// decluttered or optimised it. A model of which nothing can be taken is given back as it was.
///
/// # Errors
/// If the model is broken. What the kernels do not know is no error.
pub fn install(model: TypedModel, kernels: &'static Kernels) -> Result<Installed> {
    let reading = read(&model).map_err(|e| broken("cannot be read", e))?;
    let counts = |ours: bool| {
        let runs = reading.runs.values();
        runs.filter(|r| if ours { matches!(r, Runs::Ours(_)) } else { matches!(r, Runs::Tract(_)) }).count()
    };
    let (ours, others) = (counts(true), counts(false));
    let order = model.eval_order().map_err(|e| broken("has no order", e))?;
    let left = order.iter().filter_map(|id| match reading.runs.get(id) {
        Some(Runs::Tract(why)) => Some((model.node(*id).name.clone(), why.clone())),
        _ => None,
    });
    let left: Vec<_> = left.take(8).collect();
    let worth = |l: &Layer| matches!(l, Layer::Conv { .. } | Layer::Connected { .. } | Layer::Pool { .. });
    if !reading.graph.nodes.iter().any(|n| worth(&n.layer)) || reading.frontier.is_empty() {
        return Ok(Installed::Part { model: Box::new(model), ours: (0, ours + others), left });
    }
    let plan = Arc::new(Plan::new(&reading.graph, kernels)?);
    if let Some(executor) = whole(&model, &reading, &plan) {
        return Ok(Installed::Whole(executor));
    }
    let model = replace(model, &reading, plan).map_err(|e| broken("cannot be patched", e))?;
    Ok(Installed::Part { model: Box::new(model), ours: (ours, ours + others), left })
}

/// The executor, if the region is the whole model and it has one input.
fn whole(model: &TypedModel, reading: &Reading, plan: &Arc<Plan>) -> Option<Executor> {
    if !reading.whole(model) || model.inputs.len() != 1 || reading.frontier.len() > 16 {
        return None;
    }
    let input = reading.graph.nodes.first()?.form.shape.as_slice().try_into().ok()?;
    let outputs = model.outputs.iter().map(|o| {
        let name = model.outlet_label(*o).unwrap_or(&model.node(o.node).name).to_string();
        Some((name, reading.frontier.iter().position(|f| f == o)?))
    });
    Some(Executor::new(plan.clone(), input, outputs.collect::<Option<_>>()?))
}

/// Puts the region's operator in place of what it computes.
fn replace(mut model: TypedModel, reading: &Reading, plan: Arc<Plan>) -> TractResult<TypedModel> {
    let mut patch = TypedModelPatch::new(NAME);
    let inputs = reading.sources.iter().map(|o| patch.tap_model(&model, *o)).collect::<TractResult<TVec<_>>>()?;
    let outputs = patch.wire_node(NAME, op::Region(plan), &inputs)?;
    for (outlet, by) in reading.frontier.iter().zip(outputs) {
        patch.shunt_outside(&model, *outlet, by)?;
    }
    patch.apply(&mut model)?;
    model.compact()?;
    Ok(model)
}

fn broken(what: &str, cause: TractError) -> Error {
    Error::fix("model", what).because(format!("{cause:#}"))
}
