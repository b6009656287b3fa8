//! Three-vectors and rotations, centimetres.

/// x to the picture's right (the subject's left), y up, z out of the face.
pub type V3 = [f32; 3];

/// `a + b`.
#[inline(always)]
pub fn add(a: V3, b: V3) -> V3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// `a - b`.
#[inline(always)]
pub fn sub(a: V3, b: V3) -> V3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// `a * s`.
#[inline(always)]
pub fn scale(a: V3, s: f32) -> V3 {
    [a[0] * s, a[1] * s, a[2] * s]
}

/// Scalar product.
#[inline(always)]
pub fn dot(a: V3, b: V3) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Vector product.
#[inline(always)]
pub fn cross(a: V3, b: V3) -> V3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Unit vector; of the zero vector, a zero vector.
#[inline(always)]
pub fn unit(a: V3) -> V3 {
    scale(a, 1.0 / dot(a, a).sqrt().max(1e-9))
}

/// A rotation by yaw (towards +x), then pitch (up), then roll (clockwise in the picture).
#[derive(Debug, Clone, Copy)]
pub struct Rotation([V3; 3]);

impl Rotation {
    /// Angles in degrees, signs as in [`crate::result::Pose`].
    pub fn new(yaw: f32, pitch: f32, roll: f32) -> Self {
        let (sy, cy) = libm::sincosf(yaw.to_radians());
        let (sp, cp) = libm::sincosf(pitch.to_radians());
        let (sr, cr) = libm::sincosf(roll.to_radians());
        // v -> yaw: (cy x + sy z, y, -sy x + cy z) -> pitch: (x, cp y + sp z, -sp y + cp z)
        //   -> roll: (cr x + sr y, -sr x + cr y, z)
        let y = [[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]];
        let p = [[1.0, 0.0, 0.0], [0.0, cp, sp], [0.0, -sp, cp]];
        let r = [[cr, sr, 0.0], [-sr, cr, 0.0], [0.0, 0.0, 1.0]];
        Self(mul(r, mul(p, y)))
    }

    /// Rotates.
    #[inline(always)]
    pub fn of(&self, v: V3) -> V3 {
        [dot(self.0[0], v), dot(self.0[1], v), dot(self.0[2], v)]
    }
}

fn mul(a: [V3; 3], b: [V3; 3]) -> [V3; 3] {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}
