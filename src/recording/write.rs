//! Writes recordings: 16-bit grey multi-page TIFF, deflated. No predictor, although one saves a tenth:
//! ImageJ 1.52 opens such 16-bit pages without undoing it, and shows noise.
//!
//! ImageJ, tifffile and every TIFF library open it; the facts of each frame are in its page's
//! ImageDescription ([`super::page`]). After each [`Writer::put`] the file is whole up to that
//! frame, however the process ends.

use std::io;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use tiff::TiffError;
use tiff::encoder::{DirectoryEncoder, TiffEncoder, TiffKindStandard};
use tiff::tags::Tag;

use super::page::Page;
use super::tail::{Medium, Shared};
use super::{CameraInfo, MAX_SIZE};
use crate::error::{Error, Result};
use crate::frame::Frame;

/// Offsets in a TIFF have 32 bits; the largest page and its links must still fit.
pub const MAX_BYTES: u64 = (4 << 30) - (64 << 20);

/// TIFF compression "deflate".
const DEFLATE: u16 = 8;

/// A recording being written. Dropping it does what [`Writer::finish`] does, but without syncing or reporting errors.
pub struct Writer<M: Medium> {
    name: String,
    camera: CameraInfo,
    tiff: TiffEncoder<Shared<M>>,
    out: Shared<M>,
    deflate: Compress,
    rows: Vec<u8>,
    packed: Vec<u8>,
    text: String,
    pages: u64,
    broken: bool,
}

impl<M: Medium> Writer<M> {
    /// Starts a recording on an empty medium. `level` is the deflate effort, 0 (none) to 9.
    ///
    /// # Errors
    /// `Fix` if the medium cannot be written.
    pub fn new(name: &str, medium: M, camera: CameraInfo, level: u8) -> Result<Self> {
        let out = Shared::new(medium);
        let started = TiffEncoder::new(out.clone()).and_then(|tiff| {
            out.commit()?;
            Ok(tiff)
        });
        Ok(Self {
            name: name.into(),
            camera,
            tiff: started.map_err(|e| failed(name, 0, e))?,
            out,
            deflate: Compress::new(Compression::new(u32::from(level.min(9))), true),
            rows: Vec::new(),
            packed: Vec::new(),
            text: String::new(),
            pages: 0,
            broken: false,
        })
    }

    /// Appends a frame; `result` is its result as one JSON object, `lost` how many frames the
    /// recorder has lost so far. After an error the recording accepts no more frames; earlier frames
    /// stay readable.
    ///
    /// # Errors
    /// `Fix` for a frame that cannot be recorded, a failed write, or a recording that has failed before.
    pub fn put(&mut self, frame: &Frame, result: Option<&str>, lost: u64) -> Result<()> {
        if self.broken {
            return Err(Error::fix(&self.name, "the recording has stopped after an earlier error"));
        }
        self.check(frame)?;
        let crc = self.lay_out(frame);
        Page::new(&self.camera, frame, lost, crc).write(result, &mut self.text)?;
        let written = self.pack().and_then(|()| self.write_page(frame));
        if let Err(e) = written {
            self.broken = true;
            return Err(failed(&self.name, self.pages, e));
        }
        self.pages += 1;
        Ok(())
    }

    fn check(&self, frame: &Frame) -> Result<()> {
        let format = frame.format;
        let most = MAX_SIZE.0 as usize * MAX_SIZE.1 as usize;
        if format.pixels() == 0 || format.pixels() > most || frame.pixels.len() != format.pixels() {
            return Err(Error::fix(
                &self.name,
                format_args!(
                    "a frame of {}x{} with {} pixels cannot be recorded; up to {}x{} can",
                    format.width,
                    format.height,
                    frame.pixels.len(),
                    MAX_SIZE.0,
                    MAX_SIZE.1
                ),
            ));
        }
        Ok(())
    }

    /// Fills `rows` with the counts in the file's byte order, which is the machine's. Returns the CRC of
    /// the counts in little-endian order.
    fn lay_out(&mut self, frame: &Frame) -> u32 {
        let mut crc = Crc::new();
        self.rows.clear();
        self.rows.extend(frame.pixels.iter().flat_map(|count| count.to_le_bytes()));
        crc.update(&self.rows);
        if cfg!(target_endian = "big") {
            self.rows.chunks_exact_mut(2).for_each(|count| count.swap(0, 1));
        }
        crc.sum()
    }

    fn pack(&mut self) -> Result<(), TiffError> {
        self.deflate.reset();
        self.packed.clear();
        // Deflate never grows data by more than this.
        self.packed.reserve(self.rows.len() + self.rows.len() / 100 + 64);
        match self.deflate.compress_vec(&self.rows, &mut self.packed, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => Ok(()),
            Ok(other) => Err(io::Error::other(format!("deflate ended with {other:?}")).into()),
            Err(e) => Err(io::Error::other(e).into()),
        }
    }

    fn write_page(&mut self, frame: &Frame) -> Result<(), TiffError> {
        let mut page = self.tiff.image_directory()?;
        let offset = page.write_data(&self.packed[..])?;
        let strip = (u32::try_from(offset)?, u32::try_from(self.packed.len())?);
        write_tags(&mut page, frame, strip, &self.text)?;
        page.finish()?;
        Ok(self.out.commit()?)
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.out.len()
    }

    /// Frames written so far.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Waits until everything written is on the disk and survives a power cut.
    ///
    /// # Errors
    /// `Fix` if the medium cannot be synced.
    pub fn sync(&mut self) -> Result<()> {
        self.out.sync().map_err(|e| failed(&self.name, self.pages, e.into()))
    }

    /// Syncs and returns the medium (never `None`: the writer holds the only other handle).
    ///
    /// # Errors
    /// Those of [`Writer::sync`].
    pub fn finish(mut self) -> Result<Option<M>> {
        self.sync()?;
        let Self { tiff, out, .. } = self;
        drop(tiff);
        Ok(out.into_medium())
    }
}

fn write_tags<M: Medium>(
    page: &mut DirectoryEncoder<'_, Shared<M>, TiffKindStandard>,
    frame: &Frame,
    (offset, bytes): (u32, u32),
    description: &str,
) -> Result<(), TiffError> {
    page.write_tag(Tag::ImageWidth, frame.format.width)?;
    page.write_tag(Tag::ImageLength, frame.format.height)?;
    page.write_tag(Tag::BitsPerSample, 16u16)?;
    page.write_tag(Tag::Compression, DEFLATE)?;
    // Photometric "black is zero".
    page.write_tag(Tag::PhotometricInterpretation, 1u16)?;
    page.write_tag(Tag::ImageDescription, description)?;
    page.write_tag(Tag::StripOffsets, offset)?;
    page.write_tag(Tag::SamplesPerPixel, 1u16)?;
    page.write_tag(Tag::RowsPerStrip, frame.format.height)?;
    page.write_tag(Tag::StripByteCounts, bytes)?;
    page.write_tag(Tag::Software, concat!("heatmark ", env!("CARGO_PKG_VERSION")))?;
    page.write_tag(Tag::SampleFormat, 1u16)
}

/// The error that says what stopped the recording and how much of it is safe.
fn failed(name: &str, pages: u64, cause: TiffError) -> Error {
    let full = matches!(&cause, TiffError::IoError(e)
        if matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded));
    let why = if full { "the disk is full" } else { "writing failed" };
    Error::fix(name, format_args!("{why}; the recording stops, its {pages} frames stay readable")).because(cause)
}
