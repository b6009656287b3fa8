//! Trackers of random weights on noise: properties that hold whatever a network says, and allocations.

use std::path::Path;

use heatmark::bench::alloc;
use heatmark::frame::{FfcState, Frame, FrameFormat, Signal, Visible};
use heatmark::geometry::Rect;
use heatmark::kernels;
use heatmark::nn::Model;
use heatmark::npy::{Array, Values};
use heatmark::preprocess::Preprocessor;
use heatmark::preprocess::target::{Square, template_side};
use heatmark::result::{Modality, TargetState};
use heatmark::track::{Engine, Pair, Settings};
use heatmark::units::Nanos;
use proptest::prelude::*;

#[global_allocator]
static COUNTING: alloc::Counting = alloc::Counting;

fn engine(settings: &Settings) -> Engine {
    let card = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models/tiny-tracker.toml");
    let model = Model::open(&card).unwrap();
    Engine::with(settings, model.card(), model.stages().unwrap()).unwrap()
}

/// Scores and presences that let everything pass, or nothing.
fn settings(threshold: f32) -> Settings {
    Settings { score: Some(threshold), presence: Some(threshold), ..Settings::default() }
}

fn noise(seed: u64) -> impl FnMut() -> u16 {
    let mut state = seed | 1;
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 48) as u16
    }
}

fn frame(width: u32, height: u32, seed: u64) -> Frame {
    let mut frame = Frame::new(FrameFormat { width, height, signal: Signal::CENTIKELVIN, rate_hz: 30.0 });
    let mut next = noise(seed);
    frame.pixels.fill_with(|| 29_000 + next() % 800);
    frame
}

fn visible(width: u32, height: u32, seed: u64) -> Visible {
    let mut picture = Visible::new(width, height);
    let mut next = noise(seed);
    picture.rgb.fill_with(|| next() as u8);
    picture
}

#[test]
fn nothing_is_allocated_per_frame_in_any_choice_of_pictures() {
    for threshold in [0.0, 1.0] {
        let mut engine = engine(&settings(threshold));
        let (mut thermal, mut colours) = (frame(160, 120, 3), visible(320, 240, 5));
        let pair = Pair { thermal: Some(&thermal), visible: Some(&colours) };
        engine.start(&pair, Modality::Thermal, Rect::new(60.0, 40.0, 84.0, 66.0)).unwrap();
        engine.start(&pair, Modality::Visible, Rect::new(20.0, 30.0, 90.0, 70.0)).unwrap();
        engine.process(&pair).unwrap();
        let before = alloc::on_this_thread().count;
        let mut used = [0; 3];
        for i in 0..48u64 {
            thermal.meta.captured = Nanos(33_000_000 * (i + 1));
            thermal.meta.ffc = if i % 16 == 15 { FfcState::Running } else { FfcState::Idle };
            colours.captured = thermal.meta.captured;
            let pair = match i / 12 {
                1 => Pair { thermal: Some(&thermal), visible: None },
                2 => Pair { thermal: None, visible: Some(&colours) },
                _ => Pair { thermal: Some(&thermal), visible: Some(&colours) },
            };
            for target in engine.process(&pair).unwrap() {
                used[target.modality.index()] += 1;
            }
        }
        assert_eq!(alloc::on_this_thread().count, before, "threshold {threshold}");
        assert!(used[1] > 0 && used[2] > 0, "{used:?}");
    }
    let before = alloc::on_this_thread().count;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(3)));
    assert_eq!(alloc::on_this_thread().count, before + 1, "allocations are not counted");
}

/// A number as a caller might give it.
fn number() -> impl Strategy<Value = f32> {
    prop_oneof![8 => -50f32..250.0, 1 => Just(f32::NAN), 1 => Just(f32::INFINITY), 1 => Just(-1e30f32), 1 => Just(0.0)]
}

/// One step: whether there are a thermal and a visible frame, their sizes, and the capture time.
type Moment = ((bool, bool), (u32, u32), (u32, u32), u64, bool);

fn moment() -> impl Strategy<Value = Moment> {
    let side = || prop_oneof![8 => 20u32..90, 1 => Just(0u32), 1 => Just(1u32)];
    let time = prop_oneof![4 => 0u64..2_000_000_000, 1 => Just(u64::MAX), 1 => Just(0u64)];
    ((any::<bool>(), any::<bool>()), (side(), side()), (side(), side()), time, any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn whatever_comes_boxes_stay_in_the_frame_and_only_tracked_targets_have_one(
        boxes in prop::collection::vec((any::<bool>(), number(), number(), number(), number()), 1..4),
        moments in prop::collection::vec(moment(), 1..10),
        threshold in prop_oneof![Just(0.0f32), Just(0.3), Just(1.0)],
        seed in any::<u64>(),
    ) {
        let mut engine = engine(&settings(threshold));
        let mut held = None;
        for (i, (there, size, lit, captured, shut)) in moments.into_iter().enumerate() {
            let mut thermal = frame(size.0, size.1, seed ^ i as u64);
            thermal.meta.captured = Nanos(captured);
            thermal.meta.ffc = if shut && i % 3 == 1 { FfcState::Running } else { FfcState::Idle };
            let mut colours = visible(lit.0, lit.1, seed);
            colours.captured = Nanos(captured);
            let pair = Pair { thermal: there.0.then_some(&thermal), visible: there.1.then_some(&colours) };
            if let Some(&(pixels, x0, y0, x1, y1)) = boxes.get(i) {
                let pixels = if pixels { Modality::Thermal } else { Modality::Visible };
                let _ = engine.start(&pair, pixels, Rect::new(x0, y0, x1, y1));
            }
            let open = there.0 && size.0 > 0 && size.1 > 0 && thermal.meta.ffc != FfcState::Running;
            if open {
                held = Some((true, size));
            } else if there.1 && lit.0 > 0 && lit.1 > 0 && held.is_none_or(|h| !h.0) {
                held = Some((false, lit));
            }
            for target in engine.process(&pair).unwrap() {
                prop_assert!((0.0..=1.0).contains(&target.score) && (0.0..=1.0).contains(&target.presence));
                prop_assert!(target.bbox.is_none() || target.state == TargetState::Tracked);
                if let (Some(b), Some((_, (w, h)))) = (target.bbox, held) {
                    prop_assert!(b.is_finite() && b.area() > 0.0, "{b:?}");
                    prop_assert!(b.x0 >= 0.0 && b.y0 >= 0.0 && b.x1 <= w as f32 && b.y1 <= h as f32, "{b:?} in {w}x{h}");
                }
            }
        }
    }
}

/// The next array of a file: its shape and values.
fn array(rest: &mut &[u8]) -> (Vec<usize>, Values) {
    let (array, after) = Array::parse(rest, "track_preprocess.npy").unwrap();
    *rest = after;
    (array.shape, array.values)
}

fn floats(values: Values) -> Vec<f32> {
    match values {
        Values::F32(v) => v,
        Values::U16(v) => v.into_iter().map(|v| f32::from(v) / 65_535.0 * 3.0 - 1.0).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn training_and_runtime_crop_alike() {
    let fixture = &include_bytes!("data/track_preprocess.npy")[..];
    for kernels in kernels::available() {
        let mut preprocess = Preprocessor::on(kernels);
        let mut rest = fixture;
        let (shape, Values::U16(pixels)) = array(&mut rest) else { panic!("a thermal frame") };
        let mut thermal = frame(shape[1] as u32, shape[0] as u32, 1);
        thermal.pixels = pixels;
        let boxes = floats(array(&mut rest).1);
        let (templates, searches) = (floats(array(&mut rest).1), floats(array(&mut rest).1));
        let worst = |got: &[f32], want: &[f32]| got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        for (i, b) in boxes.chunks_exact(4).enumerate() {
            let small = Square { centre: [b[0], b[1]], side: template_side(b[2], b[3]) };
            let large = Square { side: 2.0 * small.side, ..small };
            let (mut template, mut search) = (vec![0.0; 64 * 64], vec![0.0; 128 * 128]);
            let (levels, _) = preprocess.thermal_template(&thermal, small, [2.0, 98.0], 64, &mut template);
            preprocess.thermal_search(&thermal, large, levels, 128, &mut search);
            assert!(worst(&template, &templates[i * 64 * 64..]) < 1e-3, "template {i} on {}", kernels.name());
            assert!(worst(&search, &searches[i * 128 * 128..]) < 1e-3, "search {i} on {}", kernels.name());
        }
        let (shape, Values::U8(rgb)) = array(&mut rest) else { panic!("a visible frame") };
        let mut picture = visible(shape[1] as u32, shape[0] as u32, 1);
        picture.rgb = rgb;
        let b = floats(array(&mut rest).1);
        let (templates, searches) = (floats(array(&mut rest).1), floats(array(&mut rest).1));
        let small = Square { centre: [b[0], b[1]], side: template_side(b[2], b[3]) };
        let large = Square { side: 2.0 * small.side, ..small };
        let (mut template, mut search) = (vec![0.0; 3 * 64 * 64], vec![0.0; 3 * 128 * 128]);
        let (levels, _) = preprocess.visible_template(&picture, small, 64, &mut template);
        preprocess.visible_search(&picture, large, levels, 128, &mut search);
        assert!(worst(&template, &templates) < 1e-3 && worst(&search, &searches) < 1e-3, "on {}", kernels.name());
    }
}
