//! A network that runs on our kernels as a whole, without tract.

use std::sync::Arc;

use super::plan::Plan;
use crate::error::{Error, Result};
use crate::kernels::Lines;
use crate::nn::network::{Network, check_inputs};

/// Most outputs of a network; their slices are on the stack.
pub(super) const MAX_OUTPUTS: usize = 16;

/// Most inputs of a network.
pub(super) const MAX_INPUTS: usize = 4;

/// A whole network on our kernels. A run allocates nothing.
#[derive(Debug)]
pub struct Executor {
    plan: Arc<Plan>,
    inputs: Vec<(String, [usize; 4])>,
    /// By input of the region: the index of the network's input.
    feeds: Vec<usize>,
    names: Vec<(String, Vec<usize>)>,
    arena: Lines<f32>,
    /// By output of the region; empty if the output is read directly from the arena.
    values: Vec<Vec<f32>>,
    /// By output of the network: the index of the region's output.
    order: Vec<usize>,
}

impl Executor {
    /// `inputs` are the network's inputs and `feeds` those that the region reads, at most [`MAX_INPUTS`]. `outputs` are
    /// the network's outputs: the name and the index of the region's output.
    pub(super) fn new(
        plan: Arc<Plan>,
        inputs: Vec<(String, [usize; 4])>,
        feeds: Vec<usize>,
        outputs: Vec<(String, usize)>,
    ) -> Self {
        let arena = Lines::new(plan.arena_floats);
        let values = |(i, shape): (usize, &Vec<usize>)| match plan.output_range(i) {
            Some(_) => vec![],
            None => vec![0.0; shape.iter().product()],
        };
        let values = plan.shapes.iter().enumerate().map(values).collect();
        let order = outputs.iter().map(|o| o.1).collect();
        let names = outputs.into_iter().map(|(name, i)| (name, plan.shapes[i].clone())).collect();
        Self { plan, inputs, feeds, names, arena, values, order }
    }

    /// The name of the instruction set of its kernels.
    pub fn kernels(&self) -> &'static str {
        self.plan.kernels.name()
    }

    /// Multiplications and additions of a run, as the layers are defined.
    pub fn flops(&self) -> u64 {
        self.plan.flops()
    }

    /// Bytes of the memory that all intermediate values share.
    pub fn arena_bytes(&self) -> usize {
        self.arena.len() * size_of::<f32>()
    }
}

impl Network for Executor {
    fn inputs(&self) -> &[(String, [usize; 4])] {
        &self.inputs
    }

    fn outputs(&self) -> &[(String, Vec<usize>)] {
        &self.names
    }

    fn run(&mut self, inputs: &[&[f32]]) -> Result<()> {
        check_inputs("network", &self.inputs, inputs)?;
        let mut read: [&[f32]; MAX_INPUTS] = [&[]; MAX_INPUTS];
        for (slot, feed) in read.iter_mut().zip(&self.feeds) {
            *slot = inputs[*feed];
        }
        let read = &read[..self.feeds.len().min(MAX_INPUTS)];
        let mut slices: [&mut [f32]; MAX_OUTPUTS] = std::array::from_fn(|_| Default::default());
        let count = self.values.len();
        for (slice, values) in slices.iter_mut().zip(&mut self.values) {
            *slice = values;
        }
        let outputs =
            slices.get_mut(..count).ok_or_else(|| Error::fix("network", format!("more than {MAX_OUTPUTS} outputs")))?;
        self.plan.run(&mut self.arena, read, outputs, None)
    }

    fn output(&self, i: usize) -> &[f32] {
        let Some(&o) = self.order.get(i) else { return &[] };
        self.plan.output_range(o).map_or(&self.values[o], |range| &self.arena[range])
    }
}
