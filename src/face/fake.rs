//! Networks for tests that look at their input: a warm square in the frame is a face.
//!
//! The detector reports every warm patch; the landmark network fits the frontal mean head to the patch
//! nearest to the middle of its crop. Their input comes from the real preprocessing, so that crops,
//! mappings and tracking are tested as they run.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use super::pose;
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat, Signal};
use crate::geometry::Rect;
use crate::landmarks::COUNT;
use crate::nn::{Build, Card, Network};
use crate::result::Pose;

/// A network with constant output.
pub struct Tensors {
    inputs: [(String, [usize; 4]); 1],
    outputs: Vec<(String, Vec<usize>)>,
    pub values: Vec<Vec<f32>>,
}

impl Tensors {
    pub fn new(shape: [usize; 4], outputs: Vec<(&str, Vec<usize>, Vec<f32>)>) -> Self {
        let values = outputs.iter().map(|o| o.2.clone()).collect();
        Self {
            inputs: [("input".into(), shape)],
            outputs: outputs.into_iter().map(|o| (o.0.to_string(), o.1)).collect(),
            values,
        }
    }
}

impl Network for Tensors {
    fn inputs(&self) -> &[(String, [usize; 4])] {
        &self.inputs
    }
    fn outputs(&self) -> &[(String, Vec<usize>)] {
        &self.outputs
    }
    fn run(&mut self, _: &[&[f32]]) -> Result<()> {
        Ok(())
    }
    fn output(&self, i: usize) -> &[f32] {
        &self.values[i]
    }
}

/// Behaviour and run counts of the fake networks.
#[derive(Clone, Default)]
pub struct World(Arc<Inner>);

#[derive(Default)]
struct Inner {
    detections: AtomicUsize,
    crops: AtomicUsize,
    blind: AtomicBool,
    faceless: AtomicBool,
    nonsense: AtomicBool,
    broken: AtomicBool,
    sizes: Mutex<Vec<(usize, usize)>>,
}

impl World {
    /// How often a detector ran.
    pub fn detections(&self) -> usize {
        self.0.detections.load(SeqCst)
    }
    /// How often the landmark network ran.
    pub fn crops(&self) -> usize {
        self.0.crops.load(SeqCst)
    }
    /// Detector input sizes built, in order.
    pub fn sizes(&self) -> Vec<(usize, usize)> {
        self.0.sizes.lock().unwrap().clone()
    }
    /// The detector finds nothing.
    pub fn blind(&self, on: bool) {
        self.0.blind.store(on, SeqCst);
    }
    /// The landmark network reports no presence.
    pub fn faceless(&self, on: bool) {
        self.0.faceless.store(on, SeqCst);
    }
    /// The landmark network outputs NaN.
    pub fn speak_nonsense(&self, on: bool) {
        self.0.nonsense.store(on, SeqCst);
    }
    /// The landmark network fails.
    pub fn break_down(&self, on: bool) {
        self.0.broken.store(on, SeqCst);
    }

    pub fn detector(&self) -> Build {
        let world = self.clone();
        Box::new(move |h, w| {
            world.0.sizes.lock().unwrap().push((w, h));
            let cells = h / 4 * (w / 4);
            let tensors = Tensors::new(
                [1, 1, h, w],
                vec![
                    ("heat", vec![1, 1, h / 4, w / 4], vec![-10.0; cells]),
                    ("geom", vec![1, 14, h / 4, w / 4], vec![0.0; 14 * cells]),
                ],
            );
            Ok(Box::new(Detects { world: world.clone(), tensors }))
        })
    }

    pub fn landmarks(&self) -> Build {
        let world = self.clone();
        Box::new(move |h, w| {
            let tensors = Tensors::new(
                [1, 1, h, w],
                vec![("landmarks", vec![1, COUNT, 3], vec![0.0; 3 * COUNT]), ("presence", vec![1, 1], vec![0.0])],
            );
            Ok(Box::new(Marks { world: world.clone(), tensors }))
        })
    }
}

fn card(text: &str) -> Card {
    Card::parse(
        &format!("{text}\nsha256 = \"{}\"\nlicence = \"MIT\"\nfile = \"x.onnx\"\n{}", "0".repeat(64), ""),
        "fake",
    )
    .unwrap()
}

pub fn detector_card() -> Card {
    card(
        "name = 'fake'\ntask = 'detector'\ndecode = 'center-stride4'\n\
         input = { name = 'x', channels = 1, height = 128, width = 160, percentiles = [0.5, 99.5] }\n\
         outputs = [{ name = 'heat', shape = [1, 1, 32, 40] }, { name = 'geom', shape = [1, 14, 32, 40] }]",
    )
}

pub fn landmark_card() -> Card {
    card(
        "name = 'fake'\ntask = 'landmarks'\ndecode = 'laplace70'\n\
         input = { name = 'x', channels = 1, height = 96, width = 96, percentiles = [1.0, 99.0], crop_factor = 1.4 }\n\
         outputs = [{ name = 'landmarks', shape = [1, 70, 3] }, { name = 'presence', shape = [1, 1] }]",
    )
}

/// Temperature of fake skin and of what is behind it, centikelvin.
pub const SKIN: u16 = 30715;
pub const ROOM: u16 = 29415;

/// A radiometric frame with warm squares: centre and side, pixels.
pub fn frame(width: u32, height: u32, faces: &[([f32; 2], f32)]) -> Frame {
    let mut f = Frame::new(FrameFormat { width, height, signal: Signal::CENTIKELVIN, rate_hz: 10.0 });
    paint(&mut f, faces);
    f
}

/// Repaints a frame.
pub fn paint(frame: &mut Frame, faces: &[([f32; 2], f32)]) {
    let width = frame.width();
    for (i, p) in frame.pixels.iter_mut().enumerate() {
        let (x, y) = ((i % width) as f32 + 0.5, (i / width) as f32 + 0.5);
        let inside = |&([cx, cy], side): &([f32; 2], f32)| (x - cx).abs() < side / 2.0 && (y - cy).abs() < side / 2.0;
        *p = if faces.iter().any(inside) { SKIN } else { ROOM };
    }
}

/// Warm patches of an input as `[x0, y0, x1, y1)` and their area, 4-connected.
fn patches(input: &[f32], width: usize) -> Vec<([usize; 4], usize)> {
    let height = input.len() / width;
    let mut seen: Vec<bool> = input.iter().map(|v| *v <= 0.0).collect();
    let mut found = Vec::new();
    for start in 0..input.len() {
        if seen[start] {
            continue;
        }
        seen[start] = true;
        let (mut stack, mut b, mut area) = (vec![start], [width, height, 0, 0], 0);
        while let Some(i) = stack.pop() {
            let (x, y) = (i % width, i / width);
            b = [b[0].min(x), b[1].min(y), b[2].max(x + 1), b[3].max(y + 1)];
            area += 1;
            let near = [
                (x > 0, i.wrapping_sub(1)),
                (x + 1 < width, i + 1),
                (y > 0, i.wrapping_sub(width)),
                (y + 1 < height, i + width),
            ];
            for (ok, n) in near {
                if ok && !seen[n] {
                    seen[n] = true;
                    stack.push(n);
                }
            }
        }
        found.push((b, area));
    }
    found
}

struct Detects {
    world: World,
    tensors: Tensors,
}

impl Network for Detects {
    fn inputs(&self) -> &[(String, [usize; 4])] {
        &self.tensors.inputs
    }
    fn outputs(&self) -> &[(String, Vec<usize>)] {
        &self.tensors.outputs
    }
    fn run(&mut self, inputs: &[&[f32]]) -> Result<()> {
        self.world.0.detections.fetch_add(1, SeqCst);
        self.tensors.values[0].fill(-10.0);
        if self.world.0.blind.load(SeqCst) {
            return Ok(());
        }
        let [_, _, h, w] = self.tensors.inputs[0].1;
        let cells = h / 4 * (w / 4);
        for (b, _) in patches(inputs[0], w) {
            let [x0, y0, x1, y1] = b.map(|v| v as f32);
            let (cx, cy) = ((x0 + x1) / 2.0, (y0 + y1) / 2.0);
            let (column, row) = ((cx / 4.0) as usize, (cy / 4.0) as usize);
            let cell = row * (w / 4) + column;
            self.tensors.values[0][cell] = 3.0;
            let (dx, dy) = (cx / 4.0 - column as f32 - 0.5, cy / 4.0 - row as f32 - 0.5);
            let geom = [
                dx,
                dy,
                ((x1 - x0) / 8.0).ln(),
                ((y1 - y0) / 8.0).ln(),
                -0.2,
                -0.2,
                0.2,
                -0.2,
                0.0,
                0.1,
                -0.15,
                0.25,
                0.15,
                0.25,
            ];
            for (c, v) in geom.iter().enumerate() {
                self.tensors.values[1][c * cells + cell] = *v;
            }
        }
        Ok(())
    }
    fn output(&self, i: usize) -> &[f32] {
        self.tensors.output(i)
    }
}

struct Marks {
    world: World,
    tensors: Tensors,
}

impl Network for Marks {
    fn inputs(&self) -> &[(String, [usize; 4])] {
        &self.tensors.inputs
    }
    fn outputs(&self) -> &[(String, Vec<usize>)] {
        &self.tensors.outputs
    }
    fn run(&mut self, inputs: &[&[f32]]) -> Result<()> {
        self.world.0.crops.fetch_add(1, SeqCst);
        if self.world.0.broken.load(SeqCst) {
            return Err(Error::fatal("fake", "broken as told"));
        }
        let r = self.tensors.inputs[0].1[3];
        let unit = |v: usize| v as f32 / r as f32 * 2.0 - 1.0;
        let middle = |b: &[usize; 4]| (unit(b[0]) + unit(b[2])).hypot(unit(b[1]) + unit(b[3]));
        let nearest = patches(inputs[0], r).into_iter().min_by(|a, b| middle(&a.0).total_cmp(&middle(&b.0)));
        let (b, area) = nearest.unwrap_or(([r / 4, r / 4, r / 2, r / 2], 0));
        let share = area as f32 / (r * r) as f32;
        let face = !self.world.0.faceless.load(SeqCst) && (0.05..0.95).contains(&share) && middle(&b) < 1.4;
        self.tensors.values[1][0] = if face { 4.0 } else { -4.0 };
        let head = pose::project(Pose::default(), 1.0, [0.0, 0.0]);
        let around = Rect::around(&head);
        let (u0, v0, u1, v1) = (unit(b[0]), unit(b[1]), unit(b[2]), unit(b[3]));
        for (i, p) in head.iter().enumerate() {
            let out = &mut self.tensors.values[0][3 * i..3 * i + 3];
            out[0] = u0 + (u1 - u0) * (p[0] - around.x0) / around.width();
            out[1] = v0 + (v1 - v0) * (p[1] - around.y0) / around.height();
            out[2] = 0.02f32.ln();
        }
        if self.world.0.nonsense.load(SeqCst) {
            self.tensors.values[0][17] = f32::NAN;
        }
        Ok(())
    }
    fn output(&self, i: usize) -> &[f32] {
        self.tensors.output(i)
    }
}
