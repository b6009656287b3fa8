//! Nodes, permissions, rules, driver, USB.

use std::path::Path;

use super::{Doctor, Finding, Verdict};
use crate::source::cameras::{Layout, Profile};
use crate::source::v4l::bus::Bus;
use crate::source::v4l::discover::{Discovered, discover};
use crate::source::v4l::failure::PERMISSION;

/// The rules as shipped.
const RULES: &str = include_str!("../../udev/60-heatmark.rules");
/// Where udev looks for them.
const FOLDERS: [&str; 4] = ["etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d"];
const INSTALL: &str = "install udev/60-heatmark.rules as udev/README.md says";
/// Advice if the rules are installed.
const JOIN: &str = "sudo usermod -aG video USER, and log in again; where it is a member, plug the camera in again";
const AGAIN: &str = "plug it in again, so that udev looks at it with the rules";

pub(super) fn check(root: &Path, bus: &mut dyn Bus) -> Vec<Finding> {
    let all = discover(bus);
    let thermal: Vec<&Discovered> =
        all.iter().filter(|f| f.camera.as_ref().is_some_and(|c| c.profile != "picture")).collect();
    let rules = rules(root);
    let in_place = rules.verdict == Verdict::Ok;
    let mut findings = vec![present(&all, &thermal)];
    findings.extend(thermal.iter().filter_map(|camera| usable(camera, in_place)));
    findings.push(rules);
    findings.extend(driver(root));
    findings.extend(thermal.iter().flat_map(|camera| usb(camera, in_place)));
    findings
}

fn present(all: &[Discovered], thermal: &[&Discovered]) -> Finding {
    let name = |f: &&Discovered| {
        let camera = f.camera.as_ref().map_or("", |c| c.about);
        format!("{camera} at {} ({})", f.node.path.display(), f.spec)
    };
    if thermal.is_empty() {
        let others = if all.is_empty() { "no video device".into() } else { format!("{} video devices", all.len()) };
        return Finding::new("camera", Verdict::Warn, format!("no thermal camera, {others}"))
            .todo("plug one in; where `lsusb` shows it and no /dev/video appears, load the module uvcvideo");
    }
    Finding::ok("camera", thermal.iter().map(name).collect::<Vec<_>>().join("; "))
}

fn usable(camera: &Discovered, rules: bool) -> Option<Finding> {
    let trouble = camera.trouble.as_ref()?;
    let path = camera.node.path.display();
    let todo = match (trouble == PERMISSION, rules) {
        (true, false) => INSTALL,
        (true, true) => JOIN,
        (false, _) => "stop what uses it, or plug it in again",
    };
    Some(Finding::new("camera", Verdict::Fail, format!("{path}: {trouble}")).todo(todo))
}

fn rules(root: &Path) -> Finding {
    let file = |folder: &&str| Doctor::read(root, &format!("{folder}/60-heatmark.rules"));
    let folder = FOLDERS.iter().find(|folder| file(folder).is_some());
    match folder {
        None => Finding::new("udev rules", Verdict::Warn, "not installed").todo(INSTALL),
        Some(folder) if file(folder).as_deref() == Some(RULES.trim()) => {
            Finding::ok("udev rules", format!("/{folder}/60-heatmark.rules"))
        }
        Some(folder) => {
            Finding::new("udev rules", Verdict::Warn, format!("/{folder}/60-heatmark.rules is of another version"))
                .todo(INSTALL)
        }
    }
}

/// Parameters of uvcvideo that were changed, and what they do to a thermal camera.
fn driver(root: &Path) -> Vec<Finding> {
    let module = "sys/module/uvcvideo";
    if !root.join(module).is_dir() {
        return vec![Finding::new("uvcvideo", Verdict::Unknown, "not loaded; it is when a USB camera is plugged in")];
    }
    let parameter = |name: &str| Doctor::read(root, &format!("{module}/parameters/{name}"));
    let mut findings = Vec::new();
    // -1, printed unsigned, leaves the driver's own table of quirks in force.
    let quirks = parameter("quirks").filter(|q| q != "4294967295" && q != "-1");
    if let Some(quirks) = quirks {
        let text = format!("quirks={quirks} replaces the driver's own table for every camera");
        let todo = "keep it only where a camera needs it: remove it from /etc/modprobe.d and reload uvcvideo";
        findings.push(Finding::new("uvcvideo", Verdict::Warn, text).todo(todo));
    }
    if parameter("nodrop").as_deref() == Some("1") {
        let text = "nodrop=1: incomplete frames are passed on instead of left out; they count as corrupt";
        findings.push(Finding::new("uvcvideo", Verdict::Warn, text).todo("set nodrop=0"));
    }
    if findings.is_empty() {
        findings.push(Finding::ok("uvcvideo", "loaded, parameters as shipped"));
    }
    findings
}

/// Data rate of the best mode at the usual rate of such cameras, Mbit/s.
fn needed_mbps(profile: &Profile) -> f32 {
    let Some(mode) = profile.modes.first() else { return 0.0 };
    let (w, h) = mode.size.unwrap_or((640, 512));
    let hz = if mode.layout == Layout::Lepton { 9.0 } else { 25.0 };
    w as f32 * h as f32 * mode.pixel_format.bytes() as f32 * 8.0 * hz / 1e6
}

fn usb(camera: &Discovered, rules: bool) -> Vec<Finding> {
    let Some(usb) = &camera.node.usb else { return Vec::new() };
    let mut findings = Vec::new();
    let name = format!("{} at usb {}", usb.id, usb.port);
    let power = usb.power_ma.map(|ma| format!(", {ma} mA")).unwrap_or_default();
    match (usb.speed_mbps, camera.node.profile()) {
        (Some(speed), Some(profile)) if needed_mbps(profile) > speed * 0.8 => {
            let needs = needed_mbps(profile);
            let text = format!("{name}: {speed} Mbit/s{power}; its pictures need {needs:.0}");
            findings.push(
                Finding::new("usb", Verdict::Fail, text)
                    .todo("plug it into a USB 2 or 3 port or hub, with a cable that has all wires"),
            );
        }
        (Some(speed), _) => findings.push(Finding::ok("usb", format!("{name}: {speed} Mbit/s{power}"))),
        (None, _) => findings.push(Finding::new("usb", Verdict::Unknown, name.clone())),
    }
    if usb.autosuspend {
        let text = format!("{name}: may be suspended, from which some cameras do not wake up");
        let todo = if rules { AGAIN } else { INSTALL };
        findings.push(Finding::new("usb power", Verdict::Warn, text).todo(todo));
    }
    findings
}
