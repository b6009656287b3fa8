//! A tracked target in one frame: the `heatmark.track/1` contract.

use serde::Serialize;

use super::NoTemperature;
use crate::geometry::Rect;

/// Name and version of the contract.
pub const TRACK_SCHEMA: &str = "heatmark.track/1";

/// Which pictures a target was looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Thermal and visible together.
    #[default]
    Both,
    /// The thermal frame alone.
    Thermal,
    /// The visible frame alone.
    Visible,
}

impl Modality {
    /// Every modality.
    pub const ALL: [Modality; 3] = [Modality::Both, Modality::Thermal, Modality::Visible];

    /// That of the pictures that there are; `None` if there is none.
    pub fn of(thermal: bool, visible: bool) -> Option<Self> {
        match (thermal, visible) {
            (true, true) => Some(Modality::Both),
            (true, false) => Some(Modality::Thermal),
            (false, true) => Some(Modality::Visible),
            (false, false) => None,
        }
    }

    /// Position in [`Modality::ALL`].
    pub fn index(self) -> usize {
        match self {
            Modality::Both => 0,
            Modality::Thermal => 1,
            Modality::Visible => 2,
        }
    }

    /// Whether it uses the thermal frame.
    pub fn uses_thermal(self) -> bool {
        self != Modality::Visible
    }

    /// Whether it uses the visible frame.
    pub fn uses_visible(self) -> bool {
        self != Modality::Thermal
    }

    /// Name in results.
    pub fn name(self) -> &'static str {
        match self {
            Modality::Both => "both",
            Modality::Thermal => "thermal",
            Modality::Visible => "visible",
        }
    }
}

/// State of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TargetState {
    /// Seen in this frame.
    #[default]
    Tracked,
    /// Not seen in this frame; looked for where it should be.
    Lost,
    /// Not seen for a while; looked for in the whole frame.
    Searching,
}

impl TargetState {
    /// Every state.
    pub const ALL: [TargetState; 3] = [TargetState::Tracked, TargetState::Lost, TargetState::Searching];

    /// Name in results.
    pub fn name(self) -> &'static str {
        match self {
            TargetState::Tracked => "tracked",
            TargetState::Lost => "lost",
            TargetState::Searching => "searching",
        }
    }
}

/// Apparent temperatures of the pixels in a target's box, degC.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxTemperature {
    /// Coldest pixel.
    pub min_c: f32,
    /// Mean over all pixels.
    pub mean_c: f32,
    /// Hottest pixel.
    pub max_c: f32,
}

/// One target in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Target {
    /// Number of the target, from 1; never reused in a run.
    pub id: u32,
    /// Its box, pixels of the thermal frame (of the visible one where there is no thermal frame); `None` unless it is
    /// tracked.
    pub bbox: Option<Rect>,
    /// How well the best place matches the target, 0 to 1.
    pub score: f32,
    /// Probability that the target is in view, 0 to 1.
    pub presence: f32,
    /// Tracked, lost or searched for.
    pub state: TargetState,
    /// The pictures used.
    pub modality: Modality,
    /// Temperatures in the box, or why there are none.
    pub temperature: Result<BoxTemperature, NoTemperature>,
    /// Time since the target was given, ms.
    pub age_ms: u64,
    /// Time since it was seen last, ms; 0 if it is tracked.
    pub unseen_ms: u64,
}

impl Target {
    /// A target that was just given.
    pub fn new(id: u32) -> Self {
        Self {
            id,
            bbox: None,
            score: 0.0,
            presence: 0.0,
            state: TargetState::Tracked,
            modality: Modality::Both,
            temperature: Err(NoTemperature::NotRadiometric),
            age_ms: 0,
            unseen_ms: 0,
        }
    }
}
