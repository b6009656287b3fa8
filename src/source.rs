//! Where frames come from.

pub mod demo;
pub mod folder;
pub mod replay;
pub mod scripted;
pub mod still;
pub mod supervise;

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat};
use crate::pipeline::clock::SharedClock;
pub use crate::recording::Unit;

/// What one call of [`Source::read`] brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// `into` holds a new frame.
    Frame,
    /// Nothing arrived within the wait; `into` is untouched or garbage.
    Idle,
    /// Nothing will ever arrive again.
    End,
}

/// A camera, a file or a scene.
pub trait Source: Send {
    /// Name in results and logs ("demo", "replay:clip.tiff").
    fn name(&self) -> &str;

    /// The current format; may change between reads, and a frame always carries its own.
    fn format(&self) -> FrameFormat;

    /// Blocks for at most `wait` and fills `into` (reshaping it where the format changed).
    ///
    /// Never allocates once the largest format was seen. `into.meta.seq` counts what the source
    /// produced, so that a gap shows what was lost before us; `into.meta.captured` is when the
    /// frame was captured on the recording's or driver's own clock (the pipeline maps it for
    /// recordings). A frame that arrived short or that the driver flagged as damaged is handed on
    /// with fewer `pixels` than its format says (none where nothing is known to be good), so that
    /// it is counted. An error means: drop this source and open it again.
    fn read(&mut self, into: &mut Frame, wait: Duration) -> Result<Read>;
}

/// How files are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// True begins a recording again at its end, with times and numbers going on.
    pub repeat: bool,
    /// What the counts of 16-bit files mean that do not say it: `centikelvin`, `decikelvin` or
    /// `counts`. Without it they are counts, and no temperature is given.
    pub signal: Option<Unit>,
    /// Frames per second of folders and TIFFs that hold no times, 0.1 to 1000.
    pub rate_hz: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { repeat: false, signal: None, rate_hz: 9.0 }
    }
}

impl Settings {
    /// Refuses what lies outside the documented ranges.
    pub fn validate(&self) -> Result<()> {
        if (0.1..=1000.0).contains(&self.rate_hz) {
            return Ok(());
        }
        Err(Error::fix("source.rate_hz", format_args!("{}; wanted 0.1 to 1000", self.rate_hz)))
    }
}

/// A way to get frames: one row in [`DRIVERS`].
pub struct Driver {
    /// First word of a spec ("script" in "script:frames(3)").
    pub name: &'static str,
    /// How it is named, and what for.
    pub about: &'static str,
    /// True where it is meant by this spec.
    pub claims: fn(&str) -> bool,
    /// Opens it.
    pub open: fn(&str, &Settings, &SharedClock) -> Result<Box<dyn Source>>,
}

/// Every driver; the first that claims a spec opens it.
pub const DRIVERS: [Driver; 3] = [
    Driver {
        name: "demo",
        about: "demo: the built-in clip, rendered, no person",
        claims: |spec| spec == "demo",
        open: |_, settings, _| Ok(Box::new(demo::open(settings)?)),
    },
    Driver {
        name: "script",
        about: "script:STEPS: synthetic frames and faults, as in script:frames(30),stall(2000),gap(3)",
        claims: |spec| spec.starts_with("script:"),
        open: |spec, _, clock| {
            let steps = spec.strip_prefix("script:").unwrap_or(spec);
            Ok(Box::new(scripted::Script::parse(steps, clock.clone())?.open()?))
        },
    },
    Driver {
        name: "replay",
        about: "a path: a recording, a picture, or a folder of pictures",
        claims: |spec| spec.starts_with("replay:") || Path::new(spec).exists() || spec.contains(['/', '.']),
        open: |spec, settings, _| {
            let path = Path::new(spec.strip_prefix("replay:").unwrap_or(spec));
            if path.is_dir() {
                Ok(Box::new(folder::Pictures::folder(path, settings)?))
            } else {
                replay::open(path, settings)
            }
        },
    },
];

/// Opens the source named by `spec`: `demo`, `script:STEPS`, or the path of a recording, a picture
/// or a folder. Files are recognised by their content.
pub fn open(spec: &str, settings: &Settings, clock: &SharedClock) -> Result<Box<dyn Source>> {
    settings.validate()?;
    match DRIVERS.iter().find(|driver| (driver.claims)(spec)) {
        Some(driver) => (driver.open)(spec, settings, clock),
        None => {
            let known: Vec<&str> = DRIVERS.iter().map(|driver| driver.about).collect();
            Err(Error::fix(spec, format_args!("is no known source; known are {}", known.join("; "))))
        }
    }
}
