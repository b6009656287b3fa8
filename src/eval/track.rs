//! Evaluation of trackers: one pass over a sequence from a box given in its first frame.
//!
//! A sequence has pictures in one or both modalities and a box of one target for each frame. A tracker is given the
//! first box and answers with one for every later frame, in thermal pixels (visible ones where there is no thermal
//! picture), with the probability that the target is in view. [`rules`] tells how the answers are scored, [`presence`]
//! how well it knows that the target is gone; `plain` and `field` list the layouts that are read.

pub mod curves;
mod field;
pub mod find;
pub mod follow;
mod lines;
pub mod measure;
pub mod ours;
mod plain;
pub mod presence;
pub mod reel;
mod report;
pub mod rules;
mod saved;
pub mod sequence;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::Serialize;

use self::curves::{Curves, Scores};
use self::follow::Follow;
use self::measure::Xywh;
use self::presence::{Presence, PresenceScores};
use self::rules::Rule;
use self::sequence::Sequence;
use crate::error::{Error, Result};
use crate::frame::Signal;
use crate::result::Modality;

/// Where answers come from.
pub enum Follower<'a> {
    /// A folder of result files.
    Saved(&'a Path),
    /// A tracker that is run.
    Live(&'a mut dyn Follow),
}

/// What to evaluate, and how.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    /// The rule for all sequences; `None` for that of their layout.
    pub rule: Option<Rule>,
    /// What a tracker is given of the pictures that there are.
    pub modality: Modality,
    /// What thermal counts mean where a sequence does not tell.
    pub signal: Option<Signal>,
    /// Names of the only sequences to take, all of which must be there; `None` for all.
    pub only: Option<Vec<String>>,
    /// Take only clips that training holds out: the last number in their name ends with 3, 6 or 9.
    pub held_out: bool,
    /// Stop after this many sequences.
    pub limit: Option<usize>,
    /// Most frames of a sequence, from the given box on; `None` for all.
    pub frames: Option<NonZeroUsize>,
    /// Whether the text of the report lists every sequence.
    pub each: bool,
}

/// Results of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Name of the tracker, or the folder of its results.
    pub follower: String,
    /// Name of its model, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Sequences that are scored by one rule, for every rule that there is.
    pub sets: Vec<SetReport>,
    #[serde(skip)]
    each: bool,
}

/// Scores by the name of a group.
pub type Groups = Vec<(String, Scores)>;

/// Results of sequences that are scored by one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetReport {
    /// How they are scored.
    pub rule: Rule,
    /// All of them.
    pub overall: Scores,
    /// By the pictures that the tracker was given.
    pub by_modality: Groups,
    /// By the kind of target, where known.
    pub by_class: Groups,
    /// By difficulty, where known; a sequence counts in each of its groups.
    pub by_attribute: Groups,
    /// By kinds of frames: only these count.
    pub by_part: Groups,
    /// Whether the tracker knows that the target is in view, over all frames of all sequences.
    pub presence: PresenceScores,
    /// Every sequence.
    pub sequences: Vec<SequenceReport>,
}

/// Results of one sequence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SequenceReport {
    /// Its name.
    pub name: String,
    /// What the target is, if known.
    pub class: Option<String>,
    /// Difficulties that the set names.
    pub attributes: Vec<String>,
    /// The pictures that the tracker was given.
    pub modality: Modality,
    /// The frame whose box was given.
    pub first_frame: usize,
    /// The scores.
    pub scores: Scores,
    /// Whether the tracker knows that the target is in view.
    pub presence: PresenceScores,
}

/// A sequence with its answers.
struct Pass {
    report: SequenceReport,
    rule: Rule,
    curves: Curves,
    parts: Vec<(String, Curves)>,
    presence: Presence,
}

/// Evaluates `follower` on every sequence under `paths` ([`find`]). Our own sequences whose target is never in view
/// are left out.
///
/// # Errors
/// Fix: a path holds no sequence, a sequence has no box to start from, its pictures or results are missing or are not
/// as wanted. Errors of a tracker are passed on.
pub fn run(paths: &[PathBuf], mut follower: Follower<'_>, options: &Options) -> Result<Report> {
    let mut sequences = Vec::new();
    for path in paths {
        sequences.extend(find::sequences(path)?);
    }
    if let Some(only) = &options.only {
        if let Some(missing) = only.iter().find(|name| !sequences.iter().any(|s| s.name == **name)) {
            let what = format!("listed, but there is no such sequence among {}", sequences.len());
            return Err(Error::fix(missing, what));
        }
        sequences.retain(|s| only.contains(&s.name));
    }
    if options.held_out {
        sequences.retain(|s| is_held_out(&s.name));
        if sequences.is_empty() {
            return Err(Error::fix("--held-out", "holds no sequence: no last number in a name ends with 3, 6 or 9"));
        }
    }
    sequences.truncate(options.limit.unwrap_or(usize::MAX));
    // A clip without its target among many says nothing of a tracker; alone it is an error.
    if sequences.iter().any(Sequence::has_target) {
        let none = |s: &Sequence| s.rule == Rule::Plain && !s.has_target();
        sequences
            .iter()
            .filter(|s| none(s))
            .for_each(|s| log::warn!("{}: left out, its target is never in view", s.name));
        sequences.retain(|s| !none(s));
    }
    let mut passes = Vec::new();
    for mut sequence in sequences {
        sequence.rule = options.rule.unwrap_or(sequence.rule);
        let pass = pass(&sequence, &mut follower, options)?;
        let level = if matches!(follower, Follower::Live(_)) { log::Level::Info } else { log::Level::Debug };
        log::log!(level, "{}: SR {:.1} %", sequence.name, 100.0 * pass.report.scores.sr);
        passes.push(pass);
    }
    let (follower, model) = match follower {
        Follower::Saved(folder) => (folder.display().to_string(), None),
        Follower::Live(tracker) => (tracker.name(), tracker.model().map(str::to_string)),
    };
    let rules = Rule::ALL.into_iter().filter(|rule| passes.iter().any(|p| p.rule == *rule));
    let sets = rules.map(|rule| SetReport::of(rule, passes.iter().filter(|p| p.rule == rule))).collect();
    Ok(Report { follower, model, sets, each: options.each })
}

/// Whether training holds out the clip of this name, as `models/training` does.
fn is_held_out(name: &str) -> bool {
    name.bytes().rev().find(u8::is_ascii_digit).is_some_and(|digit| b"369".contains(&digit))
}

fn pass(sequence: &Sequence, follower: &mut Follower<'_>, options: &Options) -> Result<Pass> {
    let modality = sequence.modality(options.modality)?;
    let (mut rows, mut truths) = sequence.rows(modality)?;
    let given = truths[0][0];
    // Saved answers are for all rows.
    let shown = rows.clone();
    if let Some(most) = options.frames {
        rows.end = rows.end.min(rows.start + most.get().div_ceil(sequence.step));
    }
    let mut answers = match follower {
        Follower::Saved(folder) => saved::answers(folder, sequence, shown)?,
        Follower::Live(tracker) => {
            follow::follow(sequence, rows.clone(), given, modality, options.signal, &mut **tracker)?
        }
    };
    answers.truncate(rows.len());
    truths.truncate(answers.len());
    let rule = sequence.rule;
    let whole = |bbox: Xywh| if rule.rounds() { bbox.rounded() } else { bbox };
    let results: Vec<Xywh> = answers.iter().map(|a| whole(a.bbox)).collect();
    let curves = rule.curves(&truths, &results, |_| true);
    let parts = sequence.parts.iter().map(|(name, inside)| {
        (name.clone(), rule.curves(&truths, &results, |row| inside.get(rows.start + row) == Some(&true)))
    });
    let mut presence = Presence::default();
    let main: Vec<Xywh> = truths.iter().map(|t| t[0]).collect();
    presence.add(&main[1..], &answers[1..], sequence.rate / sequence.step as f64);
    let report = SequenceReport {
        name: sequence.name.clone(),
        class: sequence.class.clone(),
        attributes: sequence.attributes.clone(),
        modality,
        first_frame: rows.start * sequence.step,
        scores: Scores::mean(rule, std::iter::once(&curves)).without_curves(),
        presence: presence.scores(),
    };
    Ok(Pass { report, rule, parts: parts.collect(), curves, presence })
}

impl SetReport {
    fn of<'a>(rule: Rule, passes: impl Iterator<Item = &'a Pass>) -> Self {
        let passes: Vec<&Pass> = passes.collect();
        let mut presence = Presence::default();
        passes.iter().for_each(|p| presence.join(&p.presence));
        let grouped = |names: &dyn Fn(&Pass) -> Vec<(String, Curves)>| {
            let mut groups: BTreeMap<String, Vec<Curves>> = BTreeMap::new();
            for (name, curves) in passes.iter().flat_map(|p| names(p)) {
                groups.entry(name).or_default().push(curves);
            }
            groups.into_iter().map(|(name, all)| (name, Scores::mean(rule, all.iter()))).collect::<Groups>()
        };
        Self {
            rule,
            overall: Scores::mean(rule, passes.iter().map(|p| &p.curves)),
            by_modality: grouped(&|p| vec![(p.report.modality.name().into(), p.curves.clone())]),
            by_class: grouped(&|p| p.report.class.iter().map(|c| (c.clone(), p.curves.clone())).collect()),
            by_attribute: grouped(&|p| p.report.attributes.iter().map(|a| (a.clone(), p.curves.clone())).collect()),
            by_part: grouped(&|p| p.parts.clone()),
            presence: presence.scores(),
            sequences: passes.iter().map(|p| p.report.clone()).collect(),
        }
    }
}
