//! QuantizeLinear and DequantizeLinear per tensor. Those of weights have been evaluated to constants, and tract turns
//! those per axis into plain arithmetic.

use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::element_wise::ElementWiseMiniOp;
use tract_onnx::tract_core::ops::quant::{DequantizeLinearF32, QuantizeLinearI8, QuantizeLinearU8};

use super::super::graph::Layer;
use super::{Reader, Reason};
use crate::kernels::{Pooling, Quant};

/// The quantisation of a QuantizeLinear.
pub(super) fn quantisation(op: &dyn ElementWiseMiniOp) -> Option<Quant> {
    // tract stores the reciprocal of the scale.
    if let Some(q) = op.downcast_ref::<QuantizeLinearU8>() {
        Some(Quant { scale: q.scale.recip(), zero: q.zero_point.into(), signed: false })
    } else {
        let q = op.downcast_ref::<QuantizeLinearI8>()?;
        Some(Quant { scale: q.scale.recip(), zero: q.zero_point.into(), signed: true })
    }
}

impl Reader<'_> {
    /// int8 values must not leave the region, so every reader must be a DequantizeLinear with the same parameters.
    pub(super) fn quantise(&mut self, node: &TypedNode, quant: Quant) -> Result<usize, Reason> {
        let at = self.input(node, 0)?;
        let outlet = OutletId::new(node.id, 0);
        let mut scale = None;
        for reader in &node.outputs[0].successors {
            let op = &self.model.node(reader.node).op;
            let back =
                op.downcast_ref::<DequantizeLinearF32>().ok_or("something else than DequantizeLinear reads it")?;
            let near = (back.scale / quant.scale - 1.0).abs() < 1e-6 && scale.is_none_or(|s| s == back.scale);
            if !near || back.zero_point != quant.zero {
                return Err("what it rounds is not turned back by the same numbers".into());
            }
            scale = Some(back.scale);
        }
        let quant = Quant { scale: scale.ok_or("its numbers are an output")?, ..quant };
        if !quant.valid() || self.model.outputs.contains(&outlet) {
            return Err("its scale or zero make no sense, or its numbers are an output".into());
        }
        let info = self.graph.nodes[at].info.clone();
        Ok(self.push(node, Layer::Quantise(quant), vec![at], info))
    }

    pub(super) fn dequantise(&mut self, node: &TypedNode, op: &DequantizeLinearF32) -> Result<usize, Reason> {
        let at = self.input(node, 0)?;
        let Layer::Quantise(quant) = self.graph.nodes[at].layer else {
            return Err("what it reads was not quantised".into());
        };
        if (op.scale, op.zero_point) != (quant.scale, quant.zero) {
            return Err("its numbers are not those of the quantisation before".into());
        }
        let info = self.graph.nodes[at].info.clone();
        // Views, repetition and maximum pooling only select values. If these were rounded before, rounding them again
        // changes nothing.
        let chosen = self.graph.root(self.graph.nodes[at].inputs[0]);
        let before = &self.graph.nodes[chosen];
        let rounded = match before.layer {
            Layer::Upsample(_) | Layer::Pool { pooling: Pooling::Max, .. } => self.graph.root(before.inputs[0]),
            _ => chosen,
        };
        let again = matches!(self.graph.nodes[rounded].layer, Layer::Dequantise(q) if q == quant);
        match again {
            true => Ok(self.push(node, Layer::View, vec![chosen], info)),
            false => Ok(self.push(node, Layer::Dequantise(quant), vec![at], info)),
        }
    }
}
