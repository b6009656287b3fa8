//! What an errno of a camera means: what happened, and who must act on it.

use std::io;

use crate::error::{Error, Remedy};

/// An operation on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Opening the node.
    Open,
    /// Listing its formats.
    Enumerate,
    /// Setting the format.
    SetFormat,
    /// Starting to stream.
    StreamOn,
    /// Taking a frame.
    Dequeue,
    /// Setting or reading a control.
    Control,
}

impl Operation {
    /// The message if the errno says no more.
    fn failed(self) -> &'static str {
        match self {
            Operation::Open => "cannot be opened",
            Operation::Enumerate => "does not say what it offers",
            Operation::SetFormat => "does not take the format",
            Operation::StreamOn => "does not start to stream",
            Operation::Dequeue => "gives no frame",
            Operation::Control => "does not take the command",
        }
    }
}

/// What to do about a missing permission.
pub const PERMISSION: &str = "found, no permission: install udev/60-heatmark.rules, or join the group `video`";

/// True if the device is unplugged, so that only waiting helps.
pub fn is_gone(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::ENODEV | libc::ENXIO | libc::ENOENT | libc::ESHUTDOWN))
}

/// The error about `subject` after `operation` failed with `e`.
pub fn failure(subject: String, operation: Operation, e: io::Error) -> Error {
    let (remedy, message) = match e.raw_os_error() {
        _ if is_gone(&e) => (Remedy::Retry, "is gone (unplugged)"),
        Some(libc::EACCES | libc::EPERM) => (Remedy::Fix, PERMISSION),
        Some(libc::EBUSY) => (Remedy::Retry, "is in use by another program"),
        Some(libc::ENOSPC) if operation == Operation::StreamOn => {
            (Remedy::Retry, "finds no room on its USB bus: plug it into another controller, or stop another camera")
        }
        // uvcvideo's answer to an unknown extension unit or selector.
        Some(libc::EINVAL | libc::ENOTTY) if operation == Operation::Control => {
            (Remedy::Fix, "does not have this control")
        }
        Some(libc::ENOTTY) if operation == Operation::Enumerate => (Remedy::Fix, "is no camera that streams"),
        // Another node may be the camera.
        Some(libc::ENOTTY) if operation == Operation::Open => (Remedy::Retry, "is no camera that streams"),
        // v4l2loopback's answer until a program writes to it.
        Some(libc::EINVAL) if operation == Operation::Enumerate => {
            (Remedy::Retry, "has no format yet: a loopback device is one only while a program feeds it")
        }
        _ => (Remedy::Retry, operation.failed()),
    };
    Error::new(remedy, subject, message).because(e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_errno_says_who_must_act() {
        let said = |operation, errno| {
            let e = failure("/dev/video0".into(), operation, io::Error::from_raw_os_error(errno));
            (e.remedy(), e.to_string())
        };
        let (act, text) = said(Operation::Open, libc::EACCES);
        assert!(act == Remedy::Fix && text.contains("udev/60-heatmark.rules"), "{text}");
        assert_eq!(said(Operation::Enumerate, libc::ENOTTY).0, Remedy::Fix);
        let (act, text) = said(Operation::Enumerate, libc::EINVAL);
        assert!(act == Remedy::Retry && text.contains("feeds it"), "{text}");
        let (act, text) = said(Operation::Dequeue, libc::ENODEV);
        assert!(act == Remedy::Retry && text.contains("unplugged"), "{text}");
        assert!(said(Operation::SetFormat, libc::EBUSY).1.contains("another program"));
        assert!(said(Operation::StreamOn, libc::ENOSPC).1.contains("USB bus"));
        assert_eq!(said(Operation::StreamOn, libc::EIO).0, Remedy::Retry);
        assert_eq!(said(Operation::Control, libc::EINVAL).0, Remedy::Fix);
    }
}
