//! Video nodes and the USB devices behind them, as sysfs shows them.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

use crate::source::cameras::{self, Profile, UsbId};

/// A video node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// The device file.
    pub path: PathBuf,
    /// Number in its name.
    pub number: u32,
    /// Name that the driver gives.
    pub name: String,
    /// Which node of its device it is; the first captures, uvcvideo's second carries metadata.
    pub index: u32,
    /// True if this process may read and write it.
    pub permitted: bool,
    /// The USB device; `None` for other buses and for virtual devices.
    pub usb: Option<Usb>,
    /// True for parts of the board: camera interfaces, codecs, image processors. They list formats of
    /// cameras that are absent, so `auto` skips them.
    pub built_in: bool,
}

/// A USB device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Usb {
    /// Vendor and product.
    #[serde(serialize_with = "shown")]
    pub id: UsbId,
    /// The port it is plugged into, as in `1-1.2`: stable while the cabling is.
    pub port: String,
    /// Serial number.
    pub serial: Option<String>,
    /// Name of the product.
    pub product: Option<String>,
    /// Speed, Mbit/s.
    pub speed_mbps: Option<f32>,
    /// Highest current that it may draw, mA.
    pub power_ma: Option<u32>,
    /// True if the kernel may suspend it.
    pub autosuspend: bool,
    /// Its file below `/dev/bus/usb`.
    pub file: Option<PathBuf>,
    /// Its folder in sysfs.
    #[serde(skip)]
    pub folder: PathBuf,
}

fn shown<S: serde::Serializer>(id: &UsbId, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(id)
}

impl Node {
    /// The camera of this USB id, if it is known.
    pub fn profile(&self) -> Option<&'static Profile> {
        self.usb.as_ref().and_then(|usb| cameras::by_usb(usb.id))
    }

    /// The serial number; `None` if it is missing, or the same on every unit of the kind `profile`.
    pub fn own_serial(&self, profile: Option<&Profile>) -> Option<&str> {
        let serial = self.usb.as_ref()?.serial.as_deref()?;
        (!serial.is_empty() && profile.is_none_or(|p| p.serials)).then_some(serial)
    }

    /// A name that survives replugging: profile and serial number, or port, or the node. `by_port` where
    /// another camera that is present has the same serial number.
    pub fn stable_name(&self, profile: &Profile, by_port: bool) -> String {
        let kind = profile.name;
        match (self.own_serial(Some(profile)).filter(|_| !by_port), &self.usb) {
            (Some(serial), _) => format!("{kind}:{serial}"),
            (None, Some(usb)) => format!("{kind}:usb-{}", usb.port),
            (None, None) => format!("{kind}:video{}", self.number),
        }
    }

    /// True if another camera in `nodes` has the same serial number.
    pub fn shares_serial(&self, nodes: &[Node]) -> bool {
        let key = |node: &Node| node.usb.as_ref().and_then(|usb| usb.serial.clone());
        let port = |node: &Node| node.usb.as_ref().map(|usb| usb.port.clone());
        key(self).is_some() && nodes.iter().any(|other| key(other) == key(self) && port(other) != port(self))
    }
}

/// The video nodes under `root` (`/`, or a tree that a test made), in the order of their numbers.
pub fn list(root: &Path) -> Vec<Node> {
    let class = root.join("sys/class/video4linux");
    let entries = fs::read_dir(class).map(|dir| dir.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let mut nodes: Vec<Node> = entries.iter().filter_map(|entry| node(root, &entry.path())).collect();
    nodes.sort_by_key(|node| node.number);
    nodes
}

fn node(root: &Path, sys: &Path) -> Option<Node> {
    let file = sys.file_name()?.to_str()?;
    let number = file.strip_prefix("video")?.parse().ok()?;
    let path = root.join("dev").join(file);
    let usb = usb(root, &sys.join("device"));
    let is_virtual = fs::canonicalize(sys).is_ok_and(|path| path.components().any(|c| c.as_os_str() == "virtual"));
    Some(Node {
        number,
        built_in: usb.is_none() && !is_virtual,
        name: text(sys, "name").unwrap_or_default(),
        index: parsed(sys, "index").unwrap_or(0),
        permitted: may_use(&path),
        usb,
        path,
    })
}

/// True if this process may read and write the file.
pub fn may_use(path: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(path, Access::READ_OK | Access::WRITE_OK).is_ok()
}

/// The USB device that a device belongs to: the nearest folder above it that has a vendor.
fn usb(root: &Path, device: &Path) -> Option<Usb> {
    let device = fs::canonicalize(device).ok()?;
    let root = fs::canonicalize(root).ok()?;
    let above = device.ancestors().take_while(|path| path.starts_with(&root));
    let folder = above.into_iter().find(|path| path.join("idVendor").is_file())?;
    let hex = |name: &str| u16::from_str_radix(&text(folder, name)?, 16).ok();
    let (bus, number): (Option<u32>, Option<u32>) = (parsed(folder, "busnum"), parsed(folder, "devnum"));
    Some(Usb {
        id: UsbId { vendor: hex("idVendor")?, product: hex("idProduct")? },
        port: folder.file_name()?.to_str()?.to_string(),
        serial: text(folder, "serial"),
        product: text(folder, "product"),
        speed_mbps: parsed(folder, "speed"),
        power_ma: text(folder, "bMaxPower").and_then(|p| p.trim_end_matches("mA").parse().ok()),
        autosuspend: text(folder, "power/control").as_deref() == Some("auto"),
        file: bus.zip(number).map(|(bus, number)| root.join(format!("dev/bus/usb/{bus:03}/{number:03}"))),
        folder: folder.to_path_buf(),
    })
}

/// A file of sysfs without the line's end; `None` if it is absent or empty.
pub fn text(folder: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(folder.join(name)).ok()?;
    Some(text.trim().to_string()).filter(|text| !text.is_empty())
}

fn parsed<T: FromStr>(folder: &Path, name: &str) -> Option<T> {
    text(folder, name)?.parse().ok()
}
