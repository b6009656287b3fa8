//! Encodes each picture at most once, only while a client wants it, on its own thread.

use std::io::Cursor;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use tokio::sync::watch;

use crate::frame::{Frame, FrameFormat, Signal};
use crate::picture::Canvas;

/// Separates the pictures of the stream.
pub(super) const BOUNDARY: &str = "heatmark-frame";

/// Input of the encoder, set by the output thread: the newest picture and frame, in reused buffers.
struct Mail {
    canvas: Canvas,
    new_canvas: bool,
    frame: Frame,
    new_frame: bool,
    stop: bool,
}

/// The encoder's mailbox and its latest output.
pub(super) struct Pictures {
    mail: Mutex<Mail>,
    changed: Condvar,
    skipped: AtomicU64,
    quality: u8,
    /// Parts of the motion JPEG stream, each with its header and its closing boundary.
    pub(super) parts: watch::Sender<Bytes>,
    /// PNG files.
    pub(super) png: watch::Sender<Bytes>,
    /// TIFF files.
    pub(super) tiff: watch::Sender<Bytes>,
}

fn empty_frame() -> Frame {
    Frame::new(FrameFormat { width: 0, height: 0, signal: Signal::Counts, rate_hz: 0.0 })
}

impl Pictures {
    pub(super) fn new(quality: u8) -> Arc<Self> {
        let mail =
            Mail { canvas: Canvas::default(), new_canvas: false, frame: empty_frame(), new_frame: false, stop: false };
        Arc::new(Self {
            mail: Mutex::new(mail),
            changed: Condvar::new(),
            skipped: AtomicU64::new(0),
            quality,
            parts: watch::Sender::default(),
            png: watch::Sender::default(),
            tiff: watch::Sender::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wants_picture(&self) -> bool {
        self.parts.receiver_count() > 0 || self.png.receiver_count() > 0
    }

    pub(super) fn wants_frame(&self) -> bool {
        self.tiff.receiver_count() > 0
    }

    /// Pictures that were replaced by a newer one before they were encoded.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Copies what clients want. Does not block: the encoder holds the lock only to swap buffers.
    pub(super) fn offer(&self, picture: Option<&Canvas>, frame: Option<&Arc<Frame>>) {
        let picture = picture.filter(|_| self.wants_picture());
        let frame = frame.filter(|_| self.wants_frame());
        if picture.is_none() && frame.is_none() {
            return;
        }
        let mut mail = self.lock();
        if let Some(picture) = picture {
            if mail.new_canvas {
                self.skipped.fetch_add(1, Ordering::Relaxed);
            }
            (mail.canvas.width, mail.canvas.height) = (picture.width, picture.height);
            mail.canvas.rgb.clear();
            mail.canvas.rgb.extend_from_slice(&picture.rgb);
            mail.new_canvas = true;
        }
        if let Some(frame) = frame {
            mail.frame.format = frame.format;
            mail.frame.meta = frame.meta;
            mail.frame.pixels.clear();
            mail.frame.pixels.extend_from_slice(&frame.pixels);
            mail.new_frame = true;
        }
        drop(mail);
        self.changed.notify_one();
    }

    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_all();
    }

    /// The encoder's loop; returns after [`Pictures::stop`].
    pub(super) fn encode_all(&self) {
        let (mut canvas, mut frame) = (Canvas::default(), empty_frame());
        let mut jpeg = Vec::new();
        loop {
            let waiting = |m: &mut Mail| !(m.stop || m.new_canvas || m.new_frame);
            let mut mail = self.changed.wait_while(self.lock(), waiting).unwrap_or_else(PoisonError::into_inner);
            if mail.stop {
                return;
            }
            let new_canvas = std::mem::take(&mut mail.new_canvas);
            let new_frame = std::mem::take(&mut mail.new_frame);
            if new_canvas {
                std::mem::swap(&mut mail.canvas, &mut canvas);
            }
            if new_frame {
                std::mem::swap(&mut mail.frame, &mut frame);
            }
            drop(mail);
            if new_canvas && self.parts.receiver_count() > 0 {
                publish(&self.parts, "picture", part(&canvas, self.quality, &mut jpeg));
            }
            if new_canvas && self.png.receiver_count() > 0 {
                publish(&self.png, "picture", png(&canvas));
            }
            if new_frame && self.tiff.receiver_count() > 0 {
                publish(&self.tiff, "frame", tiff(&frame));
            }
        }
    }
}

fn publish(to: &watch::Sender<Bytes>, what: &str, made: Result<Vec<u8>, String>) {
    match made {
        Ok(bytes) => {
            to.send_replace(bytes.into());
        }
        // The picture itself is at fault; the next one may be fine.
        Err(e) => log::debug!("http: a {what} was not encoded: {e}"),
    }
}

fn whole(canvas: &Canvas) -> Result<(), String> {
    let wanted = canvas.width as usize * canvas.height as usize * 3;
    if wanted == 0 || canvas.rgb.len() != wanted {
        return Err(format!("{} bytes for {} x {} pixels", canvas.rgb.len(), canvas.width, canvas.height));
    }
    Ok(())
}

/// One part of `multipart/x-mixed-replace`. The boundary follows immediately, because browsers show a
/// part only after its end.
fn part(canvas: &Canvas, quality: u8, jpeg: &mut Vec<u8>) -> Result<Vec<u8>, String> {
    whole(canvas)?;
    let side = |v: u32| u16::try_from(v).map_err(|_| format!("{v} pixels is beyond JPEG"));
    jpeg.clear();
    let mut encoder = Encoder::new(&mut *jpeg, quality);
    // Full colour resolution, for thin coloured lines on a coloured picture.
    encoder.set_sampling_factor(SamplingFactor::F_1_1);
    encoder
        .encode(&canvas.rgb, side(canvas.width)?, side(canvas.height)?, ColorType::Rgb)
        .map_err(|e| e.to_string())?;
    let head = format!("Content-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
    let tail = format!("\r\n--{BOUNDARY}\r\n");
    Ok([head.as_bytes(), jpeg, tail.as_bytes()].concat())
}

fn png(canvas: &Canvas) -> Result<Vec<u8>, String> {
    whole(canvas)?;
    let mut bytes = Vec::with_capacity(canvas.rgb.len() / 2);
    let mut encoder = png::Encoder::new(&mut bytes, canvas.width, canvas.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(|e| e.to_string())?;
    writer.write_image_data(&canvas.rgb).map_err(|e| e.to_string())?;
    writer.finish().map_err(|e| e.to_string())?;
    Ok(bytes)
}

/// 16-bit grey, uncompressed; the description gives the meaning of a count and the capture time.
fn tiff(frame: &Frame) -> Result<Vec<u8>, String> {
    use tiff::encoder::{TiffEncoder, colortype::Gray16};
    use tiff::tags::Tag;
    let description = serde_json::json!({ "format": frame.format, "meta": frame.meta }).to_string();
    let mut bytes = Vec::with_capacity(frame.pixels.len() * 2 + 1024);
    let mut encoder = TiffEncoder::new(Cursor::new(&mut bytes)).map_err(|e| e.to_string())?;
    let (width, height) = (frame.format.width, frame.format.height);
    let mut image = encoder.new_image::<Gray16>(width, height).map_err(|e| e.to_string())?;
    image.encoder().write_tag(Tag::ImageDescription, description.as_str()).map_err(|e| e.to_string())?;
    image.write_data(&frame.pixels).map_err(|e| e.to_string())?;
    Ok(bytes)
}
