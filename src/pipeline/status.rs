//! The counters of a running pipeline: its threads write them, any thread may read them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::latency::{Distribution, Histogram, Rate};
use super::stats::Stats;
use crate::clock::SharedClock;
use crate::error::Error;
use crate::frame::{FfcState, FrameFormat, FrameMeta};
use crate::result::{DropCounts, FrameResult, StreamState, TargetState};
use crate::status::{Counts, Policy, Snapshot, Status};
use crate::units::Nanos;

/// A timed stage of a frame's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From capture to the start of inference.
    Queue,
    /// Inference.
    Infer,
    /// Drawing the overlay, if a sink wants it.
    Render,
    /// From capture to the call of the sinks: the age when presented.
    Total,
}

impl Stage {
    /// Every stage, in path order.
    pub const ALL: [Stage; 4] = [Stage::Queue, Stage::Infer, Stage::Render, Stage::Total];

    /// Name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Queue => "queue",
            Stage::Infer => "infer",
            Stage::Render => "render",
            Stage::Total => "total",
        }
    }
}

/// The status of one pipeline. It is created before the pipeline, shared with its threads, sinks and
/// displays, and stays valid after the pipeline's end. No thread of the path waits for a reader,
/// except for the rare changes that `origin` records.
pub struct SharedStatus {
    pub(super) clock: SharedClock,
    pub(super) policy: Policy,
    pub(super) stats: Arc<Stats>,
    pub(super) captures: Rate,
    pub(super) presents: Rate,
    pub(super) ticks: AtomicU64,
    pub(super) infer_errors: AtomicU64,
    pub(super) slow_puts: AtomicU64,
    pub(super) sinks_failed: AtomicU64,
    pub(super) sinks: AtomicU64,
    pub(super) reopened: AtomicU64,
    pub(super) faces: AtomicU64,
    pub(super) targets: AtomicU64,
    pub(super) tracked: AtomicU64,
    pub(super) last_seq: AtomicU64,
    /// When a frame last arrived; 0 if none has.
    pub(super) last_arrival: AtomicU64,
    /// Outputs lost by each sink, by name.
    pub(super) lost: OnceLock<Box<[(String, AtomicU64)]>>,
    started: Nanos,
    stages: [Histogram; Stage::ALL.len()],
    state: AtomicU8,
    ffc: AtomicU8,
    /// Bits of an f32, NaN if unknown.
    sensor_c: AtomicU32,
    origin: Mutex<Origin>,
}

/// Data that changes only when a source is opened or fails.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub source: Arc<str>,
    pub format: Option<FrameFormat>,
    /// Why the source is not available.
    pub error: Option<String>,
}

impl SharedStatus {
    /// A status for a pipeline that is about to be built.
    pub fn new(clock: SharedClock, policy: Policy) -> Arc<Self> {
        Arc::new(Self {
            started: clock.now(),
            clock,
            policy,
            stats: Arc::default(),
            stages: Default::default(),
            captures: Rate::default(),
            presents: Rate::default(),
            ticks: AtomicU64::new(0),
            infer_errors: AtomicU64::new(0),
            slow_puts: AtomicU64::new(0),
            sinks_failed: AtomicU64::new(0),
            sinks: AtomicU64::new(0),
            reopened: AtomicU64::new(0),
            faces: AtomicU64::new(0),
            targets: AtomicU64::new(0),
            tracked: AtomicU64::new(0),
            last_seq: AtomicU64::new(0),
            last_arrival: AtomicU64::new(0),
            lost: OnceLock::new(),
            state: AtomicU8::new(StreamState::NoSignal as u8),
            ffc: AtomicU8::new(FfcState::Idle as u8),
            sensor_c: AtomicU32::new(f32::NAN.to_bits()),
            origin: Mutex::new(Origin { source: Arc::from(""), format: None, error: None }),
        })
    }

    /// Only the frame counters: cheaper than a snapshot.
    pub fn counts(&self) -> Counts {
        self.stats.counts()
    }

    /// Frames lost so far.
    pub fn dropped(&self) -> DropCounts {
        self.stats.dropped()
    }

    /// The latencies of one stage so far.
    pub fn distribution(&self, stage: Stage) -> Distribution {
        self.stages[stage as usize].read()
    }

    /// When a frame last arrived, on the pipeline's clock.
    pub fn last_arrival(&self) -> Option<Nanos> {
        match self.last_arrival.load(Relaxed) {
            0 => None,
            at => Some(Nanos(at)),
        }
    }

    pub(super) fn add_latency(&self, stage: Stage, us: u64) {
        self.stages[stage as usize].add(us);
    }

    pub(super) fn set_state(&self, state: StreamState) {
        self.state.store(state as u8, Relaxed);
    }

    fn state(&self) -> StreamState {
        let code = self.state.load(Relaxed);
        StreamState::ALL.into_iter().find(|&s| s as u8 == code).unwrap_or_default()
    }

    /// Publishes what the camera reports about itself in the last presented frame.
    pub(super) fn set_camera(&self, meta: &FrameMeta) {
        self.ffc.store(meta.ffc as u8, Relaxed);
        self.sensor_c.store(meta.sensor_c.unwrap_or(f32::NAN).to_bits(), Relaxed);
    }

    /// Publishes what the last result holds.
    pub(super) fn set_found(&self, result: &FrameResult) {
        let tracked = result.targets.iter().filter(|t| t.state == TargetState::Tracked).count();
        self.faces.store(result.faces.len() as u64, Relaxed);
        self.targets.store(result.targets.len() as u64, Relaxed);
        self.tracked.store(tracked as u64, Relaxed);
    }

    fn ffc(&self) -> FfcState {
        let code = self.ffc.load(Relaxed);
        let known = [FfcState::Imminent, FfcState::Running, FfcState::Settling];
        known.into_iter().find(|&s| s as u8 == code).unwrap_or_default()
    }

    fn sensor_c(&self) -> Option<f32> {
        Some(f32::from_bits(self.sensor_c.load(Relaxed))).filter(|c| c.is_finite())
    }

    fn sink_lost(&self) -> BTreeMap<String, u64> {
        let mut by_name = BTreeMap::new();
        for (name, lost) in self.lost.get().into_iter().flatten() {
            *by_name.entry(name.clone()).or_default() += lost.load(Relaxed);
        }
        by_name
    }

    pub(super) fn origin(&self) -> MutexGuard<'_, Origin> {
        // Each field is written completely or not at all, so a panic leaves no partial value.
        self.origin.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Status for SharedStatus {
    fn snapshot(&self) -> Snapshot {
        let Origin { source, format, error } = self.origin().clone();
        let now = self.clock.now();
        let latency = |stage| self.distribution(stage).summary();
        Snapshot {
            source,
            format,
            source_error: error,
            policy: self.policy,
            state: self.state(),
            ffc: self.ffc(),
            sensor_c: self.sensor_c(),
            counts: self.counts(),
            fps: self.presents.per_second(now),
            captured_fps: self.captures.per_second(now),
            last_frame_age_ms: self.last_arrival().map(|at| now.micros_since(at) / 1_000),
            last_seq: self.last_seq.load(Relaxed),
            faces: self.faces.load(Relaxed),
            targets: self.targets.load(Relaxed),
            tracked: self.tracked.load(Relaxed),
            queue: latency(Stage::Queue),
            infer: latency(Stage::Infer),
            render: latency(Stage::Render),
            age: latency(Stage::Total),
            ticks: self.ticks.load(Relaxed),
            reopened: self.reopened.load(Relaxed),
            infer_errors: self.infer_errors.load(Relaxed),
            sinks: self.sinks.load(Relaxed),
            sinks_failed: self.sinks_failed.load(Relaxed),
            sink_lost: self.sink_lost(),
            slow_puts: self.slow_puts.load(Relaxed),
            uptime_s: now.since(self.started).as_secs_f64(),
        }
    }
}

/// How a pipeline ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Summary {
    /// The final counters.
    pub snapshot: Snapshot,
    /// Errors of sinks that failed during the run or could not be finished.
    pub sink_errors: Vec<Error>,
}
