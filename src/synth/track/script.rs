//! All that happens in a sequence, drawn before a pixel is: kinds, paths, cameras, absences. Rendering only follows it.

use super::absence;
use super::actor::Actor;
use super::cameras::{Light, Offset, ThermalCamera, VisibleCamera};
use super::crowd;
use super::figure::{Figure, Pose};
use super::kind::Kind;
use super::layer::Modality;
use super::maker::Seeds;
use super::path::{Habit, Moment, SCENE, Wander, wander};
use super::place::Place;
use super::shot::Shot;
use super::table::{self, Attribute, SIZE, WIDTH};
use super::weather::Weather;
use crate::geometry::Rect;
use crate::synth::random::Random;

/// Ticks per second.
pub const TICKS: f32 = 30.0;

/// A sequence, not yet rendered.
#[derive(Debug, Clone)]
pub struct Script {
    /// What `LasHeR` would say of it.
    pub attributes: Vec<Attribute>,
    /// The weather.
    pub weather: Weather,
    /// The place.
    pub place: Place,
    /// Seed of the place's details.
    pub place_seed: u64,
    /// Light comes from there.
    pub light: [f32; 2],
    /// The target.
    pub target: Actor,
    /// Everything behind it, from back to front.
    pub behind: Vec<Actor>,
    /// Everything in front of it, from back to front.
    pub front: Vec<Actor>,
    /// Where the camera looks at every tick: pan in scene pixels, zoom.
    pub view: Vec<[f32; 3]>,
    /// The thermal camera.
    pub thermal: ThermalCamera,
    /// The visible camera.
    pub visible: VisibleCamera,
    /// Offset between both.
    pub offset: Offset,
    /// Contrast of the target's temperature to its surroundings: at the start, at the end.
    pub contrast: [f32; 2],
    /// Smoke in visible light: density at the start and the end.
    pub smoke: [f32; 2],
    /// Warm gas in thermal, K.
    pub gas: f32,
    /// Its frames.
    pub shots: Vec<Shot>,
}

/// Draws of the attributes that are not consequences of others.
struct Wish {
    /// Of size, speed, aspect and offset, 0 to 1.
    rank: [f32; 4],
    on: Vec<Attribute>,
}

/// Share `k` of sequence `index`: spread evenly over neighbouring sequences, so that small sets have the percentiles
/// of large ones (Weyl's sequence).
fn even(seed: u64, index: u64, k: usize) -> f32 {
    const PRIMES: [u32; 16] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53];
    let start = f64::from(Random::new(seed ^ 0xe7e7, k as u64).unit());
    let u = start + (index % 1_000_000) as f64 * f64::from(PRIMES[k]).sqrt();
    (u - u.floor()).min(0.999_999) as f32
}

impl Wish {
    fn draw(seed: u64, index: u64) -> Self {
        use Attribute::{Aiv, Arc, Bc, Cm, Fl, Fm, Hi, Ho, Li, Lr, Mb, Po, Sa, Sv, Tc, To};
        let rank = std::array::from_fn(|k| even(seed, index, k));
        let drawn = [Po, Ho, Sv, Tc, Cm, Sa, Arc, Mb, Bc, Aiv, Fl].into_iter().enumerate();
        // Total occlusion brings partial occlusion of its own.
        let share = |a: Attribute| if a == Po { 1.0 - (1.0 - Po.share()) / (1.0 - To.share()) } else { a.share() };
        let mut on: Vec<Attribute> =
            drawn.filter(|(k, a)| even(seed, index, 5 + k) < share(*a)).map(|(_, a)| a).collect();
        // Slow and large targets lack what fast and small ones have.
        if rank[0] < Lr.share() {
            on.push(Lr);
        }
        if rank[1] > 1.0 - Fm.share() {
            on.push(Fm);
        }
        match even(seed, index, 4) {
            u if u < Li.share() => on.push(Li),
            u if u < Li.share() + Hi.share() => on.push(Hi),
            _ => {}
        }
        Self { rank, on }
    }

    fn has(&self, a: Attribute) -> bool {
        self.on.contains(&a)
    }
}

impl Script {
    /// Draws sequence `index` of `seed` with `frames` frames.
    pub fn draw(seed: u64, index: u64, frames: usize) -> Self {
        // Drawn a little narrower than the table says, as strides widen boxes.
        const DRAWN: [f32; 7] = [0.37, 0.445, 0.54, 0.95, 1.29, 1.60, 2.7];
        let r = &mut Random::new(seed, index);
        let mut wish = Wish::draw(seed, index);
        let size = table::quantile(&SIZE, [14.0, 400.0], wish.rank[0]);
        let aspect = table::quantile(&DRAWN, [0.28, 3.9], wish.rank[2]);
        let kind = Kind::draw(aspect, size, r);
        let size = size * SCENE[0] / WIDTH;
        let thermal = ThermalCamera::draw(size, wish.has(Attribute::Mb), r);
        let place = Place::draw(kind.habitat(), r);
        let weather = Weather::draw(place.outdoor(), r);
        let ticks = ((frames - 1) as f32 * TICKS / thermal.fps) as usize + 3;
        let habit = habit(&wish, kind, r);
        let start = start(size, aspect, kind, r);
        let mut path = wander(start, &habit, ticks, r);
        let view = view(wish.has(Attribute::Cm), ticks, r);

        let mut shots = shots(frames, &thermal, r);
        let mut cover = Vec::new();
        absence::plan(&mut shots, &mut path, &mut cover, &mut wish.on, r);
        let seeds = Seeds::draw(r);
        let target = Actor::new(kind, seeds, path, &weather);
        let (mut behind, mut front) = (crowd::passers(&target, &view, &weather, r), Vec::new());
        if wish.has(Attribute::Sa) {
            crowd::likes(&target, &view, &weather, [&mut behind, &mut front], r);
        }
        if wish.has(Attribute::Po) {
            front.push(absence::partial(&target, &shots, &weather, r));
        }
        if wish.has(Attribute::Ho) {
            front.push(absence::pane(&target, &shots, &weather, r));
        }
        front.extend(cover.iter().map(|c| absence::cover(&target, c, &weather, r)));

        // The first frame is what a tracker is given.
        let first = target.outline(&weather, 0.0);
        front.retain(|a: &Actor| {
            let other = a.outline(&weather, 0.0);
            first.intersection(other).area() < 0.2 * first.area()
        });

        let light = if wish.has(Attribute::Li) {
            Light::Low
        } else if wish.has(Attribute::Hi) {
            Light::High
        } else {
            Light::Good
        };
        let mut visible = VisibleCamera::draw(light, wish.has(Attribute::Mb), r);
        if wish.has(Attribute::Aiv) {
            let factor = if r.chance(0.5) { r.range(0.2, 0.5) } else { r.range(1.7, 3.0) };
            visible.jump = Some((r.range(0.1, 0.9) * ticks as f32, factor));
        }
        let contrast = if wish.has(Attribute::Tc) {
            let low = if r.chance(0.35) { r.range(0.0, 0.08) } else { r.range(0.08, 0.4) };
            if r.chance(0.6) { [r.range(0.4, 1.0), low] } else { [low.max(0.1), low] }
        } else {
            [1.0; 2]
        };
        let smoke = if r.chance(0.08) { [r.range(0.2, 1.0), r.range(0.2, 1.0)] } else { [0.0; 2] };
        let gas = if r.chance(0.06) { r.range(2.0, 15.0) } else { 0.0 };
        let angle = r.range(-2.6, -0.5);
        let (s, c) = libm::sincosf(angle);
        let offset = Offset::draw(wish.rank[3], r);
        let place_seed = r.bits();
        for i in 0..frames {
            shots[i].visible = visible.newest(shots[i].now);
            if i > 0 && wish.has(Attribute::Fl) && r.chance(0.25) {
                shots[i].visible = shots[i - 1].visible;
            }
        }
        if kind.deforms() && habit.pace > 0.0 {
            wish.on.push(Attribute::Def);
        }
        wish.on.sort();
        wish.on.dedup();
        Self {
            attributes: wish.on,
            weather,
            place,
            place_seed,
            light: [c, s],
            target,
            behind,
            front,
            view,
            thermal,
            visible,
            offset,
            contrast,
            smoke,
            gas,
            shots,
        }
    }

    /// Where the camera looks at `t`.
    pub fn view(&self, t: f32) -> [f32; 3] {
        let last = self.view.len() - 1;
        let t = t.clamp(0.0, last as f32);
        let (i, f) = (t as usize, t - (t as usize) as f32);
        let (a, b) = (self.view[i], self.view[(i + 1).min(last)]);
        std::array::from_fn(|k| a[k] + f * (b[k] - a[k]))
    }

    /// Columns and rows of the pictures.
    pub fn size(&self, modality: Modality) -> [usize; 2] {
        match modality {
            Modality::Visible => SCENE.map(|s| s as usize),
            Modality::Thermal => self.thermal.size,
        }
    }

    /// Pixels of the picture per scene pixel.
    pub fn scale(&self, modality: Modality) -> f32 {
        self.size(modality)[0] as f32 / SCENE[0]
    }

    /// The figure of `actor` at `t` as `modality` sees it, in pixels of its picture.
    pub fn pose(&self, actor: &Actor, modality: Modality, t: f32) -> (Figure, Pose) {
        let (by, growth) = match modality {
            Modality::Visible => ([0.0; 2], 1.0),
            Modality::Thermal => (self.offset.at(t), self.offset.growth),
        };
        let (figure, pose) = actor.pose(&self.weather, t, by, growth);
        (figure, pose.then(self.scale(modality), [0.0; 2]))
    }

    /// The target's box at `t`, cut to the picture; `None` where it is out of it. Occlusion is not looked at.
    pub fn outline(&self, modality: Modality, t: f32) -> Option<Rect> {
        let (figure, pose) = self.pose(&self.target, modality, t);
        let [w, h] = self.size(modality);
        let cut = figure.extent(&pose).intersection(Rect::new(0.0, 0.0, w as f32, h as f32));
        (cut.width() >= 1.0 && cut.height() >= 1.0).then_some(cut)
    }
}

fn habit(wish: &Wish, kind: Kind, r: &mut Random) -> Habit {
    // The speed's distribution over sequences, by its percentiles, that gives the table's shifts.
    const SPEED: [f32; 7] = [0.006, 0.019, 0.0375, 0.060, 0.098, 0.138, 0.30];
    let speed = table::quantile(&SPEED, [0.002, 0.5], wish.rank[1]);
    let [slow, fast] = kind.pace();
    // Half of the shapeless things are stiff.
    let stiff = kind == Kind::Lump && r.chance(0.4);
    Habit {
        speed,
        memory: r.log_range(12.0, 80.0),
        steady: r.range(0.56, 0.9),
        growth: if wish.has(Attribute::Sv) {
            [r.log_range(0.045, 0.42), r.log_range(0.0002, 0.06)]
        } else {
            [0.02, 0.001]
        },
        stretch: if wish.has(Attribute::Arc) { r.range(0.1, 0.3) } else { 0.02 },
        roll: kind.roll() * r.unit(),
        pace: if stiff { 0.0 } else { r.range(slow, fast) }
            * if matches!(kind, Kind::Walker) { (speed / 0.03).clamp(0.5, 1.4) } else { 1.0 },
    }
}

fn start(size: f32, aspect: f32, kind: Kind, r: &mut Random) -> Moment {
    let root = aspect.sqrt();
    let place = |half: f32, whole: f32, r: &mut Random| {
        let half = (half + 3.0).min(0.45 * whole);
        r.range(half, whole - half)
    };
    let at = [place(0.5 * size * root, SCENE[0], r), place(0.5 * size / root, SCENE[1], r)];
    let up = if matches!(kind, Kind::Bust) { SCENE[1] - 0.48 * size / root } else { at[1] };
    Moment {
        at: [at[0], if r.chance(0.5) { up } else { at[1] }],
        size,
        aspect,
        roll: 0.0,
        phase: r.unit(),
        turn: 0.0,
        facing: if r.chance(0.5) { 1.0 } else { -1.0 },
    }
}

fn view(moves: bool, ticks: usize, r: &mut Random) -> Vec<[f32; 3]> {
    let speed = if moves { r.log_range(0.4, 7.0) } else { r.range(0.0, 0.12) };
    let memory = if moves { r.log_range(4.0, 60.0) } else { 3.0 };
    let zoom = if moves && r.chance(0.4) { r.range(0.02, 0.15) } else { 0.0 };
    let mut by = [Wander::new(memory, r), Wander::new(memory, r)];
    let mut closer = Wander::new(60.0, r);
    let first = closer.next(r);
    let mut at = [0.0f32; 2];
    (0..ticks)
        .map(|_| {
            let look = [at[0], at[1], libm::expf(zoom * (closer.next(r) - first))];
            at[0] += speed * by[0].next(r);
            at[1] += 0.5 * speed * by[1].next(r);
            look
        })
        .collect()
}

fn shots(frames: usize, thermal: &ThermalCamera, r: &mut Random) -> Vec<Shot> {
    let step = TICKS / thermal.fps;
    let shot = |i: usize| {
        let now = i as f32 * step;
        Shot { now, visible: now, ffc: false, absent: None }
    };
    let mut shots: Vec<Shot> = (0..frames).map(shot).collect();
    if frames > 2 && r.chance(0.12) {
        let from = 1 + r.below(frames - 1);
        let until = shots[from].now + r.range(0.3, 1.5) * TICKS;
        for s in shots[from..].iter_mut().take_while(|s| s.now < until) {
            s.ffc = true;
        }
    }
    shots
}
