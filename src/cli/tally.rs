//! Counts faces and tracks for the summary.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::error::Result;
use crate::sink::{Output, Sink, Wants};

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Seen {
    /// Faces that were told apart.
    pub tracks: AtomicU64,
    /// Frames with at least one face.
    pub frames: AtomicU64,
    /// Most faces in one frame.
    pub most: AtomicU64,
}

/// A sink that only counts.
pub struct Tally {
    seen: Arc<Seen>,
    newest: Option<u64>,
}

impl Tally {
    /// Counts into `seen`.
    pub fn new(seen: &Arc<Seen>) -> Self {
        Self { seen: Arc::clone(seen), newest: None }
    }
}

impl Sink for Tally {
    fn name(&self) -> &str {
        "tally"
    }

    fn wants(&self) -> Wants {
        Wants::default()
    }

    fn put(&mut self, out: &Output<'_>) -> Result<()> {
        let faces = &out.result.faces;
        if faces.is_empty() {
            return Ok(());
        }
        self.seen.frames.fetch_add(1, Relaxed);
        self.seen.most.fetch_max(faces.len() as u64, Relaxed);
        // Track numbers rise and are never used again.
        for face in faces {
            if self.newest.is_none_or(|newest| face.track > newest) {
                self.newest = Some(face.track);
                self.seen.tracks.fetch_add(1, Relaxed);
            }
        }
        Ok(())
    }
}
