//! The published status of a running pipeline, as plain data.
//!
//! The pipeline writes it; sinks and the program read it. Both depend on this module, not on each
//! other.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::frame::{FfcState, FrameFormat};
use crate::result::{DropCounts, StreamState};

/// How frames are passed on, and which clock applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The newest frame wins; late frames are dropped and counted. A recording plays at its own pace
    /// and behaves like a camera.
    #[default]
    Live,
    /// Every frame is presented, as fast as inference allows. Time is the recording's own: latencies
    /// are 0, ages come from the stamps and there are no ticks, so that the output is identical, byte
    /// for byte, on every run. Errors of the source end the run.
    Every,
    /// Every frame is presented, and none before its recorded time. If inference is slower than the
    /// recording, playback falls behind.
    Paced,
}

impl Policy {
    /// True if a full link makes the sender wait.
    pub fn loses_nothing(self) -> bool {
        self != Policy::Live
    }
}

/// Frame counters so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Frames that the source captured, including those it lost before they reached us.
    pub captured: u64,
    /// Frames passed to the sinks.
    pub presented: u64,
    /// Frames in flight.
    pub in_flight: u64,
    /// Frames lost, by reason.
    pub dropped: DropCounts,
}

/// The latencies of one stage so far, in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LatencySummary {
    /// Number of frames.
    pub count: u64,
    /// Sum over all frames.
    pub sum_us: u64,
    /// Median, at most 1/8 too high; `None` while there are no frames.
    pub p50_us: Option<u64>,
    /// 99th percentile, at most 1/8 too high; `None` while there are no frames.
    pub p99_us: Option<u64>,
    /// The longest; `None` while there are no frames.
    pub max_us: Option<u64>,
    /// `(bound, frames below it)`, both rising: the `le` buckets of a Prometheus histogram without
    /// the last (`+Inf`), which is `count`.
    #[serde(rename = "below")]
    pub buckets: Vec<(u64, u64)>,
}

impl LatencySummary {
    /// Mean; 0 while there are no frames.
    pub fn mean_us(&self) -> u64 {
        self.sum_us.checked_div(self.count).unwrap_or(0)
    }
}

/// A pipeline at one moment, as published by `/state`, `/metrics` and the status line.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// Name of the source; empty until it was opened.
    pub source: Arc<str>,
    /// Format of the source; `None` until it was opened.
    pub format: Option<FrameFormat>,
    /// How frames are passed on.
    pub policy: Policy,
    /// State of the picture.
    pub state: StreamState,
    /// Shutter calibration (FFC), as of the last presented frame.
    pub ffc: FfcState,
    /// Sensor temperature as of that frame, degC; `None` if the camera does not report it.
    pub sensor_c: Option<f32>,
    /// Frame counters: `captured == presented + sum(dropped) + in_flight`.
    #[serde(flatten)]
    pub counts: Counts,
    /// Frames presented per second, over the last five seconds.
    pub fps: f32,
    /// Frames captured per second, over the last five seconds.
    pub captured_fps: f32,
    /// Time since a frame last arrived, milliseconds; `None` if none has.
    pub last_frame_age_ms: Option<u64>,
    /// Sequence number of the last presented frame.
    pub last_seq: u64,
    /// Faces in the last presented frame.
    pub faces: u64,
    /// Targets in the last presented frame, lost ones too.
    pub targets: u64,
    /// Those of them that were tracked in it.
    pub tracked: u64,
    /// From capture to the start of inference.
    pub queue: LatencySummary,
    /// Inference.
    pub infer: LatencySummary,
    /// Drawing the overlay, if a sink wants it.
    pub render: LatencySummary,
    /// From capture to the call of the sinks.
    pub age: LatencySummary,
    /// Outputs made while there was no frame.
    pub ticks: u64,
    /// How often the source was reopened.
    pub reopened: u64,
    /// Frames whose inference failed.
    pub infer_errors: u64,
    /// Sinks still served.
    pub sinks: u64,
    /// Sinks that failed and are no longer served.
    pub sinks_failed: u64,
    /// Outputs lost because a reader was slow or absent, by sink. Sinks with the same name are added up.
    pub sink_lost: BTreeMap<String, u64>,
    /// Calls of a sink that took longer than `slow_sink_ms`.
    pub slow_puts: u64,
    /// Why the source is not available; `None` while it is.
    #[serde(rename = "trouble")]
    pub source_error: Option<String>,
    /// Seconds since the pipeline was built.
    pub uptime_s: f64,
}

impl fmt::Display for Snapshot {
    /// One line: `12.0 s  live  9.0 fps  2 faces  age p50 1.20 ms p99 3.40 ms  dropped 0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            StreamState::Live => "live",
            StreamState::Ffc => "calibrating",
            StreamState::Stale => "stale",
            StreamState::NoSignal => "no signal",
        };
        write!(f, "{:.1} s  {state}  {:.1} fps  ", self.uptime_s, self.fps)?;
        if self.targets > 0 {
            write!(f, "{} of {} targets tracked", self.tracked, self.targets)?;
        } else {
            write!(f, "{} {}", self.faces, if self.faces == 1 { "face" } else { "faces" })?;
        }
        let [p50, p99] = [self.age.p50_us, self.age.p99_us].map(|us| Milliseconds(us.unwrap_or(0)));
        write!(f, "  age p50 {p50} ms p99 {p99} ms  dropped {}", self.counts.dropped.sum())?;
        self.source_error.as_ref().map_or(Ok(()), |why| write!(f, "  {why}"))
    }
}

/// Microseconds, shown as milliseconds with a sensible number of digits.
#[derive(Debug, Clone, Copy)]
pub struct Milliseconds(pub u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0 as f64 / 1e3;
        if ms < 10.0 { write!(f, "{ms:.2}") } else { write!(f, "{ms:.1}") }
    }
}

/// Provides [`Snapshot`]s. Called at most a few times a second, never on the output thread.
pub trait Status: Send + Sync {
    /// The current status. Never blocks for long.
    fn snapshot(&self) -> Snapshot;
}

impl<F: Fn() -> Snapshot + Send + Sync> Status for F {
    fn snapshot(&self) -> Snapshot {
        self()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_line_says_what_is_tracked() {
        let mut status = Snapshot { faces: 1, fps: 9.0, uptime_s: 12.0, ..Snapshot::default() };
        assert!(status.to_string().starts_with("12.0 s  no signal  9.0 fps  1 face  age"), "{status}");
        (status.targets, status.tracked) = (3, 2);
        assert!(status.to_string().contains("9.0 fps  2 of 3 targets tracked  age"), "{status}");
    }
}
