//! A contact sheet: first, middle and last frames of many sequences with their boxes.

use super::develop::Thermal;
use super::film::Truth;
use super::folder::{Props, Sequence};
use super::layer::Modality;
use crate::error::Result;
use crate::picture::{Canvas, png};

/// Sequences per row and per column, and frames of each.
const COLUMNS: usize = 6;
const ROWS: usize = 8;
const SHOWN: usize = 3;
/// A picture on the sheet.
const WIDE: usize = 160;
const TALL: usize = 120;

/// Renders 48 sequences of `seed`, thermal above visible, three frames beside each other: the box is green, red where
/// less than half is seen, and missing where the target is absent.
///
/// # Errors
/// Errors of the PNG encoder.
pub fn contact(props: &Props, seed: u64, frames: usize) -> Result<Vec<u8>> {
    let mut canvas = Canvas::new((COLUMNS * SHOWN * WIDE) as u32, (ROWS * 2 * TALL) as u32);
    for i in 0..COLUMNS * ROWS {
        let sequence = props.render(seed, i as u64, frames);
        let (x, y) = ((i % COLUMNS) * SHOWN * WIDE, (i / COLUMNS) * 2 * TALL);
        for k in 0..SHOWN {
            let frame = k * (frames - 1) / (SHOWN - 1);
            thermal(&mut canvas, &sequence, frame, [x + k * WIDE, y]);
            visible(&mut canvas, &sequence, frame, [x + k * WIDE, y + TALL]);
        }
    }
    let mut out = Vec::new();
    png(&canvas, &mut out)?;
    Ok(out)
}

fn thermal(canvas: &mut Canvas, sequence: &Sequence, frame: usize, at: [usize; 2]) {
    let [w, h] = sequence.script.size(Modality::Thermal);
    let values: Vec<f32> = match &sequence.thermal[frame] {
        Thermal::Deep(px) => px.iter().map(|p| f32::from(*p)).collect(),
        Thermal::Grey(px) => px.iter().map(|p| f32::from(*p)).collect(),
    };
    let mut sorted = values.clone();
    sorted.sort_by(f32::total_cmp);
    let (lo, hi) = (sorted[sorted.len() / 200], sorted[sorted.len() - 1 - sorted.len() / 200]);
    let grey =
        |x: usize, y: usize| [((values[y * w + x] - lo) / (hi - lo).max(1.0) * 255.0).clamp(0.0, 255.0) as u8; 3];
    paste(canvas, at, [w, h], grey, &sequence.truths[frame][Modality::Thermal as usize]);
}

fn visible(canvas: &mut Canvas, sequence: &Sequence, frame: usize, at: [usize; 2]) {
    let [w, h] = sequence.script.size(Modality::Visible);
    let px = &sequence.visible[frame];
    let colour = |x: usize, y: usize| std::array::from_fn(|k| px[(y * w + x) * 3 + k]);
    paste(canvas, at, [w, h], colour, &sequence.truths[frame][Modality::Visible as usize]);
}

fn paste(canvas: &mut Canvas, at: [usize; 2], [w, h]: [usize; 2], px: impl Fn(usize, usize) -> [u8; 3], truth: &Truth) {
    let stride = canvas.width as usize;
    let mut put = |x: usize, y: usize, c: [u8; 3]| {
        let i = ((at[1] + y) * stride + at[0] + x) * 3;
        canvas.rgb[i..i + 3].copy_from_slice(&c);
    };
    for y in 0..TALL {
        for x in 0..WIDE {
            put(x, y, px(x * w / WIDE, y * h / TALL));
        }
    }
    let Some(b) = truth.outline else { return };
    let k = WIDE as f32 / w as f32;
    let colour = if truth.seen < 0.5 { [255, 60, 40] } else { [40, 255, 60] };
    let edge = |v: f32, n: usize| ((v * k) as usize).min(n - 1);
    let (x0, x1, y0, y1) = (edge(b.x0, WIDE), edge(b.x1, WIDE), edge(b.y0, TALL), edge(b.y1, TALL));
    for x in x0..=x1 {
        put(x, y0, colour);
        put(x, y1, colour);
    }
    for y in y0..=y1 {
        put(x0, y, colour);
        put(x1, y, colour);
    }
}
