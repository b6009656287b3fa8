//! Units to steps: packed kernels, and one arena in which values that do not live together share memory.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::arena::{Buffer, arrange};
use super::fuse::fuse;
use super::graph::{Graph, Layer, Order};
use super::int8::lower;
use super::layout::{Layout, Place};
use super::siblings;
use crate::error::{Error, Result};
use crate::kernels::{
    Conv, Conv8, Depthwise, Kernels, Mix, Point, Pool, Replicate, Resize, Round, Winograd, Winograd8,
};

/// The arithmetic of a step.
#[derive(Debug)]
pub(super) enum Work {
    Conv(Conv),
    Winograd(Winograd),
    Conv8(Conv8),
    Winograd8(Winograd8),
    Mix(Mix),
    Round(Round),
    Depthwise(Depthwise),
    Pool(Pool),
    Point(Point),
    Replicate(Replicate),
    Resize(Resize),
}

/// One kernel call.
#[derive(Debug)]
pub(super) struct Step {
    /// The graph's nodes that it computes; a copy names the concatenation that it is for.
    pub nodes: Vec<usize>,
    /// What it is, for listings: `3x3/2 1->16 relu`.
    pub what: String,
    pub flops: u64,
    pub work: Work,
    pub input: usize,
    pub other: Option<usize>,
    pub output: usize,
    pub scratch: Option<usize>,
}

/// A region ready to run. It holds no memory for values, so runs can share it.
#[derive(Debug)]
pub(super) struct Plan {
    pub kernels: &'static Kernels,
    pub batch: usize,
    pub steps: Vec<Step>,
    buffers: Vec<Buffer>,
    inputs: Vec<Place>,
    /// For each buffer, the input that is read where it is instead.
    lent: Vec<Option<usize>>,
    outputs: Vec<(Place, Order)>,
    /// Shapes of the outputs.
    pub shapes: Vec<Vec<usize>>,
    /// Floats of arena that a run needs.
    pub arena: usize,
}

impl Plan {
    /// Packs the graph for one table of kernels.
    pub fn new(graph: &Graph, kernels: &'static Kernels) -> Result<Self> {
        let units = siblings::join(graph, lower(graph, fuse(graph), kernels), kernels.lanes());
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
        let inputs: Vec<Place> = sources.map(|i| place(&i)).collect::<Result<_>>()?;
        let mut buffers = layout.buffers;
        // What lies as it is given, and goes nowhere but into steps, need not be copied.
        let mut lent = vec![None; buffers.len()];
        for (i, place) in inputs.iter().enumerate() {
            let read = |s: &Step| s.other != Some(place.buffer) && s.output != place.buffer;
            let out = outputs.iter().any(|(o, _)| o.buffer == place.buffer);
            if place.map.packed() && place.map.c == 1 && steps.iter().all(read) && !out {
                (lent[place.buffer], buffers[place.buffer].range) = (Some(i), 0..0);
            }
        }
        for (place, _) in &outputs {
            buffers[place.buffer].last = usize::MAX;
        }
        let arena = arrange(&mut buffers, kernels);
        let shapes = graph.outputs.iter().map(|o| graph.nodes[*o].form.shape.clone()).collect();
        Ok(Self { kernels, batch: graph.batch, steps, buffers, inputs, lent, outputs, shapes, arena })
    }

    /// Multiplications and additions of a run.
    pub fn flops(&self) -> u64 {
        self.steps.iter().map(|s| s.flops).sum::<u64>() * self.batch as u64
    }

    /// Where in the arena an output lies, row-major, after a run; nothing where it has to be written out.
    pub fn lies(&self, output: usize) -> Option<Range<usize>> {
        let (place, order) = self.outputs.get(output)?;
        let start = self.buffers[place.buffer].range.start + place.map.origin;
        let as_it_is = self.batch == 1 && *order == Order::Pixels && place.map.packed();
        as_it_is.then_some(start..start + place.map.values())
    }

    /// Computes `outputs` from `inputs`, all row-major; allocates nothing. No output is written to an empty slice. The
    /// arena is [`Plan::arena`] long, and was zero before its first run. `times`, if given, has a duration per step that falls to its time, if that is less.
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
                let data = part(place, data, image)?;
                if self.lent[place.buffer].is_some() {
                    continue;
                }
                let buffer = &self.buffers[place.buffer];
                let memory = &mut arena[buffer.range.clone()];
                if buffer.clear {
                    buffer.clear_border(self.kernels, memory);
                }
                place.map.read_planes(data, memory);
            }
            for (i, step) in self.steps.iter().enumerate() {
                let start = times.is_some().then(Instant::now);
                let lent = match self.lent[step.input] {
                    Some(input) => Some(part(&self.inputs[input], inputs[input], image)?),
                    None => None,
                };
                self.step(i, step, lent, arena)?;
                if let (Some(times), Some(start)) = (&mut times, start) {
                    times[i] = times[i].min(start.elapsed());
                }
            }
            for ((place, order), data) in self.outputs.iter().zip(&mut *outputs) {
                if data.is_empty() {
                    continue;
                }
                let size = place.map.values();
                let data = data.get_mut(image * size..(image + 1) * size).ok_or_else(short)?;
                let memory = &arena[self.buffers[place.buffer].range.clone()];
                match order {
                    Order::Planes => self.kernels.write_planes(&place.map, memory, data),
                    Order::Pixels => place.map.write_pixels(memory, data),
                }
            }
        }
        Ok(())
    }

    /// One step, whose input lies in the arena unless it is `lent`.
    fn step(&self, index: usize, step: &Step, lent: Option<&[f32]>, arena: &mut [f32]) -> Result<()> {
        let range = |b: usize| self.buffers[b].range.clone();
        let target = &self.buffers[step.output];
        if target.clear && target.first == index {
            target.clear_border(self.kernels, &mut arena[target.range.clone()]);
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
        let input = lent.unwrap_or(input);
        match &step.work {
            Work::Conv(k) => k.run(input, other, output),
            Work::Winograd(k) => k.run(input, other, output, scratch),
            Work::Conv8(k) => k.run(input, output),
            Work::Winograd8(k) => k.run(input, output, scratch),
            Work::Mix(k) => k.run(input, other, output),
            Work::Round(k) => k.run(input, output),
            Work::Depthwise(k) => k.run(input, other, output),
            Work::Pool(k) => k.run(input, output),
            Work::Point(k) => k.run(input, other, output),
            Work::Replicate(k) => k.run(input, other, output),
            Work::Resize(k) => k.run(input, output),
        }
        Ok(())
    }
}

/// What an input has for one image.
fn part<'i>(place: &Place, input: &'i [f32], image: usize) -> Result<&'i [f32]> {
    let size = place.map.values();
    input.get(image * size..(image + 1) * size).ok_or_else(short)
}

fn short() -> Error {
    Error::fatal("region", "an input or output is shorter than its shape")
}
