//! A thread for writing lines to a writer that may block.

use std::fmt::Display;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::super::ring::{Next, Ring};
use super::LINES;
use crate::error::{Error, Result};

/// Default for the longest wait for a blocked writer at the end.
const LAST_LINES: Duration = Duration::from_secs(2);
/// How often an idle writer checks whether it should end.
const IDLE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Shared {
    lost: AtomicU64,
    failed: AtomicBool,
    error: Mutex<Option<Error>>,
}

/// Queue of lines for one blocking writer.
pub(super) struct Outlet {
    ring: Arc<Ring>,
    shared: Arc<Shared>,
    subject: String,
    thread: Option<JoinHandle<()>>,
}

impl Outlet {
    /// Starts the thread `lines-NAME`, which owns `writer`.
    pub(super) fn start(name: &str, subject: impl Display, writer: impl Write + Send + 'static) -> Result<Self> {
        let (ring, shared, subject) = (Ring::new(LINES), Arc::new(Shared::default()), subject.to_string());
        let (r, s, about) = (Arc::clone(&ring), Arc::clone(&shared), subject.clone());
        let thread = std::thread::Builder::new()
            .name(format!("lines-{name}"))
            .spawn(move || write_lines(&r, &s, &about, writer))
            .map_err(|e| Error::fatal(&subject, "its thread cannot be started").because(e))?;
        Ok(Self { ring, shared, subject, thread: Some(thread) })
    }

    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Lines lost because the writer was too slow.
    pub(super) fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// The error that ended the writer; returned in full only once.
    pub(super) fn check(&self) -> Result<()> {
        if !self.shared.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let error = self.shared.error.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(error.unwrap_or_else(|| Error::retry(&self.subject, "has ended")))
    }

    /// Writes the remaining lines, for at most `limit` ([`LAST_LINES`] by default). A writer that is still
    /// blocked then is abandoned, because nothing can interrupt it.
    pub(super) fn finish(&mut self, limit: Option<Duration>) -> Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let written = self.ring.drained(limit.unwrap_or(LAST_LINES));
        self.ring.close();
        if written {
            let _ = thread.join();
            return self.check();
        }
        Err(Error::retry(&self.subject, "is blocked; its last lines were not written"))
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        let _ = self.finish(None);
    }
}

fn write_lines(ring: &Ring, shared: &Shared, subject: &str, mut writer: impl Write) {
    let (mut at, mut line) = (0, String::new());
    loop {
        match ring.read_waiting(&mut at, &mut line, IDLE) {
            Next::Empty => continue,
            Next::Closed => return,
            Next::Line => {}
            Next::Lagged(n) => {
                if shared.lost.fetch_add(n, Ordering::Relaxed) == 0 {
                    log::warn!("{subject}: slower than the results; further losses are only counted");
                }
            }
        }
        line.push('\n');
        // One write per line, so that lines of several processes never mix and none is delayed.
        if let Err(e) = writer.write_all(line.as_bytes()).and_then(|()| writer.flush()) {
            let error = match e.kind() {
                ErrorKind::BrokenPipe => Error::retry(subject, "its reader has gone"),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::fix(subject, "the disk is full"),
                _ => Error::fix(subject, "cannot be written"),
            };
            *shared.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.because(e));
            shared.failed.store(true, Ordering::Release);
            // Closed so that nobody waits for a writer that has ended.
            ring.close();
            ring.finished(u64::MAX);
            return;
        }
        ring.finished(at);
    }
}

/// Opens `path` for appending and terminates an incomplete last line (after a full disk or a power cut).
pub(super) fn append(path: &Path) -> Result<File> {
    let failed = |e| Error::fix(path.display(), "cannot be opened for appending").because(e);
    let mut file = File::options().create(true).append(true).read(true).open(path).map_err(failed)?;
    // Pipes and devices have no end to seek to and no earlier content.
    if file.metadata().map_err(failed)?.is_file() && file.seek(SeekFrom::End(0)).map_err(failed)? > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).map_err(failed)?;
        if last != *b"\n" {
            file.write_all(b"\n").map_err(failed)?;
        }
    }
    Ok(file)
}
