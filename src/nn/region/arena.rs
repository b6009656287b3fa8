//! One arena for all values: buffers that are not live at the same time share memory.

use std::ops::Range;

use crate::kernels::{Kernels, Map, Quant};

/// A piece of the arena, live from step `first` to step `last`.
#[derive(Clone, Debug)]
pub(super) struct Buffer {
    pub map: Map,
    /// The quantisation of int8 values in it; `None` for floats.
    pub quant: Option<Quant>,
    pub first: usize,
    pub last: usize,
    /// Floats of the arena.
    pub range: Range<usize>,
    /// Whether the border must be filled in every run, because other buffers overwrite it or it is not zero.
    pub clear: bool,
}

impl Buffer {
    /// Fills the border.
    pub fn clear_border(&self, kernels: &Kernels, memory: &mut [f32]) {
        match &self.quant {
            Some(quant) => kernels.int8_clear(&self.map, quant, memory),
            None => self.map.clear_border(memory),
        }
    }
}

/// Floats per cache line; buffers start at a cache line.
const LINE: usize = 16;

/// Gives every buffer its range: the largest first, each at the lowest address that is free while it is live. Returns
/// the size of the arena in floats.
pub(super) fn arrange(buffers: &mut [Buffer], kernels: &Kernels) -> usize {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|b| std::cmp::Reverse(buffers[*b].range.len()));
    let mut end = 0;
    for (done, &b) in order.iter().enumerate() {
        let mut taken: Vec<Range<usize>> = order[..done]
            .iter()
            .map(|o| &buffers[*o])
            .filter(|o| o.first <= buffers[b].last && buffers[b].first <= o.last)
            .map(|o| o.range.clone())
            .collect();
        taken.sort_by_key(|r| r.start);
        let (mut start, size) = (0, buffers[b].range.len());
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
            let same = (&other.range, &other.map, &other.quant) == (&this.range, &this.map, &this.quant);
            o != b && overlaps && !same
        });
        let zeroed = this.quant.as_ref().is_none_or(|q| kernels.int8_zeroed(q));
        buffers[b].clear = (shared || !zeroed) && buffers[b].map.border > 0;
    }
    end
}
