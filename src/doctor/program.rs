//! Kernels, models, disk, ports.

use std::net::TcpListener;
use std::path::Path;

use super::{Finding, Verdict};
use crate::config::Config;
use crate::error::Remedy;
use crate::kernels;
use crate::nn::Model;

/// Free disk space that a recording needs, MiB.
const ENOUGH_MB: u64 = 500;

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let mut findings = vec![arithmetic()];
    let detector = config.face.detector_model().unwrap_or(&config.face.detector);
    let landmarks = config.face.landmarks_model().unwrap_or(&config.face.landmarks);
    findings.extend([detector, landmarks].map(model));
    findings.push(disk(&config.sink.record.dir));
    if config.sink.http.enabled {
        findings.push(port(&config.sink.http.listen));
    }
    findings
}

fn arithmetic() -> Finding {
    match kernels::chosen() {
        Ok(kernels) => {
            let all: Vec<_> = kernels::available().iter().map(|k| k.name()).collect();
            let (name, all) = (kernels.name(), all.join(", "));
            if Some(name) == kernels::available().first().map(|k| k.name()) && kernels::available().len() == 1 {
                let text = format!("{name} only: this CPU has no instruction set with fast kernels");
                let todo = "none is needed where it keeps up; otherwise take face-landmarks-nano and fewer faces";
                return Finding::new("kernels", Verdict::Warn, text).todo(todo);
            }
            Finding::ok("kernels", format!("{name} (of {all})"))
        }
        Err(e) => Finding::new("kernels", Verdict::Fail, e.to_string()).todo("unset HEATMARK_KERNELS"),
    }
}

/// Loads the model, which runs its golden input.
fn model(name: &str) -> Finding {
    match Model::find(name).and_then(|model| model.network().map(|_| ())) {
        Ok(()) => Finding::ok("model", format!("{name}: gives the outputs of its training")),
        Err(e) => {
            let finding = Finding::new("model", Verdict::Fail, e.to_string());
            let mend = "name a model that `heatmark model list` shows";
            finding.todo(if e.remedy() == Remedy::Fix {
                mend
            } else {
                "install the program again: its file is damaged"
            })
        }
    }
}

fn disk(dir: &Path) -> Finding {
    // The first recording creates the folder; until then its nearest parent is checked.
    let there = dir.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
    let shown = there.display();
    match rustix::fs::statvfs(there) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize) >> 20;
            let text = format!("{free} MiB free for recordings in {shown}");
            if free < ENOUGH_MB {
                return Finding::new("disk", Verdict::Warn, text)
                    .todo("make room, or set sink.record.dir to another disk");
            }
            Finding::ok("disk", text)
        }
        Err(e) => Finding::new("disk", Verdict::Warn, format!("{shown}: {e}"))
            .todo("set sink.record.dir to a folder that is there"),
    }
}

fn port(listen: &str) -> Finding {
    match TcpListener::bind(listen) {
        Ok(_) => Finding::ok("port", format!("{listen} is free for the page")),
        Err(e) => Finding::new("port", Verdict::Warn, format!("{listen}: {e}"))
            .todo("stop what listens there (another heatmark?), or set sink.http.listen"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_is_not_there_fails_with_what_to_do() {
        let finding = model("no-such-model");
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.found.contains("no-such-model") && finding.todo.unwrap().contains("heatmark model list"));
    }

    #[test]
    fn a_port_in_use_is_a_warning() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        assert_eq!(port(&address).verdict, Verdict::Warn);
        drop(taken);
        assert_eq!(port("127.0.0.1:0").verdict, Verdict::Ok);
    }

    #[test]
    fn the_disk_of_a_folder_to_come_is_that_of_its_nearest_parent() {
        let here = tempfile::tempdir().unwrap();
        let finding = disk(&here.path().join("not/made/yet"));
        assert!(finding.found.ends_with(&format!("in {}", here.path().display())), "{finding:?}");
        assert!(finding.verdict <= Verdict::Warn, "{finding:?}");
    }

    #[test]
    fn kernels_and_the_page_are_checked_when_the_page_is_on() {
        let topics = |config: &Config| check(config).iter().map(|f| f.topic).collect::<Vec<_>>();
        let mut config = Config::default();
        config.sink.http.listen = "127.0.0.1:0".into();
        assert_eq!(topics(&config), ["kernels", "model", "model", "disk", "port"]);
        config.sink.http.enabled = false;
        assert_eq!(topics(&config), ["kernels", "model", "model", "disk"]);
    }
}
