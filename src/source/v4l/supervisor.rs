//! Opens a camera repeatedly, at whichever node it is now, and recovers it if that helps.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::bus::Bus;
use super::camera::{Camera, Request, StreamReport};
use super::escalation::{Escalation, Outcome, Step};
use super::failure::is_gone;
use super::node::Node;
use super::probe;
use super::selector::Selector;
use crate::clock::SharedClock;
use crate::error::{Error, Remedy, Result};
use crate::source::{self, Open, Source};

/// Opens one camera.
pub struct Supervisor {
    bus: Box<dyn Bus>,
    selector: Selector,
    settings: source::Settings,
    clock: SharedClock,
    escalation: Escalation,
    last: Option<Attempt>,
    /// The USB port at which the camera was found, so that another of its kind is not mistaken for it.
    port: Option<String>,
}

/// The last device that was opened, and how that went.
struct Attempt {
    node: Node,
    report: Arc<StreamReport>,
}

impl Supervisor {
    /// A supervisor of the camera `selector` on `bus`. Opens nothing yet.
    pub fn new(bus: Box<dyn Bus>, selector: Selector, settings: source::Settings, clock: SharedClock) -> Self {
        let escalation = Escalation::new(settings.camera.recover.into());
        Self { bus, selector, settings, clock, escalation, last: None, port: None }
    }

    /// The nodes to try. A camera that was found by its kind is looked for at its port first.
    fn pick(&self, nodes: &[Node]) -> Vec<Node> {
        let mut picked: Vec<Node> = self.selector.pick(nodes).into_iter().cloned().collect();
        if let Some(port) = &self.port {
            picked.sort_by_key(|node| node.usb.as_ref().is_none_or(|usb| usb.port != *port));
        }
        picked
    }

    fn start(&mut self, node: &Node, all: &[Node], new_step: Option<Step>) -> Result<Camera> {
        let device = probe::open(self.bus.as_mut(), node)?;
        let request = Request {
            selector: &self.selector,
            settings: &self.settings.camera,
            unit: self.settings.signal,
            by_port: matches!(self.selector, Selector::Port(_)) || node.shares_serial(all),
            new_step,
        };
        let report = Arc::new(StreamReport::default());
        let started = Camera::start(node, device, &request, &self.clock, &report);
        if let Err(e) = &started {
            report.set_faulty(is_fault(e));
        }
        self.last = Some(Attempt { node: node.clone(), report });
        started
    }

    /// Takes the recovery step that follows from the last attempt; returns it if it has not helped before.
    fn recover(&mut self, last: &Attempt) -> Option<Step> {
        if last.report.was_healthy() {
            self.escalation.recovered();
        }
        let outcome = if last.report.was_faulty() { Outcome::Faulty } else { Outcome::Gone };
        let step = self.escalation.step(outcome);
        let new_step = (step != Step::Reopen && step != self.escalation.remembered()).then_some(step);
        let done = match step {
            Step::Reopen => return new_step,
            Step::Reset => self.bus.reset(&last.node),
            Step::Replug => self.bus.replug(&last.node),
        };
        match done {
            Ok(()) => log::warn!("{}: {step}", self.selector),
            Err(e) if matches!(e.raw_os_error(), Some(libc::EACCES | libc::EPERM | libc::EROFS)) => {
                if self.escalation.forbid(step) {
                    log::warn!("{}: {step} is not permitted ({e}); see udev/README.md", self.selector);
                }
            }
            Err(e) => log::warn!("{}: {step} failed: {e}", self.selector),
        }
        new_step
    }
}

/// True if a camera that is present failed to start. Busy and invalid are answers of a working driver.
fn is_fault(error: &Error) -> bool {
    let errno = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    let works = |e: &io::Error| is_gone(e) || matches!(e.raw_os_error(), Some(libc::EBUSY | libc::EINVAL));
    error.remedy() == Remedy::Retry && errno.is_some_and(|e| !works(e))
}

impl Open for Supervisor {
    /// Recovers the camera if its last stream failed, finds it and starts to stream.
    ///
    /// # Errors
    /// `Retry` while it is absent, busy or faulty; `Fix` if it is present and may not be used.
    fn open(&mut self) -> Result<Box<dyn Source>> {
        let last = self.last.take();
        let new_step = last.and_then(|last| self.recover(&last));
        let nodes = self.bus.nodes();
        let mut first = None;
        for node in self.pick(&nodes) {
            match self.start(&node, &nodes, new_step) {
                Ok(camera) => {
                    self.port = node.usb.as_ref().map(|usb| usb.port.clone());
                    return Ok(Box::new(camera));
                }
                // Report the error of the likeliest node.
                Err(e) => first = first.or(Some(e)),
            }
        }
        Err(first.unwrap_or_else(|| self.selector.absent(&nodes)))
    }

    fn stall_limit(&self) -> Option<Duration> {
        Some(self.settings.camera.stall_limit())
    }
}
