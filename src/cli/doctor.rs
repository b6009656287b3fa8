//! `heatmark doctor`.

use clap::Args;

use super::{Base, Done, print};
use crate::doctor::{Doctor as Examiner, Finding, Verdict, worst};
use crate::error::Error;
use crate::source::v4l::linux::Machine;

/// Arguments of `heatmark doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs every check and prints the results and how to fix problems. Fails if a check fails.
pub(super) fn run(base: &Base, doctor: &Doctor) -> Done {
    let settled = base.settle(Vec::new())?;
    let mut machine = Machine::new("/");
    let findings = Examiner { root: "/".into(), bus: &mut machine, config: &settled.values }.examine();
    let text = if doctor.json {
        serde_json::to_string_pretty(&findings).map_err(|e| Error::fatal("doctor", "is no JSON").because(e))? + "\n"
    } else {
        text(&findings)
    };
    print::out(&text)?;
    if worst(&findings) == Verdict::Fail {
        let failed: Vec<_> = findings.iter().filter(|f| f.verdict == Verdict::Fail).map(|f| f.topic).collect();
        return Err(Error::fix("doctor", format_args!("found what does not work: {}", failed.join(", "))).into());
    }
    Ok(())
}

fn text(findings: &[Finding]) -> String {
    let rows = findings.iter().flat_map(|f| {
        let mark = match f.verdict {
            Verdict::Ok => "ok",
            Verdict::Unknown => "-",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        let row = [mark.to_string(), f.topic.to_string(), f.found.clone()];
        let todo = f.todo.iter().map(|todo| [String::new(), String::new(), format!("-> {todo}")]);
        [row].into_iter().chain(todo)
    });
    print::columns(&rows.collect::<Vec<_>>())
}
