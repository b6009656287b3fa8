//! The map of a tracker's head to a box.
//!
//! Layout `target8`: for each cell of 8 x 8 pixels of the search crop a logit of the score, the offset of the target's
//! centre from the cell's, in cells, and the logarithm of its width and height in units of 32 pixels.

use crate::error::{Error, Result};
use crate::nn::Card;
use crate::nn::stages::STRIDE;

/// The name of the layout in cards.
const LAYOUT: &str = "target8";

/// Channels of the map.
const CHANNELS: usize = 5;

/// Side of the target in the search crop to which sizes refer, pixels.
const UNIT: f32 = 32.0;

/// Share of the score that depends on the distance from where the target should be.
const WINDOW: f32 = 0.8;

/// Least deviation of the window, cells.
const MIN_SPREAD: f32 = 1.0;

/// Largest logarithm of a size: a factor of 4.
const MAX_LOG_SIZE: f32 = 1.4;

/// The best place of a map, pixels of the search crop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Best {
    /// Score of its cell, 0 to 1.
    pub score: f32,
    /// Middle of the box.
    pub centre: [f32; 2],
    /// Width and height.
    pub size: [f32; 2],
}

/// Reads maps of one size.
#[derive(Debug)]
pub(super) struct Decoder {
    cells: usize,
    /// By row or column: factor of the window, 0 to 1.
    window: Vec<f32>,
}

impl Decoder {
    /// # Errors
    /// Fix: the card's layout is unknown, or its outputs are not those of the layout.
    pub fn new(card: &Card) -> Result<Self> {
        let cells = card.crops()?.search / STRIDE;
        let shapes: Vec<&[usize]> = card.outputs.iter().map(|o| &o.shape[..]).collect();
        if card.decode != LAYOUT || shapes != [&[1, CHANNELS, cells, cells][..], &[1, 1]] {
            let wanted = format!("{LAYOUT} with [1, {CHANNELS}, {cells}, {cells}] and [1, 1]");
            return Err(Error::fix(&card.name, format!("decodes as {} of {shapes:?}, wanted {wanted}", card.decode)));
        }
        Ok(Self { cells, window: vec![1.0; cells] })
    }

    /// The place with the highest score. With a `spread`, the deviation in pixels of the crop of where the target should
    /// be from its middle, a Gaussian window lowers what is further away. `None` if the map is no map or the place is not
    /// finite.
    pub fn best(&mut self, map: &[f32], spread: Option<f32>) -> Option<Best> {
        let n = self.cells;
        let planes: [&[f32]; CHANNELS] = std::array::from_fn(|c| map.get(c * n * n..(c + 1) * n * n).unwrap_or(&[]));
        if planes[CHANNELS - 1].is_empty() {
            return None;
        }
        let share = if spread.is_some() { WINDOW } else { 0.0 };
        let cells = spread.map_or(f32::INFINITY, |s| (s / STRIDE as f32).max(MIN_SPREAD));
        for (i, factor) in self.window.iter_mut().enumerate() {
            let away = (i as f32 + 0.5 - n as f32 / 2.0) / cells;
            *factor = (-0.5 * away * away).exp();
        }
        let mut best = (f32::NEG_INFINITY, 0);
        for (i, (row, y)) in planes[0].chunks_exact(n).zip(&self.window).enumerate() {
            for (j, (logit, x)) in row.iter().zip(&self.window).enumerate() {
                let score = sigmoid(*logit) * (1.0 - share + share * x * y);
                if score > best.0 {
                    best = (score, i * n + j);
                }
            }
        }
        let at = best.1;
        let [logit, dx, dy, lw, lh] = planes.map(|p| p[at]);
        let place = |cell: usize, d: f32| (cell as f32 + 0.5 + d) * STRIDE as f32;
        let side = |l: f32| UNIT * l.clamp(-MAX_LOG_SIZE, MAX_LOG_SIZE).exp();
        let found = Best {
            score: sigmoid(logit),
            centre: [place(at % n, dx.clamp(-1.5, 1.5)), place(at / n, dy.clamp(-1.5, 1.5))],
            size: [side(lw), side(lh)],
        };
        [dx, dy, lw, lh, found.score].iter().all(|v| v.is_finite()).then_some(found)
    }
}

/// Probability of a logit.
pub(super) fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use super::super::fake;
    use super::*;

    fn decoder() -> Decoder {
        Decoder::new(&fake::card()).unwrap()
    }

    #[test]
    fn a_box_is_read_from_its_cell() {
        let mut map = vec![-8.0; 5 * 256];
        let at = 5 * 16 + 9;
        for (c, v) in [2.0, 0.25, -0.5, 2f32.ln(), 0.0].into_iter().enumerate() {
            map[c * 256 + at] = v;
        }
        let best = decoder().best(&map, Some(24.0)).unwrap();
        assert_eq!(best.centre, [9.75 * 8.0, 5.0 * 8.0]);
        assert!((best.size[0] - 64.0).abs() < 1e-3 && best.size[1] == 32.0);
        assert!((best.score - sigmoid(2.0)).abs() < 1e-6);
    }

    #[test]
    fn of_two_equals_the_central_one_wins_unless_the_whole_crop_counts_the_same() {
        let mut map = vec![0.0; 5 * 256];
        map[..256].fill(-8.0);
        map[0] = 1.1;
        map[8 * 16 + 8] = 1.0;
        assert_eq!(decoder().best(&map, Some(24.0)).unwrap().centre, [68.0; 2]);
        assert_eq!(decoder().best(&map, None).unwrap().centre, [4.0; 2]);
    }

    #[test]
    fn nonsense_is_nothing() {
        assert_eq!(decoder().best(&[], None), None);
        assert_eq!(decoder().best(&[0.0; 1279], Some(9.0)), None);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut map = vec![bad; 5 * 256];
            if let Some(best) = decoder().best(&map, Some(24.0)) {
                assert!(best.centre.iter().chain(&best.size).all(|v| v.is_finite()), "{best:?}");
            }
            map[..256].fill(0.0);
            map[2 * 256..].fill(0.0);
            if let Some(best) = decoder().best(&map, None) {
                assert!(best.centre.iter().chain(&best.size).all(|v| v.is_finite()), "{best:?}");
            }
        }
    }

    #[test]
    fn another_layout_is_refused() {
        let mut card = fake::card();
        card.decode = "laplace70".into();
        assert!(Decoder::new(&card).unwrap_err().to_string().contains("laplace70"));
        let mut card = fake::card();
        card.outputs.pop();
        assert!(Decoder::new(&card).is_err());
    }
}
