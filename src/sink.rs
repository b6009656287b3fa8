//! Where results and pictures go. One file per output, one row in the table.

pub mod http;
pub mod ndjson;
pub mod record;
pub(crate) mod ring;
pub mod status;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::status::{Change, Choices, Controls, Look, Range, Snapshot, Status, Times};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::picture::Canvas;
use crate::result::FrameResult;

/// The JSON schema (2020-12) of [`FrameResult`], printed by `heatmark schema`.
pub const RESULT_SCHEMA: &str = include_str!("sink/result.schema.json");

/// What a sink needs; nothing that no sink wants is made.
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
    /// What either needs.
    #[must_use]
    pub fn or(self, other: Wants) -> Wants {
        Wants { picture: self.picture || other.picture, json: self.json || other.json, raw: self.raw || other.raw }
    }
}

/// Everything known about one presented frame.
#[derive(Clone, Copy)]
pub struct Output<'a> {
    /// The frame; `None` while there is no signal.
    pub frame: Option<&'a Arc<Frame>>,
    /// The faces and their temperatures.
    pub result: &'a FrameResult,
    /// The result as one line of JSON without a newline, where a sink wants it.
    pub json: Option<&'a str>,
    /// The overlay, where a sink wants it.
    pub picture: Option<&'a Canvas>,
}

/// An output. Called on the output thread, so `put` never blocks: a sink with a slow reader keeps
/// a bounded, newest-wins queue and a thread of its own, and counts what it lost.
pub trait Sink: Send {
    /// Name in logs and metrics.
    fn name(&self) -> &str;

    /// What it needs; may change between frames (the page wants pictures only while someone looks).
    fn wants(&self) -> Wants;

    /// Takes one frame's output. An error ends this sink, never the pipeline.
    fn put(&mut self, out: &Output<'_>) -> Result<()>;

    /// Outputs lost so far because a reader was behind or away.
    fn lost(&self) -> u64 {
        0
    }

    /// Called once at the end: flush, close, join; bounded in time.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Every output that a table of the configuration switches on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The page, its streams and metrics.
    pub http: http::Settings,
    /// Results as lines of JSON.
    pub ndjson: ndjson::Settings,
}

impl Settings {
    /// Checks every range of every output.
    pub fn validate(&self) -> Result<()> {
        self.http.validate()?;
        self.ndjson.validate()
    }
}

/// What the outputs may ask of the rest of the program.
#[derive(Clone)]
pub struct Hooks {
    /// Counters and times for `/state` and `/metrics`.
    pub status: Arc<dyn Status>,
    /// What the page may change; `None` shows no controls.
    pub controls: Option<Arc<dyn Controls>>,
}

/// Opens an output, or says that it is not switched on.
pub type Open = fn(&Settings, &Hooks) -> Result<Option<Box<dyn Sink>>>;

/// One kind of output.
pub struct Row {
    /// Name in logs, metrics and lists.
    pub name: &'static str,
    /// What it is, for people.
    pub doc: &'static str,
    /// How it is opened.
    pub open: Open,
}

/// Every output, in the order in which they are opened and fed.
pub const SINKS: [Row; 5] = [
    Row { name: "http", doc: "page with the live picture, streams, events and metrics", open: open_http },
    Row { name: "stdout", doc: "results as lines of JSON to standard output", open: open_stdout },
    Row { name: "file", doc: "results as lines of JSON appended to a file", open: open_file },
    Row { name: "unix", doc: "results as lines of JSON to the readers of a Unix socket", open: open_unix },
    Row { name: "udp", doc: "results as UDP datagrams of JSON", open: open_udp },
];

/// Opens every output that is switched on; the first that cannot be opened is an error, and those
/// opened before it are closed again.
pub fn open_all(settings: &Settings, hooks: &Hooks) -> Result<Vec<Box<dyn Sink>>> {
    settings.validate()?;
    let opened = SINKS.iter().map(|row| (row.open)(settings, hooks));
    opened.filter_map(Result::transpose).collect()
}

fn open_http(settings: &Settings, hooks: &Hooks) -> Result<Option<Box<dyn Sink>>> {
    if !settings.http.enabled {
        return Ok(None);
    }
    Ok(Some(Box::new(http::HttpSink::open(&settings.http, hooks)?)))
}

fn open_stdout(settings: &Settings, _: &Hooks) -> Result<Option<Box<dyn Sink>>> {
    if !settings.ndjson.stdout {
        return Ok(None);
    }
    Ok(Some(Box::new(ndjson::LineSink::stdout(&settings.ndjson)?)))
}

fn open_file(settings: &Settings, _: &Hooks) -> Result<Option<Box<dyn Sink>>> {
    let Some(path) = &settings.ndjson.file else { return Ok(None) };
    Ok(Some(Box::new(ndjson::LineSink::file(path, &settings.ndjson)?)))
}

fn open_unix(settings: &Settings, _: &Hooks) -> Result<Option<Box<dyn Sink>>> {
    let s = &settings.ndjson;
    let Some(path) = &s.unix else { return Ok(None) };
    Ok(Some(Box::new(ndjson::UnixSink::open(path, s.unix_mode, s.unix_readers)?)))
}

fn open_udp(settings: &Settings, _: &Hooks) -> Result<Option<Box<dyn Sink>>> {
    let s = &settings.ndjson;
    let Some(to) = &s.udp else { return Ok(None) };
    Ok(Some(Box::new(ndjson::UdpSink::open(to, s.udp_max_bytes)?)))
}

/// True where `error` says that the reader of an output has closed it, which ends a pipe in peace.
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
