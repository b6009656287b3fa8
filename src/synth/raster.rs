//! Z-buffered triangles with temperature and colour.

use super::vector::{V3, cross, dot, scale, sub, unit};

/// What covers a pixel; the upper four bits hold the person's number.
pub mod material {
    /// Nothing but background.
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
    /// Things in front.
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

/// A corner of a triangle, in camera space: x right, y up, z away from the camera, cm.
#[derive(Debug, Clone, Copy)]
pub struct Vertex {
    /// Position.
    pub at: V3,
    /// Outward unit normal.
    pub normal: V3,
    /// True surface temperature, degC.
    pub temp: f32,
    /// Diffuse colour, 0 to 1.
    pub albedo: V3,
    /// See [`material`].
    pub material: u8,
}

/// A pinhole camera over a supersampled picture.
#[derive(Debug, Clone, Copy)]
pub struct Camera {
    /// Focal length, sub-pixels.
    pub focal: f32,
    /// Principal point, sub-pixels.
    pub centre: [f32; 2],
}

impl Camera {
    /// Sub-pixel position of a camera-space point.
    pub fn project(&self, p: V3) -> [f32; 2] {
        let s = self.focal / p[2].max(1.0);
        [self.centre[0] + s * p[0], self.centre[1] - s * p[1]]
    }
}

/// How surfaces meet the two sensors.
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
    pub lamp: V3,
    /// Strength from everywhere per colour.
    pub ambient: V3,
}

impl Light {
    /// Apparent temperature of a surface seen at `cos` of its normal, degC: the camera sees
    /// `e T^4 + (1 - e) T_reflected^4` (grey body, total radiation).
    pub fn apparent(&self, temp: f32, cos: f32) -> f32 {
        let g = 1.0 - cos.abs().min(1.0);
        let e = self.emissivity * (1.0 - self.grazing * (g * g) * (g * g));
        let fourth = |c: f32| {
            let k = c + 273.15;
            (k * k) * (k * k)
        };
        (e * fourth(temp) + (1.0 - e) * fourth(self.reflected_c)).sqrt().sqrt() - 273.15
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
    /// Linear colour, 0 to 1; empty where only thermal is wanted.
    pub rgb: Vec<V3>,
    /// See [`material`].
    pub material: Vec<u8>,
}

struct Corner {
    x: f32,
    y: f32,
    z: f32,
    temp: f32,
    rgb: V3,
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

    /// Draws triangles over `vertices`. With `cull`, those facing away are left out.
    pub fn draw(&mut self, cam: &Camera, light: &Light, vertices: &[Vertex], triangles: &[[u32; 3]], cull: bool) {
        let colour = !self.rgb.is_empty();
        let corners: Vec<Corner> = vertices
            .iter()
            .map(|v| {
                let [x, y] = cam.project(v.at);
                let cos = -dot(v.normal, unit(v.at));
                let rgb = if colour {
                    let lit = dot(v.normal, light.direction).max(0.0);
                    std::array::from_fn(|k| v.albedo[k] * (light.ambient[k] + light.lamp[k] * lit))
                } else {
                    [0.0; 3]
                };
                Corner { x, y, z: v.at[2], temp: light.apparent(v.temp, cos), rgb }
            })
            .collect();
        for t in triangles {
            let [a, b, c] = t.map(|i| i as usize);
            // The material of two of three corners wins.
            let (ma, mb, mc) = (vertices[a].material, vertices[b].material, vertices[c].material);
            let m = if mb == mc { mb } else { ma };
            self.triangle([&corners[a], &corners[b], &corners[c]], m, cull);
        }
    }

    fn triangle(&mut self, [a, b, c]: [&Corner; 3], material: u8, cull: bool) {
        let area = (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y);
        // Counter-clockwise from outside turns clockwise (positive) never on a y-down picture.
        if area.abs() < 1e-6 || (cull && area > 0.0) || a.z.min(b.z).min(c.z) < 5.0 {
            return;
        }
        // Pixel centres within lo..=hi; plain casts, as rounding functions are calls on old targets.
        let span = |lo: f32, hi: f32, n: usize| {
            let first = (lo + 0.5).max(0.0) as usize;
            let first = first + usize::from((first as f32) + 0.5 < lo);
            let end = if hi < 0.5 { 0 } else { ((hi + 0.5) as usize).min(n) };
            (first, end)
        };
        let (x0, x1) = span(a.x.min(b.x).min(c.x), a.x.max(b.x).max(c.x), self.width);
        let (y0, y1) = span(a.y.min(b.y).min(c.y), a.y.max(b.y).max(c.y), self.height);
        let inv = 1.0 / area;
        let (bx, by) = ((c.y - a.y) * inv, (c.x - a.x) * inv);
        let (cx, cy) = ((b.y - a.y) * inv, (b.x - a.x) * inv);
        for y in y0..y1 {
            let py = y as f32 + 0.5 - a.y;
            for x in x0..x1 {
                let px = x as f32 + 0.5 - a.x;
                let wb = px * bx - by * py;
                let wc = cy * py - px * cx;
                let wa = 1.0 - wb - wc;
                if wa < -1e-4 || wb < -1e-4 || wc < -1e-4 {
                    continue;
                }
                let z = wa * a.z + wb * b.z + wc * c.z;
                let i = y * self.width + x;
                if z < self.depth[i] {
                    self.depth[i] = z;
                    self.temp[i] = wa * a.temp + wb * b.temp + wc * c.temp;
                    self.material[i] = material;
                    if let Some(p) = self.rgb.get_mut(i) {
                        *p = std::array::from_fn(|k| wa * a.rgb[k] + wb * b.rgb[k] + wc * c.rgb[k]);
                    }
                }
            }
        }
    }
}

/// A closed or open surface over a grid of two parameters, for bodies, hats and things.
pub struct Sheet {
    /// Corners.
    pub vertices: Vec<Vertex>,
    /// Triangles over them.
    pub triangles: Vec<[u32; 3]>,
}

impl Sheet {
    /// Samples `shape(u, v)` for u, v in 0..=1 on an `nu` by `nv` grid and paints each corner with
    /// `(temperature, colour)`; normals are taken from neighbours and turned away from `inside`.
    pub fn new(
        (nu, nv): (usize, usize),
        material: u8,
        inside: V3,
        shape: impl Fn(f32, f32) -> V3,
        paint: impl Fn(V3) -> (f32, V3),
    ) -> Self {
        let mut vertices = Vec::with_capacity((nu + 1) * (nv + 1));
        let e = 1e-2;
        for j in 0..=nv {
            for i in 0..=nu {
                let (u, v) = (i as f32 / nu as f32, j as f32 / nv as f32);
                let at = shape(u, v);
                let mut normal = unit(cross(sub(shape(u + e, v), at), sub(shape(u, v + e), at)));
                let out = sub(at, inside);
                if dot(normal, normal) < 0.5 {
                    normal = unit(out);
                } else if dot(normal, out) < 0.0 {
                    normal = scale(normal, -1.0);
                }
                let (temp, albedo) = paint(at);
                vertices.push(Vertex { at, normal, temp, albedo, material });
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
        Self { vertices, triangles }
    }
}
