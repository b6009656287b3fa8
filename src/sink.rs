//! Where results and pictures go. Each kind of output has its own file and a row in the table ([`SINKS`]).

pub mod boxes;
#[cfg(feature = "page")]
pub mod http;
mod hubs;
#[cfg(feature = "page")]
pub mod ndjson;
pub mod pictures;
pub mod record;
#[cfg(feature = "page")]
pub(crate) mod ring;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::hubs::Hubs;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::look::{Adjust, Aim};
use crate::picture::Canvas;
use crate::result::FrameResult;
use crate::status::Status;

/// The JSON schema (2020-12) of [`FrameResult`], printed by `heatmark schema`.
pub const RESULT_SCHEMA: &str = include_str!("sink/result.schema.json");

/// The JSON schema (2020-12) of the targets of a [`FrameResult`], printed by `heatmark schema track`.
pub const TRACK_SCHEMA: &str = include_str!("sink/track.schema.json");

/// What a sink needs. Only what some sink wants is produced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wants {
    /// The overlay picture ([`Output::picture`]).
    pub picture: bool,
    /// The result as one line of JSON ([`Output::json`]).
    pub json: bool,
    /// The raw 16-bit frame.
    pub raw: bool,
}

impl Wants {
    /// The union of both.
    #[must_use]
    pub fn or(self, other: Wants) -> Wants {
        Wants { picture: self.picture || other.picture, json: self.json || other.json, raw: self.raw || other.raw }
    }
}

/// All data about one presented frame.
#[derive(Clone, Copy)]
pub struct Output<'a> {
    /// The frame; `None` while there is no signal.
    pub frame: Option<&'a Arc<Frame>>,
    /// The faces and their temperatures.
    pub result: &'a FrameResult,
    /// The result as one line of JSON without a newline, if a sink wants it.
    pub json: Option<&'a str>,
    /// The overlay, if a sink wants it.
    pub picture: Option<&'a Canvas>,
}

/// An output. `put` runs on the output thread and must not block: a sink with a slow reader keeps
/// a bounded, newest-wins queue and its own thread, and counts what it lost.
pub trait Sink: Send {
    /// Name in logs and metrics.
    fn name(&self) -> &str;

    /// What it needs; may change between frames (the page wants pictures only while someone views it).
    fn wants(&self) -> Wants;

    /// Takes one frame's output.
    ///
    /// # Errors
    /// Returned when the sink cannot continue. The error ends this sink, never the pipeline.
    fn put(&mut self, out: &Output<'_>) -> Result<()>;

    /// Outputs lost so far because a reader was slow or absent.
    fn lost(&self) -> u64 {
        0
    }

    /// What it reports to the user of the program.
    fn report(&self) -> Option<Arc<dyn Report>> {
        None
    }

    /// Called once at the end: flush, close and join, within a bounded time.
    ///
    /// # Errors
    /// Some data could not be written.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What a sink reports to the user of the program; outlives the sink.
pub trait Report: Send + Sync {
    /// One line at the start: what was opened, and where.
    fn opened(&self) -> Option<String> {
        None
    }

    /// The address it listens on.
    fn address(&self) -> Option<SocketAddr> {
        None
    }

    /// One line at the end: what was done.
    fn done(&self) -> Option<String> {
        None
    }
}

/// The camera that sinks belong to.
#[derive(Clone)]
pub struct Camera {
    /// Its name in paths and labels: lower-case letters, digits and `-`; unique in the process.
    pub name: Arc<str>,
    /// Its number, from 1.
    pub number: usize,
    /// What its sinks share with the sinks of other cameras.
    pub hubs: Hubs,
}

impl Camera {
    /// The only camera of a process.
    pub fn only() -> Self {
        Self { name: Arc::from("camera-1"), number: 1, hubs: Hubs::default() }
    }

    /// A separate path for files that cameras cannot share. The first camera uses the path unchanged;
    /// further cameras append their number to the stem, as in `results-2.ndjson`.
    pub fn own(&self, path: &Path) -> PathBuf {
        numbered(path, self.number)
    }
}

/// The path unchanged for number 1; for others with the number after the stem, as in `results-2.ndjson`.
fn numbered(path: &Path, number: usize) -> PathBuf {
    if number == 1 {
        return path.to_path_buf();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{number}{ending}"))
}

/// The parts of the program that a sink may use.
#[derive(Clone)]
pub struct Hooks {
    /// The camera whose outputs these are.
    pub camera: Camera,
    /// Name of the landmark model in use.
    pub model: Arc<str>,
    /// Counters and latencies, for `/state` and `/metrics`.
    pub status: Arc<dyn Status>,
    /// What a viewer may change; with `None` no controls are shown.
    pub controls: Option<Arc<dyn Adjust>>,
    /// What a viewer may have tracked; `None` if faces are found instead.
    pub targets: Option<Arc<dyn Aim>>,
}

/// One kind of output, as configured in its section.
pub trait SinkKind {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::fix`] names the first key that is out of range.
    fn validate(&self) -> Result<()>;

    /// Opens the outputs that are switched on, in the order in which they are served.
    ///
    /// # Errors
    /// The first output that cannot be opened; outputs opened before it are closed.
    fn open(&self, hooks: &Hooks) -> Result<Vec<Box<dyn Sink>>>;
}

/// A row of [`SINKS`].
pub struct Row {
    /// The section of the configuration, below `sink`.
    pub name: &'static str,
    /// A description for users.
    pub doc: &'static str,
    /// Selects the configured kind.
    pub kind: fn(&Settings) -> &dyn SinkKind,
}

/// Makes [`Settings`] and [`SINKS`] from one list of fields, each a [`SinkKind`].
macro_rules! sinks {
    ($(#[$attribute:meta])* pub struct Settings {
        $($(#[cfg($feature:meta)])? $(#[doc = $doc:literal])+ pub $name:ident: $kind:ty,)+
    }) => {
        $(#[$attribute])*
        pub struct Settings {
            $($(#[cfg($feature)])? $(#[doc = $doc])+ pub $name: $kind,)+
        }

        /// Every kind of output, in the order in which they are opened and fed.
        pub const SINKS: &[Row] = &[$($(#[cfg($feature)])? Row {
            name: stringify!($name),
            doc: concat!($($doc),+).trim_ascii(),
            kind: |settings| &settings.$name,
        }),+];
    };
}

sinks! {
    /// Every output; each kind has a section of its own.
    #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    pub struct Settings {
        #[cfg(feature = "page")]
        /// The live page, its streams and metrics.
        pub http: http::Settings,
        #[cfg(feature = "page")]
        /// Results as lines of JSON.
        pub ndjson: ndjson::Settings,
        /// Recordings of raw frames.
        pub record: record::Settings,
    }
}

impl Settings {
    /// Settings that are out of range, at most one problem per kind.
    pub fn problems(&self) -> impl Iterator<Item = Error> + '_ {
        SINKS.iter().filter_map(|row| (row.kind)(self).validate().err())
    }
}

/// Opens every output that is switched on.
///
/// # Errors
/// The first setting that is out of range, or the first output that cannot be opened; outputs opened
/// before it are closed.
pub fn open_all(settings: &Settings, hooks: &Hooks) -> Result<Vec<Box<dyn Sink>>> {
    if let Some(problem) = settings.problems().next() {
        return Err(problem);
    }
    let mut sinks = Vec::new();
    for row in SINKS {
        sinks.extend((row.kind)(settings).open(hooks)?);
    }
    Ok(sinks)
}

/// True if `error` means that the reader of an output has closed it: the normal end of a pipe.
pub fn is_reader_gone(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(e) = cause {
        if e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) {
            return true;
        }
        cause = e.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_cameras_have_files_of_their_own() {
        let only = Camera::only();
        let third = Camera { number: 3, ..Camera::only() };
        for (path, own) in [("/tmp/out.ndjson", "/tmp/out-3.ndjson"), ("run/h.sock", "run/h-3.sock"), ("out", "out-3")]
        {
            assert_eq!((only.own(path.as_ref()), third.own(path.as_ref())), (path.into(), own.into()));
        }
    }

    #[cfg(feature = "page")]
    #[test]
    fn every_kind_has_a_row() {
        let names: Vec<_> = SINKS.iter().map(|row| row.name).collect();
        assert_eq!(names, ["http", "ndjson", "record"]);
        assert!(SINKS.iter().all(|row| !row.doc.is_empty() && row.doc == row.doc.trim()));
        let mut settings = Settings::default();
        settings.http.max_clients = 0;
        settings.ndjson.unix_readers = 0;
        let keys: Vec<_> = settings.problems().map(|e| e.subject().to_string()).collect();
        assert_eq!(keys, ["sink.http.max_clients", "sink.ndjson.unix_readers"]);
    }
}
