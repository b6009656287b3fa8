//! Registers of slices. The end of a slice that does not fill a register is read or written through a buffer.

use super::{Counts, Isa};

/// Most lanes of any register.
pub(crate) const MOST_LANES: usize = 16;

/// The index of each lane: 0, 1, 2, ...
pub(crate) const LANE_INDEX: [f32; MOST_LANES] = [0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15.];

/// Runs `$body` for every register of `$count` values, with its index and the number of values left in it. The full
/// registers come first, in a loop of their own: a loop with a branch to the buffer does not keep its constants in
/// registers.
macro_rules! registers {
    ($count:expr, |$i:ident, $left:ident| $body:block) => {
        let count: usize = $count;
        let full = count - count % I::LANES;
        for $i in (0..full).step_by(I::LANES) {
            let $left = I::LANES;
            $body
        }
        if full < count {
            let ($i, $left) = (full, count - full);
            $body
        }
    };
}

pub(crate) use registers;

/// Reads the `LANES` values from `at` on.
///
/// # Safety
/// `values` has as many from `at` on. Debug builds check it.
#[inline(always)]
pub(crate) unsafe fn load_at<I: Isa>(isa: I, values: &[f32], at: usize) -> I::V {
    debug_assert!(at + I::LANES <= values.len(), "{at} of {}", values.len());
    // SAFETY: the caller guarantees that a register of values follows `at` inside the slice.
    unsafe { isa.load(values.as_ptr().add(at)) }
}

/// Writes the `LANES` values from `at` on.
///
/// # Safety
/// `values` has as many from `at` on. Debug builds check it.
#[inline(always)]
pub(crate) unsafe fn store_at<I: Isa>(isa: I, values: &mut [f32], at: usize, v: I::V) {
    debug_assert!(at + I::LANES <= values.len(), "{at} of {}", values.len());
    // SAFETY: the caller guarantees that a register of values follows `at` inside the slice.
    unsafe { isa.store(values.as_mut_ptr().add(at), v) }
}

macro_rules! load_some {
    ($name:ident, $t:ty, $load:ident) => {
        /// Reads up to `LANES` values from `at` on; the lanes beyond `count` are zero.
        ///
        /// # Safety
        /// `values` has `count` values from `at` on, or `LANES` if that is less. Debug builds check it.
        #[inline(always)]
        pub(crate) unsafe fn $name<I: Counts>(isa: I, values: &[$t], at: usize, count: usize) -> I::V {
            debug_assert!(at + count.min(I::LANES) <= values.len(), "{at} and {count} of {}", values.len());
            // SAFETY: the caller guarantees that the values are in the slice; the buffer holds any register.
            unsafe {
                let p = values.as_ptr().add(at);
                if count >= I::LANES {
                    return isa.$load(p);
                }
                let mut part = [<$t>::default(); MOST_LANES];
                part.as_mut_ptr().copy_from_nonoverlapping(p, count);
                isa.$load(part.as_ptr())
            }
        }
    };
}

macro_rules! store_some {
    ($name:ident, $t:ty, $store:ident) => {
        /// Writes the first `count` lanes from `at` on, all if there are fewer.
        ///
        /// # Safety
        /// `values` has `count` values from `at` on, or `LANES` if that is less. Debug builds check it.
        #[inline(always)]
        pub(crate) unsafe fn $name<I: Counts>(isa: I, values: &mut [$t], at: usize, v: I::V, count: usize) {
            debug_assert!(at + count.min(I::LANES) <= values.len(), "{at} and {count} of {}", values.len());
            // SAFETY: the caller guarantees that the places are in the slice; the buffer holds any register.
            unsafe {
                let p = values.as_mut_ptr().add(at);
                if count >= I::LANES {
                    return isa.$store(p, v);
                }
                let mut part = [<$t>::default(); MOST_LANES];
                isa.$store(part.as_mut_ptr(), v);
                p.copy_from_nonoverlapping(part.as_ptr(), count);
            }
        }
    };
}

load_some!(load_some, f32, load);
load_some!(load_u16_some, u16, load_u16);
load_some!(load_u8_some, u8, load_u8);
store_some!(store_some, f32, store);
store_some!(store_u8_some, u8, store_u8);
store_some!(store_u32_some, u32, store_u32);
