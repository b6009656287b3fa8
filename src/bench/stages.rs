//! Measures each stage alone, one after the other on one thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::alloc::{self, Allocations};
use super::clip::Clip;
use super::{Plan, ms};
use crate::assembly::Overlay;
use crate::clock::RealClock;
use crate::config::Config;
use crate::error::Result;
use crate::face::Engine;
use crate::frame::Frame;
use crate::nn::Stopwatch;
use crate::picture::{self, Canvas};
use crate::pipeline::Draw;
use crate::result::FrameResult;
use crate::source::{self, Read, Source};

/// Times and allocations of one stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// Name.
    pub name: &'static str,
    /// Mean, milliseconds.
    pub mean_ms: f64,
    /// Median, milliseconds.
    pub p50_ms: f64,
    /// 99th percentile, milliseconds.
    pub p99_ms: f64,
    /// Longest, milliseconds.
    pub max_ms: f64,
    /// Frames that were measured.
    pub frames: u64,
    /// Allocations over all of them; `None` if this program does not count them.
    pub allocations: Option<u64>,
    /// Bytes of these allocations.
    pub allocated_bytes: Option<u64>,
    /// True if no allocation is allowed after warm-up.
    pub must_not_allocate: bool,
}

pub(super) struct Measured {
    pub clip: Clip,
    pub faces: u64,
    pub networks: Duration,
    pub stages: Vec<Stage>,
    pub first_result: Duration,
}

/// Times and allocations of one stage; allocates nothing while measuring.
struct Meter {
    name: &'static str,
    must_not_allocate: bool,
    times: Vec<Duration>,
    allocations: Allocations,
}

impl Meter {
    fn new(name: &'static str, must_not_allocate: bool, frames: u32) -> Self {
        let times = Vec::with_capacity(frames as usize);
        Self { name, must_not_allocate, times, allocations: Allocations::default() }
    }

    fn time<T>(&mut self, measuring: bool, work: impl FnOnce() -> T) -> T {
        let (before, began) = (alloc::on_this_thread(), Instant::now());
        let done = work();
        let (took, made) = (began.elapsed(), alloc::on_this_thread().since(before));
        if measuring {
            self.times.push(took);
            self.allocations.count += made.count;
            self.allocations.bytes += made.bytes;
        }
        done
    }

    fn stage(mut self) -> Stage {
        self.times.sort_unstable();
        let at = |share: f64| {
            let rank = (share * self.times.len() as f64).ceil() as usize;
            ms(self.times.get(rank.max(1) - 1).copied().unwrap_or_default())
        };
        Stage {
            name: self.name,
            mean_ms: ms(self.times.iter().sum()) / self.times.len().max(1) as f64,
            p50_ms: at(0.50),
            p99_ms: at(0.99),
            max_ms: at(1.0),
            frames: self.times.len() as u64,
            allocations: alloc::is_counting().then_some(self.allocations.count),
            allocated_bytes: alloc::is_counting().then_some(self.allocations.bytes),
            must_not_allocate: self.must_not_allocate,
        }
    }
}

pub(super) fn measure(config: &Config, plan: &Plan) -> Result<Measured> {
    let clock = RealClock::shared();
    let settings = source::Settings { repeat: false, ..config.source.clone() };
    let mut source = source::open(&plan.source, &settings, &clock)?;
    let watch = Stopwatch::default();
    let mut engine = Engine::timed(&config.face, config.surface, &watch)?;
    let (mut overlay, _) = Overlay::new(&config.render, config.surface)?;
    let mut result = FrameResult::new(Arc::from(source.name()), config.path().faces);

    let meter = |name, must_not_allocate| Meter::new(name, must_not_allocate, plan.frames);
    let (mut read, mut first_result) = (meter("read", false), None);
    let mut clip = Clip::of(source.as_mut(), |source, frame| {
        let said = read.time(true, || source.read(frame, Duration::from_secs(1)))?;
        if first_result.is_none() && said == Read::Frame {
            engine.process_frame(frame, &mut result)?;
            first_result = Some(plan.started.elapsed());
        }
        Ok(said)
    })?;

    let mut frame = Frame::new(clip.format());
    let (mut canvas, mut json, mut jpeg) = (Canvas::default(), String::new(), Vec::new());
    let (mut capture, mut infer, mut draw) = (meter("capture", true), meter("infer", true), meter("render", true));
    let (mut serialise, mut encode) = (meter("json", true), meter("jpeg", false));
    let (mut faces, mut networks) = (0, Duration::ZERO);
    let warm_up = clip.warm_up(plan.warm_up);
    for i in 0..warm_up.saturating_add(plan.frames) {
        let on = i >= warm_up;
        capture.time(on, || clip.read(&mut frame, Duration::ZERO))?;
        watch.lap();
        infer.time(on, || engine.process_frame(&frame, &mut result))?;
        networks += if on { watch.lap() } else { Duration::ZERO };
        draw.time(on, || overlay.draw(Some(&frame), &result, clock.now(), &mut canvas));
        serialise.time(on, || {
            json.clear();
            result.write_json(&mut json);
        });
        encode.time(on, || picture::jpeg(&canvas, config.sink.http.jpeg_quality, &mut jpeg))?;
        faces += if on { result.faces.len() as u64 } else { 0 };
    }
    Ok(Measured {
        clip,
        faces,
        networks,
        stages: [read, capture, infer, draw, serialise, encode].map(Meter::stage).into(),
        first_result: first_result.unwrap_or_default(),
    })
}
