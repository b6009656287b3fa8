//! Network outputs to detections and landmarks; one function per output layout, named by the model card.

use crate::error::{Error, Result};
use crate::geometry::{Rect, iou};
use crate::kernels::{self, SOFT_ARGMAX_VALUES};
use crate::landmarks::COUNT;
use crate::nn::Network;
use crate::nn::card::{Card, Decoding};

/// A face as the detector sees it; in pixels of the input or the frame, as the context says.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Detection {
    /// Around the landmarks.
    pub bbox: Rect,
    /// Right eye, left eye, nose tip, right and left mouth corner (the subject's right).
    pub points: [[f32; 2]; 5],
    /// 0 to 1.
    pub score: f32,
}

/// Landmarks in crop units (-1 to 1 over the crop).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CropPoints {
    /// Positions.
    pub points: [[f32; 2]; COUNT],
    /// Scale `b` of each point's error: `p(d) ~ exp(-d / b) / b^2` in the plane, mean `2 b`.
    pub spread: [f32; COUNT],
    /// Probability that the crop shows a face, 0 to 1.
    pub presence: f32,
}

impl Default for CropPoints {
    fn default() -> Self {
        Self { points: [[0.0; 2]; COUNT], spread: [1.0; COUNT], presence: 0.0 }
    }
}

/// Reads detections, in input pixels, from a network that has run. Replaces the contents of `into`;
/// strongest first, overlaps removed.
pub type DecodeFaces = fn(&dyn Network, &Decoding, &mut Vec<Detection>);

/// Reads landmarks from a network that has run. `false` if the output holds NaN or infinities.
pub type DecodePoints = fn(&dyn Network, &Decoding, &mut CropPoints) -> bool;

/// Output shapes that a layout reads; 0 matches any extent.
type Shapes = &'static [&'static [usize]];

/// Detector layouts.
const DETECTORS: [(&str, Shapes, DecodeFaces); 1] =
    [("center-stride4", &[&[1, 1, 0, 0], &[1, 14, 0, 0]], center_stride4)];

/// Landmark layouts.
const LANDMARKERS: [(&str, Shapes, DecodePoints); 2] =
    [("laplace70", &[&[1, COUNT, 3], &[1, 1]], laplace70), ("votes70", &[&[1, 0, 0, 4 * COUNT], &[1, 1]], votes70)];

/// Most detections kept before overlaps are removed.
pub const CANDIDATES: usize = 128;

/// The function for a detector's card.
///
/// # Errors
/// `Fix` if the layout or the shapes are not known.
pub fn detector(card: &Card) -> Result<DecodeFaces> {
    find(card, &DETECTORS)
}

/// The function for a landmark network's card.
///
/// # Errors
/// `Fix` if the layout or the shapes are not known.
pub fn landmarker(card: &Card) -> Result<DecodePoints> {
    find(card, &LANDMARKERS)
}

fn find<F: Copy>(card: &Card, table: &[(&str, Shapes, F)]) -> Result<F> {
    let Some((_, shapes, decode)) = table.iter().find(|row| row.0 == card.decode) else {
        let known: Vec<_> = table.iter().map(|row| row.0).collect();
        return Err(Error::fix(&card.name, format!("decode is {:?}, known: {}", card.decode, known.join(", "))));
    };
    let fits = |want: &[usize], found: &[usize]| {
        want.len() == found.len() && want.iter().zip(found).all(|(w, f)| *w == 0 || w == f)
    };
    let found: Vec<_> = card.outputs.iter().map(|o| o.shape.as_slice()).collect();
    if found.len() != shapes.len() || !shapes.iter().zip(&found).all(|(w, f)| fits(w, f)) {
        return Err(Error::fix(&card.name, format!("{} reads {shapes:?} (0 = any), found {found:?}", card.decode)));
    }
    Ok(*decode)
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Centre heat map with box and five points, one cell per 4 x 4 input pixels.
///
/// Output 0: logits of a face centre `[1, 1, rows, columns]`. Output 1 `[1, 14, rows, columns]`: offset
/// x, y of the box centre from the cell's centre in cells; log(width / 8), log(height / 8); five points,
/// x, y from the cell's centre in box widths and heights.
fn center_stride4(network: &dyn Network, constants: &Decoding, into: &mut Vec<Detection>) {
    into.clear();
    let Some(&[_, _, rows, columns]) = network.outputs().first().map(|o| o.1.as_slice()) else { return };
    let (heat, geom) = (network.output(0), network.output(1));
    let cells = rows * columns;
    if heat.len() != cells || geom.len() != 14 * cells {
        return;
    }
    let least = (constants.threshold / (1.0 - constants.threshold)).ln();
    for cell in 0..cells {
        // NaN is below every threshold.
        if !heat[cell].ge(&least) || !is_peak(heat, rows, columns, cell) {
            continue;
        }
        let score = sigmoid(heat[cell]);
        let at = |channel: usize| geom[channel * cells + cell];
        let centre = [((cell % columns) as f32 + 0.5) * 4.0, ((cell / columns) as f32 + 0.5) * 4.0];
        let face = place(centre, at, score);
        if face.bbox.is_finite() && face.points.as_flattened().iter().all(|v| v.is_finite()) {
            keep(into, face);
        }
    }
    suppress(into, constants.nms_iou);
}

/// Turns the 14 values of a cell into a face.
fn place([cx, cy]: [f32; 2], at: impl Fn(usize) -> f32, score: f32) -> Detection {
    // e^6 * 8 = 3227 pixels, larger than any input: keeps the box finite for extreme outputs.
    let (w, h) = (8.0 * at(2).clamp(-4.0, 6.0).exp(), 8.0 * at(3).clamp(-4.0, 6.0).exp());
    let (x, y) = (cx + 4.0 * at(0), cy + 4.0 * at(1));
    let mut points = [[0.0; 2]; 5];
    for (i, p) in points.iter_mut().enumerate() {
        *p = [cx + w * at(4 + 2 * i), cy + h * at(5 + 2 * i)];
    }
    Detection { bbox: Rect::new(x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0), points, score }
}

/// True if none of the eight neighbours is higher; among equals the first in reading order is the peak.
fn is_peak(heat: &[f32], rows: usize, columns: usize, cell: usize) -> bool {
    let (row, column) = (cell / columns, cell % columns);
    for r in row.saturating_sub(1)..(row + 2).min(rows) {
        for c in column.saturating_sub(1)..(column + 2).min(columns) {
            let other = r * columns + c;
            if heat[other] > heat[cell] || (heat[other] == heat[cell] && other < cell) {
                return false;
            }
        }
    }
    true
}

/// Adds a detection; when full, replaces the weakest.
pub(crate) fn keep(into: &mut Vec<Detection>, face: Detection) {
    if into.len() < CANDIDATES {
        into.push(face);
    } else if let Some(weakest) = into.iter_mut().min_by(|a, b| a.score.total_cmp(&b.score))
        && weakest.score < face.score
    {
        *weakest = face;
    }
}

/// Sorts by score and removes what overlaps something stronger by more than `limit`.
pub(crate) fn suppress(faces: &mut Vec<Detection>, limit: f32) {
    faces.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
    distinct(faces, |a, b| iou(a.bbox, b.bbox) > limit);
}

/// Removes each item that is the same as an earlier item that stays.
pub(crate) fn distinct<T>(items: &mut Vec<T>, same: impl Fn(&T, &T) -> bool) {
    let mut kept = 0;
    for i in 0..items.len() {
        if !items[..kept].iter().any(|k| same(k, &items[i])) {
            items.swap(kept, i);
            kept += 1;
        }
    }
    items.truncate(kept);
}

/// 70 points with a Laplace error scale each, and a presence logit.
///
/// Output 0 `[1, 70, 3]`: x, y in crop units and the log of the expected radial error in crop units.
/// The radial density in the plane is `exp(-d / b) / b^2` (a gamma distribution of shape 2), whose mean
/// is `2 b`, hence `b = exp(s) / 2`. Output 1 `[1, 1]`: presence.
fn laplace70(network: &dyn Network, constants: &Decoding, into: &mut CropPoints) -> bool {
    let (values, presence) = (network.output(0), network.output(1));
    if values.len() != 3 * COUNT || presence.len() != 1 || !values.iter().chain(presence).all(|v| v.is_finite()) {
        return false;
    }
    for (i, v) in values.as_chunks::<3>().0.iter().enumerate() {
        put(into, i, *v, constants);
    }
    into.presence = sigmoid(presence[0]);
    true
}

/// Writes one point: x and y in crop units, log of the expected radial error.
fn put(into: &mut CropPoints, point: usize, [x, y, s]: [f32; 3], constants: &Decoding) {
    into.points[point] = [x.clamp(-4.0, 4.0), y.clamp(-4.0, 4.0)];
    into.spread[point] = constants.spread * s.clamp(-8.0, 4.0).exp() / 2.0;
}

/// Every cell of a coarse grid votes for all 70 points; and a presence logit.
///
/// Output 0 `[1, rows, columns, 280]`: per cell 70 weight logits, then 70 times x, y (from the cell's
/// centre, crop units) and log of the expected radial error. A point is the mean over all cells, weighted
/// by the softmax of the logits; error scale and presence as in [`laplace70`].
fn votes70(network: &dyn Network, constants: &Decoding, into: &mut CropPoints) -> bool {
    let Some(&[_, rows, columns, _]) = network.outputs().first().map(|o| o.1.as_slice()) else { return false };
    let (votes, presence) = (network.output(0).as_chunks::<{ 4 * COUNT }>().0, network.output(1));
    if votes.is_empty() || votes.len() != rows * columns || presence.len() != 1 || !presence[0].is_finite() {
        return false;
    }
    let mut means = [0.0; SOFT_ARGMAX_VALUES * COUNT];
    kernels::current().soft_argmax(votes.as_flattened(), (rows, columns), COUNT, &mut means);
    for p in 0..COUNT {
        let mean = [means[p], means[COUNT + p], means[2 * COUNT + p]];
        if !mean.iter().all(|v| v.is_finite()) {
            return false;
        }
        put(into, p, mean, constants);
    }
    into.presence = sigmoid(presence[0]);
    true
}

/// Probability that a point lies within `radius` of its estimate, for an error scale `spread` (both
/// in the same unit): the distribution function of the radial Laplace density, `1 - (1 + r/b) exp(-r/b)`.
pub fn within(radius: f32, spread: f32) -> f32 {
    let q = (radius / spread.max(1e-9)).max(0.0);
    (1.0 - (1.0 + q) * (-q).exp()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests;
