//! Warm regions of a thermal frame, to start tracking from a hot spot without a box.
//!
//! A region is a connected set of pixels above a threshold between its hottest pixel and the frame's median.

use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::geometry::{Point, Rect};
use crate::preprocess::target::{MIN_SIDE, span_floor};

/// Share of the rise above the median that belongs to a region.
const RISE: f32 = 0.5;
/// A person stands or walks: height over width of the box.
const PERSON_ASPECT: std::ops::RangeInclusive<f32> = 1.2..=5.0;
/// Smallest height of a person, pixels.
const PERSON_HEIGHT: f32 = 8.0;
/// Thresholds that are tried for a person, as shares of the range above the median: clothes are cooler than faces.
const PERSON_RISES: [f32; 4] = [0.2, 0.35, 0.5, 0.65];
/// Radius around a given point in which the hottest pixel is taken, pixels.
const NEAR: usize = 3;

/// The region around the hottest spot of the frame.
///
/// # Errors
/// `Fix` if nothing stands out, or the frame is empty.
pub fn hottest(frame: &Frame) -> Result<Rect> {
    let field = Field::of(frame)?;
    let seed = (0..field.values.len()).max_by(|&a, &b| field.values[a].total_cmp(&field.values[b])).unwrap_or(0);
    field.region(seed)
}

/// The warm region at a point of the frame, pixels.
///
/// # Errors
/// `Fix` if the point is outside, nothing stands out there, or the frame is empty.
pub fn at(frame: &Frame, [x, y]: Point) -> Result<Rect> {
    let field = Field::of(frame)?;
    let (w, h) = (field.width, field.height);
    if !(x >= 0.0 && y >= 0.0 && x < w as f32 && y < h as f32) {
        return Err(Error::fix("the point", format_args!("{x}, {y} is outside the frame of {w}x{h}")));
    }
    let (x, y) = (x as usize, y as usize);
    let rows = y.saturating_sub(NEAR)..(y + NEAR + 1).min(h);
    let near = rows.flat_map(|y| (x.saturating_sub(NEAR)..(x + NEAR + 1).min(w)).map(move |x| y * w + x));
    let seed = near.max_by(|&a, &b| field.values[a].total_cmp(&field.values[b])).unwrap_or(0);
    field.region(seed)
}

/// The largest warm region that is as tall and narrow as a person.
///
/// # Errors
/// `Fix` if there is none, or the frame is empty.
pub fn person(frame: &Frame) -> Result<Rect> {
    let field = Field::of(frame)?;
    let top = field.values.iter().copied().fold(f32::MIN, f32::max);
    let mut best: Option<(usize, Rect)> = None;
    for rise in PERSON_RISES {
        let threshold = field.median + rise * (top - field.median);
        let mut seen = vec![false; field.values.len()];
        for seed in 0..field.values.len() {
            if seen[seed] || field.values[seed] < threshold {
                continue;
            }
            let (pixels, bbox) = field.grow(seed, threshold, &mut seen);
            let tall = PERSON_ASPECT.contains(&(bbox.height() / bbox.width()));
            let large = bbox.height() >= PERSON_HEIGHT && pixels as f32 >= 0.25 * bbox.area();
            let whole = bbox.height() < 0.98 * field.height as f32;
            if tall && large && whole && best.is_none_or(|(most, _)| pixels > most) {
                best = Some((pixels, bbox));
            }
        }
    }
    let none = || Error::fix("person", "no warm region of the frame has the shape of a person; give a box");
    best.map(|(_, bbox)| bbox).ok_or_else(none)
}

/// A frame smoothed by 3 x 3 pixels, with its median.
struct Field {
    width: usize,
    height: usize,
    values: Vec<f32>,
    median: f32,
    /// Smallest rise above the median that stands out.
    floor: f32,
}

impl Field {
    fn of(frame: &Frame) -> Result<Self> {
        let (width, height) = (frame.width(), frame.height());
        if width == 0 || height == 0 || frame.pixels.len() != width * height {
            return Err(Error::fix("frame", "is empty"));
        }
        let mean = |x: usize, y: usize| {
            let (mut sum, mut count) = (0.0, 0.0);
            for row in y.saturating_sub(1)..(y + 2).min(height) {
                for &v in &frame.pixels[row * width + x.saturating_sub(1)..row * width + (x + 2).min(width)] {
                    sum += f32::from(v);
                    count += 1.0;
                }
            }
            sum / count
        };
        let values: Vec<f32> = (0..height).flat_map(|y| (0..width).map(move |x| mean(x, y))).collect();
        let mut sorted = values.clone();
        let middle = sorted.len() / 2;
        let median = *sorted.select_nth_unstable_by(middle, f32::total_cmp).1;
        let floor = span_floor(frame.format.signal);
        Ok(Self { width, height, values, median, floor })
    }

    /// The region around a pixel that stands out.
    fn region(&self, seed: usize) -> Result<Rect> {
        let rise = self.values[seed] - self.median;
        if !(rise >= self.floor) {
            return Err(Error::fix("the hottest spot", "does not stand out from the frame; give a box"));
        }
        let mut seen = vec![false; self.values.len()];
        Ok(self.grow(seed, self.median + RISE * rise, &mut seen).1)
    }

    /// Pixels and box of the connected region of at least `threshold` around `seed`.
    fn grow(&self, seed: usize, threshold: f32, seen: &mut [bool]) -> (usize, Rect) {
        let (w, h) = (self.width, self.height);
        let (mut x0, mut y0, mut x1, mut y1) = (w, h, 0, 0);
        let (mut todo, mut count) = (vec![seed], 0);
        seen[seed] = true;
        while let Some(at) = todo.pop() {
            let (x, y) = (at % w, at / w);
            (x0, y0, x1, y1) = (x0.min(x), y0.min(y), x1.max(x + 1), y1.max(y + 1));
            count += 1;
            let sides = [
                (x > 0).then(|| at - 1),
                (x + 1 < w).then(|| at + 1),
                (y > 0).then(|| at - w),
                (y + 1 < h).then(|| at + w),
            ];
            for next in sides.into_iter().flatten() {
                if !seen[next] && self.values[next] >= threshold {
                    seen[next] = true;
                    todo.push(next);
                }
            }
        }
        let bbox = Rect::new(x0 as f32, y0 as f32, x1 as f32, y1 as f32);
        let (dx, dy) = ((MIN_SIDE - bbox.width()).max(0.0) / 2.0, (MIN_SIDE - bbox.height()).max(0.0) / 2.0);
        (count, Rect::new(bbox.x0 - dx, bbox.y0 - dy, bbox.x1 + dx, bbox.y1 + dy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameFormat, Signal};
    use crate::geometry::iou;

    /// A cool frame with warm boxes: (box, rise in counts of 0.01 K).
    fn frame(boxes: &[(Rect, u16)]) -> Frame {
        let format = FrameFormat { width: 80, height: 60, signal: Signal::CENTIKELVIN, rate_hz: 9.0 };
        let mut frame = Frame::new(format);
        for (i, pixel) in frame.pixels.iter_mut().enumerate() {
            let (x, y) = ((i % 80) as f32 + 0.5, (i / 80) as f32 + 0.5);
            let inside = |b: &Rect| x > b.x0 && x < b.x1 && y > b.y0 && y < b.y1;
            let rise = boxes.iter().filter(|(b, _)| inside(b)).map(|(_, rise)| *rise).max().unwrap_or(0);
            *pixel = 29_500 + rise + (i * 7 % 11) as u16;
        }
        frame
    }

    #[test]
    fn the_hottest_region_is_boxed() {
        let (kettle, person) = (Rect::new(10.0, 10.0, 18.0, 16.0), Rect::new(40.0, 10.0, 52.0, 48.0));
        let frame = frame(&[(kettle, 6000), (person, 900)]);
        assert!(iou(hottest(&frame).unwrap(), kettle) > 0.8);
        assert!(iou(at(&frame, [45.0, 20.0]).unwrap(), person) > 0.8, "{:?}", at(&frame, [45.0, 20.0]));
        assert!(at(&frame, [70.0, 50.0]).is_err(), "nothing is there");
        assert!(at(&frame, [80.0, 5.0]).is_err() && at(&frame, [f32::NAN, 5.0]).is_err());
    }

    #[test]
    fn a_person_is_tall_and_warm() {
        let person = Rect::new(40.0, 10.0, 52.0, 48.0);
        let wall = Rect::new(0.0, 50.0, 80.0, 60.0);
        let seen = frame(&[(person, 900), (wall, 700)]);
        assert!(iou(super::person(&seen).unwrap(), person) > 0.75, "{:?}", super::person(&seen));
        assert!(super::person(&frame(&[(wall, 700)])).is_err());
    }

    #[test]
    fn an_even_or_empty_frame_has_no_region() {
        assert!(hottest(&frame(&[])).is_err());
        let mut empty = frame(&[]);
        empty.pixels.clear();
        assert!(hottest(&empty).is_err() && person(&empty).is_err() && at(&empty, [1.0, 1.0]).is_err());
        let dot = frame(&[(Rect::new(0.0, 0.0, 1.0, 1.0), 9000)]);
        assert!(hottest(&dot).unwrap().width() >= MIN_SIDE);
    }
}
