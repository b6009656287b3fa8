//! A made-up camera for tests of the outputs: two people, a picture, counters, controls.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use heatmark::frame::{FfcState, Frame, FrameFormat, Signal};
use heatmark::landmarks::COUNT;
use heatmark::look::{Adjust, Aim, Change, Choices, Look, Range, Request};
use heatmark::picture::Canvas;
use heatmark::result::{BoxTemperature, DropCounts, Target};
use heatmark::result::{Face, FrameResult, Landmark, Latency, NoTemperature, Pose, Readings, StreamState, TrackState};
use heatmark::sink::{Camera, Hooks, Output, Sink};
use heatmark::status::{Counts, LatencySummary, Snapshot};
use heatmark::units::Nanos;

/// Frame size, pixels.
pub const SIZE: (u32, u32) = (160, 120);
/// Picture size, pixels.
pub const PICTURE: (u32, u32) = (640, 480);

/// Different pictures.
const PICTURES: usize = 8;

/// Size and 8-bit RGB pixels of a PNG in colour.
pub fn rgb(png: &[u8]) -> ((u32, u32), Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let samples = info.color_type.samples();
    assert!(samples >= 3 && info.bit_depth == png::BitDepth::Eight, "{info:?}");
    ((info.width, info.height), pixels.chunks_exact(samples).flat_map(|p| [p[0], p[1], p[2]]).collect())
}

/// A scene that moves from frame to frame.
pub struct Demo {
    pub result: FrameResult,
    pub frame: Arc<Frame>,
    pub picture: Canvas,
    pub json: String,
    /// People in the picture.
    pub people: usize,
    pub radiometric: bool,
    /// False: no frame, no picture of one.
    pub signal: bool,
    /// True: targets instead of faces.
    pub tracking: bool,
    tick: u64,
    /// Pictures drawn once and shown in turn, since drawing takes longer than what is tested.
    drawn: Vec<Canvas>,
}

impl Demo {
    pub fn new(people: usize) -> Self {
        let format = FrameFormat { width: SIZE.0, height: SIZE.1, signal: Signal::CENTIKELVIN, rate_hz: 9.0 };
        let mut demo = Self {
            result: FrameResult::new("demo".into(), 8),
            frame: Arc::new(Frame::new(format)),
            picture: Canvas { width: PICTURE.0, height: PICTURE.1, rgb: vec![0; (PICTURE.0 * PICTURE.1 * 3) as usize] },
            json: String::new(),
            people,
            radiometric: true,
            signal: true,
            tracking: false,
            tick: 0,
            drawn: Vec::new(),
        };
        demo.advance();
        demo
    }

    /// Makes the next frame.
    pub fn advance(&mut self) {
        self.tick += 1;
        let t = self.tick as f32 / 9.0;
        let r = &mut self.result;
        r.seq = self.tick;
        r.captured = Nanos(self.tick * 111_000_000);
        r.captured_utc_ns = Some(1_767_268_800_000_000_000 + r.captured.0 as i64);
        (r.width, r.height) = SIZE;
        r.radiometric = self.radiometric;
        r.state = if self.signal { StreamState::Live } else { StreamState::NoSignal };
        r.latency = Latency { queue_us: 40, infer_us: 610, total_us: 910 };
        r.dropped = DropCounts { driver: 1, superseded: self.tick / 30, ..DropCounts::default() };
        r.faces.clear();
        r.targets.clear();
        for i in 0..if self.signal { self.people } else { 0 } {
            r.faces.push(face(3 + 4 * i as u64, i, t, self.radiometric));
        }
        let frame = Arc::make_mut(&mut self.frame);
        (frame.meta.seq, frame.meta.captured) = (r.seq, r.captured);
        for (i, pixel) in frame.pixels.iter_mut().enumerate() {
            *pixel = 29_000 + (i % 160) as u16 + (self.tick % 500) as u16;
        }
        let turn = self.tick as usize % PICTURES;
        if turn < self.drawn.len() {
            self.picture.rgb.copy_from_slice(&self.drawn[turn].rgb);
        } else {
            paint(&mut self.picture, &self.result);
            if turn == self.drawn.len() {
                self.drawn.push(self.picture.clone());
            }
        }
        self.json.clear();
        if self.tracking {
            let r = &mut self.result;
            r.targets.extend(r.faces.drain(..).map(|face| target(&face, t)));
            self.result.write_track_json(&mut self.json);
        } else {
            self.result.write_json(&mut self.json);
        }
    }

    /// Everything at once, whatever a sink wants.
    pub fn output(&self) -> Output<'_> {
        Output {
            frame: self.signal.then_some(&self.frame),
            result: &self.result,
            json: Some(&self.json),
            picture: Some(&self.picture),
        }
    }

    /// What the sink wants and no more, as the pipeline does it.
    pub fn put(&self, sink: &mut dyn Sink) -> heatmark::error::Result<()> {
        let wants = sink.wants();
        let mut out = self.output();
        out.json = out.json.filter(|_| wants.json);
        out.picture = out.picture.filter(|_| wants.picture);
        sink.put(&out)
    }
}

/// A target where a face is.
fn target(face: &Face, t: f32) -> Target {
    let mut target = Target::new(face.track as u32);
    target.bbox = Some(face.bbox);
    (target.score, target.presence, target.age_ms) = (0.81, 0.97, (t * 1000.0) as u64);
    let max_c = 35.0 + (t * 0.7).sin();
    target.temperature = Ok(BoxTemperature { min_c: max_c - 11.0, mean_c: max_c - 4.0, max_c });
    target
}

/// Requests of viewers.
#[derive(Default)]
pub struct Asked(pub Mutex<Vec<Request>>);

impl Aim for Asked {
    fn request(&self, request: Request) -> heatmark::error::Result<()> {
        self.0.lock().unwrap().push(request);
        Ok(())
    }
}

/// A face of 70 points around a moving centre.
pub fn face(track: u64, place: usize, t: f32, radiometric: bool) -> Face {
    let phase = t * 0.7 + place as f32;
    let (cx, cy) = (52.0 + 58.0 * place as f32 + 6.0 * phase.sin(), 58.0 + 3.0 * (phase * 0.6).cos());
    let mut landmarks = [Landmark::default(); COUNT];
    for (i, p) in landmarks.iter_mut().enumerate() {
        let (x, y) = template(i);
        *p = Landmark { x: cx + 21.0 * x, y: cy + 26.0 * y, confidence: 0.93 - 0.002 * i as f32 };
    }
    let temperature = |base: f32, k: f32| {
        if radiometric { Ok(base + 0.35 * (t * k).sin()) } else { Err(NoTemperature::NotRadiometric) }
    };
    let mut region_c = Readings::none(NoTemperature::NotRadiometric);
    let bases = [34.1, 35.2, 35.1, 31.4 + 0.6 * (t * 1.6).sin(), 32.4 + 0.8 * (t * 1.6).cos(), 33.5, 32.8, 32.9];
    for (i, base) in bases.into_iter().enumerate() {
        region_c.set(i, temperature(base, 0.2 + 0.05 * i as f32));
    }
    let lost = place == 1 && (t as u64) % 40 > 34;
    if radiometric && place == 1 {
        region_c.set(6, Err(NoTemperature::Occluded));
    }
    if radiometric && lost {
        region_c = Readings::none(NoTemperature::Lost);
    }
    let mut face = Face::new(track);
    face.track_state = if lost { TrackState::Lost } else { TrackState::Tracked };
    face.bbox = [cx - 21.0, cy - 26.0, cx + 21.0, cy + 26.0].into();
    (face.score, face.presence) = (0.98 - 0.05 * place as f32, 0.99);
    face.pose = Pose {
        yaw: -12.0 + 25.0 * phase.sin(),
        pitch: 3.0 + 9.0 * (phase * 0.8).cos(),
        roll: 6.0 * (phase * 0.5).sin(),
    };
    (face.landmarks, face.region_c) = (landmarks, region_c);
    face.landmark_c = std::array::from_fn(|i| temperature(33.0, 0.1 + 0.01 * i as f32)).into();
    face
}

/// Point `i` in a box of -1 to 1.
fn template(i: usize) -> (f32, f32) {
    let turn = |centre: (f32, f32), r: (f32, f32), share: f32| {
        let a = share * std::f32::consts::TAU;
        (centre.0 + r.0 * a.cos(), centre.1 + r.1 * a.sin())
    };
    let share = |from: usize, to: usize| (i - from) as f32 / (to - from) as f32;
    match i {
        0..=16 => turn((0.0, -0.1), (1.0, 1.1), 0.5 - 0.5 * share(0, 16)),
        17..=21 => (-0.8 + 0.6 * share(17, 21), -0.6),
        22..=26 => (0.2 + 0.6 * share(22, 26), -0.6),
        27..=30 => (0.0, -0.35 + 0.45 * share(27, 30)),
        31..=35 => (-0.2 + 0.4 * share(31, 35), 0.22),
        36..=41 => turn((-0.45, -0.3), (0.18, 0.07), 0.5 + share(36, 42)),
        42..=47 => turn((0.45, -0.3), (0.18, 0.07), 0.5 + share(42, 48)),
        48..=59 => turn((0.0, 0.55), (0.35, 0.15), 0.5 + share(48, 60)),
        60..=67 => turn((0.0, 0.55), (0.25, 0.06), 0.5 + share(60, 68)),
        68 => (-0.45, -0.3),
        _ => (0.45, -0.3),
    }
}

/// A warm face on a cool ground, with its landmarks as dots.
fn paint(picture: &mut Canvas, result: &FrameResult) {
    let (w, h) = (picture.width as usize, picture.height as usize);
    let scale = w as f32 / SIZE.0 as f32;
    for (i, pixel) in picture.rgb.chunks_exact_mut(3).enumerate() {
        let (x, y) = ((i % w) as f32 / scale, (i / w) as f32 / scale);
        let mut heat = 0.12 + 0.1 * y / SIZE.1 as f32;
        for face in &result.faces {
            let [x0, y0, x1, y1] = face.bbox.to_array();
            let d = ((x - (x0 + x1) / 2.0) / 24.0).powi(2) + ((y - (y0 + y1) / 2.0) / 32.0).powi(2);
            heat = heat.max(0.95 - 0.45 * d);
        }
        pixel.copy_from_slice(&iron(heat));
    }
    for p in result.faces.iter().flat_map(|f| &f.landmarks) {
        let (x, y) = ((p.x * scale) as usize, (p.y * scale) as usize);
        for (dx, dy) in (0..3).flat_map(|dx| (0..3).map(move |dy| (dx, dy))) {
            let at = ((y + dy) * w + x + dx) * 3;
            if x + dx < w && y + dy < h {
                picture.rgb[at..at + 3].copy_from_slice(&[120, 255, 220]);
            }
        }
    }
}

fn iron(heat: f32) -> [u8; 3] {
    let h = heat.clamp(0.0, 1.0);
    let channel = |v: f32| (v.clamp(0.0, 1.0) * 255.0) as u8;
    [channel(h * 1.9 - 0.1), channel((h - 0.35) * 1.7), channel(if h < 0.5 { h * 1.3 } else { (h - 0.85) * 5.0 })]
}

/// Controls that remember what they were told.
pub struct Knobs(pub Mutex<Look>);

impl Default for Knobs {
    fn default() -> Self {
        let layers = BTreeMap::from([
            ("landmarks".into(), true),
            ("temperatures".into(), true),
            ("boxes".into(), false),
            ("colour_bar".into(), true),
        ]);
        Self(Mutex::new(Look { palette: "iron".into(), range: Range::Auto, agc: "linear".into(), layers }))
    }
}

impl Adjust for Knobs {
    fn choices(&self) -> Choices {
        let names = |n: &[&str]| n.iter().map(|s| s.to_string()).collect();
        Choices {
            palettes: names(&["white_hot", "black_hot", "iron", "rainbow"]),
            agc: names(&["linear", "plateau", "clahe"]),
            layers: names(&["landmarks", "temperatures", "boxes", "colour_bar"]),
        }
    }

    fn look(&self) -> Look {
        self.0.lock().unwrap().clone()
    }

    fn change(&self, change: &Change, _: Signal) -> heatmark::error::Result<()> {
        let mut look = self.0.lock().unwrap();
        if let Some(palette) = &change.palette {
            look.palette.clone_from(palette);
        }
        if let Some(range) = change.range {
            look.range = range;
        }
        if let Some(agc) = &change.agc {
            look.agc.clone_from(agc);
        }
        look.layers.extend(change.layers.clone());
        Ok(())
    }
}

/// Counters of a pipeline that has run for a while.
pub fn snapshot(radiometric: bool) -> Snapshot {
    let signal = if radiometric { Signal::CENTIKELVIN } else { Signal::Counts };
    let times = |p50, p99| LatencySummary {
        count: 4120,
        sum_us: 4120 * p50,
        p50_us: Some(p50),
        p99_us: Some(p99),
        max_us: Some(2 * p99),
        buckets: vec![(1_024, 20), (2_048, 900), (16_384, 4_000), (131_072, 4_110)],
    };
    let mut snapshot = Snapshot::default();
    snapshot.source = "demo".into();
    snapshot.format = Some(FrameFormat { width: SIZE.0, height: SIZE.1, signal, rate_hz: 9.0 });
    (snapshot.state, snapshot.ffc, snapshot.sensor_c) = (StreamState::Live, FfcState::Idle, Some(31.25));
    (snapshot.uptime_s, snapshot.fps, snapshot.reopened) = (458.5, 8.98, 2);
    snapshot.counts = Counts {
        captured: 4133,
        presented: 4120,
        in_flight: 1,
        dropped: DropCounts { driver: 1, superseded: 11, ..DropCounts::default() },
    };
    (snapshot.age, snapshot.infer) = (times(9_300, 31_000), times(6_100, 9_700));
    snapshot.sink_lost = BTreeMap::from([("http".into(), 3), ("odd \"name\"\\\n".into(), 0)]);
    snapshot
}

/// Hooks with fixed counters and fresh knobs.
pub fn hooks(radiometric: bool) -> (Hooks, Arc<Knobs>) {
    let knobs = Arc::new(Knobs::default());
    let hooks = Hooks {
        camera: Camera::only(),
        model: "face-70".into(),
        status: Arc::new(move || snapshot(radiometric)),
        controls: Some(knobs.clone()),
        targets: None,
    };
    (hooks, knobs)
}
