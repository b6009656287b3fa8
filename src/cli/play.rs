//! Shared by the commands that run cameras: their options, and a session on the terminal.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use toml::Value;

use super::screen::Screen;
use super::signals::Interrupt;
use super::{Base, Done, Failure};
use crate::config::Config;
use crate::config::layers::Settled;
use crate::error::{Error, Result};
use crate::fleet::{Fleet, MoreSinks};
use crate::session::{self, FaceCounts, Limits, Outcome, Tally};
use crate::sink::Sink;

/// Options of every command that runs a pipeline.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Run")]
pub struct Options {
    /// Stop after this time in seconds.
    #[arg(long, value_name = "N", value_parser = seconds)]
    pub seconds: Option<f64>,
    /// Do not serve the page.
    #[arg(long)]
    pub no_http: bool,
    /// Serve the page on this address; port 0 takes a free port.
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "no_http")]
    pub listen: Option<String>,
    /// Write results as lines of JSON to this file, or to standard output (`-`).
    #[arg(long, value_name = "FILE|-")]
    pub ndjson: Option<PathBuf>,
}

/// Options of every command that plays a recording.
#[derive(Debug, Clone, Args)]
pub struct Recording {
    /// Restart at the end.
    #[arg(long)]
    repeat: bool,
    /// What 16-bit counts mean if the file does not say so: centikelvin, decikelvin or counts.
    #[arg(long, value_name = "UNIT")]
    signal: Option<String>,
}

impl Recording {
    /// The keys that they set.
    pub fn flags(&self) -> Vec<Flag> {
        let repeat = self.repeat.then(|| ("--repeat", "source.repeat", true.into()));
        let signal = self.signal.as_deref().map(|unit| ("--signal", "source.signal", unit.into()));
        repeat.into_iter().chain(signal).collect()
    }
}

/// True if a plain `demo` means what is built in: a file of that name comes first.
pub fn is_built_in(file: &str) -> bool {
    file == "demo" && !Path::new(file).exists()
}

fn seconds(text: &str) -> Result<f64, String> {
    let n: f64 = text.parse().map_err(|_| "wanted a number of seconds".to_string())?;
    if n.is_finite() && n > 0.0 && n <= 1e9 { Ok(n) } else { Err("wanted seconds, above 0".into()) }
}

/// A flag, the key it sets, and the value.
pub type Flag = (&'static str, &'static str, Value);

impl Options {
    /// Loads the configuration with these options and `more` flags.
    pub(super) fn settle(&self, base: &Base, more: Vec<Flag>) -> Result<Settled<Config>, Failure> {
        let mut flags = more;
        if self.no_http {
            flags.push(("--no-http", "sink.http.enabled", false.into()));
        }
        if let Some(listen) = &self.listen {
            flags.push(("--listen", "sink.http.listen", listen.as_str().into()));
            flags.push(("--listen", "sink.http.enabled", true.into()));
        }
        match &self.ndjson {
            Some(path) if path.as_os_str() == "-" => flags.push(("--ndjson", "sink.ndjson.stdout", true.into())),
            Some(path) => {
                let path = path.to_str().ok_or_else(|| Error::fix("--ndjson", "the path is not UTF-8"))?;
                flags.push(("--ndjson", "sink.ndjson.file", path.into()));
            }
            None => {}
        }
        base.settle(flags)
    }
}

/// Runs the fleet that `open` creates from `config` until it ends, `seconds` have passed or a signal arrives.
pub(super) fn run(
    base: &Base,
    config: &Config,
    seconds: Option<f64>,
    open: impl FnOnce(&mut MoreSinks<'_>) -> Result<Fleet>,
) -> Done {
    let interrupt = Interrupt::listen()?;
    let mut faces = Vec::new();
    let fleet = open(&mut |_| {
        let counts = Arc::new(FaceCounts::default());
        let tally: Box<dyn Sink> = Box::new(Tally::new(&counts));
        faces.push(counts);
        vec![tally]
    })?;
    let results_to_stdout = config.sink.ndjson.stdout;
    // If results go to standard output, messages must not.
    let mut screen = Screen::new(results_to_stdout, base.quiet);
    let time = seconds.map(Duration::from_secs_f64);
    let limits = Limits { time, interrupted: &|| interrupt.asked(), results_to_stdout };
    match session::run(fleet, &faces, &limits, &mut screen)? {
        Outcome::Done => Ok(()),
        Outcome::ReaderGone => Err(Failure::ReaderGone),
    }
}
