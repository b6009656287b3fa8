//! Dense convolution and fully connected layers.

use super::{row, tile};
use crate::error::{Error, Result};
use crate::kernels::layers::border::{self, OutputRegion};
use crate::kernels::layers::epilogue::{Activation, Epilogue, PackedEpilogue};
use crate::kernels::layers::panels::{Outputs, Panels};
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
    row: Option<row::RowKernel>,
    epilogue: PackedEpilogue,
    /// The output by the taps of its windows; a single region if there is a row kernel.
    regions: Vec<OutputRegion>,
    input: Grid,
    output: Grid,
    residual: Option<Grid>,
    /// Lengths that make every access of `run` valid: input, other, output.
    need: [usize; 3],
    flops: u64,
}

/// The pixels of a layer: where they are read, all of them with the whole window, and by border region.
struct Pixels {
    input: Grid,
    /// Values of the input map.
    input_len: usize,
    whole: OutputRegion,
    regions: Vec<OutputRegion>,
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

    /// As [`Conv::pack`], with results rounded to integers, in a map of integers.
    ///
    /// # Errors
    /// If the sizes do not belong together, or these kernels do not quantise here ([`Kernels::quantises_in_conv`]).
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
        let regions = border::regions(&whole, &window, &from, &to, from.c);
        let weight = |k: usize, o: usize| {
            let (tap, c) = (k / from.c, k % from.c);
            weights[(o * from.c + c) * kh * kw + tap]
        };
        let pixels = Pixels { input: window.grid(&from), input_len: from.len, whole, regions };
        Self::build(kernels, pixels, to, after, requantise, weight)
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
        let whole = OutputRegion::whole(&window, &from, &to, from.c);
        let weight = |k: usize, o: usize| {
            let (pixel, c) = (k / from.c, k % from.c);
            weights[(o * from.c + c) * from.h * from.w + pixel]
        };
        let pixels = Pixels { input: Grid::of(&from), input_len: from.len, whole, regions: vec![] };
        Self::build(kernels, pixels, to, after, None, weight)
    }

    fn build(
        kernels: &'static Kernels,
        Pixels { input, input_len, whole, regions }: Pixels,
        to: Map,
        after: Epilogue,
        requantise: Option<Requantise>,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Result<Self> {
        let lanes = kernels.lanes;
        let (runs, run) = (&whole.starts, whole.run);
        let depth = runs.len() * run;
        let last = runs.iter().max().map_or(0, |r| r + run);
        let need_in = input.offset(to.h.max(1) - 1, to.w.max(1) - 1) + last;
        let (residual, position) = after.residual.unzip();
        let unpadded = to.unpadded(lanes);
        let reach = to.dense_reach(lanes);
        // A panel has eight registers at most.
        let ends = !unpadded || to.c >= 8 * lanes && residual.is_none() && requantise.is_none();
        let fits = need_in <= input_len
            && reach <= to.len
            && ends
            && residual.is_none_or(|o: Map| o.values() == to.values() && o.w == to.w && o.holds(lanes));
        if !fits || depth == 0 || to.values() == 0 || !after.activation.fuses() {
            return Err(Error::fatal("kernels", "a dense layer's maps are not wide enough for its registers"));
        }
        let need_other = residual.map_or(0, |o| o.reach(lanes));
        let (output, residual) = (Grid::of(&to), residual.as_ref().map(Grid::of));
        // Rows without gaps between them count as one.
        let contiguous = |g: &Grid| g.row == to.w * g.pixel;
        let flat = contiguous(&input) && contiguous(&output) && residual.as_ref().is_none_or(contiguous);
        let (act, requantise) = match (after.activation, requantise) {
            (Activation::Clamp { lo, hi }, Some(requantise)) if residual.is_none() => {
                (Activation::None, Some(requantise.limited(lo, hi)))
            }
            all => all,
        };
        let epilogue = PackedEpilogue::new(&after.bias, act, position.unwrap_or_default(), to.vectors(lanes) * lanes);
        let need_out = if requantise.is_some() { kernels.int8_memory(reach) } else { reach };
        // Quantising tiles have no panels for a single pixel.
        let pixels = (to.h * to.w).max(if requantise.is_some() { 2 } else { 1 });
        let size = if flat { (1, to.h * to.w) } else { (to.h, to.w) };
        let few = (runs.len(), run) == (row::RUNS, row::RUN) && residual.is_none();
        let kernels_of_rows = if requantise.is_some() { kernels.int8.rows } else { kernels.rows };
        let row = if few { row::choose(kernels_of_rows, to.c, size.1) } else { None };
        let outputs = Outputs { count: to.c, unpadded };
        let panels = match row {
            Some(row) => Panels::narrow(row.lanes, depth, outputs, |weights, k, c| {
                weights.push(c.map_or(0.0, |c| weight(k, c)));
            }),
            None => Panels::pack(kernels, pixels, depth, outputs, weight),
        };
        Ok(Self {
            kernels,
            panels,
            row,
            epilogue: PackedEpilogue { requantise, ..epilogue },
            regions: if row.is_some() || regions.len() < 2 { vec![OutputRegion { size, ..whole }] } else { regions },
            input,
            output,
            residual,
            need: [need_in, need_other, need_out],
            flops: 2 * (depth * to.values()) as u64,
        })
    }

    /// Multiplications and additions of one run.
    pub fn flops(&self) -> u64 {
        self.flops
    }

    /// Computes the layer. `residual` is the map to add, if the layer was packed with one. int8 memory is given as
    /// floats.
    ///
    /// # Panics
    /// If a slice is shorter than the map it was packed for, or `residual` is missing.
    pub fn run(&self, input: &[f32], residual: Option<&[f32]>, output: &mut [f32]) {
        let [need_in, need_other, need_out] = self.need;
        assert!(input.len() >= need_in && output.len() >= need_out);
        let residual = match (residual, self.residual) {
            (Some(o), Some(_)) => {
                assert!(o.len() >= need_other);
                o.as_ptr()
            }
            (None, None) => std::ptr::null(),
            _ => panic!("a residual is given exactly where the layer was packed with one"),
        };
        let quantising = self.epilogue.requantise.as_ref().and(self.kernels.int8.quantising_tiles);
        let tiles = quantising.unwrap_or(self.kernels.tiles);
        let grids = Grids { from: self.input, residual: self.residual, to: self.output };
        let (input, output, epilogue) = (input.as_ptr(), output.as_mut_ptr(), &self.epilogue);
        for region in &self.regions {
            let runs = region.runs();
            if let Some(row) = self.row {
                let (rows, columns) = region.size;
                let sweep = row::Sweep { rows, columns, runs, epilogue, grids, input, output };
                // SAFETY: `need` bounds every pixel of the grids, as asserted; the kernel was chosen for these rows,
                // and a `Kernels` is only handed out on a CPU that has its instructions.
                unsafe { row::sweep(&self.panels, row, &sweep) };
                continue;
            }
            let (mut walk, pixels) = region.walk(grids);
            let sweep = tile::Sweep { walk: &mut walk, pixels, runs, epilogue, input, residual, output };
            // SAFETY: every offset is below the lengths asserted above, the epilogue is padded to full registers, and
            // the CPU has the instructions of its table.
            unsafe { self.panels.sweep(tiles, sweep) };
        }
    }
}
