//! The morphable head: read from a file the user gives, never embedded.
//!
//! The file is a NumPy `.npz` with the arrays made from the ICT-FaceKit
//! OBJ files (MIT licence, USC Institute for Creative Technologies).

use std::io::Read;
use std::path::Path;

use super::vector::{V3, cross, sub, unit};
use crate::error::{Error, Result};
use crate::landmarks::COUNT;

/// Anatomical part of a vertex, as numbered in the file.
pub mod part {
    /// Face skin.
    pub const FACE: u8 = 0;
    /// Rest of the head and the neck.
    pub const HEAD: u8 = 1;
    /// Inside of the mouth.
    pub const MOUTH: u8 = 2;
    /// Eye sockets.
    pub const SOCKET: u8 = 3;
    /// Gums and tongue.
    pub const TONGUE: u8 = 4;
    /// Teeth.
    pub const TEETH: u8 = 5;
    /// Eyeballs.
    pub const EYE: u8 = 6;
}

/// Identity modes used; the rest only add detail below a thermal pixel.
const MODES: usize = 60;

/// A morphable head: neutral shape, identity and expression offsets, landmark vertices.
pub struct HeadModel {
    /// Neutral vertex positions, cm.
    pub neutral: Vec<V3>,
    /// Vertex triples, counter-clockwise from outside.
    pub triangles: Vec<[u32; 3]>,
    /// Outward unit normals of the neutral shape.
    pub normals: Vec<V3>,
    /// See [`part`].
    pub part: Vec<u8>,
    /// Vertices of the 70 landmarks.
    pub landmarks: [usize; COUNT],
    identity: Vec<Vec<V3>>,
    expression: Vec<(String, Vec<V3>)>,
}

impl HeadModel {
    /// Reads the model; an error names the file, the array and what was found and wanted.
    pub fn open(path: &Path) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(|e| {
            Error::fix(
                path.display(),
                "the face model cannot be opened (see `heatmark synth --help` for how to get it)",
            )
            .because(e)
        })?;
        let mut npz = Npz::new(path, file)?;
        let neutral = triples(npz.array("neutral", &[0, 3])?.floats());
        let n = neutral.len();
        let triangles: Vec<[u32; 3]> =
            npz.array("triangles", &[0, 3])?.ints().chunks_exact(3).map(|c| [c[0], c[1], c[2]]).collect();
        let identity = npz.array("identity", &[0, n, 3])?;
        let identity: Vec<Vec<V3>> =
            identity.floats().chunks_exact(3 * n).take(MODES).map(|m| triples(m.to_vec())).collect();
        let names = npz.array("expression_names", &[0])?.texts();
        let expression = npz.array("expression", &[names.len(), n, 3])?.floats();
        let expression =
            names.into_iter().zip(expression.chunks_exact(3 * n)).map(|(k, m)| (k, triples(m.to_vec()))).collect();
        let part = npz.array("part", &[n])?.ints().iter().map(|&p| p as u8).collect();
        let mut indices = npz.array("landmarks68", &[68])?.ints();
        indices.extend(npz.array("pupils", &[2])?.ints());
        if triangles.iter().flatten().chain(&indices).any(|&i| i as usize >= n) {
            return Err(Error::fix(path.display(), format!("the face model names a vertex beyond its {n}")));
        }
        let normals = normals(&neutral, &triangles);
        let landmarks = std::array::from_fn(|i| indices[i] as usize);
        Ok(Self { neutral, triangles, normals, part, landmarks, identity, expression })
    }

    /// Number of identity modes.
    pub fn modes(&self) -> usize {
        self.identity.len()
    }

    /// Number of expressions.
    pub fn expressions(&self) -> usize {
        self.expression.len()
    }

    /// Index of a named expression.
    pub fn expression(&self, name: &str) -> Option<usize> {
        self.expression.iter().position(|e| e.0 == name)
    }

    /// The neutral shape moved by `weights` (standard deviations) along the identity modes.
    pub fn identity(&self, weights: &[f32]) -> Vec<V3> {
        let mut shape = self.neutral.clone();
        // Blocks that stay in the first-level cache while the modes stream past.
        const BLOCK: usize = 1024;
        for (i, block) in shape.chunks_mut(BLOCK).enumerate() {
            for (w, mode) in weights.iter().zip(&self.identity) {
                shift(block, &mode[i * BLOCK..], *w);
            }
        }
        shape
    }

    /// Adds expression `index` with weight `w` to `shape`.
    pub fn express(&self, shape: &mut [V3], index: usize, w: f32) {
        if let Some((_, mode)) = self.expression.get(index) {
            shift(shape, mode, w);
        }
    }

    /// Neutral position of landmark `i`.
    pub fn point(&self, i: usize) -> V3 {
        self.neutral[self.landmarks[i]]
    }

    /// Mean neutral position of some landmarks.
    pub fn centre(&self, of: impl IntoIterator<Item = usize>) -> V3 {
        let (mut s, mut n) = ([0.0; 3], 0.0);
        for i in of {
            let p = self.point(i);
            (0..3).for_each(|k| s[k] += p[k]);
            n += 1.0;
        }
        s.map(|x| x / n)
    }
}

fn shift(shape: &mut [V3], mode: &[V3], w: f32) {
    for (p, d) in shape.iter_mut().zip(mode) {
        p[0] += w * d[0];
        p[1] += w * d[1];
        p[2] += w * d[2];
    }
}

fn triples(v: Vec<f32>) -> Vec<V3> {
    v.chunks_exact(3).map(|c| [c[0], c[1], c[2]]).collect()
}

/// Area-weighted outward unit normals.
pub fn normals(shape: &[V3], triangles: &[[u32; 3]]) -> Vec<V3> {
    let mut out = vec![[0.0f32; 3]; shape.len()];
    for t in triangles {
        let [a, b, c] = t.map(|i| shape[i as usize]);
        let n = cross(sub(b, a), sub(c, a));
        for &i in t {
            let o = &mut out[i as usize];
            (0..3).for_each(|k| o[k] += n[k]);
        }
    }
    out.iter_mut().for_each(|n| *n = unit(*n));
    out
}

struct Npz<'p> {
    path: &'p Path,
    zip: zip::ZipArchive<std::io::BufReader<std::fs::File>>,
}

impl<'p> Npz<'p> {
    fn new(path: &'p Path, file: std::fs::File) -> Result<Self> {
        let zip = zip::ZipArchive::new(std::io::BufReader::new(file))
            .map_err(|e| Error::fix(path.display(), "not a face model (.npz archive), or cut short").because(e))?;
        Ok(Self { path, zip })
    }

    /// Reads an array; a 0 in `shape` accepts any length.
    fn array(&mut self, name: &str, shape: &[usize]) -> Result<Array> {
        let bad = |what: String| Error::fix(self.path.display(), format!("face model array `{name}`: {what}"));
        let mut entry = self.zip.by_name(&format!("{name}.npy")).map_err(|e| bad("is missing".into()).because(e))?;
        // A cap well above the largest array (7 million values) stops archives that claim the moon.
        let mut bytes = Vec::new();
        (&mut entry).take(256 << 20).read_to_end(&mut bytes).map_err(|e| bad("cannot be read".into()).because(e))?;
        let array = Array::parse(&bytes).map_err(&bad)?;
        let fits = array.shape.len() == shape.len() && array.shape.iter().zip(shape).all(|(a, s)| *s == 0 || a == s);
        if !fits {
            return Err(bad(format!("has shape {:?}, wanted {shape:?} (0: any)", array.shape)));
        }
        Ok(array)
    }
}

/// A parsed `.npy` array (format 1.0 to 3.0 of NumPy's `lib/format`), C order, little-endian.
struct Array {
    kind: String,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl Array {
    fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let short = || "is cut short".to_string();
        if bytes.get(..6) != Some(b"\x93NUMPY") {
            return Err("is not a .npy array".into());
        }
        let wide = *bytes.get(6).ok_or_else(short)? >= 2;
        let (start, len) = if wide {
            let b = bytes.get(8..12).ok_or_else(short)?;
            (12, u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
        } else {
            let b = bytes.get(8..10).ok_or_else(short)?;
            (10, usize::from(u16::from_le_bytes([b[0], b[1]])))
        };
        let header = String::from_utf8_lossy(bytes.get(start..start + len).ok_or_else(short)?).into_owned();
        let field = |key: &str| header.split(&format!("'{key}':")).nth(1).map(str::trim_start);
        let kind = field("descr").and_then(|s| s.split('\'').nth(1)).ok_or("has no type")?.to_string();
        if field("fortran_order").is_none_or(|s| s.starts_with("True")) {
            return Err("is in Fortran order, wanted C order".into());
        }
        let dims = field("shape").and_then(|s| s.strip_prefix('(')).and_then(|s| s.split(')').next());
        let shape: Vec<usize> = dims
            .ok_or("has no shape")?
            .split(',')
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .map(|s| s.parse().map_err(|_| format!("has a shape that cannot be read: {s}")))
            .collect::<std::result::Result<_, _>>()?;
        let size = match kind.as_str() {
            "<f4" | "<u4" | "<i4" => 4,
            "<f2" => 2,
            "|u1" => 1,
            text if text.starts_with("<U") => 4 * text[2..].parse::<usize>().map_err(|_| "has an odd text type")?,
            other => return Err(format!("has type {other}, wanted f4, f2, u4, i4, u1 or text")),
        };
        let want = shape.iter().try_fold(size, |a, &d| a.checked_mul(d)).ok_or("claims an impossible size")?;
        let data = bytes.get(start + len..).filter(|d| d.len() >= want).ok_or_else(short)?[..want].to_vec();
        Ok(Self { kind, shape, data })
    }

    fn floats(&self) -> Vec<f32> {
        if self.kind == "<f2" {
            self.data.chunks_exact(2).map(|c| half(u16::from_le_bytes([c[0], c[1]]))).collect()
        } else {
            self.data.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect()
        }
    }

    fn ints(&self) -> Vec<u32> {
        if self.kind == "|u1" {
            self.data.iter().map(|&b| u32::from(b)).collect()
        } else {
            self.data.chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect()
        }
    }

    fn texts(&self) -> Vec<String> {
        let width = self.data.len() / self.shape.first().copied().unwrap_or(1).max(1);
        let text = |c: &[u8]| {
            let codes = c.chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]));
            codes.take_while(|&u| u != 0).filter_map(char::from_u32).collect()
        };
        self.data.chunks_exact(width.max(4)).map(text).collect()
    }
}

/// IEEE 754 binary16 to binary32.
fn half(h: u16) -> f32 {
    let sign = if h & 0x8000 != 0 { -1.0 } else { 1.0 };
    let (e, m) = (i32::from((h >> 10) & 31), f32::from(h & 1023));
    sign * match e {
        0 => libm::ldexpf(m, -24),
        31 => f32::NAN,
        _ => libm::ldexpf(1024.0 + m, e - 25),
    }
}
