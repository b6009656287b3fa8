//! A camera of the scripted machine behind the pipeline that ships, on simulated time.
//!
//! Only the capture thread moves the simulated clock. It waits at a [`Gate`] while a test changes the
//! machine or reads the counters, so that every run gives the same numbers.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use heatmark::clock::SharedClock;
use heatmark::error::Result;
use heatmark::frame::{Frame, FrameFormat};
use heatmark::pipeline::{self, Feed, Infer, Input, Parts, Policy, SharedStatus, Stamps, Summary, build};
use heatmark::result::FrameResult;
use heatmark::source::scripted::FORMAT;
use heatmark::source::v4l::selector::Selector;
use heatmark::source::v4l::supervisor::Supervisor;
use heatmark::source::{Open, Read, Settings, Source};
use heatmark::status::{Counts, Snapshot, Status};
use heatmark::stop;
use heatmark::units::Nanos;

use super::world::World;

/// Real time after which a pipeline that does not reach the gate has failed.
const REAL_LIMIT: Duration = Duration::from_secs(600);

/// The supervisor of the camera `spec` on `world`.
pub fn supervisor(world: &World, spec: &str, settings: &Settings) -> Supervisor {
    let bus = Box::new(world.clone());
    Supervisor::new(bus, Selector::parse(spec).unwrap(), settings.clone(), world.clock())
}

/// Frames that came in a span of time.
#[derive(Debug, PartialEq)]
pub struct Seen {
    /// Whole frames.
    pub whole: u64,
    /// Short and damaged frames.
    pub other: u64,
    /// When the first whole frame came, from the beginning of the span.
    pub first: Option<Duration>,
}

/// Whole frames that the pipeline has captured.
pub fn whole(counts: &Counts) -> u64 {
    counts.captured - counts.dropped.driver - counts.dropped.corrupt
}

/// True where the capture thread shall wait for the test.
type Condition = Box<dyn FnMut(&SharedStatus) -> bool + Send>;

/// Where the capture thread waits for the test before it opens or reads the camera.
struct Gate {
    clock: SharedClock,
    status: OnceLock<Arc<SharedStatus>>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The capture thread goes on until this time, or until the condition holds.
    until: Nanos,
    condition: Option<Condition>,
    waiting: bool,
    over: bool,
    /// Whole frames when it last went on, and when the next one came.
    before: u64,
    first: Option<Nanos>,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> &SharedStatus {
        self.status.get().expect("the pipeline is built before it runs")
    }

    /// Called by the capture thread; false where the run is over.
    fn pass(&self) -> bool {
        let mut state = self.lock();
        if state.first.is_none() && whole(&self.status().counts()) > state.before {
            state.first = self.status().last_arrival();
        }
        while !state.over {
            let met = state.condition.as_mut().is_some_and(|holds| holds(self.status()));
            if !met && self.clock.now() < state.until {
                return true;
            }
            (state.waiting, state.condition) = (true, None);
            self.changed.notify_all();
            while state.waiting {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        false
    }

    fn end(&self) {
        let mut state = self.lock();
        (state.over, state.waiting) = (true, false);
        self.changed.notify_all();
    }
}

/// Opens the camera behind the gate.
struct Gated {
    supervisor: Supervisor,
    gate: Arc<Gate>,
}

impl Open for Gated {
    fn open(&mut self) -> Result<Box<dyn Source>> {
        let source = if self.gate.pass() { Some(self.supervisor.open()?) } else { None };
        Ok(Box::new(Behind { source, gate: Arc::clone(&self.gate) }))
    }

    fn stall_limit(&self) -> Option<Duration> {
        self.supervisor.stall_limit()
    }
}

/// The open camera, which ends when the test does.
struct Behind {
    source: Option<Box<dyn Source>>,
    gate: Arc<Gate>,
}

impl Source for Behind {
    fn name(&self) -> &str {
        self.source.as_ref().map_or("ended", |source| source.name())
    }

    fn format(&self) -> FrameFormat {
        self.source.as_ref().map_or(FORMAT, |source| source.format())
    }

    fn read(&mut self, into: &mut Frame, wait: Duration) -> Result<Read> {
        match &mut self.source {
            Some(source) if self.gate.pass() => source.read(into, wait),
            _ => Ok(Read::End),
        }
    }
}

/// Checks what every frame must keep. As slow as a small board, so that most frames are superseded.
struct Check {
    last: Option<u64>,
}

impl Infer for Check {
    fn infer(&mut self, frame: &Frame, _: &mut FrameResult) -> Result<()> {
        thread::sleep(Duration::from_millis(1));
        assert_eq!(frame.pixels.len(), frame.format.pixels(), "only whole frames are passed on");
        assert!(frame.meta.captured <= frame.meta.received, "captured in the future");
        assert!(self.last.is_none_or(|last| frame.meta.seq > last), "numbers rise, also over a reopening");
        self.last = Some(frame.meta.seq);
        Ok(())
    }
}

/// A pipeline that runs.
pub struct Running {
    gate: Arc<Gate>,
    thread: Option<JoinHandle<Result<Summary>>>,
    _stopper: stop::Stopper,
}

impl Running {
    /// Starts the pipeline as it ships on the camera `spec` of `world`. The camera is opened when time first
    /// goes on.
    pub fn start(world: &World, spec: &str, settings: &Settings) -> Self {
        Self::start_with(world, spec, settings, pipeline::Settings::default())
    }

    /// The same with other settings of the pipeline.
    pub fn start_with(world: &World, spec: &str, settings: &Settings, path: pipeline::Settings) -> Self {
        let state = State { until: Nanos(0), condition: None, waiting: false, over: false, before: 0, first: None };
        let gate = Arc::new(Gate {
            clock: world.clock(),
            status: OnceLock::new(),
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let feed = Feed::opener(Gated { supervisor: supervisor(world, spec, settings), gate: Arc::clone(&gate) });
        let parts = Parts {
            input: Input::new(feed, Stamps::Live, Policy::Live, world.clock()),
            engine: Box::new(Check { last: None }),
            draw: None,
            serialise: None,
            sinks: Vec::new(),
            settings: path,
        };
        let pipeline = build(parts).unwrap();
        assert!(gate.status.set(pipeline.status()).is_ok());
        let (stopper, stop) = stop::pair();
        let thread = Some(thread::spawn(move || pipeline.run(&stop)));
        let running = Self { gate, thread, _stopper: stopper };
        drop(running.arrive());
        running
    }

    /// Waits until the capture thread stands at the gate.
    fn arrive(&self) -> MutexGuard<'_, State> {
        let began = Instant::now();
        let mut state = self.gate.lock();
        while !state.waiting {
            let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            assert!(!ended, "the pipeline has ended: {:?}", self.snapshot().source_error);
            assert!(began.elapsed() < REAL_LIMIT, "the pipeline hangs");
            let wait = self.gate.changed.wait_timeout(state, Duration::from_millis(100));
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    fn go_on(&self, time: Duration, condition: Option<Condition>) {
        let mut state = self.gate.lock();
        state.until = self.gate.clock.now() + time;
        (state.condition, state.waiting) = (condition, false);
        (state.before, state.first) = (whole(&self.counts()), None);
        self.gate.changed.notify_all();
        drop(state);
        drop(self.arrive());
    }

    /// Lets `time` pass. A pause before the camera is opened again is not cut short.
    pub fn run_for(&self, time: Duration) -> Seen {
        let (start, before) = (self.gate.clock.now(), self.counts());
        self.go_on(time, None);
        let after = self.counts();
        Seen {
            whole: whole(&after) - whole(&before),
            other: after.dropped.corrupt - before.dropped.corrupt,
            first: self.gate.lock().first.map(|at| at.since(start)),
        }
    }

    /// Lets time pass until `condition` holds between two frames; how long that took, `None` past `limit`.
    pub fn run_until(
        &self,
        limit: Duration,
        condition: impl FnMut(&SharedStatus) -> bool + Send + 'static,
    ) -> Option<Duration> {
        let start = self.gate.clock.now();
        self.go_on(limit, Some(Box::new(condition)));
        Some(self.gate.clock.now().since(start)).filter(|took| *took < limit)
    }

    /// The pipeline's counters.
    pub fn counts(&self) -> Counts {
        self.gate.status().counts()
    }

    /// All that the pipeline reports.
    pub fn snapshot(&self) -> Snapshot {
        self.gate.status().snapshot()
    }

    /// The format of the camera.
    pub fn format(&self) -> FrameFormat {
        self.snapshot().format.expect("the camera was opened")
    }

    /// Ends the camera and joins the pipeline. Every frame must be accounted for.
    pub fn finish(mut self) -> Snapshot {
        self.gate.end();
        let ended = self.thread.take().map(JoinHandle::join);
        let snapshot = ended.expect("it runs").expect("no panic").expect("no error").snapshot;
        let Counts { captured, presented, in_flight, dropped } = snapshot.counts;
        assert_eq!((captured, in_flight), (presented + dropped.sum(), 0), "{dropped:?}");
        snapshot
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After a failed assertion the threads end by themselves.
        self.gate.end();
    }
}
