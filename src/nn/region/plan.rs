//! Units to steps: packed kernels, and one arena in which values that do not live together share memory.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::fuse::{Unit, fuse};
use super::graph::{Graph, Layer, Order};
use crate::error::{Error, Result};
use crate::kernels::{After, Conv, Depthwise, Kernels, Map, Point, Pool, Replicate, Winograd};

/// The arithmetic of a step.
#[derive(Debug)]
enum Work {
    Conv(Conv),
    Winograd(Winograd),
    Depthwise(Depthwise),
    Pool(Pool),
    Point(Point),
    Replicate(Replicate),
}

/// One kernel call.
#[derive(Debug)]
pub(super) struct Step {
    /// The graph's nodes that it computes; none for a copy into a concatenation.
    pub nodes: Vec<usize>,
    /// What it is, for listings: `3x3/2 1->16 relu`.
    pub what: String,
    pub flops: u64,
    work: Work,
    input: usize,
    other: Option<usize>,
    output: usize,
    scratch: Option<usize>,
}

/// A piece of the arena, live from one step to another.
#[derive(Clone, Debug)]
struct Buffer {
    map: Map,
    first: usize,
    last: usize,
    range: Range<usize>,
    /// Whether other maps leave their values on this one's border.
    clear: bool,
}

/// Where a node's value lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    buffer: usize,
    map: Map,
}

/// A region ready to run. It holds no memory for values, so runs can share it.
#[derive(Debug)]
pub(super) struct Plan {
    pub kernels: &'static Kernels,
    pub batch: usize,
    pub steps: Vec<Step>,
    buffers: Vec<Buffer>,
    inputs: Vec<Place>,
    outputs: Vec<(Place, Order)>,
    /// Shapes of the outputs.
    pub shapes: Vec<Vec<usize>>,
    /// Floats of arena that a run needs.
    pub arena: usize,
}

/// Memory is handed out in cache lines.
const LINE: usize = 16;

impl Plan {
    /// Packs the graph for one table of kernels.
    pub fn new(graph: &Graph, kernels: &'static Kernels) -> Result<Self> {
        let units = fuse(graph);
        let mut layout = Layout::new(graph, kernels, &units);
        let mut steps = vec![];
        for unit in &units {
            layout.steps(unit, &mut steps)?;
        }
        let place = |n: &usize| {
            let known = layout.places.get(&graph.root(*n)).copied();
            known.ok_or_else(|| Error::fatal("region", "a value has no place in memory"))
        };
        let outputs = graph.outputs.iter().map(|o| Ok((place(o)?, graph.nodes[*o].form.order)));
        let outputs: Vec<_> = outputs.collect::<Result<_>>()?;
        let sources = (0..graph.nodes.len()).filter(|i| matches!(graph.nodes[*i].layer, Layer::Source));
        let inputs = sources.map(|i| place(&i)).collect::<Result<_>>()?;
        let mut buffers = layout.buffers;
        for (place, _) in &outputs {
            buffers[place.buffer].last = usize::MAX;
        }
        let arena = arrange(&mut buffers);
        let shapes = graph.outputs.iter().map(|o| graph.nodes[*o].form.shape.clone()).collect();
        Ok(Self { kernels, batch: graph.batch, steps, buffers, inputs, outputs, shapes, arena })
    }

    /// Multiplications and additions of a run.
    pub fn flops(&self) -> u64 {
        self.steps.iter().map(|s| s.flops).sum::<u64>() * self.batch as u64
    }

    /// Computes `outputs` from `inputs`, all row-major; allocates nothing. The arena is [`Plan::arena`] long, and
    /// was zero before its first run. `times`, if given, has a duration per step that falls to its time, if that is less.
    pub fn run(
        &self,
        arena: &mut [f32],
        inputs: &[&[f32]],
        outputs: &mut [&mut [f32]],
        mut times: Option<&mut [Duration]>,
    ) -> Result<()> {
        if arena.len() < self.arena || inputs.len() != self.inputs.len() || outputs.len() != self.outputs.len() {
            return Err(Error::fatal("region", "the wrong number of inputs, outputs or bytes of memory"));
        }
        for image in 0..self.batch {
            for (place, data) in self.inputs.iter().zip(inputs) {
                let size = place.map.values();
                let data = data.get(image * size..(image + 1) * size).ok_or_else(short)?;
                let buffer = &self.buffers[place.buffer];
                let memory = &mut arena[buffer.range.clone()];
                if buffer.clear {
                    buffer.map.clear_border(memory);
                }
                place.map.read_planes(data, memory);
            }
            for (i, step) in self.steps.iter().enumerate() {
                let start = times.is_some().then(Instant::now);
                self.step(i, step, arena)?;
                if let (Some(times), Some(start)) = (&mut times, start) {
                    times[i] = times[i].min(start.elapsed());
                }
            }
            for ((place, order), data) in self.outputs.iter().zip(&mut *outputs) {
                let size = place.map.values();
                let data = data.get_mut(image * size..(image + 1) * size).ok_or_else(short)?;
                let memory = &arena[self.buffers[place.buffer].range.clone()];
                match order {
                    Order::Planes => place.map.write_planes(memory, data),
                    Order::Pixels => place.map.write_pixels(memory, data),
                }
            }
        }
        Ok(())
    }

    fn step(&self, index: usize, step: &Step, arena: &mut [f32]) -> Result<()> {
        let range = |b: usize| self.buffers[b].range.clone();
        let target = &self.buffers[step.output];
        if target.clear && target.first == index {
            target.map.clear_border(&mut arena[target.range.clone()]);
        }
        // A residual that is the input itself is lent only once.
        let apart = step.other.filter(|o| *o != step.input);
        let nothing = 0..0;
        let ranges = [
            range(step.input),
            apart.map_or(nothing.clone(), range),
            range(step.output),
            step.scratch.map_or(nothing, range),
        ];
        let Ok([input, other, output, scratch]) = arena.get_disjoint_mut(ranges) else {
            return Err(Error::fatal("region", format!("step {index} reads and writes the same memory")));
        };
        let other: Option<&[f32]> = step.other.map(|_| if apart.is_some() { &*other } else { &*input });
        match &step.work {
            Work::Conv(k) => k.run(input, other, output),
            Work::Winograd(k) => k.run(input, other, output, scratch),
            Work::Depthwise(k) => k.run(input, other, output),
            Work::Pool(k) => k.run(input, output),
            Work::Point(k) => k.run(input, other, output),
            Work::Replicate(k) => k.run(input, output),
        }
        Ok(())
    }
}

fn short() -> Error {
    Error::fatal("region", "an input or output is shorter than its shape")
}

/// Decides where values lie while steps are made.
struct Layout<'g> {
    graph: &'g Graph,
    kernels: &'static Kernels,
    places: HashMap<usize, Place>,
    buffers: Vec<Buffer>,
    /// Values that are computed straight into a concatenation: its unit's node and the first channel.
    joined: HashMap<usize, (usize, usize)>,
    /// Whether only dense layers read a value, so that its channels need no padding.
    dense: Vec<bool>,
    /// Whether some window of more than one pixel reads a value, so that it needs a border.
    windowed: Vec<bool>,
}

impl<'g> Layout<'g> {
    fn new(graph: &'g Graph, kernels: &'static Kernels, units: &[Unit]) -> Self {
        let mut dense = vec![true; graph.nodes.len()];
        let mut windowed = vec![false; graph.nodes.len()];
        for unit in units {
            if matches!(unit.layer, Layer::Conv { window, .. } if window.size != [1, 1] || window.before != [0, 0]) {
                windowed[unit.inputs[0]] = true;
            }
            let sum = matches!(unit.layer, Layer::Conv { depthwise: false, .. } | Layer::Connected { .. });
            unit.inputs.iter().filter(|_| !sum).chain(unit.other.iter().map(|o| &o.0)).for_each(|i| dense[*i] = false);
        }
        let joined = joinable(graph, units, kernels.lanes());
        let mut layout = Self { graph, kernels, places: HashMap::new(), buffers: vec![], joined, dense, windowed };
        for (i, node) in graph.nodes.iter().enumerate() {
            if matches!(node.layer, Layer::Source) {
                layout.place(i, 0);
            }
        }
        layout
    }

    fn buffer(&mut self, map: Map, step: usize) -> usize {
        self.buffers.push(Buffer { map, first: step, last: step, range: 0..map.len, clear: false });
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
        } else {
            let form = &self.graph.nodes[node].form;
            let source = matches!(self.graph.nodes[node].layer, Layer::Source);
            let lanes = self.kernels.lanes();
            // A narrow input is only broadcast from, so it is kept as narrow as it comes.
            let narrow = source && form.c < lanes && self.dense[node];
            let pitch = if narrow { form.c } else { form.c.next_multiple_of(lanes) };
            let map = match (form.h, form.w, self.windowed[node]) {
                (1, 1, false) => Map::vector(form.c, pitch),
                _ => Map::bordered(form.c, form.h, form.w, pitch),
            };
            Place { buffer: self.buffer(map, step), map }
        };
        self.places.insert(node, place);
        place
    }

    /// A value that `step` reads.
    fn read(&mut self, node: usize, step: usize) -> Result<Place> {
        let place = self.places.get(&node).copied();
        let place = place.ok_or_else(|| Error::fatal("region", "a value is read before it is computed"))?;
        self.buffers[place.buffer].last = self.buffers[place.buffer].last.max(step);
        Ok(place)
    }

    fn steps(&mut self, unit: &Unit, steps: &mut Vec<Step>) -> Result<()> {
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
        let to = self.place(output, at);
        self.buffers[to.buffer].last = self.buffers[to.buffer].last.max(at);
        let other = added.map(|(place, join)| (place.map, join));
        let after = After { bias: vec![], act: unit.act.clone(), other };
        let (work, flops, kind) = self.work(&unit.layer, from.map, to.map, after)?;
        let scratch = match &work {
            Work::Winograd(k) => Some(self.buffer(Map::vector(k.scratch(), k.scratch()), at)),
            _ => None,
        };
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

    /// Packs one layer: the kernel, its operations and its kind.
    fn work(&self, layer: &Layer, from: Map, to: Map, mut after: After) -> Result<(Work, u64, String)> {
        let kernels = self.kernels;
        Ok(match layer {
            Layer::Conv { window, depthwise, weights, bias } => {
                after.bias = bias.clone();
                let size = format!("{}x{}/{}", window.size[0], window.size[1], window.stride[0]);
                if *depthwise {
                    let k = Depthwise::pack(kernels, from, to, *window, weights, after)?;
                    let flops = k.flops();
                    (Work::Depthwise(k), flops, format!("depthwise {size}"))
                } else if *window == Winograd::WINDOW && Winograd::wins(kernels.lanes(), &from, &to) {
                    let k = Winograd::pack(kernels, from, to, weights, after)?;
                    let flops = k.flops();
                    (Work::Winograd(k), flops, format!("winograd {size}"))
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
                let k = Replicate::pack(kernels, from, to, *factor)?;
                (Work::Replicate(k), 0, format!("upsample {}x{}", factor[0], factor[1]))
            }
            Layer::Pool { window, pooling } => {
                let k = Pool::pack(kernels, from, to, *window, *pooling)?;
                let (flops, [h, w]) = (k.flops(), window.size);
                (Work::Pool(k), flops, format!("pool {h}x{w}/{}", window.stride[0]))
            }
            Layer::Source | Layer::View | Layer::Act(_) | Layer::Concat => {
                return Err(Error::fatal("region", "a layer that is no unit"));
            }
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
                let work = Replicate::pack(self.kernels, from.map, whole.map.slice(first, channels), [1, 1])?;
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
                let reads = |u: &Unit| u.inputs.contains(&input) || u.other.is_some_and(|o| o.0 == input);
                j.0 == whole && placed.is_some_and(reads)
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

/// Gives every buffer its range, the largest first, each at the lowest address that is free while it lives.
fn arrange(buffers: &mut [Buffer]) -> usize {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|b| std::cmp::Reverse(buffers[*b].map.len));
    let mut end = 0;
    for (done, &b) in order.iter().enumerate() {
        let mut taken: Vec<Range<usize>> = order[..done]
            .iter()
            .map(|o| &buffers[*o])
            .filter(|o| o.first <= buffers[b].last && buffers[b].first <= o.last)
            .map(|o| o.range.clone())
            .collect();
        taken.sort_by_key(|r| r.start);
        let (mut start, size) = (0, buffers[b].map.len);
        for range in taken {
            if start + size <= range.start {
                break;
            }
            start = start.max(range.end.next_multiple_of(LINE));
        }
        buffers[b].range = start..start + size;
        end = end.max(start + size);
    }
    for b in 0..buffers.len() {
        let (this, others) = (&buffers[b], &buffers);
        let shared = others.iter().enumerate().any(|(o, other)| {
            let overlaps = other.range.start < this.range.end && this.range.start < other.range.end;
            o != b && overlaps && (&other.range, &other.map) != (&this.range, &this.map)
        });
        buffers[b].clear = shared && buffers[b].map.border > 0;
    }
    end
}
