//! Speed, allocations and memory of each stage and of the whole pipeline: `heatmark bench`.
//!
//! The recording is read into memory first (`read`) and played from there like frames in a driver's
//! buffers (`capture`). The stages first run one after the other on one thread, so that each is measured
//! alone. Then the real pipeline runs at full speed on its own threads.
//!
//! [`alloc`] holds `unsafe` code, as every allocator does.

pub mod alloc;
mod clip;
mod full;
mod memory;
mod stages;

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

pub use self::full::Full;
pub use self::memory::Memory;
pub use self::stages::Stage;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::frame::FrameFormat;
use crate::source::Source as _;

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// A source, `demo` or a recording. It is held in memory and looped.
    pub source: String,
    /// Frames that are measured, at least 1.
    pub frames: u32,
    /// Frames before the measurement: at least 1, and at least one pass over the recording.
    pub warm_up: u32,
    /// When the program started.
    pub started: Instant,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The source.
    pub source: String,
    /// Format of its first frame.
    pub format: FrameFormat,
    /// The landmark network.
    pub model: String,
    /// Name of the kernels.
    pub kernels: String,
    /// Frames that were measured.
    pub frames: u32,
    /// Mean number of faces in them.
    pub faces: f32,
    /// One row per stage, in the order of the data path.
    pub stages: Vec<Stage>,
    /// Mean time of the networks in `infer`, milliseconds per frame.
    pub networks_ms: f64,
    /// The pipeline at full speed.
    pub pipeline: Full,
    /// Memory at the end.
    pub memory: Memory,
    /// From the start of the program to the first result, milliseconds.
    pub start_up_ms: f64,
}

/// Runs the measurement.
///
/// # Errors
/// Errors of what cannot be opened or built; Fatal if a frame fails.
pub fn run(config: &Config, plan: &Plan) -> Result<Report> {
    if plan.frames == 0 || plan.warm_up == 0 {
        return Err(Error::fix("bench", "found no frames to measure or none to warm up, wanted at least 1 of each"));
    }
    let measured = stages::measure(config, plan)?;
    let pipeline = full::measure(config, plan, &measured.clip)?;
    Ok(Report {
        source: plan.source.clone(),
        format: measured.clip.format(),
        model: config.face.landmarks_model()?.to_string(),
        kernels: crate::kernels::chosen()?.name().to_string(),
        frames: plan.frames,
        faces: measured.faces as f32 / plan.frames as f32,
        stages: measured.stages,
        networks_ms: ms(measured.networks) / f64::from(plan.frames),
        pipeline,
        memory: Memory::now(),
        start_up_ms: ms(measured.first_result),
    })
}

impl Report {
    /// Stages that allocated after warm-up but must not.
    pub fn broken_promises(&self) -> Vec<&'static str> {
        let allocates = |count: Option<u64>| count.is_some_and(|count| count > 0);
        let broken = self.stages.iter().filter(|s| s.must_not_allocate && allocates(s.allocations));
        broken.map(|s| s.name).chain(allocates(self.pipeline.allocations).then_some("pipeline")).collect()
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
            writeln!(f, "  {}", per_frame(s.allocations, s.frames, s.must_not_allocate))?;
        }
        let infer = self.stages.iter().find(|s| s.name == "infer").map_or(0.0, |s| s.mean_ms);
        let times = infer / self.networks_ms;
        writeln!(f, "\ninfer     {infer:.3} ms on average, {times:.2} times as long as the networks in it")?;
        let Full { fps, allocations } = self.pipeline;
        writeln!(f, "pipeline  {fps:.1} frames per second at full speed, with picture and JSON")?;
        writeln!(
            f,
            "          allocations per frame, all threads: {}",
            per_frame(allocations, (*frames).into(), true)
        )?;
        writeln!(f, "memory    {}", self.memory)?;
        write!(f, "start-up  {:.0} ms to the first result", self.start_up_ms)?;
        match allocations {
            Some(_) => Ok(()),
            None => write!(f, "\n\nTo count allocations build with `--features count-allocations`."),
        }
    }
}

fn per_frame(allocations: Option<u64>, frames: u64, must_not: bool) -> String {
    let Some(allocations) = allocations else { return "not counted".into() };
    let promise = match (must_not, allocations) {
        (true, 0) => " (must be 0)",
        (true, _) => " (must be 0: BROKEN)",
        (false, _) => "",
    };
    format!("{:.2}{promise}", allocations as f64 / frames.max(1) as f64)
}

fn ms(d: Duration) -> f64 {
    d.as_secs_f64() * 1e3
}
