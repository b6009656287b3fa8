//! Detects the faults of a streaming camera: silence, damage, a picture that does not change.

use std::time::Duration;

use crate::frame::Frame;
use crate::units::Nanos;

/// Limits of a [`Watchdog`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest time without a whole frame.
    pub stall: Duration,
    /// The longest time with the same content or the same frame counter; zero for no limit.
    pub frozen: Duration,
}

/// A fault of a streaming camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It sends nothing.
    Silent,
    /// It sends no whole frame.
    Damaged,
    /// It sends the same frame again and again.
    Frozen,
}

/// Watches one stream of a camera.
#[derive(Debug, Clone)]
pub struct Watchdog {
    limits: Limits,
    /// When the last buffer, the last whole frame and the last changed frame came.
    last_buffer: Nanos,
    last_whole: Nanos,
    last_change: Nanos,
    /// Hash of the last whole frame, and its counter.
    print: Option<(u64, Option<u32>)>,
    frames: u64,
}

impl Watchdog {
    /// A watchdog of a camera that starts to stream `now`.
    pub fn new(limits: Limits, now: Nanos) -> Self {
        Self { limits, last_buffer: now, last_whole: now, last_change: now, print: None, frames: 0 }
    }

    /// A short or damaged frame came.
    pub fn damaged(&mut self, now: Nanos) {
        self.last_buffer = now;
    }

    /// A whole frame came. `counter` is the camera's own; `may_be_still` if an unchanged picture is no fault.
    pub fn whole(&mut self, now: Nanos, frame: &Frame, counter: Option<u32>, may_be_still: bool) {
        (self.last_buffer, self.last_whole) = (now, now);
        if self.limits.frozen.is_zero() {
            self.frames += 1;
            return;
        }
        let print = (hash(&frame.pixels), counter);
        let still = self.print.is_some_and(|(content, last)| {
            content == print.0 || (last.is_some() && counter.is_some() && last == counter)
        });
        if !still || may_be_still {
            self.last_change = now;
            self.frames += 1;
        }
        self.print = Some(print);
    }

    /// Whole frames so far, without those of a frozen camera.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// The fault of the camera at `now`.
    pub fn fault(&self, now: Nanos) -> Option<Fault> {
        let Limits { stall, frozen } = self.limits;
        if now.since(self.last_whole) >= stall {
            let silent = now.since(self.last_buffer) >= stall / 2;
            return Some(if silent { Fault::Silent } else { Fault::Damaged });
        }
        (!frozen.is_zero() && now.since(self.last_change) >= frozen).then_some(Fault::Frozen)
    }
}

/// A hash that changes with any pixel (multiply and add, as in polynomial hashing).
fn hash(pixels: &[u16]) -> u64 {
    let (blocks, rest) = pixels.as_chunks::<4>();
    let step = |sum: u64, block: u64| (sum ^ block).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    let word = |b: &[u16; 4]| b.iter().fold(0u64, |sum, p| sum << 16 | u64::from(*p));
    let sum = blocks.iter().fold(0, |sum, block| step(sum, word(block)));
    rest.iter().fold(sum, |sum, pixel| step(sum, u64::from(*pixel)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameFormat, Signal};

    const FORMAT: FrameFormat = FrameFormat { width: 5, height: 3, signal: Signal::Counts, rate_hz: 9.0 };
    const LIMITS: Limits = Limits { stall: Duration::from_secs(5), frozen: Duration::from_secs(10) };

    fn at(ms: u64) -> Nanos {
        Nanos(ms * 1_000_000)
    }

    #[test]
    fn any_change_of_any_pixel_changes_the_hash() {
        let mut pixels = vec![1000u16; 15];
        let before = hash(&pixels);
        for i in 0..pixels.len() {
            pixels[i] += 1;
            assert_ne!(hash(&pixels), before, "{i}");
            pixels[i] -= 1;
        }
        pixels.swap(0, 1);
        assert_eq!(hash(&pixels), before);
    }

    #[test]
    fn silence_and_damage_are_told_apart_at_the_limit() {
        let frame = Frame::new(FORMAT);
        let mut watchdog = Watchdog::new(LIMITS, at(0));
        watchdog.whole(at(1_000), &frame, None, false);
        assert_eq!(watchdog.fault(at(5_999)), None);
        assert_eq!(watchdog.fault(at(6_000)), Some(Fault::Silent));
        for ms in (1_100..6_100).step_by(100) {
            watchdog.damaged(at(ms));
        }
        assert_eq!(watchdog.fault(at(6_000)), Some(Fault::Damaged));
    }

    #[test]
    fn a_still_picture_is_frozen_unless_the_shutter_is_closed() {
        let mut frame = Frame::new(FORMAT);
        let mut watchdog = Watchdog::new(LIMITS, at(0));
        let mut run =
            |watchdog: &mut Watchdog, from: u64, until: u64, counter: bool, change: bool, may_be_still: bool| {
                for ms in (from..until).step_by(100) {
                    frame.pixels[0] = frame.pixels[0].wrapping_add(u16::from(change));
                    let counter = counter.then_some(7);
                    watchdog.whole(at(ms), &frame, counter, may_be_still);
                }
            };
        run(&mut watchdog, 0, 20_000, false, true, false);
        assert_eq!(watchdog.fault(at(20_000)), None);
        run(&mut watchdog, 20_000, 25_000, false, false, false);
        run(&mut watchdog, 25_000, 28_000, false, false, true);
        run(&mut watchdog, 28_000, 37_000, false, false, false);
        assert_eq!(watchdog.fault(at(37_000)), None, "not yet since the shutter opened");
        run(&mut watchdog, 37_000, 38_000, false, false, false);
        assert_eq!(watchdog.fault(at(38_000)), Some(Fault::Frozen));
        // New content with a counter that stands still comes out of a stale buffer.
        let mut watchdog = Watchdog::new(LIMITS, at(0));
        run(&mut watchdog, 0, 10_100, true, true, false);
        assert_eq!(watchdog.fault(at(10_100)), Some(Fault::Frozen));
    }
}
