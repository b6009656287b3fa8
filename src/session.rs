//! A run in the foreground, watched by a user. It ends with the input, at a time limit, on an
//! interrupt, or when the reader of its standard output is gone.

mod tally;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::tally::{FaceCounts, Tally};
use crate::error::{Error, Result};
use crate::fleet::Fleet;
use crate::pipeline::{SharedStatus, Summary};
use crate::sink::is_reader_gone;
use crate::status::{Snapshot, Status};
use crate::stop;

/// Interval of progress output.
const PROGRESS_PERIOD: Duration = Duration::from_secs(1);

/// Output for the user. An error means that nobody reads any more, which ends the session normally.
pub trait Console {
    /// Writes a permanent line.
    ///
    /// # Errors
    /// The output cannot be written.
    fn line(&mut self, text: &str) -> io::Result<()>;

    /// Shows the progress of the first camera, about once a second.
    ///
    /// # Errors
    /// The output cannot be written.
    fn progress(&mut self, now: &Snapshot) -> io::Result<()>;

    /// Shows the summary of a camera at the end.
    ///
    /// # Errors
    /// The output cannot be written.
    fn summary(&mut self, status: &SharedStatus, faces: &FaceCounts) -> io::Result<()>;
}

/// How a session ended if nothing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The input ended, the time was up, or it was interrupted.
    Done,
    /// The reader of standard output is gone, which is not an error: `heatmark ... | head`.
    ReaderGone,
}

/// What ends a session before its input does.
pub struct Limits<'a> {
    /// Longest run.
    pub time: Option<Duration>,
    /// True once an interrupt was requested.
    pub interrupted: &'a dyn Fn() -> bool,
    /// Results go to standard output: the session ends normally when their reader is gone.
    pub results_to_stdout: bool,
}

/// Runs a fleet to its end. `faces` are the counts of its [`Tally`] sinks, in camera order.
///
/// # Errors
/// Every error that ended a camera or a sink.
pub fn run(
    fleet: Fleet,
    faces: &[Arc<FaceCounts>],
    limits: &Limits<'_>,
    console: &mut dyn Console,
) -> Result<Outcome, Vec<Error>> {
    let (statuses, reports) = (fleet.statuses(), fleet.reports());
    let now = Instant::now();
    let mut view =
        View { console, limits, until: limits.time.map(|time| now + time), next: now + PROGRESS_PERIOD, gone: false };
    let mut hint = " (Ctrl-C stops)";
    for opened in reports.iter().filter_map(|report| report.opened()) {
        view.show(|console| console.line(&format!("{opened}{hint}")));
        hint = "";
    }
    let (stopper, stop) = stop::pair();
    let mut stopper = Some(stopper);
    let ended = fleet.run(&stop, |statuses| {
        if statuses.first().is_some_and(|first| view.is_over(first)) {
            stopper = None;
        }
    });
    for (status, faces) in statuses.iter().zip(faces) {
        view.show(|console| console.summary(status, faces));
    }
    for done in reports.iter().filter_map(|report| report.done()) {
        view.show(|console| console.line(&done));
    }
    view.verdict(ended.map_err(|e| vec![e])?)
}

/// What the user sees during the run.
struct View<'a> {
    console: &'a mut dyn Console,
    limits: &'a Limits<'a>,
    until: Option<Instant>,
    next: Instant,
    /// The reader has closed standard output.
    gone: bool,
}

impl View<'_> {
    fn show(&mut self, text: impl FnOnce(&mut dyn Console) -> io::Result<()>) {
        self.gone |= text(self.console).is_err();
    }

    /// Shows progress if it is due; true if the cameras should stop.
    fn is_over(&mut self, status: &SharedStatus) -> bool {
        let now = Instant::now();
        let mut silenced = false;
        if now >= self.next {
            // After a suspend of the machine one line is enough.
            self.next = (self.next + PROGRESS_PERIOD).max(now);
            let snapshot = status.snapshot();
            self.show(|console| console.progress(&snapshot));
            silenced = self.limits.results_to_stdout && snapshot.sinks_failed > 0;
        }
        self.gone || silenced || (self.limits.interrupted)() || self.until.is_some_and(|until| now >= until)
    }

    fn verdict(self, ended: Vec<Result<Summary>>) -> Result<Outcome, Vec<Error>> {
        let of_one = |ended: Result<Summary>| ended.map_or_else(|e| vec![e], |summary| summary.sink_errors);
        let peaceful = |e: &Error| self.limits.results_to_stdout && is_reader_gone(e);
        let errors: Vec<_> = ended.into_iter().flat_map(of_one).filter(|e| !peaceful(e)).collect();
        match (errors.is_empty(), self.gone) {
            (false, _) => Err(errors),
            (true, true) => Ok(Outcome::ReaderGone),
            (true, false) => Ok(Outcome::Done),
        }
    }
}
