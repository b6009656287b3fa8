//! What stands in front of a target: posts, panels, bushes, glass. All fill about their whole box.

use super::figure::{Figure, Paint};
use super::maker::Maker;
use super::tile::Grain;

/// A trunk, a pillar, a post.
pub fn post(m: &mut Maker, f: &mut Figure) {
    let k = m.heat.normal(0.0, 1.5) + 0.5 * m.weather.sun;
    let p = Paint { relief: 0.35, rim: 0.3, ..m.solid(k) };
    let (top, low) = (m.shape.range(0.46, 0.5), m.shape.range(0.46, 0.5));
    f.polygon(&[[-top, -0.5], [top, -0.5], [low, 0.5], [-low, 0.5]], &p);
}

/// A wall, a board, a parked van.
pub fn panel(m: &mut Maker, f: &mut Figure) {
    let k = m.heat.normal(0.0, 1.5) + 0.4 * m.weather.sun;
    let p = m.solid(k);
    let p = m.printed(p, 1.0);
    f.rect(-0.5, -0.5, 0.5, 0.5, &p);
    for _ in 0..m.shape.below(5) {
        let k = k + m.heat.normal(0.0, 1.5);
        let q = m.solid(k);
        let (x, y) = (m.shape.range(-0.5, 0.3), m.shape.range(-0.5, 0.3));
        f.rect(x, y, (x + m.shape.range(0.05, 0.4)).min(0.5), (y + m.shape.range(0.05, 0.4)).min(0.5), &q);
    }
}

/// A bush.
pub fn bush(m: &mut Maker, f: &mut Figure) {
    let green = m.colour.range(0.18, 0.45);
    let rgb = [green * m.colour.range(0.4, 1.1), green, green * 0.35];
    let p = Paint::plain(rgb, m.weather.ambient + m.heat.range(-1.5, 0.8) + 0.2 * m.weather.sun);
    let p = p.colour(Grain::Leaves, 1.5, 0.5).heat(Grain::Leaves, 1.5, 0.6);
    f.rect(-0.4, -0.38, 0.4, 0.5, &p);
    let n = 14;
    for i in 0..n {
        let (s, c) = libm::sincosf(i as f32 / n as f32 * std::f32::consts::TAU);
        let reach = m.shape.range(0.06, 0.13);
        f.oval(
            [0.39 * c, 0.39 * s],
            [reach, reach],
            &p.brighter(m.colour.range(0.7, 1.3)).warmer(m.heat.normal(0.0, 0.4)),
        );
    }
}

/// A window pane: clear in visible light, opaque and mirroring in thermal.
pub fn glass(m: &mut Maker, f: &mut Figure) {
    let k = m.heat.normal(0.0, 1.5) - 0.1 * (m.weather.ambient - m.weather.sky).min(25.0);
    let pane =
        Paint { opaque: [m.colour.range(0.05, 0.35), 1.0], ..Paint::plain([0.7, 0.8, 0.85], m.weather.ambient + k) };
    f.rect(-0.5, -0.5, 0.5, 0.5, &pane.heat(Grain::Broad, 0.5, 0.4).colour(Grain::Broad, 0.6, 0.4));
    let frame = m.solid(0.0);
    for y in [-0.5f32, 0.47] {
        f.rect(-0.5, y, 0.5, y + 0.03, &frame);
    }
}
