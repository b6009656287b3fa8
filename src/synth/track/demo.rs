//! The script of the built-in pair: someone walks along a street, passes another, a lamp post and a bush, the thermal
//! camera calibrates once, and smoke blinds the visible one at the end.

use super::actor::Actor;
use super::cameras::{Light, Offset, Signal, ThermalCamera, VisibleCamera};
use super::kind::Kind;
use super::maker::Seeds;
use super::path::{Moment, Path};
use super::place::Place;
use super::script::{Script, TICKS};
use super::shot::Shot;
use super::weather::Weather;
use crate::synth::random::Random;

/// Frames per second of the thermal camera.
const FPS: f32 = 9.0;
/// Steps per second of a walker.
const GAIT: f32 = 0.95;
/// Frames that the calibration freezes.
const FFC: std::ops::Range<usize> = 30..34;
/// Density of the smoke at the start and the end; it is clear while negative.
const SMOKE: [f32; 2] = [-2.2, 0.95];

/// Someone or something that crosses the picture: kind, centre at the start and the end, height and aspect, and the
/// seeds of shape, colour and heat.
struct Part(Kind, [f32; 2], [f32; 2], f32, f32, u64);

const TARGET: Part = Part(Kind::Walker, [30.0, 158.0], [292.0, 160.0], 66.0, 0.42, 11);
const BEHIND: [Part; 3] = [
    Part(Kind::Car, [330.0, 128.0], [120.0, 130.0], 26.0, 2.3, 21),
    Part(Kind::Walker, [214.0, 128.0], [150.0, 127.0], 34.0, 0.42, 22),
    Part(Kind::Walker, [250.0, 150.0], [20.0, 148.0], 56.0, 0.42, 23),
];
const FRONT: [Part; 3] = [
    Part(Kind::Post, [104.0, 120.0], [104.0, 120.0], 200.0, 0.055, 31),
    Part(Kind::Bush, [196.0, 172.0], [196.0, 172.0], 76.0, 0.85, 32),
    Part(Kind::Walker, [318.0, 176.0], [-30.0, 180.0], 84.0, 0.42, 33),
];

impl Part {
    fn actor(&self, ticks: usize, weather: &Weather) -> Actor {
        let &Part(kind, from, to, height, aspect, seed) = self;
        let walks = kind == Kind::Walker;
        let moment = |i: usize| {
            let (t, share) = (i as f32 / TICKS, i as f32 / ticks as f32);
            let bob = if walks { 0.012 * height * libm::sinf(2.0 * std::f32::consts::TAU * GAIT * t) } else { 0.0 };
            Moment {
                at: [from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1]) + bob],
                size: height * aspect.sqrt(),
                aspect,
                phase: if walks { GAIT * t } else { 0.0 },
                facing: if to[0] < from[0] { -1.0 } else { 1.0 },
                ..Moment::default()
            }
        };
        let mut r = Random::new(28, seed);
        Actor::new(kind, Seeds::draw(&mut r), Path((0..=ticks).map(moment).collect()), weather)
    }
}

impl Script {
    /// The script of the built-in pair with `frames` frames.
    pub fn demo(frames: usize) -> Self {
        let r = &mut Random::new(28, 7);
        let weather = Weather { ambient: 14.0, sun: 0.0, sky: -12.0, ground: 1.5, outdoor: true };
        let ticks = (frames as f32 * TICKS / FPS) as usize + 3;
        let drawn = ThermalCamera::draw(60.0, false, r);
        let thermal = ThermalCamera {
            size: [160, 120],
            signal: Signal::Centikelvin,
            fps: FPS,
            blur: 0.45,
            noise: 0.015,
            stripes: 0.01,
            vignette: 0.1,
            dead: 0.0,
            ..drawn
        };
        let visible = VisibleCamera { noise: 1.0, ..VisibleCamera::draw(Light::Good, false, r) };
        let shot = |i: usize| {
            let now = i as f32 * TICKS / FPS;
            Shot { now, visible: visible.newest(now), ffc: FFC.contains(&i), absent: None }
        };
        let all = |parts: &[Part]| parts.iter().map(|part| part.actor(ticks, &weather)).collect();
        Self {
            attributes: Vec::new(),
            weather,
            place: Place::Street,
            place_seed: 4,
            light: [-0.5, -0.8],
            target: TARGET.actor(ticks, &weather),
            behind: all(&BEHIND),
            front: all(&FRONT),
            view: vec![[0.0, 0.0, 1.0]; 2],
            thermal,
            visible,
            offset: Offset { by: [0.03, -0.02], drift: [0.0; 2], far: 0.5, growth: 1.0 },
            contrast: [1.0; 2],
            smoke: SMOKE,
            gas: 0.0,
            shots: (0..frames).map(shot).collect(),
        }
    }
}
