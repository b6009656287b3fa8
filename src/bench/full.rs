//! The real pipeline on its own threads, at full speed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use serde::Serialize;

use super::clip::Clip;
use super::{Plan, alloc};
use crate::assembly::Overlay;
use crate::clock::RealClock;
use crate::config::Config;
use crate::error::Result;
use crate::face::Engine;
use crate::pipeline::{Feed, Input, Parts, Policy, Stamps, build};
use crate::result::FrameResult;
use crate::sink::{Output, Sink, Wants};
use crate::stop;

/// The whole pipeline, with picture and JSON.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Full {
    /// Frames per second.
    pub fps: f64,
    /// Allocations of all threads after warm-up, over all measured frames; `None` if this program does not count them.
    pub allocations: Option<u64>,
}

/// Runs the frames of `clip` through the pipeline.
pub(super) fn measure(config: &Config, plan: &Plan, clip: &Clip) -> Result<Full> {
    let warm_up = u64::from(clip.warm_up(plan.warm_up));
    let clip = clip.again(warm_up + u64::from(plan.frames));
    let (overlay, _) = Overlay::new(&config.render, config.surface)?;
    let marks = Arc::new(Marks::default());
    let sink = Everything { marks: Arc::clone(&marks), warm_up, started: Instant::now() };
    let parts = Parts {
        input: Input::new(Feed::once(clip), Stamps::Recorded, Policy::Every, RealClock::shared()),
        engine: Box::new(Engine::new(&config.face, config.surface)?),
        draw: Some(Box::new(overlay)),
        serialise: Some(FrameResult::write_json),
        sinks: vec![Box::new(sink)],
        settings: config.path(),
    };
    let pipeline = build(parts)?;
    let (_stopper, stop) = stop::pair();
    pipeline.run(&stop)?;
    let read = |mark: &AtomicU64| mark.load(Relaxed);
    let seconds = (read(&marks.last_ns).saturating_sub(read(&marks.warm_ns))) as f64 / 1e9;
    let frames = read(&marks.frames).saturating_sub(warm_up) as f64;
    let fps = if seconds > 0.0 { frames / seconds } else { 0.0 };
    let allocations = read(&marks.last_count).saturating_sub(read(&marks.warm_count));
    Ok(Full { fps, allocations: alloc::is_counting().then_some(allocations) })
}

/// Time and allocations of the process at the end of warm-up and at the last frame.
#[derive(Default)]
struct Marks {
    frames: AtomicU64,
    warm_ns: AtomicU64,
    warm_count: AtomicU64,
    last_ns: AtomicU64,
    last_count: AtomicU64,
}

/// A sink that accepts everything and only records time and allocations.
struct Everything {
    marks: Arc<Marks>,
    warm_up: u64,
    started: Instant,
}

impl Sink for Everything {
    fn name(&self) -> &str {
        "bench"
    }

    fn wants(&self) -> Wants {
        Wants { picture: true, json: true, raw: true }
    }

    fn put(&mut self, _: &Output<'_>) -> Result<()> {
        let marks = &self.marks;
        let ns = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if marks.frames.fetch_add(1, Relaxed) + 1 == self.warm_up {
            marks.warm_ns.store(ns, Relaxed);
            marks.warm_count.store(alloc::in_all(), Relaxed);
        }
        marks.last_ns.store(ns, Relaxed);
        marks.last_count.store(alloc::in_all(), Relaxed);
        Ok(())
    }
}
