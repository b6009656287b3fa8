//! Tones of a picture for the eye: histogram bins of counts, tone curves over them, blends of rows, palette levels.

use crate::kernels::Kernels;
use crate::kernels::isa::Counts;
use crate::kernels::isa::tail::{
    LANE_INDEX, MOST_LANES, load_at, load_some, load_u16_some, registers, store_some, store_u8_some, store_u32_some,
};

/// Arguments of the kernels on counts; each count is scaled: `(v - low) * gain`.
pub(crate) struct Scaling<'a, T, Extra = ()> {
    counts: &'a [u16],
    low: f32,
    gain: f32,
    /// As long as `counts`.
    to: &'a mut [T],
    extra: Extra,
}

/// Two tone curves of one length, at least two values, and each count's position between them.
#[derive(Clone, Copy)]
pub(crate) struct Curves<'a> {
    curves: [&'a [f32]; 2],
    share: f32,
    step: f32,
}

/// Arguments of the kernels that blend two rows. All slices have one length.
pub(crate) struct Blending<'a, T> {
    a: &'a [f32],
    b: &'a [f32],
    share: f32,
    to: &'a mut [T],
}

impl Kernels {
    /// `(v - low) * gain` of each count.
    ///
    /// # Panics
    /// If `to` is shorter than `counts`.
    pub fn scale(&self, counts: &[u16], low: f32, gain: f32, to: &mut [f32]) {
        let to = &mut to[..counts.len()];
        // SAFETY: both slices have one length; a `Kernels` is only handed out on a CPU that has its instructions.
        unsafe { (self.scale)(Scaling { counts, low, gain, to, extra: () }) };
    }

    /// The histogram bin of each count: 0 below `low`, `1 + floor((v - low) * gain)` within, `bins + 1` beyond them.
    ///
    /// # Panics
    /// If `to` is shorter than `counts`.
    pub fn bin_counts(&self, counts: &[u16], low: f32, gain: f32, bins: u16, to: &mut [u32]) {
        let to = &mut to[..counts.len()];
        // SAFETY: `to` was cut to the length of `counts`, and the CPU has the instructions of this table.
        unsafe { (self.bin_counts)(Scaling { counts, low, gain, to, extra: f32::from(bins) }) };
    }

    /// Each count's value on a curve that lies `share` of the way from the first of `curves` to the second, and `step`
    /// further for each count. Curves have a value at every integer `(v - low) * gain` from 0 on, and are straight
    /// between; the ends' values hold beyond.
    ///
    /// # Panics
    /// If `to` is shorter than `counts`, or the curves have different lengths or fewer than two values.
    pub fn tone_curve(
        &self,
        counts: &[u16],
        (low, gain): (f32, f32),
        curves: [&[f32]; 2],
        (share, step): (f32, f32),
        to: &mut [f32],
    ) {
        assert!(curves[0].len() >= 2 && curves[0].len() == curves[1].len());
        let to = &mut to[..counts.len()];
        let extra = Curves { curves, share, step };
        // SAFETY: the slices and the curves have the lengths that the kernel wants; the CPU has its instructions.
        unsafe { (self.tone_curve)(Scaling { counts, low, gain, to, extra }) };
    }

    /// `a + (b - a) * share` of each pair.
    ///
    /// # Panics
    /// If `b` or `to` is shorter than `a`.
    pub fn blend(&self, a: &[f32], b: &[f32], share: f32, to: &mut [f32]) {
        let (b, to) = (&b[..a.len()], &mut to[..a.len()]);
        // SAFETY: all slices were cut to one length; tables are only handed out where the CPU has their instructions.
        unsafe { (self.blend)(Blending { a, b, share, to }) };
    }

    /// The nearest integer from 0 to 255 to `a + (b - a) * share` of each pair, ties to even; 0 for NaN.
    ///
    /// # Panics
    /// If `b` or `to` is shorter than `a`.
    pub fn blend_u8(&self, a: &[f32], b: &[f32], share: f32, to: &mut [u8]) {
        let (b, to) = (&b[..a.len()], &mut to[..a.len()]);
        // SAFETY: `b` and `to` are as long as `a`, and the CPU has the instructions of this table.
        unsafe { (self.blend_u8)(Blending { a, b, share, to }) };
    }
}

/// Runs `$body` for every register of counts, as `(v - low) * gain`, with its index and the number of counts in it.
macro_rules! each {
    ($isa:ident, $job:ident, |$i:ident, $left:ident, $v:ident| $body:block) => {
        let (low, gain) = ($isa.splat($job.low), $isa.splat($job.gain));
        registers!($job.counts.len(), |$i, $left| {
            // SAFETY: `$left` counts from `$i` on are in the slice.
            let counts = unsafe { load_u16_some($isa, $job.counts, $i, $left) };
            let $v = $isa.mul($isa.sub(counts, low), gain);
            $body
        });
    };
}

/// Scaled counts.
///
/// # Safety
/// `to` is as long as `counts`.
#[inline(always)]
pub(crate) unsafe fn scale<I: Counts>(isa: I, job: Scaling<f32>) {
    each!(isa, job, |i, left, v| {
        // SAFETY: `to` has `left` places from `i` on, as it is as long as `counts`.
        unsafe { store_some(isa, job.to, i, v, left) };
    });
}

/// The bin of each count.
///
/// # Safety
/// `to` is as long as `counts`.
#[inline(always)]
pub(crate) unsafe fn bin_counts<I: Counts>(isa: I, job: Scaling<u32, f32>) {
    let (one, last) = (isa.splat(1.0), isa.splat(job.extra + 1.0));
    each!(isa, job, |i, left, v| {
        let bin = isa.floor(isa.limit(isa.add(v, one), last));
        // SAFETY: there is a place for each of the `left` counts from `i` on.
        unsafe { store_u32_some(isa, job.to, i, bin, left) };
    });
}

/// Each count's value on the curves.
///
/// # Safety
/// `to` is as long as `counts`; the curves are equally long, at least two values.
#[inline(always)]
pub(crate) unsafe fn tone_curve<I: Counts>(isa: I, job: Scaling<f32, Curves>) {
    let Curves { curves, share, step } = job.extra;
    let end = curves[0].len() - 1;
    let (last, end) = (isa.splat(end as f32 - 1.0), isa.splat(end as f32));
    let alone = std::ptr::eq(curves[0], curves[1]);
    // SAFETY: the constant has an index for each lane of any register.
    let lanes = unsafe { load_at(isa, &LANE_INDEX, 0) };
    each!(isa, job, |i, left, v| {
        let place = isa.limit(v, end);
        let first = isa.min(last, isa.floor(place));
        let part = isa.sub(place, first);
        let mut at = [0; MOST_LANES];
        // SAFETY: indices are below the curves' last, as `first` is limited; `to` has `left` places from `i` on.
        unsafe {
            isa.store_u32(at.as_mut_ptr(), first);
            let [a, b] = isa.gather_pairs(curves[0].as_ptr(), curves[0].len(), at.as_ptr());
            let mut tone = isa.fma(isa.sub(b, a), part, a);
            if !alone {
                let share = isa.fma(isa.add(lanes, isa.splat(i as f32)), isa.splat(step), isa.splat(share));
                let [a, b] = isa.gather_pairs(curves[1].as_ptr(), curves[1].len(), at.as_ptr());
                let other = isa.fma(isa.sub(b, a), part, a);
                tone = isa.fma(isa.sub(other, tone), share, tone);
            }
            store_some(isa, job.to, i, tone, left);
        }
    });
}

/// The blend of two rows.
///
/// # Safety
/// `a`, `b` and `to` have one length.
#[inline(always)]
pub(crate) unsafe fn blend<I: Counts>(isa: I, job: Blending<f32>) {
    let share = isa.splat(job.share);
    registers!(job.a.len(), |i, left| {
        // SAFETY: all three slices have `left` values from `i` on.
        unsafe {
            let (a, b) = (load_some(isa, job.a, i, left), load_some(isa, job.b, i, left));
            store_some(isa, job.to, i, isa.fma(isa.sub(b, a), share, a), left);
        }
    });
}

/// The blend of two rows, rounded to bytes.
///
/// # Safety
/// `a`, `b` and `to` have one length.
#[inline(always)]
pub(crate) unsafe fn blend_u8<I: Counts>(isa: I, job: Blending<u8>) {
    let (share, most) = (isa.splat(job.share), isa.splat(255.0));
    // Floats from 2^23 on are integers, so adding it rounds.
    let integers = isa.splat(8_388_608.0);
    registers!(job.a.len(), |i, left| {
        // SAFETY: the two rows and `to` are equally long, so each has `left` values from `i` on.
        unsafe {
            let (a, b) = (load_some(isa, job.a, i, left), load_some(isa, job.b, i, left));
            let v = isa.limit(isa.fma(isa.sub(b, a), share, a), most);
            let v = isa.sub(isa.add(v, integers), integers);
            store_u8_some(isa, job.to, i, v, left);
        }
    });
}
