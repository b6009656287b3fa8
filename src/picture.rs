//! A picture in RGB: what the renderer draws on, and its PNG and JPEG encodings.

mod canvas;
mod encode;

pub use canvas::{Canvas, Layer, Rgba};
pub use encode::{jpeg, png};
