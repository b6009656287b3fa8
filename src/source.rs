//! Where frames come from.

pub mod cameras;
pub mod demo;
pub mod file;
pub mod folder;
pub mod mjpeg;
pub mod paired;
pub mod replay;
#[cfg(feature = "camera")]
pub mod scripted;
pub mod still;
#[cfg(feature = "camera")]
pub mod v4l;
pub mod video;
#[cfg(feature = "nokhwa")]
pub mod webcam;

use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::SharedClock;
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat};
use crate::ranges;
pub use crate::recording::{Largest, Unit};

/// The outcome of one call of [`Source::read`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// `into` holds a new frame.
    Frame,
    /// No frame arrived within the wait; the content of `into` is unspecified.
    Idle,
    /// The source has ended; no frame will come.
    End,
}

/// A camera, a file or a synthetic scene.
pub trait Source: Send {
    /// Name in results and logs ("demo", "replay:clip.tiff").
    fn name(&self) -> &str;

    /// The current format. It may change between reads; each frame carries its own.
    fn format(&self) -> FrameFormat;

    /// Blocks for at most `wait` and fills `into` (reshaping it if the format changed).
    ///
    /// Does not allocate once the largest format has been seen. `into.meta.seq` counts the frames of the source, so a
    /// gap shows how many were lost before they were read. `into.meta.captured` is the time of capture, on the
    /// pipeline's clock for live sources and on the recording's own clock otherwise. A frame that is short or flagged
    /// as damaged has fewer `pixels` than its format says (none where all may be wrong), so that it is counted.
    ///
    /// # Errors
    /// The source has failed: drop it and open it again. `Fatal` if that cannot help.
    fn read(&mut self, into: &mut Frame, wait: Duration) -> Result<Read>;
}

/// Opens a live source: once at the start, and again after every error.
pub trait Open: Send {
    /// Opens the source. Returns within a bounded time.
    ///
    /// # Errors
    /// `Retry` if a later attempt may succeed, `Fix` if a person must act first, `Fatal` if
    /// no attempt of this process can succeed.
    fn open(&mut self) -> Result<Box<dyn Source>>;

    /// The longest time without a frame before an open source is closed and opened again; `None`
    /// where silence is no fault.
    fn stall_limit(&self) -> Option<Duration> {
        None
    }
}

impl<F: FnMut() -> Result<Box<dyn Source>> + Send> Open for F {
    fn open(&mut self) -> Result<Box<dyn Source>> {
        self()
    }
}

/// Where frames come from, and how cameras and files are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What `heatmark run` opens: `auto` for the first thermal camera, `/dev/videoN`,
    /// `v4l2:serial=SERIAL`, `v4l2:usb=PORT`, `v4l2:profile=NAME`, or a file.
    pub from: String,
    /// Repeats a recording at its end; times and frame numbers continue.
    pub repeat: bool,
    /// The unit of 16-bit counts of a file or a camera that does not state it: `centikelvin`, `decikelvin`
    /// or `counts`. Without it no temperature is given.
    pub signal: Option<Unit>,
    /// Frames per second of folders and of TIFFs without times.
    #[schemars(range(min = 0.1, max = 1000))]
    pub rate_hz: f32,
    /// The largest picture of a file.
    #[serde(skip)]
    pub largest: Largest,
    /// Cameras.
    #[cfg(feature = "camera")]
    pub camera: v4l::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            from: "auto".into(),
            repeat: false,
            signal: None,
            rate_hz: 9.0,
            largest: Largest::THERMAL,
            #[cfg(feature = "camera")]
            camera: v4l::Settings::default(),
        }
    }
}

impl Settings {
    /// Refuses values outside the documented ranges.
    ///
    /// # Errors
    /// `Fix` for the first value that is out of its range.
    pub fn validate(&self) -> Result<()> {
        ranges::check("source", self)?;
        #[cfg(feature = "camera")]
        self.camera.validate()?;
        Ok(())
    }
}

/// A kind of source: one row in [`DRIVERS`].
pub struct Driver {
    /// Name of the driver.
    pub name: &'static str,
    /// The specs that name it, and what they mean.
    pub about: &'static str,
    /// True for the specs that name it.
    pub claims: fn(&str) -> bool,
    /// Opens the source of a spec.
    pub open: fn(&str, &Settings, &SharedClock) -> Result<Box<dyn Source>>,
    /// Makes the opener of a live source; `None` if frames are recorded.
    pub live: Option<Opener>,
}

/// Makes the opener of a live source, which can open it repeatedly.
pub type Opener = fn(&str, &Settings, &SharedClock) -> Result<Box<dyn Open>>;

/// Every driver; the first that claims a spec opens it.
pub const DRIVERS: &[Driver] = &[
    Driver {
        name: "demo",
        about: "demo: the built-in clip, rendered, no person",
        claims: |spec| spec == "demo",
        open: |_, settings, _| Ok(Box::new(demo::open(settings)?)),
        live: None,
    },
    #[cfg(feature = "camera")]
    Driver {
        name: "script",
        about: "script:STEPS: synthetic frames and faults, as in script:frames(30),stall(2000),gap(3)",
        claims: |spec| spec.starts_with("script:"),
        open: |spec, _, clock| Ok(Box::new(script(spec, clock)?.open()?)),
        live: Some(|spec, settings, clock| {
            Ok(Box::new(script(spec, clock)?.with_stall_limit(settings.camera.stall_limit())))
        }),
    },
    #[cfg(feature = "camera")]
    Driver {
        name: "v4l2",
        about: "auto, /dev/videoN, v4l2:serial=SERIAL, v4l2:usb=PORT, v4l2:profile=NAME: a camera",
        claims: v4l::selector::Selector::claims,
        open: |spec, settings, clock| v4l::opener(spec, settings, clock)?.open(),
        live: Some(v4l::opener),
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
        live: None,
    },
];

#[cfg(feature = "camera")]
fn script(spec: &str, clock: &SharedClock) -> Result<scripted::Script> {
    scripted::Script::parse(spec.strip_prefix("script:").unwrap_or(spec), clock.clone())
}

/// Opens the source named by `spec`: a camera, `demo`, `script:STEPS`, or the path of a recording, a
/// picture or a folder. Files are recognised by their content.
///
/// # Errors
/// `Fix` if the spec names no source, a setting is out of range or a file cannot be read; for cameras also
/// those of [`Open::open`].
pub fn open(spec: &str, settings: &Settings, clock: &SharedClock) -> Result<Box<dyn Source>> {
    settings.validate()?;
    (driver(spec)?.open)(spec, settings, clock)
}

/// The opener of the live source named by `spec`; `None` if its frames are recorded. Opens nothing yet.
///
/// # Errors
/// `Fix` if the spec names no source or a setting is out of range.
pub fn live(spec: &str, settings: &Settings, clock: &SharedClock) -> Result<Option<Box<dyn Open>>> {
    settings.validate()?;
    driver(spec)?.live.map(|live| live(spec, settings, clock)).transpose()
}

fn driver(spec: &str) -> Result<&'static Driver> {
    DRIVERS.iter().find(|driver| (driver.claims)(spec)).ok_or_else(|| {
        let known: Vec<&str> = DRIVERS.iter().map(|driver| driver.about).collect();
        Error::fix(spec, format_args!("is no known source; known are {}", known.join("; ")))
    })
}
