//! A Unix stream socket for any number of readers.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};

use super::super::ring::{Next, Ring};
use super::super::{Output, Sink, Wants};
use super::LINES;
use crate::error::{Error, Result};

/// A reader that accepts no data for this long is dropped.
const SILENT: Duration = Duration::from_secs(5);

/// Sends lines to every reader of a Unix socket. Each reader has its own position in a bounded ring:
/// a slow reader loses lines, which are counted, and a silent one is dropped.
pub struct UnixSink {
    ring: Arc<Ring>,
    lost: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
    /// Device and inode of our socket, so that no other file is removed at the end.
    identity: Option<(u64, u64)>,
}

impl UnixSink {
    /// Listens on `path`. Replaces a socket file whose owner is gone, never one that answers.
    ///
    /// # Errors
    /// [`Error::fix`] if another process listens there or the socket cannot be created.
    pub fn open(path: &Path, mode: u32, readers: usize) -> Result<Self> {
        let listener = listen(path)?;
        let failed = |e| Error::fix(path.display(), "cannot be set up as a socket").because(e);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let identity = identity(path);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (ring, lost) = (Ring::new(LINES), Arc::new(AtomicU64::new(0)));
        let (r, l) = (Arc::clone(&ring), Arc::clone(&lost));
        // Subscribe before anything can close the ring, so that the end is never missed.
        let head = ring.subscribe();
        let thread = std::thread::Builder::new()
            .name("lines-unix".into())
            .spawn(move || runtime.block_on(serve(listener, r, head, l, readers)))
            .map_err(failed)?;
        Ok(Self { ring, lost, thread: Some(thread), path: path.into(), identity })
    }
}

impl Sink for UnixSink {
    fn name(&self) -> &str {
        "unix"
    }

    fn wants(&self) -> Wants {
        // The listener itself holds one subscription.
        Wants { json: self.ring.readers() > 1, ..Wants::default() }
    }

    fn put(&mut self, out: &Output<'_>) -> Result<()> {
        if let Some(line) = out.json {
            self.ring.push(line);
        }
        Ok(())
    }

    fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn finish(&mut self) -> Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.ring.close();
        let _ = thread.join();
        if self.identity.is_some() && self.identity == identity(&self.path) {
            fs::remove_file(&self.path).map_err(|e| Error::fix(self.path.display(), "cannot be removed").because(e))?;
        }
        Ok(())
    }
}

impl Drop for UnixSink {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

/// Binds `path`, replacing a dead socket but never a live one: the file is first moved aside and
/// probed again, so that a socket bound in between is detected and put back.
fn listen(path: &Path) -> Result<StdListener> {
    let taken = || Error::fix(path.display(), "another process listens there");
    for _ in 0..3 {
        match StdListener::bind(path) {
            Ok(listener) => return Ok(listener),
            Err(e) if e.kind() == ErrorKind::AddrInUse => {}
            Err(e) => return Err(Error::fix(path.display(), "cannot be made a socket").because(e)),
        }
        match fs::symlink_metadata(path) {
            Ok(m) if m.file_type().is_socket() => {}
            Ok(_) => return Err(Error::fix(path.display(), "exists and is not a socket")),
            // Removed in the meantime: try again.
            Err(_) => continue,
        }
        if !dead(path) {
            return Err(taken());
        }
        let aside = path.with_extension(format!("stale-{}", std::process::id()));
        if fs::rename(path, &aside).is_err() {
            continue;
        }
        if !dead(&aside) {
            let _ = fs::rename(&aside, path);
            return Err(taken());
        }
        let _ = fs::remove_file(&aside);
    }
    Err(taken())
}

/// True if nobody listens on this socket file.
fn dead(path: &Path) -> bool {
    StdStream::connect(path).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
}

async fn serve(
    listener: StdListener,
    ring: Arc<Ring>,
    mut head: watch::Receiver<u64>,
    lost: Arc<AtomicU64>,
    readers: usize,
) {
    let Ok(listener) = UnixListener::from_std(listener) else { return };
    let seats = Arc::new(Semaphore::new(readers));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
                        log::warn!("unix: a reader beyond {readers} was turned away");
                        continue;
                    };
                    let (ring, lost) = (Arc::clone(&ring), Arc::clone(&lost));
                    tokio::spawn(async move {
                        feed(stream, &ring, &lost).await;
                        drop(seat);
                    });
                }
                // Out of descriptors: give readers a moment to leave.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            _ = head.changed() => if ring.is_closed() {
                // Readers get the rest of the ring, within the time limit for silent readers.
                let all = u32::try_from(readers).unwrap_or(u32::MAX);
                let _ = tokio::time::timeout(Duration::from_secs(1), seats.acquire_many(all)).await;
                return;
            },
        }
    }
}

/// A reader's position in the ring; lines not yet sent when it is dropped count as lost.
struct Place<'a> {
    ring: &'a Ring,
    lost: &'a AtomicU64,
    at: u64,
    gone: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // Nothing is lost for a reader that left.
        if !self.gone {
            self.lost.fetch_add(self.ring.now().saturating_sub(self.at), Ordering::Relaxed);
        }
    }
}

async fn feed(mut stream: UnixStream, ring: &Ring, lost: &AtomicU64) {
    let mut head = ring.subscribe();
    let mut place = Place { ring, lost, at: ring.now(), gone: false };
    let (mut line, mut ignored, mut talks) = (String::new(), [0; 64], true);
    loop {
        match ring.read(&mut place.at, &mut line) {
            Next::Closed => return,
            Next::Empty => {
                tokio::select! {
                    changed = head.changed() => if changed.is_err() { return },
                    // Input from a reader is ignored, and it may close its half; an error means that it is gone.
                    heard = stream.read(&mut ignored), if talks => match heard {
                        Ok(n) => talks = n > 0,
                        Err(_) => return place.gone = true,
                    },
                }
                continue;
            }
            Next::Lagged(n) => {
                lost.fetch_add(n, Ordering::Relaxed);
            }
            Next::Line => {}
        }
        line.push('\n');
        match tokio::time::timeout(SILENT, stream.write_all(line.as_bytes())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return place.gone = true,
            Err(_) => {
                log::info!("unix: a reader took nothing for {} s and was dropped", SILENT.as_secs());
                return;
            }
        }
    }
}
