//! Cameras over V4L2.
//!
//! A camera is selected by a stable property ([`selector::Selector`]), found in sysfs ([`node`]), opened and identified
//! by its USB id or its formats ([`probe`], [`crate::source::cameras`]), and read with bounded waits
//! ([`camera::Camera`]). [`watchdog::Watchdog`] detects faults within the limits set here. The pipeline then reopens
//! the camera through [`supervisor::Supervisor`], which takes stronger recovery steps if that helps
//! ([`escalation::Escalation`]).

pub mod bus;
pub mod camera;
pub mod control;
pub mod discover;
pub mod escalation;
pub mod failure;
pub mod linux;
pub mod node;
pub mod probe;
pub mod selector;
pub mod supervisor;
pub mod watchdog;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::escalation::Step;
use self::selector::Selector;
use self::supervisor::Supervisor;
use self::watchdog::Limits;
use crate::clock::SharedClock;
use crate::error::{Error, Result, within};
use crate::ranges;
use crate::source::{self, Open};

/// Cameras.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Name in results and logs; empty for kind and serial number, or port.
    pub name: String,
    /// Size to request, as in `160x120`; empty for the best known format of the camera.
    pub size: String,
    /// The camera is in low gain. Its frames do not say so and no formula for it is public, so no
    /// temperature is given (InfiRay P2 Pro, Topdon and twins).
    pub low_gain: bool,
    /// Buffers of the driver.
    #[schemars(range(min = 2, max = 32))]
    pub buffers: u32,
    /// A camera that sends no whole frame for this long is opened again, ms. A Lepton's
    /// shutter takes up to 3000.
    #[schemars(range(min = 500, max = 600_000))]
    pub stall_ms: u32,
    /// A camera that sends the same content or frame counter for this long is frozen and opened again, ms, 1000 to
    /// 600000; 0 disables this, for scenes without noise. Flat-field corrections do not count.
    pub frozen_ms: u32,
    /// Strongest recovery step for a camera that is present but sends nothing: `reopen` it; also `reset` its USB
    /// device; also `replug` it through its driver, which needs root.
    pub recover: Recover,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: String::new(),
            size: String::new(),
            low_gain: false,
            buffers: 4,
            stall_ms: 5_000,
            frozen_ms: 10_000,
            recover: Recover::Replug,
        }
    }
}

/// Strongest recovery step for a camera that sends nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recover {
    /// Opens it again.
    Reopen,
    /// Also resets its USB device.
    Reset,
    /// Also takes its USB device from its driver and gives it back.
    #[default]
    Replug,
}

impl From<Recover> for Step {
    fn from(recover: Recover) -> Self {
        match recover {
            Recover::Reopen => Step::Reopen,
            Recover::Reset => Step::Reset,
            Recover::Replug => Step::Replug,
        }
    }
}

impl Settings {
    /// Refuses values outside the documented ranges.
    ///
    /// # Errors
    /// `Fix` for the first value out of its range.
    pub fn validate(&self) -> Result<()> {
        ranges::check("source.camera", self)?;
        if self.frozen_ms != 0 {
            within("source.camera.frozen_ms", self.frozen_ms, 1_000..=600_000)?;
        }
        if !self.size.is_empty() && self.requested_size().is_none() {
            let wanted = "wanted COLUMNSxROWS, as in 160x120";
            return Err(Error::fix("source.camera.size", format_args!("is {:?}, {wanted}", self.size)));
        }
        Ok(())
    }

    /// The size to request.
    pub fn requested_size(&self) -> Option<(u32, u32)> {
        let (width, height) = self.size.split_once('x')?;
        let number = |text: &str| text.parse().ok().filter(|n| (1..=4096).contains(n));
        number(width).zip(number(height))
    }

    /// The longest time without a whole frame.
    pub fn stall_limit(&self) -> Duration {
        Duration::from_millis(self.stall_ms.into())
    }

    fn limits(&self) -> Limits {
        Limits { stall: self.stall_limit(), frozen: Duration::from_millis(self.frozen_ms.into()) }
    }
}

/// The opener of the camera named by `spec` on this machine.
///
/// # Errors
/// `Fix` if the spec names no camera.
pub fn opener(spec: &str, settings: &source::Settings, clock: &SharedClock) -> Result<Box<dyn Open>> {
    let selector = Selector::parse(spec)?;
    let bus = Box::new(linux::Machine::new("/"));
    Ok(Box::new(Supervisor::new(bus, selector, settings.clone(), clock.clone())))
}
