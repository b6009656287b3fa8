//! NumPy's `.npz` archives and the `.npy` arrays in them: the format of face models and data sets.
//!
//! C order, little-endian. Reading never trusts a length given in the file. Writing the same arrays gives the
//! same bytes.

use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::path::Path;

use half::f16;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::error::{Error, Result};
use crate::npy::{Header, header};

/// Maximum bytes of one array: well above the largest of a face model, small enough to be harmless.
const MOST: u64 = 128 << 20;

/// An archive being read.
pub struct Npz<'p> {
    path: &'p Path,
    zip: ZipArchive<BufReader<File>>,
}

impl<'p> Npz<'p> {
    /// Opens the archive `path`.
    ///
    /// # Errors
    /// Fix: no such file, or not an archive.
    pub fn open(path: &'p Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| {
            let how = "the face model cannot be opened (`heatmark synth convert` makes one)";
            Error::fix(path.display(), how).because(e)
        })?;
        let zip = ZipArchive::new(BufReader::new(file))
            .map_err(|e| Error::fix(path.display(), "not a face model (a .npz archive), or cut short").because(e))?;
        Ok(Self { path, zip })
    }

    fn array(&mut self, name: &str, shape: &[usize], kinds: &[&str]) -> Result<Array> {
        let mut entry =
            self.zip.by_name(&format!("{name}.npy")).map_err(|e| bad(self.path, name, "is missing").because(e))?;
        let mut bytes = Vec::new();
        (&mut entry)
            .take(MOST)
            .read_to_end(&mut bytes)
            .map_err(|e| bad(self.path, name, "cannot be read").because(e))?;
        let unreadable = |what| bad(self.path, name, &format!("is not a readable .npy array: {what}"));
        let header = Header::parse(&bytes).map_err(unreadable)?;
        let (data, _) = header.split(&bytes).map_err(unreadable)?;
        let Header { descr, shape: found, .. } = &header;
        let fits = found.len() == shape.len() && found.iter().zip(shape).all(|(a, s)| *s == 0 || a == s);
        if !fits {
            return Err(bad(self.path, name, &format!("has shape {found:?}, wanted {shape:?} (0: any)")));
        }
        if !kinds.iter().any(|k| descr.starts_with(k)) {
            return Err(bad(self.path, name, &format!("holds {descr}, wanted {}", kinds.join(" or "))));
        }
        Ok(Array { kind: descr.to_string(), length: found.first().copied().unwrap_or(1), data: data.to_vec() })
    }

    /// The numbers of an `f4` or `f2` array, all finite. A 0 in `shape` accepts any length.
    ///
    /// # Errors
    /// Fix: names the file, the array and what is wrong with it.
    pub fn floats(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let array = self.array(name, shape, &["<f4", "<f2"])?;
        let values: Vec<f32> = if array.kind == "<f2" {
            array.data.chunks_exact(2).map(|c| f16::from_le_bytes([c[0], c[1]]).to_f32()).collect()
        } else {
            array.data.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect()
        };
        // Rejects NaN and values too large for a head.
        if values.iter().any(|v| !(v.abs() < 1e4)) {
            return Err(bad(self.path, name, "holds something that is not a length in centimetres"));
        }
        Ok(values)
    }

    /// Numbers of a `u4`, `i4` or `u1` array.
    ///
    /// # Errors
    /// As [`Npz::floats`].
    pub fn ints(&mut self, name: &str, shape: &[usize]) -> Result<Vec<u32>> {
        let array = self.array(name, shape, &["<u4", "<i4", "|u1"])?;
        Ok(if array.kind == "|u1" {
            array.data.iter().map(|&b| u32::from(b)).collect()
        } else {
            array.data.chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect()
        })
    }

    /// The strings of a one-dimensional text array.
    ///
    /// # Errors
    /// As [`Npz::floats`].
    pub fn texts(&mut self, name: &str) -> Result<Vec<String>> {
        let array = self.array(name, &[0], &["<U"])?;
        let width = array.data.len() / array.length.max(1);
        let text = |c: &[u8]| {
            let codes = c.chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]));
            codes.take_while(|&u| u != 0).filter_map(char::from_u32).collect()
        };
        Ok(array.data.chunks_exact(width.max(4)).map(text).collect())
    }
}

fn bad(path: &Path, name: &str, what: &str) -> Error {
    Error::fix(path.display(), format!("face model array `{name}` {what}"))
}

/// The values of an array as stored in the file.
struct Array {
    /// The type as NumPy writes it.
    kind: String,
    /// Extent of the first axis.
    length: usize,
    data: Vec<u8>,
}

/// An archive being written: deflated, every entry dated 1980-01-01, so that the bytes depend only on the arrays.
pub struct Writer<W: Write + Seek>(ZipWriter<W>);

impl<W: Write + Seek> Writer<W> {
    /// Starts an archive.
    pub fn new(to: W) -> Self {
        Self(ZipWriter::new(to))
    }

    /// Adds an array of type `kind` with its values, little-endian.
    ///
    /// # Errors
    /// Of the writer underneath.
    pub fn put(&mut self, name: &str, kind: &str, shape: &[usize], values: &[u8]) -> std::io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(6))
            .last_modified_time(DateTime::default());
        self.0.start_file(format!("{name}.npy"), options)?;
        self.0.write_all(&header(kind, shape))?;
        self.0.write_all(values)
    }

    /// Finishes the archive.
    ///
    /// # Errors
    /// Of the writer underneath.
    pub fn finish(self) -> std::io::Result<W> {
        Ok(self.0.finish()?)
    }
}

/// IEEE 754 binary32 to binary16, to nearest, ties to even; values beyond 65504 saturate.
pub fn to_half(x: f32) -> u16 {
    f16::from_f32(x.clamp(-65504.0, 65504.0)).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_survive_both_ways() {
        for h in (0..0x7c00u16).chain(0x8000..0xfc00) {
            assert_eq!(to_half(f16::from_bits(h).to_f32()), h, "{h:#x}");
        }
        // Half way between 1 and the next (1 + 2^-10) goes to even, just above it up.
        assert_eq!(to_half(1.0 + 1.0 / 2048.0), 0x3c00);
        assert_eq!(to_half(1.0 + 1.01 / 2048.0), 0x3c01);
        assert_eq!(to_half(1.0 + 3.0 / 2048.0), 0x3c02);
        assert_eq!(to_half(2.0 - 1.0 / 4096.0), 0x4000);
        assert_eq!(to_half(-1e9), 0xfbff);
    }

    #[test]
    fn headers_fill_64_bytes_and_parse() {
        for shape in [vec![3], vec![100, 24591, 3], vec![]] {
            let mut bytes = header("<f2", &shape);
            assert_eq!(bytes.len() % 64, 0);
            bytes.resize(bytes.len() + 2 * shape.iter().product::<usize>(), 0);
            let parsed = Header::parse(&bytes).expect("own header");
            assert_eq!((parsed.descr, &parsed.shape), ("<f2", &shape));
            assert!(parsed.split(&bytes).expect("whole").1.is_empty());
        }
    }
}
