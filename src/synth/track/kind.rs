//! Kinds of target: how large and how wide they are, where they are met, and how they are made.

use super::animals;
use super::figure::Figure;
use super::flyers;
use super::maker::{Maker, Seeds};
use super::occluders;
use super::people;
use super::things;
use super::vehicles;
use super::weather::Weather;
use crate::synth::random::Random;

/// A kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Someone on foot.
    Walker,
    /// Head and shoulders.
    Bust,
    /// A head.
    Head,
    /// Someone who sits or crouches.
    Seated,
    /// Someone on a bicycle or a motorcycle.
    Rider,
    /// A car from the side.
    Car,
    /// A car from the front or the back.
    CarEnd,
    /// A lorry or a bus.
    Truck,
    /// An animal on four legs.
    Beast,
    /// A bird.
    Bird,
    /// A drone.
    Drone,
    /// An aircraft.
    Plane,
    /// A helicopter.
    Helicopter,
    /// A box.
    Parcel,
    /// A mug.
    Mug,
    /// A ball.
    Ball,
    /// A bottle.
    Bottle,
    /// A plant.
    Plant,
    /// A sign.
    Sign,
    /// Anything.
    Lump,
    /// A trunk or a post, only in front of others.
    Post,
    /// A wall, a fence or a parked van, only in front of others.
    Panel,
    /// A bush, only in front of others.
    Bush,
    /// A window pane, only in front of others.
    Glass,
}

/// Where a kind is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habitat {
    /// In streets, parks, by water, in rooms.
    Anywhere,
    /// On roads.
    Road,
    /// In the sky.
    Sky,
    /// In rooms, on tables.
    Room,
    /// In fields and woods.
    Land,
}

/// What a kind is drawn by: widths over heights, sizes (pixels of a 630 x 480 picture), and how often.
struct Range {
    aspect: [f32; 2],
    size: [f32; 2],
    weight: f32,
}

impl Kind {
    /// All that can be a target.
    pub const TARGETS: [Kind; 20] = [
        Kind::Walker,
        Kind::Bust,
        Kind::Head,
        Kind::Seated,
        Kind::Rider,
        Kind::Car,
        Kind::CarEnd,
        Kind::Truck,
        Kind::Beast,
        Kind::Bird,
        Kind::Drone,
        Kind::Plane,
        Kind::Helicopter,
        Kind::Parcel,
        Kind::Mug,
        Kind::Ball,
        Kind::Bottle,
        Kind::Plant,
        Kind::Sign,
        Kind::Lump,
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Walker => "person",
            Kind::Bust => "person near",
            Kind::Head => "head",
            Kind::Seated => "person seated",
            Kind::Rider => "rider",
            Kind::Car => "car",
            Kind::CarEnd => "car end",
            Kind::Truck => "truck",
            Kind::Beast => "animal",
            Kind::Bird => "bird",
            Kind::Drone => "drone",
            Kind::Plane => "airplane",
            Kind::Helicopter => "helicopter",
            Kind::Parcel => "box",
            Kind::Mug => "mug",
            Kind::Ball => "ball",
            Kind::Bottle => "bottle",
            Kind::Plant => "plant",
            Kind::Sign => "sign",
            Kind::Lump => "thing",
            Kind::Post => "post",
            Kind::Panel => "panel",
            Kind::Bush => "bush",
            Kind::Glass => "glass",
        }
    }

    fn range(self) -> Range {
        let range = |aspect, size, weight| Range { aspect, size, weight };
        match self {
            Kind::Walker => range([0.2, 0.62], [10.0, 330.0], 30.0),
            Kind::Bust => range([0.62, 1.1], [90.0, 500.0], 10.0),
            Kind::Head => range([0.6, 1.0], [20.0, 400.0], 4.0),
            Kind::Seated => range([0.6, 1.0], [25.0, 330.0], 9.0),
            Kind::Rider => range([0.45, 0.95], [20.0, 300.0], 5.0),
            Kind::Car => range([1.7, 3.2], [20.0, 400.0], 12.0),
            Kind::CarEnd => range([0.95, 1.45], [16.0, 400.0], 9.0),
            Kind::Truck => range([1.4, 2.8], [30.0, 500.0], 5.0),
            Kind::Beast => range([0.95, 1.9], [14.0, 300.0], 4.0),
            Kind::Bird => range([0.9, 3.5], [8.0, 120.0], 6.0),
            Kind::Drone => range([1.1, 3.2], [8.0, 110.0], 18.0),
            Kind::Plane => range([1.6, 6.0], [8.0, 160.0], 8.0),
            Kind::Helicopter => range([1.5, 3.0], [10.0, 160.0], 6.0),
            Kind::Parcel => range([0.6, 1.6], [20.0, 300.0], 1.5),
            Kind::Mug => range([0.85, 1.35], [20.0, 300.0], 1.5),
            Kind::Ball => range([0.85, 1.2], [10.0, 200.0], 1.5),
            Kind::Bottle => range([0.2, 0.42], [25.0, 300.0], 1.5),
            Kind::Plant => range([0.6, 1.3], [30.0, 300.0], 0.7),
            Kind::Sign => range([0.3, 0.9], [20.0, 200.0], 0.7),
            Kind::Lump => range([0.1, 9.0], [1.0, 900.0], 9.0),
            Kind::Post | Kind::Panel | Kind::Bush | Kind::Glass => range([0.0, 0.0], [0.0, 0.0], 0.0),
        }
    }

    /// A target of about this width over height and size (pixels of a 630 x 480 picture).
    pub fn draw(aspect: f32, size: f32, r: &mut Random) -> Self {
        let fits = |k: Kind| {
            let Range { aspect: a, size: s, weight } = k.range();
            let inside = aspect >= a[0] && aspect <= a[1] && size >= s[0] && size <= s[1];
            if inside { weight } else { 0.0 }
        };
        let total: f32 = Self::TARGETS.iter().map(|k| fits(*k)).sum();
        let mut at = r.unit() * total;
        for k in Self::TARGETS {
            at -= fits(k);
            if at < 0.0 {
                return k;
            }
        }
        Kind::Lump
    }

    /// Where it is met.
    pub fn habitat(self) -> Habitat {
        match self {
            Kind::Bird | Kind::Drone | Kind::Plane | Kind::Helicopter => Habitat::Sky,
            Kind::Car | Kind::CarEnd | Kind::Truck | Kind::Rider | Kind::Sign => Habitat::Road,
            Kind::Mug | Kind::Bottle | Kind::Head => Habitat::Room,
            Kind::Beast => Habitat::Land,
            _ => Habitat::Anywhere,
        }
    }

    /// Whether its outline changes as it moves, beyond walking.
    pub fn deforms(self) -> bool {
        matches!(self, Kind::Beast | Kind::Bird | Kind::Lump)
    }

    /// Cycles of its movement in a frame at 30 Hz, least and most.
    pub fn pace(self) -> [f32; 2] {
        match self {
            Kind::Walker => [0.02, 0.05],
            Kind::Beast | Kind::Rider => [0.03, 0.09],
            Kind::Bird => [0.06, 0.25],
            Kind::Drone | Kind::Helicopter => [0.2, 0.45],
            Kind::Car | Kind::Truck => [0.0, 0.2],
            _ => [0.0, 0.02],
        }
    }

    /// How far it rolls to both sides, radians.
    pub fn roll(self) -> f32 {
        match self {
            Kind::Walker | Kind::Bust | Kind::Seated | Kind::Rider | Kind::Sign | Kind::Plant => 0.05,
            Kind::Car | Kind::CarEnd | Kind::Truck | Kind::Post | Kind::Panel | Kind::Bush | Kind::Glass => 0.02,
            Kind::Head | Kind::Beast | Kind::Mug | Kind::Bottle => 0.12,
            Kind::Bird | Kind::Drone | Kind::Plane | Kind::Helicopter => 0.25,
            Kind::Parcel | Kind::Ball | Kind::Lump => 0.4,
        }
    }

    /// Makes a pose of it.
    pub fn figure(self, seeds: &Seeds, weather: &Weather, phase: f32, turn: f32) -> Figure {
        let mut m = Maker::new(seeds, weather, phase, turn);
        let mut f = Figure::default();
        let make = match self {
            Kind::Walker => people::walker,
            Kind::Bust => people::bust,
            Kind::Head => people::head,
            Kind::Seated => people::seated,
            Kind::Rider => people::rider,
            Kind::Car => vehicles::car,
            Kind::CarEnd => vehicles::car_end,
            Kind::Truck => vehicles::truck,
            Kind::Beast => animals::beast,
            Kind::Bird => animals::bird,
            Kind::Drone => flyers::drone,
            Kind::Plane => flyers::plane,
            Kind::Helicopter => flyers::helicopter,
            Kind::Parcel => things::parcel,
            Kind::Mug => things::mug,
            Kind::Ball => things::ball,
            Kind::Bottle => things::bottle,
            Kind::Plant => things::plant,
            Kind::Sign => things::sign,
            Kind::Lump => things::lump,
            Kind::Post => occluders::post,
            Kind::Panel => occluders::panel,
            Kind::Bush => occluders::bush,
            Kind::Glass => occluders::glass,
        };
        make(&mut m, &mut f);
        f
    }
}
