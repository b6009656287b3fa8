//! The files of a recording: their names, when to start the next one, and how much of the disk
//! to leave free.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;

use super::CameraInfo;
use super::write::{MAX_BYTES, Writer};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::ranges;
use crate::units::Nanos;

/// Required part of [`Settings::name`]; replaced by the UTC time at which the first frame is written.
const STAMP: &str = "{utc}";

/// How a recording is kept on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Record the stream.
    pub enabled: bool,
    /// Folder of the recordings; created if it does not exist.
    pub dir: PathBuf,
    /// File name without `.tiff`; `{utc}` becomes the start time, as in `20260101T120000Z`.
    pub name: String,
    /// Write each frame's result into its page.
    pub results: bool,
    /// A new file starts before one grows beyond this, MB (10^6 bytes).
    #[schemars(range(min = 1, max = 4000))]
    pub max_file_mb: u32,
    /// A new file starts after this much captured time, s; 0 for never.
    pub max_file_s: u32,
    /// The recording stops before free disk space falls below this, MB; 0 for no limit.
    pub min_free_mb: u32,
    /// Written frames are synced to the disk this often, ms; a power cut can lose this much.
    #[schemars(range(min = 100, max = 600_000))]
    pub sync_ms: u32,
    /// Frames kept in memory while the disk is busy; beyond that, new frames are dropped and counted.
    #[schemars(range(min = 1, max = 256))]
    pub queue: usize,
    /// Deflate effort: 0 stores, 1 is fastest, 9 makes the smallest files.
    #[schemars(range(max = 9))]
    pub level: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: false,
            dir: PathBuf::from("recordings"),
            name: format!("heatmark-{STAMP}"),
            results: false,
            max_file_mb: 1000,
            max_file_s: 3600,
            min_free_mb: 512,
            sync_ms: 2000,
            queue: 16,
            level: 1,
        }
    }
}

impl Settings {
    /// Rejects values outside the documented ranges.
    ///
    /// # Errors
    /// [`Error::fix`] about the first key that is wrong.
    pub fn validate(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::fix("sink.record.name", what));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.{}+@".contains(c);
        if !self.name.contains(STAMP) || self.name.starts_with('.') || !self.name.chars().all(plain) {
            return wrong(format!("is {:?}, wanted {STAMP} and otherwise letters, digits, - _ . + @", self.name));
        }
        if self.name.len() > 200 {
            return wrong(format!("has {} characters, wanted at most 200", self.name.len()));
        }
        ranges::check("sink.record", self)
    }

    fn max_bytes(&self) -> u64 {
        (u64::from(self.max_file_mb) * 1_000_000).min(MAX_BYTES)
    }
}

struct Current {
    writer: Writer<File>,
    first: Nanos,
    size: (u32, u32),
    checked: Instant,
}

/// A recording, split over as many files as it needs.
pub struct Files {
    settings: Settings,
    camera: CameraInfo,
    current: Option<Current>,
    path: PathBuf,
    started: u64,
    closed_bytes: u64,
}

impl Files {
    /// Makes the folder and checks the free space; the first frame starts the first file.
    ///
    /// # Errors
    /// `Fix` for settings out of range, a folder that cannot be made, or a full disk.
    pub fn new(settings: Settings, camera: CameraInfo) -> Result<Self> {
        settings.validate()?;
        fs::create_dir_all(&settings.dir)
            .map_err(|e| Error::fix(settings.dir.display(), "the folder cannot be made").because(e))?;
        let files = Self { settings, camera, current: None, path: PathBuf::new(), started: 0, closed_bytes: 0 };
        files.check_space()?;
        Ok(files)
    }

    /// Appends a frame, starting a new file if due. After an error the recording is over, and every
    /// frame written before stays readable.
    ///
    /// # Errors
    /// `Fix` if a file cannot be made or written, or the disk is full.
    pub fn put(&mut self, frame: &Frame, result: Option<&str>, lost: u64) -> Result<()> {
        if self.current.as_ref().is_some_and(|current| self.is_over(current, frame)) {
            self.finish()?;
        }
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.begin(frame)?,
        };
        current.writer.put(frame, result, lost)?;
        if current.checked.elapsed() >= Duration::from_millis(u64::from(self.settings.sync_ms)) {
            current.writer.sync()?;
            current.checked = Instant::now();
            self.check_space()?;
        }
        self.current = Some(current);
        Ok(())
    }

    fn is_over(&self, current: &Current, frame: &Frame) -> bool {
        // Every viewer opens stacks of one picture size.
        if current.size != (frame.format.width, frame.format.height) {
            return true;
        }
        let most = Duration::from_secs(u64::from(self.settings.max_file_s));
        if !most.is_zero() && frame.meta.captured.since(current.first) >= most {
            return true;
        }
        // A page is at most slightly larger than its pixels, plus the result.
        let page = frame.pixels.len() as u64 * 2 + frame.pixels.len() as u64 / 50 + (64 << 10);
        current.writer.bytes() + page > self.settings.max_bytes() && current.writer.pages() > 0
    }

    fn begin(&mut self, frame: &Frame) -> Result<Current> {
        self.check_space()?;
        let (file, path) = self.create()?;
        log::info!("recording to {}", path.display());
        let name = path.display().to_string();
        let writer = Writer::new(&name, file, self.camera.clone(), self.settings.level)?;
        // The new name survives a power cut only once the folder is synced.
        if let Err(e) = File::open(&self.settings.dir).and_then(|dir| dir.sync_all()) {
            log::debug!("{}: not synced: {e}", self.settings.dir.display());
        }
        self.path = path;
        self.started += 1;
        let size = (frame.format.width, frame.format.height);
        Ok(Current { writer, first: frame.meta.captured, size, checked: Instant::now() })
    }

    /// Creates a new file; a second one in the same second gets a number.
    fn create(&self) -> Result<(File, PathBuf)> {
        let stem = self.settings.name.replace(STAMP, &stamp(OffsetDateTime::now_utc()));
        for n in 1..10_000 {
            let name = if n == 1 { format!("{stem}.tiff") } else { format!("{stem}-{n}.tiff") };
            let path = self.settings.dir.join(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((file, path)),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::fix(path.display(), "the recording cannot be created").because(e)),
            }
        }
        Err(Error::fix(self.settings.dir.display(), format_args!("{stem}.tiff and its numbers are all taken")))
    }

    fn check_space(&self) -> Result<()> {
        let wanted = u64::from(self.settings.min_free_mb) * 1_000_000;
        if wanted == 0 {
            return Ok(());
        }
        let dir = &self.settings.dir;
        let free = free_bytes(dir).map_err(|e| Error::fix(dir.display(), "free space is unknown").because(e))?;
        if free >= wanted {
            return Ok(());
        }
        Err(Error::fix(
            dir.display(),
            format_args!(
                "{} MB free, and sink.record.min_free_mb keeps {} MB; no more is recorded, what was written stays",
                free / 1_000_000,
                self.settings.min_free_mb
            ),
        ))
    }

    /// Syncs and closes the current file.
    ///
    /// # Errors
    /// `Fix` if the file cannot be synced.
    pub fn finish(&mut self) -> Result<()> {
        let Some(current) = self.current.take() else { return Ok(()) };
        self.closed_bytes += current.writer.bytes();
        current.writer.finish().map(drop)
    }

    /// The file written last.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Files started.
    pub fn started(&self) -> u64 {
        self.started
    }

    /// Bytes written to all files.
    pub fn bytes(&self) -> u64 {
        self.closed_bytes + self.current.as_ref().map_or(0, |c| c.writer.bytes())
    }
}

/// Bytes that an unprivileged user may still write to the file system of `path`.
fn free_bytes(path: &Path) -> std::io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn stamp(at: OffsetDateTime) -> String {
    at.format(format_description!("[year][month][day]T[hour][minute][second]Z")).unwrap_or_else(|_| "unknown".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_outside_their_ranges_name_the_key() {
        Settings::default().validate().unwrap();
        type Change = fn(&mut Settings);
        let wrong: [(&str, Change); 8] = [
            ("name", |s| s.name = "fixed".into()),
            ("name", |s| s.name = "../{utc}".into()),
            ("name", |s| s.name = format!("{}{{utc}}", "x".repeat(200))),
            ("max_file_mb", |s| s.max_file_mb = 0),
            ("max_file_mb", |s| s.max_file_mb = 4001),
            ("sync_ms", |s| s.sync_ms = 99),
            ("queue", |s| s.queue = 0),
            ("level", |s| s.level = 10),
        ];
        for (key, change) in wrong {
            let mut settings = Settings::default();
            change(&mut settings);
            let e = settings.validate().unwrap_err();
            assert_eq!(e.subject(), format!("sink.record.{key}"), "{e}");
        }
    }

    #[test]
    fn names_carry_utc() {
        let at = OffsetDateTime::from_unix_timestamp(1_767_268_800).unwrap();
        assert_eq!(stamp(at), "20260101T120000Z");
    }
}
