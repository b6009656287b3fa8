//! Keeps a source alive: reopens it after errors and stalls, ever more slowly.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Read, Source};
use crate::clock::SharedClock;
use crate::error::{Error, Remedy, Result, within};
use crate::frame::{Frame, FrameFormat};
use crate::units::Nanos;

/// When to give a source up and when to try again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// An open source that brings nothing for so long is stalled and reopened, ms, 500 to 600000.
    pub stall_ms: u32,
    /// Wait before the first attempt to reopen, ms, 1 to 60000; doubled after each failure.
    pub first_wait_ms: u32,
    /// Longest wait between attempts, ms, `first_wait_ms` to 600000.
    pub longest_wait_ms: u32,
    /// Frames must have come for so long before waits are short again, ms, 0 to 600000.
    pub steady_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        // A Lepton's shutter closes for up to 3 s, and 10 s is what field recorders use.
        Self { stall_ms: 10_000, first_wait_ms: 250, longest_wait_ms: 10_000, steady_ms: 10_000 }
    }
}

impl Settings {
    /// Refuses what lies outside the documented ranges.
    pub fn validate(&self) -> Result<()> {
        within("reopen.stall_ms", self.stall_ms, 500..=600_000)?;
        within("reopen.first_wait_ms", self.first_wait_ms, 1..=60_000)?;
        within("reopen.longest_wait_ms", self.longest_wait_ms, self.first_wait_ms..=600_000)?;
        within("reopen.steady_ms", self.steady_ms, 0..=600_000)
    }
}

/// What to do with a source now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Read it.
    Read,
    /// Open it.
    Open,
    /// It is closed: wait so long before opening it.
    Wait(Duration),
    /// It has brought nothing for too long: drop it.
    Stalled,
    /// Nothing can be done in this process.
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { open_at: Nanos },
    Open { last_frame: Nanos, steady_since: Option<Nanos> },
    Stopped,
}

/// The policy alone, without a source: events in, verdicts out.
#[derive(Debug, Clone)]
pub struct Policy {
    settings: Settings,
    state: State,
    failures: u32,
    reopened: u64,
}

impl Policy {
    /// A source that is not open yet and may be opened at once.
    pub fn new(settings: Settings) -> Self {
        Self { settings, state: State::Closed { open_at: Nanos(0) }, failures: 0, reopened: 0 }
    }

    /// What to do at `now`.
    pub fn verdict(&self, now: Nanos) -> Verdict {
        match self.state {
            State::Stopped => Verdict::Stop,
            State::Closed { open_at } if now >= open_at => Verdict::Open,
            State::Closed { open_at } => Verdict::Wait(open_at.since(now)),
            State::Open { last_frame, .. } if now.since(last_frame) >= ms(self.settings.stall_ms) => Verdict::Stalled,
            State::Open { .. } => Verdict::Read,
        }
    }

    /// It was opened.
    pub fn opened(&mut self, now: Nanos) {
        self.state = State::Open { last_frame: now, steady_since: None };
        self.reopened += 1;
    }

    /// It brought a frame.
    pub fn frame(&mut self, now: Nanos) {
        if let State::Open { last_frame, steady_since } = &mut self.state {
            *last_frame = now;
            let since = *steady_since.get_or_insert(now);
            if now.since(since) >= ms(self.settings.steady_ms) {
                self.failures = 0;
            }
        }
    }

    /// It could not be opened, failed or stalled, and was dropped.
    pub fn failed(&mut self, now: Nanos, act: Remedy) {
        self.state = match act {
            Remedy::Fatal => State::Stopped,
            // What a person must mend (a permission, a cable) is looked for again, too.
            Remedy::Retry | Remedy::Fix => State::Closed { open_at: now + self.wait() },
        };
        self.failures = self.failures.saturating_add(1);
    }

    fn wait(&self) -> Duration {
        // 60000 doubled 30 times still fits 64 bits.
        let doubled = u64::from(self.settings.first_wait_ms) << self.failures.min(30);
        Duration::from_millis(doubled.min(u64::from(self.settings.longest_wait_ms)))
    }

    /// Failures since it was last steady.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Times it was opened after the first.
    pub fn reopened(&self) -> u64 {
        self.reopened.saturating_sub(1)
    }
}

fn ms(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms))
}

type Opener = Box<dyn FnMut() -> Result<Box<dyn Source>> + Send>;

/// A source that comes back by itself. It is idle while closed; numbers go on over a reopening.
pub struct Supervised {
    name: String,
    open: Opener,
    source: Option<Box<dyn Source>>,
    policy: Policy,
    clock: SharedClock,
    format: FrameFormat,
    seq_shift: u64,
    next_seq: u64,
    rebase: bool,
}

/// Opens a source now and keeps it alive from then on; the first opening must succeed unless
/// waiting can help.
pub fn supervise(
    name: &str,
    format: FrameFormat,
    settings: Settings,
    clock: SharedClock,
    open: impl FnMut() -> Result<Box<dyn Source>> + Send + 'static,
) -> Result<Supervised> {
    settings.validate()?;
    let mut supervised = Supervised {
        name: name.into(),
        open: Box::new(open),
        source: None,
        policy: Policy::new(settings),
        clock,
        format,
        seq_shift: 0,
        next_seq: 0,
        rebase: false,
    };
    supervised.try_open().or_else(|e| if e.remedy() == Remedy::Retry { Ok(()) } else { Err(e) })?;
    Ok(supervised)
}

impl Supervised {
    /// The policy's state, for counters.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    fn try_open(&mut self) -> Result<()> {
        match (self.open)() {
            Ok(source) => {
                self.format = source.format();
                self.source = Some(source);
                self.policy.opened(self.clock.now());
                self.rebase = self.policy.reopened() > 0;
                Ok(())
            }
            Err(e) => {
                self.fail(&e);
                Err(e)
            }
        }
    }

    fn fail(&mut self, error: &Error) {
        self.source = None;
        self.policy.failed(self.clock.now(), error.remedy());
        if let Verdict::Wait(wait) = self.policy.verdict(self.clock.now()) {
            log::warn!("{error}; trying again in {} ms", wait.as_millis());
        }
    }

    fn number(&mut self, into: &mut Frame) {
        if std::mem::take(&mut self.rebase) {
            // A reopened source counts from anywhere; what was lost meanwhile is not known.
            self.seq_shift = self.next_seq.wrapping_sub(into.meta.seq);
        }
        into.meta.seq = into.meta.seq.wrapping_add(self.seq_shift);
        self.next_seq = into.meta.seq.wrapping_add(1);
    }

    fn read_open(&mut self, into: &mut Frame, wait: Duration) -> Result<Read> {
        let Some(source) = self.source.as_mut() else { return Ok(Read::Idle) };
        match source.read(into, wait) {
            Ok(Read::Frame) => {
                self.format = into.format;
                self.policy.frame(self.clock.now());
                self.number(into);
                Ok(Read::Frame)
            }
            Ok(other) => Ok(other),
            Err(e) => {
                self.fail(&e);
                if e.remedy() == Remedy::Fatal { Err(e) } else { Ok(Read::Idle) }
            }
        }
    }
}

impl Source for Supervised {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> FrameFormat {
        self.format
    }

    fn read(&mut self, into: &mut Frame, wait: Duration) -> Result<Read> {
        match self.policy.verdict(self.clock.now()) {
            Verdict::Read => self.read_open(into, wait),
            Verdict::Open => match self.try_open() {
                Err(e) if e.remedy() == Remedy::Fatal => Err(e),
                _ => Ok(Read::Idle),
            },
            Verdict::Wait(left) => {
                self.clock.sleep(left.min(wait));
                Ok(Read::Idle)
            }
            Verdict::Stalled => {
                let limit = self.policy.settings.stall_ms;
                self.fail(&Error::retry(&self.name, format_args!("no frame for {limit} ms")));
                Ok(Read::Idle)
            }
            Verdict::Stop => Err(Error::fatal(&self.name, "stopped after an error that this process cannot mend")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Nanos {
        Nanos(ms * 1_000_000)
    }

    fn policy() -> Policy {
        Policy::new(Settings { stall_ms: 1000, first_wait_ms: 100, longest_wait_ms: 700, steady_ms: 2000 })
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut p = policy();
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..5 {
            assert_eq!(p.verdict(at(now)), Verdict::Open);
            p.failed(at(now), Remedy::Retry);
            let Verdict::Wait(wait) = p.verdict(at(now)) else { panic!("{:?}", p.verdict(at(now))) };
            waits.push(wait.as_millis());
            now += wait.as_millis() as u64;
        }
        assert_eq!(waits, [100, 200, 400, 700, 700]);
        for _ in 0..100 {
            p.failed(at(now), Remedy::Fix);
        }
        assert_eq!(p.verdict(at(now)), Verdict::Wait(Duration::from_millis(700)));
    }

    #[test]
    fn only_steady_frames_make_waits_short_again() {
        let mut p = policy();
        p.failed(at(0), Remedy::Retry);
        p.failed(at(0), Remedy::Retry);
        // One frame and then nothing: a camera that flaps stays on long waits.
        p.opened(at(1000));
        p.frame(at(1100));
        p.failed(at(1200), Remedy::Retry);
        assert_eq!(p.verdict(at(1200)), Verdict::Wait(Duration::from_millis(400)));
        p.opened(at(2000));
        for t in (2000..=4000).step_by(100) {
            p.frame(at(t));
        }
        assert_eq!(p.failures(), 0);
        p.failed(at(4100), Remedy::Retry);
        assert_eq!(p.verdict(at(4100)), Verdict::Wait(Duration::from_millis(100)));
        assert_eq!(p.reopened(), 1);
    }

    #[test]
    fn a_silent_source_is_stalled_after_the_limit_and_not_before() {
        let mut p = policy();
        p.opened(at(0));
        assert_eq!(p.verdict(at(999)), Verdict::Read);
        p.frame(at(999));
        assert_eq!(p.verdict(at(1998)), Verdict::Read);
        assert_eq!(p.verdict(at(1999)), Verdict::Stalled);
    }

    #[test]
    fn fatal_is_for_ever() {
        let mut p = policy();
        p.failed(at(0), Remedy::Fatal);
        assert_eq!(p.verdict(at(u64::MAX / 1_000_000)), Verdict::Stop);
    }
}
