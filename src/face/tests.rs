//! Tracking, end to end on painted frames: a warm square is a face ([`fake`]).

use std::sync::Arc;

use super::fake::{self, World, paint};
use super::*;
use crate::error::Remedy;
use crate::frame::FfcState;
use crate::result::StreamState;
use crate::units::Nanos;

type Squares<'a> = &'a [([f32; 2], f32)];

/// An engine, its fakes and a stream of frames.
struct Stage {
    world: World,
    engine: Engine,
    frame: Frame,
    result: FrameResult,
}

impl Stage {
    fn new(settings: Settings) -> Self {
        let world = World::default();
        let engine = Engine::with(
            &settings,
            radiometry::Settings { emissivity: 1.0, reflected_c: 20.0 },
            (&fake::detector_card(), world.detector()),
            (&fake::landmark_card(), world.landmarks()),
        )
        .unwrap();
        let result = FrameResult::new(Arc::from("test"), settings.max_faces);
        Self { world, engine, frame: fake::frame(160, 120, &[]), result }
    }

    /// The next frame, `ms` after the last; returns track numbers and states.
    fn next(&mut self, ms: u64, faces: Squares) -> Vec<(u64, TrackState)> {
        paint(&mut self.frame, faces);
        self.frame.meta.captured.0 += ms * 1_000_000;
        self.frame.meta.seq += 1;
        self.engine.process_frame(&self.frame, &mut self.result).unwrap();
        self.result.faces.iter().map(|f| (f.track, f.track_state)).collect()
    }

    fn centre(&self, face: usize) -> [f32; 2] {
        self.result.faces[face].bbox.center()
    }
}

const HERE: ([f32; 2], f32) = ([60.0, 60.0], 36.0);
const THERE: ([f32; 2], f32) = ([115.0, 50.0], 30.0);
use TrackState::{Lost, Reacquired, Tracked};

#[test]
fn a_moving_face_keeps_its_number_and_costs_its_views_a_frame() {
    let mut s = Stage::new(Settings {
        smooth: smooth::Settings { enabled: false, ..Default::default() },
        ..Default::default()
    });
    assert_eq!(s.next(33, &[]), []);
    assert_eq!(s.next(33, &[HERE]), [(1, Tracked)]);
    let (detections, crops) = (s.world.detections(), s.world.crops());
    for i in 1..=12 {
        // 4 px a frame: 3.4 face sizes a second.
        let x = 60.0 + 4.0 * i as f32;
        assert_eq!(s.next(33, &[([x, 60.0], 36.0)]), [(1, Tracked)], "frame {i}");
        let c = s.centre(0);
        assert!((c[0] - x).abs() < 1.5 && (c[1] - 60.0).abs() < 1.5, "frame {i}: {c:?}, wanted {x}");
    }
    assert_eq!(s.world.detections(), detections, "the crop follows the landmarks");
    assert_eq!(s.world.crops(), crops + 12 * Settings::default().views);
    let f = &s.result.faces[0];
    assert!(f.presence > 0.9 && f.score > 0.9 && f.landmarks.iter().all(|l| l.confidence > 0.5));
    assert_eq!((s.result.seq, s.result.width, s.result.radiometric), (14, 160, true));
}

#[test]
fn temperatures_are_those_of_the_skin() {
    let mut s = Stage::new(Settings::default());
    s.next(33, &[HERE]);
    let f = &s.result.faces[0];
    // The forehead lies above the landmarks, and above the painted square.
    assert!((f.region_c.at(0).unwrap() - 21.0).abs() < 0.05);
    for (i, r) in f.region_c.iter().enumerate().skip(1) {
        assert!((r.unwrap() - 34.0).abs() < 0.05, "region {i}: {r:?}");
    }
    assert!(f.landmark_c.iter().skip(27).all(|r| (r.unwrap() - 34.0).abs() < 0.05));
}

#[test]
fn new_faces_are_found_on_schedule_and_listed_by_age() {
    let mut s = Stage::new(Settings { detect_every_ms: 300, ..Default::default() });
    assert_eq!(s.next(100, &[THERE]), [(1, Tracked)]);
    assert_eq!(s.next(100, &[HERE, THERE]), [(1, Tracked)]);
    assert_eq!(s.next(100, &[HERE, THERE]), [(1, Tracked)]);
    assert_eq!(s.next(100, &[HERE, THERE]), [(1, Tracked), (2, Tracked)]);
    let n = s.world.detections();
    s.next(100, &[HERE, THERE]);
    s.next(100, &[HERE, THERE]);
    assert_eq!(s.world.detections(), n);
    s.next(100, &[HERE, THERE]);
    assert_eq!(s.world.detections(), n + 1);
}

#[test]
fn a_lost_face_coasts_without_temperature_and_comes_back_under_its_number() {
    let mut s = Stage::new(Settings::default());
    s.next(50, &[HERE]);
    s.next(50, &[HERE]);
    let before = s.result.faces[0].landmarks[30].confidence;
    assert_eq!(s.next(50, &[]), [(1, Lost)]);
    let f = &s.result.faces[0];
    assert!(f.region_c.iter().chain(f.landmark_c.iter()).all(|r| r == Err(NoTemperature::Lost)));
    assert!(f.landmarks[30].confidence < before);
    assert!((s.centre(0)[0] - 60.0).abs() < 1.0);
    assert_eq!(s.next(50, &[]), [(1, Lost)]);
    // It comes back a step away.
    assert_eq!(s.next(50, &[([72.0, 66.0], 34.0)]), [(1, Reacquired)]);
    assert!((s.centre(0)[0] - 72.0).abs() < 1.5, "smoothing does not bridge the gap: {:?}", s.centre(0));
    assert_eq!(s.next(50, &[([72.0, 66.0], 34.0)]), [(1, Tracked)]);
}

#[test]
fn a_face_lost_too_long_or_found_too_far_away_is_another() {
    let mut s = Stage::new(Settings { lost_ms: 400, ..Default::default() });
    s.next(100, &[HERE]);
    for _ in 0..4 {
        assert_eq!(s.next(100, &[]), [(1, Lost)]);
    }
    assert_eq!(s.next(100, &[]), []);
    assert_eq!(s.next(100, &[HERE]), [(2, Tracked)]);
    // Lost for one frame, and a face of the same size two face sizes away.
    s.next(100, &[]);
    assert_eq!(s.next(10, &[([130.0, 60.0], 36.0)]), [(2, Lost), (3, Tracked)]);
}

#[test]
fn a_jump_is_believed_only_if_the_detector_agrees() {
    let mut s = Stage::new(Settings::default());
    s.next(33, &[HERE]);
    s.next(33, &[HERE]);
    let n = s.world.detections();
    // Half a face size in a frame: seen at the edge of the crop, confirmed.
    assert_eq!(s.next(33, &[([80.0, 60.0], 36.0)]), [(1, Tracked)]);
    assert_eq!(s.world.detections(), n + 1, "a jump asks the detector");
    s.next(33, &[([80.0, 60.0], 36.0)]);
    s.next(33, &[([80.0, 60.0], 36.0)]);
    s.world.blind(true);
    assert_eq!(s.next(33, &[([100.0, 60.0], 36.0)]), [(1, Lost)]);
}

#[test]
fn what_the_landmark_network_does_not_believe_is_no_face() {
    let mut s = Stage::new(Settings::default());
    s.world.faceless(true);
    assert_eq!(s.next(33, &[HERE]), []);
    s.world.faceless(false);
    assert_eq!(s.next(33, &[HERE]), [(1, Tracked)]);
    s.world.speak_nonsense(true);
    assert_eq!(s.next(33, &[HERE]), [(1, Lost)]);
    s.world.speak_nonsense(false);
    assert_eq!(s.next(33, &[HERE]), [(1, Reacquired)]);
}

#[test]
fn two_tracks_on_one_face_become_one() {
    let mut s = Stage::new(Settings { detect_every_ms: 0, ..Default::default() });
    let left = |x: f32| ([x, 60.0], 30.0);
    assert_eq!(s.next(33, &[left(45.0), left(110.0)]).len(), 2);
    // They close in; then the second one leaves and its crop shows the first.
    for i in 1..=15 {
        s.next(33, &[left(45.0 + i as f32), left(110.0 - i as f32)]);
    }
    assert_eq!(s.result.faces.len(), 2);
    let mut last = vec![];
    for _ in 0..45 {
        last = s.next(33, &[left(60.0)]);
        let measured = last.iter().filter(|t| t.1 != Lost).count();
        assert_eq!(measured, 1, "{last:?}");
    }
    assert_eq!(last, [(1, Tracked)]);
}

#[test]
fn never_more_faces_than_allowed_and_work_is_bounded() {
    let squares: Vec<_> =
        (0..8).map(|i| ([20.0 + 38.0 * (i % 4) as f32, 30.0 + 60.0 * (i / 4) as f32], 22.0)).collect();
    let mut s = Stage::new(Settings { max_faces: 3, detect_every_ms: 0, ..Default::default() });
    assert_eq!(s.next(33, &squares).len(), 3);
    let crops = s.world.crops();
    let n = s.world.detections();
    assert_eq!(s.next(33, &squares).iter().map(|f| f.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(
        (s.world.crops(), s.world.detections()),
        (crops + 3 * Settings::default().views, n),
        "a full house needs no detector"
    );
    // Those three leave; others that stay take their places at once.
    let kept = [1, 2, 3].map(|t| {
        let f = s.result.faces.iter().find(|f| f.track == t).unwrap();
        f.bbox.center()
    });
    let others: Vec<_> =
        squares.into_iter().filter(|q| kept.iter().all(|k| (k[0] - q.0[0]).hypot(k[1] - q.0[1]) > 60.0)).collect();
    assert!(!others.is_empty());
    assert!(s.next(33, &others).iter().any(|t| t.0 > 3 && t.1 == Tracked));
    assert!(s.result.faces.len() <= 3);
}

#[test]
fn faces_coast_through_the_shutter_without_losing_time() {
    let mut s = Stage::new(Settings { lost_ms: 200, ..Default::default() });
    s.next(100, &[HERE]);
    s.frame.meta.ffc = FfcState::Running;
    let crops = s.world.crops();
    for _ in 0..10 {
        assert_eq!(s.next(100, &[]), [(1, Lost)]);
        let f = &s.result.faces[0];
        assert!(f.region_c.iter().all(|r| r == Err(NoTemperature::Ffc)));
        assert_eq!(s.result.state, StreamState::Ffc);
    }
    assert_eq!(s.world.crops(), crops, "a closed shutter is not looked at");
    s.frame.meta.ffc = FfcState::Settling;
    assert_eq!(s.next(100, &[HERE]), [(1, Reacquired)]);
    assert!(s.result.faces[0].landmark_c.iter().all(|r| r == Err(NoTemperature::Ffc)));
    s.frame.meta.ffc = FfcState::Idle;
    s.next(100, &[HERE]);
    assert!(s.result.faces[0].region_c.at(0).is_ok());
    assert_eq!(s.result.state, StreamState::Live);
}

#[test]
fn a_stream_that_jumps_starts_anew_but_never_reuses_a_number() {
    let mut s = Stage::new(Settings::default());
    s.next(33, &[HERE]);
    assert_eq!(s.next(5000, &[HERE]), [(2, Tracked)], "a gap");
    s.frame.meta.captured = Nanos(0);
    assert_eq!(s.next(1, &[HERE]), [(3, Tracked)], "time goes backwards");
    let (seq, captured) = (s.frame.meta.seq, s.frame.meta.captured);
    s.frame = fake::frame(320, 240, &[]);
    (s.frame.meta.seq, s.frame.meta.captured) = (seq, captured);
    assert_eq!(s.next(33, &[HERE]), [(4, Tracked)], "another size");
    assert_eq!(s.world.sizes(), [(160, 128), (320, 256)]);
}

#[test]
fn stills_are_neither_smoothed_nor_followed() {
    let mut s = Stage::new(Settings::default());
    for shift in [0.0, 50.0] {
        paint(&mut s.frame, &[([40.0 + shift, 60.0], 36.0), ([60.0 + shift, 20.0], 20.0)]);
        s.engine.process_still_frame(&s.frame, &mut s.result).unwrap();
        let tracks: Vec<_> = s.result.faces.iter().map(|f| f.track).collect();
        assert_eq!(tracks, [1, 2]);
        assert!(s.result.faces.iter().any(|f| (f.bbox.center()[0] - 40.0 - shift).abs() < 1.0));
    }
    let (face, _) = s.engine.infer_box(&s.frame, Rect::new(74.0, 44.0, 108.0, 80.0)).unwrap().unwrap();
    assert!((face.bbox.center()[0] - 90.0).abs() < 1.0);
}

#[test]
fn a_failing_network_is_an_error_that_says_so() {
    let mut s = Stage::new(Settings::default());
    s.world.break_down(true);
    paint(&mut s.frame, &[HERE]);
    let e = s.engine.process_frame(&s.frame, &mut s.result).unwrap_err();
    assert_eq!((e.remedy(), e.message()), (Remedy::Fatal, "broken as told"));
}

#[test]
fn nothing_is_allocated_for_results_after_the_first() {
    let mut s = Stage::new(Settings::default());
    s.next(33, &[HERE, THERE]);
    let (faces, tracks) = (s.result.faces.as_ptr(), s.engine.tracker.tracks.as_ptr());
    for _ in 0..20 {
        s.next(33, &[HERE, THERE]);
    }
    assert_eq!((faces, tracks), (s.result.faces.as_ptr(), s.engine.tracker.tracks.as_ptr()));
}
