//! What a running pipeline says about itself.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde::Serialize;

use super::Policy;
use super::latency::{Distribution, Figures, Histogram, Rate};
use super::stats::{Counts, Stats};
use crate::clock::SharedClock;
use crate::error::Error;
use crate::frame::{FfcState, FrameFormat, FrameMeta};
use crate::result::DropCounts;
use crate::result::StreamState;
use crate::units::Nanos;

/// A span of a frame's way that is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From capture to the start of inference.
    Queue,
    /// Inference.
    Infer,
    /// Drawing the overlay, where a sink wants it.
    Render,
    /// From capture to the hand-over to the sinks: the age when presented.
    Total,
}

impl Stage {
    /// Every stage, in the order a frame meets them.
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

/// What the threads write and [`Status`] reads. Nothing here makes a thread of the path wait for
/// a reader, but the changes of source that `origin` records.
pub(super) struct Board {
    pub clock: SharedClock,
    pub policy: Policy,
    pub started: Nanos,
    pub stats: Arc<Stats>,
    pub stages: [Histogram; Stage::ALL.len()],
    pub captures: Rate,
    pub presents: Rate,
    pub ticks: AtomicU64,
    pub infer_errors: AtomicU64,
    pub slow_puts: AtomicU64,
    pub sinks_failed: AtomicU64,
    pub sinks: AtomicU64,
    pub reopened: AtomicU64,
    pub faces: AtomicU64,
    pub last_seq: AtomicU64,
    /// When a frame last arrived; 0 where none has.
    pub last_arrival: AtomicU64,
    /// Outputs that each sink lost, by its name.
    pub lost: OnceLock<Box<[(String, AtomicU64)]>>,
    state: AtomicU8,
    ffc: AtomicU8,
    /// Bits of an f32, NaN where unknown.
    sensor_c: AtomicU32,
    origin: Mutex<Origin>,
}

/// What changes only when a source is opened or fails.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub source: Arc<str>,
    pub format: Option<FrameFormat>,
    pub trouble: Option<String>,
}

impl Board {
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
            last_seq: AtomicU64::new(0),
            last_arrival: AtomicU64::new(0),
            lost: OnceLock::new(),
            state: AtomicU8::new(StreamState::NoSignal as u8),
            ffc: AtomicU8::new(FfcState::Idle as u8),
            sensor_c: AtomicU32::new(f32::NAN.to_bits()),
            origin: Mutex::new(Origin { source: Arc::from(""), format: None, trouble: None }),
        })
    }

    pub fn time(&self, stage: Stage, us: u64) {
        self.stages[stage as usize].add(us);
    }

    pub fn set_state(&self, state: StreamState) {
        self.state.store(state as u8, Relaxed);
    }

    pub fn state(&self) -> StreamState {
        let code = self.state.load(Relaxed);
        [StreamState::Live, StreamState::Ffc, StreamState::Stale]
            .into_iter()
            .find(|&s| s as u8 == code)
            .unwrap_or(StreamState::NoSignal)
    }

    /// What the camera said about itself in the frame presented last.
    pub fn set_camera(&self, meta: &FrameMeta) {
        self.ffc.store(meta.ffc as u8, Relaxed);
        self.sensor_c.store(meta.sensor_c.unwrap_or(f32::NAN).to_bits(), Relaxed);
    }

    fn ffc(&self) -> FfcState {
        let code = self.ffc.load(Relaxed);
        let known = [FfcState::Imminent, FfcState::Running, FfcState::Settling];
        known.into_iter().find(|&s| s as u8 == code).unwrap_or_default()
    }

    fn sensor_c(&self) -> Option<f32> {
        Some(f32::from_bits(self.sensor_c.load(Relaxed))).filter(|c| c.is_finite())
    }

    fn lost(&self) -> Vec<(String, u64)> {
        let seats = self.lost.get().map_or(&[][..], |seats| seats);
        seats.iter().map(|(name, lost)| (name.clone(), lost.load(Relaxed))).collect()
    }

    pub fn origin(&self) -> MutexGuard<'_, Origin> {
        // Written whole or not at all, so a panic elsewhere leaves nothing half-made.
        self.origin.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pipeline at one moment, as published by `/state` and the status line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    /// Name of the source; empty until it was opened.
    pub source: Arc<str>,
    /// Format of the source; `None` until it was opened.
    pub format: Option<FrameFormat>,
    /// How frames are passed on.
    pub policy: Policy,
    /// State of the picture.
    pub state: StreamState,
    /// Shutter calibration, as of the frame presented last.
    pub ffc: FfcState,
    /// Sensor temperature as of that frame, degC; `None` where the camera does not tell.
    pub sensor_c: Option<f32>,
    /// Where the frames went: `captured == presented + sum(dropped) + in_flight`.
    #[serde(flatten)]
    pub counts: Counts,
    /// Frames presented per second, over the last five seconds.
    pub fps: f32,
    /// Frames captured per second, over the last five seconds.
    pub captured_fps: f32,
    /// Time since a frame last arrived, milliseconds; `None` where none has.
    pub last_frame_age_ms: Option<u64>,
    /// Sequence number of the frame presented last.
    pub last_seq: u64,
    /// Faces in the frame presented last.
    pub faces: u64,
    /// From capture to the start of inference.
    pub queue: Figures,
    /// Inference.
    pub infer: Figures,
    /// Drawing.
    pub render: Figures,
    /// Age when presented.
    pub total: Figures,
    /// Outputs made while there was no frame.
    pub ticks: u64,
    /// How often the source was opened again.
    pub reopened: u64,
    /// Frames whose inference failed.
    pub infer_errors: u64,
    /// Sinks still served.
    pub sinks: u64,
    /// Sinks that failed and were left out from then on.
    pub sinks_failed: u64,
    /// Outputs each sink lost because its reader was behind or away, in the order of the sinks.
    pub sink_lost: Vec<(String, u64)>,
    /// Calls of a sink that took longer than `slow_sink_ms`.
    pub slow_puts: u64,
    /// Why the source is away; `None` while it is there.
    pub trouble: Option<String>,
    /// Seconds since the pipeline was built.
    pub uptime_s: f64,
}

impl fmt::Display for Snapshot {
    /// One line for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.source.is_empty() { "no source" } else { &self.source };
        let state = match self.state {
            StreamState::Live => "live",
            StreamState::Ffc => "ffc",
            StreamState::Stale => "stale",
            StreamState::NoSignal => "no signal",
        };
        let ms = |us: u64| us as f64 / 1e3;
        write!(f, "{name}: {state}, {:.1} fps, {} presented", self.fps, self.counts.presented)?;
        write!(f, ", age {:.1} ms (p99 {:.1})", ms(self.total.p50_us), ms(self.total.p99_us))?;
        write!(f, ", infer {:.1} ms, faces {}", ms(self.infer.p50_us), self.faces)?;
        for reason in crate::result::DropReason::ALL {
            match self.counts.dropped.get(reason) {
                0 => {}
                n => write!(f, ", {n} {}", reason.name())?,
            }
        }
        self.trouble.as_ref().map_or(Ok(()), |why| write!(f, " [{why}]"))
    }
}

/// A handle on what a pipeline says about itself; valid after its end.
#[derive(Clone)]
pub struct Status(pub(super) Arc<Board>);

impl Status {
    /// Everything, now.
    pub fn snapshot(&self) -> Snapshot {
        let board = &*self.0;
        let Origin { source, format, trouble } = board.origin().clone();
        let now = board.clock.now();
        let figures = |stage| self.distribution(stage).figures();
        Snapshot {
            source,
            format,
            trouble,
            policy: board.policy,
            state: board.state(),
            ffc: board.ffc(),
            sensor_c: board.sensor_c(),
            counts: board.stats.counts(),
            fps: board.presents.per_second(now),
            captured_fps: board.captures.per_second(now),
            last_frame_age_ms: self.last_arrival().map(|at| now.micros_since(at) / 1_000),
            last_seq: board.last_seq.load(Relaxed),
            faces: board.faces.load(Relaxed),
            queue: figures(Stage::Queue),
            infer: figures(Stage::Infer),
            render: figures(Stage::Render),
            total: figures(Stage::Total),
            ticks: board.ticks.load(Relaxed),
            reopened: board.reopened.load(Relaxed),
            infer_errors: board.infer_errors.load(Relaxed),
            sinks: board.sinks.load(Relaxed),
            sinks_failed: board.sinks_failed.load(Relaxed),
            sink_lost: board.lost(),
            slow_puts: board.slow_puts.load(Relaxed),
            uptime_s: now.since(board.started).as_secs_f64(),
        }
    }

    /// Where the frames went, alone: cheaper than a [`Self::snapshot`].
    pub fn counts(&self) -> Counts {
        self.0.stats.counts()
    }

    /// Frames lost so far.
    pub fn dropped(&self) -> DropCounts {
        self.0.stats.dropped()
    }

    /// The latencies of one stage so far, with the buckets of a Prometheus histogram.
    pub fn distribution(&self, stage: Stage) -> Distribution {
        self.0.stages[stage as usize].read()
    }

    /// When a frame last arrived, on the pipeline's clock.
    pub fn last_arrival(&self) -> Option<Nanos> {
        match self.0.last_arrival.load(Relaxed) {
            0 => None,
            at => Some(Nanos(at)),
        }
    }
}

/// How a pipeline ended.
#[derive(Debug)]
pub struct Summary {
    /// The last word on its counters.
    pub snapshot: Snapshot,
    /// Sinks that failed on the way or could not be finished.
    pub sink_errors: Vec<Error>,
}
