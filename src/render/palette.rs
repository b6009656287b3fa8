//! Palettes: one table of colours, each a few equally spaced stops or a plain ramp.

use crate::error::Result;

/// One row of [`PALETTES`].
#[derive(Debug)]
pub struct Palette {
    /// Name in settings and on the page.
    pub name: &'static str,
    /// True if perceptually even: lightness (CIE L*) is monotone, at a rate within 60 % of its mean, so no edge is
    /// invented or hidden. The others trade that for colour contrast.
    pub even: bool,
    /// Colours 0xRRGGBB from cold to hot, equally spaced, at least two; between them sRGB values are linear.
    stops: &'static [u32],
}

/// Colour of each of 256 levels, cold to hot.
pub type Lut = [[u8; 3]; 256];

impl Palette {
    /// The 256 colours.
    pub fn lut(&self) -> Lut {
        let last = self.stops.len().saturating_sub(1);
        std::array::from_fn(|level| {
            let at = level as f32 / 255.0 * last as f32;
            let (i, t) = (at as usize, at.fract());
            let (a, b) = (self.stops[i.min(last)], self.stops[(i + 1).min(last)]);
            [16, 8, 0].map(|shift| {
                let (a, b) = ((a >> shift & 255) as f32, (b >> shift & 255) as f32);
                (a + (b - a) * t).round() as u8
            })
        })
    }
}

/// Every palette. The plain ramps and `inferno` to `cividis` are perceptually even.
pub const PALETTES: &[Palette] = &[
    Palette { name: "white-hot", even: true, stops: &[0x000000, 0xffffff] },
    Palette { name: "black-hot", even: true, stops: &[0xffffff, 0x000000] },
    Palette { name: "ironbow", even: false, stops: IRONBOW },
    Palette { name: "rainbow", even: false, stops: RAINBOW },
    Palette { name: "arctic", even: false, stops: ARCTIC },
    Palette { name: "lava", even: false, stops: LAVA },
    Palette { name: "glowbow", even: false, stops: GLOWBOW },
    Palette { name: "sepia", even: false, stops: SEPIA },
    Palette { name: "inferno", even: true, stops: INFERNO },
    Palette { name: "magma", even: true, stops: MAGMA },
    Palette { name: "plasma", even: true, stops: PLASMA },
    Palette { name: "viridis", even: true, stops: VIRIDIS },
    Palette { name: "cividis", even: true, stops: CIVIDIS },
    Palette { name: "turbo", even: false, stops: TURBO },
];

/// Index in [`PALETTES`] of a name.
///
/// # Errors
/// [`crate::Error::fix`] with the nearest name and the whole list if there is none.
pub fn find(name: &str) -> Result<usize> {
    PALETTES.iter().position(|p| p.name == name).ok_or_else(|| {
        let names = PALETTES.iter().map(|p| p.name);
        super::unknown("palette", name, names)
    })
}

/// Black, violet, red, orange, white: the order of glowing iron.
const IRONBOW: &[u32] = &[0x000008, 0x1c0064, 0x5c0096, 0x980e94, 0xc83062, 0xe55c22, 0xf48e00, 0xffc81e, 0xfffbe0];
/// Blue, cyan, green, yellow, red, pale red.
const RAINBOW: &[u32] =
    &[0x000050, 0x0032dc, 0x00a0ff, 0x00d7a0, 0x3cdc28, 0xc8e614, 0xffc800, 0xff5a00, 0xe6143c, 0xffdcdc];
/// Cold in blues, hot in golds.
const ARCTIC: &[u32] = &[0x050a32, 0x0a3296, 0x1e78dc, 0x5ab4dc, 0x96a0a0, 0xc88c3c, 0xf0a01e, 0xffd25a, 0xfff5d2];
/// Blue-black, crimson, orange, white.
const LAVA: &[u32] = &[0x04040c, 0x12203c, 0x3c1e46, 0x7d1432, 0xbe1e1e, 0xe6500f, 0xfa960a, 0xffd732, 0xfffae6];
/// Black through red and yellow to white.
const GLOWBOW: &[u32] = &[0x000000, 0x3c0500, 0x780f00, 0xaf2300, 0xdc4600, 0xf57800, 0xffaf14, 0xffe15a, 0xffffe6];
/// A brown photograph.
const SEPIA: &[u32] = &[0x0a0604, 0x3a2616, 0x6e4c2e, 0xa27a50, 0xcfae84, 0xf0dcbc, 0xfffaf0];

/// Smith and van der Walt's `inferno` (CC0), 33 of its 256 colours.
#[rustfmt::skip]
const INFERNO: &[u32] = &[
    0x000003, 0x030212, 0x0a0723, 0x140b36, 0x200c4a, 0x2e0a5a, 0x3c0965, 0x4a0b6a, 0x570f6d, 0x63146e, 0x70196e,
    0x7d1d6c, 0x892269, 0x962666, 0xa32b61, 0xaf315b, 0xbb3754, 0xc53d4d, 0xd04544, 0xda4e3b, 0xe35832, 0xea6428,
    0xf0701e, 0xf57e14, 0xf98c09, 0xfb9b06, 0xfbaa0e, 0xfbb91e, 0xf8c931, 0xf5d948, 0xf1e864, 0xf2f485, 0xfcfea4,
];
/// Smith and van der Walt's `magma` (CC0), likewise.
#[rustfmt::skip]
const MAGMA: &[u32] = &[
    0x000003, 0x030311, 0x0a0722, 0x120d33, 0x1c1046, 0x281159, 0x350f6a, 0x430f75, 0x50127b, 0x5d177e, 0x691c80,
    0x762181, 0x822581, 0x8f2a80, 0x9c2e7f, 0xa9327c, 0xb63679, 0xc23a75, 0xce4070, 0xda4769, 0xe55063, 0xee5b5e,
    0xf4685b, 0xf8775c, 0xfb8660, 0xfd9567, 0xfda470, 0xfeb37b, 0xfec286, 0xfdd193, 0xfddfa1, 0xfceeb0, 0xfbfcbf,
];
/// Smith and van der Walt's `plasma` (CC0), likewise.
#[rustfmt::skip]
const PLASMA: &[u32] = &[
    0x0c0786, 0x21058f, 0x310496, 0x3f039c, 0x4c02a1, 0x5901a4, 0x6500a7, 0x7200a8, 0x7e03a7, 0x8908a5, 0x9511a1,
    0x9f1a9b, 0xa92395, 0xb22c8e, 0xbb3586, 0xc33e7f, 0xcb4777, 0xd14f71, 0xd8586a, 0xdf6163, 0xe56b5c, 0xea7455,
    0xef7e4e, 0xf48947, 0xf79341, 0xfa9f3a, 0xfcaa33, 0xfdb62d, 0xfdc328, 0xfbd024, 0xf8dd24, 0xf4ea26, 0xeff821,
];
/// Smith, van der Walt and Firing's `viridis` (CC0), likewise.
#[rustfmt::skip]
const VIRIDIS: &[u32] = &[
    0x440154, 0x460c5f, 0x47186a, 0x482273, 0x472c7b, 0x453681, 0x424085, 0x3e4989, 0x3a528b, 0x365a8c, 0x32628d,
    0x2f6a8d, 0x2c728e, 0x287a8e, 0x26818e, 0x23898d, 0x20908c, 0x1e978a, 0x1e9e88, 0x21a685, 0x27ad80, 0x30b47a,
    0x3dbb74, 0x4bc26c, 0x5bc862, 0x6dce58, 0x81d34c, 0x95d73f, 0xaadb32, 0xbfdf24, 0xd4e11a, 0xe9e419, 0xfde724,
];
/// Nunez, Anderton and Renslow's `cividis` (2018, PLoS ONE 13:e0199239), likewise: the same to red-green blind eyes.
#[rustfmt::skip]
const CIVIDIS: &[u32] = &[
    0x00224d, 0x00285b, 0x002d69, 0x043270, 0x1a386f, 0x273d6d, 0x31436c, 0x3a486b, 0x434e6b, 0x4b546c, 0x52596c,
    0x595f6d, 0x61646f, 0x686a70, 0x6e7073, 0x757575, 0x7c7b78, 0x838078, 0x8a8678, 0x928c77, 0x9a9376, 0xa29974,
    0xaa9f72, 0xb2a66f, 0xbaac6c, 0xc3b368, 0xcbba64, 0xd4c15e, 0xdcc858, 0xe5cf50, 0xeed747, 0xf8de3b, 0xfde737,
];
/// Mikhailov's `turbo` (2019), likewise: a rainbow without its false edges.
#[rustfmt::skip]
const TURBO: &[u32] = &[
    0x30123b, 0x392972, 0x4040a1, 0x4456c7, 0x466be3, 0x467ff6, 0x4193fe, 0x36a8f9, 0x28bbeb, 0x1ccdd7, 0x17dcc2,
    0x1ee8af, 0x32f197, 0x4df97c, 0x6dfd62, 0x8bfe4b, 0xa4fc3b, 0xb6f735, 0xcaed33, 0xdde036, 0xecd139, 0xf7c039,
    0xfcae34, 0xfe982c, 0xfb8022, 0xf56817, 0xec520e, 0xe04008, 0xd23005, 0xc02302, 0xac1601, 0x940c01, 0x7a0402,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// CIE 1976 lightness of an sRGB colour, 0 to 100 (IEC 61966-2-1 transfer, D65 luminance).
    fn lightness(rgb: [u8; 3]) -> f32 {
        let [r, g, b] = rgb.map(|v| {
            let v = f32::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        });
        let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        if y > 0.008856 { 116.0 * y.cbrt() - 16.0 } else { 903.3 * y }
    }

    #[test]
    fn even_palettes_climb_in_equal_steps_of_lightness() {
        for p in PALETTES.iter().filter(|p| p.even) {
            let l: Vec<f32> = p.lut().iter().map(|&c| lightness(c)).collect();
            let span = l[255] - l[0];
            assert!(span.abs() > 60.0, "{} spans {span}", p.name);
            for i in (0..240).step_by(15) {
                let share = (l[i + 15] - l[i]) / (span / 17.0);
                assert!((0.4..1.6).contains(&share), "{} at {i}: {share} of an even step", p.name);
            }
            // 8-bit rounding alone moves L* by up to 0.4.
            for w in l.windows(2) {
                assert!((w[1] - w[0]) * span.signum() > -0.4, "{} turns back", p.name);
            }
        }
    }

    #[test]
    fn the_others_are_not_called_even_without_reason() {
        let turns = |p: &Palette| {
            let l: Vec<f32> = p.lut().iter().map(|&c| lightness(c)).collect();
            l.windows(2).any(|w| w[1] - w[0] < -0.4)
        };
        for name in ["rainbow", "turbo"] {
            assert!(turns(&PALETTES[find(name).unwrap()]), "{name} climbs");
        }
    }

    #[test]
    fn ends_and_middle_are_where_the_table_puts_them() {
        for p in PALETTES {
            let lut = p.lut();
            let hex = |c: [u8; 3]| u32::from_be_bytes([0, c[0], c[1], c[2]]);
            assert_eq!(hex(lut[0]), p.stops[0], "{}", p.name);
            assert_eq!(hex(lut[255]), p.stops[p.stops.len() - 1], "{}", p.name);
            assert!(lut.windows(2).any(|w| w[0] != w[1]));
        }
        assert_eq!(PALETTES[0].lut()[77], [77; 3]);
        assert_eq!(PALETTES[1].lut()[77], [178; 3]);
    }

    #[test]
    fn every_name_is_its_own_and_a_slip_is_answered_with_the_nearest() {
        for (i, p) in PALETTES.iter().enumerate() {
            assert_eq!(find(p.name).unwrap(), i);
        }
        let e = find("ironbw").unwrap_err();
        assert_eq!(e.remedy(), crate::Remedy::Fix);
        assert!(e.to_string().contains("did you mean \"ironbow\"?"), "{e}");
    }
}
