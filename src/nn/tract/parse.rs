//! From the bytes of an ONNX file to tract's checked model, before optimisation.

use tract_onnx::pb;
use tract_onnx::prelude::*;

use super::inspect::{MAX_VALUES, inspect};

/// Parses the file.
///
/// # Errors
/// If it is not an ONNX file.
pub(super) fn proto(onnx: &[u8]) -> TractResult<pb::ModelProto> {
    tract_onnx::onnx().proto_model_for_read(&mut &onnx[..])
}

/// The graph of a file, after [`inspect`].
///
/// # Errors
/// If there is none, or it is rejected.
pub(super) fn inspected(proto: &pb::ModelProto) -> TractResult<&pb::GraphProto> {
    let graph = proto.graph.as_ref().ok_or_else(|| TractError::msg("it holds no graph"))?;
    inspect(graph)?;
    Ok(graph)
}

/// Types and shapes of all values of an inspected graph, for inputs of these shapes.
///
/// # Errors
/// If tract cannot infer them, or one is unreasonably large.
pub(super) fn concrete(proto: &pb::ModelProto, shapes: &[impl AsRef<[usize]>]) -> TractResult<TypedModel> {
    let framework = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
    let mut model = framework.parse(proto, None)?.model;
    for (i, shape) in shapes.iter().enumerate() {
        model.set_input_fact(i, f32::fact(shape.as_ref()).into())?;
    }
    let typed = model.into_typed()?;
    limit(&typed)?;
    Ok(typed)
}

/// The inputs of a graph that are not weights.
pub(super) fn inputs(graph: &pb::GraphProto) -> Vec<&pb::ValueInfoProto> {
    graph.input.iter().filter(|i| graph.initializer.iter().all(|t| t.name != i.name)).collect()
}

/// Rejects graphs with a tensor of no fixed size or of more than [`MAX_VALUES`].
fn limit(model: &TypedModel) -> TractResult<()> {
    for node in model.nodes() {
        for output in &node.outputs {
            let volume = output
                .fact
                .shape
                .as_concrete()
                .and_then(|s| s.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= MAX_VALUES));
            if volume.is_none() {
                return Err(TractError::msg(format!("{} makes a tensor of shape {:?}", node.name, output.fact.shape)));
            }
        }
    }
    Ok(())
}
