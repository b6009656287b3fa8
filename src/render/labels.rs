//! Words and numbers on the picture. In order of priority: banner, scale bar (both in [`super::legend`]), track labels,
//! region temperatures, hot and cold spot. A label that finds no free place is left out, so small pictures lose the
//! lowest priorities first.

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

use super::extremes::Extreme;
use super::marks::Outline;
use super::scene::{HOT, SHADE, SKY, Scene, WHITE, pixel};
use super::shape::CanvasPoint;
use super::text::InlineString;
use crate::geometry::Rect;
use crate::landmarks::{FacialRegion, REGION_COUNT};
use crate::picture::Rgba;
use crate::result::{Face, TrackState};

/// Indices of the regions, highest priority first.
const PRIORITY: [usize; REGION_COUNT] = [1, 2, 0, 3, 5, 4, 6, 7];

/// Track number with presence, or `lost`; with the age of the landmarks if they are from an earlier frame.
pub fn track(scene: &mut Scene<'_>, face: &Face, outline: &Outline, age_ms: u64, fade: f32) {
    let mut text = match face.track_state {
        TrackState::Lost => InlineString::format(format_args!("#{} lost", face.track)),
        _ => InlineString::format(format_args!("#{} {:.0}%", face.track, face.presence.clamp(0.0, 1.0) * 100.0)),
    };
    if age_ms > 0 {
        text = InlineString::format(format_args!("{} {age_ms} ms old", text.as_str()));
    }
    let size = scene.font.size(text.as_str());
    let Rect { x0, y0, x1, y1 } = outline.area;
    let (above, below) = (y0 - size.height as f32 - 2.0 * scene.line, y1 + 3.0 * scene.line);
    let right = x1 - size.width as f32;
    let corners = [[x0, above], [x0, below], [right, above], [right, below]];
    let corners = corners.map(|c| scene.labels.clamp(pixel(c), size));
    if let Some(place) = scene.labels.place(size, corners) {
        scene.write(scene.font, text.as_str(), place.top_left, WHITE.fade(fade));
    }
}

/// Temperatures of the regions, in two columns beside the face with a thin line to each disc, or
/// next to the disc if the picture has no room for a column.
pub fn temperatures(scene: &mut Scene<'_>, face: &Face, outline: &Outline, fade: f32) {
    let lines = scene.size().height / scene.font.height().max(1);
    let room = (lines.saturating_sub(4) / 3) as usize;
    let mut shown = [(0, [0.0f32; 2], 0.0f32); REGION_COUNT];
    let mut count = 0;
    for i in PRIORITY.into_iter().take(room) {
        if let (Some((centre, _)), Ok(celsius)) = (outline.regions[i], face.region_c.at(i))
            && celsius.is_finite()
        {
            shown[count] = (i, centre, celsius);
            count += 1;
        }
    }
    // From top to bottom, so that the lines do not cross.
    let shown = &mut shown[..count];
    shown.sort_unstable_by(|a, b| a.1[1].total_cmp(&b.1[1]));
    for &mut (i, _, celsius) in shown {
        let Some((centre, radius)) = outline.regions[i] else { continue };
        region(scene, outline, i, centre, radius, celsius, fade);
    }
}

fn region(
    scene: &mut Scene<'_>,
    outline: &Outline,
    i: usize,
    centre: CanvasPoint,
    radius: f32,
    celsius: f32,
    fade: f32,
) {
    let text = InlineString::format(format_args!("{}°", tenths(celsius)));
    let size = scene.font.size(text.as_str());
    let left = prefers_left(i);
    let gap = (5.0 * scene.line).ceil() as i32;
    let (w, h) = (size.width as i32, size.height as i32);
    let at = pixel(centre);
    let x = if left { pixel([outline.area.x0, 0.0]).x - gap - w } else { pixel([outline.area.x1, 0.0]).x + gap };
    let column = (0..13).map(|n| if n % 2 == 0 { n / 2 } else { -(n + 1) / 2 });
    let column = column.map(|step| Point::new(x, at.y - h / 2 + step * (h + 2)));
    let r = radius.ceil() as i32 + 2;
    let beside = [
        Point::new(at.x + r, at.y - h / 2),
        Point::new(at.x - r - w, at.y - h / 2),
        Point::new(at.x - w / 2, at.y - r - h),
        Point::new(at.x - w / 2, at.y + r),
    ];
    // A label beside a disc covers the face, so this needs a face that is large compared with the text.
    let beside = beside.into_iter().take(if outline.size > 12.0 * h as f32 { 4 } else { 0 });
    let Some(place) = scene.labels.place(size, column.chain(beside)) else { return };
    if place.top_left.x == x {
        leader(scene, &place, left, centre, radius, fade);
    }
    scene.write(scene.font, text.as_str(), place.top_left, WHITE.fade(fade));
}

/// Labels of the subject's right go to the left of the picture; those of the middle share the columns.
fn prefers_left(region: usize) -> bool {
    use FacialRegion::{CheekRight, InnerCanthusRight, Mouth, NoseTip};
    let region = crate::landmarks::REGIONS.get(region).map(|r| r.region);
    matches!(region, Some(InnerCanthusRight | CheekRight | NoseTip | Mouth))
}

fn leader(scene: &mut Scene<'_>, place: &Rectangle, left: bool, centre: CanvasPoint, radius: f32, fade: f32) {
    let y = place.top_left.y as f32 + place.size.height as f32 / 2.0;
    let gap = 2.0 * scene.line;
    let x = place.top_left.x as f32;
    let from = [if left { x + place.size.width as f32 + gap } else { x - gap }, y];
    let (dx, dy) = (centre[0] - from[0], centre[1] - from[1]);
    let length = (dx * dx + dy * dy).sqrt();
    if length <= radius {
        return;
    }
    let share = (length - radius - scene.line) / length;
    let to = [from[0] + dx * share, from[1] + dy * share];
    scene.stroke(from, to, 2.2 * scene.line, SHADE.fade(fade * 0.5));
    scene.stroke(from, to, 0.9 * scene.line, WHITE.fade(fade * 0.55));
}

/// Hot spot as an upright cross, cold spot as a diagonal one; with degC if `celsius` is given:
/// next to the cross, or in the lower left corner if that would cover a face or another label.
pub fn extremes(scene: &mut Scene<'_>, faces: &[Face], spots: &[Extreme; 2], celsius: [Option<f32>; 2]) {
    let straight = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]];
    let oblique = [[0.7, 0.7], [-0.7, 0.7], [-0.7, -0.7], [0.7, -0.7]];
    let unit = scene.line.min(scene.size().height as f32 / 200.0).max(0.6);
    for (spot, celsius, arms, color) in [(spots[0], celsius[0], straight, HOT), (spots[1], celsius[1], oblique, SKY)] {
        let Some(centre) = scene.to_canvas(spot.x, spot.y) else { continue };
        cross(scene, centre, &arms, [2.5 * unit, 7.0 * unit], color);
        let Some(celsius) = celsius else { continue };
        let text = InlineString::format(format_args!("{}°C", tenths(celsius)));
        let size = scene.font.size(text.as_str());
        let (w, h) = (size.width as i32, size.height as i32);
        let (r, at) = ((8.0 * unit) as i32 + 2, pixel(centre));
        let near = [(r, -h / 2), (-r - w, -h / 2), (-w / 2, -r - h), (-w / 2, r), (r, -r - h), (-r - w, -r - h)];
        let near = near.into_iter().map(|(x, y)| Point::new(at.x + x, at.y + y)).filter(|&corner| {
            let place = Rectangle::new(corner, size);
            let clear = |o: Outline| o.place().intersection(&place).is_zero_sized();
            faces.iter().filter_map(|face| Outline::of(scene, face)).all(clear)
        });
        // Collected first, because placing a label borrows the scene mutably.
        let near: [Option<Point>; 6] = first(near);
        if let Some(place) = scene.labels.place(size, near.into_iter().flatten()) {
            scene.write(scene.font, text.as_str(), place.top_left, color);
            continue;
        }
        // The corner repeats the cross, half a line high, so that the number keeps its meaning.
        let row = size + Size::new(size.height, 0);
        let lowest = scene.size().height as i32 - h - h / 2;
        let corner = [0, 1].map(|n| Point::new(h / 2, lowest - n * (h + 3)));
        if let Some(place) = scene.labels.place(row, corner) {
            let half = h as f32 / 2.0;
            let mark = [place.top_left.x as f32 + half * 0.8, place.top_left.y as f32 + half];
            cross(scene, mark, &arms, [half * 0.2, half * 0.75], color);
            scene.write(scene.font, text.as_str(), place.top_left + Point::new(h, 0), color);
        }
    }
}

/// The first `N` points.
fn first<const N: usize>(mut points: impl Iterator<Item = Point>) -> [Option<Point>; N] {
    std::array::from_fn(|_| points.next())
}

/// Four arms from `reach[0]` to `reach[1]` pixels around a position.
fn cross(scene: &mut Scene<'_>, [x, y]: CanvasPoint, arms: &[[f32; 2]; 4], reach: [f32; 2], color: Rgba) {
    let line = scene.line;
    for (width, color) in [(3.6 * line, SHADE), (1.5 * line, color)] {
        for arm in arms {
            let [from, to] = reach.map(|r| [x + arm[0] * r, y + arm[1] * r]);
            scene.stroke(from, to, width, color);
        }
    }
}

/// Formats with one decimal, never as minus zero.
pub fn tenths(celsius: f32) -> impl std::fmt::Display {
    struct Tenths(f32);
    impl std::fmt::Display for Tenths {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            if self.0.is_finite() {
                write!(f, "{:.1}", (self.0 * 10.0).round() / 10.0 + 0.0)
            } else {
                f.write_str("--")
            }
        }
    }
    Tenths(celsius)
}
