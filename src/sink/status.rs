//! What an output may ask of the pipeline and change in the picture; the pipeline supplies both.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::frame::{FfcState, FrameFormat};
use crate::result::DropCounts;
use crate::result::StreamState;

/// A source of [`Snapshot`]s. Asked a few times a second at most, never on the output thread.
pub trait Status: Send + Sync {
    /// What is known now; never blocks for long.
    fn snapshot(&self) -> Snapshot;
}

impl<F: Fn() -> Snapshot + Send + Sync> Status for F {
    fn snapshot(&self) -> Snapshot {
        self()
    }
}

/// A distribution of times.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Times {
    /// How many.
    pub count: u64,
    /// Their sum, microseconds.
    pub sum_us: u64,
    /// Median, microseconds; `None` while empty.
    pub p50_us: Option<u64>,
    /// 99th percentile, microseconds; `None` while empty.
    pub p99_us: Option<u64>,
    /// `(bound, times up to it)`, microseconds, both rising: the buckets of a Prometheus histogram
    /// without the last, which is `count`.
    pub below: Vec<(u64, u64)>,
}

/// The pipeline at one moment, as shown by `/state` and `/metrics`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Snapshot {
    /// Name of the source.
    pub source: String,
    /// Shape and meaning of its frames, once known.
    pub format: Option<FrameFormat>,
    /// State of the picture.
    pub state: StreamState,
    /// Shutter calibration.
    pub ffc: FfcState,
    /// Sensor temperature, degC, where the camera tells.
    pub sensor_c: Option<f32>,
    /// Time since start, seconds.
    pub uptime_s: f64,
    /// Frames presented per second, over the last seconds.
    pub fps: f64,
    /// Frames captured since start, including those lost.
    pub captured: u64,
    /// Frames that reached the outputs.
    pub presented: u64,
    /// Frames on their way.
    pub in_flight: u64,
    /// Frames lost, by reason.
    pub dropped: DropCounts,
    /// Times the source was opened again.
    pub reopened: u64,
    /// Why the source is away, and what to do; `None` while it is there.
    pub trouble: Option<String>,
    /// From capture to presentation.
    pub age: Times,
    /// Inference alone.
    pub infer: Times,
    /// Outputs lost by sinks whose readers were behind, by sink.
    pub sink_lost: BTreeMap<String, u64>,
    /// Name of the model in use.
    pub model: String,
}

/// How counts are mapped to colours.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Range {
    /// Follows the scene.
    #[default]
    Auto,
    /// Fixed temperatures, degC; `min_c < max_c`.
    Fixed {
        /// Shown in the coldest colour.
        min_c: f32,
        /// Shown in the hottest colour.
        max_c: f32,
    },
}

/// What there is to choose from.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Choices {
    /// Names of the palettes.
    pub palettes: Vec<String>,
    /// Names of the ways to give out contrast.
    pub agc: Vec<String>,
    /// Names of the layers of the overlay.
    pub layers: Vec<String>,
}

/// How the picture is drawn.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Look {
    /// Name of the palette.
    pub palette: String,
    /// Mapping of temperatures to colours.
    pub range: Range,
    /// How contrast is given out within it.
    pub agc: String,
    /// Every layer of the overlay, on or off.
    pub layers: BTreeMap<String, bool>,
}

/// A request to change the look; what is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Change {
    /// Name of a palette.
    pub palette: Option<String>,
    /// Mapping of temperatures to colours.
    pub range: Option<Range>,
    /// How contrast is given out within it.
    pub agc: Option<String>,
    /// Layers to switch on or off.
    pub layers: BTreeMap<String, bool>,
}

/// The knobs of the picture.
pub trait Controls: Send + Sync {
    /// What there is to choose from; constant.
    fn choices(&self) -> Choices;
    /// How the picture is drawn now.
    fn look(&self) -> Look;
    /// Applies a change, from the next picture on. Names were checked against [`Controls::choices`].
    fn change(&self, change: &Change) -> Result<()>;
}
