//! Sees what a streaming camera can be ill with: silence, damage, a picture that stands still.

use std::time::Duration;

use crate::frame::Frame;
use crate::units::Nanos;

/// Limits of a [`Watch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Without a whole frame for so long the camera is ill.
    pub stall: Duration,
    /// With the same content or the same frame counter for so long it is frozen; zero never.
    pub frozen: Duration,
}

/// What a camera is ill with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Illness {
    /// It streams and sends nothing.
    Silent,
    /// It sends nothing that is whole.
    Damaged,
    /// It sends the same frame again and again.
    Frozen,
}

/// Follows one life of an open camera.
#[derive(Debug, Clone)]
pub struct Watch {
    limits: Limits,
    /// When anything came, when something whole came, when something new came.
    heard: Nanos,
    whole: Nanos,
    new: Nanos,
    print: Option<(u64, Option<u32>)>,
    frames: u64,
}

impl Watch {
    /// Begins when the camera starts to stream.
    pub fn new(limits: Limits, now: Nanos) -> Self {
        Self { limits, heard: now, whole: now, new: now, print: None, frames: 0 }
    }

    /// Something came that was not whole.
    pub fn damaged(&mut self, now: Nanos) {
        self.heard = now;
    }

    /// A whole frame came. `counter` is the camera's own; `rests` where a still picture is no illness.
    pub fn whole(&mut self, now: Nanos, frame: &Frame, counter: Option<u32>, rests: bool) {
        (self.heard, self.whole) = (now, now);
        if self.limits.frozen.is_zero() {
            self.frames += 1;
            return;
        }
        let print = (print(&frame.pixels), counter);
        let still = self.print.is_some_and(|(content, last)| {
            content == print.0 || (last.is_some() && counter.is_some() && last == counter)
        });
        if !still || rests {
            self.new = now;
            self.frames += 1;
        }
        self.print = Some(print);
    }

    /// Whole frames so far, without those of a camera that stood still.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// What the camera is ill with, if it is.
    pub fn illness(&self, now: Nanos) -> Option<Illness> {
        let Limits { stall, frozen } = self.limits;
        if now.since(self.whole) >= stall {
            let silent = now.since(self.heard) >= stall / 2;
            return Some(if silent { Illness::Silent } else { Illness::Damaged });
        }
        (!frozen.is_zero() && now.since(self.new) >= frozen).then_some(Illness::Frozen)
    }
}

/// A number that changes when any pixel does (multiply and add, as in polynomial hashing).
fn print(pixels: &[u16]) -> u64 {
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
    fn any_change_of_any_pixel_changes_the_print() {
        let mut pixels = vec![1000u16; 15];
        let before = print(&pixels);
        for i in 0..pixels.len() {
            pixels[i] += 1;
            assert_ne!(print(&pixels), before, "{i}");
            pixels[i] -= 1;
        }
        pixels.swap(0, 1);
        assert_eq!(print(&pixels), before);
    }

    #[test]
    fn silence_and_damage_are_told_apart_at_the_limit() {
        let frame = Frame::new(FORMAT);
        let mut watch = Watch::new(LIMITS, at(0));
        watch.whole(at(1_000), &frame, None, false);
        assert_eq!(watch.illness(at(5_999)), None);
        assert_eq!(watch.illness(at(6_000)), Some(Illness::Silent));
        for ms in (1_100..6_100).step_by(100) {
            watch.damaged(at(ms));
        }
        assert_eq!(watch.illness(at(6_000)), Some(Illness::Damaged));
    }

    #[test]
    fn a_still_picture_is_frozen_unless_the_shutter_is_closed() {
        let mut frame = Frame::new(FORMAT);
        let mut watch = Watch::new(LIMITS, at(0));
        let mut run = |watch: &mut Watch, from: u64, until: u64, counter: bool, change: bool, rests: bool| {
            for ms in (from..until).step_by(100) {
                frame.pixels[0] = frame.pixels[0].wrapping_add(u16::from(change));
                let counter = counter.then_some(7);
                watch.whole(at(ms), &frame, counter, rests);
            }
        };
        run(&mut watch, 0, 20_000, false, true, false);
        assert_eq!(watch.illness(at(20_000)), None);
        run(&mut watch, 20_000, 25_000, false, false, false);
        run(&mut watch, 25_000, 28_000, false, false, true);
        run(&mut watch, 28_000, 37_000, false, false, false);
        assert_eq!(watch.illness(at(37_000)), None, "not yet since the shutter opened");
        run(&mut watch, 37_000, 38_000, false, false, false);
        assert_eq!(watch.illness(at(38_000)), Some(Illness::Frozen));
        // New content with a counter that stands still comes out of a stale buffer.
        let mut watch = Watch::new(LIMITS, at(0));
        run(&mut watch, 0, 10_100, true, true, false);
        assert_eq!(watch.illness(at(10_100)), Some(Illness::Frozen));
    }
}
