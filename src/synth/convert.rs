//! Converts the OBJ files of ICT-FaceKit (MIT licence, USC Institute for Creative Technologies) to the one
//! compact file that [`super::head`] reads.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::head::part;
use super::npz::{self, to_half};
use super::vector::V3;
use crate::error::{Error, Result};

/// Layout of the upstream files.
pub struct Layout {
    /// Vertices of every file.
    pub vertices: usize,
    /// Faces of every file, quads and triangles.
    pub faces: usize,
    /// End and number of each kept part, in order; the last end is the number of kept vertices.
    pub parts: &'static [(usize, u8)],
    /// Identity modes.
    pub modes: usize,
    /// Expressions kept; other files are ignored.
    pub expressions: &'static [&'static str],
    /// Vertices of the iBUG-68 points.
    pub landmarks: &'static [u32; 68],
    /// Front vertices of the right and the left iris.
    pub pupils: [u32; 2],
}

/// ICT-FaceKit as of commit da5f95a: the parts as numbered in its documentation, without the lashes, the
/// blend layers over the eyes and the pupil's own mesh, which are smaller than a thermal pixel.
pub const FACEKIT: Layout = Layout {
    vertices: 26719,
    faces: 26384,
    parts: &[
        (9409, part::FACE),
        (11248, part::HEAD),
        (13294, part::MOUTH),
        (14062, part::SOCKET),
        (17039, part::TONGUE),
        (21451, part::TEETH),
        (24591, part::EYE),
    ],
    modes: 100,
    expressions: &EXPRESSIONS,
    landmarks: &LANDMARKS,
    pupils: [24250, 22680],
};

#[rustfmt::skip]
const EXPRESSIONS: [&str; 53] = [
    "browDown_L", "browDown_R", "browInnerUp_L", "browInnerUp_R", "browOuterUp_L", "browOuterUp_R",
    "cheekPuff_L", "cheekPuff_R", "cheekSquint_L", "cheekSquint_R", "eyeBlink_L", "eyeBlink_R",
    "eyeLookDown_L", "eyeLookDown_R", "eyeLookIn_L", "eyeLookIn_R", "eyeLookOut_L", "eyeLookOut_R",
    "eyeLookUp_L", "eyeLookUp_R", "eyeSquint_L", "eyeSquint_R", "eyeWide_L", "eyeWide_R",
    "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthDimple_L", "mouthDimple_R",
    "mouthFrown_L", "mouthFrown_R", "mouthFunnel", "mouthLeft", "mouthLowerDown_L", "mouthLowerDown_R",
    "mouthPress_L", "mouthPress_R", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper",
    "mouthShrugLower", "mouthShrugUpper", "mouthSmile_L", "mouthSmile_R", "mouthStretch_L",
    "mouthStretch_R", "mouthUpperUp_L", "mouthUpperUp_R", "noseSneer_L", "noseSneer_R",
];

#[rustfmt::skip]
const LANDMARKS: [u32; 68] = [
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443,
    268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509,
    978, 4527, 4942, 4857, 1140, 2075, 1147, 4269, 3360,
    1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732,
    5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841,
    5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966,
];

/// File of the neutral shape; all others are stored as offsets from it.
const NEUTRAL: &str = "generic_neutral_mesh";

/// Maximum size of an OBJ file, ten times the upstream size.
const MOST: u64 = 32 << 20;

/// Converts the folder `dir` (`FaceXModel` of ICT-FaceKit, or the checkout around it) into `out`. The
/// same files give the same bytes; `out` appears only once it is complete.
///
/// # Errors
/// `Fix` where a file of the model is missing or malformed, or `out` cannot be written.
pub fn convert(dir: &Path, out: &Path) -> Result<()> {
    FACEKIT.convert(dir, out)
}

impl Layout {
    /// As [`convert`], for files of this layout.
    ///
    /// # Errors
    /// `Fix` where a file of the model is missing or malformed, or `out` cannot be written.
    pub fn convert(&self, dir: &Path, out: &Path) -> Result<()> {
        let inner = dir.join("FaceXModel");
        let dir = if inner.is_dir() { &inner } else { dir };
        if !dir.is_dir() {
            let what = "no such folder; wanted FaceXModel of github.com/ICT-VGL/ICT-FaceKit";
            return Err(Error::fix(dir.display(), what));
        }
        let part = PathBuf::from(format!("{}.part", out.display()));
        let written = self.write(dir, &part).and_then(|()| {
            std::fs::rename(&part, out).map_err(|e| Error::fix(out.display(), "cannot be written").because(e))
        });
        if written.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        written
    }

    /// Vertices kept.
    fn kept(&self) -> usize {
        self.parts.last().map_or(0, |p| p.0)
    }

    fn write(&self, dir: &Path, out: &Path) -> Result<()> {
        let neutral = self.read(dir, NEUTRAL)?;
        let n = self.kept();
        let mut identity = Vec::with_capacity(self.modes * n * 6);
        for mode in 0..self.modes {
            self.offsets(dir, &format!("identity{mode:03}"), &neutral, &mut identity)?;
        }
        let mut expression = Vec::with_capacity(self.expressions.len() * n * 6);
        for name in self.expressions {
            self.offsets(dir, name, &neutral, &mut expression)?;
        }
        let positions: Vec<[[u8; 4]; 3]> = neutral.positions.iter().map(|p| p.0.map(f32::to_le_bytes)).collect();
        let ints = |v: &[u32]| v.iter().flat_map(|i| i.to_le_bytes()).collect::<Vec<u8>>();
        let mut parts = Vec::with_capacity(n);
        for &(end, number) in self.parts {
            parts.resize(end, number);
        }
        let width = self.expressions.iter().map(|s| s.len()).max().unwrap_or(1);
        let texts: Vec<u8> = self
            .expressions
            .iter()
            .flat_map(|s| s.chars().map(u32::from).chain(std::iter::repeat(0)).take(width).flat_map(u32::to_le_bytes))
            .collect();
        let write = || -> std::io::Result<()> {
            let mut npz = npz::Writer::new(BufWriter::new(File::create(out)?));
            npz.put("neutral", "<f4", &[n, 3], positions.as_flattened().as_flattened())?;
            let corners = neutral.triangles.as_flattened();
            npz.put("triangles", "<u4", &[neutral.triangles.len(), 3], &ints(corners))?;
            npz.put("identity", "<f2", &[self.modes, n, 3], &identity)?;
            npz.put("expression", "<f2", &[self.expressions.len(), n, 3], &expression)?;
            npz.put("expression_names", &format!("<U{width}"), &[self.expressions.len()], &texts)?;
            npz.put("part", "|u1", &[n], &parts)?;
            npz.put("landmarks68", "<u4", &[68], &ints(self.landmarks))?;
            npz.put("pupils", "<u4", &[2], &ints(&self.pupils))?;
            npz.finish()?.flush()
        };
        write().map_err(|e| Error::fix(out.display(), "cannot be written").because(e))
    }

    /// Appends the offsets of a shape from the neutral one, as binary16.
    fn offsets(&self, dir: &Path, name: &str, neutral: &Obj, out: &mut Vec<u8>) -> Result<()> {
        let shape = self.read(dir, name)?;
        for (p, q) in shape.positions.iter().zip(&neutral.positions) {
            for (a, b) in p.0.iter().zip(q.0) {
                out.extend(to_half(a - b).to_le_bytes());
            }
        }
        Ok(())
    }

    fn read(&self, dir: &Path, name: &str) -> Result<Obj> {
        let path = dir.join(format!("{name}.obj"));
        let bad = |what: &str| Error::fix(path.display(), what);
        let size = std::fs::metadata(&path).map_err(|e| bad("cannot be read").because(e))?.len();
        if size > MOST {
            return Err(bad("is far larger than a file of ICT-FaceKit"));
        }
        let bytes = std::fs::read(&path).map_err(|e| bad("cannot be read").because(e))?;
        let text = std::str::from_utf8(&bytes).map_err(|e| bad("is not an OBJ file").because(e))?;
        self.parse(text).map_err(|what| bad(&what))
    }

    /// The kept positions, and the triangles between them.
    fn parse(&self, text: &str) -> std::result::Result<Obj, String> {
        let kept = self.kept();
        let (mut vertices, mut faces) = (0, 0);
        let mut obj = Obj { positions: Vec::with_capacity(kept), triangles: Vec::new() };
        let mut corners = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let at = |what: &str| format!("line {}: {what}", number + 1);
            if let Some(rest) = line.strip_prefix("v ") {
                if vertices < kept {
                    obj.positions.push(position(rest).ok_or_else(|| at("not the three numbers of a vertex"))?);
                }
                vertices += 1;
            } else if let Some(rest) = line.strip_prefix("f ") {
                faces += 1;
                corners.clear();
                for corner in rest.split_ascii_whitespace() {
                    let index = corner.split('/').next().and_then(|s| s.parse::<u32>().ok());
                    let known = index.filter(|&i| i >= 1 && i as usize <= self.vertices);
                    corners.push(known.ok_or_else(|| at("a face names a vertex that is not there"))? - 1);
                }
                if corners.len() < 3 {
                    return Err(at("a face of fewer than three corners"));
                }
                if corners.iter().all(|&i| (i as usize) < kept) {
                    obj.triangles.extend(corners.windows(2).skip(1).map(|w| [corners[0], w[0], w[1]]));
                }
            }
        }
        if (vertices, faces) != (self.vertices, self.faces) {
            return Err(format!(
                "has {vertices} vertices and {faces} faces, wanted {} and {}: cut short, or not of ICT-FaceKit",
                self.vertices, self.faces
            ));
        }
        Ok(obj)
    }
}

struct Obj {
    positions: Vec<V3>,
    triangles: Vec<[u32; 3]>,
}

fn position(text: &str) -> Option<V3> {
    let mut numbers = text.split_ascii_whitespace().map(|s| s.parse::<f32>().ok().filter(|x| x.abs() < 1e4));
    let mut next = || numbers.next().flatten();
    Some(V3::new(next()?, next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::head::HeadModel;

    /// A cube of eight vertices (a ninth, dropped, has a triangle of its own), two modes, one expression.
    const CUBE: Layout = Layout {
        vertices: 9,
        faces: 7,
        parts: &[(4, part::FACE), (8, part::EYE)],
        modes: 2,
        expressions: &["jawOpen"],
        landmarks: &[1; 68],
        pupils: [6, 7],
    };

    fn cube(shift: [f32; 3]) -> String {
        let mut s = String::from("# made by hand\nmtllib none.mtl\n");
        for i in 0..9 {
            let at = |bit: usize| ((i >> bit) & 1) as f32;
            s += &format!("v {} {} {}\n", at(0) + shift[0], at(1) + shift[1] * at(0), at(2) + shift[2]);
        }
        s += "vt 0 0\nusemtl skin\n";
        for f in ["1/1 3/1 4/1 2/1", "5 6 8 7", "1 2 6 5", "3 7 8 4", "1 5 7 3", "2 4 8 6", "1 2 9"] {
            s += &format!("f {f}\n");
        }
        s
    }

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, shift) in [
            (NEUTRAL, [0.0; 3]),
            ("identity000", [0.5, 0.0, 0.0]),
            ("identity001", [0.0, 0.25, 0.0]),
            ("jawOpen", [0.0, 0.0, -1.0]),
        ] {
            std::fs::write(dir.path().join(format!("{name}.obj")), cube(shift)).expect("written");
        }
        dir
    }

    #[test]
    fn a_small_set_converts_and_reads_back() {
        let dir = folder();
        let out = dir.path().join("cube.npz");
        CUBE.convert(dir.path(), &out).expect("converted");
        let first = std::fs::read(&out).expect("read");
        CUBE.convert(dir.path(), &out).expect("converted again");
        assert!(first == std::fs::read(&out).expect("read"), "bytes differ");
        let head = HeadModel::open(&out).expect("a face model");
        assert_eq!((head.neutral.len(), head.triangles.len(), head.modes(), head.expressions()), (8, 12, 2, 1));
        assert_eq!(head.triangles[..2], [[0, 2, 3], [0, 3, 1]]);
        assert_eq!(head.part, [0, 0, 0, 0, 6, 6, 6, 6]);
        assert_eq!(head.landmarks[68..], [6, 7]);
        assert_eq!(head.identity(&[2.0, 1.0])[3], V3::new(2.0, 1.25, 0.0));
        let mut shape = head.neutral.clone();
        head.express(&mut shape, head.expression("jawOpen").expect("named"), 0.5);
        assert_eq!(shape[7], V3::new(1.0, 1.0, 0.5));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let tell = |change: &dyn Fn(&Path)| {
            let dir = folder();
            change(dir.path());
            let out = dir.path().join("cube.npz");
            let e = CUBE.convert(dir.path(), &out).expect_err("must fail").to_string();
            assert!(!out.exists() && !dir.path().join("cube.npz.part").exists(), "left something behind: {e}");
            e
        };
        let gone = CUBE.convert(Path::new("no/such/folder"), Path::new("x.npz")).expect_err("must fail").to_string();
        assert!(gone.contains("no such folder") && gone.contains("ICT-FaceKit"), "{gone}");
        let e = tell(&|d| std::fs::remove_file(d.join("identity001.obj")).expect("removed"));
        assert!(e.contains("identity001.obj"), "{e}");
        let whole = cube([0.0; 3]);
        for cut in (0..whole.len() - 2).step_by(7) {
            let e = tell(&|d| std::fs::write(d.join("jawOpen.obj"), &whole[..cut]).expect("written"));
            assert!(e.contains("jawOpen.obj"), "cut at {cut}: {e}");
        }
        for (from, to, word) in [
            ("v 1 1 1\n", "v 1 1 1\nv 1 1 1\n", "10 vertices"),
            ("v 1 1 1", "v 1 x 1", "three numbers"),
            ("v 1 1 1", "v 1 1", "three numbers"),
            ("v 1 1 1", "v 1 nan 1", "three numbers"),
            ("f 5 6 8 7", "f 5 6 80 7", "not there"),
            ("f 5 6 8 7", "f 5 6 0 7", "not there"),
            ("f 5 6 8 7", "f 5 6", "fewer than three"),
        ] {
            let text = whole.replacen(from, to, 1);
            assert_ne!(text, whole, "{from}");
            let e = tell(&|d| std::fs::write(d.join(format!("{NEUTRAL}.obj")), &text).expect("written"));
            assert!(e.contains(word), "{to}: {e}");
        }
        let e = tell(&|d| std::fs::write(d.join("jawOpen.obj"), [0xff, 0xfe, 0, 1]).expect("written"));
        assert!(e.contains("not an OBJ"), "{e}");
    }
}
