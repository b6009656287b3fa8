//! The page: a small HTTP server with the live picture, results, counters and controls.
//!
//! One thread (`http`) serves every client, another (`http-pictures`) encodes. Clients get the
//! newest picture they can take; a slow one skips, a silent one is dropped, and nothing of either
//! is ever seen by the pipeline.
//!
//! | Path | What |
//! |---|---|
//! | `/` | the page |
//! | `/stream.mjpg` | the live picture, motion JPEG |
//! | `/snapshot.png` | the next picture |
//! | `/frame.tiff` | the next raw frame, 16 bits |
//! | `/events` | results as server-sent events; `event: lag` tells a slow reader what it lost |
//! | `/state` | counters, times and settings, JSON |
//! | `/metrics` | the same for Prometheus |
//! | `/healthz` | 200 while frames flow, else 503 |
//! | `/schema` | the JSON schema of the results |
//! | `/control` | POST: palette, range, layers |

mod guard;
mod metrics;
mod pictures;
mod routes;
mod serve;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};

use self::guard::Access;
pub use self::guard::Secret;
use self::pictures::Pictures;
use super::ring::Ring;
use super::{Hooks, Output, Report, Sink, SinkKind, Wants};
use crate::error::{Error, Result};
use crate::landmarks::REGION_COUNT;
use crate::ranges;
use crate::result::{FrameResult, StreamState};
use crate::units::Nanos;

/// Results kept for a reader of `/events` that is behind.
const EVENTS: usize = 16;
/// Faces whose temperatures are shown as metrics: the oldest tracks.
const GAUGED_FACES: usize = 4;

/// The page and who may see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Serve the page.
    pub enabled: bool,
    /// `ADDRESS:PORT` to listen on; port 0 takes a free one. Anything but a loopback address needs
    /// a token.
    pub listen: String,
    /// Secret that every request must bring (`Authorization: Bearer` or `?token=`): at least 16
    /// letters, digits or `-._~`.
    pub token: Option<Secret>,
    /// Further host names under which the page is reached, for example behind a proxy.
    pub hosts: Vec<String>,
    /// Clients of the live picture, and as many of the events.
    #[schemars(range(min = 1, max = 1024))]
    pub max_clients: usize,
    /// JPEG quality of the live picture, percent.
    #[schemars(range(min = 1, max = 100))]
    pub jpeg_quality: u8,
    /// `/healthz` fails once the last frame is older than this, ms.
    #[schemars(range(min = 100, max = 600_000))]
    pub stale_ms: u64,
    /// A client that takes nothing for this long is dropped, ms. As long may a client
    /// take to send its request.
    #[schemars(range(min = 100, max = 60_000))]
    pub patience_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: "127.0.0.1:8787".into(),
            token: None,
            hosts: Vec::new(),
            max_clients: 64,
            jpeg_quality: 85,
            stale_ms: 5_000,
            patience_ms: 5_000,
        }
    }
}

impl Settings {
    /// Checks every range, and that an address others can reach is guarded by a token.
    ///
    /// # Errors
    /// [`Error::fix`] about the first key that is wrong.
    pub fn validate(&self) -> Result<()> {
        let address = self.address()?;
        if let Some(token) = &self.token {
            token.validate("sink.http.token")?;
        } else if !address.ip().is_loopback() {
            return Err(Error::fix(
                "sink.http.token",
                format!("is missing, wanted one because sink.http.listen = \"{address}\" can be reached by others"),
            ));
        }
        ranges::check("sink.http", self)
    }

    fn address(&self) -> Result<SocketAddr> {
        let text = self.listen.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        let text = text.as_deref().unwrap_or(&self.listen);
        text.parse().map_err(|_| {
            let found = &self.listen;
            Error::fix("sink.http.listen", format!("is \"{found}\", wanted ADDRESS:PORT such as 127.0.0.1:8787"))
        })
    }
}

impl SinkKind for Settings {
    fn validate(&self) -> Result<()> {
        Settings::validate(self)
    }

    fn open(&self, hooks: &Hooks) -> Result<Vec<Box<dyn Sink>>> {
        if !self.enabled {
            return Ok(Vec::new());
        }
        Ok(vec![Box::new(HttpSink::open(self, hooks)?)])
    }
}

/// Where the page is.
struct Page(SocketAddr);

impl Report for Page {
    fn opened(&self) -> Option<String> {
        Some(format!("live page: http://{}/", self.0))
    }

    fn address(&self) -> Option<SocketAddr> {
        Some(self.0)
    }
}

/// What the page knows of the last output, for gauges and health.
#[derive(Clone, Default)]
struct Latest {
    state: StreamState,
    faces: usize,
    /// Region temperatures of the oldest tracks, degC; NaN where there is none.
    regions_c: [[f32; REGION_COUNT]; GAUGED_FACES],
    captured: Option<Nanos>,
    frame_at: Option<Instant>,
}

impl Latest {
    fn take(&mut self, result: &FrameResult, captured: Option<Nanos>) {
        self.state = result.state;
        self.faces = result.faces.len();
        self.regions_c = [[f32::NAN; REGION_COUNT]; GAUGED_FACES];
        if result.radiometric {
            for (gauges, face) in self.regions_c.iter_mut().zip(&result.faces) {
                for (gauge, value) in gauges.iter_mut().zip(face.region_c.iter()) {
                    *gauge = value.unwrap_or(f32::NAN);
                }
            }
        }
        // A frame shown again (a stale picture with a banner) is no sign of life.
        if captured.is_some() && captured != self.captured {
            self.captured = captured;
            self.frame_at = Some(Instant::now());
        }
    }
}

/// What the server's tasks share with the sink.
struct Shared {
    hooks: Hooks,
    access: Access,
    events: Arc<Ring>,
    pictures: Arc<Pictures>,
    latest: Mutex<Latest>,
    stream_seats: Arc<Semaphore>,
    event_seats: Arc<Semaphore>,
    max_clients: usize,
    stale: Duration,
    patience: Duration,
}

impl Shared {
    fn latest(&self) -> Latest {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The sink behind the page.
pub struct HttpSink {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: Option<JoinHandle<()>>,
    encoder: Option<JoinHandle<()>>,
}

impl HttpSink {
    /// Binds the address and starts both threads.
    pub fn open(settings: &Settings, hooks: &Hooks) -> Result<Self> {
        settings.validate()?;
        let address = settings.address()?;
        let fatal = |e| Error::fatal("http", "its threads cannot be started").because(e);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fatal)?;
        let listener = runtime.block_on(async { serve::listen(address) })?;
        let address = listener.local_addr().map_err(fatal)?;
        let pictures = Pictures::new(settings.jpeg_quality);
        let shared = Arc::new(Shared {
            hooks: hooks.clone(),
            access: Access::new(settings.token.as_ref(), &settings.hosts),
            events: Ring::new(EVENTS),
            pictures: Arc::clone(&pictures),
            latest: Mutex::default(),
            stream_seats: Arc::new(Semaphore::new(settings.max_clients)),
            event_seats: Arc::new(Semaphore::new(settings.max_clients)),
            max_clients: settings.max_clients,
            stale: Duration::from_millis(settings.stale_ms),
            patience: Duration::from_millis(settings.patience_ms),
        });
        let (stop, stopped) = watch::channel(false);
        let encoder = std::thread::Builder::new()
            .name("http-pictures".into())
            .spawn(move || pictures.encode_all())
            .map_err(fatal)?;
        // From here on dropping the sink stops what was started.
        let mut sink = Self { shared, address, stop, server: None, encoder: Some(encoder) };
        let shared = Arc::clone(&sink.shared);
        let server = std::thread::Builder::new()
            .name("http".into())
            .spawn(move || runtime.block_on(serve::serve(listener, shared, stopped)));
        sink.server = Some(server.map_err(fatal)?);
        log::info!("http: listening on http://{address}/");
        Ok(sink)
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Sink for HttpSink {
    fn name(&self) -> &str {
        "http"
    }

    fn wants(&self) -> Wants {
        Wants {
            picture: self.shared.pictures.wants_picture(),
            json: self.shared.events.readers() > 0,
            raw: self.shared.pictures.wants_frame(),
        }
    }

    fn put(&mut self, out: &Output<'_>) -> Result<()> {
        let captured = out.frame.map(|f| f.meta.captured);
        self.shared.latest.lock().unwrap_or_else(PoisonError::into_inner).take(out.result, captured);
        if let Some(line) = out.json
            && self.shared.events.readers() > 0
        {
            self.shared.events.push(line);
        }
        self.shared.pictures.offer(out.picture, out.frame);
        Ok(())
    }

    fn lost(&self) -> u64 {
        self.shared.pictures.skipped()
    }

    fn report(&self) -> Option<Arc<dyn Report>> {
        Some(Arc::new(Page(self.address)))
    }

    fn finish(&mut self) -> Result<()> {
        self.stop.send_replace(true);
        self.shared.pictures.stop();
        for thread in [self.server.take(), self.encoder.take()].into_iter().flatten() {
            let _ = thread.join();
        }
        Ok(())
    }
}

impl Drop for HttpSink {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}
