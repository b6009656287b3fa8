//! The box of each target, one line a frame: `x,y,w,h` in pixels, as toolkits of tracking benchmarks read it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{Output, Sink, Wants, numbered};
use crate::error::{Error, Result};
use crate::result::Target;

/// Writes a file for each target, from its first frame on. A frame without a box is four zeros.
pub struct BoxSink {
    path: PathBuf,
    presence: bool,
    /// Target number and its file.
    files: Vec<(u32, BufWriter<File>)>,
    /// The frame written last.
    last: Option<u64>,
}

impl BoxSink {
    /// Target 1 goes to `path`, target 2 to the same name with `-2` before the extension. With `presence`, a fifth
    /// column holds the probability that the target is in view.
    ///
    /// # Errors
    /// `Fix` if the file cannot be made.
    pub fn create(path: &Path, presence: bool) -> Result<Self> {
        let first = BufWriter::new(make(path)?);
        Ok(Self { path: path.to_path_buf(), presence, files: vec![(1, first)], last: None })
    }

    fn write(&mut self, target: &Target) -> Result<()> {
        let at = match self.files.iter().position(|(id, _)| *id == target.id) {
            Some(at) => at,
            None => {
                let path = numbered(&self.path, target.id as usize);
                self.files.push((target.id, BufWriter::new(make(&path)?)));
                self.files.len() - 1
            }
        };
        let file = &mut self.files[at].1;
        let b = target.bbox.filter(|b| b.is_finite()).unwrap_or_default();
        let written = write!(file, "{:.2},{:.2},{:.2},{:.2}", b.x0, b.y0, b.width(), b.height()).and_then(|()| {
            if self.presence {
                write!(file, ",{:.4}", target.presence.clamp(0.0, 1.0))?;
            }
            writeln!(file)
        });
        written.map_err(|e| unwritable(&self.path, e))
    }
}

fn make(path: &Path) -> Result<File> {
    File::create(path).map_err(|e| Error::fix(path.display(), "cannot be made").because(e))
}

fn unwritable(path: &Path, e: std::io::Error) -> Error {
    Error::fix(path.display(), "cannot be written").because(e)
}

impl Sink for BoxSink {
    fn name(&self) -> &str {
        "boxes"
    }

    fn wants(&self) -> Wants {
        Wants::default()
    }

    fn put(&mut self, out: &Output<'_>) -> Result<()> {
        // Without a new frame, the output repeats the last result.
        if out.frame.is_none() || self.last.replace(out.result.seq) == Some(out.result.seq) {
            return Ok(());
        }
        out.result.targets.iter().try_for_each(|target| self.write(target))
    }

    fn finish(&mut self) -> Result<()> {
        let path = &self.path;
        self.files.iter_mut().try_for_each(|(_, file)| file.flush().map_err(|e| unwritable(path, e)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::frame::{Frame, FrameFormat, Signal};
    use crate::geometry::Rect;
    use crate::result::FrameResult;

    #[test]
    fn a_line_a_frame_and_a_file_a_target() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boxes.txt");
        let mut sink = BoxSink::create(&path, true).unwrap();
        let frame = Arc::new(Frame::new(FrameFormat { width: 8, height: 8, signal: Signal::Counts, rate_hz: 9.0 }));
        let mut result = FrameResult::new(Arc::from("x"), 0);
        for (seq, bbox) in [(0, Some(Rect::new(1.0, 2.0, 4.5, 8.0))), (0, None), (1, None)] {
            result.seq = seq;
            let mut target = Target::new(1);
            (target.bbox, target.presence) = (bbox, 0.25);
            result.targets = vec![target];
            if seq == 1 {
                result.targets.push(Target::new(2));
            }
            sink.put(&Output { frame: Some(&frame), result: &result, json: None, picture: None }).unwrap();
        }
        sink.put(&Output { frame: None, result: &result, json: None, picture: None }).unwrap();
        sink.finish().unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(read("boxes.txt"), "1.00,2.00,3.50,6.00,0.2500\n0.00,0.00,0.00,0.00,0.2500\n");
        assert_eq!(read("boxes-2.txt"), "0.00,0.00,0.00,0.00,0.0000\n");
        assert!(BoxSink::create(&dir.path().join("no/such/folder.txt"), false).is_err());
    }
}
