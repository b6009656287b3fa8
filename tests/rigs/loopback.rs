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

/// What a node is fed with.
pub struct Feed {
    pub coding: [u8; 4],
    pub size: (u32, u32),
    /// Taken in turns.
    pub frames: Vec<Vec<u8>>,
    pub period: Duration,
}

impl Feed {
    /// 9 frames a second of 16-bit counts with noise.
    pub fn counts(width: u32, height: u32) -> Self {
        let frame = |n: u16| {
            let pixel = move |i: u32| (29_500 + (i % 97) as u16 + n).to_le_bytes();
            (0..width * height).flat_map(pixel).collect()
        };
        let period = Duration::from_millis(111);
        Self { coding: *b"Y16 ", size: (width, height), frames: (0..50).map(frame).collect(), period }
    }

    /// 20 JPEG pictures a second, as a webcam sends them.
    pub fn pictures(size: (u32, u32), frames: Vec<Vec<u8>>) -> Self {
        Self { coding: *b"MJPG", size, frames, period: Duration::from_millis(50) }
    }
}

/// Writes frames until it is dropped.
pub struct Feeder {
    stop: Arc<AtomicBool>,
    silent: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Feeder {
    pub fn start(node: &str, feed: Feed) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).open(node)?;
        set_format(&file, &feed)?;
        let (stop, silent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (stopped, quiet) = (Arc::clone(&stop), Arc::clone(&silent));
        let thread = thread::spawn(move || {
            for frame in feed.frames.iter().cycle() {
                if stopped.load(Ordering::SeqCst) || (!quiet.load(Ordering::SeqCst) && file.write_all(frame).is_err()) {
                    break;
                }
                thread::sleep(feed.period);
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

fn set_format(file: &File, feed: &Feed) -> io::Result<()> {
    let (width, height) = feed.size;
    let mut format = Format {
        kind: OUTPUT,
        _pad: 0,
        width,
        height,
        pixels: feed.coding,
        field: 1,
        bytes_per_line: 2 * width,
        size: 2 * width * height,
        rest: [0; 44],
    };
    // SAFETY: the file is open, and `Format` is as long as the driver's structure.
    match unsafe { ioctl(file.as_raw_fd(), SET_FORMAT, &mut format) } {
        // Another size than was asked for belongs to a reader that has the node open.
        0 if (format.width, format.height) == feed.size => Ok(()),
        0 => Err(io::Error::other(format!("{}x{} is kept", format.width, format.height))),
        _ => Err(io::Error::last_os_error()),
    }
}
