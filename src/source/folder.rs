//! Pictures as a source: one picture, or a folder of them in the order of their numbers.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::still;
use super::{Read, Settings, Source};
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat};
use crate::units::Nanos;

/// File name extensions of pictures in a folder. The content decides how a file is read.
const ENDINGS: [&str; 5] = ["png", "tif", "tiff", "jpg", "jpeg"];

/// Pictures as frames, at `rate_hz`. Damaged ones are skipped and leave a gap in `seq`.
pub struct Pictures {
    name: String,
    paths: Vec<PathBuf>,
    settings: Settings,
    format: FrameFormat,
    /// Pictures read so far, over all rounds.
    index: u64,
    good_in_round: u64,
}

impl Pictures {
    /// The pictures in the folder `path`, "frame2" before "frame10". At least one must be readable.
    ///
    /// # Errors
    /// `Fix` if the folder cannot be read or has no readable picture.
    pub fn folder(path: &Path, settings: &Settings) -> Result<Self> {
        let subject = path.display().to_string();
        let unreadable = |e| Error::fix(&subject, "the folder cannot be read").because(e);
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
            if ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)) && path.is_file() {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            return Err(Error::fix(subject, format_args!("holds no picture ({})", ENDINGS.join(", "))));
        }
        paths.sort_by(|a, b| by_number(&a.to_string_lossy(), &b.to_string_lossy()));
        if let Some((before, after)) = gap(&paths) {
            log::warn!("{subject}: no picture is between {before} and {after}; they are played one after the other");
        }
        let mut first_error = None;
        for path in &paths {
            match still::read(path, settings) {
                Ok(picture) => return Ok(Self::new(path_name(path.parent()), paths, settings, picture)),
                Err(e) => first_error = first_error.or(Some(e)),
            }
        }
        let error = Error::fix(subject, "holds no readable picture");
        Err(match first_error {
            Some(first) => error.because(first),
            None => error,
        })
    }

    /// One picture.
    ///
    /// # Errors
    /// `Fix` if it cannot be read.
    pub fn single(path: &Path, settings: &Settings) -> Result<Self> {
        let picture = still::read(path, settings)?;
        Ok(Self::new(path_name(Some(path)), vec![path.to_path_buf()], settings, picture))
    }

    fn new(name: String, paths: Vec<PathBuf>, settings: &Settings, first: still::Picture) -> Self {
        if let Some(note) = first.note {
            log::info!("{name}: {note}");
        }
        let format = FrameFormat { rate_hz: settings.rate_hz, ..first.frame.format };
        Self { name: format!("replay:{name}"), paths, settings: settings.clone(), format, index: 0, good_in_round: 0 }
    }

    /// The next picture's path; `None` at the end.
    fn next_path(&mut self) -> Option<PathBuf> {
        let count = self.paths.len() as u64;
        let within = self.index % count;
        if within == 0 && self.index > 0 {
            // Rounds without a single good picture would never end.
            if !self.settings.repeat || self.good_in_round == 0 {
                return None;
            }
            self.good_in_round = 0;
        }
        self.index += 1;
        self.paths.get(within as usize).cloned()
    }
}

impl Source for Pictures {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> FrameFormat {
        self.format
    }

    fn read(&mut self, into: &mut Frame, _wait: Duration) -> Result<Read> {
        while let Some(path) = self.next_path() {
            let seq = self.index - 1;
            let picture = match still::read(&path, &self.settings) {
                Ok(picture) => picture,
                Err(e) => {
                    log::warn!("skipped: {e}");
                    continue;
                }
            };
            self.format = FrameFormat { rate_hz: self.settings.rate_hz, ..picture.frame.format };
            into.reshape(self.format);
            into.pixels.copy_from_slice(&picture.frame.pixels);
            into.visible = picture.frame.visible;
            into.meta = picture.frame.meta;
            into.meta.seq = seq;
            into.meta.captured = Nanos((seq as f64 * 1e9 / f64::from(self.settings.rate_hz)) as u64);
            into.meta.received = into.meta.captured;
            self.good_in_round += 1;
            return Ok(Read::Frame);
        }
        Ok(Read::End)
    }
}

fn path_name(path: Option<&Path>) -> String {
    path.and_then(Path::file_name).map_or_else(|| "pictures".into(), |name| name.to_string_lossy().into_owned())
}

/// The pictures around the first missing number, in a folder where most numbers are there: each is one more than the
/// one before. Numbers that are times have no gaps.
fn gap(paths: &[PathBuf]) -> Option<(String, String)> {
    let names: Vec<String> = paths.iter().map(|path| path_name(path.file_stem().map(Path::new))).collect();
    let number = |name: &str| {
        let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        name[name.len() - digits..].parse::<u64>().ok()
    };
    let numbers: Vec<u64> = names.iter().map(|name| number(name)).collect::<Option<_>>()?;
    let next = |pair: &[u64]| pair[1].checked_sub(pair[0]) == Some(1);
    if 2 * numbers.windows(2).filter(|pair| next(pair)).count() < numbers.len() {
        return None;
    }
    let at = numbers.windows(2).position(|pair| !next(pair))?;
    Some((names[at].clone(), names[at + 1].clone()))
}

/// Compares texts, with runs of digits compared as numbers.
pub fn by_number(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (&[x, ..], &[y, ..]) = (a, b) else { return a.len().cmp(&b.len()) };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (na, rest_a) = digits(a);
            let (nb, rest_b) = digits(b);
            let order = na.len().cmp(&nb.len()).then_with(|| na.cmp(nb));
            if order.is_ne() {
                return order;
            }
            (a, b) = (rest_a, rest_b);
        } else if x != y {
            return x.cmp(&y);
        } else {
            (a, b) = (&a[1..], &b[1..]);
        }
    }
}

/// The digits at the start without leading zeros, and the rest.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|c| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let zeros = number.iter().take_while(|&&c| c == b'0').count();
    (&number[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_numbers_are_noticed_where_pictures_are_counted() {
        let found = |names: &[&str]| gap(&names.iter().map(PathBuf::from).collect::<Vec<_>>());
        let pair = |a: &str, b: &str| Some((a.to_string(), b.to_string()));
        assert_eq!(found(&["d/1.png", "d/2.png", "d/3.png", "d/9.png"]), pair("3", "9"));
        assert_eq!(found(&["f008.png", "f009.png", "f010.png"]), None);
        assert_eq!(found(&["1700000000.png", "1700000111.png", "1700000222.png"]), None, "times");
        assert_eq!(found(&["a.png", "b.png"]), None);
        assert_eq!(found(&["7.png"]), None);
        assert_eq!(found(&["99999999999999999999999.png", "1.png"]), None);
    }

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["f10.png", "f2.png", "f002b.png", "f1.png", "e9", "f2.jpg", "f"];
        names.sort_by(|a, b| by_number(a, b));
        assert_eq!(names, ["e9", "f", "f1.png", "f2.jpg", "f2.png", "f002b.png", "f10.png"]);
    }
}
