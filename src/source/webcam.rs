//! Colour cameras, through `nokhwa` (feature `nokhwa`).
//!
//! `nokhwa` waits for a frame without limit, so it runs on its own thread. A reader sets its own wait and gets the
//! newest picture.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nokhwa::Camera;
use nokhwa::utils::{CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType, Resolution};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::error::{Error, Result};

/// A colour picture.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Red, green, blue of every pixel, row by row, 8 bits each.
    pub rgb: Vec<u8>,
    /// Number of the picture since the camera was opened; gaps are pictures that were not read.
    pub seq: u64,
    /// When it arrived.
    pub arrived: Option<Instant>,
}

/// A running colour camera.
pub struct Webcam {
    about: String,
    shared: Arc<Shared>,
    seen: u64,
}

#[derive(Default)]
struct Shared {
    slot: Mutex<Slot>,
    news: Condvar,
}

#[derive(Default)]
struct Slot {
    picture: Picture,
    /// Format as opened.
    about: Option<String>,
    /// Why no more pictures will come; reset to `None` once a reader has taken it.
    failed: Option<Error>,
    stop: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `ready`, for at most `wait`.
    fn wait(&self, wait: Duration, mut ready: impl FnMut(&Slot) -> bool) -> MutexGuard<'_, Slot> {
        let slot = self.lock();
        let waited = self.news.wait_timeout_while(slot, wait, |slot| !ready(slot));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Webcam {
    /// Opens a `/dev/videoN` that gives YUYV or MJPEG, at the size nearest to `size` (columns, rows).
    ///
    /// # Errors
    /// `Fix` if the path is no video node; `Retry` if the camera does not open within `timeout` or offers
    /// no format that can be read.
    pub fn open(node: &Path, size: (u32, u32), rate_hz: u32, timeout: Duration) -> Result<Self> {
        let name = node.display().to_string();
        let index = name.strip_prefix("/dev/video").and_then(|n| n.parse().ok());
        let index = index.ok_or_else(|| Error::fix(&name, "is no video node, wanted /dev/videoN"))?;
        let shared = Arc::new(Shared::default());
        let (theirs, subject) = (Arc::clone(&shared), name.clone());
        let started = thread::Builder::new().name("webcam".into()).spawn(move || {
            let ended = capture(index, size, rate_hz, &subject, &theirs);
            let mut slot = theirs.lock();
            slot.failed = ended.err();
            theirs.news.notify_all();
        });
        started.map_err(|e| Error::fatal(&name, "no thread can be started").because(e))?;
        let mut slot = shared.wait(timeout, |slot| slot.about.is_some() || slot.failed.is_some());
        let Some(about) = slot.about.take() else {
            slot.stop = true;
            let late = || Error::retry(name, format_args!("did not open within {} ms", timeout.as_millis()));
            return Err(slot.failed.take().unwrap_or_else(late));
        };
        drop(slot);
        Ok(Self { about, shared, seen: 0 })
    }

    /// Size, coding and rate, as in `640x480 YUYV at 30 Hz`.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Swaps the newest unread picture into `into`; false if none came within `wait`.
    ///
    /// # Errors
    /// `Retry` if the camera has failed: open it again.
    pub fn read(&mut self, into: &mut Picture, wait: Duration) -> Result<bool> {
        let seen = self.seen;
        let mut slot = self.shared.wait(wait, |slot| slot.picture.seq > seen || slot.failed.is_some());
        if slot.picture.seq > seen {
            std::mem::swap(&mut slot.picture, into);
            // The picture that the reader gave back must not count as new.
            slot.picture.seq = 0;
            self.seen = into.seq;
            return Ok(true);
        }
        match slot.failed.take() {
            Some(e) => Err(e),
            None => Ok(false),
        }
    }
}

impl Drop for Webcam {
    fn drop(&mut self) {
        // A camera that sends nothing keeps the thread until it sends or is unplugged.
        self.shared.lock().stop = true;
    }
}

/// Pixel formats that can be read. With equal size and rate the first one is chosen.
const PIXEL_FORMATS: [FrameFormat; 2] = [FrameFormat::YUYV, FrameFormat::MJPEG];

/// The format nearest in size, then in rate.
fn nearest(offered: &[CameraFormat], (width, height): (u32, u32), rate_hz: u32) -> Option<CameraFormat> {
    let off = |a: u32, b: u32| u64::from(a.abs_diff(b)).pow(2);
    let far = |format: &CameraFormat| {
        let Resolution { width_x: w, height_y: h } = format.resolution();
        let order = PIXEL_FORMATS.iter().position(|known| *known == format.format());
        (off(w, width) + off(h, height), format.frame_rate().abs_diff(rate_hz), order)
    };
    offered.iter().filter(|format| PIXEL_FORMATS.contains(&format.format())).min_by_key(|format| far(format)).copied()
}

/// Captures pictures until asked to stop.
fn capture(index: u32, size: (u32, u32), rate_hz: u32, node: &str, shared: &Shared) -> Result<()> {
    let failed = |what: &str, e: nokhwa::NokhwaError| Error::retry(node, format_args!("{what}: {e}"));
    // The crate's own search for the nearest format considers one pixel format and exact sizes only.
    let any = RequestedFormat::with_formats(RequestedFormatType::None, &PIXEL_FORMATS);
    let mut camera = Camera::new(CameraIndex::Index(index), any).map_err(|e| failed("cannot be opened", e))?;
    let offered = camera.compatible_camera_formats().map_err(|e| failed("does not say what it offers", e))?;
    if let Some(best) = nearest(&offered, size, rate_hz).filter(|best| *best != camera.camera_format()) {
        let exact = RequestedFormat::with_formats(RequestedFormatType::Exact(best), &PIXEL_FORMATS);
        camera.set_camera_requset(exact).map_err(|e| failed("does not take the format", e))?;
    }
    camera.open_stream().map_err(|e| failed("does not start to stream", e))?;
    let format = camera.camera_format();
    let about = format!("{} {} at {} Hz", format.resolution(), format.format(), format.frame_rate());
    shared.lock().about = Some(about);
    shared.news.notify_all();
    let mut picture = Picture::default();
    for seq in 1.. {
        let buffer = camera.frame().map_err(|e| failed("gives no frame", e))?;
        let (columns, rows) = (buffer.resolution().width(), buffer.resolution().height());
        let bytes = buffer.buffer();
        let whole = match buffer.source_frame_format() {
            FrameFormat::MJPEG => decode(bytes, &mut picture),
            _ => from_yuyv(bytes, (columns, rows), &mut picture),
        };
        let mut slot = shared.lock();
        if slot.stop {
            break;
        }
        if whole {
            (picture.seq, picture.arrived) = (seq, Some(Instant::now()));
            std::mem::swap(&mut slot.picture, &mut picture);
            shared.news.notify_all();
        }
    }
    Ok(())
}

/// Decodes a JPEG to RGB; false if it is damaged.
fn decode(bytes: &[u8], into: &mut Picture) -> bool {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let Ok(rgb) = decoder.decode() else { return false };
    let Some((width, height)) = decoder.dimensions() else { return false };
    if rgb.len() != width * height * 3 {
        return false;
    }
    (into.width, into.height, into.rgb) = (width as u32, height as u32, rgb);
    true
}

/// YUYV with the ranges of ITU-R BT.601 (16 to 235 and 16 to 240), as webcams send it; false if bytes are missing.
fn from_yuyv(bytes: &[u8], (width, height): (u32, u32), into: &mut Picture) -> bool {
    let pixels = width as usize * height as usize;
    if pixels == 0 || !width.is_multiple_of(2) || bytes.len() < 2 * pixels {
        return false;
    }
    (into.width, into.height) = (width, height);
    into.rgb.resize(3 * pixels, 0);
    for (pair, four) in into.rgb.as_chunks_mut::<6>().0.iter_mut().zip(bytes.as_chunks::<4>().0) {
        let [y0, u, y1, v] = four.map(i32::from);
        let (u, v) = (u - 128, v - 128);
        // In 1/256: 255/219 for the luma, and its products with 1.402, 0.344, 0.714 and 1.772 times 219/224.
        for (to, y) in pair.as_chunks_mut::<3>().0.iter_mut().zip([y0, y1]) {
            let luma = 298 * (y - 16) + 128;
            let rgb = [luma + 409 * v, luma - 100 * u - 208 * v, luma + 516 * u];
            *to = rgb.map(|c| (c >> 8).clamp(0, 255) as u8);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yuyv_turns_to_the_colours_of_the_test_card() {
        // Bars at 75 % as in ITU-R BT.601: white, yellow, cyan, green, magenta, red, blue, black.
        let bars = [
            ([180, 128, 128], [191, 191, 191]),
            ([162, 44, 142], [191, 191, 0]),
            ([131, 156, 44], [0, 191, 191]),
            ([112, 72, 58], [0, 191, 0]),
            ([84, 184, 198], [191, 0, 191]),
            ([65, 100, 212], [191, 0, 0]),
            ([35, 212, 114], [0, 0, 191]),
            ([16, 128, 128], [0, 0, 0]),
        ];
        for ([y, u, v], wanted) in bars {
            let mut got = Picture::default();
            assert!(from_yuyv(&[y, u, y, v], (2, 1), &mut got));
            for (g, w) in got.rgb.iter().zip(wanted.iter().chain(&wanted)) {
                assert!(g.abs_diff(*w) <= 2, "{y} {u} {v}: {:?}, wanted {wanted:?}", got.rgb);
            }
        }
    }

    #[test]
    fn the_nearest_format_is_taken_in_any_pixel_format() {
        use FrameFormat::{GRAY, MJPEG, YUYV};
        let format = |w, h, pixel_format, hz| CameraFormat::new(Resolution::new(w, h), pixel_format, hz);
        let webcam = [
            format(640, 480, MJPEG, 30),
            format(640, 480, YUYV, 30),
            format(1280, 720, YUYV, 10),
            format(1280, 720, MJPEG, 30),
            format(1280, 720, MJPEG, 25),
            format(320, 240, GRAY, 30),
        ];
        let taken = |size, hz| nearest(&webcam, size, hz);
        assert_eq!(taken((640, 480), 30), Some(webcam[1]), "the one that needs no decoding");
        assert_eq!(taken((1280, 720), 30), Some(webcam[3]), "the faster one");
        assert_eq!(taken((1300, 700), 26), Some(webcam[4]), "no exact size is needed");
        assert_eq!(taken((320, 240), 30), Some(webcam[1]), "what is not read is not taken");
        assert_eq!(nearest(&webcam[..1], (800, 600), 30), Some(webcam[0]));
        assert_eq!(nearest(&webcam[5..], (320, 240), 30), None);
    }

    #[test]
    fn short_and_damaged_pictures_are_none() {
        let mut got = Picture::default();
        assert!(!from_yuyv(&[0; 7], (2, 2), &mut got));
        assert!(!from_yuyv(&[0; 6], (3, 1), &mut got));
        assert!(!decode(b"\xff\xd8\xff\xe0 no more", &mut got));
        let canvas = crate::picture::Canvas { width: 16, height: 8, rgb: [200, 40, 90].repeat(128) };
        let mut jpeg = Vec::new();
        crate::picture::jpeg(&canvas, 95, &mut jpeg).unwrap();
        jpeg.extend([0; 100]); // the rest of the driver's buffer
        assert!(decode(&jpeg, &mut got) && (got.width, got.height) == (16, 8));
        assert!(got.rgb.iter().zip(&canvas.rgb).all(|(a, b)| a.abs_diff(*b) < 6));
        assert!(!decode(&jpeg[..jpeg.len() / 3], &mut got) || got.rgb.len() == 384);
    }

    #[test]
    fn what_is_no_node_is_refused_and_an_absent_camera_may_come() {
        let open = |path: &str| Webcam::open(Path::new(path), (640, 480), 30, Duration::from_secs(5)).err().unwrap();
        assert_eq!(open("/dev/null").remedy(), crate::Remedy::Fix);
        assert_eq!(open("/dev/video987654").remedy(), crate::Remedy::Retry);
    }
}
