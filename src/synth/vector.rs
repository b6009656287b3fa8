//! 3D vectors and rotations, centimetres.

use std::ops::{Add, AddAssign, Index, IndexMut, Mul, Sub};

/// Linear red, green and blue, 0 to 1.
pub type Rgb = [f32; 3];

/// A vector: x to the picture's right (the subject's left), y up, z out of the face.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct V3(pub [f32; 3]);

impl V3 {
    /// The origin.
    pub const ZERO: V3 = V3([0.0; 3]);

    /// From its components.
    #[inline(always)]
    pub const fn new(x: f32, y: f32, z: f32) -> Self {
        Self([x, y, z])
    }

    /// Scalar product.
    #[inline(always)]
    pub fn dot(self, b: V3) -> f32 {
        self[0] * b[0] + self[1] * b[1] + self[2] * b[2]
    }

    /// Vector product.
    #[inline(always)]
    pub fn cross(self, b: V3) -> V3 {
        let a = self;
        V3([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])
    }

    /// Unit vector; the zero vector stays zero.
    #[inline(always)]
    pub fn unit(self) -> V3 {
        self * (1.0 / self.dot(self).sqrt().max(1e-9))
    }
}

impl Index<usize> for V3 {
    type Output = f32;
    #[inline(always)]
    fn index(&self, k: usize) -> &f32 {
        &self.0[k]
    }
}

impl IndexMut<usize> for V3 {
    #[inline(always)]
    fn index_mut(&mut self, k: usize) -> &mut f32 {
        &mut self.0[k]
    }
}

impl Add for V3 {
    type Output = V3;
    #[inline(always)]
    fn add(self, b: V3) -> V3 {
        V3([self[0] + b[0], self[1] + b[1], self[2] + b[2]])
    }
}

impl AddAssign for V3 {
    #[inline(always)]
    fn add_assign(&mut self, b: V3) {
        *self = *self + b;
    }
}

impl Sub for V3 {
    type Output = V3;
    #[inline(always)]
    fn sub(self, b: V3) -> V3 {
        V3([self[0] - b[0], self[1] - b[1], self[2] - b[2]])
    }
}

impl Mul<f32> for V3 {
    type Output = V3;
    #[inline(always)]
    fn mul(self, s: f32) -> V3 {
        V3([self[0] * s, self[1] * s, self[2] * s])
    }
}

/// A rotation by yaw (towards +x), then pitch (up), then roll (clockwise in the picture).
#[derive(Debug, Clone, Copy)]
pub struct Rotation([V3; 3]);

impl Rotation {
    /// A rotation from angles in degrees, with the signs of [`crate::result::Pose`].
    pub fn new(yaw: f32, pitch: f32, roll: f32) -> Self {
        let (sy, cy) = libm::sincosf(yaw.to_radians());
        let (sp, cp) = libm::sincosf(pitch.to_radians());
        let (sr, cr) = libm::sincosf(roll.to_radians());
        // v -> yaw: (cy x + sy z, y, -sy x + cy z) -> pitch: (x, cp y + sp z, -sp y + cp z)
        //   -> roll: (cr x + sr y, -sr x + cr y, z)
        let y = [[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]];
        let p = [[1.0, 0.0, 0.0], [0.0, cp, sp], [0.0, -sp, cp]];
        let r = [[cr, sr, 0.0], [-sr, cr, 0.0], [0.0, 0.0, 1.0]];
        Self(product(r, product(p, y)).map(V3))
    }

    /// Rotates.
    #[inline(always)]
    pub fn of(&self, v: V3) -> V3 {
        V3(self.0.map(|row| row.dot(v)))
    }
}

/// Matrix product.
fn product(a: [[f32; 3]; 3], b: [[f32; 3]; 3]) -> [[f32; 3]; 3] {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}
