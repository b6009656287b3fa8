//! The part of Heatmark that computes and names no other crate of weight: kernels and preprocessing.

pub mod error;
pub mod frame;
pub mod geometry;
pub mod kernels;
pub mod preprocess;
pub mod units;

/// Networks, as far as preprocessing knows them.
pub mod nn {
    pub mod card;
}

pub use error::{Error, Remedy};
