//! The page: a small HTTP server with the live picture, results, counters and controls.
//!
//! One thread (`http`) serves all clients of all cameras; each camera has another thread
//! (`http-pictures`) that encodes. Clients get the newest picture they can take: a slow client skips
//! pictures, a silent one is dropped. Neither affects the pipeline.
//!
//! The paths in the table belong to the first camera. Every camera, including the first, also has
//! them below its name: `/NAME/`, `/NAME/state`.
//!
//! | Path | Response |
//! |---|---|
//! | `/` | the page |
//! | `/stream.mjpg` | the live picture, motion JPEG |
//! | `/snapshot.png` | the next picture |
//! | `/frame.tiff` | the next raw frame, 16 bits |
//! | `/events` | results as server-sent events; `event: lag` tells a slow reader how many it lost |
//! | `/state` | counters, times and settings, JSON |
//! | `/metrics` | the same for Prometheus, of all cameras |
//! | `/healthz` | 200 while frames flow, else 503 |
//! | `/schema` | the JSON schema of the results |
//! | `/control` | POST: palette, range, layers |

mod channel;
mod guard;
mod metrics;
mod pictures;
mod routes;
mod serve;
mod server;
mod site;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::channel::Channel;
pub use self::guard::Secret;
use self::server::Server;
use super::{Hooks, Output, Report, Sink, SinkKind, Wants};
use crate::error::{Error, Result};
use crate::ranges;

/// The page and who may access it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Serve the page.
    pub enabled: bool,
    /// `ADDRESS:PORT` to listen on; port 0 takes a free port. Any address other than loopback needs a
    /// token.
    pub listen: String,
    /// Secret that every request must carry (`Authorization: Bearer` or `?token=`): at least 16
    /// letters, digits or `-._~`.
    pub token: Option<Secret>,
    /// Further host names of the page, for example behind a proxy.
    pub hosts: Vec<String>,
    /// Most clients of the live picture, and separately of the events.
    #[schemars(range(min = 1, max = 1024))]
    pub max_clients: usize,
    /// JPEG quality of the live picture, percent.
    #[schemars(range(min = 1, max = 100))]
    pub jpeg_quality: u8,
    /// `/healthz` fails once the last frame is older than this, ms.
    #[schemars(range(min = 100, max = 600_000))]
    pub stale_ms: u64,
    /// A client that accepts no data for this long is dropped, ms. A client may take equally long to
    /// send its request.
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
    /// Checks every range, and that an address other machines can reach is protected by a token.
    ///
    /// # Errors
    /// [`Error::fix`] for the first key that is wrong.
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

/// Location of the page of a camera.
struct Page {
    address: SocketAddr,
    path: String,
}

impl Report for Page {
    fn opened(&self) -> Option<String> {
        Some(format!("live page: http://{}{}", self.address, self.path))
    }

    fn address(&self) -> Option<SocketAddr> {
        Some(self.address)
    }
}

/// One camera on the server.
pub struct HttpSink {
    channel: Arc<Channel>,
    page: Arc<Page>,
    /// `None` once finished.
    server: Option<Arc<Server>>,
    encoder: Option<JoinHandle<()>>,
}

impl HttpSink {
    /// Adds the camera to the server and starts its encoder. The first camera opens the server.
    ///
    /// # Errors
    /// [`Error::fix`] for a setting out of range or an address that cannot be listened on.
    pub fn open(settings: &Settings, hooks: &Hooks) -> Result<Self> {
        settings.validate()?;
        let server = hooks.camera.hubs.get_or_open(|| Server::open(settings))?;
        let channel = Channel::new(hooks, settings.jpeg_quality);
        let pictures = Arc::clone(&channel.pictures);
        let encoder = std::thread::Builder::new()
            .name("http-pictures".into())
            .spawn(move || pictures.encode_all())
            .map_err(|e| Error::fatal("http", "its encoder cannot be started").because(e))?;
        server.add(&channel);
        let path = if hooks.camera.number == 1 { "/".into() } else { format!("/{}/", channel.name()) };
        let page = Arc::new(Page { address: server.address(), path });
        Ok(Self { channel, page, server: Some(server), encoder: Some(encoder) })
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.page.address
    }
}

impl Sink for HttpSink {
    fn name(&self) -> &str {
        "http"
    }

    fn wants(&self) -> Wants {
        Wants {
            picture: self.channel.pictures.wants_picture(),
            json: self.channel.events.readers() > 0,
            raw: self.channel.pictures.wants_frame(),
        }
    }

    fn put(&mut self, out: &Output<'_>) -> Result<()> {
        self.channel.set_latest(out.result, out.frame.map(|f| f.meta.captured));
        if let Some(line) = out.json
            && self.channel.events.readers() > 0
        {
            self.channel.events.push(line);
        }
        self.channel.pictures.offer(out.picture, out.frame);
        Ok(())
    }

    fn lost(&self) -> u64 {
        self.channel.pictures.skipped()
    }

    fn report(&self) -> Option<Arc<dyn Report>> {
        Some(Arc::clone(&self.page) as _)
    }

    fn finish(&mut self) -> Result<()> {
        if let Some(server) = self.server.take() {
            server.remove(&self.channel);
        }
        self.channel.close();
        if let Some(encoder) = self.encoder.take() {
            let _ = encoder.join();
        }
        Ok(())
    }
}

impl Drop for HttpSink {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}
