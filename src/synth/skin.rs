//! Temperature and colour of skin as fields over the head, amplitudes drawn per subject.

use multiversion::multiversion;

use super::field::{CHEEK_LINE, EDGE, SOFT_EDGE, along, gaussian, line, nonzero, patch};
use super::head::{HeadModel, part};
use super::random::{Random, step};
use super::vector::{V3, add, dot, scale, sub, unit};

/// Fields over the vertices, computed once per face model.
pub struct Fields {
    /// In the order of [`Spot`]: the vertices where each is not zero, and its values there.
    spots: Vec<Vec<(u32, f32)>>,
    nostrils: Vec<f32>,
    brows: Vec<f32>,
    lips: Vec<f32>,
    coarse: Vec<Wave>,
    fine: Vec<Wave>,
    /// Waves of hair and cloth, 0.8 to 3.5 cm.
    pub strand: Vec<Wave>,
    /// Below the chin; vertices and values as in `spots`.
    neck: Vec<(u32, f32)>,
    /// Right and left ear, likewise.
    ears: [Vec<(u32, f32)>; 2],
    /// Where a beard grows.
    pub beard: Vec<Growth>,
}

/// Hair of a beard at a vertex.
#[derive(Clone, Copy)]
pub struct Growth {
    /// Height under the upper edge of a full beard, cm; negative above it.
    pub below: f32,
    /// How dense it grows, 0 (lips, ears) to 1.
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
enum Spot {
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
            let d = unit([r.normal(0.0, 1.0), r.normal(0.0, 1.0), r.normal(0.0, 1.0)]);
            let k = scale(d, std::f32::consts::TAU / r.log_range(lo_cm, hi_cm));
            let (sin, cos) = model.neutral.iter().map(|p| libm::sincosf(dot(k, *p))).unzip();
            Wave { cos, sin }
        })
        .collect()
}

/// Sums waves, each with what its cosine and its sine count.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn superpose(waves: &[(&Wave, f32, f32)], out: &mut [f32]) {
    // Block by block, which stays in the first-level cache, and two waves at once.
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

impl Fields {
    /// Prepares every field for a model.
    pub fn new(model: &HeadModel) -> Self {
        let mut r = Random::new(0x5eed_f1e1d5, 0);
        let p = |i: usize| model.point(i);
        let eyes = [model.centre(36..=41), model.centre(42..=47)];
        let g = |c: &[V3], s: f32, a: f32| gaussian(model, c, s, a);
        let points = |ids: std::ops::RangeInclusive<usize>| ids.map(p).collect::<Vec<_>>();
        let mut fields = vec![Vec::new(); Spot::Count as usize];
        let mut set = |s: Spot, f: Vec<f32>| fields[s as usize] = f;
        let path = |ids: &[usize]| ids.iter().map(|&i| p(i)).collect::<Vec<_>>();
        let (ridge, wings) = (path(&[28, 29, 30]), path(&[31, 32, 33, 34, 35]));
        // The cool of a nose ends at its base in some faces, in others it goes on into the philtrum.
        let below = |q: &V3| step((p(33)[1] - 0.2 - q[1]) * 4.0);
        let nose = patch(model, &[(&ridge, 1.15), (&wings, 0.95)], EDGE);
        let parts = |(f, q): (&f32, &V3)| {
            let low = below(q);
            (f * low, f * (1.0 - low))
        };
        let (philtrum, nose) = nose.iter().zip(&model.neutral).map(parts).unzip();
        set(Spot::Nose, nose);
        set(Spot::Philtrum, philtrum);
        set(Spot::NoseTip, g(&[p(30), p(33)], 1.0, 0.8));
        set(Spot::NoseWide, g(&[p(30), p(29)], 1.9, 0.6));
        set(Spot::Bridge, g(&[p(27), p(28)], 1.0, 0.7));
        set(Spot::CanthusR, g(&[p(39)], 0.55, 1.0));
        set(Spot::CanthusL, g(&[p(42)], 0.55, 1.0));
        set(Spot::OrbitR, g(&[eyes[0]], 1.7, 1.0));
        set(Spot::OrbitL, g(&[eyes[1]], 1.7, 1.0));
        set(Spot::CheekR, g(&[model.centre([36, 48]), model.centre([2, 48])], 2.0, 0.8));
        set(Spot::CheekL, g(&[model.centre([45, 54]), model.centre([14, 54])], 2.0, 0.8));
        let flank = |ids: [usize; 4]| {
            let [ear, jaw, nose, mouth] = ids.map(p);
            let out = |a: V3, b: V3| add(scale(add(a, b), 0.5), [0.0, 0.0, 1.2]);
            patch(model, &[(&[out(ear, nose), out(jaw, mouth)], 2.9)], SOFT_EDGE)
        };
        set(Spot::FlankR, flank([2, 4, 31, 48]));
        set(Spot::FlankL, flank([14, 12, 35, 54]));
        // The skin of a brow lies below its hair: 0.25 cm under the five points, which run along its upper edge.
        let brow = |ids: [usize; 5]| ids.map(|i| sub(p(i), [0.0, 0.25, 0.0]));
        set(Spot::BrowR, line(model, &[&brow([17, 18, 19, 20, 21])], 0.33));
        set(Spot::BrowL, line(model, &[&brow([22, 23, 24, 25, 26])], 0.33));
        set(Spot::LashR, line(model, &[&path(&[36, 37, 38, 39])], 0.2));
        set(Spot::LashL, line(model, &[&path(&[42, 43, 44, 45])], 0.2));
        set(Spot::Lips, g(&points(48..=59), 0.5, 0.4));
        let upper = [model.centre([49, 60]), model.centre([51, 62]), model.centre([53, 64])];
        let lower = [model.centre([59, 60]), model.centre([57, 66]), model.centre([55, 64])];
        set(Spot::UpperLip, line(model, &[&upper], 0.33));
        set(Spot::LowerLip, line(model, &[&lower], 0.42));
        let sulcus = add(scale(p(57), 0.7), scale(p(8), 0.3));
        set(Spot::Sulcus, g(&[-0.8, 0.0, 0.8].map(|x| add(sulcus, [x, 0.0, 0.0])), 0.55, 0.7));
        set(Spot::MouthLine, line(model, &[&path(&[48, 60, 61, 62, 63, 64, 54]), &path(&[60, 67, 66, 65, 64])], 0.22));
        set(Spot::Perioral, patch(model, &[(&path(&[48, 51, 54, 57, 48]), 1.3)], EDGE));
        set(Spot::FoldR, line(model, &[&[add(p(31), [-0.6, 0.4, 0.0]), add(p(48), [-0.6, 0.0, 0.0])]], 0.35));
        set(Spot::FoldL, line(model, &[&[add(p(35), [0.6, 0.4, 0.0]), add(p(54), [0.6, 0.0, 0.0])]], 0.35));
        // Frontal and angular vessels: from the inner corner of the eye up the forehead.
        let vessel = |i: usize, x: f32| [p(i), add(p(27), [x, 1.6, 0.0]), add(p(27), [1.6 * x, 6.0, -0.8])];
        set(Spot::VesselR, line(model, &[&vessel(39, -0.9)], 0.45));
        set(Spot::VesselL, line(model, &[&vessel(42, 0.9)], 0.45));
        set(Spot::Chin, g(&[p(8)], 2.3, 1.0));
        set(Spot::Temples, g(&[[-7.0, 5.5, 4.5], [7.0, 5.5, 4.5]], 2.0, 1.0));
        set(Spot::Glabella, g(&[model.centre([21, 22])], 1.6, 1.0));
        set(Spot::Nostrils, g(&[p(32), p(34)], 0.45, 1.0));
        set(Spot::JawR, g(&points(3..=6), 1.6, 0.6));
        set(Spot::JawL, g(&points(10..=13), 1.6, 0.6));
        let neck: Vec<f32> = model.neutral.iter().map(|q| step((-9.5 - q[1]) * 0.7)).collect();
        let ear = |sign: f32| {
            let inside = |q: &V3| q[1] < 4.8 && q[1] > -4.0 && q[2] < 3.0;
            let at = |q: &V3| if inside(q) { step((q[0] * sign - 7.9) * 1.8) } else { 0.0 };
            nonzero(&model.neutral.iter().map(at).collect::<Vec<_>>())
        };
        let lips = &fields[Spot::Lips as usize];
        let beard = model.neutral.iter().zip(lips).map(|(q, lip)| Growth {
            below: along(&CHEEK_LINE, q[2]) - q[1],
            density: step((q[2] - 2.6) * 0.9) * (1.0 - (1.3 * lip).min(1.0)),
        });
        let beard = beard.collect();
        Self {
            coarse: waves(model, &mut r, 24, 7.0, 20.0),
            fine: waves(model, &mut r, 24, 2.0, 6.0),
            strand: waves(model, &mut r, 24, 0.8, 3.5),
            neck: nonzero(&neck),
            ears: [ear(-1.0), ear(1.0)],
            beard,
            spots: fields.iter().map(|f| nonzero(f)).collect(),
            brows: fields[Spot::BrowR as usize]
                .iter()
                .zip(&fields[Spot::BrowL as usize])
                .map(|(r, l)| r.max(*l))
                .collect(),
            nostrils: std::mem::take(&mut fields[Spot::Nostrils as usize]),
            lips: std::mem::take(&mut fields[Spot::Lips as usize]),
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
        let mut a = [0.0f32; Spot::Count as usize];
        let mut set = |s: Spot, v: f32| a[s as usize] = v;
        // `chill` (0 warm room to 1 cold air) pulls blood from nose, ears, cheeks and chin.
        let nose = if r.chance(0.8 + 0.15 * chill) { -r.range(0.3, 3.4 + 3.5 * chill) } else { r.range(0.0, 0.9) };
        let (tip, wide) = (r.range(0.1, 0.5), r.range(0.0, 0.35));
        let level = nose * (1.0 - tip - 0.5 * wide);
        set(Spot::Nose, level);
        set(Spot::Philtrum, level * r.range(0.0, 0.8));
        set(Spot::NoseTip, nose * tip);
        set(Spot::NoseWide, nose * wide);
        set(Spot::Bridge, r.range(-0.8, 0.5));
        let pair = |r: &mut Random, lo: f32, hi: f32, asym: f32| {
            let v = r.range(lo, hi);
            (v + r.normal(0.0, asym), v + r.normal(0.0, asym))
        };
        // Cool cheeks end softly in some faces, in others with an edge along the fold of the nose and the orbit.
        let flat = r.chance(0.5);
        for (right, left, lo, hi, asym) in [
            (Spot::CanthusR, Spot::CanthusL, 0.3, 2.0, 0.12),
            (Spot::OrbitR, Spot::OrbitL, -0.1, 1.2, 0.1),
            (Spot::CheekR, Spot::CheekL, (-2.6 - 1.5 * chill) * if flat { 0.4 } else { 1.0 }, 0.4, 0.3),
            (Spot::BrowR, Spot::BrowL, -3.2, -0.3, 0.1),
            (Spot::LashR, Spot::LashL, -2.2, 0.2, 0.1),
            (Spot::FoldR, Spot::FoldL, -0.1, 0.9, 0.1),
            (Spot::VesselR, Spot::VesselL, -0.1, 0.9, 0.25),
            (Spot::JawR, Spot::JawL, -1.5 - chill, 0.5, 0.2),
            (Spot::FlankR, Spot::FlankL, if flat { -2.0 - chill } else { -0.2 }, 0.2, 0.2),
        ] {
            let (x, y) = pair(r, lo, hi, asym);
            set(right, x);
            set(left, y);
        }
        set(Spot::Lips, r.range(-0.8, 1.2));
        // Air drawn through the mouth, in speech or panting, dries and cools the lips, the lower one more.
        let dry = r.chance(0.45);
        let lip = if dry { -r.range(0.3, 2.8) } else { r.range(-0.6, 0.8) };
        set(Spot::LowerLip, lip);
        set(Spot::UpperLip, lip * r.range(0.2, 1.0));
        set(Spot::Sulcus, r.range(-0.3, 1.6));
        let warm = r.chance(if dry { 0.5 } else { 0.85 });
        set(Spot::MouthLine, if warm { r.range(0.1, 1.6) } else { -r.range(0.1, 1.5) });
        set(Spot::Perioral, r.range(-0.3, 0.8));
        set(Spot::Chin, r.range(-1.6 - chill, 0.5));
        set(Spot::Temples, r.range(-0.3, 0.7));
        set(Spot::Glabella, r.range(-0.2, 0.5));
        let mut t = vec![forehead; model.neutral.len()];
        for (w, spot) in a.iter().zip(&self.spots) {
            spot.iter().for_each(|&(v, f)| t[v as usize] += w * f);
        }
        // Most faces are smooth between their features; some are mottled.
        let (broad, small) = if r.chance(0.75) { (0.5, 0.2) } else { (0.9, 0.4) };
        let (blotches, coarse) = (r.range(0.1, broad), Self::random(&self.coarse, r, 6));
        let (speckles, fine) = (r.range(0.02, small), Self::random(&self.fine, r, 8));
        // Folds keep their warmth and look blacker than the skin around them; what stands out cools.
        let (fold, ridge) = (r.range(0.05, 0.5), r.range(0.0, 0.35));
        for (((t, coarse), fine), relief) in t.iter_mut().zip(&coarse).zip(&fine).zip(relief) {
            let warmth = if *relief > 0.0 { fold } else { ridge } * relief;
            *t = *t + blotches * coarse + speckles * fine + warmth;
        }
        let mut add = |w: f32, f: &[(u32, f32)]| f.iter().for_each(|&(v, f)| t[v as usize] += w * f);
        add(r.range(-0.7, 1.7), &self.neck);
        let ear = -r.range(0.0, 3.5 + 4.0 * chill);
        add(ear + r.normal(0.0, 0.3), &self.ears[0]);
        add(ear + r.normal(0.0, 0.3), &self.ears[1]);
        if r.chance(0.15) {
            // Sweat: evaporating patches.
            let patches = Self::random(&self.fine, r, 5);
            let depth = r.range(0.3, 1.5);
            t.iter_mut().zip(&patches).for_each(|(t, p)| *t -= depth * p.max(0.0));
        }
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
        t
    }

    /// How strongly breath touches a vertex, 0 to 1.
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

    /// A unit field of 7 to 20 cm.
    pub fn coarse(&self, r: &mut Random) -> Vec<f32> {
        Self::random(&self.coarse, r, 6)
    }

    /// A unit field of 0.8 to 3.5 cm.
    pub fn strands(&self, r: &mut Random) -> Vec<f32> {
        Self::random(&self.strand, r, 8)
    }
}
