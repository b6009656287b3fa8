//! What happens to the sums of an int8 layer before they are stored.

use super::weights::Sums;
use crate::error::{Error, Result};
use crate::kernels::isa::int8::{Ints, Limits};
use crate::kernels::layers::epilogue::Activation;
use crate::kernels::layers::quant::Quant;
use crate::kernels::{Kernels, Map};

/// Where the results go, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    Items,
    /// A tile stores them without applying limits.
    Floats,
    /// Sums as they are: for Winograd's products.
    Sums,
}

/// [`Store`] as the parameter of a tile.
pub(crate) const ITEMS: usize = Store::Items as usize;
/// [`Store`] as the parameter of a tile.
pub(crate) const FLOATS: usize = Store::Floats as usize;
/// [`Store`] as the parameter of a tile.
pub(crate) const SUMS: usize = Store::Sums as usize;

/// What happens to a sum before it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Int8Epilogue {
    /// Per padded channel.
    pub bias: Vec<i32>,
    /// Per padded channel; steps of the output, or its value, per step of the sum.
    pub scale: Vec<f32>,
    pub limits: Limits,
    pub store: Store,
}

/// The scales of `N` registers of sums. Like the limits, they must be read before anything is written: as far as the
/// compiler knows, a write might change them.
///
/// # Safety
/// `epilogue` has the channels of the registers from `c` on.
#[inline(always)]
pub(crate) unsafe fn scales<I: Ints, const N: usize>(isa: I, epilogue: &Int8Epilogue, c: usize) -> [I::V; N] {
    let mut scale = [isa.zero(); N];
    for j in 0..N {
        // SAFETY: the caller guarantees that the epilogue has a scale for each channel of the registers.
        scale[j] = unsafe { isa.load(epilogue.scale.as_ptr().add(c + j * I::LANES)) };
    }
    scale
}

/// What an int8 convolution's sums become.
#[derive(Clone, Debug, PartialEq)]
pub enum Into8 {
    /// Integers again.
    Numbers(Quant),
    /// Floats, in a map as float layers have it.
    Floats,
}

impl Into8 {
    /// The epilogue that makes these results of a layer's sums, with the limits of the activation.
    pub(crate) fn epilogue(
        &self,
        kernels: &Kernels,
        layer: &Sums,
        act: &Activation,
        zero_sums: impl Fn(usize) -> i32,
        channels: usize,
    ) -> Result<Int8Epilogue> {
        let (lo, hi) = match act {
            Activation::None => (f32::NEG_INFINITY, f32::INFINITY),
            Activation::Clamp { lo, hi } => (*lo, *hi),
            _ => return Err(Error::fatal("kernels", "an int8 convolution only limits its results")),
        };
        let (step, (lo, hi), zero, store) = match self {
            Into8::Numbers(q) if q.valid() => (q.scale, q.limits(lo, hi), kernels.int8.storage.zero(q), Store::Items),
            Into8::Numbers(_) => {
                return Err(Error::fatal("kernels", "a quantisation without a valid scale or zero point"));
            }
            Into8::Floats => (1.0, (lo, hi.max(lo)), 0, Store::Floats),
        };
        let scale = |c: usize| layer.scale.get(c).map_or(0.0, |s| layer.from.scale * s / step);
        let bias = |c: usize| layer.bias.get(c).map_or(0, |b| b.wrapping_sub(zero_sums(c)));
        let scale: Vec<f32> = (0..channels).map(scale).collect();
        if scale.iter().any(|s| !s.is_finite()) {
            return Err(Error::fatal("kernels", "the scales of an int8 convolution are too far apart"));
        }
        if matches!(self, Into8::Numbers(q) if !q.coarser(&layer.from, layer.scale)) {
            return Err(Error::fatal("kernels", "a step of the sum is one of the output or more"));
        }
        Ok(Int8Epilogue { bias: (0..channels).map(bias).collect(), scale, limits: Limits { lo, hi, zero }, store })
    }

    /// Whether `map` can take the results in registers of `lanes` channels.
    pub(crate) fn fits(&self, map: &Map, lanes: usize) -> bool {
        map.holds(lanes) && map.pitch.is_multiple_of(lanes)
    }

    /// As [`Into8::fits`], in whole panels; the last one may end with the channels.
    pub(crate) fn fits_dense(&self, map: &Map, lanes: usize) -> bool {
        let unpadded =
            self == &Self::Floats && map.unpadded(lanes) && map.c >= 8 * lanes && map.dense_reach(lanes) <= map.len;
        unpadded || self.fits(map, lanes)
    }
}
