//! Links between two threads that hold one value: newest-wins and every-value.
//!
//! Both have one sender and one receiver, allocate nothing per value, and let each side detect that
//! the other is gone.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crossbeam_channel::{self as channel, TryRecvError, TrySendError, bounded, select};

use crate::stop::Stop;

/// How often a blocked [`Sender`] checks that its receiver exists.
const LIVENESS_CHECK: Duration = Duration::from_millis(100);

/// Result of a put. Values that were not delivered are returned.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Put<T> {
    /// The value waits for the receiver.
    Sent,
    /// The value waits for the receiver and has replaced this older one, which was never taken.
    Evicted(T),
    /// The receiver is gone.
    Closed(T),
    /// A stop was requested while the link was full.
    Stopped(T),
}

/// Result of a take.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Taken<T> {
    /// The value.
    Value(T),
    /// Nothing arrived within the limit.
    Idle,
    /// The sender is gone and everything it sent was taken.
    Closed,
    /// A stop was requested first; a value may be left in the link.
    Stopped,
}

/// The sending end.
#[derive(Debug)]
pub struct Sender<T> {
    tx: channel::Sender<T>,
    // A newest-wins sender takes back values that nobody took. This extra receiver keeps the channel
    // connected, so `alive` shows whether the real receiver exists.
    back: Option<channel::Receiver<T>>,
    alive: Weak<()>,
}

/// The receiving end.
#[derive(Debug)]
pub struct Receiver<T> {
    rx: channel::Receiver<T>,
    _alive: Arc<()>,
}

/// A link in which a new value replaces an old one that was not taken: `put` never blocks.
pub fn newest<T>() -> (Sender<T>, Receiver<T>) {
    link(true)
}

/// A link that loses nothing: `put` waits until the previous value is taken.
pub fn every<T>() -> (Sender<T>, Receiver<T>) {
    link(false)
}

fn link<T>(evicts: bool) -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = bounded(1);
    let alive = Arc::new(());
    let sender = Sender { tx, back: evicts.then(|| rx.clone()), alive: Arc::downgrade(&alive) };
    (sender, Receiver { rx, _alive: alive })
}

impl<T> Sender<T> {
    /// True while the receiver exists.
    pub fn is_open(&self) -> bool {
        self.alive.strong_count() > 0
    }

    /// Sends `value`. On an every-value link, waits until there is room, the receiver is gone or a stop
    /// is requested.
    pub fn put(&mut self, value: T, stop: &Stop) -> Put<T> {
        if !self.is_open() {
            return Put::Closed(value);
        }
        match &self.back {
            Some(back) => replace(&self.tx, back, value),
            None => self.put_waiting(value, stop),
        }
    }

    fn put_waiting(&self, value: T, stop: &Stop) -> Put<T> {
        // If there is room, send even after a stop request; a stop only cuts the wait short.
        let mut value = match self.tx.try_send(value) {
            Ok(()) => return Put::Sent,
            Err(TrySendError::Disconnected(value)) => return Put::Closed(value),
            Err(TrySendError::Full(value)) => value,
        };
        loop {
            select! {
                send(self.tx, value) -> sent => return match sent {
                    Ok(()) => Put::Sent,
                    Err(e) => Put::Closed(e.into_inner()),
                },
                recv(stop.channel()) -> _ => return Put::Stopped(value),
                default(LIVENESS_CHECK) => {}
            }
            value = match self.tx.try_send(value) {
                Ok(()) => return Put::Sent,
                Err(TrySendError::Disconnected(value)) => return Put::Closed(value),
                Err(TrySendError::Full(value)) => value,
            };
        }
    }
}

fn replace<T>(tx: &channel::Sender<T>, back: &channel::Receiver<T>, mut value: T) -> Put<T> {
    let mut evicted = None;
    loop {
        match tx.try_send(value) {
            // Only this thread sends, so at most one older value can have blocked the link.
            Ok(()) => return evicted.map_or(Put::Sent, Put::Evicted),
            Err(TrySendError::Full(again) | TrySendError::Disconnected(again)) => value = again,
        }
        if let Ok(old) = back.try_recv() {
            evicted = Some(old);
        }
    }
}

impl<T> Receiver<T> {
    /// Waits for a value for at most `limit` of real time. A stop ends the wait at once and takes
    /// precedence over an available value.
    pub fn take(&self, limit: Duration, stop: &Stop) -> Taken<T> {
        if stop.asked() {
            return Taken::Stopped;
        }
        match self.rx.try_recv() {
            Ok(value) => return Taken::Value(value),
            Err(TryRecvError::Disconnected) => return Taken::Closed,
            Err(TryRecvError::Empty) => {}
        }
        select! {
            recv(self.rx) -> value => value.map_or(Taken::Closed, Taken::Value),
            recv(stop.channel()) -> _ => Taken::Stopped,
            default(limit) => Taken::Idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop;
    use proptest::prelude::*;
    use std::time::Instant;

    const NOW: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn each_side_sees_the_other_leave() {
        let (_stopper, stop) = stop::pair();
        for link in [newest::<u32>, every::<u32>] {
            let (mut sender, receiver) = link();
            assert_eq!(sender.put(1, &stop), Put::Sent);
            drop(receiver);
            assert!(!sender.is_open());
            assert_eq!(sender.put(2, &stop), Put::Closed(2));

            let (mut sender, receiver) = link();
            assert_eq!(receiver.take(NOW, &stop), Taken::Idle);
            assert_eq!(sender.put(1, &stop), Put::Sent);
            drop(sender);
            assert_eq!(receiver.take(NOW, &stop), Taken::Value(1), "what was given can still be taken");
            assert_eq!(receiver.take(LONG, &stop), Taken::Closed);
        }
    }

    #[test]
    fn stop_ends_every_wait_at_once() {
        let began = Instant::now();
        let (stopper, stop) = stop::pair();
        let (mut sender, full) = every::<u32>();
        assert_eq!(sender.put(1, &stop), Put::Sent);
        let (_idle, empty) = newest::<u32>();
        std::thread::scope(|s| {
            let put = s.spawn(|| sender.put(2, &stop));
            let take = s.spawn(|| empty.take(LONG, &stop));
            std::thread::sleep(Duration::from_millis(20));
            drop(stopper);
            assert_eq!(put.join().unwrap(), Put::Stopped(2));
            assert_eq!(take.join().unwrap(), Taken::Stopped);
        });
        assert_eq!(full.take(NOW, &stop), Taken::Stopped);
        assert!(began.elapsed() < LONG / 2);
    }

    #[test]
    fn a_blocked_sender_sees_the_receiver_leave() {
        let (_stopper, stop) = stop::pair();
        let (mut sender, receiver) = every::<u32>();
        assert_eq!(sender.put(1, &stop), Put::Sent);
        std::thread::scope(|s| {
            let put = s.spawn(|| sender.put(2, &stop));
            std::thread::sleep(Duration::from_millis(20));
            drop(receiver);
            assert_eq!(put.join().unwrap(), Put::Closed(2));
        });
    }

    #[test]
    fn newest_under_stress_keeps_order_and_loses_nothing_uncounted() {
        const N: u64 = 200_000;
        let (_stopper, stop) = stop::pair();
        let (mut sender, receiver) = newest::<u64>();
        let (evicted, taken) = std::thread::scope(|s| {
            let gives = s.spawn(|| {
                let mut evicted = Vec::new();
                for i in 0..N {
                    match sender.put(i, &stop) {
                        Put::Sent => {}
                        Put::Evicted(old) => evicted.push(old),
                        other => panic!("{other:?}"),
                    }
                }
                drop(sender);
                evicted
            });
            let takes = s.spawn(|| {
                let mut taken = Vec::new();
                loop {
                    match receiver.take(LONG, &stop) {
                        Taken::Value(v) => taken.push(v),
                        Taken::Closed => return taken,
                        other => panic!("{other:?}"),
                    }
                }
            });
            (gives.join().unwrap(), takes.join().unwrap())
        });
        assert!(taken.is_sorted_by(|a, b| a < b), "never out of order");
        assert_eq!(taken.last(), Some(&(N - 1)), "the newest always arrives");
        let mut all = [evicted, taken].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..N), "each value was taken or handed back, once");
    }

    #[test]
    fn every_under_stress_delivers_each_value_in_order() {
        const N: u64 = 20_000;
        let (_stopper, stop) = stop::pair();
        let (mut sender, receiver) = every::<u64>();
        std::thread::scope(|s| {
            s.spawn(move || {
                let (_keep, stop) = stop::pair();
                for i in 0..N {
                    assert_eq!(sender.put(i, &stop), Put::Sent);
                }
            });
            for i in 0..N {
                assert_eq!(receiver.take(LONG, &stop), Taken::Value(i));
            }
            assert_eq!(receiver.take(LONG, &stop), Taken::Closed);
        });
    }

    proptest! {
        /// Any interleaving of puts and takes behaves as one slot that is overwritten.
        #[test]
        fn newest_is_one_slot(puts in prop::collection::vec(any::<bool>(), 0..64)) {
            let (_stopper, stop) = stop::pair();
            let (mut sender, receiver) = newest::<usize>();
            let mut slot = None;
            for (i, put) in puts.into_iter().enumerate() {
                if put {
                    let got = sender.put(i, &stop);
                    prop_assert_eq!(got, slot.replace(i).map_or(Put::Sent, Put::Evicted));
                } else {
                    let got = receiver.take(NOW, &stop);
                    prop_assert_eq!(got, slot.take().map_or(Taken::Idle, Taken::Value));
                }
            }
        }
    }
}
