//! Windows of convolutions and pooling.

use super::pixels::Grid;
use crate::error::Error;
use crate::kernels::Map;

/// Size, stride and padding of a window, each as rows then columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Taps.
    pub size: [usize; 2],
    /// Step from one output to the next.
    pub stride: [usize; 2],
    /// Rows and columns that the first window starts before the map.
    pub before: [usize; 2],
}

impl Window {
    /// A square window of `size` taps with `size / 2` padding.
    pub fn square(size: usize, stride: usize) -> Self {
        Self { size: [size; 2], stride: [stride; 2], before: [size / 2; 2] }
    }

    /// Start positions of windows over `from`.
    pub(crate) fn grid(&self, from: &Map) -> Grid {
        let [row, pixel] = [self.stride[0] * from.row, self.stride[1] * from.pitch];
        Grid { at: from.origin - self.before[0] * from.row - self.before[1] * from.pitch, row, pixel }
    }

    /// Whether every window of an output `to` stays inside `from` and its border of zeros.
    pub fn fits(&self, from: &Map, to: &Map) -> bool {
        let axis = |i: usize, input: usize, output: usize| {
            self.before[i] <= from.border
                && self.stride[i] > 0
                && self.size[i] > 0
                && output > 0
                && (output - 1) * self.stride[i] + self.size[i] <= input + from.border + self.before[i]
        };
        axis(0, from.h, to.h) && axis(1, from.w, to.w)
    }
}

pub(crate) fn mismatch(what: &str, from: &Map, to: &Map) -> Error {
    Error::fatal(
        "kernels",
        format!(
            "a {what} from {}x{}x{} to {}x{}x{} (channels, rows, columns) does not fit its window or weights",
            from.c, from.h, from.w, to.c, to.h, to.w
        ),
    )
}
