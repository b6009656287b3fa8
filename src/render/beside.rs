//! The visible frame, scaled to the height of the thermal picture and put to its right.

use crate::frame::Visible;
use crate::picture::Canvas;

/// Dark columns between the two pictures.
const GAP: u32 = 4;
/// Their grey.
const GAP_GREY: u8 = 16;
/// Fixed-point one of positions in the visible frame.
const ONE: u64 = 1 << 16;

/// Columns of a visible frame at this height.
pub fn width_at(visible: &Visible, height: u32) -> u32 {
    let (w, h) = (u64::from(visible.width), u64::from(visible.height.max(1)));
    u32::try_from((w * u64::from(height) + h / 2) / h).unwrap_or(0).clamp(1, 4096)
}

/// Scales `visible` to `width` x `height` into `out`: the nearest pixel of each place.
pub fn scaled(visible: &Visible, width: u32, height: u32, out: &mut Canvas) {
    out.resize(width, height);
    let step = |from: u32, to: u32| u64::from(from) * ONE / u64::from(to.max(1));
    let (dx, dy) = (step(visible.width, width), step(visible.height, height));
    let at = |i: u64, step: u64, most: u32| (((i * step + step / 2) / ONE) as usize).min(most.max(1) as usize - 1);
    for (y, row) in (0..).zip(out.rgb.chunks_exact_mut((3 * width as usize).max(1))) {
        let from = at(y, dy, visible.height) * visible.width as usize;
        for (x, pixel) in (0..).zip(row.chunks_exact_mut(3)) {
            let i = 3 * (from + at(x, dx, visible.width));
            pixel.copy_from_slice(visible.rgb.get(i..i + 3).unwrap_or(&[0; 3]));
        }
    }
}

/// Puts two pictures of the same height side by side.
pub fn join(left: &Canvas, right: &Canvas, out: &mut Canvas) {
    out.resize(left.width + GAP + right.width, left.height);
    let (l, gap) = (3 * left.width as usize, 3 * GAP as usize);
    let row = 3 * out.width as usize;
    let rows = left.rgb.chunks_exact(l.max(1)).zip(right.rgb.chunks_exact((3 * right.width as usize).max(1)));
    for (to, (a, b)) in out.rgb.chunks_exact_mut(row.max(1)).zip(rows) {
        to[..l].copy_from_slice(a);
        to[l..l + gap].fill(GAP_GREY);
        to[l + gap..].copy_from_slice(b);
    }
}
