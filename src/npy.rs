//! Arrays in NumPy's `.npy` format (versions 1 to 3), the format of synthetic truth and of golden tensors.
//!
//! Layout after <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>: magic, version,
//! header length, a Python dict literal with `descr`, `fortran_order` and `shape`, then the values.
//! Several arrays may follow one another in one file (`numpy.save` called repeatedly on one handle).
//!
//! Sizes in a header are not trusted: no memory is allocated for more values than the file holds.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::{Error, Result};

/// The values of an array, in the types this program reads and writes.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// `|u1` and `|b1`.
    U8(Vec<u8>),
    /// `<u2`.
    U16(Vec<u16>),
    /// `<i4`.
    I32(Vec<i32>),
    /// `<f4`.
    F32(Vec<f32>),
}

impl Values {
    /// The values in `data`; `None` for any other type.
    fn read(descr: &str, data: &[u8]) -> Option<Self> {
        Some(match descr {
            "|u1" | "|b1" => Values::U8(data.to_vec()),
            "<u2" => Values::U16(data.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b)).collect()),
            "<i4" => Values::I32(data.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b)).collect()),
            "<f4" => Values::F32(data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
            _ => return None,
        })
    }
}

/// An array in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Extent of each axis.
    pub shape: Vec<usize>,
    /// As many values as the product of `shape`.
    pub values: Values,
}

impl Array {
    /// Reads a file with one array.
    ///
    /// # Errors
    /// Fix: names the file and what is wrong with it.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::fix(path.display(), "cannot be read").because(e))?;
        Ok(Self::parse(&bytes, &path.display().to_string())?.0)
    }

    /// Reads the array at the start of `bytes` and returns it with the bytes after it. `name` is the subject of errors.
    ///
    /// # Errors
    /// Fix: `bytes` hold no array, are cut short, or the type is not in [`Values`].
    pub fn parse<'a>(bytes: &'a [u8], name: &str) -> Result<(Self, &'a [u8])> {
        let read = || -> Result<(Self, &'a [u8]), String> {
            let header = Header::parse(bytes)?;
            let (data, rest) = header.split(bytes)?;
            let values = Values::read(header.descr, data);
            let values = values.ok_or_else(|| format!("type {}, wanted u1, u2, i4 or f4", header.descr))?;
            Ok((Self { shape: header.shape, values }, rest))
        };
        read().map_err(|what| Error::fix(name, format!("is not a readable .npy array: {what}")))
    }

    /// The array as a version 1 file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let descr = match self.values {
            Values::U8(_) => "|u1",
            Values::U16(_) => "<u2",
            Values::I32(_) => "<i4",
            Values::F32(_) => "<f4",
        };
        let mut out = header(descr, &self.shape);
        match &self.values {
            Values::U8(v) => out.extend(v),
            Values::U16(v) => v.iter().for_each(|x| out.extend(x.to_le_bytes())),
            Values::I32(v) => v.iter().for_each(|x| out.extend(x.to_le_bytes())),
            Values::F32(v) => v.iter().for_each(|x| out.extend(x.to_le_bytes())),
        }
        out
    }
}

/// An array that is too large for memory and read piece by piece along its first axis.
#[derive(Debug)]
pub struct Slices {
    file: std::fs::File,
    name: String,
    start: u64,
    /// The type as NumPy writes it.
    pub descr: String,
    /// Extent of each axis, at least one.
    pub shape: Vec<usize>,
    /// Bytes of one piece; 0 if there is none.
    pub size: usize,
}

impl Slices {
    /// Opens a file with one array.
    ///
    /// # Errors
    /// Fix: the file is not an array, is a scalar, or the first piece is cut short.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let bad = |e: std::io::Error| Error::fix(path.display(), "cannot be read").because(e);
        let wrong = |what: String| Error::fix(path.display(), format!("is not a readable .npy array: {what}"));
        let mut file = std::fs::File::open(path).map_err(bad)?;
        let length = file.metadata().map_err(bad)?.len();
        let mut head = Vec::new();
        file.by_ref().take(4096).read_to_end(&mut head).map_err(bad)?;
        let header = Header::parse(&head).map_err(wrong)?;
        let Some((&n, piece)) = header.shape.split_first() else { return Err(wrong("a scalar".into())) };
        let (start, size) = (header.start as u64, header.size(piece).map_err(wrong)?);
        if n > 0 && start.saturating_add(size as u64) > length {
            return Err(wrong(format!("cut short: {length} bytes, and {size} for one picture")));
        }
        let (descr, size) = (header.descr.to_string(), if n > 0 { size } else { 0 });
        Ok(Self { file, name, start, descr, shape: header.shape, size })
    }

    /// The file, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads the bytes of piece `i` into `bytes`, which has [`Slices::size`] of them.
    ///
    /// # Errors
    /// Fix: the file does not hold piece `i`.
    pub fn read(&mut self, i: usize, bytes: &mut [u8]) -> Result<()> {
        let at = self.start.saturating_add((i as u64).saturating_mul(self.size as u64));
        let read = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(bytes));
        read.map_err(|e| Error::fix(&self.name, format!("picture {i} cannot be read")).because(e))
    }
}

/// An array of u16 pictures `[n, height, width]`, read picture by picture.
#[derive(Debug)]
pub struct Pictures {
    slices: Slices,
    bytes: Vec<u8>,
    /// Number, height, width.
    pub shape: [usize; 3],
}

impl Pictures {
    /// Opens a file of pictures.
    ///
    /// # Errors
    /// Fix: the file is not an array of such pictures, or the first one is cut short.
    pub fn open(path: &Path) -> Result<Self> {
        let slices = Slices::open(path)?;
        let ("<u2", &[n, h, w]) = (slices.descr.as_str(), slices.shape.as_slice()) else {
            let found = format!("holds {} {:?}, wanted u16 [n, height, width]", slices.descr, slices.shape);
            return Err(Error::fix(path.display(), found));
        };
        Ok(Self { bytes: vec![0; slices.size], slices, shape: [n, h, w] })
    }

    /// Reads picture `i` into `pixels`, which has height x width values.
    ///
    /// # Errors
    /// Fix: the file does not hold picture `i`.
    pub fn read(&mut self, i: usize, pixels: &mut [u16]) -> Result<()> {
        self.slices.read(i, &mut self.bytes)?;
        for (p, b) in pixels.iter_mut().zip(self.bytes.as_chunks().0) {
            *p = u16::from_le_bytes(*b);
        }
        Ok(())
    }
}

/// The header of an array of any type.
#[derive(Debug, Clone, PartialEq)]
pub struct Header<'a> {
    /// The type as NumPy writes it, for example `<f4`.
    pub descr: &'a str,
    /// Extent of each axis.
    pub shape: Vec<usize>,
    /// Where the values start, bytes.
    pub start: usize,
}

impl<'a> Header<'a> {
    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// Text that says what is wrong with it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("wrong magic")?;
        let (&[major, _], rest) = rest.split_first_chunk::<2>().ok_or("cut short")?;
        let (length, rest) = match major {
            1 => rest.split_first_chunk::<2>().map(|(n, r)| (usize::from(u16::from_le_bytes(*n)), r)),
            2 | 3 => rest.split_first_chunk::<4>().map(|(n, r)| (u32::from_le_bytes(*n) as usize, r)),
            _ => return Err(format!("version {major}, wanted 1 to 3")),
        }
        .ok_or("cut short")?;
        let (header, data) = rest.split_at_checked(length).ok_or("cut short in the header")?;
        let header = std::str::from_utf8(header).map_err(|_| "header is not text")?;
        if field(header, "fortran_order").ok_or("no fortran_order")?.starts_with("True") {
            return Err("column-major order, wanted row-major".into());
        }
        let shape = shape(field(header, "shape").ok_or("no shape")?).ok_or("odd shape")?;
        let descr = field(header, "descr").ok_or("no descr")?;
        let descr = descr.trim_start_matches(['\'', '"']).split(['\'', '"']).next().unwrap_or_default();
        Ok(Self { descr, shape, start: bytes.len() - data.len() })
    }

    /// Bytes of an array of this type with extents `shape`.
    ///
    /// # Errors
    /// The type is not known, or the size overflows `usize`.
    pub fn size(&self, shape: &[usize]) -> Result<usize, String> {
        let width = match self.descr {
            "|u1" | "|b1" => Some(1),
            "<u2" | "<f2" => Some(2),
            "<u4" | "<i4" | "<f4" => Some(4),
            text => text.strip_prefix("<U").and_then(|n| n.parse::<usize>().ok()?.checked_mul(4)),
        };
        let width = width.ok_or_else(|| format!("type {}, wanted u1, u2, u4, i4, f2, f4 or text", self.descr))?;
        let size = shape.iter().try_fold(width, |size, &extent| size.checked_mul(extent));
        size.ok_or_else(|| format!("shape {shape:?}, an impossible size"))
    }

    /// The values of the array at the start of `bytes`, and the bytes after them.
    ///
    /// # Errors
    /// As for [`Header::size`]; also if `bytes` end before the values do.
    pub fn split<'b>(&self, bytes: &'b [u8]) -> Result<(&'b [u8], &'b [u8]), String> {
        let (data, size) = (bytes.get(self.start..).unwrap_or_default(), self.size(&self.shape)?);
        data.split_at_checked(size).ok_or_else(|| format!("cut short: {} bytes of values, wanted {size}", data.len()))
    }
}

/// The header of an array of type `descr` (version 1, row-major); the values follow it.
pub fn header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let dims: Vec<String> = shape.iter().map(usize::to_string).collect();
    let tail = if shape.len() == 1 { "," } else { "" };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}{tail}), }}", dims.join(", "));
    // Values start on a multiple of 64 bytes, after ten bytes of preamble, the text and a newline.
    let padded = (10 + text.len() + 1).next_multiple_of(64) - 11;
    text.extend(std::iter::repeat_n(' ', padded - text.len()));
    text.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend(text.into_bytes());
    out
}

/// The text after `'key':` in a Python dict literal.
fn field<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let at = header.find(&format!("'{key}'")).or_else(|| header.find(&format!("\"{key}\"")))?;
    Some(header[at + key.len() + 2..].trim_start().strip_prefix(':')?.trim_start())
}

/// A tuple literal of extents; `()` is a scalar.
fn shape(text: &str) -> Option<Vec<usize>> {
    let inside = text.strip_prefix('(')?.split(')').next()?;
    inside.split(',').map(str::trim).filter(|d| !d.is_empty()).map(|d| d.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_survive_the_round_trip_one_after_another() {
        let a = Array { shape: vec![2, 3], values: Values::F32(vec![1.0, -2.0, f32::INFINITY, 0.0, 4.5, 6.0]) };
        let b = Array { shape: vec![4], values: Values::U16(vec![1, 2, 65535, 0]) };
        let c = Array { shape: vec![], values: Values::U8(vec![7]) };
        let bytes = [a.to_bytes(), b.to_bytes(), c.to_bytes()].concat();
        let (first, rest) = Array::parse(&bytes, "x").unwrap();
        let (second, rest) = Array::parse(rest, "x").unwrap();
        let (third, rest) = Array::parse(rest, "x").unwrap();
        assert_eq!((first, second, third, rest.len()), (a, b, c, 0));
    }

    #[test]
    fn numpys_own_header_is_read() {
        // As written by numpy.save(f, numpy.array([[1, 2, 3]], 'i4')).
        let mut bytes = b"\x93NUMPY\x01\x00v\x00{'descr': '<i4', 'fortran_order': False, 'shape': (1, 3), }".to_vec();
        bytes.resize(10 + 0x75, b' ');
        bytes.push(b'\n');
        bytes.extend([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]);
        let (a, _) = Array::parse(&bytes, "x").unwrap();
        assert_eq!(a, Array { shape: vec![1, 3], values: Values::I32(vec![1, 2, 3]) });
    }

    #[test]
    fn damage_is_an_error_never_a_panic() {
        let good = Array { shape: vec![3], values: Values::F32(vec![1.0, 2.0, 3.0]) }.to_bytes();
        for cut in 0..good.len() {
            assert!(Array::parse(&good[..cut], "x").is_err(), "cut at {cut}");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x11;
            let _ = Array::parse(&bad, "x");
        }
        let huge = String::from_utf8_lossy(&good[10..]).replace("(3,)", "(9999999999, 9999999999)");
        let mut bytes = b"\x93NUMPY\x02\x00".to_vec();
        bytes.extend(u32::try_from(huge.len()).unwrap().to_le_bytes());
        bytes.extend(huge.as_bytes());
        assert!(Array::parse(&bytes, "x").unwrap_err().to_string().contains("impossible size"));
    }

    #[test]
    fn a_set_of_pictures_never_claims_more_memory_than_the_file_has() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("thermal.npy");
        let mut pixels = [0; 2];
        let write = |shape: &[usize], values: &[u8]| {
            std::fs::write(&path, [header("<u2", shape), values.to_vec()].concat()).unwrap();
            Pictures::open(&path)
        };
        let mut two = write(&[2, 1, 2], &[1, 0, 2, 0, 3, 0, 4, 0]).unwrap();
        two.read(1, &mut pixels).unwrap();
        assert_eq!((two.shape, pixels), ([2, 1, 2], [3, 4]));
        let mut cut = write(&[2, 1, 2], &[1, 0, 2, 0, 3]).unwrap();
        cut.read(0, &mut pixels).unwrap();
        assert!(cut.read(1, &mut pixels).unwrap_err().to_string().contains("picture 1"));
        for (shape, says) in [
            (&[1, 1 << 20, 1 << 20][..], "cut short"),
            (&[1, usize::MAX, 3], "impossible size"),
            (&[2, 2], "wanted u16 [n, height, width]"),
        ] {
            let e = write(shape, &[0; 8]).unwrap_err().to_string();
            assert!(e.contains(says) && e.contains("thermal.npy"), "{e}");
        }
        assert_eq!(write(&[0, 1 << 20, 1 << 20], &[]).unwrap().shape[0], 0);
    }
}
