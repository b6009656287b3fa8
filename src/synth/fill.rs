//! Finds the triangles that touch a pixel, and draws them in groups of pixels.
//!
//! Most triangles of a head are smaller than a pixel's neighbourhood, so branches are mispredicted and set-up costs
//! more than drawing. Loops over the arrays of a group compile to vector instructions on every machine.

use multiversion::multiversion;

use super::raster::Layers;
use super::vector::{Rgb, V3};

/// Minimum weight of each corner at a covered pixel. Slightly negative, so that neighbours leave no gap.
const EDGE: f32 = -1e-4;

/// How a corner looks: apparent temperature, degC, and colour.
type Tone = (f32, Rgb);

/// Pixels of a row drawn together.
const LANES: usize = 4;

/// Triangles tested before the hits are drawn.
const BATCH: usize = 64;

/// A triangle that may cover the centres of pixels.
#[derive(Debug, Clone, Copy, Default)]
struct Hit {
    /// Number in the batch.
    triangle: u32,
    /// Twice its area.
    area: f32,
    /// Columns from and to.
    x: [i32; 2],
    /// Rows from and to.
    y: [i32; 2],
}

/// Projected triangles and their corners.
pub struct Mesh<'a> {
    /// Column and row, sub-pixels, and distance, cm, of each corner.
    pub screen: &'a [V3],
    /// Corners of each triangle.
    pub triangles: &'a [[u32; 3]],
    /// Whether triangles that face away are left out.
    pub cull: bool,
    /// Apparent temperature of each corner, degC.
    pub apparent: &'a [f32],
    /// Colour of each corner; may be empty if the layers have no colour.
    pub colour: &'a [Rgb],
    /// Material of each corner, see [`material`](super::raster::material).
    pub material: &'a [u8],
}

impl Mesh<'_> {
    #[inline(always)]
    fn tone(&self, corner: usize) -> Tone {
        (self.apparent[corner], self.colour.get(corner).copied().unwrap_or_default())
    }
}

/// Draws the mesh where nothing nearer has been drawn.
///
/// Its callees must be inlined to use its instruction set. Closures and functions that take them are not inlined.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn draw(layers: &mut Layers, mesh: &Mesh) {
    let mut hits = [Hit::default(); BATCH];
    for some in mesh.triangles.chunks(BATCH) {
        for hit in touching((layers.width, layers.height), mesh, some, &mut hits) {
            let [i, j, k] = some[hit.triangle as usize];
            let (i, j, k) = (i as usize, j as usize, k as usize);
            // Majority of the three corners.
            let (ma, mb, mc) = (mesh.material[i], mesh.material[j], mesh.material[k]);
            let material = if mb == mc { mb } else { ma };
            let tone = [mesh.tone(i), mesh.tone(j), mesh.tone(k)];
            layers.fill([mesh.screen[i], mesh.screen[j], mesh.screen[k]], tone, material, hit);
        }
    }
}

/// Finds the triangles that may cover the centre of a pixel. The outcome is close to random, so each one is
/// written to `into` and kept by incrementing the count instead of branching.
#[inline(always)]
fn touching<'h>(
    (width, height): (usize, usize),
    mesh: &Mesh,
    triangles: &[[u32; 3]],
    into: &'h mut [Hit; BATCH],
) -> &'h [Hit] {
    let mut count = 0;
    for (t, corners) in (0..).zip(triangles.iter().take(BATCH)) {
        let &[i, j, k] = corners;
        let (a, b, c) = (mesh.screen[i as usize], mesh.screen[j as usize], mesh.screen[k as usize]);
        let area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]);
        // A triangle facing the camera, counter-clockwise from outside, is never clockwise (positive area) on a
        // y-down picture. Neighbours mostly agree, so a branch pays off.
        if area.abs() < 1e-6 || (mesh.cull && area > 0.0) {
            continue;
        }
        let (x0, x1) = span(least(a[0], b[0], c[0]), most(a[0], b[0], c[0]), width);
        let (y0, y1) = span(least(a[1], b[1], c[1]), most(a[1], b[1], c[1]), height);
        let near = least(a[2], b[2], c[2]) < 5.0;
        into[count] = Hit { triangle: t, area, x: [x0, x1], y: [y0, y1] };
        count += usize::from(!near & (x0 < x1) & (y0 < y1));
    }
    &into[..count]
}

impl Layers {
    /// Draws a triangle with the tones of its corners.
    #[inline(always)]
    fn fill(&mut self, [a, b, c]: [V3; 3], tone: [Tone; 3], material: u8, hit: &Hit) {
        let ([x0, x1], [y0, y1]) = (hit.x, hit.y);
        // Start of the last group of a row; nothing is drawn on a picture narrower than a group.
        let Some(last) = self.width.checked_sub(LANES) else { return };
        let last = last as i32;
        let inv = 1.0 / hit.area;
        let (bx, by) = ((c[1] - a[1]) * inv, (c[0] - a[0]) * inv);
        let (cx, cy) = ((b[1] - a[1]) * inv, (b[0] - a[0]) * inv);
        let depth = [a[2], b[2], c[2]];
        if x1 - x0 <= LANES as i32 {
            // The common case.
            let first = x0.min(last);
            let (columns, within) = (columns(first, a[0], (bx, cx)), within(first, (x0, x1)));
            for y in y0..y1 {
                let (w, inside) = weigh(&columns, row(y, a[1], (by, cy)), within);
                if any(&inside) {
                    self.put(y as usize * self.width + first as usize, w, inside, depth, &tone, material);
                }
            }
            return;
        }
        for y in y0..y1 {
            let (rb, rc) = row(y, a[1], (by, cy));
            let (mut x, mut touched) = (x0, false);
            if x1 - x0 > 3 * LANES as i32 {
                // Where the weights of b and c reach their limit.
                let left = a[0] + left(-rb, bx).max(left(rc, -cx));
                x = x0.max((left.max(0.0) as i32).min(x1));
            }
            while x < x1 {
                let first = x.min(last);
                let (w, inside) = weigh(&columns(first, a[0], (bx, cx)), (rb, rc), within(first, (x, x1)));
                if any(&inside) {
                    touched = true;
                    self.put(y as usize * self.width + first as usize, w, inside, depth, &tone, material);
                } else if touched {
                    break;
                }
                x += LANES as i32;
            }
        }
    }

    /// Draws the pixels of a group that are inside the triangle, where nothing nearer has been drawn.
    #[inline(always)]
    fn put(
        &mut self,
        at: usize,
        w: [[f32; LANES]; 3],
        mut inside: [u32; LANES],
        [za, zb, zc]: [f32; 3],
        tone: &[Tone; 3],
        material: u8,
    ) {
        let planes = (
            self.depth.get_mut(at..).and_then(|p| p.first_chunk_mut::<LANES>()),
            self.temp.get_mut(at..).and_then(|p| p.first_chunk_mut::<LANES>()),
            self.material.get_mut(at..).and_then(|p| p.first_chunk_mut::<LANES>()),
        );
        let (Some(depths), Some(temps), Some(materials)) = planes else { return };
        // All are read before any is written, so that they can share one vector register.
        let (mut depth, mut temp) = (*depths, *temps);
        for k in 0..LANES {
            let z = mix([w[0][k], w[1][k], w[2][k]], za, zb, zc);
            inside[k] &= mask(z < depth[k]);
            depth[k] = pick(inside[k], z, depth[k]);
        }
        for k in 0..LANES {
            let t = mix([w[0][k], w[1][k], w[2][k]], tone[0].0, tone[1].0, tone[2].0);
            temp[k] = pick(inside[k], t, temp[k]);
        }
        (*depths, *temps) = (depth, temp);
        for k in 0..LANES {
            let m = inside[k] as u8;
            materials[k] = (material & m) | (materials[k] & !m);
        }
        if let Some(rgb) = self.rgb.get_mut(at..at + LANES) {
            for k in 0..LANES {
                if inside[k] != 0 {
                    rgb[k] = colour([w[0][k], w[1][k], w[2][k]], tone);
                }
            }
        }
    }
}

/// The weights of b and c are linear in x and in y. These are the x terms of the columns from `first` on, with
/// corner a in column `a`.
#[inline(always)]
fn columns(first: i32, a: f32, (bx, cx): (f32, f32)) -> ([f32; LANES], [f32; LANES]) {
    let (mut b, mut c) = ([0.0; LANES], [0.0; LANES]);
    for k in 0..LANES {
        let px = (first + k as i32) as f32 + 0.5 - a;
        (b[k], c[k]) = (px * bx, px * cx);
    }
    (b, c)
}

/// As [`columns`], the y terms of a row.
#[inline(always)]
fn row(y: i32, a: f32, (by, cy): (f32, f32)) -> (f32, f32) {
    let py = y as f32 + 0.5 - a;
    (by * py, cy * py)
}

/// Which of the columns from `first` on are in `x0..x1`.
#[inline(always)]
fn within(first: i32, (x0, x1): (i32, i32)) -> [u32; LANES] {
    let mut inside = [0; LANES];
    for k in 0..LANES {
        inside[k] = mask((first + k as i32 >= x0) & (first + (k as i32) < x1));
    }
    inside
}

/// Column, relative to corner a, from which on a weight of `w` in a's column reaches its limit; a pixel of slack.
#[inline(always)]
fn left(w: f32, slope: f32) -> f32 {
    if slope > 0.0 { -(w - EDGE) / slope - 1.5 } else { f32::NEG_INFINITY }
}

/// Weights of the corners over a group of pixels of a row, and which of them count as inside.
#[inline(always)]
fn weigh(
    (b, c): &([f32; LANES], [f32; LANES]),
    (rb, rc): (f32, f32),
    within: [u32; LANES],
) -> ([[f32; LANES]; 3], [u32; LANES]) {
    let (mut w, mut inside) = ([[0.0; LANES]; 3], within);
    for k in 0..LANES {
        let (wb, wc) = (b[k] - rb, rc - c[k]);
        let wa = 1.0 - wb - wc;
        (w[0][k], w[1][k], w[2][k]) = (wa, wb, wc);
        inside[k] &= mask((wa >= EDGE) & (wb >= EDGE) & (wc >= EDGE));
    }
    (w, inside)
}

#[inline(always)]
fn any(inside: &[u32; LANES]) -> bool {
    let mut any = 0;
    for k in 0..LANES {
        any |= inside[k];
    }
    any != 0
}

/// All bits set if true.
#[inline(always)]
fn mask(is: bool) -> u32 {
    u32::from(is).wrapping_neg()
}

/// `a` where the mask is set, else `b`, without branches.
#[inline(always)]
fn pick(mask: u32, a: f32, b: f32) -> f32 {
    f32::from_bits((a.to_bits() & mask) | (b.to_bits() & !mask))
}

#[inline(always)]
fn mix([wa, wb, wc]: [f32; 3], a: f32, b: f32, c: f32) -> f32 {
    wa * a + wb * b + wc * c
}

#[inline(always)]
fn colour(w: [f32; 3], [(_, a), (_, b), (_, c)]: &[Tone; 3]) -> Rgb {
    [mix(w, a[0], b[0], c[0]), mix(w, a[1], b[1], c[1]), mix(w, a[2], b[2], c[2])]
}

/// Minimum of three numbers, none NaN: one instruction per comparison, unlike `f32::min`.
#[inline(always)]
fn least(a: f32, b: f32, c: f32) -> f32 {
    let ab = if b < a { b } else { a };
    if c < ab { c } else { ab }
}

/// Maximum of three numbers, none NaN.
#[inline(always)]
fn most(a: f32, b: f32, c: f32) -> f32 {
    let ab = if b > a { b } else { a };
    if c > ab { c } else { ab }
}

/// Pixels whose centres are within `lo..=hi`. Uses casts because rounding functions are calls on old targets.
#[inline(always)]
fn span(lo: f32, hi: f32, n: usize) -> (i32, i32) {
    let first = (lo + 0.5).max(0.0) as i32;
    let first = first.saturating_add(i32::from((first as f32) + 0.5 < lo));
    let end = if hi < 0.5 { 0 } else { ((hi + 0.5) as i32).min(n as i32) };
    (first, end)
}
