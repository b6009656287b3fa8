//! A region as one operator of a tract model.

use std::sync::Arc;

use tract_onnx::tract_core::internal::*;

use super::plan::Plan;
use super::read::Partition;
use crate::kernels::Lines;

/// The name of the region's operator in tract's model.
pub(super) const NAME: &str = "heatmark.region";

/// Replaces the part of `model` that `plan` computes by one operator.
///
/// # Errors
/// If tract rejects the changed model.
pub(super) fn replace(mut model: TypedModel, partition: &Partition, plan: Arc<Plan>) -> TractResult<TypedModel> {
    let mut patch = TypedModelPatch::new(NAME);
    let inputs = partition.inputs.iter().map(|o| patch.tap_model(&model, *o)).collect::<TractResult<TVec<_>>>()?;
    let outputs = patch.wire_node(NAME, Region(plan), &inputs)?;
    for (outlet, by) in partition.outputs.iter().zip(outputs) {
        patch.shunt_outside(&model, *outlet, by)?;
    }
    patch.apply(&mut model)?;
    model.compact()?;
    Ok(model)
}

/// The operator. Each session has its own arena, in [`State`].
#[derive(Clone, Debug)]
struct Region(Arc<Plan>);

impl PartialEq for Region {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Region {}

#[derive(Clone, Debug)]
struct State {
    arena: Lines<f32>,
}

impl Op for Region {
    fn name(&self) -> StaticName {
        "HeatmarkRegion".into()
    }

    fn info(&self) -> TractResult<Vec<String>> {
        Ok(vec![format!("{} steps, {} kernels", self.0.steps.len(), self.0.kernels.name())])
    }

    op_as_typed_op!();
}

impl EvalOp for Region {
    not_out_of_plan!();

    fn state(&self, _: &EvalContext) -> TractResult<Option<Box<dyn OpState>>> {
        Ok(Some(Box::new(State { arena: Lines::new(self.0.arena_floats) })))
    }
}

impl OpState for State {
    fn reset_lanes(&mut self, _: &[LaneId]) -> TractResult<()> {
        Ok(())
    }

    fn eval(&mut self, _: &EvalContext, op: &dyn Op, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let plan = &op.downcast_ref::<Region>().context("the state of another operator")?.0;
        let slices: TractResult<TVec<&[f32]>> =
            inputs.iter().map(|i| i.try_as_plain_ram()?.as_slice::<f32>()).collect();
        let shapes = plan.shapes.iter();
        let mut tensors: Vec<Tensor> = shapes.map(|s| Tensor::zero::<f32>(s)).collect::<TractResult<_>>()?;
        let mut views = tensors.iter_mut().map(|t| t.try_as_plain_ram_mut()).collect::<TractResult<Vec<_>>>()?;
        let mut outputs: Vec<&mut [f32]> =
            views.iter_mut().map(|v| v.as_slice_mut::<f32>()).collect::<TractResult<_>>()?;
        plan.run(&mut self.arena, &slices?, &mut outputs, None)?;
        drop(outputs);
        drop(views);
        Ok(tensors.into_iter().map(|t| t.into_tvalue()).collect())
    }
}

impl TypedOp for Region {
    as_op!();

    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(self.0.shapes.iter().map(f32::fact).collect())
    }
}
