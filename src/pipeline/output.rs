//! The output thread: draws and serialises what a sink wants, and serves every sink.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::handoff::{Taken, Taker};
use super::infer::Done;
use super::settings::Settings;
use super::status::{SharedStatus, Stage};
use super::{Draw, Policy, Serialise};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::picture::Canvas;
use crate::result::{FrameResult, Latency, StreamState};
use crate::sink::{Output, Sink, Wants};
use crate::stop::Stop;
use crate::units::Nanos;

/// Room for the JSON of one face, bytes: 70 points with their temperatures.
const FACE_JSON: usize = 8 * 1024;
/// Longest wait for a result without a look at the clock.
const SLICE: Duration = Duration::from_millis(50);

pub(super) struct Out {
    status: Arc<SharedStatus>,
    settings: Settings,
    from: Taker<Done>,
    stop: Stop,
    desk: Desk,
    /// The frame presented last, shown while it is stale.
    last: Option<Arc<Frame>>,
    // The result of a tick: no faces, and the words of the last frame.
    blank: FrameResult,
    heard: Nanos,
    ticked: Option<(StreamState, Nanos)>,
}

/// The sinks and what is made for them.
struct Desk {
    status: Arc<SharedStatus>,
    sinks: Vec<Seat>,
    errors: Vec<Error>,
    draw: Option<Box<dyn Draw>>,
    serialise: Option<Serialise>,
    canvas: Canvas,
    json: String,
    slow: Duration,
}

/// A sink and its place among those there were at the start.
struct Seat {
    sink: Box<dyn Sink>,
    place: usize,
}

impl Seat {
    /// Writes down what this sink has lost so far.
    fn account(&self, status: &SharedStatus) {
        if let Some((_, lost)) = status.lost.get().and_then(|seats| seats.get(self.place)) {
            lost.store(self.sink.lost(), Relaxed);
        }
    }
}

impl Out {
    pub fn new(
        sinks: Vec<Box<dyn Sink>>,
        draw: Option<Box<dyn Draw>>,
        serialise: Option<Serialise>,
        settings: &Settings,
        status: &Arc<SharedStatus>,
        from: Taker<Done>,
        stop: &Stop,
    ) -> Self {
        // A board serves one pipeline.
        let _ = status.lost.set(sinks.iter().map(|s| (s.name().to_string(), AtomicU64::new(0))).collect());
        let seat = |(place, sink)| Seat { sink, place };
        let desk = Desk {
            status: Arc::clone(status),
            sinks: sinks.into_iter().enumerate().map(seat).collect(),
            errors: Vec::new(),
            draw,
            json: String::with_capacity(if serialise.is_some() { settings.faces * FACE_JSON } else { 0 }),
            serialise,
            canvas: Canvas::default(),
            slow: Duration::from_millis(settings.slow_sink_ms),
        };
        desk.count_sinks();
        Self {
            status: Arc::clone(status),
            settings: settings.clone(),
            from,
            stop: stop.clone(),
            desk,
            last: None,
            blank: FrameResult::new(Arc::from(""), 0),
            heard: status.clock.now(),
            ticked: None,
        }
    }

    /// Presents until no more results come or a stop is asked for, then finishes the sinks. Returns
    /// the errors of single sinks; an error only where the last sink has failed.
    pub fn run(mut self) -> Result<Vec<Error>> {
        loop {
            match self.from.take(self.patience(), &self.stop) {
                Taken::Value(done) => self.present(done)?,
                Taken::Idle => self.tick()?,
                Taken::Closed | Taken::Stopped => break,
            }
        }
        Ok(self.desk.finish())
    }

    fn present(&mut self, done: Done) -> Result<()> {
        let Done { shot, mut result } = done;
        let every = self.status.policy == Policy::Every;
        // Where nothing is lost frames queue up, and what counts is that they still come.
        let queues = self.status.policy.loses_nothing();
        self.heard = if queues { self.status.clock.now() } else { shot.frame.meta.received };
        self.ticked = None;
        self.status.set_state(result.state);
        self.status.faces.store(result.faces.len() as u64, Relaxed);
        self.status.last_seq.store(result.seq, Relaxed);
        self.status.set_camera(&shot.frame.meta);
        if !every {
            result.dropped = self.status.stats.dropped();
        }
        self.desk.serve(Some(&shot.frame), &mut result)?;
        if !every {
            self.status.add_latency(Stage::Total, result.latency.total_us);
        }
        shot.ticket.presented();
        self.status.presents.mark(self.status.clock.now());
        self.recall(&result);
        self.last = Some(shot.frame);
        Ok(())
    }

    /// Keeps what a tick says about the last frame.
    fn recall(&mut self, result: &FrameResult) {
        self.blank.source = Arc::clone(&result.source);
        self.blank.seq = result.seq;
        self.blank.captured = result.captured;
        self.blank.captured_utc_ns = result.captured_utc_ns;
        (self.blank.width, self.blank.height) = (result.width, result.height);
        self.blank.radiometric = result.radiometric;
    }

    /// Says that there is no frame, where there has been none for too long.
    fn tick(&mut self) -> Result<()> {
        let now = self.status.clock.now();
        let Some(state) = self.silence(now) else { return Ok(()) };
        let pause = Duration::from_millis(self.settings.tick_ms);
        if self.ticked.is_some_and(|(said, at)| said == state && now.since(at) < pause) {
            return Ok(());
        }
        self.ticked = Some((state, now));
        self.status.set_state(state);
        self.status.faces.store(0, Relaxed);
        self.status.ticks.fetch_add(1, Relaxed);
        if self.last.is_none() {
            self.blank.source = Arc::clone(&self.status.origin().source);
        }
        self.blank.state = state;
        self.blank.latency = Latency::default();
        self.blank.dropped = self.status.stats.dropped();
        let frame = if state == StreamState::Stale { self.last.as_ref() } else { None };
        self.desk.serve(frame, &mut self.blank)
    }

    /// The state that the silence since the last frame amounts to; `None` while it is short.
    fn silence(&self, now: Nanos) -> Option<StreamState> {
        if self.status.policy == Policy::Every {
            return None;
        }
        let silence = now.since(self.heard);
        if silence < Duration::from_millis(self.settings.stale_ms) {
            return None;
        }
        let gone = self.last.is_none() || silence >= Duration::from_millis(self.settings.no_signal_ms);
        Some(if gone { StreamState::NoSignal } else { StreamState::Stale })
    }

    /// How long to wait for a result before a look at the clock: until it could make a difference,
    /// and shorter, because a simulated clock does not run while we wait.
    fn patience(&self) -> Duration {
        let now = self.status.clock.now();
        let ms = |after: Nanos, ms| after + Duration::from_millis(ms);
        let again = self.ticked.map(|(_, at)| ms(at, self.settings.tick_ms));
        [Some(ms(self.heard, self.settings.stale_ms)), Some(ms(self.heard, self.settings.no_signal_ms)), again]
            .into_iter()
            .flatten()
            .filter(|&due| due > now)
            .map(|due| due.since(now))
            .min()
            .unwrap_or(SLICE)
            .clamp(Duration::from_millis(1), SLICE)
    }
}

impl Desk {
    /// Makes what is wanted of one frame and puts it to every sink. A sink that fails is left out
    /// from then on; an error only where the last one failed.
    fn serve(&mut self, frame: Option<&Arc<Frame>>, result: &mut FrameResult) -> Result<()> {
        let wants = self.sinks.iter().fold(Wants::default(), |all, seat| all.or(seat.sink.wants()));
        let ages = self.status.policy != Policy::Every && matches!(result.state, StreamState::Live | StreamState::Ffc);
        let age = |now: Nanos, result: &FrameResult| if ages { now.micros_since(result.captured) } else { 0 };
        let picture = wants.picture && self.draw.is_some();
        if let Some(draw) = self.draw.as_mut().filter(|_| wants.picture) {
            let began = self.status.clock.now();
            result.latency.total_us = age(began, result);
            // Under `Every` the picture must not depend on when it was drawn.
            let now = if self.status.policy == Policy::Every { result.captured } else { began };
            draw.draw(frame.map(|frame| &**frame), result, now, &mut self.canvas);
            self.status.add_latency(Stage::Render, self.status.clock.now().micros_since(began));
        }
        result.latency.total_us = age(self.status.clock.now(), result);
        let json = wants.json && self.serialise.is_some();
        if let Some(serialise) = self.serialise.filter(|_| wants.json) {
            self.json.clear();
            serialise(result, &mut self.json);
        }
        let Self { sinks, errors, json: text, canvas, status, slow, .. } = self;
        let output = Output { frame, result, json: json.then_some(&**text), picture: picture.then_some(&*canvas) };
        let before = sinks.len();
        sinks.retain_mut(|seat| put(seat, &output, *slow, status, errors));
        if sinks.len() == before { Ok(()) } else { self.after_failure() }
    }

    fn after_failure(&mut self) -> Result<()> {
        self.count_sinks();
        match self.errors.pop() {
            Some(last) if self.sinks.is_empty() => {
                Err(Error::new(last.remedy(), "output", "the last sink has failed").because(last))
            }
            Some(last) => {
                self.errors.push(last);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn count_sinks(&self) {
        self.status.sinks.store(self.sinks.len() as u64, Relaxed);
    }

    fn finish(mut self) -> Vec<Error> {
        for seat in &mut self.sinks {
            if let Err(error) = seat.sink.finish() {
                log::error!("{error}");
                self.errors.push(error);
            }
            seat.account(&self.status);
        }
        self.errors
    }
}

/// One sink's share; false where it failed.
fn put(seat: &mut Seat, output: &Output<'_>, slow: Duration, status: &SharedStatus, errors: &mut Vec<Error>) -> bool {
    let began = Instant::now();
    let done = seat.sink.put(output);
    seat.account(status);
    let sink = &seat.sink;
    let took = began.elapsed();
    if took > slow {
        // Once a power of two, so that a sink that is always slow does not fill the log.
        let times = status.slow_puts.fetch_add(1, Relaxed) + 1;
        if times.is_power_of_two() {
            log::warn!("{}: took {} ms for one frame ({times} slow so far)", sink.name(), took.as_millis());
        }
    }
    let Err(error) = done else { return true };
    log::error!("{error}; this output is left out from now on");
    status.sinks_failed.fetch_add(1, Relaxed);
    errors.push(error);
    false
}
