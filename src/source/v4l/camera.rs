//! One life of an open camera, as a source.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Settings;
use super::bus::{Device, Granted, Taken};
use super::control;
use super::failure::{Doing, failure, is_gone};
use super::ladder::Step;
use super::node::Node;
use super::watch::{Illness, Limits, Watch};
use crate::clock::SharedClock;
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat, Signal};
use crate::recording::Unit;
use crate::source::cameras::decode::{Decoder, Said, Transfer, may_rest};
use crate::source::cameras::{self, Choice, Meaning, Told, Wire, wire};
use crate::source::{Read, Source};
use crate::units::Nanos;

/// What is left of a life for whoever opens the camera again.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The node that was open; `None` where nothing was ever.
    pub node: Option<Node>,
    /// Whole frames it brought that were not the one before.
    pub frames: u64,
    /// When the last of them came.
    pub last: Nanos,
    /// True where the camera was there and did not do its work.
    pub ill: bool,
    /// What was done before it was opened, where it is news if that helps.
    pub after: Option<Step>,
}

/// So many whole frames say that a camera is well again.
pub const WELL: u64 = 30;

/// A record shared by a camera and its opener.
pub type Shared = Arc<Mutex<Record>>;

/// Locks a record; a panic elsewhere leaves nothing half-written in it.
pub fn lock(record: &Shared) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A camera that streams.
pub struct Camera {
    name: String,
    device: Box<dyn Device>,
    decoder: Decoder,
    watch: Watch,
    limits: Limits,
    clock: SharedClock,
    record: Shared,
    /// The driver's last count, and the same without its wrapping.
    sequence: Option<u32>,
    seq: u64,
}

/// What is wanted of a camera.
pub struct Wish<'a> {
    /// Settings of cameras.
    pub settings: &'a Settings,
    /// The unit that the user states for counts.
    pub unit: Option<Unit>,
    /// The row of the table that it must be; `None` takes any that `auto` may take.
    pub profile: Option<&'a str>,
    /// True where the user named the device, so that a camera of pictures is as welcome.
    pub named: bool,
    /// True where it is called by its port, not by its serial number.
    pub by_port: bool,
}

impl Camera {
    /// Takes on an open device: chooses a format, checks what is granted, and starts to stream.
    pub fn start(
        node: &Node,
        mut device: Box<dyn Device>,
        wish: &Wish<'_>,
        clock: &SharedClock,
        record: &Shared,
    ) -> Result<Self> {
        let path = &node.path;
        let at = |doing: Doing| move |e| failure(path.display().to_string(), doing, e);
        let offers = device.offers().map_err(at(Doing::Ask))?;
        let id = node.usb.as_ref().map(|usb| usb.id);
        let choice = cameras::choose(id, &offers, wish.settings.wanted_size());
        let choice = choice.ok_or_else(|| nothing_known(node, wish, &offers))?;
        accept(node, wish, &choice)?;

        let granted = device.set(choice.mode.wire, choice.size).map_err(at(Doing::Set))?;
        let choice = settled(node, wish, choice, &granted)?;
        let transfer = Transfer { stride: granted.stride, rate_hz: granted.rate_hz };
        let mut decoder = Decoder::new(choice, transfer, wish.unit, wish.settings.low_gain);
        if choice.mode.meaning == Meaning::Told
            && let Some(signal) = control::signal(choice.profile, device.as_mut())
        {
            decoder.assume(signal);
        }
        device.start(wish.settings.buffers).map_err(at(Doing::Start))?;

        let name = match wish.settings.name.as_str() {
            "" => node.stable_name(choice.profile, wish.by_port),
            name => name.to_string(),
        };
        log::info!("{name}: {}, {} at {}", choice.profile.about, choice.told, node.path.display());
        if choice.told == Told::Shape || !decoder.format().signal.is_radiometric() {
            log::info!("{name}: {}", choice.profile.note);
        }
        let limits = wish.settings.limits();
        let watch = Watch::new(limits, clock.now());
        let after = lock(record).after;
        *lock(record) = Record { node: Some(node.clone()), after, ..Record::default() };
        let clock = clock.clone();
        Ok(Self { name, device, decoder, watch, limits, clock, record: record.clone(), sequence: None, seq: 0 })
    }

    /// What was chosen for it.
    pub fn choice(&self) -> &Choice {
        self.decoder.choice()
    }

    fn took(&mut self, into: &mut Frame, taken: Taken, said: Said) {
        let now = self.clock.now();
        // The driver's count wraps after 2^32 frames and begins at any number.
        let step = self.sequence.map_or(0, |last| taken.sequence.wrapping_sub(last));
        self.sequence = Some(taken.sequence);
        self.seq += u64::from(step);
        into.meta.seq = self.seq;
        let age = taken.age.unwrap_or_default();
        into.meta.received = now;
        into.meta.captured = Nanos(now.0.saturating_sub(u64::try_from(age.as_nanos()).unwrap_or(0)));
        into.meta.captured_utc_ns = utc(age);
        if taken.damaged {
            into.pixels.clear();
        }
        if into.pixels.len() == into.format.pixels() {
            // Pictures without noise are no illness: a covered lens, a drawn scene.
            let rests = may_rest(into.meta.ffc) || into.format.signal == Signal::Grey8;
            self.watch.whole(now, into, said.counter, rests);
            let mut record = lock(&self.record);
            (record.frames, record.last) = (self.watch.frames(), now);
            if record.frames == WELL
                && let Some(step) = record.after
            {
                log::info!("{}: well again after {step}, which will be tried first from now on", self.name);
            }
        } else {
            self.watch.damaged(now);
        }
    }

    fn check(&mut self) -> Result<()> {
        let Some(illness) = self.watch.illness(self.clock.now()) else { return Ok(()) };
        lock(&self.record).ill = true;
        let ms = |d: Duration| d.as_millis();
        let (stall, frozen) = (ms(self.limits.stall), ms(self.limits.frozen));
        Err(match illness {
            Illness::Silent => Error::retry(&self.name, format_args!("streams and sent no frame for {stall} ms")),
            Illness::Damaged => Error::retry(&self.name, format_args!("sent only damaged frames for {stall} ms")),
            Illness::Frozen => Error::retry(&self.name, format_args!("sent the same frame for {frozen} ms")),
        })
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
        let mut got = None;
        let decoder = &mut self.decoder;
        let took = self.device.take(wait, &mut |bytes, taken| got = Some((taken, decoder.decode(bytes, into))));
        match (took, got) {
            (Ok(_), Some((taken, said))) => {
                self.took(into, taken, said);
                // A camera that sends, but nothing worth having, is ill as well.
                self.check()?;
                Ok(Read::Frame)
            }
            (Ok(_), None) => {
                self.check()?;
                Ok(Read::Idle)
            }
            (Err(e), _) => {
                lock(&self.record).ill = !is_gone(&e);
                Err(failure(self.name.clone(), Doing::Take, e))
            }
        }
    }
}

/// What a camera set, where that is another mode of its own than was asked for: one that changed without
/// being plugged in again still lists the old ones.
fn settled(node: &Node, wish: &Wish<'_>, choice: Choice, granted: &Granted) -> Result<Choice> {
    if (granted.code, granted.size) == (choice.mode.wire.code(), choice.size) {
        return Ok(choice);
    }
    let (w, h) = choice.size;
    let found = format!("{} {}x{}", wire::shown(granted.code), granted.size.0, granted.size.1);
    let message = format!("set {found} where {} {w}x{h} was asked for", choice.mode.wire);
    let offer = |wire| cameras::Offer { wire, sizes: cameras::Sizes::One(granted.size.0, granted.size.1) };
    let id = node.usb.as_ref().map(|usb| usb.id);
    let other = Wire::of(granted.code).and_then(|w| cameras::choose(id, &[offer(w)], wish.settings.wanted_size()));
    match other.filter(|other| other.profile == choice.profile) {
        Some(other) => {
            log::warn!("{}: {message}; it is taken as it is", node.path.display());
            Ok(other)
        }
        None => Err(Error::retry(node.path.display(), message)),
    }
}

/// The device is no camera that the program knows.
fn nothing_known(node: &Node, wish: &Wish<'_>, offers: &[cameras::Offer]) -> Error {
    let size = &wish.settings.size;
    let at_size = if size.is_empty() { String::new() } else { format!(" at {size}") };
    let known: Vec<_> = offers.iter().map(|o| o.wire.name()).collect();
    let known = if known.is_empty() { "no format that can be read".into() } else { known.join(", ") };
    let message = format!("offers {known}, and no camera that is known{at_size}");
    // In `auto` another device may turn up; one that was named is what it is.
    if wish.named { Error::fix(node.path.display(), message) } else { Error::retry(node.path.display(), message) }
}

/// Refuses a camera that is not what was asked for.
fn accept(node: &Node, wish: &Wish<'_>, choice: &Choice) -> Result<()> {
    let (found, about) = (choice.profile.name, choice.profile.about);
    match wish.profile {
        Some(wanted) if wanted != found => {
            Err(Error::retry(node.path.display(), format_args!("is {found} ({about}), wanted {wanted}")))
        }
        None if !wish.named && !choice.profile.auto => {
            Err(Error::retry(node.path.display(), format_args!("is {about}, no thermal camera; name it to use it")))
        }
        _ => Ok(()),
    }
}

fn utc(age: Duration) -> Option<i64> {
    let at = SystemTime::now().checked_sub(age)?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(at.as_nanos()).ok()
}
