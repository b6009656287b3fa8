//! What an errno of a camera means: what happened, and who must act.

use std::io;

use crate::error::{Error, Remedy};

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Opening the node.
    Open,
    /// Asking what it offers.
    Ask,
    /// Setting the format.
    Set,
    /// Starting to stream.
    Start,
    /// Taking a frame.
    Take,
    /// Setting or reading a control.
    Control,
}

impl Doing {
    fn name(self) -> &'static str {
        match self {
            Doing::Open => "cannot be opened",
            Doing::Ask => "does not say what it offers",
            Doing::Set => "does not take the format",
            Doing::Start => "does not start to stream",
            Doing::Take => "gives no frame",
            Doing::Control => "does not take the command",
        }
    }
}

/// What to do about a missing permission.
pub const PERMISSION: &str = "found, no permission: install udev/60-heatmark.rules, or join the group `video`";

/// True where the device is not there any more, so that nothing can be done about it but wait.
pub fn is_gone(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::ENODEV | libc::ENXIO | libc::ENOENT | libc::ESHUTDOWN))
}

/// The error about `subject`.
pub fn failure(subject: String, doing: Doing, e: io::Error) -> Error {
    let (act, message) = match e.raw_os_error() {
        _ if is_gone(&e) => (Remedy::Retry, "is gone (unplugged)"),
        Some(libc::EACCES | libc::EPERM) => (Remedy::Fix, PERMISSION),
        Some(libc::EBUSY) => (Remedy::Retry, "is in use by another program"),
        Some(libc::ENOSPC) if doing == Doing::Start => {
            (Remedy::Retry, "finds no room on its USB bus: plug it into another controller, or stop another camera")
        }
        // uvcvideo answers an unknown extension unit or selector so.
        Some(libc::EINVAL | libc::ENOTTY) if doing == Doing::Control => (Remedy::Fix, "does not have this control"),
        Some(libc::ENOTTY) if doing == Doing::Ask => (Remedy::Fix, "is no camera that streams"),
        // v4l2loopback answers so until a program writes to it.
        Some(libc::EINVAL) if doing == Doing::Ask => {
            (Remedy::Retry, "has no format yet: a loopback device is one only while a program feeds it")
        }
        _ => (Remedy::Retry, doing.name()),
    };
    Error::new(act, subject, message).because(e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_errno_says_who_must_act() {
        let said = |doing, errno| {
            let e = failure("/dev/video0".into(), doing, io::Error::from_raw_os_error(errno));
            (e.remedy(), e.to_string())
        };
        let (act, text) = said(Doing::Open, libc::EACCES);
        assert!(act == Remedy::Fix && text.contains("udev/60-heatmark.rules"), "{text}");
        assert_eq!(said(Doing::Ask, libc::ENOTTY).0, Remedy::Fix);
        let (act, text) = said(Doing::Ask, libc::EINVAL);
        assert!(act == Remedy::Retry && text.contains("feeds it"), "{text}");
        let (act, text) = said(Doing::Take, libc::ENODEV);
        assert!(act == Remedy::Retry && text.contains("unplugged"), "{text}");
        assert!(said(Doing::Set, libc::EBUSY).1.contains("another program"));
        assert!(said(Doing::Start, libc::ENOSPC).1.contains("USB bus"));
        assert_eq!(said(Doing::Start, libc::EIO).0, Remedy::Retry);
        assert_eq!(said(Doing::Control, libc::EINVAL).0, Remedy::Fix);
    }
}
