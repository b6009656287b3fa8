//! Networks through tract: it parses and checks all models, and runs those with operators for which we have no kernel.

mod bare;
mod cut;
mod inspect;
mod parse;
mod session;
mod tracker;

use std::panic::{AssertUnwindSafe, catch_unwind};

use tract_onnx::pb;
use tract_onnx::prelude::*;

use parse::{concrete, inputs, inspected, proto};
use session::InTract;
pub use tracker::Tracker;

use super::card::Card;
use super::network::Network;
use super::region::{self, Executor, Installed};
use crate::error::{Error, Result};
use crate::kernels::{self, Kernels};

/// What a graph must take and give.
#[derive(Clone)]
struct Signature<'a> {
    /// Names it in errors.
    file: &'a str,
    /// Names and shapes of all inputs, in order.
    inputs: Vec<(&'a str, [usize; 4])>,
    /// Names of the outputs that are wanted.
    outputs: Vec<&'a str>,
}

impl<'a> Signature<'a> {
    /// That of a card's network with one input.
    fn of(card: &'a Card, height: usize, width: usize) -> Result<Self> {
        let input = card.face_input()?;
        let shape = [1, input.channels, height, width];
        Ok(Self { file: &card.file, inputs: vec![(&input.name, shape)], outputs: card.output_names().collect() })
    }
}

/// Builds the network of `onnx` for an input of `height` x `width` pixels: on our kernels if they have all its
/// operators, else in tract, with the region of our kernels as one operator.
///
/// # Errors
/// Fix: we cannot run the model at this size, or it is not the one that the card describes.
pub fn build(onnx: &[u8], card: &Card, height: usize, width: usize) -> Result<Box<dyn Network>> {
    let kernels = kernels::chosen()?;
    let wanted = Signature::of(card, height, width)?;
    guarded(&wanted, || network(read(&proto(onnx)?, &wanted)?, &wanted, kernels))
}

/// Runs tract on a file. It reports most faults of a file as errors, but panics on some, and those must not stop the
/// program.
///
/// # Errors
/// Fix: what `work` reports, as an error of the file.
fn guarded<T>(wanted: &Signature, work: impl FnOnce() -> TractResult<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(TractError::msg("the parser gave up on it"))).map_err(
        |e| {
            let sizes: Vec<_> = wanted.inputs.iter().map(|(_, [_, _, h, w])| format!("{w}x{h}")).collect();
            Error::fix(wanted.file, format!("no model we can run at {}: {e:#}", sizes.join(", ")))
        },
    )
}

/// The network of a parsed model.
///
/// # Errors
/// If an output is no floats of a fixed shape, or tract cannot run the rest.
fn network(
    (model, order): (TypedModel, Vec<usize>),
    wanted: &Signature,
    kernels: &'static Kernels,
) -> TractResult<Box<dyn Network>> {
    let outputs = outputs(&model, wanted, &order)?;
    let left = match region::install(model, kernels)? {
        Installed::Whole(executor) => return Ok(Box::new(OnKernels { executor, outputs, order })),
        Installed::Part { model, ours, left } => {
            log::info!("{}: {} of {} operators on our kernels, left to tract: {left:?}", wanted.file, ours.0, ours.1);
            model
        }
    };
    Ok(Box::new(InTract::new(*left, wanted.file, outputs, order)?))
}

/// A readable table of the kernel that runs each operator of `onnx` at the card's input size.
///
/// # Errors
/// Fix: we cannot run the model.
pub fn explain(onnx: &[u8], card: &Card, kernels: &'static Kernels) -> Result<String> {
    let input = card.face_input()?;
    let wanted = Signature::of(card, input.height, input.width)?;
    table(&card.file, kernels, || Ok(read(&proto(onnx)?, &wanted)?.0))
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

/// Checks a parsed file and gives its values types and shapes. The second result is, for each wanted output, its
/// position among the graph's.
fn read(proto: &pb::ModelProto, wanted: &Signature) -> TractResult<(TypedModel, Vec<usize>)> {
    let order = names(inspected(proto)?, wanted)?;
    let shapes: Vec<_> = wanted.inputs.iter().map(|i| i.1).collect();
    Ok((concrete(proto, &shapes)?, order))
}

/// Names and shapes of the wanted outputs.
fn outputs(model: &TypedModel, wanted: &Signature, order: &[usize]) -> TractResult<Vec<(String, Vec<usize>)>> {
    let mut outputs = Vec::new();
    for (name, &i) in wanted.outputs.iter().zip(order) {
        let fact = model.output_fact(i)?;
        let extents = fact.shape.as_concrete().ok_or_else(|| TractError::msg("an output has no fixed shape"))?;
        if fact.datum_type != f32::datum_type() {
            return Err(TractError::msg(format!("output {name} is {:?}, wanted f32", fact.datum_type)));
        }
        outputs.push((name.to_string(), extents.to_vec()));
    }
    Ok(outputs)
}

/// A network on our kernels, with outputs in the wanted order.
struct OnKernels {
    executor: Executor,
    outputs: Vec<(String, Vec<usize>)>,
    order: Vec<usize>,
}

impl Network for OnKernels {
    fn inputs(&self) -> &[(String, [usize; 4])] {
        self.executor.inputs()
    }

    fn outputs(&self) -> &[(String, Vec<usize>)] {
        &self.outputs
    }

    fn run(&mut self, inputs: &[&[f32]]) -> Result<()> {
        self.executor.run(inputs)
    }

    fn output(&self, i: usize) -> &[f32] {
        self.order.get(i).map_or(&[], |&o| self.executor.output(o))
    }
}

/// Checks the names of the graph's inputs, and finds the wanted outputs among the graph's.
fn names(graph: &pb::GraphProto, wanted: &Signature) -> TractResult<Vec<usize>> {
    let found: Vec<_> = inputs(graph).iter().map(|i| i.name.as_str()).collect();
    if !found.iter().eq(wanted.inputs.iter().map(|i| &i.0)) {
        let names: Vec<_> = wanted.inputs.iter().map(|i| i.0).collect();
        return Err(TractError::msg(format!("its inputs are {found:?}, the card wants {names:?}")));
    }
    wanted
        .outputs
        .iter()
        .map(|want| {
            graph.output.iter().position(|o| o.name == *want).ok_or_else(|| {
                let found: Vec<_> = graph.output.iter().map(|o| o.name.as_str()).collect();
                TractError::msg(format!("its outputs are {found:?}, the card wants {want:?}"))
            })
        })
        .collect()
}

#[cfg(test)]
mod hostile;

#[cfg(test)]
mod tests {
    use super::*;

    /// A model of the tests' data and its card.
    pub(super) fn model(name: &str) -> (Vec<u8>, Card) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/models/");
        let read = |end: &str| std::fs::read(format!("{folder}{name}.{end}")).unwrap();
        (read("onnx"), Card::parse(&String::from_utf8(read("toml")).unwrap(), name).unwrap())
    }

    pub(super) fn tiny() -> (Vec<u8>, Card) {
        model("tiny-landmarks")
    }

    #[test]
    fn our_kernels_answer_as_tract_does() {
        for (file, shape) in [("tiny-landmarks", [1, 1, 96, 96]), ("tiny-detector", [1, 1, 128, 160])] {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/models/");
            let onnx = std::fs::read(format!("{folder}{file}.onnx")).unwrap();
            let card = Card::parse(&std::fs::read_to_string(format!("{folder}{file}.toml")).unwrap(), file).unwrap();
            let wanted = Signature::of(&card, shape[2], shape[3]).unwrap();
            let (model, order) = read(&proto(&onnx).unwrap(), &wanted).unwrap();
            let named = outputs(&model, &wanted, &order).unwrap();
            let mut plain = InTract::new(model, file, named, order).unwrap();
            let mut ours = build(&onnx, &card, shape[2], shape[3]).unwrap();
            let input: Vec<f32> = (0..shape.iter().product()).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
            plain.run(&[&input]).unwrap();
            ours.run(&[&input]).unwrap();
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
