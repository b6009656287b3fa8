//! Local contrast: shows the detail of a face when a cold room takes up the range of the picture.

/// Largest absolute value.
const LIMIT: f32 = 1.5;

/// Scratch memory for sums over one picture. Allocates nothing once it has seen the widest picture.
#[derive(Debug, Default)]
pub struct Contrast {
    /// Sums of values and of squares over the rows of the window, per column.
    columns: [Vec<f32>; 2],
    /// Sums over 1, 2, 4, ... columns, borders repeated.
    powers: Vec<f32>,
    /// Sums over the window.
    sums: [Vec<f32>; 2],
}

impl Contrast {
    /// Writes the local contrast of `values` (rows of `width`) to `out`, of the same length: with mean `m` and
    /// standard deviation `s` of the `window * window` values around each, borders repeated,
    /// `clamp((v - m) / (2 s + floor), -1.5, 1.5)`. `window` is odd, `floor` above 0. `base`, any value near the
    /// others, is subtracted from all so that squares keep their precision.
    pub fn measure(&mut self, values: &[f32], width: usize, window: usize, base: f32, floor: f32, out: &mut [f32]) {
        let (reach, height) = (window / 2, values.len().checked_div(width).unwrap_or(0));
        if width == 0 || height == 0 || out.len() < values.len() {
            return out.fill(0.0);
        }
        let row = |y: usize| &values[y * width..(y + 1) * width];
        let [sum, square] = &mut self.columns;
        for (plane, sums) in [&mut *sum, &mut *square].into_iter().zip(&mut self.sums) {
            plane.clear();
            plane.resize(width, 0.0);
            sums.resize(width, 0.0);
        }
        for k in 0..window {
            add(sum, square, row(k.saturating_sub(reach).min(height - 1)), base);
        }
        let share = 1.0 / (window * window) as f32;
        for y in 0..height {
            let [means, squares] = &mut self.sums;
            slide(sum, window, &mut self.powers, means);
            slide(square, window, &mut self.powers, squares);
            let line = out[y * width..(y + 1) * width].iter_mut().zip(row(y));
            for ((out, v), (mean, square)) in line.zip(means.iter().zip(squares.iter())) {
                let mean = mean * share;
                let spread = (square * share - mean * mean).max(0.0).sqrt();
                *out = ((v - base - mean) / (2.0 * spread + floor)).clamp(-LIMIT, LIMIT);
            }
            replace(sum, square, row((y + reach + 1).min(height - 1)), row(y.saturating_sub(reach)), base);
        }
    }
}

fn add(sum: &mut [f32], square: &mut [f32], row: &[f32], base: f32) {
    for ((s, q), v) in sum.iter_mut().zip(square).zip(row) {
        let v = v - base;
        (*s, *q) = (*s + v, *q + v * v);
    }
}

/// Moves the window down by a row.
fn replace(sum: &mut [f32], square: &mut [f32], enters: &[f32], leaves: &[f32], base: f32) {
    for (((s, q), new), old) in sum.iter_mut().zip(square).zip(enters).zip(leaves) {
        let (new, old) = (new - base, old - base);
        (*s, *q) = (*s + (new - old), *q + (new * new - old * old));
    }
}

/// Sums of `window` neighbours around each value, borders repeated: builds sums over powers of two by doubling and
/// adds up those that make up the window. This takes few steps, each independent between values.
fn slide(line: &[f32], window: usize, powers: &mut Vec<f32>, out: &mut [f32]) {
    let reach = window / 2;
    let (Some(&first), Some(&last)) = (line.first(), line.last()) else { return };
    powers.clear();
    powers.resize(reach, first);
    powers.extend_from_slice(line);
    powers.resize(line.len() + 2 * reach, last);
    out.fill(0.0);
    let (mut size, mut done) = (1, 0);
    while done < window {
        if window & size != 0 {
            out.iter_mut().zip(&powers[done..]).for_each(|(o, p)| *o += p);
            done += size;
        }
        let valid = powers.len().saturating_sub(size);
        for i in 0..valid {
            powers[i] += powers[i + size];
        }
        powers.truncate(valid);
        size *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, in f64.
    fn reference(values: &[f32], width: usize, window: usize, floor: f64) -> Vec<f64> {
        let (height, reach) = (values.len() / width, window as isize / 2);
        let at = |x: isize, y: isize| {
            let (x, y) = (x.clamp(0, width as isize - 1) as usize, y.clamp(0, height as isize - 1) as usize);
            f64::from(values[y * width + x])
        };
        let mut out = Vec::new();
        for y in 0..height as isize {
            for x in 0..width as isize {
                let around: Vec<f64> =
                    (-reach..=reach).flat_map(|j| (-reach..=reach).map(move |i| at(x + i, y + j))).collect();
                let n = around.len() as f64;
                let mean = around.iter().sum::<f64>() / n;
                let variance = around.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
                out.push(((at(x, y) - mean) / (2.0 * variance.sqrt() + floor)).clamp(-1.5, 1.5));
            }
        }
        out
    }

    #[test]
    fn agrees_with_the_definition_for_any_size_and_window() {
        let mut contrast = Contrast::default();
        for (width, height, window) in [(96, 96, 25), (31, 17, 25), (8, 40, 3), (1, 9, 5), (9, 1, 7), (160, 128, 31)] {
            let values: Vec<f32> = (0..width * height)
                .map(|i| 29_500.0 + 900.0 * ((i % width) as f32 / 9.0).sin() + (i * 7919 % 97) as f32)
                .collect();
            let mut out = vec![f32::NAN; values.len()];
            contrast.measure(&values, width, window, 29_000.0, 20.0, &mut out);
            let want = reference(&values, width, window, 20.0);
            let worst = out.iter().zip(&want).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-3, "{width} x {height}, window {window}: {worst}");
        }
    }

    #[test]
    fn a_flat_picture_has_none_and_a_small_step_shows_beside_a_large_one() {
        let mut contrast = Contrast::default();
        let mut out = vec![1.0; 400];
        contrast.measure(&[30_000.0; 400], 20, 5, 30_000.0, 20.0, &mut out);
        assert!(out.iter().all(|v| *v == 0.0));
        // 1 K of face beside 15 K of wall.
        let wide: Vec<f32> = (0..60 * 60).map(|i| if i % 60 < 20 { 29_500.0 } else { 31_000.0 }).collect();
        let with: Vec<f32> = wide.iter().enumerate().map(|(i, v)| v + if i % 60 == 45 { 100.0 } else { 0.0 }).collect();
        let mut out = vec![0.0; 3600];
        contrast.measure(&with, 60, 9, 29_500.0, 20.0, &mut out);
        assert!(out[30 * 60 + 45] > 0.8, "{}", out[30 * 60 + 45]);
        assert!(out.iter().all(|v| v.abs() <= LIMIT));
    }
}
