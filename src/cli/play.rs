//! Running a pipeline for a person: page address, a status line each second, a summary.

use std::iter::repeat;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use toml::Value;

use super::screen::Screen;
use super::signals::Interrupt;
use super::tally::{Seen, Tally};
use super::{Base, Done, Failure};
use crate::assembly::{Assembly, assemble};
use crate::config::Config;
use crate::config::layers::Settled;
use crate::error::{Error, Result};
use crate::pipeline::{Input, SharedStatus};
use crate::sink::{Sink, is_reader_gone};
use crate::status::Status;
use crate::stop;

/// How often signals and the clock are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often a status line is printed.
const LINE: Duration = Duration::from_secs(1);

/// What every command that runs a pipeline takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Run")]
pub struct Options {
    /// Stop after this time.
    #[arg(long, value_name = "N", value_parser = seconds)]
    pub seconds: Option<f64>,
    /// Serve no page.
    #[arg(long)]
    pub no_http: bool,
    /// Serve the page on this address instead; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "no_http")]
    pub listen: Option<String>,
    /// Write results as lines of JSON to this file, or to standard output (`-`).
    #[arg(long, value_name = "FILE|-")]
    pub ndjson: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let n: f64 = text.parse().map_err(|_| "wanted a number of seconds".to_string())?;
    if n.is_finite() && n > 0.0 && n <= 1e9 { Ok(n) } else { Err("wanted seconds, above 0".into()) }
}

/// A flag, the key it sets, and the value.
pub type Flag = (&'static str, &'static str, Value);

impl Options {
    /// Settles the configuration with these options and `more` flags.
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

/// Runs `input` under `config` until it ends, `seconds` have passed or a signal arrives.
pub(super) fn run(base: &Base, config: &Config, input: Input, seconds: Option<f64>, more: Vec<Box<dyn Sink>>) -> Done {
    let interrupt = Interrupt::listen()?;
    let seen = Arc::new(Seen::default());
    let mut sinks = more;
    sinks.push(Box::new(Tally::new(&seen)));
    let Assembly { pipeline, reports } = assemble(config, input, sinks)?;

    let mut show = Show {
        // Where results go to standard output, words must not.
        screen: Screen::new(config.sink.ndjson.stdout, base.quiet),
        until: seconds.map(|s| Instant::now() + Duration::from_secs_f64(s)),
        next: Instant::now() + LINE,
        results_to_stdout: config.sink.ndjson.stdout,
        gone: false,
    };
    for (opened, hint) in
        reports.iter().filter_map(|r| r.opened()).zip([" (Ctrl-C stops)"].into_iter().chain(repeat("")))
    {
        show.note(&format!("{opened}{hint}"));
    }
    let (stopper, stop) = stop::pair();
    let mut stopper = Some(stopper);
    let status = pipeline.status();
    let ended = pipeline.watch(&stop, LOOK, |status| {
        if show.is_over(status, &interrupt) {
            stopper = None;
        }
    });
    let summary = super::screen::summary(&status, &seen);
    show.screen.clear();
    show.note(&summary);
    for done in reports.iter().filter_map(|r| r.done()) {
        show.note(&done);
    }
    show.verdict(ended.map(|s| s.sink_errors))
}

/// What the person sees while it runs.
struct Show {
    screen: Screen,
    until: Option<Instant>,
    next: Instant,
    results_to_stdout: bool,
    /// Standard output was closed by its reader.
    gone: bool,
}

impl Show {
    fn note(&mut self, text: &str) {
        self.gone |= self.screen.note(text).is_err();
    }

    /// Prints what is due; true where the pipeline should stop.
    fn is_over(&mut self, status: &SharedStatus, interrupt: &Interrupt) -> bool {
        let now = Instant::now();
        let due = now >= self.next;
        if due {
            // After a pause of the machine one line is enough.
            self.next = (self.next + LINE).max(now);
            self.gone |= self.screen.status(&status.snapshot().to_string()).is_err();
        }
        let silenced = self.results_to_stdout && due && status.snapshot().sinks_failed > 0;
        self.gone || silenced || interrupt.asked() || self.until.is_some_and(|until| now >= until)
    }

    fn verdict(self, ended: Result<Vec<Error>>) -> Done {
        let errors = match ended {
            Ok(errors) => errors,
            Err(e) => vec![e],
        };
        let peaceful = |e: &Error| self.results_to_stdout && is_reader_gone(e);
        let errors: Vec<_> = errors.into_iter().filter(|e| !peaceful(e)).collect();
        match (errors.is_empty(), self.gone) {
            (false, _) => Err(errors.into()),
            (true, true) => Err(Failure::ReaderGone),
            (true, false) => Ok(()),
        }
    }
}
