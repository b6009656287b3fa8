//! What the rest of this folder needs from a machine: to list nodes, open one, dequeue frames and recover a device.
//! [`super::linux`] is the real machine; tests use a scripted one.

use std::io;
use std::time::Duration;

use super::node::Node;
use crate::source::cameras::{Offer, PixelFormat};

/// A machine with cameras.
pub trait Bus: Send {
    /// The current video nodes, in the order of their numbers.
    fn nodes(&mut self) -> Vec<Node>;

    /// Opens a node that captures video.
    ///
    /// # Errors
    /// The errno of the system; `ENOTTY` if it does not capture.
    fn open(&mut self, node: &Node) -> io::Result<Box<dyn Device>>;

    /// Resets the USB device of a node (`USBDEVFS_RESET`). It may come back as another node.
    ///
    /// # Errors
    /// The errno of the system; `NotFound` if it is no USB device.
    fn reset(&mut self, node: &Node) -> io::Result<()>;

    /// Takes the USB device of a node from its driver and gives it back (`authorized`): the closest that software comes
    /// to unplugging it.
    ///
    /// # Errors
    /// The errno of the system; `NotFound` if it is no USB device.
    fn replug(&mut self, node: &Node) -> io::Result<()>;
}

/// An open node.
pub trait Device: Send {
    /// The formats that it offers, without those that cannot be read.
    ///
    /// # Errors
    /// The errno of the driver.
    fn offers(&mut self) -> io::Result<Vec<Offer>>;

    /// Requests a format; the driver may grant another.
    ///
    /// # Errors
    /// The errno of the driver.
    fn set(&mut self, pixel_format: PixelFormat, size: (u32, u32)) -> io::Result<Granted>;

    /// Maps up to `buffers` buffers and starts to stream.
    ///
    /// # Errors
    /// The errno of the driver.
    fn start(&mut self, buffers: u32) -> io::Result<()>;

    /// Waits for a frame for at most `wait`, calls `with` with its bytes, and queues the buffer again;
    /// false if none came.
    ///
    /// # Errors
    /// The errno of the driver; `ENODEV` if the device is unplugged.
    fn dequeue(&mut self, wait: Duration, with: &mut dyn FnMut(&[u8], BufferInfo)) -> io::Result<bool>;

    /// Sends a request to a UVC extension unit (`UVCIOC_CTRL_QUERY`).
    ///
    /// # Errors
    /// The errno of the driver.
    fn extension_unit(&mut self, unit: u8, selector: u8, query: Query, data: &mut [u8]) -> io::Result<()>;
}

/// The format that a device set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Granted {
    /// V4L2 code of the pixel format (fourcc).
    pub code: u32,
    /// Columns and rows.
    pub size: (u32, u32),
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Frames per second; 0 if unknown.
    pub rate_hz: f32,
}

/// What the driver reports about one buffer (`v4l2_buffer`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BufferInfo {
    /// The driver's count of frames, including those that it lost.
    pub sequence: u32,
    /// The driver flagged the content as damaged.
    pub damaged: bool,
    /// How long ago it was captured; `None` if the driver's clock is not CLOCK_MONOTONIC.
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
