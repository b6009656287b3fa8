//! Z-buffered triangles with temperature and colour.

use super::vector::{Rgb, V3};

/// Material of a pixel; the upper four bits hold the person's number.
pub mod material {
    /// Background.
    pub const BACKDROP: u8 = 0;
    /// Face, ears, neck.
    pub const SKIN: u8 = 1;
    /// Hair and beard.
    pub const HAIR: u8 = 2;
    /// Hats, hoods, scarves.
    pub const HAT: u8 = 3;
    /// Face masks.
    pub const MASK: u8 = 4;
    /// Spectacles.
    pub const GLASSES: u8 = 5;
    /// Clothing.
    pub const CLOTH: u8 = 6;
    /// Objects in front.
    pub const OBJECT: u8 = 7;
    /// Hands and arms.
    pub const HAND: u8 = 8;

    /// The material without the person.
    pub fn kind(m: u8) -> u8 {
        m & 15
    }

    /// Tags a material with a person, 0 to 14.
    pub fn of(kind: u8, person: usize) -> u8 {
        kind | ((person as u8 + 1) << 4)
    }
}

/// A pinhole camera of a supersampled picture.
#[derive(Debug, Clone, Copy)]
pub struct Camera {
    /// Focal length, sub-pixels.
    pub focal: f32,
    /// Principal point, sub-pixels.
    pub centre: [f32; 2],
}

impl Camera {
    /// Sub-pixel position of a camera-space point.
    #[inline(always)]
    pub fn project(&self, p: V3) -> [f32; 2] {
        let s = self.focal / p[2].max(1.0);
        [self.centre[0] + s * p[0], self.centre[1] - s * p[1]]
    }
}

/// Fourth power of a temperature, degC, in kelvin.
#[inline(always)]
fn fourth(c: f32) -> f32 {
    let k = c + 273.15;
    (k * k) * (k * k)
}

/// How surfaces look to the thermal and the colour sensor.
#[derive(Debug, Clone, Copy)]
pub struct Light {
    /// Emissivity at normal incidence.
    pub emissivity: f32,
    /// Loss of emissivity at grazing incidence, 0 to 1 (Fresnel-like, falls with `(1 - cos)^4`).
    pub grazing: f32,
    /// Apparent temperature of the surroundings, degC.
    pub reflected_c: f32,
    /// Direction towards the lamp.
    pub direction: V3,
    /// Lamp strength per colour.
    pub lamp: Rgb,
    /// Ambient strength per colour.
    pub ambient: Rgb,
}

impl Light {
    /// Apparent temperature, degC, of a surface seen at an angle of cosine `cos` to its normal: the camera
    /// sees `e T^4 + (1 - e) T_reflected^4` (grey body, total radiation).
    #[inline(always)]
    pub fn apparent(&self, temp: f32, cos: f32) -> f32 {
        let g = 1.0 - cos.abs().min(1.0);
        let e = self.emissivity * (1.0 - self.grazing * (g * g) * (g * g));
        (e * fourth(temp) + (1.0 - e) * fourth(self.reflected_c)).sqrt().sqrt() - 273.15
    }
}

impl Light {
    /// Diffusely reflected colour of a surface with this unit normal.
    #[inline]
    pub fn reflected(&self, albedo: Rgb, normal: V3) -> Rgb {
        let lit = normal.dot(self.direction).max(0.0);
        let of = |k: usize| albedo[k] * (self.ambient[k] + self.lamp[k] * lit);
        [of(0), of(1), of(2)]
    }
}

/// Picture planes at sub-pixel resolution.
pub struct Layers {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Distance, cm; infinite where nothing was drawn.
    pub depth: Vec<f32>,
    /// Apparent temperature, degC.
    pub temp: Vec<f32>,
    /// Linear colour, 0 to 1; empty if only thermal is needed.
    pub rgb: Vec<Rgb>,
    /// See [`material`].
    pub material: Vec<u8>,
}

impl Layers {
    /// Empty planes.
    pub fn new(width: usize, height: usize, colour: bool) -> Self {
        let n = width * height;
        Self {
            width,
            height,
            depth: vec![f32::INFINITY; n],
            temp: vec![0.0; n],
            rgb: vec![[0.0; 3]; if colour { n } else { 0 }],
            material: vec![material::BACKDROP; n],
        }
    }
}

/// A closed or open surface over a grid of two parameters, for bodies, hats and objects.
pub struct Sheet {
    /// Positions of its corners, cm.
    pub at: Vec<V3>,
    /// Their outward unit normals.
    pub normals: Vec<V3>,
    /// Their true surface temperatures, degC.
    pub temps: Vec<f32>,
    /// Their diffuse colours, 0 to 1.
    pub albedo: Vec<Rgb>,
    /// See [`material`].
    pub material: u8,
    /// Triangles of corner indices.
    pub triangles: Vec<[u32; 3]>,
}

impl Sheet {
    /// Samples `shape(u, v)` for u, v in 0..=1 on an `nu` by `nv` grid and paints each corner with
    /// `(temperature, colour)`. Normals are computed from neighbours and point away from `inside`.
    pub fn new(
        (nu, nv): (usize, usize),
        material: u8,
        inside: V3,
        shape: impl Fn(f32, f32) -> V3,
        paint: impl Fn(V3) -> (f32, Rgb),
    ) -> Self {
        let stride = nu + 1;
        let corner = |i: usize| ((i % stride) as f32 / nu as f32, (i / stride) as f32 / nv as f32);
        let grid: Vec<V3> = (0..stride * (nv + 1)).map(|i| shape(corner(i).0, corner(i).1)).collect();
        let mut normals = Vec::with_capacity(grid.len());
        for j in 0..=nv {
            for i in 0..=nu {
                let node = |i: usize, j: usize| grid[j * stride + i];
                let at = node(i, j);
                let across = node((i + 1).min(nu), j) - node(i.saturating_sub(1), j);
                let along = node(i, (j + 1).min(nv)) - node(i, j.saturating_sub(1));
                let mut normal = across.cross(along).unit();
                let out = at - inside;
                if normal.dot(normal) < 0.5 {
                    normal = out.unit();
                } else if normal.dot(out) < 0.0 {
                    normal = normal * -1.0;
                }
                normals.push(normal);
            }
        }
        let mut triangles = Vec::with_capacity(2 * nu * nv);
        for j in 0..nv {
            for i in 0..nu {
                let a = (j * (nu + 1) + i) as u32;
                let (b, c) = (a + 1, a + nu as u32 + 1);
                triangles.push([a, b, c]);
                triangles.push([b, c + 1, c]);
            }
        }
        let (temps, albedo) = grid.iter().map(|at| paint(*at)).unzip();
        Self { at: grid, normals, temps, albedo, material, triangles }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fill::{Mesh, draw};
    use super::super::shade::projected;
    use super::*;
    use crate::synth::random::Random;

    #[test]
    fn triangles_cover_what_they_contain_and_the_nearer_wins() {
        let camera = Camera { focal: 100.0, centre: [32.0, 24.0] };
        let mut r = Random::new(9, 0);
        let mut filled = 0;
        for round in 0..400 {
            let reach = r.log_range(2.0, 60.0);
            let mut corner = || V3::new(r.range(-reach, reach), r.range(-reach, reach), r.range(60.0, 140.0));
            let at = [corner(), corner(), corner(), corner(), corner(), corner()];
            let mut layers = Layers::new(64, 48, true);
            let mesh = Mesh {
                screen: &projected(&camera, &at),
                triangles: &[[0, 1, 2], [3, 4, 5]],
                cull: false,
                apparent: &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
                colour: &at.map(|p| [p[0], p[1], 0.0]),
                material: &[1, 1, 1, 2, 2, 2],
            };
            draw(&mut layers, &mesh);
            for i in 0..64 * 48 {
                let (x, y) = ((i % 64) as f64 + 0.5, (i / 64) as f64 + 0.5);
                let hit = |t: usize| cover(&camera, &at[3 * t..3 * t + 3], x, y);
                let (a, b) = (hit(0), hit(1));
                // Within a rounding of an edge, or of each other, either answer is right.
                let unsure = [a, b].iter().any(|h| h.1 < 1e-3) || (a.0 - b.0).abs() < 1e-2;
                let want = if a.0 == b.0 {
                    0
                } else if a.0 < b.0 {
                    1
                } else {
                    2
                };
                let got = layers.material[i];
                assert!(unsure || got == want, "round {round}, pixel {x} {y}: {got}, wanted {want}");
                filled += usize::from(!unsure && got > 0);
                if !unsure && got > 0 {
                    assert!(layers.temp[i] >= -0.01 && layers.temp[i] <= 5.01 && layers.depth[i] >= 59.9);
                }
            }
        }
        assert!(filled > 10_000, "only {filled} pixels tell anything");
    }

    /// Depth of a triangle under a picture position, infinite outside; and how near an edge that is.
    fn cover(camera: &Camera, at: &[V3], x: f64, y: f64) -> (f64, f64) {
        let p: Vec<[f64; 2]> = at.iter().map(|p| camera.project(*p).map(f64::from)).collect();
        let side =
            |a: [f64; 2], b: [f64; 2], c: [f64; 2]| (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        let whole = side(p[0], p[1], p[2]);
        let q = [x, y];
        let w = [side(p[1], p[2], q) / whole, side(p[2], p[0], q) / whole, side(p[0], p[1], q) / whole];
        let least = w.into_iter().fold(f64::MAX, f64::min);
        let depth = (0..3).map(|i| w[i] * f64::from(at[i][2])).sum();
        (if least < 0.0 { f64::INFINITY } else { depth }, least.abs())
    }
}
