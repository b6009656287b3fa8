//! Temperature and colour of skin as fields over the head, amplitudes drawn per subject.

use super::head::{HeadModel, part};
use super::random::{Random, step};
use super::vector::{V3, dot, scale, sub, unit};

/// Fields over the vertices, computed once per face model.
pub struct Fields {
    gaussians: Vec<Vec<f32>>,
    coarse: Vec<Wave>,
    fine: Vec<Wave>,
    /// Waves of hair and cloth, 0.8 to 3.5 cm.
    pub strand: Vec<Wave>,
    /// Below the chin.
    pub neck: Vec<f32>,
    /// Right and left ear.
    pub ears: [Vec<f32>; 2],
    /// Where a beard grows.
    pub beard: Vec<f32>,
}

/// Cosine and sine of one plane wave at every vertex.
pub struct Wave {
    cos: Vec<f32>,
    sin: Vec<f32>,
}

/// The local features of the thermal face, in the order of [`Fields::gaussians`].
#[derive(Clone, Copy)]
#[repr(usize)]
enum Spot {
    NoseTight,
    NoseWide,
    Bridge,
    CanthusR,
    CanthusL,
    OrbitR,
    OrbitL,
    CheekR,
    CheekL,
    BrowR,
    BrowL,
    Lips,
    Chin,
    Temples,
    Glabella,
    Nostrils,
    JawR,
    JawL,
    Count,
}

fn gaussian(model: &HeadModel, centres: &[V3], sigma: f32, amplitude: f32) -> Vec<f32> {
    let k = -0.5 / (sigma * sigma);
    let near = 12.0 * sigma * sigma;
    let at = |p: &V3| {
        let sum: f32 = centres
            .iter()
            .map(|c| {
                let d = sub(*p, *c);
                let d2 = dot(d, d);
                if d2 > near { 0.0 } else { libm::expf(d2 * k) }
            })
            .sum();
        (amplitude * sum).min(1.0)
    };
    model.neutral.iter().map(at).collect()
}

fn waves(model: &HeadModel, r: &mut Random, count: usize, lo_cm: f32, hi_cm: f32) -> Vec<Wave> {
    (0..count)
        .map(|_| {
            let d = unit([r.normal(0.0, 1.0), r.normal(0.0, 1.0), r.normal(0.0, 1.0)]);
            let k = scale(d, std::f32::consts::TAU / r.log_range(lo_cm, hi_cm));
            let (sin, cos) = model.neutral.iter().map(|p| libm::sincosf(dot(k, *p))).unzip();
            Wave { cos, sin }
        })
        .collect()
}

impl Fields {
    /// Prepares every field for a model.
    pub fn new(model: &HeadModel) -> Self {
        let mut r = Random::new(0x5eed_f1e1d5, 0);
        let p = |i: usize| model.point(i);
        let eyes = [model.centre(36..=41), model.centre(42..=47)];
        let g = |c: &[V3], s: f32, a: f32| gaussian(model, c, s, a);
        let points = |ids: std::ops::RangeInclusive<usize>| ids.map(p).collect::<Vec<_>>();
        let mut gaussians = vec![Vec::new(); Spot::Count as usize];
        let mut set = |s: Spot, f: Vec<f32>| gaussians[s as usize] = f;
        set(Spot::NoseTight, g(&[p(30), p(33)], 1.1, 0.8));
        set(Spot::NoseWide, g(&[p(30), p(29)], 1.9, 0.6));
        set(Spot::Bridge, g(&[p(27), p(28)], 1.0, 0.7));
        set(Spot::CanthusR, g(&[p(39)], 0.55, 1.0));
        set(Spot::CanthusL, g(&[p(42)], 0.55, 1.0));
        set(Spot::OrbitR, g(&[eyes[0]], 1.7, 1.0));
        set(Spot::OrbitL, g(&[eyes[1]], 1.7, 1.0));
        set(Spot::CheekR, g(&[model.centre([36, 48]), model.centre([2, 48])], 2.0, 0.8));
        set(Spot::CheekL, g(&[model.centre([45, 54]), model.centre([14, 54])], 2.0, 0.8));
        set(Spot::BrowR, g(&points(17..=21), 0.42, 0.6));
        set(Spot::BrowL, g(&points(22..=26), 0.42, 0.6));
        set(Spot::Lips, g(&points(48..=59), 0.5, 0.4));
        set(Spot::Chin, g(&[p(8)], 2.3, 1.0));
        set(Spot::Temples, g(&[[-7.0, 5.5, 4.5], [7.0, 5.5, 4.5]], 2.0, 1.0));
        set(Spot::Glabella, g(&[model.centre([21, 22])], 1.6, 1.0));
        set(Spot::Nostrils, g(&[p(32), p(34)], 0.45, 1.0));
        set(Spot::JawR, g(&points(3..=6), 1.6, 0.6));
        set(Spot::JawL, g(&points(10..=13), 1.6, 0.6));
        let neck = model.neutral.iter().map(|q| step((-9.5 - q[1]) * 0.7)).collect();
        let ear = |sign: f32| {
            let inside = |q: &V3| q[1] < 4.8 && q[1] > -4.0 && q[2] < 3.0;
            model.neutral.iter().map(|q| if inside(q) { step((q[0] * sign - 7.9) * 1.8) } else { 0.0 }).collect()
        };
        let lips = &gaussians[Spot::Lips as usize];
        let moustache = p(33)[1] - 0.4;
        let beard = model.neutral.iter().zip(lips).map(|(q, lip)| {
            let where_hair = step((moustache - q[1]) * 2.2) * step((q[1] + 11.5) * 1.0) * step((q[2] - 2.0) * 0.8);
            where_hair * (1.0 - (1.3 * lip).min(1.0))
        });
        let beard = beard.collect();
        Self {
            coarse: waves(model, &mut r, 24, 7.0, 20.0),
            fine: waves(model, &mut r, 24, 2.0, 6.0),
            strand: waves(model, &mut r, 24, 0.8, 3.5),
            neck,
            ears: [ear(-1.0), ear(1.0)],
            beard,
            gaussians,
        }
    }

    /// A smooth random field of unit variance: `terms` waves of `set` with random phases.
    pub fn random(set: &[Wave], r: &mut Random, terms: usize) -> Vec<f32> {
        let mut out = vec![0.0f32; set[0].cos.len()];
        let norm = (2.0 / terms as f32).sqrt();
        for _ in 0..terms {
            let w = r.pick(set);
            let (s, c) = libm::sincosf(r.range(0.0, std::f32::consts::TAU));
            let (s, c) = (s * norm, c * norm);
            out.iter_mut().zip(w.cos.iter().zip(&w.sin)).for_each(|(o, (wc, ws))| *o += c * wc + s * ws);
        }
        out
    }

    /// Skin temperature at every vertex, degC, around a forehead temperature.
    ///
    /// Ranges follow the thermal physiology of resting and exercised, indoor and outdoor faces:
    /// forehead 33.8 +-1.2 and inner canthus above it (Ring & Ammer 2012, Physiol. Meas. 33:R33;
    /// Ng et al. 2004), a nose that cools by up to 5 K under cold or sympathetic load and warms after
    /// exercise (Ioannou et al. 2014, Psychophysiology 51:951), cool ears and cheeks and warm orbits and
    /// neck (Haddad et al. 2016, J. Therm. Biol. 62).
    pub fn temperatures(&self, model: &HeadModel, r: &mut Random, forehead: f32, chill: f32) -> Vec<f32> {
        let mut a = [0.0f32; Spot::Count as usize];
        let mut set = |s: Spot, v: f32| a[s as usize] = v;
        // `chill` (0 warm room to 1 cold air) pulls blood from nose, ears, cheeks and chin.
        let nose = if r.chance(0.72 + 0.2 * chill) { -r.range(0.0, 3.2 + 3.5 * chill) } else { r.range(0.0, 0.9) };
        let share = r.range(0.3, 0.9);
        set(Spot::NoseTight, nose * share);
        set(Spot::NoseWide, nose * (1.0 - share) * 1.4);
        set(Spot::Bridge, r.range(-0.8, 0.5));
        let pair = |r: &mut Random, lo: f32, hi: f32, asym: f32| {
            let v = r.range(lo, hi);
            (v + r.normal(0.0, asym), v + r.normal(0.0, asym))
        };
        for (right, left, lo, hi, asym) in [
            (Spot::CanthusR, Spot::CanthusL, 0.2, 1.6, 0.12),
            (Spot::OrbitR, Spot::OrbitL, -0.2, 1.0, 0.1),
            (Spot::CheekR, Spot::CheekL, -2.0 - 1.5 * chill, 0.6, 0.3),
            (Spot::BrowR, Spot::BrowL, -2.2, -0.1, 0.1),
            (Spot::JawR, Spot::JawL, -1.5 - chill, 0.5, 0.2),
        ] {
            let (x, y) = pair(r, lo, hi, asym);
            set(right, x);
            set(left, y);
        }
        set(Spot::Lips, r.range(-0.8, 1.2));
        set(Spot::Chin, r.range(-1.6 - chill, 0.5));
        set(Spot::Temples, r.range(-0.3, 0.7));
        set(Spot::Glabella, r.range(-0.2, 0.5));
        let mut t = vec![forehead; model.neutral.len()];
        let mut add = |w: f32, f: &[f32]| t.iter_mut().zip(f).for_each(|(t, f)| *t += w * f);
        for (w, f) in a.iter().zip(&self.gaussians).filter(|(w, _)| **w != 0.0) {
            add(*w, f);
        }
        add(r.range(0.1, 0.9), &Self::random(&self.coarse, r, 6));
        add(r.range(0.05, 0.4), &Self::random(&self.fine, r, 8));
        add(r.range(-0.5, 1.2), &self.neck);
        let ear = -r.range(0.0, 3.5 + 4.0 * chill);
        add(ear + r.normal(0.0, 0.3), &self.ears[0]);
        add(ear + r.normal(0.0, 0.3), &self.ears[1]);
        if r.chance(0.15) {
            // Sweat: evaporating patches.
            let patches = Self::random(&self.fine, r, 5);
            let depth = r.range(0.3, 1.5);
            t.iter_mut().zip(&patches).for_each(|(t, p)| *t -= depth * p.max(0.0));
        }
        let (mouth, eye) = (r.range(-1.5, 2.0), r.range(-1.8, 0.6));
        for (t, p) in t.iter_mut().zip(&model.part) {
            match *p {
                part::MOUTH | part::TONGUE => *t = forehead + mouth,
                part::TEETH => *t = forehead + 0.6 * mouth - 0.3,
                part::EYE => *t = forehead + eye,
                part::SOCKET => *t = forehead + 0.3,
                _ => {}
            }
        }
        t
    }

    /// How strongly breath touches a vertex, 0 to 1.
    pub fn breath(&self) -> &[f32] {
        &self.gaussians[Spot::Nostrils as usize]
    }

    /// Brow hair, 0 to 1, for colour.
    pub fn brows(&self, vertex: usize) -> f32 {
        self.gaussians[Spot::BrowR as usize][vertex].max(self.gaussians[Spot::BrowL as usize][vertex])
    }

    /// Redness of the lips, 0 to 1, for colour.
    pub fn lips(&self, vertex: usize) -> f32 {
        self.gaussians[Spot::Lips as usize][vertex]
    }

    /// A unit field of 7 to 20 cm.
    pub fn coarse(&self, r: &mut Random) -> Vec<f32> {
        Self::random(&self.coarse, r, 6)
    }

    /// A unit field of 0.8 to 3.5 cm.
    pub fn strands(&self, r: &mut Random) -> Vec<f32> {
        Self::random(&self.strand, r, 8)
    }
}
