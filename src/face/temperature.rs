//! Temperature under each point and of each region, or the reason why there is none.
//!
//! A region is the mean over the pixels whose centre lies in its disc ([`crate::landmarks::REGIONS`]); a
//! disc smaller than a pixel is read like a point. A point is a bilinear sample: the optics of
//! microbolometer cores already blur over one to two pixels, so a wider mean would reduce the noise
//! (some tens of mK) by less than the error it adds from the surroundings. The contour of the jaw is the
//! border of the face in the picture: its points are read one pixel inside, where skin fills the pixel.

use super::pose::{Fit, apply};
use super::shape::SHAPE;
use crate::frame::Frame;
use crate::kernels::{Picture, bilinear};
use crate::landmarks::{COUNT, REGION_COUNT, REGIONS, RegionDisc};
use crate::radiometry::Thermometer;
use crate::result::NoTemperature;
use crate::units::Celsius;

/// A temperature in degC, or why there is none.
pub type Reading = Result<f32, NoTemperature>;

/// Points of the contour of the jaw.
const JAW: usize = 17;

/// A region is visible while its mean normal is within 84 degrees of the line of sight.
const REGION_FACING: f32 = 0.1;

/// A point is visible until it has turned 9 degrees past the horizon of the head: contour points lie on the
/// horizon, and the pose is only accurate to a few degrees.
const POINT_FACING: f32 = -0.15;

/// Reads temperatures of one frame.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// The frame.
    pub frame: &'a Frame,
    /// `None` if the frame is not radiometric.
    pub thermometer: Option<Thermometer>,
    /// Lowest and highest temperature the sensor can measure, degC.
    pub range_c: [f32; 2],
    /// Confidence below which a point counts as hidden.
    pub visible: f32,
}

/// What temperature readings need to know about a face.
#[derive(Debug, Clone, Copy)]
pub struct Surface<'a> {
    /// Points, frame pixels.
    pub points: &'a [[f32; 2]; COUNT],
    /// Confidence of each.
    pub confidence: &'a [f32; COUNT],
    /// The fitted head; `None` if it is not known, and then nothing counts as turned away.
    pub fit: Option<&'a Fit>,
    /// Square root of the area of the box around the points, pixels.
    pub size: f32,
}

impl Reader<'_> {
    /// Why the whole frame has no temperatures, or `None` if it has.
    pub fn refusal(&self) -> Option<NoTemperature> {
        if self.thermometer.is_none() {
            return Some(NoTemperature::NotRadiometric);
        }
        self.frame.meta.ffc.spoils_temperature().then_some(NoTemperature::Ffc)
    }

    /// degC under every point.
    pub fn points(&self, face: &Surface<'_>) -> [Reading; COUNT] {
        let Some(t) = self.usable() else { return [Err(self.refusal().unwrap_or(NoTemperature::Ffc)); COUNT] };
        let middle = [27, 30, 33, 51]
            .iter()
            .fold([0.0; 2], |m, &i: &usize| [m[0] + face.points[i][0] / 4.0, m[1] + face.points[i][1] / 4.0]);
        std::array::from_fn(|i| self.celsius(&t, self.point(face, i, middle)?))
    }

    /// Count under a point.
    fn point(&self, face: &Surface<'_>, i: usize, middle: [f32; 2]) -> Result<f32, NoTemperature> {
        let p = face.points[i];
        if !self.inside(p) {
            return Err(NoTemperature::OutsideFrame);
        }
        let turned = face.fit.is_some_and(|f| apply(&f.rotation, SHAPE[i].1)[2] < POINT_FACING);
        // NaN counts as hidden.
        if turned || !face.confidence[i].ge(&self.visible) {
            return Err(NoTemperature::Occluded);
        }
        self.sample(if i < JAW { inwards(p, middle) } else { p })
    }

    /// degC of every region.
    pub fn regions(&self, face: &Surface<'_>) -> [Reading; REGION_COUNT] {
        let Some(t) = self.usable() else {
            return [Err(self.refusal().unwrap_or(NoTemperature::Ffc)); REGION_COUNT];
        };
        std::array::from_fn(|i| self.region(&t, face, &REGIONS[i]))
    }

    fn usable(&self) -> Option<Thermometer> {
        self.thermometer.filter(|_| self.refusal().is_none())
    }

    fn region(&self, t: &Thermometer, face: &Surface<'_>, disc: &RegionDisc) -> Reading {
        let centre = disc.middle(|i| face.points[i]);
        let mut normal = [0.0f32; 3];
        let (mut confidence, mut total) = (0.0, 0.0);
        for &(i, w) in disc.centre {
            let i = usize::from(i);
            normal = std::array::from_fn(|k| normal[k] + w.abs() * SHAPE[i].1[k]);
            confidence += w.abs() * face.confidence[i];
            total += w.abs();
        }
        if !self.inside(centre) {
            return Err(NoTemperature::OutsideFrame);
        }
        let length = normal.iter().map(|v| v * v).sum::<f32>().sqrt();
        let turned = face.fit.is_some_and(|f| apply(&f.rotation, normal)[2] < REGION_FACING * length);
        if turned || !(confidence / total).ge(&self.visible) {
            return Err(NoTemperature::Occluded);
        }
        self.disc(t, centre, disc.radius * face.size)
    }

    /// Mean temperature over the pixels whose centre lies within `radius` of `centre`.
    fn disc(&self, t: &Thermometer, centre: [f32; 2], radius: f32) -> Reading {
        let (w, h) = (self.frame.width(), self.frame.height());
        let span = |c: f32, n: usize| {
            let (low, high) = ((c - radius - 0.5).ceil(), (c + radius - 0.5).floor());
            (low.max(0.0) as usize, ((high + 1.0).max(0.0) as usize).min(n), low < 0.0 || high >= n as f32)
        };
        let ((x0, x1, cut_x), (y0, y1, cut_y)) = (span(centre[0], w), span(centre[1], h));
        let (mut sum, mut count) = (0u64, 0u32);
        for y in y0..y1 {
            for x in x0..x1 {
                let (dx, dy) = (x as f32 + 0.5 - centre[0], y as f32 + 0.5 - centre[1]);
                if dx * dx + dy * dy > radius * radius {
                    continue;
                }
                let count_here = self.frame.pixels[y * w + x];
                if at_end(count_here) {
                    return Err(NoTemperature::Saturated);
                }
                sum += u64::from(count_here);
                count += 1;
            }
        }
        if count == 0 {
            return self.celsius(t, self.sample(centre)?);
        }
        // Cut off at the border: less than half of the disc does not represent the region.
        if (cut_x || cut_y) && (count as f32) < 0.5 * std::f32::consts::PI * radius * radius {
            return Err(NoTemperature::OutsideFrame);
        }
        self.celsius(t, (sum as f64 / f64::from(count)) as f32)
    }

    /// Count at a position inside the frame.
    fn sample(&self, p: [f32; 2]) -> Result<f32, NoTemperature> {
        let picture = Picture::new(&self.frame.pixels, self.frame.width(), self.frame.height());
        let Some((pixels, shares)) = picture.map(|picture| picture.square(p)) else {
            return Err(NoTemperature::OutsideFrame);
        };
        if pixels.into_iter().any(at_end) {
            return Err(NoTemperature::Saturated);
        }
        Ok(bilinear(pixels, shares))
    }

    fn celsius(&self, t: &Thermometer, count: f32) -> Reading {
        let (Celsius(apparent), Celsius(surface)) = (t.apparent(count).into(), t.surface(count));
        let [low, high] = self.range_c;
        // NaN (the reflection alone exceeds the reading) is not a measurement either.
        let measurable = (low..=high).contains(&apparent) && surface.is_finite();
        if measurable { Ok(surface) } else { Err(NoTemperature::Saturated) }
    }

    fn inside(&self, [x, y]: [f32; 2]) -> bool {
        let (w, h) = (self.frame.width(), self.frame.height());
        (0.0..w as f32).contains(&x) && (0.0..h as f32).contains(&y) && self.frame.pixels.len() >= w * h
    }
}

/// True at the ends of the 16-bit range, where a count may be clipped.
fn at_end(count: u16) -> bool {
    count == 0 || count == u16::MAX
}

/// `p` moved by one pixel towards `middle`, but not past it.
fn inwards(p: [f32; 2], middle: [f32; 2]) -> [f32; 2] {
    let d = [middle[0] - p[0], middle[1] - p[1]];
    let step = 1.0 / d[0].hypot(d[1]).max(1.0);
    [p[0] + step * d[0], p[1] + step * d[1]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::pose::{fit, project};
    use crate::frame::{FfcState, FrameFormat, Signal};
    use crate::geometry::Rect;
    use crate::landmarks::FacialRegion;
    use crate::radiometry::Settings;
    use crate::result::Pose;

    /// A frame whose count at (x, y) is given, centikelvin.
    fn frame(at: impl Fn(usize, usize) -> u16) -> Frame {
        let format = FrameFormat { width: 160, height: 120, signal: Signal::CENTIKELVIN, rate_hz: 9.0 };
        let mut f = Frame::new(format);
        for i in 0..f.pixels.len() {
            f.pixels[i] = at(i % 160, i / 160);
        }
        f
    }

    fn read(f: &Frame, pose: Pose, scale: f32, centre: [f32; 2], confidence: f32) -> ([Reading; COUNT], [Reading; 8]) {
        let points = project(pose, scale, centre);
        let fitted = fit(&points, |_| 1.0).unwrap();
        let black = Settings { emissivity: 1.0, reflected_c: 20.0 };
        let thermometer = Thermometer::new(f.format.signal, black);
        let reader = Reader { frame: f, thermometer, range_c: [-40.0, 450.0], visible: 0.25 };
        let size = Rect::around(&points).size();
        let face = Surface { points: &points, confidence: &[confidence; COUNT], fit: Some(&fitted), size };
        (reader.points(&face), reader.regions(&face))
    }

    fn index(region: FacialRegion) -> usize {
        REGIONS.iter().position(|r| r.region == region).unwrap()
    }

    #[test]
    fn a_linear_field_is_read_exactly_at_points_and_regions() {
        // 0.1 K per column: a bilinear sample is exact, a disc's mean nearly so.
        let f = frame(|x, _| 30000 + 10 * x as u16);
        let truth = |x: f32| 26.85 + 0.1 * (x - 0.5);
        let (points, regions) = read(&f, Pose::default(), 3.0, [80.0, 60.0], 0.9);
        let p = project(Pose::default(), 3.0, [80.0, 60.0]);
        for i in JAW..COUNT {
            assert!((points[i].unwrap() - truth(p[i][0])).abs() < 2e-3, "{i}: {:?}", points[i]);
        }
        // The jaw is read one pixel, here 0.1 K, inside.
        assert!((points[0].unwrap() - truth(p[0][0] + 1.0)).abs() < 0.02);
        for (i, r) in REGIONS.iter().enumerate() {
            let x: f32 = r.centre.iter().map(|c| c.1 * p[usize::from(c.0)][0]).sum();
            assert!((regions[i].unwrap() - truth(x)).abs() < 0.06, "{}: {:?} {}", r.name, regions[i], truth(x));
        }
    }

    #[test]
    fn the_far_cheek_of_a_turned_head_has_no_temperature() {
        let f = frame(|_, _| 30800);
        let turned = |yaw| read(&f, Pose { yaw, ..Pose::default() }, 3.0, [80.0, 60.0], 0.9).1;
        let (right, left) = (index(FacialRegion::CheekRight), index(FacialRegion::CheekLeft));
        // Turned to the subject's left, the subject's left cheek goes out of sight.
        let r = turned(70.0);
        assert_eq!((r[left], r[right].is_ok()), (Err(NoTemperature::Occluded), true));
        let r = turned(-70.0);
        assert_eq!((r[right], r[left].is_ok()), (Err(NoTemperature::Occluded), true));
        assert!(turned(20.0).iter().all(|r| r.is_ok()));
        let points = read(&f, Pose { yaw: 60.0, ..Pose::default() }, 3.0, [80.0, 60.0], 0.9).0;
        assert_eq!(points[15], Err(NoTemperature::Occluded));
        assert!(points[1].is_ok() && points[30].is_ok());
    }

    #[test]
    fn every_reason_is_given_where_it_holds() {
        let warm = frame(|_, _| 30800);
        let at = |f: &Frame, centre, confidence| read(f, Pose::default(), 3.0, centre, confidence);
        let (points, regions) = at(&warm, [80.0, 60.0], 0.1);
        assert!(points.iter().chain(&regions).all(|r| *r == Err(NoTemperature::Occluded)));
        let (points, regions) = at(&warm, [-5.0, 60.0], 0.9);
        assert_eq!(points[0], Err(NoTemperature::OutsideFrame));
        assert_eq!(regions[index(FacialRegion::CheekRight)], Err(NoTemperature::OutsideFrame));
        assert!(points[16].is_ok());
        for end in [0, u16::MAX] {
            let (points, regions) = at(&frame(|_, _| end), [80.0, 60.0], 0.9);
            assert!(points.iter().chain(&regions).all(|r| *r == Err(NoTemperature::Saturated)));
        }
        let (points, _) = at(&frame(|_, _| 900), [80.0, 60.0], 0.9);
        assert_eq!(points[30], Err(NoTemperature::Saturated), "-264 degC is below every sensor");
        let mut closed = warm.clone();
        closed.meta.ffc = FfcState::Settling;
        assert!(at(&closed, [80.0, 60.0], 0.9).0.iter().all(|r| *r == Err(NoTemperature::Ffc)));
        let mut grey = warm;
        grey.format.signal = Signal::Grey8;
        assert!(at(&grey, [80.0, 60.0], 0.9).1.iter().all(|r| *r == Err(NoTemperature::NotRadiometric)));
    }

    #[test]
    fn a_tiny_face_is_read_like_points() {
        let f = frame(|_, _| 30815);
        let (points, regions) = read(&f, Pose::default(), 0.3, [80.0, 60.0], 0.9);
        assert!(points.iter().chain(&regions).all(|r| (r.unwrap() - 35.0).abs() < 1e-2));
    }
}
