//! One stream of an open camera, as a source.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Settings;
use super::bus::{BufferInfo, Device, Granted};
use super::control;
use super::escalation::Step;
use super::failure::{Operation, failure, is_gone};
use super::node::Node;
use super::probe::{Identity, identify};
use super::selector::Selector;
use super::watchdog::{Fault, Limits, Watchdog};
use crate::clock::SharedClock;
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat, Signal};
use crate::recording::Unit;
use crate::source::cameras::decode::{Decoder, FrameTelemetry, Transfer, may_stand_still};
use crate::source::cameras::{self, Choice, IdentifiedBy, Meaning, PixelFormat, pixel_format};
use crate::source::{Read, Source};
use crate::units::Nanos;

/// After this many whole frames a camera counts as healthy again.
pub const HEALTHY_FRAMES: u64 = 30;

/// How a stream went. The camera writes it while it streams; its supervisor reads it afterwards.
#[derive(Debug, Default)]
pub struct StreamReport {
    frames: AtomicU64,
    faulty: AtomicBool,
}

impl StreamReport {
    /// True if the stream delivered enough frames to call the camera healthy.
    pub fn was_healthy(&self) -> bool {
        self.frames.load(Relaxed) >= HEALTHY_FRAMES
    }

    /// True if the camera was present but did not work.
    pub fn was_faulty(&self) -> bool {
        self.faulty.load(Relaxed)
    }

    /// Notes whether the camera was present but did not work.
    pub fn set_faulty(&self, faulty: bool) {
        self.faulty.store(faulty, Relaxed);
    }
}

/// A request to open a camera.
pub struct Request<'a> {
    /// How the user named it.
    pub selector: &'a Selector,
    /// Settings of cameras.
    pub settings: &'a Settings,
    /// The unit that the user states for counts.
    pub unit: Option<Unit>,
    /// True if it is named after its port instead of its serial number.
    pub by_port: bool,
    /// The recovery step that was taken before it was opened, if that step has not helped before.
    pub new_step: Option<Step>,
}

/// A camera that streams.
pub struct Camera {
    name: String,
    device: Box<dyn Device>,
    decoder: Decoder,
    watchdog: Watchdog,
    /// Reported by the next read, so that the frame that revealed it is delivered and counted.
    fault: Option<Fault>,
    limits: Limits,
    clock: SharedClock,
    report: Arc<StreamReport>,
    /// Reported once the camera is healthy.
    new_step: Option<Step>,
    /// The driver's last frame count, and the same count without wrap-around.
    sequence: Option<u32>,
    seq: u64,
}

impl Camera {
    /// Chooses a format, checks what the driver grants, and starts to stream from an open device.
    ///
    /// # Errors
    /// `Retry` if the camera does not answer or is not the requested one; `Fix` if a device that
    /// the user named is no known camera.
    pub fn start(
        node: &Node,
        mut device: Box<dyn Device>,
        request: &Request<'_>,
        clock: &SharedClock,
        report: &Arc<StreamReport>,
    ) -> Result<Self> {
        let settings = request.settings;
        let at = |operation: Operation| move |e| failure(node.path.display().to_string(), operation, e);
        let Identity { offers, choice } = identify(node, device.as_mut(), settings.requested_size())?;
        let choice = choice.ok_or_else(|| unknown(node, request, &offers))?;
        accept(node, request.selector, &choice)?;

        let granted = device.set(choice.mode.pixel_format, choice.size).map_err(at(Operation::SetFormat))?;
        let choice = settled(node, settings, choice, &granted)?;
        let transfer = Transfer { stride: granted.stride, rate_hz: granted.rate_hz };
        let mut decoder = Decoder::new(choice, transfer, request.unit, settings.low_gain);
        if choice.mode.meaning == Meaning::Reported
            && let Some(signal) = control::signal(choice.profile, device.as_mut())
        {
            decoder.assume(signal);
        }
        device.start(settings.buffers).map_err(at(Operation::StreamOn))?;

        let name = match settings.name.as_str() {
            "" => node.stable_name(choice.profile, request.by_port),
            name => name.to_string(),
        };
        log::info!("{name}: {}, {} at {}", choice.profile.about, choice.identified_by, node.path.display());
        if choice.identified_by == IdentifiedBy::Shape || !decoder.format().signal.is_radiometric() {
            log::info!("{name}: {}", choice.profile.note);
        }
        let limits = settings.limits();
        Ok(Self {
            name,
            device,
            decoder,
            watchdog: Watchdog::new(limits, clock.now()),
            fault: None,
            limits,
            clock: Arc::clone(clock),
            report: Arc::clone(report),
            new_step: request.new_step,
            sequence: None,
            seq: 0,
        })
    }

    /// The camera and the format in use.
    pub fn choice(&self) -> &Choice {
        self.decoder.choice()
    }

    /// Stamps and numbers a decoded frame, and passes it to the watchdog.
    fn account(&mut self, into: &mut Frame, info: BufferInfo, telemetry: FrameTelemetry) {
        let now = self.clock.now();
        // The driver's count wraps after 2^32 frames and begins at any number.
        let step = self.sequence.map_or(0, |last| info.sequence.wrapping_sub(last));
        self.sequence = Some(info.sequence);
        self.seq += u64::from(step);
        into.meta.seq = self.seq;
        let age = info.age.unwrap_or_default();
        into.meta.received = now;
        into.meta.captured = Nanos(now.0.saturating_sub(u64::try_from(age.as_nanos()).unwrap_or(0)));
        into.meta.captured_utc_ns = utc(age);
        if info.damaged {
            into.pixels.clear();
        }
        if into.pixels.len() != into.format.pixels() {
            self.watchdog.damaged(now);
            return;
        }
        // Pictures without noise are no fault: a covered lens, a drawn scene.
        let still = may_stand_still(into.meta.ffc) || into.format.signal == Signal::Grey8;
        self.watchdog.whole(now, into, telemetry.counter, still);
        self.report.frames.store(self.watchdog.frames(), Relaxed);
        if self.watchdog.frames() >= HEALTHY_FRAMES
            && let Some(step) = self.new_step.take()
        {
            log::info!("{}: works again after {step}; this step will be tried first from now on", self.name);
        }
    }

    /// The error for a fault that the watchdog found.
    fn failed(&self, fault: Fault) -> Error {
        self.report.set_faulty(true);
        let (stall, frozen) = (self.limits.stall.as_millis(), self.limits.frozen.as_millis());
        match fault {
            Fault::Silent => Error::retry(&self.name, format_args!("streams and sent no frame for {stall} ms")),
            Fault::Damaged => Error::retry(&self.name, format_args!("sent only damaged frames for {stall} ms")),
            Fault::Frozen => Error::retry(&self.name, format_args!("sent the same frame for {frozen} ms")),
        }
    }
}

impl Source for Camera {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> FrameFormat {
        self.decoder.format()
    }

    fn read(&mut self, into: &mut Frame, wait: Duration) -> Result<Read> {
        if let Some(fault) = self.fault.take() {
            return Err(self.failed(fault));
        }
        let mut got = None;
        let decoder = &mut self.decoder;
        let dequeued = self.device.dequeue(wait, &mut |bytes, info| got = Some((info, decoder.decode(bytes, into))));
        if let Err(e) = dequeued {
            self.report.set_faulty(!is_gone(&e));
            return Err(failure(self.name.clone(), Operation::Dequeue, e));
        }
        if let Some((info, telemetry)) = got {
            self.account(into, info, telemetry);
            // A camera that sends only damaged or unchanged frames is faulty as well.
            self.fault = self.watchdog.fault(self.clock.now());
            return Ok(Read::Frame);
        }
        match self.watchdog.fault(self.clock.now()) {
            Some(fault) => Err(self.failed(fault)),
            None => Ok(Read::Idle),
        }
    }
}

/// The choice for the format that a camera set, if that is another of its modes than the requested one: a camera that
/// changed without being replugged still lists the old ones.
fn settled(node: &Node, settings: &Settings, choice: Choice, granted: &Granted) -> Result<Choice> {
    if (granted.code, granted.size) == (choice.mode.pixel_format.code(), choice.size) {
        return Ok(choice);
    }
    let (w, h) = choice.size;
    let found = format!("{} {}x{}", pixel_format::shown(granted.code), granted.size.0, granted.size.1);
    let message = format!("set {found} where {} {w}x{h} was requested", choice.mode.pixel_format);
    let sizes = cameras::Sizes::One(granted.size.0, granted.size.1);
    let id = node.usb.as_ref().map(|usb| usb.id);
    let other = PixelFormat::of(granted.code).and_then(|pixel_format| {
        cameras::choose(id, &[cameras::Offer { pixel_format, sizes }], settings.requested_size())
    });
    match other.filter(|other| other.profile == choice.profile) {
        Some(other) => {
            log::warn!("{}: {message}; the camera is used with that format", node.path.display());
            Ok(other)
        }
        None => Err(Error::retry(node.path.display(), message)),
    }
}

/// The error for a device that is no known camera.
fn unknown(node: &Node, request: &Request<'_>, offers: &[cameras::Offer]) -> Error {
    let size = &request.settings.size;
    let at_size = if size.is_empty() { String::new() } else { format!(" at {size}") };
    let known: Vec<_> = offers.iter().map(|o| o.pixel_format.name()).collect();
    let known = if known.is_empty() { "no format that can be read".into() } else { known.join(", ") };
    let message = format!("offers {known}, and no camera that is known{at_size}");
    // With `auto` another device may appear; a named device does not change.
    if request.selector.names_device() {
        Error::fix(node.path.display(), message)
    } else {
        Error::retry(node.path.display(), message)
    }
}

/// Refuses a camera that is not the requested one.
fn accept(node: &Node, selector: &Selector, choice: &Choice) -> Result<()> {
    let (found, about) = (choice.profile.name, choice.profile.about);
    match selector {
        Selector::Profile(wanted) if *wanted != found => {
            Err(Error::retry(node.path.display(), format_args!("is {found} ({about}), wanted {wanted}")))
        }
        Selector::Auto if !choice.profile.auto => {
            Err(Error::retry(node.path.display(), format_args!("is {about}, no thermal camera; name it to use it")))
        }
        _ => Ok(()),
    }
}

fn utc(age: Duration) -> Option<i64> {
    let at = SystemTime::now().checked_sub(age)?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(at.as_nanos()).ok()
}
