//! How things move: over the picture, towards the camera, through their poses. In frames of 30 Hz, called ticks.

use super::figure::Point;
use crate::synth::random::Random;

/// Columns and rows of the scene's own pixels: those of the visible picture.
pub const SCENE: [f32; 2] = [320.0, 240.0];

/// A thing at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moment {
    /// Centre, scene pixels.
    pub at: Point,
    /// Square root of the box's area, scene pixels.
    pub size: f32,
    /// Width over height.
    pub aspect: f32,
    /// Roll, radians.
    pub roll: f32,
    /// Where in its cycle of movement.
    pub phase: f32,
    /// How far it is turned.
    pub turn: f32,
    /// 1 or, mirrored, -1.
    pub facing: f32,
}

/// A thing over time.
#[derive(Debug, Clone, Default)]
pub struct Path(pub Vec<Moment>);

impl Path {
    /// At `t` ticks, clamped to the path's ends.
    pub fn at(&self, t: f32) -> Moment {
        let last = self.0.len() - 1;
        let t = t.clamp(0.0, last as f32);
        let (i, f) = (t as usize, t - (t as usize) as f32);
        let (a, b) = (self.0[i], self.0[(i + 1).min(last)]);
        let mix = |a: f32, b: f32| a + f * (b - a);
        Moment {
            at: [mix(a.at[0], b.at[0]), mix(a.at[1], b.at[1])],
            size: mix(a.size, b.size),
            aspect: mix(a.aspect, b.aspect),
            roll: mix(a.roll, b.roll),
            phase: mix(a.phase, b.phase),
            turn: mix(a.turn, b.turn),
            facing: a.facing,
        }
    }

    /// Movement around `t`, pixels per tick.
    pub fn velocity(&self, t: f32) -> Point {
        let (a, b) = (self.at(t - 0.5).at, self.at(t + 0.5).at);
        [b[0] - a[0], b[1] - a[1]]
    }
}

/// A value that wanders around zero with deviation 1 and forgets within `memory` ticks.
#[derive(Debug, Clone)]
pub struct Wander {
    value: f32,
    keep: f32,
    kick: f32,
}

impl Wander {
    /// Starts anywhere.
    pub fn new(memory: f32, r: &mut Random) -> Self {
        let keep = libm::expf(-1.0 / memory);
        Self { value: r.normal(0.0, 1.0), keep, kick: (1.0 - keep * keep).sqrt() }
    }

    /// The next value.
    pub fn next(&mut self, r: &mut Random) -> f32 {
        self.value = self.keep * self.value + r.normal(0.0, self.kick);
        self.value
    }
}

/// Like [`Wander`], but smooth: its steps wander too (an autoregression of second order with a double root).
#[derive(Debug, Clone)]
pub struct Sway {
    last: [f32; 2],
    keep: f32,
    kick: f32,
}

impl Sway {
    /// Starts anywhere.
    pub fn new(memory: f32, r: &mut Random) -> Self {
        let keep = libm::expf(-1.0 / memory);
        let q = keep * keep;
        let kick = ((1.0 - q) * (1.0 - q) * (1.0 - q) / (1.0 + q)).sqrt();
        let value = r.normal(0.0, 1.0);
        let step = r.normal(0.0, 1.0) * (1.0 - keep);
        Self { last: [value, value - step], keep, kick }
    }

    /// The next value.
    pub fn next(&mut self, r: &mut Random) -> f32 {
        let [a, b] = self.last;
        let next = 2.0 * self.keep * a - self.keep * self.keep * b + r.normal(0.0, self.kick);
        self.last = [next, a];
        next
    }
}

/// How something moves.
#[derive(Debug, Clone, Copy)]
pub struct Habit {
    /// Deviation of its velocity per axis, sizes per tick.
    pub speed: f32,
    /// Ticks for which it keeps its course.
    pub memory: f32,
    /// Share of the velocity's variance that is kept; the rest is drawn anew in every tick.
    pub steady: f32,
    /// Deviation of the size's logarithm over a long time, and per tick.
    pub growth: [f32; 2],
    /// Deviation of the aspect's logarithm.
    pub stretch: f32,
    /// Roll to both sides.
    pub roll: f32,
    /// Cycles per tick.
    pub pace: f32,
}

/// Draws a path of `ticks` that starts at `start` and keeps its centre within the picture.
pub fn wander(start: Moment, habit: &Habit, ticks: usize, r: &mut Random) -> Path {
    let mut course = [Wander::new(habit.memory, r), Wander::new(habit.memory, r)];
    let mut effort = Wander::new(25.0, r);
    let mut grow = Sway::new(30.0, r);
    let mut stretch = Sway::new(20.0, r);
    let mut roll = Sway::new(15.0, r);
    let mut turn = Sway::new(25.0, r);
    let (kept, fresh) = (habit.steady.sqrt(), (1.0 - habit.steady).sqrt());
    let [grow0, stretch0, roll0, turn0] = [&grow, &stretch, &roll, &turn].map(|s| s.last[0]);
    let mut moment = start;
    let mut ahead = course[0].value;
    let mut path = Vec::with_capacity(ticks);
    for _ in 0..ticks {
        path.push(moment);
        let effort = libm::expf(0.35 * effort.next(r) - 0.06);
        let mut by = [0.0; 2];
        for k in 0..2 {
            let v = kept * course[k].next(r) + fresh * r.normal(0.0, 1.0);
            by[k] = habit.speed * effort * v * moment.size;
            // Turns back before its centre leaves.
            let half = 0.45 * moment.size.min(SCENE[k]);
            let (least, most) = (half.min(0.4 * SCENE[k]), SCENE[k] - half.min(0.4 * SCENE[k]));
            let next = moment.at[k] + by[k];
            if next < least && by[k] < 0.0 || next > most && by[k] > 0.0 {
                course[k].value = -course[k].value;
                by[k] *= -0.6;
            }
            moment.at[k] = (moment.at[k] + by[k]).clamp(least.min(moment.at[k]), most.max(moment.at[k]));
        }
        ahead = 0.95 * ahead + 0.05 * course[0].value;
        moment.facing = if ahead < -0.15 {
            -1.0
        } else if ahead > 0.15 {
            1.0
        } else {
            moment.facing
        };
        let jitter = r.normal(0.0, habit.growth[1]);
        moment.size = start.size * libm::expf(habit.growth[0] * (grow.next(r) - grow0) + jitter);
        moment.aspect = start.aspect * libm::expf(habit.stretch * (stretch.next(r) - stretch0));
        moment.roll = habit.roll * (roll.next(r) - roll0).clamp(-2.0, 2.0);
        moment.turn = (turn.next(r) - turn0).clamp(-1.5, 1.5);
        moment.phase += habit.pace * (0.5 + 0.5 * effort).min(2.0);
    }
    Path(path)
}
