//! The hottest and the coldest spot of the picture.

use super::range::Span;
use crate::frame::{Frame, FrameFormat};

/// A spot: the middle of a patch of 2 by 2 pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extreme {
    /// Pixels from the left edge of the frame.
    pub x: f32,
    /// Pixels from the top edge.
    pub y: f32,
    /// The count that every pixel of the patch reaches (hot) or stays below (cold).
    pub count: u16,
}

/// Finds both spots. A patch is ranked by its least extreme pixel, so a dead pixel, row or column never wins. A spot
/// stays where it is while it is within 2 % of the range of the best patch, so noise does not make it jump.
#[derive(Debug, Default)]
pub struct Extremes {
    format: Option<FrameFormat>,
    /// Top left corners of the hot and the cold patch.
    held: Option<[(usize, usize); 2]>,
}

/// Share of the range by which a new patch must beat the old one.
const STAY: f32 = 0.02;

impl Extremes {
    /// Hot and cold spot of this frame; `None` for frames below 2 by 2 pixels or if the shutter is closed.
    pub fn find(&mut self, frame: &Frame, span: Span) -> Option<[Extreme; 2]> {
        if frame.meta.ffc.hides_scene() {
            return None;
        }
        if self.format != Some(frame.format) {
            self.held = None;
            self.format = Some(frame.format);
        }
        let mut best = scan(frame)?;
        let margin = (span.width() * STAY).clamp(0.0, 65535.0) as u16;
        if let Some([hot, cold]) = self.held {
            if let Some((least, _)) = patch(frame, hot).filter(|p| p.0.saturating_add(margin) >= best[0].1) {
                best[0] = (hot, least);
            }
            if let Some((_, most)) = patch(frame, cold).filter(|p| p.1 <= best[1].1.saturating_add(margin)) {
                best[1] = (cold, most);
            }
        }
        self.held = Some([best[0].0, best[1].0]);
        Some(best.map(|((x, y), count)| Extreme { x: x as f32 + 1.0, y: y as f32 + 1.0, count }))
    }
}

/// Least and greatest count of a patch.
fn patch(frame: &Frame, (x, y): (usize, usize)) -> Option<(u16, u16)> {
    let w = frame.width();
    let upper = frame.pixels.get(y * w + x..y * w + x + 2)?;
    let lower = frame.pixels.get((y + 1) * w + x..(y + 1) * w + x + 2)?;
    let all = upper.iter().chain(lower);
    Some((*all.clone().min()?, *all.max()?))
}

type Found = ((usize, usize), u16);

fn scan(frame: &Frame) -> Option<[Found; 2]> {
    let (w, h) = (frame.width(), frame.height());
    if w < 2 || h < 2 {
        return None;
    }
    let mut hot: Found = ((0, 0), 0);
    let mut cold: Found = ((0, 0), u16::MAX);
    let rows = || frame.pixels.chunks_exact(w);
    for (y, (upper, lower)) in rows().zip(rows().skip(1)).enumerate() {
        let patches = || upper.iter().zip(&upper[1..]).zip(lower.iter().zip(&lower[1..]));
        let least = |((a, b), (c, d)): ((&u16, &u16), (&u16, &u16))| (*a).min(*b).min((*c).min(*d));
        let most = |((a, b), (c, d)): ((&u16, &u16), (&u16, &u16))| (*a).max(*b).max((*c).max(*d));
        // Only the few rows that beat all rows above are searched for the position: finding extremes alone vectorises.
        let (highest, lowest) = patches().fold((0, u16::MAX), |(h, l), p| (least(p).max(h), most(p).min(l)));
        if highest > hot.1 {
            hot = ((patches().position(|p| least(p) == highest).unwrap_or(0), y), highest);
        }
        if lowest < cold.1 {
            cold = ((patches().position(|p| most(p) == lowest).unwrap_or(0), y), lowest);
        }
    }
    Some([hot, cold])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FfcState, Signal};

    const SPAN: Span = Span { low: 0.0, high: 1000.0 };

    fn flat(value: u16) -> Frame {
        let mut f = Frame::new(FrameFormat { width: 8, height: 6, signal: Signal::Counts, rate_hz: 0.0 });
        f.pixels.fill(value);
        f
    }

    fn put(f: &mut Frame, x: usize, y: usize, value: u16) {
        for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            f.pixels[(y + dy) * 8 + x + dx] = value;
        }
    }

    #[test]
    fn finds_patches_and_passes_over_dead_pixels_and_rows() {
        let mut f = flat(500);
        put(&mut f, 2, 1, 700);
        put(&mut f, 5, 3, 300);
        f.pixels[0] = 65535;
        f.pixels[40..48].fill(0);
        let [hot, cold] = Extremes::default().find(&f, SPAN).unwrap();
        assert_eq!(hot, Extreme { x: 3.0, y: 2.0, count: 700 });
        assert_eq!(cold, Extreme { x: 6.0, y: 4.0, count: 300 });
    }

    #[test]
    fn a_spot_yields_only_to_a_clearly_better_one() {
        let mut e = Extremes::default();
        let mut f = flat(500);
        put(&mut f, 0, 0, 700);
        put(&mut f, 4, 0, 300);
        e.find(&f, SPAN).unwrap();
        put(&mut f, 6, 4, 715);
        put(&mut f, 0, 4, 285);
        let [hot, cold] = e.find(&f, SPAN).unwrap();
        assert_eq!((hot.x, hot.count), (1.0, 700));
        assert_eq!((cold.x, cold.count), (5.0, 300));
        put(&mut f, 6, 4, 730);
        put(&mut f, 0, 4, 270);
        let [hot, cold] = e.find(&f, SPAN).unwrap();
        assert_eq!((hot.x, hot.count), (7.0, 730));
        assert_eq!((cold.x, cold.count), (1.0, 270));
    }

    #[test]
    fn no_spots_on_the_shutter_or_in_a_single_row() {
        let mut f = flat(500);
        f.meta.ffc = FfcState::Running;
        assert!(Extremes::default().find(&f, SPAN).is_none());
        let f = Frame::new(FrameFormat { width: 8, height: 1, signal: Signal::Counts, rate_hz: 0.0 });
        assert!(Extremes::default().find(&f, SPAN).is_none());
    }
}
