//! From a configuration to a pipeline: the one place where settings become parts.
//!
//! A live camera, a replay, the demo and a recording are the same [`assemble`] with another feed,
//! policy and clock.

mod faces;
mod overlay;
mod page;

use std::net::SocketAddr;

pub use self::faces::Faces;
pub use self::overlay::Overlay;
use self::page::Late;
use crate::clock::{RealClock, SharedClock};
use crate::config::Config;
use crate::error::Result;
use crate::pipeline::{self, Feed, Parts, Pipeline, Policy, Stamps};
use crate::result::FrameResult;
use crate::sink::http::HttpSink;
use crate::sink::{self, Hooks, Sink};
use crate::source;

/// A pipeline that is ready to run.
pub struct Assembly {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// Where the page is served, where it is.
    pub page: Option<SocketAddr>,
}

/// Where frames come from, and what time means.
pub struct Input {
    /// The source, open or to be opened.
    pub feed: Feed,
    /// Whose clock stamps its frames.
    pub stamps: Stamps,
    /// How frames are passed on.
    pub policy: Policy,
    /// The pipeline's clock.
    pub clock: SharedClock,
}

impl Input {
    /// A recording, a picture, a folder of them, or `demo`, opened now.
    ///
    /// # Errors
    /// Those of [`source::open`].
    pub fn recording(spec: &str, settings: &source::Settings, policy: Policy) -> Result<Self> {
        let clock = RealClock::shared();
        let source = source::open(spec, settings, &clock)?;
        Ok(Self { feed: Feed::Once(Some(source)), stamps: Stamps::Recorded, policy, clock })
    }

    /// Whatever `spec` names: a live source is opened by the pipeline, and again whenever it fails; a
    /// recording is opened now.
    ///
    /// # Errors
    /// Those of [`source::live`] and [`source::open`].
    pub fn of(spec: &str, settings: &source::Settings) -> Result<Self> {
        let clock = RealClock::shared();
        match source::live(spec, settings, &clock)? {
            Some(open) => Ok(Self { feed: Feed::Opener(open), stamps: Stamps::Live, policy: Policy::Live, clock }),
            None => Self::recording(spec, settings, Policy::Live),
        }
    }
}

/// Builds what `config` says around `input`; `more` sinks are served after the configured ones.
/// Opens files, sockets and models; starts no thread of the path.
///
/// # Errors
/// The first part that cannot be built; what was opened before it is closed.
pub fn assemble(config: &Config, input: Input, more: Vec<Box<dyn Sink>>) -> Result<Assembly> {
    let engine = Faces::new(&config.face, config.surface)?;
    let (overlay, controls) = Overlay::new(&config.render, config.surface)?;
    if let Feed::Once(Some(source)) = &input.feed {
        controls.get().check_signal(source.format().signal)?;
    }
    let late = Late::new(config);
    let hooks = Hooks { status: late.status(), controls: Some(late.controls(controls)) };

    let page = if config.http.enabled { Some(HttpSink::open(&config.http, &hooks)?) } else { None };
    let address = page.as_ref().map(HttpSink::local_addr);
    let rest = sink::Settings {
        http: sink::http::Settings { enabled: false, ..config.http.clone() },
        ndjson: config.ndjson.clone(),
    };
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    sinks.extend(page.map(|page| Box::new(page) as Box<dyn Sink>));
    sinks.extend(sink::open_all(&rest, &hooks)?);
    sinks.extend(more);

    let parts = Parts {
        source: input.feed,
        stamps: input.stamps,
        engine: Box::new(engine),
        draw: Some(Box::new(overlay)),
        serialise: Some(FrameResult::write_json),
        sinks,
        settings: config.path(),
    };
    let pipeline = pipeline::build(parts, input.policy, input.clock)?;
    late.bind(pipeline.status());
    Ok(Assembly { pipeline, page: address })
}
