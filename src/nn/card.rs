//! The model card: a model's purpose and origin, how its input is made and how its outputs are read.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Task {
    /// Whole frame to face boxes.
    Detector,
    /// Crop of a face to landmarks.
    Landmarks,
    /// Crops of any target, in thermal and visible pictures, to its box.
    Tracker,
}

/// What a model can be the default for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Use {
    /// Frames of a camera or recording, in real time.
    Stream,
    /// Single pictures, where accuracy matters more than time.
    Still,
}

/// The number type that most of a model's arithmetic is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Eight-bit integers (QuantizeLinear and DequantizeLinear in the file).
    Int8,
}

/// How the input is made ([`crate::preprocess`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Name in the ONNX graph.
    pub name: String,
    /// Channels: 1 for thermal, 2 with `contrast_window`.
    pub channels: usize,
    /// Rows, pixels. A fully convolutional model can be built for other sizes too.
    pub height: usize,
    /// Columns, pixels.
    pub width: usize,
    /// Percentiles (0 to 100) of the input that become -1 and 1.
    pub percentiles: [f32; 2],
    /// Side of the local contrast window, odd, pixels. If given, local contrast is the second channel.
    #[serde(default)]
    pub contrast_window: Option<usize>,
    /// Side of a landmark crop over the longer side of the face box; absent for detectors.
    #[serde(default)]
    pub crop_factor: Option<f32>,
}

/// How the crops of a tracker are made ([`crate::preprocess::target`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crops {
    /// Side of the template's crop, pixels; a multiple of 8.
    pub template: usize,
    /// Side of the search crop, pixels: twice that of the template.
    pub search: usize,
    /// Channels of the features.
    pub features: usize,
    /// Percentiles (0 to 100) of the template's thermal crop that become 0 and 1.
    pub percentiles: [f32; 2],
}

/// One output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Name in the ONNX graph.
    pub name: String,
    /// Shape at the card's input size.
    pub shape: Vec<usize>,
}

/// Constants of the decoding function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decoding {
    /// Lowest detector score, lowest presence at which a crop counts as a face, or lowest score of a tracker's map at
    /// which the box follows; 0 to 1.
    pub threshold: f32,
    /// Trackers: the presence at which a target is as likely in view as not; 0 to 1.
    pub presence: f32,
    /// Overlap (intersection over union) above which the weaker of two detections is dropped; 0 to 1.
    pub nms_iou: f32,
    /// Factor on the predicted error of every landmark, fitted on held-out data; above 0.
    pub spread: f32,
}

impl Default for Decoding {
    fn default() -> Self {
        Self { threshold: 0.3, presence: 0.5, nms_iou: 0.4, spread: 1.0 }
    }
}

/// The golden file: input and outputs as consecutive `.npy` arrays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// File beside the card: the input (f32, or u8 standing for `v / 127.5 - 1`), then every output
    /// in the card's order (f32).
    pub file: String,
    /// Largest absolute difference allowed, as a share of the largest absolute value of the output, or of 1 if
    /// that is larger.
    #[serde(default = "golden_tolerance")]
    pub tolerance: f32,
}

fn golden_tolerance() -> f32 {
    1e-3
}

/// A parsed, checked card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Name of the model and of its files.
    pub name: String,
    /// What it does.
    pub task: Task,
    /// One sentence.
    #[serde(default)]
    pub description: String,
    /// The number type of its arithmetic.
    #[serde(default)]
    pub precision: Precision,
    /// The uses for which a built-in model is chosen when the setting is `auto`. At most one model of each task and
    /// precision is the default for each use.
    #[serde(default)]
    pub default_for: Vec<Use>,
    /// The ONNX file beside the card.
    pub file: String,
    /// SHA-256 of the ONNX file, lower-case hexadecimal.
    pub sha256: String,
    /// SPDX expression.
    pub licence: String,
    /// Name of the decoding function ([`crate::face::decode`]).
    pub decode: String,
    /// How the input is made; not of trackers, which have [`Card::tracker`].
    #[serde(default)]
    pub input: Option<Input>,
    /// How the crops of a tracker are made; only of trackers.
    #[serde(default)]
    pub tracker: Option<Crops>,
    /// The outputs, in the order in which the decoding function reads them.
    pub outputs: Vec<Output>,
    /// Constants of the decoding function.
    #[serde(default)]
    pub decoding: Decoding,
    /// Input and outputs for the self-check. Every built-in model has them.
    #[serde(default)]
    pub golden: Option<Golden>,
    /// How the model was trained: data, seeds, steps. Free form.
    #[serde(default)]
    pub training: serde_json::Map<String, serde_json::Value>,
    /// Measured metrics. Free form; keys of metrics on rendered pictures end in `synthetic`.
    #[serde(default)]
    pub metrics: serde_json::Map<String, serde_json::Value>,
}

/// Largest input side a card may ask for, pixels.
const MAX_SIDE: usize = 4096;

/// Largest side of a search crop, pixels.
const MAX_SEARCH: usize = 512;

/// Pixels of a crop per cell of a tracker's features.
const STRIDE: usize = 8;

fn percentiles([low, high]: [f32; 2]) -> Result<(), String> {
    let fits = 0.0 <= low && low < high && high <= 100.0;
    fits.then_some(()).ok_or_else(|| format!("percentiles [{low}, {high}], wanted 0 <= low < high <= 100"))
}

impl Input {
    fn check(&self, task: Task) -> Result<(), String> {
        if !(1..=16).contains(&self.channels)
            || !(1..=MAX_SIDE).contains(&self.height)
            || !(1..=MAX_SIDE).contains(&self.width)
        {
            return Err(format!("input {}x{}x{}, wanted 1-16 x 1-{MAX_SIDE}", self.channels, self.height, self.width));
        }
        percentiles(self.percentiles)?;
        if let Some(window) = self.contrast_window.filter(|w| w % 2 == 0 || !(3..=255).contains(w)) {
            return Err(format!("contrast_window {window}, wanted an odd number from 3 to 255"));
        }
        let made = 1 + usize::from(self.contrast_window.is_some());
        if self.channels != made {
            return Err(format!("{} channels, wanted {made}: one, and one more with contrast_window", self.channels));
        }
        if task == Task::Landmarks {
            if !self.crop_factor.is_some_and(|f| (0.5..=4.0).contains(&f)) {
                return Err(format!("crop_factor {:?}, wanted 0.5 to 4 for landmarks", self.crop_factor));
            }
            if self.height != self.width {
                return Err(format!("landmark crops are square, found {}x{}", self.width, self.height));
            }
        }
        Ok(())
    }
}

impl Crops {
    fn check(&self) -> Result<(), String> {
        let [template, search] = [self.template, self.search];
        if template == 0 || !template.is_multiple_of(STRIDE) || search != 2 * template || search > MAX_SEARCH {
            let wanted = format!("a multiple of {STRIDE} and twice as much, up to {MAX_SEARCH}");
            return Err(format!("crops of {template} and {search} pixels, wanted {wanted}"));
        }
        if !(1..=1024).contains(&self.features) {
            return Err(format!("{} features, wanted 1 to 1024", self.features));
        }
        percentiles(self.percentiles)
    }
}

impl Card {
    /// Parses and checks a card. `subject` names it in errors.
    ///
    /// # Errors
    /// Fix: the text is not a card, has an unknown key, or a value is out of range.
    pub fn parse(text: &str, subject: &str) -> Result<Self> {
        let card: Card =
            basic_toml::from_str(text).map_err(|e| Error::fix(subject, "not a model card").because(e.to_string()))?;
        card.check().map_err(|what| Error::fix(subject, what))?;
        Ok(card)
    }

    /// Names of the outputs, in order.
    pub fn output_names(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().map(|o| o.name.as_str())
    }

    /// How the input of a face network is made.
    ///
    /// # Errors
    /// Fix: this is a tracker.
    pub fn face_input(&self) -> Result<&Input> {
        let wrong = || Error::fix(&self.name, format!("is a {:?} model, wanted one of faces", self.task));
        self.input.as_ref().ok_or_else(wrong)
    }

    /// How the crops of a tracker are made.
    ///
    /// # Errors
    /// Fix: this is no tracker.
    pub fn crops(&self) -> Result<&Crops> {
        let wrong = || Error::fix(&self.name, format!("is a {:?} model, wanted a tracker", self.task));
        self.tracker.as_ref().ok_or_else(wrong)
    }

    fn check(&self) -> Result<(), String> {
        if self.name.is_empty() || self.outputs.is_empty() {
            return Err("name and outputs must not be empty".into());
        }
        // The card may only name files in its own folder.
        for file in std::iter::once(&self.file).chain(self.golden.as_ref().map(|g| &g.file)) {
            if file.is_empty() || file.contains(['/', '\\']) || file == ".." {
                return Err(format!("file {file:?} must be a plain file name beside the card"));
            }
        }
        if self.sha256.len() != 64 || !self.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(format!("sha256 is {:?}, wanted 64 lower-case hexadecimal digits", self.sha256));
        }
        match (self.task, &self.input, &self.tracker) {
            (Task::Tracker, None, Some(crops)) => crops.check()?,
            (Task::Tracker, ..) => return Err("a tracker has the table [tracker] instead of [input]".into()),
            (_, Some(input), None) => input.check(self.task)?,
            _ => return Err("the table [input] is missing, or there is a [tracker] beside it".into()),
        }
        let d = &self.decoding;
        if [d.threshold, d.presence, d.nms_iou].iter().any(|v| !(0.0..=1.0).contains(v)) {
            return Err("decoding.threshold, decoding.presence and decoding.nms_iou must be 0 to 1".into());
        }
        if !(0.01..=100.0).contains(&d.spread) {
            return Err(format!("decoding.spread {}, wanted 0.01 to 100", d.spread));
        }
        if self.golden.as_ref().is_some_and(|g| !(0.0..=1.0).contains(&g.tolerance)) {
            return Err("golden.tolerance must be 0 to 1".into());
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A card as training writes it.
    pub(crate) const LANDMARKS: &str = r#"
name = "tiny"
task = "landmarks"
file = "tiny.onnx"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
licence = "MIT OR Apache-2.0"
decode = "laplace70"

[input]
name = "crop"
channels = 1
height = 96
width = 96
percentiles = [1.0, 99.0]
crop_factor = 1.4

[[outputs]]
name = "landmarks"
shape = [1, 70, 3]

[[outputs]]
name = "presence"
shape = [1, 1]

[metrics]
nme_box_synthetic = 0.021
"#;

    #[test]
    fn a_card_is_read_with_defaults_where_it_is_silent() {
        let card = Card::parse(LANDMARKS, "tiny.toml").unwrap();
        assert_eq!(card.task, Task::Landmarks);
        assert_eq!(card.face_input().unwrap().crop_factor, Some(1.4));
        assert_eq!(card.decoding, Decoding::default());
        assert_eq!(card.metrics["nme_box_synthetic"].as_f64(), Some(0.021));
    }

    #[test]
    fn unknown_keys_and_bad_values_are_refused_by_name() {
        for (from, to, says) in [
            ("licence =", "license =", "license"),
            ("channels = 1", "channels = 1\nmean = 0.5", "mean"),
            ("channels = 1", "channels = 2", "contrast_window"),
            ("channels = 1", "channels = 2\ncontrast_window = 24", "odd"),
            ("sha256 = \"0", "sha256 = \"X", "sha256"),
            ("\"tiny.onnx\"", "\"../tiny.onnx\"", "beside the card"),
            ("[1.0, 99.0]", "[99.0, 1.0]", "percentiles"),
            ("[1.0, 99.0]", "[nan, 99.0]", "percentiles"),
            ("crop_factor = 1.4", "", "crop_factor"),
            ("height = 96", "height = 48", "square"),
            ("height = 96", "height = 9999999", "wanted"),
            ("\"landmarks\"\nfile", "\"poems\"\nfile", "poems"),
        ] {
            let text = LANDMARKS.replace(from, to);
            assert_ne!(text, LANDMARKS, "{from}");
            let e = Card::parse(&text, "tiny.toml").unwrap_err().to_string();
            assert!(e.starts_with("tiny.toml: ") && e.contains(says), "{says}: {e}");
        }
    }
}
