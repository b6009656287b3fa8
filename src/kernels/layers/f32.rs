//! Layers of floats.

pub(crate) mod conv;
pub(crate) mod depthwise;
pub(crate) mod elementwise;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod pool;
pub(crate) mod replicate;
pub(crate) mod resize;
pub(crate) mod row;
pub(crate) mod tile;
pub(crate) mod winograd;
