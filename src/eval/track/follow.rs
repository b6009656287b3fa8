//! What evaluation wants of a tracker, and the simplest one: a box that never moves.

use std::time::Duration;

use super::measure::Xywh;
use super::presence::Answer;
use super::rules::Rule;
use super::sequence::Sequence;
use crate::error::{Error, Result};
use crate::frame::{FfcState, Frame, FrameFormat, Signal};
use crate::geometry::Rect;
use crate::result::{Modality, TargetState};
use crate::source::paired::Single;
use crate::source::{Read, Source};
use crate::units::Nanos;

/// A tracker of one target.
pub trait Follow {
    /// Name in the report.
    fn name(&self) -> String;

    /// Name of its model, if it has one.
    fn model(&self) -> Option<&str> {
        None
    }

    /// Starts with the target in `bbox` of `frame`, pixels of the visible frame if `modality` is visible, otherwise of
    /// the thermal one. `frame.visible` is set unless `modality` is thermal; the counts of `frame` are no thermal
    /// picture if it is visible.
    ///
    /// # Errors
    /// Those of the tracker; they end the evaluation.
    fn start(&mut self, frame: &Frame, modality: Modality, bbox: Rect) -> Result<()>;

    /// Looks for the target in the next frame.
    ///
    /// # Errors
    /// As for [`Follow::start`].
    fn follow(&mut self, frame: &Frame) -> Result<Answer>;
}

/// The baseline: the box stays where it was given, and says that the target is there.
#[derive(Debug, Default)]
pub struct Still(Xywh);

impl Follow for Still {
    fn name(&self) -> String {
        "still".into()
    }

    fn start(&mut self, _frame: &Frame, _modality: Modality, bbox: Rect) -> Result<()> {
        self.0 = bbox.into();
        Ok(())
    }

    fn follow(&mut self, _frame: &Frame) -> Result<Answer> {
        Ok(Answer { bbox: self.0, presence: None, state: TargetState::Tracked })
    }
}

/// Runs `tracker` over `sequence` and returns its answers for the rows from `rows.start` on; the first is `given`.
/// `signal` is what thermal counts mean if the sequence does not tell. Where the pictures of a `plain` sequence end
/// before its boxes do, as some clips' do by one, the rest has no answer.
///
/// # Errors
/// Fix: pictures are missing, differ in number or cannot be read. Errors of `tracker` are passed on.
pub(super) fn follow(
    sequence: &Sequence,
    rows: std::ops::Range<usize>,
    given: Xywh,
    modality: Modality,
    signal: Option<Signal>,
    tracker: &mut dyn Follow,
) -> Result<Vec<Answer>> {
    let mut show = Show::open(sequence, modality, signal)?;
    let mut answers = vec![Answer { bbox: given, presence: Some(1.0), state: TargetState::Tracked }];
    let (first, last) = (rows.start * sequence.step, (rows.end - 1) * sequence.step);
    for index in 0..=last {
        // A frozen picture shows the target as well as another one does.
        let Some(frame) = show.next(index, index > first)? else {
            let what = format!("ends after {index} pictures, but has boxes up to frame {last}");
            if sequence.rule != Rule::Plain || index <= first {
                return Err(Error::fix(&sequence.name, what));
            }
            log::warn!("{}: {what}; these do not count", sequence.name);
            break;
        };
        if index < first {
            continue;
        }
        if index == first {
            tracker.start(frame, modality, given.rect()).map_err(|e| {
                let what = format!("the tracker cannot start with {given} in frame {first}");
                Error::new(e.remedy(), &sequence.name, what).because(e)
            })?;
            continue;
        }
        let answer = tracker.follow(frame)?;
        if !answer.bbox.is_finite() || answer.presence.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
            let what = format!("answers {:?} with presence {:?}", answer.bbox, answer.presence);
            return Err(Error::fatal(tracker.name(), format!("{what} in frame {index} of {}", sequence.name)));
        }
        if index % sequence.step == 0 {
            answers.push(answer);
        }
    }
    Ok(answers)
}

/// The frames of a sequence as a tracker sees them.
struct Show<'a> {
    sequence: &'a Sequence,
    thermal: Option<Box<dyn Source>>,
    visible: Option<Single>,
    frame: Frame,
    beside: Frame,
}

impl<'a> Show<'a> {
    fn open(sequence: &'a Sequence, modality: Modality, signal: Option<Signal>) -> Result<Self> {
        let wrong = |what: String| Error::fix(&sequence.name, what);
        let (see_thermal, see_visible) = (modality != Modality::Visible, modality != Modality::Thermal);
        let reels =
            (sequence.thermal.as_ref().filter(|_| see_thermal), sequence.visible.as_ref().filter(|_| see_visible));
        if reels.0.is_none() && see_thermal || reels.1.is_none() && see_visible {
            return Err(wrong(format!("has no pictures for {}, only boxes", modality.name())));
        }
        let counts =
            (reels.0.map(|r| r.count()).transpose()?.flatten(), reels.1.map(|r| r.count()).transpose()?.flatten());
        if let (Some(thermal), Some(visible)) = counts
            && thermal != visible
        {
            return Err(wrong(format!("has {thermal} thermal and {visible} visible pictures, wanted as many of both")));
        }
        let thermal = reels.0.map(|reel| reel.open(sequence.signal.or(signal))).transpose()?;
        let visible = reels.1.map(|reel| reel.open(None).map(Single::visible)).transpose()?;
        let blank = Frame::new(FrameFormat { width: 0, height: 0, signal: Signal::Grey8, rate_hz: 0.0 });
        Ok(Self { sequence, thermal, visible, frame: blank.clone(), beside: blank })
    }

    /// The next frame; `None` at the end. With `ffc`, it tells that it is frozen where it is.
    fn next(&mut self, index: usize, ffc: bool) -> Result<Option<&Frame>> {
        let (mut seen, mut ended) = (None, None);
        if let Some(thermal) = &mut self.thermal {
            let more = thermal.read(&mut self.frame, Duration::ZERO)? == Read::Frame;
            *if more { &mut seen } else { &mut ended } = Some(thermal.name().to_string());
            self.frame.visible = None;
        }
        if let Some(visible) = &mut self.visible {
            let into = if self.thermal.is_some() { &mut self.beside } else { &mut self.frame };
            let more = visible.read(into, Duration::ZERO)? == Read::Frame;
            *if more { &mut seen } else { &mut ended } = Some(visible.name().to_string());
            if more && self.thermal.is_some() {
                self.frame.visible = self.beside.visible.take();
            }
        }
        if let Some(ended) = ended {
            let uneven = |longer| Error::fix(ended, format!("ends after {index} pictures, before {longer} does"));
            return seen.map_or(Ok(None), |longer| Err(uneven(longer)));
        }
        let captured = Nanos((index as f64 * 1e9 / self.sequence.rate) as u64);
        let meta = &mut self.frame.meta;
        (meta.seq, meta.captured, meta.received) = (index as u64, captured, captured);
        let frozen = self.sequence.parts.iter().any(|(name, rows)| name == FROZEN && rows.get(index) == Some(&true));
        meta.ffc = if frozen && ffc { FfcState::Running } else { FfcState::Idle };
        if let Some(visible) = &mut self.frame.visible {
            (visible.captured, visible.alone) = (captured, self.thermal.is_none());
        }
        Ok(Some(&self.frame))
    }
}

/// Name of the frames during which an FFC freezes the thermal picture.
pub(super) const FROZEN: &str = "thermal frozen";
