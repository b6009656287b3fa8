//! Temperature and colour of skin as fields over the head, with amplitudes drawn per subject.

use multiversion::multiversion;

use super::field::{CHEEK_LINE, EDGE, SOFT_EDGE, along, gaussian, line, nonzero, patch};
use super::head::{HeadModel, part};
use super::random::{Random, step};
use super::vector::V3;

/// Fields over the vertices, computed once per face model.
pub struct Fields {
    /// In the order of [`SkinSpot`]: the vertices where each is not zero, and its values there.
    spots: Vec<Vec<(u32, f32)>>,
    nostrils: Vec<f32>,
    brows: Vec<f32>,
    lips: Vec<f32>,
    coarse: Vec<Wave>,
    fine: Vec<Wave>,
    /// Waves for hair and cloth, 0.8 to 3.5 cm.
    pub strand: Vec<Wave>,
    /// Below the chin; vertices and values as in `spots`.
    neck: Vec<(u32, f32)>,
    /// Right and left ear, in the same form.
    ears: [Vec<(u32, f32)>; 2],
    /// Where a beard grows.
    pub beard: Vec<Growth>,
}

/// Hair of a beard at a vertex.
#[derive(Clone, Copy)]
pub struct Growth {
    /// Distance below the upper edge of a full beard, cm; negative above it.
    pub below: f32,
    /// Density, 0 (lips, ears) to 1.
    pub density: f32,
}

/// Cosine and sine of one plane wave at every vertex.
pub struct Wave {
    cos: Vec<f32>,
    sin: Vec<f32>,
}

/// Vertices summed at a time.
const BLOCK: usize = 1024;

/// The local features of the thermal face, in the order of [`Fields::spots`].
#[derive(Clone, Copy)]
#[repr(usize)]
enum SkinSpot {
    Nose,
    NoseTip,
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
    LashR,
    LashL,
    Lips,
    UpperLip,
    LowerLip,
    Sulcus,
    MouthLine,
    Perioral,
    Philtrum,
    FlankR,
    FlankL,
    FoldR,
    FoldL,
    VesselR,
    VesselL,
    Chin,
    Temples,
    Glabella,
    Nostrils,
    JawR,
    JawL,
    Count,
}

fn waves(model: &HeadModel, r: &mut Random, count: usize, lo_cm: f32, hi_cm: f32) -> Vec<Wave> {
    (0..count)
        .map(|_| {
            let d = V3::new(r.normal(0.0, 1.0), r.normal(0.0, 1.0), r.normal(0.0, 1.0)).unit();
            let k = d * (std::f32::consts::TAU / r.log_range(lo_cm, hi_cm));
            let (sin, cos) = model.neutral.iter().map(|p| libm::sincosf(k.dot(*p))).unzip();
            Wave { cos, sin }
        })
        .collect()
}

/// Sums waves, each with the weights of its cosine and its sine.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn superpose(waves: &[(&Wave, f32, f32)], out: &mut [f32]) {
    // Each block stays in the first-level cache; two waves are added at once.
    for (i, block) in out.chunks_mut(BLOCK).enumerate() {
        let part = i * BLOCK..i * BLOCK + block.len();
        for some in waves.chunks(2) {
            if let [(a, ca, sa), (b, cb, sb)] = some {
                let a = a.cos[part.clone()].iter().zip(&a.sin[part.clone()]);
                let b = b.cos[part.clone()].iter().zip(&b.sin[part.clone()]);
                for (o, ((ac, as_), (bc, bs))) in block.iter_mut().zip(a.zip(b)) {
                    *o = *o + (ca * ac + sa * as_) + (cb * bc + sb * bs);
                }
            } else {
                for (w, c, s) in some {
                    let wave = w.cos[part.clone()].iter().zip(&w.sin[part.clone()]);
                    for (o, (wc, ws)) in block.iter_mut().zip(wave) {
                        *o += c * wc + s * ws;
                    }
                }
            }
        }
    }
}

/// Height below which the skin counts as neck, cm.
const NECK_TOP: f32 = -9.5;

/// Makes the fields of the spots, one by one.
struct Spots<'a> {
    model: &'a HeadModel,
    /// For each [`SkinSpot`], a value for every vertex.
    fields: Vec<Vec<f32>>,
}

impl<'a> Spots<'a> {
    fn of(model: &'a HeadModel) -> Vec<Vec<f32>> {
        let mut spots = Self { model, fields: vec![Vec::new(); SkinSpot::Count as usize] };
        spots.nose();
        spots.eyes_and_brows();
        spots.cheeks();
        spots.mouth();
        spots.forehead_and_jaw();
        spots.fields
    }

    fn set(&mut self, spot: SkinSpot, field: Vec<f32>) {
        self.fields[spot as usize] = field;
    }

    /// Sets a sum of Gaussians of standard deviation `sigma`, cm.
    fn gaussian(&mut self, spot: SkinSpot, centres: &[V3], sigma: f32, amplitude: f32) {
        self.set(spot, gaussian(self.model, centres, sigma, amplitude));
    }

    /// Sets lines of Gaussian profile along paths, `sigma` in cm.
    fn line(&mut self, spot: SkinSpot, paths: &[&[V3]], sigma: f32) {
        self.set(spot, line(self.model, paths, sigma));
    }

    fn point(&self, i: usize) -> V3 {
        self.model.point(i)
    }

    fn path(&self, ids: &[usize]) -> Vec<V3> {
        ids.iter().map(|&i| self.point(i)).collect()
    }

    fn nose(&mut self) {
        let (ridge, wings) = (self.path(&[28, 29, 30]), self.path(&[31, 32, 33, 34, 35]));
        // The cool area of the nose ends at its base in some faces; in others it extends into the philtrum.
        let base = self.point(33)[1] - 0.2;
        let below = |q: &V3| step((base - q[1]) * 4.0);
        let nose = patch(self.model, &[(&ridge, 1.15), (&wings, 0.95)], EDGE);
        let parts = |(f, q): (&f32, &V3)| {
            let low = below(q);
            (f * low, f * (1.0 - low))
        };
        let (philtrum, nose) = nose.iter().zip(&self.model.neutral).map(parts).unzip();
        self.set(SkinSpot::Nose, nose);
        self.set(SkinSpot::Philtrum, philtrum);
        let p = |i: usize| self.model.point(i);
        let (tip, wide, bridge, nostrils) = ([p(30), p(33)], [p(30), p(29)], [p(27), p(28)], [p(32), p(34)]);
        self.gaussian(SkinSpot::NoseTip, &tip, 1.0, 0.8);
        self.gaussian(SkinSpot::NoseWide, &wide, 1.9, 0.6);
        self.gaussian(SkinSpot::Bridge, &bridge, 1.0, 0.7);
        self.gaussian(SkinSpot::Nostrils, &nostrils, 0.45, 1.0);
    }

    fn eyes_and_brows(&mut self) {
        let eyes = [self.model.centre(36..=41), self.model.centre(42..=47)];
        self.gaussian(SkinSpot::CanthusR, &[self.point(39)], 0.55, 1.0);
        self.gaussian(SkinSpot::CanthusL, &[self.point(42)], 0.55, 1.0);
        self.gaussian(SkinSpot::OrbitR, &[eyes[0]], 1.7, 1.0);
        self.gaussian(SkinSpot::OrbitL, &[eyes[1]], 1.7, 1.0);
        // The five points run along the upper edge of a brow. Its skin is 0.25 cm below them.
        let brow = |ids: [usize; 5]| ids.map(|i| self.model.point(i) - V3::new(0.0, 0.25, 0.0));
        let (right, left) = (brow([17, 18, 19, 20, 21]), brow([22, 23, 24, 25, 26]));
        self.line(SkinSpot::BrowR, &[&right], 0.33);
        self.line(SkinSpot::BrowL, &[&left], 0.33);
        self.line(SkinSpot::LashR, &[&self.path(&[36, 37, 38, 39])], 0.2);
        self.line(SkinSpot::LashL, &[&self.path(&[42, 43, 44, 45])], 0.2);
    }

    fn cheeks(&mut self) {
        let m = self.model;
        self.gaussian(SkinSpot::CheekR, &[m.centre([36, 48]), m.centre([2, 48])], 2.0, 0.8);
        self.gaussian(SkinSpot::CheekL, &[m.centre([45, 54]), m.centre([14, 54])], 2.0, 0.8);
        let flank = |ids: [usize; 4]| {
            let [ear, jaw, nose, mouth] = ids.map(|i| m.point(i));
            let out = |a: V3, b: V3| (a + b) * 0.5 + V3::new(0.0, 0.0, 1.2);
            patch(m, &[(&[out(ear, nose), out(jaw, mouth)], 2.9)], SOFT_EDGE)
        };
        self.set(SkinSpot::FlankR, flank([2, 4, 31, 48]));
        self.set(SkinSpot::FlankL, flank([14, 12, 35, 54]));
        let fold = |wing: usize, corner: usize, side: f32| {
            [m.point(wing) + V3::new(0.6 * side, 0.4, 0.0), m.point(corner) + V3::new(0.6 * side, 0.0, 0.0)]
        };
        self.line(SkinSpot::FoldR, &[&fold(31, 48, -1.0)], 0.35);
        self.line(SkinSpot::FoldL, &[&fold(35, 54, 1.0)], 0.35);
    }

    fn mouth(&mut self) {
        let m = self.model;
        let outer: Vec<usize> = (48..=59).collect();
        self.gaussian(SkinSpot::Lips, &self.path(&outer), 0.5, 0.4);
        let upper = [m.centre([49, 60]), m.centre([51, 62]), m.centre([53, 64])];
        let lower = [m.centre([59, 60]), m.centre([57, 66]), m.centre([55, 64])];
        self.line(SkinSpot::UpperLip, &[&upper], 0.33);
        self.line(SkinSpot::LowerLip, &[&lower], 0.42);
        let sulcus = self.point(57) * 0.7 + self.point(8) * 0.3;
        let sulcus = [-0.8, 0.0, 0.8].map(|x| sulcus + V3::new(x, 0.0, 0.0));
        self.gaussian(SkinSpot::Sulcus, &sulcus, 0.55, 0.7);
        let (closed, open) = (self.path(&[48, 60, 61, 62, 63, 64, 54]), self.path(&[60, 67, 66, 65, 64]));
        self.line(SkinSpot::MouthLine, &[&closed, &open], 0.22);
        self.set(SkinSpot::Perioral, patch(m, &[(&self.path(&[48, 51, 54, 57, 48]), 1.3)], EDGE));
    }

    fn forehead_and_jaw(&mut self) {
        // Frontal and angular vessels: from the inner corner of the eye up the forehead.
        let p = |i: usize| self.model.point(i);
        let vessel = |i: usize, x: f32| [p(i), p(27) + V3::new(x, 1.6, 0.0), p(27) + V3::new(1.6 * x, 6.0, -0.8)];
        let (right, left) = (vessel(39, -0.9), vessel(42, 0.9));
        self.line(SkinSpot::VesselR, &[&right], 0.45);
        self.line(SkinSpot::VesselL, &[&left], 0.45);
        self.gaussian(SkinSpot::Chin, &[self.point(8)], 2.3, 1.0);
        self.gaussian(SkinSpot::Temples, &[V3::new(-7.0, 5.5, 4.5), V3::new(7.0, 5.5, 4.5)], 2.0, 1.0);
        self.gaussian(SkinSpot::Glabella, &[self.model.centre([21, 22])], 1.6, 1.0);
        self.gaussian(SkinSpot::JawR, &self.path(&[3, 4, 5, 6]), 1.6, 0.6);
        self.gaussian(SkinSpot::JawL, &self.path(&[10, 11, 12, 13]), 1.6, 0.6);
    }
}

/// The ear on one side (-1 the subject's right, 1 the left).
fn ear(model: &HeadModel, side: f32) -> Vec<(u32, f32)> {
    let inside = |q: &V3| q[1] < 4.8 && q[1] > -4.0 && q[2] < 3.0;
    let at = |q: &V3| if inside(q) { step((q[0] * side - 7.9) * 1.8) } else { 0.0 };
    nonzero(&model.neutral.iter().map(at).collect::<Vec<_>>())
}

impl Fields {
    /// Prepares all fields for a model.
    pub fn new(model: &HeadModel) -> Self {
        let mut r = Random::new(0x5eed_f1e1d5, 0);
        let mut fields = Spots::of(model);
        let neck: Vec<f32> = model.neutral.iter().map(|q| step((NECK_TOP - q[1]) * 0.7)).collect();
        let lips = &fields[SkinSpot::Lips as usize];
        let beard = model.neutral.iter().zip(lips).map(|(q, lip)| Growth {
            below: along(&CHEEK_LINE, q[2]) - q[1],
            density: step((q[2] - 2.6) * 0.9) * (1.0 - (1.3 * lip).min(1.0)),
        });
        let beard = beard.collect();
        let (right, left) = (&fields[SkinSpot::BrowR as usize], &fields[SkinSpot::BrowL as usize]);
        Self {
            coarse: waves(model, &mut r, 24, 7.0, 20.0),
            fine: waves(model, &mut r, 24, 2.0, 6.0),
            strand: waves(model, &mut r, 24, 0.8, 3.5),
            neck: nonzero(&neck),
            ears: [ear(model, -1.0), ear(model, 1.0)],
            beard,
            spots: fields.iter().map(|f| nonzero(f)).collect(),
            brows: right.iter().zip(left).map(|(r, l)| r.max(*l)).collect(),
            nostrils: std::mem::take(&mut fields[SkinSpot::Nostrils as usize]),
            lips: std::mem::take(&mut fields[SkinSpot::Lips as usize]),
        }
    }

    /// A smooth random field of unit variance: `terms` waves of `set` with random phases.
    pub fn random(set: &[Wave], r: &mut Random, terms: usize) -> Vec<f32> {
        let norm = (2.0 / terms as f32).sqrt();
        let phase = |r: &mut Random| {
            let w = r.pick(set);
            let (s, c) = libm::sincosf(r.range(0.0, std::f32::consts::TAU));
            (w, c * norm, s * norm)
        };
        let waves: Vec<_> = (0..terms).map(|_| phase(r)).collect();
        let mut out = vec![0.0f32; set[0].cos.len()];
        superpose(&waves, &mut out);
        out
    }

    /// Skin temperature at every vertex, degC, around a forehead temperature.
    ///
    /// Ranges follow the thermal physiology of resting and exercised, indoor and outdoor faces:
    /// forehead 33.8 +-1.2 and inner canthus above it (Ring & Ammer 2012, Physiol. Meas. 33:R33;
    /// Ng et al. 2004), a nose that cools by up to 5 K under cold or sympathetic load and warms after
    /// exercise (Ioannou et al. 2014, Psychophysiology 51:951), cool ears and cheeks and warm orbits and
    /// neck (Haddad et al. 2016, J. Therm. Biol. 62). Frontal and angular vessels show as warm lines (Buddharaju et
    /// al. 2007, IEEE TPAMI 29:613). Brows and lashes are hair, nearer to the air; the cornea is cooler than the lids
    /// (Purslow & Wolffsohn 2005, Eye Contact Lens 31:117); a closed mouth is a moist, mostly warm line, lips cool
    /// with the air that is drawn over them (Murthy & Pavlidis 2006, IEEE Eng. Med. Biol. 25(3):57). Folds of
    /// the head (`relief`, see [`curvature`](super::head::curvature)) are warmer and act as cavities, ridges cool.
    pub fn temperatures(
        &self,
        model: &HeadModel,
        relief: &[f32],
        r: &mut Random,
        forehead: f32,
        chill: f32,
    ) -> Vec<f32> {
        let amplitudes = amplitudes(chill, r);
        let mut t = vec![forehead; model.neutral.len()];
        for (w, spot) in amplitudes.iter().zip(&self.spots) {
            spot.iter().for_each(|&(v, f)| t[v as usize] += w * f);
        }
        self.mottle(&mut t, relief, r);
        let mut raise = |w: f32, f: &[(u32, f32)]| f.iter().for_each(|&(v, f)| t[v as usize] += w * f);
        raise(r.range(-0.7, 1.7), &self.neck);
        let ear = -r.range(0.0, 3.5 + 4.0 * chill);
        raise(ear + r.normal(0.0, 0.3), &self.ears[0]);
        raise(ear + r.normal(0.0, 0.3), &self.ears[1]);
        if r.chance(0.15) {
            // Sweat: evaporating patches.
            let patches = Self::random(&self.fine, r, 5);
            let depth = r.range(0.3, 1.5);
            t.iter_mut().zip(&patches).for_each(|(t, p)| *t -= depth * p.max(0.0));
        }
        moist(&mut t, model, forehead, r);
        t
    }

    /// Adds blotches and speckles, warms folds and cools ridges (`relief`).
    fn mottle(&self, t: &mut [f32], relief: &[f32], r: &mut Random) {
        // Most faces are smooth between their features; some are mottled.
        let (broad, small) = if r.chance(0.75) { (0.5, 0.2) } else { (0.9, 0.4) };
        let (blotches, coarse) = (r.range(0.1, broad), Self::random(&self.coarse, r, 6));
        let (speckles, fine) = (r.range(0.02, small), Self::random(&self.fine, r, 8));
        // Folds keep their heat and have a higher effective emissivity than the skin around them; ridges cool.
        let (fold, ridge) = (r.range(0.05, 0.5), r.range(0.0, 0.35));
        for (((t, coarse), fine), relief) in t.iter_mut().zip(&coarse).zip(&fine).zip(relief) {
            let warmth = if *relief > 0.0 { fold } else { ridge } * relief;
            *t = *t + blotches * coarse + speckles * fine + warmth;
        }
    }

    /// How strongly breath affects each vertex, 0 to 1.
    pub fn breath(&self) -> &[f32] {
        &self.nostrils
    }

    /// Brow hair, 0 to 1, for colour.
    pub fn brows(&self, vertex: usize) -> f32 {
        self.brows[vertex]
    }

    /// Redness of the lips, 0 to 1, for colour.
    pub fn lips(&self, vertex: usize) -> f32 {
        self.lips[vertex]
    }

    /// A field of unit variance, wavelengths 7 to 20 cm.
    pub fn coarse(&self, r: &mut Random) -> Vec<f32> {
        Self::random(&self.coarse, r, 6)
    }

    /// A field of unit variance, wavelengths 0.8 to 3.5 cm.
    pub fn strands(&self, r: &mut Random) -> Vec<f32> {
        Self::random(&self.strand, r, 8)
    }
}

/// Amplitudes of the spots of one face, K, in the order of [`SkinSpot`].
type Amplitudes = [f32; SkinSpot::Count as usize];

/// Draws the amplitudes of the spots. `chill` (0 warm room to 1 cold air) draws blood from nose, ears, cheeks and chin.
fn amplitudes(chill: f32, r: &mut Random) -> Amplitudes {
    let mut a = [0.0; SkinSpot::Count as usize];
    let mut set = |s: SkinSpot, v: f32| a[s as usize] = v;
    let nose = if r.chance(0.8 + 0.15 * chill) { -r.range(0.3, 3.4 + 3.5 * chill) } else { r.range(0.0, 0.9) };
    let (tip, wide) = (r.range(0.1, 0.5), r.range(0.0, 0.35));
    let level = nose * (1.0 - tip - 0.5 * wide);
    set(SkinSpot::Nose, level);
    set(SkinSpot::Philtrum, level * r.range(0.0, 0.8));
    set(SkinSpot::NoseTip, nose * tip);
    set(SkinSpot::NoseWide, nose * wide);
    set(SkinSpot::Bridge, r.range(-0.8, 0.5));
    for (right, left, [x, y]) in pairs(chill, r) {
        set(right, x);
        set(left, y);
    }
    set(SkinSpot::Lips, r.range(-0.8, 1.2));
    // Breathing through the mouth, in speech or panting, dries and cools the lips, the lower one more.
    let dry = r.chance(0.45);
    let lip = if dry { -r.range(0.3, 2.8) } else { r.range(-0.6, 0.8) };
    set(SkinSpot::LowerLip, lip);
    set(SkinSpot::UpperLip, lip * r.range(0.2, 1.0));
    set(SkinSpot::Sulcus, r.range(-0.3, 1.6));
    let warm = r.chance(if dry { 0.5 } else { 0.85 });
    set(SkinSpot::MouthLine, if warm { r.range(0.1, 1.6) } else { -r.range(0.1, 1.5) });
    set(SkinSpot::Perioral, r.range(-0.3, 0.8));
    set(SkinSpot::Chin, r.range(-1.6 - chill, 0.5));
    set(SkinSpot::Temples, r.range(-0.3, 0.7));
    set(SkinSpot::Glabella, r.range(-0.2, 0.5));
    a
}

/// Draws the amplitudes of spots that a face has on both sides; both sides are nearly equal.
fn pairs(chill: f32, r: &mut Random) -> [(SkinSpot, SkinSpot, [f32; 2]); 9] {
    // In some faces cool cheeks have a soft boundary; in others an edge along the fold of the nose and the orbit.
    let flat = r.chance(0.5);
    // Both spots, lowest and highest amplitude, standard deviation of each side.
    let ranges = [
        (SkinSpot::CanthusR, SkinSpot::CanthusL, 0.3, 2.0, 0.12),
        (SkinSpot::OrbitR, SkinSpot::OrbitL, -0.1, 1.2, 0.1),
        (SkinSpot::CheekR, SkinSpot::CheekL, (-2.6 - 1.5 * chill) * if flat { 0.4 } else { 1.0 }, 0.4, 0.3),
        (SkinSpot::BrowR, SkinSpot::BrowL, -3.2, -0.3, 0.1),
        (SkinSpot::LashR, SkinSpot::LashL, -2.2, 0.2, 0.1),
        (SkinSpot::FoldR, SkinSpot::FoldL, -0.1, 0.9, 0.1),
        (SkinSpot::VesselR, SkinSpot::VesselL, -0.1, 0.9, 0.25),
        (SkinSpot::JawR, SkinSpot::JawL, -1.5 - chill, 0.5, 0.2),
        (SkinSpot::FlankR, SkinSpot::FlankL, if flat { -2.0 - chill } else { -0.2 }, 0.2, 0.2),
    ];
    ranges.map(|(right, left, lo, hi, asymmetry)| {
        let v = r.range(lo, hi);
        (right, left, [v + r.normal(0.0, asymmetry), v + r.normal(0.0, asymmetry)])
    })
}

/// Sets the temperatures of mouth, tongue, teeth and eyes.
fn moist(t: &mut [f32], model: &HeadModel, forehead: f32, r: &mut Random) {
    let (mouth, eye) = (r.range(-1.5, 2.0), r.range(-2.0, 0.4));
    for (t, p) in t.iter_mut().zip(&model.part) {
        match *p {
            part::MOUTH | part::TONGUE => *t = forehead + mouth,
            part::TEETH => *t = forehead + 0.6 * mouth - 0.3,
            part::EYE => *t = forehead + eye,
            part::SOCKET => *t = forehead + 0.3,
            _ => {}
        }
    }
}
