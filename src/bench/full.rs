//! The real pipeline on its own threads, as fast as it goes.

use std::time::{Duration, Instant};

use super::{Plan, stages};
use crate::assembly::{Faces, Overlay};
use crate::config::Config;
use crate::error::Result;
use crate::frame::{Frame, FrameFormat};
use crate::pipeline::clock::RealClock;
use crate::pipeline::{Feed, Parts, Policy, Stamps, build, stop};
use crate::result::FrameResult;
use crate::sink::{Output, Sink, Wants};
use crate::source::{Read, Source};

/// Frames per second with picture and JSON.
pub(super) fn fps(config: &Config, plan: &Plan) -> Result<f64> {
    let source = Limited { inner: stages::open(config, plan)?, left: plan.frames };
    let (overlay, _) = Overlay::new(&config.render, config.surface)?;
    let parts = Parts {
        source: Feed::once(source),
        stamps: Stamps::Recorded,
        engine: Box::new(Faces::new(&config.face, config.surface)?),
        draw: Some(Box::new(overlay)),
        serialise: Some(FrameResult::write_json),
        sinks: vec![Box::new(Everything)],
        settings: config.pipeline.clone(),
    };
    let pipeline = build(parts, Policy::Every, RealClock::shared())?;
    let (_stopper, stop) = stop::pair();
    let began = Instant::now();
    let summary = pipeline.run(&stop)?;
    Ok(summary.snapshot.counts.presented as f64 / began.elapsed().as_secs_f64())
}

/// Another source, cut off after some frames.
struct Limited {
    inner: Box<dyn Source>,
    left: u32,
}

impl Source for Limited {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn format(&self) -> FrameFormat {
        self.inner.format()
    }

    fn read(&mut self, into: &mut Frame, wait: Duration) -> Result<Read> {
        if self.left == 0 {
            return Ok(Read::End);
        }
        let read = self.inner.read(into, wait)?;
        self.left -= u32::from(read == Read::Frame);
        Ok(read)
    }
}

/// Wants all there is and does nothing with it.
struct Everything;

impl Sink for Everything {
    fn name(&self) -> &str {
        "bench"
    }

    fn wants(&self) -> Wants {
        Wants { picture: true, json: true, raw: true }
    }

    fn put(&mut self, _: &Output<'_>) -> Result<()> {
        Ok(())
    }
}
