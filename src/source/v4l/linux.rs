//! The real machine: V4L2 and USB of Linux, with the definitions of the crate `v4l`.
//!
//! The stream of that crate waits without limit, returns whole mappings and panics when a driver
//! refuses to stop, so the few requests that are needed are made here. All `unsafe` code of the sources
//! is in this file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use v4l::v4l_sys as sys;
use v4l::v4l2::{self, vidioc};

use super::bus::{BufferInfo, Bus, Device, Granted, Query};
use super::node::{self, Node};
use crate::source::cameras::{Offer, PixelFormat, Sizes};

const CAPTURE: u32 = sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;
const MMAP: u32 = sys::v4l2_memory_V4L2_MEMORY_MMAP;
/// `USBDEVFS_RESET`: `_IO('U', 20)`.
const USBDEVFS_RESET: vidioc::_IOC_TYPE = 0x5514;
/// `UVCIOC_CTRL_QUERY`: `_IOWR('u', 0x21, struct uvc_xu_control_query)`.
const UVCIOC_CTRL_QUERY: vidioc::_IOC_TYPE = 0xc010_7521;
/// Limit on the entries of one list of a driver.
const MAX_ENTRIES: u32 = 256;
/// How long a device stays without its driver.
const REPLUG_PAUSE: Duration = Duration::from_millis(500);

/// This machine, or the part of it under a folder.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// The machine whose `sys` and `dev` are in `root`: `/`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl Bus for Machine {
    fn nodes(&mut self) -> Vec<Node> {
        node::list(&self.root)
    }

    fn open(&mut self, node: &Node) -> io::Result<Box<dyn Device>> {
        Ok(Box::new(Open::new(&node.path)?))
    }

    fn reset(&mut self, node: &Node) -> io::Result<()> {
        let path = node.usb.as_ref().and_then(|usb| usb.file.as_ref()).ok_or(io::ErrorKind::NotFound)?;
        let file = OpenOptions::new().write(true).custom_flags(libc::O_CLOEXEC).open(path)?;
        // SAFETY: USBDEVFS_RESET takes no argument; `file` is open for the length of the call.
        unsafe { v4l2::ioctl(file.as_raw_fd(), USBDEVFS_RESET, std::ptr::null_mut()) }
    }

    fn replug(&mut self, node: &Node) -> io::Result<()> {
        let usb = node.usb.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let file = usb.folder.join("authorized");
        fs::write(&file, "0")?;
        std::thread::sleep(REPLUG_PAUSE);
        fs::write(&file, "1")
    }
}

/// Makes a request whose argument is one structure of the kernel's interface.
///
/// # Safety
/// `T` must be the structure that `request` names, and pointers in it must be valid for what the
/// driver does with them.
unsafe fn request<T>(file: &File, request: vidioc::_IOC_TYPE, argument: &mut T) -> io::Result<()> {
    // SAFETY: `argument` is a unique, live reference to the structure that the caller vouches for.
    unsafe { v4l2::ioctl(file.as_raw_fd(), request, std::ptr::from_mut(argument).cast()) }
}

/// An open node. Its stream is stopped before its file is closed.
struct Open {
    stream: Option<Stream>,
    file: File,
}

impl Open {
    fn new(path: &Path) -> io::Result<Self> {
        let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
        let mut capability = sys::v4l2_capability::default();
        // SAFETY: VIDIOC_QUERYCAP fills a `v4l2_capability`.
        unsafe { request(&file, vidioc::VIDIOC_QUERYCAP, &mut capability)? };
        let all = capability.capabilities;
        let own = if all & sys::V4L2_CAP_DEVICE_CAPS != 0 { capability.device_caps } else { all };
        let wanted = sys::V4L2_CAP_VIDEO_CAPTURE | sys::V4L2_CAP_STREAMING;
        if own & wanted != wanted {
            return Err(io::Error::from_raw_os_error(libc::ENOTTY));
        }
        Ok(Self { stream: None, file })
    }

    /// Collects entries 0, 1, ... until the driver has no more.
    ///
    /// # Safety
    /// `T` must be the structure that `ask` names, without pointers.
    unsafe fn list<T: Default>(&self, ask: vidioc::_IOC_TYPE, mut index: impl FnMut(&mut T, u32)) -> Vec<T> {
        let mut all = Vec::new();
        for i in 0..MAX_ENTRIES {
            let mut entry = T::default();
            index(&mut entry, i);
            // SAFETY: the caller vouches for `T`.
            if unsafe { request(&self.file, ask, &mut entry) }.is_err() {
                break;
            }
            all.push(entry);
        }
        all
    }

    fn sizes(&self, pixel_format: PixelFormat) -> Vec<Sizes> {
        let index = |entry: &mut sys::v4l2_frmsizeenum, i| (entry.index, entry.pixel_format) = (i, pixel_format.code());
        // SAFETY: VIDIOC_ENUM_FRAMESIZES fills a `v4l2_frmsizeenum`.
        let entries = unsafe { self.list(vidioc::VIDIOC_ENUM_FRAMESIZES, index) };
        let size = |entry: &sys::v4l2_frmsizeenum| {
            if entry.type_ == sys::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
                // SAFETY: the driver says that it filled `discrete`; both variants are plain integers.
                let one = unsafe { entry.__bindgen_anon_1.discrete };
                Sizes::One(one.width, one.height)
            } else {
                // SAFETY: any other type fills `stepwise`, which is plain integers.
                let range = unsafe { entry.__bindgen_anon_1.stepwise };
                Sizes::Range((range.min_width, range.min_height), (range.max_width, range.max_height))
            }
        };
        entries.iter().map(size).collect()
    }

    fn rate(&self) -> f32 {
        let mut parameters = sys::v4l2_streamparm { type_: CAPTURE, ..Default::default() };
        // SAFETY: VIDIOC_G_PARM fills a `v4l2_streamparm`.
        if unsafe { request(&self.file, vidioc::VIDIOC_G_PARM, &mut parameters) }.is_err() {
            return 0.0;
        }
        // SAFETY: for a capture type the driver fills `capture`, which is plain integers.
        let every = unsafe { parameters.parm.capture.timeperframe };
        if every.numerator == 0 { 0.0 } else { every.denominator as f32 / every.numerator as f32 }
    }
}

impl Device for Open {
    fn offers(&mut self) -> io::Result<Vec<Offer>> {
        let index = |entry: &mut sys::v4l2_fmtdesc, i| (entry.index, entry.type_) = (i, CAPTURE);
        // SAFETY: VIDIOC_ENUM_FMT fills a `v4l2_fmtdesc`.
        let formats = unsafe { self.list(vidioc::VIDIOC_ENUM_FMT, index) };
        let formats = formats.iter().filter_map(|format| PixelFormat::of(format.pixelformat));
        let offers =
            |pixel_format| self.sizes(pixel_format).into_iter().map(move |sizes| Offer { pixel_format, sizes });
        let mut all: Vec<Offer> = formats.flat_map(offers).collect();
        if all.is_empty() {
            // Some drivers (loopback devices) list a pixel format without sizes: only the current one is valid.
            let mut format = sys::v4l2_format { type_: CAPTURE, ..Default::default() };
            // SAFETY: VIDIOC_G_FMT fills a `v4l2_format`.
            unsafe { request(&self.file, vidioc::VIDIOC_G_FMT, &mut format)? };
            // SAFETY: for a capture type the driver fills `pix`, which is plain integers.
            let pix = unsafe { format.fmt.pix };
            let sizes = Sizes::One(pix.width, pix.height);
            all.extend(PixelFormat::of(pix.pixelformat).map(|pixel_format| Offer { pixel_format, sizes }));
        }
        Ok(all)
    }

    fn set(&mut self, pixel_format: PixelFormat, (width, height): (u32, u32)) -> io::Result<Granted> {
        let mut format = sys::v4l2_format { type_: CAPTURE, ..Default::default() };
        // The driver chooses the sizes of rows and frames: 0 asks for its own.
        format.fmt.pix = sys::v4l2_pix_format {
            width,
            height,
            pixelformat: pixel_format.code(),
            field: sys::v4l2_field_V4L2_FIELD_NONE,
            ..Default::default()
        };
        // SAFETY: VIDIOC_S_FMT reads and fills a `v4l2_format`.
        unsafe { request(&self.file, vidioc::VIDIOC_S_FMT, &mut format)? };
        // SAFETY: `pix` was written above and by the driver; it is plain integers.
        let pix = unsafe { format.fmt.pix };
        Ok(Granted {
            code: pix.pixelformat,
            size: (pix.width, pix.height),
            stride: pix.bytesperline as usize,
            rate_hz: self.rate(),
        })
    }

    fn start(&mut self, buffers: u32) -> io::Result<()> {
        self.stream = None;
        self.stream = Some(Stream::start(self.file.try_clone()?, buffers)?);
        Ok(())
    }

    fn dequeue(&mut self, wait: Duration, with: &mut dyn FnMut(&[u8], BufferInfo)) -> io::Result<bool> {
        match &mut self.stream {
            Some(stream) => stream.dequeue(wait, with),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn extension_unit(&mut self, unit: u8, selector: u8, query: Query, data: &mut [u8]) -> io::Result<()> {
        /// `struct uvc_xu_control_query` of `linux/uvcvideo.h`.
        #[repr(C)]
        struct Xu {
            unit: u8,
            selector: u8,
            query: u8,
            size: u16,
            data: *mut u8,
        }
        let size = u16::try_from(data.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut xu = Xu { unit, selector, query: query as u8, size, data: data.as_mut_ptr() };
        // SAFETY: UVCIOC_CTRL_QUERY takes this structure, and reads or writes `size` bytes at `data`,
        // which is borrowed for the length of the call.
        unsafe { request(&self.file, UVCIOC_CTRL_QUERY, &mut xu) }
    }
}

/// Mapped buffers that the driver fills in turn.
struct Stream {
    file: File,
    maps: Vec<Map>,
}

/// One mapped buffer.
struct Map {
    start: *mut libc::c_void,
    bytes: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and `Stream` is its only owner.
unsafe impl Send for Map {}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: `start` and `bytes` are those of a mapping that nothing borrows any more.
        let _ = unsafe { v4l2::munmap(self.start, self.bytes) };
    }
}

impl Stream {
    fn start(file: File, buffers: u32) -> io::Result<Self> {
        let mut wanted =
            sys::v4l2_requestbuffers { count: buffers, type_: CAPTURE, memory: MMAP, ..Default::default() };
        // SAFETY: VIDIOC_REQBUFS reads and fills a `v4l2_requestbuffers`.
        unsafe { request(&file, vidioc::VIDIOC_REQBUFS, &mut wanted)? };
        // From here on `Drop` releases the buffers.
        let mut stream = Self { file, maps: Vec::new() };
        for index in 0..wanted.count {
            let mut buffer = describe(index);
            // SAFETY: VIDIOC_QUERYBUF fills a `v4l2_buffer`.
            unsafe { request(&stream.file, vidioc::VIDIOC_QUERYBUF, &mut buffer)? };
            let bytes = buffer.length as usize;
            // SAFETY: for memory of type MMAP the driver filled `offset`. The mapping is new, so it
            // aliases nothing; `Map` unmaps it once.
            let start = unsafe {
                let offset = libc::off_t::from(buffer.m.offset);
                let fd = stream.file.as_raw_fd();
                v4l2::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ, libc::MAP_SHARED, fd, offset)?
            };
            stream.maps.push(Map { start, bytes });
            stream.queue(index)?;
        }
        if stream.maps.is_empty() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let mut kind = CAPTURE;
        // SAFETY: VIDIOC_STREAMON reads an integer.
        unsafe { request(&stream.file, vidioc::VIDIOC_STREAMON, &mut kind)? };
        Ok(stream)
    }

    fn queue(&self, index: u32) -> io::Result<()> {
        // SAFETY: VIDIOC_QBUF reads and fills a `v4l2_buffer`.
        unsafe { request(&self.file, vidioc::VIDIOC_QBUF, &mut describe(index)) }
    }

    fn dequeue(&mut self, wait: Duration, with: &mut dyn FnMut(&[u8], BufferInfo)) -> io::Result<bool> {
        if !self.ready(wait)? {
            return Ok(false);
        }
        let mut buffer = describe(0);
        // SAFETY: VIDIOC_DQBUF fills a `v4l2_buffer`.
        match unsafe { request(&self.file, vidioc::VIDIOC_DQBUF, &mut buffer) } {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            other => other?,
        }
        let Some(map) = self.maps.get(buffer.index as usize) else {
            return Err(io::Error::other("the driver named a buffer that it does not have"));
        };
        let bytes = map.bytes.min(buffer.bytesused as usize);
        // SAFETY: the mapping is `map.bytes` long and readable, and until the buffer is queued again
        // below the driver does not write to it.
        let bytes = unsafe { std::slice::from_raw_parts(map.start.cast::<u8>(), bytes) };
        let monotonic = buffer.flags & sys::V4L2_BUF_FLAG_TIMESTAMP_MASK == sys::V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
        let info = BufferInfo {
            sequence: buffer.sequence,
            damaged: buffer.flags & sys::V4L2_BUF_FLAG_ERROR != 0,
            age: monotonic.then(|| age(&buffer.timestamp)).flatten(),
        };
        with(bytes, info);
        self.queue(buffer.index)?;
        Ok(true)
    }

    /// Waits until a buffer is full, or until there is an error that dequeuing will return.
    fn ready(&self, wait: Duration) -> io::Result<bool> {
        let ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        let mut poll = libc::pollfd { fd: self.file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: `poll` is one live structure, as the count says.
        match unsafe { libc::poll(&mut poll, 1, ms) } {
            0 => Ok(false),
            n if n > 0 => Ok(true),
            _ => match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::Interrupted => Ok(false),
                e => Err(e),
            },
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // An unplugged device refuses both requests; nothing is left to release then.
        let mut kind = CAPTURE;
        // SAFETY: VIDIOC_STREAMOFF reads an integer.
        let _ = unsafe { request(&self.file, vidioc::VIDIOC_STREAMOFF, &mut kind) };
        self.maps.clear();
        let mut none = sys::v4l2_requestbuffers { count: 0, type_: CAPTURE, memory: MMAP, ..Default::default() };
        // SAFETY: VIDIOC_REQBUFS reads and fills a `v4l2_requestbuffers`.
        let _ = unsafe { request(&self.file, vidioc::VIDIOC_REQBUFS, &mut none) };
    }
}

fn describe(index: u32) -> sys::v4l2_buffer {
    sys::v4l2_buffer { index, type_: CAPTURE, memory: MMAP, ..Default::default() }
}

/// Age of a timestamp on CLOCK_MONOTONIC; `None` if it is in the future or 0.
fn age(stamp: &sys::timeval) -> Option<Duration> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a live structure for the clock to be written to.
    if unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) } != 0 {
        return None;
    }
    let micros = |s: i64, us: i64| s.checked_mul(1_000_000)?.checked_add(us);
    let then = micros(stamp.tv_sec, stamp.tv_usec).filter(|us| *us > 0)?;
    let since = micros(now.tv_sec, now.tv_nsec / 1_000)?.checked_sub(then)?;
    u64::try_from(since).ok().map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_numbers_are_those_of_the_kernel() {
        // From the headers of Linux 6.1 on x86_64; they carry the sizes of the structures.
        assert_eq!(vidioc::VIDIOC_QUERYCAP, 0x8068_5600);
        assert_eq!(vidioc::VIDIOC_S_FMT, 0xc0d0_5605);
        assert_eq!(vidioc::VIDIOC_DQBUF, 0xc058_5611);
        assert_eq!(vidioc::VIDIOC_REQBUFS, 0xc014_5608);
        assert_eq!(vidioc::VIDIOC_ENUM_FRAMESIZES, 0xc02c_564a);
    }

    #[test]
    fn what_is_no_camera_is_refused_without_a_panic() {
        let e = Open::new(Path::new("/dev/null")).err().unwrap();
        // An emulator of user space alone does not know the request.
        assert!([Some(libc::ENOTTY), Some(libc::ENOSYS)].contains(&e.raw_os_error()), "{e}");
        assert!(Open::new(Path::new("/dev/video-none")).is_err());
    }

    #[test]
    fn a_stamp_of_now_is_young_and_one_of_the_future_has_no_age() {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `now` is a live structure for the clock to be written to.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
        let stamp = |s: i64| sys::timeval { tv_sec: s, tv_usec: now.tv_nsec / 1000 };
        assert!(age(&stamp(now.tv_sec)).unwrap() < Duration::from_secs(5));
        assert_eq!(age(&stamp(now.tv_sec + 1000)), None);
        assert_eq!(age(&sys::timeval { tv_sec: 0, tv_usec: 0 }), None);
        assert_eq!(age(&stamp(i64::MAX)), None);
    }
}
