//! Networks that tract runs, at least in part.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::TypedSimpleState;

use crate::error::{Error, Result};
use crate::nn::network::{Network, check_inputs};

/// A network that tract runs, at least in part.
pub(super) struct InTract {
    inputs: Vec<(String, [usize; 4])>,
    state: TypedSimpleState,
    /// The tensors passed to tract. Between runs, tract should hold no reference to them.
    tensors: Vec<Arc<Tensor>>,
    outputs: Vec<(String, Vec<usize>)>,
    /// By output: its position among the graph's.
    order: Vec<usize>,
    values: Vec<Vec<f32>>,
    file: String,
}

impl InTract {
    /// `outputs` are those that are wanted of the model, and `order` their positions among all. `file` names the model
    /// in errors.
    ///
    /// # Errors
    /// If tract cannot run the model, or an input has no four axes.
    pub fn new(
        model: TypedModel,
        file: &str,
        outputs: Vec<(String, Vec<usize>)>,
        order: Vec<usize>,
    ) -> TractResult<Self> {
        let mut inputs = Vec::new();
        for (i, outlet) in model.inputs.iter().enumerate() {
            let shape = model.input_fact(i)?.shape.as_concrete().and_then(|s| s.try_into().ok());
            let shape: [usize; 4] = shape.ok_or_else(|| TractError::msg("an input is not [n, c, h, w]"))?;
            inputs.push((model.node(outlet.node).name.clone(), shape));
        }
        let plan = model.into_optimized()?.into_runnable()?;
        let values = outputs.iter().map(|(_, s)| vec![0.0; s.iter().product()]).collect();
        let tensors = inputs.iter().map(|(_, shape)| Ok(Arc::new(Tensor::zero::<f32>(shape)?)));
        let tensors = tensors.collect::<TractResult<_>>()?;
        Ok(Self { inputs, state: plan.spawn()?, tensors, outputs, order, values, file: file.to_string() })
    }

    fn step(&mut self, inputs: &[&[f32]]) -> TractResult<()> {
        for ((tensor, (_, shape)), values) in self.tensors.iter_mut().zip(&self.inputs).zip(inputs) {
            if Arc::get_mut(tensor).is_none() {
                // The graph returns this input as an output, so tract still holds it.
                *tensor = Arc::new(Tensor::zero::<f32>(shape)?);
            }
            if let Some(tensor) = Arc::get_mut(tensor) {
                tensor.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?.copy_from_slice(values);
            }
        }
        let given = self.tensors.iter().map(|t| TValue::from_const(Arc::clone(t))).collect();
        let made = self.state.run(given)?;
        for (into, &i) in self.values.iter_mut().zip(&self.order) {
            let view = made.get(i).ok_or_else(|| TractError::msg("an output is missing"))?.try_as_plain_ram()?;
            let from = view.as_slice::<f32>()?;
            if from.len() != into.len() {
                return Err(TractError::msg(format!("output {i} has {} values, wanted {}", from.len(), into.len())));
            }
            into.copy_from_slice(from);
        }
        Ok(())
    }
}

impl Network for InTract {
    fn inputs(&self) -> &[(String, [usize; 4])] {
        &self.inputs
    }

    fn outputs(&self) -> &[(String, Vec<usize>)] {
        &self.outputs
    }

    fn run(&mut self, inputs: &[&[f32]]) -> Result<()> {
        check_inputs(&self.file, &self.inputs, inputs)?;
        // tract may panic on some graphs, but only when they run.
        catch_unwind(AssertUnwindSafe(|| self.step(inputs)))
            .unwrap_or_else(|_| Err(TractError::msg("the graph cannot be computed")))
            .map_err(|e| Error::fatal(&self.file, format!("inference failed: {e:#}")))
    }

    fn output(&self, i: usize) -> &[f32] {
        self.values.get(i).map_or(&[], Vec::as_slice)
    }
}
