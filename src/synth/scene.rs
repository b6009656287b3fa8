//! Scenes: people in front of a background, rendered once with exact truth.

use super::backdrop::{self, Place};
use super::climate::Climate;
use super::person::{self, Identity, Moment, Person, Points};
use super::random::Random;
use super::raster::{Camera, Layers};
use super::sensor::{self, SUPERSAMPLING, Sensor};
use super::studio::Studio;
use super::truth::FaceTruth;
use super::vector::V3;

/// A rendered scene.
pub struct Rendering {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Apparent temperature per pixel, degC, as the sensor reads it.
    pub thermal_c: Vec<f32>,
    /// sRGB; empty if only thermal was requested.
    pub rgb: Vec<[u8; 3]>,
    /// Truth about each face that is turned towards the camera, in the order of the people.
    pub faces: Vec<FaceTruth>,
}

/// People, place, camera: everything except time.
pub struct Scene {
    /// Place and light.
    pub climate: Climate,
    /// Camera of the supersampled picture.
    pub camera: Camera,
    /// The sensor.
    pub sensor: Sensor,
    /// The people.
    pub people: Vec<Person>,
    /// The background.
    pub place: Place,
    /// Seed of the background.
    pub backdrop: u64,
    /// Amplitude of hair strands and cloth weave, K.
    pub texture_k: [f32; 2],
    /// Columns and rows, pixels.
    pub size: (usize, usize),
}

impl Scene {
    /// Renders the people at `moments`. `noise` generates the sensor's temporal noise.
    pub fn render(&self, studio: &Studio, moments: &[Moment], colour: bool, noise: &mut Random) -> Rendering {
        let (w, h) = self.size;
        let mut layers = Layers::new(w * SUPERSAMPLING, h * SUPERSAMPLING, colour);
        backdrop::paint(&mut layers, self.place, &self.climate, &mut Random::new(self.backdrop, 0));
        let drawn: Vec<Points> = self
            .people
            .iter()
            .zip(moments)
            .enumerate()
            .map(|(i, (p, m))| p.render(studio, &self.climate, &self.camera, m, i, &mut layers))
            .collect();
        sensor::texture(&mut layers, self.texture_k[0], self.texture_k[1], self.backdrop as u32);
        let faces = drawn
            .iter()
            .zip(moments)
            .enumerate()
            .filter(|(_, (_, m))| m.pose[0].abs() < 115.0)
            .map(|(i, (p, m))| FaceTruth::of(p, m, i, &layers))
            .collect();
        let rgb = if colour { sensor::colour(&layers) } else { Vec::new() };
        Rendering { width: w, height: h, thermal_c: self.sensor.expose(&layers, noise), rgb, faces }
    }
}

/// Draws the parts of a scene that do not depend on the positions of people.
fn set(r: &mut Random, climate: &Climate, size: (usize, usize), focal_px: f32, people: Vec<Person>) -> Scene {
    let ss = SUPERSAMPLING as f32;
    let contrast = (33.0 - climate.ambient_c).abs().max(2.0);
    Scene {
        climate: climate.clone(),
        camera: Camera { focal: focal_px * ss, centre: [size.0 as f32 * 0.5 * ss, size.1 as f32 * 0.5 * ss] },
        sensor: Sensor::draw(r),
        people,
        place: Place::Any,
        backdrop: r.bits(),
        texture_k: [contrast * r.range(0.0, 0.09), contrast * r.range(0.0, 0.04)],
        size,
    }
}

/// Height of the box around the 70 points of an average frontal face, cm.
const FACE_CM: f32 = 14.5;

/// One face of about 36 to 92 pixels in a `size` x `size` crop, sometimes with others behind it.
pub fn crop(studio: &Studio, identity: &Identity, size: usize, colour: bool, r: &mut Random) -> (Scene, Vec<Moment>) {
    let climate = Climate::draw(r);
    let distance = r.log_range(35.0, 400.0);
    let tall = r.range(34.0, 86.0) * size as f32 / 128.0;
    let focal = tall / FACE_CM * distance;
    let mut people = vec![Person::draw(studio, identity, &climate, colour, r)];
    let centre = |r: &mut Random| r.normal(0.0, 0.05) * size as f32 / focal * distance;
    let mut moments = vec![moment(studio, V3::new(centre(r), centre(r), distance), r)];
    if r.chance(0.15) {
        let away = distance * r.range(1.15, 2.5);
        let side = if r.chance(0.5) { 1.0 } else { -1.0 };
        let at = V3::new(side * r.range(16.0, 45.0), r.normal(0.0, 12.0), away);
        people.push(Person::draw(studio, identity, &climate, colour, r));
        moments.push(moment(studio, at, r));
    }
    (set(r, &climate, (size, size), focal, people), moments)
}

/// Up to `most` people anywhere in a frame, some partly outside, some turned away; often none.
pub fn frame(studio: &Studio, size: (usize, usize), most: usize, colour: bool, r: &mut Random) -> (Scene, Vec<Moment>) {
    let climate = Climate::draw(r);
    let count = match r.below(10) {
        0 | 1 => 0,
        2..=5 => 1,
        6 | 7 => 2,
        8 => 3,
        _ => 4,
    }
    .min(most);
    let view = r.range(25.0f32, 95.0);
    let focal = size.0 as f32 * 0.5 / libm::tanf((view * 0.5).to_radians());
    let mut people = Vec::new();
    let mut moments: Vec<Moment> = Vec::new();
    for _ in 0..count {
        // The face height in pixels determines the distance, at least 30 cm.
        let tall = r.log_range(9.0, 0.8 * size.1 as f32);
        let distance = (focal * FACE_CM / tall).clamp(30.0, 900.0);
        let tall = focal * FACE_CM / distance;
        let (half_w, half_h) = (size.0 as f32 * 0.5, size.1 as f32 * 0.5);
        let margin = if r.chance(0.12) { -0.3 * tall } else { 0.4 * tall };
        let (rx, ry) = ((half_w - margin).max(1.0), (half_h - margin).max(1.0));
        let (x, mut y) = (r.range(-rx, rx), r.range(-ry, ry * 0.9));
        if r.chance(0.08) {
            // Only a body: the face is above the picture.
            y = half_h + tall * r.range(0.75, 2.0);
        }
        let at = V3::new(x * distance / focal, y * distance / focal, distance);
        let overlaps = moments.iter().any(|m| {
            let (ox, oy) = (m.at[0] * focal / m.at[2], m.at[1] * focal / m.at[2]);
            let other = focal * FACE_CM / m.at[2];
            (ox - x).abs() < 0.55 * (tall + other) && (oy - y).abs() < 0.7 * (tall + other)
        });
        if overlaps {
            continue;
        }
        let identity = Identity::draw(&studio.model, r);
        people.push(Person::draw(studio, &identity, &climate, colour, r));
        let mut m = moment(studio, at, r);
        if r.chance(0.12) {
            // Seen from behind: a head without a face.
            m.pose = [r.range(140.0, 220.0), r.normal(0.0, 8.0), r.normal(0.0, 6.0)];
            m.body_yaw = m.pose[0] + r.normal(0.0, 15.0);
        }
        moments.push(m);
    }
    (set(r, &climate, size, focal, people), moments)
}

fn moment(studio: &Studio, at: V3, r: &mut Random) -> Moment {
    let pose = person::pose(r);
    Moment {
        at,
        pose,
        body_yaw: pose[0] * r.range(0.1, 1.0) + r.normal(0.0, 12.0),
        expression: person::expression(&studio.model, r),
        breath: r.range(-1.0, 1.0),
    }
}
