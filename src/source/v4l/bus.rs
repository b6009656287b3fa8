//! What the rest of this folder needs of a machine: list nodes, open one, take frames, put a device
//! right. Linux does it in [`super::linux`], tests do it by script.

use std::io;
use std::time::Duration;

use super::node::Node;
use crate::source::cameras::{Offer, Wire};

/// A machine with cameras.
pub trait Bus: Send {
    /// The video nodes there are now, in the order of their numbers.
    fn nodes(&mut self) -> Vec<Node>;

    /// Opens a node that captures video.
    fn open(&mut self, node: &Node) -> io::Result<Box<dyn Device>>;

    /// Resets the USB device of a node (`USBDEVFS_RESET`). It may come back as another node.
    fn reset(&mut self, node: &Node) -> io::Result<()>;

    /// Takes the USB device of a node from its driver and gives it back (`authorized`), which is as
    /// near to pulling the plug as software comes.
    fn replug(&mut self, node: &Node) -> io::Result<()>;
}

/// An open node.
pub trait Device: Send {
    /// What it offers; codings that cannot be read are left out.
    fn offers(&mut self) -> io::Result<Vec<Offer>>;

    /// Asks for a format; what it grants may be another.
    fn set(&mut self, wire: Wire, size: (u32, u32)) -> io::Result<Granted>;

    /// Maps `buffers` buffers or fewer and starts to stream.
    fn start(&mut self, buffers: u32) -> io::Result<()>;

    /// Waits for a frame for at most `wait`, shows it to `see` and hands the buffer back; false where
    /// none came.
    fn take(&mut self, wait: Duration, see: &mut dyn FnMut(&[u8], Taken)) -> io::Result<bool>;

    /// Asks a UVC extension unit.
    fn unit(&mut self, unit: u8, selector: u8, query: Query, data: &mut [u8]) -> io::Result<()>;
}

/// The format that a device set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Granted {
    /// V4L2 code of the coding.
    pub code: u32,
    /// Columns and rows.
    pub size: (u32, u32),
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Frames per second; 0 where unknown.
    pub rate_hz: f32,
}

/// What a driver says about one buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Taken {
    /// The driver's count of frames, with those it lost.
    pub sequence: u32,
    /// The driver flagged the content as damaged.
    pub damaged: bool,
    /// How long ago it was captured; `None` where the driver's clock is not CLOCK_MONOTONIC.
    pub age: Option<Duration>,
}

/// A request to a UVC extension unit (UVC 1.5, table A-8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Query {
    /// Writes the value.
    Set = 0x01,
    /// Reads the value.
    Get = 0x81,
    /// Reads the length of the value, two bytes, little-endian.
    Len = 0x85,
}
