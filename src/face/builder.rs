//! An engine for programs that supply their own pixels.

use std::time::Duration;

use ndarray::ArrayView2;

use super::settings::MAX_FACES;
use super::{Engine, Own, Settings};
use crate::error::{Error, Result, within};
use crate::frame::{Frame, FrameFormat, Signal};
use crate::radiometry;
use crate::result::{Face, FrameResult};
use crate::units::Nanos;

/// Largest width and height of a frame, pixels.
const MAX_SIDE: usize = 4096;

/// Settings of an [`Engine`], each with a default.
#[derive(Debug, Clone)]
pub struct EngineBuilder {
    settings: Settings,
    surface: radiometry::Settings,
    signal: Signal,
}

impl Default for EngineBuilder {
    fn default() -> Self {
        Self { settings: Settings::default(), surface: radiometry::Settings::default(), signal: Signal::Counts }
    }
}

impl EngineBuilder {
    /// What a pixel means. Default: [`Signal::Counts`], which gives no temperatures.
    #[must_use]
    pub fn signal(mut self, signal: Signal) -> Self {
        self.signal = signal;
        self
    }

    /// The landmark network: a built-in name ([`crate::models`]), the path of a model card, or `auto` (the default).
    #[must_use]
    pub fn landmarks(mut self, model: impl Into<String>) -> Self {
        self.settings.landmarks = model.into();
        self
    }

    /// The face detector: a built-in name, the path of a model card, or `auto` (the default).
    #[must_use]
    pub fn detector(mut self, model: impl Into<String>) -> Self {
        self.settings.detector = model.into();
        self
    }

    /// Most faces tracked at once. Default: that of the configuration.
    #[must_use]
    pub fn max_faces(mut self, faces: usize) -> Self {
        self.settings.max_faces = faces;
        self
    }

    /// Emissivity of the skin, 0 to 1, and the reflected apparent temperature, degC.
    #[must_use]
    pub fn surface(mut self, emissivity: f32, reflected_c: f32) -> Self {
        (self.surface.emissivity, self.surface.reflected_c) = (emissivity, reflected_c);
        self
    }

    /// Loads and checks the models, with the landmark network for streams.
    ///
    /// # Errors
    /// [`crate::Remedy::Fix`] if a setting is out of range or a model is not found,
    /// [`crate::Remedy::Fatal`] if a model fails its self-check.
    pub fn build(self) -> Result<Engine> {
        self.check()?;
        Ok(self.with_buffers(Engine::new(&self.settings, self.surface)?))
    }

    /// Like [`EngineBuilder::build`], with the landmark network for stills.
    ///
    /// # Errors
    /// Same as [`EngineBuilder::build`].
    pub fn build_for_stills(self) -> Result<Engine> {
        self.check()?;
        Ok(self.with_buffers(Engine::of_stills(&self.settings, self.surface)?))
    }

    /// Checks the ranges of the builder's settings.
    fn check(&self) -> Result<()> {
        within("max_faces", self.settings.max_faces, 1..=MAX_FACES)?;
        within("emissivity", self.surface.emissivity.into(), radiometry::EMISSIVITY)?;
        within("reflected_c", self.surface.reflected_c.into(), radiometry::REFLECTED_C)
    }

    fn with_buffers(&self, engine: Engine) -> Engine {
        Engine { own: Some(Own::new(self.signal, self.settings.max_faces)), ..engine }
    }
}

impl Engine {
    /// A builder with the defaults.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// Tracks the faces of a stream in its next frame. `pixels` has the shape `[rows, columns]`; `captured` is
    /// monotonic, with any origin.
    ///
    /// Allocates nothing once it has seen the largest frame. A frame of another size, or a step back in time,
    /// restarts tracking.
    ///
    /// ```
    /// use std::time::Duration;
    /// use heatmark::{Engine, Signal};
    /// use ndarray::Array2;
    ///
    /// let mut engine = Engine::builder().signal(Signal::CENTIKELVIN).max_faces(4).build()?;
    /// let pixels = Array2::<u16>::from_elem((120, 160), 29_500); // 21.85 degC
    /// for face in engine.process(pixels.view(), Duration::ZERO)? {
    ///     println!("track {}: nose tip at {}, {:?}", face.track, face.points().row(30), face.region_c.at(3));
    /// }
    /// # Ok::<(), heatmark::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::Remedy::Fix`] if a side is 0 or over 4096 pixels; otherwise those of the networks.
    pub fn process(&mut self, pixels: ArrayView2<'_, u16>, captured: Duration) -> Result<&[Face]> {
        self.process_pixels(pixels, captured, Self::process_frame)
    }

    /// Finds the faces of a single picture of shape `[rows, columns]`, strongest first.
    ///
    /// # Errors
    /// Same as [`Engine::process`].
    pub fn process_still(&mut self, pixels: ArrayView2<'_, u16>) -> Result<&[Face]> {
        self.process_pixels(pixels, Duration::ZERO, Self::process_still_frame)
    }

    fn process_pixels(
        &mut self,
        pixels: ArrayView2<'_, u16>,
        captured: Duration,
        process: impl FnOnce(&mut Self, &Frame, &mut FrameResult) -> Result<()>,
    ) -> Result<&[Face]> {
        let (rows, columns) = pixels.dim();
        if !(1..=MAX_SIDE).contains(&rows) || !(1..=MAX_SIDE).contains(&columns) {
            return Err(Error::fix("frame", format_args!("is {columns}x{rows} pixels, wanted 1x1 to 4096x4096")));
        }
        // Taken out because the networks borrow the rest.
        let mut own = self.own.take().unwrap_or_else(|| Own::new(Signal::Counts, self.settings.max_faces));
        let (frame, result) = (&mut own.frame, &mut own.result);
        frame.reshape(FrameFormat { width: columns as u32, height: rows as u32, ..frame.format });
        for (to, from) in frame.pixels.iter_mut().zip(&pixels) {
            *to = *from;
        }
        frame.meta.seq += 1;
        frame.meta.captured = Nanos(u64::try_from(captured.as_nanos()).unwrap_or(u64::MAX));
        result.faces.clear();
        let processed = process(self, frame, result);
        let own = self.own.insert(own);
        processed.map(|()| &own.result.faces[..])
    }
}
