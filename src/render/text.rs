//! Text with a dark halo, in the fonts of embedded-graphics, at a size that suits the canvas.

use std::convert::Infallible;
use std::fmt;

use embedded_graphics::Pixel;
use embedded_graphics::mono_font::iso_8859_1::{
    FONT_4X6, FONT_5X7, FONT_5X8, FONT_6X10, FONT_6X13_BOLD, FONT_7X13_BOLD, FONT_8X13_BOLD, FONT_9X15_BOLD, FONT_10X20,
};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::*;
use embedded_graphics::text::{Baseline, Text};

use crate::picture::{Layer, Rgba};

/// A string of at most 64 bytes without allocation; the rest is cut off at a character.
#[derive(Clone, Copy)]
pub struct InlineString {
    bytes: [u8; 64],
    len: usize,
}

impl InlineString {
    /// Formats into a string.
    pub fn format(args: fmt::Arguments<'_>) -> Self {
        let mut text = Self { bytes: [0; 64], len: 0 };
        // Writing never fails: the rest is cut off.
        let _ = fmt::Write::write_fmt(&mut text, args);
        text
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default()
    }
}

impl fmt::Write for InlineString {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for c in s.chars() {
            let Some(room) = self.bytes.get_mut(self.len..self.len + c.len_utf8()) else { break };
            c.encode_utf8(room);
            self.len += c.len_utf8();
        }
        Ok(())
    }
}

/// A font and the integer factor it is magnified by.
#[derive(Clone, Copy)]
pub struct Font {
    font: &'static MonoFont<'static>,
    zoom: u32,
}

/// Fonts by the smallest canvas they suit: its height, or 3/4 of its width if that is less, pixels.
const FONTS: [(u32, &MonoFont<'static>); 9] = [
    (0, &FONT_4X6),
    (90, &FONT_5X7),
    (160, &FONT_5X8),
    (220, &FONT_6X10),
    (320, &FONT_6X13_BOLD),
    (420, &FONT_7X13_BOLD),
    (560, &FONT_8X13_BOLD),
    (700, &FONT_9X15_BOLD),
    (940, &FONT_10X20),
];

/// The largest font is magnified in steps of this many rows.
const ROWS_PER_ZOOM: u32 = 1000;

impl Font {
    /// The font that is legible on a canvas of this size without covering it.
    pub fn for_canvas(size: Size) -> Self {
        let rows = size.height.min(size.width / 4 * 3);
        let font = FONTS.iter().rev().find(|f| rows >= f.0).map_or(&FONT_4X6, |f| f.1);
        Self { font, zoom: (rows.saturating_add(ROWS_PER_ZOOM / 2) / ROWS_PER_ZOOM).max(1) }
    }

    /// Height of a line, canvas pixels.
    pub fn height(&self) -> u32 {
        self.font.character_size.height * self.zoom
    }

    /// Size of `text`, canvas pixels, without its halo.
    pub fn size(&self, text: &str) -> Size {
        let advance = self.font.character_size.width + self.font.character_spacing;
        Size::new(text.chars().count() as u32 * advance * self.zoom, self.height())
    }
}

/// How dark the halo of opaque text is.
const HALO: f32 = 0.72;

const NOTHING: u8 = 0;
const EDGE: u8 = 1;
const INK: u8 = 2;

/// Writes text; keeps its scratch between frames.
#[derive(Default)]
pub struct Pen {
    mask: Vec<u8>,
    size: Size,
}

impl Pen {
    /// Writes one line with its top left corner at `at`.
    pub fn write(&mut self, layer: &mut Layer<'_>, font: Font, text: &str, at: Point, ink: Rgba) {
        let plain = Font { zoom: 1, ..font };
        self.size = plain.size(text) + Size::new_equal(2);
        self.mask.clear();
        self.mask.resize((self.size.width * self.size.height) as usize, NOTHING);
        let style = MonoTextStyle::new(font.font, BinaryColor::On);
        let Ok(_) = Text::with_baseline(text, Point::new(1, 1), style, Baseline::Top).draw(self);
        let zoom = font.zoom;
        let halo = Rgba { rgb: [0; 3], ..ink }.fade(HALO);
        let (wide, high) = (self.size.width * zoom, self.size.height * zoom);
        let at = at - Point::new_equal(zoom as i32);
        let pixels = (0..high).flat_map(|y| (0..wide).map(move |x| (x, y)));
        let Ok(()) = layer.draw_iter(pixels.filter_map(|(x, y)| {
            let color = match self.mask.get((y / zoom * self.size.width + x / zoom) as usize) {
                Some(&INK) => ink,
                Some(&EDGE) => halo,
                _ => return None,
            };
            Some(Pixel(at + Point::new(x as i32, y as i32), color))
        }));
    }
}

impl OriginDimensions for Pen {
    fn size(&self) -> Size {
        self.size
    }
}

/// The mask of the text being written: each inked pixel marks its neighbours as edge.
impl DrawTarget for Pen {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        let (wide, high) = (self.size.width as i32, self.size.height as i32);
        for Pixel(p, c) in pixels {
            if c.is_off() {
                continue;
            }
            for y in (p.y - 1).max(0)..=(p.y + 1).min(high - 1) {
                for x in (p.x - 1).max(0)..=(p.x + 1).min(wide - 1) {
                    if let Some(v) = self.mask.get_mut((y * wide + x) as usize) {
                        *v = (*v).max(if Point::new(x, y) == p { INK } else { EDGE });
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::pattern;
    use super::*;
    use crate::picture::Canvas;
    use embedded_graphics::pixelcolor::Rgb888;

    #[test]
    fn text_reads_and_carries_its_own_dark_edge() {
        let mut c = Canvas::new(18, 9);
        c.clear(Rgb888::new(200, 200, 200)).unwrap();
        let ty = Font::for_canvas(Size::new(80, 60));
        Pen::default().write(&mut Layer(&mut c), ty, "36°", Point::new(2, 1), Rgba::new(255, 255, 255));
        #[rustfmt::skip]
        let expected = [
            "#::::::::::::#####",
            "#:@@@::@@::@::####",
            "#:::@:@:::@:@:####",
            "##:@::@@:::@::####",
            "#:::@:@:@::::#####",
            "#:@@:::@::########",
            "#::::#:::#########",
            "##################",
            "##################",
        ];
        assert_eq!(pattern(&c), expected);
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let s = InlineString::format(format_args!("{}°{}", "x".repeat(63), "y"));
        assert_eq!(s.as_str(), "x".repeat(63));
    }

    #[test]
    fn type_grows_with_the_picture() {
        let rows: Vec<u32> = [(80, 60), (160, 120), (320, 240), (640, 480), (1280, 1024), (5120, 4096)]
            .map(|(w, h)| Font::for_canvas(Size::new(w, h)).height())
            .to_vec();
        assert_eq!(rows, [6, 7, 10, 13, 20, 80]);
    }
}
