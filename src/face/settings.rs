//! What can be configured about faces.

use serde::{Deserialize, Serialize};

use super::smooth;
use crate::error::{Error, Result};
use crate::nn::{Model, Task, Use};
#[cfg(feature = "stream")]
use crate::ranges;

/// Settings of detection, tracking and temperatures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "stream", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Detector: a built-in model, the path of a model card (ending in `.toml`), or `auto`. `auto` takes
    /// `face-detector-int8` on CPUs where it is faster, else `face-detector`; both are equally accurate.
    pub detector: String,
    /// Landmark network: the same choices as for the detector. For streams `auto` takes `face-landmarks-small-int8` or
    /// `face-landmarks-small`; for stills one of the two base models, which are the most accurate but slower.
    pub landmarks: String,
    /// Most faces tracked at once; bounds the time per frame.
    #[cfg_attr(feature = "stream", schemars(range(min = 1, max = MAX_FACES)))]
    pub max_faces: usize,
    /// Views of each face in a frame: as it is, mirrored, closer, and so on. The landmarks of all views are averaged;
    /// each view costs a run of the landmark network.
    #[cfg_attr(feature = "stream", schemars(range(min = 1, max = super::landmarker::VIEWS)))]
    pub views: usize,
    /// How often to look for new faces while some are tracked, ms; 0 looks in every frame.
    pub detect_every_ms: u32,
    /// How often to look for faces while none is tracked or one is lost, ms; 0 looks in every frame.
    pub search_every_ms: u32,
    /// Lowest detector score; if absent, the model card's.
    #[cfg_attr(feature = "stream", schemars(range(min = 0, max = 1)))]
    pub score: Option<f32>,
    /// Presence below which a tracked face counts as lost; if absent, the model card's. A new face needs 0.2 more,
    /// so that a doubtful one does not come and go. For a new face the odds of presence and detector score are
    /// multiplied: a high score lowers the presence needed, a low score raises it.
    #[cfg_attr(feature = "stream", schemars(range(min = 0, max = 1)))]
    pub presence: Option<f32>,
    /// How long a lost face keeps its identity, ms. Shutter calibration does not count.
    #[cfg_attr(feature = "stream", schemars(range(max = 10_000)))]
    pub lost_ms: u32,
    /// Smoothing of the landmarks.
    pub smooth: smooth::Settings,
    /// Confidence below which a point counts as hidden and has no temperature.
    #[cfg_attr(feature = "stream", schemars(range(min = 0, max = 1)))]
    pub visible: f32,
    /// Temperatures the sensor can measure, degC: lowest, highest. Readings outside are reported as saturated.
    pub range_c: [f32; 2],
}

/// Largest setting of [`Settings::max_faces`].
pub(super) const MAX_FACES: usize = 16;

impl Default for Settings {
    fn default() -> Self {
        Self {
            detector: Model::AUTO.into(),
            landmarks: Model::AUTO.into(),
            max_faces: 4,
            views: 2,
            detect_every_ms: 500,
            search_every_ms: 0,
            score: None,
            presence: None,
            lost_ms: 1000,
            smooth: smooth::Settings::default(),
            visible: 0.25,
            // Lepton 3.5: down to -10 degC in high gain, up to 450 degC in low gain (datasheet, "scene
            // dynamic range"); some headroom below for other cores.
            range_c: [-40.0, 450.0],
        }
    }
}

impl Settings {
    /// The detector that `detector` names, or that `auto` stands for on this CPU.
    ///
    /// # Errors
    /// Fix: this CPU lacks the requested kernels, or the program has no built-in default.
    pub fn detector_model(&self) -> Result<&str> {
        Model::resolve(&self.detector, Task::Detector, Use::Stream)
    }

    /// The landmark network that `landmarks` names, or that `auto` stands for on this CPU in a stream.
    ///
    /// # Errors
    /// Same as [`Settings::detector_model`].
    pub fn landmarks_model(&self) -> Result<&str> {
        Model::resolve(&self.landmarks, Task::Landmarks, Use::Stream)
    }

    /// The landmark network for stills.
    ///
    /// # Errors
    /// Same as [`Settings::detector_model`].
    pub fn still_landmarks_model(&self) -> Result<&str> {
        Model::resolve(&self.landmarks, Task::Landmarks, Use::Still)
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::fix`] about the first key that is wrong.
    pub fn validate(&self) -> Result<()> {
        #[cfg(feature = "stream")]
        ranges::check("face", self)?;
        let [low, high] = self.range_c;
        if !(-273.15 <= low && low < high && high <= 3000.0) {
            let message = format!("is [{low}, {high}], wanted -273.15 <= low < high <= 3000");
            return Err(Error::fix("face.range_c", message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_model_serves_streams_and_stills_and_auto_gives_stills_the_more_accurate() {
        let models = |s: &Settings| [s.landmarks_model(), s.still_landmarks_model()].map(|m| m.unwrap().to_string());
        let [stream, stills] = models(&Settings::default());
        assert!(stream.starts_with("face-landmarks-small") && stills.starts_with("face-landmarks-base"));
        assert_eq!(stream.ends_with("-int8"), stills.ends_with("-int8"));
        let named = Settings { landmarks: "mine.toml".into(), ..Settings::default() };
        assert_eq!(models(&named), ["mine.toml", "mine.toml"]);
    }

    #[test]
    fn defaults_are_valid_and_wrong_values_are_named() {
        Settings::default().validate().unwrap();
        let read = |text: &str| toml::from_str::<Settings>(text);
        for (text, says) in [
            ("max_faces = 0", "max_faces"),
            ("views = 0", "views"),
            ("views = 7", "views"),
            ("presence = 1.5", "presence"),
            ("visible = nan", "visible"),
            ("range_c = [50.0, 10.0]", "range_c"),
            ("lost_ms = 60000", "lost_ms"),
            ("smooth = { min_cutoff_hz = 0.0 }", "min_cutoff_hz"),
        ] {
            let e = read(text).unwrap().validate().unwrap_err().to_string();
            assert!(e.contains(says), "{e}");
        }
        assert!(read("max_face = 1").is_err(), "unknown keys are errors");
        assert!(read("smooth = { beta_hz = 1.0 }").is_err());
    }
}
