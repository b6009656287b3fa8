//! The programs `ffprobe` and `ffmpeg`, started and read.

use std::ffi::OsString;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use crate::error::{Error, Result};

/// Most bytes kept of what ffmpeg says.
const MAX_SAID: u64 = 4096;

/// What the decoder writes for a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Grey16,
    Grey8,
    Colour,
}

impl Layout {
    /// Name of the pixel format for ffmpeg, and bytes a pixel.
    pub fn format(self) -> (&'static str, usize) {
        match self {
            Layout::Grey16 => ("gray16le", 2),
            Layout::Grey8 => ("gray", 1),
            Layout::Colour => ("rgb24", 3),
        }
    }
}

/// A running `ffmpeg`; ended when it is dropped.
pub(super) struct Decoder {
    child: Child,
    out: ChildStdout,
    /// Collects what it says.
    said: Option<JoinHandle<String>>,
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Decoder {
    /// Starts to decode `input` to frames of this layout and size.
    ///
    /// # Errors
    /// `Fix` if `ffmpeg` is not installed.
    pub fn start(input: &[OsString], layout: Layout, (width, height): (u32, u32)) -> Result<Self> {
        let mut child = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-protocol_whitelist", "file"])
            .args(input)
            // Regular times, or ffmpeg repeats and drops frames where theirs are not. One size, or frames of another
            // size later in the file would shift all bytes after them.
            .args(["-map", "0:v:0", "-vf", &format!("setpts=N/30/TB,scale={width}:{height}"), "-r", "30"])
            .args(["-f", "rawvideo", "-pix_fmt", layout.format().0, "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| missing("ffmpeg", e))?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let said = err.map(|err| std::thread::spawn(move || first_line(err)));
        match out {
            Some(out) => Ok(Decoder { child, out, said }),
            None => Err(Error::fatal("ffmpeg", "has no standard output")),
        }
    }

    /// Fills `bytes` with the next frame; false at the end.
    ///
    /// # Errors
    /// The output cannot be read.
    pub fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<bool> {
        match self.out.read_exact(bytes) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// The first thing that it found wrong, once; call it after the end.
    pub fn complaint(&mut self) -> Option<String> {
        self.said.take().and_then(|said| said.join().ok()).filter(|line| !line.is_empty())
    }
}

/// Reads to the end, or a full pipe would stop ffmpeg. The first line without the part of ffmpeg that says it.
fn first_line(mut from: ChildStderr) -> String {
    let mut said = Vec::new();
    // What was read until an error is all there is.
    let _ = from.by_ref().take(MAX_SAID).read_to_end(&mut said);
    let _ = std::io::copy(&mut from, &mut std::io::sink());
    let said = String::from_utf8_lossy(&said);
    let line = said.trim().lines().next().unwrap_or_default();
    line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(line, |(_, what)| what).trim().to_string()
}

/// The path as ffmpeg takes it: never as an option or as an address.
pub(super) fn file(path: &Path) -> OsString {
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

/// What `ffprobe` says of the first video stream.
pub(super) struct Facts {
    /// Columns of the upright picture; phones store a portrait one on its side.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// What frames become.
    pub layout: Layout,
    /// Frames per second, 0.1 to 1000.
    pub rate_hz: f32,
}

impl Facts {
    /// Asks about `input`; `subject` is for messages.
    ///
    /// # Errors
    /// `Fix` if `ffprobe` is not installed or cannot read it.
    pub fn probe(subject: &str, input: &[OsString]) -> Result<Self> {
        let entries = "stream=width,height,pix_fmt,r_frame_rate:stream_side_data=rotation";
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
        let turned = stream["side_data_list"].as_array().is_some_and(|list| {
            list.iter()
                .filter_map(|data| data["rotation"].as_f64())
                .any(|degrees| (degrees / 90.0).round() % 2.0 != 0.0)
        });
        let (width, height) = (number("width")?, number("height")?);
        let (width, height) = if turned { (height, width) } else { (width, height) };
        Some(Self { width, height, layout, rate_hz })
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
}
