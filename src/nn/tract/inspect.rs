//! Rejects graphs that could loop or claim much memory, before tract sees them.

use tract_onnx::pb;
use tract_onnx::prelude::*;

/// Most values of one tensor (256 MiB of f32).
pub(super) const MAX_VALUES: usize = 1 << 26;

/// Most nodes of a graph.
const MAX_NODES: usize = 20_000;

/// Operators that loop, or that make a tensor of any size from a few bytes before shapes can be checked.
const REFUSED: [&str; 13] = [
    "If",
    "Loop",
    "Scan",
    "ConstantOfShape",
    "EyeLike",
    "Expand",
    "OneHot",
    "Range",
    "Tile",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
];

/// Rejects a graph that could loop or claim much memory, before tract allocates any.
///
/// # Errors
/// If it has a rejected operator, too many nodes, or a weight larger than its data.
pub(super) fn inspect(graph: &pb::GraphProto) -> TractResult<()> {
    if graph.node.len() > MAX_NODES {
        return Err(TractError::msg(format!("{} nodes, wanted at most {MAX_NODES}", graph.node.len())));
    }
    if !graph.sparse_initializer.is_empty() {
        return Err(TractError::msg("sparse weights are not supported"));
    }
    for node in &graph.node {
        if REFUSED.contains(&node.op_type.as_str()) {
            return Err(TractError::msg(format!("operator {} is not accepted", node.op_type)));
        }
    }
    let attributes = graph.node.iter().flat_map(|n| &n.attribute).filter_map(|a| a.t.as_ref());
    graph.initializer.iter().chain(attributes).try_for_each(weights)
}

/// Checks the shape of a weight against the number of values in the file.
fn weights(tensor: &pb::TensorProto) -> TractResult<()> {
    if tensor.data_location == Some(pb::tensor_proto::DataLocation::External as i32) {
        return Err(TractError::msg(format!("weight {} lies outside the file", tensor.name)));
    }
    let claimed = tensor
        .dims
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(usize::try_from(d).ok()?))
        .filter(|&n| n <= MAX_VALUES)
        .ok_or_else(|| TractError::msg(format!("weight {} claims shape {:?}", tensor.name, tensor.dims)))?;
    let brought = if tensor.raw_data.is_empty() {
        // The data is in the one of these fields for its type; half floats and small integers are stored as int32.
        tensor.float_data.len()
            + tensor.int32_data.len()
            + tensor.int64_data.len()
            + tensor.double_data.len()
            + tensor.uint64_data.len()
            + tensor.string_data.len()
    } else {
        let width = match pb::tensor_proto::DataType::try_from(tensor.data_type) {
            Ok(pb::tensor_proto::DataType::Double | pb::tensor_proto::DataType::Int64) => 8,
            Ok(pb::tensor_proto::DataType::Uint64) => 8,
            Ok(pb::tensor_proto::DataType::Float | pb::tensor_proto::DataType::Int32) => 4,
            Ok(pb::tensor_proto::DataType::Uint32) => 4,
            Ok(pb::tensor_proto::DataType::Float16 | pb::tensor_proto::DataType::Bfloat16) => 2,
            Ok(pb::tensor_proto::DataType::Int16 | pb::tensor_proto::DataType::Uint16) => 2,
            _ => 1,
        };
        tensor.raw_data.len() / width
    };
    if brought < claimed {
        let message = format!("weight {} brings {brought} values, its shape wants {claimed}", tensor.name);
        return Err(TractError::msg(message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::pb::tensor_proto::DataType;

    #[test]
    fn weights_must_bring_what_they_claim() {
        let tensor = |dims: Vec<i64>, bytes: usize| pb::TensorProto {
            name: "w".into(),
            dims,
            data_type: DataType::Float as i32,
            raw_data: vec![0; bytes],
            ..Default::default()
        };
        assert!(weights(&tensor(vec![2, 3], 24)).is_ok());
        for (dims, bytes) in [
            (vec![2, 3], 20),
            (vec![1 << 40, 1 << 40], 24),
            (vec![1 << 30], 24),
            (vec![-1], 24),
            (vec![1 << 33, 0, 1 << 33], 0),
        ] {
            let e = weights(&tensor(dims.clone(), bytes));
            assert!(e.is_err() || dims.contains(&0), "{dims:?}");
        }
    }

    #[test]
    fn operators_that_make_data_from_nothing_are_refused() {
        let node = pb::NodeProto { op_type: "ConstantOfShape".into(), ..Default::default() };
        let graph = pb::GraphProto { node: vec![node], ..Default::default() };
        assert!(inspect(&graph).unwrap_err().to_string().contains("ConstantOfShape"));
    }
}
