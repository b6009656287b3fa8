//! With systemd's udev and the rules as shipped: links, groups, and a program that is not root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::program::{BACKOFF_MS, Run, SLACK, STALL_MS, User, page, program, program_as, shown, text};
use crate::purethermal::{Camera, Cure, Fault};
use crate::{Rig, SERIAL, nodes, plug};

const RULES: &str = "/etc/udev/rules.d/60-heatmark.rules";
const FORBIDDEN: &str = "no permission: install udev/60-heatmark.rules";
/// Where the page is.
const PORT: u16 = 8791;

pub fn all(rig: &mut Rig) {
    links(rig);
    let camera = plug(0, SERIAL, true);
    nodes(1);
    settle();
    strangers(rig);
    let listen = format!("sink.http.listen=127.0.0.1:{PORT}");
    let run = Run::start_as(User::Video, &["auto"], &["sink.http.enabled=true", &listen]);
    rig.check("run as a user of the group video", "live", run.lives());
    let camera = lost(rig, &run, camera);
    steps(rig, &run, &camera);
}

fn udevadm(args: &[&str]) {
    let _ = Command::new("/bin/udevadm").args(args).status();
}

fn settle() {
    udevadm(&["settle", "--timeout=20"]);
}

/// With systemd's udev and the rules as shipped.
fn links(rig: &mut Rig) {
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
    rig.check("run by link", "live", run.lives());
    drop((run, camera));
    nodes(0);
    settle();
    rig.check("udev after unplugging", "no link", there().is_none());
}

/// Who is not in the group is told so, and what to do.
fn strangers(rig: &mut Rig) {
    let listed = text(&program_as(User::Video, &["devices"]));
    rig.check("devices, as a user of the group video", "may be used", listed.contains("trouble   none"));
    let listed = program_as(User::Stranger, &["devices"]);
    let said = text(&listed);
    let ok =
        said.contains(&format!("found, {FORBIDDEN}")) && said.contains("recognised by USB id") && said.contains(SERIAL);
    rig.check("devices, as a stranger", "found, no permission, what to do", ok && listed.status.success());
    let done = program_as(User::Stranger, &["camera", "ffc"]);
    let ok = text(&done).contains(FORBIDDEN) && done.status.code() == Some(2);
    rig.check("camera ffc, as a stranger", "the same, exit code 2", ok);
    let done = program_as(User::Stranger, &["run", "--no-http"]);
    let ok = text(&done).contains(FORBIDDEN) && done.status.code() == Some(2);
    rig.check("run, as a stranger", "the same, exit code 2", ok);
}

/// The permission goes while the program streams, and the camera comes back without it.
fn lost(rig: &mut Rig, run: &Run, camera: Camera) -> Camera {
    let taken = fs::set_permissions("/dev/video0", fs::Permissions::from_mode(0o000));
    run.skip();
    rig.check("mode 000 under an open stream", "goes on", taken.is_ok() && run.goes_on(10));

    let rules = fs::read(RULES).unwrap_or_default();
    let away = fs::remove_file(RULES);
    udevadm(&["control", "--reload"]);
    drop(camera);
    run.wait(Duration::from_secs(10), |line| line.says("opening again"));
    nodes(0);
    let began = Instant::now();
    let camera = plug(0, SERIAL, true);
    let told = run.wait(Duration::from_secs(20), |line| line.says(FORBIDDEN)).map(|at| at - began);
    let in_time = |d: Duration| d <= Duration::from_millis(BACKOFF_MS) + SLACK * 2;
    rig.check("permission lost", format!("told after {}", shown(told)), away.is_ok() && told.is_some_and(in_time));
    let silent = run.wait(Duration::from_secs(10), |line| line.has("\"state\":\"no_signal\""));
    let state = String::from_utf8_lossy(&page(PORT, "/state", 65_536)).into_owned();
    let metrics = String::from_utf8_lossy(&page(PORT, "/metrics", 262_144)).into_owned();
    let shows =
        state.contains("\"no_signal\"") && state.contains("no permission") && state.contains("last_frame_age_ms\":");
    let counts = metrics.contains("state{state=\"no_signal\"} 1");
    rig.check("  in results, on the page, in metrics", "no signal, and why", silent.is_some() && shows && counts);
    let doctor = program_as(User::Video, &["doctor"]);
    let said = text(&doctor);
    println!("{said}");
    let ok = said.contains(FORBIDDEN) && said.contains("-> install udev/60-heatmark.rules");
    rig.check("  doctor, as the user", "what to do, exit code 2", ok && doctor.status.code() == Some(2));

    let back = fs::write(RULES, rules);
    udevadm(&["control", "--reload"]);
    udevadm(&["trigger", "--subsystem-match=usb", "--subsystem-match=video4linux"]);
    settle();
    let began = Instant::now();
    let healed = run.returns(Duration::from_secs(20)).map(|at| at - began);
    let said = format!("live again after {}", shown(healed));
    rig.check("permission given back", said, back.is_ok() && healed.is_some_and(in_time));
    camera
}

/// What a user may do for a camera that is silent, and what not.
fn steps(rig: &mut Rig, run: &Run, camera: &Camera) {
    run.frames(Duration::from_secs(4));
    let (configured, began) = (camera.counts().0, Instant::now());
    camera.ail(Fault::Silent, Cure::Configure);
    let healed = run.returns(Duration::from_secs(30)).map(|at| at - began);
    let bound = Duration::from_millis(2 * STALL_MS + 2 * BACKOFF_MS) + SLACK * 2;
    let ok = camera.counts().0 > configured && healed.is_some_and(|d| d <= bound);
    rig.check("USB reset, as the user", format!("healed after {}", shown(healed)), ok);
    run.frames(Duration::from_secs(4));
    camera.ail(Fault::Silent, Cure::Deauthorize);
    let mut refused = 0;
    run.wait(Duration::from_secs(14), |line| {
        refused += u32::from(line.says("is not permitted"));
        false
    });
    camera.ail(Fault::None, Cure::Told);
    let healed = run.returns(Duration::from_secs(20));
    let said = format!("refused, told {refused} time; live again once the camera is well");
    rig.check("authorized, as the user", said, refused == 1 && healed.is_some());
}
