//! The command line: commands, options and exit codes.
//!
//! Each command has its own file, which reads the arguments, loads the configuration and calls the
//! library.

mod bench;
mod camera;
mod check;
#[cfg(feature = "nokhwa")]
mod colour;
mod demo;
mod devices;
mod doctor;
mod eval;
mod exit;
mod infer;
mod model;
mod play;
mod print;
mod record;
mod replay;
mod run;
mod schema;
mod screen;
mod signals;
#[cfg(feature = "synth")]
mod synth;
mod track;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Instant;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use self::exit::{Exit, Failure};
use crate::config::layers::Settled;
use crate::config::{self, Config, Given};

/// How a command ends.
pub type Done = Result<(), Failure>;

/// Real-time inference for thermal cameras: faces, 70 landmarks, and the temperature under each.
#[derive(Debug, Parser)]
#[command(name = "heatmark", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    base: Base,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Configuration")]
struct Base {
    /// Read this configuration file.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Use the defaults of this board: a name, or `auto` to detect it.
    #[arg(long, value_name = "NAME", global = true)]
    board: Option<String>,
    /// Set one key, overriding every file; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", global = true)]
    set: Vec<String>,
    /// Log more: why things happen (-v), or every frame (-vv).
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
    /// Log only warnings and errors, and print no status lines.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

impl Base {
    /// Loads the configuration with additional flags (flag, key, value) and starts logging.
    fn settle(&self, flags: Vec<(&'static str, &'static str, toml::Value)>) -> Result<Settled<Config>, Failure> {
        let settled = config::load(&self.given(flags))?;
        exit::start_log(&settled.values.log);
        for entry in settled.entries.iter().filter(|e| e.origin != config::layers::Origin::Default) {
            log::debug!("{} = {} ({})", entry.path, entry.shown, entry.origin);
        }
        Ok(settled)
    }

    fn given(&self, mut flags: Vec<(&'static str, &'static str, toml::Value)>) -> Given {
        match (self.quiet, self.verbose) {
            (true, _) => flags.push(("--quiet", "log.level", "warn".into())),
            (_, 0) => {}
            (_, 1) => flags.push(("-v", "log.level", "debug".into())),
            (_, _) => flags.push(("-vv", "log.level", "trace".into())),
        }
        Given { file: self.config.clone(), board: self.board.clone(), set: self.set.clone(), flags }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run cameras until stopped; cameras that fail are reopened.
    Run(run::Run),
    /// List cameras with their types, names and permissions.
    Devices(devices::Devices),
    /// Control a camera: shutter, gain, temperatures.
    Camera(camera::Camera),
    /// Check this machine for problems and print how to fix them.
    Doctor(doctor::Doctor),
    /// Play the built-in clip through the real pipeline, without a camera.
    Demo(demo::Demo),
    /// Play a recording, a picture or a folder of pictures.
    Replay(replay::Replay),
    /// Track anything in a thermal recording, one in visible light, or both.
    Track(track::Track),
    /// Find faces in pictures and print one line of JSON for each picture.
    Infer(infer::Infer),
    /// Record raw frames with temperatures and times.
    Record(record::Record),
    /// Measure every stage: time, allocations, memory and start-up.
    Bench(bench::Bench),
    /// Compare results with annotated pictures, or a tracker with sequences of boxes.
    Eval(eval::Eval),
    /// List models, or show how a model runs.
    Model {
        #[command(subcommand)]
        command: model::Command,
    },
    /// Check, show or explain the configuration.
    Config {
        #[command(subcommand)]
        command: check::Command,
    },
    /// Print the JSON schema of the results.
    Schema(schema::Schema),
    /// Render synthetic thermal scenes with exact ground truth, for training and tests.
    #[cfg(feature = "synth")]
    Synth(synth::Synth),
}

/// Runs the command in `args` (the first is the program's name) and returns its exit code.
pub fn run(args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Exit {
    let started = Instant::now();
    let command = Cli::command().after_long_help(exit::table());
    let cli = match command.try_get_matches_from(args).and_then(|m| Cli::from_arg_matches(&m)) {
        Ok(cli) => cli,
        Err(e) => {
            // An error means that the reader of the help is gone.
            let _ = e.print();
            return match e.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Ok,
                _ => Exit::Fix,
            };
        }
    };
    match dispatch(&cli, started) {
        Ok(()) => Exit::Ok,
        Err(failure) => failure.report(),
    }
}

fn dispatch(cli: &Cli, started: Instant) -> Done {
    match &cli.command {
        Command::Run(run) => run::run(&cli.base, run),
        Command::Devices(devices) => devices::run(&cli.base, devices),
        Command::Camera(camera) => camera::run(&cli.base, camera),
        Command::Doctor(doctor) => doctor::run(&cli.base, doctor),
        Command::Demo(demo) => demo::run(&cli.base, demo),
        Command::Replay(replay) => replay::run(&cli.base, replay),
        Command::Track(track) => track::run(&cli.base, track),
        Command::Infer(infer) => infer::run(&cli.base, infer),
        Command::Record(record) => record::run(&cli.base, record),
        Command::Bench(bench) => bench::run(&cli.base, bench, started),
        Command::Eval(eval) => eval::run(&cli.base, eval),
        Command::Model { command } => model::run(&cli.base, command),
        Command::Config { command } => check::run(&cli.base, command),
        Command::Schema(schema) => schema::run(schema),
        #[cfg(feature = "synth")]
        Command::Synth(synth) => {
            cli.base.settle(Vec::new())?;
            synth::run(synth)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
