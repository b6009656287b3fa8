//! Bodies, clothing, hands and things held in front.

use std::f32::consts::TAU;

use super::climate::Climate;
use super::random::{Random, step};
use super::raster::{Sheet, material};
use super::vector::{Rgb, V3};
use super::wear::Neck;

/// Folds and patches of cloth: a few plane waves, and bands of a different yarn.
#[derive(Clone, Copy)]
struct Folds {
    waves: [(V3, f32); 5],
    amplitude: f32,
    /// Height of a pair of bands, cm, and how much warmer one of them is, K.
    bands: Option<(f32, f32)>,
}

impl Folds {
    fn draw(r: &mut Random, amplitude: f32) -> Self {
        let waves = std::array::from_fn(|_| {
            let d = V3::new(r.normal(0.0, 1.0), r.normal(0.0, 0.6), r.normal(0.0, 0.6)).unit();
            (d * (TAU / r.log_range(4.0, 30.0)), r.range(0.0, TAU))
        });
        let bands = r.chance(0.15).then(|| (r.range(5.0, 30.0), r.normal(0.0, 1.5) * amplitude));
        Self { waves, amplitude, bands }
    }

    fn at(&self, p: V3) -> f32 {
        let sum: f32 = self.waves.iter().map(|(k, ph)| libm::sinf(k.dot(p) + ph)).sum();
        let band = self.bands.map_or(0.0, |(high, k)| if libm::sinf(p[1] * TAU / high) > 0.55 { k } else { 0.0 });
        self.amplitude * 0.6 * sum + band
    }
}

/// A tube along three joints.
fn tube(
    joints: [V3; 3],
    radii: [f32; 3],
    grid: (usize, usize),
    material: u8,
    paint: impl Fn(V3) -> (f32, Rgb),
) -> Sheet {
    let centre = move |v: f32| {
        let v = v.clamp(0.0, 1.0);
        let (a, b, f) = if v < 0.5 { (0, 1, 2.0 * v) } else { (1, 2, 2.0 * v - 1.0) };
        let p = joints[a] * (1.0 - f) + joints[b] * f;
        (p, radii[a] * (1.0 - f) + radii[b] * f)
    };
    let shape = move |u: f32, v: f32| {
        let (p, rad) = centre(v);
        let (s, c) = libm::sincosf(u * TAU);
        // A ring across the overall direction is enough for limbs.
        let along = (joints[2] - joints[0]).unit();
        let side =
            if along[2].abs() > 0.8 { V3::new(1.0, 0.0, 0.0) } else { along.cross(V3::new(0.0, 0.0, 1.0)).unit() };
        let up = along.cross(side);
        let end = if !(0.04..=0.96).contains(&v) { 0.55 } else { 1.0 };
        p + (side * (rad * end * c) + up * (rad * end * s))
    };
    Sheet::new(grid, material, joints[1], shape, paint)
}

fn ellipsoid(
    centre: V3,
    radii: [f32; 3],
    box_like: f32,
    grid: (usize, usize),
    material: u8,
    paint: impl Fn(V3) -> (f32, Rgb),
) -> Sheet {
    let corner = move |x: f32| x.signum() * libm::powf(x.abs(), box_like);
    let shape = move |u: f32, v: f32| {
        let (su, cu) = libm::sincosf(u * TAU);
        let (sv, cv) = libm::sincosf(v * std::f32::consts::PI);
        centre + V3::new(radii[0] * corner(sv) * corner(cu), radii[1] * cv, radii[2] * corner(sv) * su)
    };
    Sheet::new(grid, material, centre, shape, paint)
}

/// Colour of hands and forearms.
const HAND_COLOUR: Rgb = [0.7, 0.5, 0.4];
/// Colour of trousers.
const TROUSERS: Rgb = [0.2, 0.22, 0.3];
/// Distance from the shoulders down to the middle of the trunk, and to the hips, cm.
const TRUNK_DOWN: f32 = 30.0;
const HIPS_DOWN: f32 = 58.0;

/// Cloth of one garment.
#[derive(Clone, Copy)]
struct Cloth {
    /// Mean temperature, degC.
    temp_c: f32,
    folds: Folds,
    colour: Rgb,
}

impl Cloth {
    /// Temperature, degC, and colour at a point.
    fn at(&self, p: V3) -> (f32, Rgb) {
        let fold = self.folds.at(p);
        let shade = 1.0 + 0.15 * fold / self.folds.amplitude;
        (self.temp_c + fold, self.colour.map(|c| c * shade))
    }
}

/// Size of a trunk, cm.
#[derive(Clone, Copy)]
struct Trunk {
    /// Half the width.
    half: f32,
    /// Height of the shoulders.
    shoulder: f32,
    /// Half the depth of the chest.
    deep: f32,
}

/// What determines the temperature of cloth.
#[derive(Clone, Copy)]
struct Warmth<'a> {
    climate: &'a Climate,
    /// Skin temperature, degC.
    skin: f32,
    /// Skin above the surroundings, K.
    contrast: f32,
    /// Warming by the sun, K.
    sun: f32,
}

/// Torso, arms, legs and neckwear; body coordinates (head origin at 0, y up).
pub fn clothed(climate: &Climate, skin: f32, neck: Neck, r: &mut Random) -> Vec<Sheet> {
    let contrast = skin - climate.ambient_c;
    let warmth = Warmth { climate, skin, contrast, sun: climate.sun_k * r.range(0.2, 1.0) };
    let temp_c = climate.ambient_c + contrast * r.range(0.08, 0.78) + warmth.sun;
    // Cloth is warm where it touches the body, cool where it hangs free.
    let patchy = (r.range(0.05, 0.2) * contrast.abs()).clamp(0.2, 2.5);
    let cloth = Cloth { temp_c, folds: Folds::draw(r, patchy), colour: [r.unit(), r.unit(), r.unit()] };
    let trunk = Trunk { half: r.range(17.0, 24.0), shoulder: r.range(-21.0, -16.5), deep: r.range(9.5, 13.5) };
    let mut out = torso(trunk, cloth, warmth, r);
    out.push(yoke(trunk, skin, cloth, r));
    let bare = r.chance(0.35);
    for side in [-1.0f32, 1.0] {
        out.extend(arm(side, trunk, cloth, bare, warmth, r));
    }
    out.extend(legs(trunk, cloth, warmth, r));
    out.extend(around_neck(neck, cloth, warmth, r));
    out
}

/// Trunk and shoulders, sometimes with another colour down the front.
fn torso(trunk: Trunk, cloth: Cloth, warmth: Warmth<'_>, r: &mut Random) -> Vec<Sheet> {
    let Trunk { half, shoulder, deep } = trunk;
    let mut out = vec![ellipsoid(
        V3::new(0.0, shoulder - TRUNK_DOWN, -3.0),
        [half, TRUNK_DOWN + 0.5, deep],
        r.range(0.55, 0.85),
        (28, 16),
        material::CLOTH,
        move |p| cloth.at(p),
    )];
    if r.chance(0.25) {
        out.push(front(trunk, warmth, r));
    }
    // Shoulders slope from the neck.
    let slope = [
        V3::new(-half, shoulder - 4.5, -3.0),
        V3::new(0.0, shoulder + r.range(1.5, 4.0), -3.5),
        V3::new(half, shoulder - 4.5, -3.0),
    ];
    out.push(tube(slope, [5.0, 6.0, 5.0], (12, 12), material::CLOTH, move |p| cloth.at(p)));
    out
}

/// An open jacket or another colour down the front.
fn front(Trunk { half, shoulder, deep }: Trunk, warmth: Warmth<'_>, r: &mut Random) -> Sheet {
    let temp_c = warmth.climate.ambient_c + warmth.contrast * r.range(0.2, 0.9);
    let narrow = r.range(0.25, 0.6);
    let colour = [r.unit(), r.unit(), r.unit()];
    let shape = move |u: f32, v: f32| {
        let x = (2.0 * u - 1.0) * half * narrow * (0.35 + 0.65 * v);
        V3::new(x, shoulder - 1.0 - 50.0 * v, -2.4 + deep * (1.0 - (x / half).powi(2)).max(0.0).sqrt())
    };
    Sheet::new((6, 8), material::CLOTH, V3::new(0.0, shoulder - TRUNK_DOWN, -10.0), shape, move |_| (temp_c, colour))
}

/// Upper arm, forearm and hand on one side (-1 the subject's right, 1 the left).
fn arm(side: f32, trunk: Trunk, cloth: Cloth, bare: bool, warmth: Warmth<'_>, r: &mut Random) -> [Sheet; 3] {
    let top = V3::new(side * (trunk.half - 1.5), trunk.shoulder - 5.0, -3.0);
    let (elbow, wrist) = joints(side, top, r);
    let upper = [top, (top + elbow) * 0.5, elbow];
    let upper = tube(upper, [5.5, 5.0, 4.5], (10, 6), material::CLOTH, move |p| cloth.at(p));
    let forearm_c = warmth.skin - r.range(0.0, 3.0);
    let lower = [elbow, (elbow + wrist) * 0.5, wrist];
    let lower = if bare {
        tube(lower, [4.2, 3.8, 2.8], (10, 6), material::HAND, move |_| (forearm_c, HAND_COLOUR))
    } else {
        tube(lower, [4.6, 4.3, 3.6], (10, 6), material::CLOTH, move |p| cloth.at(p))
    };
    let hand_c = warmth.skin - r.range(-0.5, 6.0 * (0.3 + warmth.climate.chill));
    let hand = wrist + (wrist - elbow).unit() * 6.0;
    let hand = ellipsoid(hand, [4.0, 6.5, 3.0], 1.0, (10, 8), material::HAND, move |_| (hand_c, HAND_COLOUR));
    [upper, lower, hand]
}

/// Both legs.
fn legs(trunk: Trunk, cloth: Cloth, warmth: Warmth<'_>, r: &mut Random) -> [Sheet; 2] {
    let temp_c = warmth.climate.ambient_c + warmth.contrast * r.range(0.1, 0.6) + 0.7 * warmth.sun;
    [-1.0f32, 1.0].map(|side| {
        let hip = V3::new(side * 9.0, trunk.shoulder - HIPS_DOWN, -3.0);
        let joints = [hip, hip + V3::new(side, -45.0, 1.0), hip + V3::new(side * 2.0, -88.0, -2.0)];
        let paint = move |p: V3| (temp_c + cloth.folds.at(p), TROUSERS);
        tube(joints, [9.0, 7.5, 6.0], (10, 8), material::CLOTH, paint)
    })
}

/// A collar or a scarf.
fn around_neck(neck: Neck, cloth: Cloth, warmth: Warmth<'_>, r: &mut Random) -> Option<Sheet> {
    let Cloth { temp_c, folds, colour } = cloth;
    match neck {
        Neck::Collar => {
            let (top, rad) = (r.range(-13.5, -9.0), r.range(6.3, 8.5));
            let temp = temp_c + r.range(-0.1, 0.15) * warmth.contrast;
            let ring = move |u: f32, v: f32| {
                let (s, c) = libm::sincosf(u * TAU);
                let k = rad * (1.0 + 0.35 * v);
                V3::new(k * s, top - 9.0 * v, -2.0 + k * c)
            };
            let paint = move |p| (temp + folds.at(p), colour);
            Some(Sheet::new((24, 4), material::CLOTH, V3::new(0.0, -14.0, -2.0), ring, paint))
        }
        Neck::Scarf => {
            let (top, rad) = (r.range(-10.5, -6.5), r.range(8.0, 10.5));
            let temp = warmth.climate.ambient_c + warmth.contrast * r.range(0.1, 0.6);
            let scarf = [r.unit(), r.unit(), r.unit()];
            let ring = move |u: f32, v: f32| {
                let (s, c) = libm::sincosf(u * TAU);
                let k = rad + 2.0 * libm::sinf(v * std::f32::consts::PI);
                V3::new(k * s, top - 9.0 * v + 0.6 * libm::sinf(5.0 * u * TAU), -1.0 + k * c)
            };
            let paint = move |p| (temp + folds.at(p), scarf);
            Some(Sheet::new((24, 6), material::HAT, V3::new(0.0, -12.0, -1.0), ring, paint))
        }
        Neck::Bare => None,
    }
}

/// From the neck to the shoulders: skin down to a neckline, lower in front, then cloth.
fn yoke(Trunk { half, shoulder, deep }: Trunk, skin: f32, cloth: Cloth, r: &mut Random) -> Sheet {
    let top = r.range(-12.2, -11.0);
    let bottom = (shoulder - 5.0).min(top - 4.0);
    let line = if r.chance(0.3) { r.range(0.2, 0.7) } else { r.range(-0.1, 0.2) };
    let low = if r.chance(0.4) { r.range(0.1, 0.7) } else { 0.0 };
    let bare_c = skin - r.range(-0.8, 1.2);
    let shape = move |u: f32, v: f32| {
        let (s, c) = libm::sincosf(u * TAU);
        let (rx, rz) = (7.1 + (half - 8.1) * v, 6.5 + (deep - 6.5) * v);
        V3::new(rx * s, top + (bottom - top) * v * (0.45 + 0.55 * v), -1.4 - 1.6 * v + rz * c)
    };
    let paint = move |p: V3| {
        let down = (top - p[1]) / (top - bottom);
        let front = (p[2] / deep).max(0.0) * (1.0 - (p[0] / 9.0).abs()).max(0.0);
        let (temp, colour) = cloth.at(p);
        // A narrower edge than a cell of the sheet would be jagged.
        let bare = step((line + low * front - down) * 9.0);
        let mix = |a: f32, b: f32| a + bare * (b - a);
        (mix(temp, bare_c), [mix(colour[0], 0.7), mix(colour[1], 0.5), mix(colour[2], 0.4)])
    };
    Sheet::new((32, 10), material::CLOTH, V3::new(0.0, bottom - 4.0, -2.0), shape, paint)
}

/// Elbow and wrist of the arm that hangs from `top`.
fn joints(side: f32, top: V3, r: &mut Random) -> (V3, V3) {
    let spread = r.range(0.05, 0.5) * side;
    let forward = r.range(-0.2, 0.5);
    let elbow = top + V3::new(spread, -1.0, forward).unit() * 28.0;
    let swing = r.range(-0.3, 2.4);
    let (s, c) = libm::sincosf(swing);
    let wrist = elbow + V3::new(-0.4 * side * s.max(0.0), -c, s).unit() * 25.0;
    (elbow, wrist)
}

/// A hand, a cup, a phone or another object between the face and the camera; head coordinates.
pub fn in_front(climate: &Climate, skin: f32, r: &mut Random) -> Vec<Sheet> {
    let at = V3::new(r.normal(0.0, 5.0), r.normal(-2.5, 5.5), r.range(12.5, 17.0));
    if r.chance(0.55) { hand(at, climate, skin, r) } else { vec![object(at, climate, skin, r)] }
}

/// A hand with four fingers and its palm at `at`.
fn hand(at: V3, climate: &Climate, skin: f32, r: &mut Random) -> Vec<Sheet> {
    let temp = skin + r.range(-3.5 * (0.4 + climate.chill), 1.0);
    let lean = r.range(-1.5, 1.5);
    let (s, c) = libm::sincosf(lean);
    let direction = |a: f32| {
        let (s2, c2) = libm::sincosf(lean + a);
        V3::new(s2, c2, finger_depth(a))
    };
    let mut out = vec![ellipsoid(at, [4.2, 5.0, 1.8], 0.9, (12, 8), material::HAND, move |_| (temp, HAND_COLOUR))];
    for f in 0..4 {
        let spread = (f as f32 - 1.5) * 0.16;
        let base = at + V3::new(c * (f as f32 - 1.5) * 2.0, -s * (f as f32 - 1.5) * 2.0 + 3.5 * c, 0.3);
        let tip = base + direction(spread) * r.range(4.5, 7.5);
        let cool = temp - r.range(0.0, 1.0 + 2.0 * climate.chill);
        let finger = [base, (base + tip) * 0.5, tip];
        out.push(tube(finger, [1.0, 0.95, 0.8], (8, 6), material::HAND, move |_| (cool, HAND_COLOUR)));
    }
    let wrist = at + V3::new(-18.0 * s, -18.0 * c, 2.0);
    let forearm = [at, (at + wrist) * 0.5, wrist];
    out.push(tube(forearm, [3.2, 3.2, 4.0], (10, 4), material::HAND, move |_| (temp, HAND_COLOUR)));
    out
}

/// A cup, a phone or another object at `at`: hot, warmed by the hand, or at room temperature.
fn object(at: V3, climate: &Climate, skin: f32, r: &mut Random) -> Sheet {
    let contrast = skin - climate.ambient_c;
    let temp = match r.below(4) {
        0 => skin + r.range(2.0, 25.0),
        1 => climate.ambient_c + contrast * r.range(0.3, 0.8),
        _ => climate.ambient_c + r.normal(0.0, 1.5),
    };
    let colour = [r.unit(), r.unit(), r.unit()];
    let radii = [r.range(1.5, 5.0), r.range(1.5, 8.0), r.range(0.5, 3.0)];
    ellipsoid(at, radii, r.range(0.3, 1.0), (16, 10), material::OBJECT, move |_| (temp, colour))
}

/// How far a finger of length 1, spread by `a` radians, points away from the face.
fn finger_depth(a: f32) -> f32 {
    0.15 + 0.1 * a.abs()
}
