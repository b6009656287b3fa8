//! Keeps a growing file valid at all times.

use std::fs::File;
use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a recording is written to: a file, or memory in tests.
pub trait Medium: Write + Seek + Send {
    /// Forces everything written to the disk.
    ///
    /// # Errors
    /// Those of the operating system.
    fn sync(&mut self) -> io::Result<()>;

    /// Shortens the medium to `len` bytes.
    ///
    /// # Errors
    /// Those of the operating system.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

impl Medium for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

impl Medium for Cursor<Vec<u8>> {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.get_mut().truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }
}

/// Buffers writes beyond the committed end, and changes to bytes before it, until
/// [`Shared::commit`] writes first the new bytes and then the changes.
///
/// A TIFF page is found through a four-byte link in the page before it. In this order a link never
/// leads to an incomplete page, wherever the process dies.
pub(super) struct Tail<M> {
    medium: M,
    /// Committed length.
    base: u64,
    tail: Vec<u8>,
    patches: Vec<(u64, Vec<u8>)>,
    at: u64,
}

impl<M: Medium> Tail<M> {
    fn end(&self) -> u64 {
        self.base + self.tail.len() as u64
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.at < self.base {
            if self.at + bytes.len() as u64 > self.base {
                return Err(io::Error::other("a change across the committed end"));
            }
            self.patches.push((self.at, bytes.to_vec()));
        } else {
            let start = usize::try_from(self.at - self.base).map_err(io::Error::other)?;
            let stop = start + bytes.len();
            if self.tail.len() < stop {
                self.tail.resize(stop, 0);
            }
            self.tail[start..stop].copy_from_slice(bytes);
        }
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn commit(&mut self) -> io::Result<()> {
        let appended = self.medium.seek(SeekFrom::Start(self.base)).and_then(|_| self.medium.write_all(&self.tail));
        if let Err(e) = appended {
            // The unlinked rest does not harm readers; freeing it helps a full disk.
            let _ = self.medium.truncate(self.base);
            return Err(e);
        }
        self.base = self.end();
        self.tail.clear();
        for (at, bytes) in self.patches.drain(..) {
            self.medium.seek(SeekFrom::Start(at))?;
            self.medium.write_all(&bytes)?;
        }
        self.medium.flush()
    }
}

/// The handle shared by the encoder and the writer.
pub(super) struct Shared<M>(Arc<Mutex<Tail<M>>>);

impl<M> Clone for Shared<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Medium> Shared<M> {
    /// Writes to `medium`, which is empty.
    pub(super) fn new(medium: M) -> Self {
        Self(Arc::new(Mutex::new(Tail { medium, base: 0, tail: Vec::new(), patches: Vec::new(), at: 0 })))
    }

    fn lock(&self) -> MutexGuard<'_, Tail<M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes everything buffered to the medium. If that fails, earlier commits stay whole.
    pub(super) fn commit(&self) -> io::Result<()> {
        self.lock().commit()
    }

    /// Length including buffered writes.
    pub(super) fn len(&self) -> u64 {
        self.lock().end()
    }

    /// See [`Medium::sync`].
    pub(super) fn sync(&self) -> io::Result<()> {
        self.lock().medium.sync()
    }

    /// The medium, if no other handle is left.
    pub(super) fn into_medium(self) -> Option<M> {
        let tail = Arc::into_inner(self.0)?;
        Some(tail.into_inner().unwrap_or_else(PoisonError::into_inner).medium)
    }
}

impl<M: Medium> Write for Shared<M> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<M: Medium> Seek for Shared<M> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let mut tail = self.lock();
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => tail.end().checked_add_signed(by),
            SeekFrom::Current(by) => tail.at.checked_add_signed(by),
        };
        tail.at = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(tail.at)
    }
}
