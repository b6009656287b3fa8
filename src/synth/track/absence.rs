//! Why a target is not seen, wholly or in part: it leaves the picture, goes behind something, or is gone.

use super::actor::Actor;
use super::kind::Kind;
use super::maker::Seeds;
use super::path::{Moment, Path, SCENE};
use super::shot::{Absence, Shot};
use super::table::Attribute;
use super::weather::Weather;
use crate::synth::random::Random;

/// A time during which something stands before the target, ticks: begin and end of full cover, and of the way there.
#[derive(Debug, Clone, Copy)]
pub struct Cover {
    from: f32,
    to: f32,
    ramp: f32,
}

/// Share of sequences with an absence, and the longest stretch of frames of which one is drawn.
const SHARE: f32 = 0.49;
const STRETCH: usize = 40;

/// Draws absences: marks the shots, bends the path out of the picture, and lists the covers that hide the target.
pub fn plan(shots: &mut [Shot], path: &mut Path, covers: &mut Vec<Cover>, on: &mut Vec<Attribute>, r: &mut Random) {
    let frames = shots.len();
    let mut begin = 1;
    while begin < frames {
        let stretch = (frames - begin).min(STRETCH);
        if r.chance(SHARE) {
            let long = ((r.range(0.2, 0.85) * stretch as f32).round() as usize).clamp(1, stretch);
            let from = begin + r.below(stretch - long + 1);
            absent(shots, [from, from + long], path, covers, on, r);
        }
        begin += stretch + 2;
    }
}

fn absent(
    shots: &mut [Shot],
    [from, to]: [usize; 2],
    path: &mut Path,
    covers: &mut Vec<Cover>,
    on: &mut Vec<Attribute>,
    r: &mut Random,
) {
    let (a, b) = (shots[from].now, shots[to - 1].now);
    let before = a - shots[from - 1].now;
    let u = r.unit();
    let middle = path.at(a);
    let (edge, dir) = nearest_edge(&middle);
    let distance = edge + 0.65 * middle.size * middle.aspect.max(1.0 / middle.aspect).sqrt() + 4.0;
    // Leaving takes time: what leaves faster than anything real is simply gone.
    let ramp = (distance / (r.range(0.12, 0.45) * middle.size)).max(2.0);
    let why = if u < 0.64 {
        Absence::Hidden
    } else if u < 0.85 && a > ramp {
        Absence::Left
    } else {
        Absence::Gone
    };
    match why {
        Absence::Hidden => {
            // It is not there in the first frame.
            let ramp = r.range(2.0, 9.0).min(before.max(1.5) + r.range(0.0, 3.0)).min(0.95 * (a - 0.8)).max(0.1);
            covers.push(Cover { from: a - 0.8, to: b + 0.8, ramp });
            on.extend([Attribute::To, Attribute::Po]);
        }
        Absence::Left => {
            for (t, m) in path.0.iter_mut().enumerate() {
                let t = t as f32;
                let f = if t < a { 1.0 - (a - t) / ramp } else { 1.0 - (t - b) / ramp };
                let f = f.clamp(0.0, 1.0).min(if t >= a && t <= b { 1.0 } else { f.max(0.0) });
                m.at[0] += dir[0] * distance * f;
                m.at[1] += dir[1] * distance * f;
            }
            on.push(Attribute::Ov);
        }
        Absence::Gone => on.push(Attribute::Ov),
    }
    shots[from..to].iter_mut().for_each(|s| s.absent = Some(why));
}

/// Distance of the centre to the nearest edge, and the way there.
fn nearest_edge(m: &Moment) -> (f32, [f32; 2]) {
    let [x, y] = m.at;
    let all = [(x, [-1.0, 0.0]), (SCENE[0] - x, [1.0, 0.0]), (y, [0.0, -1.0]), (SCENE[1] - y, [0.0, 1.0])];
    all.into_iter().fold((f32::MAX, [0.0; 2]), |a, b| if b.0 < a.0 { b } else { a })
}

/// Something that hides the target for the time of `cover`.
pub fn cover(target: &Actor, cover: &Cover, weather: &Weather, r: &mut Random) -> Actor {
    let kind = *r.pick(&[Kind::Post, Kind::Panel, Kind::Panel, Kind::Bush]);
    let margin = if kind == Kind::Bush { 1.55 } else { 1.25 };
    let (wide, tall) = (margin * r.range(1.0, 1.3), if kind == Kind::Post { r.range(1.6, 4.0) } else { margin });
    follow(target, kind, cover, [wide, tall], 0.0, weather, r)
}

/// Something that hides part of the target for some of the time, never in the first frame.
pub fn partial(target: &Actor, shots: &[Shot], weather: &Weather, r: &mut Random) -> Actor {
    let kinds = [Kind::Post, Kind::Panel, Kind::Bush, Kind::Walker, Kind::Sign, Kind::Plant, Kind::Parcel, Kind::Car];
    let kind = *r.pick(&kinds);
    let scale = r.range(0.5, 1.1);
    let cover = window(shots, r);
    follow(target, kind, &cover, [scale; 2], r.range(0.3, 0.8), weather, r)
}

/// A window pane before the target for some of the time.
pub fn pane(target: &Actor, shots: &[Shot], weather: &Weather, r: &mut Random) -> Actor {
    let cover = window(shots, r);
    let size = r.range(1.3, 2.2);
    follow(target, Kind::Glass, &cover, [size, size], r.range(0.0, 0.4), weather, r)
}

fn window(shots: &[Shot], r: &mut Random) -> Cover {
    let step = if shots.len() > 1 { shots[1].now } else { 1.0 };
    let last = shots.last().map_or(1.0, |s| s.now).max(step);
    let from = step + r.unit() * 0.7 * (last - step);
    let long = r.range(0.1, 0.6) * last.min(60.0);
    Cover { from, to: from + long, ramp: r.range(0.5, 1.0) * from.min(12.0) }
}

/// Something that comes from one side, stands `off` half sizes beside the target's centre, and goes on.
fn follow(
    target: &Actor,
    kind: Kind,
    cover: &Cover,
    [wide, tall]: [f32; 2],
    off: f32,
    weather: &Weather,
    r: &mut Random,
) -> Actor {
    let (s, c) = libm::sincosf(if r.chance(0.7) { r.range(-0.5, 0.5) } else { r.range(0.0, std::f32::consts::TAU) });
    let dir = [if r.chance(0.5) { c } else { -c }, s];
    let natural = match kind {
        Kind::Walker => Some(0.42),
        Kind::Car => Some(2.2),
        Kind::Sign => Some(0.5),
        Kind::Plant | Kind::Parcel => Some(1.0),
        _ => None,
    };
    let pace = r.range(0.0, 0.05);
    let ticks = target.path.0.len();
    let path = (0..ticks).map(|t| {
        let t = t as f32;
        let m = steady(&target.path, t);
        let root = m.aspect.sqrt();
        let (w, h) = (m.size * root * wide, m.size / root * tall);
        let way = if t < cover.from { -(cover.from - t) / cover.ramp } else { ((t - cover.to) / cover.ramp).max(0.0) };
        // Touching is this far apart; a little more while away.
        let apart = 0.5 * (dir[0].abs() * (w + m.size * root) + dir[1].abs() * (h + m.size / root)) * 1.1;
        let far = off * 0.5 * m.size * if dir[0].abs() > 0.7 { root } else { 1.0 / root };
        let along = way.clamp(-6.0, 6.0) * apart + if way == 0.0 { far } else { far * (1.0 - way.abs()).max(0.0) };
        let aspect = natural.unwrap_or(w / h);
        Moment {
            at: [m.at[0] + dir[0] * along, m.at[1] + dir[1] * along],
            size: (w * h).sqrt(),
            aspect,
            roll: 0.0,
            phase: pace * t,
            turn: 0.0,
            facing: 1.0,
        }
    });
    let path = Path(path.collect());
    let seeds = Seeds::draw(r);
    Actor::new(kind, seeds, path, weather)
}

/// The path without its jitter.
fn steady(path: &Path, t: f32) -> Moment {
    let mut m = path.at(t);
    let n = 5;
    let (mut x, mut y) = (0.0, 0.0);
    for k in -n..=n {
        let p = path.at(t + k as f32).at;
        x += p[0];
        y += p[1];
    }
    m.at = [x / (2 * n + 1) as f32, y / (2 * n + 1) as f32];
    m
}
