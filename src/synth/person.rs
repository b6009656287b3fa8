//! One person: a head with skin, hair and headwear, a body, and their pose.

use super::body;
use super::climate::Climate;
use super::fill::{self, Mesh};
use super::head::{HeadModel, curvature, normals, part};
use super::random::{Random, step};
use super::raster::{Camera, Layers, Light, Sheet, material};
use super::shade::{Stand, apparent, placed, projected, reflected, units};
use super::skin::Fields;
use super::studio::Studio;
use super::vector::{Rgb, Rotation, V3};
use super::wear;
use crate::landmarks::COUNT;

/// The joint about which the head turns, head coordinates, cm.
const NECK: V3 = V3::new(0.0, -8.5, -1.5);

/// Pairs of points on the upper and the lower lip.
const LIPS: [(usize, usize); 3] = [(61, 67), (62, 66), (63, 65)];

/// Maximum distance of the lips at which they hide the inside of the mouth, cm.
const CLOSED_CM: f32 = 0.1;

/// A point faces away if the cosine between its normal and the direction to the camera is below this.
const AWAY_COS: f32 = -0.05;

/// Camera and light for one person.
struct View<'a> {
    camera: &'a Camera,
    light: &'a Light,
    /// The person's number in the scene.
    number: usize,
}

impl View<'_> {
    fn draw(&self, sheets: &[Sheet], stand: &Stand, layers: &mut Layers) {
        let colour = !layers.rgb.is_empty();
        for sheet in sheets {
            let at = placed(stand, &sheet.at);
            let mesh = Mesh {
                screen: &projected(self.camera, &at),
                triangles: &sheet.triangles,
                cull: false,
                apparent: &apparent(self.light, stand, (&at, &sheet.normals), &sheet.temps),
                colour: &if colour { reflected(self.light, stand, &sheet.normals, &sheet.albedo) } else { vec![] },
                material: &vec![material::of(sheet.material, self.number); at.len()],
            };
            fill::draw(layers, &mesh);
        }
    }
}

/// Position, pose and expression at one moment.
#[derive(Debug, Clone)]
pub struct Moment {
    /// Head origin (behind the nose) in camera space, cm; z is the distance.
    pub at: V3,
    /// Head rotation relative to the direction towards the camera, degrees.
    pub pose: [f32; 3],
    /// Body yaw, degrees.
    pub body_yaw: f32,
    /// `(expression index, weight)`.
    pub expression: Vec<(usize, f32)>,
    /// -1 (inhaling cool air) to 1 (exhaling warm air).
    pub breath: f32,
}

/// Everything about a person that does not move.
pub struct Person {
    forehead: f32,
    shape: Vec<V3>,
    /// Skin temperature at each point, before anything covers it.
    skin: [f32; COUNT],
    temps: Vec<f32>,
    breath_k: f32,
    displacement: Vec<f32>,
    material: Vec<u8>,
    albedo: Vec<Rgb>,
    head_sheets: Vec<Sheet>,
    body_sheets: Vec<Sheet>,
    front_sheets: Vec<Sheet>,
}

/// Truth about the 70 points of a drawn person.
pub struct Points {
    /// Sub-pixel positions and camera depths.
    pub at: [[f32; 3]; COUNT],
    /// Whether the outward normal points away from the camera.
    pub faces_away: [bool; COUNT],
    /// True temperature of the skin, whatever covers it, degC.
    pub skin_c: [f32; COUNT],
    /// What a camera sees of it, or of the hair, beard or mask on it, without blur and noise, degC.
    pub apparent_c: [f32; COUNT],
}

/// The shape of a head, which several people may share.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Vertices without expression, head coordinates, cm.
    pub shape: Vec<V3>,
    /// Folds and ridges: see [`curvature`].
    pub relief: Vec<f32>,
}

impl Identity {
    /// An identity with a given shape.
    pub fn of(model: &HeadModel, shape: Vec<V3>) -> Self {
        let relief = curvature(&shape, &model.triangles);
        Self { shape, relief }
    }

    /// A random identity.
    pub fn draw(model: &HeadModel, r: &mut Random) -> Self {
        let weights: Vec<f32> = (0..model.modes()).map(|_| r.normal(0.0, 0.9)).collect();
        Self::of(model, model.identity(&weights))
    }
}

/// A random expression: few active, the jaw open in a third of the cases, some blinks and smiles.
pub fn expression(model: &HeadModel, r: &mut Random) -> Vec<(usize, f32)> {
    let mut out: Vec<(usize, f32)> =
        (0..r.below(4)).map(|_| (r.below(model.expressions()), r.range(0.0, 0.8))).collect();
    let mut named = |names: &[&str], w: f32| {
        out.extend(names.iter().filter_map(|n| model.expression(n)).map(|i| (i, w)));
    };
    if r.chance(0.33) {
        named(&["jawOpen"], r.range(0.0, 0.9));
    }
    let lids = if r.chance(0.15) { r.range(0.6, 1.0) } else { r.range(0.0, 0.3) };
    named(&["eyeBlink_L", "eyeBlink_R"], lids);
    if r.chance(0.3) {
        named(&["mouthSmile_L", "mouthSmile_R"], r.range(0.1, 1.0));
    }
    out
}

/// Head poses: mostly towards the camera, many turned, up to full profile and beyond.
pub fn pose(r: &mut Random) -> [f32; 3] {
    let (yaw, pitch) = match r.below(20) {
        0..=8 => (r.normal(0.0, 18.0), r.normal(0.0, 9.0)),
        9..=14 => (r.range(-75.0, 75.0), r.normal(0.0, 13.0)),
        15..=17 => (if r.chance(0.5) { 1.0 } else { -1.0 } * r.range(60.0, 98.0), r.normal(0.0, 11.0)),
        _ => (r.normal(0.0, 30.0), r.normal(0.0, 24.0)),
    };
    [yaw.clamp(-98.0, 98.0), pitch.clamp(-48.0, 48.0), r.normal(0.0, 10.0).clamp(-45.0, 45.0)]
}

impl Person {
    /// Draws a person of this shape in this climate, with colours if `colour`.
    pub fn draw(studio: &Studio, identity: &Identity, climate: &Climate, colour: bool, r: &mut Random) -> Self {
        let outfit = wear::Outfit::draw(climate, r);
        // Skin follows the air temperature: about 0.12 K per kelvin around 24 degC (Webb 1992).
        let mean = 33.8 + 0.12 * (climate.ambient_c - 24.0) + climate.sun_k * 0.12;
        let forehead = if r.chance(0.93) { r.normal(mean, 1.2) } else { r.normal(mean, 3.0) };
        let mut person = Self::wearing(outfit, forehead, studio, identity, climate, colour, r);
        if r.chance(0.13) {
            person.front_sheets = body::in_front(climate, person.forehead, r);
        }
        person
    }

    /// The same with a given outfit and forehead temperature (degC), and no object in front.
    pub fn wearing(
        outfit: wear::Outfit,
        forehead: f32,
        studio: &Studio,
        identity: &Identity,
        climate: &Climate,
        colour: bool,
        r: &mut Random,
    ) -> Self {
        let Studio { model, fields } = studio;
        let n = model.neutral.len();
        let temps = fields.temperatures(model, &identity.relief, r, forehead, climate.chill);
        // Colours use their own stream, so that the thermal picture is the same with and without them.
        let mut own = Random::new(r.bits(), 0);
        let albedo = if colour { colours(model, fields, &mut own) } else { Vec::new() };
        let mut person = Self {
            forehead,
            shape: identity.shape.clone(),
            skin: model.landmarks.map(|v| temps[v]),
            temps,
            breath_k: r.range(0.1, 0.9),
            displacement: vec![0.0; n],
            material: vec![material::SKIN; n],
            albedo,
            head_sheets: Vec::new(),
            body_sheets: Vec::new(),
            front_sheets: Vec::new(),
        };
        let mut look = wear::Look {
            temps: &mut person.temps,
            displacement: &mut person.displacement,
            material: &mut person.material,
            albedo: &mut person.albedo,
            sheets: &mut person.head_sheets,
            identity: &person.shape,
        };
        wear::dress(&mut look, outfit, model, fields, climate, forehead, r);
        person.body_sheets = body::clothed(climate, forehead, outfit.neck, r);
        person
    }

    /// Draws the person and returns the truth about the points, without their visibility. `number` identifies the
    /// person in the scene.
    pub fn render(
        &self,
        studio: &Studio,
        climate: &Climate,
        camera: &Camera,
        moment: &Moment,
        number: usize,
        layers: &mut Layers,
    ) -> Points {
        // The pose is relative to the line of sight, so that "frontal" looks at the camera.
        let sight = |a: f32, b: f32| libm::atan2f(a, b).to_degrees();
        let (sx, sy) = (sight(-moment.at[0], moment.at[2]), sight(-moment.at[1], moment.at[2]));
        let [yaw, pitch, roll] = moment.pose;
        let stand = |rotation: Rotation| Stand { rotation, joint: NECK, at: moment.at };
        let head = stand(Rotation::new(yaw + sx, pitch + sy, roll));
        let body = stand(Rotation::new(moment.body_yaw + sx, 0.0, 0.0));
        let view = View { camera, light: &climate.light, number };
        for (sheets, stand) in [(&self.body_sheets, &body), (&self.head_sheets, &head), (&self.front_sheets, &head)] {
            view.draw(sheets, stand, layers);
        }
        self.render_head(studio, &view, moment, &head, layers)
    }

    /// Draws the head itself.
    fn render_head(
        &self,
        Studio { model, fields }: &Studio,
        view: &View<'_>,
        moment: &Moment,
        head: &Stand,
        layers: &mut Layers,
    ) -> Points {
        let mut shape = self.shape.clone();
        for &(i, w) in &moment.expression {
            model.express(&mut shape, i, w);
        }
        let true_points = model.landmarks.map(|v| shape[v]);
        let open = LIPS.iter().any(|&(up, down)| true_points[up][1] - true_points[down][1] > CLOSED_CM);
        let triangles = if open { &model.triangles[..] } else { &model.triangles[..model.outside] };
        for ((p, n), d) in shape.iter_mut().zip(&model.normals).zip(&self.displacement) {
            if *d != 0.0 {
                *p += *n * *d;
            }
        }
        let mut normals = normals(&shape, triangles);
        units(&mut normals);
        let warmth = self.breathing(model, fields, moment.breath);
        let at = placed(head, &shape);
        let colour = !layers.rgb.is_empty();
        let mesh = Mesh {
            screen: &projected(view.camera, &at),
            triangles,
            cull: true,
            apparent: &apparent(view.light, head, (&at, &normals), &warmth),
            colour: &if colour { reflected(view.light, head, &normals, &self.albedo) } else { vec![] },
            material: &self.material.iter().map(|m| material::of(*m, view.number)).collect::<Vec<_>>(),
        };
        fill::draw(layers, &mesh);
        let mut points = Points {
            at: [[0.0; 3]; COUNT],
            faces_away: [false; COUNT],
            skin_c: [0.0; COUNT],
            apparent_c: [0.0; COUNT],
        };
        for i in 0..COUNT {
            let v = model.landmarks[i];
            let at = head.place(true_points[i]);
            let [x, y] = view.camera.project(at);
            let cos = -head.face(normals[v]).dot(at.unit());
            points.at[i] = [x, y, at[2]];
            points.faces_away[i] = cos < AWAY_COS;
            points.skin_c[i] = self.skin[i] + warmth[v] - self.temps[v];
            points.apparent_c[i] = view.light.apparent(warmth[v], cos);
        }
        points
    }

    /// Temperature of every vertex at this phase of a breath, degC.
    fn breathing(&self, model: &HeadModel, fields: &Fields, breath: f32) -> Vec<f32> {
        let of = |((temp, part), near): ((&f32, &u8), &f32)| {
            let inside = matches!(*part, part::MOUTH | part::TONGUE);
            temp + self.breath_k * breath * if inside { 1.0 } else { *near }
        };
        self.temps.iter().zip(&model.part).zip(fields.breath()).map(of).collect()
    }
}

/// Colours of skin, lips, brows and eyes.
fn colours(model: &HeadModel, fields: &Fields, r: &mut Random) -> Vec<Rgb> {
    const TONES: [Rgb; 6] = [
        [0.85, 0.66, 0.56],
        [0.78, 0.57, 0.44],
        [0.68, 0.46, 0.33],
        [0.52, 0.34, 0.23],
        [0.36, 0.23, 0.16],
        [0.22, 0.14, 0.10],
    ];
    let tone = *r.pick(&TONES);
    let tone = tone.map(|c| c * r.range(0.9, 1.1));
    let iris = *r.pick(&[[0.08, 0.05, 0.03], [0.15, 0.25, 0.4], [0.18, 0.25, 0.12]]);
    let brow = r.range(0.05, 0.35);
    let blotch = fields.strands(r);
    let pupils = [model.point(68), model.point(69)];
    (0..model.neutral.len())
        .map(|v| match model.part[v] {
            part::TEETH => [0.8, 0.78, 0.7],
            part::MOUTH | part::TONGUE => [0.35, 0.12, 0.12],
            part::EYE => {
                let q = model.neutral[v];
                let near = |p: V3| {
                    let d = q - p;
                    d[0] * d[0] + d[1] * d[1]
                };
                if near(pupils[0]).min(near(pupils[1])) < 0.36 { iris } else { [0.85, 0.83, 0.8] }
            }
            _ => {
                let lips = (1.4 * fields.lips(v)).min(1.0);
                let hair = step((fields.brows(v) - 0.45) * 4.0);
                let skin = (1.0 + 0.05 * blotch[v]) * (1.0 - lips);
                let of = |k: usize, red: f32| tone[k] * ((skin + red * lips) * (1.0 - hair) + brow * hair);
                [of(0, 0.95), of(1, 0.6), of(2, 0.65)]
            }
        })
        .collect()
}
