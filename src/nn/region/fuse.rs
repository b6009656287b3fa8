//! Epilogue fusion: layers of the graph to units. The bias, scale, activation and addition that follow a sum are
//! applied before it is stored, so each unit is one pass over memory.

use super::graph::{Graph, Layer};
use super::unit::Unit;
use crate::kernels::{Activation, Pooling, ResidualPosition};

impl Unit {
    /// Whether an activation can still be fused into the epilogue.
    fn takes(&self, activation: &Activation) -> bool {
        let after = self.other.is_some_and(|o| o.1 == ResidualPosition::AfterActivation);
        (self.sums() || matches!(self.layer, Layer::Add))
            && !after
            && activation.fuses()
            && (self.activation == Activation::None || clamps(&self.activation, activation).is_some())
    }

    fn take(&mut self, activation: &Activation) {
        self.activation = clamps(&self.activation, activation).unwrap_or_else(|| activation.clone());
    }

    /// Whether the addition of another map can still be fused into the epilogue.
    fn joins(&self) -> bool {
        self.sums() && self.other.is_none()
    }

    /// Whether it can apply more operations to a value before the store.
    fn sums(&self) -> bool {
        use Layer::{Affine, Connected, Conv, Upsample};
        matches!(self.layer, Conv { .. } | Connected { .. } | Affine { .. } | Upsample(_))
    }
}

/// Merges two successive clamps into one.
fn clamps(first: &Activation, second: &Activation) -> Option<Activation> {
    match (first, second) {
        (Activation::Clamp { lo: a, hi: b }, Activation::Clamp { lo: c, hi: d }) => {
            let (lo, hi) = (a.max(*c), b.min(*d));
            (lo <= hi).then_some(Activation::Clamp { lo, hi })
        }
        _ => None,
    }
}

/// Fuses the layers that lead to an output.
pub(super) fn fuse(graph: &Graph) -> Vec<Unit> {
    let live = graph.live();
    // How often each value is read; reading a view counts for the value behind it.
    let mut reads = vec![0; graph.nodes.len()];
    for (node, _) in graph.nodes.iter().zip(&live).filter(|(n, live)| **live && !matches!(n.layer, Layer::View)) {
        node.inputs.iter().for_each(|i| reads[graph.root(*i)] += 1);
    }
    graph.outputs.iter().for_each(|o| reads[graph.root(*o)] += 1);

    // A unit moves to the end when a later layer is fused into it, so that everything it reads is computed before it.
    let mut units: Vec<Option<Unit>> = vec![];
    for (i, node) in graph.nodes.iter().enumerate().filter(|(i, _)| live[*i]) {
        let inputs: Vec<usize> = node.inputs.iter().map(|n| graph.root(*n)).collect();
        let producer = |n: usize, units: &[Option<Unit>]| {
            let at = units.iter().rposition(|u| u.as_ref().is_some_and(|u| u.output() == n));
            at.filter(|_| reads[n] == 1)
        };
        let unit = match &node.layer {
            Layer::Source | Layer::View => continue,
            Layer::Activation(activation) => {
                match producer(inputs[0], &units).and_then(|at| fused(&mut units[at], |u| u.takes(activation))) {
                    Some(mut unit) => {
                        unit.take(activation);
                        unit.nodes.push(i);
                        unit
                    }
                    // An activation alone is an affine layer of scale one.
                    None => Unit { activation: activation.clone(), ..Unit::plain(i, unscaled(), inputs) },
                }
            }
            Layer::Affine { scale, shift } => {
                let at = producer(inputs[0], &units);
                match at.and_then(|at| fused(&mut units[at], |u| scales(u, scale, shift))) {
                    Some(mut unit) => {
                        rescale(&mut unit.layer, scale, shift);
                        unit.nodes.push(i);
                        unit
                    }
                    None => Unit::plain(i, node.layer.clone(), inputs),
                }
            }
            Layer::Add => {
                let mut sides = [(producer(inputs[0], &units), inputs[1]), (producer(inputs[1], &units), inputs[0])];
                // Try the later producer first: its value has to live for fewer steps.
                sides.sort_by_key(|s| std::cmp::Reverse(s.0));
                let joined = sides.into_iter().find_map(|(at, other)| {
                    let mut unit = fused(&mut units[at?], Unit::joins)?;
                    let join = if unit.activation == Activation::None {
                        ResidualPosition::BeforeActivation
                    } else {
                        ResidualPosition::AfterActivation
                    };
                    unit.other = Some((other, join));
                    unit.nodes.push(i);
                    Some(unit)
                });
                joined.unwrap_or_else(|| Unit::plain(i, Layer::Add, inputs))
            }
            layer => Unit::plain(i, layer.clone(), inputs),
        };
        units.push(Some(unit));
    }
    units.into_iter().flatten().collect()
}

/// Takes out a unit for changes, if it `fits`.
fn fused(unit: &mut Option<Unit>, fits: impl FnOnce(&Unit) -> bool) -> Option<Unit> {
    unit.as_ref().is_some_and(fits).then(|| unit.take()).flatten()
}

fn unscaled() -> Layer {
    Layer::Affine { scale: vec![], shift: vec![] }
}

/// Whether scale and shift can be folded into what a unit computes.
fn scales(unit: &Unit, scale: &[f32], shift: &[f32]) -> bool {
    let free = unit.activation == Activation::None && unit.other.is_none();
    free && match unit.layer {
        Layer::Conv { .. } | Layer::Connected { .. } => true,
        Layer::Pool { pooling: Pooling::Sum(_), .. } => scale.len() == 1 && shift.iter().all(|s| *s == 0.0),
        _ => false,
    }
}

fn rescale(layer: &mut Layer, scale: &[f32], shift: &[f32]) {
    let of = |v: &[f32], c: usize| if v.len() == 1 { v[0] } else { v[c] };
    match layer {
        Layer::Conv { weights, bias, .. } | Layer::Connected { weights, bias } => {
            let per_output = weights.len() / bias.len();
            for (c, w) in weights.chunks_exact_mut(per_output).enumerate() {
                w.iter_mut().for_each(|w| *w *= of(scale, c));
            }
            for (c, b) in bias.iter_mut().enumerate() {
                *b = *b * of(scale, c) + of(shift, c);
            }
        }
        Layer::Pool { pooling: Pooling::Sum(factor), .. } => *factor *= scale[0],
        _ => {}
    }
}
