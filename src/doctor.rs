//! Checks of the machine, its cameras and the program, with advice for what is wrong.
//!
//! Each check looks at one thing. System files are read below one folder, `/` on a real machine and a
//! made-up one in tests.

mod cameras;
mod machine;
mod program;

use std::path::PathBuf;

use serde::Serialize;

use crate::config::Config;
use crate::source::v4l::bus::Bus;

/// Result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is wrong.
    Ok,
    /// This machine does not provide the information.
    Unknown,
    /// It works, but not as well as it could, or perhaps not for long.
    Warn,
    /// It does not work.
    Fail,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What was checked.
    pub topic: &'static str,
    /// The result.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do; absent if there is nothing to do.
    pub todo: Option<String>,
}

impl Finding {
    fn new(topic: &'static str, verdict: Verdict, found: impl Into<String>) -> Self {
        Self { topic, verdict, found: found.into(), todo: None }
    }

    fn ok(topic: &'static str, found: impl Into<String>) -> Self {
        Self::new(topic, Verdict::Ok, found)
    }

    fn todo(mut self, todo: impl Into<String>) -> Self {
        self.todo = Some(todo.into());
        self
    }
}

/// What to check.
pub struct Doctor<'a> {
    /// Root folder of the system: `/`.
    pub root: PathBuf,
    /// The cameras.
    pub bus: &'a mut dyn Bus,
    /// The active configuration.
    pub config: &'a Config,
}

impl Doctor<'_> {
    /// Runs every check: cameras, machine, program.
    pub fn examine(&mut self) -> Vec<Finding> {
        let mut all = cameras::check(&self.root, self.bus);
        all.extend(machine::check(&self.root));
        all.extend(program::check(self.config));
        all
    }

    /// Text of a file below the root without its line end; `None` if it is absent or empty.
    fn read(root: &std::path::Path, path: &str) -> Option<String> {
        let text = std::fs::read_to_string(root.join(path)).ok()?;
        Some(text.trim_matches(['\n', '\0', ' ']).to_string()).filter(|text| !text.is_empty())
    }
}

/// The worst verdict.
pub fn worst(findings: &[Finding]) -> Verdict {
    findings.iter().map(|f| f.verdict).max().unwrap_or(Verdict::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_verdict_counts() {
        let of = |verdicts: &[Verdict]| {
            worst(&verdicts.iter().map(|v| Finding::new("topic", *v, "found")).collect::<Vec<_>>())
        };
        assert_eq!(of(&[]), Verdict::Ok);
        assert_eq!(of(&[Verdict::Ok, Verdict::Fail, Verdict::Unknown]), Verdict::Fail);
        assert_eq!(of(&[Verdict::Unknown, Verdict::Warn, Verdict::Ok]), Verdict::Warn);
    }
}
