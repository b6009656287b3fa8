//! Sky, hills, ground, water, trees.

use super::figure::{Figure, Paint, Pose};
use super::layer::Modality;
use super::stage::Stage;
use super::tile::Grain;
use super::weather::Weather;
use crate::synth::random::Random;

/// The sky down to row `horizon`.
pub fn sky(stage: &mut Stage, horizon: f32, weather: &Weather, r: &mut Random) {
    let tiles = stage.tiles;
    let clouds = r.range(-1.2, 1.6);
    let grey = r.unit();
    let blue = [0.35 + 0.35 * grey, 0.55 + 0.2 * grey, 0.9 - 0.05 * grey];
    let white = r.range(0.75, 0.98);
    let (k, du, dv) = (r.range(0.0012, 0.004), r.unit(), r.unit());
    let flat = r.range(1.0, 3.0);
    let (warm, soft) = (r.range(0.2, 0.7), r.range(1.0, 4.0));
    let low = 0.6 * (weather.ambient - weather.sky);
    let top = stage.edges()[1];
    let depth = (horizon.min(240.0) - top).max(40.0);
    stage.paint([top, horizon + 2.0], |x, y, modality| {
        let f = ((y - top) / depth).clamp(0.0, 1.0);
        let n = tiles.at(Grain::Rough, x * k + du, y * k * flat + dv);
        let c = ((n + clouds) / soft + 0.3).clamp(0.0, 1.0);
        if modality == Modality::Visible {
            let s = 0.85 + 0.15 * f;
            let at = |b: f32| (b + (white - b) * f * 0.4) * s;
            (
                [
                    at(blue[0]) + (white - at(blue[0])) * c,
                    at(blue[1]) + (white - at(blue[1])) * c,
                    at(blue[2]) + (white - at(blue[2])) * c,
                    0.0,
                ],
                1.0,
            )
        } else {
            // The sky is warmer towards the horizon: more air is in between.
            let t = weather.sky + low * (f * f * f) + warm * c * (weather.ambient - weather.sky) * 0.5;
            ([0.0, 0.0, 0.0, t], 1.0)
        }
    });
}

/// Hills or a line of trees `tall` high behind row `horizon`.
pub fn ridge(stage: &mut Stage, horizon: f32, tall: f32, weather: &Weather, r: &mut Random) {
    let tiles = stage.tiles;
    let rough = r.chance(0.7);
    let (k, du, dv) = (r.range(0.001, 0.006), r.unit(), r.unit());
    let haze = r.range(0.0, 0.6) * (1.0 - tall / 120.0).max(0.0);
    let green = r.range(0.15, 0.42);
    let red = green * r.range(0.4, 1.3);
    let mix = |c: f32| c + (0.75 - c) * haze;
    let rgb = [mix(red), mix(green), mix(green * 0.4)];
    let warm = weather.ambient + r.normal(0.0, 1.0) + 0.15 * weather.sun;
    let (grain, heat) = if rough { (Grain::Leaves, 0.9) } else { (Grain::Rough, 0.5) };
    let paint = Paint::plain(rgb, warm).colour(grain, 0.02, r.range(0.15, 0.5) * (1.0 - haze)).heat(
        grain,
        0.02,
        heat * r.range(0.5, 2.0),
    );
    let top = |x: f32| {
        let broad = tiles.at(Grain::Soft, x * k + du, dv);
        let fine = if rough { tiles.at(Grain::Rough, x * 0.012 + dv, du) * 0.16 } else { 0.0 };
        horizon - tall * (0.7 + 0.3 * broad + fine).max(0.05)
    };
    stage.paint([horizon - 2.2 * tall, horizon + 4.0], |x, y, modality| {
        let d = (y - top(x)).min(horizon + 3.0 - y);
        if d < -2.0 { ([0.0; 4], d) } else { (Stage::surface(tiles, &paint, x, y, modality), d) }
    });
}

/// Ground from row `horizon` down, seen in perspective.
pub fn ground(stage: &mut Stage, horizon: f32, weather: &Weather, r: &mut Random) {
    let tiles = stage.tiles;
    let (rgb, grain, strength) = match r.below(5) {
        0 | 1 => ([0.24, r.range(0.3, 0.46), 0.14], Grain::Leaves, 0.25),
        2 => ([0.62, 0.54, 0.42], Grain::Rough, 0.14),
        3 => ([0.45, 0.44, 0.43], Grain::Fine, 0.08),
        _ => ([0.85, 0.86, 0.9], Grain::Rough, 0.06),
    };
    let (patch, patch_k) = (r.range(0.05, 0.25), r.range(0.2, 1.6));
    let warm = weather.ambient + weather.ground;
    let (k, du, lean) = (r.range(0.5, 2.0), r.unit(), r.normal(0.0, 0.3));
    let grit = r.range(0.1, 0.8);
    let cooling = r.normal(0.0, 1.5);
    let bottom = stage.edges()[3];
    stage.paint([horizon - 1.0, bottom], |x, y, modality| {
        let z = 26.0 / (y - horizon + 7.0);
        let (u, v) = (((x - 160.0) * 0.012 * z + lean * z) * k + du, z * k * 1.4);
        let far = (z * 0.3).min(1.0);
        let broad = tiles.at(Grain::Rough, 0.4 * u, 0.4 * v);
        let fine = tiles.at(grain, 1.7 * u, 1.7 * v) * (1.0 - far);
        let p = if modality == Modality::Visible {
            let s = 1.0 + patch * broad + strength * fine;
            [rgb[0] * s, rgb[1] * s, rgb[2] * s, 0.0]
        } else {
            [0.0, 0.0, 0.0, warm + patch_k * broad + grit * fine + cooling * far]
        };
        (p, y - horizon)
    });
}

/// Water from row `horizon` down.
pub fn water(stage: &mut Stage, horizon: f32, weather: &Weather, r: &mut Random) {
    let tiles = stage.tiles;
    let rough = r.log_range(0.5, 8.0);
    let rgb = [r.range(0.1, 0.4), r.range(0.2, 0.5), r.range(0.3, 0.55)];
    let clear = r.range(0.3, 0.8);
    let warm = weather.ambient + r.normal(-1.0, 4.0);
    let mirror = r.range(0.1, 0.5);
    stage.mirror(
        horizon,
        |x, y| {
            let z = 20.0 / (y + 5.0);
            let n = tiles.at(Grain::Rough, x * 0.006 * z, z * 2.0);
            (rough * n * 0.5, rough * n)
        },
        |p, modality, wave| {
            let s = 1.0 + 0.03 * wave;
            if modality == Modality::Visible {
                (0..3).for_each(|c| p[c] = (rgb[c] + (p[c] - rgb[c]) * clear) * s);
            } else {
                p[3] = warm + (p[3] - warm) * mirror + 0.1 * wave;
            }
        },
    );
}

/// A bank in front.
pub fn shore(stage: &mut Stage, weather: &Weather, r: &mut Random) {
    let tiles = stage.tiles;
    let (y0, lean) = (r.range(150.0, 220.0), r.range(-0.3, 0.3));
    let rgb = [0.6, 0.52, 0.4].map(|c: f32| c * r.clone().range(0.6, 1.2));
    let paint = Paint::plain(rgb, weather.ambient + weather.ground).colour(Grain::Rough, 0.015, 0.15).heat(
        Grain::Rough,
        0.012,
        r.range(0.3, 1.0),
    );
    let bottom = stage.edges()[3];
    stage.paint([y0 - 90.0, bottom], |x, y, modality| {
        let d = y - y0 - lean * (x - 160.0) - 5.0 * tiles.at(Grain::Soft, x * 0.004, 0.3);
        (Stage::surface(tiles, &paint, x, y, modality), d)
    });
}

fn leaf(weather: &Weather, r: &mut Random) -> Paint {
    let green = r.range(0.15, 0.45);
    let rgb = [green * r.range(0.4, 1.4), green, green * r.range(0.2, 0.5)];
    let celsius = weather.ambient + r.range(-1.5, 1.0) + 0.15 * weather.sun;
    Paint::plain(rgb, celsius).colour(Grain::Leaves, 0.8, 0.5).heat(Grain::Leaves, 0.8, r.range(0.3, 1.2))
}

/// Trees from far to near.
pub fn trees(stage: &mut Stage, horizon: f32, count: usize, weather: &Weather, r: &mut Random) {
    let [x0, _, x1, _] = stage.edges();
    let mut depths: Vec<f32> = (0..count).map(|_| r.log_range(0.12, 1.3)).collect();
    depths.sort_by(f32::total_cmp);
    let bare = r.chance(0.35);
    let bark_k = r.normal(0.0, 1.5) + 0.4 * weather.sun;
    for near in depths {
        let (tall, x) = (near * r.range(120.0, 240.0), r.range(x0, x1));
        let foot = horizon + 70.0 * near;
        let shade = r.range(0.12, 0.4);
        let bark = Paint { relief: 0.35, ..Paint::plain([shade, shade * 0.85, shade * 0.7], weather.ambient + bark_k) };
        let bark = bark.heat(Grain::Bands, 0.6, 0.4).colour(Grain::Rough, 1.0, 0.2);
        let mut f = Figure::default();
        if bare {
            limb(&mut f, [0.0, 0.0], 0.0, 0.33, 0.035, 5, &bark, r);
        } else {
            f.limb([0.0, 0.0], 0.05, [0.0, -0.5], 0.035, &bark);
            let leaf = leaf(weather, r);
            for _ in 0..16 {
                let (a, d) = (r.range(0.0, std::f32::consts::TAU), r.unit().sqrt() * 0.3);
                let (s, c) = libm::sincosf(a);
                let size = r.range(0.05, 0.17);
                let p = Paint {
                    place: [r.unit(), r.unit()],
                    ..leaf.brighter(r.range(0.7, 1.3)).warmer(r.normal(0.0, 0.3))
                };
                f.oval([c * d, -0.68 + s * d], [size, size * 0.9], &p);
            }
        }
        stage.draw(&f, &Pose::new([x, foot], [tall; 2], 0.0));
    }
}

/// Bare branches that reach into the picture from below.
pub fn branches(stage: &mut Stage, weather: &Weather, r: &mut Random) {
    let [x0, _, x1, y1] = stage.edges();
    let bark = Paint::plain([0.15, 0.13, 0.1], weather.ambient + r.normal(0.0, 1.0));
    for _ in 0..1 + r.below(4) {
        let mut f = Figure::default();
        limb(&mut f, [0.0, 0.0], 0.0, 0.33, 0.03, 5, &bark, r);
        let tall = r.range(60.0, 190.0);
        stage.draw(&f, &Pose::new([r.range(x0, x1), y1.min(250.0)], [tall; 2], r.range(-0.4, 0.4)));
    }
}

/// A branch and all that grow from it.
#[expect(clippy::too_many_arguments, reason = "one recursion")]
fn limb(f: &mut Figure, at: [f32; 2], angle: f32, long: f32, thick: f32, more: u32, paint: &Paint, r: &mut Random) {
    let (s, c) = libm::sincosf(angle);
    let end = [at[0] + long * s, at[1] - long * c];
    f.limb(at, thick, end, 0.7 * thick, paint);
    if more > 0 {
        for _ in 0..2 + r.below(2) {
            let (turn, shrink) = (angle + r.normal(0.0, 0.5), r.range(0.55, 0.8));
            limb(f, end, turn, long * shrink, 0.6 * thick, more - 1, paint, r);
        }
    }
}

/// The ground from above: fields, roads, roofs, trees.
pub fn above(stage: &mut Stage, weather: &Weather, r: &mut Random) {
    let tiles = stage.tiles;
    let [x0, y0, x1, y1] = stage.edges();
    let k = r.range(0.002, 0.008);
    let green = r.range(0.2, 0.45);
    let base = Paint::plain([green * r.range(0.6, 1.6), green, green * 0.5], weather.ambient + weather.ground)
        .colour(*r.pick(&[Grain::Rough, Grain::Leaves, Grain::Cells]), k, r.range(0.1, 0.3))
        .heat(*r.pick(&[Grain::Rough, Grain::Soft, Grain::Cells]), k, r.range(0.3, 1.5));
    stage.paint([y0, y1], |x, y, modality| (Stage::surface(tiles, &base, x, y, modality), 1.0));
    let mut f = Figure::default();
    for _ in 0..r.below(4) {
        let grey = r.range(0.3, 0.6);
        let p = Paint::plain([grey; 3], weather.ambient + weather.ground + r.normal(1.5, 2.0));
        let (s, c) = libm::sincosf(r.range(0.0, std::f32::consts::PI));
        let (mx, my, w) = (r.range(0.0, 320.0), r.range(0.0, 240.0), r.range(6.0, 34.0));
        let end = |t: f32| [mx + t * c, my + t * s];
        f.limb(end(-700.0), w, end(700.0), w, &Paint { relief: 0.0, ..p.colour(Grain::Fine, 0.01, 0.06) });
        f.limb(end(-700.0), 0.8, end(700.0), 0.8, &Paint::plain([0.85; 3], p.celsius - 0.4));
    }
    for _ in 0..r.below(5) {
        let (x, y, w, h) = (r.range(x0, x1), r.range(y0, y1), r.range(20.0, 90.0), r.range(20.0, 70.0));
        let shade = r.range(0.2, 0.8);
        let roof = Paint::plain(
            [shade, shade * r.range(0.6, 1.0), shade * r.range(0.5, 1.0)],
            weather.ambient + r.normal(0.0, 3.0),
        );
        f.rect(x, y, x + w, y + 0.5 * h, &roof.colour(Grain::Bands, 0.05, 0.1));
        f.rect(x, y + 0.5 * h, x + w, y + h, &roof.brighter(0.8).warmer(-0.6 * weather.sun.min(4.0)));
    }
    for _ in 0..r.below(30) {
        let (x, y, s) = (r.range(x0, x1), r.range(y0, y1), r.log_range(4.0, 26.0));
        let p = leaf(weather, r);
        f.oval([x + 0.3 * s, y + 0.3 * s], [s, s], &Paint { opaque: [0.4, 0.0], ..Paint::plain([0.05; 3], 0.0) });
        f.oval(
            [x, y],
            [s, s],
            &Paint { relief: 0.4, ..p.colour(Grain::Leaves, 0.03, 0.4).heat(Grain::Leaves, 0.03, 0.5) },
        );
    }
    stage.draw(&f, &Pose::new([0.0; 2], [1.0; 2], 0.0));
}

/// Broad light and shade, and thermal structure of its own that no visible edge shows.
pub fn shade(stage: &mut Stage, weather: &Weather, share: f32, r: &mut Random) {
    let tiles = stage.tiles;
    let (du, dv) = (r.unit(), r.unit());
    let (dark, own, soft) = (r.range(0.0, 0.16), share * r.log_range(0.05, 1.0), share * r.log_range(0.05, 0.6));
    let sun = 0.1 * weather.sun;
    stage.change(|x, y, modality, p| {
        let n = tiles.at(Grain::Broad, x * 0.0016 + du, y * 0.0016 + dv);
        if modality == Modality::Visible {
            (0..3).for_each(|c| p[c] *= 1.0 + dark * n);
        } else {
            p[3] += sun * n + own * tiles.at(Grain::Broad, x * 0.0022 + dv, y * 0.0022 + du);
            p[3] += soft * tiles.at(Grain::Soft, x * 0.004 + dv, y * 0.004 + dv);
        }
    });
}
