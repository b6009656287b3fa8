//! Clips: the same people over time, for the built-in demo and for tests.

use std::f32::consts::TAU;

use super::backdrop::Place;
use super::climate::Climate;
use super::head::HeadModel;
use super::person::{Identity, Moment, Person};
use super::random::Random;
use super::raster::{Camera, Light};
use super::readout::Readout;
use super::scene::Scene;
use super::sensor::{SUPERSAMPLING, Sensor};
use super::studio::Studio;
use super::truth::FaceTruth;
use super::vector::V3;
use super::wear::{Cover, Neck, Outfit};
use crate::frame::{FfcState, Frame, FrameFormat};
use crate::units::Nanos;

/// Frames per second of a Lepton.
pub const RATE_HZ: f32 = 8.8;

/// Length of the demo, frames: a little over 24 s.
pub const FRAMES: u64 = 214;

/// Columns and rows of the colour camera beside it.
pub const COLOUR_SIZE: (usize, usize) = (320, 240);

/// Frames per second of the colour camera.
pub const COLOUR_HZ: f32 = 15.0;

/// Delay of its first exposure after the start of the thermal camera, s. The two are never in sync.
const COLOUR_LATE_S: f32 = 0.021;

/// Delay of its driver's timestamp after the exposure, s.
const COLOUR_STAMP_S: f32 = 0.048;

/// Its position relative to the thermal camera, cm: right, up, forward.
const COLOUR_AT: V3 = V3::new(3.2, 1.1, 0.0);

/// Half of its horizontal field of view, degrees.
const COLOUR_HALF_DEG: f32 = 33.0;

/// Temperature of the thermal camera itself, degC.
pub const SENSOR_C: f32 = 29.3;

/// Times at which the shutter closes, opens, and readings have settled, s.
const FFC_S: [f32; 3] = [11.6, 12.3, 13.4];

/// The built-in demo: two people in front of a Lepton 3, and one FFC. One person wears glasses and turns
/// to profile; the other leaves and comes back.
pub struct Demo {
    scene: Scene,
    blink: Vec<usize>,
    smile: Vec<usize>,
    jaw: Option<usize>,
    seed: u64,
    readout: Readout,
}

/// One frame of the colour camera.
pub struct ColourFrame {
    /// sRGB, row-major, [`COLOUR_SIZE`].
    pub rgb: Vec<[u8; 3]>,
    /// Truth about the faces, in the frame's pixels.
    pub faces: Vec<FaceTruth>,
    /// Exposure time.
    pub exposed: Nanos,
    /// The driver's timestamp.
    pub stamped: Nanos,
}

/// The clip's clock at `t` seconds.
fn clock(t: f64) -> Nanos {
    Nanos(1_000_000_000 + (t * 1e9).round() as u64)
}

fn named(model: &HeadModel, names: &[&str]) -> Vec<usize> {
    names.iter().filter_map(|n| model.expression(n)).collect()
}

/// 0 before `from`, 1 after `to`, smooth in between.
fn ramp(t: f32, from: f32, to: f32) -> f32 {
    let u = ((t - from) / (to - from)).clamp(0.0, 1.0);
    u * u * (3.0 - 2.0 * u)
}

/// A slow, irregular sway of unit amplitude.
fn sway(t: f32, phase: f32) -> f32 {
    0.6 * libm::sinf(0.31 * TAU * t + phase) + 0.4 * libm::sinf(0.173 * TAU * t + 2.1 * phase)
}

/// The faces that are at least partly in a picture of `size`.
fn inside(faces: Vec<FaceTruth>, size: (usize, usize)) -> Vec<FaceTruth> {
    let (w, h) = (size.0 as f32, size.1 as f32);
    let seen = |f: &FaceTruth| f.bbox.x1 > 0.0 && f.bbox.x0 < w && f.bbox.y1 > 0.0 && f.bbox.y0 < h;
    faces.into_iter().filter(seen).collect()
}

impl Demo {
    /// Prepares the demo of a seed, with TLinear in high gain.
    pub fn new(studio: &Studio, seed: u64) -> Self {
        Self::with(studio, seed, Readout::default())
    }

    /// The same scene with another readout.
    pub fn with(studio: &Studio, seed: u64, readout: Readout) -> Self {
        let mut r = Random::new(seed, 0);
        let light = Light {
            emissivity: 0.98,
            grazing: 0.3,
            reflected_c: 22.5,
            direction: V3::new(-0.4, 0.6, -0.7).unit(),
            lamp: [0.7, 0.68, 0.64],
            ambient: [0.3, 0.31, 0.33],
        };
        let climate = Climate { ambient_c: 22.5, outdoor: false, chill: 0.15, sun_k: 0.0, light };
        let plain =
            Outfit { hair: true, beard: false, cover: Cover::None, mask: false, spectacles: false, neck: Neck::Bare };
        let people = [(Outfit { spectacles: true, ..plain }, 34.3), (Outfit { beard: true, ..plain }, 33.8)]
            .into_iter()
            .map(|(outfit, forehead)| {
                let identity = Identity::draw(&studio.model, &mut r);
                Person::wearing(outfit, forehead, studio, &identity, &climate, true, &mut r)
            })
            .collect();
        let size = (160, 120);
        let ss = SUPERSAMPLING as f32;
        // Lepton 3: horizontal field of view of 57 degrees.
        let focal = 80.0 / libm::tanf(28.5f32.to_radians());
        let scene = Scene {
            camera: Camera { focal: focal * ss, centre: [80.0 * ss, 60.0 * ss] },
            sensor: Sensor {
                blur_px: 0.55,
                netd_k: 0.04 * readout.noise(),
                stripes_k: 0.02,
                vignette_k: 0.1,
                motion_px: [0.0; 2],
                dead: 0.0,
                pattern: r.bits(),
            },
            climate,
            people,
            place: Place::Office,
            backdrop: r.bits(),
            texture_k: [0.5, 0.2],
            size,
        };
        Self {
            scene,
            blink: named(&studio.model, &["eyeBlink_L", "eyeBlink_R"]),
            smile: named(&studio.model, &["mouthSmile_L", "mouthSmile_R"]),
            jaw: studio.model.expression("jawOpen"),
            seed,
            readout,
        }
    }

    /// The format of every frame.
    pub fn format(&self) -> FrameFormat {
        let (width, height) = (self.scene.size.0 as u32, self.scene.size.1 as u32);
        FrameFormat { width, height, signal: self.readout.signal(), rate_hz: RATE_HZ }
    }

    fn moments(&self, t: f32) -> Vec<Moment> {
        let breath = |period: f32, phase: f32| libm::sinf(TAU * t / period + phase);
        // The first person turns to profile and back, then nods.
        let profile = 74.0 * (ramp(t, 4.8, 6.2) - ramp(t, 7.4, 8.8));
        let nod = 16.0 * libm::sinf(TAU * 0.7 * (t - 18.5)) * (ramp(t, 18.4, 18.8) - ramp(t, 21.2, 21.8));
        let first = Moment {
            at: V3::new(-10.8 + 1.2 * sway(t, 0.3), -0.3 + 0.5 * sway(t, 1.9), 47.0 + 2.0 * sway(0.5 * t, 4.0)),
            pose: [profile + 9.0 * sway(t, 0.9), nod + 3.5 * sway(t, 2.2), 4.0 * sway(t, 3.0)],
            body_yaw: 0.35 * profile + 4.0 * sway(t, 5.0),
            expression: self.expression(t, 0.0, 9.2, 11.2),
            breath: breath(3.9, 0.0),
        };
        // The second person walks out to the right and comes back.
        let away: f32 = 62.0 * (ramp(t, 13.6, 15.2) - ramp(t, 17.0, 18.8));
        let turned =
            35.0 * (ramp(t, 13.3, 14.0) - ramp(t, 14.9, 15.4)) - 35.0 * (ramp(t, 16.8, 17.4) - ramp(t, 18.4, 19.2));
        let at: V3 =
            V3::new(15.5 + away + 1.2 * sway(t, 6.0), -2.5 + 0.6 * sway(t, 7.0), 59.0 + 3.0 * sway(0.4 * t, 8.0));
        let second = Moment {
            at,
            pose: [
                turned - 10.0 * ramp(t, 1.0, 2.0) + 12.0 * sway(t, 2.6),
                -3.0 + 4.0 * sway(t, 4.4),
                5.0 * sway(t, 1.1),
            ],
            body_yaw: turned,
            expression: self.expression(t, 1.7, 2.0, 3.6),
            breath: breath(4.6, 1.0),
        };
        vec![first, second]
    }

    fn expression(&self, t: f32, phase: f32, talk_from: f32, talk_to: f32) -> Vec<(usize, f32)> {
        let blink_at = (t + phase) % 3.3;
        let lids = 0.08 + 0.92 * (1.0 - ((blink_at - 0.12).abs() / 0.12).min(1.0));
        let talk = ramp(t, talk_from, talk_from + 0.3) - ramp(t, talk_to, talk_to + 0.3);
        let jaw = 0.35 * talk * libm::sinf(TAU * 1.9 * t).max(0.0);
        let smile = 0.5 * (ramp(t, 19.5 + phase, 20.2 + phase) - ramp(t, 21.5 + phase, 22.2 + phase));
        let mut out: Vec<(usize, f32)> = self.blink.iter().map(|&i| (i, lids)).collect();
        out.extend(self.smile.iter().map(|&i| (i, smile)));
        out.extend(self.jaw.map(|i| (i, jaw)));
        out
    }

    /// Frame `i` and the truth about its faces, without faces entirely outside the frame.
    pub fn frame(&mut self, studio: &Studio, i: u64) -> (Frame, Vec<FaceTruth>) {
        let t = i as f32 / RATE_HZ;
        let mut noise = Random::new(self.seed, 1 + i);
        // Offsets drift between calibrations.
        let since = if t < FFC_S[1] { t + 20.0 } else { t - FFC_S[1] };
        self.scene.sensor.vignette_k = 0.05 + 0.012 * since;
        let rendering = self.scene.render(studio, &self.moments(t), false, &mut noise);
        let mut frame = Frame::new(self.format());
        let ffc = match t {
            t if (FFC_S[0] - 1.0..FFC_S[0]).contains(&t) => FfcState::Imminent,
            t if (FFC_S[0]..FFC_S[1]).contains(&t) => FfcState::Running,
            t if (FFC_S[1]..FFC_S[2]).contains(&t) => FfcState::Settling,
            _ => FfcState::Idle,
        };
        for (p, c) in frame.pixels.iter_mut().zip(&rendering.thermal_c) {
            // The closed shutter is a uniform plate at the camera's own temperature.
            let c = if ffc == FfcState::Running { SENSOR_C + noise.normal(0.0, 0.04) } else { *c };
            *p = self.readout.count(c, SENSOR_C);
        }
        let s = f64::from(i as u32) / f64::from(RATE_HZ);
        let ns = (s * 1e9).round() as u64;
        frame.meta.seq = i;
        frame.meta.captured = clock(s);
        frame.meta.received = frame.meta.captured;
        // A fixed date keeps every byte of the clip reproducible.
        frame.meta.captured_utc_ns = i64::try_from(ns).ok().map(|ns| 1_767_225_600_000_000_000 + ns);
        frame.meta.ffc = ffc;
        frame.meta.sensor_c = Some(SENSOR_C);
        (frame, inside(rendering.faces, self.scene.size))
    }

    /// Frame `i` of the colour camera, which differs in position (parallax), lens, size, rate and clock.
    pub fn colour(&mut self, studio: &Studio, i: u64) -> ColourFrame {
        let t = f64::from(i as u32) / f64::from(COLOUR_HZ) + f64::from(COLOUR_LATE_S);
        let mut moments = self.moments(t as f32);
        moments.iter_mut().for_each(|m| m.at = m.at - COLOUR_AT);
        let ss = SUPERSAMPLING as f32;
        let (w, h) = (COLOUR_SIZE.0 as f32, COLOUR_SIZE.1 as f32);
        let focal = 0.5 * w / libm::tanf(COLOUR_HALF_DEG.to_radians());
        let thermal = (self.scene.camera, self.scene.size);
        self.scene.camera = Camera { focal: focal * ss, centre: [0.5 * w * ss, 0.5 * h * ss] };
        self.scene.size = COLOUR_SIZE;
        let rendering = self.scene.render(studio, &moments, true, &mut Random::new(self.seed, (1 << 40) + i));
        (self.scene.camera, self.scene.size) = thermal;
        ColourFrame {
            rgb: rendering.rgb,
            faces: inside(rendering.faces, COLOUR_SIZE),
            exposed: clock(t),
            stamped: clock(t + f64::from(COLOUR_STAMP_S)),
        }
    }
}
