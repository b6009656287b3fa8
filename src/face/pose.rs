//! Head rotation: least-squares fit of the mean head to the landmarks under weak perspective.
//!
//! With `R = roll * yaw * pitch` (pitch acts first) a point `X` of the mean head lands at
//! `s P R X + t`, where `P` drops depth and turns y downwards. The start is the best affine map
//! (DeMenthon & Davis 1995, "Model-based object pose in 25 lines of code", Int. J. Comput. Vis. 15:123),
//! made orthogonal; Gauss-Newton steps over rotation, scale and shift then minimise the distances in
//! the picture. The result is the rotation relative to the line of sight to the head, not to the
//! camera's axis.

use super::shape::SHAPE;
use crate::landmarks::COUNT;
use crate::result::Pose;

/// Points on bone get more weight than points that the jaw and the lips move.
fn firmness(point: usize) -> f32 {
    match point {
        4..=12 | 48..=67 => 0.25,
        17..=26 => 0.5,
        _ => 1.0,
    }
}

type Matrix = [[f32; 3]; 3];

/// A fitted head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// Rotation, degrees.
    pub pose: Pose,
    /// The same as a matrix: head coordinates (cm; x to the subject's left, y up, z forward) to
    /// picture coordinates with y up and z towards the camera.
    pub rotation: Matrix,
    /// Pixels per centimetre.
    pub scale: f32,
    /// Root mean square distance between landmarks and the fitted head, pixels.
    pub residual: f32,
}

/// A point of the mean head and its position in the picture, both relative to the weighted mean of all points.
#[derive(Clone, Copy)]
struct Pair {
    w: f32,
    model: [f32; 3],
    /// Pixels, y upwards.
    image: [f32; 2],
}

/// Fits the mean head to points (pixels, x right, y down), each with a weight from 0 (ignored) to 1.
///
/// `None` if the points do not determine a rotation (all in one place, weights near zero, not finite).
pub fn fit(points: &[[f32; 2]; COUNT], weight: impl Fn(usize) -> f32) -> Option<Fit> {
    let mut w = [0.0f32; COUNT];
    for (i, w) in w.iter_mut().enumerate() {
        *w = firmness(i) * weight(i).clamp(0.0, 1.0);
    }
    let total: f32 = w.iter().sum();
    // Also false for NaN.
    if !(total > 1e-3) || !points.as_flattened().iter().all(|v| v.is_finite()) {
        return None;
    }
    let mean = |f: &dyn Fn(usize) -> f32| (0..COUNT).map(|i| w[i] * f(i)).sum::<f32>() / total;
    let head = [mean(&|i| SHAPE[i].0[0]), mean(&|i| SHAPE[i].0[1]), mean(&|i| SHAPE[i].0[2])];
    let seen = [mean(&|i| points[i][0]), mean(&|i| -points[i][1])];
    let mut pairs = [Pair { w: 0.0, model: [0.0; 3], image: [0.0; 2] }; COUNT];
    for (i, pair) in pairs.iter_mut().enumerate() {
        let ([x, y], (model, _)) = (points[i], SHAPE[i]);
        let model = [model[0] - head[0], model[1] - head[1], model[2] - head[2]];
        *pair = Pair { w: w[i], model, image: [x - seen[0], -y - seen[1]] };
    }

    let (mut rotation, mut scale) = start(&pairs)?;
    for _ in 0..8 {
        let step = refine(&pairs, &rotation, scale)?;
        rotation = multiply(&about(step[0], step[1], step[2]), &rotation);
        scale *= step[3].clamp(-0.5, 0.5).exp();
        // 0.006 degrees.
        if step.iter().all(|s| s.abs() < 1e-4) {
            break;
        }
    }
    let mut error = 0.0;
    for Pair { w, model, image: q } in &pairs {
        let p = apply(&rotation, *model);
        error += w * ((q[0] - scale * p[0]).powi(2) + (q[1] - scale * p[1]).powi(2));
    }
    let fit = Fit { pose: angles(&rotation), rotation, scale, residual: (error / total).sqrt() };
    (fit.scale > 0.0 && fit.residual.is_finite() && fit.pose.yaw.is_finite()).then_some(fit)
}

/// Affine least squares, then the nearest pair of orthogonal rows of equal length.
fn start(pairs: &[Pair; COUNT]) -> Option<(Matrix, f32)> {
    let mut normal = [[0.0f32; 4]; 4];
    let mut right = [[0.0f32; 4]; 2];
    for Pair { w, model: m, image: p } in pairs {
        for a in 0..3 {
            for b in 0..3 {
                normal[a][b] += w * m[a] * m[b];
            }
            right[0][a] += w * m[a] * p[0];
            right[1][a] += w * m[a] * p[1];
        }
    }
    normal[3][3] = 1.0;
    let (a, b) = (solve(normal, right[0])?, solve(normal, right[1])?);
    let (a, b) = ([a[0], a[1], a[2]], [b[0], b[1], b[2]]);
    let (la, lb) = (dot(a, a).sqrt(), dot(b, b).sqrt());
    if !(la > 1e-6 && lb > 1e-6) {
        return None;
    }
    // Symmetric orthogonalisation: the bisector and the difference of the unit rows are orthogonal.
    let (a, b) = (a.map(|v| v / la), b.map(|v| v / lb));
    let (sum, difference): ([f32; 3], [f32; 3]) =
        (std::array::from_fn(|k| a[k] + b[k]), std::array::from_fn(|k| a[k] - b[k]));
    let (ls, ld) = (dot(sum, sum).sqrt(), dot(difference, difference).sqrt());
    if !(ls > 1e-3 && ld > 1e-3) {
        return None;
    }
    let half = std::f32::consts::FRAC_1_SQRT_2;
    let x: [f32; 3] = std::array::from_fn(|k| half * (sum[k] / ls + difference[k] / ld));
    let y: [f32; 3] = std::array::from_fn(|k| half * (sum[k] / ls - difference[k] / ld));
    let z = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]];
    Some(([x, y, z], (la + lb) / 2.0))
}

/// One Gauss-Newton step: a small rotation (radians about x, y, z of the picture) and a log of scale.
fn refine(pairs: &[Pair; COUNT], rotation: &Matrix, scale: f32) -> Option<[f32; 4]> {
    // d(omega x p): the row of x is (0, z, -y, x), that of y (-z, 0, x, y); of their products some cancel.
    let (mut zz, mut zx, mut zy, mut plane) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
    let mut right = [0.0f32; 4];
    for Pair { w, model, image: q } in pairs {
        let [x, y, z] = apply(rotation, *model);
        let (x, y, z) = (x * scale, y * scale, z * scale);
        let (ex, ey) = (w * (q[0] - x), w * (q[1] - y));
        (zz, zx, zy) = (zz + w * z * z, zx + w * z * x, zy + w * z * y);
        plane += w * (x * x + y * y);
        right[0] -= z * ey;
        right[1] += z * ex;
        right[2] += x * ey - y * ex;
        right[3] += x * ex + y * ey;
    }
    let normal = [[zz, 0.0, -zx, -zy], [0.0, zz, -zy, zx], [-zx, -zy, plane, 0.0], [-zy, zx, 0.0, plane]];
    solve(normal, right)
}

/// Solves 4 linear equations by Gaussian elimination with pivoting; `None` if they are dependent.
fn solve(mut a: [[f32; 4]; 4], mut b: [f32; 4]) -> Option<[f32; 4]> {
    let size = a.as_flattened().iter().fold(0f32, |m, v| m.max(v.abs()));
    for i in 0..4 {
        let pivot = (i..4).max_by(|&p, &q| a[p][i].abs().total_cmp(&a[q][i].abs()))?;
        a.swap(i, pivot);
        b.swap(i, pivot);
        // Also true for NaN.
        if !(a[i][i].abs() > size * 1e-7) {
            return None;
        }
        for r in i + 1..4 {
            let f = a[r][i] / a[i][i];
            for c in i..4 {
                a[r][c] -= f * a[i][c];
            }
            b[r] -= f * b[i];
        }
    }
    for i in (0..4).rev() {
        for c in i + 1..4 {
            b[i] -= a[i][c] * b[c];
        }
        b[i] /= a[i][i];
    }
    b.iter().all(|v| v.is_finite()).then_some(b)
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Matrix times vector.
pub fn apply(m: &Matrix, v: [f32; 3]) -> [f32; 3] {
    [dot(m[0], v), dot(m[1], v), dot(m[2], v)]
}

fn multiply(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|r| std::array::from_fn(|c| (0..3).map(|k| a[r][k] * b[k][c]).sum()))
}

/// Rotation by the vector `(x, y, z)`, radians (Rodrigues).
fn about(x: f32, y: f32, z: f32) -> Matrix {
    let angle = (x * x + y * y + z * z).sqrt();
    if angle < 1e-9 {
        return [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    }
    let (x, y, z) = (x / angle, y / angle, z / angle);
    // Limits a step to half a radian.
    let (s, c) = angle.min(0.5).sin_cos();
    let d = 1.0 - c;
    [
        [c + d * x * x, d * x * y - s * z, d * x * z + s * y],
        [d * x * y + s * z, c + d * y * y, d * y * z - s * x],
        [d * x * z - s * y, d * y * z + s * x, c + d * z * z],
    ]
}

/// The angles of `roll * yaw * pitch`.
///
/// The head's forward axis becomes `(sin yaw cos pitch, sin pitch, cos yaw cos pitch)` before roll.
fn angles(r: &Matrix) -> Pose {
    let degrees = f32::to_degrees;
    // Head x axis (to the subject's left) is (cos yaw cos roll, -cos yaw sin roll, -sin yaw).
    let yaw = (-r[2][0]).clamp(-1.0, 1.0).asin();
    let roll = (-r[1][0]).atan2(r[0][0]);
    let pitch = (-r[2][1]).atan2(r[2][2]);
    Pose { yaw: degrees(yaw), pitch: degrees(pitch), roll: degrees(roll) }
}

/// The matrix of a pose; the inverse of what [`fit`] reports.
pub fn rotation(pose: Pose) -> Matrix {
    let (sy, cy) = pose.yaw.to_radians().sin_cos();
    let (sp, cp) = pose.pitch.to_radians().sin_cos();
    let (sr, cr) = pose.roll.to_radians().sin_cos();
    let pitch = [[1.0, 0.0, 0.0], [0.0, cp, sp], [0.0, -sp, cp]];
    let yaw = [[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]];
    let roll = [[cr, sr, 0.0], [-sr, cr, 0.0], [0.0, 0.0, 1.0]];
    multiply(&roll, &multiply(&yaw, &pitch))
}

/// The mean head under a pose, `scale` pixels per centimetre, around `centre`: for tests and scripted networks.
pub fn project(pose: Pose, scale: f32, centre: [f32; 2]) -> [[f32; 2]; COUNT] {
    let r = rotation(pose);
    std::array::from_fn(|i| {
        let p = SHAPE[i].0;
        // Rotates about a point inside the head, so that the face moves as on a real head.
        let p = apply(&r, [p[0], p[1], p[2] - 4.0]);
        [centre[0] + scale * p[0], centre[1] - scale * p[1]]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: Pose, b: Pose, limit: f32) -> bool {
        (a.yaw - b.yaw).abs() < limit && (a.pitch - b.pitch).abs() < limit && (a.roll - b.roll).abs() < limit
    }

    #[test]
    fn rotated_heads_are_measured() {
        for yaw in [-80.0, -45.0, -10.0, 0.0, 30.0, 75.0] {
            for pitch in [-35.0, 0.0, 20.0] {
                for roll in [-60.0, 0.0, 25.0] {
                    let pose = Pose { yaw, pitch, roll };
                    let f = fit(&project(pose, 3.0, [80.0, 60.0]), |_| 1.0).unwrap();
                    assert!(near(f.pose, pose, 0.2), "{pose:?} {f:?}");
                    assert!((f.scale - 3.0).abs() < 0.02 && f.residual < 0.05);
                }
            }
        }
    }

    #[test]
    fn signs_are_those_of_the_result_contract() {
        let nose = |pose| {
            let p = project(pose, 1.0, [0.0, 0.0]);
            [p[30][0] - p[27][0], p[30][1] - p[27][1]]
        };
        let zero = nose(Pose::default());
        assert!(nose(Pose { yaw: 20.0, ..Pose::default() })[0] > zero[0] + 0.5, "yaw: to the right of the picture");
        assert!(nose(Pose { pitch: 20.0, ..Pose::default() })[1] < zero[1] - 0.5, "pitch: upwards");
        let p = project(Pose { roll: 20.0, ..Pose::default() }, 1.0, [0.0, 0.0]);
        assert!(p[27][0] > p[8][0] + 2.0, "roll: the brow tips to the right of the picture");
        // The line between the eyes turns by the roll alone, whatever yaw and pitch are.
        let p = project(Pose { yaw: 50.0, pitch: -20.0, roll: 12.0 }, 1.0, [0.0, 0.0]);
        assert!(((p[69][1] - p[68][1]).atan2(p[69][0] - p[68][0]).to_degrees() - 12.0).abs() < 0.1);
    }

    #[test]
    fn noise_and_an_open_mouth_move_the_pose_little() {
        let pose = Pose { yaw: 25.0, pitch: -10.0, roll: 5.0 };
        let mut p = project(pose, 3.0, [80.0, 60.0]);
        for (i, q) in p.iter_mut().enumerate() {
            // Uniform noise of 1 px standard deviation from a fixed sequence.
            q[0] += ((i * 37 % 71) as f32 / 71.0 - 0.5) * 3.4;
            q[1] += ((i * 53 % 73) as f32 / 73.0 - 0.5) * 3.4;
        }
        for q in &mut p[55..60] {
            q[1] += 6.0;
        }
        for q in &mut p[6..11] {
            q[1] += 6.0;
        }
        let f = fit(&p, |_| 1.0).unwrap();
        assert!(near(f.pose, pose, 5.0), "{f:?}");
    }

    #[test]
    fn ignored_points_do_not_matter() {
        let pose = Pose { yaw: -40.0, pitch: 5.0, roll: 0.0 };
        let mut p = project(pose, 3.0, [80.0, 60.0]);
        for q in &mut p[0..8] {
            *q = [300.0, 300.0];
        }
        assert!(near(fit(&p, |i| if i < 8 { 0.0 } else { 1.0 }).unwrap().pose, pose, 0.2));
    }

    #[test]
    fn points_without_a_shape_have_no_pose() {
        assert_eq!(fit(&[[5.0, 5.0]; COUNT], |_| 1.0), None);
        assert_eq!(fit(&project(Pose::default(), 3.0, [0.0, 0.0]), |_| 0.0), None);
        assert_eq!(fit(&[[f32::NAN, 0.0]; COUNT], |_| 1.0), None);
        let line = std::array::from_fn(|i| [i as f32, 0.0]);
        let _ = fit(&line, |_| 1.0);
    }
}
