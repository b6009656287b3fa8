//! Time as a value that can be handed in, so that tests own it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::units::Nanos;

/// A monotonic clock.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Nanos;
    /// Waits for `d`; a simulated clock only moves forward.
    fn sleep(&self, d: Duration);
}

/// A clock shared by every thread of a pipeline.
pub type SharedClock = Arc<dyn Clock>;

/// CLOCK_MONOTONIC, the clock V4L2 drivers stamp frames with.
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
        // `Instant` is CLOCK_MONOTONIC on Linux; its origin is hidden, so differences from one
        // process-wide anchor are used.
        static ANCHOR: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        let anchor = *ANCHOR.get_or_init(Instant::now);
        Nanos(u64::try_from(anchor.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn sleep(&self, d: Duration) {
        std::thread::sleep(d);
    }
}

/// A clock that moves only when told to, or when somebody sleeps.
#[derive(Debug, Default)]
pub struct SimulatedClock(AtomicU64);

impl SimulatedClock {
    /// Starts at `now`.
    pub fn new(now: Nanos) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(now.0)))
    }

    /// Moves forward by `d`.
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
}
