//! Files as sources: what they hold, by their content.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use crate::error::{Error, Result};
use crate::recording::{cptv, y16};

/// The kind of a file, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// TIFF: our own recording, or pictures.
    Tiff,
    /// CPTV inside gzip.
    Cptv,
    /// PureThermal Y16 inside gzip.
    Y16,
    /// PNG picture.
    Png,
    /// JPEG picture.
    Jpeg,
    /// MP4, MOV, AVI, Matroska or WebM.
    Video,
}

/// The formats that can be read, for messages.
pub const SUPPORTED: &str = "Heatmark recordings (TIFF), CPTV 1 and 2, .raw.y16.gz, Motion JPEG, and PNG, TIFF and JPEG pictures, and videos (with \
     ffmpeg installed)";

/// First bytes of each kind. Behind gzip, the content decides.
const MAGICS: [(&[u8], FileKind); 9] = [
    (b"II*\0", FileKind::Tiff),
    (b"MM\0*", FileKind::Tiff),
    (b"II+\0", FileKind::Tiff),
    (b"MM\0+", FileKind::Tiff),
    (b"\x89PNG\r\n\x1a\n", FileKind::Png),
    (b"\xff\xd8\xff", FileKind::Jpeg),
    (b"\x1f\x8b", FileKind::Cptv),
    (b"RIFF", FileKind::Video),
    (b"\x1aE\xdf\xa3", FileKind::Video),
];

/// Bytes 4 to 8 of MP4 and MOV, whose first four are a length.
const ISO_MEDIA: &[u8] = b"ftyp";

impl FileKind {
    /// Finds the kind of `file` by its first bytes and rewinds it. `name` is for messages.
    ///
    /// # Errors
    /// `Fix` if it cannot be read or is of another kind.
    pub fn of(name: &str, file: &mut (impl Read + Seek)) -> Result<FileKind> {
        let unreadable = |e| Error::fix(name, "cannot be read").because(e);
        let start = first_bytes(&mut *file).map_err(unreadable)?;
        file.rewind().map_err(unreadable)?;
        let kind = MAGICS.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, kind)| *kind);
        let kind = match kind {
            None if start.get(4..8) == Some(ISO_MEDIA) => Some(FileKind::Video),
            Some(FileKind::Cptv) => {
                let inside = first_bytes(flate2::read::GzDecoder::new(&mut *file)).unwrap_or_default();
                file.rewind().map_err(unreadable)?;
                if inside.starts_with(cptv::MAGIC) {
                    Some(FileKind::Cptv)
                } else if inside.starts_with(y16::MAGIC) {
                    Some(FileKind::Y16)
                } else {
                    return Err(Error::fix(
                        name,
                        format_args!("is gzip around {}; supported are {SUPPORTED}", escaped(&inside)),
                    ));
                }
            }
            other => other,
        };
        kind.ok_or_else(|| Error::fix(name, format_args!("begins with {}; supported are {SUPPORTED}", escaped(&start))))
    }
}

fn first_bytes(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(8);
    reader.take(8).read_to_end(&mut start)?;
    Ok(start)
}

fn escaped(bytes: &[u8]) -> String {
    if bytes.is_empty() { "nothing (it is empty or cut)".into() } else { format!("\"{}\"", bytes.escape_ascii()) }
}

/// Opens a file for reading. Returns it with its name for messages.
///
/// # Errors
/// `Fix` if it cannot be opened or is a folder.
pub(super) fn open_file(path: &Path) -> Result<(File, String)> {
    let name = path.display().to_string();
    let opened = File::open(path).and_then(|file| {
        if file.metadata()?.is_dir() { Err(std::io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
    });
    match opened {
        Ok(file) => Ok((file, name)),
        Err(e) => Err(Error::fix(name, "cannot be opened").because(e)),
    }
}
