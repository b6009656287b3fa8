//! The engine that finds faces, as a part of the pipeline.

use crate::error::Result;
use crate::face::{Engine, Settings};
use crate::frame::Frame;
use crate::nn::Stopwatch;
use crate::pipeline::Infer;
use crate::radiometry;
use crate::result::FrameResult;

/// Detects, follows and measures the faces of a stream.
pub struct Faces(Engine);

impl Faces {
    /// Loads and checks the models.
    ///
    /// # Errors
    /// Those of [`Engine::new`].
    pub fn new(settings: &Settings, surface: radiometry::Settings) -> Result<Self> {
        Engine::new(settings, surface).map(Self)
    }

    /// As [`Faces::new`], the networks timed.
    pub fn timed(settings: &Settings, surface: radiometry::Settings, watch: &Stopwatch) -> Result<Self> {
        Engine::timed(settings, surface, watch).map(Self)
    }
}

impl Infer for Faces {
    fn infer(&mut self, frame: &Frame, out: &mut FrameResult) -> Result<()> {
        self.0.process(frame, out)
    }
}
