//! Networks through tract: it parses and checks all models, and runs those with operators for which we have no kernel.

mod bare;
mod inspect;
mod parse;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tract_onnx::pb;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::TypedSimpleState;

use parse::{concrete, inputs, inspected, proto};

use super::card::Card;
use super::network::Network;
use super::region::{self, Executor, Installed};
use crate::error::{Error, Result};
use crate::kernels::{self, Kernels};

/// Builds the network of `onnx` for an input of `height` x `width` pixels: on our kernels if they have all its
/// operators, else in tract, with the region of our kernels as one operator.
///
/// # Errors
/// Fix: we cannot run the model at this size, or it is not the one that the card describes.
pub fn build(onnx: &[u8], card: &Card, height: usize, width: usize) -> Result<Box<dyn Network>> {
    let kernels = kernels::chosen()?;
    // tract reports most faults of a file as errors. It panics on some, and those must not stop the program.
    let built = catch_unwind(AssertUnwindSafe(|| {
        let parsed = typed(onnx, card, [1, card.input.channels, height, width])?;
        network(parsed, card, kernels)
    }));
    built
        .unwrap_or_else(|_| Err(TractError::msg("the parser gave up on it")))
        .map_err(|e| Error::fix(&card.file, format!("no model we can run at {width}x{height}: {e:#}")))
}

/// The network of a parsed model.
///
/// # Errors
/// If an output is not what the card says, or tract cannot run the rest.
fn network(
    (model, order): (TypedModel, Vec<usize>),
    card: &Card,
    kernels: &'static Kernels,
) -> TractResult<Box<dyn Network>> {
    let outputs = outputs(&model, card, &order)?;
    let left = match region::install(model, kernels)? {
        Installed::Whole(executor) => return Ok(Box::new(OnKernels { executor, outputs, order })),
        Installed::Part { model, ours, left } => {
            log::info!("{}: {} of {} operators on our kernels, left to tract: {left:?}", card.name, ours.0, ours.1);
            model
        }
    };
    Ok(Box::new(InTract::new(*left, card, outputs, order)?))
}

/// A readable table of the kernel that runs each operator of `onnx` at the card's input size.
///
/// # Errors
/// Fix: we cannot run the model.
pub fn explain(onnx: &[u8], card: &Card, kernels: &'static Kernels) -> Result<String> {
    let shape = [1, card.input.channels, card.input.height, card.input.width];
    table(&card.file, kernels, || Ok(typed(onnx, card, shape)?.0))
}

/// Like [`explain`], for a file without a card. `shape` is the input's; if empty, the file's own is used.
///
/// # Errors
/// Fix: we cannot run the model, or its input is not floats of a fixed shape.
pub fn explain_bare(onnx: &[u8], file: &str, shape: &[usize], kernels: &'static Kernels) -> Result<String> {
    table(file, kernels, || bare::read(&proto(onnx)?, shape))
}

fn table(file: &str, kernels: &'static Kernels, model: impl FnOnce() -> TractResult<TypedModel>) -> Result<String> {
    let model = catch_unwind(AssertUnwindSafe(model))
        .unwrap_or_else(|_| Err(TractError::msg("the parser gave up on it")))
        .map_err(|e| Error::fix(file, format!("no model we can run: {e:#}")))?;
    region::explain(&model, kernels)
}

/// Parses and checks a model for an input of `shape`. The second result is, for each output of the card, its position
/// among the graph's.
fn typed(onnx: &[u8], card: &Card, shape: [usize; 4]) -> TractResult<(TypedModel, Vec<usize>)> {
    read(&proto(onnx)?, card, shape)
}

/// Like [`typed`], from the parsed file.
fn read(proto: &pb::ModelProto, card: &Card, shape: [usize; 4]) -> TractResult<(TypedModel, Vec<usize>)> {
    let order = names(inspected(proto)?, card)?;
    Ok((concrete(proto, &[&shape])?, order))
}

/// Names and shapes of the card's outputs.
fn outputs(model: &TypedModel, card: &Card, order: &[usize]) -> TractResult<Vec<(String, Vec<usize>)>> {
    let mut outputs = Vec::new();
    for (spec, &i) in card.outputs.iter().zip(order) {
        let fact = model.output_fact(i)?;
        let extents = fact.shape.as_concrete().ok_or_else(|| TractError::msg("an output has no fixed shape"))?;
        if fact.datum_type != f32::datum_type() {
            return Err(TractError::msg(format!("output {} is {:?}, wanted f32", spec.name, fact.datum_type)));
        }
        outputs.push((spec.name.clone(), extents.to_vec()));
    }
    Ok(outputs)
}

/// A network on our kernels, with outputs in the card's order.
struct OnKernels {
    executor: Executor,
    outputs: Vec<(String, Vec<usize>)>,
    order: Vec<usize>,
}

impl Network for OnKernels {
    fn input_shape(&self) -> [usize; 4] {
        self.executor.input_shape()
    }

    fn outputs(&self) -> &[(String, Vec<usize>)] {
        &self.outputs
    }

    fn run(&mut self, input: &[f32]) -> Result<()> {
        self.executor.run(input)
    }

    fn output(&self, i: usize) -> &[f32] {
        self.order.get(i).map_or(&[], |&o| self.executor.output(o))
    }
}

/// A network that tract runs, at least in part.
struct InTract {
    shape: [usize; 4],
    state: TypedSimpleState,
    /// The tensor passed to tract. Between runs, tract should hold no reference to it.
    input: Arc<Tensor>,
    outputs: Vec<(String, Vec<usize>)>,
    /// By output: its position among the graph's.
    order: Vec<usize>,
    values: Vec<Vec<f32>>,
    file: String,
}

impl InTract {
    fn new(model: TypedModel, card: &Card, outputs: Vec<(String, Vec<usize>)>, order: Vec<usize>) -> TractResult<Self> {
        let shape = model.input_fact(0)?.shape.as_concrete().and_then(|s| s.try_into().ok());
        let shape: [usize; 4] = shape.ok_or_else(|| TractError::msg("the input is not [n, c, h, w]"))?;
        let plan = model.into_optimized()?.into_runnable()?;
        let values = outputs.iter().map(|(_, s)| vec![0.0; s.iter().product()]).collect();
        let input = Arc::new(Tensor::zero::<f32>(&shape)?);
        Ok(Self { shape, state: plan.spawn()?, input, outputs, order, values, file: card.file.clone() })
    }

    fn step(&mut self, input: &[f32]) -> TractResult<()> {
        if Arc::get_mut(&mut self.input).is_none() {
            // The graph returns its input as an output, so tract still holds it.
            self.input = Arc::new(Tensor::zero::<f32>(&self.shape)?);
        }
        if let Some(tensor) = Arc::get_mut(&mut self.input) {
            tensor.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?.copy_from_slice(input);
        }
        let made = self.state.run(tvec!(TValue::from_const(Arc::clone(&self.input))))?;
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
    fn input_shape(&self) -> [usize; 4] {
        self.shape
    }

    fn outputs(&self) -> &[(String, Vec<usize>)] {
        &self.outputs
    }

    fn run(&mut self, input: &[f32]) -> Result<()> {
        let wanted: usize = self.shape.iter().product();
        if input.len() != wanted {
            return Err(Error::fatal(&self.file, format!("{} input values, wanted {wanted}", input.len())));
        }
        // tract may panic on some graphs, but only when they run.
        catch_unwind(AssertUnwindSafe(|| self.step(input)))
            .unwrap_or_else(|_| Err(TractError::msg("the graph cannot be computed")))
            .map_err(|e| Error::fatal(&self.file, format!("inference failed: {e:#}")))
    }

    fn output(&self, i: usize) -> &[f32] {
        self.values.get(i).map_or(&[], Vec::as_slice)
    }
}

/// Checks the name of the graph's input against the card, and finds the card's outputs among the graph's.
fn names(graph: &pb::GraphProto, card: &Card) -> TractResult<Vec<usize>> {
    let inputs: Vec<_> = inputs(graph).iter().map(|i| i.name.as_str()).collect();
    if inputs != [card.input.name.as_str()] {
        return Err(TractError::msg(format!("its inputs are {inputs:?}, the card wants {:?}", card.input.name)));
    }
    card.outputs
        .iter()
        .map(|want| {
            graph.output.iter().position(|o| o.name == want.name).ok_or_else(|| {
                let found: Vec<_> = graph.output.iter().map(|o| o.name.as_str()).collect();
                TractError::msg(format!("its outputs are {found:?}, the card wants {:?}", want.name))
            })
        })
        .collect()
}

#[cfg(test)]
mod hostile;

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn tiny() -> (Vec<u8>, Card) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/models/");
        let read = |file: &str| std::fs::read(format!("{folder}{file}")).unwrap();
        let card = String::from_utf8(read("tiny-landmarks.toml")).unwrap();
        (read("tiny-landmarks.onnx"), Card::parse(&card, "tiny").unwrap())
    }

    #[test]
    fn our_kernels_answer_as_tract_does() {
        for (file, shape) in [("tiny-landmarks", [1, 1, 96, 96]), ("tiny-detector", [1, 1, 128, 160])] {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/models/");
            let onnx = std::fs::read(format!("{folder}{file}.onnx")).unwrap();
            let card = Card::parse(&std::fs::read_to_string(format!("{folder}{file}.toml")).unwrap(), file).unwrap();
            let (model, order) = typed(&onnx, &card, shape).unwrap();
            let named = outputs(&model, &card, &order).unwrap();
            let mut plain = InTract::new(model, &card, named, order).unwrap();
            let mut ours = build(&onnx, &card, shape[2], shape[3]).unwrap();
            let input: Vec<f32> = (0..shape.iter().product()).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
            plain.run(&input).unwrap();
            ours.run(&input).unwrap();
            assert_eq!(plain.outputs(), ours.outputs());
            for i in 0..2 {
                let (a, b) = (plain.output(i), ours.output(i));
                let most = a.iter().fold(0f32, |m, v| m.max(v.abs()));
                assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-5 * most), "{file}, output {i}");
            }
        }
    }

    #[test]
    fn damaged_files_are_errors_never_panics() {
        let (onnx, card) = tiny();
        assert!(build(&onnx, &card, 96, 96).is_ok());
        for cut in (0..onnx.len()).step_by(997).chain([1, 2, 17]) {
            assert!(build(&onnx[..cut], &card, 96, 96).is_err(), "cut at {cut}");
        }
        // Structure and not weights: the first bytes of the file are nodes.
        for at in 0..400 {
            let mut bad = onnx.clone();
            bad[at] ^= 0x15;
            let _ = build(&bad, &card, 96, 96);
        }
        assert!(build(b"not a model at all", &card, 96, 96).is_err());
    }

    #[test]
    fn an_input_too_large_to_run_is_refused() {
        let (onnx, card) = tiny();
        assert!(build(&onnx, &card, 1 << 15, 1 << 15).err().unwrap().to_string().contains("shape"));
    }
}
