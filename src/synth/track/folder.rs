//! Sequences on disk: a folder each, in the form that training and evaluation read.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::album::Album;
use super::develop::{Noise, Thermal, ThermalLab, VisibleLab};
use super::film::{Film, Truth};
use super::layer::{Modality, Picture};
use super::script::Script;
use super::shot::Absence;
use super::tile::Tiles;
use crate::error::{Error, Result};
use crate::npy::header;

/// What all sequences share, drawn once.
#[derive(Default)]
pub struct Props {
    tiles: Tiles,
    noise: Noise,
    album: Album,
}

/// Which sequences to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set {
    /// The same seed gives the same bytes.
    pub seed: u64,
    /// How many.
    pub count: usize,
    /// Frames of each.
    pub frames: usize,
}

/// A rendered sequence.
pub struct Sequence {
    /// What was rendered.
    pub script: Script,
    /// Thermal frames.
    pub thermal: Vec<Thermal>,
    /// Visible frames, RGB.
    pub visible: Vec<Vec<u8>>,
    /// Truth of the visible and the thermal picture of each frame.
    pub truths: Vec<[Truth; 2]>,
}

impl Props {
    /// With pictures.
    pub fn with(album: Album) -> Self {
        Self { album, ..Self::default() }
    }

    /// Renders sequence `index` of `seed` with `frames` frames.
    pub fn render(&self, seed: u64, index: u64, frames: usize) -> Sequence {
        self.play(Script::draw(seed, index, frames))
    }

    /// Renders a script.
    pub fn play(&self, script: Script) -> Sequence {
        let mut film = Film::new(&script, &self.tiles, &self.album);
        let mut thermal_lab = ThermalLab::new(script.thermal, &self.noise);
        let mut visible_lab = VisibleLab::new(script.visible, &self.noise, script.thermal.pattern);
        let (mut thermal, mut visible, mut truths) = (Vec::new(), Vec::new(), Vec::new());
        let mut seen = Picture::default();
        for (i, shot) in script.shots.iter().enumerate() {
            let gone = shot.absent == Some(Absence::Gone);
            let first = film.expose(Modality::Visible, shot.visible, gone, &mut seen);
            let same = i > 0 && script.shots[i - 1].visible.total_cmp(&shot.visible).is_eq();
            let was_gone = i > 0 && script.shots[i - 1].absent == Some(Absence::Gone);
            match visible.last() {
                Some(last) if same && gone == was_gone => visible.push(Vec::clone(last)),
                _ => visible.push(visible_lab.develop(&seen, shot.visible)),
            }
            let second = film.expose(Modality::Thermal, shot.now, gone, &mut seen);
            match thermal.last() {
                // A frozen frame is the last one again; where the target is by now stays true.
                Some(last) if shot.ffc => thermal.push(Thermal::clone(last)),
                _ => thermal.push(thermal_lab.develop(&seen, shot.now)),
            }
            let mut truth = [first, second];
            film.settle(i, &mut truth);
            truths.push(truth);
        }
        drop(film);
        Sequence { script, thermal, visible, truths }
    }
}

/// Writes a set into `dir` on `threads` threads.
///
/// `dir/00000/` and so on hold `thermal.npy` (u16 or u8 `[n, h, w]`), `visible.npy` (u8 `[n, 240, 320, 3]`), `boxes.csv`
/// and `visible-boxes.csv` (`frame,x,y,w,h,seen`, the former with `ffc`; pixels of that picture; empty where the target
/// is in neither picture), and `sequence.json`. `dir/meta.json` is written last.
///
/// # Errors
/// `Fix` where a file cannot be written.
pub fn write(props: &Props, set: &Set, threads: usize, dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|e| Error::fix(dir.display(), "cannot be made").because(e))?;
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= set.count {
                return Ok(());
            }
            let sequence = props.render(set.seed, i as u64, set.frames);
            let written = save(&sequence, &dir.join(format!("{i:05}")));
            if written.is_err() {
                // The other threads need not go on.
                next.store(set.count, Ordering::Relaxed);
                return written;
            }
        }
    };
    std::thread::scope(|s| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| s.spawn(work)).collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let meta = serde_json::json!({
        "schema": "heatmark.synth/1",
        "kind": "track",
        "seed": set.seed, "count": set.count, "frames": set.frames,
        "version": env!("CARGO_PKG_VERSION"),
    });
    put(&dir.join("meta.json"), meta.to_string().as_bytes())
}

/// Writes one sequence.
///
/// # Errors
/// `Fix` where a file cannot be written.
pub fn save(sequence: &Sequence, dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|e| Error::fix(dir.display(), "cannot be made").because(e))?;
    let script = &sequence.script;
    let n = sequence.thermal.len();
    let [w, h] = script.size(Modality::Thermal);
    let deep = matches!(sequence.thermal.first(), Some(Thermal::Deep(_)));
    let mut bytes = header(if deep { "<u2" } else { "|u1" }, &[n, h, w]);
    for frame in &sequence.thermal {
        match frame {
            Thermal::Deep(px) => bytes.extend(px.iter().flat_map(|p| p.to_le_bytes())),
            Thermal::Grey(px) => bytes.extend(px),
        }
    }
    put(&dir.join("thermal.npy"), &bytes)?;
    let [w, h] = script.size(Modality::Visible);
    let mut bytes = header("|u1", &[n, h, w, 3]);
    sequence.visible.iter().for_each(|frame| bytes.extend(frame));
    put(&dir.join("visible.npy"), &bytes)?;
    put(&dir.join("boxes.csv"), table(sequence, Modality::Thermal).as_bytes())?;
    put(&dir.join("visible-boxes.csv"), table(sequence, Modality::Visible).as_bytes())?;
    let attributes: Vec<&str> = script.attributes.iter().map(|a| a.name()).collect();
    let about = serde_json::json!({
        "schema": "heatmark.sequence/1",
        "signal": script.thermal.signal.name(),
        "fps": script.thermal.fps,
        "class": script.target.kind.name(),
        "attributes": attributes,
    });
    put(&dir.join("sequence.json"), about.to_string().as_bytes())
}

/// Rows of boxes of one modality.
pub(super) fn table(sequence: &Sequence, modality: Modality) -> String {
    let thermal = modality == Modality::Thermal;
    let mut text = String::from(if thermal { "frame,x,y,w,h,seen,ffc\n" } else { "frame,x,y,w,h,seen\n" });
    for (i, (truth, shot)) in sequence.truths.iter().zip(&sequence.script.shots).enumerate() {
        let Truth { outline, seen } = truth[modality as usize];
        _ = match outline {
            Some(b) => write!(text, "{i},{:.2},{:.2},{:.2},{:.2},{seen:.3}", b.x0, b.y0, b.width(), b.height()),
            None => write!(text, "{i},,,,,0"),
        };
        if thermal {
            _ = write!(text, ",{}", u8::from(shot.ffc));
        }
        text.push('\n');
    }
    text
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|e| Error::fix(path.display(), "cannot be written").because(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_with_any_number_of_threads() {
        let props = Props::default();
        let set = Set { seed: 11, count: 3, frames: 3 };
        let read = |threads: usize| {
            let dir = tempfile::tempdir().unwrap();
            write(&props, &set, threads, dir.path()).unwrap();
            let names = ["thermal.npy", "visible.npy", "boxes.csv", "visible-boxes.csv", "sequence.json"];
            let paths = (0..set.count).flat_map(|i| names.map(|n| dir.path().join(format!("{i:05}")).join(n)));
            let mut all: Vec<Vec<u8>> = paths.map(|p| std::fs::read(p).unwrap()).collect();
            all.push(std::fs::read(dir.path().join("meta.json")).unwrap());
            all
        };
        let one = read(1);
        assert!(one == read(3));
        assert!(one[2].starts_with(b"frame,x,y,w,h,seen,ffc\n0,"));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let e = write(&Props::default(), &Set { seed: 1, count: 1, frames: 2 }, 1, file.path()).unwrap_err();
        assert!(e.to_string().contains("cannot be made"), "{e}");
    }
}
