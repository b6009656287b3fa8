//! Others in the scene: of the target's own kind, and passers-by.

use super::actor::Actor;
use super::kind::Kind;
use super::maker::Seeds;
use super::path::{Habit, Moment, Path, SCENE, Sway, wander};
use super::weather::Weather;
use crate::synth::random::Random;

/// How another moves beside the target.
#[derive(Clone, Copy)]
enum Way {
    /// As it likes.
    Own,
    /// Past the target, in front of it or behind.
    Across,
    /// Along with it.
    Along,
}

/// One to six others of the target's kind; half share its warmth, half its colours. Nearer ones pass in front.
pub fn likes(
    target: &Actor,
    view: &[[f32; 3]],
    weather: &Weather,
    [behind, front]: [&mut Vec<Actor>; 2],
    r: &mut Random,
) {
    let ticks = target.path.0.len();
    let first = target.path.0[0];
    for _ in 0..=r.below(6) {
        let mut seeds = Seeds::draw(r);
        if r.chance(0.5) {
            seeds.heat = target.seeds.heat;
        }
        if r.chance(0.5) {
            seeds.colour = target.seeds.colour;
        }
        if r.chance(0.3) {
            seeds.shape = target.seeds.shape;
        }
        let scale = libm::expf(r.normal(0.0, 0.22)).clamp(0.5, 1.8);
        let angle = r.range(0.0, std::f32::consts::TAU);
        let away = first.size * (0.5 + 0.5 * scale) * r.log_range(1.15, 4.0) + 2.0;
        let (s, c) = libm::sincosf(angle);
        let reach = [first.aspect.sqrt().max(0.75), (1.0 / first.aspect).sqrt().max(0.75)];
        let at = [first.at[0] + c * away * reach[0], first.at[1] + 0.6 * s * away * reach[1]];
        // Beside each other in the first frame.
        let apart = ((at[0] - first.at[0]) / (first.size * first.aspect.sqrt()))
            .abs()
            .max(((at[1] - first.at[1]) / (first.size / first.aspect.sqrt())).abs());
        if apart < 0.5 + 0.5 * scale {
            continue;
        }
        let start = Moment { at, size: first.size * scale, phase: r.unit(), ..first };
        let way = *r.pick(&[Way::Own, Way::Own, Way::Across, Way::Across, Way::Along]);
        let path = match way {
            Way::Own => stroll(start, target.kind, view, ticks, r),
            _ => beside(target, start, way, ticks, r),
        };
        let actor = Actor::new(target.kind, seeds, path, weather);
        if matches!(way, Way::Across) && r.chance(0.5) || scale > 1.0 && r.chance(0.7) {
            front.push(actor)
        } else {
            behind.push(actor)
        }
    }
}

/// Up to four things of other kinds, smaller, behind the target.
pub fn passers(target: &Actor, view: &[[f32; 3]], weather: &Weather, r: &mut Random) -> Vec<Actor> {
    let ticks = target.path.0.len();
    let count = if r.chance(0.45) { r.below(5) } else { 0 };
    let one = |r: &mut Random| {
        let kind = if weather.outdoor {
            *r.pick(&[Kind::Walker, Kind::Walker, Kind::Car, Kind::Rider, Kind::Beast, Kind::Lump, Kind::Bird])
        } else {
            *r.pick(&[Kind::Walker, Kind::Seated, Kind::Lump, Kind::Mug, Kind::Parcel])
        };
        let aspect = match kind {
            Kind::Walker => r.range(0.3, 0.5),
            Kind::Car => r.range(1.8, 2.6),
            _ => r.range(0.7, 1.4),
        };
        let start = Moment {
            at: [r.range(0.0, SCENE[0]), r.range(0.3, 0.9) * SCENE[1]],
            size: r.log_range(8.0, 50.0),
            aspect,
            roll: 0.0,
            phase: r.unit(),
            turn: 0.0,
            facing: if r.chance(0.5) { 1.0 } else { -1.0 },
        };
        let path = stroll(start, kind, view, ticks, r);
        Actor::new(kind, Seeds::draw(r), path, weather)
    };
    let mut all: Vec<Actor> = (0..count).map(|_| one(r)).collect();
    all.sort_by(|a, b| a.path.0[0].size.total_cmp(&b.path.0[0].size));
    all
}

/// A path with or past the target's.
fn beside(target: &Actor, start: Moment, way: Way, ticks: usize, r: &mut Random) -> Path {
    let first = target.path.0[0];
    let by = [start.at[0] - first.at[0], start.at[1] - first.at[1]];
    // It passes at this share of the time, a little above or below.
    let (meet, miss) = (r.range(0.15, 1.3), r.range(-0.15, 0.15) * first.size);
    let pace = r.range(0.8, 1.2);
    let mut sway = Sway::new(20.0, r);
    let one = |t: usize| {
        let f = t as f32 / ticks as f32;
        let m = target.path.at(t as f32);
        let k = match way {
            Way::Across => 1.0 - f / meet,
            _ => 1.0,
        };
        let drift = 0.06 * first.size * sway.next(r);
        let facing = match way {
            Way::Across => -by[0].signum(),
            _ => m.facing,
        };
        Moment {
            at: [m.at[0] + k * by[0] + drift, m.at[1] + k * by[1] + (1.0 - k.abs().min(1.0)) * miss],
            size: m.size * start.size / first.size,
            phase: start.phase + pace * (m.phase - first.phase),
            facing,
            ..m
        }
    };
    Path((0..ticks).map(one).collect())
}

/// A path of its own that goes with the scene as the camera turns.
fn stroll(start: Moment, kind: Kind, view: &[[f32; 3]], ticks: usize, r: &mut Random) -> Path {
    let [slow, fast] = kind.pace();
    let habit = Habit {
        speed: if r.chance(0.3) { 0.0 } else { r.log_range(0.006, 0.08) },
        memory: r.log_range(15.0, 100.0),
        steady: 0.9,
        growth: [0.1, 0.002],
        stretch: 0.03,
        roll: kind.roll() * r.unit(),
        pace: r.range(slow, fast),
    };
    let mut path = wander(start, &habit, ticks, r);
    for (m, look) in path.0.iter_mut().zip(view) {
        m.at[0] -= look[0];
        m.at[1] -= look[1];
    }
    path
}
