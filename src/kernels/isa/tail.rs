//! The end of a row that does not fill a register: what is left is read or written through a buffer.

use super::Counts;

/// Most lanes of any register.
pub(crate) const MOST_LANES: usize = 16;

/// 0, 1, 2, ...
pub(crate) const LANE_INDEX: [f32; MOST_LANES] = [0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15.];

/// Runs `$body` for every register of `$count` values with its place and how many there are: first for the whole ones, in
/// a loop that keeps its constants, as none does that may have to read a part through a buffer.
macro_rules! registers {
    ($count:expr, |$i:ident, $left:ident| $body:block) => {
        let count: usize = $count;
        let whole = count - count % I::LANES;
        for $i in (0..whole).step_by(I::LANES) {
            let $left = I::LANES;
            $body
        }
        if whole < count {
            let ($i, $left) = (whole, count - whole);
            $body
        }
    };
}

pub(crate) use registers;

macro_rules! read_some {
    ($name:ident, $t:ty, $load:ident) => {
        /// Reads up to `LANES` values; the lanes beyond `count` are zero.
        ///
        /// # Safety
        /// `p` is valid for reading as many.
        #[inline(always)]
        pub(crate) unsafe fn $name<I: Counts>(isa: I, p: *const $t, count: usize) -> I::V {
            // SAFETY: by contract; the buffer holds the lanes of any register.
            unsafe {
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

macro_rules! write_some {
    ($name:ident, $t:ty, $store:ident) => {
        /// Writes the first `count` lanes, all if it is more.
        ///
        /// # Safety
        /// `p` is valid for writing as many.
        #[inline(always)]
        pub(crate) unsafe fn $name<I: Counts>(isa: I, p: *mut $t, v: I::V, count: usize) {
            // SAFETY: by contract; the buffer holds the lanes of any register.
            unsafe {
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

read_some!(load_some, f32, load);
read_some!(load_u16_some, u16, load_u16);
write_some!(store_some, f32, store);
write_some!(store_u8_some, u8, store_u8);
write_some!(store_u32_some, u32, store_u32);
