//! The graphics of a face: contours, points by confidence, box, regions, gaze arrow.

use embedded_graphics::primitives::Rectangle;

use super::controls::Layers;
use super::scene::{AMBER, CORAL, MINT, SHADE, SKY, Scene, WHITE, pixel};
use super::shape::CanvasPoint;
use crate::geometry::Rect;
use crate::landmarks::{CONTOURS, COUNT, REGION_COUNT, REGIONS};
use crate::picture::Rgba;
use crate::result::{Face, TrackState};

/// How faces are shown.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Opacity of everything, 0 to 1.
    pub fade: f32,
    /// Points with less confidence than this are hollow.
    pub low_confidence: f32,
    /// What is shown.
    pub layers: Layers,
}

/// Opacity of a track that is not measured.
const COASTING: f32 = 0.7;
/// Smallest face, in lines, that has room for contours, regions and an arrow.
const SMALL: f32 = 40.0;

/// A face in canvas pixels.
pub struct Outline {
    /// Landmarks that have a position on the canvas.
    pub points: [Option<CanvasPoint>; COUNT],
    /// The measured discs: centre and radius.
    pub regions: [Option<(CanvasPoint, f32)>; REGION_COUNT],
    /// The landmarks' box, slightly enlarged.
    pub area: Rect,
    /// Square root of the area of the landmarks' box.
    pub size: f32,
}

impl Outline {
    /// `None` if the box has no position on the canvas.
    pub fn of(scene: &Scene<'_>, face: &Face) -> Option<Self> {
        let (a, b) = (scene.to_canvas(face.bbox.x0, face.bbox.y0)?, scene.to_canvas(face.bbox.x1, face.bbox.y1)?);
        let area = Rect::new(a[0], a[1], b[0], b[1]);
        let size = area.size();
        let points = face.landmarks.map(|p| scene.to_canvas(p.x, p.y));
        let regions = std::array::from_fn(|i| {
            let disc = REGIONS.get(i)?;
            let placed = disc.centre.iter().all(|c| points[usize::from(c.0)].is_some());
            let centre = disc.middle(|i| points[i].unwrap_or_default());
            placed.then(|| (centre, (disc.radius * size).max(2.0 * scene.line)))
        });
        Some(Self { points, regions, area: area.grown(size * 0.05 + scene.line), size })
    }
}

impl Outline {
    /// The pixels of the area.
    pub fn place(&self) -> Rectangle {
        let Rect { x0, y0, x1, y1 } = self.area;
        Rectangle::with_corners(pixel([x0, y0]), pixel([x1, y1]))
    }
}

/// Draws everything of a face that is not text.
pub fn draw(scene: &mut Scene<'_>, face: &Face, outline: &Outline, style: &Style) {
    let lost = face.track_state == TrackState::Lost;
    let fade = if lost { style.fade * COASTING } else { style.fade };
    let roomy = outline.size >= SMALL * scene.line;
    let on = |layer| style.layers.has(layer);
    if on(Layers::BOX) {
        if lost {
            dashes(scene, outline.area, WHITE.fade(fade))
        } else {
            corners(scene, outline.area, WHITE.fade(fade))
        }
    }
    if on(Layers::CONTOURS) && roomy {
        contours(scene, face, outline, fade);
    }
    if on(Layers::REGIONS) && roomy {
        regions(scene, face, outline, fade);
    }
    if on(Layers::POINTS) {
        points(scene, face, outline, fade, if lost { f32::INFINITY } else { style.low_confidence });
    }
    if on(Layers::POSE) && roomy {
        gaze(scene, face, outline, fade);
    }
}

/// Coral for low confidence, amber for medium, mint for high.
fn trust(confidence: f32) -> Rgba {
    let mix = |a: Rgba, b: Rgba, t: f32| {
        let t = t.clamp(0.0, 1.0);
        Rgba { rgb: std::array::from_fn(|i| (f32::from(a.rgb[i]) * (1.0 - t) + f32::from(b.rgb[i]) * t) as u8), ..a }
    };
    if confidence < 0.6 {
        mix(CORAL, AMBER, (confidence - 0.3) / 0.3)
    } else {
        mix(AMBER, MINT, (confidence - 0.6) / 0.25)
    }
}

fn contours(scene: &mut Scene<'_>, face: &Face, outline: &Outline, fade: f32) {
    let line = scene.line;
    for pass in [SHADE.fade(0.7), WHITE.fade(0.62)] {
        let width = if pass.rgb == SHADE.rgb { 2.6 * line } else { line };
        for (first, last, closed) in CONTOURS {
            let ring = closed.then_some((last, first));
            for (i, j) in (first..last).map(|i| (i, i + 1)).chain(ring) {
                if let (Some(a), Some(b)) = (outline.points[i], outline.points[j]) {
                    let sure = face.landmarks[i].confidence.min(face.landmarks[j].confidence).clamp(0.25, 1.0);
                    scene.stroke(a, b, width, pass.fade(fade * sure));
                }
            }
        }
    }
}

fn points(scene: &mut Scene<'_>, face: &Face, outline: &Outline, fade: f32, low: f32) {
    let line = scene.line;
    let radius = (outline.size * 0.011).clamp(0.6, 2.2 * line);
    for (point, place) in face.landmarks.iter().zip(&outline.points) {
        let Some(centre) = *place else { continue };
        let color = trust(point.confidence).fade(fade);
        let roomy = outline.size >= SMALL * line;
        if point.confidence < low {
            let radius = radius + 0.8 * line;
            if roomy {
                scene.ring(centre, radius + 0.9 * line, 1.4 * line, SHADE.fade(fade));
            }
            scene.ring(centre, radius, 1.1 * line, color);
        } else {
            if roomy {
                scene.disc(centre, radius + 0.9 * line, SHADE.fade(fade));
            }
            scene.disc(centre, radius, color);
        }
    }
}

fn regions(scene: &mut Scene<'_>, face: &Face, outline: &Outline, fade: f32) {
    for (disc, reading) in outline.regions.iter().zip(face.region_c.iter()) {
        let Some((centre, radius)) = *disc else { continue };
        let fade = if reading.is_ok() { fade } else { fade * 0.3 };
        scene.ring(centre, radius + 0.7 * scene.line, 2.4 * scene.line, SHADE.fade(fade));
        scene.ring(centre, radius, scene.line, WHITE.fade(fade * 0.9));
    }
}

/// The gaze arrow, from the bridge of the nose; longer the more the face is turned away.
fn gaze(scene: &mut Scene<'_>, face: &Face, outline: &Outline, fade: f32) {
    let Some(root) = outline.points[27] else { return };
    let (yaw, pitch) = (face.pose.yaw.to_radians(), face.pose.pitch.to_radians());
    let reach = outline.size * 0.6;
    let (dx, dy) = (yaw.sin() * pitch.cos() * reach, -pitch.sin() * reach);
    let (line, color) = (scene.line, SKY.fade(fade));
    let length = (dx * dx + dy * dy).sqrt();
    if !length.is_finite() {
        return;
    }
    let tip = [root[0] + dx, root[1] + dy];
    let head = (length * 0.35).min(7.0 * line);
    if length > 6.0 * line {
        let (ux, uy) = (dx / length * head, dy / length * head);
        let barb = |side: f32| [tip[0] - ux - side * uy * 0.6, tip[1] - uy + side * ux * 0.6];
        for (a, b) in [(root, tip), (tip, barb(1.0)), (tip, barb(-1.0))] {
            scene.stroke(a, b, 3.4 * line, SHADE.fade(fade));
        }
        for (a, b) in [(root, tip), (tip, barb(1.0)), (tip, barb(-1.0))] {
            scene.stroke(a, b, 1.5 * line, color);
        }
    }
    scene.disc(root, 2.4 * line, SHADE.fade(fade));
    scene.disc(root, 1.7 * line, color);
}

/// The part of a box on or just beyond the picture, to bound the length of its lines.
fn near(scene: &Scene<'_>, area: Rect) -> Rect {
    let picture = Rect::new(0.0, 0.0, scene.size().width as f32, scene.size().height as f32);
    area.intersection(picture.grown(4.0 * scene.line))
}

/// The four corners of a box.
pub fn corners(scene: &mut Scene<'_>, area: Rect, color: Rgba) {
    let Rect { x0, y0, x1, y1 } = near(scene, area);
    let (line, arm) = (scene.line, ((x1 - x0).min(y1 - y0) * 0.12).max(2.0));
    for (x, y, dx, dy) in [(x0, y0, arm, arm), (x1, y0, -arm, arm), (x0, y1, arm, -arm), (x1, y1, -arm, -arm)] {
        scene.edged_stroke([x, y], [x + dx, y], 1.4 * line, color);
        scene.edged_stroke([x, y], [x, y + dy], 1.4 * line, color);
    }
}

/// A dashed box.
pub fn dashes(scene: &mut Scene<'_>, area: Rect, color: Rgba) {
    let Rect { x0, y0, x1, y1 } = near(scene, area);
    let line = scene.line;
    let (dash, pitch) = (4.0 * line, 9.0 * line);
    for (a, b) in [([x0, y0], [x1, y0]), ([x1, y0], [x1, y1]), ([x1, y1], [x0, y1]), ([x0, y1], [x0, y0])] {
        let (dx, dy): (f32, f32) = (b[0] - a[0], b[1] - a[1]);
        let length = dx.abs() + dy.abs();
        let at = |s: f32| [a[0] + dx * s / length, a[1] + dy * s / length];
        let mut s = 0.0;
        while s < length {
            scene.edged_stroke(at(s), at((s + dash).min(length)), line, color);
            s += pitch;
        }
    }
}
