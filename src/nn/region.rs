//! Networks on our own kernels: from tract's graph to packed steps in one arena.
//!
//! tract parses an ONNX file, checks it and gives every value a type and a shape. The *region* is the part of that
//! graph that starts at the inputs and consists of operators for which there are [kernels](crate::kernels).
//! [`install`] builds it in six passes, each a file of this folder:
//!
//! 1. `read` goes through tract's operators in order and makes a graph of layers (`graph`). An operator without a
//!    kernel stays with tract, and the reason is kept; so does every operator that reads its result.
//! 2. `fuse` makes units (`unit`): the bias, scale, activation and addition that follow a sum become its epilogue, so
//!    that each unit is one pass over memory.
//! 3. `int8` lowers units between DequantizeLinear and QuantizeLinear to int8.
//! 4. `horizontal` fuses convolutions that read the same value and compute outputs of the network.
//! 5. `planner` gives every value a buffer and a memory layout, and `pack` packs the weights of every unit for a kernel
//!    (`layer_op`). The result is a list of steps (`step`).
//! 6. `arena` places buffers that are not live at the same time in the same memory. Steps and arena are the `plan`.
//!
//! If the region is the whole model, it becomes an [`Executor`], which needs no tract and allocates nothing per run.
//! Otherwise one operator (`op`) takes the region's place in tract's model. `explain` lists which kernel runs which
//! operator, and why tract runs the others.
//!
//! There are kernels for convolutions of 1x1 to 3x3 (and larger ones padded by at most one pixel), depthwise 3x3, Relu,
//! Clip, LeakyRelu, PRelu, HardSwish, Sigmoid, Add, Mul or Sub by channel, maximum, average and global pooling, Concat
//! of channels, Resize (nearest neighbour by integer factors, and linear), Gemm, MatMul, and changes of shape; in int8
//! for convolutions, additions and enlargements between QuantizeLinear and DequantizeLinear.

mod arena;
mod executor;
mod explain;
mod fuse;
mod graph;
mod horizontal;
mod int8;
mod layer_op;
mod op;
mod pack;
mod plan;
mod planner;
mod read;
mod step;
mod unit;

use std::sync::Arc;

use tract_onnx::prelude::*;

pub use executor::Executor;
pub use explain::explain;

use crate::error::Result;
use crate::kernels::Kernels;
use executor::{MAX_INPUTS, MAX_OUTPUTS};
use graph::Layer;
use op::replace;
use plan::Plan;
use read::{Partition, RunBy, broken, read};

/// The result of [`install`].
#[derive(Debug)]
pub enum Installed {
    /// Everything runs on our kernels.
    Whole(Executor),
    /// Part of it, or nothing, runs on our kernels. tract must still optimise the model.
    Part {
        /// The model, with the region as one operator if there is one.
        model: Box<TypedModel>,
        /// How many of the model's operators run on our kernels, and how many operators it has.
        ours: (usize, usize),
        /// The first eight operators left to tract, by name, with the reason.
        left: Vec<(String, String)>,
    },
}

/// Moves as much of `model` as possible to `kernels`. The model must come from `into_typed`: tract's decluttering and
/// optimisation hide convolutions. A model without a region is returned unchanged.
///
/// # Errors
/// Fix: the model is broken. An operator without a kernel is not an error.
pub fn install(model: TypedModel, kernels: &'static Kernels) -> Result<Installed> {
    let partition = read(&model).map_err(|e| broken("cannot be read", e))?;
    let counts = |ours: bool| {
        let runs = partition.run_by.values();
        runs.filter(|r| if ours { matches!(r, RunBy::Kernels(_)) } else { matches!(r, RunBy::Tract(_)) }).count()
    };
    let (ours, others) = (counts(true), counts(false));
    let order = model.eval_order().map_err(|e| broken("has no order", e))?;
    let left = order.iter().filter_map(|id| match partition.run_by.get(id) {
        Some(RunBy::Tract(why)) => Some((model.node(*id).name.clone(), why.clone())),
        _ => None,
    });
    let left: Vec<_> = left.take(8).collect();
    let costly = |l: &Layer| matches!(l, Layer::Conv { .. } | Layer::Connected { .. } | Layer::Pool { .. });
    if !partition.graph.nodes.iter().any(|n| costly(&n.layer)) || partition.outputs.is_empty() {
        return Ok(Installed::Part { model: Box::new(model), ours: (0, ours + others), left });
    }
    let plan = Arc::new(Plan::new(&partition.graph, kernels)?);
    if let Some(executor) = whole(&model, &partition, &plan) {
        return Ok(Installed::Whole(executor));
    }
    let model = replace(model, &partition, plan).map_err(|e| broken("cannot be patched", e))?;
    Ok(Installed::Part { model: Box::new(model), ours: (ours, ours + others), left })
}

/// The executor, if the region is the whole model.
fn whole(model: &TypedModel, partition: &Partition, plan: &Arc<Plan>) -> Option<Executor> {
    let few = partition.inputs.len() <= MAX_INPUTS && partition.outputs.len() <= MAX_OUTPUTS;
    if !partition.whole(model) || !few {
        return None;
    }
    let inputs = model.inputs.iter().map(|i| {
        let shape = model.outlet_fact(*i).ok()?.shape.as_concrete()?.try_into().ok()?;
        Some((model.node(i.node).name.clone(), shape))
    });
    let feeds = partition.inputs.iter().map(|i| model.inputs.iter().position(|m| m == i));
    let outputs = model.outputs.iter().map(|o| {
        let name = model.outlet_label(*o).unwrap_or(&model.node(o.node).name).to_string();
        Some((name, partition.outputs.iter().position(|f| f == o)?))
    });
    Some(Executor::new(
        plan.clone(),
        inputs.collect::<Option<_>>()?,
        feeds.collect::<Option<_>>()?,
        outputs.collect::<Option<_>>()?,
    ))
}
