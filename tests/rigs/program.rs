//! The program under test: run, asked, watched, as root or as somebody else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

const PROGRAM: &str = "/bin/heatmark";
/// The limits that the program is run with, milliseconds.
pub const STALL_MS: u64 = 3_000;
pub const FROZEN_MS: u64 = 4_000;
pub const BACKOFF_MS: u64 = 2_000;
/// An emulated machine is slow and uneven; this much is its own.
pub const SLACK: Duration = Duration::from_millis(1_500);

/// Who runs the program.
#[derive(Clone, Copy)]
pub enum User {
    Root,
    /// Nobody special, in the group `video`.
    Video,
    /// Nobody special.
    Stranger,
}

fn command(user: User) -> Command {
    let mut command = Command::new(PROGRAM);
    command.stdin(Stdio::null());
    // Without root there are no further groups.
    match user {
        User::Root => {}
        User::Video => drop(command.uid(1000).gid(44)),
        User::Stranger => drop(command.uid(1001).gid(1001)),
    }
    command
}

/// A line of the running program, and when it came.
pub enum Line {
    Log(String),
    Result(String),
}

impl Line {
    /// A line of the log that says so.
    pub fn says(&self, what: &str) -> bool {
        matches!(self, Line::Log(text) if text.contains(what))
    }

    /// A result that holds this.
    pub fn has(&self, what: &str) -> bool {
        matches!(self, Line::Result(text) if text.contains(what))
    }
}

/// The program, running.
pub struct Run {
    child: Child,
    lines: Receiver<(Instant, Line)>,
}

fn forward(from: impl Read + Send + 'static, to: Sender<(Instant, Line)>, wrap: fn(String) -> Line) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if to.send((Instant::now(), wrap(line))).is_err() {
                return;
            }
        }
    });
}

impl Run {
    pub fn start(sources: &[&str], more: &[&str]) -> Self {
        Self::start_as(User::Root, sources, more)
    }

    pub fn start_as(user: User, sources: &[&str], more: &[&str]) -> Self {
        let mut command = command(user);
        command.arg("run");
        sources.iter().for_each(|source| {
            command.args(["--source", source]);
        });
        let set = [
            "face.detector=/data/tiny-detector.toml".to_string(),
            "face.landmarks=/data/tiny-landmarks.toml".to_string(),
            "sink.ndjson.every=true".to_string(),
            // Looking for faces is not what is tested here, and takes a second on an emulated CPU.
            "face.search_every_ms=600000".to_string(),
            format!("source.camera.stall_ms={STALL_MS}"),
            format!("source.camera.frozen_ms={FROZEN_MS}"),
            format!("pipeline.backoff_max_ms={BACKOFF_MS}"),
        ];
        set.iter().map(String::as_str).chain(more.iter().copied()).for_each(|set| {
            command.args(["--set", set]);
        });
        if !more.iter().any(|set| set.starts_with("sink.http.")) {
            command.arg("--no-http");
        }
        command.args(["--ndjson", "-"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (to, lines) = channel();
        forward(child.stdout.take().unwrap(), to.clone(), Line::Result);
        forward(child.stderr.take().unwrap(), to, Line::Log);
        Self { child, lines }
    }

    /// Waits for the first frames; false where none come.
    pub fn lives(&self) -> bool {
        self.wait(Duration::from_secs(30), |line| line.has("\"state\":\"live\"")).is_some()
    }

    /// Waits until frames arrive again; when that was.
    pub fn returns(&self, limit: Duration) -> Option<Instant> {
        self.wait(limit, |line| line.says("arrive again"))
    }

    /// Waits for a line that `is` wanted; the time it came.
    pub fn wait(&self, limit: Duration, mut is: impl FnMut(&Line) -> bool) -> Option<Instant> {
        let until = Instant::now() + limit;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((at, line)) => {
                    if let Line::Log(text) = &line {
                        println!("    {text}");
                    }
                    if is(&line) {
                        return Some(at);
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Waits until the frames' numbers have gone on by `n`; true where they did and have temperatures. A slow
    /// machine passes over most frames while it looks for faces.
    pub fn goes_on(&self, n: u64) -> bool {
        let (mut first, mut degrees) = (None, false);
        let done = self.wait(Duration::from_secs(20), |line| {
            let Line::Result(text) = line else { return false };
            let Some(seq) = number(text, "\"seq\":") else { return false };
            degrees = text.contains("\"radiometric\":true");
            seq >= *first.get_or_insert(seq) + n
        });
        done.is_some() && degrees
    }

    /// Passes over what was said so far.
    pub fn skip(&self) {
        self.wait(Duration::from_millis(100), |_| false);
    }

    /// Reads results for so long: how many frames, and how many numbers were passed over.
    pub fn frames(&self, time: Duration) -> Frames {
        let mut seen = Frames::default();
        let mut last = None;
        let mut first = None;
        self.wait(time, |line| {
            if let Line::Result(text) = line
                && (text.contains("\"state\":\"live\"") || text.contains("\"state\":\"ffc\""))
                && let Some(seq) = number(text, "\"seq\":")
                && last != Some(seq)
            {
                first.get_or_insert(Instant::now());
                seen.frames += 1;
                seen.lost += last.map_or(0, |last: u64| seq.saturating_sub(last + 1));
                seen.driver = number(text, "\"driver\":").unwrap_or(0);
                seen.radiometric |= text.contains("\"radiometric\":true");
                last = Some(seq);
            }
            false
        });
        seen.seconds = first.map_or(0.0, |at| at.elapsed().as_secs_f64());
        seen
    }

    pub fn memory_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = Command::new("/bin/kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

#[derive(Default)]
pub struct Frames {
    pub frames: u64,
    /// Numbers that no result has: lost by the driver, or superseded on a slow machine.
    pub lost: u64,
    /// Lost by the driver, as counted by the program.
    pub driver: u64,
    pub radiometric: bool,
    pub seconds: f64,
}

pub fn number(text: &str, key: &str) -> Option<u64> {
    let rest = &text[text.find(key)? + key.len()..];
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

impl Frames {
    /// With those that were superseded.
    pub fn all(&self) -> u64 {
        self.frames + self.lost
    }

    pub fn fps(&self) -> f64 {
        self.all() as f64 / self.seconds.max(0.1)
    }
}

pub fn program(args: &[&str]) -> Output {
    program_as(User::Root, args)
}

pub fn program_as(user: User, args: &[&str]) -> Output {
    command(user).args(args).output().expect("the program starts")
}

pub fn text(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

pub fn shown(d: Option<Duration>) -> String {
    d.map_or("never".into(), |d| format!("{:.1} s", d.as_secs_f64()))
}

/// At most so many bytes of what the page of the running program answers to `path`.
pub fn page(port: u16, path: &str, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
        let _ = stream.take(most).read_to_end(&mut bytes);
    }
    bytes
}
