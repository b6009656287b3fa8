//! What the guest of the rig does: plugs in emulated cameras, runs the real program on them, makes them
//! fail, and measures how long the program takes to see it and to get over it.
//!
//! Prints one line per check, `RIG | name | what was seen | ok`, and at the end how many failed.

mod loopback;
mod purethermal;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use loopback::Feeder;
use purethermal::{Camera, Cure, Fault};

const PROGRAM: &str = "/bin/heatmark";
const SERIAL: &str = "8003000b-5113-3235-3332-393800000000";
const OTHER: &str = "80140017-5102-3038-3835-393400000000";
/// The limits that the program is run with, milliseconds.
const STALL_MS: u64 = 3_000;
const FROZEN_MS: u64 = 4_000;
const BACKOFF_MS: u64 = 2_000;
/// An emulated machine is slow and uneven; this much is its own.
const SLACK: Duration = Duration::from_millis(1_500);

struct Rig {
    failed: u32,
}

impl Rig {
    fn check(&mut self, name: &str, seen: impl std::fmt::Display, ok: bool) {
        self.failed += u32::from(!ok);
        println!("RIG | {name} | {seen} | {}", if ok { "ok" } else { "FAILED" });
    }
}

/// A line of the running program, and when it came.
enum Line {
    Log(String),
    Result(String),
}

/// The program, running.
struct Run {
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
    fn start(sources: &[&str], more: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.arg("run");
        sources.iter().for_each(|source| {
            command.args(["--source", source]);
        });
        let set = [
            "face.detector=/data/tiny-detector.toml".to_string(),
            "face.landmarks=/data/tiny-landmarks.toml".to_string(),
            "ndjson.every=true".to_string(),
            // Looking for faces is not what is tested here, and takes a second on an emulated CPU.
            "face.search_every_ms=600000".to_string(),
            format!("source.camera.stall_ms={STALL_MS}"),
            format!("source.camera.frozen_ms={FROZEN_MS}"),
            format!("pipeline.backoff_max_ms={BACKOFF_MS}"),
        ];
        set.iter().map(String::as_str).chain(more.iter().copied()).for_each(|set| {
            command.args(["--set", set]);
        });
        command.args(["--no-http", "--ndjson", "-"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (to, lines) = channel();
        forward(child.stdout.take().unwrap(), to.clone(), Line::Result);
        forward(child.stderr.take().unwrap(), to, Line::Log);
        Self { child, lines }
    }

    /// Waits for a line that `is` wanted; the time it came.
    fn wait(&self, limit: Duration, mut is: impl FnMut(&Line) -> bool) -> Option<Instant> {
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

    /// Reads results for so long: how many frames, and how many numbers were passed over.
    fn frames(&self, time: Duration) -> Frames {
        let mut seen = Frames::default();
        let mut last = None;
        let mut first = None;
        self.wait(time, |line| {
            if let Line::Result(text) = line
                && text.contains("\"state\":\"live\"")
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

    fn memory_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    fn descriptors(&self) -> usize {
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
struct Frames {
    frames: u64,
    /// Numbers that no result has: lost by the driver, or superseded on a slow machine.
    lost: u64,
    /// Lost by the driver, as counted by the program.
    driver: u64,
    radiometric: bool,
    seconds: f64,
}

fn number(text: &str, key: &str) -> Option<u64> {
    let rest = &text[text.find(key)? + key.len()..];
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn program(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).stdin(Stdio::null()).output().expect("the program starts")
}

fn text(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

/// Plugs a camera in, once the port has let go of the one before.
fn plug(port: u32, serial: &str, telemetry: bool) -> Camera {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match Camera::plug(port, serial, telemetry) {
            Ok(camera) => return camera,
            Err(e) if Instant::now() > until => panic!("vhci-hcd takes no camera: {e}"),
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Waits until so many capture nodes are there.
fn nodes(n: usize) -> bool {
    for _ in 0..100 {
        let there = (0..8).filter(|i| std::path::Path::new(&format!("/dev/video{i}")).exists()).count();
        // uvcvideo makes two nodes for each camera.
        if there == 2 * n {
            return true;
        }
        thread::sleep(Duration::from_millis(100));
    }
    false
}

fn identity(rig: &mut Rig) {
    let camera = plug(0, SERIAL, true);
    rig.check("plugged in", "two nodes", nodes(1));
    let out = text(&program(&["devices"]));
    println!("{out}");
    let wanted = ["purethermal, recognised by USB id", "Y16 160x122, picture 160x120", SERIAL, "trouble   none"];
    rig.check("devices", "name, serial, format, permission", wanted.iter().all(|w| out.contains(w)));
    let out = text(&program(&["doctor"]));
    rig.check("doctor", "sees the camera", out.lines().any(|l| l.starts_with("ok") && l.contains("PureThermal")));
    drop(camera);
    rig.check("unplugged", "no node", nodes(0));
}

fn capture(rig: &mut Rig) {
    for (telemetry, name) in [(true, "capture 160x122"), (false, "capture 160x120")] {
        // A busy host can starve the guest for longer than the driver has buffers: one more try.
        let (said, ok) = Some(capture_once(telemetry)).filter(|(_, ok)| *ok).unwrap_or_else(|| capture_once(telemetry));
        rig.check(name, said, ok);
    }
}

fn capture_once(telemetry: bool) -> (String, bool) {
    let camera = plug(0, SERIAL, telemetry);
    nodes(1);
    let run = Run::start(&[&format!("v4l2:serial={SERIAL}")], &[]);
    run.wait(Duration::from_secs(30), |line| matches!(line, Line::Result(t) if t.contains("\"state\":\"live\"")));
    let seen = run.frames(Duration::from_secs(20));
    let fps = (seen.frames + seen.lost) as f64 / seen.seconds.max(0.1);
    let ok = seen.driver == 0 && seen.lost * 20 <= seen.frames && (8.6..9.4).contains(&fps) && seen.radiometric;
    let said = format!(
        "{} frames, {fps:.2} fps, {} lost by the driver, {} superseded, degC: {}",
        seen.frames, seen.driver, seen.lost, seen.radiometric
    );
    drop((run, camera));
    nodes(0);
    (said, ok)
}

fn controls(rig: &mut Rig) {
    let camera = plug(0, SERIAL, true);
    nodes(1);
    let run = Run::start(&["auto"], &[]);
    run.wait(Duration::from_secs(30), |line| matches!(line, Line::Result(_)));
    let done = |args: &[&str]| program(&[&["camera"], args].concat()).status.success();
    let ok = done(&["ffc"]) && done(&["ffc"]) && camera.counts().1 == 2;
    rig.check("camera ffc", format!("{} corrections", camera.counts().1), ok);
    let ok = done(&["manual"]) && done(&["gain", "low"]) && done(&["tlinear", "off"]) && done(&["agc", "off"]);
    let said = text(&program(&["camera", "show"]));
    let kept = ["corrections  manual", "gain         low", "tlinear      off", "agc          off"];
    rig.check("camera manual, gain, tlinear, agc", "as set", ok && kept.iter().all(|k| said.contains(k)));
    let said = text(&program(&["camera", "auto"])) + &text(&program(&["camera", "show"]));
    rig.check("camera auto", "as set", said.contains("corrections  auto"));
    let second = Run::start(&["auto"], &[]);
    let told = |line: &Line| matches!(line, Line::Log(text) if text.contains("in use by another program"));
    let busy = second.wait(Duration::from_secs(30), told);
    rig.check("open while busy", "told", busy.is_some());
    // What the first has said meanwhile; then what it says now.
    run.wait(Duration::from_millis(100), |_| false);
    let seen = run.frames(Duration::from_secs(5));
    let all = seen.frames + seen.lost;
    let said = format!("{all} frames in 5 s, {} of them superseded", seen.lost);
    rig.check("streams meanwhile", said, (38..=60).contains(&all));
    drop(run);
    let healed = second.wait(Duration::from_secs(30), |line| matches!(line, Line::Result(t) if t.contains("live")));
    rig.check("free again", "the second program has it", healed.is_some());
    drop(second);
    drop(camera);
    nodes(0);
}

fn faults(rig: &mut Rig) {
    let camera = plug(0, SERIAL, true);
    nodes(1);
    let run = Run::start(&["auto"], &[]);
    run.wait(Duration::from_secs(30), |line| matches!(line, Line::Result(_)));
    let (stall, frozen) = (Duration::from_millis(STALL_MS), Duration::from_millis(FROZEN_MS));
    let pause = Duration::from_millis(BACKOFF_MS);
    for (fault, cure, limit, lives) in [
        (Fault::Silent, Cure::Restart, stall, 1),
        (Fault::Frozen, Cure::Restart, frozen, 1),
        (Fault::Short, Cure::Restart, stall, 1),
        (Fault::ErrorBit, Cure::Restart, stall, 1),
        (Fault::Silent, Cure::Configure, stall, 2),
        (Fault::Silent, Cure::Configure, stall, 1),
    ] {
        run.frames(Duration::from_secs(8));
        let configured = camera.counts().0;
        let began = Instant::now();
        camera.ail(fault, cure);
        // Every life but the first waits for the limit again, and each is followed by a pause.
        let bound = limit * lives + pause * lives + SLACK * 2;
        measure(rig, &run, &format!("{fault:?} until {cure:?}"), began, limit + SLACK, bound);
        if cure == Cure::Configure {
            rig.check("  by a USB reset", "device configured anew", camera.counts().0 > configured);
        }
    }
    run.frames(Duration::from_secs(3));
    let began = Instant::now();
    drop(camera);
    let seen = run.wait(Duration::from_secs(10), |line| matches!(line, Line::Log(t) if t.contains("opening again")));
    let seen = seen.map(|at| at - began);
    rig.check("unplugged while streaming", shown(seen), seen.is_some_and(|s| s < SLACK));
    thread::sleep(Duration::from_secs(2));
    let began = Instant::now();
    let _camera = plug(0, SERIAL, true);
    let back = run.wait(Duration::from_secs(20), |line| matches!(line, Line::Log(t) if t.contains("arrive again")));
    let back = back.map(|at| at - began);
    rig.check("plugged in again", shown(back), back.is_some_and(|b| b < pause + SLACK * 3));
}

fn shown(d: Option<Duration>) -> String {
    d.map_or("never".into(), |d| format!("{:.1} s", d.as_secs_f64()))
}

/// Measures when a fault is seen and when frames come again.
fn measure(rig: &mut Rig, run: &Run, name: &str, began: Instant, seen_within: Duration, healed_within: Duration) {
    let mut seen = None;
    let healed = run.wait(Duration::from_secs(40), |line| {
        let Line::Log(text) = line else { return false };
        if text.contains("opening again") {
            seen.get_or_insert_with(Instant::now);
        }
        text.contains("arrive again")
    });
    let (seen, healed) = (seen.map(|at| at - began), healed.map(|at| at - began));
    let ok = seen.is_some_and(|s| s <= seen_within) && healed.is_some_and(|h| h <= healed_within);
    rig.check(name, format!("seen after {}, healed after {}", shown(seen), shown(healed)), ok);
}

fn two_cameras(rig: &mut Rig) {
    let _a = plug(0, SERIAL, true);
    let _b = plug(1, OTHER, true);
    nodes(2);
    let run = Run::start(&[&format!("v4l2:serial={OTHER}"), &format!("v4l2:serial={SERIAL}")], &[]);
    let (mut first, mut second) = (0, 0);
    run.wait(Duration::from_secs(60), |line| {
        if let Line::Result(text) = line {
            first += u32::from(text.contains(&format!("purethermal:{OTHER}")));
            second += u32::from(text.contains(&format!("purethermal:{SERIAL}")));
        }
        first > 60 && second > 60
    });
    rig.check("two cameras by serial number", format!("{first} and {second} results"), first > 60 && second > 60);
}

fn cycles(rig: &mut Rig, n: u32) {
    let mut camera = Some(plug(0, SERIAL, true));
    nodes(1);
    let run = Run::start(&["auto"], &["pipeline.backoff_max_ms=500"]);
    run.wait(Duration::from_secs(30), |line| matches!(line, Line::Result(_)));
    let mut back = 0;
    let mut before = (0, 0);
    for i in 0..n {
        drop(camera.take());
        run.wait(Duration::from_secs(10), |line| matches!(line, Line::Log(t) if t.contains("opening again")));
        nodes(0);
        camera = Some(plug(0, SERIAL, true));
        let came = run.wait(Duration::from_secs(20), |line| matches!(line, Line::Log(t) if t.contains("arrive again")));
        back += u32::from(came.is_some());
        if i == 2 {
            before = (run.memory_kb(), run.descriptors());
        }
    }
    let after = (run.memory_kb(), run.descriptors());
    let said = format!("{back} times back, {} to {} KiB, {} to {} descriptors", before.0, after.0, before.1, after.1);
    rig.check(&format!("{n} times unplugged"), said, back == n && after.0 < before.0 + 1_024 && after.1 <= before.1);
}

fn vivid(rig: &mut Rig) {
    let there = |path: &String| std::path::Path::new(path).exists();
    let mut nodes = (0..8).map(|i| format!("/dev/video{i}")).filter(there);
    let (Some(node), Some(webcam)) = (nodes.next(), nodes.next()) else { return rig.check("vivid", "no node", false) };
    let run = Run::start(&[&node], &["source.camera.size=322x120", "source.camera.frozen_ms=0"]);
    run.wait(Duration::from_secs(30), |line| matches!(line, Line::Result(t) if t.contains("\"state\":\"live\"")));
    // Faces are looked for in every frame of such a picture, which takes seconds on an emulated CPU:
    // what counts is that frames arrive whole, with their odd width and padded rows.
    let (mut arrived, mut corrupt, mut counts) = (0, u64::MAX, true);
    run.wait(Duration::from_secs(20), |line| {
        if let Line::Result(text) = line {
            arrived = number(text, "\"superseded\":").unwrap_or(0);
            corrupt = number(text, "\"corrupt\":").unwrap_or(u64::MAX);
            counts &= text.contains("\"width\":322,\"height\":120,\"radiometric\":false");
        }
        arrived > 10
    });
    let said = format!("more than {arrived} frames of 322x120 Y16, {corrupt} corrupt");
    rig.check("vivid", said, arrived > 10 && corrupt == 0 && counts);
    drop(run);
    colour(rig, &webcam);
}

/// A webcam that gives YUYV, through nokhwa.
fn colour(rig: &mut Rig, node: &str) {
    let out = program(&[
        "camera",
        "--source",
        node,
        "colour",
        "--size",
        "320x180",
        "--pictures",
        "20",
        "--png",
        "/tmp/p.png",
    ]);
    let said = text(&out);
    let bytes = std::fs::metadata("/tmp/p.png").map_or(0, |m| m.len());
    let ok = out.status.success() && said.contains("YUYV") && said.contains("20 pictures of 320x180") && bytes > 1_000;
    rig.check("colour camera", said.lines().last().unwrap_or("nothing said").replace(" | ", " "), ok);
}

/// A node that another program feeds, or does not.
fn loopback(rig: &mut Rig) {
    let node = "/dev/video20";
    let run = Run::start(&[node], &["source.camera.frozen_ms=0"]);
    // What this driver does without a writer: it opens, and refuses to stream.
    let told = run.wait(Duration::from_secs(20), |line| matches!(line, Line::Log(t) if t.contains(node)));
    rig.check("loopback, never fed", "told, and tried again", told.is_some());
    let began = Instant::now();
    let feeder = match Feeder::start(node) {
        Ok(feeder) => feeder,
        Err(e) => return rig.check("loopback, fed", e, false),
    };
    let live = |line: &Line| matches!(line, Line::Result(t) if t.contains("\"state\":\"live\""));
    let first = run.wait(Duration::from_secs(30), live).map(|at| at - began);
    rig.check("loopback, fed", format!("live after {}", shown(first)), first.is_some());
    let seen = run.frames(Duration::from_secs(10));
    let fps = (seen.frames + seen.lost) as f64 / seen.seconds.max(0.1);
    // The driver numbers frames since it was loaded, and hands out old ones first.
    let said = format!("{} frames, {fps:.2} fps, {} superseded, degC: {}", seen.frames, seen.lost, seen.radiometric);
    let ok = (7.5..9.5).contains(&fps) && seen.lost * 20 <= seen.frames && !seen.radiometric;
    rig.check("loopback, its frames", said, ok);
    let began = Instant::now();
    feeder.silence(true);
    let seen = run.wait(Duration::from_secs(20), |line| matches!(line, Line::Log(t) if t.contains("opening again")));
    let seen = seen.map(|at| at - began);
    let in_time = |d: Duration| d <= Duration::from_millis(STALL_MS) + SLACK;
    rig.check("loopback, fallen silent", format!("seen after {}", shown(seen)), seen.is_some_and(in_time));
    thread::sleep(Duration::from_secs(3));
    feeder.silence(false);
    run.wait(Duration::from_millis(BACKOFF_MS + STALL_MS), |_| false);
    let seen = run.frames(Duration::from_secs(5));
    let said = format!("{} frames in 5 s", seen.frames + seen.lost);
    rig.check("loopback, fed again", said, (36..=50).contains(&(seen.frames + seen.lost)));
}

/// With systemd's udev and the rules as shipped.
fn udev(rig: &mut Rig) {
    let settle = || {
        let _ = Command::new("/bin/udevadm").args(["settle", "--timeout=20"]).status();
    };
    let link = format!("/dev/heatmark/purethermal-{SERIAL}");
    let there = || std::fs::canonicalize(&link).ok();
    let camera = plug(0, SERIAL, true);
    nodes(1);
    settle();
    let (by_serial, by_port) = (there(), std::fs::canonicalize("/dev/heatmark/purethermal-usb-1-1").ok());
    let said = by_serial.as_ref().map_or("no link".into(), |to| format!("{link} -> {}", to.display()));
    rig.check("udev links by serial number and port", said, by_serial.is_some() && by_serial == by_port);
    let list = Command::new("/bin/ls").args(["-l", "/dev/video0", "/dev/video1"]).output().map(|o| text(&o));
    let list = list.unwrap_or_default();
    let ours = list.lines().any(|l| l.starts_with("crw-rw----") && l.contains(" video ") && l.ends_with("/dev/video0"));
    rig.check("udev group and mode", list.lines().next().unwrap_or_default(), ours);
    let doctor = text(&program(&["doctor"]));
    let ok = doctor.lines().any(|l| l.starts_with("ok") && l.contains("/etc/udev/rules.d/60-heatmark.rules"));
    rig.check("doctor", "sees the rules", ok && !doctor.contains("may be suspended"));
    let run = Run::start(&[&link], &[]);
    let live = run.wait(Duration::from_secs(30), |line| matches!(line, Line::Result(t) if t.contains("live")));
    rig.check("run by link", "live", live.is_some());
    drop((run, camera));
    nodes(0);
    settle();
    rig.check("udev after unplugging", "no link", there().is_none());
}

fn main() {
    let mut rig = Rig { failed: 0 };
    let began = Instant::now();
    let part = std::env::args().nth(1).unwrap_or("faults".into());
    match part.as_str() {
        "vivid" => vivid(&mut rig),
        "loopback" => loopback(&mut rig),
        "udev" => udev(&mut rig),
        _ => {
            identity(&mut rig);
            capture(&mut rig);
            controls(&mut rig);
            faults(&mut rig);
            nodes(0);
            two_cameras(&mut rig);
            nodes(0);
            cycles(&mut rig, 30);
        }
    }
    println!("RIG done {part}: {} failed, {} s", rig.failed, began.elapsed().as_secs());
}
