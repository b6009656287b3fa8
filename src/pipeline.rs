//! THE assembly: source → newest-wins → infer → newest-wins → output.

pub mod clock;
pub mod stats;
