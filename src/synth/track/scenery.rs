//! Backgrounds: which parts make a place.

use super::backdrop;
use super::buildings;
use super::figure::Pose;
use super::kind::Kind;
use super::landscape;
use super::maker::{Maker, Seeds};
use super::place::Place;
use super::rooms;
use super::stage::Stage;
use super::weather::Weather;
use crate::synth::random::Random;

/// Paints a place, at times with what pictures show instead; `busy` adds things lying about.
pub fn paint(stage: &mut Stage, place: Place, weather: &Weather, busy: bool, r: &mut Random) {
    let album = stage.album;
    // Photographs show no place in particular, and next to none shows the sky alone.
    let share = if place == Place::Sky { 0.15 } else { 0.45 };
    let photo = !album.photos.is_empty() && r.chance(share);
    let thermal = !album.thermals.is_empty() && r.chance(share);
    if photo {
        backdrop::photo(stage, r.pick(&album.photos), weather, r);
    } else {
        scene(stage, place, weather, r);
    }
    if thermal {
        let own = r.chance(0.3);
        backdrop::thermal(stage, r.pick(&album.thermals), own, weather, r);
    }
    if busy {
        things(stage, weather, r);
    }
    landscape::shade(stage, weather, if thermal { 0.2 } else { 1.0 }, r);
}

fn scene(stage: &mut Stage, place: Place, weather: &Weather, r: &mut Random) {
    let horizon = r.range(60.0, 150.0);
    match place {
        Place::Sky => {
            let horizon = if r.chance(0.35) { 400.0 } else { r.range(150.0, 260.0) };
            landscape::sky(stage, horizon, weather, r);
            if horizon < 300.0 {
                skyline(stage, horizon, weather, r);
                landscape::ground(stage, horizon, weather, r);
            }
            if r.chance(0.25) {
                landscape::branches(stage, weather, r);
            }
        }
        Place::Field => {
            landscape::sky(stage, horizon, weather, r);
            skyline(stage, horizon, weather, r);
            landscape::ground(stage, horizon, weather, r);
            landscape::trees(stage, horizon, r.clone().below(4), weather, r);
        }
        Place::Street => {
            landscape::sky(stage, horizon, weather, r);
            skyline(stage, horizon, weather, r);
            landscape::ground(stage, horizon, weather, r);
            buildings::houses(stage, horizon, weather, r);
            buildings::road(stage, horizon, weather, r);
            landscape::trees(stage, horizon, r.clone().below(5), weather, r);
            extras(stage, horizon, weather, r);
        }
        Place::Wood => {
            landscape::sky(stage, horizon, weather, r);
            landscape::ridge(stage, horizon, r.clone().range(40.0, 160.0), weather, r);
            landscape::ground(stage, horizon, weather, r);
            landscape::trees(stage, horizon, 4 + r.clone().below(12), weather, r);
        }
        Place::Water => {
            landscape::sky(stage, horizon, weather, r);
            skyline(stage, horizon, weather, r);
            landscape::water(stage, horizon, weather, r);
            if r.chance(0.5) {
                landscape::shore(stage, weather, r);
            }
            buildings::railing(stage, horizon, weather, r);
        }
        Place::Above => landscape::above(stage, weather, r),
        Place::Room => rooms::room(stage, weather, r),
        Place::Facade => {
            buildings::facade(stage, weather, r);
            if r.chance(0.7) {
                let foot = r.range(150.0, 215.0);
                landscape::ground(stage, foot, weather, r);
                buildings::road(stage, foot, weather, r);
            }
            extras(stage, 170.0, weather, r);
        }
        Place::Clutter => rooms::clutter(stage, weather, r),
    }
}

fn skyline(stage: &mut Stage, horizon: f32, weather: &Weather, r: &mut Random) {
    for _ in 0..=r.below(3) {
        let tall = r.log_range(2.0, 60.0);
        landscape::ridge(stage, horizon, tall, weather, r);
    }
    if r.chance(0.4) {
        buildings::city(stage, horizon, weather, r);
    }
}

/// People, cars and lamps far away.
fn extras(stage: &mut Stage, horizon: f32, weather: &Weather, r: &mut Random) {
    let [x0, _, x1, _] = stage.edges();
    for _ in 0..r.below(9) {
        let (kind, aspect, tall) = *r.pick(&[
            (Kind::Walker, 0.4, 1.0),
            (Kind::Walker, 0.4, 1.0),
            (Kind::Car, 2.2, 0.8),
            (Kind::CarEnd, 1.2, 0.8),
            (Kind::Seated, 0.7, 0.7),
            (Kind::Sign, 0.5, 1.3),
        ]);
        let depth = r.log_range(6.0, 45.0);
        let at = [r.range(x0, x1), horizon + 0.75 * depth];
        place(stage, kind, at, [aspect * tall * depth, tall * depth], weather, r);
    }
    for _ in 0..r.below(4) {
        let seeds = Seeds::draw(r);
        let mut m = Maker::new(&seeds, weather, 0.0, 0.0);
        let lamp = buildings::lamp(&mut m);
        let tall = r.range(30.0, 120.0);
        stage.draw(&lamp, &Pose::new([r.range(x0, x1), horizon + 8.0 - 0.4 * tall], [tall; 2], 0.0));
    }
}

/// Things of any kind, anywhere.
fn things(stage: &mut Stage, weather: &Weather, r: &mut Random) {
    let [x0, y0, x1, y1] = stage.edges();
    for _ in 0..4 + r.below(14) {
        let kind = *r.pick(&[
            Kind::Lump,
            Kind::Lump,
            Kind::Parcel,
            Kind::Bush,
            Kind::Sign,
            Kind::Panel,
            Kind::Walker,
            Kind::Plant,
        ]);
        let tall = r.log_range(6.0, 70.0);
        let at = [r.range(x0, x1), r.range(y0.max(40.0), y1)];
        place(stage, kind, at, [tall * if kind == Kind::Walker { 0.4 } else { r.range(0.6, 1.6) }, tall], weather, r);
    }
}

/// One still thing of this size.
fn place(stage: &mut Stage, kind: Kind, at: [f32; 2], size: [f32; 2], weather: &Weather, r: &mut Random) {
    let figure = kind.figure(&Seeds::draw(r), weather, r.unit(), 0.0);
    let whole = figure.extent(&Pose::new([0.0; 2], [1.0; 2], 0.0));
    let scale = [size[0] / whole.width().max(0.1), size[1] / whole.height().max(0.1)];
    let mirrored = if r.chance(0.5) { 1.0 } else { -1.0 };
    stage.draw(&figure, &Pose::new(at, [mirrored * scale[0], scale[1]], 0.0));
}
