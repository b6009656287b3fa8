//! A thing in a scene: what it is, where it goes, and how it is posed at any time.

use super::figure::{Figure, Point, Pose};
use super::kind::Kind;
use super::maker::Seeds;
use super::path::Path;
use super::weather::Weather;
use crate::geometry::Rect;

/// Poses of which the mean box is what sizes and aspects speak of.
const POSES: usize = 6;

/// A thing and its path.
#[derive(Debug, Clone)]
pub struct Actor {
    /// What it is.
    pub kind: Kind,
    /// What it looks like.
    pub seeds: Seeds,
    /// Where it goes.
    pub path: Path,
    /// When it is in the scene at all, ticks.
    pub shown: [f32; 2],
    /// Mean box of its poses, in the figure's own units.
    rest: Rect,
}

impl Actor {
    /// A thing that is there all the time.
    pub fn new(kind: Kind, seeds: Seeds, path: Path, weather: &Weather) -> Self {
        let first = path.at(0.0);
        let mut rest = [0.0f32; 4];
        for k in 0..POSES {
            let phase = first.phase + k as f32 / POSES as f32;
            let e = kind.figure(&seeds, weather, phase, first.turn).extent(&Pose::new([0.0; 2], [1.0; 2], 0.0));
            for (mean, v) in rest.iter_mut().zip([e.x0, e.y0, e.x1, e.y1]) {
                *mean += v / POSES as f32;
            }
        }
        let rest = Rect::new(rest[0], rest[1], rest[2], rest[3]);
        Self { kind, seeds, path, shown: [f32::MIN, f32::MAX], rest }
    }

    /// The figure at `t`, and where it is in scene pixels, moved by `by` sizes and scaled by `growth`.
    pub fn pose(&self, weather: &Weather, t: f32, by: Point, growth: f32) -> (Figure, Pose) {
        let m = self.path.at(t);
        let figure = self.kind.figure(&self.seeds, weather, m.phase, m.turn);
        let root = m.aspect.max(1e-3).sqrt();
        let (w, h) = (self.rest.width().max(0.05), self.rest.height().max(0.05));
        let scale = [m.facing * growth * m.size * root / w, growth * m.size / root / h];
        let mut pose = Pose::new([0.0; 2], scale, m.roll);
        let middle = pose.of(self.rest.center());
        pose.origin = [m.at[0] + by[0] * m.size - middle[0], m.at[1] + by[1] * m.size - middle[1]];
        (figure, pose)
    }

    /// Its box at `t`, scene pixels.
    pub fn outline(&self, weather: &Weather, t: f32) -> Rect {
        let (figure, pose) = self.pose(weather, t, [0.0; 2], 1.0);
        figure.extent(&pose)
    }

    /// Whether it is in the scene at `t`.
    pub fn is_shown(&self, t: f32) -> bool {
        t >= self.shown[0] && t < self.shown[1]
    }
}
