//! The report of an evaluation of a tracker as text.

use std::fmt;

use super::curves::Scores;
use super::presence::PresenceScores;
use super::rules::Rule;
use super::{Report, SetReport};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, set) in self.sets.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            let model = self.model.as_ref().map_or(String::new(), |model| format!(" ({model})"));
            set.write(f, &format!("{}{model}", self.follower), self.each)?;
        }
        Ok(())
    }
}

impl SetReport {
    fn write(&self, f: &mut fmt::Formatter<'_>, follower: &str, each: bool) -> fmt::Result {
        let (count, frames) = (self.sequences.len(), self.overall.frames);
        writeln!(f, "{follower}: {count} sequences, {frames} frames that count, rule {}", self.rule.name())?;
        let names: &[(&str, _)] = &[("overall", std::slice::from_ref(&self.overall))];
        let mut rows: Vec<(String, &Scores)> = names.iter().map(|(n, s)| (n.to_string(), &s[0])).collect();
        for (kind, groups) in [
            ("", &self.by_modality),
            ("class ", &self.by_class),
            ("attribute ", &self.by_attribute),
            ("frames ", &self.by_part),
        ] {
            rows.extend(groups.iter().map(|(name, scores)| (format!("{kind}{name}"), scores)));
        }
        if each {
            rows.extend(self.sequences.iter().map(|s| (format!("  {}", s.name), &s.scores)));
        }
        let width = rows.iter().map(|row| row.0.chars().count()).max().unwrap_or(0).max(8);
        let [pr, pr_5, npr, sr] = match self.rule {
            Rule::Plain | Rule::Single => ["PR@20", "PR@5", "NPR", "SR"],
            Rule::Better | Rule::Gtot => ["MPR@20", "MPR@5", "MNPR", "MSR"],
        };
        writeln!(f, "  {:<width$}{pr:>9}{pr_5:>9}{npr:>9}{sr:>9}{:>11}{:>9}", "%", "sequences", "frames")?;
        for (name, s) in rows {
            write!(f, "  {name:<width$}")?;
            for share in [s.pr, s.pr_5, s.npr, s.sr] {
                write!(f, "{:>9.2}", 100.0 * share)?;
            }
            writeln!(f, "{:>11}{:>9}", s.sequences, s.frames)?;
        }
        presence(f, &self.presence)
    }
}

/// Nothing is known of presence where the target never leaves and none is told.
fn presence(f: &mut fmt::Formatter<'_>, p: &PresenceScores) -> fmt::Result {
    if p.absent_frames == 0 && p.dropped.is_none_or(|share| share == 0.0) {
        return Ok(());
    }
    let percent = |share: Option<f64>| share.map_or("-".into(), |share| format!("{:.2} %", 100.0 * share));
    write!(f, "  presence: AUROC {}", p.auroc.map_or("-".into(), |a| format!("{a:.4}")))?;
    write!(f, ", false hold {} of {} frames without target", percent(p.false_hold), p.absent_frames)?;
    writeln!(f, ", dropped {} of {} with it", percent(p.dropped), p.present_frames)?;
    let median = p.find_again_s.map_or("never".into(), |s| format!("{s:.2} s"));
    if p.returns > 0 {
        writeln!(f, "  found again after {} of {} returns, median {median}", p.found_again, p.returns)?;
    }
    Ok(())
}
