//! NumPy's `.npz` archives and the `.npy` arrays in them: what face models come in and data sets are
//! written as.
//!
//! C order, little-endian. Reading never trusts a length that the file claims; writing gives the same bytes
//! for the same arrays.

use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::error::{Error, Result};
use crate::npy::{Preamble, header};

/// Most bytes of one array: well above the largest of a face model, far below what hurts.
const MOST: u64 = 128 << 20;

/// An archive being read.
pub struct Npz<'p> {
    path: &'p Path,
    zip: ZipArchive<BufReader<File>>,
}

impl<'p> Npz<'p> {
    /// Opens the archive `path`.
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
        let array = Array::parse(&bytes).map_err(|what| bad(self.path, name, &what))?;
        let fits = array.shape.len() == shape.len() && array.shape.iter().zip(shape).all(|(a, s)| *s == 0 || a == s);
        if !fits {
            let what = format!("has shape {:?}, wanted {shape:?} (0: any)", array.shape);
            return Err(bad(self.path, name, &what));
        }
        if !kinds.iter().any(|k| array.kind.starts_with(k)) {
            let what = format!("holds {}, wanted {}", array.kind, kinds.join(" or "));
            return Err(bad(self.path, name, &what));
        }
        Ok(array)
    }

    /// Finite numbers of an `f4` or `f2` array; a 0 in `shape` accepts any length.
    pub fn floats(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let array = self.array(name, shape, &["<f4", "<f2"])?;
        let values: Vec<f32> = if array.kind == "<f2" {
            array.data.chunks_exact(2).map(|c| from_half(u16::from_le_bytes([c[0], c[1]]))).collect()
        } else {
            array.data.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect()
        };
        // A head measured in kilometres is as broken as one that is not a number.
        if values.iter().any(|v| !(v.abs() < 1e4)) {
            return Err(bad(self.path, name, "holds something that is not a length in centimetres"));
        }
        Ok(values)
    }

    /// Numbers of a `u4`, `i4` or `u1` array.
    pub fn ints(&mut self, name: &str, shape: &[usize]) -> Result<Vec<u32>> {
        let array = self.array(name, shape, &["<u4", "<i4", "|u1"])?;
        Ok(if array.kind == "|u1" {
            array.data.iter().map(|&b| u32::from(b)).collect()
        } else {
            array.data.chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect()
        })
    }

    /// The members of a one-dimensional array of text.
    pub fn texts(&mut self, name: &str) -> Result<Vec<String>> {
        let array = self.array(name, &[0], &["<U"])?;
        let width = array.data.len() / array.shape[0].max(1);
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

struct Array {
    kind: String,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl Array {
    fn parse(bytes: &[u8]) -> std::result::Result<Self, String> {
        let no_array = |what| format!("is not a readable .npy array: {what}");
        let Preamble { descr, shape, start } = Preamble::parse(bytes).map_err(no_array)?;
        let size = match descr {
            "<f4" | "<u4" | "<i4" => Some(4),
            "<f2" => Some(2),
            "|u1" => Some(1),
            other => other.strip_prefix("<U").and_then(|n| n.parse::<usize>().ok()).and_then(|n| n.checked_mul(4)),
        };
        let size = size.ok_or_else(|| format!("has type {descr}, wanted f4, f2, u4, i4, u1 or text"))?;
        let want = shape.iter().try_fold(size, |a, &d| a.checked_mul(d)).ok_or("claims an impossible size")?;
        let data = bytes[start..].get(..want).ok_or("is cut short")?.to_vec();
        Ok(Self { kind: descr.into(), shape, data })
    }
}

/// An archive being written: deflated, every entry dated 1980-01-01, so that bytes depend on nothing else.
pub struct Writer<W: Write + Seek>(ZipWriter<W>);

impl<W: Write + Seek> Writer<W> {
    /// Starts an archive.
    pub fn new(to: W) -> Self {
        Self(ZipWriter::new(to))
    }

    /// Adds an array of type `kind` with its values, little-endian.
    pub fn put(&mut self, name: &str, kind: &str, shape: &[usize], values: &[u8]) -> std::io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(6))
            .last_modified_time(DateTime::default());
        self.0.start_file(format!("{name}.npy"), options)?;
        self.0.write_all(&header(kind, shape))?;
        self.0.write_all(values)
    }

    /// Ends the archive.
    pub fn finish(self) -> std::io::Result<W> {
        Ok(self.0.finish()?)
    }
}

/// IEEE 754 binary16 to binary32.
pub fn from_half(h: u16) -> f32 {
    let sign = u32::from(h & 0x8000) << 16;
    let (e, m) = (u32::from((h >> 10) & 31), u32::from(h & 1023));
    match e {
        // Subnormal: steps of 2^-24.
        0 => f32::from_bits(sign | (m as f32 * 5.960_464_5e-8).to_bits()),
        31 => f32::NAN,
        _ => f32::from_bits(sign | ((e + 112) << 23) | (m << 13)),
    }
}

/// IEEE 754 binary32 to binary16, to nearest, ties to even; too large ones saturate at 65504.
pub fn to_half(x: f32) -> u16 {
    let sign = ((x.to_bits() >> 16) & 0x8000) as u16;
    let a = x.abs();
    if !(a < 65504.0) {
        return sign | 0x7bff;
    }
    // In steps of the last place at this magnitude; `round_ties_even` does the rounding exactly.
    let e = (((a.to_bits() >> 23) as i32) - 127).max(-14);
    let steps = libm::ldexpf(a, 10 - e).round_ties_even() as u16;
    // 1024..=2048 steps with the implicit bit; a carry to 2048 moves into the exponent by itself.
    sign | ((((e + 14) as u16) << 10) + steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_survive_both_ways() {
        for h in (0..0x7c00u16).chain(0x8000..0xfc00) {
            assert_eq!(to_half(from_half(h)), h, "{h:#x}");
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
            let array = Array::parse(&bytes).expect("own header");
            assert_eq!((array.kind.as_str(), &array.shape), ("<f2", &shape));
        }
    }
}
