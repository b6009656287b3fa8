//! The renderer as a pipeline part.

use crate::error::Result;
use crate::frame::Frame;
use crate::picture::Canvas;
use crate::pipeline::Draw;
use crate::radiometry;
use crate::render::{Renderer, Settings, SharedControls};
use crate::result::FrameResult;
use crate::units::Nanos;

/// Draws the overlay with the current state of the controls.
pub struct Overlay {
    renderer: Renderer,
    controls: SharedControls,
}

impl Overlay {
    /// A renderer and the handle to its controls.
    ///
    /// # Errors
    /// Those of [`Settings::validate`].
    pub fn new(settings: &Settings, surface: radiometry::Settings) -> Result<(Self, SharedControls)> {
        let controls = SharedControls::new(settings.controls()?);
        let renderer = Renderer::new(settings)?.surface(surface);
        Ok((Self { renderer, controls: controls.clone() }, controls))
    }
}

impl Draw for Overlay {
    fn draw(&mut self, frame: Option<&Frame>, result: &FrameResult, now: Nanos, canvas: &mut Canvas) {
        self.renderer.render(frame, result, now, &self.controls.get(), canvas);
    }
}
