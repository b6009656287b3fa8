//! What happens to a value between its sum and its store.

use super::quant::Requantise;
use crate::kernels::Map;
use crate::kernels::isa::Isa;

/// An activation function.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Activation {
    /// The value itself.
    #[default]
    None,
    /// Limited to `lo..=hi`; ReLU is `0..=inf`, ReLU6 is `0..=6`.
    Clamp {
        /// Lower limit.
        lo: f32,
        /// Upper limit.
        hi: f32,
    },
    /// Negative values times a slope: one for all channels (leaky ReLU) or one per channel (PReLU).
    Slope(Vec<f32>),
    /// `x * clamp(x / 6 + 1/2, 0, 1)`.
    HardSwish,
    /// `1 / (1 + exp(-x))`. Not fused into other kernels.
    Sigmoid,
}

impl Activation {
    /// `max(x, 0)`.
    pub const RELU: Activation = Activation::Clamp { lo: 0.0, hi: f32::INFINITY };

    /// Whether dense and depthwise kernels can apply it before they store.
    pub fn fuses(&self) -> bool {
        !matches!(self, Activation::Sigmoid)
    }

    /// The definition, for channel `c`.
    pub fn apply(&self, x: f32, c: usize) -> f32 {
        match self {
            Activation::None => x,
            // Written so that a NaN passes through.
            Activation::Clamp { lo, hi } if x < *lo => lo.min(*hi),
            Activation::Clamp { hi, .. } if x > *hi => *hi,
            Activation::Clamp { .. } => x,
            Activation::Slope(s) if x < 0.0 => x * s.get(c).or(s.first()).copied().unwrap_or(1.0),
            Activation::Slope(_) => x,
            Activation::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        }
    }

    /// A short name for listings.
    pub fn name(&self) -> &'static str {
        match self {
            Activation::None => "",
            Activation::Clamp { lo: 0.0, hi: f32::INFINITY } => "relu",
            Activation::Clamp { .. } => "clip",
            Activation::Slope(s) if s.len() > 1 => "prelu",
            Activation::Slope(_) => "leaky",
            Activation::HardSwish => "hardswish",
            Activation::Sigmoid => "sigmoid",
        }
    }
}

/// Where a second operand joins a fused sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ResidualPosition {
    /// `act(sum + residual)`.
    #[default]
    BeforeActivation,
    /// `act(sum) + residual`.
    AfterActivation,
}

/// What follows the sum of a dense or depthwise layer.
#[derive(Clone, Debug, Default)]
pub struct Epilogue {
    /// Per output channel; empty means zero.
    pub bias: Vec<f32>,
    /// Activation.
    pub activation: Activation,
    /// A map of the output's size that is added, and when.
    pub residual: Option<(Map, ResidualPosition)>,
}

/// Bias, activation and position of the residual of a kernel, padded to whole registers.
#[derive(Clone, Debug, Default)]
pub(crate) struct PackedEpilogue {
    pub bias: Vec<f32>,
    pub slope: Vec<f32>,
    pub activation: Activation,
    pub position: ResidualPosition,
    /// How the results become integers, for tiles that store integers.
    pub requantise: Option<Requantise>,
}

impl PackedEpilogue {
    /// `channels` is the padded count.
    pub fn new(bias: &[f32], activation: Activation, position: ResidualPosition, channels: usize) -> Self {
        let pad = |v: &[f32]| {
            let mut v = v.to_vec();
            v.resize(channels, 0.0);
            v
        };
        let slope = match &activation {
            Activation::Slope(s) if s.len() == 1 => vec![s[0]; channels],
            Activation::Slope(s) => pad(s),
            _ => vec![],
        };
        Self { bias: pad(bias), slope, activation, position, requantise: None }
    }

    /// Activation and residual of `P` pixels with `N` registers each: register `j` of a pixel holds the channels from
    /// `c + j * step` on. The residual at `residual[pixel][j]`, if any, is added.
    ///
    /// Every pass is a plain loop over the whole array without branches or calls, so that the array stays in registers.
    ///
    /// # Safety
    /// The channels of all registers are below the padded channel count; `residual` holds addresses of `LANES` floats.
    #[inline(always)]
    pub unsafe fn apply<I: Isa, const N: usize, const P: usize>(
        &self,
        isa: I,
        v: &mut [[I::V; N]; P],
        (c, step): (usize, usize),
        residual: Option<&[[*const f32; N]; P]>,
    ) {
        // SAFETY: the caller guarantees valid addresses and padded channels.
        unsafe {
            if let (ResidualPosition::BeforeActivation, Some(residual)) = (self.position, residual) {
                join(isa, v, residual);
            }
            self.act(isa, v, (c, step));
            if let (ResidualPosition::AfterActivation, Some(residual)) = (self.position, residual) {
                join(isa, v, residual);
            }
        }
    }

    /// # Safety
    /// The channels of all registers are below the padded channel count.
    #[inline(always)]
    unsafe fn act<I: Isa, const N: usize, const P: usize>(
        &self,
        isa: I,
        v: &mut [[I::V; N]; P],
        (c, step): (usize, usize),
    ) {
        match &self.activation {
            Activation::None | Activation::Sigmoid => {}
            Activation::Clamp { lo, hi } => {
                let (lo, hi) = (isa.splat(*lo), isa.splat(*hi));
                for i in 0..P {
                    for j in 0..N {
                        v[i][j] = isa.min(hi, isa.max(lo, v[i][j]));
                    }
                }
            }
            Activation::Slope(_) => {
                let zero = isa.zero();
                for j in 0..N {
                    // SAFETY: `slope` has the padded channel count.
                    let slope = unsafe { isa.load(self.slope.as_ptr().add(c + j * step)) };
                    for i in 0..P {
                        v[i][j] = isa.fma(slope, isa.min(zero, v[i][j]), isa.max(zero, v[i][j]));
                    }
                }
            }
            Activation::HardSwish => {
                let (sixth, half) = (isa.splat(1.0 / 6.0), isa.splat(0.5));
                let (zero, one) = (isa.zero(), isa.splat(1.0));
                for i in 0..P {
                    for j in 0..N {
                        let gate = isa.fma(v[i][j], sixth, half);
                        v[i][j] = isa.mul(v[i][j], isa.min(one, isa.max(zero, gate)));
                    }
                }
            }
        }
    }
}

/// # Safety
/// `residual` holds addresses of `LANES` floats.
#[inline(always)]
unsafe fn join<I: Isa, const N: usize, const P: usize>(
    isa: I,
    v: &mut [[I::V; N]; P],
    residual: &[[*const f32; N]; P],
) {
    for i in 0..P {
        for j in 0..N {
            // SAFETY: the caller guarantees that `LANES` floats are readable at each address.
            v[i][j] = isa.add(v[i][j], unsafe { isa.load(residual[i][j]) });
        }
    }
}
