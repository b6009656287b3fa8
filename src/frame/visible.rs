//! A colour picture of the scene that a thermal frame shows.

use crate::units::Nanos;

/// A frame of a visible-light camera: sRGB, 8 bits a channel, row-major, no padding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Visible {
    /// Columns, 1 to 4096; 0 if there is no picture.
    pub width: u32,
    /// Rows, 1 to 4096; 0 if there is no picture.
    pub height: u32,
    /// Capture time, on the clock of the thermal frame.
    pub captured: Nanos,
    /// Red, green, blue: `3 * width * height` bytes.
    pub rgb: Vec<u8>,
    /// True if there is no thermal picture: the counts of the frame are the brightness of this one.
    pub alone: bool,
}

impl Visible {
    /// A black picture of this size, pixels.
    pub fn new(width: u32, height: u32) -> Self {
        Self { width, height, rgb: vec![0; 3 * width as usize * height as usize], ..Self::default() }
    }

    /// Changes to this size, keeping the allocation if it is large enough.
    pub fn reshape(&mut self, width: u32, height: u32) {
        (self.width, self.height) = (width, height);
        self.rgb.resize(3 * width as usize * height as usize, 0);
    }
}
