//! Dense convolution and fully connected layers.

use super::row;
use crate::error::{Error, Result};
use crate::kernels::layers::border::{self, OutputRegion};
use crate::kernels::layers::epilogue::{Activation, Epilogue, PackedEpilogue};
use crate::kernels::layers::panels::Panels;
use crate::kernels::layers::pixels::{Grid, Grids};
use crate::kernels::layers::quant::{Quant, Requantise};
use crate::kernels::layers::window::{Window, mismatch};
use crate::kernels::{Kernels, Map};

/// A dense layer with packed weights: a convolution or a fully connected layer.
#[derive(Debug)]
pub struct Conv {
    kernels: &'static Kernels,
    panels: Panels<f32>,
    /// How pixels are computed, if not in tiles.
    strip: Option<row::RowKernel>,
    epilogue: PackedEpilogue,
    /// A strip has one.
    parts: Vec<OutputRegion>,
    input: Grid,
    output: Grid,
    other: Option<Grid>,
    /// Lengths that make every access of `run` valid: input, other, output.
    need: [usize; 3],
    flops: u64,
}

impl Conv {
    /// A convolution `from` -> `to`; `weights` are `[to.c, from.c, rows, columns]`.
    ///
    /// # Errors
    /// If the sizes do not belong together.
    pub fn pack(
        kernels: &'static Kernels,
        from: Map,
        to: Map,
        window: Window,
        weights: &[f32],
        after: Epilogue,
    ) -> Result<Self> {
        Self::window(kernels, (from, to), window, weights, after, None)
    }

    /// As [`Conv::pack`], with results rounded to integers, in a map of such.
    ///
    /// # Errors
    /// If the sizes do not belong together, or these kernels do not round on the way ([`Kernels::quantises_in_conv`]).
    pub fn quantising(
        kernels: &'static Kernels,
        (from, to): (Map, Map),
        window: Window,
        weights: &[f32],
        after: Epilogue,
        quant: &Quant,
    ) -> Result<Self> {
        if !kernels.quantises_in_conv() || !quant.valid() {
            return Err(mismatch("rounding convolution", &from, &to));
        }
        Self::window(kernels, (from, to), window, weights, after, Some(Requantise::of(kernels, quant)))
    }

    fn window(
        kernels: &'static Kernels,
        (from, to): (Map, Map),
        window: Window,
        weights: &[f32],
        after: Epilogue,
        requantise: Option<Requantise>,
    ) -> Result<Self> {
        let [kh, kw] = window.size;
        if weights.len() != to.c * from.c * kh * kw || !window.fits(&from, &to) {
            return Err(mismatch("convolution", &from, &to));
        }
        let whole = OutputRegion::whole(&window, &from, &to, from.c);
        let parts = border::regions(&whole, &window, &from, &to, from.c);
        let weight = |k: usize, o: usize| {
            let (tap, c) = (k / from.c, k % from.c);
            weights[(o * from.c + c) * kh * kw + tap]
        };
        Self::build(kernels, (window.grid(&from), (whole, parts)), from.len, to, (after, requantise), weight)
    }

    /// A fully connected layer over all values of `from`; `weights` are `[to.c, from.c * from.h * from.w]`
    /// with the map's values counted by channel, row, column.
    ///
    /// # Errors
    /// If the sizes do not belong together.
    pub fn fully_connected(
        kernels: &'static Kernels,
        from: Map,
        to: Map,
        weights: &[f32],
        after: Epilogue,
    ) -> Result<Self> {
        if weights.len() != to.c * from.values() || weights.is_empty() || (to.h, to.w) != (1, 1) {
            return Err(mismatch("fully connected layer", &from, &to));
        }
        let window = Window { size: [from.h, from.w], stride: [1, 1], before: [0, 0] };
        let parts = (OutputRegion::whole(&window, &from, &to, from.c), vec![]);
        let weight = |k: usize, o: usize| {
            let (pixel, c) = (k / from.c, k % from.c);
            weights[(o * from.c + c) * from.h * from.w + pixel]
        };
        Self::build(kernels, (Grid::of(&from), parts), from.len, to, (after, None), weight)
    }

    /// The pixels come as a whole and in parts, if there are any.
    fn build(
        kernels: &'static Kernels,
        (input, (whole, parts)): (Grid, (OutputRegion, Vec<OutputRegion>)),
        from_len: usize,
        to: Map,
        (after, requantise): (Epilogue, Option<Requantise>),
        weight: impl Fn(usize, usize) -> f32,
    ) -> Result<Self> {
        let lanes = kernels.lanes;
        let (runs, run) = (&whole.starts, whole.run);
        let depth = runs.len() * run;
        let last = runs.iter().max().map_or(0, |r| r + run);
        let need_in = input.offset(to.h.max(1) - 1, to.w.max(1) - 1) + last;
        let (other, join) = after.residual.unzip();
        let unpadded = to.unpadded(lanes);
        let reach = to.dense_reach(lanes);
        // A panel has eight registers at most.
        let ends = !unpadded || to.c >= 8 * lanes && other.is_none() && requantise.is_none();
        let fits = need_in <= from_len
            && reach <= to.len
            && ends
            && other.is_none_or(|o: Map| o.values() == to.values() && o.w == to.w && o.holds(lanes));
        if !fits || depth == 0 || to.values() == 0 || !after.activation.fuses() {
            return Err(Error::fatal("kernels", "a dense layer's maps are not wide enough for its registers"));
        }
        let need_other = other.map_or(0, |o| o.reach(lanes));
        let (output, other) = (Grid::of(&to), other.as_ref().map(Grid::of));
        // Rows that follow one another without a gap are one.
        let contiguous = |g: &Grid| g.row == to.w * g.pixel;
        let flat = contiguous(&input) && contiguous(&output) && other.as_ref().is_none_or(contiguous);
        let (act, requantise) = match (after.activation, requantise) {
            (Activation::Clamp { lo, hi }, Some(requantise)) if other.is_none() => {
                (Activation::None, Some(requantise.limited(lo, hi)))
            }
            all => all,
        };
        let epilogue = PackedEpilogue::new(&after.bias, act, join.unwrap_or_default(), to.vectors(lanes) * lanes);
        let need_out = if requantise.is_some() { kernels.int8_memory(reach) } else { reach };
        // Tiles that round have no panels for a single pixel.
        let pixels = (to.h * to.w).max(if requantise.is_some() { 2 } else { 1 });
        let size = if flat { (1, to.h * to.w) } else { (to.h, to.w) };
        let few = (runs.len(), run) == (row::RUNS, row::RUN) && other.is_none();
        let strips = if requantise.is_some() { kernels.int8.rows } else { kernels.rows };
        let strip = if few { row::choose(strips, to.c, size.1) } else { None };
        let panels = match strip {
            Some(strip) => Panels::narrow(strip.lanes, depth, (to.c, unpadded), |weights, k, c| {
                weights.push(c.map_or(0.0, |c| weight(k, c)));
            }),
            None => Panels::pack(kernels, pixels, depth, (to.c, unpadded), weight),
        };
        Ok(Self {
            kernels,
            panels,
            strip,
            epilogue: PackedEpilogue { requantise, ..epilogue },
            parts: if strip.is_some() || parts.len() < 2 { vec![OutputRegion { size, ..whole }] } else { parts },
            input,
            output,
            other,
            need: [need_in, need_other, need_out],
            flops: 2 * (depth * to.values()) as u64,
        })
    }

    /// Multiplications and additions of one run.
    pub fn flops(&self) -> u64 {
        self.flops
    }

    /// Computes the layer. `other` is the map to add, if the layer was packed with one. int8 memory is given as
    /// floats.
    ///
    /// # Panics
    /// If a slice is shorter than the map it was packed for, or `other` is missing.
    pub fn run(&self, input: &[f32], other: Option<&[f32]>, output: &mut [f32]) {
        let [need_in, need_other, need_out] = self.need;
        assert!(input.len() >= need_in && output.len() >= need_out);
        let other = match (other, self.other) {
            (Some(o), Some(_)) => {
                assert!(o.len() >= need_other);
                o.as_ptr()
            }
            (None, None) => std::ptr::null(),
            _ => panic!("a residual is given exactly where the layer was packed with one"),
        };
        let rounding = self.epilogue.requantise.as_ref().and(self.kernels.int8.quantising_tiles);
        let tiles = rounding.unwrap_or(self.kernels.tiles);
        let (from, to) = ((input.as_ptr(), self.input), (output.as_mut_ptr(), self.output));
        // SAFETY: `need` bounds every spot of the grid, and was just checked; `finish` is padded to whole
        // registers; a `Kernels` is only handed out on a CPU that has its instructions. Strips were chosen for what
        // they can do.
        unsafe {
            let grids = Grids { from: self.input, beside: self.other, to: self.output };
            let memory = (input.as_ptr(), other, output.as_mut_ptr());
            for part in &self.parts {
                if let Some(strip) = self.strip {
                    row::sweep(&self.panels, strip, part.size, &part.runs(), &self.epilogue, from, to);
                    continue;
                }
                let (mut walk, pixels) = part.walk(grids);
                self.panels.sweep(tiles, (&mut walk, pixels), part.runs(), &self.epilogue, memory);
            }
        }
    }
}
