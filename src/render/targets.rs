//! Tracked targets: their boxes with number, presence and hottest pixel.

use super::controls::Layers;
use super::labels::tenths;
use super::marks::{corners, dashes};
use super::scene::{AMBER, MINT, SKY, Scene, pixel};
use super::text::InlineString;
use crate::geometry::Rect;
use crate::picture::Rgba;
use crate::result::{Modality, Target, TargetState};

/// Smallest side of a drawn box, lines: the corners of a smaller one would hide the target.
const SMALL: f32 = 10.0;

/// Draws every tracked target, then every label. Canvas pixels per pixel of the boxes: `stretch`, x and y.
pub fn draw(scene: &mut Scene<'_>, targets: &[Target], stretch: [f32; 2], layers: Layers) {
    for target in targets.iter().filter(|_| layers.has(Layers::BOX)) {
        let Some(area) = area(scene, target, stretch) else { continue };
        match target.state {
            TargetState::Tracked => corners(scene, area, colour(target)),
            TargetState::Lost | TargetState::Searching => dashes(scene, area, colour(target)),
        }
    }
    for target in targets.iter().filter(|_| layers.has(Layers::BOX)) {
        label(scene, target, stretch, layers);
    }
}

/// The colour says which pictures were used.
fn colour(target: &Target) -> Rgba {
    match target.modality {
        Modality::Both => MINT,
        Modality::Thermal => AMBER,
        Modality::Visible => SKY,
    }
}

/// The box on the canvas; `None` if there is none.
fn area(scene: &Scene<'_>, target: &Target, [sx, sy]: [f32; 2]) -> Option<Rect> {
    let b = target.bbox.filter(|b| b.is_finite())?;
    let area = Rect::new(b.x0 * sx, b.y0 * sy, b.x1 * sx, b.y1 * sy);
    let short = (SMALL * scene.line - area.width().min(area.height())).max(0.0);
    Some(area.grown(scene.line + short / 2.0))
}

fn label(scene: &mut Scene<'_>, target: &Target, stretch: [f32; 2], layers: Layers) {
    let number = target.id;
    let Some(area) = area(scene, target, stretch) else {
        // In the corner, because the target has no place.
        let text = InlineString::format(format_args!("#{number} {}", target.state.name()));
        let size = scene.font.size(text.as_str());
        let rows = (1..6).map(|n| pixel([2.0, 2.0 + (n * (size.height + 2)) as f32]));
        if let Some(place) = scene.labels.place(size, rows) {
            scene.write(scene.font, text.as_str(), place.top_left, AMBER);
        }
        return;
    };
    let presence = target.presence.clamp(0.0, 1.0) * 100.0;
    let text = match target.temperature {
        Ok(t) if layers.has(Layers::TEMPERATURES) => {
            InlineString::format(format_args!("#{number} {presence:.0}% {}°", tenths(t.max_c)))
        }
        _ => InlineString::format(format_args!("#{number} {presence:.0}%")),
    };
    let size = scene.font.size(text.as_str());
    let (above, below) = (area.y0 - size.height as f32 - 2.0 * scene.line, area.y1 + 3.0 * scene.line);
    let right = area.x1 - size.width as f32;
    let places = [[area.x0, above], [area.x0, below], [right, above], [right, below]];
    let places = places.map(|c| scene.labels.clamp(pixel(c), size));
    if let Some(place) = scene.labels.place(size, places) {
        scene.write(scene.font, text.as_str(), place.top_left, colour(target));
    }
}
