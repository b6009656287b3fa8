//! Kernels of pictures: resampling, percentiles, tones, and post-processing of a network's outputs.

pub(crate) mod colour;
pub(crate) mod percentile;
pub(crate) mod sample;
pub(crate) mod soft_argmax;
pub(crate) mod tone;
pub(crate) mod transpose;
