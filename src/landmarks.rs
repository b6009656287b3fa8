//! The landmark set: 70 points in the order of `hri_msgs/FacialLandmarks` (ROS4HRI), as one table.
//!
//! 0..=67 are the iBUG-68 points (subject's right first), 68 the right pupil, 69 the left pupil.
//! "Right" is the subject's right, which is on the left of an unmirrored picture.

use serde::{Deserialize, Serialize};

/// Points per face.
pub const COUNT: usize = 70;

/// Index of the mirror image of each point.
pub const MIRROR: [u8; COUNT] = [
    16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, // jaw
    26, 25, 24, 23, 22, 21, 20, 19, 18, 17, // brows
    27, 28, 29, 30, // nose bridge
    35, 34, 33, 32, 31, // nostrils
    45, 44, 43, 42, 47, 46, // right eye
    39, 38, 37, 36, 41, 40, // left eye
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, // outer lips
    64, 63, 62, 61, 60, 67, 66, 65, // inner lips
    69, 68, // pupils
];

/// Polylines of the set for drawing: first index, last index, closed.
pub const CONTOURS: [(usize, usize, bool); 9] = [
    (0, 16, false),
    (17, 21, false),
    (22, 26, false),
    (27, 30, false),
    (31, 35, false),
    (36, 41, true),
    (42, 47, true),
    (48, 59, true),
    (60, 67, true),
];

/// Groups of points whose errors are reported separately.
pub const GROUPS: [(&str, &[std::ops::RangeInclusive<usize>]); 6] = [
    ("jaw", &[0..=16]),
    ("brows", &[17..=26]),
    ("nose", &[27..=35]),
    ("eyes", &[36..=47]),
    ("mouth", &[48..=67]),
    ("pupils", &[68..=69]),
];

/// Points of [`five`].
pub const FIVE: usize = 5;

/// The five points that most data sets annotate: the subject's right and left eye (the means of their contours), the
/// tip of the nose, the right and left corner of the mouth.
pub fn five(points: &[[f32; 2]; COUNT]) -> [[f32; 2]; FIVE] {
    let mean = |contour: &[[f32; 2]]| std::array::from_fn(|k| contour.iter().map(|p| p[k]).sum::<f32>() / 6.0);
    [mean(&points[36..42]), mean(&points[42..48]), points[30], points[48], points[54]]
}

/// A patch of the face whose temperature is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FacialRegion {
    /// Between and above the brows.
    Forehead,
    /// Inner corner of the subject's right eye: the warmest stable spot of a face.
    InnerCanthusRight,
    /// Inner corner of the subject's left eye.
    InnerCanthusLeft,
    /// Tip of the nose.
    NoseTip,
    /// Under the nostrils, cooled and warmed by breathing.
    Nostrils,
    /// Between the lips.
    Mouth,
    /// Subject's right cheek.
    CheekRight,
    /// Subject's left cheek.
    CheekLeft,
}

/// A region as a disc: the centre is a weighted sum of landmarks, the radius a share of the face's size.
#[derive(Debug, Clone, Copy)]
pub struct RegionDisc {
    /// Which region.
    pub region: FacialRegion,
    /// Name in results and pictures.
    pub name: &'static str,
    /// `(landmark, weight)`; weights sum to 1 and may be negative (to reach above the brows).
    pub centre: &'static [(u8, f32)],
    /// Radius as a share of the face's size, the square root of the area of the box around its landmarks
    /// ([`Rect::size`](crate::geometry::Rect::size)).
    pub radius: f32,
}

impl RegionDisc {
    /// The weighted sum of `at` over the disc's landmarks; with positions, the centre of the disc.
    pub fn middle<const N: usize>(&self, at: impl Fn(usize) -> [f32; N]) -> [f32; N] {
        self.centre.iter().fold([0.0; N], |sum, &(i, w)| {
            let p = at(usize::from(i));
            std::array::from_fn(|k| sum[k] + w * p[k])
        })
    }
}

/// Number of regions.
pub const REGION_COUNT: usize = 8;

/// Every region, in the order of the results.
pub const REGIONS: [RegionDisc; REGION_COUNT] = [
    // Above the brows by two thirds of the distance from the nose bridge to them: clear of brows and hairline.
    RegionDisc {
        region: FacialRegion::Forehead,
        name: "forehead",
        centre: &[(19, 0.5), (24, 0.5), (21, 0.33), (22, 0.33), (28, -0.66)],
        radius: 0.10,
    },
    RegionDisc {
        region: FacialRegion::InnerCanthusRight,
        name: "inner_canthus_right",
        centre: &[(39, 1.0)],
        radius: 0.03,
    },
    RegionDisc {
        region: FacialRegion::InnerCanthusLeft,
        name: "inner_canthus_left",
        centre: &[(42, 1.0)],
        radius: 0.03,
    },
    RegionDisc { region: FacialRegion::NoseTip, name: "nose_tip", centre: &[(30, 1.0)], radius: 0.04 },
    RegionDisc { region: FacialRegion::Nostrils, name: "nostrils", centre: &[(32, 0.5), (34, 0.5)], radius: 0.05 },
    RegionDisc { region: FacialRegion::Mouth, name: "mouth", centre: &[(62, 0.5), (66, 0.5)], radius: 0.05 },
    RegionDisc {
        region: FacialRegion::CheekRight,
        name: "cheek_right",
        centre: &[(2, 0.25), (41, 0.4), (48, 0.35)],
        radius: 0.07,
    },
    RegionDisc {
        region: FacialRegion::CheekLeft,
        name: "cheek_left",
        centre: &[(14, 0.25), (46, 0.4), (54, 0.35)],
        radius: 0.07,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirroring_twice_changes_nothing() {
        for (i, &m) in MIRROR.iter().enumerate() {
            assert_eq!(MIRROR[usize::from(m)] as usize, i, "point {i}");
        }
    }

    #[test]
    fn region_weights_sum_to_one_and_mirror_in_pairs() {
        for r in &REGIONS {
            let sum: f32 = r.centre.iter().map(|c| c.1).sum();
            assert!((sum - 1.0).abs() < 1e-6, "{}", r.name);
            assert!(r.centre.iter().all(|c| usize::from(c.0) < COUNT));
        }
        for (right, left) in [("inner_canthus_right", "inner_canthus_left"), ("cheek_right", "cheek_left")] {
            let find = |n| REGIONS.iter().find(|r| r.name == n).unwrap();
            let mut mirrored: Vec<_> = find(right).centre.iter().map(|c| (MIRROR[c.0 as usize], c.1)).collect();
            let mut other = find(left).centre.to_vec();
            mirrored.sort_by_key(|c| c.0);
            other.sort_by_key(|c| c.0);
            assert_eq!(mirrored, other);
        }
    }

    #[test]
    fn groups_cover_every_point_once() {
        let mut seen = [0; COUNT];
        for (_, ranges) in GROUPS {
            for i in ranges.iter().cloned().flatten() {
                seen[i] += 1;
            }
        }
        assert_eq!(seen, [1; COUNT]);
    }
}
