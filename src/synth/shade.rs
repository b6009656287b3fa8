//! The corners of a mesh before the camera: where they lie, and how warm and bright they look. Each step is a loop over
//! all corners, which becomes vector instructions where there are some; they give the same bits as others.

use multiversion::multiversion;

use super::raster::{Camera, Light};
use super::vector::{Rgb, Rotation, V3};

/// From coordinates of the head to those of the camera.
#[derive(Debug, Clone, Copy)]
pub struct Stand {
    /// Its rotation about `joint`.
    pub rotation: Rotation,
    /// Centre of the rotation, own coordinates, cm.
    pub joint: V3,
    /// Where its origin would be without the rotation, camera space, cm.
    pub at: V3,
}

impl Stand {
    /// Where a point lies.
    #[inline(always)]
    pub fn place(&self, p: V3) -> V3 {
        let r = self.rotation.of(p - self.joint) + self.joint;
        V3::new(self.at[0] + r[0], self.at[1] + r[1], self.at[2] - r[2])
    }

    /// Where a direction points.
    #[inline(always)]
    pub fn face(&self, n: V3) -> V3 {
        let r = self.rotation.of(n);
        V3::new(r[0], r[1], -r[2])
    }
}

/// [`Stand::place`] of all.
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

/// All scaled to a length of one, see [`unit`].
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn units(vectors: &mut [V3]) {
    for v in vectors {
        *v = v.unit();
    }
}

/// Apparent temperatures, degC, of corners at `at` in camera space, with unit normals as before they were turned and
/// true temperatures.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn apparent(light: &Light, stand: &Stand, (at, normals): (&[V3], &[V3]), temps: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; temps.len()];
    for (to, ((at, n), t)) in out.iter_mut().zip(at.iter().zip(normals).zip(temps)) {
        *to = light.apparent(*t, -stand.face(*n).dot(at.unit()));
    }
    out
}

/// Reflected colours of corners of these unit normals, as before they were turned, and albedos.
pub fn reflected(light: &Light, stand: &Stand, normals: &[V3], albedo: &[Rgb]) -> Vec<Rgb> {
    normals.iter().zip(albedo).map(|(n, a)| light.reflected(*a, stand.face(*n))).collect()
}
