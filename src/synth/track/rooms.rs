//! Rooms, and shapes without order.

use super::figure::{Figure, Paint, Pose};
use super::kind::Kind;
use super::layer::Modality;
use super::maker::{Maker, Seeds};
use super::stage::Stage;
use super::tile::Grain;
use super::weather::Weather;
use crate::synth::random::Random;

const STILL: Pose = Pose { matrix: [1.0, 0.0, 0.0, 1.0], origin: [0.0, 0.0] };

/// A wall, a floor, furniture, and what is warm or cold in a room.
pub fn room(stage: &mut Stage, weather: &Weather, r: &mut Random) {
    let tiles = stage.tiles;
    let [x0, y0, x1, y1] = stage.edges();
    let a = weather.ambient;
    let floor = r.range(130.0, 260.0);
    let (v, w) = (r.range(0.35, 0.92), r.range(0.2, 0.7));
    let wall = Paint::plain([v, v * r.range(0.85, 1.0), v * r.range(0.7, 1.0)], a)
        .colour(*r.pick(&[Grain::Soft, Grain::Fine, Grain::Bricks, Grain::Bands]), 0.006, r.range(0.01, 0.08))
        .heat(Grain::Soft, 0.004, r.range(0.05, 0.35));
    let boards = Paint::plain([w, w * r.range(0.7, 1.0), w * r.range(0.5, 0.9)], a - r.range(0.0, 1.5))
        .colour(*r.pick(&[Grain::Bands, Grain::Rough, Grain::Cells, Grain::Bricks]), 0.008, r.range(0.04, 0.2))
        .heat(Grain::Soft, 0.005, r.range(0.05, 0.4));
    let slope = r.normal(0.006, 0.006);
    let corner = r.range(-200.0, 500.0);
    stage.paint([y0, y1], |x, y, modality| {
        let paint = if y < floor { &wall } else { &boards };
        let mut p = Stage::surface(tiles, paint, x, y, modality);
        if modality == Modality::Visible {
            let s = if x < corner { 1.0 } else { 0.82 };
            (0..3).for_each(|c| p[c] *= s);
        } else {
            p[3] += slope * (120.0 - y);
        }
        (p, 1.0)
    });
    let mut f = Figure::default();
    let spot = |r: &mut Random| [r.range(x0, x1), r.range(y0, floor)];
    if r.chance(0.6) {
        let [x, y] = spot(r);
        let (w, h) = (r.range(40.0, 130.0), r.range(50.0, 120.0));
        let k = r.normal(-2.0, 3.0);
        f.rect(x - 4.0, y - 4.0, x + w + 4.0, y + h + 4.0, &Paint::plain([0.85; 3], a + 0.4 * k));
        let bright = r.range(0.3, 1.0);
        let pane = Paint::plain([bright * 0.85, bright * 0.95, bright], a + k).colour(Grain::Rough, 0.006, 0.15);
        f.rect(x, y, x + 0.48 * w, y + h, &pane);
        f.rect(x + 0.52 * w, y, x + w, y + h, &pane.warmer(-0.3));
    }
    if r.chance(0.4) {
        let x = r.range(x0, x1);
        let (w, k) = (r.range(50.0, 110.0), r.range(3.0, 24.0));
        let ribs = 6 + r.below(8);
        for i in 0..ribs {
            let x = x + w * i as f32 / ribs as f32;
            f.limb([x, floor - 50.0], 2.6, [x, floor - 8.0], 2.6, &Paint::plain([0.85; 3], a + k));
        }
    }
    for _ in 0..2 + r.below(9) {
        let seeds = Seeds::draw(r);
        let mut m = Maker::new(&seeds, weather, 0.0, 0.0);
        let k = r.normal(0.0, 0.8);
        let p = m.solid(k);
        let p = p.colour(p.colour.0, 0.012, p.colour.2.min(0.25)).heat(Grain::Soft, 0.008, 0.3);
        let (w, h) = (r.range(10.0, 130.0), r.range(10.0, 90.0));
        let [x, y] = [r.range(x0, x1), r.range(y0 + 30.0, y1)];
        f.rect(x, y, x + w, y + h, &p);
        if r.chance(0.5) {
            f.rect(
                x + 0.06 * w,
                y + 0.1 * h,
                x + 0.94 * w,
                y + 0.45 * h,
                &p.brighter(r.range(0.6, 1.3)).warmer(r.normal(0.0, 0.4)),
            );
        }
    }
    for _ in 0..r.below(4) {
        let [x, y] = spot(r);
        let k = r.range(2.0, 14.0);
        f.rect(
            x,
            y,
            x + r.range(20.0, 60.0),
            y + r.range(15.0, 40.0),
            &Paint::plain([0.08; 3], a + k).heat(Grain::Broad, 0.02, 0.1 * k),
        );
    }
    if r.chance(0.5) {
        let [x, y] = spot(r);
        let s = r.range(4.0, 16.0);
        f.oval([x, y], [s, s], &Paint::plain([1.0, 0.97, 0.9], a + r.range(3.0, 45.0)));
    }
    stage.draw(&f, &STILL);
    for _ in 0..r.below(4) {
        let kind = *r.pick(&[Kind::Seated, Kind::Plant, Kind::Mug, Kind::Bottle, Kind::Parcel, Kind::Walker]);
        let tall = if kind == Kind::Mug { r.range(8.0, 24.0) } else { r.range(25.0, 110.0) };
        let figure = kind.figure(&Seeds::draw(r), weather, r.unit(), 0.0);
        stage.draw(&figure, &Pose::new([r.range(x0, x1), r.range(80.0, 230.0)], [tall; 2], 0.0));
    }
}

/// Shapes of every size, colour and warmth over each other.
pub fn clutter(stage: &mut Stage, weather: &Weather, r: &mut Random) {
    let tiles = stage.tiles;
    let [x0, y0, x1, y1] = stage.edges();
    let seeds = Seeds::draw(r);
    let mut m = Maker::new(&seeds, weather, 0.0, 0.0);
    let base = m.solid(0.0);
    let base = base.colour(base.colour.0, 0.006, base.colour.2).heat(Grain::Soft, 0.006, 0.5);
    stage.paint([y0, y1], |x, y, modality| (Stage::surface(tiles, &base, x, y, modality), 1.0));
    let spread = r.log_range(0.4, 5.0);
    let mut f = Figure::default();
    for _ in 0..30 + r.below(120) {
        let k = r.normal(0.0, spread);
        let p = m.solid(k);
        let s = 5.0 / (1.0 - 0.993 * r.unit()).sqrt();
        let p = p.colour(p.colour.0, 0.5 / s, p.colour.2.min(0.25)).heat(p.heat.0, 0.4 / s, p.heat.2.min(0.3 * spread));
        let p = Paint { opaque: *r.pick(&[[1.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]), ..p };
        let (x, y) = (r.range(x0, x1), r.range(y0, y1));
        let t = s * r.range(0.4, 1.6);
        match r.below(3) {
            0 => f.oval([x, y], [s, t], &p),
            1 => f.rect(x - s, y - t, x + s, y + t, &p),
            _ => {
                let n = 3 + r.below(4);
                let corner = |i: usize, r: &mut Random| {
                    let (sn, c) = libm::sincosf((i as f32 + r.unit()) / n as f32 * std::f32::consts::TAU);
                    [x + s * c, y + t * sn]
                };
                let points: Vec<[f32; 2]> = (0..n).map(|i| corner(i, r)).collect();
                f.polygon(&points, &p);
            }
        }
    }
    stage.draw(&f, &STILL);
}
