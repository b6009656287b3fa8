//! What happens to a value between its sum and its store.

use super::isa::Isa;

/// An activation function.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Act {
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

impl Act {
    /// `max(x, 0)`.
    pub const RELU: Act = Act::Clamp { lo: 0.0, hi: f32::INFINITY };

    /// Whether dense and depthwise kernels can apply it before they store.
    pub fn fuses(&self) -> bool {
        !matches!(self, Act::Sigmoid)
    }

    /// The definition, for channel `c`.
    pub fn apply(&self, x: f32, c: usize) -> f32 {
        match self {
            Act::None => x,
            // Written so that a NaN passes.
            Act::Clamp { lo, hi } if x < *lo => lo.min(*hi),
            Act::Clamp { hi, .. } if x > *hi => *hi,
            Act::Clamp { .. } => x,
            Act::Slope(s) if x < 0.0 => x * s.get(c).or(s.first()).copied().unwrap_or(1.0),
            Act::Slope(_) => x,
            Act::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Act::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        }
    }

    /// A short name for listings.
    pub fn name(&self) -> &'static str {
        match self {
            Act::None => "",
            Act::Clamp { lo: 0.0, hi: f32::INFINITY } => "relu",
            Act::Clamp { .. } => "clip",
            Act::Slope(s) if s.len() > 1 => "prelu",
            Act::Slope(_) => "leaky",
            Act::HardSwish => "hardswish",
            Act::Sigmoid => "sigmoid",
        }
    }
}

/// Where a second operand joins a fused sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Join {
    /// `act(sum + other)`.
    #[default]
    BeforeAct,
    /// `act(sum) + other`.
    AfterAct,
}

/// Bias, activation and residual order of a kernel, padded to whole registers.
#[derive(Clone, Debug, Default)]
pub(super) struct Finish {
    pub bias: Vec<f32>,
    pub slope: Vec<f32>,
    pub act: Act,
    pub join: Join,
}

impl Finish {
    /// `channels` is the padded count.
    pub fn new(bias: &[f32], act: Act, join: Join, channels: usize) -> Self {
        let pad = |v: &[f32]| {
            let mut v = v.to_vec();
            v.resize(channels, 0.0);
            v
        };
        let slope = match &act {
            Act::Slope(s) if s.len() == 1 => vec![s[0]; channels],
            Act::Slope(s) => pad(s),
            _ => vec![],
        };
        Self { bias: pad(bias), slope, act, join }
    }

    /// Bias aside: activation and residual of one register of channels from `c` on.
    ///
    /// # Safety
    /// `c + LANES` is at most the padded channel count, and `other`, where not null, is valid for `LANES` floats.
    #[inline(always)]
    pub unsafe fn apply<I: Isa>(&self, isa: I, v: I::V, c: usize, other: *const f32) -> I::V {
        // SAFETY: `other` is not null, so valid by this function's contract.
        let join = |v: I::V| if other.is_null() { v } else { isa.add(v, unsafe { isa.load(other) }) };
        match self.join {
            // SAFETY: same contract.
            Join::BeforeAct => unsafe { self.act(isa, join(v), c) },
            // SAFETY: same contract.
            Join::AfterAct => join(unsafe { self.act(isa, v, c) }),
        }
    }

    /// # Safety
    /// `c + LANES` is at most the padded channel count.
    #[inline(always)]
    unsafe fn act<I: Isa>(&self, isa: I, v: I::V, c: usize) -> I::V {
        match &self.act {
            Act::None | Act::Sigmoid => v,
            Act::Clamp { lo, hi } => isa.min(isa.splat(*hi), isa.max(isa.splat(*lo), v)),
            Act::Slope(_) => {
                let zero = isa.zero();
                // SAFETY: `slope` has the padded channel count.
                let slope = unsafe { isa.load(self.slope.as_ptr().add(c)) };
                isa.fma(slope, isa.min(zero, v), isa.max(zero, v))
            }
            Act::HardSwish => {
                let gate = isa.fma(v, isa.splat(1.0 / 6.0), isa.splat(0.5));
                isa.mul(v, isa.min(isa.splat(1.0), isa.max(isa.zero(), gate)))
            }
        }
    }
}
