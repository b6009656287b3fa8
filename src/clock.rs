//! Time as a value that is passed in, so that tests control it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::stop::Stop;
use crate::units::Nanos;

/// A monotonic clock.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Nanos;
    /// Waits for `d`; a simulated clock only advances.
    fn sleep(&self, d: Duration);
    /// Waits for `d` or until a stop is requested, whichever is first; true on a stop.
    fn wait(&self, d: Duration, stop: &Stop) -> bool;
}

/// A clock shared by every thread of a pipeline.
pub type SharedClock = Arc<dyn Clock>;

/// CLOCK_MONOTONIC, the clock that V4L2 drivers use to stamp frames.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealClock;

impl RealClock {
    /// The shared real clock.
    pub fn shared() -> SharedClock {
        Arc::new(RealClock)
    }
}

impl Clock for RealClock {
    fn now(&self) -> Nanos {
        // `Instant` is CLOCK_MONOTONIC on Linux; its origin is hidden, so times are differences from one
        // process-wide anchor. A driver's stamp is converted as `now - (driver's now - stamp)`.
        static ANCHOR: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        let anchor = *ANCHOR.get_or_init(Instant::now);
        Nanos(u64::try_from(anchor.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn sleep(&self, d: Duration) {
        std::thread::sleep(d);
    }

    fn wait(&self, d: Duration, stop: &Stop) -> bool {
        stop.wait(d)
    }
}

/// A clock that moves only when it is advanced or when a thread sleeps.
#[derive(Debug, Default)]
pub struct SimulatedClock(AtomicU64);

impl SimulatedClock {
    /// Starts at `now`.
    pub fn new(now: Nanos) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(now.0)))
    }

    /// Advances by `d`.
    pub fn advance(&self, d: Duration) {
        self.0.fetch_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Nanos {
        Nanos(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, d: Duration) {
        self.advance(d);
    }

    fn wait(&self, d: Duration, stop: &Stop) -> bool {
        if stop.asked() {
            return true;
        }
        self.advance(d);
        false
    }
}

/// A longer step between two recorded stamps is a cut, not a pause to wait for.
const CUT: Duration = Duration::from_secs(60);

/// Maps the stamps of a recording to a running clock: frame i is due at `start + (t_i - t_0)`.
///
/// If the recording steps back (it was reopened, or loops) or jumps by more than a minute, playback
/// continues after the last valid step.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pacing {
    // (stamp, due time) of the reference frame.
    origin: Option<(Nanos, Nanos)>,
    last: Nanos,
    step: Duration,
}

impl Pacing {
    /// When the frame stamped `recorded` is due; `now` is the current time. Due times never step back.
    pub fn due(&mut self, recorded: Nanos, now: Nanos) -> Nanos {
        let Some((from, at)) = self.origin else {
            return self.restart(recorded, now);
        };
        if recorded < self.last || recorded.since(self.last) > CUT {
            let next = at + self.last.since(from) + self.step;
            return self.restart(recorded, next.max(now));
        }
        self.step = recorded.since(self.last);
        self.last = recorded;
        at + recorded.since(from)
    }

    fn restart(&mut self, recorded: Nanos, due: Nanos) -> Nanos {
        self.origin = Some((recorded, due));
        self.last = recorded;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn due(pacing: &mut Pacing, recorded_ms: u64, now_ms: u64) -> u64 {
        pacing.due(Nanos(recorded_ms * MS), Nanos(now_ms * MS)).0 / MS
    }

    #[test]
    fn recorded_steps_are_kept_whatever_the_origin() {
        let mut p = Pacing::default();
        assert_eq!(due(&mut p, 5_000, 70), 70);
        assert_eq!(due(&mut p, 5_110, 71), 180);
        assert_eq!(due(&mut p, 5_220, 400), 290, "a late reader does not shift the schedule");
        assert_eq!(due(&mut p, 9_220, 401), 4_290);
    }

    #[test]
    fn a_loop_or_a_cut_goes_on_after_the_last_step() {
        let mut p = Pacing::default();
        due(&mut p, 1_000, 0);
        assert_eq!(due(&mut p, 1_100, 0), 100);
        assert_eq!(due(&mut p, 1_000, 90), 200, "looped");
        assert_eq!(due(&mut p, 1_100, 90), 300);
        assert_eq!(due(&mut p, u64::MAX / MS, 90), 400, "a stamp out of nowhere");
        assert_eq!(due(&mut p, 1_200, 9_000), 9_000, "never before now after a cut");
    }

    #[test]
    fn simulated_time_moves_only_when_slept() {
        let (stopper, stop) = crate::stop::pair();
        let clock = SimulatedClock::new(Nanos(7));
        assert_eq!(clock.now(), Nanos(7));
        assert!(!clock.wait(Duration::from_nanos(3), &stop));
        clock.sleep(Duration::from_nanos(1));
        assert_eq!(clock.now(), Nanos(11));
        drop(stopper);
        assert!(clock.wait(Duration::from_nanos(3), &stop));
        assert_eq!(clock.now(), Nanos(11));
    }
}
