//! Resampling of visible pictures: rows of bytes are blended first, then pixels of the result, so that colours stay side
//! by side until they are written to their planes.

use crate::kernels::Kernels;
use crate::kernels::isa::Counts;
use crate::kernels::isa::tail::{load_u8_some, registers, store_some};

/// Most samples per side of an output pixel.
const MOST_FINE: usize = 6;
/// Most columns or rows of the picture per output pixel.
const TAPS: usize = 2 * MOST_FINE;
const COLOURS: usize = 3;

/// Red, green and blue in rows without gaps.
#[derive(Clone, Copy, Debug)]
pub struct Colours<'a> {
    rgb: &'a [u8],
    width: usize,
    height: usize,
}

impl<'a> Colours<'a> {
    /// A picture of `width` x `height` pixels; `None` if there is none, `rgb` are too few bytes, or a side is longer than
    /// 2^14 pixels.
    pub fn new(rgb: &'a [u8], width: usize, height: usize) -> Option<Self> {
        let fits = |side: usize| (1..=1 << 14).contains(&side);
        let rgb = rgb.get(..COLOURS * width.checked_mul(height)?)?;
        (fits(width) && fits(height)).then_some(Self { rgb, width, height })
    }
}

/// An upright square laid over a picture: `size` x `size` output pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Position of its middle in the picture, pixels.
    pub centre: [f32; 2],
    /// Picture pixels per output pixel.
    pub step: f32,
    /// Samples per side of an output pixel, 1 to 6.
    pub fine: usize,
    /// Output pixels per side.
    pub size: usize,
}

/// Memory that resampling reuses.
#[derive(Debug, Default)]
pub struct ColourLines {
    columns: Axis,
    rows: Axis,
    line: Vec<f32>,
}

/// For each output column or row, the columns or rows of the picture whose weighted sum it is.
#[derive(Debug, Default)]
struct Axis {
    places: Vec<[u32; TAPS]>,
    shares: Vec<[f32; TAPS]>,
    /// How many of them are in use.
    taps: usize,
}

impl Axis {
    fn lay(&mut self, grid: &Grid, axis: usize, extent: usize) {
        let (fine, last) = (grid.fine.clamp(1, MOST_FINE), (extent - 1) as f32);
        self.places.clear();
        self.shares.clear();
        self.taps = 1;
        for out in 0..grid.size {
            let (mut places, mut shares, mut count) = ([0u32; TAPS], [0f32; TAPS], 0);
            let mut add = |place: u32, share: f32| {
                let at = places[..count].iter().position(|p| *p == place).unwrap_or(count);
                places[at] = place;
                shares[at] += share;
                count = count.max(at + 1);
            };
            for sample in 0..fine {
                let from_middle = out as f32 + (sample as f32 + 0.5) / fine as f32 - grid.size as f32 / 2.0;
                // `max` before `min`: NaN becomes 0.
                let at = (grid.centre[axis] + grid.step * from_middle - 0.5).max(0.0).min(last);
                let (before, share) = (at as u32, 1.0 / fine as f32);
                let part = at - before as f32;
                add(before, (1.0 - part) * share);
                add((before + 1).min(extent as u32 - 1), part * share);
            }
            // Those that are not in use repeat one that is.
            let first = places[0];
            places[count..].fill(first);
            self.places.push(places);
            self.shares.push(shares);
            self.taps = self.taps.max(count);
        }
    }

    /// The first of the picture's columns or rows that are needed, and the one after the last.
    fn span(&self) -> (usize, usize) {
        let all = || self.places.iter().flat_map(|p| &p[..self.taps]);
        let ends = all().fold((u32::MAX, 0), |(first, last), p| (first.min(*p), last.max(*p)));
        if self.places.is_empty() { (0, 0) } else { (ends.0 as usize, ends.1 as usize + 1) }
    }
}

/// Arguments of the kernel.
pub(crate) struct Job<'a> {
    picture: &'a Colours<'a>,
    columns: &'a Axis,
    rows: &'a Axis,
    /// Columns of the picture that are needed.
    span: (usize, usize),
    /// Three floats per needed column, and one more.
    line: &'a mut [f32],
    /// Three planes of as many rows as `rows` and as many columns as `columns`.
    out: &'a mut [f32],
}

impl Kernels {
    /// Fills `out`, three planes of `grid.size` x `grid.size`: each output pixel is the mean of `fine * fine` bilinear
    /// samples on a regular grid inside it, coordinates clamped to the picture; a NaN coordinate reads as 0.
    ///
    /// Allocates nothing once `lines` has seen the widest picture and the largest grid.
    ///
    /// # Panics
    /// If `out` is shorter.
    pub fn resample_colours(&self, picture: &Colours, grid: &Grid, lines: &mut ColourLines, out: &mut [f32]) {
        let ColourLines { columns, rows, line } = lines;
        columns.lay(grid, 0, picture.width);
        rows.lay(grid, 1, picture.height);
        line.reserve((COLOURS * picture.width + 1).saturating_sub(line.len()));
        let span = columns.span();
        line.resize(COLOURS * (span.1 - span.0) + 1, 0.0);
        let out = &mut out[..COLOURS * grid.size * grid.size];
        // SAFETY: places are those of the picture, the line holds the columns that are needed, and the CPU has the
        // instructions of its table.
        unsafe { (self.resample_colours)(Job { picture, columns, rows, span, line, out }) };
    }
}

/// Bilinear samples of three colours on an upright grid.
///
/// # Safety
/// All places of `rows` and `columns` are in the picture; those of `columns` are in `span`, for which `line` has room.
#[inline(always)]
pub(crate) unsafe fn resample_colours<I: Counts>(isa: I, job: Job) {
    let Job { picture, columns, rows, span, line, out } = job;
    let size = columns.places.len();
    let used = COLOURS * (span.1 - span.0);
    for (i, (places, shares)) in rows.places.iter().zip(&rows.shares).enumerate() {
        let row = |tap: usize| {
            let start = COLOURS * (places[tap] as usize * picture.width + span.0);
            &picture.rgb[start..start + used]
        };
        registers!(used, |x, left| {
            let mut sum = isa.zero();
            // SAFETY: rows and line are `used` long, and `left` values of them follow `x`.
            unsafe {
                for tap in 0..rows.taps {
                    sum = isa.fma(load_u8_some(isa, row(tap), x, left), isa.splat(shares[tap]), sum);
                }
                store_some(isa, line, x, sum, left);
            }
        });
        let (red, rest) = out.split_at_mut(size * size);
        let (green, blue) = rest.split_at_mut(size * size);
        let planes = [red, green, blue].map(|plane| &mut plane[i * size..][..size]);
        blend_columns(columns, span.0, line, planes);
    }
}

/// Sums of the columns' shares. Four floats are read for three colours, so that they fill a register.
#[inline(always)]
fn blend_columns(columns: &Axis, first: usize, line: &[f32], [red, green, blue]: [&mut [f32]; COLOURS]) {
    for (j, (places, shares)) in columns.places.iter().zip(&columns.shares).enumerate() {
        let mut sum = [0f32; 4];
        for tap in 0..columns.taps {
            let at = COLOURS * (places[tap] as usize - first);
            let colours: &[f32] = &line[at..at + 4];
            for c in 0..4 {
                sum[c] += colours[c] * shares[tap];
            }
        }
        (red[j], green[j], blue[j]) = (sum[0], sum[1], sum[2]);
    }
}
