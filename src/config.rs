//! The configuration: one TOML file, composed of the settings of every module.
//!
//! Later over earlier: the defaults of the code, the file of the board, the file of the user, the
//! flags of the command line. Unknown keys are errors, and all errors are told at once. The text
//! about each key is the doc comment of the field ([`docs`]).

pub mod boards;
pub mod keys;
pub mod layers;
pub mod reference;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::layers::{Layers, Origin, Settled};
use crate::error::{Error, Result};
use crate::{face, pipeline, radiometry, render, sink, source};

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Board whose file in `boards/` is the layer under this file: its name, or `auto` to go by the
    /// device tree of the machine.
    pub board: String,
    /// What is logged.
    pub log: Log,
    /// Files and clips.
    pub source: source::Settings,
    /// Buffers, time limits and pauses of the path.
    pub pipeline: pipeline::Settings,
    /// Models, detection, following.
    pub face: face::Settings,
    /// The surface whose temperature is given.
    pub surface: radiometry::Settings,
    /// The picture and what is drawn over it.
    pub render: render::Settings,
    /// Where results and pictures go.
    pub sink: sink::Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            board: boards::AUTO.into(),
            log: Log::default(),
            source: source::Settings::default(),
            pipeline: pipeline::Settings::default(),
            face: face::Settings::default(),
            surface: radiometry::Settings::default(),
            render: render::Settings::default(),
            sink: sink::Settings::default(),
        }
    }
}

impl Config {
    /// The settings of a pipeline: results have room for every face that is followed, so that they never grow.
    pub fn path(&self) -> pipeline::Settings {
        pipeline::Settings { faces: self.pipeline.faces.max(self.face.max_faces), ..self.pipeline.clone() }
    }

    /// What is out of range, at most one problem per section.
    pub fn problems(&self) -> Vec<Error> {
        let sections = [
            self.source.validate(),
            self.pipeline.validate(),
            self.face.validate(),
            self.surface.validate(),
            self.render.validate(),
        ];
        sections.into_iter().filter_map(Result::err).chain(self.sink.problems()).collect()
    }
}

/// Messages of the program, on standard error.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The least important message that is still written.
    pub level: Level,
    /// Starts each line with the priority in the form that the systemd journal reads (`<4>`) instead
    /// of time and level.
    pub journal: bool,
}

/// Importance of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing is written.
    Off,
    /// What ends the program or an output.
    Error,
    /// What the program got over, and what is not as asked.
    Warn,
    /// What happens once or seldom.
    #[default]
    Info,
    /// Why it happens.
    Debug,
    /// Every frame.
    Trace,
}

impl From<Level> for log::LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Off => log::LevelFilter::Off,
            Level::Error => log::LevelFilter::Error,
            Level::Warn => log::LevelFilter::Warn,
            Level::Info => log::LevelFilter::Info,
            Level::Debug => log::LevelFilter::Debug,
            Level::Trace => log::LevelFilter::Trace,
        }
    }
}

/// What the command line says about the configuration.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The user's file.
    pub file: Option<PathBuf>,
    /// A board by name, or `auto`; overrides the file.
    pub board: Option<String>,
    /// `KEY=VALUE` of each `--set`.
    pub set: Vec<String>,
    /// Flags of their own: flag, key, value.
    pub flags: Vec<(&'static str, &'static str, toml::Value)>,
}

/// Largest configuration file that is read, bytes.
const MAX_FILE: u64 = 1 << 20;

/// Settles the configuration.
///
/// # Errors
/// Every problem of every layer; at least one.
pub fn load(given: &Given) -> Result<Settled<Config>, Vec<Error>> {
    let user = given.file.as_deref().map(read).transpose().map_err(|e| vec![e])?;
    let user = user.as_deref().zip(given.file.as_deref());
    let board = boards::choose(&wanted_board(given, user)).map_err(|e| vec![e])?;

    let mut layers = Layers::<Config>::new().map_err(|e| vec![e])?;
    layers.text(board.text, &[boards::ABOUT], &|line| Origin::Board(board.name.into(), line));
    if let Some((text, path)) = user {
        layers.text(text, &[], &|line| Origin::File(path.display().to_string(), line));
    }
    for (flag, path, value) in &given.flags {
        layers.flag(flag, path, value.clone());
    }
    if let Some(name) = &given.board {
        layers.flag("--board", "board", name.as_str());
    }
    for assignment in &given.set {
        layers.assign("--set", assignment);
    }
    layers.settle(&Config::problems)
}

/// The board must be known before its layer is laid; whatever is wrong with the file is told later.
fn wanted_board(given: &Given, user: Option<(&str, &Path)>) -> String {
    let set = given.set.iter().filter_map(|s| s.split_once('=')).filter(|(key, _)| key.trim() == "board");
    let set = set.map(|(_, value)| value.trim().trim_matches('"').to_string()).next_back();
    let from_file = || user?.0.parse::<toml::Table>().ok()?.get("board")?.as_str().map(str::to_string);
    set.or_else(|| given.board.clone()).or_else(from_file).unwrap_or_else(|| boards::AUTO.into())
}

fn read(path: &Path) -> Result<String> {
    let wrong = |e: std::io::Error| Error::fix(path.display(), "cannot be read as a configuration file").because(e);
    let size = std::fs::metadata(path).map_err(wrong)?.len();
    if size > MAX_FILE {
        return Err(Error::fix(path.display(), format_args!("has {size} bytes, wanted at most {MAX_FILE}")));
    }
    std::fs::read_to_string(path).map_err(wrong)
}
