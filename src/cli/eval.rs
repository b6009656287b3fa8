//! `heatmark eval`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Base, Done, print};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::eval::track::follow::Still;
use crate::eval::track::ours::Ours;
use crate::eval::track::rules::Rule;
use crate::eval::track::{self, Follower};
use crate::eval::{self, Options};
use crate::face::Engine;
use crate::frame::Signal;
use crate::result::Modality;

/// Arguments of `heatmark eval`.
#[derive(Debug, Args)]
pub struct Eval {
    /// Annotated pictures: a synthetic data set, a folder with `.pts` or YOLO labels (boxes; 5, 68 or 70 points), a CSV
    /// file of points, or a picture. With --track sequences: plain folders with `boxes.csv`, videos with a CSV file of
    /// the same name, or GTOT, RGBT210, RGBT234, LasHeR and VTUAV.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What 16-bit counts mean if the file does not say so: centikelvin, decikelvin or counts.
    #[arg(long, value_name = "UNIT")]
    signal: Option<String>,
    /// Stop after this many pictures, or sequences.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    track: Track,
}

/// Arguments of `heatmark eval --track`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Trackers")]
struct Track {
    /// Evaluate a tracker on sequences: one pass from the first box.
    #[arg(long)]
    track: bool,
    /// Score the boxes saved in this folder, `NAME.txt` for each sequence: lines of x,y,w,h and perhaps a presence.
    #[arg(long, value_name = "FOLDER", requires = "track", conflicts_with = "follower")]
    boxes: Option<PathBuf>,
    /// Run this tracker.
    #[arg(long, requires = "track", default_value = "track")]
    follower: Builtin,
    /// Model of our tracker: a built-in one or the path of a model card.
    #[arg(long, value_name = "NAME|CARD", requires = "track", conflicts_with = "boxes")]
    model: Option<String>,
    /// Show the tracker only these pictures of a pair.
    #[arg(long, requires = "track", default_value = "both")]
    modality: Sight,
    /// Score by this rule instead of that of the layout.
    #[arg(long, requires = "track")]
    rule: Option<RuleName>,
    /// Take only the sequences that this file names, one a line.
    #[arg(long, value_name = "FILE", requires = "track")]
    list: Option<PathBuf>,
    /// Take only the clips that the training of our models holds out: the last number in their name ends with 3, 6 or 9.
    #[arg(long, requires = "track")]
    held_out: bool,
    /// Take at most this many frames of a sequence, from the given box on.
    #[arg(long, value_name = "N", requires = "track")]
    frames: Option<NonZeroUsize>,
    /// List every sequence in the table.
    #[arg(long, requires = "track")]
    each: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Builtin {
    /// Our own.
    Track,
    /// A box that never moves.
    Still,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sight {
    Both,
    Thermal,
    Visible,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RuleName {
    /// Ours: frames without the target are left out.
    Plain,
    /// LasHeR and RGBT210.
    Single,
    /// RGBT234 and VTUAV: of two truths the better.
    Better,
    /// GTOT: two truths, mean over frames.
    Gtot,
}

/// Evaluates the networks on annotated pictures, or a tracker on sequences.
pub(super) fn run(base: &Base, eval: &Eval) -> Done {
    let mut flags = Vec::new();
    if let Some(unit) = &eval.signal {
        flags.push(("--signal", "source.signal", unit.as_str().into()));
    }
    if let Some(model) = &eval.track.model {
        flags.push(("--model", "track.model", model.as_str().into()));
    }
    let settled = base.settle(flags)?;
    let config = &settled.values;
    let signal = config.source.signal.map(|unit| unit.signal());
    if eval.track.track {
        return output(eval, &track(eval, config, signal)?);
    }
    let mut engine = Engine::of_stills(&config.face, config.surface)?;
    let signal = signal.unwrap_or(Signal::Counts);
    output(eval, &eval::run(&eval.paths, &mut engine, &Options { signal, limit: eval.limit })?)
}

fn output(eval: &Eval, report: &(impl Serialize + ToString)) -> Done {
    let text = if eval.json {
        serde_json::to_string(report).map_err(|e| Error::fatal("eval", "the report has no JSON form").because(e))?
    } else {
        report.to_string()
    };
    print::out(&format!("{}\n", text.trim_end()))
}

fn track(eval: &Eval, config: &Config, signal: Option<Signal>) -> Result<track::Report> {
    let Track { boxes, follower, model, modality, rule, list, held_out, frames, each, .. } = &eval.track;
    let names = |path: &PathBuf| {
        let text =
            std::fs::read_to_string(path).map_err(|e| Error::fix(path.display(), "cannot be read").because(e))?;
        Ok(text.split_whitespace().map(str::to_string).collect())
    };
    let options = track::Options {
        rule: rule.map(|rule| match rule {
            RuleName::Plain => Rule::Plain,
            RuleName::Single => Rule::Single,
            RuleName::Better => Rule::Better,
            RuleName::Gtot => Rule::Gtot,
        }),
        modality: match modality {
            Sight::Both => Modality::Both,
            Sight::Thermal => Modality::Thermal,
            Sight::Visible => Modality::Visible,
        },
        signal,
        only: list.as_ref().map(names).transpose()?,
        held_out: *held_out,
        limit: eval.limit,
        frames: *frames,
        each: *each,
    };
    match (boxes, follower) {
        (Some(folder), _) => track::run(&eval.paths, Follower::Saved(folder), &options),
        (None, Builtin::Track) => track::run(&eval.paths, Follower::Live(&mut Ours::new(&config.track)?), &options),
        (None, Builtin::Still) if model.is_some() => Err(Error::fix("--model", "belongs to --follower track")),
        (None, Builtin::Still) => track::run(&eval.paths, Follower::Live(&mut Still::default()), &options),
    }
}
