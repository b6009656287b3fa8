//! The morphable head: read from a file that the user provides, never embedded.
//!
//! The file is a NumPy `.npz` with the arrays made from the ICT-FaceKit
//! OBJ files (MIT licence, USC Institute for Creative Technologies).

use std::path::Path;

use multiversion::multiversion;

use super::npz::Npz;
use super::vector::V3;
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

/// True for the model's bust, which is left out (clothed bodies are drawn instead): everything below the
/// throat that is not part of the neck, cm.
fn is_bust(V3([x, y, z]): V3) -> bool {
    y < -15.0 || (y < -12.5 && x * x + (z + 1.4) * (z + 1.4) > 6.8 * 6.8)
}

/// Identity modes used; the others only add detail smaller than a thermal pixel.
const MODES: usize = 60;

/// A morphable head: neutral shape, identity and expression offsets, landmark vertices.
pub struct HeadModel {
    /// Neutral vertex positions, cm.
    pub neutral: Vec<V3>,
    /// Vertex triples, counter-clockwise from outside; teeth, gums and tongue come last.
    pub triangles: Vec<[u32; 3]>,
    /// Number of triangles that are visible with the mouth closed.
    pub outside: usize,
    /// Outward unit normals of the neutral shape.
    pub normals: Vec<V3>,
    /// See [`part`].
    pub part: Vec<u8>,
    /// Vertices of the 70 landmarks.
    pub landmarks: [usize; COUNT],
    identity: Vec<Vec<f32>>,
    /// Names, and the offsets of the vertices that each moves.
    expression: Vec<(String, Vec<(u32, V3)>)>,
}

impl HeadModel {
    /// Reads the model. An error names the file, the array, and what was found and wanted.
    ///
    /// # Errors
    /// `Fix` if the file cannot be read, or an array is missing or has another shape.
    pub fn open(path: &Path) -> Result<Self> {
        let mut npz = Npz::open(path)?;
        let bad = |what: String| Error::fix(path.display(), what);
        let neutral = triples(npz.floats("neutral", &[0, 3])?);
        let n = neutral.len();
        if n == 0 {
            return Err(bad("the face model has no vertices".into()));
        }
        let triangles: Vec<[u32; 3]> =
            npz.ints("triangles", &[0, 3])?.chunks_exact(3).map(|c| [c[0], c[1], c[2]]).collect();
        let identity = npz.floats("identity", &[0, n, 3])?;
        let identity: Vec<Vec<f32>> = identity.chunks_exact(3 * n).take(MODES).map(<[f32]>::to_vec).collect();
        let names = npz.texts("expression_names")?;
        let expression = npz.floats("expression", &[names.len(), n, 3])?;
        let expression = names.into_iter().zip(expression.chunks_exact(3 * n)).map(|(k, m)| (k, moved(m))).collect();
        let parts: Vec<u8> = npz.ints("part", &[n])?.iter().map(|&p| p.min(255) as u8).collect();
        if let Some(p) = parts.iter().find(|p| **p > part::EYE) {
            return Err(bad(format!("the face model has a part number {p}, wanted 0 to {}", part::EYE)));
        }
        let mut indices = npz.ints("landmarks68", &[68])?;
        indices.extend(npz.ints("pupils", &[2])?);
        if triangles.iter().flatten().chain(&indices).any(|&i| i as usize >= n) {
            return Err(bad(format!("the face model names a vertex beyond its {n}")));
        }
        let mut normals = normals(&neutral, &triangles);
        normals.iter_mut().for_each(|n| *n = n.unit());
        let bust = |t: &[u32; 3]| t.iter().all(|&i| is_bust(neutral[i as usize]));
        let inner = |t: &[u32; 3]| t.iter().all(|&i| matches!(parts[i as usize], part::TONGUE | part::TEETH));
        let drawn = triangles.into_iter().filter(|t| !bust(t));
        let (inside, mut triangles): (Vec<_>, Vec<_>) = drawn.partition(inner);
        let outside = triangles.len();
        triangles.extend(inside);
        let landmarks = std::array::from_fn(|i| indices[i] as usize);
        Ok(Self { neutral, triangles, outside, normals, part: parts, landmarks, identity, expression })
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
        let mut shape: Vec<f32> = self.neutral.iter().flat_map(|v| v.0).collect();
        // Each block stays in the first-level cache while all modes are applied to it.
        const BLOCK: usize = 3 * 1024;
        for (i, block) in shape.chunks_mut(BLOCK).enumerate() {
            let part = i * BLOCK..i * BLOCK + block.len();
            for (w, mode) in weights.chunks(4).zip(self.identity.chunks(4)) {
                if let ([w0, w1, w2, w3], [m0, m1, m2, m3]) = (w, mode) {
                    let modes = [m0, m1, m2, m3].map(|m| &m[part.clone()]);
                    shift4(block, modes, [*w0, *w1, *w2, *w3]);
                } else {
                    w.iter().zip(mode).for_each(|(w, m)| shift(block, &m[part.clone()], *w));
                }
            }
        }
        triples(shape)
    }

    /// Adds expression `index` with weight `w` to `shape`.
    pub fn express(&self, shape: &mut [V3], index: usize, w: f32) {
        if let Some((_, mode)) = self.expression.get(index) {
            for (v, d) in mode {
                if let Some(p) = shape.get_mut(*v as usize) {
                    *p += *d * w;
                }
            }
        }
    }

    /// Neutral position of landmark `i`.
    pub fn point(&self, i: usize) -> V3 {
        self.neutral[self.landmarks[i]]
    }

    /// Mean neutral position of the landmarks `of`.
    pub fn centre(&self, of: impl IntoIterator<Item = usize>) -> V3 {
        let (mut s, mut n) = (V3::ZERO, 0.0);
        for i in of {
            let p = self.point(i);
            s += p;
            n += 1.0;
        }
        V3(s.0.map(|x| x / n))
    }
}

#[inline]
fn shift(shape: &mut [f32], mode: &[f32], w: f32) {
    shape.iter_mut().zip(mode).for_each(|(p, d)| *p += w * d);
}

/// Adds four modes at once, so that the shape is loaded and stored only once.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn shift4(shape: &mut [f32], [a, b, c, d]: [&[f32]; 4], w: [f32; 4]) {
    let n = shape.len();
    let (a, b, c, d) = (&a[..n], &b[..n], &c[..n], &d[..n]);
    for i in 0..n {
        shape[i] += (w[0] * a[i] + w[1] * b[i]) + (w[2] * c[i] + w[3] * d[i]);
    }
}

fn triples(v: Vec<f32>) -> Vec<V3> {
    v.as_chunks::<3>().0.iter().copied().map(V3).collect()
}

/// The vertices that a mode moves, and their offsets.
fn moved(mode: &[f32]) -> Vec<(u32, V3)> {
    (0..).zip(mode.as_chunks::<3>().0.iter().copied().map(V3)).filter(|(_, d)| *d != V3::ZERO).collect()
}

/// Area-weighted outward normals, not normalised.
pub fn normals(shape: &[V3], triangles: &[[u32; 3]]) -> Vec<V3> {
    let mut out = vec![V3::ZERO; shape.len()];
    for &[i, j, k] in triangles {
        let (i, j, k) = (i as usize, j as usize, k as usize);
        let a = shape[i];
        let n = (shape[j] - a).cross(shape[k] - a);
        out[i] += n;
        out[j] += n;
        out[k] += n;
    }
    out
}

/// Mean curvature per vertex, 1/cm, positive in folds, clamped to +-1.5: the Laplacian over an edge's length.
pub fn curvature(shape: &[V3], triangles: &[[u32; 3]]) -> Vec<f32> {
    let mut sum = vec![V3::ZERO; shape.len()];
    let mut count = vec![0.0f32; shape.len()];
    for t in triangles {
        let [i, j, k] = t.map(|v| v as usize);
        for (v, a, b) in [(i, j, k), (j, k, i), (k, i, j)] {
            sum[v] += shape[a] + shape[b];
            count[v] += 2.0;
        }
    }
    let normal = normals(shape, triangles);
    let of = |v: usize| {
        if count[v] == 0.0 {
            return 0.0;
        }
        let to = sum[v] * (1.0 / count[v]) - shape[v];
        // The edge length follows from the area of the triangles around, six for an inner vertex.
        let area = normal[v].dot(normal[v]).sqrt() / count[v];
        (to.dot(normal[v].unit()) / (2.3 * area).max(1e-3)).clamp(-1.5, 1.5)
    };
    let raw: Vec<f32> = (0..shape.len()).map(of).collect();
    // Average around each vertex, because single vertices are noisy.
    let mut smooth = vec![0.0f32; shape.len()];
    for t in triangles {
        let [i, j, k] = t.map(|v| v as usize);
        let all = raw[i] + raw[j] + raw[k];
        [i, j, k].iter().for_each(|v| smooth[*v] += all);
    }
    smooth.iter_mut().zip(&count).for_each(|(s, n)| *s /= (1.5 * n).max(1.0));
    smooth
}
