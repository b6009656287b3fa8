//! Network outputs to detections and landmarks; one function per output layout, named by the model card.

use crate::error::{Error, Result};
use crate::kernels::{self, VALUES};
use crate::landmarks::COUNT;
use crate::nn::Network;
use crate::nn::card::{Card, Decoding};

/// A face as the detector sees it, in pixels of whatever it was given in.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Detection {
    /// `[x0, y0, x1, y1]` around the landmarks.
    pub bbox: [f32; 4],
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
    /// Belief that the crop shows a face, 0 to 1.
    pub presence: f32,
}

impl Default for CropPoints {
    fn default() -> Self {
        Self { points: [[0.0; 2]; COUNT], spread: [1.0; COUNT], presence: 0.0 }
    }
}

/// Reads detections, in input pixels, from a network that has run; clears `into` first and leaves the
/// strongest first, overlaps removed.
pub type DecodeFaces = fn(&dyn Network, &Decoding, &mut Vec<Detection>);

/// Reads landmarks from a network that has run. `false` where the output holds NaN or infinities.
pub type DecodePoints = fn(&dyn Network, &Decoding, &mut CropPoints) -> bool;

/// What a layout reads: output shapes with 0 where any extent will do.
type Shapes = &'static [&'static [usize]];

/// Detector layouts.
const DETECTORS: [(&str, Shapes, DecodeFaces); 1] =
    [("center-stride4", &[&[1, 1, 0, 0], &[1, 14, 0, 0]], center_stride4)];

/// Landmark layouts.
const LANDMARKERS: [(&str, Shapes, DecodePoints); 2] =
    [("laplace70", &[&[1, COUNT, 3], &[1, 1]], laplace70), ("votes70", &[&[1, 0, 0, 4 * COUNT], &[1, 1]], votes70)];

/// Most detections kept before overlaps are removed.
pub const CANDIDATES: usize = 128;

/// The function for a detector's card; Fix where its layout or shapes are not known.
pub fn detector(card: &Card) -> Result<DecodeFaces> {
    find(card, &DETECTORS)
}

/// The function for a landmark network's card; Fix where its layout or shapes are not known.
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
        if face.bbox.iter().chain(face.points.as_flattened()).all(|v| v.is_finite()) {
            keep(into, face);
        }
    }
    suppress(into, constants.nms_iou);
}

/// Turns the 14 values of a cell into a face.
fn place([cx, cy]: [f32; 2], at: impl Fn(usize) -> f32, score: f32) -> Detection {
    // e^6 * 8 = 3227 pixels: larger than any input, so that a wild output stays a finite box.
    let (w, h) = (8.0 * at(2).clamp(-4.0, 6.0).exp(), 8.0 * at(3).clamp(-4.0, 6.0).exp());
    let (x, y) = (cx + 4.0 * at(0), cy + 4.0 * at(1));
    let mut points = [[0.0; 2]; 5];
    for (i, p) in points.iter_mut().enumerate() {
        *p = [cx + w * at(4 + 2 * i), cy + h * at(5 + 2 * i)];
    }
    Detection { bbox: [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0], points, score }
}

/// True where no neighbour among the eight is higher; of equals the first in reading order is the peak.
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

/// Adds a detection; when full, the weakest gives way.
pub(crate) fn keep(into: &mut Vec<Detection>, face: Detection) {
    if into.len() < CANDIDATES {
        into.push(face);
    } else if let Some(weakest) = into.iter_mut().min_by(|a, b| a.score.total_cmp(&b.score))
        && weakest.score < face.score
    {
        *weakest = face;
    }
}

impl Detection {
    /// The longer side of the box.
    pub fn side(&self) -> f32 {
        let [x0, y0, x1, y1] = self.bbox;
        (x1 - x0).max(y1 - y0)
    }
}

/// Sorts by score and removes what overlaps something stronger by more than `limit`.
pub(crate) fn suppress(faces: &mut Vec<Detection>, limit: f32) {
    faces.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
    distinct(faces, |a, b| overlap(a.bbox, b.bbox) > limit);
}

/// Removes what is the same as something before it that stays.
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

/// Intersection over union of two boxes; 0 where either is empty.
pub fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let both = area(common(a, b));
    let union = area(a) + area(b) - both;
    if union > 0.0 { both / union } else { 0.0 }
}

/// Intersection over the area of the smaller of two boxes, 1 where one lies within the other; 0 where
/// either is empty.
pub fn cover(a: [f32; 4], b: [f32; 4]) -> f32 {
    let smaller = area(a).min(area(b));
    if smaller > 0.0 { area(common(a, b)) / smaller } else { 0.0 }
}

fn common(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
    [a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]
}

fn area(r: [f32; 4]) -> f32 {
    (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0)
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

/// Votes of every cell of a coarse grid for all 70 points, and a presence logit.
///
/// Output 0 `[1, rows, columns, 280]`; of each cell 70 weight logits, then 70 times x, y (from the cell's
/// centre, crop units) and log of the expected radial error. A point is the mean of what all cells say by
/// the softmax of their weights; error scale and presence as in [`laplace70`].
fn votes70(network: &dyn Network, constants: &Decoding, into: &mut CropPoints) -> bool {
    let Some(&[_, rows, columns, _]) = network.outputs().first().map(|o| o.1.as_slice()) else { return false };
    let (votes, presence) = (network.output(0).as_chunks::<{ 4 * COUNT }>().0, network.output(1));
    if votes.is_empty() || votes.len() != rows * columns || presence.len() != 1 || !presence[0].is_finite() {
        return false;
    }
    let mut means = [0.0; VALUES * COUNT];
    kernels::current().votes(votes.as_flattened(), (rows, columns), COUNT, &mut means);
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

/// Probability that a point lies within `radius` of where it was put, for an error scale `spread` (both
/// in the same unit): the distribution function of the radial Laplace density, `1 - (1 + r/b) exp(-r/b)`.
pub fn within(radius: f32, spread: f32) -> f32 {
    let q = (radius / spread.max(1e-9)).max(0.0);
    (1.0 - (1.0 + q) * (-q).exp()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::fake::Tensors;

    /// Rows x columns of empty maps.
    fn maps(rows: usize, columns: usize) -> Tensors {
        let cells = rows * columns;
        Tensors::new(
            [1, 1, rows * 4, columns * 4],
            vec![
                ("heat", vec![1, 1, rows, columns], vec![-10.0; cells]),
                ("geom", vec![1, 14, rows, columns], vec![0.0; 14 * cells]),
            ],
        )
    }

    fn put(t: &mut Tensors, columns: usize, cell: (usize, usize), logit: f32, geom: [f32; 14]) {
        let at = cell.0 * columns + cell.1;
        t.values[0][at] = logit;
        let cells = t.values[0].len();
        for (c, v) in geom.iter().enumerate() {
            t.values[1][c * cells + at] = *v;
        }
    }

    const FACE: [f32; 14] = [0.25, -0.25, 1.0, 1.2, -0.2, -0.1, 0.2, -0.1, 0.0, 0.1, -0.15, 0.3, 0.15, 0.3];

    #[test]
    fn a_cell_becomes_a_face_in_input_pixels() {
        let mut t = maps(30, 40);
        put(&mut t, 40, (10, 20), 2.0, FACE);
        let mut found = Vec::new();
        center_stride4(&t, &Decoding::default(), &mut found);
        assert_eq!(found.len(), 1);
        let f = found[0];
        let (w, h) = (8.0 * 1f32.exp(), 8.0 * 1.2f32.exp());
        let (cx, cy) = (82.0 + 1.0, 42.0 - 1.0);
        for (a, b) in f.bbox.iter().zip([cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0]) {
            assert!((a - b).abs() < 1e-4);
        }
        assert!((f.points[4][0] - (82.0 + 0.15 * w)).abs() < 1e-4 && (f.points[4][1] - (42.0 + 0.3 * h)).abs() < 1e-4);
        assert!((f.score - 0.8808).abs() < 1e-3);
    }

    #[test]
    fn only_peaks_above_the_threshold_count_and_overlaps_go() {
        let mut t = maps(30, 40);
        put(&mut t, 40, (10, 20), 3.0, FACE);
        put(&mut t, 40, (10, 21), 2.0, FACE); // neighbour: no peak
        put(&mut t, 40, (10, 22), 2.5, FACE); // a peak that overlaps the first by 0.46
        put(&mut t, 40, (25, 5), 1.0, FACE); // elsewhere
        put(&mut t, 40, (0, 0), -3.0, FACE); // too weak
        put(&mut t, 40, (29, 39), 1.5, FACE); // the last corner
        put(&mut t, 40, (29, 37), 1.5, [f32::NAN; 14]);
        let mut found = Vec::new();
        center_stride4(&t, &Decoding::default(), &mut found);
        let centres: Vec<_> = found.iter().map(|d| (d.bbox[0] + d.bbox[2]) / 2.0).collect();
        assert_eq!(centres.len(), 3, "{centres:?}");
        assert!(found.windows(2).all(|p| p[0].score >= p[1].score));
        let strict = Decoding { threshold: 0.9, ..Decoding::default() };
        center_stride4(&t, &strict, &mut found);
        assert_eq!(found.len(), 1);
        let lenient = Decoding { nms_iou: 1.0, ..Decoding::default() };
        center_stride4(&t, &lenient, &mut found);
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn a_plateau_is_one_face_and_a_map_of_peaks_is_bounded() {
        let mut t = maps(8, 8);
        for cell in [(3, 3), (3, 4), (4, 3)] {
            put(&mut t, 8, cell, 2.0, FACE);
        }
        let mut found = Vec::new();
        center_stride4(&t, &Decoding::default(), &mut found);
        assert_eq!(found.len(), 1);
        let mut t = maps(64, 64);
        for i in 0..32 * 32 {
            let small = [0.0, 0.0, -4.0, -4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
            put(&mut t, 64, (i / 32 * 2, i % 32 * 2), 1.0 + i as f32 * 1e-3, small);
        }
        center_stride4(&t, &Decoding::default(), &mut found);
        assert_eq!(found.len(), CANDIDATES);
        assert!((found[0].score - sigmoid(1.0 + 1.023)).abs() < 1e-6, "the strongest survive");
    }

    #[test]
    fn landmarks_carry_their_spread_and_presence() {
        let mut values = vec![0.0; 210];
        values[3..6].copy_from_slice(&[0.5, -0.25, 0.1f32.ln()]);
        let mut t = Tensors::new(
            [1, 1, 96, 96],
            vec![("landmarks", vec![1, 70, 3], values), ("presence", vec![1, 1], vec![0.0])],
        );
        let mut out = CropPoints::default();
        assert!(laplace70(&t, &Decoding { spread: 2.0, ..Decoding::default() }, &mut out));
        assert_eq!(out.points[1], [0.5, -0.25]);
        assert!((out.spread[1] - 0.1).abs() < 1e-6, "expected error 0.1, calibrated by 2, is b = 0.1");
        assert_eq!(out.presence, 0.5);
        t.values[0][100] = f32::NAN;
        assert!(!laplace70(&t, &Decoding::default(), &mut out));
    }

    #[test]
    fn votes_are_weighed() {
        let cells = 4 * 6;
        let mut votes = vec![0.0; 4 * COUNT * cells];
        let mut set = |k: usize, cell: usize, v: f32| votes[cell * 4 * COUNT + k * COUNT + 7] = v;
        // Row 1, column 2 of 4 x 6 has its centre at (-1/6, -1/4); row 2, column 4 at (1/2, 1/4).
        for (cell, logit, x, y, s) in [(8, 30.0 + 3f32.ln(), 0.1, 0.2, -2.0), (16, 30.0, -0.3, 0.0, -4.0)] {
            for (k, v) in [logit, x, y, s].into_iter().enumerate() {
                set(k, cell, v);
            }
        }
        let shapes = |votes| {
            Tensors::new(
                [1, 1, 32, 48],
                vec![("votes", vec![1, 4, 6, 280], votes), ("presence", vec![1, 1], vec![0.0])],
            )
        };
        let mut t = shapes(votes);
        let mut out = CropPoints::default();
        assert!(votes70(&t, &Decoding { spread: 1.0, ..Decoding::default() }, &mut out));
        let want = [0.75 * (0.1 - 1.0 / 6.0) + 0.25 * (0.5 - 0.3), 0.75 * (0.2 - 0.25) + 0.25 * 0.25];
        for (a, b) in out.points[7].iter().zip(want) {
            assert!((a - b).abs() < 1e-5, "{:?} {want:?}", out.points[7]);
        }
        assert!((out.spread[7] - (-2.5f32).exp() / 2.0).abs() < 1e-5);
        assert!(out.points[0].iter().all(|v| v.abs() < 1e-5), "equal votes meet in the middle");
        assert_eq!(out.presence, 0.5);
        for broken in [f32::NAN, f32::INFINITY] {
            t.values[0][5 * 4 * COUNT + 7] = broken;
            assert!(!votes70(&t, &Decoding::default(), &mut out));
        }
    }

    #[test]
    fn confidence_is_the_share_of_errors_within_the_radius() {
        // Against a direct numerical integral of d exp(-d / b) / b^2.
        for (r, b) in [(0.05f32, 0.02f32), (0.05, 0.05), (0.05, 0.5)] {
            let n = 20_000;
            let step = f64::from(r) / f64::from(n);
            let sum: f64 = (0..n)
                .map(|i| (f64::from(i) + 0.5) * step)
                .map(|d| d * (-d / f64::from(b)).exp() / f64::from(b).powi(2) * step)
                .sum();
            assert!((f64::from(within(r, b)) - sum).abs() < 1e-4);
        }
        assert_eq!(within(0.05, f32::INFINITY), 0.0);
        assert!(within(0.05, 0.0) > 0.999);
    }

    #[test]
    fn cards_with_unknown_layouts_or_shapes_are_refused() {
        let good = crate::nn::card::tests::LANDMARKS;
        let card = |from: &str, to: &str| Card::parse(&good.replace(from, to), "c").unwrap();
        assert!(landmarker(&card("", "")).is_ok());
        assert!(landmarker(&card("laplace70", "gauss98")).unwrap_err().to_string().contains("known: laplace70"));
        assert!(landmarker(&card("[1, 70, 3]", "[1, 68, 3]")).unwrap_err().to_string().contains("68"));
        assert!(detector(&card("", "")).is_err());
    }
}
