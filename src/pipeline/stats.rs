//! Counters: every lost frame has a reason.
//!
//! `captured == presented + dropped.sum() + in_flight` holds in every [`Counts`] that [`Stats::counts`]
//! returns. `in_flight` is counted separately, not derived: each event changes two counters between
//! two marks, and a reader accepts only a view during which no event was in progress. Writers never
//! wait for a reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::result::{DropCounts, DropReason};
use crate::status::Counts;

/// The counters of one pipeline.
#[derive(Debug, Default)]
pub struct Stats {
    // Number of events begun and ended; equal if none is in progress.
    begun: AtomicU64,
    ended: AtomicU64,
    captured: AtomicU64,
    presented: AtomicU64,
    in_flight: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
}

/// Attempts to read the counters at rest before `in_flight` is derived instead. An event takes
/// nanoseconds and there are a few hundred per second.
const TRIES: u32 = 1_000;

impl Stats {
    /// Counts a captured frame, which is in flight until its [`InFlight`] reports its end.
    pub fn captured(self: &Arc<Self>) -> InFlight {
        self.event(|s| {
            s.captured.fetch_add(1, SeqCst);
            s.in_flight.fetch_add(1, SeqCst);
        });
        InFlight { stats: Some(Arc::clone(self)) }
    }

    /// Counts `frames` that never reached us as captured and immediately lost.
    pub fn lost(&self, frames: u64, reason: DropReason) {
        self.event(|s| {
            s.captured.fetch_add(frames, SeqCst);
            s.dropped[reason as usize].fetch_add(frames, SeqCst);
        });
    }

    /// Frames lost so far.
    pub fn dropped(&self) -> DropCounts {
        let of = |reason: DropReason| self.dropped[reason as usize].load(SeqCst);
        DropCounts {
            driver: of(DropReason::Driver),
            no_buffer: of(DropReason::NoBuffer),
            superseded: of(DropReason::Superseded),
            corrupt: of(DropReason::Corrupt),
            calibrating: of(DropReason::Calibrating),
            sink_behind: of(DropReason::SinkBehind),
            stopping: of(DropReason::Stopping),
        }
    }

    /// The counters at a moment when no event was in progress.
    pub fn counts(&self) -> Counts {
        for _ in 0..TRIES {
            let ended = self.ended.load(SeqCst);
            let counts = self.view();
            // Every event that has begun by now had ended before the view was taken.
            if self.begun.load(SeqCst) == ended {
                return counts;
            }
            std::thread::yield_now();
        }
        let mut counts = self.view();
        counts.captured = counts.captured.max(counts.presented + counts.dropped.sum());
        counts.in_flight = counts.captured - counts.presented - counts.dropped.sum();
        counts
    }

    fn view(&self) -> Counts {
        Counts {
            captured: self.captured.load(SeqCst),
            presented: self.presented.load(SeqCst),
            in_flight: self.in_flight.load(SeqCst),
            dropped: self.dropped(),
        }
    }

    fn event(&self, change: impl FnOnce(&Self)) {
        self.begun.fetch_add(1, SeqCst);
        change(self);
        self.ended.fetch_add(1, SeqCst);
    }
}

/// Must be used to report what became of a captured frame. If it is dropped without a report (on
/// unwinding, or in a link that nobody reads any more), the frame counts as [`DropReason::Stopping`].
#[derive(Debug)]
#[must_use]
pub struct InFlight {
    stats: Option<Arc<Stats>>,
}

impl InFlight {
    /// The frame was given to the sinks.
    pub fn presented(mut self) {
        self.settle(|s| &s.presented);
    }

    /// The frame was lost.
    pub fn dropped(mut self, reason: DropReason) {
        self.settle(|s| &s.dropped[reason as usize]);
    }

    fn settle(&mut self, counter: impl FnOnce(&Stats) -> &AtomicU64) {
        if let Some(stats) = self.stats.take() {
            stats.event(|s| {
                counter(s).fetch_add(1, SeqCst);
                s.in_flight.fetch_sub(1, SeqCst);
            });
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.settle(|s| &s.dropped[DropReason::Stopping as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_ticket_that_nobody_settled_counts_as_stopping() {
        let stats = Arc::new(Stats::default());
        stats.captured().presented();
        stats.captured().dropped(DropReason::Superseded);
        drop(stats.captured());
        let open = stats.captured();
        stats.lost(3, DropReason::Driver);
        let dropped = DropCounts { superseded: 1, stopping: 1, driver: 3, ..DropCounts::default() };
        assert_eq!(stats.counts(), Counts { captured: 7, presented: 1, in_flight: 1, dropped });
        open.presented();
        assert_eq!(stats.counts().in_flight, 0);
    }

    #[test]
    fn names_and_fields_agree() {
        for (i, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, i);
            let stats = Stats::default();
            stats.lost(5, reason);
            let counts = stats.dropped();
            assert_eq!((counts.get(reason), counts.sum()), (5, 5));
            assert_eq!(serde_json::to_value(counts).unwrap()[reason.name()], 5);
        }
    }

    #[test]
    fn the_identity_holds_in_every_view_under_three_writers() {
        let stats = Arc::new(Stats::default());
        let done = AtomicBool::new(false);
        let written: u64 = std::thread::scope(|s| {
            let writers: Vec<_> = DropReason::ALL[..3]
                .iter()
                .map(|&reason| {
                    let (stats, done) = (Arc::clone(&stats), &done);
                    s.spawn(move || {
                        let mut frames = 0;
                        while frames < 3 || !done.load(SeqCst) {
                            let ticket = stats.captured();
                            if frames % 3 == 0 {
                                ticket.dropped(reason)
                            } else {
                                ticket.presented()
                            }
                            frames += 1;
                        }
                        frames
                    })
                })
                .collect();
            // Checked after the writers were stopped: a failed assertion before that would leave them running.
            let wrong = (0..20_000)
                .map(|_| stats.counts())
                .find(|c| c.captured != c.presented + c.dropped.sum() + c.in_flight || c.in_flight > 3);
            done.store(true, SeqCst);
            let written = writers.into_iter().map(|w| w.join().unwrap()).sum();
            assert_eq!(wrong, None, "the identity, and no more in flight than there are hands");
            written
        });
        assert_eq!((stats.counts().captured, stats.counts().in_flight), (written, 0));
    }
}
