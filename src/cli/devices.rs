//! `heatmark devices`.

use clap::Args;

use super::{Base, Done, print};
use crate::error::Error;
use crate::source::v4l::discover::{Discovered, discover};
use crate::source::v4l::linux::Machine;

/// Arguments of `heatmark devices`.
#[derive(Debug, Args)]
pub struct Devices {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Lists the cameras of this machine with names, serial numbers, formats, kinds and permissions.
pub(super) fn run(base: &Base, devices: &Devices) -> Done {
    base.settle(Vec::new())?;
    let all = discover(&mut Machine::new("/"));
    if devices.json {
        let json = serde_json::to_string_pretty(&all).map_err(|e| Error::fatal("devices", "is no JSON").because(e))?;
        return print::out(&(json + "\n"));
    }
    if all.is_empty() {
        return print::out("no video device found\n");
    }
    print::out(&all.iter().map(text).collect::<Vec<_>>().join("\n"))
}

fn text(device: &Discovered) -> String {
    let node = &device.node;
    let mut rows = Vec::new();
    let mut row = |name: &str, value: String| rows.push([format!("  {name}"), value]);
    match &device.camera {
        Some(camera) => {
            row("camera", format!("{} ({}, {})", camera.about, camera.profile, camera.identified_by));
            if let (Some(mode), Some((w, h))) = (&camera.mode, camera.picture) {
                row("captures", format!("{mode}, picture {w}x{h}"));
            }
            row("note", camera.note.into());
        }
        None => row("camera", "none that is known".into()),
    }
    if let Some(usb) = &node.usb {
        let speed = usb.speed_mbps.map(|s| format!(", {s} Mbit/s")).unwrap_or_default();
        row("usb", format!("{} at {}{speed}", usb.id, usb.port));
        row("serial", usb.serial.clone().unwrap_or_else(|| "(none)".into()));
    }
    if !device.formats.is_empty() {
        row("formats", device.formats.join(", "));
    }
    row("trouble", device.trouble.clone().unwrap_or_else(|| "none".into()));
    row("use", format!("heatmark run --source {}", device.spec));
    rows.retain(|[_, value]| !value.is_empty());
    format!("{}  {}\n{}", node.path.display(), node.name, print::columns(&rows))
}
