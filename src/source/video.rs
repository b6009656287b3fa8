//! Video files (MP4, MOV, AVI, Matroska, WebM), decoded by the `ffmpeg` program.
//!
//! Grey of more than 8 bits keeps its counts; everything else is 8-bit colour or grey. Every frame comes once, at the
//! nominal rate of the file.

mod ffmpeg;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use self::ffmpeg::{Decoder, Facts, Layout, file};
use super::{Read, Settings, Source};
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat, Signal};
use crate::recording::pages::colours;
use crate::recording::{Largest, Unit};
use crate::units::Nanos;

/// A video file, or a folder of pictures.
pub struct Video {
    name: String,
    /// The path, for messages.
    subject: String,
    /// What ffmpeg reads, as its arguments.
    input: Vec<OsString>,
    repeat: bool,
    layout: Layout,
    format: FrameFormat,
    decoder: Decoder,
    bytes: Vec<u8>,
    index: u64,
    in_round: u64,
}

impl Video {
    /// Opens a video and starts to decode it.
    ///
    /// # Errors
    /// `Fix` if `ffmpeg` is not installed or cannot read the file, or its size is not supported.
    pub fn open(path: &Path, settings: &Settings) -> Result<Self> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        Self::start(&name, path, vec!["-i".into(), file(path)], settings, |subject, width, height| {
            settings.largest.check(subject, width, height)
        })
    }

    /// Opens the pictures of `folder` whose names end with `.ending`, in the order of their bytes. It reads kinds and
    /// sizes that [`super::still`] does not, such as BMP. All take the size of the first one.
    ///
    /// # Errors
    /// As for [`Video::open`].
    pub fn pictures(folder: &Path, ending: &str, settings: &Settings) -> Result<Self> {
        let mut pattern = OsString::new();
        for c in folder.to_string_lossy().chars() {
            pattern.push(if "\\*?[]{}%".contains(c) { "\\" } else { "" });
            pattern.push(c.to_string());
        }
        pattern.push(format!("/*.{ending}"));
        let kind = ["-f", "image2", "-pattern_type", "glob", "-i"].map(OsString::from);
        let input = kind.into_iter().chain([pattern]).collect();
        let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy();
        Self::start(&name, folder, input, settings, |subject, width, height| {
            let Largest { width: w, height: h } = Largest::VISIBLE;
            let fits = (1..=w).contains(&width) && (1..=h).contains(&height);
            let error = || Error::fix(subject, format_args!("is {width}x{height} pixels, wanted up to {w}x{h}"));
            fits.then_some(()).ok_or_else(error)
        })
    }

    fn start(
        name: &str,
        path: &Path,
        input: Vec<OsString>,
        settings: &Settings,
        check: impl Fn(&str, u32, u32) -> Result<()>,
    ) -> Result<Self> {
        let subject = path.display().to_string();
        let facts = Facts::probe(&subject, &input)?;
        check(&subject, facts.width, facts.height)?;
        let signal = match facts.layout {
            Layout::Grey16 => settings.signal.unwrap_or(Unit::Counts).signal(),
            Layout::Grey8 | Layout::Colour => Signal::Grey8,
        };
        Ok(Self {
            name: format!("replay:{name}"),
            subject,
            decoder: Decoder::start(&input, facts.layout, (facts.width, facts.height))?,
            input,
            repeat: settings.repeat,
            layout: facts.layout,
            format: FrameFormat { width: facts.width, height: facts.height, signal, rate_hz: facts.rate_hz },
            bytes: Vec::new(),
            index: 0,
            in_round: 0,
        })
    }

    /// Reads the next frame into `bytes`; false at the end.
    fn next(&mut self) -> Result<bool> {
        self.bytes.resize(self.format.pixels() * self.layout.format().1, 0);
        let read = self.decoder.read(&mut self.bytes);
        read.map_err(|e| Error::fix(&self.subject, "cannot be decoded").because(e))
    }
}

impl Source for Video {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> FrameFormat {
        self.format
    }

    fn read(&mut self, into: &mut Frame, _wait: Duration) -> Result<Read> {
        if !self.next()? {
            let complaint = self.decoder.complaint();
            if self.index == 0 {
                let error = Error::fix(&self.subject, "has no frame that ffmpeg can decode");
                return Err(match complaint {
                    Some(what) => error.because(what),
                    None => error,
                });
            }
            if let Some(what) = complaint.filter(|_| self.index == self.in_round) {
                log::warn!("{}: is damaged or cut short, {} frames were read: {what}", self.name, self.index);
            }
            if !self.repeat || self.in_round == 0 {
                return Ok(Read::End);
            }
            self.decoder = Decoder::start(&self.input, self.layout, (self.format.width, self.format.height))?;
            self.in_round = 0;
            if !self.next()? {
                return Ok(Read::End);
            }
        }
        into.reshape(self.format);
        let bytes = &self.bytes;
        match self.layout {
            Layout::Grey16 => {
                let counts = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
                into.pixels.iter_mut().zip(counts).for_each(|(to, from)| *to = from);
                into.visible = None;
            }
            Layout::Grey8 => {
                into.pixels.iter_mut().zip(bytes).for_each(|(to, from)| *to = u16::from(*from));
                into.visible = None;
            }
            Layout::Colour => colours(bytes, 3, into),
        }
        let captured = Nanos((self.index as f64 * 1e9 / f64::from(self.format.rate_hz)) as u64);
        into.meta = Default::default();
        (into.meta.seq, into.meta.captured, into.meta.received) = (self.index, captured, captured);
        self.index += 1;
        self.in_round += 1;
        Ok(Read::Frame)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Whether ffmpeg is here; says so if not.
    fn ffmpeg() -> bool {
        let found = Command::new("ffmpeg").arg("-version").output().is_ok();
        if !found {
            eprintln!("skipped: ffmpeg is not installed");
        }
        found
    }

    fn make(arguments: &[&str], to: &Path) {
        let made = Command::new("ffmpeg").args(["-nostdin", "-v", "error"]).args(arguments).arg(file(to)).status();
        assert!(made.unwrap().success());
    }

    fn frames(video: &mut Video) -> Vec<Frame> {
        let (mut frame, mut all) = (Frame::new(video.format()), Vec::new());
        while video.read(&mut frame, Duration::ZERO).unwrap() == Read::Frame {
            all.push(frame.clone());
        }
        all
    }

    #[test]
    fn frames_at_irregular_times_come_once_each() {
        if !ffmpeg() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a:b.mkv");
        let scene = "color=black:s=96x64:r=10:d=0.5,geq=lum='40*N':cb=128:cr=128,setpts=N*N/10/TB";
        make(&["-f", "lavfi", "-i", scene, "-c:v", "ffv1", "-fps_mode", "passthrough"], &path);
        let greys: Vec<u16> =
            frames(&mut Video::open(&path, &Settings::default()).unwrap()).iter().map(|f| f.pixels[0]).collect();
        assert!(greys.len() == 5 && greys.is_sorted() && greys[4] > 120, "{greys:?}");
    }

    #[test]
    fn a_video_stored_on_its_side_is_upright() {
        if !ffmpeg() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let [flat, turned] = ["flat.mp4", "turned.mp4"].map(|name| dir.path().join(name));
        // White left of the middle, black right of it.
        let scene = "color=black:s=192x108:r=10:d=0.3,drawbox=w=96:color=white:t=fill";
        make(&["-f", "lavfi", "-i", scene, "-c:v", "mpeg4"], &flat);
        make(&["-i", flat.to_str().unwrap(), "-c", "copy", "-metadata:s:v", "rotate=90"], &turned);
        let mut video = Video::open(&turned, &Settings::default()).unwrap();
        if (video.format.width, video.format.height) == (192, 108) {
            return eprintln!("skipped: this ffmpeg cannot write a rotation so");
        }
        assert_eq!((video.format.width, video.format.height), (108, 192));
        let seen = frames(&mut video);
        let rows: Vec<bool> = seen[0].pixels.chunks(108).map(|row| row.iter().all(|&v| v > 128)).collect();
        let halves = [rows[..90].iter().all(|&w| w), rows[..90].iter().any(|&w| w), rows[102..].iter().all(|&w| w)];
        assert!(seen.len() == 3 && halves[0] == halves[1] && halves[0] != halves[2], "{rows:?}");
    }

    #[test]
    fn pictures_that_only_ffmpeg_reads_come_in_order() {
        if !ffmpeg() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a[1]");
        std::fs::create_dir(&folder).unwrap();
        for i in 0..3u8 {
            // A BMP of 4 x 2 pixels of 24 bits, one grey.
            let mut bmp = b"BM".to_vec();
            for value in [54 + 24u32, 0, 54, 40, 4, 2, 1 | 24 << 16, 0, 24, 0, 0, 0, 0] {
                bmp.extend(value.to_le_bytes());
            }
            bmp.extend([i * 50; 24]);
            std::fs::write(folder.join(format!("{i:05}.bmp")), bmp).unwrap();
        }
        let mut video = Video::pictures(&folder, "bmp", &Settings::default()).unwrap();
        let greys: Vec<u8> = frames(&mut video).iter().map(|f| f.visible.as_ref().unwrap().rgb[5]).collect();
        assert_eq!((greys, video.format().width), (vec![0, 50, 100], 4));
        let error = Video::pictures(&folder, "webp", &Settings::default()).err().unwrap();
        assert!(error.to_string().contains("a[1]"), "{error}");
    }

    #[test]
    fn a_video_plays_if_ffmpeg_is_installed() {
        if !ffmpeg() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        for (name, codec, pixels, layout) in
            [("colour.mkv", "ffv1", "bgr0", Layout::Colour), ("counts.mkv", "ffv1", "gray16le", Layout::Grey16)]
        {
            let path = dir.path().join(name);
            let scene = "testsrc=size=96x64:rate=10:duration=0.5";
            make(&["-f", "lavfi", "-i", scene, "-c:v", codec, "-pix_fmt", pixels], &path);
            let mut video = Video::open(&path, &Settings::default()).unwrap();
            assert_eq!(video.layout, layout);
            let (mut frame, mut times) = (Frame::new(video.format()), Vec::new());
            while video.read(&mut frame, Duration::ZERO).unwrap() == Read::Frame {
                times.push(frame.meta.captured.0 / 1_000_000);
                assert_eq!((frame.pixels.len(), frame.visible.is_some()), (96 * 64, layout == Layout::Colour));
            }
            assert_eq!(times, [0, 100, 200, 300, 400]);
            let most = frame.pixels.iter().max().copied().unwrap();
            assert_eq!(most > 255, layout == Layout::Grey16, "{most}");
        }
        let broken = dir.path().join("broken.mp4");
        std::fs::write(&broken, b"\0\0\0\x18ftypmp42 and nothing else").unwrap();
        let error = Video::open(&broken, &Settings::default()).err().unwrap();
        assert!(error.to_string().contains("broken.mp4"), "{error}");
    }
}
