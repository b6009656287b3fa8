//! Animals on four legs and birds.

use super::figure::{Figure, Paint};
use super::maker::Maker;
use super::tile::Grain;

fn fur(m: &mut Maker) -> Paint {
    let shade = m.colour.range(0.08, 0.8);
    let warm = m.colour.range(0.6, 1.0);
    let thin = m.heat.range(0.12, 0.5);
    let p = Paint::plain([shade, shade * (0.5 + 0.5 * warm), shade * warm * 0.8], m.weather.cloth(thin));
    let strength = m.heat.range(0.3, 1.2);
    Paint { rim: 0.8, relief: 0.25, ..p }.heat(Grain::Leaves, 1.0, strength).colour(
        *m.colour.pick(&[Grain::Leaves, Grain::Fine, Grain::Cells, Grain::Bands]),
        0.8,
        m.colour.range(0.08, 0.4),
    )
}

/// A dog, cat, deer or horse from the side, 1 long.
pub fn beast(m: &mut Maker, f: &mut Figure) {
    let coat = fur(m);
    let (legs, thick) = (m.shape.range(0.16, 0.42), m.shape.range(0.09, 0.16));
    let (neck, ears) = (m.shape.range(0.06, 0.28), m.shape.range(0.02, 0.1));
    let snout = m.shape.range(0.05, 0.12);
    let gait = m.shape.range(0.3, 0.9);
    let tail = m.shape.range(0.08, 0.3);
    let y = -0.5 * legs;
    let leg = |f: &mut Figure, x: f32, ahead: f32, shade: f32| {
        let s = m.swing(ahead) * gait;
        let bend = m.swing(ahead + 0.25).max(0.0) * gait;
        let knee = [x + 0.3 * legs * s, y + 0.5 * legs - 0.1 * legs * bend];
        let foot = [knee[0] + 0.4 * legs * (s - 0.8 * bend), y + legs - 0.2 * legs * bend];
        let p = coat.brighter(shade).warmer(-1.0);
        f.limb([x, y], 0.055, knee, 0.03, &p);
        f.limb(knee, 0.028, foot, 0.02, &p.warmer(-0.8));
    };
    leg(f, -0.27, 0.5, 0.75);
    leg(f, 0.2, 0.0, 0.75);
    let wag = 0.1 * m.swing(0.3);
    f.limb([-0.34, y - 0.05], 0.03, [-0.38 - tail * 0.6, y - tail * (0.4 + wag)], 0.015, &coat.warmer(-1.5));
    f.limb([-0.26, y - 0.02], thick, [0.2, y - 0.02 + 0.02 * m.swing(0.0)], thick * 1.05, &coat);
    let nod = 0.02 * m.swing(0.5) + 0.06 * m.turn;
    let head = [0.33 + 0.4 * neck, y - neck - 0.04 + nod];
    f.limb([0.23, y - 0.05], 0.8 * thick, head, 0.07, &coat.warmer(0.5));
    f.oval(head, [0.095, 0.085], &coat.warmer(1.0));
    f.limb(head, 0.06, [head[0] + 0.05 + snout, head[1] + 0.03], 0.032, &coat.warmer(0.5).brighter(0.9));
    f.oval([head[0] + 0.07 + snout, head[1] + 0.025], [0.018, 0.016], &Paint::plain([0.05; 3], coat.celsius - 3.0));
    f.oval([head[0] + 0.04, head[1] - 0.02], [0.016, 0.016], &Paint::plain([0.04; 3], m.weather.cloth(0.85)));
    f.limb([head[0] - 0.04, head[1] - 0.05], 0.03, [head[0] - 0.06, head[1] - 0.07 - ears], 0.012, &coat.warmer(2.0));
    leg(f, -0.24, 0.0, 1.0);
    leg(f, 0.23, 0.5, 1.0);
}

/// A bird that flaps, about 1 wide.
pub fn bird(m: &mut Maker, f: &mut Figure) {
    let coat = fur(m).warmer(1.0);
    let plump = m.shape.range(0.05, 0.1);
    let span = m.shape.range(0.32, 0.5);
    let away = m.shape.range(0.3, 1.0);
    let beat = m.swing(0.0);
    let wing = coat.warmer(-m.heat.range(0.5, 3.0)).brighter(0.85);
    let tip = -0.3 * beat;
    let bend = -0.3 * m.swing(0.12);
    for (side, shade) in [(-1.0f32, 0.8), (1.0, 1.0)] {
        let x = |k: f32| side * span * k * away + 0.1 * k * (1.0 - away);
        f.polygon(
            &[
                [x(0.05) + 0.07, -0.01],
                [x(0.5) + 0.05, 0.55 * bend],
                [x(1.0), tip],
                [x(0.55) - 0.06, 0.5 * bend + 0.05],
                [x(0.05) - 0.1, 0.03],
            ],
            &wing.brighter(shade),
        );
    }
    f.limb([-0.12, 0.02], plump * 0.7, [0.1, 0.0], plump, &coat);
    f.polygon(&[[-0.14, 0.0], [-0.3, -0.03 + 0.02 * beat], [-0.3, 0.06], [-0.14, 0.05]], &wing);
    f.oval([0.18, -0.03], [0.055, 0.05], &coat.warmer(1.5));
    f.limb([0.22, -0.03], 0.015, [0.29, -0.02], 0.006, &Paint::plain([0.7, 0.5, 0.1], coat.celsius - 2.0));
}
