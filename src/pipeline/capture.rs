//! The capture thread: reads the source, opens it again, stamps and counts frames.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::handoff::{Giver, Put};
use super::pool::SharedPool;
use super::settings::Settings;
use super::stats::Ticket;
use super::status::SharedStatus;
use super::{Feed, Policy, Stamps};
use crate::clock::{Pacing, SharedClock};
use crate::error::{Error, Remedy, Result};
use crate::frame::{Frame, FrameFormat};
use crate::result::{DropCounts, DropReason};
use crate::source::{Read, Source};
use crate::stop::Stop;
use crate::units::Nanos;

/// A jump of the sequence number beyond this is a restart of the count, not a loss.
const MAX_GAP: u64 = 100_000;
/// A driver's stamp further in the past than this cannot be on our clock.
const MAX_AGE: Duration = Duration::from_secs(10);
/// Pause between two looks for a free buffer where the policy allows no loss.
const BUFFER_WAIT: Duration = Duration::from_millis(1);
/// A pause after a source said that nothing came, against sources that do not wait.
const IDLE_WAIT: Duration = Duration::from_millis(1);
/// Longest wait for a frame's due time without a look at whether anybody still takes frames.
const SLICE: Duration = Duration::from_millis(50);

/// A frame on its way to inference.
pub(super) struct Shot {
    pub frame: Arc<Frame>,
    pub source: Arc<str>,
    /// Frames lost when this one was captured.
    pub dropped: DropCounts,
    pub ticket: Ticket,
}

pub(super) struct Capture {
    feed: Feed,
    stamps: Stamps,
    policy: Policy,
    clock: SharedClock,
    settings: Settings,
    status: Arc<SharedStatus>,
    link: Giver<Shot>,
    stop: Stop,
    // The source reads into `spare`, which trades places with a free buffer once it holds a frame,
    // so no buffer is tied up while waiting.
    spare: Frame,
    pool: Option<SharedPool<Frame>>,
    name: Arc<str>,
    format: FrameFormat,
    count: Sequence,
    pacing: Pacing,
    had_frames: bool,
    warned: bool,
}

/// What goes on after one frame.
#[derive(PartialEq)]
enum Next {
    More,
    Over,
}

impl Capture {
    pub fn new(
        feed: Feed,
        stamps: Stamps,
        settings: &Settings,
        status: &Arc<SharedStatus>,
        link: Giver<Shot>,
        stop: &Stop,
    ) -> Self {
        let none = FrameFormat { width: 0, height: 0, signal: crate::frame::Signal::Counts, rate_hz: 0.0 };
        Self {
            feed,
            stamps,
            policy: status.policy,
            clock: Arc::clone(&status.clock),
            settings: settings.clone(),
            status: Arc::clone(status),
            link,
            stop: stop.clone(),
            spare: Frame::new(none),
            pool: None,
            name: Arc::from(""),
            format: none,
            count: Sequence::default(),
            pacing: Pacing::default(),
            had_frames: false,
            warned: false,
        }
    }

    /// Captures until the source ends, nobody takes frames any more, a stop is asked for or an
    /// error cannot be mended by opening the source again.
    pub fn run(mut self) -> Result<()> {
        let mut failures = 0u32;
        loop {
            self.had_frames = false;
            let error = match self.run_once() {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            failures = if self.had_frames { 0 } else { failures + 1 };
            if !self.may_reopen(&error) {
                return Err(error);
            }
            let pause = self.settings.backoff(failures.saturating_sub(1));
            self.report(&error, pause);
            if self.pause(pause) == Next::Over {
                return Ok(());
            }
            self.status.reopened.fetch_add(1, Relaxed);
        }
    }

    /// One life of the source.
    fn run_once(&mut self) -> Result<()> {
        let mut source = self.feed.open()?;
        self.opened(&*source);
        let wait = Duration::from_millis(self.settings.read_wait_ms);
        let mut heard = self.clock.now();
        while self.goes_on() {
            match source.read(&mut self.spare, wait)? {
                Read::End => return Ok(()),
                Read::Idle => self.idle(heard)?,
                Read::Frame => {
                    heard = self.clock.now();
                    if self.frame(heard) == Next::Over {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn opened(&mut self, source: &dyn Source) {
        let format = source.format();
        if *self.name != *source.name() {
            self.name = Arc::from(source.name());
        }
        if self.pool.is_none() {
            self.pool = Some(SharedPool::new(self.settings.frames, || Frame::new(format)));
        }
        self.spare.reshape(format);
        self.format = format;
        log::info!("{}: opened, {}x{}, {}", self.name, format.width, format.height, format.signal);
        let mut origin = self.status.origin();
        origin.source = Arc::clone(&self.name);
        origin.format = Some(format);
    }

    fn goes_on(&self) -> bool {
        !self.stop.asked() && self.link.is_open()
    }

    fn idle(&self, heard: Nanos) -> Result<()> {
        let limit = self.feed.stall_limit().filter(|_| self.stamps == Stamps::Live);
        if let Some(limit) = limit
            && self.clock.now().since(heard) >= limit
        {
            let ms = limit.as_millis();
            return Err(Error::retry(&self.name, format_args!("no frame for {ms} ms")));
        }
        self.stop.wait(IDLE_WAIT);
        Ok(())
    }

    /// Counts, checks, stamps and hands on the frame in `spare`.
    fn frame(&mut self, now: Nanos) -> Next {
        self.arrived(now);
        let (seq, gap) = self.count.next(self.spare.meta.seq);
        self.spare.meta.seq = seq;
        if gap > 0 {
            self.status.stats.lost(gap, DropReason::Driver);
        }
        let ticket = self.status.stats.captured();
        if self.stamp(now) == Next::Over {
            return Next::Over;
        }
        let (format, pixels) = (self.spare.format, self.spare.pixels.len());
        if pixels == 0 || pixels != format.pixels() {
            log::debug!("{}: frame {seq} has {pixels} pixels, not {}x{}", self.name, format.width, format.height);
            ticket.dropped(DropReason::Corrupt);
            return Next::More;
        }
        if self.settings.drop_ffc && self.spare.meta.ffc.hides_scene() {
            ticket.dropped(DropReason::Calibrating);
            return Next::More;
        }
        self.hand_on(ticket)
    }

    fn arrived(&mut self, now: Nanos) {
        self.status.last_arrival.store(now.0.max(1), Relaxed);
        self.status.captures.mark(now);
        if !self.had_frames {
            self.had_frames = true;
            let mut origin = self.status.origin();
            if let Some(why) = origin.error.take() {
                log::info!("{}: frames arrive again after: {why}", self.name);
            }
        }
        if self.format != self.spare.format {
            self.format = self.spare.format;
            self.status.origin().format = Some(self.format);
        }
    }

    /// Puts the stamps on the pipeline's clock; for a recording, waits until the frame is due.
    fn stamp(&mut self, now: Nanos) -> Next {
        let meta = &mut self.spare.meta;
        if self.policy == Policy::Every {
            meta.received = meta.captured;
            return Next::More;
        }
        meta.received = now;
        match self.stamps {
            Stamps::Recorded => {
                let due = self.pacing.due(meta.captured, now);
                meta.captured = due;
                if self.wait_until(due) == Next::Over {
                    return Next::Over;
                }
                self.spare.meta.received = self.clock.now();
            }
            Stamps::Live if meta.captured > now || now.since(meta.captured) > MAX_AGE => {
                if !std::mem::replace(&mut self.warned, true) {
                    log::warn!("{}: frames are not stamped on the system's monotonic clock", self.name);
                }
                meta.captured = now;
            }
            Stamps::Live => {}
        }
        Next::More
    }

    fn hand_on(&mut self, ticket: Ticket) -> Next {
        let frame = loop {
            let Some(pool) = &mut self.pool else { return Next::Over };
            match pool.fill(|free| std::mem::swap(free, &mut self.spare)) {
                Some((frame, ())) => break frame,
                None if !self.policy.loses_nothing() => {
                    ticket.dropped(DropReason::NoBuffer);
                    return Next::More;
                }
                None if !self.goes_on() || self.stop.wait(BUFFER_WAIT) => return Next::Over,
                None => {}
            }
        };
        let dropped = self.status.stats.dropped();
        let shot = Shot { frame, source: Arc::clone(&self.name), dropped, ticket };
        match self.link.put(shot, &self.stop) {
            Put::Sent => Next::More,
            Put::Evicted(old) => {
                old.ticket.dropped(DropReason::Superseded);
                Next::More
            }
            // Their tickets say that they were lost to the stop.
            Put::Closed(_) | Put::Stopped(_) => Next::Over,
        }
    }

    fn may_reopen(&self, error: &Error) -> bool {
        let mendable = match error.remedy() {
            Remedy::Retry => true,
            // A camera that worked and comes back is for a moment without its udev permissions.
            Remedy::Fix => self.stamps == Stamps::Live && self.count.last.is_some(),
            Remedy::Fatal => false,
        };
        mendable && self.feed.can_reopen() && self.policy != Policy::Every
    }

    fn report(&mut self, error: &Error, pause: Duration) {
        let said = error.to_string();
        let mut origin = self.status.origin();
        // The same trouble over and over is worth one line.
        if origin.error.as_ref() != Some(&said) {
            log::warn!("{said}; opening again in {} ms", pause.as_millis());
            origin.error = Some(said);
        }
    }

    fn pause(&self, pause: Duration) -> Next {
        let until = self.clock.now() + pause;
        self.wait_until(until)
    }

    fn wait_until(&self, due: Nanos) -> Next {
        loop {
            if !self.goes_on() {
                return Next::Over;
            }
            let left = due.since(self.clock.now());
            if left.is_zero() {
                return Next::More;
            }
            if self.clock.wait(left.min(SLICE), &self.stop) {
                return Next::Over;
            }
        }
    }
}

/// Sequence numbers that never step back within a run, and the gaps in them.
#[derive(Debug, Default)]
struct Sequence {
    // The source's last number, and what is added to it.
    last: Option<u64>,
    offset: u64,
}

impl Sequence {
    /// The number to publish for the source's number `seq`, and how many were lost before it.
    ///
    /// A source that starts again (opened again, looped) is counted on without a gap.
    fn next(&mut self, seq: u64) -> (u64, u64) {
        let step = self.last.map(|last| (last, seq.saturating_sub(last)));
        let gap = match step {
            None => 0,
            Some((_, step)) if (1..=MAX_GAP).contains(&step) => step - 1,
            Some((last, _)) => {
                self.offset = last.wrapping_add(self.offset).wrapping_add(1).wrapping_sub(seq);
                0
            }
        };
        self.last = Some(seq);
        (seq.wrapping_add(self.offset), gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_whatever_the_source_does() {
        let mut count = Sequence::default();
        let said: Vec<_> = [7, 8, 11, 0, 1, 1, u64::MAX, 0, 3].map(|seq| count.next(seq)).into();
        let wanted = [(7, 0), (8, 0), (11, 2), (12, 0), (13, 0), (14, 0), (15, 0), (16, 0), (19, 2)];
        assert_eq!(said, wanted);
    }
}
