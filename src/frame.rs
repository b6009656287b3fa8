//! One thermal frame: 16-bit pixels, what they mean, when they were captured.

mod visible;

use std::fmt;

use ndarray::{ArrayView2, aview2};
use serde::{Deserialize, Serialize};

pub use self::visible::Visible;
use crate::units::Nanos;

/// What a pixel value means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
#[non_exhaustive]
pub enum Signal {
    /// Linear in absolute temperature: `kelvin = count * kelvin_per_count + kelvin_at_zero`.
    /// Lepton TLinear at 0.01 K is `{ 0.01, 0.0 }`.
    Radiometric {
        /// Slope, K per count; above zero.
        kelvin_per_count: f32,
        /// Temperature of count 0, K.
        kelvin_at_zero: f32,
    },
    /// Sensor counts without a known relation to temperature; hotter is higher.
    Counts,
    /// 8-bit grey after the camera's AGC (widened to 16 bits, 0 to 255); hotter may be darker.
    Grey8,
}

impl Signal {
    /// Lepton TLinear at 0.01 K per count.
    pub const CENTIKELVIN: Signal = Signal::Radiometric { kelvin_per_count: 0.01, kelvin_at_zero: 0.0 };

    /// True if counts can be converted to temperature.
    pub fn is_radiometric(&self) -> bool {
        matches!(self, Signal::Radiometric { .. })
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Signal::Radiometric { kelvin_per_count, .. } => write!(f, "radiometric, {kelvin_per_count} K per count"),
            Signal::Counts => f.write_str("counts of unknown temperature"),
            Signal::Grey8 => f.write_str("grey of unknown temperature"),
        }
    }
}

/// Shape and meaning of the frames of one source; constant until the source announces a change.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameFormat {
    /// Columns, 1 to 4096.
    pub width: u32,
    /// Rows, 1 to 4096.
    pub height: u32,
    /// What a pixel value means.
    pub signal: Signal,
    /// Nominal frames per second; 0 if unknown.
    pub rate_hz: f32,
}

impl FrameFormat {
    /// Width times height.
    pub fn pixels(&self) -> usize {
        self.width as usize * self.height as usize
    }
}

/// State of the flat-field correction (shutter calibration).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FfcState {
    /// No correction is running or announced.
    #[default]
    Idle,
    /// The camera announced that one will start soon.
    Imminent,
    /// The shutter is closed: pixels show the shutter, not the scene.
    Running,
    /// Just finished: offsets are still settling, temperatures are flagged.
    Settling,
}

impl FfcState {
    /// True if the pixels do not show the scene.
    pub fn hides_scene(self) -> bool {
        self == FfcState::Running
    }

    /// True if temperatures must not be reported.
    pub fn spoils_temperature(self) -> bool {
        matches!(self, FfcState::Running | FfcState::Settling)
    }
}

/// Everything about one frame except its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct FrameMeta {
    /// The source's own frame number; a gap of n means that n frames were lost before they reached us.
    pub seq: u64,
    /// Capture time, monotonic.
    pub captured: Nanos,
    /// When our process received it, monotonic.
    pub received: Nanos,
    /// Capture time in UTC, nanoseconds since 1970; `None` if the source does not know it.
    pub captured_utc_ns: Option<i64>,
    /// Shutter calibration.
    pub ffc: FfcState,
    /// The camera's sensor (FPA) temperature, degC, if its telemetry gives it.
    pub sensor_c: Option<f32>,
}

/// A frame: `pixels.len() == format.pixels()`, row-major, no padding.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Shape and meaning.
    pub format: FrameFormat,
    /// Times, frame number, state.
    pub meta: FrameMeta,
    /// Row-major counts.
    pub pixels: Vec<u16>,
    /// The same moment in visible light, if a camera for it belongs to the source. Of a colour picture, its colours;
    /// `pixels` then holds their brightness.
    pub visible: Option<Visible>,
}

impl Frame {
    /// A zeroed frame of this format.
    pub fn new(format: FrameFormat) -> Self {
        Self { format, meta: FrameMeta::default(), pixels: vec![0; format.pixels()], visible: None }
    }

    /// Changes to `format`, keeping the allocation if it is large enough.
    pub fn reshape(&mut self, format: FrameFormat) {
        self.format = format;
        self.pixels.resize(format.pixels(), 0);
    }

    /// A view of the counts, shape `[rows, columns]`.
    pub fn view(&self) -> ArrayView2<'_, u16> {
        let shape = (self.height(), self.width());
        ArrayView2::from_shape(shape, &self.pixels).unwrap_or_else(|_| aview2::<u16, 0>(&[]))
    }

    /// Width as `usize`.
    pub fn width(&self) -> usize {
        self.format.width as usize
    }

    /// Height as `usize`.
    pub fn height(&self) -> usize {
        self.format.height as usize
    }
}
