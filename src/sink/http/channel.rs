//! One camera of the server: the data that its sink provides to the clients.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::pictures::Pictures;
use crate::landmarks::REGION_COUNT;
use crate::result::{FrameResult, StreamState, TargetState};
use crate::sink::Hooks;
use crate::sink::ring::Ring;
use crate::units::Nanos;

/// Results kept for a slow reader of `/events`.
const EVENTS: usize = 16;
/// Faces whose temperatures are shown as metrics: the oldest tracks.
pub(super) const GAUGED_FACES: usize = 4;

/// What the server's tasks share with the sink of one camera.
pub(super) struct Channel {
    pub hooks: Hooks,
    pub events: Arc<Ring>,
    pub pictures: Arc<Pictures>,
    latest: Mutex<Latest>,
}

/// The last output, for gauges and health.
#[derive(Clone, Default)]
pub(super) struct Latest {
    pub state: StreamState,
    pub faces: usize,
    /// Targets that are tracked, not lost.
    pub targets_seen: usize,
    /// Region temperatures of the oldest tracks, degC; NaN if there is none.
    pub regions_c: [[f32; REGION_COUNT]; GAUGED_FACES],
    captured: Option<Nanos>,
    pub frame_at: Option<Instant>,
}

impl Channel {
    pub fn new(hooks: &Hooks, jpeg_quality: u8) -> Arc<Self> {
        Arc::new(Self {
            hooks: hooks.clone(),
            events: Ring::new(EVENTS),
            pictures: Pictures::new(jpeg_quality),
            latest: Mutex::default(),
        })
    }

    /// Name in paths and labels.
    pub fn name(&self) -> &str {
        &self.hooks.camera.name
    }

    pub fn latest(&self) -> Latest {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_latest(&self, result: &FrameResult, captured: Option<Nanos>) {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).set(result, captured);
    }

    /// Ends the encoder and every stream of this camera.
    pub fn close(&self) {
        self.events.close();
        self.pictures.stop();
    }
}

impl Latest {
    fn set(&mut self, result: &FrameResult, captured: Option<Nanos>) {
        self.state = result.state;
        self.faces = result.faces.len();
        self.targets_seen = result.targets.iter().filter(|t| t.state == TargetState::Tracked).count();
        self.regions_c = [[f32::NAN; REGION_COUNT]; GAUGED_FACES];
        if result.radiometric {
            for (gauges, face) in self.regions_c.iter_mut().zip(&result.faces) {
                for (gauge, value) in gauges.iter_mut().zip(face.region_c.iter()) {
                    *gauge = value.unwrap_or(f32::NAN);
                }
            }
        }
        // A repeated frame (a stale picture with a banner) does not count as a new frame.
        if captured.is_some() && captured != self.captured {
            self.captured = captured;
            self.frame_at = Some(Instant::now());
        }
    }
}
