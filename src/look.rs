//! How the picture is drawn, as names and numbers: what a viewer sees and may change.
//!
//! The renderer implements [`Adjust`]; sinks such as the page use it. Both depend on this module and
//! not on each other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::frame::Signal;

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
    /// Names of the automatic gain controls.
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
    /// Name of the automatic gain control.
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
    /// Name of an automatic gain control.
    pub agc: Option<String>,
    /// Layers to switch on or off.
    pub layers: BTreeMap<String, bool>,
}

/// A picture whose look can be changed while it runs.
pub trait Adjust: Send + Sync {
    /// What there is to choose from; constant.
    fn choices(&self) -> Choices;

    /// How the picture is drawn now.
    fn look(&self) -> Look;

    /// Applies a change, from the next picture on, to frames of this signal.
    ///
    /// # Errors
    /// [`crate::Error::fix`] for an unknown name, a value out of range, or a fixed range where the
    /// source does not measure temperature. Nothing is changed then.
    fn change(&self, change: &Change, signal: Signal) -> Result<()>;
}
