//! Kernels in plain Rust, for any CPU. Registers are arrays of four floats, which compilers turn into
//! the vectors that the target always has; each product and sum is rounded.

pub(crate) mod int8;

use super::{Counts, FOUR, Isa, Transpose};

#[derive(Clone, Copy)]
pub(crate) struct Scalar;

type V = [f32; 4];

#[inline(always)]
pub(crate) fn zip<T: Copy>(a: [T; 4], b: [T; 4], f: impl Fn(T, T) -> T) -> [T; 4] {
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
    fn exp2_biased(self, shifted: V) -> V {
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
        // SAFETY: the caller guarantees that four floats are readable; an array of floats needs no more than their
        // alignment.
        unsafe { p.cast::<V>().read() }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: V) {
        // SAFETY: the caller guarantees that four floats are writable.
        unsafe { p.cast::<V>().write(v) }
    }
}

impl Transpose for Scalar {
    #[inline(always)]
    unsafe fn load_fours(self, p: *const f32, _: usize) -> V {
        // SAFETY: the caller says that the register's four floats are readable at `p`.
        unsafe { self.load(p) }
    }

    #[inline(always)]
    fn transpose4(self, rows: [V; FOUR]) -> [V; FOUR] {
        let mut columns = [[0.0; 4]; FOUR];
        for i in 0..4 {
            for j in 0..FOUR {
                columns[i][j] = rows[j][i];
            }
        }
        columns
    }
}

impl Counts for Scalar {
    #[inline(always)]
    fn limit(self, x: V, limit: V) -> V {
        // `max` first: it makes a NaN a zero.
        zip(x, limit, |x, limit| x.max(0.0).min(limit))
    }

    #[inline(always)]
    fn floor(self, x: V) -> V {
        x.map(|x| x as u32 as f32)
    }

    #[inline(always)]
    fn even_lanes(self, a: V, b: V) -> V {
        [a[0], a[2], b[0], b[2]]
    }

    #[inline(always)]
    unsafe fn load_u16(self, p: *const u16) -> V {
        // SAFETY: the caller guarantees that four counts are readable.
        unsafe { p.cast::<[u16; 4]>().read() }.map(f32::from)
    }

    #[inline(always)]
    unsafe fn load_u8(self, p: *const u8) -> V {
        // SAFETY: the caller guarantees that four bytes are readable.
        unsafe { p.cast::<[u8; 4]>().read() }.map(f32::from)
    }

    #[inline(always)]
    unsafe fn load_u16_means(self, upper: *const u16, lower: *const u16) -> V {
        // SAFETY: the caller guarantees that eight counts of either are readable.
        let rows = unsafe { [upper, lower].map(|p| p.cast::<[[u16; 2]; 4]>().read()) };
        std::array::from_fn(|i| {
            let [[a, b], [c, d]] = rows.map(|row| row[i].map(u32::from));
            (a + b + c + d) as f32 * 0.25
        })
    }

    #[inline(always)]
    unsafe fn store_u32(self, p: *mut u32, v: V) {
        // SAFETY: the caller guarantees that four numbers are writable.
        unsafe { p.cast::<[u32; 4]>().write(v.map(|v| v as u32)) }
    }

    #[inline(always)]
    unsafe fn gather_squares(self, p: *const u16, at: *const u32, below: usize) -> [V; 4] {
        // SAFETY: the caller guarantees that the numbers and these counts are readable.
        unsafe {
            let at = at.cast::<[u32; 4]>().read();
            let pick = |offset: usize| at.map(|i| f32::from(p.add(i as usize + offset).read()));
            [pick(0), pick(1), pick(below), pick(below + 1)]
        }
    }

    #[inline(always)]
    unsafe fn gather_pairs(self, p: *const f32, _: usize, at: *const u32) -> [V; 2] {
        // SAFETY: the caller guarantees that the numbers and these values are readable.
        unsafe {
            let at = at.cast::<[u32; 4]>().read();
            [0, 1].map(|offset| at.map(|i| p.add(i as usize + offset).read()))
        }
    }

    #[inline(always)]
    unsafe fn store_u8(self, p: *mut u8, v: V) {
        // SAFETY: the caller guarantees that four bytes are writable.
        unsafe { p.cast::<[u8; 4]>().write(v.map(|v| v as u8)) }
    }
}
