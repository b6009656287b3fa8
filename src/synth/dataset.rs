//! Data sets on disk: plain NumPy arrays that training memory-maps.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::person::Identity;
use super::random::Random;
use super::scene::{self, Rendering};
use super::sensor::{Faults, centikelvin};
use super::studio::Studio;
use super::truth::FaceTruth;
use crate::error::{Error, Result};
use crate::landmarks::{COUNT, REGION_COUNT};
use crate::npy::header;

/// Maximum faces in a record of a scene.
pub const FACES: usize = 4;

/// What to render.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 128 x 128 crops of one face each.
    Crops,
    /// Whole frames of this size with 0 to 4 people.
    Frames {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
}

/// Side of a face crop, pixels.
pub const CROP: usize = 128;

/// Views rendered of one identity before the next is drawn (crops only). Shaping a head is the most
/// expensive step.
const VIEWS: u64 = 8;

impl Kind {
    fn size(self) -> (usize, usize) {
        match self {
            Kind::Crops => (CROP, CROP),
            Kind::Frames { width, height } => (width, height),
        }
    }

    fn faces(self) -> usize {
        match self {
            Kind::Crops => 1,
            Kind::Frames { .. } => FACES,
        }
    }

    /// Renders record `index` of `seed`.
    pub fn render(self, studio: &Studio, seed: u64, index: u64, colour: bool) -> Rendering {
        Set { kind: self, seed, colour, faults: Faults::Drawn }.render_after(studio, index, &mut None)
    }
}

/// A data set of any number of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set {
    /// Kind of the records.
    pub kind: Kind,
    /// The same seed gives the same scenes, regardless of the sensor's faults.
    pub seed: u64,
    /// Whether to render colour as well.
    pub colour: bool,
    /// Faults of the sensor.
    pub faults: Faults,
}

impl Set {
    /// Renders record `index`. `last` caches the number and shape of the last identity, which the next views share.
    fn render_after(&self, studio: &Studio, index: u64, last: &mut Option<(u64, Identity)>) -> Rendering {
        let Self { kind, seed, colour, faults, .. } = *self;
        let mut r = Random::new(seed, index);
        let (mut scene, moments) = match kind {
            Kind::Crops => {
                let number = index / VIEWS;
                last.take_if(|(n, _)| *n != number);
                let draw = || (number, Identity::draw(&studio.model, &mut Random::new(seed ^ 0x1d, number)));
                scene::crop(studio, &last.get_or_insert_with(draw).1, CROP, colour, &mut r)
            }
            Kind::Frames { width, height } => scene::frame(studio, (width, height), FACES, colour, &mut r),
        };
        scene.sensor = scene.sensor.with(faults);
        scene.render(studio, &moments, colour, &mut r)
    }
}

/// Writes records `0..count` of `set` into `dir`, on `threads` threads, in order.
///
/// Files: `thermal.npy` u16 `[N, H, W]` centikelvin; `rgb.npy` u8 `[N, H, W, 3]` where `colour`;
/// `points.npy` f32 `[N, F, 70, 2]`, `visibility.npy` u8 `[N, F, 70]`, `box.npy` f32 `[N, F, 4]`,
/// `pose.npy` f32 `[N, F, 3]`, `skin.npy` and `apparent.npy` f32 `[N, F, 70]` degC, `regions.npy` f32
/// `[N, F, 8]` degC ([`FaceTruth`]), absent faces NaN; F is 1 and left out for crops. `meta.json` says what made them.
///
/// # Errors
/// `Fix` where a file cannot be written.
pub fn write(studio: &Studio, set: &Set, count: usize, threads: usize, dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|e| Error::fix(dir.display(), "cannot be made").because(e))?;
    let mut out = Writer::create(dir, set, count)?;
    // Groups that share a head are handed out one by one because some take twice as long as others.
    let views = VIEWS as usize;
    let groups = count.div_ceil(views);
    let ahead = 4 * threads.max(1);
    std::thread::scope(|s| {
        // Dropping these channels ends the workers, also on an error.
        let (tasks, todo) = crossbeam_channel::bounded::<usize>(ahead);
        let (done, results) = crossbeam_channel::bounded(ahead);
        for _ in 0..threads.max(1) {
            let (todo, done) = (todo.clone(), done.clone());
            s.spawn(move || {
                for group in todo {
                    let mut last = None;
                    let records = group * views..((group + 1) * views).min(count);
                    let one = |i| set.render_after(studio, i as u64, &mut last);
                    if done.send((group, records.map(one).collect::<Vec<_>>())).is_err() {
                        return;
                    }
                }
            });
        }
        drop((todo, done));
        // At most `ahead` groups are in flight, so that no thread blocks on a full channel.
        let mut next = 0..groups;
        let mut hand_out = || next.next().is_none_or(|group| tasks.send(group).is_ok());
        (0..ahead).for_each(|_| _ = hand_out());
        let mut early = BTreeMap::new();
        for written in 0..groups {
            while !early.contains_key(&written) {
                let Ok((group, records)) = results.recv() else { break };
                early.insert(group, records);
            }
            for rendering in early.remove(&written).unwrap_or_default() {
                out.put(&rendering)?;
            }
            hand_out();
        }
        Ok(())
    })?;
    out.finish(set, count)
}

struct Writer<'d> {
    dir: &'d Path,
    faces: usize,
    thermal: BufWriter<File>,
    rgb: Option<BufWriter<File>>,
    points: BufWriter<File>,
    visibility: BufWriter<File>,
    bbox: BufWriter<File>,
    pose: BufWriter<File>,
    skin: BufWriter<File>,
    apparent: BufWriter<File>,
    regions: BufWriter<File>,
}

impl<'d> Writer<'d> {
    fn create(dir: &'d Path, set: &Set, count: usize) -> Result<Self> {
        let Set { kind, colour, .. } = *set;
        let (w, h) = kind.size();
        let face = |tail: &[usize]| {
            let mut shape = vec![count];
            if kind.faces() > 1 {
                shape.push(kind.faces());
            }
            shape.extend(tail);
            shape
        };
        Ok(Self {
            dir,
            faces: kind.faces(),
            thermal: npy(dir, "thermal", "<u2", &[count, h, w])?,
            rgb: if colour { Some(npy(dir, "rgb", "|u1", &[count, h, w, 3])?) } else { None },
            points: npy(dir, "points", "<f4", &face(&[COUNT, 2]))?,
            visibility: npy(dir, "visibility", "|u1", &face(&[COUNT]))?,
            bbox: npy(dir, "box", "<f4", &face(&[4]))?,
            pose: npy(dir, "pose", "<f4", &face(&[3]))?,
            skin: npy(dir, "skin", "<f4", &face(&[COUNT]))?,
            apparent: npy(dir, "apparent", "<f4", &face(&[COUNT]))?,
            regions: npy(dir, "regions", "<f4", &face(&[REGION_COUNT]))?,
        })
    }

    fn put(&mut self, r: &Rendering) -> Result<()> {
        self.put_io(r).map_err(|e| Error::fix(self.dir.display(), "cannot be written").because(e))
    }

    fn put_io(&mut self, r: &Rendering) -> std::io::Result<()> {
        let bytes: Vec<u8> = r.thermal_c.iter().flat_map(|t| centikelvin(*t).to_le_bytes()).collect();
        self.thermal.write_all(&bytes)?;
        if let Some(rgb) = &mut self.rgb {
            rgb.write_all(r.rgb.as_flattened())?;
        }
        for i in 0..self.faces {
            self.face(r.faces.get(i))?;
        }
        Ok(())
    }

    fn face(&mut self, f: Option<&FaceTruth>) -> std::io::Result<()> {
        let nan = [f32::NAN; 2 * COUNT];
        let floats = |out: &mut BufWriter<File>, v: &[f32]| v.iter().try_for_each(|x| out.write_all(&x.to_le_bytes()));
        floats(&mut self.points, f.map_or(&nan, |f| f.points.as_flattened()))?;
        floats(&mut self.bbox, &f.map_or([f32::NAN; 4], |f| f.bbox.to_array()))?;
        floats(&mut self.pose, f.map_or(&nan[..3], |f| &f.pose))?;
        floats(&mut self.skin, f.map_or(&nan[..COUNT], |f| &f.skin_c))?;
        floats(&mut self.apparent, f.map_or(&nan[..COUNT], |f| &f.apparent_c))?;
        floats(&mut self.regions, f.map_or(&nan[..REGION_COUNT], |f| &f.regions_c))?;
        let visibility: [u8; COUNT] = f.map_or([2; COUNT], |f| f.visibility.map(|v| v as u8));
        self.visibility.write_all(&visibility)
    }

    fn finish(self, set: &Set, count: usize) -> Result<()> {
        let Set { kind, seed, faults, .. } = *set;
        let (w, h) = kind.size();
        let meta = serde_json::json!({
            "schema": "heatmark.synth/1",
            "kind": if kind == Kind::Crops { "crops" } else { "frames" },
            "seed": seed, "count": count, "width": w, "height": h, "unit": "centikelvin",
            "sensor": faults,
            "version": env!("CARGO_PKG_VERSION"),
        });
        let bad = |e: std::io::Error| Error::fix(self.dir.display(), "cannot be written").because(e);
        let truth = [self.points, self.visibility, self.bbox, self.pose, self.skin, self.apparent, self.regions];
        for mut f in truth.into_iter().chain([self.thermal]).chain(self.rgb) {
            f.flush().map_err(bad)?;
        }
        std::fs::write(self.dir.join("meta.json"), meta.to_string()).map_err(bad)
    }
}

/// Opens `NAME.npy` and writes its header.
fn npy(dir: &Path, name: &str, kind: &str, shape: &[usize]) -> Result<BufWriter<File>> {
    let path = dir.join(format!("{name}.npy"));
    let write = || -> std::io::Result<BufWriter<File>> {
        let mut f = BufWriter::new(File::create(&path)?);
        f.write_all(&header(kind, shape))?;
        Ok(f)
    };
    write().map_err(|e| Error::fix(path.display(), "cannot be written").because(e))
}
