//! Shapes of fields over the vertices of a head: spots, lines, patches.

use super::head::HeadModel;
use super::random::step;
use super::vector::V3;

/// Vertices where a field is not zero, and its values.
pub fn nonzero(field: &[f32]) -> Vec<(u32, f32)> {
    (0..).zip(field.iter().copied()).filter(|(_, f)| *f != 0.0).collect()
}

/// Round spots of standard deviation `sigma`, cm, around `centres`.
pub fn gaussian(model: &HeadModel, centres: &[V3], sigma: f32, amplitude: f32) -> Vec<f32> {
    let k = -0.5 / (sigma * sigma);
    let near = 12.0 * sigma * sigma;
    let at = |p: &V3| {
        let sum: f32 = centres
            .iter()
            .map(|c| {
                let d = *p - *c;
                let d2 = d.dot(d);
                if d2 > near { 0.0 } else { libm::expf(d2 * k) }
            })
            .sum();
        (amplitude * sum).min(1.0)
    };
    model.neutral.iter().map(at).collect()
}

/// Distance from `q` to the nearest segment of a polyline.
fn away(q: V3, path: &[V3]) -> f32 {
    let from = |a: V3, b: V3| {
        let (d, w) = (b - a, q - a);
        let t = (w.dot(d) / d.dot(d).max(1e-9)).clamp(0.0, 1.0);
        let e = w - d * t;
        e.dot(e)
    };
    path.windows(2).map(|p| from(p[0], p[1])).fold(f32::MAX, f32::min).sqrt()
}

/// A line of Gaussian profile along paths.
pub fn line(model: &HeadModel, paths: &[&[V3]], sigma: f32) -> Vec<f32> {
    let k = -0.5 / (sigma * sigma);
    let at = |q: &V3| {
        let d = paths.iter().map(|p| away(*q, p)).fold(f32::MAX, f32::min);
        if d > 3.5 * sigma { 0.0 } else { libm::expf(k * d * d) }
    };
    model.neutral.iter().map(at).collect()
}

/// Steepness of a patch's edge, per cm: an edge about 1 cm wide.
pub const EDGE: f32 = 2.2;
/// Steepness of an edge about 2 cm wide.
pub const SOFT_EDGE: f32 = 1.0;

/// A flat patch within `radius` of paths; `edge` is the steepness of its edge.
pub fn patch(model: &HeadModel, paths: &[(&[V3], f32)], edge: f32) -> Vec<f32> {
    let at = |q: &V3| paths.iter().map(|(p, radius)| step((radius - away(*q, p)) * edge)).fold(0.0, f32::max);
    model.neutral.iter().map(at).collect()
}

/// Upper edge of a full beard, from the sideburns in front of the ears along the cheeks to the base of the nose:
/// distance in front of the head's origin, and height, cm.
pub const CHEEK_LINE: [[f32; 2]; 6] = [[3.4, 3.2], [4.4, 1.2], [6.0, -1.8], [8.0, -2.9], [10.2, -2.5], [10.9, -1.7]];

/// Height at `z` of a line given by at least two corners, constant beyond its ends.
pub fn along(line: &[[f32; 2]], z: f32) -> f32 {
    let after = line.partition_point(|p| p[0] <= z).clamp(1, line.len() - 1);
    let ([z0, y0], [z1, y1]) = (line[after - 1], line[after]);
    y0 + ((z - z0) / (z1 - z0)).clamp(0.0, 1.0) * (y1 - y0)
}
