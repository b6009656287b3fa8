//! Several cameras in one process: a pipeline for each, and their shared resources.
//!
//! Sinks of one kind share one server or connection ([`crate::sink::Hubs`]): one page server serves
//! all cameras, each below its name. Files and sockets that cannot be shared have the camera number
//! in their names.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::assembly::{Assembly, assemble};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::pipeline::{Input, Policy, SharedStatus, Summary};
use crate::sink::{Camera, Hubs, Report, Sink};
use crate::source;
use crate::stop::{self, Stop};

/// How often a running fleet calls its watcher and passes a stop on to the further cameras.
const WATCH_PERIOD: Duration = Duration::from_millis(100);

/// Makes additional sinks for the camera with this number, from 1.
pub type MoreSinks<'a> = dyn FnMut(usize) -> Vec<Box<dyn Sink>> + 'a;

/// Several pipelines, ready to run.
pub struct Fleet {
    cameras: Vec<Member>,
    hubs: Hubs,
}

struct Member {
    name: Arc<str>,
    assembly: Assembly,
}

impl Fleet {
    /// A camera for each of `specs`, under one configuration.
    ///
    /// # Errors
    /// [`Error::fix`] if there are no specs; those of [`Input::open`] and [`assemble`].
    pub fn of(config: &Config, specs: &[String], more: &mut MoreSinks<'_>) -> Result<Self> {
        if specs.is_empty() {
            return Err(Error::fix("--source", "names nothing"));
        }
        let mut fleet = Self { cameras: Vec::new(), hubs: Hubs::default() };
        for (number, spec) in (1..).zip(specs) {
            let source = settings_of(&config.source, number);
            let input = Input::open(spec, &source, Policy::Live)?;
            fleet.add(config, name_of(&source, number), input, more(number))?;
        }
        Ok(fleet)
    }

    /// A single camera, recording or clip.
    ///
    /// # Errors
    /// Those of [`assemble`].
    pub fn one(config: &Config, input: Input, more: &mut MoreSinks<'_>) -> Result<Self> {
        let mut fleet = Self { cameras: Vec::new(), hubs: Hubs::default() };
        fleet.add(config, name_of(&config.source, 1), input, more(1))?;
        Ok(fleet)
    }

    fn add(&mut self, config: &Config, name: String, input: Input, more: Vec<Box<dyn Sink>>) -> Result<()> {
        let camera = Camera { name: name.into(), number: self.cameras.len() + 1, hubs: self.hubs.clone() };
        let name = Arc::clone(&camera.name);
        self.cameras.push(Member { name, assembly: assemble(config, input, camera, more)? });
        Ok(())
    }

    /// The counters of every camera; can be read during and after the run.
    pub fn statuses(&self) -> Vec<Arc<SharedStatus>> {
        self.cameras.iter().map(|camera| camera.assembly.pipeline.status()).collect()
    }

    /// The reports of all cameras' sinks.
    pub fn reports(&self) -> Vec<Arc<dyn Report>> {
        self.cameras.iter().flat_map(|camera| camera.assembly.reports.iter().cloned()).collect()
    }

    /// Runs every camera until a stop is requested or the first camera ends, which ends the others.
    /// Calls `watch` about ten times a second on the calling thread, for a status line or a watchdog.
    /// Returns how each camera ended. The error of a further camera is logged when it occurs; the others
    /// keep running.
    ///
    /// # Errors
    /// [`Error::fatal`] if a thread cannot be started; all cameras have stopped then.
    pub fn run(self, stop: &Stop, mut watch: impl FnMut(&[Arc<SharedStatus>])) -> Result<Vec<Result<Summary>>> {
        let statuses = self.statuses();
        let mut cameras = self.cameras.into_iter();
        let Some(first) = cameras.next() else { return Ok(Vec::new()) };
        let (stopper, stop_others) = stop::pair();
        thread::scope(|scope| {
            // Dropped on every exit path, before the threads are joined.
            let mut stopper = Some(stopper);
            let mut others = Vec::new();
            for Member { name, assembly } in cameras {
                let (stop, label) = (&stop_others, Arc::clone(&name));
                let run = move || assembly.pipeline.run(stop).inspect_err(|e| log::error!("{label}: {e}"));
                let thread = thread::Builder::new().name(name.to_string()).spawn_scoped(scope, run);
                others.push(thread.map_err(|e| Error::fatal(&name, "its thread cannot be started").because(e))?);
            }
            let mut ended = vec![first.assembly.pipeline.watch(stop, WATCH_PERIOD, |_| {
                if stop.asked() {
                    stopper = None;
                }
                watch(&statuses);
            })];
            drop(stopper);
            let panicked = || Err(Error::fatal("camera", "its thread panicked"));
            ended.extend(others.into_iter().map(|thread| thread.join().unwrap_or_else(|_| panicked())));
            Ok(ended)
        })
    }
}

/// The source settings of camera `number`: further cameras append their number to the name.
fn settings_of(settings: &source::Settings, number: usize) -> source::Settings {
    let mut settings = settings.clone();
    if number > 1 && !settings.camera.name.is_empty() {
        settings.camera.name = format!("{}-{number}", settings.camera.name);
    }
    settings
}

/// The name in paths and labels: the name from the settings in lower-case letters, digits and `-`,
/// or `camera-N`.
fn name_of(settings: &source::Settings, number: usize) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = settings.camera.name.chars().map(plain).collect();
    match name.trim_matches('-') {
        "" => format!("camera-{number}"),
        name => name.to_string(),
    }
}

#[cfg(test)]
mod tests;
