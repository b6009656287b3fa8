//! Coverings of a head: hair, beards, hats, hoods, masks, spectacles.

use std::f32::consts::TAU;

use super::climate::Climate;
use super::head::{HeadModel, part};
use super::random::{Random, step};
use super::raster::{Sheet, material};
use super::skin::Fields;
use super::vector::{Rgb, V3};

/// The fields of a person that clothing may change.
pub struct Look<'a> {
    /// Surface temperature, degC.
    pub temps: &'a mut [f32],
    /// Outward displacement, cm.
    pub displacement: &'a mut [f32],
    /// See [`material`].
    pub material: &'a mut [u8],
    /// Colour; empty if only thermal is needed.
    pub albedo: &'a mut [Rgb],
    /// Extra surfaces fixed to the head.
    pub sheets: &'a mut Vec<Sheet>,
    /// Shape without displacement.
    pub identity: &'a [V3],
}

impl Look<'_> {
    /// Blends a covering of weight `w` over vertex `v`.
    fn cover(&mut self, v: usize, w: f32, temp: f32, colour: Rgb, kind: u8) {
        self.temps[v] += w * (temp - self.temps[v]);
        self.tint(v, w, colour);
        if w > 0.5 {
            self.material[v] = kind;
        }
    }

    /// Blends a colour of weight `w` over vertex `v`.
    fn tint(&mut self, v: usize, w: f32, colour: Rgb) {
        if let Some(c) = self.albedo.get_mut(v) {
            (0..3).for_each(|k| c[k] += w * (colour[k] - c[k]));
        }
    }
}

/// What a person wears on the head and around the neck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outfit {
    /// Hair, under any head covering.
    pub hair: bool,
    /// Beard.
    pub beard: bool,
    /// Beanie, cap, hood, headscarf or none.
    pub cover: Cover,
    /// Face mask.
    pub mask: bool,
    /// Spectacles.
    pub spectacles: bool,
    /// Neckwear.
    pub neck: Neck,
}

/// Neckwear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neck {
    /// Nothing.
    Bare,
    /// A collar or a polo neck.
    Collar,
    /// A scarf.
    Scarf,
}

/// Head covering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// Nothing.
    None,
    /// Knitted hat.
    Knit,
    /// Cap with a brim.
    Cap,
    /// Hood, or a headscarf.
    Hood,
}

impl Outfit {
    /// Draws each item often enough that rare ones are learnt well; more hats in the cold.
    pub fn draw(climate: &Climate, r: &mut Random) -> Self {
        let beard = r.chance(0.27);
        let hair = !r.chance(0.12);
        let style = r.unit() + if climate.chill > 0.4 { -0.08 } else { 0.0 };
        let cover = match style {
            s if s < 0.09 => Cover::Knit,
            s if s < 0.14 => Cover::Cap,
            s if s < 0.23 => Cover::Hood,
            _ => Cover::None,
        };
        let neck = match r.below(10) {
            0..=2 => Neck::Collar,
            3 => Neck::Scarf,
            _ => Neck::Bare,
        };
        let mask = r.chance(0.15);
        Self { hair, beard, cover, mask, spectacles: r.chance(if mask { 0.5 } else { 0.28 }), neck }
    }
}

/// Dresses a head.
pub fn dress(
    look: &mut Look<'_>,
    outfit: Outfit,
    model: &HeadModel,
    fields: &Fields,
    climate: &Climate,
    skin: f32,
    r: &mut Random,
) {
    let ambient = climate.ambient_c;
    let contrast = skin - ambient;
    let between = |lo: f32, hi: f32, r: &mut Random| ambient + contrast * r.range(lo, hi);
    let sunny = climate.sun_k * r.range(0.0, 1.0);
    if outfit.beard {
        beard(look, model, fields, contrast.max(3.0), r);
    }
    if outfit.hair {
        hair(look, model, fields, between(0.25, 0.85, r) + 0.7 * sunny, contrast, r);
    }
    let line = model.point(19)[1] + if r.chance(0.3) { r.range(-0.1, 0.9) } else { r.range(0.6, 3.0) };
    match outfit.cover {
        Cover::None => {}
        Cover::Knit | Cover::Cap => {
            let temp = between(0.08, 0.6, r) + 0.8 * sunny;
            knit(look, model, fields, Hat { line, drop: r.range(0.0, 5.5), temp, thick: r.range(0.5, 1.8) }, r);
            if outfit.cover == Cover::Cap {
                brim(look, line, temp - 0.1 * contrast, r);
            }
        }
        Cover::Hood => hood(look, between(0.05, 0.55, r) + 0.8 * sunny, r),
    }
    if outfit.mask {
        mask(look, model, fields, between(0.25, 0.95, r), contrast, r);
    }
    if outfit.spectacles {
        let sky = if climate.outdoor { r.range(0.0, 6.0) } else { 0.0 };
        spectacles(look, model, between(-0.1, 0.5, r) - sky + 0.3 * sunny, contrast, r);
    }
}

/// A full beard (long or short), stubble, a goatee or a moustache; it is cooler than skin by up to `contrast`, kelvin.
fn beard(look: &mut Look<'_>, model: &HeadModel, fields: &Fields, contrast: f32, r: &mut Random) {
    let (patches, ragged) = (fields.strands(r), fields.strands(r));
    let colour = tone(r);
    let style = r.unit();
    // A goatee is narrow as well.
    let (narrow, lip_only) = (style >= 0.65, style >= 0.85);
    let (depth, length) = match style {
        s if s < 0.2 => (r.range(0.15, 0.55), r.range(0.3, 1.8)),
        s if s < 0.45 => (r.range(0.02, 0.12), 0.0),
        _ => (r.range(0.05, 0.35), 0.0),
    };
    let (trim, shaved, mouth) = (r.range(-0.6, 0.9), r.range(-11.5, -8.5), model.point(62)[1]);
    let half = model.point(54)[0] + r.range(-0.3, 1.0);
    for v in 0..look.temps.len() {
        let (q, grown) = (model.neutral[v], fields.beard[v]);
        let trim = if narrow { 0.0 } else { trim * step(0.8 * (q[0].abs() - 2.0)) };
        let mut w = grown.density * step((grown.below - trim + 0.3 * ragged[v]) * 1.8) * step(q[1] - shaved);
        if narrow {
            w *= step((half - q[0].abs()) * 1.8);
        }
        if lip_only {
            w *= step((q[1] - mouth) * 2.5);
        }
        let w = w * (0.85 + 0.25 * patches[v]).clamp(0.0, 1.2);
        if w > 0.01 {
            look.temps[v] -= contrast * depth * w;
            look.tint(v, w.min(0.9), colour);
            // The beard hangs from chin and jaw, not from the cheeks.
            let hang = length * w * step((mouth - q[1]) * 0.8);
            look.displacement[v] += hang;
            if hang > 0.6 {
                look.material[v] = material::HAIR;
            }
        }
    }
}

fn tone(r: &mut Random) -> Rgb {
    let base =
        *r.pick(&[[0.03, 0.025, 0.02], [0.09, 0.06, 0.04], [0.3, 0.2, 0.1], [0.5, 0.38, 0.2], [0.55, 0.55, 0.55]]);
    base.map(|c| c * r.range(0.8, 1.2))
}

fn hair(look: &mut Look<'_>, model: &HeadModel, fields: &Fields, temp: f32, contrast: f32, r: &mut Random) {
    let (ragged, broad) = (fields.strands(r), fields.coarse(r));
    let brow = model.point(19)[1];
    let line = brow + if r.chance(0.12) { r.range(1.2, 3.2) } else { r.range(3.2, 6.4) };
    let recess = r.range(0.0, 0.035);
    let side = r.range(-3.5, 1.5);
    let thick = r.range(0.25, 2.8);
    let colour = tone(r);
    // The scalp warms the roots but not the tips.
    let root = contrast * r.range(0.0, 0.18);
    for v in 0..look.temps.len() {
        if model.part[v] > part::HEAD {
            continue;
        }
        let q = model.neutral[v];
        let ax = q[0].abs();
        if q[1] < -9.0 || (ax > 8.2 && q[1] < 3.8 && q[1] > -3.5) {
            continue;
        }
        let top = step((q[1] - line + recess * q[0] * q[0] - 0.4 * broad[v] - 0.15 * ragged[v]) * 1.1);
        let back = step((2.0 - q[2] - 0.3 * broad[v]) * 0.9) * step((q[1] - (side - 2.5)) * 0.8);
        let temple = step((4.4 - q[2] + 0.2 * ragged[v]) * 0.9) * step((q[1] - (side + 2.5)) * 1.1);
        let w = 1.0 - (1.0 - top) * (1.0 - back) * (1.0 - temple);
        if w > 0.01 {
            let depth = thick * (1.0 + 0.3 * broad[v] + 0.15 * ragged[v]).max(0.1);
            let t = temp + contrast * (0.07 * ragged[v] + 0.05 * broad[v]) + root * (1.0 - w);
            look.cover(v, w, t, colour, material::HAIR);
            look.displacement[v] = w * depth;
        }
    }
    if r.chance(0.3) {
        long_hair(look, temp - 0.05 * contrast, contrast, colour, r);
    }
}

fn long_hair(look: &mut Look<'_>, temp: f32, contrast: f32, colour: Rgb, r: &mut Random) {
    let (length, width) = (r.range(-24.0, -6.0), r.range(7.8, 9.8));
    let (open, flare) = (r.range(0.9, 1.75), r.range(0.0, 0.25));
    let phase = r.range(0.0, TAU);
    let shape = move |u: f32, v: f32| {
        let a = (2.0 * u - 1.0) * open;
        let y = 8.5 + (length - 8.5) * v;
        let lock = 1.0 + 0.03 * libm::sinf(9.0 * a + phase) + 0.02 * libm::sinf(23.0 * a + 2.0 * v + phase) + flare * v;
        let (s, c) = libm::sincosf(a);
        V3::new(width * lock * s, y, 0.3 - 9.3 * lock * c)
    };
    let paint = move |p: V3| {
        let strand = libm::sinf(2.3 * p[0] + phase) * libm::sinf(1.9 * p[2] - phase);
        (temp + contrast * (0.07 * strand - 0.008 * (8.0 - p[1])), colour)
    };
    look.sheets.push(Sheet::new((40, 12), material::HAIR, V3::new(0.0, -2.0, 0.0), shape, paint));
}

/// Lower edge of a knitted hat (height at the front, drop towards the back), its temperature and thickness.
struct Hat {
    line: f32,
    drop: f32,
    temp: f32,
    thick: f32,
}

fn knit(look: &mut Look<'_>, model: &HeadModel, fields: &Fields, hat: Hat, r: &mut Random) {
    let Hat { line, drop, temp, thick } = hat;
    let folds = fields.coarse(r);
    let colour = [r.unit(), r.unit(), r.unit()];
    for v in 0..look.temps.len() {
        if model.part[v] > part::HEAD {
            continue;
        }
        let q = model.neutral[v];
        let w = step((q[1] - line + drop * (9.5 - q[2]).max(0.0) / 12.0) * 2.2);
        if w > 0.01 {
            look.cover(v, w, temp + 0.4 * folds[v], colour, material::HAT);
            let under = look.displacement[v] * 0.35;
            look.displacement[v] += w * (under + thick - look.displacement[v]);
        }
    }
}

fn brim(look: &mut Look<'_>, line: f32, temp: f32, r: &mut Random) {
    let (reach, sag, half) = (r.range(4.5, 8.0), r.range(-0.1, 0.45), r.range(0.9, 1.25));
    let colour = [r.unit(), r.unit(), r.unit()];
    let shape = move |u: f32, v: f32| {
        let (s, c) = libm::sincosf((2.0 * u - 1.0) * half);
        let out = v * reach * c.max(0.0);
        V3::new(8.0 * s, line + 0.4 - sag * out - 0.6 * s * s, 1.0 + 9.6 * c + out)
    };
    look.sheets
        .push(Sheet::new((20, 4), material::HAT, V3::new(0.0, line - 20.0, 4.0), shape, move |_| (temp, colour)));
}

/// A hood, or a headscarf drawn tight around the face.
fn hood(look: &mut Look<'_>, temp: f32, r: &mut Random) {
    let tight = r.chance(0.5);
    let (rx, ry, rz) = if tight {
        (r.range(8.6, 9.6), r.range(12.2, 13.4), r.range(9.3, 10.5))
    } else {
        (r.range(9.8, 12.0), r.range(13.0, 15.5), r.range(10.0, 12.5))
    };
    let open = if tight { r.range(0.70, 0.86) } else { r.range(0.8, 1.25) };
    let (cy, cz) = (r.range(-0.3, 1.2), r.range(-1.5, -0.3));
    let colour = [r.unit(), r.unit(), r.unit()];
    let phase = r.range(0.0, TAU);
    let shape = move |u: f32, v: f32| {
        let (s, c) = libm::sincosf(open + (std::f32::consts::PI - open) * v);
        let (sa, ca) = libm::sincosf(u * TAU);
        let fold = 1.0 + 0.02 * libm::sinf(7.0 * u * TAU + phase) * (1.0 - v);
        V3::new(rx * s * sa * fold, cy + ry * s * ca * fold, cz + rz * c)
    };
    let paint = move |p: V3| (temp + 0.5 * libm::sinf(0.8 * p[0] + 0.6 * p[1] + phase), colour);
    look.sheets.push(Sheet::new((36, 14), material::HAT, V3::new(0.0, cy, cz), shape, paint));
    // The lower part falls to the shoulders.
    let skirt = move |u: f32, v: f32| {
        let (s, c) = libm::sincosf((2.0 * u - 1.0) * if tight { 3.1 } else { 2.5 });
        let k = 1.0 + 0.6 * v;
        V3::new(
            rx * 0.9 * k * s,
            -7.5 - 14.0 * v,
            -1.0 - (rz - 2.0) * k * c * if c < 0.0 && tight { 0.55 } else { 0.8 },
        )
    };
    look.sheets.push(Sheet::new((30, 6), material::HAT, V3::new(0.0, -12.0, -1.0), skirt, paint));
    if tight {
        // The scarf covers the forehead and hides the hair.
        for v in 0..look.displacement.len() {
            look.displacement[v] *= 0.3;
        }
    }
}

fn mask(look: &mut Look<'_>, model: &HeadModel, fields: &Fields, temp: f32, contrast: f32, r: &mut Random) {
    let crease = fields.strands(r);
    let slipped = r.chance(0.12);
    let top = if slipped { model.point(33)[1] - 0.4 } else { model.point(28)[1] - r.range(-0.2, 1.0) };
    let (bulge, breath) = (r.range(0.2, 1.1), contrast * r.range(0.0, 0.25));
    let colour = *r.pick(&[[0.5, 0.7, 0.85], [0.9, 0.9, 0.9], [0.05, 0.05, 0.06]]);
    let nose = model.point(33);
    for v in 0..look.temps.len() {
        if model.part[v] > part::HEAD {
            continue;
        }
        let q = model.neutral[v];
        let w = step((top - q[1] - 0.03 * q[0] * q[0]) * 2.5) * step((q[1] + 9.8) * 1.2) * step((q[2] - 2.6) * 1.2);
        if w > 0.01 {
            let near = ((q[0] - nose[0]).powi(2) + (q[1] - nose[1]).powi(2)) / 9.0;
            let warm = breath / (1.0 + near);
            look.cover(v, w, temp + warm + 0.25 * crease[v], colour, material::MASK);
            look.displacement[v] = w * bulge * if near < 0.6 { 0.5 } else { 1.0 };
        }
    }
}

fn spectacles(look: &mut Look<'_>, model: &HeadModel, temp: f32, contrast: f32, r: &mut Random) {
    let (half_w, half_h, round) = (r.range(2.1, 3.2), r.range(1.3, 2.7), r.range(0.4, 1.0));
    let (drop, rim_only) = (r.range(-0.7, 0.3), r.chance(0.15));
    let (gap, bend) = (r.range(1.1, 2.0), r.range(0.01, 0.035));
    let colour = if r.chance(0.4) { [0.03; 3] } else { [0.4, 0.45, 0.5] };
    let eye = |ids: std::ops::RangeInclusive<usize>| -> V3 {
        let n = ids.clone().count() as f32;
        let sum = ids.fold(V3::ZERO, |s, i| s + look.identity[model.landmarks[i]]);
        V3(sum.0.map(|x| x / n))
    };
    let (right, left) = (eye(36..=41), eye(42..=47));
    // A frame is rigid and straight, regardless of the face.
    let (half_x, level) = (0.5 * (left[0] - right[0]), 0.5 * (left[1] + right[1]));
    let eyes = [[-half_x, level, right[2]], [half_x, level, left[2]]];
    let plane = eyes[0][2].max(eyes[1][2]) + gap;
    let inside = V3::new(0.0, 3.0, -4.0);
    let frame = temp + contrast * r.range(-0.05, 0.2);
    for (e, side) in eyes.into_iter().zip([-1.0f32, 1.0]) {
        let lens_temp = temp + r.normal(0.0, 0.4);
        let outline = move |a: f32, k: f32| {
            let (s, c) = libm::sincosf(a);
            let corner = |x: f32| x.signum() * libm::powf(x.abs(), round);
            let x = e[0] + side * 0.15 + k * half_w * corner(c);
            V3::new(x, e[1] + drop + k * half_h * corner(s), plane - bend * x * x)
        };
        let inner = if rim_only { 0.84 } else { 0.0 };
        let lens = move |u: f32, v: f32| outline(u * TAU, inner + (1.0 - inner) * v);
        look.sheets.push(Sheet::new((28, 3), material::GLASSES, inside, lens, move |_| (lens_temp, colour)));
        let hinge = e[0] + side * (half_w + 0.2);
        let arm = move |u: f32, v: f32| {
            let z = (plane - bend * hinge * hinge) * (1.0 - u) - 1.0 * u;
            V3::new(hinge + (side * 8.0 - hinge) * u.min(1.0), e[1] + drop + 0.6 - 0.5 * v, z)
        };
        look.sheets.push(Sheet::new((6, 1), material::GLASSES, inside, arm, move |_| (frame, colour)));
    }
    let y = eyes[0][1] + drop + 0.4;
    let bridge = move |u: f32, v: f32| V3::new(1.6 * (2.0 * u - 1.0), y + 0.35 * v, plane + 0.2);
    look.sheets.push(Sheet::new((4, 1), material::GLASSES, inside, bridge, move |_| (frame, colour)));
}
