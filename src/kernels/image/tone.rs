//! Tones of a picture for the eye: classes of counts, curves over them, mixtures of rows, palette levels.

use crate::kernels::Kernels;
use crate::kernels::isa::Counts;
use crate::kernels::isa::tail::{
    LANE_INDEX, MOST_LANES, load_some, load_u16_some, registers, store_some, store_u8_some, store_u32_some,
};

/// What the kernels on counts need: each count `v` is taken as `(v - low) * gain`.
pub(crate) struct Counted<'a, T> {
    counts: &'a [u16],
    low: f32,
    gain: f32,
    to: *mut T,
    /// Of classes, how many; of tones, two curves.
    rest: Rest<'a>,
}

enum Rest<'a> {
    Nothing,
    Classes(f32),
    Curves { curves: [&'a [f32]; 2], share: f32, step: f32 },
}

/// What the kernels on two rows of values need.
pub(crate) struct Blending<'a, T> {
    a: &'a [f32],
    b: &'a [f32],
    share: f32,
    to: *mut T,
}

impl Kernels {
    /// `(v - low) * gain` of each count.
    ///
    /// # Panics
    /// If `to` is shorter than `counts`.
    pub fn scale(&self, counts: &[u16], low: f32, gain: f32, to: &mut [f32]) {
        assert!(to.len() >= counts.len());
        let job = Counted { counts, low, gain, to: to.as_mut_ptr(), rest: Rest::Nothing };
        // SAFETY: `to` is long enough; a `Kernels` is only handed out on a CPU that has its instructions.
        unsafe { (self.scale)(&job) };
    }

    /// The class of each count: 0 below `low`, `1 + floor((v - low) * gain)` within, `classes + 1` beyond them.
    ///
    /// # Panics
    /// If `to` is shorter than `counts`.
    pub fn bin_counts(&self, counts: &[u16], low: f32, gain: f32, classes: u16, to: &mut [u32]) {
        assert!(to.len() >= counts.len());
        let job = Counted { counts, low, gain, to: to.as_mut_ptr(), rest: Rest::Classes(classes.into()) };
        // SAFETY: as above.
        unsafe { (self.bin_counts)(&job) };
    }

    /// Each count's value on a curve that lies `share` of the way from the first of `curves` to the second, and
    /// `step` further for each count. Curves have a value at every whole `(v - low) * gain` from 0 on, and are straight
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
        assert!(to.len() >= counts.len() && curves[0].len() >= 2 && curves[0].len() == curves[1].len());
        let rest = Rest::Curves { curves, share, step };
        let job = Counted { counts, low, gain, to: to.as_mut_ptr(), rest };
        // SAFETY: as above; the curves hold all places up to the last.
        unsafe { (self.tone_curve)(&job) };
    }

    /// `a + (b - a) * share` of each pair.
    ///
    /// # Panics
    /// If `b` or `to` is shorter than `a`.
    pub fn blend(&self, a: &[f32], b: &[f32], share: f32, to: &mut [f32]) {
        assert!(b.len() >= a.len() && to.len() >= a.len());
        // SAFETY: all rows are long enough.
        unsafe { (self.blend)(&Blending { a, b, share, to: to.as_mut_ptr() }) };
    }

    /// The nearest integer from 0 to 255 to `a + (b - a) * share` of each pair, ties to even; 0 of NaN.
    ///
    /// # Panics
    /// If `b` or `to` is shorter than `a`.
    pub fn blend_u8(&self, a: &[f32], b: &[f32], share: f32, to: &mut [u8]) {
        assert!(b.len() >= a.len() && to.len() >= a.len());
        // SAFETY: all rows are long enough.
        unsafe { (self.blend_u8)(&Blending { a, b, share, to: to.as_mut_ptr() }) };
    }
}

/// Calls `$body` for every register of counts, as `(v - low) * gain`, with its place and how many there are.
macro_rules! each {
    ($isa:ident, $job:ident, |$i:ident, $left:ident, $v:ident| $body:block) => {
        let (low, gain) = ($isa.splat($job.low), $isa.splat($job.gain));
        registers!($job.counts.len(), |$i, $left| {
            // SAFETY: no more counts are read than are left.
            let counts = unsafe { load_u16_some($isa, $job.counts.as_ptr().add($i), $left) };
            let $v = $isa.mul($isa.sub(counts, low), gain);
            $body
        });
    };
}

/// # Safety
/// `to` is writable for as many values as there are counts.
#[inline(always)]
pub(crate) unsafe fn scale<I: Counts>(isa: I, job: &Counted<f32>) {
    each!(isa, job, |i, left, v| {
        // SAFETY: no more than is left is written.
        unsafe { store_some(isa, job.to.add(i), v, left) };
    });
}

/// # Safety
/// `to` is writable for as many numbers as there are counts.
#[inline(always)]
pub(crate) unsafe fn bin_counts<I: Counts>(isa: I, job: &Counted<u32>) {
    let Rest::Classes(classes) = job.rest else { return };
    let (one, last) = (isa.splat(1.0), isa.splat(classes + 1.0));
    each!(isa, job, |i, left, v| {
        let class = isa.floor(isa.limit(isa.add(v, one), last));
        // SAFETY: no more than is left is written.
        unsafe { store_u32_some(isa, job.to.add(i), class, left) };
    });
}

/// # Safety
/// `to` is writable for as many values as there are counts; the curves are equally long, two values at least.
#[inline(always)]
pub(crate) unsafe fn tone_curve<I: Counts>(isa: I, job: &Counted<f32>) {
    let Rest::Curves { curves, share, step } = job.rest else { return };
    let end = curves[0].len() - 1;
    let (last, end) = (isa.splat(end as f32 - 1.0), isa.splat(end as f32));
    let alone = std::ptr::eq(curves[0], curves[1]);
    // SAFETY: there are at least as many numbers as lanes.
    let lanes = unsafe { isa.load(LANE_INDEX.as_ptr()) };
    each!(isa, job, |i, left, v| {
        let class = isa.limit(v, end);
        let first = isa.min(last, isa.floor(class));
        let part = isa.sub(class, first);
        let mut at = [0; MOST_LANES];
        // SAFETY: places are below the curves' last; no more than is left is written.
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
            store_some(isa, job.to.add(i), tone, left);
        }
    });
}

/// # Safety
/// `b` is as long as `a`, and `to` writable for as many values.
#[inline(always)]
pub(crate) unsafe fn blend<I: Counts>(isa: I, job: &Blending<f32>) {
    let share = isa.splat(job.share);
    registers!(job.a.len(), |i, left| {
        // SAFETY: no more than is left is read or written.
        unsafe {
            let (a, b) = (load_some(isa, job.a.as_ptr().add(i), left), load_some(isa, job.b.as_ptr().add(i), left));
            store_some(isa, job.to.add(i), isa.fma(isa.sub(b, a), share, a), left);
        }
    });
}

/// # Safety
/// `b` is as long as `a`, and `to` writable for as many bytes.
#[inline(always)]
pub(crate) unsafe fn blend_u8<I: Counts>(isa: I, job: &Blending<u8>) {
    let (share, most) = (isa.splat(job.share), isa.splat(255.0));
    // Beyond 2^23 there are integers only: adding it rounds.
    let whole = isa.splat(8_388_608.0);
    registers!(job.a.len(), |i, left| {
        // SAFETY: no more than is left is read or written.
        unsafe {
            let (a, b) = (load_some(isa, job.a.as_ptr().add(i), left), load_some(isa, job.b.as_ptr().add(i), left));
            let v = isa.limit(isa.fma(isa.sub(b, a), share, a), most);
            let v = isa.sub(isa.add(v, whole), whole);
            store_u8_some(isa, job.to.add(i), v, left);
        }
    });
}
