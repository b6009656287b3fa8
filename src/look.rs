//! The look of the picture, as names and numbers that a viewer sees and may change.
//!
//! The renderer implements [`Adjust`] and the tracker [`Aim`]; sinks such as the page use them. All depend on this
//! module, not on each other.

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
        /// Temperature of the coldest colour.
        min_c: f32,
        /// Temperature of the hottest colour.
        max_c: f32,
    },
}

/// The available choices.
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

/// A request to change the look; absent fields stay unchanged.
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
    /// The available choices; constant.
    fn choices(&self) -> Choices;

    /// How the picture is drawn now.
    fn look(&self) -> Look;

    /// Applies a change to frames of this signal, from the next picture on.
    ///
    /// # Errors
    /// [`crate::Error::fix`] for an unknown name, a value out of range, or a fixed range if the source
    /// does not measure temperature. Nothing is changed then.
    fn change(&self, change: &Change, signal: Signal) -> Result<()>;
}

/// A request to change what is tracked; positions are pixels of the thermal frame.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Track what this box holds: left, top, right, bottom.
    Box([f32; 4]),
    /// Track the warm spot at this point: x, y.
    At([f32; 2]),
    /// Track the target with this number no longer.
    Stop(u32),
}

/// A tracker whose targets can be changed while it runs.
pub trait Aim: Send + Sync {
    /// Asks for a change with the next frame. What comes of it is seen in the results and in the log.
    ///
    /// # Errors
    /// [`crate::Error::retry`] if earlier requests are still waiting.
    fn request(&self, request: Request) -> Result<()>;
}
