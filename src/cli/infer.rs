//! `heatmark infer`: single pictures.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;

use super::{Base, Done, Failure, print};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::face::Engine;
use crate::frame::Frame;
use crate::picture::{self, Canvas};
use crate::render::{Controls, Renderer};
use crate::result::FrameResult;
use crate::source::still;

/// Arguments of `heatmark infer`.
#[derive(Debug, Args)]
pub struct Infer {
    /// Pictures: PNG, TIFF or JPEG.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Write each picture with the results drawn on it to this folder, as PNG.
    #[arg(long, value_name = "DIR")]
    annotate: Option<PathBuf>,
    /// What 16-bit counts mean if the file does not say so: centikelvin, decikelvin or counts.
    #[arg(long, value_name = "UNIT")]
    signal: Option<String>,
}

/// Prints one line of JSON per picture. A picture that cannot be read is reported and skipped.
pub(super) fn run(base: &Base, infer: &Infer) -> Done {
    let mut flags = Vec::new();
    if let Some(unit) = &infer.signal {
        flags.push(("--signal", "source.signal", unit.as_str().into()));
    }
    let settled = base.settle(flags)?;
    let config = &settled.values;
    let mut stills = Stills::new(config, infer.annotate.as_deref(), &infer.images)?;
    let mut errors = Vec::new();
    for path in &infer.images {
        match stills.one(config, path) {
            Ok(line) => print::out(line)?,
            Err(e) => errors.push(e),
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::Errors(errors)) }
}

/// State kept from one picture to the next.
struct Stills {
    engine: Engine,
    result: FrameResult,
    line: String,
    album: Option<Album>,
}

impl Stills {
    fn new(config: &Config, folder: Option<&Path>, images: &[PathBuf]) -> Result<Self> {
        Ok(Self {
            engine: Engine::of_stills(&config.face, config.surface)?,
            result: FrameResult::new(Arc::from("still"), config.face.max_faces),
            line: String::new(),
            album: folder.map(|f| Album::new(config, f, images)).transpose()?,
        })
    }

    fn one(&mut self, config: &Config, path: &Path) -> Result<&str> {
        let frame = still::still(path, &config.source)?;
        let began = Instant::now();
        self.engine.process_still_frame(&frame, &mut self.result)?;
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        (self.result.latency.infer_us, self.result.latency.total_us) = (took, took);
        if let Some(album) = &mut self.album {
            album.add(path, &frame, &self.result)?;
        }
        self.line.clear();
        self.result.write_image_json(path, &mut self.line);
        self.line.push('\n');
        Ok(&self.line)
    }
}

/// A folder for annotated pictures.
struct Album {
    folder: PathBuf,
    renderer: Renderer,
    controls: Controls,
    canvas: Canvas,
    png: Vec<u8>,
    names: HashSet<String>,
    /// The input pictures, which must not be overwritten.
    originals: HashSet<PathBuf>,
}

impl Album {
    fn new(config: &Config, folder: &Path, images: &[PathBuf]) -> Result<Self> {
        std::fs::create_dir_all(folder)
            .map_err(|e| Error::fix(folder.display(), "the folder cannot be made").because(e))?;
        Ok(Self {
            folder: folder.to_path_buf(),
            renderer: Renderer::new(&config.render)?.surface(config.surface),
            controls: config.render.controls()?,
            canvas: Canvas::default(),
            png: Vec::new(),
            names: HashSet::new(),
            originals: images.iter().filter_map(|path| path.canonicalize().ok()).collect(),
        })
    }

    fn add(&mut self, path: &Path, frame: &Frame, result: &FrameResult) -> Result<()> {
        self.renderer.render(Some(frame), result, frame.meta.captured, &self.controls, &mut self.canvas);
        picture::png(&self.canvas, &mut self.png)?;
        let name = self.name(path);
        let file = self.folder.join(name);
        if file.canonicalize().is_ok_and(|file| self.originals.contains(&file)) {
            return Err(Error::fix(file.display(), "is one of the pictures themselves; wanted another folder"));
        }
        std::fs::write(&file, &self.png).map_err(|e| Error::fix(file.display(), "cannot be written").because(e))
    }

    /// `face.png` for `face.tiff`, or `face-2.png` if another picture has that name.
    fn name(&mut self, path: &Path) -> String {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = |n: usize| if n == 1 { format!("{stem}.png") } else { format!("{stem}-{n}.png") };
        let free = (1..).map(name).find(|name| !self.names.contains(name)).unwrap_or_default();
        self.names.insert(free.clone());
        free
    }
}
