//! Where results and pictures go. One file per output, one row in the table.

use crate::error::Result;
use crate::frame::Frame;
use crate::render::Canvas;
use crate::result::FrameResult;

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
        Wants {
            picture: self.picture || other.picture,
            json: self.json || other.json,
            raw: self.raw || other.raw,
        }
    }
}

/// Everything known about one presented frame.
#[derive(Clone, Copy)]
pub struct Output<'a> {
    /// The frame; `None` while there is no signal.
    pub frame: Option<&'a std::sync::Arc<Frame>>,
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

    /// Called once at the end: flush, close, join; bounded in time.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
