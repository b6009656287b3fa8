//! Finds, opens and identifies a camera: the one way to a device, for capture, listing and commands.

use super::bus::{Bus, Device};
use super::failure::{Operation, PERMISSION, failure};
use super::node::Node;
use super::selector::Selector;
use crate::error::{Error, Result};
use crate::source::cameras::{self, Choice, Offer};

/// What an open device offers, and the camera it was identified as.
pub struct Identity {
    /// Every format that can be read.
    pub offers: Vec<Offer>,
    /// The camera and the format to ask for; `None` if no known camera fits.
    pub choice: Option<Choice>,
}

/// The likeliest node for `selector`.
///
/// # Errors
/// `Retry` if none fits.
pub fn find(bus: &mut dyn Bus, selector: &Selector) -> Result<Node> {
    let nodes = bus.nodes();
    selector.pick(&nodes).first().map(|node| (*node).clone()).ok_or_else(|| selector.absent(&nodes))
}

/// Refuses a node that this process may not use.
///
/// # Errors
/// `Fix` without the permission to read and write it.
pub fn permit(node: &Node) -> Result<()> {
    if node.permitted { Ok(()) } else { Err(Error::fix(node.path.display(), PERMISSION)) }
}

/// Opens a node.
///
/// # Errors
/// `Fix` without permission; otherwise what the errno means, as [`failure`] says.
pub fn open(bus: &mut dyn Bus, node: &Node) -> Result<Box<dyn Device>> {
    permit(node)?;
    bus.open(node).map_err(|e| failure(node.path.display().to_string(), Operation::Open, e))
}

/// Asks an open device for its formats and looks it up in the table of cameras. With `size` (columns,
/// rows), only formats of that size count.
///
/// # Errors
/// What the errno means, as [`failure`] says.
pub fn identify(node: &Node, device: &mut dyn Device, size: Option<(u32, u32)>) -> Result<Identity> {
    let offers = device.offers();
    let offers = offers.map_err(|e| failure(node.path.display().to_string(), Operation::Enumerate, e))?;
    let choice = cameras::choose(node.usb.as_ref().map(|usb| usb.id), &offers, size);
    Ok(Identity { offers, choice })
}
