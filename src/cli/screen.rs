//! The status line and the summary.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::Ordering::Relaxed;

use super::print::columns;
use crate::pipeline::SharedStatus;
use crate::pipeline::status::Stage;
use crate::result::DropReason;
use crate::session::{Console, FaceCounts};
use crate::status::{Milliseconds, Snapshot, Status};

/// Output for the user.
pub struct Screen {
    out: Box<dyn Write>,
    /// True for a terminal, which shows one changing line; a file gets a new line each time.
    rewrites: bool,
    quiet: bool,
}

impl Screen {
    /// Standard output, or standard error if results use standard output.
    pub fn new(stdout_is_taken: bool, quiet: bool) -> Self {
        let (out, rewrites): (Box<dyn Write>, bool) = if stdout_is_taken {
            (Box::new(std::io::stderr()), std::io::stderr().is_terminal())
        } else {
            (Box::new(std::io::stdout()), std::io::stdout().is_terminal())
        };
        Self { out, rewrites, quiet }
    }

    /// Erases the last progress line.
    fn clear(&mut self) -> io::Result<()> {
        if self.rewrites && !self.quiet {
            write!(self.out, "\r\x1b[2K")?;
        }
        Ok(())
    }
}

impl Console for Screen {
    fn line(&mut self, text: &str) -> io::Result<()> {
        if self.quiet {
            return Ok(());
        }
        writeln!(self.out, "{}", text.trim_end())?;
        self.out.flush()
    }

    fn progress(&mut self, now: &Snapshot) -> io::Result<()> {
        if !self.rewrites {
            return self.line(&now.to_string());
        }
        if !self.quiet {
            write!(self.out, "\r\x1b[2K{now}")?;
            self.out.flush()?;
        }
        Ok(())
    }

    fn summary(&mut self, status: &SharedStatus, faces: &FaceCounts) -> io::Result<()> {
        self.clear()?;
        self.line(&summary(status, faces))
    }
}

/// The table at the end.
fn summary(status: &SharedStatus, faces: &FaceCounts) -> String {
    let now = status.snapshot();
    let name = if now.source.is_empty() { "no source" } else { &now.source };
    let counts = &now.counts;
    let mut text = format!("\n{name}: {:.1} s", now.uptime_s);
    if let Some(f) = now.format {
        let heat = if f.signal.is_radiometric() { "radiometric" } else { "not radiometric: no temperatures" };
        text.push_str(&format!(", {}x{}, {heat}", f.width, f.height));
    }
    let reasons = DropReason::ALL.into_iter().filter(|r| counts.dropped.get(*r) > 0);
    let reasons: Vec<_> = reasons.map(|r| format!("{} {}", r.name(), counts.dropped.get(r))).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    text.push_str(&format!(
        "\n  frames   {} captured, {} presented, {} dropped{reasons}\n",
        counts.captured,
        counts.presented,
        counts.dropped.sum(),
    ));
    let (tracks, frames, most) = (faces.tracks.load(Relaxed), faces.frames.load(Relaxed), faces.most.load(Relaxed));
    let [targets, followed, seen] = [&faces.targets, &faces.followed, &faces.seen].map(|n| n.load(Relaxed));
    if targets > 0 {
        text.push_str(&format!("  targets  {targets}, seen in {seen} of {followed} frames\n"));
    } else {
        text.push_str(&format!("  faces    {tracks} tracks, in {frames} frames, at most {most} at once\n"));
    }
    if now.reopened > 0 || now.infer_errors > 0 {
        text.push_str(&format!(
            "  trouble  source opened again {} times, inference failed {} times\n",
            now.reopened, now.infer_errors
        ));
    }
    text.push_str(&latencies(status));
    text
}

fn latencies(status: &SharedStatus) -> String {
    let mut rows = vec![["  latency".into(), "p50 ms".into(), "p99 ms".into(), "max ms".into()]];
    for stage in Stage::ALL {
        let name = if stage == Stage::Total { "age" } else { stage.name() };
        let latency = status.distribution(stage).summary();
        if let (Some(p50), Some(p99), Some(max)) = (latency.p50_us, latency.p99_us, latency.max_us) {
            let [p50, p99, max] = [p50, p99, max].map(|us| Milliseconds(us).to_string());
            rows.push([format!("  {name}"), p50, p99, max]);
        }
    }
    if rows.len() > 1 { columns(&rows) } else { String::new() }
}
