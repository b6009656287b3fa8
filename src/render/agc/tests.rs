//! Curves of frames with known histograms.

use super::*;
use crate::frame::{FfcState, Signal};

const SPAN: Span = Span { low: 1000.0, high: 2024.0 };

fn frame(width: u32, at_ms: u64, pixels: Vec<u16>) -> Frame {
    let height = pixels.len() as u32 / width;
    let mut f = Frame::new(FrameFormat { width, height, signal: Signal::Counts, rate_hz: 9.0 });
    f.pixels = pixels;
    f.meta.captured = Nanos(at_ms * 1_000_000);
    f
}

fn gain(max_gain: f32, linear_percent: f32) -> Gain {
    Gain::new(Settings { max_gain, linear_percent, ..Settings::default() }, 500)
}

/// Positions of the whole frame, without the repeated ends.
fn positions(g: &mut Gain, mode: Mode, f: &Frame) -> Vec<f32> {
    g.update(mode, f, SPAN);
    let mut all = Vec::new();
    let mut row = Vec::new();
    for (y, line) in f.pixels.chunks_exact(f.width()).enumerate() {
        g.row(y, line, f.height(), SPAN, &mut row);
        assert_eq!((row.len(), row[0], row[row.len() - 1]), (line.len() + 2, row[1], row[row.len() - 2]));
        all.extend(&row[1..=line.len()]);
    }
    all
}

/// A ramp over the whole range: every class equally often.
fn even() -> Vec<u16> {
    (0..1024).map(|i| 1000 + i).collect()
}

#[test]
fn an_even_picture_stays_as_it_is() {
    for mode in [Mode::Linear, Mode::Plateau] {
        let got = positions(&mut gain(3.0, 0.0), mode, &frame(1024, 0, even()));
        for (i, p) in got.iter().enumerate() {
            assert!((p - i as f32 * (255.0 / 1024.0)).abs() < 0.3, "{mode:?} {i}: {p}");
        }
    }
    assert_eq!(gain(3.0, 0.0).ramp().map(usize::from), std::array::from_fn(|i| i));
}

#[test]
fn many_pixels_get_much_of_the_palette_but_no_more_than_the_plateau_allows() {
    // Half of the pixels in an eighth of the range, the others all over it.
    let mut pixels: Vec<u16> = (0..1024).map(|i| 1400 + i % 128).collect();
    pixels.extend(even());
    let f = frame(64, 0, pixels);
    let spread = |g: &mut Gain| {
        g.update(Mode::Plateau, &f, SPAN);
        let mut at = |count: u16| {
            let mut row = Vec::new();
            (g.row(0, &[count], f.height(), SPAN, &mut row), row[1]).1
        };
        at(1528) - at(1400)
    };
    let straight = 255.0 * 128.0 / 1024.0;
    let free = spread(&mut gain(20.0, 0.0));
    assert!((free / straight - 4.5).abs() < 0.1, "{free}: 4 for the crowd and a half for the rest");
    let held = spread(&mut gain(2.0, 0.0));
    assert!(held > 1.8 * straight && held < 2.5 * straight, "{held}");
    let mixed = spread(&mut gain(20.0, 50.0));
    assert!((mixed - (free + straight) / 2.0).abs() < 0.5, "{mixed}");
    assert!((spread(&mut gain(20.0, 100.0)) - straight).abs() < 0.1);
}

#[test]
fn curves_never_fall_and_keep_the_ends() {
    let mut state = 7u32;
    let mut random = |n: usize| -> Vec<u16> {
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                900 + (state >> 20) as u16 % 700 * ((state >> 9) as u16 % 3)
            })
            .collect()
    };
    for (width, height) in [(160, 120), (80, 60), (13, 9), (1, 1), (640, 4)] {
        let f = frame(width, 0, random((width * height) as usize));
        for (_, mode) in Mode::ALL {
            let mut g = gain(4.0, 10.0);
            let got = positions(&mut g, mode, &f);
            assert!(got.iter().zip(&f.pixels).all(|(p, v)| p.is_finite() && (*v >= 1000 || *p <= 0.0)));
            let ramp = g.ramp();
            assert!(ramp.is_sorted() && (ramp[0], ramp[255]) == (0, 255), "{mode:?} {width}x{height}");
        }
    }
}

#[test]
fn every_table_of_kernels_follows_the_definition() {
    for (width, height) in [(160, 120), (83, 61), (9, 30), (640, 16)] {
        let pixels = (0..width * height).map(|i| 900 + (i * 7919 % 1300) as u16 / (1 + i as u16 / 500 % 3));
        let f = frame(width, 0, pixels.collect());
        for kernels in kernels::available() {
            let mut g = gain(4.0, 10.0).on(kernels);
            let got = positions(&mut g, Mode::Clahe, &f);
            let (down, across) = g.grid;
            for (i, got) in got.iter().enumerate() {
                let class = (f32::from(f.pixels[i]) - SPAN.low) * (CLASSES as f32 / SPAN.width());
                let (above, below, v) = between(i / f.width(), f.height(), down);
                let (left, right, u) = between(i % f.width(), f.width(), across);
                let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
                let at = |y: usize, x: usize| read(&g.curves[y * across + x], class);
                let want = mix(mix(at(above, left), at(below, left), v), mix(at(above, right), at(below, right), v), u);
                assert!((got - want).abs() < 0.01, "{} {width}x{height} at {i}: {got}, not {want}", kernels.name());
            }
        }
    }
}

#[test]
fn parts_of_the_picture_are_treated_apart() {
    // Faint texture on the left, dark; faint texture on the right, bright.
    let pixels = (0..160 * 120).map(|i| if i % 160 < 80 { 1100 } else { 1900 } + (i * 7919 % 40) as u16);
    let f = frame(160, 0, pixels.collect());
    let contrast = |mode| {
        let got = positions(&mut gain(20.0, 0.0), mode, &f);
        let left: Vec<f32> = (0..120).flat_map(|y| got[y * 160..y * 160 + 20].to_vec()).collect();
        left.iter().fold(f32::MIN, |a, b| a.max(*b)) - left.iter().fold(f32::MAX, |a, b| a.min(*b))
    };
    let (linear, plateau, clahe) = (contrast(Mode::Linear), contrast(Mode::Plateau), contrast(Mode::Clahe));
    assert!(plateau > 5.0 * linear && clahe > 1.25 * plateau, "{linear} {plateau} {clahe}");
}

#[test]
fn curves_change_slowly_and_rest_while_the_shutter_is_closed() {
    let mut g = gain(20.0, 0.0);
    let crowd = |low: u16| (0..1024).map(|i| low + i % 64).collect::<Vec<u16>>();
    let (a, b) = (crowd(1200), crowd(1700));
    let probe = |g: &mut Gain| {
        let mut row = Vec::new();
        (g.row(0, &[1500], 16, SPAN, &mut row), row[1]).1
    };
    g.update(Mode::Plateau, &frame(64, 0, a), SPAN);
    let first = probe(&mut g);
    let mut closed = frame(64, 100, b.clone());
    closed.meta.ffc = FfcState::Running;
    g.update(Mode::Plateau, &closed, SPAN);
    assert_eq!(probe(&mut g), first);
    g.update(Mode::Plateau, &frame(64, 500, b.clone()), SPAN);
    let after = probe(&mut g);
    g.update(Mode::Plateau, &frame(64, 60_000, b), SPAN);
    let last = probe(&mut g);
    let share = (first - after) / (first - last);
    assert!((share - 0.632).abs() < 0.01, "{share}");
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    for (settings, key) in [
        (Settings { max_gain: 0.5, ..Settings::default() }, "max_gain"),
        (Settings { linear_percent: f32::NAN, ..Settings::default() }, "linear_percent"),
        (Settings { tiles: 9, ..Settings::default() }, "tiles"),
    ] {
        assert!(settings.validate().unwrap_err().to_string().contains(&format!("render.agc.{key}")));
    }
    Mode::ALL.iter().for_each(|(name, mode)| assert_eq!(mode.name(), *name));
}
