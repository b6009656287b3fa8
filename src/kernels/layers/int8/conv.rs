//! Dense int8 convolution.

use super::epilogue::{ITEMS, Int8Epilogue, Into8};
use super::matrix::{DEPTH, Packed, Sweep};
use super::memory::narrow;
use super::pack::{Group, pack, pusher};
use super::row;
use super::tile;
use super::weights::Sums;
use crate::error::{Error, Result};
use crate::kernels::isa::int8::Limits;
use crate::kernels::layers::border::{self, OutputRegion};
use crate::kernels::layers::epilogue::Activation;
use crate::kernels::layers::panels::{Outputs, Panels};
use crate::kernels::layers::pixels::{Grid, Grids};
use crate::kernels::layers::window::{Window, mismatch};
use crate::kernels::{Kernels, Map};

/// Packed weights, by what multiplies them.
#[derive(Debug)]
enum Weights {
    /// An epilogue for each region of the map; its bias does not include the border zeros that are left out.
    Panels(Panels<u8>, Vec<(OutputRegion, Int8Epilogue)>),
    Rows(Panels<u8>, row::RowKernel, (OutputRegion, Int8Epilogue)),
    Matrix(Packed, Int8Epilogue),
}

/// A dense convolution with packed weights.
#[derive(Debug)]
pub struct Conv8 {
    kernels: &'static Kernels,
    weights: Weights,
    size: (usize, usize),
    grids: Grids,
    /// Limits of float results, which tiles do not apply; few layers have any.
    limits: Option<(Map, Limits)>,
    /// Floats of memory that make every access of `run` valid: input, output.
    need: [usize; 2],
    flops: u64,
}

impl Conv8 {
    /// A convolution `from` -> `to` of maps made by [`Kernels::int8_map`]; `from` may be one of
    /// [`Kernels::int8_narrow`]. With [`Into8::Floats`], `to` is a map of floats.
    ///
    /// # Errors
    /// If the sizes do not belong together.
    pub fn pack(
        kernels: &'static Kernels,
        (from, to): (Map, Map),
        window: Window,
        layer: &Sums,
        act: &Activation,
        into: &Into8,
    ) -> Result<Self> {
        let ([kh, kw], group, lanes) = (window.size, kernels.int8.group, kernels.lanes);
        if !window.fits(&from, &to) || to.values() * from.values() == 0 {
            return Err(mismatch("int8 convolution", &from, &to));
        }
        layer.check(from.c, to.c, kh * kw)?;
        let input = window.grid(&from);
        // Taps with contiguous items, padded to whole groups: those of a row if there are no gaps.
        let together = if narrow(&from) { kw } else { 1 };
        let padded = (together * from.c).next_multiple_of(group);
        let whole = match narrow(&from) {
            true => OutputRegion { run: padded, ..OutputRegion::whole(&window, &from, &to, from.c) },
            false => OutputRegion::whole(&window, &from, &to, padded),
        };
        let matrix = kernels.int8.matrix.filter(|_| !narrow(&from));
        let read = if matrix.is_some() { whole.run.next_multiple_of(DEPTH) } else { whole.run };
        let need_in = input.offset(to.h - 1, to.w - 1) + whole.starts.iter().max().map_or(0, |r| r + read);
        if need_in > from.len || narrow(&from) && from.pitch != from.c || !into.fits_dense(&to, lanes) {
            return Err(Error::fatal("kernels", "an int8 convolution's maps are not wide enough for its registers"));
        }
        let weight = |k: usize, o: usize| {
            let (tap, c) = (k / padded * together + k % padded / from.c, k % padded % from.c);
            let within = k % padded < together * from.c;
            if within { i16::from(layer.weights[(o * from.c + c) * kh * kw + tap]) } else { 0 }
        };
        let zero = kernels.int8.storage.zero(&layer.from);
        let per_output = from.c * kh * kw;
        let epilogue_of = |part: &OutputRegion| {
            let over = |(tap, _): &(usize, _)| part.taps[0].contains(&(tap / kw)) && part.taps[1].contains(&(tap % kw));
            let zero_sums = |o: usize| {
                let taps = layer.weights[o * per_output..][..per_output].iter().enumerate();
                let taps = taps.map(|(i, w)| (i % (kh * kw), i32::from(*w) * zero));
                taps.filter(over).map(|t| t.1).sum::<i32>()
            };
            into.epilogue(kernels, layer, act, zero_sums, to.vectors(lanes) * lanes)
        };
        let reach = to.dense_reach(lanes);
        let need_out = if into == &Into8::Floats { reach } else { kernels.int8_memory(reach) };
        let grids = Grids { from: input, residual: None, to: Grid::of(&to) };
        let weights = match matrix {
            Some(_) => Weights::Matrix(Packed::new(layer, (&from, &to), kh * kw, &whole), epilogue_of(&whole)?),
            None => {
                let outputs = Outputs { count: to.c, unpadded: to.unpadded(lanes) };
                let groups = padded * kh * kw / together / group;
                let finished = |part: OutputRegion| epilogue_of(&part).map(|f| (part.grouped(group), f));
                let items = Group { storage: kernels.int8.storage, items: group };
                let few = window.size == [row::RUNS, row::RUN] && from.pitch == 1 && into != &Into8::Floats;
                match if few { row::choose(kernels.int8.int8_rows, to.c, to.w) } else { None } {
                    Some(kernel) => {
                        let push = pusher(items, weight);
                        let panels = Panels::narrow(kernel.lanes, groups, outputs, push);
                        Weights::Rows(panels, kernel, finished(whole)?)
                    }
                    None => {
                        let panels = pack(kernels, kernels.int8.tiles[ITEMS], items, groups, outputs, weight);
                        let parts = match narrow(&from) {
                            true => vec![whole],
                            false => border::regions(&whole, &window, &from, &to, padded),
                        };
                        Weights::Panels(panels, parts.into_iter().map(finished).collect::<Result<_>>()?)
                    }
                }
            }
        };
        let limits = match &weights {
            Weights::Panels(_, parts) => parts.first().map(|(_, epilogue)| epilogue.limits),
            Weights::Matrix(..) | Weights::Rows(..) => None,
        };
        let limits = limits.filter(|l| into == &Into8::Floats && (l.lo.is_finite() || l.hi.is_finite()));
        Ok(Self {
            kernels,
            weights,
            size: (to.h, to.w),
            grids,
            limits: limits.map(|l| (to, l)),
            need: [kernels.int8_memory(need_in), need_out],
            flops: 2 * (per_output * to.values()) as u64,
        })
    }

    /// Multiplications and additions of one run.
    pub fn flops(&self) -> u64 {
        self.flops
    }

    /// Computes the layer. int8 memory is given as a slice of floats.
    ///
    /// # Panics
    /// If a slice is shorter than the map it was packed for.
    pub fn run(&self, input: &[f32], output: &mut [f32]) {
        assert!(input.len() >= self.need[0] && output.len() >= self.need[1]);
        let Self { size, grids, .. } = self;
        let (input, output_bytes) = (input.as_ptr().cast(), output.as_mut_ptr().cast());
        // SAFETY: `need` bounds every pixel of the grids, and was just checked; the epilogue is padded to full
        // registers; a `Kernels` is only handed out on a CPU that has its instructions.
        unsafe {
            match (&self.weights, self.kernels.int8.matrix) {
                (Weights::Rows(panels, kernel, (part, epilogue)), _) => {
                    let ((rows, columns), runs) = (*size, part.runs());
                    let sweep =
                        row::Sweep { rows, columns, runs, epilogue, grids: *grids, input, output: output_bytes };
                    row::sweep(panels, *kernel, &sweep);
                }
                (Weights::Matrix(packed, epilogue), Some(multiply)) => {
                    multiply(&Sweep { packed, epilogue, input, output: output_bytes, grids: *grids, size: *size });
                }
                (Weights::Panels(panels, regions), _) => {
                    for (region, epilogue) in regions {
                        let ((mut walk, pixels), runs) = (region.walk(*grids), region.runs());
                        let tiles = self.kernels.int8.tiles[epilogue.store as usize];
                        let output = output_bytes;
                        let sweep = tile::Sweep { walk: &mut walk, pixels, runs, epilogue, input, output };
                        tile::sweep(panels, tiles, sweep);
                    }
                }
                (Weights::Matrix(..), None) => {}
            }
        }
        if let Some((map, Limits { lo, hi, .. })) = self.limits {
            for (y, x) in (0..map.h).flat_map(|y| (0..map.w).map(move |x| (y, x))) {
                output[map.at(y, x)..][..map.c].iter_mut().for_each(|v| *v = v.max(lo).min(hi));
            }
        }
    }
}
