//! Tracking, end to end on painted pictures: a bright square is a target ([`fake`]).

use super::fake::{self, World, paint, paint_visible};
use super::*;
use crate::error::Remedy;
use crate::frame::{FfcState, Frame, Visible};
use crate::result::{NoTemperature, TargetState};
use TargetState::{Lost, Searching, Tracked};

type Squares<'a> = &'a [([f32; 2], f32)];

/// What is shown of a frame.
#[derive(Clone, Copy, PartialEq)]
enum Shown {
    Both,
    Thermal,
    Visible,
    Nothing,
}

/// An engine, its fakes and a stream of pairs. The visible picture is four times as large as the thermal one.
struct Stage {
    world: World,
    engine: Engine,
    frame: Frame,
    visible: Visible,
    shown: Shown,
}

impl Stage {
    fn new(shown: Shown) -> Self {
        Self::with(shown, Settings::default())
    }

    fn with(shown: Shown, settings: Settings) -> Self {
        let world = World::default();
        let engine = Engine::with(&settings, &fake::card(), Box::new(world.clone())).unwrap();
        Self { world, engine, frame: fake::frame(160, 120), visible: Visible::new(640, 480), shown }
    }

    fn paint(&mut self, squares: Squares) {
        paint(&mut self.frame, squares);
        let large: Vec<_> = squares.iter().map(|(c, s)| (c.map(|v| 4.0 * v), 4.0 * s)).collect();
        paint_visible(&mut self.visible, &large);
    }

    fn pair(&self) -> Pair<'_> {
        let (thermal, visible) = (Some(&self.frame), Some(&self.visible));
        match self.shown {
            Shown::Both => Pair { thermal, visible },
            Shown::Thermal => Pair { thermal, visible: None },
            Shown::Visible => Pair { thermal: None, visible },
            Shown::Nothing => Pair::default(),
        }
    }

    fn start(&mut self, squares: Squares, bbox: Rect) -> u32 {
        self.paint(squares);
        let pixels = if self.shown == Shown::Visible { Modality::Visible } else { Modality::Thermal };
        let pair = Pair { thermal: Some(&self.frame), visible: Some(&self.visible) };
        let pair = match self.shown {
            Shown::Thermal => Pair { visible: None, ..pair },
            Shown::Visible => Pair { thermal: None, ..pair },
            _ => pair,
        };
        self.engine.start(&pair, pixels, bbox).unwrap()
    }

    fn tick(&mut self) {
        self.frame.meta.captured.0 += 33_000_000;
        self.visible.captured = self.frame.meta.captured;
    }

    /// The next pair; returns the targets.
    fn next(&mut self, squares: Squares) -> Vec<Target> {
        self.paint(squares);
        self.tick();
        let (frame, visible) = (self.frame.clone(), self.visible.clone());
        let stage = Stage { frame, visible, world: self.world.clone(), engine: engine(), shown: self.shown };
        self.engine.process(&stage.pair()).unwrap().to_vec()
    }
}

fn engine() -> Engine {
    Engine::with(&Settings::default(), &fake::card(), Box::new(World::default())).unwrap()
}

fn square(x: f32, y: f32, side: f32) -> Rect {
    Rect::new(x - side / 2.0, y - side / 2.0, x + side / 2.0, y + side / 2.0)
}

const HERE: ([f32; 2], f32) = ([60.0, 60.0], 20.0);

fn here() -> Rect {
    square(60.0, 60.0, 20.0)
}

fn near(target: &Target, x: f32, y: f32) {
    let c = target.bbox.unwrap_or_else(|| panic!("{target:?}")).center();
    assert!((c[0] - x).abs() < 1.5 && (c[1] - y).abs() < 1.5, "{c:?}, wanted {x}, {y}");
}

#[test]
fn a_moving_target_is_followed_in_every_choice_of_pictures() {
    for (shown, modality) in
        [(Shown::Thermal, Modality::Thermal), (Shown::Both, Modality::Both), (Shown::Visible, Modality::Visible)]
    {
        let mut s = Stage::new(shown);
        let scale = if shown == Shown::Visible { 4.0 } else { 1.0 };
        let id = s.start(&[HERE], square(60.0 * scale, 60.0 * scale, 20.0 * scale));
        assert_eq!((id, s.engine.targets().len()), (1, 1));
        for i in 1..=15 {
            let x = 60.0 + 4.0 * i as f32;
            let found = s.next(&[([x, 60.0], 20.0)]);
            assert_eq!((found[0].state, found[0].modality), (Tracked, modality));
            near(&found[0], x * scale, 60.0 * scale);
            assert!((found[0].bbox.unwrap().width() - 20.0 * scale).abs() < 2.0 * scale);
            assert!(found[0].presence > 0.9 && found[0].score > 0.9);
        }
        assert_eq!((s.engine.targets()[0].age_ms, s.engine.targets()[0].unseen_ms), (495, 0));
    }
}

#[test]
fn the_givers_way_of_drawing_boxes_is_kept() {
    let mut s = Stage::new(Shown::Thermal);
    s.start(&[HERE], Rect::new(44.0, 45.0, 70.0, 70.0));
    let found = s.next(&[([70.0, 60.0], 20.0)])[0].bbox.unwrap();
    let [x0, y0, x1, y1] = found.to_array();
    for (got, want) in [(x0, 54.0), (y0, 45.0), (x1, 80.0), (y1, 70.0)] {
        assert!((got - want).abs() < 1.5, "{found:?}");
    }
}

#[test]
fn a_target_that_leaves_is_lost_then_searched_and_found_anywhere() {
    let mut s = Stage::new(Shown::Thermal);
    s.start(&[HERE], here());
    let states: Vec<_> = (0..30).map(|_| s.next(&[])[0].state).collect();
    let count = |state| states.iter().filter(|s| **s == state).count();
    assert_eq!(states[..3], [Tracked, Tracked, Lost]);
    assert!(count(Lost) >= 14 && count(Searching) >= 10, "{states:?}");
    let gone = s.engine.targets()[0];
    assert!(gone.bbox.is_none() && gone.unseen_ms > 900 && gone.presence < 0.1);
    assert_eq!(gone.temperature, Err(NoTemperature::Lost));
    let back = (1..=10).find(|_| s.next(&[([135.0, 25.0], 20.0)])[0].state == Tracked);
    assert!(back.is_some_and(|frames| frames <= 6), "{back:?}");
    near(&s.engine.targets()[0], 135.0, 25.0);
    let found = s.next(&[([137.0, 25.0], 20.0)]);
    near(&found[0], 137.0, 25.0);
}

#[test]
fn something_of_another_size_is_not_the_lost_target() {
    let mut s = Stage::new(Shown::Thermal);
    s.start(&[HERE], here());
    (0..30).for_each(|_| drop(s.next(&[])));
    for _ in 0..10 {
        assert_ne!(s.next(&[([130.0, 30.0], 5.0)])[0].state, Tracked);
    }
}

#[test]
fn a_short_gap_is_bridged_by_its_motion() {
    let mut s = Stage::new(Shown::Thermal);
    s.start(&[HERE], here());
    for i in 1..=8 {
        s.next(&[([60.0 + 3.0 * i as f32, 60.0], 20.0)]);
    }
    for _ in 0..2 {
        assert_eq!(s.next(&[])[0].state, Tracked);
    }
    let found = s.next(&[([93.0, 60.0], 20.0)]);
    near(&found[0], 93.0, 60.0);
}

#[test]
fn presence_has_hysteresis() {
    let mut s = Stage::new(Shown::Thermal);
    s.start(&[HERE], here());
    let mut state = |presence: f32| {
        s.world.believe([presence; 3]);
        let states: Vec<_> = (0..5).map(|_| s.next(&[HERE])[0].state).collect();
        states[4]
    };
    assert_eq!([state(0.9), state(0.4)], [Tracked, Tracked]);
    assert_eq!([state(0.2), state(0.4), state(0.55), state(0.65)], [Lost, Lost, Lost, Tracked]);
}

#[test]
fn several_targets_do_not_disturb_one_another() {
    let mut s = Stage::new(Shown::Both);
    let there = ([120.0, 40.0], 16.0);
    s.start(&[HERE, there], here());
    let second = s.start(&[HERE, there], square(120.0, 40.0, 16.0));
    assert_eq!(second, 2);
    for i in 1..=10 {
        let (x, y) = (60.0 - 2.0 * i as f32, 40.0 + 3.0 * i as f32);
        let found = s.next(&[([x, 60.0], 20.0), ([120.0, y], 16.0)]);
        near(&found[0], x, 60.0);
        near(&found[1], 120.0, y);
    }
    assert!(s.engine.stop(1) && !s.engine.stop(1));
    let found = s.next(&[([40.0, 60.0], 20.0), ([120.0, 70.0], 16.0)]);
    assert_eq!(found.iter().map(|t| t.id).collect::<Vec<_>>(), [2]);
    assert_eq!(s.start(&[HERE], here()), 3, "numbers are never used again");
}

#[test]
fn a_camera_may_fail_for_a_moment_or_for_good() {
    for gone in [Shown::Thermal, Shown::Visible] {
        let mut s = Stage::new(Shown::Both);
        s.start(&[HERE], here());
        let mut x = 60.0;
        for (shown, frames) in [(Shown::Both, 5), (gone, 12), (Shown::Both, 5), (gone, 5)] {
            s.shown = shown;
            for _ in 0..frames {
                x += 1.0;
                let found = s.next(&[([x, 60.0], 20.0)]);
                near(&found[0], x, 60.0);
                let wanted = match shown {
                    Shown::Both => Modality::Both,
                    Shown::Thermal => Modality::Thermal,
                    _ => Modality::Visible,
                };
                assert_eq!((found[0].state, found[0].modality), (Tracked, wanted));
            }
        }
    }
}

#[test]
fn without_any_picture_a_target_waits() {
    let mut s = Stage::new(Shown::Both);
    s.start(&[HERE], here());
    s.shown = Shown::Nothing;
    for _ in 0..100 {
        let found = s.next(&[HERE]);
        assert_eq!((found[0].state, found[0].bbox), (Lost, None));
    }
    s.shown = Shown::Both;
    let found = s.next(&[([64.0, 60.0], 20.0)]);
    near(&found[0], 64.0, 60.0);
}

#[test]
fn a_closed_shutter_is_not_looked_at() {
    let mut s = Stage::new(Shown::Thermal);
    s.start(&[HERE], here());
    s.next(&[HERE]);
    s.frame.meta.ffc = FfcState::Running;
    let runs = s.world.runs();
    for _ in 0..60 {
        let found = s.next(&[]);
        assert_eq!((found[0].state, found[0].temperature), (Lost, Err(NoTemperature::Ffc)));
    }
    assert_eq!(s.world.runs(), runs);
    s.frame.meta.ffc = FfcState::Settling;
    let found = s.next(&[HERE]);
    assert_eq!((found[0].state, found[0].temperature), (Tracked, Err(NoTemperature::Ffc)));
    s.frame.meta.ffc = FfcState::Idle;
    let found = s.next(&[HERE])[0].temperature.unwrap();
    assert!((found.max_c - 32.0).abs() < 0.01 && found.mean_c > 30.0, "{found:?}");
    // The other camera goes on.
    let mut s = Stage::new(Shown::Both);
    s.start(&[HERE], here());
    s.frame.meta.ffc = FfcState::Running;
    assert_eq!((s.next(&[HERE])[0].state, s.engine.targets()[0].modality), (Tracked, Modality::Visible));
}

#[test]
fn darkness_and_crossover_are_noticed() {
    let mut s = Stage::new(Shown::Both);
    s.start(&[HERE], here());
    s.next(&[HERE]);
    s.tick();
    s.visible.rgb.fill(3);
    paint(&mut s.frame, &[([62.0, 60.0], 20.0)]);
    let pair = Pair { thermal: Some(&s.frame), visible: Some(&s.visible) };
    let found = s.engine.process(&pair).unwrap()[0];
    assert_eq!((found.modality, found.state), (Modality::Thermal, Tracked));
    near(&found, 62.0, 60.0);
    s.tick();
    s.frame.pixels.fill(29_315);
    paint_visible(&mut s.visible, &[([256.0, 240.0], 80.0)]);
    let pair = Pair { thermal: Some(&s.frame), visible: Some(&s.visible) };
    let found = s.engine.process(&pair).unwrap()[0];
    assert_eq!((found.modality, found.state), (Modality::Visible, Tracked));
    near(&found, 64.0, 60.0);
    let found = s.next(&[([66.0, 60.0], 20.0)]);
    assert_eq!(found[0].modality, Modality::Both);
}

#[test]
fn the_surer_picture_is_used_alone_until_both_are_as_sure() {
    let mut s = Stage::new(Shown::Both);
    s.start(&[HERE], here());
    s.world.believe([0.5, 0.9, 0.1]);
    let used: Vec<_> = (0..26).map(|_| s.next(&[HERE])[0].modality).collect();
    assert_eq!(used[25], Modality::Thermal, "{used:?}");
    s.world.believe([0.9, 0.9, 0.8]);
    let used: Vec<_> = (0..26).map(|_| s.next(&[HERE])[0].modality).collect();
    assert_eq!(used[25], Modality::Both, "{used:?}");
    let before = s.world.runs().iter().sum::<usize>();
    (0..48).for_each(|_| drop(s.next(&[HERE])));
    let runs = s.world.runs().iter().sum::<usize>() - before;
    assert!(runs <= 56, "{runs} runs in 48 frames");
}

#[test]
fn a_picture_that_comes_later_is_learnt_once_the_target_is_sure() {
    let mut s = Stage::new(Shown::Thermal);
    s.start(&[HERE], here());
    s.shown = Shown::Both;
    let used: Vec<_> = (0..8).map(|_| s.next(&[HERE])[0].modality).collect();
    assert_eq!((used[0], used[7]), (Modality::Thermal, Modality::Both));
    // Started in visible light: boxes move to thermal pixels when there are some.
    let mut s = Stage::new(Shown::Visible);
    s.start(&[HERE], square(240.0, 240.0, 80.0));
    s.shown = Shown::Both;
    for _ in 0..8 {
        let found = s.next(&[HERE]);
        near(&found[0], 60.0, 60.0);
    }
    assert_eq!(s.engine.targets()[0].modality, Modality::Both);
}

#[test]
fn a_registration_moves_boxes_between_the_pictures() {
    let registration = Registration { scale: [4.0, 4.0], offset: [40.0, -20.0] };
    let mut s = Stage::with(Shown::Both, Settings { registration: Some(registration), ..Settings::default() });
    paint(&mut s.frame, &[HERE]);
    paint_visible(&mut s.visible, &[([280.0, 220.0], 80.0)]);
    let pair = Pair { thermal: Some(&s.frame), visible: Some(&s.visible) };
    s.engine.start(&pair, Modality::Visible, square(280.0, 220.0, 80.0)).unwrap();
    near(&s.engine.targets()[0], 60.0, 60.0);
    let found = s.engine.process(&Pair { thermal: None, visible: Some(&s.visible) }).unwrap()[0];
    near(&found, 60.0, 60.0);
}

#[test]
fn frames_may_change_their_size() {
    let mut s = Stage::new(Shown::Thermal);
    s.start(&[HERE], here());
    let captured = s.frame.meta.captured;
    s.frame = fake::frame(320, 240);
    s.frame.meta.captured = captured;
    let found = s.next(&[([122.0, 120.0], 40.0)]);
    near(&found[0], 122.0, 120.0);
    s.frame = fake::frame(0, 0);
    s.frame.meta.captured = captured;
    assert_eq!(s.next(&[])[0].state, Lost);
}

#[test]
fn bad_boxes_are_refused_by_reason() {
    let mut s = Stage::new(Shown::Thermal);
    s.paint(&[HERE]);
    let bad = [
        (Rect::new(10.0, 10.0, 11.0, 30.0), "at least 2"),
        (Rect::new(f32::NAN, 10.0, 30.0, 30.0), "at least 2"),
        (Rect::new(30.0, 10.0, 10.0, 30.0), "at least 2"),
        (Rect::default(), "at least 2"),
        (Rect::new(0.0, 0.0, f32::INFINITY, 9.0), "at least 2"),
        (Rect::new(200.0, 10.0, 230.0, 30.0), "outside"),
        (Rect::new(-30.0, -30.0, -1.0, -1.0), "outside"),
    ];
    for (bbox, says) in bad {
        let pair = Pair { thermal: Some(&s.frame), visible: None };
        let e = s.engine.start(&pair, Modality::Thermal, bbox).unwrap_err();
        assert!(e.remedy() == Remedy::Fix && e.to_string().contains(says), "{bbox:?}: {e}");
    }
    let pair = Pair { thermal: Some(&s.frame), visible: None };
    let e = s.engine.start(&pair, Modality::Visible, here()).unwrap_err();
    assert!(e.to_string().contains("visible frame"), "{e}");
    let e = s.engine.start(&Pair::default(), Modality::Thermal, here()).unwrap_err();
    assert!(e.to_string().contains("thermal frame"), "{e}");
    s.frame.meta.ffc = FfcState::Running;
    let pair = Pair { thermal: Some(&s.frame), visible: None };
    assert_eq!(s.engine.start(&pair, Modality::Thermal, here()).unwrap_err().remedy(), Remedy::Retry);
    assert!(s.engine.targets().is_empty());
}

#[test]
fn after_a_reset_another_recording_gives_the_same_results() {
    let run = |s: &mut Stage| {
        s.start(&[HERE], here());
        (1..6).map(|i| s.next(&[([60.0 + 2.0 * i as f32, 60.0], 20.0)])[0].bbox).collect::<Vec<_>>()
    };
    let mut s = Stage::new(Shown::Both);
    let first = run(&mut s);
    s.engine.reset();
    assert!(s.engine.targets().is_empty());
    // Held in visible pixels now, as at the beginning of any stream.
    s.shown = Shown::Visible;
    s.start(&[HERE], square(240.0, 240.0, 80.0));
    near(&s.next(&[HERE])[0], 240.0, 240.0);
    s.engine.reset();
    (s.shown, s.frame.meta.captured) = (Shown::Both, Nanos(0));
    assert_eq!(run(&mut s), first);
}

#[test]
fn there_is_a_most_of_targets_and_a_model_must_be_a_tracker() {
    let mut s = Stage::with(Shown::Thermal, Settings { max_targets: 2, ..Settings::default() });
    s.start(&[HERE], here());
    s.start(&[HERE], here());
    let pair = Pair { thermal: Some(&s.frame), visible: None };
    assert!(s.engine.start(&pair, Modality::Thermal, here()).unwrap_err().to_string().contains("max_targets"));
    let faces = Settings { model: "face-landmarks-nano".into(), ..Settings::default() };
    let e = Engine::new(&faces).err().unwrap();
    assert!(e.remedy() == Remedy::Fix && e.to_string().contains("wanted a tracker"), "{e}");
}

#[test]
fn nonsense_loses_a_target_and_failures_are_reported() {
    let mut s = Stage::new(Shown::Both);
    s.start(&[HERE], here());
    s.world.speak_nonsense(true);
    for _ in 0..40 {
        let found = s.next(&[HERE])[0];
        assert!(found.score == 0.0 && found.presence == 0.0);
    }
    assert_eq!(s.engine.targets()[0].state, Searching);
    s.world.speak_nonsense(false);
    assert_eq!(s.next(&[HERE])[0].state, Tracked);
    s.world.break_down(true);
    let pair = Pair { thermal: Some(&s.frame), visible: None };
    assert_eq!(s.engine.process(&pair).unwrap_err().message(), "broken as told");
}

#[test]
fn time_may_stand_still_jump_or_go_back() {
    let mut s = Stage::new(Shown::Thermal);
    s.frame.meta.captured = Nanos(10_000_000_000);
    s.start(&[HERE], here());
    for captured in [10_000_000_000, 10_000_000_000, 3, 60_000_000_000, 60_033_000_000, 1, u64::MAX - 40_000_000] {
        s.frame.meta.captured = Nanos(captured);
        let found = s.next(&[HERE]);
        near(&found[0], 60.0, 60.0);
    }
}

#[test]
fn a_tiny_target_is_never_followed_out_of_the_frame() {
    let mut s = Stage::new(Shown::Thermal);
    s.start(&[([155.0, 60.0], 6.0)], square(155.0, 60.0, 6.0));
    for i in 0..60 {
        let found = s.next(&[([155.0 + i as f32, 60.0], 6.0)])[0];
        if let Some(b) = found.bbox {
            assert!(b.x0 >= 0.0 && b.x1 <= 160.0 && b.area() > 0.0, "{b:?}");
        }
    }
}
