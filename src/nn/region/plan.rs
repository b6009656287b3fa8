//! A region ready to run: packed kernels, and one arena in which values that are not live together share memory.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::arena::{Buffer, arrange};
use super::fuse::fuse;
use super::graph::{DimOrder, Graph, Layer};
use super::horizontal::fuse_horizontally;
use super::int8::lower;
use super::layer_op::Operands;
use super::planner::{Place, Planner};
use super::step::Step;
use crate::error::{Error, Result};
use crate::kernels::Kernels;

/// Steps in order. It holds no memory for values, so several networks can share it.
#[derive(Debug)]
pub(super) struct Plan {
    pub kernels: &'static Kernels,
    /// Images per run.
    pub batch: usize,
    pub steps: Vec<Step>,
    buffers: Vec<Buffer>,
    inputs: Vec<Place>,
    /// By buffer: the input that steps read in place, without a copy into the arena.
    aliased: Vec<Option<usize>>,
    outputs: Vec<(Place, DimOrder)>,
    /// Shapes of the outputs.
    pub shapes: Vec<Vec<usize>>,
    /// Floats of arena that a run needs.
    pub arena_floats: usize,
}

impl Plan {
    /// Packs the graph for one table of kernels.
    ///
    /// # Errors
    /// Fatal: the kernels reject a layer; [`super::read`] never takes such a layer.
    pub fn new(graph: &Graph, kernels: &'static Kernels) -> Result<Self> {
        let units = lower(graph, fuse(graph), kernels);
        let units = fuse_horizontally(graph, units, kernels.lanes());
        let mut planner = Planner::new(graph, kernels, &units);
        let mut steps = vec![];
        for unit in &units {
            planner.add_steps(unit, &mut steps)?;
        }
        let place = |n: &usize| {
            let known = planner.places.get(&graph.root(*n)).copied();
            known.ok_or_else(|| Error::fatal("region", "a value has no place in memory"))
        };
        let outputs = graph.outputs.iter().map(|o| Ok((place(o)?, graph.nodes[*o].info.order)));
        let outputs: Vec<_> = outputs.collect::<Result<_>>()?;
        let sources = (0..graph.nodes.len()).filter(|i| matches!(graph.nodes[*i].layer, Layer::Source));
        let inputs: Vec<Place> = sources.map(|i| place(&i)).collect::<Result<_>>()?;
        let mut buffers = planner.buffers;
        // Steps can read an input in place if it is stored as they expect it and nothing writes its buffer.
        let mut aliased = vec![None; buffers.len()];
        for (i, place) in inputs.iter().enumerate() {
            let read = |s: &Step| s.other != Some(place.buffer) && s.output != place.buffer;
            let out = outputs.iter().any(|(o, _)| o.buffer == place.buffer);
            if place.map.packed() && place.map.c == 1 && steps.iter().all(read) && !out {
                aliased[place.buffer] = Some(i);
                buffers[place.buffer].range = 0..0;
            }
        }
        for (place, _) in &outputs {
            buffers[place.buffer].last = usize::MAX;
        }
        let arena_floats = arrange(&mut buffers, kernels);
        let shapes = graph.outputs.iter().map(|o| graph.nodes[*o].info.shape.clone()).collect();
        Ok(Self { kernels, batch: graph.batch, steps, buffers, inputs, aliased, outputs, shapes, arena_floats })
    }

    /// Multiplications and additions of a run.
    pub fn flops(&self) -> u64 {
        self.steps.iter().map(|s| s.op.flops()).sum::<u64>() * self.batch as u64
    }

    /// Where in the arena an output is, row-major, after a run; `None` if it has to be written out.
    pub fn output_range(&self, output: usize) -> Option<Range<usize>> {
        let (place, order) = self.outputs.get(output)?;
        let start = self.buffers[place.buffer].range.start + place.map.origin;
        let row_major = self.batch == 1 && *order == DimOrder::Nhwc && place.map.packed();
        row_major.then_some(start..start + place.map.values())
    }

    /// Computes `outputs` from `inputs`, all row-major. Allocates nothing.
    ///
    /// An empty output slice is not written. `arena` has [`Plan::arena_floats`] and was zero before its first run.
    /// `times`, if given, has one entry per step, which is lowered to the step's duration if that is less.
    ///
    /// # Errors
    /// Fatal: a slice is missing or too short.
    pub fn run(
        &self,
        arena: &mut [f32],
        inputs: &[&[f32]],
        outputs: &mut [&mut [f32]],
        mut times: Option<&mut [Duration]>,
    ) -> Result<()> {
        if arena.len() < self.arena_floats || inputs.len() != self.inputs.len() || outputs.len() != self.outputs.len() {
            return Err(Error::fatal("region", "the wrong number of inputs, outputs or bytes of memory"));
        }
        for image in 0..self.batch {
            self.read_inputs(image, inputs, arena)?;
            for (i, step) in self.steps.iter().enumerate() {
                let start = times.is_some().then(Instant::now);
                let aliased = match self.aliased[step.input] {
                    Some(input) => Some(part(&self.inputs[input], inputs[input], image)?),
                    None => None,
                };
                self.step(i, step, aliased, arena)?;
                if let (Some(times), Some(start)) = (&mut times, start) {
                    times[i] = times[i].min(start.elapsed());
                }
            }
            self.write_outputs(image, outputs, arena)?;
        }
        Ok(())
    }

    /// Copies the inputs of one image into the arena, unless steps read them in place.
    fn read_inputs(&self, image: usize, inputs: &[&[f32]], arena: &mut [f32]) -> Result<()> {
        for (place, data) in self.inputs.iter().zip(inputs) {
            let data = part(place, data, image)?;
            if self.aliased[place.buffer].is_some() {
                continue;
            }
            let buffer = &self.buffers[place.buffer];
            let memory = &mut arena[buffer.range.clone()];
            if buffer.clear {
                buffer.clear_border(self.kernels, memory);
            }
            place.map.read_planes(data, memory);
        }
        Ok(())
    }

    /// Writes the outputs of one image.
    fn write_outputs(&self, image: usize, outputs: &mut [&mut [f32]], arena: &[f32]) -> Result<()> {
        for ((place, order), data) in self.outputs.iter().zip(&mut *outputs) {
            if data.is_empty() {
                continue;
            }
            let size = place.map.values();
            let data = data.get_mut(image * size..(image + 1) * size).ok_or_else(short)?;
            let memory = &arena[self.buffers[place.buffer].range.clone()];
            match order {
                DimOrder::Nchw => self.kernels.nhwc_to_nchw(&place.map, memory, data),
                DimOrder::Nhwc => place.map.write_pixels(memory, data),
            }
        }
        Ok(())
    }

    /// Runs one step. Its input is in the arena, or is the network's own input if it is `aliased`.
    fn step(&self, index: usize, step: &Step, aliased: Option<&[f32]>, arena: &mut [f32]) -> Result<()> {
        let range = |b: usize| self.buffers[b].range.clone();
        let target = &self.buffers[step.output];
        if target.clear && target.first == index {
            target.clear_border(self.kernels, &mut arena[target.range.clone()]);
        }
        // If the residual is the input itself, both are the same slice.
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
        step.op.run(Operands { input: aliased.unwrap_or(input), other, output, scratch });
        Ok(())
    }
}

/// The values of an input for one image.
fn part<'i>(place: &Place, input: &'i [f32], image: usize) -> Result<&'i [f32]> {
    let size = place.map.values();
    input.get(image * size..(image + 1) * size).ok_or_else(short)
}

fn short() -> Error {
    Error::fatal("region", "an input or output is shorter than its shape")
}
