//! Memory planning: the buffer and layout of each value, and which values are computed directly into a
//! concatenation. Also makes the steps of a plan.

use std::collections::HashMap;

use super::arena::Buffer;
use super::graph::{DimOrder, Graph, Layer};
use super::pack::pack;
use super::step::Step;
use super::unit::Unit;
use crate::error::{Error, Result};
use crate::kernels::{Epilogue, Into8, Kernels, Map, Quant, Replicate};

/// Where a node's value is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Index of the buffer.
    pub buffer: usize,
    pub map: Map,
}

/// Places values while it turns units into steps, in order.
pub(super) struct Planner<'g> {
    graph: &'g Graph,
    kernels: &'static Kernels,
    pub places: HashMap<usize, Place>,
    pub buffers: Vec<Buffer>,
    /// Values that are computed directly into a concatenation: its unit's node and the first channel.
    in_concat: HashMap<usize, (usize, usize)>,
    // The following are indexed by node.
    /// Only dense layers read the value, so its channels need no padding.
    dense: Vec<bool>,
    /// Some window of more than one pixel reads the value, so it needs a border.
    windowed: Vec<bool>,
    /// An int8 input of few channels that only convolutions read, so its pixels need no padding.
    narrow: Vec<bool>,
    /// An output that is read directly from the arena, so its pixels must not be padded.
    unpadded: Vec<bool>,
}

impl<'g> Planner<'g> {
    pub fn new(graph: &'g Graph, kernels: &'static Kernels, units: &[Unit]) -> Self {
        let mut dense = vec![true; graph.nodes.len()];
        let mut windowed = vec![false; graph.nodes.len()];
        let narrow = narrow(graph, units, kernels);
        for unit in units {
            if matches!(unit.layer, Layer::Conv { window, .. } | Layer::Conv8 { window, .. } if window.size != [1, 1] || window.before != [0, 0])
            {
                windowed[unit.inputs[0]] = true;
            }
            let sum = matches!(unit.layer, Layer::Conv { depthwise: false, .. } | Layer::Connected { .. })
                || narrow[unit.output()];
            unit.inputs.iter().filter(|_| !sum).chain(unit.other.iter().map(|o| &o.0)).for_each(|i| dense[*i] = false);
        }
        let in_concat = concat_in_place(graph, units, kernels.lanes());
        for (part, (whole, _)) in &in_concat {
            windowed[*whole] |= windowed[*part];
        }
        let unpadded = unpadded(graph, units, kernels.lanes());
        let mut planner = Self {
            graph,
            kernels,
            places: HashMap::new(),
            buffers: vec![],
            in_concat,
            dense,
            windowed,
            narrow,
            unpadded,
        };
        for (i, node) in graph.nodes.iter().enumerate() {
            if matches!(node.layer, Layer::Source) {
                planner.place(i, 0);
            }
        }
        planner
    }

    fn buffer(&mut self, map: Map, quant: Option<Quant>, step: usize) -> usize {
        let floats = if quant.is_some() { self.kernels.int8_memory(map.len) } else { map.len };
        self.buffers.push(Buffer { map, quant, first: step, last: step, range: 0..floats, clear: false });
        self.buffers.len() - 1
    }

    /// The place of a value that `step` computes.
    fn place(&mut self, node: usize, step: usize) -> Place {
        if let Some(place) = self.places.get(&node) {
            return *place;
        }
        let place = if let Some(&(whole, first)) = self.in_concat.get(&node) {
            let around = self.place(whole, step);
            Place { buffer: around.buffer, map: around.map.slice(first, self.graph.nodes[node].info.c) }
        } else if let Layer::Quantise(quant) = self.graph.nodes[node].layer {
            let info = &self.graph.nodes[node].info;
            let narrow = self.kernels.int8_narrow(info.c, info.h, info.w).filter(|_| self.narrow[node]);
            let map = narrow.unwrap_or_else(|| self.kernels.int8_map(info.c, info.h, info.w));
            Place { buffer: self.buffer(map, Some(quant), step), map }
        } else {
            let info = &self.graph.nodes[node].info;
            let source = matches!(self.graph.nodes[node].layer, Layer::Source);
            let lanes = self.kernels.lanes();
            // Kernels only broadcast from a narrow input, so it needs no padding.
            let narrow = source && info.c < lanes && self.dense[node];
            let pitch = if narrow || self.unpadded[node] { info.c } else { info.c.next_multiple_of(lanes) };
            let map = match (info.h, info.w, self.windowed[node]) {
                (1, 1, false) => Map::vector(info.c, pitch),
                (_, _, false) => Map::plain(info.c, info.h, info.w, pitch),
                _ => Map::bordered(info.c, info.h, info.w, pitch),
            };
            Place { buffer: self.buffer(map, None, step), map }
        };
        self.places.insert(node, place);
        place
    }

    /// The place of all values that a horizontally fused unit stores at `step`; no other unit reads them.
    fn place_fused(&mut self, unit: &Unit, step: usize) -> Place {
        let info = &self.graph.nodes[unit.output()].info;
        let c = unit.channels(self.graph);
        let map = Map::plain(c, info.h, info.w, c.next_multiple_of(self.kernels.lanes()));
        let buffer = self.buffer(map, None, step);
        let mut first = 0;
        for node in [unit.output()].iter().chain(&unit.also) {
            let c = self.graph.nodes[*node].info.c;
            self.places.insert(*node, Place { buffer, map: map.slice(first, c) });
            first += c;
        }
        Place { buffer, map }
    }

    /// A value that `step` reads.
    fn read(&mut self, node: usize, step: usize) -> Result<Place> {
        let place = self.places.get(&node).copied();
        let place = place.ok_or_else(|| Error::fatal("region", "a value is read before it is computed"))?;
        self.buffers[place.buffer].last = self.buffers[place.buffer].last.max(step);
        Ok(place)
    }

    /// Appends the steps of the next unit: one, or for a concatenation one for each input that has to be copied.
    ///
    /// # Errors
    /// Fatal: the unit reads a value that no unit before it stores, or the kernels reject its layer.
    pub fn add_steps(&mut self, unit: &Unit, steps: &mut Vec<Step>) -> Result<()> {
        let output = unit.output();
        if matches!(unit.layer, Layer::Concat) {
            return self.concat(unit, steps);
        }
        let at = steps.len();
        let from = self.read(unit.inputs[0], at)?;
        let added = match (&unit.layer, unit.other) {
            (Layer::Add, _) => Some((self.read(unit.inputs[1], at)?, Default::default())),
            (_, Some((node, join))) => Some((self.read(node, at)?, join)),
            _ => None,
        };
        let to = if unit.also.is_empty() { self.place(output, at) } else { self.place_fused(unit, at) };
        self.buffers[to.buffer].last = self.buffers[to.buffer].last.max(at);
        let other = added.map(|(place, join)| (place.map, join));
        let after = Epilogue { bias: vec![], activation: unit.activation.clone(), residual: other };
        let quant = self.buffers[to.buffer].quant;
        let packed = pack(self.kernels, &unit.layer, (from.map, to.map), after, quant.as_ref())?;
        let scratch = match packed.op.scratch_floats() {
            0 => None,
            floats => Some(self.buffer(Map::vector(floats, floats), None, at)),
        };
        let mut name = format!("{} {}->{}", packed.name, from.map.c, to.map.c);
        for word in [unit.activation.name(), if unit.other.is_some() { "+ residual" } else { "" }] {
            if !word.is_empty() {
                name = format!("{name} {word}");
            }
        }
        let other = added.map(|a| a.0.buffer);
        let (input, output) = (from.buffer, to.buffer);
        steps.push(Step { nodes: unit.nodes.clone(), name, op: packed.op, input, other, output, scratch });
        Ok(())
    }

    /// Copies the inputs of a concatenation that could not be computed in place.
    fn concat(&mut self, unit: &Unit, steps: &mut Vec<Step>) -> Result<()> {
        let output = unit.output();
        let whole = self.place(output, steps.len());
        let mut first = 0;
        for &input in &unit.inputs {
            let at = steps.len();
            let from = self.read(input, at)?;
            let channels = from.map.c;
            if self.in_concat.get(&input).is_none_or(|j| *j != (output, first)) {
                let part = whole.map.slice(first, channels);
                let copy = Replicate::pack(self.kernels, from.map, part, [1, 1], Epilogue::default())?;
                steps.push(Step {
                    nodes: unit.nodes.clone(),
                    name: format!("copy {channels}"),
                    op: Box::new(copy),
                    input: from.buffer,
                    other: None,
                    output: whole.buffer,
                    scratch: None,
                });
            }
            first += channels;
            let last = &mut self.buffers[whole.buffer].last;
            *last = (*last).max(at);
        }
        Ok(())
    }
}

/// By node: int8 values of few channels that are quantised from an input and that only convolutions read.
fn narrow(graph: &Graph, units: &[Unit], kernels: &Kernels) -> Vec<bool> {
    let mut narrow = vec![false; graph.nodes.len()];
    for unit in units.iter().filter(|u| matches!(u.layer, Layer::Quantise(_))) {
        let (value, info) = (unit.output(), &graph.nodes[unit.output()].info);
        let readers = |value: usize| units.iter().filter(move |u| u.reads(value));
        // The input is unpadded too if no other unit reads it.
        let from_input =
            matches!(graph.nodes[unit.inputs[0]].layer, Layer::Source) && readers(unit.inputs[0]).count() == 1;
        narrow[value] = from_input
            && kernels.int8_narrow(info.c, info.h, info.w).is_some()
            && readers(value).all(|u| matches!(u.layer, Layer::Conv8 { .. }));
    }
    narrow
}

/// By node: outputs of pointwise convolutions that no unit reads, with enough channels to fill the kernels' panels.
fn unpadded(graph: &Graph, units: &[Unit], lanes: usize) -> Vec<bool> {
    let mut unpadded = vec![false; graph.nodes.len()];
    for unit in units {
        let value = unit.output();
        let dense = match &unit.layer {
            Layer::Conv { window, depthwise: false, .. } => window.size == [1, 1] && unit.other.is_none(),
            Layer::Conv8 { window, into, .. } => window.size == [1, 1] && *into == Into8::Floats,
            _ => false,
        };
        let out = |o: &&usize| graph.root(**o) == value && graph.nodes[**o].info.order == DimOrder::Nhwc;
        let enough = graph.nodes[value].info.c >= 8 * lanes;
        unpadded[value] =
            dense && enough && !units.iter().any(|u| u.reads(value)) && graph.outputs.iter().find(out).is_some();
    }
    unpadded
}

/// Values that their producers can write directly into the one concatenation that reads them: the concatenation's node
/// and the first channel in it.
fn concat_in_place(graph: &Graph, units: &[Unit], lanes: usize) -> HashMap<usize, (usize, usize)> {
    let mut in_concat: HashMap<usize, (usize, usize)> = HashMap::new();
    for unit in units.iter().filter(|u| matches!(u.layer, Layer::Concat)) {
        let whole = unit.output();
        let mut first = 0usize;
        for &input in &unit.inputs {
            let c = graph.nodes[input].info.c;
            let producer = units.iter().find(|u| u.output() == input && !matches!(u.layer, Layer::Concat));
            // A kernel must not read the buffer that it writes.
            let apart = |u: &Unit| {
                let read = u.inputs.iter().copied().chain(u.other.map(|o| o.0));
                read.into_iter().all(|i| in_concat.get(&i).is_none_or(|j| j.0 != whole))
            };
            let reads_it = in_concat.iter().any(|(placed, j)| {
                let placed = units.iter().find(|u| u.output() == *placed);
                j.0 == whole && placed.is_some_and(|u| u.reads(input))
            });
            let once = unit.inputs.iter().filter(|i| **i == input).count() == 1;
            let aligned = once && c.is_multiple_of(lanes) && first.is_multiple_of(lanes);
            if aligned && producer.is_some_and(apart) && !reads_it && !in_concat.contains_key(&input) {
                in_concat.insert(input, (whole, first));
            }
            first += c;
        }
    }
    in_concat
}
