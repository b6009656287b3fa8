//! THE assembly: from a configuration to a pipeline, the one place where settings become parts.
//!
//! A live camera, a replay, the demo and a recording are the same [`assemble`] with another [`Input`].

mod parts;

use std::net::SocketAddr;
use std::sync::Arc;

pub use self::parts::Overlay;
use crate::clock::RealClock;
use crate::config::Config;
use crate::error::Result;
use crate::face::Engine;
use crate::pipeline::{self, Feed, Input, Parts, Pipeline, Policy, Stamps};
use crate::result::FrameResult;
use crate::sink::{self, Hooks, Report, Sink};
use crate::source;

/// A pipeline that is ready to run.
pub struct Assembly {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// What its sinks tell about themselves, in their order.
    pub reports: Vec<Arc<dyn Report>>,
}

impl Assembly {
    /// Where the page is served, where it is.
    pub fn address(&self) -> Option<SocketAddr> {
        self.reports.iter().find_map(|report| report.address())
    }
}

/// The input that plays a recording, a picture, a folder of them, or `demo`, opened now.
///
/// # Errors
/// Those of [`source::open`].
pub fn recording(spec: &str, settings: &source::Settings, policy: Policy) -> Result<Input> {
    let clock = RealClock::shared();
    let source = source::open(spec, settings, &clock)?;
    Ok(Input::new(Feed::Once(Some(source)), Stamps::Recorded, policy, clock))
}

/// The input from whatever `spec` names: a live source is opened by the pipeline, and again whenever it
/// fails; a recording is opened now.
///
/// # Errors
/// Those of [`source::live`] and [`source::open`].
pub fn input(spec: &str, settings: &source::Settings) -> Result<Input> {
    let clock = RealClock::shared();
    match source::live(spec, settings, &clock)? {
        Some(open) => Ok(Input::new(Feed::Opener(open), Stamps::Live, Policy::Live, clock)),
        None => recording(spec, settings, Policy::Live),
    }
}

/// Builds what `config` says around `input`; `more` sinks are served after the configured ones.
/// Opens files, sockets and models; starts no thread of the path.
///
/// # Errors
/// The first part that cannot be built; what was opened before it is closed.
pub fn assemble(config: &Config, input: Input, more: Vec<Box<dyn Sink>>) -> Result<Assembly> {
    let engine = Engine::new(&config.face, config.surface)?;
    let (overlay, controls) = Overlay::new(&config.render, config.surface)?;
    if let Feed::Once(Some(source)) = &input.feed {
        controls.get().check_signal(source.format().signal)?;
    }

    let hooks = Hooks {
        model: Arc::from(config.face.landmarks_model()?),
        status: Arc::clone(&input.status) as _,
        controls: Some(Arc::new(controls)),
    };
    let mut sinks = sink::open_all(&config.sink, &hooks)?;
    sinks.extend(more);
    let reports = sinks.iter().filter_map(|sink| sink.report()).collect();

    let pipeline = pipeline::build(Parts {
        input,
        engine: Box::new(engine),
        draw: Some(Box::new(overlay)),
        serialise: Some(FrameResult::write_json),
        sinks,
        settings: config.path(),
    })?;
    Ok(Assembly { pipeline, reports })
}
