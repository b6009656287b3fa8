//! The inference thread: one result for each frame it receives.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::capture::CapturedFrame;
use super::handoff::{Put, Receiver, Sender, Taken};
use super::pool::{Pool, Pooled};
use super::status::{SharedStatus, Stage};
use super::{Infer, Policy};
use crate::error::{Remedy, Result};
use crate::result::{DropReason, FrameResult, Latency};
use crate::stop::Stop;

/// How often a waiting thread checks that its results still have a receiver.
const LIVENESS_CHECK: Duration = Duration::from_millis(500);
/// Most results at once: here, in the link, evicted from it, at the output.
const RESULTS: usize = 4;

/// A frame with its result, on its way to the output.
pub(super) struct InferredFrame {
    pub captured: CapturedFrame,
    pub result: Pooled<FrameResult>,
}

pub(super) struct Inference {
    engine: Box<dyn Infer>,
    policy: Policy,
    status: Arc<SharedStatus>,
    from: Receiver<CapturedFrame>,
    to: Sender<InferredFrame>,
    results: Pool<FrameResult>,
    stop: Stop,
    warned: bool,
}

impl Inference {
    pub fn new(
        engine: Box<dyn Infer>,
        faces: usize,
        status: &Arc<SharedStatus>,
        from: Receiver<CapturedFrame>,
        to: Sender<InferredFrame>,
        stop: &Stop,
    ) -> Self {
        let nameless: Arc<str> = Arc::from("");
        Self {
            engine,
            policy: status.policy,
            status: Arc::clone(status),
            from,
            to,
            results: Pool::new(RESULTS, || FrameResult::new(Arc::clone(&nameless), faces)),
            stop: stop.clone(),
            warned: false,
        }
    }

    /// Infers until there are no more frames, the receiver is gone or a stop is requested.
    pub fn run(mut self) -> Result<()> {
        loop {
            match self.from.take(LIVENESS_CHECK, &self.stop) {
                Taken::Value(captured) => {
                    if !self.one(captured)? {
                        return Ok(());
                    }
                }
                Taken::Idle if self.to.is_open() => {}
                Taken::Idle | Taken::Closed | Taken::Stopped => return Ok(()),
            }
        }
    }

    /// False if the receiver is gone.
    fn one(&mut self, captured: CapturedFrame) -> Result<bool> {
        let Some(mut result) = self.results.take() else {
            captured.in_flight.dropped(DropReason::NoBuffer);
            return Ok(true);
        };
        result.describe(&captured.frame);
        result.source = Arc::clone(&captured.source);
        result.dropped = captured.dropped;
        let began = self.status.clock.now();
        if let Err(error) = self.engine.infer(&captured.frame, &mut result) {
            if error.remedy() != Remedy::Retry {
                return Err(error);
            }
            result.faces.clear();
            self.status.infer_errors.fetch_add(1, Relaxed);
            if !std::mem::replace(&mut self.warned, true) {
                log::warn!("{error}; counted from now on");
            }
        }
        let infer = self.status.clock.now().micros_since(began);
        self.status.add_latency(Stage::Infer, infer);
        if self.policy != Policy::Every {
            let queue = began.micros_since(captured.frame.meta.captured);
            self.status.add_latency(Stage::Queue, queue);
            result.latency = Latency { queue_us: queue, infer_us: infer, total_us: 0 };
        }
        Ok(self.hand_on(InferredFrame { captured, result }))
    }

    fn hand_on(&mut self, inferred: InferredFrame) -> bool {
        match self.to.put(inferred, &self.stop) {
            Put::Sent => true,
            Put::Evicted(old) => {
                old.captured.in_flight.dropped(DropReason::SinkBehind);
                true
            }
            // Dropping their `InFlight` counts them as lost to the stop.
            Put::Closed(_) | Put::Stopped(_) => false,
        }
    }
}
