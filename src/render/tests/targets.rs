//! Targets and the visible half.

use super::*;
use crate::frame::Visible;
use crate::result::{BoxTemperature, Modality, Target, TargetState};

fn frame() -> Frame {
    let head = face(1, 80.0, 60.0, 60.0);
    let mut frame = scene_of(160, 120, Signal::CENTIKELVIN, &head);
    let mut visible = Visible::new(320, 240);
    for (i, pixel) in visible.rgb.chunks_exact_mut(3).enumerate() {
        let (x, y) = (i % 320, i / 320);
        pixel.copy_from_slice(&[(x * 255 / 320) as u8, (y * 255 / 240) as u8, 90]);
    }
    frame.visible = Some(visible);
    frame
}

fn target(id: u32, bbox: Option<Rect>, state: TargetState, modality: Modality) -> Target {
    let mut target = Target::new(id);
    (target.bbox, target.state, target.modality) = (bbox, state, modality);
    target.presence = 0.93;
    target.temperature = Ok(BoxTemperature { min_c: 20.0, mean_c: 30.0, max_c: 36.64 });
    target
}

fn drawn(frame: &Frame, targets: Vec<Target>, layers: Layers) -> Canvas {
    let settings = Settings::default();
    let mut result = FrameResult::new(Arc::from("pair"), 0);
    result.describe(frame);
    result.targets = targets;
    let controls = Controls { layers, ..settings.controls().unwrap() };
    let mut canvas = Canvas::default();
    Renderer::new(&settings).unwrap().render(Some(frame), &result, NOW, &controls, &mut canvas);
    canvas
}

#[test]
fn a_pair_shows_both_halves_and_its_targets_in_both() {
    let frame = frame();
    let boxed = || vec![target(1, Some(Rect::new(40.0, 30.0, 80.0, 90.0)), TargetState::Tracked, Modality::Both)];
    let (bare, marked) = (drawn(&frame, Vec::new(), Layers::BOX), drawn(&frame, boxed(), Layers::BOX));
    assert_eq!((bare.width, bare.height), (640 + 4 + 640, 480));
    assert_eq!((marked.width, marked.height), (bare.width, bare.height));
    assert_eq!(bare.pixel(644, 0), Some([0, 0, 90]), "the visible half begins behind the gap");
    assert_eq!(bare.pixel(1283, 479), Some([254, 253, 90]));
    for (from, to) in [(0, 640), (644, 1284)] {
        let (mut x0, mut y0, mut x1, mut y1) = (u32::MAX, u32::MAX, 0, 0);
        let all = (0..480).flat_map(|y| (from..to).map(move |x| (x, y)));
        for (x, y) in all.filter(|&(x, y)| bare.pixel(x, y) != marked.pixel(x, y)) {
            (x0, y0, x1, y1) = (x0.min(x), y0.min(y), x1.max(x), y1.max(y));
        }
        let near = |a: u32, b: u32| a.abs_diff(b) < 10;
        assert!(near(x0, from + 160) && near(x1, from + 320) && near(y1, 360) && y0 < 130, "{x0} {y0} {x1} {y1}");
    }
    assert_eq!(drawn(&frame, boxed(), Layers::NONE), drawn(&frame, Vec::new(), Layers::NONE));
}

#[test]
fn a_colour_picture_has_no_second_half() {
    let mut frame = frame();
    frame.format.signal = Signal::Grey8;
    frame.visible = Some(Visible { alone: true, ..Visible::new(160, 120) });
    assert_eq!(drawn(&frame, Vec::new(), Layers::ALL).width, 640);
    frame.visible = Some(Visible::default());
    assert_eq!(drawn(&frame, Vec::new(), Layers::ALL).width, 640);
    frame.visible = Some(Visible { width: 90, height: 700, rgb: Vec::new(), ..Visible::default() });
    assert_eq!(drawn(&frame, Vec::new(), Layers::ALL).width, 640 + 4 + 62, "short pixels are black");
}

#[test]
fn odd_targets_draw_nothing_odd() {
    let frame = frame();
    let odd = [
        target(1, Some(Rect::new(f32::NAN, 0.0, 5.0, 5.0)), TargetState::Tracked, Modality::Both),
        target(2, Some(Rect::new(-1e9, -1e9, 1e9, 1e9)), TargetState::Tracked, Modality::Thermal),
        target(3, Some(Rect::new(50.0, 50.0, 20.0, 20.0)), TargetState::Lost, Modality::Visible),
        target(4, None, TargetState::Searching, Modality::Both),
    ];
    let canvas = drawn(&frame, odd.to_vec(), Layers::ALL);
    assert_eq!(canvas.width, 1284);
}

/// Writes a picture to look at; run with `--ignored`.
#[test]
#[ignore = "writes a picture to the temporary folder"]
fn gallery_of_targets() {
    let frame = frame();
    let shown = vec![
        target(1, Some(Rect::new(50.0, 25.0, 110.0, 100.0)), TargetState::Tracked, Modality::Both),
        target(2, Some(Rect::new(20.0, 20.0, 26.0, 25.0)), TargetState::Tracked, Modality::Thermal),
        target(3, None, TargetState::Searching, Modality::Both),
    ];
    let mut png = Vec::new();
    crate::picture::png(&drawn(&frame, shown, Layers::ALL), &mut png).unwrap();
    std::fs::write(std::env::temp_dir().join("heatmark-targets.png"), png).unwrap();
}
