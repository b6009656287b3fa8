//! Where frames come from.

use std::time::Duration;

use crate::error::Result;
use crate::frame::{Frame, FrameFormat};

/// What one call of [`Source::read`] brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// `into` holds a new frame.
    Frame,
    /// Nothing arrived within the wait; `into` is untouched or garbage.
    Idle,
    /// Nothing will ever arrive again.
    End,
}

/// A camera, a file or a scene.
pub trait Source: Send {
    /// Name in results and logs ("demo", "replay:clip.tiff").
    fn name(&self) -> &str;

    /// The current format; may change between reads, and a frame always carries its own.
    fn format(&self) -> FrameFormat;

    /// Blocks for at most `wait` and fills `into` (reshaping it where the format changed).
    ///
    /// Never allocates once the largest format was seen. `into.meta.seq` counts what the source
    /// produced, so that a gap shows what was lost before us; `into.meta.captured` is when the
    /// frame was captured on the recording's or driver's own clock (the pipeline maps it for
    /// recordings). An error means: drop this source and open it again.
    fn read(&mut self, into: &mut Frame, wait: Duration) -> Result<Read>;
}
