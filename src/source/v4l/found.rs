//! The cameras of a machine, for people and programs.

use serde::Serialize;

use super::bus::Bus;
use super::failure::{Doing, PERMISSION, failure};
use super::node::Node;
use crate::source::cameras::{self, Choice, Offer, Sizes, Told};

/// A video node and what is known about it.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// The node.
    #[serde(flatten)]
    pub node: Node,
    /// The spec that names it for as long as possible.
    pub spec: String,
    /// The camera it is, as far as can be told; `None` for what is none.
    pub camera: Option<Camera>,
    /// What it offers, as in `Y16 160x120`.
    pub formats: Vec<String>,
    /// Why nothing more is known; `None` where it may be used.
    pub trouble: Option<String>,
}

/// A camera of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Camera {
    /// Row of the table.
    pub profile: &'static str,
    /// Name for people.
    pub about: &'static str,
    /// How it was told: "recognised by USB id" or "recognised by shape".
    pub told: String,
    /// What would be asked for, as in `Y16 160x122`; `None` while it cannot be opened.
    pub mode: Option<String>,
    /// Picture of that, columns and rows.
    pub picture: Option<(u32, u32)>,
    /// What a user should know.
    pub note: &'static str,
}

impl Camera {
    fn of(choice: &Choice) -> Self {
        Self {
            mode: Some(format!("{} {}x{}", choice.mode.wire, choice.size.0, choice.size.1)),
            picture: Some(choice.mode.picture(choice.size)),
            ..Self::unopened(choice.profile, choice.told)
        }
    }

    fn unopened(profile: &'static cameras::Profile, told: Told) -> Self {
        let told = told.to_string();
        Self { profile: profile.name, about: profile.about, told, mode: None, picture: None, note: profile.note }
    }
}

/// Every node that may capture. Opens each for a moment, which disturbs no stream.
pub fn found(bus: &mut dyn Bus) -> Vec<Found> {
    let nodes = bus.nodes();
    // uvcvideo's second node of a camera never captures.
    nodes.iter().filter(|node| node.index == 0).map(|node| look(bus, node, &nodes)).collect()
}

fn look(bus: &mut dyn Bus, node: &Node, all: &[Node]) -> Found {
    let known = node.profile().map(|profile| Camera::unopened(profile, Told::Usb));
    let (spec, node) = (spec(node, all), node.clone());
    let mut found = Found { spec, camera: known, formats: Vec::new(), trouble: None, node };
    if !found.node.permitted {
        found.trouble = Some(PERMISSION.into());
        return found;
    }
    let offers = bus.open(&found.node).and_then(|mut device| device.offers());
    match offers {
        Ok(offers) => {
            let id = found.node.usb.as_ref().map(|usb| usb.id);
            found.formats = offers.iter().map(shown).collect();
            found.camera = cameras::choose(id, &offers, None).as_ref().map(Camera::of).or(found.camera);
        }
        Err(e) => {
            let e = failure(found.node.path.display().to_string(), Doing::Ask, e);
            found.trouble = Some(e.message().to_string());
        }
    }
    found
}

/// The spec that names a node for as long as possible: its serial number, its port, its file.
fn spec(node: &Node, all: &[Node]) -> String {
    match (node.own_serial(node.profile()).filter(|_| !node.has_double(all)), &node.usb) {
        (Some(serial), _) => format!("v4l2:serial={serial}"),
        (None, Some(usb)) => format!("v4l2:usb={}", usb.port),
        (None, None) => node.path.display().to_string(),
    }
}

fn shown(offer: &Offer) -> String {
    match offer.sizes {
        Sizes::One(w, h) => format!("{} {w}x{h}", offer.wire),
        Sizes::Range((w0, h0), (w1, h1)) => format!("{} {w0}x{h0} to {w1}x{h1}", offer.wire),
    }
}
