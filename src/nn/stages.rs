//! The parts of a tracker: what they take, and who builds them.

use super::network::Network;
use crate::error::Result;
use crate::result::Modality;

/// Names of the tensors of a tracker's graph.
pub(super) mod names {
    pub const VISIBLE: &str = "visible";
    pub const THERMAL: &str = "thermal";
    /// The sum of both stems.
    pub const MERGE: &str = "merge";
    pub const FEATURES: &str = "features";
    /// Features of the template's crop.
    pub const TEMPLATE: &str = "template";
    /// Weights that follow from the template.
    pub const BOUND: [&str; 2] = ["match", "mix"];
}

/// Pixels of a crop per cell of its features.
pub const STRIDE: usize = 8;

/// Builds the networks of one tracker.
///
/// A trunk turns crops into features. The features of a template become constants of a head, which turns the features
/// of a search crop into a map and a presence. So the template costs nothing per frame, and one trunk serves all
/// targets.
pub trait Stages: Send {
    /// The trunk for pictures of `modality`: square crops of `side` pixels, a multiple of [`STRIDE`], of visible
    /// (three channels) and thermal (one channel), in this order, to features `[1, c, side / 8, side / 8]`.
    ///
    /// # Errors
    /// Fix: we cannot run the model at this size.
    fn trunk(&self, modality: Modality, side: usize) -> Result<Box<dyn Network>>;

    /// A head that looks for the `template`, given by its features. It takes the features of a search crop and gives
    /// the card's outputs.
    ///
    /// # Errors
    /// Fix: we cannot run the model. Fatal: the template has the wrong length.
    fn head(&mut self, template: &[f32]) -> Result<Box<dyn Network>>;
}
