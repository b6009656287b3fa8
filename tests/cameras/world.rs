//! A machine with one camera that fails on command, on a simulated clock.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use heatmark::clock::{Clock, SharedClock, SimulatedClock};
use heatmark::source::cameras::{Offer, PixelFormat, Sizes, UsbId};
use heatmark::source::v4l::bus::{BufferInfo, Bus, Device, Granted, Query};
use heatmark::source::v4l::escalation::Step;
use heatmark::source::v4l::node::{Node, Usb};
use heatmark::units::Nanos;

/// What the camera does instead of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Its node is gone; a stream ends with ENODEV.
    Away,
    /// It streams and sends nothing.
    Silent,
    /// It sends the same frame again and again.
    Frozen,
    /// New pictures, but its frame counter stands still.
    Stuck,
    /// Half of each frame is missing.
    Short,
    /// The driver flags every frame.
    Damaged,
    /// Taking a frame fails.
    Io,
    /// Another program streams from it.
    Busy,
    /// This process may not open it.
    Forbidden,
}

/// What ends a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cure {
    /// Time, counted from its beginning.
    After(Duration),
    /// This step of recovery, or a stronger one.
    By(Step),
}

/// What happened, for accounting.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Frames shown to the program.
    pub shown: u64,
    /// Frames that the driver counted and lost.
    pub skipped: u64,
    /// Streams started.
    pub streams: u64,
    /// When the last fault began.
    pub injected: Nanos,
    /// When the program closed a stream after the fault began.
    pub let_go: Option<Nanos>,
    /// Resets and replugs.
    pub steps: Vec<Step>,
}

pub struct State {
    pub clock: Arc<SimulatedClock>,
    pub fault: Option<(Fault, Cure, Nanos)>,
    pub tally: Tally,
    /// Formats offered, the first of which is what the camera sends.
    pub size: (u32, u32),
    pub offers: Vec<(u32, u32)>,
    /// What is set, whatever is asked for.
    pub grants: Option<(u32, u32)>,
    pub usb: UsbId,
    pub number: u32,
    /// Steps that fail with EACCES.
    pub forbidden: Vec<Step>,
    /// The next frames to lose.
    pub skip: u32,
    /// First count of a stream.
    pub first: u32,
    /// What the driver says the age of a frame is.
    pub age: Option<Duration>,
    pub period: Duration,
    /// Answers of extension units: (unit, selector) to value.
    pub units: Vec<((u8, u8), Vec<u8>)>,
    open: u32,
}

/// A handle on it.
#[derive(Clone)]
pub struct World(pub Arc<Mutex<State>>);

impl World {
    pub fn new(size: (u32, u32)) -> Self {
        World(Arc::new(Mutex::new(State {
            clock: SimulatedClock::new(Nanos(1_000_000_000)),
            fault: None,
            tally: Tally::default(),
            size,
            offers: vec![size],
            grants: None,
            usb: "1e4e:0100".parse().unwrap(),
            number: 0,
            forbidden: Vec::new(),
            skip: 0,
            first: 0,
            age: Some(Duration::from_millis(2)),
            period: Duration::from_nanos(111_111_111),
            units: Vec::new(),
            open: 0,
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn clock(&self) -> SharedClock {
        self.lock().clock.clone()
    }

    /// Begins a fault now.
    pub fn inject(&self, fault: Fault, cure: Cure) {
        let mut state = self.lock();
        let now = state.clock.now();
        state.fault = Some((fault, cure, now));
        (state.tally.injected, state.tally.let_go) = (now, None);
    }

    /// Streams and nodes that are open.
    pub fn open_devices(&self) -> u32 {
        self.lock().open
    }
}

impl State {
    fn current_fault(&mut self) -> Option<Fault> {
        let (fault, cure, since) = self.fault?;
        if let Cure::After(d) = cure
            && self.clock.now() >= since + d
        {
            self.fault = None;
            return None;
        }
        Some(fault)
    }

    fn apply(&mut self, step: Step) -> io::Result<()> {
        if self.forbidden.contains(&step) {
            return Err(io::Error::from_raw_os_error(libc::EACCES));
        }
        self.tally.steps.push(step);
        if let Some((_, Cure::By(by), _)) = self.fault
            && step >= by
        {
            self.fault = None;
        }
        Ok(())
    }
}

impl Bus for World {
    fn nodes(&mut self) -> Vec<Node> {
        let mut state = self.lock();
        let fault = state.current_fault();
        if fault == Some(Fault::Away) {
            return Vec::new();
        }
        let usb = Usb {
            id: state.usb,
            port: "1-1.2".into(),
            serial: Some("8003000b-5113".into()),
            product: None,
            speed_mbps: Some(12.0),
            power_ma: Some(100),
            autosuspend: false,
            file: None,
            folder: PathBuf::new(),
        };
        let number = state.number;
        let path = PathBuf::from(format!("/dev/video{number}"));
        let permitted = fault != Some(Fault::Forbidden);
        vec![Node { path, number, name: "PureThermal".into(), index: 0, permitted, usb: Some(usb), built_in: false }]
    }

    fn open(&mut self, _node: &Node) -> io::Result<Box<dyn Device>> {
        let mut state = self.lock();
        if let Some((_, Cure::By(Step::Reopen), _)) = state.fault {
            state.fault = None;
        }
        if state.current_fault() == Some(Fault::Away) {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        state.open += 1;
        let now = state.clock.now();
        Ok(Box::new(Stream { world: self.clone(), due: now, sequence: state.first, picture: 0, bytes: Vec::new() }))
    }

    fn reset(&mut self, _node: &Node) -> io::Result<()> {
        self.lock().apply(Step::Reset)
    }

    fn replug(&mut self, _node: &Node) -> io::Result<()> {
        self.lock().apply(Step::Replug)
    }
}

struct Stream {
    world: World,
    due: Nanos,
    sequence: u32,
    picture: u32,
    bytes: Vec<u8>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut state = self.world.lock();
        state.open -= 1;
        let now = state.clock.now();
        if state.fault.is_some() {
            state.tally.let_go.get_or_insert(now);
        }
    }
}

impl Device for Stream {
    fn offers(&mut self) -> io::Result<Vec<Offer>> {
        let state = self.world.lock();
        Ok(state
            .offers
            .iter()
            .map(|(w, h)| Offer { pixel_format: PixelFormat::Y16, sizes: Sizes::One(*w, *h) })
            .collect())
    }

    fn set(&mut self, pixel_format: PixelFormat, size: (u32, u32)) -> io::Result<Granted> {
        let mut state = self.world.lock();
        if state.current_fault() == Some(Fault::Busy) {
            return Err(io::Error::from_raw_os_error(libc::EBUSY));
        }
        let size = state.grants.unwrap_or(size);
        state.size = size;
        Ok(Granted { code: pixel_format.code(), size, stride: size.0 as usize * 2, rate_hz: 9.0 })
    }

    fn start(&mut self, _buffers: u32) -> io::Result<()> {
        let mut state = self.world.lock();
        state.tally.streams += 1;
        let (w, h) = state.size;
        self.bytes = vec![0; (w * h * 2) as usize];
        self.due = state.clock.now() + state.period;
        Ok(())
    }

    fn dequeue(&mut self, wait: Duration, with: &mut dyn FnMut(&[u8], BufferInfo)) -> io::Result<bool> {
        let mut state = self.world.lock();
        let clock = state.clock.clone();
        let fault = state.current_fault();
        match fault {
            Some(Fault::Away | Fault::Forbidden | Fault::Busy) => {
                return Err(io::Error::from_raw_os_error(libc::ENODEV));
            }
            Some(Fault::Io) => return Err(io::Error::from_raw_os_error(libc::EIO)),
            Some(Fault::Silent) => {
                clock.advance(wait);
                self.due = clock.now() + state.period;
                return Ok(false);
            }
            _ => {}
        }
        let left = self.due.since(clock.now());
        if left > wait {
            clock.advance(wait);
            return Ok(false);
        }
        clock.advance(left);
        self.due = self.due + state.period;
        let lost = std::mem::take(&mut state.skip);
        state.tally.skipped += u64::from(lost);
        state.tally.shown += 1;
        let (sequence, age) = (self.sequence.wrapping_add(lost), state.age);
        self.sequence = sequence.wrapping_add(1);
        if fault != Some(Fault::Frozen) {
            self.picture += 1;
        }
        paint(&mut self.bytes, self.picture, state.size, fault == Some(Fault::Stuck));
        drop(state);
        let bytes = if fault == Some(Fault::Short) { &self.bytes[..self.bytes.len() / 2] } else { &self.bytes };
        with(bytes, BufferInfo { sequence, damaged: fault == Some(Fault::Damaged), age });
        Ok(true)
    }

    fn extension_unit(&mut self, unit: u8, selector: u8, query: Query, data: &mut [u8]) -> io::Result<()> {
        let mut state = self.world.lock();
        let Some((_, value)) = state.units.iter_mut().find(|(at, _)| *at == (unit, selector)) else {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        };
        match query {
            Query::Len => data.copy_from_slice(&(value.len() as u16).to_le_bytes()),
            Query::Get => data.copy_from_slice(value),
            Query::Set => value.copy_from_slice(data),
        }
        Ok(())
    }
}

/// Changes a few pixels, as noise does, and fills in telemetry where there is room for it.
fn paint(bytes: &mut [u8], picture: u32, (width, height): (u32, u32), stuck: bool) {
    let rows = if (width, height) == (160, 122) { 120 } else { height };
    let pixels = (width * rows) as usize * 2;
    for i in 0..8u32 {
        let at = (picture.wrapping_mul(2_654_435_761).wrapping_add(i * 97) as usize % (pixels / 2)) * 2;
        bytes[at..at + 2].copy_from_slice(&(29_500 + (picture + i) as u16 % 100).to_le_bytes());
    }
    bytes[..4].copy_from_slice(&picture.to_le_bytes());
    if rows != height {
        let row = &mut bytes[pixels..];
        let mut word = |i: usize, value: u16| row[i * 2..i * 2 + 2].copy_from_slice(&value.to_le_bytes());
        let counter = if stuck { 7 } else { picture };
        let words = [(0, 14), (1, 0), (2, 900), (3, 3 << 4), (20, counter as u16), (21, (counter >> 16) as u16)];
        words.into_iter().for_each(|(i, value)| word(i, value));
        [(24, 30_465), (208, 1), (209, 1)].into_iter().for_each(|(i, value)| word(i, value));
    }
}
