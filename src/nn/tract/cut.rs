//! Parts of a graph by the names of tensors.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::prelude::*;

/// The part of an inspected model that computes `outputs` from `inputs`, both names of tensors. What is in `constants`
/// is not computed either: these tensors become weights.
///
/// # Errors
/// If the model makes no such tensor, or one needs an input that is not in the list.
pub(super) fn cut(
    model: &pb::ModelProto,
    inputs: &[&str],
    outputs: &[&str],
    constants: Vec<pb::TensorProto>,
) -> TractResult<pb::ModelProto> {
    let graph = model.graph.as_ref().ok_or_else(|| TractError::msg("it holds no graph"))?;
    let makers = makers(graph);
    let weights: HashMap<&str, &pb::TensorProto> = graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect();
    let given: HashSet<&str> = inputs.iter().copied().chain(constants.iter().map(|t| t.name.as_str())).collect();

    let (mut nodes, mut used) = (HashSet::new(), HashSet::new());
    let mut wanted: Vec<&str> = outputs.to_vec();
    while let Some(name) = wanted.pop() {
        if name.is_empty() || given.contains(name) {
            continue;
        }
        if weights.contains_key(name) {
            used.insert(name);
        } else if let Some(&at) = makers.get(name) {
            if nodes.insert(at) {
                wanted.extend(graph.node[at].input.iter().map(String::as_str));
            }
        } else {
            return Err(TractError::msg(format!("{} needs {name}, which nothing makes", outputs.join(" or "))));
        }
    }
    let node = graph.node.iter().enumerate().filter(|(i, _)| nodes.contains(i)).map(|(_, n)| n.clone()).collect();
    let kept = graph.initializer.iter().filter(|t| used.contains(t.name.as_str())).cloned();
    let part = pb::GraphProto {
        name: graph.name.clone(),
        node,
        initializer: kept.chain(constants).collect(),
        input: inputs.iter().map(|name| floats(name)).collect(),
        output: outputs.iter().map(|name| floats(name)).collect(),
        ..Default::default()
    };
    Ok(pb::ModelProto {
        ir_version: model.ir_version,
        opset_import: model.opset_import.clone(),
        graph: Some(part),
        ..Default::default()
    })
}

/// By tensor: the node that makes it.
fn makers(graph: &pb::GraphProto) -> HashMap<&str, usize> {
    graph.node.iter().enumerate().flat_map(|(i, n)| n.output.iter().map(move |o| (o.as_str(), i))).collect()
}

/// Doubles one side of the addition `merge`: both its inputs become the one that needs the graph's input `kept`.
///
/// # Errors
/// If there is no such addition of two values, or not exactly one of them needs `kept`.
pub(super) fn double(model: &mut pb::ModelProto, merge: &str, kept: &str) -> TractResult<()> {
    let bad = || TractError::msg(format!("{merge} is no sum of one value that needs {kept} and one that does not"));
    let graph = model.graph.as_ref().ok_or_else(bad)?;
    let makers = makers(graph);
    let needs = |from: &str| {
        let (mut seen, mut left) = (HashSet::new(), vec![from]);
        while let Some(name) = left.pop() {
            if name == kept {
                return true;
            }
            if let Some(&at) = makers.get(name)
                && seen.insert(at)
            {
                left.extend(graph.node[at].input.iter().map(String::as_str));
            }
        }
        false
    };
    let at = *makers.get(merge).ok_or_else(bad)?;
    let sum = graph.node.get(at).filter(|n| n.op_type == "Add").ok_or_else(bad)?;
    let side = match &sum.input[..] {
        [a, b] => match (needs(a), needs(b)) {
            (true, false) => a.clone(),
            (false, true) => b.clone(),
            _ => return Err(bad()),
        },
        _ => return Err(bad()),
    };
    if let Some(sum) = model.graph.as_mut().and_then(|g| g.node.get_mut(at)) {
        sum.input = vec![side.clone(), side];
    }
    Ok(())
}

/// A tensor of floats as a weight.
pub(super) fn weight(name: &str, shape: &[usize], values: &[f32]) -> pb::TensorProto {
    pb::TensorProto {
        name: name.into(),
        dims: shape.iter().map(|d| i64::try_from(*d).unwrap_or(-1)).collect(),
        data_type: DataType::Float as i32,
        raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..Default::default()
    }
}

/// A float tensor of any shape, as a graph declares its inputs and outputs.
fn floats(name: &str) -> pb::ValueInfoProto {
    let tensor = pb::type_proto::Tensor { elem_type: DataType::Float as i32, shape: None };
    let kind = pb::TypeProto { value: Some(pb::type_proto::Value::TensorType(tensor)), ..Default::default() };
    pb::ValueInfoProto { name: name.into(), r#type: Some(kind), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::super::parse::proto;
    use super::super::tests::model;
    use super::*;

    fn names(model: &pb::ModelProto) -> Vec<&str> {
        model.graph.iter().flat_map(|g| &g.node).map(|n| n.name.as_str()).collect()
    }

    fn tracker() -> pb::ModelProto {
        proto(&model("tiny-tracker").0).unwrap()
    }

    #[test]
    fn a_part_holds_what_its_outputs_need_and_no_more() {
        let whole = tracker();
        let bind = cut(&whole, &["template"], &["match", "mix"], vec![]).unwrap();
        let head = cut(&whole, &["features", "match", "mix"], &["map", "presence"], vec![]).unwrap();
        let trunk = cut(&whole, &["visible", "thermal"], &["features"], vec![]).unwrap();
        let parts = [&bind, &head, &trunk];
        let weights = |m: &pb::ModelProto| m.graph.as_ref().unwrap().initializer.len();
        assert_eq!(parts.iter().map(|p| names(p).len()).sum::<usize>(), names(&whole).len());
        assert_eq!(parts.iter().map(|p| weights(p)).sum::<usize>(), weights(&whole));
        let bound = cut(&whole, &["features"], &["map"], vec![weight("match", &[1], &[0.0]), weight("mix", &[0], &[])]);
        assert_eq!(weights(&bound.unwrap()), weights(&head) + 2 - 4, "without the weights of presence");
        let e = cut(&whole, &["visible"], &["features"], vec![]).unwrap_err().to_string();
        assert!(e.contains("features needs thermal"), "{e}");
        let e = cut(&whole, &["visible"], &["nothing"], vec![]).unwrap_err().to_string();
        assert!(e.contains("nothing"), "{e}");
    }

    #[test]
    fn one_side_of_the_merge_is_doubled_and_the_other_goes() {
        for (kept, gone) in [("visible", "thermal"), ("thermal", "visible")] {
            let mut one = tracker();
            double(&mut one, "merge", kept).unwrap();
            let trunk = cut(&one, &[kept], &["features"], vec![]).unwrap();
            assert!(names(&trunk).iter().all(|n| !n.contains(gone)), "{:?}", names(&trunk));
            assert!(double(&mut one, "merge", kept).is_err(), "both sides need it now");
            assert!(double(&mut one, "features", kept).is_err(), "no addition");
            assert!(double(&mut one, "nothing", kept).is_err());
        }
    }

    #[test]
    fn a_circle_of_nodes_ends() {
        let mut ring = tracker();
        let nodes = &mut ring.graph.as_mut().unwrap().node;
        let last = nodes.iter().find(|n| n.output[0] == "features").unwrap().output[0].clone();
        nodes[0].input[0] = last;
        assert!(cut(&ring, &["visible", "thermal"], &["features"], vec![]).is_ok());
        assert!(double(&mut ring, "merge", "thermal").is_err());
    }
}
