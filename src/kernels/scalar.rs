//! Kernels in plain Rust, for any CPU. Registers are arrays of four floats, which compilers turn into
//! whatever vectors the target always has; products and sums are rounded one by one.

use super::isa::{Counts, Isa};
use super::tile::{Job, Spots, tile, tiles, two};
use super::{Kernels, depthwise, int8, level, point, pool, resize, sample, tone, votes, winograd};

#[derive(Clone, Copy)]
pub(super) struct Scalar;

type V = [f32; 4];

#[inline(always)]
pub(super) fn zip<T: Copy>(a: [T; 4], b: [T; 4], f: impl Fn(T, T) -> T) -> [T; 4] {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Isa for Scalar {
    const LANES: usize = 4;
    type V = V;

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        [x; 4]
    }

    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        self.add(self.mul(a, b), c)
    }

    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn power(self, shifted: V) -> V {
        shifted.map(|x| f32::from_bits(x.to_bits() << 23))
    }

    #[inline(always)]
    fn max(self, a: V, b: V) -> V {
        zip(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, a: V, b: V) -> V {
        zip(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> V {
        // SAFETY: four floats are readable by contract; an array of floats needs no more than their alignment.
        unsafe { p.cast::<V>().read() }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: V) {
        // SAFETY: four floats are writable by contract.
        unsafe { p.cast::<V>().write(v) }
    }
}

impl Counts for Scalar {
    #[inline(always)]
    fn limit(self, x: V, limit: V) -> V {
        // `max` first: it makes a NaN a zero.
        zip(x, limit, |x, limit| x.max(0.0).min(limit))
    }

    #[inline(always)]
    fn whole(self, x: V) -> V {
        x.map(|x| x as u32 as f32)
    }

    #[inline(always)]
    fn evens(self, a: V, b: V) -> V {
        [a[0], a[2], b[0], b[2]]
    }

    #[inline(always)]
    unsafe fn counts(self, p: *const u16) -> V {
        // SAFETY: four counts are readable by contract.
        unsafe { p.cast::<[u16; 4]>().read() }.map(f32::from)
    }

    #[inline(always)]
    unsafe fn means(self, upper: *const u16, lower: *const u16) -> V {
        // SAFETY: eight counts of either are readable by contract.
        let rows = unsafe { [upper, lower].map(|p| p.cast::<[[u16; 2]; 4]>().read()) };
        std::array::from_fn(|i| {
            let [[a, b], [c, d]] = rows.map(|row| row[i].map(u32::from));
            (a + b + c + d) as f32 * 0.25
        })
    }

    #[inline(always)]
    unsafe fn numbers(self, p: *mut u32, v: V) {
        // SAFETY: four numbers are writable by contract.
        unsafe { p.cast::<[u32; 4]>().write(v.map(|v| v as u32)) }
    }

    #[inline(always)]
    unsafe fn square(self, p: *const u16, at: *const u32, below: usize) -> [V; 4] {
        // SAFETY: the numbers and these counts are readable by contract.
        unsafe {
            let at = at.cast::<[u32; 4]>().read();
            let pick = |offset: usize| at.map(|i| f32::from(p.add(i as usize + offset).read()));
            [pick(0), pick(1), pick(below), pick(below + 1)]
        }
    }

    #[inline(always)]
    unsafe fn ends(self, p: *const f32, _: usize, at: *const u32) -> [V; 2] {
        // SAFETY: the numbers and these values are readable by contract.
        unsafe {
            let at = at.cast::<[u32; 4]>().read();
            [0, 1].map(|offset| at.map(|i| p.add(i as usize + offset).read()))
        }
    }

    #[inline(always)]
    unsafe fn bytes(self, p: *mut u8, v: V) {
        // SAFETY: four bytes are writable by contract.
        unsafe { p.cast::<[u8; 4]>().write(v.map(|v| v as u8)) }
    }
}

/// # Safety
/// As [`tile`].
unsafe fn dense<const P: usize, const N: usize>(job: &Job, spots: &Spots) {
    // SAFETY: same contract.
    unsafe { tile::<_, P, N>(Scalar, job, spots) }
}

/// The scalar kernels.
pub(super) static KERNELS: Kernels = Kernels {
    name: "scalar",
    lanes: Scalar::LANES,
    tiles: tiles!([dense] * 4: { 1 => 1 2 3 4 5 6 7 8; 2 => 1 2 3 4 5 6; 3 => 1 2 3 4; 4 => 1; 8 => 1 }),
    strips: &[],
    panel: two,
    int8: int8::SCALAR,
    // SAFETY: the closures' contracts are those of the functions they call.
    spread: [
        |t| unsafe { winograd::spread::<_, winograd::Two, 4, 2>(Scalar, t) },
        // SAFETY: as above.
        |t| unsafe { winograd::spread::<_, winograd::Four, 6, 4>(Scalar, t) },
    ],
    // SAFETY: as above.
    gather: [
        |t| unsafe { winograd::gather::<_, winograd::Two, 4, 2>(Scalar, t) },
        // SAFETY: as above.
        |t| unsafe { winograd::gather::<_, winograd::Four, 6, 4>(Scalar, t) },
    ],
    // SAFETY: as above.
    depthwise: |j| unsafe { depthwise::depthwise::<_, 1>(Scalar, j) },
    // SAFETY: as above.
    depthwise_half: |j| unsafe { depthwise::depthwise::<_, 2>(Scalar, j) },
    // SAFETY: as above.
    pool: |j| unsafe { pool::pool(Scalar, j) },
    // SAFETY: as above.
    replicate: |j| unsafe { pool::replicate(Scalar, j) },
    // SAFETY: as above.
    resize: |j| unsafe { resize::resize(Scalar, j) },
    // SAFETY: as above.
    point: |j| unsafe { point::point(Scalar, j) },
    // SAFETY: as above.
    sample: |j| unsafe { sample::sample(Scalar, j) },
    // SAFETY: as above.
    reduce: |j| unsafe { sample::reduce(Scalar, j) },
    // SAFETY: as above.
    thin: |j| unsafe { level::thin(Scalar, j) },
    // SAFETY: as above.
    bounds: |j| unsafe { level::bounds(Scalar, j) },
    // SAFETY: as above.
    classes: |j| unsafe { level::classes(Scalar, j) },
    // SAFETY: as above.
    stretch: |j| unsafe { level::stretch(Scalar, j) },
    // SAFETY: as above.
    scale: |j| unsafe { tone::scale(Scalar, j) },
    // SAFETY: as above.
    bins: |j| unsafe { tone::bins(Scalar, j) },
    // SAFETY: as above.
    tones: |j| unsafe { tone::tones(Scalar, j) },
    // SAFETY: as above.
    blend: |j| unsafe { tone::blend(Scalar, j) },
    // SAFETY: as above.
    levels: |j| unsafe { tone::levels(Scalar, j) },
    // SAFETY: as above.
    votes: |j| unsafe { votes::votes(Scalar, j) },
    planes: None,
};
