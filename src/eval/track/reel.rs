//! The pictures of a sequence, wherever they are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat, Signal};
use crate::npy::Slices;
use crate::recording::pages::{colours, copy_grey};
use crate::recording::{Largest, Unit};
use crate::source::video::Video;
use crate::source::{self, Read, Source, replay, still};

/// File names of pictures end so; a folder of the last kind is read by the program ffmpeg.
const PICTURES: [&str; 6] = ["png", "jpg", "jpeg", "tif", "tiff", "bmp"];
/// File names of videos, which the program ffmpeg decodes.
pub(super) const VIDEOS: [&str; 5] = ["mp4", "avi", "mkv", "mov", "webm"];

/// Most columns and rows of an array's picture.
const LARGEST: usize = 4096;

/// The pictures of one modality.
#[derive(Debug, Clone, PartialEq)]
pub enum Reel {
    /// An array `[n, height, width]` of u8 or u16, or `[n, height, width, 3]` of u8.
    Array(PathBuf),
    /// A folder of pictures in the order of their names.
    Folder(PathBuf),
    /// A recording or a video.
    File(PathBuf),
}

impl Reel {
    /// `folder/stem.npy`, the folder `folder/stem`, or a recording or video of that name.
    pub(super) fn of(folder: &Path, stem: &str) -> Option<Self> {
        let array = folder.join(format!("{stem}.npy"));
        let inside = folder.join(stem);
        if array.is_file() {
            return Some(Reel::Array(array));
        }
        if inside.is_dir() {
            return Some(Reel::Folder(inside));
        }
        let mut named: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
        named.retain(|p| {
            p.is_file() && p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&format!("{stem}.")))
        });
        named.sort();
        named.into_iter().next().map(Reel::File)
    }

    /// Number of pictures, if it is known before they are read.
    ///
    /// # Errors
    /// Fix: the array or the folder cannot be read.
    pub fn count(&self) -> Result<Option<usize>> {
        match self {
            Reel::Array(path) => Slices::open(path).map(|slices| slices.shape.first().copied()),
            Reel::Folder(path) => pictures(path).map(|paths| Some(paths.len())),
            Reel::File(_) => Ok(None),
        }
    }

    /// Opens it at its first picture. `signal` is what 16-bit counts mean.
    ///
    /// # Errors
    /// Fix: names what cannot be read.
    pub fn open(&self, signal: Option<Signal>) -> Result<Box<dyn Source>> {
        let unit = [Unit::Centikelvin, Unit::Decikelvin, Unit::Counts].into_iter().find(|u| Some(u.signal()) == signal);
        let settings = source::Settings { signal: unit, largest: Largest::VISIBLE, ..Default::default() };
        let opened: Box<dyn Source> = match self {
            Reel::Array(path) => Box::new(Array::open(path, signal)?),
            Reel::Folder(path) => {
                let paths = pictures(path)?;
                let (first, beside) = (&paths[0], paths.iter().any(|p| ending(p) != ending(&paths[0])));
                match still::read(first, &settings) {
                    Ok(picture) => Box::new(Folder {
                        format: picture.frame.format,
                        paths: paths.into_iter(),
                        settings,
                        name: name(path),
                    }),
                    // BMP, and pictures too large for a thermal camera.
                    Err(e) if beside => return Err(e),
                    Err(e) => return pictures_by_ffmpeg(path, &paths, &settings).map_err(|cause| e.because(cause)),
                }
            }
            Reel::File(path) => replay::open(path, &settings)?,
        };
        Ok(opened)
    }
}

/// Pictures of one kind in the order of `paths`, decoded by ffmpeg.
fn pictures_by_ffmpeg(folder: &Path, paths: &[PathBuf], settings: &source::Settings) -> Result<Box<dyn Source>> {
    if !paths.is_sorted() {
        return Err(Error::fix(folder.display(), "holds pictures whose numbers differ in length, wanted 0009, 0010"));
    }
    let ending = paths[0].extension().unwrap_or_default().to_string_lossy();
    Ok(Box::new(Video::pictures(folder, &ending, settings)?))
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

fn ending(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

/// The pictures in a folder in the order of their names; at least one.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::fix(folder.display(), "cannot be read").because(e))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| PICTURES.contains(&ending(path).as_str()));
    paths.sort_by(|a, b| crate::source::folder::by_number(&a.to_string_lossy(), &b.to_string_lossy()));
    if paths.is_empty() {
        return Err(Error::fix(folder.display(), format!("holds no picture ({})", PICTURES.join(", "))));
    }
    Ok(paths)
}

/// A folder of pictures, none of which may be damaged: one left out would shift the rest against the truth.
struct Folder {
    name: String,
    paths: std::vec::IntoIter<PathBuf>,
    settings: source::Settings,
    format: FrameFormat,
}

impl Source for Folder {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> FrameFormat {
        self.format
    }

    fn read(&mut self, into: &mut Frame, _wait: Duration) -> Result<Read> {
        let Some(path) = self.paths.next() else { return Ok(Read::End) };
        *into = still::read(&path, &self.settings)?.frame;
        Ok(Read::Frame)
    }
}

/// An array of pictures, read one by one.
struct Array {
    slices: Slices,
    next: usize,
    bytes: Vec<u8>,
    format: FrameFormat,
    colour: bool,
}

impl Array {
    fn open(path: &Path, signal: Option<Signal>) -> Result<Self> {
        let slices = Slices::open(path)?;
        let (descr, shape) = (slices.descr.as_str(), slices.shape.as_slice());
        let (height, width, colour) = match (descr, shape) {
            ("|u1" | "<u2", &[_, height, width]) => (height, width, false),
            ("|u1", &[_, height, width, 3]) => (height, width, true),
            _ => {
                let found = format!("holds {descr} {shape:?}");
                let wanted = "wanted u8 or u16 [n, height, width] or u8 [n, height, width, 3]";
                return Err(Error::fix(path.display(), format!("{found}, {wanted}")));
            }
        };
        if ![width, height].iter().all(|side| (1..=LARGEST).contains(side)) {
            return Err(Error::fix(path.display(), format!("is {width}x{height} pixels, wanted up to {LARGEST}")));
        }
        let signal = if descr == "|u1" { Signal::Grey8 } else { signal.unwrap_or(Signal::Counts) };
        let format = FrameFormat { width: width as u32, height: height as u32, signal, rate_hz: 0.0 };
        Ok(Self { bytes: vec![0; slices.size], slices, next: 0, format, colour })
    }
}

impl Source for Array {
    fn name(&self) -> &str {
        self.slices.name()
    }

    fn format(&self) -> FrameFormat {
        self.format
    }

    fn read(&mut self, into: &mut Frame, _wait: Duration) -> Result<Read> {
        if self.next >= self.slices.shape[0] {
            return Ok(Read::End);
        }
        self.slices.read(self.next, &mut self.bytes)?;
        self.next += 1;
        into.reshape(self.format);
        if self.colour {
            colours(&self.bytes, 3, into);
            return Ok(Read::Frame);
        }
        into.visible = None;
        if self.slices.descr == "<u2" {
            let counts = self.bytes.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b));
            into.pixels.iter_mut().zip(counts).for_each(|(p, count)| *p = count);
        } else {
            copy_grey(&self.bytes, &mut into.pixels);
        }
        Ok(Read::Frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::npy::header;
    use crate::source::paired::Single;

    fn read(reel: &Reel, signal: Option<Signal>) -> Vec<Frame> {
        let mut source = reel.open(signal).unwrap();
        let mut frames = Vec::new();
        let mut frame = Frame::new(source.format());
        while source.read(&mut frame, Duration::ZERO).unwrap() == Read::Frame {
            frames.push(frame.clone());
        }
        frames
    }

    #[test]
    fn arrays_of_counts_grey_and_colours_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let save = |stem: &str, descr: &str, shape: &[usize], bytes: &[u8]| {
            std::fs::write(dir.path().join(format!("{stem}.npy")), [header(descr, shape), bytes.to_vec()].concat())
                .unwrap();
            Reel::of(dir.path(), stem).unwrap()
        };
        let counts = save("thermal", "<u2", &[2, 1, 2], &[1, 1, 2, 0, 3, 0, 4, 0]);
        assert_eq!(counts.count().unwrap(), Some(2));
        let frames = read(&counts, Some(Signal::CENTIKELVIN));
        assert_eq!((frames[0].pixels.as_slice(), frames[1].pixels.as_slice()), (&[257, 2][..], &[3, 4][..]));
        assert_eq!(frames[0].format.signal, Signal::CENTIKELVIN);
        let grey = read(&save("grey", "|u1", &[1, 1, 2], &[7, 8]), None);
        assert_eq!((grey[0].format.signal, grey[0].pixels.as_slice()), (Signal::Grey8, &[7, 8][..]));
        let colour = save("visible", "|u1", &[1, 1, 2, 3], &[255, 0, 0, 9, 9, 9]);
        let frames = read(&colour, None);
        assert_eq!(
            (frames[0].visible.as_ref().unwrap().rgb.as_slice(), frames[0].pixels[1]),
            (&[255, 0, 0, 9, 9, 9][..], 9)
        );
        // Grey pictures are visible light, too, where a sequence says so.
        let mut only = Single::visible(Reel::of(dir.path(), "grey").unwrap().open(None).unwrap());
        let mut frame = Frame::new(only.format());
        only.read(&mut frame, Duration::ZERO).unwrap();
        assert_eq!(frame.visible.unwrap().rgb, [7, 7, 7, 8, 8, 8]);
        for (descr, shape) in [("<f4", &[1, 1, 2][..]), ("|u1", &[2, 2]), ("<u2", &[1, 1, 1, 3])] {
            let e = save("odd", descr, shape, &[0; 64]).open(None).err().unwrap().to_string();
            assert!(e.contains("odd.npy") && e.contains("wanted u8 or u16"), "{e}");
        }
        assert_eq!(Reel::of(dir.path(), "nothing"), None);
    }

    #[test]
    fn folders_are_read_in_the_order_of_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("thermal");
        std::fs::create_dir(&folder).unwrap();
        let reel = Reel::of(dir.path(), "thermal").unwrap();
        assert!(reel.count().unwrap_err().to_string().contains("holds no picture"));
        for (name, grey) in [("10.png", 3), ("9.png", 2), ("1.png", 1)] {
            let file = std::fs::File::create(folder.join(name)).unwrap();
            let mut encoder = png::Encoder::new(file, 80, 60);
            encoder.set_color(png::ColorType::Grayscale);
            encoder.write_header().unwrap().write_image_data(&[grey; 80 * 60]).unwrap();
        }
        std::fs::write(folder.join("notes.txt"), "").unwrap();
        assert_eq!(reel.count().unwrap(), Some(3));
        assert_eq!(read(&reel, None).iter().map(|f| f.pixels[0]).collect::<Vec<_>>(), [1, 2, 3]);
        std::fs::write(folder.join("2.png"), "damaged").unwrap();
        let mut source = reel.open(None).unwrap();
        let mut frame = Frame::new(source.format());
        assert_eq!(source.read(&mut frame, Duration::ZERO).unwrap(), Read::Frame);
        assert!(source.read(&mut frame, Duration::ZERO).unwrap_err().to_string().contains("2.png"));
    }
}
