//! Whole pictures: patterns to read, and properties that hold on every size.

mod gallery;
mod targets;

use std::sync::Arc;

use super::*;
use crate::frame::FrameFormat;
use crate::geometry::Rect;
use crate::landmarks::{COUNT, REGION_COUNT};
use crate::result::{Face, Landmark, NoTemperature, Pose, Readings, TrackState};

/// A face seen from the front, height 1, about its middle.
#[rustfmt::skip]
const SHAPE: [(f32, f32); COUNT] = [
    (-0.53, -0.31), (-0.53, -0.16), (-0.50, -0.01), (-0.47, 0.12), (-0.41, 0.28), (-0.31, 0.40), (-0.22, 0.45),
    (-0.11, 0.48), (0.00, 0.50), (0.11, 0.48), (0.22, 0.45), (0.31, 0.40), (0.41, 0.28), (0.47, 0.12), (0.50, -0.01),
    (0.53, -0.16), (0.53, -0.31), (-0.42, -0.42), (-0.36, -0.48), (-0.27, -0.50), (-0.17, -0.50), (-0.08, -0.47),
    (0.08, -0.47), (0.17, -0.50), (0.27, -0.50), (0.36, -0.48), (0.42, -0.42), (0.00, -0.32), (0.00, -0.24),
    (0.00, -0.16), (0.00, -0.08), (-0.09, 0.04), (-0.04, 0.03), (0.00, 0.04), (0.04, 0.03), (0.09, 0.04),
    (-0.32, -0.30), (-0.28, -0.33), (-0.20, -0.33), (-0.13, -0.28), (-0.20, -0.27), (-0.28, -0.27), (0.13, -0.28),
    (0.20, -0.33), (0.28, -0.33), (0.32, -0.30), (0.28, -0.27), (0.20, -0.27), (-0.18, 0.21), (-0.12, 0.15),
    (-0.05, 0.13), (0.00, 0.13), (0.05, 0.13), (0.12, 0.15), (0.18, 0.21), (0.13, 0.25), (0.07, 0.26), (0.00, 0.27),
    (-0.07, 0.26), (-0.13, 0.25), (-0.16, 0.21), (-0.07, 0.19), (0.00, 0.19), (0.07, 0.19), (0.16, 0.21), (0.08, 0.20),
    (0.00, 0.20), (-0.08, 0.20), (-0.21, -0.31), (0.21, -0.31),
];

const NOW: Nanos = Nanos(60_000_000_000);

fn face(track: u64, x: f32, y: f32, height: f32) -> Face {
    let landmarks = SHAPE.map(|(u, v)| Landmark { x: x + u * height * 0.86, y: y + v * height, confidence: 0.96 });
    Face {
        track,
        track_state: TrackState::Tracked,
        bbox: Rect::new(x - 0.456 * height, y - 0.5 * height, x + 0.456 * height, y + 0.5 * height),
        score: 0.98,
        presence: 0.99,
        pose: Pose { yaw: 14.0, pitch: 6.0, roll: 0.0 },
        landmarks,
        region_c: [34.1, 35.2, 35.3, 31.4, 32.0, 33.8, 32.9, 33.0].map(Ok).into(),
        landmark_c: Readings::none(NoTemperature::Lost),
    }
}

/// A warm head in a cool room, with a window and a cup.
fn scene_of(width: u32, height: u32, signal: Signal, head: &Face) -> Frame {
    let mut f = Frame::new(FrameFormat { width, height, signal, rate_hz: 9.0 });
    let Rect { x0, y0, x1, y1 } = head.bbox;
    let (cx, cy, size) = ((x0 + x1) / 2.0, (y0 + y1) / 2.0 - (y1 - y0) * 0.1, y1 - y0);
    let blob = |x: f32, y: f32, at: Landmark, r: f32| {
        let d = ((x - at.x).powi(2) + (y - at.y).powi(2)) / (r * size).powi(2);
        (-d).exp()
    };
    for (i, v) in f.pixels.iter_mut().enumerate() {
        let (x, y) = ((i as u32 % width) as f32 + 0.5, (i as u32 / width) as f32 + 0.5);
        let mut c = 21.0 + 2.0 * y / height as f32 + 0.8 * (x * 0.11).sin() * (y * 0.07).cos();
        let head_d = ((x - cx) / (0.5 * size)).powi(2) + ((y - cy) / (0.66 * size)).powi(2);
        let neck = (((x - cx) / (0.3 * size)).abs() < 1.0 && y > cy) as u8 as f32;
        let inside = (1.0 / (1.0 + ((head_d - 1.0) * 12.0).exp())).max(neck * 0.8);
        let mut skin = 33.6 - head_d.min(1.0) * 1.2;
        for (p, gain, r) in
            [(30, -3.0, 0.1), (39, 1.6, 0.07), (42, 1.6, 0.07), (62, 0.8, 0.1), (2, -0.8, 0.2), (14, -0.8, 0.2)]
        {
            skin += gain * blob(x, y, head.landmarks[p], r);
        }
        c = c * (1.0 - inside) + skin * inside;
        if x < width as f32 * 0.14 && y < height as f32 * 0.3 {
            c -= 5.0;
        }
        let noise = ((i as u32).wrapping_mul(2_654_435_761) >> 16 & 15) as f32 / 15.0 - 0.5;
        c += noise * 0.12;
        *v = match signal {
            Signal::Radiometric { .. } => (c * 100.0 + 27315.0) as u16,
            Signal::Counts => (c * 25.0 + 7300.0) as u16,
            Signal::Grey8 => ((c - 12.0) * 9.0) as u16,
        };
    }
    f.meta.seq = 5;
    f.meta.captured = NOW;
    f
}

fn result(frame: &Frame, faces: Vec<Face>) -> FrameResult {
    let mut r = FrameResult::new(Arc::from("demo"), 4);
    (r.width, r.height) = (frame.format.width, frame.format.height);
    (r.seq, r.captured, r.state) = (frame.meta.seq, frame.meta.captured, StreamState::Live);
    r.radiometric = frame.format.signal.is_radiometric();
    r.faces = faces;
    r
}

fn controls(palette: &str, scale: u8) -> Controls {
    Settings { palette: palette.into(), scale, ..Settings::default() }.controls().unwrap()
}

fn draw(frame: Option<&Frame>, result: &FrameResult, controls: &Controls) -> Canvas {
    let mut canvas = Canvas::default();
    let mut renderer = Renderer::new(&Settings::default()).unwrap();
    renderer.render(frame, result, NOW, controls, &mut canvas);
    canvas
}

fn flat(width: u32, height: u32, signal: Signal) -> Frame {
    let mut f = Frame::new(FrameFormat { width, height, signal, rate_hz: 9.0 });
    f.pixels.fill(29_500);
    f.meta.seq = 5;
    f.meta.captured = NOW;
    f
}

/// Pixels of `b` that differ from `a`.
fn changed(a: &Canvas, b: &Canvas) -> usize {
    assert_eq!((a.width, a.height), (b.width, b.height));
    a.rgb.chunks_exact(3).zip(b.rgb.chunks_exact(3)).filter(|(p, q)| p != q).count()
}

#[test]
fn every_size_scale_and_state_is_drawn() {
    let mut canvas = Canvas::default();
    let mut renderer = Renderer::new(&Settings::default()).unwrap();
    for (w, h) in [(1, 1), (2, 2), (3, 1), (16, 12), (80, 60), (160, 120), (640, 512)] {
        let me = face(1, w as f32 / 2.0, h as f32 / 2.0, h as f32 * 0.5);
        for signal in [Signal::CENTIKELVIN, Signal::Counts, Signal::Grey8] {
            let frame = scene_of(w, h, signal, &me);
            for scale in [1, 3, 8] {
                for state in [StreamState::Live, StreamState::Ffc, StreamState::Stale, StreamState::NoSignal] {
                    let mut r = result(&frame, vec![me.clone()]);
                    r.state = state;
                    let c = Controls { scale, ..controls("magma", 1) };
                    renderer.render(Some(&frame), &r, NOW, &c, &mut canvas);
                    assert_eq!((canvas.width, canvas.height), (w * u32::from(scale), h * u32::from(scale)));
                    assert_eq!(canvas.rgb.len(), (canvas.width * canvas.height * 3) as usize);
                    renderer.render(None, &r, NOW, &c, &mut canvas);
                    assert_eq!(canvas.width, w * u32::from(scale));
                }
            }
        }
    }
}

#[test]
fn wild_results_neither_panic_nor_hang() {
    let frame = flat(80, 60, Signal::CENTIKELVIN);
    for wild in [f32::NAN, f32::INFINITY, -f32::INFINITY, 1e30, -1e30, 16_000.0, -16_000.0, 0.0] {
        let mut f = face(u64::MAX, 40.0, 30.0, 30.0);
        for (i, p) in f.landmarks.iter_mut().enumerate() {
            if i % 3 == 0 { p.x = wild } else { p.confidence = wild }
        }
        let mut g = f.clone();
        g.bbox = Rect::new(wild, -wild, -wild, wild);
        g.track_state = TrackState::Lost;
        (g.pose.yaw, f.pose.pitch, f.presence) = (wild, wild, wild);
        f.region_c = [Ok(wild); REGION_COUNT].into();
        f.bbox = Rect::new(-16_000.0, -16_000.0, 16_000.0, 16_000.0);
        f.track_state = TrackState::Lost;
        let canvas = draw(Some(&frame), &result(&frame, vec![f, g]), &controls("ironbow", 4));
        assert_eq!(canvas.width, 320);
    }
}

#[test]
fn a_torn_frame_is_no_frame() {
    let mut frame = flat(80, 60, Signal::Counts);
    frame.pixels.pop();
    let r = result(&frame, Vec::new());
    assert_eq!(draw(Some(&frame), &r, &controls("ironbow", 2)).pixel(0, 0), Some([15, 17, 22]));
}

#[test]
fn landmarks_of_another_frame_fade_and_vanish() {
    let frame = flat(160, 120, Signal::CENTIKELVIN);
    let bare = draw(Some(&frame), &result(&frame, Vec::new()), &controls("ironbow", 2));
    let difference = |age_ms: u64| {
        let mut r = result(&frame, vec![face(3, 80.0, 60.0, 60.0)]);
        if age_ms > 0 {
            (r.seq, r.captured) = (4, Nanos(NOW.0 - age_ms * 1_000_000));
        }
        let c = controls("ironbow", 2);
        let c = Controls { layers: c.layers.without(Layers::BOX).without(Layers::TEMPERATURES), ..c };
        let with = draw(Some(&frame), &r, &c);
        with.rgb.iter().zip(&bare.rgb).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>()
    };
    let seen = [0, 200, 500, 501].map(difference);
    assert!(seen[0] > seen[1] && seen[1] > seen[2] && seen[2] > 0, "{seen:?}");
    assert_eq!(seen[3], 0);
}

#[test]
fn faces_of_another_frame_size_are_not_drawn() {
    let frame = flat(160, 120, Signal::CENTIKELVIN);
    let mut r = result(&frame, vec![face(3, 80.0, 60.0, 60.0)]);
    let with = draw(Some(&frame), &r, &controls("ironbow", 2));
    r.width = 80;
    let without = draw(Some(&frame), &r, &controls("ironbow", 2));
    r.faces.clear();
    assert_eq!(without, draw(Some(&frame), &r, &controls("ironbow", 2)));
    assert!(changed(&with, &without) > 1000);
}

#[test]
fn a_fixed_range_rests_on_a_source_without_temperature() {
    let fixed = Controls { mode: Mode::Fixed, min_c: 20.0, max_c: 40.0, ..controls("ironbow", 2) };
    let counts = flat(160, 120, Signal::Counts);
    let r = result(&counts, Vec::new());
    assert_eq!(draw(Some(&counts), &r, &fixed), draw(Some(&counts), &r, &controls("ironbow", 2)));
    let warm = flat(160, 120, Signal::CENTIKELVIN);
    let r = result(&warm, Vec::new());
    assert!(changed(&draw(Some(&warm), &r, &fixed), &draw(Some(&warm), &r, &controls("ironbow", 2))) > 10_000);
    assert_eq!(fixed.check_signal(Signal::Grey8).unwrap_err().remedy(), crate::Remedy::Fix);
    fixed.check_signal(Signal::CENTIKELVIN).unwrap();
}

/// Draws what each signal writes at the ends of the bar.
#[test]
fn degrees_are_written_only_where_there_are_degrees() {
    let span = Span { low: 29_315.0, high: 30_315.0 };
    let of = |signal| {
        ends(signal, &Thermometer::new(signal, radiometry::Settings { emissivity: 1.0, reflected_c: 20.0 }), span)
    };
    let Ends::Celsius(low, high) = of(Signal::CENTIKELVIN) else { panic!("no degrees") };
    assert!((low - 20.0).abs() < 0.01 && (high - 30.0).abs() < 0.01);
    assert_eq!(of(Signal::Counts), Ends::Plain("counts", span.low, span.high));
    assert_eq!(of(Signal::Grey8), Ends::Plain("grey", span.low, span.high));
}

#[test]
fn temperatures_of_spots_are_held_back_while_the_shutter_settles() {
    let mut frame = flat(160, 120, Signal::CENTIKELVIN);
    for i in [2000, 2001, 2160, 2161] {
        frame.pixels[i] = 30_500;
    }
    let r = result(&frame, Vec::new());
    let only = Controls { layers: Layers::SPOTS, ..controls("white-hot", 4) };
    let read = draw(Some(&frame), &r, &only);
    frame.meta.ffc = FfcState::Settling;
    let settling = draw(Some(&frame), &r, &only);
    assert!(changed(&read, &settling) > 200, "the numbers are gone");
    frame.meta.ffc = FfcState::Running;
    let closed = draw(Some(&frame), &r, &only);
    assert!(changed(&settling, &closed) > 50, "the crosses too");
    frame.format.signal = Signal::Counts;
    frame.meta.ffc = FfcState::Idle;
    let plain = draw(Some(&frame), &r, &only);
    let coloured = plain.rgb.chunks_exact(3).filter(|p| p[0].abs_diff(p[2]) > 60).count();
    assert!(coloured > 50, "crosses without numbers");
}

#[test]
fn layers_switch_off_one_by_one() {
    let me = face(3, 80.0, 62.0, 64.0);
    let frame = scene_of(160, 120, Signal::CENTIKELVIN, &me);
    let mut r = result(&frame, vec![me]);
    r.state = StreamState::Ffc;
    let all = controls("ironbow", 4);
    let whole = draw(Some(&frame), &r, &all);
    for (name, layer) in Layers::NAMES {
        let c = Controls { layers: all.layers.without(layer), ..all };
        assert!(changed(&whole, &draw(Some(&frame), &r, &c)) > 20, "{name}");
    }
    // Nothing at all is the bare picture.
    let bare = draw(Some(&frame), &r, &Controls { layers: Layers::NONE, ..all });
    let mut other = r.clone();
    other.faces.clear();
    assert_eq!(bare, draw(Some(&frame), &other, &Controls { layers: Layers::NONE, ..all }));
}

#[test]
fn banners_read() {
    let frame = flat(16, 6, Signal::Grey8);
    let mut r = result(&frame, Vec::new());
    r.state = StreamState::Ffc;
    let c = Controls { layers: Layers::BANNERS, ..controls("white-hot", 2) };
    let expected = [
        "++++++++++++++++++++++++++++++++",
        "++++++++++++++++++++++++++++++++",
        "++++++y...................++++++",
        "++++++y..            .....++++++",
        "++++++y.. yyy yyy  y  ....++++++",
        "++++++y.. y   y   y y ....++++++",
        "++++++y.. yy  yy  y   ....++++++",
        "++++++y.. y   y   y y ....++++++",
        "++++++y.. y . y .  y  ....++++++",
        "++++++y..   .   ..   .....++++++",
        "++++++y...................++++++",
        "++++++y...................++++++",
    ];
    assert_eq!(pattern(&draw(Some(&frame), &r, &c)), expected);
}

#[test]
fn each_state_has_its_banner() {
    let mut frame = flat(16, 12, Signal::Grey8);
    frame.meta.captured = Nanos(NOW.0 - 3_200_000_000);
    let age = Duration::from_millis(3200);
    let mut r = result(&frame, Vec::new());
    for (state, ffc, expected) in [
        (StreamState::Live, FfcState::Idle, None),
        (StreamState::Live, FfcState::Imminent, None),
        (StreamState::Live, FfcState::Running, Some(Banner::Ffc)),
        (StreamState::Ffc, FfcState::Idle, Some(Banner::Ffc)),
        (StreamState::Ffc, FfcState::Settling, Some(Banner::FfcSettling)),
        (StreamState::Stale, FfcState::Running, Some(Banner::Stale(age))),
        (StreamState::NoSignal, FfcState::Idle, Some(Banner::NoSignal(Some(age)))),
    ] {
        (r.state, frame.meta.ffc) = (state, ffc);
        assert_eq!(banner(&frame, &r, NOW), expected);
    }
}

#[test]
fn the_bar_runs_from_hot_to_cold_between_its_numbers() {
    let frame = flat(80, 60, Signal::Counts);
    let c = Controls { layers: Layers::SCALE_BAR, ..controls("white-hot", 1) };
    let got = pattern(&draw(Some(&frame), &result(&frame, Vec::new()), &c));
    let right: Vec<&str> = got[..18].iter().chain(&got[40..52]).map(|row| &row[54..]).collect();
    let expected = [
        "++++++++++++++:::+++++++++",
        ":::::::::::::::%::::::++++",
        "%::%::%:%:%%::%%%::%%:++++",
        "::%:%:%:%:%:%::%::%%::++++",
        "::%:%:%:%:%:%::%::::%:++++",
        "%::%:::%%:%:%:::%:%%::++++",
        ":::::+::::::::+::::::+++++",
        "++...+...............+++++",
        "+..@...@..@@@.@.@..@..++++",
        "+.@.@.@.@.@...@.@.@.@.++++",
        "+...@..@@.@@..@@@.@@@.++++",
        "+..@....@...@...@.@.@.++++",
        "+.@@@.@@..@@..+.@..@..++++",
        "+............++......+++++",
        "++++++++++++++++::::::::++",
        "++++++++++++++++:%%%%%%:++",
        "++++++++++++++++:%@@@@%:++",
        "++++++++++++++++:%@@@@%:++",
        "++++++++++++++++:%    %:++",
        "++++++++++++++++:%    %:++",
        "++++++++++++++++:%    %:++",
        "++++++++++++++++:%%%%%%:++",
        "++...+..........     :::++",
        "+..@...@..@.@..@@..@..++++",
        "+.@.@.@.@.@.@.@...@.@.++++",
        "+...@..@@.@@@.@@..@@@.++++",
        "+..@....@...@.@.@.@.@.++++",
        "+.@@@.@@..+.@..@...@..++++",
        "+........++......+...+++++",
        "++++++++++++++++++++++++++",
    ];
    assert_eq!(right, expected);
}

#[test]
fn doubtful_points_are_hollow() {
    let frame = flat(160, 120, Signal::CENTIKELVIN);
    let c = Controls { layers: Layers::POINTS, ..controls("white-hot", 8) };
    let mut r = result(&frame, vec![face(3, 80.0, 60.0, 100.0)]);
    let grey = draw(Some(&frame), &result(&frame, Vec::new()), &c).pixel(0, 0);
    // The chin, landmark 8, is at 80, 110.
    assert_ne!(draw(Some(&frame), &r, &c).pixel(640, 880), grey);
    r.faces[0].landmarks[8].confidence = 0.3;
    let doubtful = draw(Some(&frame), &r, &c);
    assert_eq!(doubtful.pixel(640, 880), grey);
    let around: Vec<_> = (630..640).filter(|&x| doubtful.pixel(x, 880) != grey).collect();
    assert!(around.len() >= 3, "{around:?}");
}

#[test]
fn a_hot_spot_within_a_face_is_read_in_the_corner() {
    let mut frame = flat(160, 120, Signal::CENTIKELVIN);
    for i in [60 * 160 + 80, 60 * 160 + 81, 61 * 160 + 80, 61 * 160 + 81] {
        frame.pixels[i] = 30_700;
    }
    let c = Controls { layers: Layers::SPOTS, ..controls("white-hot", 4) };
    let coloured = |canvas: &Canvas, corner: bool| {
        let inside = |i: usize| (i / 640 > 440 && i % 640 < 100) == corner;
        let warm = |p: &[u8]| p[0] > p[2].saturating_add(60);
        canvas.rgb.chunks_exact(3).enumerate().filter(|(i, p)| inside(*i) && warm(p)).count()
    };
    let alone = draw(Some(&frame), &result(&frame, Vec::new()), &c);
    assert_eq!(coloured(&alone, true), 0);
    let within = draw(Some(&frame), &result(&frame, vec![face(3, 80.0, 60.0, 60.0)]), &c);
    assert!(coloured(&within, true) > 80);
    assert!(coloured(&within, false) + 80 < coloured(&alone, false));
}

#[test]
fn settings_are_checked_by_name() {
    Settings::default().validate().unwrap();
    let refused = |s: Settings, text: &str| {
        let e = Renderer::new(&s).err().unwrap();
        assert_eq!(e.remedy(), crate::Remedy::Fix);
        assert!(e.to_string().contains(text), "{e}");
    };
    refused(Settings { palette: "iron bow".into(), ..Settings::default() }, "did you mean \"ironbow\"?");
    refused(Settings { layers: vec!["banner".into()], ..Settings::default() }, "did you mean \"banners\"?");
    refused(Settings { scale: 0, ..Settings::default() }, "render.scale: is 0");
    refused(Settings { low_confidence: 1.5, ..Settings::default() }, "render.low_confidence");
    refused(Settings { landmark_age_limit_ms: 60_000, ..Settings::default() }, "landmark_age_limit_ms");
    let round: Settings = toml::from_str(&toml::to_string(&Settings::default()).unwrap()).unwrap();
    assert_eq!(round, Settings::default());
    assert!(toml::from_str::<Settings>("pallete = 'magma'").is_err());
}
