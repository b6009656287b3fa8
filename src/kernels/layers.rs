//! Layers of networks. What `f32` and `int8` share lies beside them: neither folder is below the other but in that int8
//! builds on the tiles of floats.

pub(crate) mod border;
pub(crate) mod epilogue;
pub(crate) mod f32;
pub(crate) mod int8;
pub(crate) mod panels;
pub(crate) mod pixels;
pub(crate) mod quant;
pub(crate) mod window;
