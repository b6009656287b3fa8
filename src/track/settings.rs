//! What can be configured about targets.

use serde::{Deserialize, Serialize};

use super::scene::Registration;
use crate::error::{Error, Result, within};
use crate::nn::{Model, Task, Use};
#[cfg(feature = "stream")]
use crate::ranges;

/// Settings of the tracking of targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "stream", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Tracks targets instead of finding faces; `heatmark track` sets it.
    pub enabled: bool,
    /// What to track from the start, each a box `x,y,width,height` in pixels, `hottest`, `face` or `person`. On a
    /// camera, what is not found is looked for again every second.
    pub start: Vec<String>,
    /// Number of the frame, from 0, in which it is given.
    pub start_frame: u64,
    /// The tracker: a built-in model, the path of a model card (ending in `.toml`), or `auto`, the fastest built-in one
    /// on this CPU.
    pub model: String,
    /// Most targets at once; bounds the time per frame.
    #[cfg_attr(feature = "stream", schemars(range(min = 1, max = MAX_TARGETS)))]
    pub max_targets: usize,
    /// Lowest score of a place at which the box follows; if absent, the model card's.
    #[cfg_attr(feature = "stream", schemars(range(min = 0, max = 1)))]
    pub score: Option<f32>,
    /// Presence at which a target is as likely in view as not; if absent, the model card's. A tracked target is kept
    /// down to 0.6 times as much; a lost one needs more.
    #[cfg_attr(feature = "stream", schemars(range(min = 0, max = 1)))]
    pub presence: Option<f32>,
    /// How long a lost target is looked for where it should be, ms, before the whole frame is searched. Shutter
    /// calibration does not count.
    #[cfg_attr(feature = "stream", schemars(range(max = 60_000)))]
    pub search_after_ms: u32,
    /// Parts of the frame that are searched in each frame for a target that is lost for longer; 0 does not search.
    #[cfg_attr(feature = "stream", schemars(range(max = MAX_TILES)))]
    pub tiles: usize,
    /// Where thermal pixels lie in the visible picture; if absent, both cameras have the same field of view.
    pub registration: Option<Registration>,
}

/// Largest setting of [`Settings::max_targets`].
pub(super) const MAX_TARGETS: usize = 64;

/// Largest setting of [`Settings::tiles`].
const MAX_TILES: usize = 48;

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: false,
            start: Vec::new(),
            start_frame: 0,
            model: Model::AUTO.into(),
            max_targets: 8,
            score: None,
            presence: None,
            search_after_ms: 500,
            tiles: 3,
            registration: None,
        }
    }
}

impl Settings {
    /// The model that `model` names, or that `auto` stands for on this CPU.
    ///
    /// # Errors
    /// Fix: this CPU lacks the requested kernels, or the program has no built-in tracker.
    pub fn tracker_model(&self) -> Result<&str> {
        Model::resolve(&self.model, Task::Tracker, Use::Stream)
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::fix`] about the first key that is wrong.
    pub fn validate(&self) -> Result<()> {
        #[cfg(feature = "stream")]
        ranges::check("track", self)?;
        within("track.max_targets", self.max_targets, 1..=MAX_TARGETS)?;
        within("track.tiles", self.tiles, 0..=MAX_TILES)?;
        for (key, value) in [("track.score", self.score), ("track.presence", self.presence)] {
            within(key, value.unwrap_or(0.0), 0.0..=1.0)?;
        }
        match &self.registration {
            Some(r) if !r.is_valid() => {
                let wanted = "scales of 0.001 to 1000 and offsets up to 100000 pixels";
                Err(Error::fix("track.registration", format!("is {r:?}, wanted {wanted}")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_wrong_values_are_named() {
        Settings::default().validate().unwrap();
        let read = |text: &str| toml::from_str::<Settings>(text);
        for (text, says) in [
            ("max_targets = 0", "max_targets"),
            ("max_targets = 65", "max_targets"),
            ("presence = 1.5", "presence"),
            ("score = nan", "score"),
            ("tiles = 49", "tiles"),
            ("search_after_ms = 60001", "search_after_ms"),
            ("registration = { scale = [0.0, 1.0], offset = [0.0, 0.0] }", "registration"),
        ] {
            let e = read(text).unwrap().validate().unwrap_err().to_string();
            assert!(e.contains(says), "{e}");
        }
        assert!(read("modle = \"x\"").is_err(), "unknown keys are errors");
        let named = Settings { model: "mine.toml".into(), ..Settings::default() };
        assert_eq!(named.tracker_model().unwrap(), "mine.toml");
    }
}
