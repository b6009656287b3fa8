//! Contact sheets: many small renderings in one picture, for visual checks.

use super::dataset::Kind;
use super::scene::Rendering;
use super::studio::Studio;
use crate::error::Result;
use crate::picture::Canvas;

/// Scenes per row and per column.
const SIDE: usize = 8;

/// Renders 64 records of `seed` side by side and encodes them as PNG. Thermal ones are stretched
/// between their 1st and 99th percentile, similar to a camera's AGC.
///
/// # Errors
/// Errors of the scenes and of the PNG encoder.
pub fn contact(studio: &Studio, kind: Kind, seed: u64, colour: bool, points: bool) -> Result<Vec<u8>> {
    let mut canvas = Canvas::default();
    for i in 0..SIDE * SIDE {
        let r = kind.render(studio, seed, i as u64, colour);
        if canvas.rgb.is_empty() {
            canvas.width = (r.width * SIDE) as u32;
            canvas.height = (r.height * SIDE) as u32;
            canvas.rgb = vec![0; r.width * r.height * SIDE * SIDE * 3];
        }
        paste(&mut canvas, &r, (i % SIDE) * r.width, (i / SIDE) * r.height, points);
    }
    let mut png = Vec::new();
    crate::picture::png(&canvas, &mut png)?;
    Ok(png)
}

fn paste(canvas: &mut Canvas, r: &Rendering, x0: usize, y0: usize, points: bool) {
    let mut sorted = r.thermal_c.clone();
    sorted.sort_by(f32::total_cmp);
    let (lo, hi) = (sorted[sorted.len() / 100], sorted[sorted.len() - 1 - sorted.len() / 100]);
    let stride = canvas.width as usize;
    let mut put = |x: usize, y: usize, c: [u8; 3]| {
        let at = ((y0 + y) * stride + x0 + x) * 3;
        canvas.rgb[at..at + 3].copy_from_slice(&c);
    };
    for y in 0..r.height {
        for x in 0..r.width {
            let i = y * r.width + x;
            let grey = ((r.thermal_c[i] - lo) / (hi - lo).max(0.2) * 255.0).clamp(0.0, 255.0) as u8;
            put(x, y, r.rgb.get(i).copied().unwrap_or([grey; 3]));
        }
    }
    for face in r.faces.iter().filter(|_| points) {
        for (p, v) in face.points.iter().zip(face.visibility) {
            let inside = p[0] >= 0.0 && p[1] >= 0.0 && p[0] < r.width as f32 && p[1] < r.height as f32;
            if inside {
                put(p[0] as usize, p[1] as usize, [[0, 255, 0], [255, 255, 0], [255, 0, 0]][v as usize]);
            }
        }
    }
}
