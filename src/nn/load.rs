//! From ONNX and card to a checked [`Network`].

use std::borrow::Cow;
use std::path::Path;
use std::sync::OnceLock;

use super::card::{Card, Output, Precision, Task, Use};
use super::golden::Answers;
use super::network::{Build, Network};
use super::stages::{STRIDE, Stages};
use super::{embedded, tract};
use crate::error::{Error, Result};
use crate::kernels::{self, Kernels};
use crate::result::Modality;

/// Largest ONNX file read, bytes.
const MAX_FILE: u64 = 256 << 20;

/// A card and the files it names; the ONNX file has the SHA-256 that the card gives.
#[derive(Debug, Clone)]
pub struct Model {
    card: Card,
    onnx: Cow<'static, [u8]>,
    golden: Option<Cow<'static, [u8]>>,
}

impl Model {
    /// Names of the built-in models.
    pub fn names() -> impl Iterator<Item = &'static str> {
        embedded::names()
    }

    /// A built-in model.
    ///
    /// # Errors
    /// Fix: no model has this name. Fatal: its built-in files do not match its card.
    pub fn embedded(name: &str) -> Result<Self> {
        let Some(card) = embedded::file(&format!("{name}.toml"))? else {
            let known: Vec<_> = Self::names().collect();
            return Err(Error::fix(name, format!("no such model; built in: {}", known.join(", "))));
        };
        // A test checks the SHA-256 of the built-in files; hashing them at each start takes longer than running them.
        Self::assemble(&card, name, |file| embedded::file(file)?.ok_or_else(|| Error::fatal(file, "is not built in")))
    }

    /// The built-in default model of a `task` for `usage`, in this `precision` if there is one, else in another.
    ///
    /// # Errors
    /// Fix: the program was built without one.
    pub fn default_for(task: Task, usage: Use, precision: Precision) -> Result<&'static str> {
        let serves = |c: &&Card| c.task == task && c.default_for.contains(&usage);
        let best = built_in()?.iter().filter(serves).max_by_key(|c| c.precision == precision);
        let none = || Error::fix("models", format!("no built-in model is the default for {task:?}, {usage:?}"));
        Ok(&best.ok_or_else(none)?.name)
    }

    /// The setting that lets the program choose a model by CPU.
    pub const AUTO: &str = "auto";

    /// The model that `setting` names; for [`Model::AUTO`] the default of `task` and `usage` in the precision that is
    /// faster on this CPU.
    ///
    /// # Errors
    /// Fix: this CPU lacks the requested kernels, or the program was built without a default.
    pub fn resolve(setting: &str, task: Task, usage: Use) -> Result<&str> {
        if setting != Self::AUTO {
            return Ok(setting);
        }
        let faster = if kernels::chosen()?.faster_in_int8() { Precision::Int8 } else { Precision::F32 };
        Self::default_for(task, usage, faster)
    }

    /// A model by the path of its card; its other files are in the same folder.
    ///
    /// # Errors
    /// Fix: a file cannot be read, the card is invalid, or the ONNX file is not the one that the card describes.
    pub fn open(card: &Path) -> Result<Self> {
        let subject = card.display().to_string();
        let folder = card.parent().unwrap_or(Path::new("."));
        let model = Self::assemble(&read(card)?, &subject, |file| read(&folder.join(file)).map(Cow::Owned))?;
        model.verify()?;
        Ok(model)
    }

    /// A built-in model by name, or any model by the path of its card (ending in `.toml`).
    ///
    /// # Errors
    /// Those of [`Model::embedded`] or [`Model::open`].
    pub fn find(name_or_card: &str) -> Result<Self> {
        if name_or_card.ends_with(".toml") { Self::open(Path::new(name_or_card)) } else { Self::embedded(name_or_card) }
    }

    fn assemble(card: &[u8], subject: &str, get: impl Fn(&str) -> Result<Cow<'static, [u8]>>) -> Result<Self> {
        let text = std::str::from_utf8(card).map_err(|e| Error::fix(subject, "not a model card").because(e))?;
        let card = Card::parse(text, subject)?;
        let onnx = get(&card.file)?;
        let golden = card.golden.as_ref().map(|g| get(&g.file)).transpose()?;
        Ok(Self { card, onnx, golden })
    }

    /// Compares the ONNX file with the SHA-256 of the card.
    fn verify(&self) -> Result<()> {
        let (card, found) = (&self.card, hmac_sha256::Hash::hash(&self.onnx));
        let found: String = found.iter().map(|b| format!("{b:02x}")).collect();
        if found != card.sha256 {
            return Err(Error::fix(&card.file, format!("its SHA-256 is {found}, the card wants {}", card.sha256)));
        }
        Ok(())
    }

    /// The card.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// Builds the network at the card's input size and runs the golden input through it.
    ///
    /// # Errors
    /// Fix: we cannot run the model. Fatal: its outputs differ from the golden ones.
    pub fn network(&self) -> Result<Box<dyn Network>> {
        let input = self.card.face_input()?;
        let mut network = tract::build(&self.onnx, &self.card, input.height, input.width)?;
        self.check_shapes(network.as_ref())?;
        if let Some(mut answers) = self.answers() {
            let input = answers.input(network.input_values(0))?;
            network.run(&[&input])?;
            answers.compare(network.as_ref())?;
        }
        Ok(network)
    }

    /// The parts of a tracker, after the golden input has gone through them.
    ///
    /// # Errors
    /// Fix: this is no tracker, or we cannot run it. Fatal: its outputs differ from the golden ones.
    pub fn stages(&self) -> Result<Box<dyn Stages>> {
        let (crops, mut stages) = (self.card.crops()?, tract::Tracker::new(&self.onnx, &self.card)?);
        let mut trunk = stages.trunk(Modality::Both, crops.search)?;
        let empty = vec![0.0; crops.features * (crops.template / STRIDE).pow(2)];
        let mut answers = self.answers();
        let (inputs, template) = match &mut answers {
            Some(answers) => {
                let pictures = [answers.input(trunk.input_values(0))?, answers.input(trunk.input_values(1))?];
                (Some(pictures), answers.input(empty.len())?)
            }
            None => (None, empty),
        };
        let mut head = stages.head(&template)?;
        self.check_shapes(head.as_ref())?;
        if let (Some(mut answers), Some([visible, thermal])) = (answers, inputs) {
            trunk.run(&[&visible, &thermal])?;
            head.run(&[trunk.output(0)])?;
            answers.compare(head.as_ref())?;
        }
        Ok(Box::new(stages))
    }

    fn answers(&self) -> Option<Answers<'_>> {
        Some(Answers::new(self.card.golden.as_ref()?, self.golden.as_ref()?))
    }

    /// Compares the shapes of the outputs with the card.
    fn check_shapes(&self, network: &dyn Network) -> Result<()> {
        for (Output { shape: want, .. }, (name, found)) in self.card.outputs.iter().zip(network.outputs()) {
            if want != found {
                let message = format!("output {name} has shape {found:?}, the card says {want:?}");
                return Err(Error::fix(&self.card.file, message));
            }
        }
        Ok(())
    }

    /// Like [`Model::network`], for another input size in pixels. The network must be fully convolutional.
    ///
    /// # Errors
    /// Those of [`Model::network`]. Fix: the network cannot be built for this size.
    pub fn network_at(&self, height: usize, width: usize) -> Result<Box<dyn Network>> {
        // The golden input has the card's size. It checks the weights, which are the same at every size.
        let checked = self.network()?;
        let input = self.card.face_input()?;
        if (height, width) == (input.height, input.width) {
            return Ok(checked);
        }
        tract::build(&self.onnx, &self.card, height, width)
    }

    /// A readable table of the kernel that runs each operator at the card's input size, and why.
    ///
    /// # Errors
    /// Fix: we cannot run the model.
    pub fn explain(&self, kernels: &'static Kernels) -> Result<String> {
        match self.card.task {
            Task::Tracker => tract::Tracker::on(kernels, &self.onnx, &self.card)?.explain(),
            _ => tract::explain(&self.onnx, &self.card, kernels),
        }
    }

    /// Like [`Model::explain`], for an ONNX file without a card. An empty `shape` means the input shape in the file.
    ///
    /// # Errors
    /// Fix: we cannot run the model, or its input is not floats of a fixed shape.
    pub fn explain_file(onnx: &Path, shape: &[usize], kernels: &'static Kernels) -> Result<String> {
        tract::explain_bare(&read(onnx)?, &onnx.display().to_string(), shape, kernels)
    }

    /// Builds networks of this model.
    pub fn into_build(self) -> Build {
        Box::new(move |height, width| self.network_at(height, width))
    }
}

/// The cards of the built-in models.
fn built_in() -> Result<&'static [Card]> {
    static CARDS: OnceLock<std::result::Result<Vec<Card>, String>> = OnceLock::new();
    let read = |name: &str| {
        let file = format!("{name}.toml");
        let text = embedded::file(&file)?.unwrap_or_default();
        Card::parse(&String::from_utf8_lossy(&text), &file)
    };
    let cards = CARDS.get_or_init(|| Model::names().map(read).collect::<Result<_>>().map_err(|e| e.to_string()));
    cards.as_deref().map_err(|e| Error::fatal("models", e))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let bad = |e: std::io::Error| Error::fix(path.display(), "cannot be read").because(e);
    let size = std::fs::metadata(path).map_err(bad)?.len();
    if size > MAX_FILE {
        return Err(Error::fix(path.display(), format!("is {size} bytes, wanted at most {MAX_FILE}")));
    }
    std::fs::read(path).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Remedy;

    fn data(file: &str) -> std::path::PathBuf {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/models")).join(file)
    }

    #[test]
    fn built_in_models_have_the_sha_256_of_their_cards() {
        for name in Model::names() {
            Model::embedded(name).unwrap().verify().unwrap();
        }
    }

    /// A folder with the tiny landmark model, its card edited.
    fn edited(from: &str, to: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        for file in ["tiny-landmarks.onnx", "tiny-landmarks.npy"] {
            std::fs::copy(data(file), dir.path().join(file)).unwrap();
        }
        let text = std::fs::read_to_string(data("tiny-landmarks.toml")).unwrap();
        let new = text.replace(from, to);
        assert!(new != text || from.is_empty(), "{from} is not in the card");
        let card = dir.path().join("card.toml");
        std::fs::write(&card, new).unwrap();
        (dir, card)
    }

    #[test]
    fn a_model_loads_and_answers_as_onnxruntime_did() {
        let model = Model::open(&data("tiny-landmarks.toml")).unwrap();
        let mut net = model.network().unwrap();
        assert_eq!(net.inputs(), [("input".to_string(), [1, 1, 96, 96])]);
        assert_eq!(net.outputs()[0], ("landmarks".to_string(), vec![1, 70, 3]));
        assert_eq!(net.outputs()[1], ("presence".to_string(), vec![1, 1]));
        let a: Vec<f32> = (0..96 * 96).map(|i| (i % 97) as f32 / 48.5 - 1.0).collect();
        net.run(&[&a]).unwrap();
        let first = net.output(0).to_vec();
        net.run(&[&vec![0.0; 96 * 96]]).unwrap();
        assert_ne!(net.output(0), first);
        net.run(&[&a]).unwrap();
        assert_eq!(net.output(0), first, "runs do not leak into one another");
        assert!(net.run(&[&[0.0; 5]]).is_err());
    }

    #[test]
    fn a_tracker_answers_as_onnxruntime_did_and_is_no_face_network() {
        let model = Model::open(&data("tiny-tracker.toml")).unwrap();
        model.stages().unwrap();
        assert!(model.network().err().unwrap().to_string().contains("Tracker model"));
        let faces = Model::open(&data("tiny-landmarks.toml")).unwrap();
        assert!(faces.stages().err().unwrap().to_string().contains("wanted a tracker"));
    }

    #[test]
    fn a_fully_convolutional_model_is_built_for_other_sizes() {
        let model = Model::open(&data("tiny-detector.toml")).unwrap();
        let net = model.network_at(240, 320).unwrap();
        assert_eq!(net.outputs()[0].1, [1, 1, 60, 80]);
        assert_eq!(net.outputs()[1].1, [1, 14, 60, 80]);
    }

    #[test]
    fn a_changed_answer_is_fatal_and_a_changed_file_is_named() {
        let (dir, card) = edited("", "");
        let path = dir.path().join("tiny-landmarks.npy");
        let mut golden = std::fs::read(&path).unwrap();
        let last = golden.len() - 2;
        golden[last] ^= 0x40;
        std::fs::write(&path, golden).unwrap();
        let e = Model::open(&card).unwrap().network().err().unwrap();
        assert_eq!(e.remedy(), Remedy::Fatal);
        assert!(e.to_string().contains("presence[0]"), "{e}");

        let path = dir.path().join("tiny-landmarks.onnx");
        let mut onnx = std::fs::read(&path).unwrap();
        onnx[200] ^= 1;
        std::fs::write(&path, onnx).unwrap();
        let e = Model::open(&card).unwrap_err();
        assert!(e.remedy() == Remedy::Fix && e.to_string().contains("SHA-256"), "{e}");
    }

    #[test]
    fn a_card_that_promises_other_shapes_or_names_is_refused() {
        for (from, to, says) in [
            ("shape = [1, 70, 3]", "shape = [1, 68, 3]", "shape"),
            ("name = \"presence\"", "name = \"absence\"", "absence"),
            ("name = \"input\"", "name = \"picture\"", "picture"),
            ("height = 96\nwidth = 96", "height = 64\nwidth = 64", "tiny-landmarks"),
            ("channels = 1", "channels = 2\ncontrast_window = 25", "tiny-landmarks"),
        ] {
            let (_dir, card) = edited(from, to);
            let e = Model::open(&card).unwrap().network().err().unwrap_or_else(|| panic!("{to} was accepted"));
            assert!(e.remedy() == Remedy::Fix && e.to_string().contains(says), "{says}: {e}");
        }
    }

    #[test]
    fn one_model_is_the_default_for_each_task_use_and_precision() {
        for task in [Task::Detector, Task::Landmarks] {
            for usage in [Use::Stream, Use::Still] {
                for precision in [Precision::F32, Precision::Int8] {
                    let of_task = built_in().unwrap().iter().filter(|c| (c.task, c.precision) == (task, precision));
                    let defaults: Vec<_> = of_task.filter(|c| c.default_for.contains(&usage)).collect();
                    if !cfg!(feature = "base-model") && (task, usage) == (Task::Landmarks, Use::Still) {
                        assert!(Model::default_for(task, usage, precision).is_ok());
                        continue;
                    }
                    assert_eq!(defaults.len(), 1, "{task:?}, {usage:?}, {precision:?}: {defaults:?}");
                    assert_eq!(Model::default_for(task, usage, precision).unwrap(), defaults[0].name);
                }
            }
        }
        for card in built_in().unwrap() {
            assert_eq!(card.precision == Precision::Int8, card.name.ends_with("-int8"), "{}", card.name);
        }
    }

    #[test]
    fn every_built_in_model_passes_its_self_check() {
        for name in Model::names() {
            let model = Model::embedded(name).unwrap();
            assert!(model.golden.is_some(), "{name} has no golden file");
            match model.card().task {
                Task::Tracker => drop(model.stages().unwrap()),
                _ => drop(model.network().unwrap()),
            }
        }
        assert!(Model::embedded("no-such-model").unwrap_err().to_string().contains("built in"));
    }
}
