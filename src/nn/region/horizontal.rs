//! Horizontal fusion: convolutions that read the same value and compute outputs of the network become one. A head of
//! one channel takes as long as one that fills a register.

use super::graph::{Graph, Layer};
use super::unit::Unit;
use crate::kernels::{Activation, Into8};

/// Fuses units that read the same value, differ only in their weights and are read by no other unit, if that needs
/// fewer registers of `lanes` channels. The fused unit stores its own value first, then those of [`Unit::also`].
pub(super) fn fuse_horizontally(graph: &Graph, units: Vec<Unit>, lanes: usize) -> Vec<Unit> {
    let inner = |node: usize| units.iter().any(|u| u.reads(node));
    let out: Vec<bool> = units.iter().map(|u| u.other.is_none() && !inner(u.output())).collect();
    let registers = |c: usize| c.div_ceil(lanes);
    let mut joined: Vec<(Unit, bool)> = vec![];
    for (unit, out) in units.into_iter().zip(out) {
        let c = graph.nodes[unit.output()].info.c;
        let fits = |(first, first_out): &&mut (Unit, bool)| {
            let so_far = first.channels(graph);
            let fewer = registers(so_far + c) < registers(so_far) + registers(c);
            *first_out && out && fewer && alike(first, &unit)
        };
        match joined.iter_mut().find(fits) {
            Some((first, _)) => append(first, unit),
            None => joined.push((unit, out)),
        }
    }
    joined.into_iter().map(|j| j.0).collect()
}

/// Whether two units differ only in their weights.
fn alike(a: &Unit, b: &Unit) -> bool {
    let limits = matches!(a.activation, Activation::None | Activation::Clamp { .. });
    let layers = match (&a.layer, &b.layer) {
        (Layer::Conv { window, depthwise: false, .. }, Layer::Conv { window: w, depthwise: false, .. }) => window == w,
        (Layer::Conv8 { window, from, into, .. }, Layer::Conv8 { window: w, from: f, into: i, .. }) => {
            (window, from, into) == (w, f, i) && *into == Into8::Floats
        }
        _ => false,
    };
    layers && limits && a.activation == b.activation && a.inputs == b.inputs
}

fn append(first: &mut Unit, unit: Unit) {
    first.also.push(unit.output());
    match (&mut first.layer, unit.layer) {
        (Layer::Conv { weights, bias, .. }, Layer::Conv { weights: w, bias: b, .. }) => {
            weights.extend(w);
            bias.extend(b);
        }
        (Layer::Conv8 { weights, .. }, Layer::Conv8 { weights: w, .. }) => {
            weights.values.extend(w.values);
            weights.scale.extend(w.scale);
            weights.bias.extend(w.bias);
        }
        _ => {}
    }
    // The last node must remain the one whose value is stored first.
    let last = first.nodes.len().saturating_sub(1);
    first.nodes.splice(last..last, unit.nodes);
}
