//! Networks for tests that look at their input: the bright patch nearest to the middle of a crop is the target.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat, Signal, Visible};
use crate::nn::stages::STRIDE;
use crate::nn::{Card, Network, Stages};
use crate::result::Modality;

const CARD: &str = r#"
name = "fake"
task = "tracker"
file = "fake.onnx"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
licence = "MIT OR Apache-2.0"
decode = "target8"

[tracker]
template = 64
search = 128
features = 8
percentiles = [2.0, 98.0]

[[outputs]]
name = "map"
shape = [1, 5, 16, 16]

[[outputs]]
name = "presence"
shape = [1, 1]

[decoding]
threshold = 0.15
presence = 0.5
"#;

pub fn card() -> Card {
    Card::parse(CARD, "fake.toml").unwrap()
}

/// Behaviour and run counts of the fake networks.
#[derive(Clone, Default)]
pub struct World(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Runs of a search trunk by choice of pictures.
    runs: [AtomicUsize; 3],
    nonsense: AtomicBool,
    broken: AtomicBool,
    /// Presence of a patch by choice of pictures.
    presence: Mutex<Option<[f32; 3]>>,
}

impl World {
    pub fn runs(&self) -> [usize; 3] {
        [0, 1, 2].map(|i| self.0.runs[i].load(SeqCst))
    }
    /// Heads give NaN.
    pub fn speak_nonsense(&self, on: bool) {
        self.0.nonsense.store(on, SeqCst);
    }
    /// Heads fail.
    pub fn break_down(&self, on: bool) {
        self.0.broken.store(on, SeqCst);
    }
    /// Presence that is given for a patch: both, thermal, visible.
    pub fn believe(&self, presence: [f32; 3]) {
        *self.0.presence.lock().unwrap() = Some(presence);
    }
}

impl Stages for World {
    fn trunk(&self, modality: Modality, side: usize) -> Result<Box<dyn Network>> {
        let visible = ("visible".to_string(), [1, 3, side, side]);
        let thermal = ("thermal".to_string(), [1, 1, side, side]);
        let inputs = match modality {
            Modality::Both => vec![visible, thermal],
            Modality::Thermal => vec![thermal],
            Modality::Visible => vec![visible],
        };
        let cells = side / STRIDE;
        let outputs = [("features".to_string(), vec![1, 8, cells, cells])];
        let values = vec![0.0; 8 * cells * cells];
        Ok(Box::new(Trunk { world: self.clone(), modality, side, inputs, outputs, values }))
    }

    fn head(&mut self, template: &[f32]) -> Result<Box<dyn Network>> {
        assert_eq!(template.len(), 8 * 8 * 8);
        Ok(Box::new(Head {
            world: self.clone(),
            inputs: [("features".into(), [1, 8, 16, 16])],
            outputs: [("map".into(), vec![1, 5, 16, 16]), ("presence".into(), vec![1, 1])],
            map: vec![0.0; 5 * 256],
            presence: [0.0],
        }))
    }
}

/// Features: whether there is a patch, its middle and size in pixels, and the choice of pictures.
struct Trunk {
    world: World,
    modality: Modality,
    side: usize,
    inputs: Vec<(String, [usize; 4])>,
    outputs: [(String, Vec<usize>); 1],
    values: Vec<f32>,
}

impl Network for Trunk {
    fn inputs(&self) -> &[(String, [usize; 4])] {
        &self.inputs
    }
    fn outputs(&self) -> &[(String, Vec<usize>)] {
        &self.outputs
    }
    fn run(&mut self, inputs: &[&[f32]]) -> Result<()> {
        assert_eq!(inputs.len(), self.inputs.len());
        for (i, input) in inputs.iter().enumerate() {
            assert_eq!(input.len(), self.input_values(i));
            assert!(input.iter().all(|v| (-1.0..=2.0).contains(v)));
        }
        if self.side == 128 {
            self.world.0.runs[self.modality.index()].fetch_add(1, SeqCst);
        }
        let area = self.side * self.side;
        let patch = match (self.modality, inputs) {
            (Modality::Both, [visible, thermal]) => {
                nearest(thermal, self.side, 0.5).or_else(|| nearest(&visible[area..2 * area], self.side, 0.65))
            }
            (Modality::Thermal, [thermal]) => nearest(thermal, self.side, 0.5),
            (_, [visible]) => nearest(&visible[area..2 * area], self.side, 0.65),
            _ => None,
        };
        self.values.fill(0.0);
        if let Some([x0, y0, x1, y1]) = patch {
            let (x, y) = ((x0 + x1) as f32 / 2.0, (y0 + y1) as f32 / 2.0);
            let found = [1.0, x, y, (x1 - x0) as f32, (y1 - y0) as f32, self.modality.index() as f32];
            self.values[..6].copy_from_slice(&found);
        }
        Ok(())
    }
    fn output(&self, _: usize) -> &[f32] {
        &self.values
    }
}

struct Head {
    world: World,
    inputs: [(String, [usize; 4]); 1],
    outputs: [(String, Vec<usize>); 2],
    map: Vec<f32>,
    presence: [f32; 1],
}

impl Network for Head {
    fn inputs(&self) -> &[(String, [usize; 4])] {
        &self.inputs
    }
    fn outputs(&self) -> &[(String, Vec<usize>)] {
        &self.outputs
    }
    fn run(&mut self, inputs: &[&[f32]]) -> Result<()> {
        if self.world.0.broken.load(SeqCst) {
            return Err(Error::fatal("fake", "broken as told"));
        }
        let [found, x, y, w, h, modality] = std::array::from_fn(|i| inputs[0][i]);
        self.map.fill(-8.0);
        self.presence = [-4.0];
        if found > 0.0 {
            let (column, row) = ((x / 8.0) as usize, (y / 8.0) as usize);
            let at = row.min(15) * 16 + column.min(15);
            let offset = |v: f32, cell: usize| v / 8.0 - cell as f32 - 0.5;
            let values = [3.0, offset(x, column), offset(y, row), (w / 32.0).ln(), (h / 32.0).ln()];
            for (c, v) in values.into_iter().enumerate() {
                self.map[c * 256 + at] = v;
            }
            let told = *self.world.0.presence.lock().unwrap();
            let presence = told.map_or(0.98, |p| p[modality as usize]);
            self.presence = [(presence / (1.0 - presence)).ln()];
        }
        if self.world.0.nonsense.load(SeqCst) {
            self.map.fill(f32::NAN);
            self.presence = [f32::NAN];
        }
        Ok(())
    }
    fn output(&self, i: usize) -> &[f32] {
        if i == 0 { &self.map } else { &self.presence }
    }
}

/// The box of the patch above `level` that is nearest to the middle and at least two pixels wide.
fn nearest(picture: &[f32], side: usize, level: f32) -> Option<[usize; 4]> {
    let mut seen = vec![false; picture.len()];
    let mut best: Option<([usize; 4], f32)> = None;
    for start in 0..picture.len() {
        if seen[start] || picture[start] <= level {
            continue;
        }
        let (mut b, mut stack) = ([side, side, 0, 0], vec![start]);
        seen[start] = true;
        while let Some(at) = stack.pop() {
            let (x, y) = (at % side, at / side);
            b = [b[0].min(x), b[1].min(y), b[2].max(x + 1), b[3].max(y + 1)];
            let near = [
                (x > 0, at.wrapping_sub(1)),
                (x + 1 < side, at + 1),
                (y > 0, at.wrapping_sub(side)),
                (y + 1 < side, at + side),
            ];
            for (inside, n) in near {
                if inside && !seen[n] && picture[n] > level {
                    seen[n] = true;
                    stack.push(n);
                }
            }
        }
        let middle = |a: usize, b: usize| (a + b) as f32 / 2.0 - side as f32 / 2.0;
        let far = middle(b[0], b[2]).hypot(middle(b[1], b[3]));
        if b[2] - b[0] > 1 && b[3] - b[1] > 1 && best.is_none_or(|o| far < o.1) {
            best = Some((b, far));
        }
    }
    best.map(|b| b.0)
}

/// A frame of 160 x 120 pixels at 20 degC.
pub fn frame(width: u32, height: u32) -> Frame {
    Frame::new(FrameFormat { width, height, signal: Signal::CENTIKELVIN, rate_hz: 0.0 })
}

/// Paints squares of 32 degC: middle and side, pixels.
pub fn paint(frame: &mut Frame, squares: &[([f32; 2], f32)]) {
    let w = frame.width();
    for (i, pixel) in frame.pixels.iter_mut().enumerate() {
        *pixel = if covered(i % w, i / w, squares) { 30_515 } else { 29_315 };
    }
}

/// Paints light squares on dark grey.
pub fn paint_visible(picture: &mut Visible, squares: &[([f32; 2], f32)]) {
    let w = picture.width as usize;
    for (i, pixel) in picture.rgb.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        *pixel = if covered(i % w, i / w, squares) { [200, 210, 190] } else { [60, 70, 50] };
    }
}

fn covered(x: usize, y: usize, squares: &[([f32; 2], f32)]) -> bool {
    let inside = |c: f32, at: usize, side: f32| (at as f32 + 0.5 - c).abs() < side / 2.0;
    squares.iter().any(|([cx, cy], side)| inside(*cx, x, *side) && inside(*cy, y, *side))
}
