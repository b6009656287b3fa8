//! The overlay of every frame as numbered PNGs in a folder.

use std::path::{Path, PathBuf};

use super::{Output, Sink, Wants};
use crate::error::{Error, Result};
use crate::picture;

/// Writes `000000.png`, `000001.png` and so on; `ffmpeg -i DIR/%06d.png` makes a video of them.
pub struct PictureSink {
    folder: PathBuf,
    png: Vec<u8>,
    count: u64,
    /// The frame written last.
    last: Option<u64>,
}

impl PictureSink {
    /// Makes the folder if it is missing.
    ///
    /// # Errors
    /// `Fix` if it cannot be made.
    pub fn create(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)
            .map_err(|e| Error::fix(folder.display(), "the folder cannot be made").because(e))?;
        Ok(Self { folder: folder.to_path_buf(), png: Vec::new(), count: 0, last: None })
    }
}

impl Sink for PictureSink {
    fn name(&self) -> &str {
        "pictures"
    }

    fn wants(&self) -> Wants {
        Wants { picture: true, ..Wants::default() }
    }

    fn put(&mut self, out: &Output<'_>) -> Result<()> {
        let Some(canvas) = out.picture.filter(|_| out.frame.is_some()) else { return Ok(()) };
        if self.last.replace(out.result.seq) == Some(out.result.seq) {
            return Ok(());
        }
        picture::png(canvas, &mut self.png)?;
        let file = self.folder.join(format!("{:06}.png", self.count));
        self.count += 1;
        std::fs::write(&file, &self.png).map_err(|e| Error::fix(file.display(), "cannot be written").because(e))
    }
}
