//! Replays recordings with their recorded times. The pipeline decides how fast.

use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use super::file::{FileKind, open_file};
use super::folder::Pictures;
use super::mjpeg::{self, Mjpeg};
use super::video::Video;
use super::{Read, Settings, Source};
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat};
use crate::recording::cptv::Cptv;
use crate::recording::ifd::First;
use crate::recording::pages::Pages;
use crate::recording::y16::Y16;
use crate::recording::{CameraInfo, Clip};
use crate::units::Nanos;

/// Opens the recording in `path`, recognised by its content.
///
/// # Errors
/// `Fix` if it cannot be read or is a single picture, which [`open`] takes.
pub fn clip(path: &Path, settings: &Settings) -> Result<Box<dyn Clip>> {
    let (mut file, name) = open_file(path)?;
    let unit = settings.signal;
    match FileKind::of(&name, &mut file)? {
        FileKind::Tiff => {
            let file = BufReader::new(file);
            Ok(Box::new(Pages::open_up_to(settings.largest, &name, file, unit, settings.rate_hz)?))
        }
        FileKind::Cptv => Ok(Box::new(Cptv::open(&name, file, unit)?)),
        FileKind::Y16 => Ok(Box::new(Y16::open(&name, file, unit)?)),
        FileKind::Png | FileKind::Jpeg => Err(Error::fix(name, "is a single picture, not a recording")),
        FileKind::Video => Err(Error::fix(name, "is a video, which has no recorded times")),
    }
}

/// Opens a recording, a video or a single picture as a source.
///
/// # Errors
/// `Fix` if it cannot be read.
pub fn open(path: &Path, settings: &Settings) -> Result<Box<dyn Source>> {
    let (mut file, name) = open_file(path)?;
    let picture = match FileKind::of(&name, &mut file)? {
        FileKind::Jpeg if mjpeg::is_motion(&mut file) => return Ok(Box::new(Mjpeg::open(path, settings)?)),
        FileKind::Video => return Ok(Box::new(Video::open(path, settings)?)),
        FileKind::Png | FileKind::Jpeg => true,
        // A colour table means a picture. An error here is reported when the file is read.
        FileKind::Tiff => First::read(&mut file).is_ok_and(|first| first.is_palette()),
        FileKind::Cptv | FileKind::Y16 => false,
    };
    if picture {
        return Ok(Box::new(Pictures::single(path, settings)?));
    }
    let short = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let (path, options) = (path.to_path_buf(), settings.clone());
    let source = Replay::new(&format!("replay:{short}"), settings.repeat, move || clip(&path, &options))?;
    Ok(Box::new(source))
}

type OpenClip = Box<dyn FnMut() -> Result<Box<dyn Clip>> + Send>;

/// A recording as a source. A read never waits.
pub struct Replay {
    name: String,
    repeat: bool,
    open: OpenClip,
    clip: Box<dyn Clip>,
    reported: bool,
    /// Finished rounds, frames of the current one, and the offsets added to its numbers and times.
    rounds: u64,
    round_frames: u64,
    shift: Shift,
    last: Last,
}

#[derive(Clone, Copy, Default)]
struct Shift {
    seq: u64,
    time_ns: u64,
}

/// The last frame, from which the next round continues.
#[derive(Clone, Copy, Default)]
struct Last {
    seq: u64,
    captured: Nanos,
    period_ns: u64,
}

impl Replay {
    /// Opens a recording with `open`, which is called again for each round if `repeat` is set.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn new(
        name: &str,
        repeat: bool,
        mut open: impl FnMut() -> Result<Box<dyn Clip>> + Send + 'static,
    ) -> Result<Self> {
        let clip = open()?;
        Ok(Self {
            name: name.into(),
            repeat,
            open: Box::new(open),
            clip,
            reported: false,
            rounds: 0,
            round_frames: 0,
            shift: Shift::default(),
            last: Last::default(),
        })
    }

    /// Which camera made the recording.
    pub fn camera(&self) -> &CameraInfo {
        self.clip.camera()
    }

    fn report_damage(&mut self) {
        if self.reported {
            return;
        }
        if let Some(cut) = self.clip.truncation() {
            log::warn!("{}: {cut}", self.name);
            self.reported = true;
        }
        if self.clip.skipped() > 0 {
            log::warn!("{}: {} damaged frames were skipped", self.name, self.clip.skipped());
            self.reported = true;
        }
    }

    /// Shifts the number and time of a frame so that it follows the earlier rounds.
    fn place(&mut self, into: &mut Frame) {
        let meta = &mut into.meta;
        if self.rounds > 0 && self.round_frames == 0 {
            // The recording starts again one period after the last frame.
            let next = self.last.captured.0.saturating_add(self.last.period_ns);
            self.shift = Shift {
                seq: self.last.seq.saturating_add(1).saturating_sub(meta.seq),
                time_ns: next.saturating_sub(meta.captured.0),
            };
        }
        if self.rounds > 0 {
            let by = self.shift.time_ns;
            meta.seq = meta.seq.saturating_add(self.shift.seq);
            meta.captured = Nanos(meta.captured.0.saturating_add(by));
            meta.received = Nanos(meta.received.0.saturating_add(by));
            let by = i64::try_from(by).unwrap_or(i64::MAX);
            meta.captured_utc_ns = meta.captured_utc_ns.map(|utc| utc.saturating_add(by));
        }
        let gap = meta.captured.0.saturating_sub(self.last.captured.0);
        let nominal = if into.format.rate_hz > 0.0 { (1e9 / f64::from(into.format.rate_hz)) as u64 } else { 0 };
        let period_ns = match (nominal, self.round_frames) {
            (0, 0) => self.last.period_ns.max(1),
            (0, _) => gap.max(1),
            (nominal, _) => nominal,
        };
        self.last = Last { seq: meta.seq, captured: meta.captured, period_ns };
        self.round_frames += 1;
    }
}

impl Source for Replay {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> FrameFormat {
        self.clip.format()
    }

    fn read(&mut self, into: &mut Frame, _wait: Duration) -> Result<Read> {
        for _ in 0..2 {
            if self.clip.read(into) {
                self.place(into);
                return Ok(Read::Frame);
            }
            self.report_damage();
            if !self.repeat || self.round_frames == 0 {
                break;
            }
            self.clip = (self.open)()?;
            self.rounds += 1;
            self.round_frames = 0;
        }
        Ok(Read::End)
    }
}
