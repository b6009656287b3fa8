//! What the guest of the rig does: plugs in emulated cameras, runs the real program on them, makes them
//! fail, and measures how long the program takes to see it and to get over it.
//!
//! Prints one line per check, `RIG | name | what was seen | ok`, and at the end how many failed.

mod cameras;
mod descriptors;
mod faults;
mod loopback;
mod program;
mod purethermal;
mod reset;
mod rules;
mod virtuals;

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

use purethermal::Camera;

pub const SERIAL: &str = "8003000b-5113-3235-3332-393800000000";
pub const OTHER: &str = "80140017-5102-3038-3835-393400000000";

pub struct Rig {
    failed: u32,
}

impl Rig {
    pub fn check(&mut self, name: &str, seen: impl Display, ok: bool) {
        self.failed += u32::from(!ok);
        println!("RIG | {name} | {seen} | {}", if ok { "ok" } else { "FAILED" });
    }
}

/// Plugs a camera in, once the port has let go of the one before.
pub fn plug(port: u32, serial: &str, telemetry: bool) -> Camera {
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
pub fn nodes(n: usize) -> bool {
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

fn main() {
    let mut rig = Rig { failed: 0 };
    let began = Instant::now();
    let part = std::env::args().nth(1).unwrap_or("cameras".into());
    match part.as_str() {
        "faults" => faults::all(&mut rig),
        "udev" => rules::all(&mut rig),
        "vivid" => virtuals::vivid(&mut rig),
        "loopback" => virtuals::loopback(&mut rig),
        _ => cameras::all(&mut rig),
    }
    println!("RIG done {part}: {} failed, {} s", rig.failed, began.elapsed().as_secs());
}
