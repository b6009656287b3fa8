//! Bilinear samples on a rotated lattice.

use super::{Job, KNOWN, Lattice, Picture};
use crate::kernels::isa::Counts;
use crate::kernels::isa::tail::{LANE_INDEX, load_at, registers, store_at, store_some};

/// Samples that are placed, then read, as a batch: one by one, the CPU would wait for each.
const STRIP: usize = 128;

/// Samples this far from the border of the picture, in pixels, need no clamping: in a picture no larger than [`KNOWN`]
/// their positions are much more accurate than that.
const INSIDE: f32 = 0.1;

/// Positions of the samples of a strip. The arrays begin with cache lines, so that no register straddles two.
#[repr(C, align(64))]
struct Places {
    /// Index of the count to the upper left.
    at: [u32; STRIP],
    /// How far to the right and below of it.
    across: [f32; STRIP],
    down: [f32; STRIP],
}

/// Sums of a strip's samples.
#[repr(C, align(64))]
struct Totals([f32; STRIP]);

/// Bilinear samples on a rotated lattice.
///
/// # Safety
/// The picture has two rows and columns at least; `out` has `height` rows of `width`.
#[inline(always)]
pub(crate) unsafe fn sample<I: Counts>(isa: I, job: Job) {
    let Job { picture, lattice, out, width, height } = job;
    let k = lattice.fine;
    let single = k == 1;
    let free = inside(picture, lattice, [(width + 2 * I::LANES) as f32, height as f32]);
    let step = 1.0 / k as i32 as f32;
    let share = isa.splat(step * step);
    let middle = [width as i32 as f32 / 2.0, height as i32 as f32 / 2.0];
    let mut places = Places { at: [0; STRIP], across: [0.0; STRIP], down: [0.0; STRIP] };
    for i in 0..height {
        for j in (0..width).step_by(STRIP) {
            let count = STRIP.min(width - j);
            let mut sums = Totals([0.0; STRIP]);
            for a in 0..k * k {
                let u = j as i32 as f32 + ((a % k) as i32 as f32 + 0.5) * step - middle[0];
                let v = i as i32 as f32 + ((a / k) as i32 as f32 + 0.5) * step - middle[1];
                match free {
                    true => place::<_, true>(isa, picture, lattice, (u, v), count, &mut places),
                    false => place::<_, false>(isa, picture, lattice, (u, v), count, &mut places),
                }
                registers!(count, |x, left| {
                    // SAFETY: all places are inside the picture; no more than the row holds is written.
                    unsafe {
                        let v = bilinear(isa, picture, &places, x);
                        if single {
                            store_some(isa, out, i * width + j + x, v, left);
                        } else {
                            let sum = isa.add(load_at(isa, &sums.0, x), v);
                            store_at(isa, &mut sums.0, x, sum);
                        }
                    }
                });
            }
            if single {
                continue;
            }
            registers!(count, |x, left| {
                // SAFETY: no more than the row holds is written.
                unsafe {
                    let mean = isa.mul(load_at(isa, &sums.0, x), share);
                    store_some(isa, out, i * width + j + x, mean, left);
                }
            });
        }
    }
}

/// Whether all samples of this many output columns and rows around the centre stay away from the picture's border.
#[inline(always)]
fn inside(picture: &Picture, lattice: &Lattice, [columns, rows]: [f32; 2]) -> bool {
    let [ax, ay] = lattice.across.map(f32::abs);
    let (u, v) = (columns / 2.0, rows / 2.0);
    let within = |at: f32, reach: f32, size: usize| {
        at - reach > 0.5 + INSIDE && at + reach < size as f32 - 0.5 - INSIDE && size <= KNOWN
    };
    let [x, y] = lattice.centre;
    // False for NaN.
    within(x, ax * u + ay * v, picture.width) && within(y, ay * u + ax * v, picture.height)
}

/// Places `count` samples, rounded up to whole registers, starting `(u, v)` output pixels from the centre; `FREE` if
/// all are [`inside`].
#[inline(always)]
fn place<I: Counts, const FREE: bool>(
    isa: I,
    picture: &Picture,
    lattice: &Lattice,
    (u, v): (f32, f32),
    count: usize,
    places: &mut Places,
) {
    let [w, h] = [picture.width as i32 as f32, picture.height as i32 as f32];
    // Coordinates from the centre of the first pixel on.
    let [x, y] = lattice.at(0.0, v);
    let (x, y) = (isa.splat(x - 0.5), isa.splat(y - 0.5));
    let (ax, ay) = (isa.splat(lattice.across[0]), isa.splat(lattice.across[1]));
    let last = [isa.splat(w - 1.0), isa.splat(h - 1.0)];
    let inner = [isa.splat(w - 2.0), isa.splat(h - 2.0)];
    let width = isa.splat(w);
    // SAFETY: there are at least as many numbers as lanes.
    let mut u = isa.add(isa.splat(u), unsafe { load_at(isa, &LANE_INDEX, 0) });
    let lanes = isa.splat(I::LANES as i32 as f32);
    for i in (0..count.min(STRIP)).step_by(I::LANES) {
        let (mut x, mut y) = (isa.fma(ax, u, x), isa.fma(ay, u, y));
        let (mut left, mut top);
        if FREE {
            (left, top) = (isa.floor(x), isa.floor(y));
        } else {
            (x, y) = (isa.limit(x, last[0]), isa.limit(y, last[1]));
            (left, top) = (isa.floor(x), isa.floor(y));
            (left, top) = (isa.min(left, inner[0]), isa.min(top, inner[1]));
        }
        // SAFETY: a strip is a multiple of the lanes long. Integers below 2^24 are exact.
        unsafe {
            isa.store_u32(places.at.as_mut_ptr().add(i), isa.fma(top, width, left));
            store_at(isa, &mut places.across, i, isa.sub(x, left));
            store_at(isa, &mut places.down, i, isa.sub(y, top));
        }
        u = isa.add(u, lanes);
    }
}

/// The samples from place `i` on.
///
/// # Safety
/// `i` plus the lanes is at most [`STRIP`]; the places are those of this picture, which has two rows and columns.
#[inline(always)]
unsafe fn bilinear<I: Counts>(isa: I, picture: &Picture, places: &Places, i: usize) -> I::V {
    // SAFETY: the column of a place is at most the last but one, the row too.
    unsafe {
        let [a, b, c, d] = isa.gather_squares(picture.pixels.as_ptr(), places.at.as_ptr().add(i), picture.width);
        let (fx, fy) = (load_at(isa, &places.across, i), load_at(isa, &places.down, i));
        let above = isa.fma(isa.sub(b, a), fx, a);
        let below = isa.fma(isa.sub(d, c), fx, c);
        isa.fma(isa.sub(below, above), fy, above)
    }
}
