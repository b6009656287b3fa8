//! Position, apparent temperature and brightness of a mesh's corners as seen by the camera. Each step is a loop over
//! all corners, which compiles to vector instructions where available. The results are bit-identical to scalar code.

use multiversion::multiversion;

use super::raster::{Camera, Light};
use super::vector::{Rgb, Rotation, V3};

/// Transform from head to camera coordinates.
#[derive(Debug, Clone, Copy)]
pub struct Stand {
    /// Rotation about `joint`.
    pub rotation: Rotation,
    /// Centre of the rotation, head coordinates, cm.
    pub joint: V3,
    /// Position of the origin without the rotation, camera space, cm.
    pub at: V3,
}

impl Stand {
    /// Transforms a point.
    #[inline(always)]
    pub fn place(&self, p: V3) -> V3 {
        let r = self.rotation.of(p - self.joint) + self.joint;
        V3::new(self.at[0] + r[0], self.at[1] + r[1], self.at[2] - r[2])
    }

    /// Transforms a direction.
    #[inline(always)]
    pub fn face(&self, n: V3) -> V3 {
        let r = self.rotation.of(n);
        V3::new(r[0], r[1], -r[2])
    }
}

/// [`Stand::place`] of all points.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn placed(stand: &Stand, points: &[V3]) -> Vec<V3> {
    let mut out = vec![V3::ZERO; points.len()];
    for (to, p) in out.iter_mut().zip(points) {
        *to = stand.place(*p);
    }
    out
}

/// Columns and rows, sub-pixels, and distances, cm, of points in camera space.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn projected(camera: &Camera, at: &[V3]) -> Vec<V3> {
    let mut out = vec![V3::ZERO; at.len()];
    for (to, p) in out.iter_mut().zip(at) {
        let [x, y] = camera.project(*p);
        *to = V3::new(x, y, p[2]);
    }
    out
}

/// Scales all vectors to a length of one.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn units(vectors: &mut [V3]) {
    for v in vectors {
        *v = v.unit();
    }
}

/// Apparent temperatures, degC, of corners at `at` in camera space, from their unit normals before rotation and their
/// true temperatures.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn apparent(light: &Light, stand: &Stand, (at, normals): (&[V3], &[V3]), temps: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; temps.len()];
    for (to, ((at, n), t)) in out.iter_mut().zip(at.iter().zip(normals).zip(temps)) {
        *to = light.apparent(*t, -stand.face(*n).dot(at.unit()));
    }
    out
}

/// Reflected colours of corners, from their unit normals before rotation and their albedos.
pub fn reflected(light: &Light, stand: &Stand, normals: &[V3], albedo: &[Rgb]) -> Vec<Rgb> {
    normals.iter().zip(albedo).map(|(n, a)| light.reflected(*a, stand.face(*n))).collect()
}
