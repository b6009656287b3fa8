//! Things: boxes, mugs, balls, bottles, plants, signs, and shapes that are like nothing in particular.

use super::figure::{Figure, Paint, Point};
use super::maker::Maker;
use super::tile::Grain;

/// A box that shows two or three faces.
pub fn parcel(m: &mut Maker, f: &mut Figure) {
    let kelvin = m.kelvin() * 0.5;
    let p = m.solid(kelvin);
    let p = m.printed(p, kelvin);
    let (w, h, d) = (m.shape.range(0.25, 0.5), m.shape.range(0.2, 0.42), m.shape.range(0.04, 0.16) + 0.03 * m.turn);
    f.rect(-w, -h, w, h, &p);
    f.polygon(&[[-w, -h], [-w + d, -h - d], [w + d, -h - d], [w, -h]], &p.brighter(1.15).warmer(0.7));
    f.polygon(&[[w, -h], [w + d, -h - d], [w + d, h - d], [w, h]], &p.brighter(0.75).warmer(-0.5));
    let k = 1.5 + m.kelvin() * 0.3;
    let label = m.solid(k);
    let (x, y) = (m.shape.range(-0.7, 0.2) * w, m.shape.range(-0.7, 0.2) * h);
    f.rect(x, y, x + 0.5 * w, y + 0.4 * h, &label);
}

/// A mug with something hot or cold in it.
pub fn mug(m: &mut Maker, f: &mut Figure) {
    let full = m.shape.range(0.3, 0.9);
    let k = if m.heat.chance(0.7) { m.heat.range(8.0, 35.0) } else { -m.heat.range(4.0, 14.0) };
    let p = m.solid(0.3 * k);
    let hot = Paint { heat: (Grain::Soft, 0.5, 0.3), ..p }.warmer(0.5 * k);
    for i in 0..6 {
        let angle = |i: i32| libm::sincosf(-1.3 + 2.6 * i as f32 / 6.0);
        let ((s0, c0), (s1, c1)) = (angle(i), angle(i + 1));
        f.limb([0.3 + 0.17 * c0, 0.02 + 0.2 * s0], 0.04, [0.3 + 0.17 * c1, 0.02 + 0.2 * s1], 0.04, &p.warmer(-0.2 * k));
    }
    f.rect(-0.34, -0.36, 0.34, 0.4, &p);
    f.rect(-0.34, 0.4 - 0.76 * full, 0.34, 0.4, &hot);
    f.oval([0.0, 0.4], [0.34, 0.06], &hot);
    f.oval([0.0, -0.36], [0.34, 0.08], &p.brighter(0.7).warmer(0.6 * k));
}

/// A ball.
pub fn ball(m: &mut Maker, f: &mut Figure) {
    let k = m.kelvin();
    let p = Paint { relief: 0.4, rim: m.heat.range(0.0, 1.0), ..m.solid(k) };
    let k2 = k * m.heat.range(0.4, 1.4);
    let q = m.solid(k2);
    let p = m.printed(p, k);
    f.oval([0.0, 0.0], [0.5, 0.5], &p);
    for i in 0..3 {
        let (s, c) = libm::sincosf((m.phase + i as f32 / 3.0) * std::f32::consts::TAU);
        f.oval([0.26 * c, 0.26 * s], [0.12 + 0.05 * c.abs(), 0.12 + 0.05 * s.abs()], &q);
    }
}

/// A bottle or a tall flask.
pub fn bottle(m: &mut Maker, f: &mut Figure) {
    let k = m.kelvin();
    let p = m.solid(k);
    let (w, full) = (m.shape.range(0.1, 0.2), m.shape.range(0.0, 0.7));
    f.rect(-w, -0.2, w, 0.5, &p);
    f.polygon(&[[-w, -0.2], [-0.06, -0.36], [0.06, -0.36], [w, -0.2]], &p);
    f.rect(-0.05, -0.5, 0.05, -0.34, &p.brighter(0.6).warmer(-0.5 * k));
    f.rect(-w, 0.5 - full, w, 0.5, &p.brighter(0.8).warmer(0.6 * k));
    let label = m.solid(0.4 * k);
    f.rect(-w, -0.02, w, 0.2, &label);
}

/// A potted plant or a bush.
pub fn plant(m: &mut Maker, f: &mut Figure) {
    let leaf = Paint::plain([0.1, m.colour.range(0.25, 0.5), 0.08], m.weather.ambient + m.heat.range(-1.5, 0.5));
    let leaf = leaf.colour(Grain::Leaves, 1.0, 0.5).heat(Grain::Leaves, 1.0, 0.4);
    let pot_k = m.heat.normal(0.0, 1.5);
    let pot = m.solid(pot_k);
    f.polygon(&[[-0.18, 0.2], [0.18, 0.2], [0.13, 0.5], [-0.13, 0.5]], &pot);
    let n = 7 + m.shape.below(8);
    for i in 0..n {
        let (angle, long) = (m.shape.range(-1.5, 1.5), m.shape.range(0.3, 0.66));
        let sway = 0.06 * m.swing(i as f32 * 0.3);
        let (s, c) = libm::sincosf(angle + sway);
        let tip = [0.75 * long * s, 0.2 - long * c];
        let p = leaf.brighter(m.shape.range(0.6, 1.3));
        f.limb([0.0, 0.2], 0.015, tip, 0.012, &p);
        f.oval(tip, [0.09, 0.07], &p);
    }
}

/// A sign on a post.
pub fn sign(m: &mut Maker, f: &mut Figure) {
    let post = m.solid(0.0);
    let plate_k = -2.0 * m.heat.unit();
    let (plate, mark) = (m.solid(plate_k), m.solid(plate_k + 1.0));
    let tall = m.shape.range(0.1, 0.5);
    let s = m.shape.range(0.2, 0.34);
    f.limb([0.0, -0.2], 0.025, [0.0, 0.5], 0.025, &post);
    let y = 0.5 - tall - 2.0 * s;
    match m.shape.below(3) {
        0 => {
            f.oval([0.0, y + s], [s, s], &plate);
            f.oval([0.0, y + s], [0.75 * s, 0.75 * s], &mark);
        }
        1 => {
            f.polygon(&[[0.0, y], [1.1 * s, y + 1.8 * s], [-1.1 * s, y + 1.8 * s]], &plate);
            f.polygon(&[[0.0, y + 0.5 * s], [0.7 * s, y + 1.6 * s], [-0.7 * s, y + 1.6 * s]], &mark);
        }
        _ => {
            f.rect(-1.4 * s, y, 1.4 * s, y + 1.6 * s, &plate);
            f.rect(-1.1 * s, y + 0.5 * s, 1.1 * s, y + 0.8 * s, &mark);
        }
    }
}

/// Something of no kind: a lumpy, bending outline with regions of their own colour and warmth, whose edges are the
/// same in both modalities only by half.
pub fn lump(m: &mut Maker, f: &mut Figure) {
    let kelvin = m.kelvin();
    let n = 10 + m.shape.below(14);
    let rough = m.shape.range(0.0, 0.5);
    let bend = m.shape.range(0.0, 0.25);
    let at = |m: &mut Maker, k: usize| -> Point {
        let a = (k as f32 + m.shape.range(-0.3, 0.3)) / n as f32 * std::f32::consts::TAU;
        let (s, c) = libm::sincosf(a);
        let wave = 1.0 + bend * libm::sinf(m.phase * std::f32::consts::TAU + 2.0 * a);
        let r = 0.5 * (1.0 - rough * m.shape.unit()) * wave;
        [r * c, r * s]
    };
    let outline: Vec<Point> = (0..n).map(|k| at(m, k)).collect();
    let base = m.solid(kelvin);
    let base = m.printed(base, kelvin);
    if m.shape.chance(0.4) {
        let limbs = 2 + m.shape.below(4);
        for k in 0..limbs {
            let a = m.shape.unit() + 0.06 * m.swing(k as f32 * 0.37);
            let (s, c) = libm::sincosf(a * std::f32::consts::TAU);
            let reach = m.shape.range(0.5, 0.75);
            let p = base.brighter(m.colour.range(0.6, 1.3)).warmer(m.heat.normal(0.0, 0.3) * kelvin);
            f.limb([0.2 * c, 0.2 * s], 0.1, [reach * c, reach * s], m.shape.range(0.03, 0.1), &p);
        }
    }
    f.polygon(&outline, &base);
    let parts = m.shape.below(6);
    for _ in 0..parts {
        let (i, j) = (m.shape.below(n), m.shape.range(0.0, 0.75));
        let centre = [outline[i][0] * j, outline[i][1] * j];
        let half = [m.shape.range(0.06, 0.2), m.shape.range(0.06, 0.2)];
        let k = kelvin * m.heat.range(-0.3, 1.6);
        let mut p = m.solid(k);
        match m.shape.below(4) {
            0 => p.opaque = [1.0, 0.0],
            1 => p.opaque = [0.0, 1.0],
            _ => {}
        }
        // A region stays within the outline as far as its centre does.
        let room = 0.5 * (1.0 - j);
        let half = [half[0].min(room), half[1].min(room)];
        if m.shape.chance(0.5) {
            f.oval(centre, half, &p);
        } else {
            f.rect(centre[0] - half[0], centre[1] - half[1], centre[0] + half[0], centre[1] + half[1], &p);
        }
    }
}
