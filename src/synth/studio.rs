//! A face model, prepared for rendering.

use super::head::HeadModel;
use super::skin::Fields;

/// What the renderer needs of a face model, prepared once.
pub struct Studio {
    /// The head.
    pub model: HeadModel,
    /// Fields over it.
    pub fields: Fields,
}

impl Studio {
    /// Prepares a model (about half a second).
    pub fn new(model: HeadModel) -> Self {
        let fields = Fields::new(&model);
        Self { model, fields }
    }
}
