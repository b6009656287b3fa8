//! Lists the cameras of a machine, for people and programs.

use serde::Serialize;

use super::bus::Bus;
use super::node::Node;
use super::probe::{Identity, identify, open};
use crate::source::cameras::{self, Choice, IdentifiedBy, Offer, Sizes};

/// A video node and what is known about it.
#[derive(Debug, Clone, Serialize)]
pub struct Discovered {
    /// The node.
    #[serde(flatten)]
    pub node: Node,
    /// The most stable spec that names it.
    pub spec: String,
    /// The camera; `None` for a device that cannot be identified as one.
    pub camera: Option<Camera>,
    /// What it offers, as in `Y16 160x120`.
    pub formats: Vec<String>,
    /// Why nothing more is known; `None` if it may be used.
    pub trouble: Option<String>,
}

/// A camera of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Camera {
    /// Row of the table.
    pub profile: &'static str,
    /// Full name.
    pub about: &'static str,
    /// How it was identified: "recognised by USB id" or "recognised by shape".
    pub identified_by: String,
    /// The format that would be requested, as in `Y16 160x122`; `None` while it cannot be opened.
    pub mode: Option<String>,
    /// Size of the picture in that format, columns and rows.
    pub picture: Option<(u32, u32)>,
    /// What a user should know.
    pub note: &'static str,
}

impl Camera {
    fn of(choice: &Choice) -> Self {
        Self {
            mode: Some(format!("{} {}x{}", choice.mode.pixel_format, choice.size.0, choice.size.1)),
            picture: Some(choice.mode.picture(choice.size)),
            ..Self::unopened(choice.profile, choice.identified_by)
        }
    }

    fn unopened(profile: &'static cameras::Profile, identified_by: IdentifiedBy) -> Self {
        let identified_by = identified_by.to_string();
        Self {
            profile: profile.name,
            about: profile.about,
            identified_by,
            mode: None,
            picture: None,
            note: profile.note,
        }
    }
}

/// Every node that may capture. Opens each for a moment, which disturbs no stream.
pub fn discover(bus: &mut dyn Bus) -> Vec<Discovered> {
    let nodes = bus.nodes();
    // uvcvideo's second node of a camera never captures.
    nodes.iter().filter(|node| node.index == 0).map(|node| describe(bus, node, &nodes)).collect()
}

fn describe(bus: &mut dyn Bus, node: &Node, all: &[Node]) -> Discovered {
    let known = node.profile().map(|profile| Camera::unopened(profile, IdentifiedBy::UsbId));
    let identity = open(bus, node).and_then(|mut device| identify(node, device.as_mut(), None));
    let mut discovered =
        Discovered { spec: spec(node, all), camera: known, formats: Vec::new(), trouble: None, node: node.clone() };
    match identity {
        Ok(Identity { offers, choice }) => {
            discovered.formats = offers.iter().map(shown).collect();
            discovered.camera = choice.as_ref().map(Camera::of).or(discovered.camera);
        }
        Err(e) => discovered.trouble = Some(e.message().to_string()),
    }
    discovered
}

/// The most stable spec that names a node: its serial number, its port, its file.
fn spec(node: &Node, all: &[Node]) -> String {
    match (node.own_serial(node.profile()).filter(|_| !node.shares_serial(all)), &node.usb) {
        (Some(serial), _) => format!("v4l2:serial={serial}"),
        (None, Some(usb)) => format!("v4l2:usb={}", usb.port),
        (None, None) => node.path.display().to_string(),
    }
}

fn shown(offer: &Offer) -> String {
    match offer.sizes {
        Sizes::One(w, h) => format!("{} {w}x{h}", offer.pixel_format),
        Sizes::Range((w0, h0), (w1, h1)) => format!("{} {w0}x{h0} to {w1}x{h1}", offer.pixel_format),
    }
}
