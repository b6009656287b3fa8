//! Renders a script frame by frame, with the target's true boxes.

use super::actor::Actor;
use super::album::Album;
use super::figure::Point;
use super::layer::{Layer, Look, Modality, Picture};
use super::scenery;
use super::script::Script;
use super::shot::Absence;
use super::stage::Stage;
use super::table::Attribute;
use super::tile::{Grain, Tiles};
use crate::geometry::Rect;
use crate::synth::random::Random;

/// What is true of the target in one picture.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Truth {
    /// Its box, cut to the picture; `None` where it is not in the picture.
    pub outline: Option<Rect>,
    /// Share of its silhouette that is in the picture and not hidden, 0 to 1.
    pub seen: f32,
}

/// Least share seen of a target that is called present.
pub const LEAST_SEEN: f32 = 0.05;

/// A renderer of one sequence.
pub struct Film<'s> {
    script: &'s Script,
    stage: Stage<'s>,
    tiles: &'s Tiles,
    album: &'s Album,
    layer: Layer,
    silhouette: Vec<f32>,
    smoke: [f32; 5],
}

/// How far the camera may pan before the background's edge is repeated, scene pixels.
const LARGEST_MARGIN: Point = [150.0, 90.0];

impl<'s> Film<'s> {
    /// Paints the background.
    pub fn new(script: &'s Script, tiles: &'s Tiles, album: &'s Album) -> Self {
        let mut margin = [6.0f32; 2];
        for look in &script.view {
            for k in 0..2 {
                margin[k] = margin[k].max(look[k].abs() + 12.0).min(LARGEST_MARGIN[k]);
            }
        }
        let mut r = Random::new(script.place_seed, 0);
        let mut stage = Stage::new(tiles, album, script.light, margin, script.scale(Modality::Thermal));
        let busy = script.attributes.contains(&Attribute::Bc);
        scenery::paint(&mut stage, script.place, &script.weather, busy, &mut r);
        let smoke = [r.unit(), r.unit(), r.normal(0.0, 0.004), r.normal(0.0, 0.003), r.range(0.6, 0.95)];
        Self { script, stage, tiles, album, layer: Layer::default(), silhouette: Vec::new(), smoke }
    }

    /// Renders what a camera sees at `t` into `out`, without the camera's own faults. `gone` leaves out the target.
    pub fn expose(&mut self, modality: Modality, t: f32, gone: bool, out: &mut Picture) -> Truth {
        let s = self.script;
        let size = s.size(modality);
        let k = s.scale(modality);
        let shift = match modality {
            Modality::Visible => [0.0; 2],
            Modality::Thermal => s.offset.at(t).map(|o| o * s.offset.far * s.target.path.at(0.0).size),
        };
        self.stage.seen(modality, size, s.view(t), shift, out);
        let exposure = self.exposure(modality);
        let (a, b) = (s.view(t - 0.5), s.view(t + 0.5));
        smear(out, [(b[0] - a[0]) * k * exposure, (b[1] - a[1]) * k * exposure]);
        for actor in &s.behind {
            self.put(actor, modality, t, out);
        }
        let mut truth = Truth::default();
        if !gone {
            truth.outline = self.target(modality, t, out);
        }
        let whole = self.silhouette.iter().sum::<f32>();
        let (tx, ty, tw) = (self.layer.x, self.layer.y, self.layer.width);
        let mut left = if gone { Vec::new() } else { std::mem::take(&mut self.silhouette) };
        for actor in &s.front {
            self.put(actor, modality, t, out);
            if !gone {
                self.layer.over(size[0], size[1], |i, _, a| {
                    let (x, y) = ((i % size[0]) as i32 - tx, (i / size[0]) as i32 - ty);
                    let inside = x >= 0 && y >= 0 && (x as usize) < tw;
                    if let Some(l) = left.get_mut(y.max(0) as usize * tw + x.max(0) as usize).filter(|_| inside) {
                        *l *= 1.0 - a;
                    }
                });
            }
        }
        let veil = match modality {
            Modality::Visible => self.smoke(t, out),
            Modality::Thermal => self.gas(t, out),
        };
        if truth.outline.is_some() && whole > 0.0 {
            let inside = left.iter().enumerate().filter(|(i, _)| {
                let (x, y) = (tx + (i % tw) as i32, ty + (i / tw) as i32);
                x >= 0 && y >= 0 && x < size[0] as i32 && y < size[1] as i32
            });
            truth.seen = (inside.map(|(_, a)| a).sum::<f32>() / whole * (1.0 - veil)).clamp(0.0, 1.0);
        }
        self.silhouette = left;
        truth
    }

    fn exposure(&self, modality: Modality) -> f32 {
        match modality {
            Modality::Visible => self.script.visible.exposure,
            Modality::Thermal => self.script.thermal.exposure,
        }
    }

    /// Draws one thing into the layer; whether anything of it may be seen.
    fn trace(&mut self, actor: &Actor, modality: Modality, t: f32, within: Option<[usize; 2]>) -> Option<Rect> {
        if !actor.is_shown(t) {
            return None;
        }
        let (figure, pose) = self.script.pose(actor, modality, t);
        let extent = figure.extent(&pose);
        let k = self.script.scale(modality) * self.exposure(modality);
        let by = actor.path.velocity(t).map(|v| (v * k).clamp(-60.0, 60.0));
        let blur = 0.5 * by[0].abs().max(by[1].abs());
        self.layer.cover(extent.grown(blur), within);
        let look = Look { tiles: self.tiles, album: self.album, modality, light: self.script.light };
        self.layer.draw(&figure, &pose, &look);
        if blur > 0.4 {
            self.layer.smear(by);
        }
        Some(extent)
    }

    fn put(&mut self, actor: &Actor, modality: Modality, t: f32, out: &mut Picture) {
        if self.trace(actor, modality, t, Some([out.width, out.height])).is_some() {
            out.put(&self.layer);
        } else {
            self.layer.cover(Rect::default(), Some([0, 0]));
        }
    }

    /// Draws the target; its box within the picture.
    fn target(&mut self, modality: Modality, t: f32, out: &mut Picture) -> Option<Rect> {
        self.silhouette.clear();
        let extent = self.trace(&self.script.target, modality, t, None)?;
        self.silhouette.extend_from_slice(&self.layer.alpha);
        if modality == Modality::Thermal {
            self.fade(t, out);
        }
        out.put(&self.layer);
        let cut = extent.intersection(Rect::new(0.0, 0.0, out.width as f32, out.height as f32));
        (cut.width() >= 1.0 && cut.height() >= 1.0).then_some(cut)
    }

    /// Brings the target's temperature near that of what is behind it.
    fn fade(&mut self, t: f32, out: &Picture) {
        let [from, to] = self.script.contrast;
        let last = (self.script.target.path.0.len() - 1).max(1) as f32;
        let contrast = from + (to - from) * (t / last).clamp(0.0, 1.0);
        if contrast >= 1.0 {
            return;
        }
        let (mut sum, mut weight) = (0.0, 0.0);
        self.layer.over(out.width, out.height, |i, _, a| {
            sum += a * out.px[i][3];
            weight += a;
        });
        let around = if weight > 0.0 { sum / weight } else { self.script.weather.ambient };
        for (p, a) in self.layer.px.iter_mut().zip(&self.layer.alpha) {
            p[3] = contrast * p[3] + (1.0 - contrast) * around * a;
        }
    }

    /// Smoke that visible light does not pass; its density over the target.
    fn smoke(&self, t: f32, out: &mut Picture) -> f32 {
        let [from, to] = self.script.smoke;
        let last = (self.script.target.path.0.len() - 1).max(1) as f32;
        let dense = from + (to - from) * (t / last).clamp(0.0, 1.0);
        if dense <= 0.0 {
            return 0.0;
        }
        let [u, v, du, dv, bright] = self.smoke;
        let tiles = self.tiles;
        let at = |x: f32, y: f32| {
            let n = tiles.at(Grain::Soft, x * 0.0022 + u + du * t, y * 0.0022 + v + dv * t);
            (dense * (1.0 + 0.35 * n)).clamp(0.0, 0.98)
        };
        let w = out.width;
        for (j, line) in out.px.chunks_exact_mut(w).enumerate() {
            for (i, p) in line.iter_mut().enumerate() {
                let a = at(i as f32, j as f32);
                for c in 0..3 {
                    let tint = bright * (0.92 + 0.04 * c as f32);
                    p[c] += a * (tint - p[c]);
                }
            }
        }
        let [x, y] = self.script.target.path.at(t).at;
        at(x, y)
    }

    /// Warm gas that only thermal shows; how far it hides the target.
    fn gas(&self, t: f32, out: &mut Picture) -> f32 {
        let kelvin = self.script.gas;
        if kelvin <= 0.0 {
            return 0.0;
        }
        let [u, v, du, dv, _] = self.smoke;
        let k = 0.003 / self.script.scale(Modality::Thermal);
        let warm = self.script.weather.ambient + kelvin;
        let w = out.width;
        for (j, line) in out.px.chunks_exact_mut(w).enumerate() {
            for (i, p) in line.iter_mut().enumerate() {
                let n =
                    self.tiles.at(Grain::Soft, i as f32 * k + v + 2.0 * du * t, j as f32 * k + u - 0.01 * t + dv * t);
                let a = (0.6 * (n - 0.6)).clamp(0.0, 0.7);
                p[3] += a * (warm - p[3]);
            }
        }
        0.0
    }

    /// Both truths of frame `i`, from what each picture shows: boxes are kept as long as one of them shows the target.
    pub fn settle(&self, i: usize, truths: &mut [Truth; 2]) {
        let gone = self.script.shots[i].absent == Some(Absence::Gone);
        let seen = truths.iter().any(|t| t.outline.is_some() && t.seen >= LEAST_SEEN);
        if gone || !seen {
            *truths = [Truth::default(); 2];
        }
    }
}

#[cfg(test)]
mod tests;

/// Smears a whole picture along a movement of `by` pixels.
fn smear(picture: &mut Picture, by: Point) {
    let steps = by[0].abs().max(by[1].abs()).round() as i32;
    if steps < 1 {
        return;
    }
    let steps = steps.min(24);
    let (w, h) = (picture.width as i32, picture.height as i32);
    let sharp = picture.px.clone();
    picture.px.iter_mut().for_each(|p| *p = [0.0; 4]);
    let share = 1.0 / (steps + 1) as f32;
    for k in 0..=steps {
        let f = k as f32 / steps as f32 - 0.5;
        let (dx, dy) = ((f * by[0]).round() as i32, (f * by[1]).round() as i32);
        for y in 0..h {
            let from = ((y + dy).clamp(0, h - 1) * w) as usize;
            let to = (y * w) as usize;
            for x in 0..w {
                let p = sharp[from + (x + dx).clamp(0, w - 1) as usize];
                let q = &mut picture.px[to + x as usize];
                (0..4).for_each(|c| q[c] += share * p[c]);
            }
        }
    }
}
