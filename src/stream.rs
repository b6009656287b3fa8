//! The whole path in three lines: a camera or a file, its faces, and a callback.

use std::ops::ControlFlow;
use std::path::Path;

use crate::clock::RealClock;
use crate::error::Result;
use crate::face::Engine;
use crate::frame::Frame;
use crate::pipeline::{self, Input, Parts, Policy, Settings, Summary};
use crate::result::FrameResult;
use crate::sink::{Output, Sink, Wants};
use crate::source::{self, Source};
use crate::stop::{self, Stopper};

/// A source of frames that is processed on three threads: capture, inference, output.
///
/// A camera that fails is reopened, with growing pauses, as long as [`Stream::run`] runs. With a camera the newest
/// frame wins: frames that arrive while the callback runs are dropped and counted. With a file the callback gets
/// every frame.
///
/// ```
/// use std::ops::ControlFlow;
/// use heatmark::{Engine, Stream};
///
/// let mut seen = 0;
/// let (engine, demo) = (Engine::builder().build()?, Stream::open("demo")?);
/// let summary = demo.run(engine, move |_frame, result| {
///     for face in &result.faces {
///         println!("{}: {:?}", face.track, face.region_c.at(0));
///     }
///     seen += 1;
///     if seen < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
/// })?;
/// assert!(summary.snapshot.counts.presented >= 3);
/// # Ok::<(), heatmark::Error>(())
/// ```
pub struct Stream {
    input: Input,
    sinks: Vec<Box<dyn Sink>>,
}

impl Stream {
    /// `auto` (the first thermal camera), `/dev/videoN`, `v4l2:serial=SERIAL`, `v4l2:usb=PORT`, `demo`, or the path
    /// of a recording, a picture or a folder of pictures. A camera is opened when the stream runs, a file now.
    ///
    /// # Errors
    /// [`crate::Remedy::Fix`] if nothing has this name or the file cannot be read.
    pub fn open(spec: &str) -> Result<Self> {
        let input = Input::open(spec, &source::Settings::default(), Policy::Every)?;
        Ok(Self { input, sinks: Vec::new() })
    }

    /// Adds an output; it is served before the callback.
    #[must_use]
    pub fn sink(mut self, sink: impl Sink + 'static) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// Runs until the source ends or `each` breaks. `each` is called on the output thread with every presented
    /// frame.
    ///
    /// # Errors
    /// Unrecoverable errors: of a source that cannot be reopened, a network or a thread.
    pub fn run(
        self,
        engine: Engine,
        each: impl FnMut(&Frame, &FrameResult) -> ControlFlow<()> + Send + 'static,
    ) -> Result<Summary> {
        let (stopper, stop) = stop::pair();
        let mut sinks = self.sinks;
        sinks.push(Box::new(Callback { each, stopper: Some(stopper) }));
        let parts = Parts {
            input: self.input,
            engine: Box::new(engine),
            draw: None,
            serialise: Some(FrameResult::write_json),
            sinks,
            settings: Settings::default(),
        };
        pipeline::build(parts)?.run(&stop)
    }
}

struct Callback<F> {
    each: F,
    stopper: Option<Stopper>,
}

impl<F: FnMut(&Frame, &FrameResult) -> ControlFlow<()> + Send> Sink for Callback<F> {
    fn name(&self) -> &str {
        "callback"
    }

    fn wants(&self) -> Wants {
        Wants::default()
    }

    fn put(&mut self, out: &Output<'_>) -> Result<()> {
        if self.stopper.is_some()
            && let Some(frame) = out.frame
            && (self.each)(frame, out.result).is_break()
        {
            self.stopper = None;
        }
        Ok(())
    }
}

/// Opens a camera or a file by a name that [`Stream::open`] accepts, to read it frame by frame.
///
/// # Errors
/// [`crate::Remedy::Fix`] if nothing has this name or the file cannot be read, [`crate::Remedy::Retry`] if a
/// camera is missing or busy.
pub fn open(spec: &str) -> Result<Box<dyn Source>> {
    source::open(spec, &source::Settings::default(), &RealClock::shared())
}

/// Reads one picture: PNG, JPEG or TIFF, 8 or 16 bits, grey or colour.
///
/// # Errors
/// [`crate::Remedy::Fix`] if it is not a picture or its size is not supported.
pub fn read_still(path: &Path) -> Result<Frame> {
    source::still::still(path, &source::Settings::default())
}
