//! What real pairs look like: percentiles measured on the ground truth of `LasHeR` (1,224 sequences, 734,785 frames) and
//! of `RGBT234` (offsets between the two cameras), and the shares of `LasHeR`'s attributes. Sequences are drawn from
//! these tables and a test holds them to it.

use crate::synth::random::Random;

/// Shares of the percentiles in every table.
pub const SHARES: [f32; 7] = [0.05, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99];

/// Square root of the box's area, pixels of a 630 x 480 picture.
pub const SIZE: [f32; 7] = [26.0, 47.0, 73.0, 105.0, 150.0, 185.0, 276.0];
/// Width over height of the box.
pub const ASPECT: [f32; 7] = [0.35, 0.45, 0.59, 0.96, 1.31, 1.64, 2.8];
/// Distance moved in a frame (30 Hz), shares of the size.
pub const SHIFT: [f32; 7] = [0.0, 0.017, 0.039, 0.080, 0.151, 0.224, 0.513];
/// Distance moved in three frames.
pub const SHIFT_3: [f32; 7] = [0.008, 0.043, 0.098, 0.206, 0.40, 0.60, 1.32];
/// Distance moved in ten frames.
pub const SHIFT_10: [f32; 7] = [0.025, 0.12, 0.28, 0.59, 1.12, 1.59, 3.1];
/// Absolute change of the size's logarithm in a frame.
pub const GROWTH: [f32; 7] = [0.0, 0.0, 0.009, 0.028, 0.058, 0.085, 0.158];
/// Distance between the centres of the visible and the thermal box, shares of the size (`RGBT234`; the first two
/// percentiles were not published and are read off a Rayleigh curve).
pub const OFFSET: [f32; 7] = [0.02, 0.05, 0.087, 0.19, 0.32, 0.42, 0.67];

/// Width of the pictures that [`SIZE`] was measured in.
pub const WIDTH: f32 = 630.0;

/// An attribute of a sequence, by `LasHeR`'s abbreviations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribute {
    /// Partial occlusion.
    Po,
    /// Total occlusion.
    To,
    /// Occlusion by glass: seen in visible light alone.
    Ho,
    /// Out of view.
    Ov,
    /// Low illumination.
    Li,
    /// High illumination: over-exposed.
    Hi,
    /// Abrupt illumination variation.
    Aiv,
    /// Low resolution.
    Lr,
    /// Deformation.
    Def,
    /// Background clutter.
    Bc,
    /// Similar appearance: others of the same kind near.
    Sa,
    /// Thermal crossover: as warm as its surroundings.
    Tc,
    /// Motion blur.
    Mb,
    /// Camera moves.
    Cm,
    /// Frame lost.
    Fl,
    /// Fast motion.
    Fm,
    /// Scale variation.
    Sv,
    /// Aspect ratio changes.
    Arc,
}

impl Attribute {
    /// All of them.
    pub const ALL: [Attribute; 18] = {
        use Attribute::{Aiv, Arc, Bc, Cm, Def, Fl, Fm, Hi, Ho, Li, Lr, Mb, Ov, Po, Sa, Sv, Tc, To};
        [Po, To, Ho, Ov, Li, Hi, Aiv, Lr, Def, Bc, Sa, Tc, Mb, Cm, Fl, Fm, Sv, Arc]
    };

    /// As `LasHeR` writes it.
    pub fn name(self) -> &'static str {
        use Attribute::{Aiv, Arc, Bc, Cm, Def, Fl, Fm, Hi, Ho, Li, Lr, Mb, Ov, Po, Sa, Sv, Tc, To};
        match self {
            Po => "PO",
            To => "TO",
            Ho => "HO",
            Ov => "OV",
            Li => "LI",
            Hi => "HI",
            Aiv => "AIV",
            Lr => "LR",
            Def => "DEF",
            Bc => "BC",
            Sa => "SA",
            Tc => "TC",
            Mb => "MB",
            Cm => "CM",
            Fl => "FL",
            Fm => "FM",
            Sv => "SV",
            Arc => "ARC",
        }
    }

    /// Share of `LasHeR`'s sequences that have it.
    pub fn share(self) -> f32 {
        use Attribute::{Aiv, Arc, Bc, Cm, Def, Fl, Fm, Hi, Ho, Li, Lr, Mb, Ov, Po, Sa, Sv, Tc, To};
        match self {
            Sv => 0.87,
            Po => 0.86,
            Fm => 0.74,
            Tc | Cm => 0.56,
            Sa => 0.44,
            Arc => 0.36,
            Mb | Bc => 0.32,
            To => 0.30,
            Lr => 0.28,
            Li => 0.17,
            Def => 0.16,
            Hi => 0.09,
            Ho => 0.04,
            Ov | Fl => 0.03,
            Aiv => 0.02,
        }
    }
}

/// The value at share `u` of a distribution given by its percentiles and its ends, linear in the logarithm.
pub fn quantile(table: &[f32; 7], [least, most]: [f32; 2], u: f32) -> f32 {
    let floor = 1e-3;
    let mut last = (0.0, least);
    for point in SHARES.iter().copied().zip(table.iter().copied()).chain([(1.0, most)]) {
        if u <= point.0 {
            let f = (u - last.0) / (point.0 - last.0);
            let (a, b) = (libm::logf(last.1.max(floor)), libm::logf(point.1.max(floor)));
            return libm::expf(a + f * (b - a));
        }
        last = point;
    }
    most
}

/// A draw from such a distribution.
pub fn draw(table: &[f32; 7], ends: [f32; 2], r: &mut Random) -> f32 {
    quantile(table, ends, r.unit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_percentiles_of_their_table() {
        let mut r = Random::new(1, 1);
        let mut v: Vec<f32> = (0..20_000).map(|_| draw(&SIZE, [12.0, 400.0], &mut r)).collect();
        v.sort_by(f32::total_cmp);
        for (share, want) in SHARES.iter().zip(SIZE) {
            let found = v[(share * v.len() as f32) as usize];
            assert!((found / want - 1.0).abs() < 0.04, "{share}: {found} for {want}");
        }
    }
}
