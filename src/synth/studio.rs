//! A face model, prepared for rendering.

use super::head::HeadModel;
use super::skin::Fields;

/// The data that the renderer needs from a face model, prepared once.
pub struct Studio {
    /// The head.
    pub model: HeadModel,
    /// Fields over its vertices.
    pub fields: Fields,
}

impl Studio {
    /// Prepares a model (about half a second).
    pub fn new(model: HeadModel) -> Self {
        let fields = Fields::new(&model);
        Self { model, fields }
    }
}
