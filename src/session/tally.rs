//! Counts faces, tracks and targets for the summary at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::error::Result;
use crate::result::TargetState;
use crate::sink::{Output, Sink, Wants};

/// Counts so far.
#[derive(Debug, Default)]
pub struct FaceCounts {
    /// Distinct face tracks, over time.
    pub tracks: AtomicU64,
    /// Frames with at least one face.
    pub frames: AtomicU64,
    /// Most faces in one frame.
    pub most: AtomicU64,
    /// Distinct targets, over time.
    pub targets: AtomicU64,
    /// Frames with a target that is followed, seen or not.
    pub followed: AtomicU64,
    /// Frames in which at least one target is seen.
    pub seen: AtomicU64,
}

/// A sink that only counts.
pub struct Tally {
    counts: Arc<FaceCounts>,
    newest: Option<u64>,
}

impl Tally {
    /// Counts into `counts`.
    pub fn new(counts: &Arc<FaceCounts>) -> Self {
        Self { counts: Arc::clone(counts), newest: None }
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
        let targets = &out.result.targets;
        if out.frame.is_some() && !targets.is_empty() {
            self.counts.followed.fetch_add(1, Relaxed);
            self.counts.seen.fetch_add(targets.iter().any(|t| t.state == TargetState::Tracked).into(), Relaxed);
            // Target numbers begin at 1 and are never reused.
            self.counts.targets.fetch_max(targets.iter().map(|t| t.id.into()).max().unwrap_or(0), Relaxed);
        }
        let faces = &out.result.faces;
        if faces.is_empty() {
            return Ok(());
        }
        self.counts.frames.fetch_add(1, Relaxed);
        self.counts.most.fetch_max(faces.len() as u64, Relaxed);
        // Track numbers rise and are never reused.
        for face in faces {
            if self.newest.is_none_or(|newest| face.track > newest) {
                self.newest = Some(face.track);
                self.counts.tracks.fetch_add(1, Relaxed);
            }
        }
        Ok(())
    }
}
