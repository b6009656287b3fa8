//! What every part of the overlay draws with: the canvas, the font, and the label placement.

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

use super::placement::LabelPlacer;
use super::shape::{CanvasPoint, Ring, Stroke};
use super::text::{Font, Pen};
use crate::picture::Canvas;
use crate::picture::{Layer, Rgba};

pub const WHITE: Rgba = Rgba::new(255, 255, 255);
pub const MINT: Rgba = Rgba::new(104, 255, 208);
pub const AMBER: Rgba = Rgba::new(255, 200, 64);
pub const CORAL: Rgba = Rgba::new(255, 96, 84);
pub const HOT: Rgba = Rgba::new(255, 140, 128);
pub const SKY: Rgba = Rgba::new(120, 200, 255);
/// Behind lines and points.
pub const SHADE: Rgba = Rgba { rgb: [0; 3], alpha: 130 };
/// Behind banners.
pub const PLATE: Rgba = Rgba { rgb: [8, 10, 14], alpha: 190 };

/// The canvas being drawn on.
pub struct Scene<'a> {
    layer: Layer<'a>,
    pen: &'a mut Pen,
    /// Where labels go.
    pub labels: LabelPlacer,
    /// Font of labels.
    pub font: Font,
    /// Canvas pixels per frame pixel.
    pub scale: f32,
    /// Thickness of a thin line, canvas pixels.
    pub line: f32,
}

impl<'a> Scene<'a> {
    /// An empty overlay over a picture magnified `scale` times.
    pub fn new(canvas: &'a mut Canvas, pen: &'a mut Pen, scale: u32) -> Self {
        let size = canvas.size();
        let line = (size.height.min(size.width / 4 * 3) as f32 / 480.0).max(1.0);
        let (labels, font) = (LabelPlacer::new(size), Font::for_canvas(size));
        Self { layer: Layer(canvas), pen, labels, font, scale: scale as f32, line }
    }

    /// Size of the canvas.
    pub fn size(&self) -> Size {
        self.layer.size()
    }

    /// Canvas position of a point of the frame; `None` if it is not finite or far outside.
    pub fn to_canvas(&self, x: f32, y: f32) -> Option<CanvasPoint> {
        let near = |v: f32| v.abs() <= 16384.0;
        (near(x) && near(y)).then_some([x * self.scale, y * self.scale])
    }

    pub fn stroke(&mut self, from: CanvasPoint, to: CanvasPoint, width: f32, color: Rgba) {
        let Ok(()) = Stroke { from, to, width, color }.draw(&mut self.layer);
    }

    /// A line with a dark edge.
    pub fn edged_stroke(&mut self, from: CanvasPoint, to: CanvasPoint, width: f32, color: Rgba) {
        let shade = SHADE.fade(f32::from(color.alpha) / 255.0);
        self.stroke(from, to, width + 2.0 * self.line, shade);
        self.stroke(from, to, width, color);
    }

    pub fn disc(&mut self, centre: CanvasPoint, radius: f32, color: Rgba) {
        let Ok(()) = Ring::disc(centre, radius, color).draw(&mut self.layer);
    }

    pub fn ring(&mut self, centre: CanvasPoint, radius: f32, width: f32, color: Rgba) {
        let Ok(()) = Ring { centre, radius, width, color }.draw(&mut self.layer);
    }

    pub fn fill(&mut self, area: &Rectangle, color: Rgba) {
        let Ok(()) = self.layer.fill_solid(area, color);
    }

    pub fn write(&mut self, font: Font, text: &str, at: Point, ink: Rgba) {
        self.pen.write(&mut self.layer, font, text, at, ink);
    }
}

/// The pixel at a position.
pub fn pixel([x, y]: CanvasPoint) -> Point {
    Point::new(x.floor() as i32, y.floor() as i32)
}
