//! A thermal recording and one in visible light as one source.
//!
//! A thermal frame is joined by the newest visible frame that is not newer than it. If the times of the first
//! frames are more than a minute apart, they come from different clocks; the first frames then count as
//! simultaneous. When the visible recording ends first, the rest of the thermal frames have no visible one.

use std::time::Duration;

use super::{Read, Source};
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat, Visible};
use crate::units::Nanos;

/// Largest difference of first frames of recordings on one clock.
const SAME_CLOCK: Duration = Duration::from_secs(60);
/// A visible frame this much newer than the thermal one still counts as simultaneous: times are rounded.
const TOLERANCE: Duration = Duration::from_micros(500);

/// Two recordings, played together. Frames and times are those of the thermal one.
pub struct Paired {
    name: String,
    thermal: Box<dyn Source>,
    visible: Box<dyn Source>,
    /// Added to visible times, ns.
    shift_ns: i128,
    /// The visible frame read last, not shown yet; `None` once its recording has ended.
    next: Option<Frame>,
    /// The picture that the thermal frames now show; `None` before the first and after the end.
    current: Option<Visible>,
    started: bool,
}

impl Paired {
    /// Joins two recordings that are at their beginning.
    ///
    /// # Errors
    /// `Fix` if the visible recording has no frame or shows no picture in colour or grey; those of its `read`.
    pub fn new(thermal: Box<dyn Source>, mut visible: Box<dyn Source>) -> Result<Self> {
        let name = format!("{}+{}", thermal.name(), visible.name());
        let mut first = Frame::new(visible.format());
        if visible.read(&mut first, Duration::ZERO)? != Read::Frame {
            return Err(Error::fix(visible.name(), "has no frame, wanted a recording in visible light"));
        }
        Ok(Self { name, thermal, visible, shift_ns: 0, next: Some(first), current: None, started: false })
    }

    /// The time of a visible frame on the thermal clock.
    fn at(&self, frame: &Frame) -> i128 {
        i128::from(frame.meta.captured.0) + self.shift_ns
    }

    /// Moves to the newest visible frame that is not newer than `now`.
    fn advance(&mut self, now: Nanos) -> Result<()> {
        let limit = i128::from(now.0) + TOLERANCE.as_nanos() as i128;
        while let Some(mut frame) = self.next.take() {
            if self.at(&frame) > limit {
                self.next = Some(frame);
                return Ok(());
            }
            let captured = Nanos(u64::try_from(self.at(&frame)).unwrap_or(0));
            self.current = Some(Visible { captured, alone: false, ..colours(&mut frame) });
            match self.visible.read(&mut frame, Duration::ZERO)? {
                Read::Frame => self.next = Some(frame),
                Read::Idle | Read::End => return Ok(()),
            }
        }
        if self.current.take().is_some() {
            log::warn!("{}: ends before {}; the rest is thermal alone", self.visible.name(), self.thermal.name());
        }
        Ok(())
    }
}

impl Source for Paired {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> FrameFormat {
        self.thermal.format()
    }

    fn read(&mut self, into: &mut Frame, wait: Duration) -> Result<Read> {
        let read = self.thermal.read(into, wait)?;
        if read != Read::Frame {
            return Ok(read);
        }
        if !std::mem::replace(&mut self.started, true)
            && let Some(first) = &self.next
        {
            let apart = i128::from(into.meta.captured.0) - i128::from(first.meta.captured.0);
            if apart.unsigned_abs() > SAME_CLOCK.as_nanos() {
                self.shift_ns = apart;
            }
        }
        self.advance(into.meta.captured)?;
        match (&self.current, &mut into.visible) {
            (None, to) => *to = None,
            (Some(from), Some(to)) => to.clone_from(from),
            (Some(from), to) => *to = Some(from.clone()),
        }
        Ok(Read::Frame)
    }
}

/// One recording alone, as the kind that the user says it is.
pub struct Single {
    source: Box<dyn Source>,
    visible: bool,
}

impl Single {
    /// A thermal recording. Where it is of colour pictures or a video, the colours are a palette's.
    pub fn thermal(source: Box<dyn Source>) -> Self {
        Self { source, visible: false }
    }

    /// A recording in visible light: frames whose `visible` is their picture, with [`Visible::alone`] set. Grey ones
    /// become colours.
    pub fn visible(source: Box<dyn Source>) -> Self {
        Self { source, visible: true }
    }
}

impl Source for Single {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn format(&self) -> FrameFormat {
        self.source.format()
    }

    fn read(&mut self, into: &mut Frame, wait: Duration) -> Result<Read> {
        let read = self.source.read(into, wait)?;
        if read == Read::Frame {
            let captured = into.meta.captured;
            into.visible = self.visible.then(|| Visible { captured, alone: true, ..colours(into) });
        }
        Ok(read)
    }
}

/// Takes the colours of a frame; counts of a frame without become grey, 16-bit ones by their high byte.
fn colours(frame: &mut Frame) -> Visible {
    frame.visible.take().unwrap_or_else(|| {
        let mut made = Visible::new(frame.format.width, frame.format.height);
        let high = frame.pixels.iter().any(|&count| count > 255);
        for (to, &count) in made.rgb.chunks_exact_mut(3).zip(&frame.pixels) {
            to.fill(if high { (count >> 8) as u8 } else { count as u8 });
        }
        made
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Signal;

    /// Frames at these times, ns; the counts of each are its number, from 1.
    struct Timed(Vec<u64>, usize);

    impl Source for Timed {
        fn name(&self) -> &str {
            "timed"
        }

        fn format(&self) -> FrameFormat {
            FrameFormat { width: 4, height: 2, signal: Signal::Grey8, rate_hz: 0.0 }
        }

        fn read(&mut self, into: &mut Frame, _wait: Duration) -> Result<Read> {
            let Some(&at) = self.0.get(self.1) else { return Ok(Read::End) };
            self.1 += 1;
            into.reshape(self.format());
            into.pixels.fill(self.1 as u16);
            into.meta.captured = Nanos(at);
            into.visible = None;
            Ok(Read::Frame)
        }
    }

    fn timed(at: &[u64]) -> Box<dyn Source> {
        Box::new(Timed(at.to_vec(), 0))
    }

    /// For each thermal frame the number of the visible one it shows.
    fn shown(thermal: &[u64], visible: &[u64]) -> Vec<Option<u8>> {
        let mut paired = Paired::new(timed(thermal), timed(visible)).unwrap();
        let (mut frame, mut seen) = (Frame::new(paired.format()), Vec::new());
        while paired.read(&mut frame, Duration::ZERO).unwrap() == Read::Frame {
            assert_eq!(frame.pixels, [seen.len() as u16 + 1; 8]);
            seen.push(frame.visible.as_ref().map(|v| v.rgb[0]));
        }
        seen
    }

    #[test]
    fn a_thermal_frame_shows_the_newest_visible_one_of_its_time() {
        let ms = |n: u64| n * 1_000_000;
        let slow = [0, 111, 222, 333].map(ms);
        let fast: Vec<u64> = (0..20).map(|i| ms(i * 33)).collect();
        assert_eq!(shown(&slow, &fast), [Some(1), Some(4), Some(7), Some(11)]);
        assert_eq!(shown(&fast[..5], &slow), [Some(1), Some(1), Some(1), Some(1), Some(2)]);
        assert_eq!(shown(&slow, &slow), [Some(1), Some(2), Some(3), Some(4)]);
    }

    #[test]
    fn recordings_of_other_clocks_start_together() {
        let late: Vec<u64> = [0, 111, 222].iter().map(|ms| 9_000_000_000_000 + ms * 1_000_000).collect();
        assert_eq!(shown(&[0, 111_000_000, 222_000_000], &late), [Some(1), Some(2), Some(3)]);
        assert_eq!(shown(&late, &[0, 111_000_000, 222_000_000]), [Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn the_rest_is_thermal_alone_where_the_visible_recording_ends_first() {
        assert_eq!(shown(&[0, 10_000_000, 20_000_000], &[0, 9_000_000]), [Some(1), Some(2), None]);
        assert_eq!(shown(&[0, 10_000_000], &[5_000_000, 6_000_000]), [None, Some(2)]);
        assert!(Paired::new(timed(&[0]), timed(&[])).is_err());
    }

    #[test]
    fn a_grey_recording_is_visible_light_if_the_user_says_so() {
        let mut alone = Single::visible(timed(&[7]));
        let mut frame = Frame::new(alone.format());
        assert_eq!(alone.read(&mut frame, Duration::ZERO).unwrap(), Read::Frame);
        assert_eq!(
            frame.visible.unwrap(),
            Visible { captured: Nanos(7), rgb: vec![1; 24], alone: true, ..Visible::new(4, 2) }
        );
    }
}
