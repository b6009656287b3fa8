//! A gzip stream read to exact lengths.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::{CameraInfo, Clip};
use crate::error::Error;
use crate::frame::{Frame, FrameFormat};

/// A gzip-compressed file, decompressed as it is read.
pub(super) struct Gzip<R: Read> {
    inner: MultiGzDecoder<BufReader<R>>,
}

impl<R: Read> Gzip<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner: MultiGzDecoder::new(BufReader::with_capacity(64 << 10, inner)) }
    }

    /// `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// One byte, or `None` at a clean end.
    pub(super) fn byte_or_end(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        loop {
            match self.inner.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => return Ok(Some(byte[0])),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Fills `into`.
    pub(super) fn fill(&mut self, into: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(into)
    }
}

/// `Fix`: the header cannot be read.
pub(super) fn unreadable(name: &str, what: &str, cause: io::Error) -> Error {
    Error::fix(name, format_args!("{what} cannot be read")).because(cause)
}

/// `InvalidData` with a message.
pub(super) fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

/// Reads little-endian counts from `bytes`, which holds two bytes per pixel.
pub(super) fn counts_le(bytes: &[u8], pixels: &mut [u16]) {
    for (pixel, pair) in pixels.iter_mut().zip(bytes.chunks_exact(2)) {
        *pixel = u16::from_le_bytes([pair[0], pair[1]]);
    }
}

/// A recording in one gzip stream. Frames are read in order and a damaged one cannot be skipped.
pub(super) trait GzipClip: Send {
    /// State of the recording.
    fn progress(&self) -> &Progress;

    /// The same, mutable.
    fn progress_mut(&mut self) -> &mut Progress;

    /// Fills `into` with the next frame; `false` at a clean end, an error if the stream is damaged.
    fn next(&mut self, into: &mut Frame) -> io::Result<bool>;
}

/// Facts about a recording, how far it was read, and why reading stopped.
#[derive(Debug)]
pub(super) struct Progress {
    /// The format of all frames.
    pub(super) format: FrameFormat,
    /// The camera, if the file says.
    pub(super) camera: CameraInfo,
    /// Frames read so far.
    pub(super) frames: u64,
    /// Why the rest cannot be read; `None` if nothing is wrong.
    truncation: Option<String>,
}

impl Progress {
    /// The state before the first frame is read.
    pub(super) fn new(format: FrameFormat, camera: CameraInfo) -> Self {
        Self { format, camera, frames: 0, truncation: None }
    }
}

impl<C: GzipClip> Clip for C {
    fn format(&self) -> FrameFormat {
        self.progress().format
    }

    fn camera(&self) -> &CameraInfo {
        &self.progress().camera
    }

    fn read(&mut self, into: &mut Frame) -> bool {
        if self.progress().truncation.is_some() {
            return false;
        }
        let read = self.next(into);
        let progress = self.progress_mut();
        match read {
            Ok(more) => {
                progress.frames += u64::from(more);
                more
            }
            Err(e) => {
                progress.truncation = Some(format!("damaged after {} frames: {e}", progress.frames));
                false
            }
        }
    }

    fn truncation(&self) -> Option<&str> {
        self.progress().truncation.as_deref()
    }
}
