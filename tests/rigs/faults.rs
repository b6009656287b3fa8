//! Cameras that fail in every way: when it is seen, and when it is over.

use std::time::{Duration, Instant};

use crate::program::{BACKOFF_MS, FROZEN_MS, Run, SLACK, STALL_MS, shown};
use crate::purethermal::{Cure, Fault};
use crate::{OTHER, Rig, SERIAL, nodes, plug, reset};

pub fn all(rig: &mut Rig) {
    every_fault(rig);
    nodes(0);
    changes(rig);
    nodes(0);
}

fn every_fault(rig: &mut Rig) {
    let camera = plug(0, SERIAL, true);
    nodes(1);
    let run = Run::start(&[&format!("v4l2:serial={SERIAL}")], &[]);
    run.lives();
    let (stall, frozen) = (Duration::from_millis(STALL_MS), Duration::from_millis(FROZEN_MS));
    let pause = Duration::from_millis(BACKOFF_MS);
    for (fault, cure, limit, lives) in [
        (Fault::Silent, Cure::Restart, stall, 1),
        (Fault::Frozen, Cure::Restart, frozen, 1),
        (Fault::Repeated, Cure::Restart, frozen, 1),
        (Fault::Stuck, Cure::Restart, frozen, 1),
        (Fault::Short, Cure::Restart, stall, 1),
        (Fault::ErrorBit, Cure::Restart, stall, 1),
        (Fault::Lossy, Cure::Restart, stall, 1),
        (Fault::Silent, Cure::Configure, stall, 2),
        (Fault::Silent, Cure::Configure, stall, 1),
        // By the step that was learned, and then by the next one, which pauses for half a second.
        (Fault::Silent, Cure::Deauthorize, stall, 2),
    ] {
        // Long enough for the camera to be well again.
        run.frames(Duration::from_secs(5));
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
    let seen = run.wait(Duration::from_secs(10), |line| line.says("opening again")).map(|at| at - began);
    rig.check("unplugged while streaming", shown(seen), seen.is_some_and(|s| s < SLACK));
    nodes(0);
    // Another camera takes the number of the node.
    let _other = plug(1, OTHER, true);
    nodes(1);
    let began = Instant::now();
    let _camera = plug(0, SERIAL, true);
    let mut node = false;
    let back = run.wait(Duration::from_secs(20), |line| {
        node |= line.says("recognised by USB id at /dev/video2");
        line.says("arrive again")
    });
    let back = back.map(|at| at - began);
    let said = format!("{}, at another node: {node}", shown(back));
    rig.check("plugged in again", said, node && back.is_some_and(|b| b < pause + SLACK * 3));
}

/// What changes under a running stream: the format, without a word and by a new configuration; the USB device,
/// which another program resets.
fn changes(rig: &mut Rig) {
    let camera = plug(0, SERIAL, true);
    nodes(1);
    let run = Run::start(&["v4l2:usb=1-1"], &[]);
    run.lives();
    let (stall, pause) = (Duration::from_millis(STALL_MS), Duration::from_millis(BACKOFF_MS));
    for (telemetry, name) in [(false, "160x122 becomes 160x120 while streaming"), (true, "160x120 becomes 160x122")] {
        run.frames(Duration::from_secs(5));
        let began = Instant::now();
        camera.change(telemetry);
        measure(rig, &run, name, began, stall + SLACK, stall * 2 + pause + SLACK * 2);
        rig.check("  and its frames", "20 frames in degC", run.goes_on(20));
    }
    let began = Instant::now();
    drop(camera);
    let _camera = plug(0, SERIAL, false);
    measure(rig, &run, "comes back with 160x120 only", began, SLACK, pause + SLACK * 3);
    rig.check("  and its frames", "20 frames in degC", run.goes_on(20));
    let began = Instant::now();
    let done = reset::reset(SERIAL);
    rig.check("USB reset by another program", format!("{done:?}"), done.is_ok());
    measure(rig, &run, "  while streaming", began, SLACK, pause + SLACK * 3);
}

/// Measures when a fault is seen and when frames come again.
fn measure(rig: &mut Rig, run: &Run, name: &str, began: Instant, seen_within: Duration, healed_within: Duration) {
    let mut seen = None;
    let healed = run.wait(Duration::from_secs(40), |line| {
        if line.says("opening again") {
            seen.get_or_insert_with(Instant::now);
        }
        line.says("arrive again")
    });
    let (seen, healed) = (seen.map(|at| at - began), healed.map(|at| at - began));
    let ok = seen.is_some_and(|s| s <= seen_within) && healed.is_some_and(|h| h <= healed_within);
    rig.check(name, format!("seen after {}, healed after {}", shown(seen), shown(healed)), ok);
}
