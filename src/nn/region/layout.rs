//! Where values lie: which share a piece of memory, and which are computed straight into a concatenation.

use std::collections::HashMap;

use super::arena::Buffer;
use super::fuse::Unit;
use super::graph::{Graph, Layer, Order};
use super::plan::{Step, Work};
use crate::error::{Error, Result};
use crate::kernels::{
    After, Conv, Conv8, Depthwise, Into8, Kernels, Map, Mix, Point, Pool, Quant, Replicate, Resize, Round, Sums,
    Winograd, Winograd8,
};

/// Where a node's value lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub buffer: usize,
    pub map: Map,
}

/// Decides where values lie while steps are made.
pub(super) struct Layout<'g> {
    graph: &'g Graph,
    kernels: &'static Kernels,
    pub places: HashMap<usize, Place>,
    pub buffers: Vec<Buffer>,
    /// Values that are computed straight into a concatenation: its unit's node and the first channel.
    joined: HashMap<usize, (usize, usize)>,
    /// Whether only dense layers read a value, so that its channels need no padding.
    dense: Vec<bool>,
    /// Whether some window of more than one pixel reads a value, so that it needs a border.
    windowed: Vec<bool>,
    /// Whether few channels of whole numbers are made of an input and read by convolutions alone, so that they need no gap
    /// between pixels.
    narrow: Vec<bool>,
    /// Whether a value goes nowhere but out, as it can be written, so that nothing is to lie between its pixels.
    bare: Vec<bool>,
}

impl<'g> Layout<'g> {
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
        let joined = joinable(graph, units, kernels.lanes());
        for (part, (whole, _)) in &joined {
            windowed[*whole] |= windowed[*part];
        }
        let bare = bare(graph, units, kernels.lanes());
        let mut layout =
            Self { graph, kernels, places: HashMap::new(), buffers: vec![], joined, dense, windowed, narrow, bare };
        for (i, node) in graph.nodes.iter().enumerate() {
            if matches!(node.layer, Layer::Source) {
                layout.place(i, 0);
            }
        }
        layout
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
        let place = if let Some(&(whole, first)) = self.joined.get(&node) {
            let around = self.place(whole, step);
            Place { buffer: around.buffer, map: around.map.slice(first, self.graph.nodes[node].form.c) }
        } else if let Layer::Quantise(quant) = self.graph.nodes[node].layer {
            let form = &self.graph.nodes[node].form;
            let narrow = self.kernels.int8_narrow(form.c, form.h, form.w).filter(|_| self.narrow[node]);
            let map = narrow.unwrap_or_else(|| self.kernels.int8_map(form.c, form.h, form.w));
            Place { buffer: self.buffer(map, Some(quant), step), map }
        } else {
            let form = &self.graph.nodes[node].form;
            let source = matches!(self.graph.nodes[node].layer, Layer::Source);
            let lanes = self.kernels.lanes();
            // A narrow input is only broadcast from, so it is kept as narrow as it comes.
            let narrow = source && form.c < lanes && self.dense[node];
            let pitch = if narrow || self.bare[node] { form.c } else { form.c.next_multiple_of(lanes) };
            let map = match (form.h, form.w, self.windowed[node]) {
                (1, 1, false) => Map::vector(form.c, pitch),
                (_, _, false) => Map::plain(form.c, form.h, form.w, pitch),
                _ => Map::bordered(form.c, form.h, form.w, pitch),
            };
            Place { buffer: self.buffer(map, None, step), map }
        };
        self.places.insert(node, place);
        place
    }

    /// The place of all values that a unit stores at `step`; nobody reads them.
    fn side_by_side(&mut self, unit: &Unit, step: usize) -> Place {
        let form = &self.graph.nodes[unit.output()].form;
        let c = unit.channels(self.graph);
        let map = Map::plain(c, form.h, form.w, c.next_multiple_of(self.kernels.lanes()));
        let buffer = self.buffer(map, None, step);
        let mut first = 0;
        for node in [unit.output()].iter().chain(&unit.also) {
            let c = self.graph.nodes[*node].form.c;
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

    pub fn steps(&mut self, unit: &Unit, steps: &mut Vec<Step>) -> Result<()> {
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
        let to = if unit.also.is_empty() { self.place(output, at) } else { self.side_by_side(unit, at) };
        self.buffers[to.buffer].last = self.buffers[to.buffer].last.max(at);
        let other = added.map(|(place, join)| (place.map, join));
        let after = After { bias: vec![], act: unit.act.clone(), other };
        let quant = self.buffers[to.buffer].quant;
        let (work, flops, kind) = self.work(&unit.layer, (from.map, to.map), after, quant.as_ref())?;
        let scratch = match &work {
            Work::Winograd(k) => Some(k.scratch()),
            Work::Winograd8(k) => Some(k.scratch()),
            _ => None,
        };
        let scratch = scratch.map(|floats| self.buffer(Map::vector(floats, floats), None, at));
        let mut what = format!("{kind} {}->{}", from.map.c, to.map.c);
        for word in [unit.act.name(), if unit.other.is_some() { "+ residual" } else { "" }] {
            if !word.is_empty() {
                what = format!("{what} {word}");
            }
        }
        let other = added.map(|a| a.0.buffer);
        let (input, output) = (from.buffer, to.buffer);
        steps.push(Step { nodes: unit.nodes.clone(), what, flops, work, input, other, output, scratch });
        Ok(())
    }

    /// Packs one layer, into whole numbers where `quant` says what they stand for: the kernel, its operations and its
    /// kind.
    fn work(
        &self,
        layer: &Layer,
        (from, to): (Map, Map),
        mut after: After,
        quant: Option<&Quant>,
    ) -> Result<(Work, u64, String)> {
        let kernels = self.kernels;
        Ok(match layer {
            Layer::Conv { window, depthwise, weights, bias } => {
                after.bias = bias.clone();
                let size = format!("{}x{}/{}", window.size[0], window.size[1], window.stride[0]);
                if let Some(quant) = quant {
                    let k = Conv::rounding(kernels, (from, to), *window, weights, after, quant)?;
                    let flops = k.flops();
                    (Work::Conv(k), flops, format!("rounding conv {size}"))
                } else if *depthwise {
                    let k = Depthwise::pack(kernels, from, to, *window, weights, after)?;
                    let flops = k.flops();
                    (Work::Depthwise(k), flops, format!("depthwise {size}"))
                } else if let Some(tile) =
                    (*window == Winograd::WINDOW).then(|| Winograd::tile(kernels.lanes(), &from, &to)).flatten()
                {
                    let k = Winograd::pack(kernels, tile, from, to, weights, after)?;
                    let flops = k.flops();
                    let outputs = tile.outputs();
                    (Work::Winograd(k), flops, format!("winograd {outputs}x{outputs} {size}"))
                } else {
                    let k = Conv::pack(kernels, from, to, *window, weights, after)?;
                    let flops = k.flops();
                    (Work::Conv(k), flops, format!("conv {size}"))
                }
            }
            Layer::Connected { weights, bias } => {
                after.bias = bias.clone();
                let k = Conv::fully_connected(kernels, from, to, weights, after)?;
                let flops = k.flops();
                (Work::Conv(k), flops, format!("connected {}x{}x", from.h, from.w))
            }
            Layer::Affine { scale, shift } => {
                let each = |v: &[f32]| if v.len() == 1 { vec![v[0]; to.c] } else { v.to_vec() };
                after.bias = each(shift);
                let k = Point::pack(kernels, from, to, &each(scale), after)?;
                let flops = k.flops();
                (Work::Point(k), flops, "point".into())
            }
            Layer::Add => {
                let k = Point::pack(kernels, from, to, &[], after)?;
                let flops = k.flops();
                (Work::Point(k), flops, "add".into())
            }
            Layer::Upsample(factor) => {
                let k = Replicate::pack(kernels, from, to, *factor, after)?;
                let flops = k.flops();
                (Work::Replicate(k), flops, format!("upsample {}x{}", factor[0], factor[1]))
            }
            Layer::Resize { rows, columns } => {
                let k = Resize::pack(kernels, from, to, rows.clone(), columns.clone())?;
                let flops = k.flops();
                (Work::Resize(k), flops, format!("interpolate to {}x{}", to.h, to.w))
            }
            Layer::Pool { window, pooling } => {
                let k = Pool::pack(kernels, from, to, *window, *pooling)?;
                let (flops, [h, w]) = (k.flops(), window.size);
                (Work::Pool(k), flops, format!("pool {h}x{w}/{}", window.stride[0]))
            }
            Layer::Quantise(_) | Layer::Conv8 { .. } | Layer::Mix { .. } => return self.work8(layer, from, to, after),
            Layer::Dequantise(_) | Layer::Source | Layer::View | Layer::Act(_) | Layer::Concat => {
                return Err(Error::fatal("region", "a layer that is no unit"));
            }
        })
    }

    /// As [`Layout::work`], for layers on whole numbers.
    fn work8(&self, layer: &Layer, from: Map, to: Map, after: After) -> Result<(Work, u64, String)> {
        let kernels = self.kernels;
        Ok(match layer {
            Layer::Quantise(quant) => (Work::Round(Round::pack(kernels, from, to, quant)?), 0, "round".into()),
            Layer::Conv8 { window, numbers, from: quant, into } => {
                let (weights, scale, bias) = (&numbers.weights[..], &numbers.scale[..], &numbers.bias[..]);
                let layer = Sums { from: *quant, weights, scale, bias };
                let size = format!("{}x{}/{}", window.size[0], window.size[1], window.stride[0]);
                if let Some(tile) = Winograd8::tile(kernels, *window, (&from, &to), weights) {
                    let k = Winograd8::pack(kernels, tile, (from, to), &layer, &after.act, into)?;
                    let (flops, outputs) = (k.flops(), tile.outputs());
                    (Work::Winograd8(k), flops, format!("int8 winograd {outputs}x{outputs} {size}"))
                } else {
                    let k = Conv8::pack(kernels, (from, to), *window, &layer, &after.act, into)?;
                    let flops = k.flops();
                    (Work::Conv8(k), flops, format!("int8 conv {size}"))
                }
            }
            Layer::Mix { repeat, from: quant, other, into } => {
                let second = after.other.map(|o| o.0).zip(*other);
                let k = Mix::pack(kernels, (from, *quant), second, *repeat, to, &after.act, into)?;
                let flops = k.flops();
                let kind = if into == &Into8::Floats { "dequantise" } else { "int8 mix" };
                (Work::Mix(k), flops, kind.into())
            }
            _ => return Err(Error::fatal("region", "a layer that is not on whole numbers")),
        })
    }

    /// Copies what could not be computed in place.
    fn concat(&mut self, unit: &Unit, steps: &mut Vec<Step>) -> Result<()> {
        let output = unit.output();
        let whole = self.place(output, steps.len());
        let mut first = 0;
        for &input in &unit.inputs {
            let at = steps.len();
            let from = self.read(input, at)?;
            let channels = from.map.c;
            if self.joined.get(&input).is_none_or(|j| *j != (output, first)) {
                let work = Replicate::pack(
                    self.kernels,
                    from.map,
                    whole.map.slice(first, channels),
                    [1, 1],
                    After::default(),
                )?;
                steps.push(Step {
                    nodes: unit.nodes.clone(),
                    what: format!("copy {channels}"),
                    flops: 0,
                    work: Work::Replicate(work),
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

/// Whole numbers of few channels that are made of an input and read by convolutions alone.
fn narrow(graph: &Graph, units: &[Unit], kernels: &Kernels) -> Vec<bool> {
    let mut narrow = vec![false; graph.nodes.len()];
    for unit in units.iter().filter(|u| matches!(u.layer, Layer::Quantise(_))) {
        let (value, form) = (unit.output(), &graph.nodes[unit.output()].form);
        let readers = |value: usize| units.iter().filter(move |u| u.reads(value));
        // An input that nobody else reads has no gaps either.
        let given = matches!(graph.nodes[unit.inputs[0]].layer, Layer::Source) && readers(unit.inputs[0]).count() == 1;
        narrow[value] = given
            && kernels.int8_narrow(form.c, form.h, form.w).is_some()
            && readers(value).all(|u| matches!(u.layer, Layer::Conv8 { .. }));
    }
    narrow
}

/// Values that dense layers of single pixels compute, and nobody reads, of enough channels for all of their panels.
fn bare(graph: &Graph, units: &[Unit], lanes: usize) -> Vec<bool> {
    let mut bare = vec![false; graph.nodes.len()];
    for unit in units {
        let value = unit.output();
        let dense = match &unit.layer {
            Layer::Conv { window, depthwise: false, .. } => window.size == [1, 1] && unit.other.is_none(),
            Layer::Conv8 { window, into, .. } => window.size == [1, 1] && *into == Into8::Floats,
            _ => false,
        };
        let out = |o: &&usize| graph.root(**o) == value && graph.nodes[**o].form.order == Order::Pixels;
        let enough = graph.nodes[value].form.c >= 8 * lanes;
        bare[value] =
            dense && enough && !units.iter().any(|u| u.reads(value)) && graph.outputs.iter().find(out).is_some();
    }
    bare
}

/// Values that their producers can write straight into the one concatenation that they go to.
fn joinable(graph: &Graph, units: &[Unit], lanes: usize) -> HashMap<usize, (usize, usize)> {
    let mut joined: HashMap<usize, (usize, usize)> = HashMap::new();
    for unit in units.iter().filter(|u| matches!(u.layer, Layer::Concat)) {
        let whole = unit.output();
        let mut first = 0usize;
        for &input in &unit.inputs {
            let c = graph.nodes[input].form.c;
            let producer = units.iter().find(|u| u.output() == input && !matches!(u.layer, Layer::Concat));
            // A kernel reads and writes different buffers.
            let apart = |u: &Unit| {
                let read = u.inputs.iter().copied().chain(u.other.map(|o| o.0));
                read.into_iter().all(|i| joined.get(&i).is_none_or(|j| j.0 != whole))
            };
            let reads_it = joined.iter().any(|(placed, j)| {
                let placed = units.iter().find(|u| u.output() == *placed);
                j.0 == whole && placed.is_some_and(|u| u.reads(input))
            });
            let once = unit.inputs.iter().filter(|i| **i == input).count() == 1;
            let aligned = once && c.is_multiple_of(lanes) && first.is_multiple_of(lanes);
            if aligned && producer.is_some_and(apart) && !reads_it && !joined.contains_key(&input) {
                joined.insert(input, (whole, first));
            }
            first += c;
        }
    }
    joined
}
