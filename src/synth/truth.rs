//! The exact truth about a rendered face.

use super::person::{Moment, Points};
use super::raster::{Layers, material};
use super::sensor::SUPERSAMPLING;
use crate::geometry::Rect;
use crate::landmarks::{COUNT, REGION_COUNT, REGIONS, RegionDisc};

/// Whether a point can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Visibility {
    /// Visible.
    Visible = 0,
    /// Hidden by the head itself.
    SelfOccluded = 1,
    /// Hidden by something else, or outside the frame.
    Occluded = 2,
}

/// Exact truth about one face.
#[derive(Debug, Clone)]
pub struct FaceTruth {
    /// Pixel positions (centre of the first pixel: 0.5).
    pub points: [[f32; 2]; COUNT],
    /// Whether each point can be seen.
    pub visibility: [Visibility; COUNT],
    /// Box around the points, pixels.
    pub bbox: Rect,
    /// Yaw, pitch, roll, degrees.
    pub pose: [f32; 3],
    /// True temperature of the skin under each point, whatever covers it, degC.
    pub skin_c: [f32; COUNT],
    /// What an ideal camera sees at each point: skin, or the hair, beard or mask on it, degC. For a point that
    /// cannot be seen, what it would see with nothing in the way.
    pub apparent_c: [f32; COUNT],
    /// Mean of what an ideal camera sees in each region's disc ([`REGIONS`]), degC; NaN for a disc that is not
    /// entirely skin of this face.
    pub regions_c: [f32; REGION_COUNT],
}

impl FaceTruth {
    /// Truth about the face of `person`, drawn with points `p` at `moment` into `layers`.
    pub(super) fn of(p: &Points, moment: &Moment, person: usize, layers: &Layers) -> Self {
        let ss = SUPERSAMPLING as f32;
        let points: [[f32; 2]; COUNT] = std::array::from_fn(|i| [p.at[i][0] / ss, p.at[i][1] / ss]);
        let visibility = std::array::from_fn(|i| {
            let [x, y, z] = p.at[i];
            if x < 0.0 || y < 0.0 || x >= layers.width as f32 || y >= layers.height as f32 {
                return Visibility::Occluded;
            }
            let at = y as usize * layers.width + x as usize;
            let (m, d) = (layers.material[at], layers.depth[at]);
            let own = m >> 4 == person as u8 + 1;
            let skin = m == material::of(material::SKIN, person);
            // A point is on the surface; the tolerance of 1 cm allows for the pixel size. Creases (corners of the
            // eyes) may seem to face away and still be visible, so there the tolerance is smaller.
            let away = p.faces_away[i];
            let ahead = d < z - if away { 0.3 } else { 1.0 };
            match (ahead, d > z + 2.0) {
                (true, _) if skin || (own && away) => Visibility::SelfOccluded,
                (true, _) => Visibility::Occluded,
                // Far behind the point: it is on the outline of the head.
                (_, true) if away => Visibility::SelfOccluded,
                (_, true) => Visibility::Visible,
                _ if skin => Visibility::Visible,
                // Covered by something on the skin: hair, a mask.
                _ => Visibility::Occluded,
            }
        });
        let apparent_c = std::array::from_fn(|i| match visibility[i] {
            Visibility::Visible => seen(p.at[i], layers).unwrap_or(p.apparent_c[i]),
            _ => p.apparent_c[i],
        });
        let bbox = Rect::around(&points);
        let across = bbox.size() * ss;
        let regions_c = std::array::from_fn(|i| region(&REGIONS[i], p, across, person, layers).unwrap_or(f32::NAN));
        Self { points, visibility, bbox, pose: moment.pose, skin_c: p.skin_c, apparent_c, regions_c }
    }
}

/// Apparent temperature around a point: the mean of the nine nearest sub-pixels, without those of other
/// surfaces. A single vertex's normal would be misleading in creases.
fn seen([px, py, z]: [f32; 3], layers: &Layers) -> Option<f32> {
    let (x, y) = (px as usize, py as usize);
    let (mut sum, mut count) = (0.0, 0.0);
    for y in y.saturating_sub(1)..(y + 2).min(layers.height) {
        for x in x.saturating_sub(1)..(x + 2).min(layers.width) {
            let i = y * layers.width + x;
            if (layers.depth[i] - z).abs() < 1.5 {
                (sum, count) = (sum + layers.temp[i], count + 1.0);
            }
        }
    }
    (count > 0.0).then(|| sum / count)
}

/// Range of depth of a region's skin relative to its middle, cm. A nose in front of a canthus is nearer; a forehead is
/// further away than the depth computed from brows and nose.
const REGION_DEPTHS_CM: std::ops::Range<f32> = -1.8..3.5;

/// Mean over the sub-pixels whose centre is in the disc; `None` if one of them is not skin of `person` at about the
/// right depth. `size` is the face size, sub-pixels.
fn region(disc: &RegionDisc, p: &Points, size: f32, person: usize, layers: &Layers) -> Option<f32> {
    let [cx, cy, z] = disc.middle(|i| p.at[i]);
    let radius = (disc.radius * size).max(1.0);
    let (mut sum, mut count) = (0.0, 0.0);
    for y in (cy - radius).floor() as i32..=(cy + radius).ceil() as i32 {
        for x in (cx - radius).floor() as i32..=(cx + radius).ceil() as i32 {
            let (dx, dy) = (x as f32 + 0.5 - cx, y as f32 + 0.5 - cy);
            if dx * dx + dy * dy > radius * radius {
                continue;
            }
            if x < 0 || y < 0 || x as usize >= layers.width || y as usize >= layers.height {
                return None;
            }
            let i = y as usize * layers.width + x as usize;
            let skin = layers.material[i] == material::of(material::SKIN, person);
            if !skin || !REGION_DEPTHS_CM.contains(&(layers.depth[i] - z)) {
                return None;
            }
            (sum, count) = (sum + layers.temp[i], count + 1.0);
        }
    }
    (count > 0.0).then(|| sum / count)
}
