//! A USB reset by another program.

use std::ffi::{c_int, c_ulong};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

/// `_IO('U', 20)` of `linux/usbdevice_fs.h`.
const USBDEVFS_RESET: c_ulong = 0x5514;

unsafe extern "C" {
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
}

/// Resets the device with this serial number.
pub fn reset(serial: &str) -> io::Result<()> {
    let text = |folder: &Path, name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    for device in fs::read_dir("/sys/bus/usb/devices")?.flatten().map(|entry| entry.path()) {
        if text(&device, "serial").trim() != serial {
            continue;
        }
        let number = |name: &str| text(&device, name).trim().parse::<u32>().map_err(io::Error::other);
        let path = format!("/dev/bus/usb/{:03}/{:03}", number("busnum")?, number("devnum")?);
        let file = OpenOptions::new().write(true).open(path)?;
        // SAFETY: the request takes no argument.
        return match unsafe { ioctl(file.as_raw_fd(), USBDEVFS_RESET, 0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        };
    }
    Err(io::ErrorKind::NotFound.into())
}
