//! Three threads joined by two links: capture → infer → output.
//!
//! [`build`] takes the parts; [`Pipeline::run`] starts the threads, waits and joins them in path
//! order. Everything that differs between a camera, a replay and a test is passed in: the source,
//! the engine, the sinks, the policy and the clock.
//!
//! | Policy             | Links       | Time of a frame               | Lost frames           |
//! |--------------------|-------------|-------------------------------|-----------------------|
//! | [`Policy::Live`]   | newest-wins | the driver's, or as recorded  | counted, by reason    |
//! | [`Policy::Paced`]  | blocking    | as recorded                   | none                  |
//! | [`Policy::Every`]  | blocking    | the recording's own stamps    | none                  |
//!
//! A thread that ends, for any reason, drops its links; its neighbours notice and end too. No thread
//! blocks without a time limit, and none allocates per frame after it has seen the largest format.

pub mod handoff;
pub mod latency;
pub mod settings;
pub mod stats;
pub mod status;

mod capture;
mod infer;
mod output;
mod pool;

use std::any::Any;
use std::convert::Infallible;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use self::capture::Capture;
use self::handoff::{every, newest};
use self::infer::Inference;
use self::output::OutputThread;
pub use self::settings::Settings;
pub use self::status::{SharedStatus, Summary};
use crate::clock::{RealClock, SharedClock};
use crate::error::{Error, Result};
use crate::face::Engine;
use crate::frame::Frame;
use crate::picture::Canvas;
use crate::result::FrameResult;
use crate::sink::Sink;
use crate::source::demo;
use crate::source::paired::{Paired, Single};
use crate::source::{self, Open, Source};
pub use crate::status::Policy;
use crate::status::Status;
use crate::stop::Stop;
use crate::units::Nanos;

/// The clock of [`crate::frame::FrameMeta::captured`] in the frames of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamps {
    /// The pipeline's clock: a camera or a live scene.
    Live,
    /// The recording's clock, with any origin.
    Recorded,
}

/// Where the source comes from.
pub enum Feed {
    /// A source that is opened when the pipeline starts and reopened, with growing pauses, after errors.
    Opener(Box<dyn Open>),
    /// A source that is already open; any error from it ends the run.
    Once(Option<Box<dyn Source>>),
}

impl Feed {
    /// A source that is already open.
    pub fn once(source: impl Source + 'static) -> Self {
        Feed::Once(Some(Box::new(source)))
    }

    /// A source that can be reopened.
    pub fn opener(open: impl Open + 'static) -> Self {
        Feed::Opener(Box::new(open))
    }

    fn can_reopen(&self) -> bool {
        matches!(self, Feed::Opener(_))
    }

    /// How long the open source may deliver nothing before it is reopened.
    fn stall_limit(&self) -> Option<Duration> {
        match self {
            Feed::Opener(opener) => opener.stall_limit(),
            Feed::Once(_) => None,
        }
    }

    fn open(&mut self) -> Result<Box<dyn Source>> {
        match self {
            Feed::Opener(opener) => opener.open(),
            Feed::Once(source) => source.take().ok_or_else(|| Error::fatal("source", "cannot be opened twice")),
        }
    }
}

/// The source of frames, the clock of their stamps, and the status that counts them.
pub struct Input {
    /// The source, already open or to be opened.
    pub feed: Feed,
    /// The clock of its stamps.
    pub stamps: Stamps,
    /// The status of this input's pipeline, with its clock and policy.
    pub status: Arc<SharedStatus>,
}

impl Input {
    /// An input with a new status.
    pub fn new(feed: Feed, stamps: Stamps, policy: Policy, clock: SharedClock) -> Self {
        Self { feed, stamps, status: SharedStatus::new(clock, policy) }
    }

    /// The input that `spec` names. The pipeline opens a live source itself and reopens it whenever it
    /// fails; a recording is opened now and its frames are passed on by the policy `recorded`.
    ///
    /// # Errors
    /// Those of [`source::live`] and [`source::open`].
    pub fn open(spec: &str, settings: &source::Settings, recorded: Policy) -> Result<Self> {
        let clock = RealClock::shared();
        match source::live(spec, settings, &clock)? {
            Some(open) => Ok(Self::new(Feed::Opener(open), Stamps::Live, Policy::Live, clock)),
            None => Self::recording(spec, settings, recorded),
        }
    }

    /// A recording, a picture, a folder of pictures, or `demo`, opened now.
    ///
    /// # Errors
    /// Those of [`source::open`].
    pub fn recording(spec: &str, settings: &source::Settings, policy: Policy) -> Result<Self> {
        let clock = RealClock::shared();
        let source = source::open(spec, settings, &clock)?;
        Ok(Self::new(Feed::Once(Some(source)), Stamps::Recorded, policy, clock))
    }

    /// The built-in pair, opened now.
    ///
    /// # Errors
    /// `Fatal` or `Fix` if it was damaged before the build.
    pub fn demo_pair(settings: &source::Settings, policy: Policy) -> Result<Self> {
        let source = demo::open_pair(settings)?;
        Ok(Self::new(Feed::once(source), Stamps::Recorded, policy, RealClock::shared()))
    }

    /// Recordings of one scene, thermal, in visible light, or both, opened now.
    ///
    /// # Errors
    /// Those of [`source::open`]; `Fix` if none is given or the visible one is empty.
    pub fn pair(
        thermal: Option<&str>,
        visible: Option<&str>,
        settings: &source::Settings,
        policy: Policy,
    ) -> Result<Self> {
        let clock = RealClock::shared();
        let plain = source::Settings { signal: None, largest: source::Largest::VISIBLE, ..settings.clone() };
        let thermal = thermal.map(|spec| source::open(spec, settings, &clock)).transpose()?;
        let visible = visible.map(|spec| source::open(spec, &plain, &clock)).transpose()?;
        let feed = match (thermal, visible) {
            (Some(thermal), Some(visible)) => Feed::once(Paired::new(thermal, visible)?),
            (Some(thermal), None) => Feed::once(Single::thermal(thermal)),
            (None, Some(visible)) => Feed::once(Single::visible(visible)),
            (None, None) => return Err(Error::fix("recording", "none is given, wanted a thermal or a visible one")),
        };
        Ok(Self::new(feed, Stamps::Recorded, policy, clock))
    }
}

/// Finds the faces or follows the targets in a frame.
pub trait Infer: Send {
    /// Adds faces or targets to `out`. It arrives without both and with everything else but the latency filled in;
    /// its state is [`crate::result::StreamState::Ffc`] if the shutter hides or disturbs the scene.
    ///
    /// Never allocates after warm-up. A `Retry` error is counted and the frame continues without faces;
    /// any other error ends the pipeline.
    ///
    /// # Errors
    /// Those of the networks.
    fn infer(&mut self, frame: &Frame, out: &mut FrameResult) -> Result<()>;
}

impl Infer for Engine {
    fn infer(&mut self, frame: &Frame, out: &mut FrameResult) -> Result<()> {
        self.find(frame, out)
    }
}

/// Draws the overlay.
pub trait Draw: Send {
    /// Draws `result` over `frame`, as of `now`, into `canvas`, which still holds the last picture.
    /// `frame` is `None` while there is no signal.
    fn draw(&mut self, frame: Option<&Frame>, result: &FrameResult, now: Nanos, canvas: &mut Canvas);
}

/// Appends a result to a string as one line of JSON without a newline.
pub type Serialise = fn(&FrameResult, &mut String);

/// The parts of a pipeline.
pub struct Parts {
    /// Where frames come from.
    pub input: Input,
    /// Finds faces in them.
    pub engine: Box<dyn Infer>,
    /// Draws the overlay; `None` if there is no display.
    pub draw: Option<Box<dyn Draw>>,
    /// Serialises results to JSON; `None` if no sink wants it.
    pub serialise: Option<Serialise>,
    /// The outputs, served in this order. Without sinks, results are counted and dropped.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Limits, buffers and pauses.
    pub settings: Settings,
}

/// A pipeline that is not running yet.
pub struct Pipeline {
    parts: Parts,
}

/// Checks the settings and assembles the parts. Opens and starts nothing.
///
/// # Errors
/// [`Error::fix`] names the setting that is out of range.
pub fn build(parts: Parts) -> Result<Pipeline> {
    parts.settings.validate()?;
    Ok(Pipeline { parts })
}

/// How often the calling thread checks for a stop and for threads that have ended.
const WATCH_PERIOD: Duration = Duration::from_millis(100);

impl Pipeline {
    /// The counters; can be read during and after the run.
    pub fn status(&self) -> Arc<SharedStatus> {
        Arc::clone(&self.parts.input.status)
    }

    /// Runs on three threads until the source ends, a stop is requested or an unrecoverable error
    /// occurs; returns when every thread has been joined.
    ///
    /// # Errors
    /// The first error of a thread, in path order: capture, infer, output.
    pub fn run(self, stop: &Stop) -> Result<Summary> {
        self.watch(stop, Duration::MAX, |_| {})
    }

    /// Like [`Self::run`], and also calls `see` about every `period` on the calling thread, for a status
    /// line or a watchdog.
    ///
    /// # Errors
    /// Those of [`Self::run`].
    pub fn watch(self, stop: &Stop, period: Duration, mut see: impl FnMut(&SharedStatus)) -> Result<Summary> {
        let status = self.status();
        let limit = Duration::from_millis(self.parts.settings.stop_ms);
        let (threads, ended) = self.start(stop)?;
        let (mut seen, mut stopping) = (Instant::now(), None);
        while ended.recv_timeout(WATCH_PERIOD.min(period)) == Err(RecvTimeoutError::Timeout) {
            if seen.elapsed() >= period {
                seen = Instant::now();
                see(&status);
            }
            if stop.asked() || threads.must_end() {
                let since = *stopping.get_or_insert_with(Instant::now);
                if since.elapsed() > limit {
                    break;
                }
            }
        }
        let sink_errors = threads.join(limit)?;
        Ok(Summary { snapshot: status.snapshot(), sink_errors })
    }

    fn start(self, stop: &Stop) -> Result<(Threads, Receiver<Infallible>)> {
        let Parts { input, engine, draw, serialise, sinks, settings } = self.parts;
        let Input { feed, stamps, status } = input;
        let blocks = status.policy.loses_nothing();
        let (to_infer, from_capture) = if blocks { every() } else { newest() };
        let (to_output, from_infer) = if blocks { every() } else { newest() };

        let capture = Capture::new(feed, stamps, &settings, &status, to_infer, stop);
        let infer = Inference::new(engine, settings.faces, &status, from_capture, to_output, stop);
        let output = OutputThread::new(sinks, draw, serialise, &settings, &status, from_infer, stop);

        // Start output first: if a later thread fails to start, the sinks are still finished.
        let (alive, ended) = bounded(1);
        let output = spawn("output", &alive, move || output.run())?;
        let infer = spawn("infer", &alive, move || infer.run())?;
        let capture = spawn("capture", &alive, move || capture.run())?;
        Ok((Threads { capture, infer, output }, ended))
    }
}

struct Threads {
    capture: JoinHandle<Result<()>>,
    infer: JoinHandle<Result<()>>,
    output: JoinHandle<Result<Vec<Error>>>,
}

impl Threads {
    /// True if a thread later in the path has ended, so that the threads before it must end too.
    /// (If only capture has ended, the clip is over; the frames left are processed, however long it takes.)
    fn must_end(&self) -> bool {
        self.output.is_finished() || (self.infer.is_finished() && !self.capture.is_finished())
    }

    /// Joins in path order. Returns the first error of a thread, or the errors of single sinks.
    fn join(self, limit: Duration) -> Result<Vec<Error>> {
        let capture = join("capture", self.capture, limit);
        let infer = join("infer", self.infer, limit);
        let output = join("output", self.output, limit);
        capture?;
        infer?;
        output
    }
}

/// Starts a thread that holds `alive` until it ends.
fn spawn<T: Send + 'static>(
    name: &str,
    alive: &Sender<Infallible>,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<JoinHandle<Result<T>>> {
    let alive = alive.clone();
    let run = move || {
        let _alive = alive;
        work()
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|e| Error::fatal(format_args!("thread {name}"), "cannot be started").because(e))
}

/// Joins a thread that has ended; abandons it if `limit` has passed.
fn join<T>(name: &str, handle: JoinHandle<Result<T>>, limit: Duration) -> Result<T> {
    let subject = format!("thread {name}");
    // Every thread has dropped its token by now, unless the limit has passed; then it gets a short grace.
    let grace = Instant::now();
    while !handle.is_finished() {
        if grace.elapsed() > WATCH_PERIOD {
            let ms = limit.as_millis();
            return Err(Error::fatal(subject, format_args!("did not stop within {ms} ms and was given up")));
        }
        thread::sleep(Duration::from_millis(1));
    }
    match handle.join() {
        Ok(ended) => ended,
        Err(panic) => Err(Error::fatal(subject, format_args!("panicked: {}", message(&*panic)))),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
