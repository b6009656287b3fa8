//! Replays recordings with their recorded times. How fast is the pipeline's matter.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek};
use std::path::Path;
use std::time::Duration;

use super::folder::Pictures;
use super::{Read, Settings, Source};
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat};
use crate::recording::cptv::{self, Cptv};
use crate::recording::ifd::First;
use crate::recording::pages::Pages;
use crate::recording::y16::{self, Y16};
use crate::recording::{CameraInfo, Clip};
use crate::units::Nanos;

/// Kind of a file, told from its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// TIFF: our own recording, or pictures.
    Tiff,
    /// CPTV inside gzip.
    Cptv,
    /// PureThermal Y16 inside gzip.
    Y16,
    /// PNG picture.
    Png,
    /// JPEG picture.
    Jpeg,
}

/// What can be read, for messages.
pub const SUPPORTED: &str = "Heatmark recordings (TIFF), CPTV 1 and 2, .raw.y16.gz, and PNG, TIFF and JPEG pictures";

/// First bytes of each kind; gzip is looked into.
const MAGICS: [(&[u8], Kind); 7] = [
    (b"II*\0", Kind::Tiff),
    (b"MM\0*", Kind::Tiff),
    (b"II+\0", Kind::Tiff),
    (b"MM\0+", Kind::Tiff),
    (b"\x89PNG\r\n\x1a\n", Kind::Png),
    (b"\xff\xd8\xff", Kind::Jpeg),
    (b"\x1f\x8b", Kind::Cptv),
];

impl Kind {
    /// Tells the kind of `file` from its beginning and rewinds it.
    pub fn of(name: &str, file: &mut (impl std::io::Read + Seek)) -> Result<Kind> {
        let unreadable = |e| Error::fix(name, "cannot be read").because(e);
        let start = beginning(&mut *file).map_err(unreadable)?;
        file.rewind().map_err(unreadable)?;
        let kind = MAGICS.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, kind)| *kind);
        let kind = match kind {
            Some(Kind::Cptv) => {
                let inside = beginning(flate2::read::GzDecoder::new(&mut *file)).unwrap_or_default();
                file.rewind().map_err(unreadable)?;
                if inside.starts_with(cptv::MAGIC) {
                    Some(Kind::Cptv)
                } else if inside.starts_with(y16::MAGIC) {
                    Some(Kind::Y16)
                } else {
                    return Err(Error::fix(
                        name,
                        format_args!("is gzip around {}; supported are {SUPPORTED}", show(&inside)),
                    ));
                }
            }
            other => other,
        };
        kind.ok_or_else(|| Error::fix(name, format_args!("begins with {}; supported are {SUPPORTED}", show(&start))))
    }
}

fn beginning(reader: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(8);
    reader.take(8).read_to_end(&mut start)?;
    Ok(start)
}

fn show(bytes: &[u8]) -> String {
    if bytes.is_empty() { "nothing (it is empty or cut)".into() } else { format!("\"{}\"", bytes.escape_ascii()) }
}

/// Opens a file for reading; the error names it.
pub(super) fn open_file(path: &Path) -> Result<(File, String)> {
    let name = path.display().to_string();
    let opened = File::open(path).and_then(|file| {
        if file.metadata()?.is_dir() { Err(std::io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
    });
    match opened {
        Ok(file) => Ok((file, name)),
        Err(e) => Err(Error::fix(name, "cannot be opened").because(e)),
    }
}

/// Opens the recording in `path`, recognised by its content. Single PNG and JPEG
/// pictures are [`open`]'s matter.
pub fn clip(path: &Path, settings: &Settings) -> Result<Box<dyn Clip>> {
    let (mut file, name) = open_file(path)?;
    let unit = settings.signal;
    match Kind::of(&name, &mut file)? {
        Kind::Tiff => Ok(Box::new(Pages::open(&name, BufReader::new(file), unit, settings.rate_hz)?)),
        Kind::Cptv => Ok(Box::new(Cptv::open(&name, file, unit)?)),
        Kind::Y16 => Ok(Box::new(Y16::open(&name, file, unit)?)),
        Kind::Png | Kind::Jpeg => Err(Error::fix(name, "is a single picture, not a recording")),
    }
}

/// Opens a recording or a single picture as a source.
pub fn open(path: &Path, settings: &Settings) -> Result<Box<dyn Source>> {
    let (mut file, name) = open_file(path)?;
    let picture = match Kind::of(&name, &mut file)? {
        Kind::Png | Kind::Jpeg => true,
        // A colour table means a picture; errors are told by whoever reads on.
        Kind::Tiff => First::read(&mut file).is_ok_and(|first| first.is_palette()),
        Kind::Cptv | Kind::Y16 => false,
    };
    if picture {
        return Ok(Box::new(Pictures::single(path, settings)?));
    }
    let short = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let (path, options) = (path.to_path_buf(), settings.clone());
    let source = Replay::new(&format!("replay:{short}"), settings.repeat, move || clip(&path, &options))?;
    Ok(Box::new(source))
}

type Opener = Box<dyn FnMut() -> Result<Box<dyn Clip>> + Send>;

/// A recording as a source. Frames come as fast as they are asked for.
pub struct Replay {
    name: String,
    repeat: bool,
    open: Opener,
    clip: Box<dyn Clip>,
    told: bool,
    /// Rounds finished, frames of this one, and what is added to its numbers and times.
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

/// The frame handed on last, for the next round to go on from.
#[derive(Clone, Copy, Default)]
struct Last {
    seq: u64,
    captured: Nanos,
    period_ns: u64,
}

impl Replay {
    /// Opens a recording with `open`, which is called again for each round where `repeat` is set.
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
            told: false,
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

    fn tell_damage(&mut self) {
        if self.told {
            return;
        }
        if let Some(cut) = self.clip.truncation() {
            log::warn!("{}: {cut}", self.name);
            self.told = true;
        }
        if self.clip.skipped() > 0 {
            log::warn!("{}: {} damaged frames were passed over", self.name, self.clip.skipped());
            self.told = true;
        }
    }

    /// Moves a frame of a later round behind everything before it.
    fn place(&mut self, into: &mut Frame) {
        let meta = &mut into.meta;
        if self.rounds > 0 && self.round_frames == 0 {
            // The recording's own start counts as one period after the last frame.
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
            self.tell_damage();
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
