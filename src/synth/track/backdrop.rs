//! Backgrounds from pictures: photographs with a warmth of their own, thermal pictures with colours of their own.

use super::album::Photo;
use super::layer::Modality;
use super::path::SCENE;
use super::stage::Stage;
use super::tile::Grain;
use super::weather::Weather;
use crate::synth::random::{Random, hash_noise};

/// A part of a picture, laid over the whole stage.
struct Cut {
    from: [f32; 2],
    step: [f32; 2],
}

impl Cut {
    /// A random part, at times mirrored, at least 40 % of what fits.
    fn draw(photo: &Photo, stage: &Stage, r: &mut Random) -> Self {
        let [x0, y0, x1, y1] = stage.edges();
        let (w, h) = (photo.width as f32, photo.height as f32);
        let step = (w / (x1 - x0)).min(h / (y1 - y0)) * r.range(0.4, 1.0);
        let spare = [w - step * (x1 - x0), h - step * (y1 - y0)];
        let from = [r.unit() * spare[0], r.unit() * spare[1]];
        if r.chance(0.5) {
            return Self { from: [from[0] + step * x1, from[1] - step * y0], step: [-step, step] };
        }
        Self { from: [from[0] - step * x0, from[1] - step * y0], step: [step, step] }
    }

    #[inline]
    fn at(&self, x: f32, y: f32) -> [f32; 2] {
        [self.from[0] + x * self.step[0], self.from[1] + y * self.step[1]]
    }
}

/// A photograph; its regions are warm or cold without regard to their colours.
pub fn photo(stage: &mut Stage, photo: &Photo, weather: &Weather, r: &mut Random) {
    let cut = Cut::draw(photo, stage, r);
    let seed = r.bits() as u32;
    let (strength, detail) = (r.log_range(0.4, 5.0), r.range(-2.0, 2.0));
    let sign = r.range(-1.5, 1.5);
    let gain = r.range(0.75, 1.2);
    let tint = [r.range(0.85, 1.15), r.range(0.9, 1.1), r.range(0.85, 1.15)];
    let swap = r.chance(0.12);
    let grey = if r.chance(0.2) { r.unit() } else { 0.0 };
    let mean = photo.mean;
    let rows = stage.edges();
    stage.paint([rows[1], rows[3]], |x, y, modality| {
        let [u, v] = cut.at(x, y);
        if modality == Modality::Visible {
            let mut p = photo.colour(u, v);
            if swap {
                p.swap(0, 2);
            }
            let l = 0.3 * p[0] + 0.59 * p[1] + 0.11 * p[2];
            let c = |k: usize| (p[k] + grey * (l - p[k])) * tint[k] * gain;
            return ([c(0), c(1), c(2), 0.0], 1.0);
        }
        // Four samples: a thermal pixel spans several of the photograph's.
        let t: f32 = [[-0.4, -0.3], [0.4, -0.35], [-0.35, 0.4], [0.3, 0.4]]
            .iter()
            .map(|d| {
                let (u, v) = (u + d[0] * cut.step[0].abs() * 2.0, v + d[1] * cut.step[1] * 2.0);
                let p = photo.colour(u, v);
                strength * photo.warmth(u, v, seed, sign) + detail * (p[1] - mean)
            })
            .sum();
        ([0.0, 0.0, 0.0, weather.ambient + 0.25 * t], 1.0)
    });
}

/// A thermal picture. What is visible is what was painted before or, where `own` is set, regions of the thermal picture in
/// any colours.
pub fn thermal(stage: &mut Stage, picture: &Photo, own: bool, weather: &Weather, r: &mut Random) {
    let cut = Cut::draw(picture, stage, r);
    let span = r.log_range(3.0, 30.0);
    let mean = picture.mean;
    let seed = r.bits() as u32;
    let tiles = stage.tiles;
    let (follow, base) = (r.range(-0.8, 1.2), r.range(0.25, 0.6));
    let (rough, k) = (r.range(0.03, 0.2), 1.5 / SCENE[0]);
    let spread = r.range(0.1, 0.35);
    let rows = stage.edges();
    stage.paint([rows[1], rows[3]], |x, y, modality| {
        let [u, v] = cut.at(x, y);
        if modality == Modality::Thermal {
            return ([0.0, 0.0, 0.0, weather.ambient + span * (picture.colour(u, v)[1] - mean)], 1.0);
        }
        if !own {
            return ([0.0; 4], -1.0);
        }
        let value = picture.colour(u, v)[1] - mean;
        let grain = 1.0 + rough * tiles.at(Grain::Rough, x * k, y * k);
        let c = |n: u32| {
            let region = picture.warmth(u, v, seed ^ (n / 2), 0.0);
            let own = hash_noise((region * 1000.0) as i32, n as i32, seed);
            (base + spread * (0.7 * region + 0.3 * own) + follow * value).clamp(0.02, 1.2) * grain
        };
        ([c(0), c(1), c(2), 0.0], 1.0)
    });
}
