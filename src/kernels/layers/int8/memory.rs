//! Maps of integers, and their memory.

use super::matrix;
use crate::kernels::isa::int8::Number;
use crate::kernels::layers::quant::{Quant, Storage};
use crate::kernels::{Kernels, Map};

/// Channels of a pixel are stored up to a multiple of this, except in narrow maps.
const PITCH: usize = 16;

/// Narrow maps have fewer channels than this, the summands of one product.
const NARROW: usize = 4;

/// Whether the pixels of a map have no gap between their few channels.
pub(crate) fn narrow(map: &Map) -> bool {
    !map.pitch.is_multiple_of(PITCH)
}

impl Kernels {
    /// Whether networks with much dense convolution run faster in int8 than in float on these kernels.
    pub fn faster_in_int8(&self) -> bool {
        self.int8.faster
    }

    /// Whether float convolutions can quantise their results directly.
    pub fn quantises_in_conv(&self) -> bool {
        self.int8.quantising_tiles.is_some()
    }

    /// An int8 map. Its lengths count numbers, not floats.
    pub fn int8_map(&self, c: usize, h: usize, w: usize) -> Map {
        let map = Map::bordered(c, h, w, c.next_multiple_of(PITCH));
        // Reads for the last pixel's products may go past its end.
        Map { len: map.len + if self.int8.matrix.is_some() { matrix::DEPTH } else { 0 }, ..map }
    }

    /// As [`Kernels::int8_map`], for fewer than four channels without gaps, in maps that only [`Conv8`] reads; `None`
    /// for more channels, or if rows are too short for [`Quantise`] to make it.
    pub fn int8_narrow(&self, c: usize, h: usize, w: usize) -> Option<Map> {
        let map = Map::bordered(c, h, w, c);
        // Reads for the last group of a run may go past its end.
        (c < NARROW && c * w >= self.lanes).then_some(Map { len: map.len + NARROW, ..map })
    }

    /// Floats of memory that hold as many int8 values.
    pub fn int8_memory(&self, numbers: usize) -> usize {
        (numbers * self.int8.storage.bytes()).div_ceil(size_of::<f32>())
    }

    /// Whether memory of zeros holds integers that stand for zero.
    pub fn int8_zeroed(&self, quant: &Quant) -> bool {
        self.int8.storage.zero(quant) == 0
    }

    /// Fills the border of an int8 map with what stands for zero.
    pub fn int8_clear(&self, map: &Map, quant: &Quant, memory: &mut [f32]) {
        let zero = self.int8.storage.zero(quant);
        match self.int8.storage {
            Storage::I16 => map.fill_border(numbers::<i16>(memory), zero as i16),
            Storage::I8 => map.fill_border(numbers::<i8>(memory), zero as i8),
            Storage::U8 => map.fill_border(numbers::<u8>(memory), zero as u8),
        }
    }
}

/// Memory of floats as memory of integers.
pub(crate) fn numbers<T: Number>(memory: &mut [f32]) -> &mut [T] {
    let count = size_of_val(memory) / size_of::<T>();
    // SAFETY: integers of up to four bytes need no more alignment than floats; all bits are valid for either.
    unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast(), count) }
}
