//! Houses, roads, railings, lamps.

use super::figure::{Figure, Paint, Pose};
use super::layer::Modality;
use super::maker::{Maker, Seeds};
use super::stage::Stage;
use super::tile::Grain;
use super::weather::Weather;
use crate::synth::random::Random;

const STILL: Pose = Pose { matrix: [1.0, 0.0, 0.0, 1.0], origin: [0.0, 0.0] };

fn wall(weather: &Weather, r: &mut Random) -> Paint {
    let v = r.range(0.25, 0.9);
    let rgb = [v, v * r.range(0.75, 1.0), v * r.range(0.6, 1.0)];
    let celsius = weather.ambient + r.normal(0.3, 1.2) + weather.sun * r.range(0.0, 0.8);
    let grain = *r.pick(&[Grain::Bricks, Grain::Rough, Grain::Rough, Grain::Fine]);
    let heat = if grain == Grain::Bricks && r.chance(0.5) { Grain::Bricks } else { Grain::Soft };
    Paint { relief: 0.03, place: [r.unit(), r.unit()], ..Paint::plain(rgb, celsius) }
        .colour(grain, r.range(0.006, 0.02), r.range(0.03, 0.15))
        .heat(heat, 0.008, r.range(0.1, 0.5))
}

/// Rows of windows between `x0, y0` and `x1, y1`: panes mirror the sky or show warm rooms.
fn windows(f: &mut Figure, [x0, y0, x1, y1]: [f32; 4], wall: &Paint, weather: &Weather, r: &mut Random) {
    let (wide, tall) = (r.range(0.4, 0.75), r.range(0.4, 0.8));
    let pitch = r.range(9.0, 46.0);
    let (nx, ny) = (((x1 - x0) / pitch) as usize, ((y1 - y0) / (pitch * r.range(0.8, 1.6))) as usize);
    if nx == 0 || ny == 0 || nx * ny > 400 {
        return;
    }
    let (px, py) = ((x1 - x0) / nx as f32, (y1 - y0) / ny as f32);
    let glass_k = -0.1 * (weather.ambient - weather.sky).min(20.0) * r.range(0.0, 1.5);
    let warm = r.chance(0.5);
    let shade = r.range(0.1, 0.5);
    let frames = r.chance(0.5);
    for j in 0..ny {
        for i in 0..nx {
            let x = x0 + px * (i as f32 + 0.5 - 0.5 * wide);
            let y = y0 + py * (j as f32 + 0.5 - 0.5 * tall);
            let (w, h) = (px * wide, py * tall);
            let lit = r.chance(0.2);
            let rgb = if lit { [0.95, 0.85, 0.6] } else { [shade * 0.8, shade * 0.95, shade * 1.1] };
            let k = if warm && r.chance(0.35) { r.range(0.5, 5.0) } else { glass_k };
            if frames {
                f.rect(x - 1.0, y - 1.0, x + w + 1.0, y + h + 1.0, &wall.brighter(1.25).warmer(0.6));
            }
            f.rect(x, y, x + w, y + h, &Paint::plain(rgb, wall.celsius + k).colour(Grain::Broad, 0.01, 0.2));
            if w > 9.0 {
                f.rect(x + 0.47 * w, y, x + 0.53 * w, y + h, &wall.brighter(1.1));
            }
        }
    }
}

/// Houses along row `horizon`.
pub fn houses(stage: &mut Stage, horizon: f32, weather: &Weather, r: &mut Random) {
    let [x0, _, x1, _] = stage.edges();
    let mut x = x0 + r.range(-60.0, 40.0);
    let (least, most) = if r.chance(0.5) { (20.0, 70.0) } else { (60.0, 220.0) };
    while x < x1 {
        let (w, h) = (r.range(35.0, 190.0), r.range(least, most));
        if r.chance(0.8) {
            let wall = wall(weather, r);
            let foot = horizon + r.range(2.0, 16.0);
            let mut f = Figure::default();
            f.rect(x, foot - h, x + w, foot, &wall);
            if r.chance(0.5) {
                let roof = Paint::plain([0.35, 0.2, 0.16], weather.ambient + r.normal(-1.0, 2.0));
                f.polygon(
                    &[
                        [x - 4.0, foot - h],
                        [x + 0.2 * w, foot - h - 0.3 * w.min(90.0)],
                        [x + 0.8 * w, foot - h - 0.3 * w.min(90.0)],
                        [x + w + 4.0, foot - h],
                    ],
                    &roof.colour(Grain::Bands, 0.02, 0.1),
                );
            }
            windows(&mut f, [x + 3.0, foot - h + 4.0, x + w - 3.0, foot - 8.0], &wall, weather, r);
            stage.draw(&f, &STILL);
        }
        x += w + if r.chance(0.4) { r.range(0.0, 60.0) } else { 0.0 };
    }
}

/// A far town.
pub fn city(stage: &mut Stage, horizon: f32, weather: &Weather, r: &mut Random) {
    let [x0, _, x1, _] = stage.edges();
    let haze = r.range(0.3, 0.9);
    let grey = 0.45 + 0.35 * haze;
    let warm = weather.ambient + r.normal(0.5, 1.0);
    let mut f = Figure::default();
    let mut x = x0;
    let tall = r.range(4.0, 34.0);
    while x < x1 {
        let (w, h) = (r.range(2.0, 14.0), tall * r.range(0.1, 1.0));
        let tone = grey * r.range(0.85, 1.1);
        f.rect(
            x,
            horizon - h,
            x + w,
            horizon + 3.0,
            &Paint::plain([tone, tone, tone * 1.05], warm + r.normal(0.0, 0.8)),
        );
        x += w + if r.chance(0.3) { r.range(0.0, 10.0) } else { 0.0 };
    }
    stage.draw(&f, &STILL);
}

/// A road that runs away or across.
pub fn road(stage: &mut Stage, horizon: f32, weather: &Weather, r: &mut Random) {
    if r.chance(0.25) {
        return;
    }
    let tiles = stage.tiles;
    let bottom = stage.edges()[3];
    let tone = r.range(0.25, 0.55);
    let warm = weather.ambient + weather.ground + r.normal(0.8, 1.2);
    let (middle, wide, lean) = (r.range(60.0, 260.0), r.range(0.6, 2.5), r.range(-1.5, 1.5));
    let (line_k, tracks) = (r.normal(0.0, 0.7), r.range(0.0, 0.8));
    let across = r.chance(0.35);
    let (near, far) = (r.range(20.0, 60.0), r.range(2.0, 14.0));
    stage.paint([horizon, bottom], |x, y, modality| {
        let depth = y - horizon + 1.0;
        // Along the road -1 to 1 from kerb to kerb.
        let (side, along, edge) = if across {
            ((depth - near) / (near - far), x * 0.01, (near - far) * 0.5)
        } else {
            ((x - middle - lean * depth) / (wide * depth), 30.0 / depth, wide * depth)
        };
        let d = (1.0 - side.abs()) * edge;
        let fine = tiles.at(Grain::Fine, x * 0.01, y * 0.01);
        let dash = along - along.floor();
        let line = side.abs() < 0.02 && dash < 0.5 || (side.abs() - 0.9).abs() < 0.015;
        let p = if modality == Modality::Visible {
            let v = if line { 0.85 } else { tone * (1.0 + 0.08 * fine) };
            [v, v, v * 1.02, 0.0]
        } else {
            let rut = (1.0 - ((side.abs() - 0.45) * 6.0).abs()).max(0.0) * tracks;
            [0.0, 0.0, 0.0, warm + rut + 0.15 * fine + if line { line_k } else { 0.0 }]
        };
        (p, d)
    });
}

/// A wall that fills the picture.
pub fn facade(stage: &mut Stage, weather: &Weather, r: &mut Random) {
    let [x0, y0, x1, y1] = stage.edges();
    let tiles = stage.tiles;
    let wall = wall(weather, r);
    stage.paint([y0, y1], |x, y, modality| (Stage::surface(tiles, &wall, x, y, modality), 1.0));
    let mut f = Figure::default();
    if r.chance(0.85) {
        windows(
            &mut f,
            [x0 + r.range(0.0, 90.0), y0 + 10.0, x1 - r.range(0.0, 90.0), r.range(100.0, 190.0)],
            &wall,
            weather,
            r,
        );
    }
    for _ in 0..r.below(4) {
        let (x, w, h) = (r.range(x0, x1), r.range(14.0, 60.0), r.range(40.0, 120.0));
        let seeds = Seeds::draw(r);
        let door = Maker::new(&seeds, weather, 0.0, 0.0).solid(r.normal(0.0, 2.5));
        let foot = r.range(150.0, 230.0);
        f.rect(x, foot - h, x + w, foot, &door.colour(Grain::Rough, 0.01, 0.1).heat(Grain::Soft, 0.01, 0.3));
    }
    for _ in 0..r.below(4) {
        let p = Paint::plain([0.4; 3], wall.celsius + r.normal(0.0, 2.0));
        let x = r.range(x0, x1);
        f.limb([x, y0], 2.5, [x, y1], 2.5, &p);
    }
    stage.draw(&f, &STILL);
}

/// Posts and a rail, as along a shore.
pub fn railing(stage: &mut Stage, horizon: f32, weather: &Weather, r: &mut Random) {
    if r.chance(0.45) {
        return;
    }
    let [x0, _, x1, _] = stage.edges();
    let p = Paint::plain([0.5, 0.45, 0.38], weather.ambient + r.normal(0.0, 1.0));
    let (y, tall, lean) = (horizon + r.range(10.0, 70.0), r.range(10.0, 50.0), r.range(-0.1, 0.1));
    let at = |x: f32| y + lean * (x - 160.0);
    let mut f = Figure::default();
    f.limb([x0, at(x0)], 2.0, [x1, at(x1)], 2.0, &p);
    let pitch = r.range(15.0, 70.0);
    let mut x = x0;
    while x < x1 {
        f.limb([x, at(x)], 1.6, [x, at(x) + tall], 1.8, &p.warmer(-0.3));
        x += pitch;
    }
    stage.draw(&f, &STILL);
}

/// A street lamp 1 high.
pub fn lamp(m: &mut Maker) -> Figure {
    let post = m.solid(0.0);
    let on = m.heat.chance(0.4);
    let bulb = Paint::plain([0.95, 0.9, 0.75], m.weather.ambient + if on { 25.0 } else { 0.5 });
    let mut f = Figure::default();
    f.limb([0.0, -0.5], 0.01, [0.0, 0.5], 0.015, &post);
    f.limb([0.0, -0.49], 0.01, [0.12, -0.5], 0.01, &post);
    f.oval([0.13, -0.49], [0.04, 0.02], &bulb);
    f
}
