//! How the program ends: exit codes, the error chain printed once, the log.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use crate::config::Log;
use crate::error::{Error, Remedy};

/// The exit codes; the only list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or stopped by the first SIGINT or SIGTERM.
    Ok = 0,
    /// Failed, and no change outside the program will help.
    Failed = 1,
    /// The user must change something first.
    Fix = 2,
    /// Another try may succeed.
    Retry = 3,
    /// Ended at once by the second SIGINT or SIGTERM.
    Interrupted = 130,
}

impl Exit {
    /// Every code with its meaning.
    pub const ALL: [(Exit, &str); 5] = [
        (Exit::Ok, "done, or stopped by the first SIGINT (Ctrl-C) or SIGTERM"),
        (Exit::Failed, "failed; trying again will not help: a broken file of the program, a failed self-check"),
        (Exit::Fix, "wrong usage, configuration, permission or file: change what the message names"),
        (Exit::Retry, "the source or a peer is away: try again later"),
        (Exit::Interrupted, "stopped by a second signal, without flushing"),
    ];
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl From<Remedy> for Exit {
    fn from(act: Remedy) -> Self {
        match act {
            Remedy::Retry => Exit::Retry,
            Remedy::Fix => Exit::Fix,
            Remedy::Fatal => Exit::Failed,
        }
    }
}

/// The table, as the last part of the help.
pub fn table() -> String {
    let mut text = String::from("Exit codes:\n");
    for (exit, meaning) in Exit::ALL {
        let _ = writeln!(text, "  {:>3}  {meaning}", exit as u8);
    }
    text.push_str("\nEvery configuration key, with its default: `heatmark config reference`.");
    text
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// Errors to report; never empty.
    Errors(Vec<Error>),
    /// The reader of standard output is gone, which is not an error: `heatmark ... | head`.
    ReaderGone,
}

impl Failure {
    /// Prints every error with its causes on standard error, once.
    pub fn report(self) -> Exit {
        let Failure::Errors(errors) = self else { return Exit::Ok };
        // Write errors are ignored: there is nowhere else to report them.
        let mut err = std::io::stderr().lock();
        for e in &errors {
            let _ = writeln!(err, "error: {e}");
        }
        if errors.len() > 1 {
            let _ = writeln!(err, "{} errors", errors.len());
        }
        let worst = |act| errors.iter().any(|e| e.remedy() == act);
        [Remedy::Fatal, Remedy::Fix, Remedy::Retry].into_iter().find(|act| worst(*act)).map_or(Exit::Failed, Exit::from)
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Failure::Errors(vec![e])
    }
}

impl From<Vec<Error>> for Failure {
    fn from(errors: Vec<Error>) -> Self {
        Failure::Errors(errors)
    }
}

/// Starts logging to standard error; only the first call has an effect.
pub fn start_log(settings: &Log) {
    let mut builder = env_logger::Builder::new();
    builder.filter_module("heatmark", settings.level.into());
    // Other crates log only warnings, or debug messages at level trace.
    let others = if settings.level == crate::config::Level::Trace {
        log::LevelFilter::Debug
    } else {
        log::LevelFilter::Warn.min(settings.level.into())
    };
    builder.filter_level(others).target(env_logger::Target::Stderr);
    if settings.journal {
        builder.format(|out, record| {
            let priority = match record.level() {
                log::Level::Error => 3,
                log::Level::Warn => 4,
                log::Level::Info => 6,
                log::Level::Debug | log::Level::Trace => 7,
            };
            writeln!(out, "<{priority}>{}", record.args())
        });
    } else {
        builder.format(|out, record| {
            let level = record.level();
            let style = out.default_level_style(level);
            writeln!(out, "{} {style}{level:5}{style:#} {}", clock(), record.args())
        });
    }
    let _ = builder.try_init();
}

/// The time of day, UTC.
fn clock() -> String {
    let now = time::OffsetDateTime::now_utc();
    format!("{:02}:{:02}:{:02}.{:03}Z", now.hour(), now.minute(), now.second(), now.millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_error_decides_the_code() {
        let all = vec![Error::retry("a", "b"), Error::fix("c", "d"), Error::fatal("e", "f")];
        assert_eq!(Failure::Errors(all).report(), Exit::Failed);
        assert_eq!(Failure::from(vec![Error::retry("a", "b"), Error::fix("c", "d")]).report(), Exit::Fix);
        assert_eq!(Failure::from(Error::retry("a", "b")).report(), Exit::Retry);
        assert_eq!(Failure::ReaderGone.report(), Exit::Ok);
    }

    #[test]
    fn every_code_is_in_the_help() {
        for (exit, meaning) in Exit::ALL {
            assert!(table().contains(&format!("{:>3}  {meaning}", exit as u8)));
        }
    }
}
