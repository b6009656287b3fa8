//! Layers of networks. The files here are shared by `f32` and `int8`. `int8` builds on the tiles of `f32`, never the
//! other way round.

pub(crate) mod border;
pub(crate) mod epilogue;
pub(crate) mod f32;
pub(crate) mod int8;
pub(crate) mod panels;
pub(crate) mod pixels;
pub(crate) mod quant;
pub(crate) mod window;
