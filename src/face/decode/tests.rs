//! Maps and votes with known faces.

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
    for (a, b) in f.bbox.to_array().iter().zip([cx - w / 2.0, cy - h / 2.0, cx + w / 2.0, cy + h / 2.0]) {
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
    let centres: Vec<_> = found.iter().map(|d| d.bbox.center()[0]).collect();
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
    let mut t =
        Tensors::new([1, 1, 96, 96], vec![("landmarks", vec![1, 70, 3], values), ("presence", vec![1, 1], vec![0.0])]);
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
        Tensors::new([1, 1, 32, 48], vec![("votes", vec![1, 4, 6, 280], votes), ("presence", vec![1, 1], vec![0.0])])
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
