//! The picture and the two ways to draw on it: opaque ([`Canvas`]) and translucent ([`Layer`]).

use std::convert::Infallible;

use embedded_graphics::Pixel;
use embedded_graphics::pixelcolor::raw::RawU32;
use embedded_graphics::pixelcolor::{PixelColor, Rgb888};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

/// An RGB picture, 3 bytes a pixel, row-major. A `DrawTarget` whose size is set at run time; kept
/// between frames, it allocates only when it grows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Canvas {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}

impl Canvas {
    /// A black picture.
    pub fn new(width: u32, height: u32) -> Self {
        let mut canvas = Self::default();
        canvas.resize(width, height);
        canvas
    }

    /// Sets the size; keeps the allocation if it is large enough. The contents are unspecified.
    pub fn resize(&mut self, width: u32, height: u32) {
        self.width = width;
        self.height = height;
        self.rgb.resize(width as usize * height as usize * 3, 0);
    }

    /// The colour of one pixel; `None` outside.
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        if x >= self.width {
            return None;
        }
        let at = (y as usize * self.width as usize + x as usize) * 3;
        self.rgb.get(at..at + 3)?.try_into().ok()
    }

    fn at(&mut self, p: Point) -> Option<&mut [u8; 3]> {
        let (x, y) = (u32::try_from(p.x).ok()?, u32::try_from(p.y).ok()?);
        if x >= self.width {
            return None;
        }
        let at = (y as usize * self.width as usize + x as usize) * 3;
        self.rgb.get_mut(at..at + 3)?.try_into().ok()
    }

    /// The bytes of each row of `area` that is on the picture.
    fn rows(&mut self, area: &Rectangle) -> impl Iterator<Item = &mut [u8]> {
        let area = area.intersection(&self.bounding_box());
        // An intersection starts inside the picture, so the corner is not negative.
        let (x, y) = (area.top_left.x.max(0) as usize * 3, area.top_left.y.max(0) as usize);
        let (bytes, lines) = (area.size.width as usize * 3, area.size.height as usize);
        let lines = if bytes == 0 { 0 } else { lines };
        let stride = (self.width as usize * 3).max(1);
        self.rgb.chunks_exact_mut(stride).skip(y).take(lines).filter_map(move |row| row.get_mut(x..x + bytes))
    }
}

fn bytes(c: Rgb888) -> [u8; 3] {
    [c.r(), c.g(), c.b()]
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(p, c) in pixels {
            if let Some(px) = self.at(p) {
                *px = bytes(c);
            }
        }
        Ok(())
    }

    fn fill_contiguous<I: IntoIterator<Item = Rgb888>>(
        &mut self,
        area: &Rectangle,
        colors: I,
    ) -> Result<(), Infallible> {
        if area.intersection(&self.bounding_box()) != *area {
            return self.draw_iter(area.points().zip(colors).map(|(p, c)| Pixel(p, c)));
        }
        let mut colors = colors.into_iter();
        for row in self.rows(area) {
            for (px, c) in row.chunks_exact_mut(3).zip(&mut colors) {
                px.copy_from_slice(&bytes(c));
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Rgb888) -> Result<(), Infallible> {
        let color = bytes(color);
        for row in self.rows(area) {
            row.as_chunks_mut().0.fill(color);
        }
        Ok(())
    }
}

/// A colour with opacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rgba {
    /// Red, green, blue.
    pub rgb: [u8; 3],
    /// Opacity: 0 leaves the picture as it is, 255 covers it.
    pub alpha: u8,
}

impl Rgba {
    /// Opaque.
    pub const fn new(r: u8, g: u8, b: u8) -> Self {
        Self { rgb: [r, g, b], alpha: 255 }
    }

    /// The same colour, its opacity scaled by `share` (0 to 1).
    #[must_use]
    pub fn fade(self, share: f32) -> Self {
        // A float-to-int `as` saturates, and turns NaN into 0.
        Self { alpha: (f32::from(self.alpha) * share + 0.5) as u8, ..self }
    }
}

impl PixelColor for Rgba {
    type Raw = RawU32;
}

/// A canvas drawn on with opacity, for halos, anti-aliased edges and plates behind text.
pub struct Layer<'a>(pub &'a mut Canvas);

fn blend(px: &mut [u8; 3], c: Rgba) {
    let a = u32::from(c.alpha);
    for (below, above) in px.iter_mut().zip(c.rgb) {
        *below = ((u32::from(*below) * (255 - a) + u32::from(above) * a + 127) / 255) as u8;
    }
}

impl OriginDimensions for Layer<'_> {
    fn size(&self) -> Size {
        self.0.size()
    }
}

impl DrawTarget for Layer<'_> {
    type Color = Rgba;
    type Error = Infallible;

    #[inline]
    fn draw_iter<I: IntoIterator<Item = Pixel<Rgba>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(p, c) in pixels {
            if let Some(px) = self.0.at(p) {
                blend(px, c);
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Rgba) -> Result<(), Infallible> {
        for row in self.0.rows(area) {
            row.as_chunks_mut().0.iter_mut().for_each(|px| blend(px, color));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_graphics::primitives::{PrimitiveStyle, StyledDrawable};

    fn red(c: &Canvas) -> Vec<u8> {
        c.rgb.chunks_exact(3).map(|p| p[0]).collect()
    }

    #[test]
    fn fills_are_cut_at_every_edge() {
        let mut c = Canvas::new(4, 3);
        c.fill_solid(&Rectangle::new(Point::new(-5, -5), Size::new(6, 6)), Rgb888::new(9, 0, 0)).unwrap();
        c.fill_solid(&Rectangle::new(Point::new(3, 2), Size::new(90, 90)), Rgb888::new(7, 0, 0)).unwrap();
        c.fill_solid(&Rectangle::new(Point::new(40, 1), Size::new(5, 1)), Rgb888::new(8, 0, 0)).unwrap();
        assert_eq!(red(&c), [9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
    }

    #[test]
    fn contiguous_colours_keep_their_places_when_cut() {
        let mut whole = Canvas::new(4, 2);
        let area = Rectangle::new(Point::new(1, 0), Size::new(2, 2));
        whole.fill_contiguous(&area, (1..).map(|i| Rgb888::new(i, 0, 0))).unwrap();
        assert_eq!(red(&whole), [0, 1, 2, 0, 0, 3, 4, 0]);
        let mut cut = Canvas::new(4, 2);
        let area = Rectangle::new(Point::new(-1, 0), Size::new(2, 2));
        cut.fill_contiguous(&area, (1..).map(|i| Rgb888::new(i, 0, 0))).unwrap();
        assert_eq!(red(&cut), [2, 0, 0, 0, 4, 0, 0, 0]);
    }

    #[test]
    fn a_layer_mixes_by_opacity_and_never_leaves_the_picture() {
        let mut c = Canvas::new(2, 1);
        c.clear(Rgb888::new(100, 100, 100)).unwrap();
        let mut layer = Layer(&mut c);
        let half = Rgba { rgb: [200, 0, 100], alpha: 128 };
        layer.draw_iter([Pixel(Point::new(1, 0), half), Pixel(Point::new(2, 0), half)]).unwrap();
        assert_eq!(c.pixel(0, 0), Some([100; 3]));
        assert_eq!(c.pixel(1, 0), Some([150, 50, 100]));
        assert_eq!(c.pixel(2, 0), None);
    }

    #[test]
    fn primitives_of_the_library_draw_on_both() {
        let mut c = Canvas::new(5, 5);
        let ring = Rectangle::new(Point::zero(), Size::new(5, 5));
        ring.draw_styled(&PrimitiveStyle::with_stroke(Rgb888::new(1, 1, 1), 1), &mut c).unwrap();
        let dot = Rectangle::new(Point::new(2, 2), Size::new(1, 1));
        dot.draw_styled(&PrimitiveStyle::with_fill(Rgba::new(3, 3, 3)), &mut Layer(&mut c)).unwrap();
        assert_eq!(red(&c).iter().map(|&v| u32::from(v)).sum::<u32>(), 16 + 3);
    }

    #[test]
    fn shrinking_keeps_the_allocation() {
        let mut c = Canvas::new(64, 48);
        let before = c.rgb.as_ptr();
        c.resize(8, 8);
        c.resize(64, 48);
        assert_eq!(c.rgb.as_ptr(), before);
    }
}
