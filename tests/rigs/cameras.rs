//! Cameras that do their work: what they are called, what arrives, what they are told; and the plug.

use std::time::Duration;

use crate::program::{Run, program, text};
use crate::{OTHER, Rig, SERIAL, nodes, plug};

pub fn all(rig: &mut Rig) {
    identity(rig);
    capture(rig);
    controls(rig);
    two_cameras(rig);
    cycles(rig, 30);
}

fn identity(rig: &mut Rig) {
    let camera = plug(0, SERIAL, true);
    rig.check("plugged in", "two nodes", nodes(1));
    let out = text(&program(&["devices"]));
    println!("{out}");
    let wanted = ["purethermal, recognised by USB id", "Y16 160x122, picture 160x120", SERIAL, "trouble   none"];
    rig.check("devices", "name, serial, format, permission", wanted.iter().all(|w| out.contains(w)));
    let json = text(&program(&["devices", "--json"]));
    let wanted = ["\"profile\": \"purethermal\"", SERIAL, "\"1e4e:0100\"", "\"trouble\": null"];
    rig.check("devices --json", "the same", wanted.iter().all(|w| json.contains(w)));
    let out = text(&program(&["doctor"]));
    println!("{out}");
    let usb = out.lines().any(|l| l.starts_with("ok") && l.contains("1e4e:0100 at usb 1-1: 12 Mbit/s, 100 mA"));
    let seen = out.lines().any(|l| l.starts_with("ok") && l.contains("PureThermal"));
    rig.check("doctor", "sees the camera, its speed and power", seen && usb);
    let json = text(&program(&["doctor", "--json"]));
    rig.check(
        "doctor --json",
        "the same",
        json.contains("1e4e:0100 at usb 1-1: 12 Mbit/s") && json.contains("\"todo\": \""),
    );
    drop(camera);
    rig.check("unplugged", "no node", nodes(0));
}

fn capture(rig: &mut Rig) {
    let serial = format!("v4l2:serial={SERIAL}");
    for (telemetry, name, spec) in [
        (true, "capture 160x122, by serial number", &*serial),
        (false, "capture 160x120, by kind", "v4l2:profile=purethermal"),
    ] {
        // A busy host can starve the guest for longer than the driver has buffers: one more try.
        let once = || capture_once(telemetry, spec);
        let (said, ok) = Some(once()).filter(|(_, ok)| *ok).unwrap_or_else(once);
        rig.check(name, said, ok);
    }
}

fn capture_once(telemetry: bool, spec: &str) -> (String, bool) {
    let camera = plug(0, SERIAL, telemetry);
    nodes(1);
    let run = Run::start(&[spec], &[]);
    run.lives();
    let seen = run.frames(Duration::from_secs(20));
    let fps = seen.fps();
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
    run.lives();
    let done = |args: &[&str]| program(&[&["camera"], args].concat()).status.success();
    run.skip();
    let ok = done(&["ffc"]) && camera.counts().1 == 1;
    let flagged = run.wait(Duration::from_secs(5), |line| line.has("\"state\":\"ffc\"")).is_some();
    rig.check("camera ffc", format!("{} correction, frames flagged: {flagged}", camera.counts().1), ok && flagged);
    let ok = done(&["manual"]) && done(&["gain", "low"]) && done(&["tlinear", "off"]) && done(&["agc", "on"]);
    let said = text(&program(&["camera", "show"]));
    let kept = ["corrections  manual", "gain         low", "tlinear      off", "agc          on"];
    rig.check("camera manual, gain, tlinear, agc", "as set", ok && kept.iter().all(|k| said.contains(k)));
    let ok = done(&["tlinear", "on"]) && done(&["gain", "auto"]) && done(&["agc", "off"]);
    let said = text(&program(&["camera", "show", "--json"]));
    let kept = ["\"gain\": \"auto\"", "\"tlinear\": true", "\"millikelvin\": 10", "\"agc\": false"];
    rig.check("and the other way, as JSON", "as set", ok && kept.iter().all(|k| said.contains(k)));
    let said = text(&program(&["camera", "auto"])) + &text(&program(&["camera", "show"]));
    rig.check("camera auto", "as set", said.contains("corrections  auto"));
    let second = Run::start(&["auto"], &[]);
    let busy = second.wait(Duration::from_secs(30), |line| line.says("in use by another program"));
    rig.check("open while busy", "told", busy.is_some());
    // What the first has said meanwhile; then what it says now.
    run.skip();
    let seen = run.frames(Duration::from_secs(5));
    let said = format!("{} frames in 5 s, {} of them superseded", seen.all(), seen.lost);
    rig.check("streams meanwhile", said, (38..=60).contains(&seen.all()));
    drop(run);
    rig.check("free again", "the second program has it", second.lives());
    drop(second);
    drop(camera);
    nodes(0);
}

/// Two cameras of one kind in one process, each under its own name.
fn two_cameras(rig: &mut Rig) {
    for (serial, specs, names, about) in [
        (
            OTHER,
            [format!("v4l2:serial={OTHER}"), format!("v4l2:serial={SERIAL}")],
            [format!("purethermal:{OTHER}"), format!("purethermal:{SERIAL}")],
            "two cameras by serial number",
        ),
        (
            SERIAL,
            ["v4l2:usb=1-1".into(), "v4l2:usb=1-2".into()],
            ["purethermal:usb-1-1".into(), "purethermal:usb-1-2".into()],
            "two with one serial number, by port",
        ),
    ] {
        let cameras = [plug(0, SERIAL, true), plug(1, serial, true)];
        nodes(2);
        let run = Run::start(&[&specs[0], &specs[1]], &[]);
        let (mut first, mut second) = (0, 0);
        run.wait(Duration::from_secs(60), |line| {
            first += u32::from(line.has(&format!("\"{}\"", names[0])));
            second += u32::from(line.has(&format!("\"{}\"", names[1])));
            first > 30 && second > 30
        });
        rig.check(about, format!("{first} and {second} results"), first > 30 && second > 30);
        let listed = text(&program(&["devices"]));
        let ok = specs.iter().all(|spec| listed.contains(&format!("--source {spec}\n")));
        rig.check("  and listed so", specs.join(", "), ok);
        drop((run, cameras));
        nodes(0);
    }
}

fn cycles(rig: &mut Rig, n: u32) {
    let mut camera = Some(plug(0, SERIAL, true));
    nodes(1);
    let run = Run::start(&["auto"], &["pipeline.backoff_max_ms=500"]);
    run.lives();
    let mut back = 0;
    let mut before = (0, 0);
    for i in 0..n {
        drop(camera.take());
        run.wait(Duration::from_secs(10), |line| line.says("opening again"));
        nodes(0);
        camera = Some(plug(0, SERIAL, true));
        back += u32::from(run.returns(Duration::from_secs(20)).is_some());
        if i == 2 {
            before = (run.memory_kb(), run.descriptors());
        }
    }
    let after = (run.memory_kb(), run.descriptors());
    let said = format!("{back} times back, {} to {} KiB, {} to {} descriptors", before.0, after.0, before.1, after.1);
    rig.check(&format!("{n} times unplugged"), said, back == n && after.0 < before.0 + 1_024 && after.1 <= before.1);
}
