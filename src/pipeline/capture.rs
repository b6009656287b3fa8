//! The capture thread: reads the source, reopens it after errors, and stamps, numbers and counts its
//! frames.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::handoff::{Put, Sender};
use super::pool::SharedPool;
use super::settings::Settings;
use super::stats::InFlight;
use super::status::SharedStatus;
use super::{Feed, Policy, Stamps};
use crate::clock::Pacing;
use crate::error::{Error, Remedy, Result};
use crate::frame::{Frame, FrameFormat, FrameMeta, Signal};
use crate::result::{DropCounts, DropReason};
use crate::source::{Read, Source};
use crate::stop::Stop;
use crate::units::Nanos;

/// A larger jump of the sequence number is a restart of the count, not a loss.
const MAX_GAP: u64 = 100_000;
/// A driver's stamp older than this cannot be on the pipeline's clock.
const MAX_STAMP_AGE: Duration = Duration::from_secs(10);
/// Pause before the next search for a free buffer, when no frame may be lost.
const BUFFER_RETRY: Duration = Duration::from_millis(1);
/// Pause after a read without a frame, because some sources do not block in a read.
const IDLE_PAUSE: Duration = Duration::from_millis(1);
/// Longest wait without checking for a stop.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// A frame on its way to inference.
pub(super) struct CapturedFrame {
    pub frame: Arc<Frame>,
    pub source: Arc<str>,
    /// Frames lost before this one was captured.
    pub dropped: DropCounts,
    pub in_flight: InFlight,
}

pub(super) struct Capture {
    feed: Feed,
    stamps: Stamps,
    settings: Settings,
    status: Arc<SharedStatus>,
    output: Output,
    buffers: Buffers,
    stream: Stream,
    sequence: Sequence,
    pacing: Pacing,
}

/// Where frames go, and the stop signal.
struct Output {
    link: Sender<CapturedFrame>,
    stop: Stop,
}

impl Output {
    /// False if the pipeline is stopping or no thread receives frames any more.
    fn is_open(&self) -> bool {
        !self.stop.asked() && self.link.is_open()
    }
}

/// The source reads into `spare`, which is swapped with a free pool buffer once it holds a frame. So no
/// pool buffer is held during a wait.
struct Buffers {
    spare: Frame,
    pool: Option<SharedPool<Frame>>,
}

/// The open source.
struct Stream {
    name: Arc<str>,
    format: FrameFormat,
    had_frames: bool,
    /// True once it was logged that its stamps are not on the pipeline's clock.
    warned: bool,
}

/// Whether capture continues after a frame or a wait.
#[derive(PartialEq)]
enum Next {
    Continue,
    End,
}

impl Capture {
    pub fn new(
        feed: Feed,
        stamps: Stamps,
        settings: &Settings,
        status: &Arc<SharedStatus>,
        link: Sender<CapturedFrame>,
        stop: &Stop,
    ) -> Self {
        let format = FrameFormat { width: 0, height: 0, signal: Signal::Counts, rate_hz: 0.0 };
        Self {
            feed,
            stamps,
            settings: settings.clone(),
            status: Arc::clone(status),
            output: Output { link, stop: stop.clone() },
            buffers: Buffers { spare: Frame::new(format), pool: None },
            stream: Stream { name: Arc::from(""), format, had_frames: false, warned: false },
            sequence: Sequence::default(),
            pacing: Pacing::default(),
        }
    }

    /// Captures until the source ends, the pipeline stops, or an error occurs that reopening the source
    /// cannot resolve.
    pub fn run(mut self) -> Result<()> {
        let mut failures = 0u32;
        loop {
            self.stream.had_frames = false;
            let error = match self.run_once() {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            failures = if self.stream.had_frames { 0 } else { failures + 1 };
            if !self.may_reopen(&error) {
                return Err(error);
            }
            let pause = self.settings.backoff(failures.saturating_sub(1));
            self.report(&error, pause);
            if self.wait_until(self.status.clock.now() + pause) == Next::End {
                return Ok(());
            }
            self.status.reopened.fetch_add(1, Relaxed);
        }
    }

    /// Opens the source and captures until it ends or fails.
    fn run_once(&mut self) -> Result<()> {
        let mut source = self.feed.open()?;
        self.opened(&*source);
        let wait = Duration::from_millis(self.settings.read_wait_ms);
        let mut last_frame = self.status.clock.now();
        while self.output.is_open() {
            match source.read(&mut self.buffers.spare, wait)? {
                Read::End => return Ok(()),
                Read::Idle => self.idle(last_frame)?,
                Read::Frame => {
                    last_frame = self.status.clock.now();
                    if self.frame(last_frame) == Next::End {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn opened(&mut self, source: &dyn Source) {
        let format = source.format();
        if *self.stream.name != *source.name() {
            self.stream.name = Arc::from(source.name());
        }
        if self.buffers.pool.is_none() {
            self.buffers.pool = Some(SharedPool::new(self.settings.frames, || Frame::new(format)));
        }
        self.buffers.spare.reshape(format);
        self.stream.format = format;
        log::info!("{}: opened, {}x{}, {}", self.stream.name, format.width, format.height, format.signal);
        let mut origin = self.status.origin();
        origin.source = Arc::clone(&self.stream.name);
        origin.format = Some(format);
    }

    /// Handles a read without a frame: an error if the source has stalled for too long.
    fn idle(&self, last_frame: Nanos) -> Result<()> {
        let limit = self.feed.stall_limit().filter(|_| self.stamps == Stamps::Live);
        if let Some(limit) = limit
            && self.status.clock.now().since(last_frame) >= limit
        {
            let ms = limit.as_millis();
            return Err(Error::retry(&self.stream.name, format_args!("no frame for {ms} ms")));
        }
        self.output.stop.wait(IDLE_PAUSE);
        Ok(())
    }

    /// Counts, stamps, checks and sends the frame in `spare`.
    fn frame(&mut self, now: Nanos) -> Next {
        self.arrived(now);
        let (seq, gap) = self.sequence.next(self.buffers.spare.meta.seq);
        self.buffers.spare.meta.seq = seq;
        if gap > 0 {
            self.status.stats.lost(gap, DropReason::Driver);
        }
        let in_flight = self.status.stats.captured();
        if self.stamp(now) == Next::End {
            return Next::End;
        }
        let Frame { format, pixels, meta, .. } = &self.buffers.spare;
        if pixels.is_empty() || pixels.len() != format.pixels() {
            let (name, n) = (&self.stream.name, pixels.len());
            log::debug!("{name}: frame {seq} has {n} pixels, not {}x{}", format.width, format.height);
            in_flight.dropped(DropReason::Corrupt);
            return Next::Continue;
        }
        if self.settings.drop_ffc && meta.ffc.hides_scene() {
            in_flight.dropped(DropReason::Calibrating);
            return Next::Continue;
        }
        self.send(in_flight)
    }

    /// Publishes what a new frame changes in the status of the source.
    fn arrived(&mut self, now: Nanos) {
        self.status.last_arrival.store(now.0.max(1), Relaxed);
        self.status.captures.mark(now);
        let stream = &mut self.stream;
        if !stream.had_frames {
            stream.had_frames = true;
            if let Some(error) = self.status.origin().error.take() {
                log::info!("{}: frames arrive again after: {error}", stream.name);
            }
        }
        let format = self.buffers.spare.format;
        if stream.format != format {
            stream.format = format;
            self.status.origin().format = Some(format);
        }
    }

    /// Puts the stamps on the pipeline's clock. For a recording, waits until the frame is due.
    fn stamp(&mut self, now: Nanos) -> Next {
        let meta = &mut self.buffers.spare.meta;
        if self.status.policy == Policy::Every {
            meta.received = meta.captured;
            return Next::Continue;
        }
        meta.received = now;
        match self.stamps {
            Stamps::Live => self.stream.check_stamp(meta, now),
            Stamps::Recorded => {
                let due = self.pacing.due(meta.captured, now);
                meta.captured = due;
                if self.wait_until(due) == Next::End {
                    return Next::End;
                }
                self.buffers.spare.meta.received = self.status.clock.now();
            }
        }
        Next::Continue
    }

    fn send(&mut self, in_flight: InFlight) -> Next {
        let frame = loop {
            let Buffers { spare, pool: Some(pool) } = &mut self.buffers else { return Next::End };
            match pool.fill(|free| std::mem::swap(free, spare)) {
                Some((frame, ())) => break frame,
                None if !self.status.policy.loses_nothing() => {
                    in_flight.dropped(DropReason::NoBuffer);
                    return Next::Continue;
                }
                None if !self.output.is_open() || self.output.stop.wait(BUFFER_RETRY) => return Next::End,
                None => {}
            }
        };
        let dropped = self.status.stats.dropped();
        let frame = CapturedFrame { frame, source: Arc::clone(&self.stream.name), dropped, in_flight };
        match self.output.link.put(frame, &self.output.stop) {
            Put::Sent => Next::Continue,
            Put::Evicted(old) => {
                old.in_flight.dropped(DropReason::Superseded);
                Next::Continue
            }
            // Dropping `in_flight` counts the frame as lost to the stop.
            Put::Closed(_) | Put::Stopped(_) => Next::End,
        }
    }

    fn may_reopen(&self, error: &Error) -> bool {
        let may_help = match error.remedy() {
            Remedy::Retry => true,
            // A camera that was just plugged in again has no udev permissions for a moment.
            Remedy::Fix => self.stamps == Stamps::Live && self.sequence.last.is_some(),
            Remedy::Fatal => false,
        };
        may_help && self.feed.can_reopen() && self.status.policy != Policy::Every
    }

    /// Publishes and logs the error, unless it equals the last one.
    fn report(&self, error: &Error, pause: Duration) {
        let error = error.to_string();
        let mut origin = self.status.origin();
        if origin.error.as_ref() != Some(&error) {
            log::warn!("{error}; opening again in {} ms", pause.as_millis());
            origin.error = Some(error);
        }
    }

    fn wait_until(&self, due: Nanos) -> Next {
        loop {
            if !self.output.is_open() {
                return Next::End;
            }
            let left = due.since(self.status.clock.now());
            if left.is_zero() {
                return Next::Continue;
            }
            if self.status.clock.wait(left.min(STOP_CHECK), &self.output.stop) {
                return Next::End;
            }
        }
    }
}

impl Stream {
    /// Replaces a driver's stamp that cannot be on the pipeline's clock.
    fn check_stamp(&mut self, meta: &mut FrameMeta, now: Nanos) {
        if meta.captured <= now && now.since(meta.captured) <= MAX_STAMP_AGE {
            return;
        }
        if !std::mem::replace(&mut self.warned, true) {
            log::warn!("{}: frames are not stamped on the system's monotonic clock", self.name);
        }
        meta.captured = now;
    }
}

/// Produces sequence numbers that only rise during a run, and finds the gaps in them.
#[derive(Debug, Default)]
struct Sequence {
    /// The source's last number, and the offset added to it.
    last: Option<u64>,
    offset: u64,
}

impl Sequence {
    /// The number to publish for the source's number `seq`, and how many frames were lost before it.
    ///
    /// After a restart of the source's count (it was reopened, or repeats) the numbers continue without a gap.
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
        let mut sequence = Sequence::default();
        let numbers: Vec<_> = [7, 8, 11, 0, 1, 1, u64::MAX, 0, 3].map(|seq| sequence.next(seq)).into();
        let wanted = [(7, 0), (8, 0), (11, 2), (12, 0), (13, 0), (14, 0), (15, 0), (16, 0), (19, 2)];
        assert_eq!(numbers, wanted);
    }
}
