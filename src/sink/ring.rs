//! The latest lines for many readers. The writer never waits; readers may fall behind.
//!
//! The buffers are fixed in number and reused. A reader that is slower than the writer loses the
//! oldest lines and learns how many; it never blocks the writer and never makes memory grow.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Result of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The buffer holds the next line.
    Line,
    /// The buffer holds the oldest line still available; this many lines before it were lost.
    Lagged(u64),
    /// Nothing new yet.
    Empty,
    /// The ring is closed and everything was read.
    Closed,
}

struct Lines {
    slots: Vec<String>,
    /// Lines written since the start; line `n` is in slot `n % slots.len()`.
    head: u64,
    /// First line that the one waiting reader (see [`Ring::push_waiting`]) has not finished.
    done: u64,
    closed: bool,
}

/// The latest `slots` lines.
pub(crate) struct Ring {
    lines: Mutex<Lines>,
    changed: Condvar,
    head: watch::Sender<u64>,
}

impl Ring {
    /// Room for `slots` lines, at least one.
    pub(crate) fn new(slots: usize) -> Arc<Self> {
        let slots = vec![String::new(); slots.max(1)];
        Arc::new(Self {
            lines: Mutex::new(Lines { slots, head: 0, done: 0, closed: false }),
            changed: Condvar::new(),
            head: watch::Sender::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        // Lines are only copied under the lock, so the data is valid even if the lock is poisoned.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, replacing the oldest one. Waits at most for the copy of one line.
    pub(crate) fn push(&self, line: &str) {
        self.write(self.lock(), line);
    }

    /// Waits until the one reader that calls [`Ring::finished`] has left room, then adds a line, so
    /// that nothing is lost. `false` if there was no room within `limit`; the oldest line is lost then.
    pub(crate) fn push_waiting(&self, line: &str, limit: Duration) -> bool {
        let full = |l: &mut Lines| !l.closed && l.head - l.done >= l.slots.len() as u64;
        let (lines, waited) =
            self.changed.wait_timeout_while(self.lock(), limit, full).unwrap_or_else(PoisonError::into_inner);
        self.write(lines, line);
        !waited.timed_out()
    }

    fn write(&self, mut lines: MutexGuard<'_, Lines>, line: &str) {
        let n = lines.slots.len() as u64;
        let at = (lines.head % n) as usize;
        if let Some(slot) = lines.slots.get_mut(at) {
            slot.clear();
            slot.push_str(line);
        }
        lines.head += 1;
        let head = lines.head;
        drop(lines);
        self.changed.notify_all();
        self.head.send_replace(head);
    }

    /// Start position for a reader that wants only new lines.
    pub(crate) fn now(&self) -> u64 {
        self.lock().head
    }

    /// Copies the line at `at` into `into` and advances `at`.
    pub(crate) fn read(&self, at: &mut u64, into: &mut String) -> Next {
        read(&self.lock(), at, into)
    }

    /// [`Ring::read`] that waits up to `limit` for a line.
    pub(crate) fn read_waiting(&self, at: &mut u64, into: &mut String, limit: Duration) -> Next {
        let start = *at;
        let (lines, _) = self
            .changed
            .wait_timeout_while(self.lock(), limit, |l| !l.closed && l.head <= start)
            .unwrap_or_else(PoisonError::into_inner);
        read(&lines, at, into)
    }

    /// Called by the reader that the writer waits for: everything before `at` is processed.
    pub(crate) fn finished(&self, at: u64) {
        self.lock().done = at;
        self.changed.notify_all();
    }

    /// Closes the ring: readers get the remaining lines, then [`Next::Closed`].
    pub(crate) fn close(&self) {
        let mut lines = self.lock();
        lines.closed = true;
        let head = lines.head;
        drop(lines);
        self.changed.notify_all();
        self.head.send_replace(head);
    }

    /// True after [`Ring::close`].
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits until the reader has [`finished`](Ring::finished) everything; `false` if `limit` passes first.
    pub(crate) fn drained(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut lines = self.lock();
        while lines.done < lines.head {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            lines = self.changed.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Wakes a task whenever lines are added or the ring is closed.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Number of subscribed tasks.
    pub(crate) fn readers(&self) -> usize {
        self.head.receiver_count()
    }
}

fn read(lines: &Lines, at: &mut u64, into: &mut String) -> Next {
    let n = lines.slots.len() as u64;
    if *at >= lines.head {
        return if lines.closed { Next::Closed } else { Next::Empty };
    }
    let oldest = lines.head.saturating_sub(n);
    let lost = oldest.saturating_sub(*at);
    let from = (*at).max(oldest);
    *at = from + 1;
    into.clear();
    if let Some(slot) = lines.slots.get((from % n) as usize) {
        into.push_str(slot);
    }
    if lost > 0 { Next::Lagged(lost) } else { Next::Line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_falls_behind_is_told_how_much_it_lost() {
        let ring = Ring::new(3);
        let (mut at, mut line) = (ring.now(), String::new());
        assert_eq!(ring.read(&mut at, &mut line), Next::Empty);
        for i in 0..2 {
            ring.push(&i.to_string());
        }
        assert_eq!((ring.read(&mut at, &mut line), line.as_str()), (Next::Line, "0"));
        for i in 2..9 {
            ring.push(&i.to_string());
        }
        assert_eq!((ring.read(&mut at, &mut line), line.as_str()), (Next::Lagged(5), "6"));
        assert_eq!((ring.read(&mut at, &mut line), line.as_str()), (Next::Line, "7"));
        ring.close();
        assert_eq!((ring.read(&mut at, &mut line), line.as_str()), (Next::Line, "8"));
        assert_eq!(ring.read(&mut at, &mut line), Next::Closed);
    }

    #[test]
    fn a_waiting_writer_loses_nothing() {
        let ring = Ring::new(2);
        let reader = Arc::clone(&ring);
        let thread = std::thread::spawn(move || {
            let (mut at, mut line, mut got) = (0, String::new(), Vec::new());
            loop {
                match reader.read_waiting(&mut at, &mut line, Duration::from_secs(5)) {
                    Next::Line => got.push(line.clone()),
                    Next::Closed => return got,
                    other => panic!("{other:?}"),
                }
                reader.finished(at);
            }
        });
        for i in 0..1000 {
            assert!(ring.push_waiting(&i.to_string(), Duration::from_secs(5)));
        }
        assert!(ring.drained(Duration::from_secs(5)));
        ring.close();
        assert_eq!(thread.join().unwrap(), (0..1000).map(|i| i.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn a_writer_without_a_reader_waits_no_longer_than_told() {
        let ring = Ring::new(1);
        assert!(ring.push_waiting("a", Duration::from_millis(20)));
        assert!(!ring.push_waiting("b", Duration::from_millis(20)));
    }
}
