//! How fast the path is, stage by stage, and what it takes: `heatmark bench`.
//!
//! The stages run one after the other on one thread, so that each is timed and its allocations are
//! counted alone; then the real pipeline runs at full speed on its threads.
//!
//! [`alloc`] holds the one `unsafe` of the library outside the kernels and the camera driver: an
//! allocator can be written in no other way.

pub mod alloc;
mod full;
mod memory;
mod stages;

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

pub use self::memory::Memory;
pub use self::stages::Stage;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::frame::FrameFormat;

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// A source: `demo` or a recording; played again and again.
    pub source: String,
    /// Frames that are measured, at least 1.
    pub frames: u32,
    /// Frames before them, which are not: at least 1.
    pub warm_up: u32,
    /// When the program started.
    pub started: Instant,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The source.
    pub source: String,
    /// Its first frame.
    pub format: FrameFormat,
    /// The landmark network.
    pub model: String,
    /// Kernels that run it.
    pub kernels: String,
    /// Frames that were measured.
    pub frames: u32,
    /// Mean number of faces in them.
    pub faces: f32,
    /// One row per stage, in the order of the path.
    pub stages: Vec<Stage>,
    /// Frames per second of the pipeline with picture and JSON, as fast as it goes.
    pub full_speed_fps: f64,
    /// Memory at the end.
    pub memory: Memory,
    /// From the start of the program to the first result, milliseconds.
    pub start_up_ms: f64,
}

/// Measures.
///
/// # Errors
/// What cannot be opened or built; `Fatal` where a frame fails.
pub fn run(config: &Config, plan: &Plan) -> Result<Report> {
    if plan.frames == 0 || plan.warm_up == 0 {
        return Err(Error::fix("bench", "found no frames to measure or none to warm up, wanted at least 1 of each"));
    }
    let measured = stages::measure(config, plan)?;
    let full_speed_fps = full::fps(config, plan)?;
    Ok(Report {
        source: plan.source.clone(),
        format: measured.format,
        model: config.face.landmarks.clone(),
        kernels: crate::kernels::chosen()?.name().to_string(),
        frames: plan.frames,
        faces: measured.faces as f32 / plan.frames as f32,
        stages: measured.stages,
        full_speed_fps,
        memory: Memory::now(),
        start_up_ms: ms(measured.first_result),
    })
}

impl Report {
    /// Stages that allocated although they must not.
    pub fn broken_promises(&self) -> impl Iterator<Item = &Stage> {
        self.stages.iter().filter(|s| s.must_not_allocate && s.allocations > 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, format, model, kernels, frames, faces, .. } = self;
        writeln!(f, "{source}, {}x{}: {frames} frames, {faces:.1} faces each", format.width, format.height)?;
        writeln!(f, "{model} on {kernels} kernels\n")?;
        writeln!(f, "{:9} {:>9} {:>9} {:>9}  allocations per frame", "stage", "p50 ms", "p99 ms", "max ms")?;
        for s in &self.stages {
            write!(f, "{:9} {:9.3} {:9.3} {:9.3}", s.name, s.p50_ms, s.p99_ms, s.max_ms)?;
            let promise = match (s.must_not_allocate, s.allocations) {
                (true, 0) => "  (must be 0)",
                (true, _) => "  (must be 0: BROKEN)",
                (false, _) => "",
            };
            writeln!(f, "  {:.2}{promise}", s.allocations as f64 / f64::from(*frames))?;
        }
        writeln!(f, "\npipeline  {:.1} frames per second at full speed, with picture and JSON", self.full_speed_fps)?;
        writeln!(f, "memory    {}", self.memory)?;
        write!(f, "start-up  {:.0} ms to the first result", self.start_up_ms)
    }
}

fn ms(d: Duration) -> f64 {
    d.as_secs_f64() * 1e3
}
