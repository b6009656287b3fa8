//! The configuration: one TOML file, composed of the settings of every module.
//!
//! Four layers, each overriding the one before: the defaults of the code, the file of the board, the file of the user,
//! the flags of the command line. Unknown keys are errors, and all errors are reported at once. Everything about a key
//! is on its field: the doc comment is its text in the reference ([`mod@reference`]), `#[schemars(range(..))]` its range
//! ([`crate::ranges`]).

pub mod boards;
pub mod keys;
pub mod layers;
pub mod reference;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::layers::{Layers, Origin, Settled};
use crate::error::{Error, Result};
use crate::{face, pipeline, radiometry, render, sink, source, track};

/// All settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Board whose settings this file overrides: a name that `heatmark config boards` lists, or `auto` for the board
    /// that the device tree names.
    pub board: String,
    /// Messages of the program, on standard error.
    pub log: Log,
    /// Where frames come from: cameras and files.
    pub source: source::Settings,
    /// Buffers and time limits of the pipeline.
    pub pipeline: pipeline::Settings,
    /// Face detection, landmarks and tracking.
    pub face: face::Settings,
    /// Tracking of targets of any kind.
    pub track: track::Settings,
    /// The surface whose temperature is measured.
    pub surface: radiometry::Settings,
    /// The picture and what is drawn on it.
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
            track: track::Settings::default(),
            surface: radiometry::Settings::default(),
            render: render::Settings::default(),
            sink: sink::Settings::default(),
        }
    }
}

impl Config {
    /// The settings of the pipeline, with room in each result for every tracked face, so that results never grow.
    pub fn path(&self) -> pipeline::Settings {
        pipeline::Settings { faces: self.pipeline.faces.max(self.face.max_faces), ..self.pipeline.clone() }
    }

    /// Settings out of range, at most one for each section.
    pub fn problems(&self) -> Vec<Error> {
        let sections = [
            self.source.validate(),
            self.pipeline.validate(),
            self.face.validate(),
            self.track.validate(),
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
    /// Lowest level of the messages that are written.
    pub level: Level,
    /// Starts each line with its priority as the systemd journal reads it (`<4>`), instead of time and level.
    pub journal: bool,
}

/// Level of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// No messages.
    Off,
    /// Errors that end the program or an output.
    Error,
    /// Errors that the program recovered from, and requests that it cannot fulfil.
    Warn,
    /// Events that happen once or rarely.
    #[default]
    Info,
    /// Reasons for events.
    Debug,
    /// Events of every frame.
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

/// Configuration given on the command line.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The user's file.
    pub file: Option<PathBuf>,
    /// A board by name, or `auto`; overrides the user's file.
    pub board: Option<String>,
    /// `KEY=VALUE` of each `--set`.
    pub set: Vec<String>,
    /// Flags that set one key: flag, key, value.
    pub flags: Vec<(&'static str, &'static str, toml::Value)>,
}

/// Limit of a configuration file, bytes.
const MAX_FILE: u64 = 1 << 20;

/// Loads and merges all layers.
///
/// # Errors
/// Every problem of every layer.
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

/// The board's name, needed before the layers are read. Errors in the file are reported later.
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
