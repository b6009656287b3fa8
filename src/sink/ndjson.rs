//! Results as lines of JSON to stdout, a file, a Unix socket with many readers, or UDP.

mod outlet;
mod unix;

use std::net::UdpSocket;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::outlet::Outlet;
pub use self::unix::UnixSink;
use super::{Hooks, Output, Sink, SinkKind, Wants};
use crate::error::{Error, Result};
use crate::ranges;

/// Lines kept for a slow reader.
const LINES: usize = 64;
/// Longest wait for room when no line may be lost.
const ROOM: Duration = Duration::from_secs(30);
/// Largest payload of a UDP datagram over IPv4, bytes.
const UDP_MAX: usize = 65_507;

/// Where lines of JSON go; each output is off unless it is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Write to standard output.
    pub stdout: bool,
    /// Append to this file.
    pub file: Option<PathBuf>,
    /// Serve any number of readers on this Unix stream socket.
    pub unix: Option<PathBuf>,
    /// Most readers of the Unix socket at once; further ones are refused.
    #[schemars(range(min = 1, max = 1024))]
    pub unix_readers: usize,
    /// Permission bits of the Unix socket.
    #[schemars(range(max = 0o777), extend("format" = "octal"))]
    pub unix_mode: u32,
    /// Send each line as a datagram to this `HOST:PORT`.
    pub udp: Option<String>,
    /// Largest datagram, bytes. Longer lines are dropped and counted.
    #[schemars(range(min = 128, max = UDP_MAX))]
    pub udp_max_bytes: usize,
    /// Lose no line: the pipeline waits for stdout and the file. For recordings, not for cameras.
    pub every: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stdout: false,
            file: None,
            unix: None,
            unix_readers: 32,
            unix_mode: 0o660,
            udp: None,
            udp_max_bytes: UDP_MAX,
            every: false,
        }
    }
}

impl Settings {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::fix`] for the first key that is wrong.
    pub fn validate(&self) -> Result<()> {
        ranges::check("sink.ndjson", self)?;
        if let Some(to) = &self.udp
            && to.rsplit_once(':').is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err())
        {
            return Err(Error::fix("sink.ndjson.udp", format!("is \"{to}\", wanted HOST:PORT")));
        }
        Ok(())
    }
}

impl SinkKind for Settings {
    fn validate(&self) -> Result<()> {
        Settings::validate(self)
    }

    fn open(&self, hooks: &Hooks) -> Result<Vec<Box<dyn Sink>>> {
        let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
        if self.stdout {
            sinks.push(Box::new(LineSink::stdout(self)?));
        }
        if let Some(path) = &self.file {
            sinks.push(Box::new(LineSink::file(&hooks.camera.own(path), self)?));
        }
        if let Some(path) = &self.unix {
            sinks.push(Box::new(UnixSink::open(&hooks.camera.own(path), self.unix_mode, self.unix_readers)?));
        }
        if let Some(to) = &self.udp {
            sinks.push(Box::new(UdpSink::open(to, self.udp_max_bytes)?));
        }
        Ok(sinks)
    }
}

/// Writes lines to one blocking writer (stdout or a file) on its own thread.
pub struct LineSink {
    name: &'static str,
    outlet: Outlet,
    every: bool,
}

impl LineSink {
    /// Lines to standard output.
    ///
    /// # Errors
    /// [`Error::fatal`] if its thread cannot be started.
    pub fn stdout(settings: &Settings) -> Result<Self> {
        let outlet = Outlet::start("stdout", "standard output", std::io::stdout())?;
        Ok(Self { name: "stdout", outlet, every: settings.every })
    }

    /// Appends lines to `path`; an incomplete last line is terminated first.
    ///
    /// # Errors
    /// [`Error::fix`] if the file cannot be opened for writing.
    pub fn file(path: &std::path::Path, settings: &Settings) -> Result<Self> {
        let file = outlet::append(path)?;
        Ok(Self { name: "file", outlet: Outlet::start("file", path.display(), file)?, every: settings.every })
    }
}

impl Sink for LineSink {
    fn name(&self) -> &str {
        self.name
    }

    fn wants(&self) -> Wants {
        Wants { json: true, ..Wants::default() }
    }

    fn put(&mut self, out: &Output<'_>) -> Result<()> {
        let Some(line) = out.json else { return Ok(()) };
        self.outlet.check()?;
        if !self.every {
            self.outlet.ring().push(line);
        } else if !self.outlet.ring().push_waiting(line, ROOM) {
            self.outlet.check()?;
            return Err(Error::retry(self.name, format!("took no line for {} s", ROOM.as_secs())));
        }
        Ok(())
    }

    fn lost(&self) -> u64 {
        self.outlet.lost()
    }

    fn finish(&mut self) -> Result<()> {
        self.outlet.finish(self.every.then_some(ROOM))
    }
}

/// Sends one datagram per line.
pub struct UdpSink {
    socket: UdpSocket,
    max_bytes: usize,
    lost: u64,
    warned: bool,
}

impl UdpSink {
    /// Sends datagrams to `to` (`HOST:PORT`; a host name is resolved once, here).
    ///
    /// # Errors
    /// [`Error::fix`] if `to` is not an address or the name cannot be resolved.
    pub fn open(to: &str, max_bytes: usize) -> Result<Self> {
        use std::net::ToSocketAddrs;
        let addresses = to.to_socket_addrs().map_err(|e| Error::fix(to, "is not a UDP address").because(e))?;
        let mut last = None;
        for address in addresses {
            let local = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(local).and_then(|s| {
                s.connect(address)?;
                s.set_nonblocking(true)?;
                Ok(s)
            });
            match socket {
                Ok(socket) => return Ok(Self { socket, max_bytes, lost: 0, warned: false }),
                Err(e) => last = Some(e),
            }
        }
        let error = Error::retry(to, "cannot be reached by UDP");
        Err(match last {
            Some(e) => error.because(e),
            None => error,
        })
    }
}

impl Sink for UdpSink {
    fn name(&self) -> &str {
        "udp"
    }

    fn wants(&self) -> Wants {
        Wants { json: true, ..Wants::default() }
    }

    fn put(&mut self, out: &Output<'_>) -> Result<()> {
        let Some(line) = out.json else { return Ok(()) };
        let trouble = if line.len() > self.max_bytes {
            Some(format!("a line of {} bytes exceeds the datagram limit of {}", line.len(), self.max_bytes))
        } else {
            // If nobody listens, a buffer is full or there is no route, the datagram is lost.
            self.socket.send(line.as_bytes()).err().map(|e| format!("a line was not sent: {e}"))
        };
        if let Some(trouble) = trouble {
            self.lost += 1;
            if !self.warned {
                log::warn!("udp: {trouble}; further losses are only counted");
                self.warned = true;
            }
        }
        Ok(())
    }

    fn lost(&self) -> u64 {
        self.lost
    }
}
