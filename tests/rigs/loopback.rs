//! A program that feeds a v4l2loopback node with frames, as a bridge to a network camera would.

use std::ffi::{c_int, c_ulong};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// `VIDIOC_S_FMT` of 64-bit Linux: `_IOWR('V', 5, struct v4l2_format)`, 208 bytes.
const SET_FORMAT: c_ulong = 0xc0d0_5605;
const OUTPUT: u32 = 2;
const WIDTH: u32 = 160;
const HEIGHT: u32 = 120;

unsafe extern "C" {
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
}

/// `struct v4l2_format` with a `struct v4l2_pix_format`.
#[repr(C, align(8))]
struct Format {
    kind: u32,
    _pad: u32,
    width: u32,
    height: u32,
    pixels: [u8; 4],
    field: u32,
    bytes_per_line: u32,
    size: u32,
    rest: [u32; 44],
}

/// Writes 9 frames a second until it is dropped.
pub struct Feeder {
    stop: Arc<AtomicBool>,
    silent: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Feeder {
    pub fn start(node: &str) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).open(node)?;
        set_format(&file)?;
        let (stop, silent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (stopped, quiet) = (Arc::clone(&stop), Arc::clone(&silent));
        let thread = thread::spawn(move || {
            for n in 0u16.. {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                if !quiet.load(Ordering::SeqCst) {
                    let pixel = |i: u32| (29_500 + (i % 97) as u16 + n % 50).to_le_bytes();
                    let frame: Vec<u8> = (0..WIDTH * HEIGHT).flat_map(pixel).collect();
                    if file.write_all(&frame).is_err() {
                        break;
                    }
                }
                thread::sleep(Duration::from_millis(111));
            }
        });
        Ok(Self { stop, silent, thread: Some(thread) })
    }

    /// Keeps the node open without writing, or writes again.
    pub fn silence(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn set_format(file: &File) -> io::Result<()> {
    let mut format = Format {
        kind: OUTPUT,
        _pad: 0,
        width: WIDTH,
        height: HEIGHT,
        pixels: *b"Y16 ",
        field: 1,
        bytes_per_line: 2 * WIDTH,
        size: 2 * WIDTH * HEIGHT,
        rest: [0; 44],
    };
    // SAFETY: the file is open, and `Format` is as long as the driver's structure.
    match unsafe { ioctl(file.as_raw_fd(), SET_FORMAT, &mut format) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
