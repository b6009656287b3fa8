//! What every part of the overlay draws with: the picture, its type size, and the places taken.

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

use super::place::Board;
use super::shape::{Ring, Spot, Stroke};
use super::text::{Pen, Type};
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

/// The picture being drawn on.
pub struct Scene<'a> {
    layer: Layer<'a>,
    pen: &'a mut Pen,
    /// Places of labels.
    pub board: Board,
    /// Type of labels.
    pub face: Type,
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
        let (board, face) = (Board::new(size), Type::suiting(size));
        Self { layer: Layer(canvas), pen, board, face, scale: scale as f32, line }
    }

    /// Size of the canvas.
    pub fn size(&self) -> Size {
        self.layer.size()
    }

    /// Canvas place of a point of the frame; `None` where it is not finite or far outside.
    pub fn spot(&self, x: f32, y: f32) -> Option<Spot> {
        let near = |v: f32| v.abs() <= 16384.0;
        (near(x) && near(y)).then_some([x * self.scale, y * self.scale])
    }

    pub fn stroke(&mut self, from: Spot, to: Spot, width: f32, color: Rgba) {
        let Ok(()) = Stroke { from, to, width, color }.draw(&mut self.layer);
    }

    /// A line with a dark edge.
    pub fn edged_stroke(&mut self, from: Spot, to: Spot, width: f32, color: Rgba) {
        let shade = SHADE.fade(f32::from(color.alpha) / 255.0);
        self.stroke(from, to, width + 2.0 * self.line, shade);
        self.stroke(from, to, width, color);
    }

    pub fn disc(&mut self, centre: Spot, radius: f32, color: Rgba) {
        let Ok(()) = Ring::disc(centre, radius, color).draw(&mut self.layer);
    }

    pub fn ring(&mut self, centre: Spot, radius: f32, width: f32, color: Rgba) {
        let Ok(()) = Ring { centre, radius, width, color }.draw(&mut self.layer);
    }

    pub fn fill(&mut self, area: &Rectangle, color: Rgba) {
        let Ok(()) = self.layer.fill_solid(area, color);
    }

    pub fn write(&mut self, face: Type, text: &str, at: Point, ink: Rgba) {
        self.pen.write(&mut self.layer, face, text, at, ink);
    }
}

/// The pixel that holds a place.
pub fn pixel([x, y]: Spot) -> Point {
    Point::new(x.floor() as i32, y.floor() as i32)
}
