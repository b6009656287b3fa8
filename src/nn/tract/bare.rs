//! A model without a card: the shapes of its inputs come from the file or from the caller.

use tract_onnx::pb;
use tract_onnx::pb::tensor_shape_proto::dimension::Value;
use tract_onnx::prelude::*;

use super::parse::{concrete, inputs, inspected};

/// Checks a model without a card. An empty `shape` means the file's own.
///
/// # Errors
/// If it cannot be typed, or its input is not floats of a fixed shape.
pub(super) fn read(proto: &pb::ModelProto, shape: &[usize]) -> TractResult<TypedModel> {
    let inputs = inputs(inspected(proto)?);
    if shape.contains(&0) {
        return Err(TractError::msg(format!("an input of shape {shape:?}, wanted numbers above 0")));
    }
    if !shape.is_empty() && inputs.len() != 1 {
        return Err(TractError::msg(format!("it has {} inputs, a shape was given for one", inputs.len())));
    }
    let shapes: Vec<Vec<usize>> = match shape {
        [] => inputs.into_iter().map(fixed).collect::<TractResult<_>>()?,
        _ => vec![shape.to_vec()],
    };
    concrete(proto, &shapes)
}

/// The shape of an input, if the file fixes it.
fn fixed(input: &pb::ValueInfoProto) -> TractResult<Vec<usize>> {
    let tensor = match input.r#type.as_ref().and_then(|t| t.value.as_ref()) {
        Some(pb::type_proto::Value::TensorType(tensor)) => tensor,
        _ => return Err(TractError::msg(format!("input {} is no tensor", input.name))),
    };
    if tensor.elem_type != pb::tensor_proto::DataType::Float as i32 {
        let kind = pb::tensor_proto::DataType::try_from(tensor.elem_type);
        return Err(TractError::msg(format!("input {} is {kind:?}, wanted Float", input.name)));
    }
    let dims: Vec<_> = tensor.shape.iter().flat_map(|s| &s.dim).map(|d| d.value.as_ref()).collect();
    let extent = |d: &Option<&Value>| match d {
        Some(Value::DimValue(n)) => usize::try_from(*n).ok().filter(|n| *n > 0),
        _ => None,
    };
    let shape: Option<Vec<usize>> = dims.iter().map(extent).collect();
    shape.filter(|s| !s.is_empty()).ok_or_else(|| {
        let said: Vec<_> = dims
            .iter()
            .map(|d| match d {
                Some(Value::DimValue(n)) => n.to_string(),
                Some(Value::DimParam(name)) => name.clone(),
                None => "?".into(),
            })
            .collect();
        let message = "wanted integers above 0; set one with --shape";
        TractError::msg(format!("input {} has the shape [{}], {message}", input.name, said.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::super::parse::proto;
    use super::super::tests::tiny;
    use super::super::{explain, explain_bare};
    use super::*;
    use crate::kernels;

    #[test]
    fn a_file_without_a_card_is_explained_at_its_own_shape_or_at_one_that_is_given() {
        let (onnx, card) = tiny();
        let kernels = kernels::scalar();
        let told = explain_bare(&onnx, "tiny", &[], kernels).unwrap();
        assert_eq!(told.lines().count(), explain(&onnx, &card, kernels).unwrap().lines().count());
        assert!(explain_bare(&onnx, "tiny", &[1, 3, 96, 96], kernels).is_err());
        assert!(explain_bare(&onnx, "tiny", &[1, 1, 1 << 15, 1 << 15], kernels).is_err());
        assert!(explain_bare(&onnx, "tiny", &[0, 1, 96, 96], kernels).is_err());
        assert!(explain_bare(b"not a model at all", "tiny", &[], kernels).is_err());

        let mut model = proto(&onnx).unwrap();
        let input = &mut model.graph.as_mut().unwrap().input[0];
        let Some(pb::type_proto::Value::TensorType(tensor)) = input.r#type.as_mut().unwrap().value.as_mut() else {
            panic!("the input is a tensor")
        };
        tensor.shape.as_mut().unwrap().dim[0].value = Some(Value::DimParam("batch".into()));
        tensor.shape.as_mut().unwrap().dim[2].value = Some(Value::DimValue(0));
        let e = read(&model, &[]).unwrap_err().to_string();
        assert!(e.contains("[batch, 1, 0, 96]") && e.contains("--shape"), "{e}");
        assert!(read(&model, &[1, 1, 96, 96]).is_ok());
    }
}
