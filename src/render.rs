//! The picture: palettes, overlay, banners, on a run-time-sized canvas.

/// An RGB picture, 3 bytes a pixel, row-major.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Canvas {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}
