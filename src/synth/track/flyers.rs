//! Drones, aircraft, helicopters.

use super::figure::{Figure, Paint};
use super::maker::Maker;

/// A drone with four or six hot motors, 1 wide.
pub fn drone(m: &mut Maker, f: &mut Figure) {
    let a = m.weather.ambient;
    let shell = m.solid(1.5);
    let motor = Paint::plain([0.15; 3], a + m.heat.range(6.0, 35.0));
    let battery = Paint::plain([0.1; 3], a + m.heat.range(4.0, 22.0));
    let (tall, size) = (m.shape.range(0.04, 0.14), m.shape.range(0.1, 0.2));
    let tilt = 0.06 * m.turn;
    let blade = Paint { opaque: [0.35, 0.25], ..Paint::plain([0.25; 3], a + 1.0) };
    let arms = 2 + m.shape.below(2);
    for (row, shade) in [(0.72f32, 0.7), (1.0, 1.0)] {
        for k in 0..arms {
            let x = (k as f32 / (arms - 1) as f32 * 2.0 - 1.0) * 0.36 * row;
            let y = -tall * 0.5 + tilt * x - 0.06 * (1.0 - row);
            f.limb([0.0, 0.0], 0.03, [x, y], 0.02, &shell.brighter(shade));
            f.limb([x, y + 0.01], 0.03, [x, y - 0.05], 0.03, &motor);
            let spin = 0.13 * (0.35 + 0.65 * m.swing(0.13 * k as f32 + row).abs());
            f.limb([x - spin, y - 0.075], 0.012, [x + spin, y - 0.075], 0.012, &blade);
        }
    }
    f.oval([0.0, 0.0], [size, tall], &shell);
    f.oval([0.0, -0.02], [0.6 * size, 0.6 * tall], &battery);
    if m.shape.chance(0.7) {
        let w = 0.8 * size;
        for s in [-1.0f32, 1.0] {
            f.limb([s * w, 0.5 * tall], 0.012, [s * w * 1.3, tall + 0.09], 0.012, &shell);
            f.limb([s * w * 1.3 - 0.06, tall + 0.1], 0.012, [s * w * 1.3 + 0.06, tall + 0.1], 0.012, &shell);
        }
    }
    if m.shape.chance(0.6) {
        f.oval([0.04, tall + 0.03], [0.05, 0.045], &battery.warmer(-2.0));
    }
}

/// An aircraft from the side, from below or head-on, 1 long.
pub fn plane(m: &mut Maker, f: &mut Figure) {
    let skin = m.solid(-1.0 + m.heat.clone().range(-2.0, 5.0));
    let hot = skin.warmer(m.heat.range(8.0, 60.0));
    let r = m.shape.range(0.025, 0.06);
    match m.shape.below(3) {
        0 => {
            f.limb([-0.45, -0.01], 0.3 * r, [-0.25, 0.0], r, &skin);
            f.limb([-0.25, 0.0], r, [0.42, 0.0], r, &skin);
            f.polygon(&[[-0.5, -0.17], [-0.42, -0.17], [-0.33, -0.01], [-0.46, -0.01]], &skin.brighter(0.8));
            f.polygon(&[[0.1, 0.02], [-0.12, 0.12], [-0.2, 0.12], [-0.08, 0.01]], &skin.brighter(0.85));
            f.limb([0.02, 0.08], 0.035, [-0.05, 0.08], 0.03, &hot);
            f.polygon(&[[-0.4, 0.0], [-0.5, 0.04], [-0.52, 0.03], [-0.46, -0.02]], &skin);
        }
        1 => {
            let sweep = m.shape.range(0.0, 0.3);
            let span = m.shape.range(0.3, 0.5);
            for s in [-1.0f32, 1.0] {
                f.polygon(
                    &[[0.12, 0.0], [-sweep + 0.04, s * span], [-sweep - 0.04, s * span], [-0.06, 0.0]],
                    &skin.brighter(0.9),
                );
                f.polygon(&[[-0.36, 0.0], [-0.46, s * 0.15], [-0.5, s * 0.15], [-0.46, 0.0]], &skin.brighter(0.9));
                f.limb([0.08, s * 0.16], 0.03, [-0.01, s * 0.16], 0.025, &hot);
            }
            f.limb([-0.47, 0.0], 0.4 * r, [0.47, 0.0], r, &skin);
        }
        _ => {
            let drop = m.shape.range(-0.06, 0.06) + 0.05 * m.turn;
            f.polygon(&[[-0.5, -drop], [0.0, 0.0], [0.5, -drop], [0.0, 0.05]], &skin.brighter(0.85));
            f.polygon(&[[-0.02, 0.0], [0.0, -0.2], [0.02, 0.0]], &skin);
            f.oval([0.0, 0.01], [1.5 * r, 1.5 * r], &skin);
            for s in [-1.0f32, 1.0] {
                f.oval([0.17 * s, 0.05 - 0.3 * drop], [0.03, 0.03], &hot);
            }
        }
    }
}

/// A helicopter from the side, 1 long.
pub fn helicopter(m: &mut Maker, f: &mut Figure) {
    let skin = m.solid(1.0);
    let hot = skin.warmer(m.heat.range(15.0, 80.0));
    let (fat, tall) = (m.shape.range(0.09, 0.15), m.shape.range(0.1, 0.15));
    f.limb([0.0, -0.02], 0.06, [-0.46, -0.06], 0.022, &skin);
    f.polygon(&[[-0.44, -0.06], [-0.5, -0.18], [-0.46, -0.18], [-0.4, -0.05]], &skin);
    f.oval([0.16, 0.02], [fat + 0.08, tall], &skin);
    f.oval([0.24, 0.0], [fat * 0.6, tall * 0.6], &Paint::plain([0.15, 0.2, 0.25], skin.celsius - 2.0));
    f.oval([0.06, -0.1], [0.09, 0.04], &hot);
    f.limb([0.1, -0.1], 0.018, [0.1, -0.19], 0.018, &hot.warmer(-5.0));
    let span = 0.42 * (0.3 + 0.7 * m.swing(0.0).abs());
    let blade = Paint { opaque: [0.55, 0.4], ..Paint::plain([0.15; 3], skin.celsius - 1.0) };
    f.limb([0.1 - span, -0.19 + 0.01], 0.012, [0.1 + span, -0.19 - 0.01], 0.012, &blade);
    f.limb([0.02, tall + 0.04], 0.012, [0.32, tall + 0.04], 0.012, &skin.brighter(0.6));
    f.limb([0.1, tall - 0.03], 0.01, [0.07, tall + 0.04], 0.01, &skin.brighter(0.6));
}
