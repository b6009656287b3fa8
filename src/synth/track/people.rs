//! People: walking, sitting, near the camera, riding.

use super::figure::{Figure, Paint, Point};
use super::maker::Maker;
use super::tile::Grain;

/// The clothes and skin of one person.
struct Dress {
    skin: Paint,
    hand: Paint,
    hair: Paint,
    top: Paint,
    sleeve: Paint,
    legs: Paint,
    shoe: Paint,
    bag: Paint,
    wide: f32,
    side: f32,
    hat: usize,
    coat: f32,
    load: usize,
    mask: bool,
}

impl Dress {
    fn draw(m: &mut Maker) -> Self {
        let skin = m.skin();
        let cold = ((20.0 - m.weather.ambient) / 20.0).clamp(0.0, 1.0);
        let hand = skin.warmer(-m.heat.range(0.0, 2.0 + 7.0 * cold));
        let hair_rgb = *m.colour.pick(&[[0.06, 0.05, 0.04], [0.2, 0.13, 0.08], [0.5, 0.38, 0.2], [0.6, 0.6, 0.6]]);
        let hair = Paint { rim: 1.0, ..Paint::plain(hair_rgb, m.weather.cloth(m.heat.clone().range(0.35, 0.65))) };
        let hair = hair.heat(Grain::Leaves, 2.0, 0.6).colour(Grain::Fine, 1.0, 0.15);
        let top = m.cloth([0.08, 0.5]);
        let bare = m.weather.ambient > 17.0 && m.heat.chance(0.4);
        let legs = m.cloth([0.3, 0.78]);
        Self {
            skin,
            hand,
            hair,
            sleeve: if bare { skin.warmer(-0.8) } else { top.brighter(0.92).warmer(-0.3) },
            top,
            legs,
            shoe: m.cloth([0.02, 0.3]),
            bag: m.cloth([0.0, 0.15]),
            wide: m.shape.range(0.85, 1.2),
            side: m.shape.unit() * m.shape.range(0.3, 1.0),
            hat: m.shape.below(6),
            coat: if m.shape.chance(0.3) { m.shape.range(0.1, 0.32) } else { 0.0 },
            load: m.shape.below(6),
            mask: m.shape.chance(0.12),
        }
    }
}

/// A head of radius 0.5 around `at`, scaled by `s`, seen from the front (`yaw` 0), the side (1) or the back (2).
fn skull(f: &mut Figure, d: &Dress, at: Point, s: f32, yaw: f32) {
    let p = |x: f32, y: f32| [at[0] + x * s, at[1] + y * s];
    let look = (yaw.min(1.0)) * 0.16;
    f.limb(p(0.0, 0.3), 0.22 * s, p(-0.02, 0.5), 0.23 * s, &d.skin.warmer(0.2).brighter(0.85));
    f.oval(p(-0.04 * yaw.min(1.0), -0.06), [0.4 * s, 0.48 * s], &d.hair);
    if yaw < 1.6 {
        f.oval(p(look, 0.07), [(0.34 - 0.05 * yaw) * s, 0.41 * s], &d.skin);
        // Eyes and mouth are warmer, nose and cheeks cooler.
        let dark = d.skin.brighter(0.6);
        for side in [-1.0f32, 1.0] {
            f.oval(p(look * 1.5 + side * 0.14 * (1.0 - 0.6 * yaw), 0.0), [0.065 * s, 0.04 * s], &dark.warmer(0.8));
        }
        f.oval(p(look * 2.0, 0.13), [0.06 * s, 0.09 * s], &d.skin.brighter(1.08).warmer(-1.6));
        f.oval(p(look * 1.4, 0.29), [0.12 * s, 0.035 * s], &dark.warmer(0.4));
        if d.mask {
            f.oval(p(look * 1.5, 0.27), [0.27 * s, 0.2 * s], &Paint { rgb: [0.7, 0.8, 0.85], ..d.skin }.warmer(-2.5));
        }
        f.oval(p(-0.02, -0.28), [0.38 * s, 0.22 * s], &d.hair);
        if yaw > 0.6 {
            f.oval(p(-0.18, -0.05), [0.2 * s, 0.3 * s], &d.hair);
            f.oval(p(-0.04, 0.08), [0.05 * s, 0.09 * s], &d.skin.warmer(-0.6));
        }
    }
    match d.hat {
        0 => {
            f.oval(p(0.0, -0.3), [0.44 * s, 0.26 * s], &d.bag);
            f.limb(p(-0.3, -0.2), 0.05 * s, p(0.35 + look, -0.2), 0.06 * s, &d.bag);
        }
        1 => {
            f.oval(p(-0.1, -0.05), [0.46 * s, 0.54 * s], &d.top);
            if yaw < 1.6 {
                f.oval(p(look, 0.06), [0.29 * s, 0.37 * s], &d.skin);
                f.oval(p(look * 2.0, 0.12), [0.06 * s, 0.09 * s], &d.skin.warmer(-1.6));
            }
        }
        _ => {}
    }
}

/// Someone on foot, 1 high.
pub fn walker(m: &mut Maker, f: &mut Figure) {
    let d = Dress::draw(m);
    let side = (d.side + 0.3 * m.turn).clamp(0.0, 1.0);
    let yaw = if d.side < 0.2 { 2.0 * f32::from(u8::from(d.load > 3)) } else { side };
    let stride = m.shape.range(0.14, 0.38);
    let lean = m.shape.range(-0.01, 0.04) * side;
    let w = d.wide;
    let bob = 0.008 * m.swing(0.25).abs();
    let hip: Point = [0.0, 0.02 - bob];
    // Some bend down, spread their legs or lift their arms, and stand up again.
    let active = m.shape.chance(0.3);
    let [bend, spread, lift] = [m.shape.range(0.0, 1.6), m.shape.range(0.0, 2.2), m.shape.range(0.0, 2.2)];
    let much = if active { (0.9 * m.turn.abs() - 0.2).clamp(0.0, 1.0) } else { 0.0 };
    let (bow, stance, lift) = (lean + bend * much * side.max(0.3), 1.0 + spread * much, lift * much);
    let (sin, cos) = libm::sincosf(bow);
    let neck: Point = [hip[0] + 0.33 * sin, hip[1] - 0.33 * cos];
    let half = 0.085 * w * (1.0 - 0.3 * side);
    let leg = |f: &mut Figure, ahead: f32, x: f32, shade: f32| {
        let s = m.swing(ahead);
        // The leg that swings forward bends its knee.
        let bend = (m.swing(ahead + 0.22)).max(0.0);
        let a = stride * s;
        let knee = [hip[0] + x * stance + side * 0.24 * a * 1.2, hip[1] + 0.24 - 0.02 * bend];
        let b = a - 0.9 * bend * stride;
        let wide = (0.3 + 0.7 * (stance - 1.0)) * x * (1.0 - side);
        let foot = [knee[0] + side * 0.24 * b * 1.3 + wide, knee[1] + 0.2 - 0.06 * bend];
        let p = d.legs.brighter(shade);
        f.limb(foot, 0.026, [foot[0] + 0.055 * side + 0.01, foot[1] + 0.012], 0.022, &d.shoe.brighter(shade));
        f.limb([hip[0] + x, hip[1]], 0.062 * w, knee, 0.046 * w, &p.warmer(-0.2));
        f.limb(knee, 0.044 * w, foot, 0.03, &p.warmer(0.3));
    };
    let arm = |f: &mut Figure, ahead: f32, x: f32, shade: f32| {
        let s = m.swing(ahead);
        let shoulder = [neck[0] + x, neck[1] + 0.05];
        let away = if x < 0.0 { -lift } else { lift };
        let (up, down) = libm::sincosf(away + side * 0.6 * s * (1.0 - lift).max(0.0));
        let elbow = [shoulder[0] + 0.35 * x + 0.15 * up, shoulder[1] + 0.15 * down];
        let (up, down) = libm::sincosf(1.15 * away + side * (0.4 + 0.7 * s) * (1.0 - lift).max(0.0));
        let hand = [elbow[0] + 0.12 * up, elbow[1] + 0.12 * down];
        f.limb(shoulder, 0.042 * w, elbow, 0.036 * w, &d.sleeve.brighter(shade));
        f.limb(elbow, 0.034 * w, hand, 0.025, &d.sleeve.brighter(shade));
        f.oval([hand[0], hand[1] + 0.02], [0.022, 0.03], &d.hand.brighter(shade));
    };
    let spread = 0.055 * w * (1.0 - 0.8 * side);
    arm(f, 0.0, -0.11 * w * (1.0 - side), 0.75);
    leg(f, 0.5, -spread, 0.8);
    leg(f, 0.0, spread, 1.0);
    if d.load == 0 {
        f.oval([neck[0] - 0.11 * side, neck[1] + 0.15], [0.085, 0.13], &d.bag);
    }
    let p = &d.top;
    if bow > 0.3 {
        f.limb([hip[0], hip[1] - 0.02], 0.09 * w, [neck[0] - 0.05 * sin, neck[1] + 0.05 * cos], 0.105 * w, p);
        skull(f, &d, [neck[0] + 0.095 * sin, neck[1] - 0.095 * cos], 0.165, yaw);
        arm(f, 0.5, 0.11 * w * (1.0 - side) + 0.01 * side, 1.0);
        return;
    }
    let x = |y: f32| neck[0] + (hip[0] - neck[0]) * y;
    f.polygon(
        &[
            [neck[0] - 1.05 * half, neck[1] + 0.02],
            [neck[0] + 1.05 * half, neck[1] + 0.02],
            [x(0.3) + 1.3 * half, neck[1] + 0.07],
            [x(0.8) + 1.12 * half, hip[1] - 0.07],
            [hip[0] + 1.15 * half + 0.2 * d.coat, hip[1] + 0.03 + d.coat],
            [hip[0] - 1.15 * half - 0.2 * d.coat, hip[1] + 0.03 + d.coat],
            [x(0.8) - 1.12 * half, hip[1] - 0.07],
            [x(0.3) - 1.3 * half, neck[1] + 0.07],
        ],
        p,
    );
    skull(f, &d, [neck[0] + 0.02 * side + 0.095 * sin, neck[1] - 0.095], 0.165, yaw);
    f.oval([neck[0], neck[1] + 0.035], [1.05 * half, 0.03], p);
    if d.load == 1 {
        let at = [0.1 * w, hip[1] + 0.12];
        f.polygon(
            &[[at[0] - 0.05, at[1]], [at[0] + 0.06, at[1]], [at[0] + 0.07, at[1] + 0.14], [at[0] - 0.06, at[1] + 0.14]],
            &d.bag,
        );
    }
    arm(f, 0.5, 0.11 * w * (1.0 - side) + 0.01 * side, 1.0);
}

/// Head and shoulders, 1 high.
pub fn bust(m: &mut Maker, f: &mut Figure) {
    let d = Dress::draw(m);
    let yaw = (d.side * 1.1 - 0.2 + 0.5 * m.turn).clamp(0.0, 1.0);
    let nod = 0.015 * m.swing(0.0);
    let w = d.wide * m.shape.range(0.85, 1.15);
    let sway = 0.02 * m.swing(0.3);
    f.polygon(
        &[
            [-0.12 + sway, -0.06],
            [0.12 + sway, -0.06],
            [0.34 * w, 0.06],
            [0.43 * w, 0.22],
            [0.46 * w, 0.5],
            [-0.46 * w, 0.5],
            [-0.43 * w, 0.22],
            [-0.34 * w, 0.06],
        ],
        &d.top,
    );
    f.limb([-0.4 * w, 0.2], 0.07, [-0.43 * w, 0.44], 0.06, &d.sleeve.brighter(0.9));
    f.limb([0.4 * w, 0.2], 0.07, [0.43 * w, 0.44], 0.06, &d.sleeve.brighter(0.9));
    skull(f, &d, [sway, -0.24 + nod], 0.52, yaw);
    f.limb([-0.12 + sway, 0.07], 0.05, [0.12 + sway, 0.07], 0.05, &d.top.brighter(0.9).warmer(0.5));
    if m.shape.chance(0.35) {
        let up = 0.16 + 0.2 * (0.5 + 0.5 * m.swing(0.6));
        let at = [0.3 * w, 0.46 - up];
        f.limb([0.42 * w, 0.48], 0.065, at, 0.05, &d.sleeve);
        f.oval([at[0], at[1] - 0.06], [0.06, 0.075], &d.hand);
    }
}

/// A head alone, 1 high.
pub fn head(m: &mut Maker, f: &mut Figure) {
    let d = Dress::draw(m);
    let yaw = (d.side * 1.2 - 0.2 + 0.6 * m.turn).clamp(0.0, 1.0);
    skull(f, &d, [0.01 * m.swing(0.0), -0.02], 0.98, yaw);
}

/// Someone who sits or crouches, 1 high.
pub fn seated(m: &mut Maker, f: &mut Figure) {
    let d = Dress::draw(m);
    let w = d.wide;
    let side = m.shape.range(0.2, 1.0);
    let sway = 0.02 * m.swing(0.0) + 0.03 * m.turn;
    let (hip, neck) = ([-0.12, 0.16], [-0.08 + sway, -0.2]);
    let knee = [hip[0] + 0.3 * side, m.shape.range(0.0, 0.16)];
    let foot = [knee[0] + m.shape.range(-0.12, 0.08), 0.46];
    f.limb([hip[0] + 0.05, hip[1]], 0.085 * w, [knee[0] + 0.04, knee[1]], 0.07, &d.legs.brighter(0.8));
    f.limb([knee[0] + 0.04, knee[1]], 0.065, [foot[0] + 0.07, foot[1]], 0.04, &d.legs.brighter(0.8));
    f.limb(neck, 0.1 * w, hip, 0.13 * w, &d.top);
    f.limb([neck[0], neck[1] + 0.03], 0.13 * w, [hip[0], hip[1] - 0.14], 0.13 * w, &d.top);
    f.limb(hip, 0.1 * w, knee, 0.075, &d.legs);
    f.limb(knee, 0.07, foot, 0.045, &d.legs.warmer(0.4));
    f.limb(foot, 0.04, [foot[0] + 0.1, foot[1] + 0.01], 0.032, &d.shoe);
    skull(f, &d, [neck[0] + 0.03, neck[1] - 0.15], 0.27, (d.side + 0.4 * m.turn).clamp(0.0, 1.0));
    let lift = 0.1 * m.swing(0.2);
    let elbow = [neck[0] + 0.1, neck[1] + 0.25];
    let hand = [elbow[0] + 0.16, elbow[1] - 0.04 - lift];
    f.limb([neck[0] + 0.02, neck[1] + 0.06], 0.06 * w, elbow, 0.05, &d.sleeve);
    f.limb(elbow, 0.05, hand, 0.035, &d.sleeve);
    f.oval([hand[0] + 0.03, hand[1]], [0.04, 0.035], &d.hand);
}

/// A rider on two wheels, 1 high, from the side or from the front.
pub fn rider(m: &mut Maker, f: &mut Figure) {
    let d = Dress::draw(m);
    let motor = m.shape.chance(0.4);
    let wide = m.shape.range(0.24, 0.34);
    let a = m.weather.ambient;
    let tyre = Paint { relief: 0.0, ..Paint::plain([0.06; 3], a + m.heat.range(0.5, 7.0)) };
    let frame = m.solid(0.5);
    let hot = Paint::plain([0.3, 0.3, 0.32], a + m.heat.range(15.0, 60.0));
    if m.shape.chance(0.3) {
        f.limb([0.0, 0.1], 0.03, [0.0, 0.46], 0.035, &tyre);
        f.limb([-0.07, 0.12], 0.075, [-0.06, 0.3], 0.05, &d.legs);
        f.limb([0.07, 0.12 + 0.05 * m.swing(0.0)], 0.075, [0.06, 0.3], 0.05, &d.legs);
        f.limb([-0.22, -0.02], 0.018, [0.22, -0.02], 0.018, &frame);
        f.limb([0.0, -0.2], 0.14 * d.wide, [0.0, 0.02], 0.12 * d.wide, &d.top);
        for s in [-1.0f32, 1.0] {
            f.limb([0.13 * s, -0.2], 0.05, [0.19 * s, -0.03], 0.04, &d.sleeve);
            f.oval([0.2 * s, -0.02], [0.03, 0.03], &d.hand);
        }
        skull(f, &d, [0.0, -0.37], 0.24, 0.0);
        return;
    }
    let wheel = |f: &mut Figure, x: f32| {
        let n = 14;
        let at = |k: usize| {
            let (s, c) = libm::sincosf(k as f32 / n as f32 * std::f32::consts::TAU);
            [x + 0.2 * c, 0.3 + 0.19 * s]
        };
        let thick = if motor { 0.035 } else { 0.014 };
        (0..n).for_each(|k| f.limb(at(k), thick, at(k + 1), thick, &tyre));
        f.oval([x, 0.3], [0.03, 0.03], &frame);
    };
    wheel(f, -wide);
    wheel(f, wide);
    let thick = if motor { 0.06 } else { 0.016 };
    f.limb([-wide, 0.3], thick, [-0.05, 0.1], thick, &frame);
    f.limb([-0.05, 0.1], thick, [wide - 0.08, 0.08], thick, &frame);
    f.limb([wide - 0.09, -0.02], 0.018, [wide, 0.3], 0.016, &frame);
    f.limb([-0.05, 0.1], thick, [0.0, 0.3], thick, &frame);
    if motor {
        f.oval([0.0, 0.26], [0.11, 0.08], &hot);
        f.limb([-0.02, 0.34], 0.025, [-wide, 0.36], 0.03, &hot.warmer(8.0));
    }
    let (hip, neck) = ([-0.1, 0.04], [0.04, -0.22]);
    for (k, shade) in [(0.5, 0.8), (0.0, 1.0)] {
        let foot = if motor { [0.08, 0.3] } else { [0.02 + 0.06 * m.swing(k), 0.3 + 0.06 * m.swing(k + 0.25)] };
        let knee = [foot[0] + 0.08, 0.5 * (hip[1] + foot[1]) - 0.04];
        f.limb(hip, 0.06, knee, 0.048, &d.legs.brighter(shade));
        f.limb(knee, 0.046, foot, 0.03, &d.legs.brighter(shade).warmer(0.4));
        f.limb(foot, 0.025, [foot[0] + 0.05, foot[1] + 0.01], 0.02, &d.shoe);
    }
    f.limb(neck, 0.085 * d.wide, hip, 0.085 * d.wide, &d.top);
    let hand = [wide - 0.1, -0.03];
    f.limb([neck[0] + 0.01, neck[1] + 0.02], 0.04, [0.1, -0.06], 0.035, &d.sleeve);
    f.limb([0.1, -0.06], 0.033, hand, 0.025, &d.sleeve);
    f.oval(hand, [0.028, 0.028], &d.hand);
    skull(f, &d, [neck[0] + 0.06, neck[1] - 0.14], 0.21, 1.0);
}
