//! Opens a camera again and again, at whatever node it is now, and puts it right where that helps.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::bus::Bus;
use super::camera::{Camera, Record, Shared, WELL, Wish, lock};
use super::failure::{Doing, PERMISSION, failure, is_gone};
use super::ladder::{Ended, Ladder, Step};
use super::node::Node;
use super::wanted::Wanted;
use crate::clock::SharedClock;
use crate::error::{Error, Remedy, Result};
use crate::source::{self, Open, Source};

/// Keeps one camera.
pub struct Keeper {
    bus: Box<dyn Bus>,
    wanted: Wanted,
    settings: source::Settings,
    clock: SharedClock,
    record: Shared,
    ladder: Ladder,
    /// The USB port at which the camera was found, so that another of its kind is not taken for it.
    port: Option<String>,
}

impl Keeper {
    /// Keeps the camera `wanted` of `bus`. Opens nothing yet.
    pub fn new(bus: Box<dyn Bus>, wanted: Wanted, settings: source::Settings, clock: SharedClock) -> Self {
        let ladder = Ladder::new(settings.camera.recover.into());
        Self { bus, wanted, settings, clock, record: Arc::default(), ladder, port: None }
    }

    /// The nodes to try. A camera that was found by its kind is looked for at its port first.
    fn pick(&self, nodes: &[Node]) -> Vec<Node> {
        let mut picked: Vec<Node> = self.wanted.pick(nodes).into_iter().cloned().collect();
        if let Some(port) = &self.port {
            picked.sort_by_key(|node| node.usb.as_ref().is_none_or(|usb| usb.port != *port));
        }
        picked
    }

    fn start(&mut self, node: &Node, all: &[Node]) -> Result<Camera> {
        if !node.permitted {
            return Err(Error::fix(node.path.display(), PERMISSION));
        }
        let subject = || node.path.display().to_string();
        let wish = Wish {
            settings: &self.settings.camera,
            unit: self.settings.signal,
            profile: match self.wanted {
                Wanted::Profile(name) => Some(name),
                _ => None,
            },
            named: !matches!(self.wanted, Wanted::Auto | Wanted::Profile(_)),
            by_port: matches!(self.wanted, Wanted::Port(_)) || node.has_double(all),
        };
        let device = self.bus.open(node).map_err(|e| failure(subject(), Doing::Open, e))?;
        let started = Camera::start(node, device, &wish, &self.clock, &self.record);
        if let Err(e) = &started {
            let errno = std::error::Error::source(e).and_then(|c| c.downcast_ref::<io::Error>());
            // Busy and invalid are answers of a driver that is well.
            let well = |c: &io::Error| is_gone(c) || matches!(c.raw_os_error(), Some(libc::EBUSY | libc::EINVAL));
            let ill = e.remedy() == Remedy::Retry && errno.is_some_and(|c| !well(c));
            let mut record = lock(&self.record);
            (record.node, record.ill) = (Some(node.clone()), ill);
        }
        started
    }

    /// Learns from the last life, and knocks harder where it was ill.
    fn mend(&mut self, last: &Record) {
        if last.frames >= WELL {
            self.ladder.healed();
        }
        let Some(node) = &last.node else { return };
        let step = self.ladder.step(if last.ill { Ended::Ill } else { Ended::Away });
        lock(&self.record).after = (step != Step::Reopen && step != self.ladder.learned()).then_some(step);
        let done = match step {
            Step::Reopen => return,
            Step::Reset => self.bus.reset(node),
            Step::Replug => self.bus.replug(node),
        };
        match done {
            Ok(()) => log::warn!("{}: {step}", self.wanted),
            Err(e) if matches!(e.raw_os_error(), Some(libc::EACCES | libc::EPERM | libc::EROFS)) => {
                if self.ladder.bar(step) {
                    log::warn!("{}: {step} is not permitted ({e}); see udev/README.md", self.wanted);
                }
            }
            Err(e) => log::warn!("{}: {step} failed: {e}", self.wanted),
        }
    }
}

impl Open for Keeper {
    /// # Errors
    /// `Retry` while it is away, busy or ill; `Fix` where it is there and may not be used.
    fn open(&mut self) -> Result<Box<dyn Source>> {
        let last = std::mem::take(&mut *lock(&self.record));
        self.mend(&last);
        let nodes = self.bus.nodes();
        let picked = self.pick(&nodes);
        let mut first = None;
        for node in picked {
            match self.start(&node, &nodes) {
                Ok(camera) => {
                    self.port = node.usb.as_ref().map(|usb| usb.port.clone());
                    return Ok(Box::new(camera));
                }
                // The likeliest node says what is wrong.
                Err(e) => first = first.or(Some(e)),
            }
        }
        Err(first.unwrap_or_else(|| self.wanted.absent(&nodes)))
    }

    fn stall_limit(&self) -> Option<Duration> {
        Some(self.settings.camera.stall_limit())
    }
}
