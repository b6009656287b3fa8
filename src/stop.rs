//! A stop signal that is sent by dropping a value.

use std::convert::Infallible;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

/// The sending side: dropping it signals every [`Stop`] immediately and permanently.
#[derive(Debug)]
pub struct Stopper {
    _tx: Sender<Infallible>,
}

/// The receiving side, held by everything that must stop. Cheap to clone and to poll.
#[derive(Debug, Clone)]
pub struct Stop(Receiver<Infallible>);

/// A stopper and the first of its receivers.
pub fn pair() -> (Stopper, Stop) {
    // Nothing is ever sent. One slot, because polling an array channel takes no lock.
    let (tx, rx) = bounded(1);
    (Stopper { _tx: tx }, Stop(rx))
}

impl Stop {
    /// True once the [`Stopper`] is gone.
    pub fn asked(&self) -> bool {
        self.0.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// Waits for at most `limit` of real time; returns true at once when a stop is requested.
    pub fn wait(&self, limit: Duration) -> bool {
        self.0.recv_timeout(limit) == Err(RecvTimeoutError::Disconnected)
    }

    /// For a select with other channels: becomes ready (disconnected) when a stop is requested.
    pub(crate) fn channel(&self) -> &Receiver<Infallible> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn dropping_wakes_every_waiter_at_once() {
        let (stopper, stop) = pair();
        let began = Instant::now();
        std::thread::scope(|s| {
            let waiters: Vec<_> = (0..4)
                .map(|_| {
                    let stop = stop.clone();
                    s.spawn(move || stop.wait(Duration::from_secs(60)))
                })
                .collect();
            assert!(!stop.asked());
            assert!(!stop.wait(Duration::from_millis(5)));
            drop(stopper);
            assert!(waiters.into_iter().all(|w| w.join().unwrap()));
        });
        assert!(began.elapsed() < Duration::from_secs(30));
        assert!(stop.asked() && stop.wait(Duration::ZERO));
    }
}
