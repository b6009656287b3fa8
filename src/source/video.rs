//! Video files (MP4, MOV, AVI, Matroska, WebM), decoded by the `ffmpeg` program.
//!
//! Grey of more than 8 bits keeps its counts; everything else is 8-bit colour or grey. Every frame comes once, at the
//! nominal rate of the file.

use std::ffi::OsString;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::{Read, Settings, Source};
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat, Signal};
use crate::recording::Unit;
use crate::recording::check_size;
use crate::recording::pages::colours;
use crate::units::Nanos;

/// Most columns and rows of a picture in a folder.
const LARGEST: u32 = 4096;

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

/// What the decoder writes for a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Grey16,
    Grey8,
    Colour,
}

impl Layout {
    /// Name of the pixel format for ffmpeg, and bytes a pixel.
    fn format(self) -> (&'static str, usize) {
        match self {
            Layout::Grey16 => ("gray16le", 2),
            Layout::Grey8 => ("gray", 1),
            Layout::Colour => ("rgb24", 3),
        }
    }
}

/// A running `ffmpeg`; ended when it is dropped.
struct Decoder {
    child: Child,
    out: ChildStdout,
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Video {
    /// Opens a video and starts to decode it.
    ///
    /// # Errors
    /// `Fix` if `ffmpeg` is not installed or cannot read the file, or its size is not supported.
    pub fn open(path: &Path, settings: &Settings) -> Result<Self> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        Self::start(&name, path, vec!["-i".into(), file(path)], settings, |subject, width, height| {
            check_size(subject, width, height)
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
            let fits = (1..=LARGEST).contains(&width) && (1..=LARGEST).contains(&height);
            let error = || Error::fix(subject, format_args!("is {width}x{height} pixels, wanted up to {LARGEST}"));
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
            decoder: decode(&input, facts.layout)?,
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
        match self.decoder.out.read_exact(&mut self.bytes) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(Error::fix(&self.subject, "cannot be decoded").because(e)),
        }
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
            if self.index == 0 {
                return Err(Error::fix(&self.subject, "has no frame that ffmpeg can decode"));
            }
            if !self.repeat || self.in_round == 0 {
                return Ok(Read::End);
            }
            self.decoder = decode(&self.input, self.layout)?;
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

/// The path as ffmpeg takes it: never as an option or as an address.
fn file(path: &Path) -> OsString {
    let mut text = OsString::from("file:");
    text.push(path);
    text
}

fn missing(program: &str, e: std::io::Error) -> Error {
    let what = match e.kind() {
        ErrorKind::NotFound => "is not installed; videos need it (Debian: apt install ffmpeg)",
        _ => "cannot be started",
    };
    Error::fix(program, what).because(e)
}

fn decode(input: &[OsString], layout: Layout) -> Result<Decoder> {
    let mut child = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-protocol_whitelist", "file"])
        .args(input)
        // Regular times, or ffmpeg repeats and drops frames where theirs are not.
        .args([
            "-map",
            "0:v:0",
            "-vf",
            "setpts=N/30/TB",
            "-r",
            "30",
            "-f",
            "rawvideo",
            "-pix_fmt",
            layout.format().0,
            "-",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| missing("ffmpeg", e))?;
    match child.stdout.take() {
        Some(out) => Ok(Decoder { child, out }),
        None => Err(Error::fatal("ffmpeg", "has no standard output")),
    }
}

/// What `ffprobe` says of the first video stream.
struct Facts {
    width: u32,
    height: u32,
    layout: Layout,
    rate_hz: f32,
}

impl Facts {
    fn probe(subject: &str, input: &[OsString]) -> Result<Self> {
        let entries = "stream=width,height,pix_fmt,r_frame_rate";
        let out = Command::new("ffprobe")
            .args(["-v", "error", "-protocol_whitelist", "file", "-select_streams", "v:0", "-show_entries", entries])
            .args(["-of", "json"])
            .args(input)
            .stdin(Stdio::null())
            .output()
            .map_err(|e| missing("ffprobe", e))?;
        let said = String::from_utf8_lossy(&out.stderr);
        let unreadable = || Error::fix(subject, format_args!("cannot be read by ffprobe: {}", said.trim()));
        let json: serde_json::Value = serde_json::from_slice(&out.stdout).map_err(|_| unreadable())?;
        Self::of(&json["streams"][0]).ok_or_else(unreadable)
    }

    fn of(stream: &serde_json::Value) -> Option<Self> {
        let number = |key: &str| u32::try_from(stream[key].as_u64()?).ok();
        let pixels = stream["pix_fmt"].as_str()?;
        let layout = match pixels.strip_prefix("gray") {
            Some("") => Layout::Grey8,
            Some(_) => Layout::Grey16,
            None => Layout::Colour,
        };
        let (over, under) = stream["r_frame_rate"].as_str()?.split_once('/')?;
        let rate = over.parse::<f32>().ok()? / under.parse::<f32>().ok()?;
        let rate_hz = if rate.is_finite() && rate > 0.0 { rate.clamp(0.1, 1000.0) } else { 30.0 };
        Some(Self { width: number("width")?, height: number("height")?, layout, rate_hz })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_or_refused() {
        let facts = |text: &str| Facts::of(&serde_json::from_str(text).unwrap());
        let good = r#"{"width":320,"height":256,"pix_fmt":"gray16le","r_frame_rate":"30000/1001"}"#;
        let read = facts(good).unwrap();
        assert_eq!((read.width, read.height, read.layout), (320, 256, Layout::Grey16));
        assert!((read.rate_hz - 29.97).abs() < 0.01);
        assert_eq!(facts(&good.replace("gray16le", "gray")).unwrap().layout, Layout::Grey8);
        assert_eq!(facts(&good.replace("gray16le", "yuv420p")).unwrap().layout, Layout::Colour);
        assert_eq!(facts(&good.replace("30000/1001", "0/0")).unwrap().rate_hz, 30.0);
        for bad in [good.replace("320", "-1"), good.replace("\"pix_fmt\":\"gray16le\",", ""), "null".into()] {
            assert!(facts(&bad).is_none(), "{bad}");
        }
    }

    /// Whether ffmpeg is here; says so if not.
    fn ffmpeg() -> bool {
        let found = Command::new("ffmpeg").arg("-version").output().is_ok();
        if !found {
            eprintln!("skipped: ffmpeg is not installed");
        }
        found
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
        let made = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "color=black:s=96x64:r=10:d=0.5", "-vf"])
            .args(["geq=lum='40*N':cb=128:cr=128,setpts=N*N/10/TB", "-c:v", "ffv1", "-fps_mode", "passthrough"])
            .arg(file(&path))
            .status();
        assert!(made.unwrap().success());
        let greys: Vec<u16> =
            frames(&mut Video::open(&path, &Settings::default()).unwrap()).iter().map(|f| f.pixels[0]).collect();
        assert!(greys.len() == 5 && greys.is_sorted() && greys[4] > 120, "{greys:?}");
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
            let made = Command::new("ffmpeg")
                .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=96x64:rate=10:duration=0.5"])
                .args(["-c:v", codec, "-pix_fmt", pixels])
                .arg(&path)
                .status();
            assert!(made.unwrap().success());
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
