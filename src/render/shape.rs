//! Anti-aliased lines and rings: `Drawable`s whose edge pixels carry their coverage as opacity.

use embedded_graphics::Pixel;
use embedded_graphics::prelude::*;

use crate::geometry::Rect;
use crate::picture::Rgba;

/// A position on the canvas, pixels; the centre of the first pixel is 0.5, 0.5.
pub type CanvasPoint = [f32; 2];

/// A straight line with round ends.
#[derive(Debug, Clone, Copy)]
pub struct Stroke {
    /// One end.
    pub from: CanvasPoint,
    /// The other.
    pub to: CanvasPoint,
    /// Thickness, pixels.
    pub width: f32,
    /// Colour.
    pub color: Rgba,
}

/// A circle line, or a filled disc if `width` reaches the centre.
#[derive(Debug, Clone, Copy)]
pub struct Ring {
    /// Centre.
    pub centre: CanvasPoint,
    /// Outer radius, pixels.
    pub radius: f32,
    /// Thickness of the line, inwards from `radius`.
    pub width: f32,
    /// Colour.
    pub color: Rgba,
}

impl Ring {
    /// A filled disc.
    pub fn disc(centre: CanvasPoint, radius: f32, color: Rgba) -> Self {
        Self { centre, radius, width: radius + 1.0, color }
    }
}

impl Drawable for Stroke {
    type Color = Rgba;
    type Output = ();

    fn draw<D: DrawTarget<Color = Rgba>>(&self, target: &mut D) -> Result<(), D::Error> {
        let (a, b, reach) = (self.from, self.to, self.width / 2.0 + 0.5);
        let area = Rect::new(a[0].min(b[0]), a[1].min(b[1]), a[0].max(b[0]), a[1].max(b[1])).grown(reach);
        let [along, down] = [b[0] - a[0], b[1] - a[1]];
        let square = (along * along + down * down).max(1e-12);
        // A row crosses the band around the line in an interval centred on `middle`.
        let (slope, half) = (along / down, reach * square.sqrt() / down.abs());
        let interval = |y: f32| {
            let middle = a[0] + (y - a[1]) * slope;
            if middle.is_finite() && half.is_finite() { [middle - half, middle + half] } else { [area.x0, area.x1] }
        };
        rasterize(target, area, self.color, interval, |x, y| {
            let (dx, dy) = (x - a[0], y - a[1]);
            let t = ((dx * along + dy * down) / square).clamp(0.0, 1.0);
            let (ex, ey) = (dx - t * along, dy - t * down);
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
        rasterize(
            target,
            Rect::new(cx, cy, cx, cy).grown(r),
            self.color,
            |_| [cx - r, cx + r],
            |x, y| {
                let d = ((x - cx) * (x - cx) + (y - cy) * (y - cy)).sqrt();
                (r - d).min(d - inner)
            },
        )
    }
}

/// Draws the pixels of `area` that are on the target. `share` gives the opacity at a pixel's centre, 0 to 1; `row`
/// gives the interval to draw in each row. Positions that are not finite draw nothing.
fn rasterize<D: DrawTarget<Color = Rgba>>(
    target: &mut D,
    area: Rect,
    color: Rgba,
    row: impl Fn(f32) -> [f32; 2],
    share: impl Fn(f32, f32) -> f32,
) -> Result<(), D::Error> {
    if !area.is_finite() {
        return Ok(());
    }
    let bounds = target.bounding_box();
    let (left, top) = (bounds.top_left.x as f32, bounds.top_left.y as f32);
    let (right, bottom) = (left + bounds.size.width as f32, top + bounds.size.height as f32);
    let first = |v: f32, least: f32, most: f32| v.floor().clamp(least, most) as i32;
    let end = |v: f32, least: f32, most: f32| v.ceil().clamp(least, most) as i32;
    for y in first(area.y0, top, bottom)..end(area.y1, top, bottom) {
        let middle = y as f32 + 0.5;
        let [from, to] = row(middle);
        let columns = first(from.max(area.x0), left, right)..end(to.min(area.x1), left, right);
        target.draw_iter(columns.filter_map(|x| {
            let share = share(x as f32 + 0.5, middle);
            (share > 0.0).then(|| Pixel(Point::new(x, y), color.fade(share.min(1.0))))
        }))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::pattern;
    use super::*;
    use crate::picture::{Canvas, Layer};

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
        #[rustfmt::skip]
        let expected = [
            "  -+-     -+-  ",
            " *#+#*   *@@@* ",
            "-#   #- -@@@@@-",
            "++   ++ +@@@@@+",
            "-#   #- -@@@@@-",
            " *#+#*   *@@@* ",
            "  -+-     -+-  ",
        ];
        assert_eq!(pattern(&c), expected);
    }

    #[test]
    fn a_slanted_line_has_soft_edges_and_round_ends() {
        let mut c = Canvas::new(12, 7);
        let white = Rgba::new(255, 255, 255);
        Stroke { from: [1.5, 5.5], to: [10.5, 1.5], width: 1.4, color: white }.draw(&mut Layer(&mut c)).unwrap();
        #[rustfmt::skip]
        let expected = [
            "          . ",
            "        -#@.",
            "      =%@*: ",
            "   .+@@+.   ",
            " :*@%=      ",
            ".@#-        ",
            " .          ",
        ];
        assert_eq!(pattern(&c), expected);
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
