//! A recording in memory. It is played like frames in a driver's buffers, so that capture does not
//! include reading the file.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat};
use crate::source::{Read, Source};
use crate::units::Nanos;

/// Maximum number of frames in memory.
const HELD: usize = 600;
/// Time between two rounds if the recording has only one frame.
const PERIOD_NS: u64 = 111_000_000;

/// Frames in a loop; numbers and times keep rising.
pub struct Clip {
    name: String,
    frames: Vec<Frame>,
    handed: u64,
    /// Number of frames before the end; `None` for no end.
    limit: Option<u64>,
}

impl Clip {
    /// Reads `source` with `read`, to its end or to [`HELD`] frames.
    ///
    /// # Errors
    /// Those of the source; Fix if it has no frame.
    pub fn of(
        source: &mut dyn Source,
        mut read: impl FnMut(&mut dyn Source, &mut Frame) -> Result<Read>,
    ) -> Result<Self> {
        let mut frames = Vec::new();
        while frames.len() < HELD {
            let mut frame = Frame::new(source.format());
            match read(source, &mut frame)? {
                Read::Frame => frames.push(frame),
                Read::Idle => {}
                Read::End => break,
            }
        }
        if frames.is_empty() {
            return Err(Error::fix(source.name(), "holds no frame"));
        }
        Ok(Self { name: source.name().to_string(), frames, handed: 0, limit: None })
    }

    /// The same frames from the start; ends after `limit` frames.
    pub fn again(&self, limit: u64) -> Self {
        Self { name: self.name.clone(), frames: self.frames.clone(), handed: 0, limit: Some(limit) }
    }

    /// Frames of warm-up: at least one round, so that every buffer has grown to its largest size.
    pub fn warm_up(&self, wanted: u32) -> u32 {
        wanted.max(self.frames.len() as u32)
    }

    /// Length of a round: from the first frame to the first of the next round.
    fn round_ns(&self) -> u64 {
        let at = |i: usize| self.frames.get(i).map_or(0, |f| f.meta.captured.0);
        let last = self.frames.len() - 1;
        let period = if last > 0 { at(last).saturating_sub(at(last - 1)) } else { PERIOD_NS };
        at(last).saturating_sub(at(0)).saturating_add(period)
    }
}

impl Source for Clip {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> FrameFormat {
        self.frames[0].format
    }

    fn read(&mut self, into: &mut Frame, _: Duration) -> Result<Read> {
        if self.limit.is_some_and(|limit| self.handed >= limit) {
            return Ok(Read::End);
        }
        let count = self.frames.len() as u64;
        let (round, at) = (self.handed / count, (self.handed % count) as usize);
        let from = &self.frames[at];
        into.reshape(from.format);
        into.pixels.clone_from(&from.pixels);
        into.meta = from.meta;
        into.meta.seq = self.handed;
        into.meta.captured = Nanos(from.meta.captured.0.saturating_add(round.saturating_mul(self.round_ns())));
        into.meta.received = into.meta.captured;
        self.handed += 1;
        Ok(Read::Frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Signal;

    #[test]
    fn rounds_go_on_in_number_and_time() {
        let format = FrameFormat { width: 2, height: 1, signal: Signal::Counts, rate_hz: 10.0 };
        let frame = |ms: u64| {
            let mut frame = Frame::new(format);
            frame.meta.captured = Nanos(ms * 1_000_000);
            frame.pixels[0] = ms as u16;
            frame
        };
        let frames = vec![frame(50), frame(150), frame(250)];
        let mut clip = Clip { name: "clip".into(), frames, handed: 0, limit: Some(5) };
        let mut into = Frame::new(format);
        let mut seen = Vec::new();
        while clip.read(&mut into, Duration::ZERO).unwrap() == Read::Frame {
            seen.push((into.meta.seq, into.meta.captured.0 / 1_000_000, into.pixels[0]));
        }
        assert_eq!(seen, [(0, 50, 50), (1, 150, 150), (2, 250, 250), (3, 350, 50), (4, 450, 150)]);
    }
}
