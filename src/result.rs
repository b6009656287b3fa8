//! What is published for each frame: the `heatmark.result/1` contract.
//!
//! Field names and meanings are fixed by the shipped schema (`src/sink/result.schema.json`,
//! `heatmark schema`); every producer is validated against it in tests.

mod drops;
#[cfg(feature = "stream")]
mod json;
mod readings;
mod target;

use std::sync::Arc;

use ndarray::{ArrayView2, aview2};
use serde::Serialize;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use self::drops::{DropCounts, DropReason, by_reason};
pub use self::readings::Readings;
pub use self::target::{BoxTemperature, Modality, TRACK_SCHEMA, Target, TargetState};
use crate::frame::Frame;
use crate::geometry::Rect;
use crate::landmarks::{COUNT, REGION_COUNT};
use crate::units::Nanos;

/// Name and version of the contract.
pub const SCHEMA: &str = "heatmark.result/1";

/// State of the stream behind a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StreamState {
    /// Frames arrive and show the scene.
    Live,
    /// The shutter is closed or has just opened.
    Ffc,
    /// The last frame is older than the limit.
    Stale,
    /// No frame yet, or the source is gone.
    #[default]
    NoSignal,
}

impl StreamState {
    /// Every state.
    pub const ALL: [StreamState; 4] = [StreamState::Live, StreamState::Ffc, StreamState::Stale, StreamState::NoSignal];

    /// Name in results and metrics.
    pub fn name(self) -> &'static str {
        match self {
            StreamState::Live => "live",
            StreamState::Ffc => "ffc",
            StreamState::Stale => "stale",
            StreamState::NoSignal => "no_signal",
        }
    }
}

/// Why no temperature is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoTemperature {
    /// The camera does not measure temperature.
    NotRadiometric,
    /// The point or region is outside the frame.
    OutsideFrame,
    /// It is hidden, or faces away from the camera.
    Occluded,
    /// Shutter calibration is running or has just ended.
    Ffc,
    /// The pixels are at the end of the sensor's range.
    Saturated,
    /// The track coasts without a fresh measurement.
    Lost,
}

/// A point of the landmark set.
#[derive(Debug, Clone, Copy, PartialEq, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Landmark {
    /// Pixels from the left edge of the frame (centre of the first pixel: 0.5).
    pub x: f32,
    /// Pixels from the top edge.
    pub y: f32,
    /// 0 to 1: probability that the point is within 5 % of the face size.
    pub confidence: f32,
}

/// Head rotation, degrees. Zero looks at the camera; yaw is positive towards the subject's left
/// (right of the picture), pitch positive upwards, roll positive when the head tips to the right of the picture
/// (clockwise).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Pose {
    /// Turn about the vertical axis.
    pub yaw: f32,
    /// Nod.
    pub pitch: f32,
    /// Tilt in the picture plane.
    pub roll: f32,
}

/// State of a tracked face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TrackState {
    /// Measured in this frame.
    #[default]
    Tracked,
    /// Not measured in this frame: the last shape, coasting.
    Lost,
    /// Measured again after it was lost.
    Reacquired,
}

impl TrackState {
    /// Name in results.
    pub fn name(self) -> &'static str {
        match self {
            TrackState::Tracked => "tracked",
            TrackState::Lost => "lost",
            TrackState::Reacquired => "reacquired",
        }
    }
}

/// One face in one frame.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Face {
    /// Stable over the life of the track; never reused in a run.
    pub track: u64,
    /// Tracked, lost or just reacquired.
    pub track_state: TrackState,
    /// Around the landmarks, pixels.
    pub bbox: Rect,
    /// The detector's score when the face was last detected, 0 to 1.
    pub score: f32,
    /// The landmark network's probability that its crop shows a face, 0 to 1.
    pub presence: f32,
    /// Head rotation.
    pub pose: Pose,
    /// In the order of [`crate::landmarks`].
    pub landmarks: [Landmark; COUNT],
    /// In the order of [`crate::landmarks::REGIONS`]; surface temperature, degC.
    pub region_c: Readings<REGION_COUNT>,
    /// Surface temperature under each point, degC.
    pub landmark_c: Readings<COUNT>,
}

impl Face {
    /// A face without measurements.
    pub fn new(track: u64) -> Self {
        Self {
            track,
            track_state: TrackState::Tracked,
            bbox: Rect::default(),
            score: 0.0,
            presence: 0.0,
            pose: Pose::default(),
            landmarks: [Landmark::default(); COUNT],
            region_c: Readings::none(NoTemperature::Lost),
            landmark_c: Readings::none(NoTemperature::Lost),
        }
    }

    /// A view of the landmarks, shape `[70, 3]`: x and y in pixels of the frame, confidence.
    pub fn points(&self) -> ArrayView2<'_, f32> {
        let rows: &[[f32; 3]; COUNT] = zerocopy::transmute_ref!(&self.landmarks);
        aview2(rows)
    }
}

/// Latency of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Latency {
    /// From capture to the start of inference, microseconds.
    pub queue_us: u64,
    /// Inference (detection, landmarks, temperatures), microseconds.
    pub infer_us: u64,
    /// From capture to publication, microseconds.
    pub total_us: u64,
}

/// The result of one frame.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FrameResult {
    /// Name of the source.
    pub source: Arc<str>,
    /// Sequence number of the frame.
    pub seq: u64,
    /// Capture time, monotonic.
    pub captured: Nanos,
    /// Capture time, nanoseconds since 1970 UTC.
    pub captured_utc_ns: Option<i64>,
    /// Frame width, pixels.
    pub width: u32,
    /// Frame height, pixels.
    pub height: u32,
    /// True if the signal gives temperatures.
    pub radiometric: bool,
    /// State of the stream.
    pub state: StreamState,
    /// Faces by age of their track, oldest first.
    pub faces: Vec<Face>,
    /// Targets that are tracked by `heatmark track`, by number.
    pub targets: Vec<Target>,
    /// Latency.
    pub latency: Latency,
    /// Frames lost so far, by reason.
    pub dropped: DropCounts,
}

impl FrameResult {
    /// An empty result for a source, with capacity for `faces` faces.
    pub fn new(source: Arc<str>, faces: usize) -> Self {
        Self {
            source,
            seq: 0,
            captured: Nanos::default(),
            captured_utc_ns: None,
            width: 0,
            height: 0,
            radiometric: false,
            state: StreamState::NoSignal,
            faces: Vec::with_capacity(faces),
            targets: Vec::new(),
            latency: Latency::default(),
            dropped: DropCounts::default(),
        }
    }

    /// Makes this the result of `frame`, without faces and targets: copies its number, times, size, signal and
    /// state. The source's name and the drop counts stay unchanged.
    pub fn describe(&mut self, frame: &Frame) {
        let Frame { format, meta, .. } = frame;
        self.seq = meta.seq;
        self.captured = meta.captured;
        self.captured_utc_ns = meta.captured_utc_ns;
        (self.width, self.height) = (format.width, format.height);
        self.radiometric = format.signal.is_radiometric();
        self.state = if meta.ffc.spoils_temperature() { StreamState::Ffc } else { StreamState::Live };
        self.faces.clear();
        self.targets.clear();
        self.latency = Latency::default();
    }
}
