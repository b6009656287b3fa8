//! Which camera is meant: a spec, and the nodes that it matches.

use std::fmt;
use std::path::{Path, PathBuf};

use super::node::Node;
use crate::error::{Error, Result};
use crate::source::cameras;

/// A camera as a user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The first thermal camera.
    Auto,
    /// A device file or a link to one.
    Node(PathBuf),
    /// The USB device with this serial number.
    Serial(String),
    /// The USB device at this port, as in `1-1.2`.
    Port(String),
    /// The first camera of this row of the table.
    Profile(&'static str),
}

/// How cameras are named, for messages.
pub const FORMS: &str = "auto, /dev/videoN, v4l2:serial=SERIAL, v4l2:usb=PORT (as in 1-1.2), v4l2:profile=NAME";

impl Selector {
    /// True if a spec names a camera.
    pub fn claims(spec: &str) -> bool {
        spec == "auto" || spec.starts_with("v4l2:") || spec.starts_with("/dev/")
    }

    /// Parses a spec.
    ///
    /// # Errors
    /// `Fix` with the valid forms if it has none of them.
    pub fn parse(spec: &str) -> Result<Self> {
        let rest = spec.strip_prefix("v4l2:").unwrap_or(spec);
        let wrong = |why: &str| Err(Error::fix(spec, format_args!("{why}; cameras are named {FORMS}")));
        match rest.split_once('=') {
            _ if rest == "auto" => Ok(Self::Auto),
            _ if rest.starts_with("/dev/") => Ok(Self::Node(rest.into())),
            Some((_, "")) => wrong("has nothing after ="),
            Some(("serial", serial)) => Ok(Self::Serial(serial.into())),
            Some(("usb", port)) => Ok(Self::Port(port.into())),
            Some(("profile", name)) => match cameras::by_name(name) {
                Some(profile) => Ok(Self::Profile(profile.name)),
                None => {
                    let names: Vec<_> = cameras::CAMERAS.iter().map(|p| p.name).collect();
                    Err(Error::fix(spec, format_args!("names no camera; known are {}", names.join(", "))))
                }
            },
            _ => wrong("names no camera"),
        }
    }

    /// The nodes that match, the likeliest first. Nodes that carry metadata never do.
    pub fn pick<'a>(&self, nodes: &'a [Node]) -> Vec<&'a Node> {
        let mut picked: Vec<&Node> = nodes.iter().filter(|node| node.index == 0 && self.matches(node)).collect();
        if *self == Self::Auto {
            // A stable sort keeps the order of numbers among equals.
            picked.sort_by_key(|node| node.profile().is_none());
        }
        picked
    }

    /// True if it names one device, not a kind of camera.
    pub fn names_device(&self) -> bool {
        !matches!(self, Self::Auto | Self::Profile(_))
    }

    fn matches(&self, node: &Node) -> bool {
        let usb = node.usb.as_ref();
        match self {
            Self::Auto => !node.built_in,
            Self::Node(path) => same(path, &node.path),
            Self::Serial(serial) => usb.is_some_and(|usb| usb.serial.as_deref() == Some(serial)),
            Self::Port(port) => usb.is_some_and(|usb| usb.port == *port),
            // A row without USB ids is recognised by its formats, which only the open device lists.
            Self::Profile(name) => match cameras::by_name(name) {
                Some(row) if !row.usb.is_empty() => node.profile().is_some_and(|p| p.name == *name),
                _ => node.profile().is_none(),
            },
        }
    }

    /// The error if no node matches.
    pub fn absent(&self, nodes: &[Node]) -> Error {
        let found: Vec<_> = nodes.iter().filter(|node| node.index == 0).map(describe).collect();
        let found = if found.is_empty() { "no video device".into() } else { found.join(", ") };
        Error::retry(self, format_args!("is not there; found {found}"))
    }
}

/// True for the same file, also through a link of udev.
fn same(link: &Path, node: &Path) -> bool {
    link == node || std::fs::canonicalize(link).is_ok_and(|to| Some(to) == std::fs::canonicalize(node).ok())
}

fn describe(node: &Node) -> String {
    let usb = node.usb.as_ref();
    let id = usb.map(|usb| format!(" {} at usb {}", usb.id, usb.port)).unwrap_or_default();
    let serial = usb.and_then(|usb| usb.serial.as_ref()).map(|s| format!(" serial {s}")).unwrap_or_default();
    format!("{} ({}{id}{serial})", node.path.display(), node.name)
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => write!(f, "a thermal camera"),
            Self::Node(path) => write!(f, "{}", path.display()),
            Self::Serial(serial) => write!(f, "the camera with serial number {serial}"),
            Self::Port(port) => write!(f, "the camera at usb {port}"),
            Self::Profile(name) => write!(f, "a camera of kind {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_parsed_or_refused_with_the_known_forms() {
        let read = |spec: &str| Selector::parse(spec).unwrap();
        assert_eq!(read("auto"), Selector::Auto);
        assert_eq!(read("v4l2:auto"), Selector::Auto);
        assert_eq!(read("/dev/video3"), Selector::Node("/dev/video3".into()));
        assert_eq!(read("v4l2:/dev/heatmark/boson-7"), Selector::Node("/dev/heatmark/boson-7".into()));
        assert_eq!(read("v4l2:serial=8003000b-51"), Selector::Serial("8003000b-51".into()));
        assert_eq!(read("v4l2:usb=1-1.2"), Selector::Port("1-1.2".into()));
        assert_eq!(read("v4l2:profile=purethermal"), Selector::Profile("purethermal"));
        for wrong in ["v4l2:", "v4l2:serial", "v4l2:serial=", "v4l2:bus=1", "v4l2:profile=flir"] {
            let said = Selector::parse(wrong).unwrap_err().to_string();
            assert!(said.contains("purethermal") || said.contains("v4l2:serial=SERIAL"), "{said}");
        }
        assert!(!Selector::claims("clip.tiff") && Selector::claims("/dev/video0"));
    }
}
