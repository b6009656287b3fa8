//! Cars and lorries: hot engines, tyres and exhausts, windows that mirror the cold sky.

use super::figure::{Figure, Paint};
use super::maker::Maker;
use super::tile::Grain;

struct Body {
    shell: Paint,
    glass: Paint,
    tyre: Paint,
    hub: Paint,
    dark: Paint,
    engine: f32,
}

impl Body {
    fn draw(m: &mut Maker) -> Self {
        let a = m.weather.ambient;
        // Painted metal mirrors some of the sky, glass more of it.
        let cold = 0.1 * (a - m.weather.sky).min(25.0);
        let running = m.heat.chance(0.7);
        let mut shell = m.solid(-cold + m.weather.sun * m.heat.clone().range(0.2, 1.2));
        shell.colour.2 = shell.colour.2.min(0.08);
        shell.relief = 0.3;
        let glass_k = -2.0 * cold * m.heat.range(0.2, 1.4) + if m.heat.chance(0.3) { 3.0 } else { 0.0 };
        let tyre_k = if running { m.heat.range(3.0, 22.0) } else { m.heat.range(-1.0, 1.0) };
        Self {
            glass: Paint::plain([0.16, 0.2, 0.24], a + glass_k).colour(Grain::Broad, 0.8, 0.5),
            tyre: Paint::plain([0.05; 3], a + tyre_k),
            hub: Paint::plain([0.55; 3], a + 0.5 * tyre_k),
            dark: Paint::plain([0.08; 3], a + 0.4 * tyre_k),
            engine: if running { m.heat.range(3.0, 28.0) } else { 0.0 },
            shell,
        }
    }

    fn wheel(&self, f: &mut Figure, x: f32, y: f32, s: f32, phase: f32) {
        f.oval([x, y], [s, s], &self.tyre);
        f.oval([x, y], [0.58 * s, 0.58 * s], &self.hub);
        for k in 0..3 {
            let (sn, c) = libm::sincosf((phase + k as f32 / 3.0) * std::f32::consts::TAU);
            f.limb([x, y], 0.07 * s, [x + 0.5 * s * c, y + 0.5 * s * sn], 0.06 * s, &self.dark);
        }
    }
}

/// A car from the side, 1 long.
pub fn car(m: &mut Maker, f: &mut Figure) {
    let b = Body::draw(m);
    let tall = m.shape.range(0.12, 0.2);
    let (front, back) = (m.shape.range(0.02, 0.14), m.shape.range(-0.47, -0.3));
    let bonnet = m.shape.range(0.3, 0.47).max(front + 0.14);
    let y = -0.02;
    f.limb([-0.42, 0.17], 0.02, [0.42, 0.17], 0.02, &b.dark.warmer(0.5 * b.engine));
    f.polygon(&[[back, y], [back + 0.08, y - tall], [front, y - tall], [bonnet - 0.08, y]], &b.shell);
    f.polygon(
        &[
            [-0.5, 0.02],
            [-0.47, y - 0.03],
            [bonnet - 0.1, y - 0.03],
            [0.46, 0.03],
            [0.5, 0.08],
            [0.49, 0.17],
            [-0.49, 0.17],
        ],
        &b.shell.brighter(0.95),
    );
    let mid = 0.5 * (back + front) + 0.03;
    let top = y - tall + 0.025;
    f.polygon(&[[back + 0.05, y - 0.02], [back + 0.1, top], [mid - 0.012, top], [mid - 0.012, y - 0.02]], &b.glass);
    f.polygon(&[[mid + 0.012, y - 0.02], [mid + 0.012, top], [front - 0.01, top], [bonnet - 0.14, y - 0.02]], &b.glass);
    if b.engine > 0.0 {
        f.oval([0.36, 0.05], [0.1, 0.05], &b.shell.warmer(0.5 * b.engine));
        f.limb([0.46, 0.1], 0.02, [0.47, 0.13], 0.02, &b.dark.warmer(b.engine));
        f.oval([-0.47, 0.165], [0.02, 0.015], &b.dark.warmer(2.0 * b.engine));
    }
    f.oval([0.47, 0.06], [0.022, 0.02], &Paint::plain([0.95, 0.95, 0.85], m.weather.ambient + 4.0));
    f.oval([-0.48, 0.05], [0.015, 0.022], &Paint::plain([0.7, 0.08, 0.06], m.weather.ambient + 2.0));
    for x in [-0.31, 0.31] {
        b.wheel(f, x, 0.16, 0.085, m.phase);
    }
}

/// A car from the front or the back, 1 wide.
pub fn car_end(m: &mut Maker, f: &mut Figure) {
    let b = Body::draw(m);
    let front = m.shape.chance(0.5);
    let (roof, waist) = (m.shape.range(0.3, 0.42), m.shape.range(-0.05, 0.05));
    f.rect(-0.45, 0.2, -0.27, 0.43, &b.tyre);
    f.rect(0.27, 0.2, 0.45, 0.43, &b.tyre);
    f.rect(-0.3, 0.25, 0.3, 0.36, &b.dark.warmer(b.engine));
    f.polygon(&[[-0.4, waist], [-0.3, -roof], [0.3, -roof], [0.4, waist]], &b.shell);
    f.polygon(&[[-0.35, waist], [-0.27, -roof + 0.05], [0.27, -roof + 0.05], [0.35, waist]], &b.glass);
    f.polygon(&[[-0.42, waist], [0.42, waist], [0.5, 0.08], [0.48, 0.31], [-0.48, 0.31], [-0.5, 0.08]], &b.shell);
    let lamp = if front { [0.95, 0.95, 0.85] } else { [0.7, 0.06, 0.05] };
    for s in [-1.0f32, 1.0] {
        f.oval([0.38 * s, 0.1], [0.08, 0.045], &Paint::plain(lamp, m.weather.ambient + 5.0));
    }
    let grille = if front { b.engine } else { 0.2 * b.engine };
    f.rect(-0.22, 0.1, 0.22, 0.2, &b.dark.warmer(grille));
    f.rect(-0.11, 0.22, 0.11, 0.27, &Paint::plain([0.85; 3], b.shell.celsius));
    if !front && b.engine > 0.0 {
        f.oval([0.25, 0.33], [0.035, 0.025], &b.dark.warmer(2.5 * b.engine));
    }
}

/// A lorry or a bus from the side, 1 long.
pub fn truck(m: &mut Maker, f: &mut Figure) {
    let b = Body::draw(m);
    let tall = m.shape.range(0.3, 0.52);
    let bus = m.shape.chance(0.5);
    let low = 0.5 * tall;
    let y = |k: f32| low - k * tall;
    f.limb([-0.45, y(0.1)], 0.02, [0.45, y(0.1)], 0.02, &b.dark.warmer(0.4 * b.engine));
    if bus {
        f.rect(-0.5, y(1.0), 0.5, y(0.12), &b.shell);
        let n = 4 + m.shape.below(4);
        for k in 0..n {
            let x = -0.46 + 0.92 * k as f32 / n as f32;
            f.rect(x, y(0.9), x + 0.8 / n as f32, y(0.55), &b.glass);
        }
        f.rect(-0.49, y(0.4), -0.3, y(0.15), &b.shell.warmer(b.engine));
    } else {
        let cab = m.shape.range(0.2, 0.3);
        let crate_ = m.solid(m.weather.sun * 0.6);
        f.rect(-0.5, y(1.0), 0.48 - cab, y(0.2), &crate_);
        f.polygon(
            &[[0.5 - cab, y(0.85)], [0.45, y(0.85)], [0.5, y(0.5)], [0.5, y(0.12)], [0.5 - cab, y(0.12)]],
            &b.shell,
        );
        f.polygon(&[[0.54 - cab, y(0.8)], [0.44, y(0.8)], [0.48, y(0.52)], [0.54 - cab, y(0.52)]], &b.glass);
        f.rect(0.52 - cab, y(0.36), 0.49, y(0.16), &b.shell.warmer(0.8 * b.engine));
    }
    let s = 0.14 * tall + 0.02;
    for x in [-0.36, -0.24, 0.34] {
        b.wheel(f, x, low - s, s, m.phase);
    }
}
