//! Lowers units between DequantizeLinear and QuantizeLinear to int8.
//!
//! A network in QDQ form quantises and dequantises the input, the weights and the output of each convolution. If the
//! weights are multiples of one step per output, the convolution is computed in int8. Quantisation and dequantisation
//! are fused into the units around them; those that remain become separate passes.

use super::graph::{Graph, Int8Weights, Layer, Node};
use super::unit::Unit;
use crate::kernels::{Activation, Into8, Kernels, Quant, ResidualPosition, Winograd};

/// Most summands of an int8 sum; more could overflow 32 bits.
const DEPTH: usize = 32_768;

/// Recovers int8 weights from floats: dequantised weights are integer multiples of one step per output, however the
/// file stores them. `None` if these are not.
fn recover(weights: &[f32], bias: &[f32], input: &Quant) -> Option<Int8Weights> {
    let depth = weights.len().checked_div(bias.len()).filter(|d| (1..=DEPTH).contains(d))?;
    let mut int8 = Int8Weights { values: Vec::with_capacity(weights.len()), scale: vec![], bias: vec![] };
    for (weights, bias) in weights.chunks_exact(depth).zip(bias) {
        if !weights.iter().all(|w| w.is_finite()) {
            return None;
        }
        let largest = weights.iter().fold(0f32, |m, w| m.max(w.abs()));
        let scale = match largest {
            // All weights are zero: any step works that can represent the bias.
            0.0 => (bias.abs() / input.scale / 1e6).max(1e-6),
            _ => (1..=127).rev().map(|n| largest / n as f32).find(|s| multiples(weights, *s))?,
        };
        let steps = (f64::from(*bias) / (f64::from(scale) * f64::from(input.scale))).round_ties_even();
        if !(steps.abs() <= f64::from(1 << 30)) {
            return None;
        }
        int8.values.extend(weights.iter().map(|w| (w / scale).round_ties_even() as i8));
        int8.scale.push(scale);
        int8.bias.push(steps as i32);
    }
    Some(int8)
}

/// Whether all `weights` are integer multiples of `step`, up to rounding.
fn multiples(weights: &[f32], step: f32) -> bool {
    step.is_normal() && weights.iter().all(|w| (w / step - (w / step).round_ties_even()).abs() < 1e-4)
}

/// The unit in int8, if possible. It reads int8 and still stores floats.
fn lowered(graph: &Graph, unit: &Unit) -> Option<Unit> {
    // The int8 value behind a dequantised one.
    let int8_input = |node: usize| match &graph.nodes[node].layer {
        Layer::Dequantise(quant) => Some((graph.root(graph.nodes[node].inputs[0]), *quant)),
        _ => None,
    };
    let limits = matches!(unit.activation, Activation::None | Activation::Clamp { .. });
    let (input, from) = int8_input(*unit.inputs.first()?).or_else(|| {
        let (first, Layer::Dequantise(q)) = (unit.inputs[0], &unit.layer) else { return None };
        Some((first, *q))
    })?;
    let into = Into8::Floats;
    let (layer, other) = match (&unit.layer, unit.other) {
        (Layer::Conv { window, depthwise: false, weights, bias }, None) if limits => {
            let weights = recover(weights, bias, &from)?;
            (Layer::Conv8 { window: *window, weights, from, into }, None)
        }
        (Layer::Dequantise(_), _) => (Layer::AddRequantise { repeat: [1, 1], from, other: None, into }, None),
        (Layer::Upsample(repeat), None) if limits => {
            (Layer::AddRequantise { repeat: *repeat, from, other: None, into }, None)
        }
        (Layer::Upsample(repeat), Some((node, join)))
            if limits && (join == ResidualPosition::BeforeActivation || unit.activation == Activation::None) =>
        {
            let (node, quant) = int8_input(node)?;
            (Layer::AddRequantise { repeat: *repeat, from, other: Some(quant), into }, Some(node))
        }
        (Layer::Add, _) if limits => {
            let (node, quant) = int8_input(*unit.inputs.get(1)?)?;
            (Layer::AddRequantise { repeat: [1, 1], from, other: Some(quant), into }, Some(node))
        }
        _ => return None,
    };
    let other = other.map(|node| (node, ResidualPosition::BeforeActivation));
    Some(Unit {
        nodes: unit.nodes.clone(),
        layer,
        activation: unit.activation.clone(),
        inputs: vec![input],
        other,
        also: vec![],
    })
}

/// Fuses a quantisation into the unit before it, if that unit can store its result as `quant`.
fn fuse_quantise(unit: &mut Unit, quant: &Quant, kernels: &Kernels) -> bool {
    let finite = |scale: f32| (scale / quant.scale).is_finite();
    match &mut unit.layer {
        Layer::Conv8 { weights, from, into, .. } if *into == Into8::Floats => {
            let fits = quant.coarser(from, &weights.scale);
            if fits {
                *into = Into8::Numbers(*quant);
            }
            fits
        }
        Layer::AddRequantise { from, other, into, .. } if *into == Into8::Floats => {
            let fits = finite(from.scale) && other.is_none_or(|o| finite(o.scale));
            if fits {
                *into = Into8::Numbers(*quant);
            }
            fits
        }
        // A float convolution, unless Winograd's method may be faster.
        Layer::Conv { window, depthwise: false, .. } => {
            kernels.quantises_in_conv() && quant.valid() && *window != Winograd::WINDOW
        }
        _ => false,
    }
}

/// How many units read the value of each node, and whether it leaves the region.
fn reads(graph: &Graph, units: &[Unit]) -> Vec<usize> {
    let mut reads = vec![0; graph.nodes.len()];
    let inputs = units.iter().flat_map(|u| u.inputs.iter().copied().chain(u.other.map(|o| o.0)));
    inputs.chain(graph.outputs.iter().map(|o| graph.root(*o))).for_each(|n| reads[n] += 1);
    reads
}

/// Lowers units to int8 where possible.
pub(super) fn lower(graph: &Graph, mut units: Vec<Unit>, kernels: &Kernels) -> Vec<Unit> {
    let quantised = |n: &Node| matches!(n.layer, Layer::Quantise(_) | Layer::Dequantise(_));
    if !graph.nodes.iter().any(quantised) {
        return units;
    }
    for unit in &mut units {
        if let Some(lowered) = lowered(graph, unit) {
            *unit = lowered;
        }
    }
    // Drop dequantisations that no unit reads any more. Last first, because some read others.
    for i in (0..units.len()).rev() {
        let alone = matches!(&units[i].layer, Layer::AddRequantise { other: None, repeat: [1, 1], .. });
        if alone && reads(graph, &units)[units[i].output()] == 0 {
            units.remove(i);
        }
    }
    let mut done: Vec<Unit> = vec![];
    let reads = reads(graph, &units);
    for unit in units {
        if let (Layer::Quantise(quant), [input]) = (&unit.layer, &unit.inputs[..]) {
            let before = done.iter_mut().find(|u| u.output() == *input && reads[*input] == 1);
            if let Some(before) = before
                && fuse_quantise(before, quant, kernels)
            {
                before.nodes.push(unit.output());
                continue;
            }
        }
        done.push(unit);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: Quant = Quant { scale: 0.02, zero: 0, signed: false };

    #[test]
    fn multiples_of_a_step_are_found_again_and_other_weights_are_not() {
        let numbers = [[3i8, -127, 55, 0], [0, 0, 0, 0], [1, -2, 3, 4]];
        let scale = [0.0137f32, 1.0, 3e-5];
        let weights: Vec<f32> = numbers.iter().zip(scale).flat_map(|(n, s)| n.map(|n| f32::from(n) * s)).collect();
        let bias = [0.5f32, -0.25, 0.0];
        let found = recover(&weights, &bias, &INPUT).unwrap();
        for (o, bias) in bias.iter().enumerate() {
            for i in 0..4 {
                let back = f32::from(found.values[o * 4 + i]) * found.scale[o];
                assert!((back - weights[o * 4 + i]).abs() <= 1e-6 * weights[o * 4 + i].abs());
            }
            let back = found.bias[o] as f32 * found.scale[o] * INPUT.scale;
            assert!((back - bias).abs() <= 1e-3, "{back} for {bias}");
        }
        assert_eq!(found.values[..4], numbers[0]);
        let odd = [0.1f32, 0.234567, -0.0345678, 0.987654];
        assert!(recover(&odd, &[0.0], &INPUT).is_none());
        assert!(recover(&[f32::NAN; 4], &[0.0], &INPUT).is_none());
        assert!(recover(&[0.5, 1.0], &[1e30], &INPUT).is_none());
        assert!(recover(&[], &[], &INPUT).is_none());
    }
}
