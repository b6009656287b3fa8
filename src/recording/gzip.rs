//! A gzip stream read to exact lengths.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

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

/// An unreadable beginning, which is a person's to mend.
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

/// `Result` of a step that may find the end of the recording.
pub(super) type Step = Result<bool, io::Error>;

/// How far a recording was read, and why no further.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Frames so far.
    pub(super) frames: u64,
    /// Why the rest cannot be read; `None` where there is none or nothing is wrong.
    pub(super) cut: Option<String>,
}

impl Progress {
    /// True where a step brought a frame; damage ends the recording and is kept.
    pub(super) fn went_on(&mut self, step: Step) -> bool {
        step.unwrap_or_else(|e| {
            self.cut = Some(format!("damaged after {} frames: {e}", self.frames));
            false
        })
    }
}
