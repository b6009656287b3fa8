//! The output thread: draws and serialises what sinks want, and serves every sink.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::handoff::{Receiver, Taken};
use super::infer::InferredFrame;
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

/// Buffer size for the JSON of one face, 70 points with their temperatures.
const FACE_JSON_BYTES: usize = 8 * 1024;
/// Longest wait for a result before the clock is read again.
const CLOCK_CHECK: Duration = Duration::from_millis(50);

pub(super) struct OutputThread {
    status: Arc<SharedStatus>,
    settings: Settings,
    from: Receiver<InferredFrame>,
    stop: Stop,
    stage: OutputStage,
    /// The last presented frame, shown while it is stale.
    last: Option<Arc<Frame>>,
    /// The result for a tick: no faces, and the header of the last frame's result.
    blank: FrameResult,
    last_arrival: Nanos,
    ticked: Option<(StreamState, Nanos)>,
}

/// The sinks and the buffers for their data.
struct OutputStage {
    status: Arc<SharedStatus>,
    sinks: Vec<SinkSlot>,
    errors: Vec<Error>,
    draw: Option<Box<dyn Draw>>,
    serialise: Option<Serialise>,
    canvas: Canvas,
    json: String,
    slow: Duration,
}

/// A sink and its index in the initial list.
struct SinkSlot {
    sink: Box<dyn Sink>,
    place: usize,
}

impl SinkSlot {
    /// Publishes what this sink has lost so far.
    fn account(&self, status: &SharedStatus) {
        if let Some((_, lost)) = status.lost.get().and_then(|slots| slots.get(self.place)) {
            lost.store(self.sink.lost(), Relaxed);
        }
    }
}

impl OutputThread {
    pub fn new(
        sinks: Vec<Box<dyn Sink>>,
        draw: Option<Box<dyn Draw>>,
        serialise: Option<Serialise>,
        settings: &Settings,
        status: &Arc<SharedStatus>,
        from: Receiver<InferredFrame>,
        stop: &Stop,
    ) -> Self {
        // A status serves one pipeline.
        let _ = status.lost.set(sinks.iter().map(|s| (s.name().to_string(), AtomicU64::new(0))).collect());
        let slot = |(place, sink)| SinkSlot { sink, place };
        let stage = OutputStage {
            status: Arc::clone(status),
            sinks: sinks.into_iter().enumerate().map(slot).collect(),
            errors: Vec::new(),
            draw,
            json: String::with_capacity(if serialise.is_some() { settings.faces * FACE_JSON_BYTES } else { 0 }),
            serialise,
            canvas: Canvas::default(),
            slow: Duration::from_millis(settings.slow_sink_ms),
        };
        stage.count_sinks();
        Self {
            status: Arc::clone(status),
            settings: settings.clone(),
            from,
            stop: stop.clone(),
            stage,
            last: None,
            blank: FrameResult::new(Arc::from(""), 0),
            last_arrival: status.clock.now(),
            ticked: None,
        }
    }

    /// Presents until there are no more results or a stop is requested, then finishes the sinks. Returns
    /// the errors of single sinks; fails only if the last sink has failed.
    pub fn run(mut self) -> Result<Vec<Error>> {
        loop {
            match self.from.take(self.wait_limit(), &self.stop) {
                Taken::Value(inferred) => self.present(inferred)?,
                Taken::Idle => self.tick()?,
                Taken::Closed | Taken::Stopped => break,
            }
        }
        Ok(self.stage.finish())
    }

    fn present(&mut self, inferred: InferredFrame) -> Result<()> {
        let InferredFrame { captured, mut result } = inferred;
        let every = self.status.policy == Policy::Every;
        // If nothing may be lost, frames queue up, so the time of arrival here counts.
        let queues = self.status.policy.loses_nothing();
        self.last_arrival = if queues { self.status.clock.now() } else { captured.frame.meta.received };
        self.ticked = None;
        self.status.set_state(result.state);
        self.status.set_found(&result);
        self.status.last_seq.store(result.seq, Relaxed);
        self.status.set_camera(&captured.frame.meta);
        if !every {
            result.dropped = self.status.stats.dropped();
        }
        self.stage.serve(Some(&captured.frame), &mut result)?;
        if !every {
            self.status.add_latency(Stage::Total, result.latency.total_us);
        }
        captured.in_flight.presented();
        self.status.presents.mark(self.status.clock.now());
        self.remember(&result);
        self.last = Some(captured.frame);
        Ok(())
    }

    /// Keeps the header of the last frame's result for ticks.
    fn remember(&mut self, result: &FrameResult) {
        self.blank.source = Arc::clone(&result.source);
        self.blank.seq = result.seq;
        self.blank.captured = result.captured;
        self.blank.captured_utc_ns = result.captured_utc_ns;
        (self.blank.width, self.blank.height) = (result.width, result.height);
        self.blank.radiometric = result.radiometric;
    }

    /// Presents a result without a frame if no frame has arrived for too long.
    fn tick(&mut self) -> Result<()> {
        let now = self.status.clock.now();
        let Some(state) = self.state_without_frames(now) else { return Ok(()) };
        let pause = Duration::from_millis(self.settings.tick_ms);
        if self.ticked.is_some_and(|(last, at)| last == state && now.since(at) < pause) {
            return Ok(());
        }
        self.ticked = Some((state, now));
        self.status.set_state(state);
        self.status.set_found(&self.blank);
        self.status.ticks.fetch_add(1, Relaxed);
        if self.last.is_none() {
            self.blank.source = Arc::clone(&self.status.origin().source);
        }
        self.blank.state = state;
        self.blank.latency = Latency::default();
        self.blank.dropped = self.status.stats.dropped();
        let frame = if state == StreamState::Stale { self.last.as_ref() } else { None };
        self.stage.serve(frame, &mut self.blank)
    }

    /// The state after this time without frames; `None` while that time is short.
    fn state_without_frames(&self, now: Nanos) -> Option<StreamState> {
        if self.status.policy == Policy::Every {
            return None;
        }
        let idle = now.since(self.last_arrival);
        if idle < Duration::from_millis(self.settings.stale_ms) {
            return None;
        }
        let gone = self.last.is_none() || idle >= Duration::from_millis(self.settings.no_signal_ms);
        Some(if gone { StreamState::NoSignal } else { StreamState::Stale })
    }

    /// How long to wait for a result: until the next tick may be due, but at most [`CLOCK_CHECK`],
    /// because a simulated clock may be advanced in the meantime.
    fn wait_limit(&self) -> Duration {
        let now = self.status.clock.now();
        let ms = |after: Nanos, ms| after + Duration::from_millis(ms);
        let again = self.ticked.map(|(_, at)| ms(at, self.settings.tick_ms));
        [
            Some(ms(self.last_arrival, self.settings.stale_ms)),
            Some(ms(self.last_arrival, self.settings.no_signal_ms)),
            again,
        ]
        .into_iter()
        .flatten()
        .filter(|&due| due > now)
        .map(|due| due.since(now))
        .min()
        .unwrap_or(CLOCK_CHECK)
        .clamp(Duration::from_millis(1), CLOCK_CHECK)
    }
}

impl OutputStage {
    /// Produces what the sinks want for one frame and passes it to every sink. A sink that fails is not
    /// served again; returns an error only if the last one failed.
    fn serve(&mut self, frame: Option<&Arc<Frame>>, result: &mut FrameResult) -> Result<()> {
        let wants = self.sinks.iter().fold(Wants::default(), |all, slot| all.or(slot.sink.wants()));
        let ages = self.status.policy != Policy::Every && matches!(result.state, StreamState::Live | StreamState::Ffc);
        let age = |now: Nanos, result: &FrameResult| if ages { now.micros_since(result.captured) } else { 0 };
        let picture = wants.picture && self.draw.is_some();
        if let Some(draw) = self.draw.as_mut().filter(|_| wants.picture) {
            let began = self.status.clock.now();
            result.latency.total_us = age(began, result);
            // Under `Every` the picture must not depend on the time of drawing.
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
        sinks.retain_mut(|slot| put(slot, &output, *slow, status, errors));
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
        for slot in &mut self.sinks {
            if let Err(error) = slot.sink.finish() {
                log::error!("{error}");
                self.errors.push(error);
            }
            slot.account(&self.status);
        }
        self.errors
    }
}

/// Passes the output to one sink; false if it failed.
fn put(
    slot: &mut SinkSlot,
    output: &Output<'_>,
    slow: Duration,
    status: &SharedStatus,
    errors: &mut Vec<Error>,
) -> bool {
    let began = status.clock.now();
    let done = slot.sink.put(output);
    slot.account(status);
    let sink = &slot.sink;
    let took = status.clock.now().since(began);
    if took > slow {
        // Log only at powers of two, so that a sink that is always slow does not fill the log.
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
