//! A camera that follows a script: synthetic frames, and the faults of real cameras.
//!
//! A script outlives the sources opened from it: after an error, the next source continues with the
//! next step, so that a test can follow many faults in a row.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Open, Read, Source};
use crate::clock::SharedClock;
use crate::error::{Error, Result};
use crate::frame::{FfcState, Frame, FrameFormat, FrameMeta, Signal};
use crate::units::Nanos;

/// One step of a script.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Delivers this many good frames.
    Frames(u32),
    /// Delivers no frame for this long, ms.
    Stall(u32),
    /// Delivers one frame that lacks its lower half.
    Short,
    /// Loses this many frames: frame numbers and times jump over them.
    Gap(u32),
    /// Delivers one frame flagged as damaged by the driver (no pixels).
    Corrupt,
    /// Delivers this many frames that all show the same picture.
    Freeze(u32),
    /// Changes size and meaning from the next frame on.
    Format(FrameFormat),
    /// Fails; the source has to be opened again.
    Error,
    /// Cannot be opened for this long, ms, counted from the previous failure.
    Away(u32),
    /// Announces a flat-field correction, closes the shutter for this many frames, settles for as many.
    Ffc(u32),
    /// Ends. The end of the script does the same.
    End,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Frames(n) => write!(f, "frames({n})"),
            Step::Stall(ms) => write!(f, "stall({ms})"),
            Step::Short => write!(f, "short"),
            Step::Gap(n) => write!(f, "gap({n})"),
            Step::Corrupt => write!(f, "corrupt"),
            Step::Freeze(n) => write!(f, "freeze({n})"),
            Step::Format(format) => write!(f, "format({}x{})", format.width, format.height),
            Step::Error => write!(f, "error"),
            Step::Away(ms) => write!(f, "away({ms})"),
            Step::Ffc(n) => write!(f, "ffc({n})"),
            Step::End => write!(f, "end"),
        }
    }
}

impl FromStr for Step {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        const KNOWN: &str = "frames(N), stall(MS), short, gap(N), corrupt, freeze(N), format(WxH), error, \
                             away(MS), ffc(N), end";
        let wrong = || Error::fix(format_args!("script step {text:?}"), format_args!("is unknown; known are {KNOWN}"));
        let (name, argument) = match text.split_once('(') {
            Some((name, rest)) => (name, rest.strip_suffix(')').ok_or_else(wrong)?),
            None => (text, ""),
        };
        let number = || argument.parse::<u32>().map_err(|_| wrong());
        Ok(match (name, argument.is_empty()) {
            ("frames", _) => Step::Frames(number()?),
            ("stall", _) => Step::Stall(number()?),
            ("short", true) => Step::Short,
            ("gap", _) => Step::Gap(number()?),
            ("corrupt", true) => Step::Corrupt,
            ("freeze", _) => Step::Freeze(number()?),
            ("format", _) => {
                let (width, height) = argument.split_once('x').ok_or_else(wrong)?;
                let size = |text: &str| text.parse().ok().filter(|n| (1..=4096).contains(n)).ok_or_else(wrong);
                Step::Format(FrameFormat { width: size(width)?, height: size(height)?, ..FORMAT })
            }
            ("error", true) => Step::Error,
            ("away", _) => Step::Away(number()?),
            ("ffc", _) => Step::Ffc(number()?),
            ("end", true) => Step::End,
            _ => return Err(wrong()),
        })
    }
}

/// The first format of a script: that of a radiometric Lepton 3.
pub const FORMAT: FrameFormat = FrameFormat { width: 160, height: 120, signal: Signal::CENTIKELVIN, rate_hz: 9.0 };

struct State {
    steps: Vec<Step>,
    at: usize,
    /// Frames delivered by the current step.
    done: u32,
    /// The current format, and number and time of the next frame.
    format: FrameFormat,
    seq: u64,
    due: Nanos,
    /// The number of the painted picture.
    shown: u64,
    failed_at: Option<Nanos>,
}

/// A script shared by every source opened from it.
#[derive(Clone)]
pub struct Script {
    state: Arc<Mutex<State>>,
    clock: SharedClock,
    stall_limit: Option<Duration>,
}

impl Script {
    /// A script that begins with [`FORMAT`] at the clock's current time.
    pub fn new(steps: Vec<Step>, clock: SharedClock) -> Self {
        let due = clock.now() + period(&FORMAT);
        let state = State { steps, at: 0, done: 0, format: FORMAT, seq: 0, due, shown: 0, failed_at: None };
        Self { state: Arc::new(Mutex::new(state)), clock, stall_limit: None }
    }

    /// The same script; a pipeline closes and reopens its sources after `limit` without a frame.
    pub fn with_stall_limit(self, limit: Duration) -> Self {
        Self { stall_limit: Some(limit), ..self }
    }

    /// Parses steps separated by commas, as in `frames(30),stall(2000),gap(3)`.
    ///
    /// # Errors
    /// `Fix` with the known steps if one is unknown.
    pub fn parse(text: &str, clock: SharedClock) -> Result<Self> {
        let steps = text.split(',').map(|step| step.trim().parse()).collect::<Result<_>>()?;
        Ok(Self::new(steps, clock))
    }

    /// Opens the camera at the current step.
    ///
    /// # Errors
    /// `Retry` while it is away.
    pub fn open(&self) -> Result<Scripted> {
        let mut state = self.lock();
        if let Some(Step::Away(ms)) = state.step() {
            let now = self.clock.now();
            let since = *state.failed_at.get_or_insert(now);
            if now.since(since) < Duration::from_millis(u64::from(ms)) {
                return Err(Error::retry("scripted", "the camera is away"));
            }
            state.next();
        }
        state.failed_at = None;
        state.due = state.due.max(self.clock.now());
        let format = state.format;
        drop(state);
        Ok(Scripted { script: self.clone(), format })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open for Script {
    fn open(&mut self) -> Result<Box<dyn Source>> {
        Ok(Box::new(Script::open(self)?))
    }

    fn stall_limit(&self) -> Option<Duration> {
        self.stall_limit
    }
}

impl State {
    fn step(&self) -> Option<Step> {
        self.steps.get(self.at).copied()
    }

    fn next(&mut self) {
        self.at += 1;
        self.done = 0;
    }

    /// Counts one frame of a step of `of` frames.
    fn count(&mut self, of: u32) {
        self.done += 1;
        if self.done >= of {
            self.next();
        }
    }

    fn pass(&mut self, frames: u32) {
        self.seq += u64::from(frames);
        self.due = self.due + period(&self.format) * frames;
    }
}

/// A source opened from a [`Script`].
pub struct Scripted {
    script: Script,
    format: FrameFormat,
}

impl Scripted {
    /// Waits for the frame that is due; false if `wait` ends before it.
    fn wait_until(&self, due: Nanos, wait: Duration) -> bool {
        let left = due.since(self.script.clock.now());
        self.script.clock.sleep(left.min(wait));
        left <= wait
    }
}

impl Source for Scripted {
    fn name(&self) -> &str {
        "script"
    }

    fn format(&self) -> FrameFormat {
        self.format
    }

    fn read(&mut self, into: &mut Frame, wait: Duration) -> Result<Read> {
        let script = self.script.clone();
        let mut state = script.lock();
        loop {
            let Some(step) = state.step() else { return Ok(Read::End) };
            match step {
                Step::End => return Ok(Read::End),
                Step::Frames(0) | Step::Freeze(0) | Step::Ffc(0) => state.next(),
                Step::Gap(n) => {
                    state.pass(n);
                    state.next();
                }
                Step::Stall(ms) => {
                    state.due = state.due + Duration::from_millis(u64::from(ms));
                    state.next();
                }
                Step::Format(format) => {
                    state.format = format;
                    state.next();
                }
                Step::Error | Step::Away(_) => {
                    if step == Step::Error {
                        state.next();
                    }
                    state.failed_at = Some(script.clock.now());
                    return Err(Error::retry("scripted", "the script fails here"));
                }
                Step::Frames(_) | Step::Freeze(_) | Step::Short | Step::Corrupt | Step::Ffc(_) => {
                    if !self.wait_until(state.due, wait) {
                        return Ok(Read::Idle);
                    }
                    deliver(&mut state, step, into, script.clock.now());
                    self.format = state.format;
                    return Ok(Read::Frame);
                }
            }
        }
    }
}

fn deliver(state: &mut State, step: Step, into: &mut Frame, now: Nanos) {
    into.reshape(state.format);
    into.meta = FrameMeta {
        seq: state.seq,
        captured: state.due,
        received: now,
        captured_utc_ns: i64::try_from(state.due.0).ok(),
        ..FrameMeta::default()
    };
    match step {
        Step::Freeze(_) => {}
        _ => state.shown = state.seq,
    }
    if let Step::Ffc(n) = step {
        into.meta.ffc = ffc(state.done, n);
    }
    paint(into, state.shown);
    let pixels = into.pixels.len();
    match step {
        Step::Short => into.pixels.truncate(pixels / 2),
        Step::Corrupt => into.pixels.clear(),
        _ => {}
    }
    let of = match step {
        Step::Frames(n) | Step::Freeze(n) => n,
        Step::Ffc(n) => n.saturating_mul(2).saturating_add(1),
        _ => 1,
    };
    state.count(of);
    state.pass(1);
}

/// One frame of warning, `n` with the shutter closed, `n` settling.
fn ffc(done: u32, n: u32) -> FfcState {
    match done {
        0 => FfcState::Imminent,
        d if d <= n => FfcState::Running,
        _ => FfcState::Settling,
    }
}

fn period(format: &FrameFormat) -> Duration {
    Duration::from_secs_f64(1.0 / f64::from(format.rate_hz.max(0.1)))
}

/// A warm disc (34 degC in centikelvin) moving over a cool, slightly noisy gradient (22 degC); a closed shutter shows
/// 30 degC everywhere. Equal numbers give equal pictures.
fn paint(frame: &mut Frame, number: u64) {
    let (width, height) = (frame.width(), frame.height());
    let hidden = frame.meta.ffc.hides_scene();
    let radius = (height / 5).max(2) as i64;
    let phase = number as f64 * 0.1;
    let cx = (width as f64 * (0.5 + 0.25 * phase.sin())) as i64;
    let cy = (height as f64 * (0.5 + 0.15 * (phase * 0.7).cos())) as i64;
    let mut noise = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for (y, row) in frame.pixels.chunks_exact_mut(width).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            // xorshift64 (Marsaglia 2003): a few counts of sensor noise.
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            let (dx, dy) = (x as i64 - cx, y as i64 - cy);
            let inside = dx * dx + dy * dy <= radius * radius;
            let level = match (hidden, inside) {
                (true, _) => 30_315,
                (false, true) => 30_715,
                (false, false) => 29_515 + (y * 40 / height) as u16,
            };
            *pixel = level + (noise >> 61) as u16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_survive_text() {
        let text = "frames(3),stall(200),short,gap(4),corrupt,freeze(2),format(80x60),error,away(50),ffc(5),end";
        let steps: Vec<Step> = text.split(',').map(|s| s.parse().unwrap()).collect();
        let back: Vec<String> = steps.iter().map(ToString::to_string).collect();
        assert_eq!(back.join(","), text);
        for wrong in
            ["", "frames", "frames()", "frames(x)", "short(1)", "format(80)", "format(0x60)", "gap(1", "nap(1)"]
        {
            assert!(wrong.parse::<Step>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_painted_frame_is_its_number() {
        let mut a = Frame::new(FORMAT);
        let mut b = Frame::new(FORMAT);
        paint(&mut a, 7);
        paint(&mut b, 7);
        assert_eq!(a.pixels, b.pixels);
        paint(&mut b, 8);
        assert_ne!(a.pixels, b.pixels);
        assert!(a.pixels.iter().any(|&p| p >= 30_715) && a.pixels.iter().any(|&p| p < 29_600));
    }
}
