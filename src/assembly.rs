//! Builds a pipeline from a configuration. This is the only place where settings become parts.
//!
//! A live camera, a replay, the demo and a recording use the same [`assemble`] with a different [`Input`].

mod parts;
mod targets;

use std::net::SocketAddr;
use std::sync::Arc;

pub use self::parts::Overlay;
pub use self::targets::{Start, Targets};
use crate::config::Config;
use crate::error::Result;
use crate::face::Engine;
use crate::look::Aim;
use crate::pipeline::{self, Feed, Infer, Input, Parts, Pipeline, Serialise};
use crate::result::FrameResult;
use crate::sink::{self, Camera, Hooks, Report, Sink};

/// A pipeline that is ready to run.
pub struct Assembly {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// The reports of its sinks, in sink order.
    pub reports: Vec<Arc<dyn Report>>,
}

impl Assembly {
    /// The address of the page, if it is served.
    pub fn address(&self) -> Option<SocketAddr> {
        self.reports.iter().find_map(|report| report.address())
    }
}

/// Builds the configured pipeline for the `input` of one camera; `more` sinks are served after the
/// configured ones.
/// Opens files, sockets and models; starts no thread of the path.
///
/// # Errors
/// The first part that cannot be built; everything opened before it is closed.
pub fn assemble(config: &Config, input: Input, camera: Camera, more: Vec<Box<dyn Sink>>) -> Result<Assembly> {
    let recorded = matches!(input.feed, Feed::Once(_));
    let looker = Looker::new(config, recorded)?;
    let (overlay, controls) = Overlay::new(&config.render, config.surface)?;
    if let Feed::Once(Some(source)) = &input.feed {
        controls.get().check_signal(source.format().signal)?;
    }

    let hooks = Hooks {
        camera,
        model: Arc::from(looker.model),
        status: Arc::clone(&input.status) as _,
        controls: Some(Arc::new(controls)),
        targets: looker.aim,
    };
    let mut sinks = sink::open_all(&config.sink, &hooks)?;
    sinks.extend(more);
    let reports = sinks.iter().filter_map(|sink| sink.report()).collect();

    let pipeline = pipeline::build(Parts {
        input,
        engine: looker.engine,
        draw: Some(Box::new(overlay)),
        serialise: Some(looker.serialise),
        sinks,
        settings: config.path(),
    })?;
    Ok(Assembly { pipeline, reports })
}

/// What looks at frames: for faces, or for targets.
struct Looker<'c> {
    engine: Box<dyn Infer>,
    /// How viewers say what to track.
    aim: Option<Arc<dyn Aim>>,
    /// Name of its model.
    model: &'c str,
    serialise: Serialise,
}

impl<'c> Looker<'c> {
    /// `recorded`: the input is a recording.
    fn new(config: &'c Config, recorded: bool) -> Result<Self> {
        if config.track.enabled {
            let (targets, aim) = Targets::new(&config.track, &config.face, config.surface, recorded)?;
            let (model, serialise) = (config.track.tracker_model()?, FrameResult::write_track_json);
            return Ok(Self { engine: Box::new(targets), aim: Some(aim), model, serialise });
        }
        let engine = Box::new(Engine::new(&config.face, config.surface)?);
        Ok(Self { engine, aim: None, model: config.face.landmarks_model()?, serialise: FrameResult::write_json })
    }
}

#[cfg(test)]
mod tests;
