//! An engine for programs that supply their own pictures.

use super::{Engine, Registration, Settings};
use crate::error::Result;

/// Settings of an [`Engine`], each with a default.
#[derive(Debug, Clone, Default)]
pub struct EngineBuilder {
    settings: Settings,
}

impl EngineBuilder {
    /// The tracker: a built-in name, the path of a model card, or `auto` (the default).
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.settings.model = model.into();
        self
    }

    /// Most targets at once. Default: that of the configuration.
    #[must_use]
    pub fn max_targets(mut self, targets: usize) -> Self {
        self.settings.max_targets = targets;
        self
    }

    /// Where thermal pixels lie in the visible picture. Default: both cameras have the same field of view.
    #[must_use]
    pub fn registration(mut self, registration: Registration) -> Self {
        self.settings.registration = Some(registration);
        self
    }

    /// Loads and checks the model.
    ///
    /// # Errors
    /// Same as [`Engine::new`].
    pub fn build(self) -> Result<Engine> {
        Engine::new(&self.settings)
    }
}

impl Engine {
    /// A builder with the defaults.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }
}
