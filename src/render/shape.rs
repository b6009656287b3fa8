//! Anti-aliased lines and rings: `Drawable`s whose edge pixels carry their coverage as opacity.

use embedded_graphics::Pixel;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

use super::canvas::Rgba;

/// A place on the canvas, pixels; the centre of the first pixel is 0.5, 0.5.
pub type Spot = [f32; 2];

/// A straight line with round ends.
#[derive(Debug, Clone, Copy)]
pub struct Stroke {
    /// One end.
    pub from: Spot,
    /// The other.
    pub to: Spot,
    /// Thickness, pixels.
    pub width: f32,
    /// Colour.
    pub color: Rgba,
}

/// A circle line, or a filled disc where `width` reaches the centre.
#[derive(Debug, Clone, Copy)]
pub struct Ring {
    /// Centre.
    pub centre: Spot,
    /// Outer radius, pixels.
    pub radius: f32,
    /// Thickness of the line, inwards from `radius`.
    pub width: f32,
    /// Colour.
    pub color: Rgba,
}

impl Ring {
    /// A filled disc.
    pub fn disc(centre: Spot, radius: f32, color: Rgba) -> Self {
        Self { centre, radius, width: radius + 1.0, color }
    }
}

impl Drawable for Stroke {
    type Color = Rgba;
    type Output = ();

    fn draw<D: DrawTarget<Color = Rgba>>(&self, target: &mut D) -> Result<(), D::Error> {
        let (a, b, reach) = (self.from, self.to, self.width / 2.0 + 0.5);
        let area = [a[0].min(b[0]) - reach, a[1].min(b[1]) - reach, a[0].max(b[0]) + reach, a[1].max(b[1]) + reach];
        let along = [b[0] - a[0], b[1] - a[1]];
        let inv = 1.0 / (along[0] * along[0] + along[1] * along[1]).max(1e-12);
        cover(target, area, self.color, |x, y| {
            let (dx, dy) = (x - a[0], y - a[1]);
            let t = ((dx * along[0] + dy * along[1]) * inv).clamp(0.0, 1.0);
            let (ex, ey) = (dx - t * along[0], dy - t * along[1]);
            reach - (ex * ex + ey * ey).sqrt()
        })
    }
}

impl Drawable for Ring {
    type Color = Rgba;
    type Output = ();

    fn draw<D: DrawTarget<Color = Rgba>>(&self, target: &mut D) -> Result<(), D::Error> {
        let ([cx, cy], r) = (self.centre, self.radius + 0.5);
        let inner = self.radius - self.width - 0.5;
        cover(target, [cx - r, cy - r, cx + r, cy + r], self.color, |x, y| {
            let d = ((x - cx) * (x - cx) + (y - cy) * (y - cy)).sqrt();
            (r - d).min(d - inner)
        })
    }
}

/// Draws every pixel of `[x0, y0, x1, y1]` that lies on the target with the opacity that
/// `share(centre)` gives, 0 to 1. Places that are not finite draw nothing.
fn cover<D: DrawTarget<Color = Rgba>>(
    target: &mut D,
    area: [f32; 4],
    color: Rgba,
    share: impl Fn(f32, f32) -> f32,
) -> Result<(), D::Error> {
    if !area.iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    let corner = |x: f32, y: f32| Point::new(x.clamp(-1e6, 1e6) as i32, y.clamp(-1e6, 1e6) as i32);
    let area =
        Rectangle::with_corners(corner(area[0].floor(), area[1].floor()), corner(area[2].ceil(), area[3].ceil()))
            .intersection(&target.bounding_box());
    target.draw_iter(area.points().filter_map(|p| {
        let share = share(p.x as f32 + 0.5, p.y as f32 + 0.5);
        (share > 0.0).then(|| Pixel(p, color.fade(share.min(1.0))))
    }))
}

#[cfg(test)]
mod tests {
    use super::super::canvas::{Canvas, Layer};
    use super::super::pattern;
    use super::*;

    #[test]
    fn a_thin_line_between_pixel_centres_is_one_pixel_wide() {
        let mut c = Canvas::new(7, 3);
        let white = Rgba::new(255, 255, 255);
        Stroke { from: [1.5, 1.5], to: [5.5, 1.5], width: 1.0, color: white }.draw(&mut Layer(&mut c)).unwrap();
        assert_eq!(pattern(&c), ["       ", " @@@@@ ", "       "]);
    }

    #[test]
    fn a_ring_is_hollow_and_a_disc_is_not() {
        let mut c = Canvas::new(15, 7);
        let white = Rgba::new(255, 255, 255);
        let mut layer = Layer(&mut c);
        Ring { centre: [3.5, 3.5], radius: 3.0, width: 1.0, color: white }.draw(&mut layer).unwrap();
        Ring::disc([11.5, 3.5], 3.0, white).draw(&mut layer).unwrap();
        let expected = ["  :*:     :*:  ", " *@@@*   *@@@* "];
        let got = pattern(&c);
        assert_eq!(got[0], expected[0], "{got:#?}");
        assert_eq!(&got[3][..7], "*@   @*", "{got:#?}");
        assert_eq!(&got[3][8..], "*@@@@@*", "{got:#?}");
    }

    #[test]
    fn wild_places_draw_nothing_and_take_no_time() {
        let mut c = Canvas::new(4, 4);
        let color = Rgba::new(255, 255, 255);
        for far in [f32::NAN, f32::INFINITY, -1e30, 1e30] {
            Stroke { from: [far, 1.0], to: [far, 2.0], width: 1.0, color }.draw(&mut Layer(&mut c)).unwrap();
            Ring::disc([far, far], 2.0, color).draw(&mut Layer(&mut c)).unwrap();
        }
        assert!(c.rgb.iter().all(|&v| v == 0));
    }
}
