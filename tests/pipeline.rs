//! The assembled pipeline with scripted sources, engines and sinks on real threads.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use heatmark::bench::alloc;
use heatmark::clock::{RealClock, SharedClock, SimulatedClock};
use heatmark::error::{Error, Remedy, Result};
use heatmark::frame::{FfcState, Frame, FrameFormat, Signal};
use heatmark::landmarks::COUNT;
use heatmark::picture::Canvas;
use heatmark::pipeline::{
    Draw, Feed, Infer, Input, Parts, Pipeline, Policy, Settings, SharedStatus, Stamps, Summary, build,
};
use heatmark::result::DropReason;
use heatmark::result::{Face, FrameResult, Landmark, StreamState};
use heatmark::sink::{Output, Sink, Wants};
use heatmark::source::{Open, Read, Source};
use heatmark::status::{Counts, Snapshot, Status};
use heatmark::stop::{self, Stop, Stopper};
use heatmark::units::Nanos;
use proptest::test_runner::{Config, TestRunner};

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

const FORMAT: FrameFormat = FrameFormat { width: 16, height: 12, signal: Signal::CENTIKELVIN, rate_hz: 9.0 };
const FOREVER: u64 = u64::MAX;
/// No test waits longer than this for what must happen soon.
const SOON: Duration = Duration::from_secs(20);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What a scripted source does instead of sending a frame.
enum Event {
    Fail(Remedy),
    Gap(u64),
    Corrupt,
    Ffc(FfcState),
    Panic,
}

/// A source of `frames` frames, one every `period` of its clock, stamped by it or at `stamps`.
struct Scripted {
    clock: SharedClock,
    period: Duration,
    frames: u64,
    seq: u64,
    sent: u64,
    stamps: Option<Vec<u64>>,
    /// (frames sent before, what happens then)
    script: VecDeque<(u64, Event)>,
    then: Read,
    produced: Arc<AtomicU64>,
    /// Allocations of the capture thread at each frame, where wanted.
    allocations: Option<Arc<Mutex<Vec<u64>>>>,
}

fn source(clock: &SharedClock, frames: u64, period: Duration) -> Scripted {
    Scripted {
        clock: Arc::clone(clock),
        period,
        frames,
        seq: 0,
        sent: 0,
        stamps: None,
        script: VecDeque::new(),
        then: Read::End,
        produced: Arc::default(),
        allocations: None,
    }
}

impl Source for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn format(&self) -> FrameFormat {
        FORMAT
    }

    fn read(&mut self, into: &mut Frame, wait: Duration) -> Result<Read> {
        if self.sent == self.frames {
            self.clock.sleep(wait.min(ms(1)));
            return Ok(self.then);
        }
        if !self.period.is_zero() {
            self.clock.sleep(self.period);
        }
        into.reshape(FORMAT);
        into.meta.ffc = FfcState::Idle;
        into.pixels.fill((self.seq % 1000) as u16);
        while self.script.front().is_some_and(|(at, _)| *at <= self.sent) {
            match self.script.pop_front().unwrap().1 {
                Event::Fail(act) => return Err(Error::new(act, "scripted", "failed as scripted")),
                Event::Gap(n) => self.seq += n,
                Event::Corrupt => into.pixels.truncate(5),
                Event::Ffc(state) => into.meta.ffc = state,
                Event::Panic => panic!("source as scripted"),
            }
        }
        into.meta.seq = self.seq;
        into.meta.captured = match &self.stamps {
            Some(stamps) => Nanos(stamps[self.sent as usize] * 1_000_000),
            None => self.clock.now(),
        };
        (self.seq, self.sent) = (self.seq + 1, self.sent + 1);
        self.produced.fetch_add(1, SeqCst);
        if let Some(log) = &self.allocations {
            log.lock().unwrap().push(alloc::on_this_thread().count);
        }
        Ok(Read::Frame)
    }
}

/// Finds `seq % 3` faces whose places follow from the pixels.
#[derive(Default)]
struct Engine {
    delay: Duration,
    panics_at: Option<u64>,
    fails_at: Option<(u64, Remedy)>,
    allocations: Option<Arc<Mutex<Vec<u64>>>>,
}

impl Infer for Engine {
    fn infer(&mut self, frame: &Frame, out: &mut FrameResult) -> Result<()> {
        if !self.delay.is_zero() {
            thread::sleep(self.delay);
        }
        assert!(self.panics_at.is_none_or(|at| out.seq < at), "engine as scripted");
        assert!(out.faces.is_empty());
        for track in 0..out.seq % 3 {
            let point = Landmark { x: f32::from(frame.pixels[0]), y: track as f32, confidence: 1.0 };
            let mut face = Face::new(track);
            (face.score, face.presence, face.landmarks) = (1.0, 1.0, [point; COUNT]);
            out.faces.push(face);
        }
        if let Some(log) = &self.allocations {
            log.lock().unwrap().push(alloc::on_this_thread().count);
        }
        match self.fails_at {
            Some((seq, act)) if seq == out.seq => Err(Error::new(act, "engine", "failed as scripted")),
            _ => Ok(()),
        }
    }
}

/// What a sink was given.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    seq: u64,
    state: StreamState,
    captured: Nanos,
    faces: usize,
    frame: bool,
    at: Nanos,
    total_us: u64,
}

type Book = Arc<Mutex<Vec<Seen>>>;

struct Collect {
    name: &'static str,
    clock: SharedClock,
    book: Book,
    bytes: Arc<Mutex<Vec<u8>>>,
    wants: Wants,
    delay: Duration,
    fails_at: Option<u64>,
    panics_at: Option<u64>,
    keeps: usize,
    kept: VecDeque<Arc<Frame>>,
    finished: Arc<AtomicU64>,
    allocations: Option<Arc<Mutex<Vec<u64>>>>,
}

fn collect(clock: &SharedClock) -> Collect {
    Collect {
        name: "collect",
        clock: Arc::clone(clock),
        book: Arc::new(Mutex::new(Vec::with_capacity(4096))),
        bytes: Arc::default(),
        wants: Wants::default(),
        delay: Duration::ZERO,
        fails_at: None,
        panics_at: None,
        keeps: 0,
        kept: VecDeque::new(),
        finished: Arc::default(),
        allocations: None,
    }
}

impl Sink for Collect {
    fn name(&self) -> &str {
        self.name
    }

    fn wants(&self) -> Wants {
        self.wants
    }

    fn put(&mut self, out: &Output<'_>) -> Result<()> {
        if !self.delay.is_zero() {
            thread::sleep(self.delay);
        }
        let r = out.result;
        assert!(self.panics_at.is_none_or(|at| r.seq < at), "sink as scripted");
        if self.fails_at.is_some_and(|at| r.seq >= at) {
            return Err(Error::retry(self.name, "failed as scripted"));
        }
        if let Some(frame) = out.frame.filter(|_| self.keeps > 0) {
            self.kept.push_back(Arc::clone(frame));
            if self.kept.len() > self.keeps {
                self.kept.pop_front();
            }
        }
        assert_eq!((out.json.is_some(), out.picture.is_some()), (self.wants.json, self.wants.picture));
        let mut bytes = self.bytes.lock().unwrap();
        bytes.extend_from_slice(out.json.unwrap_or_default().as_bytes());
        bytes.extend_from_slice(out.picture.map_or(&[], |p| &p.rgb));
        self.book.lock().unwrap().push(Seen {
            seq: r.seq,
            state: r.state,
            captured: r.captured,
            faces: r.faces.len(),
            frame: out.frame.is_some(),
            at: self.clock.now(),
            total_us: r.latency.total_us,
        });
        if let Some(log) = &self.allocations {
            log.lock().unwrap().push(alloc::on_this_thread().count);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.finished.fetch_add(1, SeqCst);
        Ok(())
    }
}

/// Paints everything that could differ between two runs.
struct Painter;

impl Draw for Painter {
    fn draw(&mut self, frame: Option<&Frame>, result: &FrameResult, now: Nanos, canvas: &mut Canvas) {
        (canvas.width, canvas.height) = (8, 1);
        canvas.rgb.clear();
        canvas.rgb.extend_from_slice(&now.0.to_le_bytes());
        canvas.rgb.extend_from_slice(&result.latency.total_us.to_le_bytes());
        canvas.rgb.extend_from_slice(&frame.map_or(0, |f| u64::from(f.pixels[0])).to_le_bytes());
    }
}

fn serialise(r: &FrameResult, to: &mut String) {
    let points = r.faces.iter().map(|f| f.landmarks[0].x + f.landmarks[0].y).sum::<f32>();
    let _ = writeln!(to, "{} {} {:?} {points} {:?} {:?}", r.seq, r.captured.0, r.state, r.latency, r.dropped);
}

fn parts(source: Feed, engine: Engine, sink: Collect) -> Parts {
    Parts {
        input: Input::new(source, Stamps::Live, Policy::Live, RealClock::shared()),
        engine: Box::new(engine),
        draw: Some(Box::new(Painter)),
        serialise: Some(serialise),
        sinks: vec![Box::new(sink)],
        settings: Settings { backoff_min_ms: 10, ..Settings::default() },
    }
}

/// With stamps of the recording's own.
fn recorded(mut parts: Parts) -> Parts {
    parts.input.stamps = Stamps::Recorded;
    parts
}

fn pipeline(mut parts: Parts, policy: Policy, clock: &SharedClock) -> Pipeline {
    parts.input.status = SharedStatus::new(Arc::clone(clock), policy);
    build(parts).unwrap()
}

fn run(parts: Parts, policy: Policy, clock: &SharedClock) -> Result<Summary> {
    let (_stopper, stop) = stop::pair();
    pipeline(parts, policy, clock).run(&stop)
}

/// A pipeline on a thread of its own; dropping `stopper` stops it.
struct Running {
    status: Arc<SharedStatus>,
    stopper: Option<Stopper>,
    thread: thread::JoinHandle<Result<Summary>>,
}

fn start(parts: Parts, policy: Policy, clock: &SharedClock) -> Running {
    let (stopper, stop) = stop::pair();
    let pipeline = pipeline(parts, policy, clock);
    let status = pipeline.status();
    Running { status, stopper: Some(stopper), thread: thread::spawn(move || pipeline.run(&stop)) }
}

impl Running {
    fn end(mut self) -> Result<Summary> {
        drop(self.stopper.take());
        self.thread.join().unwrap()
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < SOON, "never came: {what}");
        thread::sleep(ms(1));
    }
}

/// Frames there can be between the source and the sinks: one in each thread and each link.
const HANDS: u64 = 5;

fn check_identity(c: &Counts) {
    assert_eq!(c.captured, c.presented + c.dropped.sum() + c.in_flight, "{c:?}");
    assert!(c.in_flight <= HANDS, "{c:?}");
}

/// Runs to its end or until `stop_after`, looking at the counters all the time.
fn watched(parts: Parts, policy: Policy, stop_after: Duration) -> (Result<Summary>, Counts) {
    let (stopper, stop) = stop::pair();
    let mut stopper = Some(stopper);
    let pipeline = pipeline(parts, policy, &RealClock::shared());
    let status = pipeline.status();
    let began = Instant::now();
    let ended = thread::scope(|s| {
        let run = s.spawn(|| pipeline.run(&stop));
        while !run.is_finished() {
            check_identity(&status.counts());
            if began.elapsed() >= stop_after {
                drop(stopper.take());
            }
            thread::sleep(Duration::from_micros(50));
        }
        run.join().unwrap()
    });
    assert!(began.elapsed() < stop_after.saturating_add(SOON));
    let counts = status.counts();
    check_identity(&counts);
    assert_eq!(counts.in_flight, 0, "nothing is on its way after the end");
    (ended, counts)
}

fn seqs(book: &Book) -> Vec<u64> {
    book.lock().unwrap().iter().map(|seen| seen.seq).collect()
}

#[test]
fn slow_inference_and_slow_sinks_lose_frames_that_are_counted() {
    let clock = RealClock::shared();
    for (engine_ms, sink_ms, reason) in [(6, 0, DropReason::Superseded), (0, 6, DropReason::SinkBehind)] {
        let source = source(&clock, 150, ms(1));
        let produced = Arc::clone(&source.produced);
        let sink = Collect { delay: ms(sink_ms), ..collect(&clock) };
        let book = Arc::clone(&sink.book);
        let engine = Engine { delay: ms(engine_ms), ..Engine::default() };
        let (ended, counts) = watched(parts(Feed::once(source), engine, sink), Policy::Live, Duration::MAX);
        let snapshot = ended.unwrap().snapshot;
        let seqs = seqs(&book);
        assert!(seqs.is_sorted_by(|a, b| a < b), "never out of order");
        assert_eq!(seqs.last(), Some(&149), "the newest is presented before the end");
        assert_eq!((counts.captured, produced.load(SeqCst)), (150, 150));
        assert_eq!(counts.presented, seqs.len() as u64);
        assert!(counts.dropped.get(reason) > 20, "{counts:?}");
        // On a busy machine any thread may be late now and then.
        assert!(counts.dropped.get(reason) * 2 > counts.dropped.sum(), "mostly for this reason: {counts:?}");
        assert_eq!(counts.dropped.superseded + counts.dropped.sink_behind, counts.dropped.sum());
        assert_eq!(snapshot.counts, counts);
        // A frame waits for the one before it at most; a queue would have made it wait for dozens.
        assert!(snapshot.age.p50_us < Some(100_000), "{snapshot}");
    }
}

#[test]
fn the_counts_add_up_whenever_it_stops() {
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let delays = (0u64..400, 0u64..600, 0u64..600);
    let policies = [Policy::Live, Policy::Every, Policy::Paced];
    let cases = (delays, 0u64..15_000, proptest::sample::select(policies.to_vec()), 0u64..30);
    runner
        .run(&cases, |((period, infer, sink), stop_us, policy, gap_at)| {
            let us = Duration::from_micros;
            let clock = RealClock::shared();
            let mut source = source(&clock, FOREVER, us(period));
            source.script.extend([(gap_at, Event::Gap(7)), (gap_at + 3, Event::Corrupt)]);
            let produced = Arc::clone(&source.produced);
            let sink = Collect { delay: us(sink), ..collect(&clock) };
            let (book, finished) = (Arc::clone(&sink.book), Arc::clone(&sink.finished));
            let engine = Engine { delay: us(infer), ..Engine::default() };
            let (ended, counts) = watched(parts(Feed::once(source), engine, sink), policy, us(stop_us));
            ended.unwrap();
            let seqs = seqs(&book);
            assert!(seqs.is_sorted_by(|a, b| a < b));
            assert_eq!(counts.presented, seqs.len() as u64);
            assert_eq!(counts.captured, produced.load(SeqCst) + counts.dropped.driver);
            if policy != Policy::Live {
                assert_eq!(counts.dropped.superseded + counts.dropped.sink_behind + counts.dropped.no_buffer, 0);
            }
            assert_eq!(finished.load(SeqCst), 1, "sinks are finished once");
            Ok(())
        })
        .unwrap();
}

/// A clip with gaps and a corrupt frame, run under `Every` on a clock of its own speed.
fn every_bytes(jitter: u64) -> Vec<u8> {
    let clock = RealClock::shared();
    let mut source = source(&clock, 120, Duration::ZERO);
    source.stamps = Some((0..120).map(|i| 1_000 + i * 111).collect());
    source.script.extend([(10, Event::Gap(3)), (40, Event::Corrupt), (41, Event::Ffc(FfcState::Running))]);
    let sink = Collect {
        wants: Wants { picture: true, json: true, raw: true },
        delay: Duration::from_micros(jitter % 7 * 50),
        ..collect(&clock)
    };
    let (bytes, book) = (Arc::clone(&sink.bytes), Arc::clone(&sink.book));
    let engine = Engine { delay: Duration::from_micros(jitter % 5 * 70), ..Engine::default() };
    let parts = recorded(parts(Feed::once(source), engine, sink));
    let summary = run(parts, Policy::Every, &clock).unwrap();
    assert_eq!((summary.snapshot.counts.captured, summary.snapshot.counts.presented), (123, 119));
    assert_eq!((summary.snapshot.ticks, summary.snapshot.age.count), (0, 0));
    let book = book.lock().unwrap();
    assert_eq!(book.iter().filter(|seen| seen.state == StreamState::Ffc).count(), 1);
    assert!(book.iter().all(|seen| seen.total_us == 0));
    assert_eq!(book[0].captured, Nanos(1_000_000_000), "time is the recording's own");
    bytes.lock().unwrap().clone()
}

#[test]
fn every_gives_the_same_bytes_on_every_run() {
    let first = every_bytes(0);
    assert!(first.len() > 119 * 24);
    for jitter in [3, 13, 19, 32] {
        assert!(every_bytes(jitter) == first, "differs with jitter {jitter}");
    }
}

#[test]
fn paced_presents_every_frame_at_its_recorded_time() {
    let simulated = SimulatedClock::new(Nanos(5_000_000_000));
    let clock: SharedClock = simulated;
    let stamps = vec![70_000, 70_010, 70_110, 70_120, 70_620];
    let mut source = source(&clock, 5, Duration::ZERO);
    source.stamps = Some(stamps.clone());
    let sink = collect(&clock);
    let book = Arc::clone(&sink.book);
    let parts = recorded(parts(Feed::once(source), Engine::default(), sink));
    let summary = run(parts, Policy::Paced, &clock).unwrap();
    assert_eq!(summary.snapshot.counts.presented, 5);
    let book = book.lock().unwrap();
    for (seen, stamp) in book.iter().zip(stamps) {
        let due = Nanos(5_000_000_000 + (stamp - 70_000) * 1_000_000);
        assert_eq!(seen.captured, due);
        assert!(seen.at >= due, "{seen:?} before its time");
    }
}

#[test]
fn live_from_a_recording_behaves_like_a_camera() {
    let clock = RealClock::shared();
    let mut source = source(&clock, 60, Duration::ZERO);
    source.stamps = Some((0..60).map(|i| 900 + i * 3).collect());
    let sink = collect(&clock);
    let book = Arc::clone(&sink.book);
    let engine = Engine { delay: ms(10), ..Engine::default() };
    let parts = recorded(parts(Feed::once(source), engine, sink));
    let began = Instant::now();
    let (ended, counts) = watched(parts, Policy::Live, Duration::MAX);
    assert!(began.elapsed() >= ms(59 * 3), "not before the last frame is due");
    assert_eq!(counts.captured, 60);
    assert!(counts.dropped.superseded > 10, "{counts:?}");
    assert!(ended.unwrap().snapshot.queue.p50_us < Some(100_000), "age counts from the due time");
    assert!(seqs(&book).is_sorted_by(|a, b| a < b));
}

/// An opener that plays one scripted life after the other.
fn lives(clock: &SharedClock, lives: Vec<Result<Scripted>>) -> (Feed, Arc<AtomicU64>) {
    let (opens, count) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&opens);
    let (clock, mut lives) = (Arc::clone(clock), VecDeque::from(lives));
    let open = move || -> Result<Box<dyn Source>> {
        counted.fetch_add(1, SeqCst);
        let mut life = lives.pop_front().unwrap_or_else(|| Ok(source(&clock, 0, Duration::ZERO)))?;
        life.produced = Arc::clone(&count);
        Ok(Box::new(life))
    };
    (Feed::opener(open), opens)
}

fn failing_after(clock: &SharedClock, frames: u64, act: Remedy) -> Scripted {
    let mut life = source(clock, FOREVER, ms(2));
    life.script.push_back((frames, Event::Fail(act)));
    life
}

#[test]
fn a_camera_is_opened_again_with_growing_pauses() {
    let clock: SharedClock = SimulatedClock::new(Nanos(1));
    let (feed, opens) = lives(
        &clock,
        vec![
            Err(Error::retry("scripted", "away")),
            Err(Error::retry("scripted", "away")),
            Ok(failing_after(&clock, 5, Remedy::Retry)),
            Err(Error::fix("scripted", "no permission, for a moment")),
            Ok(source(&clock, 5, ms(2))),
        ],
    );
    let sink = collect(&clock);
    let book = Arc::clone(&sink.book);
    let mut parts = parts(feed, Engine::default(), sink);
    parts.settings.backoff_min_ms = 100;
    // Ticks would show up in the book: simulated time flies while the source is away.
    (parts.settings.stale_ms, parts.settings.no_signal_ms) = (600_000, 600_000);
    let summary = run(parts, Policy::Live, &clock).unwrap();
    assert_eq!((opens.load(SeqCst), summary.snapshot.reopened), (5, 4));
    assert_eq!(summary.snapshot.source_error, None);
    let seqs = seqs(&book);
    assert!(seqs.is_sorted_by(|a, b| a < b), "numbers rise over a reopening: {seqs:?}");
    assert_eq!(seqs.last(), Some(&9));
    assert_eq!(summary.snapshot.counts.captured, 10);
    // 100 and 200 before the first frame, 100 and 100 after the two failures that followed.
    assert!(clock.now() >= Nanos(500_000_000), "{:?}", clock.now());
}

#[test]
fn errors_that_opening_again_cannot_mend_end_the_run() {
    let clock: SharedClock = SimulatedClock::new(Nanos(1));
    let again = |first: Result<Scripted>| lives(&clock, vec![first]).0;
    let cases = [
        (
            "cannot be mended at the start",
            again(Err(Error::fix("scripted", "no permission"))),
            Policy::Live,
            Remedy::Fix,
        ),
        ("fatal", again(Ok(failing_after(&clock, 3, Remedy::Fatal))), Policy::Live, Remedy::Fatal),
        ("a clip must be whole", again(Ok(failing_after(&clock, 3, Remedy::Retry))), Policy::Every, Remedy::Retry),
        ("cannot be opened again", Feed::once(failing_after(&clock, 3, Remedy::Retry)), Policy::Live, Remedy::Retry),
    ];
    for (why, feed, policy, act) in cases {
        let sink = collect(&clock);
        let finished = Arc::clone(&sink.finished);
        let error = run(parts(feed, Engine::default(), sink), policy, &clock).expect_err(why);
        assert_eq!((error.remedy(), error.subject()), (act, "scripted"), "{why}");
        assert_eq!(finished.load(SeqCst), 1, "{why}: sinks are finished all the same");
    }
}

/// An opener whose sources are opened again after a silence of one second.
struct Limited(Box<dyn Open>);

impl Open for Limited {
    fn open(&mut self) -> Result<Box<dyn Source>> {
        self.0.open()
    }
    fn stall_limit(&self) -> Option<Duration> {
        Some(ms(1_000))
    }
}

#[test]
fn a_camera_that_falls_silent_is_opened_again() {
    let clock: SharedClock = SimulatedClock::new(Nanos(1));
    let silent = Scripted { then: Read::Idle, ..source(&clock, 2, ms(2)) };
    let (feed, opens) = lives(&clock, vec![Ok(silent), Ok(source(&clock, 2, ms(2)))]);
    let Feed::Opener(open) = feed else { panic!("an opener") };
    let parts = parts(Feed::opener(Limited(open)), Engine::default(), collect(&clock));
    let summary = run(parts, Policy::Live, &clock).unwrap();
    assert_eq!((opens.load(SeqCst), summary.snapshot.reopened), (2, 1));
    assert_eq!(summary.snapshot.counts.captured, 4);
}

/// A source that sends a frame whenever the test asks for one.
struct OnDemand {
    asked: Arc<AtomicU64>,
    sent: u64,
    clock: SharedClock,
}

impl Source for OnDemand {
    fn name(&self) -> &str {
        "on demand"
    }
    fn format(&self) -> FrameFormat {
        FORMAT
    }
    fn read(&mut self, into: &mut Frame, _wait: Duration) -> Result<Read> {
        if self.sent == self.asked.load(SeqCst) {
            return Ok(Read::Idle);
        }
        into.reshape(FORMAT);
        into.meta.seq = self.sent;
        into.meta.captured = self.clock.now();
        self.sent += 1;
        Ok(Read::Frame)
    }
}

#[test]
fn silence_is_said_when_it_is_due_and_not_before() {
    let simulated = SimulatedClock::new(Nanos(1));
    let clock: SharedClock = simulated.clone();
    let asked = Arc::new(AtomicU64::new(0));
    let source = OnDemand { asked: Arc::clone(&asked), sent: 0, clock: Arc::clone(&clock) };
    let sink = collect(&clock);
    let book = Arc::clone(&sink.book);
    let running = start(parts(Feed::once(source), Engine::default(), sink), Policy::Live, &clock);
    let settings = Settings::default();
    let said = |n: usize| {
        eventually("an output", || book.lock().unwrap().len() >= n);
        let book = book.lock().unwrap();
        assert_eq!(book.len(), n, "{book:?}");
        book[n - 1].clone()
    };
    let nothing_more = |n: usize| {
        thread::sleep(ms(150));
        assert_eq!(book.lock().unwrap().len(), n);
    };

    eventually("the opened source", || !running.status.snapshot().source.is_empty());
    simulated.advance(ms(settings.stale_ms));
    let seen = said(1);
    assert_eq!((seen.state, seen.frame, seen.seq), (StreamState::NoSignal, false, 0), "no frame yet");

    asked.store(2, SeqCst);
    eventually("two frames", || running.status.counts().captured == 2 && running.status.counts().in_flight == 0);
    let shown = book.lock().unwrap().len();
    let seen = said(shown);
    assert_eq!((seen.state, seen.frame, seen.seq, seen.faces), (StreamState::Live, true, 1, 1));
    assert_eq!(running.status.snapshot().state, StreamState::Live);

    simulated.advance(ms(settings.stale_ms - 1));
    nothing_more(shown);
    simulated.advance(ms(1));
    let seen = said(shown + 1);
    assert_eq!((seen.state, seen.frame, seen.seq, seen.faces), (StreamState::Stale, true, 1, 0));
    nothing_more(shown + 1);
    assert_eq!(running.status.snapshot().last_frame_age_ms, Some(settings.stale_ms));

    simulated.advance(ms(settings.tick_ms));
    assert_eq!(said(shown + 2).state, StreamState::Stale, "repeated, so that its age is seen to grow");
    simulated.advance(ms(settings.no_signal_ms - settings.stale_ms - settings.tick_ms));
    let seen = said(shown + 3);
    assert_eq!((seen.state, seen.frame, seen.seq), (StreamState::NoSignal, false, 1));

    asked.store(3, SeqCst);
    let seen = said(shown + 4);
    assert_eq!((seen.state, seen.frame, seen.seq, seen.faces), (StreamState::Live, true, 2, 2));
    let snapshot = running.end().unwrap().snapshot;
    assert_eq!((snapshot.ticks, snapshot.counts.captured), (4, 3), "ticks are not frames");
}

#[test]
fn a_panic_anywhere_ends_the_run_with_its_words() {
    let clock = RealClock::shared();
    for place in ["capture", "infer", "output"] {
        for policy in [Policy::Live, Policy::Every] {
            let mut source = source(&clock, FOREVER, ms(1));
            let mut engine = Engine::default();
            let mut sink = collect(&clock);
            match place {
                "capture" => source.script.push_back((5, Event::Panic)),
                "infer" => engine.panics_at = Some(5),
                _ => sink.panics_at = Some(5),
            }
            let (ended, counts) = watched(parts(Feed::once(source), engine, sink), policy, Duration::MAX);
            let error = ended.expect_err(place);
            assert_eq!((error.remedy(), error.subject()), (Remedy::Fatal, &*format!("thread {place}")));
            assert!(error.message().contains("scripted"), "{error}");
            assert!(counts.presented <= 5);
        }
    }
}

#[test]
fn a_sink_that_fails_is_left_out_and_the_last_one_ends_the_run() {
    let clock = RealClock::shared();
    let weak = Collect { name: "weak", fails_at: Some(3), ..collect(&clock) };
    let strong = collect(&clock);
    let (weak_book, strong_book) = (Arc::clone(&weak.book), Arc::clone(&strong.book));
    let mut both = parts(Feed::once(source(&clock, 20, Duration::ZERO)), Engine::default(), weak);
    both.sinks.push(Box::new(strong));
    let summary = run(both, Policy::Every, &clock).unwrap();
    assert_eq!((weak_book.lock().unwrap().len(), strong_book.lock().unwrap().len()), (3, 20));
    assert_eq!(summary.sink_errors.len(), 1);
    assert_eq!(summary.sink_errors[0].subject(), "weak");
    assert_eq!((summary.snapshot.sinks, summary.snapshot.sinks_failed), (1, 1));

    let only = Collect { fails_at: Some(3), ..collect(&clock) };
    let parts = parts(Feed::once(source(&clock, FOREVER, ms(1))), Engine::default(), only);
    let (ended, _) = watched(parts, Policy::Live, Duration::MAX);
    let error = ended.expect_err("nobody is left to present to");
    assert_eq!(error.to_string(), "output: the last sink has failed: collect: failed as scripted");
}

#[test]
fn an_engine_error_costs_one_frame_or_the_run() {
    let clock = RealClock::shared();
    let with = |act| {
        let engine = Engine { fails_at: Some((5, act)), ..Engine::default() };
        let sink = collect(&clock);
        let book = Arc::clone(&sink.book);
        let ended = run(parts(Feed::once(source(&clock, 9, Duration::ZERO)), engine, sink), Policy::Every, &clock);
        let faces: Vec<_> = book.lock().unwrap().iter().map(|seen| seen.faces).collect();
        (ended, faces)
    };
    let (ended, faces) = with(Remedy::Retry);
    assert_eq!(ended.unwrap().snapshot.infer_errors, 1);
    assert_eq!(faces, [0, 1, 2, 0, 1, 0, 0, 1, 2]);
    let (ended, faces) = with(Remedy::Fatal);
    assert_eq!(ended.unwrap_err().subject(), "engine");
    assert_eq!(faces, [0, 1, 2, 0, 1]);
}

#[test]
fn a_sink_that_keeps_frames_costs_frames_but_never_blocks_a_camera() {
    let clock = RealClock::shared();
    let mut hoarding = parts(
        Feed::once(source(&clock, 60, ms(1))),
        Engine::default(),
        Collect { keeps: usize::MAX, ..collect(&clock) },
    );
    hoarding.settings.frames = 8;
    let (ended, counts) = watched(hoarding, Policy::Live, Duration::MAX);
    ended.unwrap();
    assert!(counts.dropped.no_buffer >= 40 && counts.presented <= 8, "{counts:?}");

    // One that lets go again only slows down a run that must not lose frames.
    let mut borrowing = parts(
        Feed::once(source(&clock, 60, Duration::ZERO)),
        Engine::default(),
        Collect { keeps: 2, ..collect(&clock) },
    );
    borrowing.settings.frames = 6;
    let (ended, counts) = watched(borrowing, Policy::Every, Duration::MAX);
    ended.unwrap();
    assert_eq!((counts.presented, counts.dropped.sum()), (60, 0));
}

#[test]
fn shutter_frames_are_passed_on_as_such_or_left_out() {
    let clock = RealClock::shared();
    let shut = |drop_ffc| {
        let mut source = source(&clock, 6, Duration::ZERO);
        let states = [FfcState::Imminent, FfcState::Running, FfcState::Settling];
        source.script.extend((1..).zip(states).map(|(at, state)| (at, Event::Ffc(state))));
        let sink = collect(&clock);
        let book = Arc::clone(&sink.book);
        let mut parts = parts(Feed::once(source), Engine::default(), sink);
        parts.settings.drop_ffc = drop_ffc;
        let counts = run(parts, Policy::Every, &clock).unwrap().snapshot.counts;
        let states: Vec<_> = book.lock().unwrap().iter().map(|seen| seen.state).collect();
        (states, counts.dropped.calibrating)
    };
    use StreamState::{Ffc, Live};
    assert_eq!(shut(false), (vec![Live, Live, Ffc, Ffc, Live, Live], 0));
    assert_eq!(shut(true), (vec![Live, Live, Ffc, Live, Live], 1));
}

#[test]
fn a_thread_that_hangs_is_given_up_and_named() {
    let clock = RealClock::shared();
    let engine = Engine { delay: Duration::from_secs(8), ..Engine::default() };
    let mut parts = parts(Feed::once(source(&clock, FOREVER, ms(5))), engine, collect(&clock));
    parts.settings.stop_ms = 100;
    let running = start(parts, Policy::Live, &clock);
    eventually("a frame in inference", || running.status.counts().captured > 2);
    let began = Instant::now();
    let error = running.end().expect_err("inference hangs");
    assert!(began.elapsed() < Duration::from_secs(4));
    assert_eq!((error.remedy(), error.subject()), (Remedy::Fatal, "thread infer"));
}

#[test]
fn a_stop_is_heeded_at_once_while_the_source_is_away() {
    let clock = RealClock::shared();
    let feed = Feed::opener(|| -> Result<Box<dyn Source>> { Err(Error::retry("scripted", "away")) });
    let mut parts = parts(feed, Engine::default(), collect(&clock));
    (parts.settings.backoff_min_ms, parts.settings.backoff_max_ms) = (60_000, 60_000);
    let running = start(parts, Policy::Live, &clock);
    eventually("the first failure", || running.status.snapshot().source_error.is_some());
    let began = Instant::now();
    running.end().unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn nothing_is_allocated_per_frame() {
    let clock = RealClock::shared();
    let log = || Some(Arc::new(Mutex::new(Vec::with_capacity(4096))));
    let (captures, infers, puts) = (log(), log(), log());
    for policy in [Policy::Live, Policy::Every] {
        let mut source = source(&clock, 800, Duration::from_micros(300));
        source.allocations = captures.clone();
        let engine = Engine { allocations: infers.clone(), ..Engine::default() };
        let wants = Wants { picture: true, json: true, raw: true };
        let sink = Collect { allocations: puts.clone(), wants, ..collect(&clock) };
        sink.bytes.lock().unwrap().reserve(1 << 20);
        run(parts(Feed::once(source), engine, sink), policy, &clock).unwrap();
        for (thread, log) in [("capture", &captures), ("infer", &infers), ("output", &puts)] {
            let mut counts = log.as_ref().unwrap().lock().unwrap();
            assert!(counts.len() > 200, "{thread} {policy:?}: {}", counts.len());
            // A thread that has to wait in a new place for the first time makes itself known there,
            // once; that may come late.
            let late = counts[counts.len() - 1] - counts[counts.len() / 4];
            assert!(late <= 8, "{thread} allocates under {policy:?}: {late} in {} frames", counts.len() * 3 / 4);
            counts.clear();
        }
    }
}

#[test]
fn a_snapshot_is_readable_by_people_and_machines() {
    let clock = RealClock::shared();
    let mut source = source(&clock, 20, ms(2));
    source.script.push_back((5, Event::Gap(2)));
    let snapshot: Snapshot =
        run(parts(Feed::once(source), Engine::default(), collect(&clock)), Policy::Live, &clock).unwrap().snapshot;
    let line = snapshot.to_string();
    assert!(line.contains(" s  live  ") && line.contains(" ms  dropped "), "{line}");
    assert_eq!((&*snapshot.source, snapshot.counts.dropped.driver), ("scripted", 2));
    let json = serde_json::to_value(&snapshot).unwrap();
    assert_eq!((&json["captured"], &json["dropped"]["driver"]), (&22.into(), &2.into()));
    assert_eq!((&json["policy"], &json["format"]["width"]), (&"live".into(), &16.into()));
    assert!(snapshot.fps > 50.0 && snapshot.fps < 600.0, "{line}");
}

#[test]
fn watching_sees_progress_and_settings_are_checked() {
    let clock = RealClock::shared();
    let (_stopper, stop): (Stopper, Stop) = stop::pair();
    let make = |settings| Parts {
        settings,
        ..parts(Feed::once(source(&clock, 40, ms(5))), Engine::default(), collect(&clock))
    };
    let pipeline = build(make(Settings::default())).unwrap();
    let mut seen = Vec::new();
    pipeline.watch(&stop, ms(20), |status| seen.push(status.counts().presented)).unwrap();
    assert!(seen.len() >= 3 && seen.is_sorted() && seen[seen.len() - 1] > seen[0], "{seen:?}");

    let bad = make(Settings { frames: 2, ..Settings::default() });
    let error = build(bad).err().unwrap();
    assert_eq!((error.remedy(), error.subject()), (Remedy::Fix, "pipeline.frames"));
}
