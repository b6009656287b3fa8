//! Checks the first directory of a TIFF before the decoder reads it: the kind of picture, and
//! whether its tables have a reasonable size.

use std::io::{self, Read, Seek, SeekFrom};

/// Most entries of a directory, and most values of a table.
const MAX_ENTRIES: u64 = 512;
const MAX_VALUES: u64 = 1 << 17;
/// Longest text, bytes.
const MAX_TEXT: u64 = 1 << 20;

const BITS: u16 = 258;
const PHOTOMETRIC: u16 = 262;
const COLOUR_MAP: u16 = 320;
const SHORT: u16 = 3;
const ASCII: u16 = 2;
const PALETTE: u16 = 3;

/// Numbers in the file's byte order.
struct Numbers<'a, R> {
    inner: &'a mut R,
    big_endian: bool,
}

impl<R: Read> Numbers<'_, R> {
    /// An unsigned number of `N` bytes, at most 8.
    fn number<const N: usize>(&mut self) -> io::Result<u64> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        let join = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        Ok(if self.big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) })
    }
}

/// The first directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct First {
    /// Offset of the photometric interpretation, if it says that pixels are 8-bit indices.
    palette_at: Option<u64>,
    /// Offset of the colour table.
    table_at: Option<u64>,
    big_endian: bool,
}

impl First {
    /// Reads the first directory and rewinds; an error if it is truncated or unreasonably large.
    ///
    /// # Errors
    /// Those of `inner`; `InvalidData` for an unreasonably large directory.
    pub fn read(inner: &mut (impl Read + Seek)) -> io::Result<Self> {
        inner.rewind()?;
        let first = Self::walk(inner);
        inner.rewind()?;
        first
    }

    fn walk(inner: &mut (impl Read + Seek)) -> io::Result<Self> {
        let mut start = [0; 2];
        inner.read_exact(&mut start)?;
        let mut numbers = Numbers { inner, big_endian: &start == b"MM" };
        let big = numbers.number::<2>()? == 43;
        let at = if big {
            numbers.number::<4>()?;
            numbers.number::<8>()?
        } else {
            numbers.number::<4>()?
        };
        numbers.inner.seek(SeekFrom::Start(at))?;
        let entries = if big { numbers.number::<8>()? } else { numbers.number::<2>()? };
        if entries > MAX_ENTRIES {
            return Err(excess(format!("a directory of {entries} entries")));
        }
        let mut first = Self { big_endian: numbers.big_endian, ..Self::default() };
        let (mut bits, mut photometric, mut table_at) = (1, None, None);
        for _ in 0..entries {
            let (tag, kind) = (numbers.number::<2>()? as u16, numbers.number::<2>()? as u16);
            let count = if big { numbers.number::<8>()? } else { numbers.number::<4>()? };
            if count > if kind == ASCII { MAX_TEXT } else { MAX_VALUES } {
                return Err(excess(format!("a table of {count} values")));
            }
            let value_at = numbers.inner.stream_position()?;
            let short = numbers.number::<2>()?;
            numbers.inner.seek(SeekFrom::Start(value_at))?;
            let value = if big { numbers.number::<8>()? } else { numbers.number::<4>()? };
            match (tag, kind, count) {
                (BITS, SHORT, 1) => bits = short,
                (PHOTOMETRIC, SHORT, 1) => photometric = Some((short as u16, value_at)),
                (COLOUR_MAP, SHORT, 768) => table_at = Some(value),
                _ => {}
            }
        }
        if let Some((PALETTE, at)) = photometric
            && bits == 8
        {
            first.palette_at = Some(at);
            first.table_at = table_at;
        }
        Ok(first)
    }

    /// True if pixels are 8-bit indices into a table of colours.
    pub fn is_palette(&self) -> bool {
        self.palette_at.is_some()
    }

    /// Turns a palette picture in memory into a grey picture of its indices, and returns the table: 256
    /// reds, greens and blues. `None` if the table is missing; other pictures are left unchanged.
    pub fn take_palette(&self, bytes: &mut [u8]) -> Option<Box<[[u8; 3]; 256]>> {
        let (photometric, table) = (usize::try_from(self.palette_at?).ok()?, usize::try_from(self.table_at?).ok()?);
        let values = bytes.get(table..table.checked_add(768 * 2)?)?;
        let mut colours = Box::new([[0; 3]; 256]);
        for (i, pair) in values.chunks_exact(2).enumerate() {
            // 16-bit intensities; the upper byte is enough for display.
            colours[i % 256][i / 256] = if self.big_endian { pair[0] } else { pair[1] };
        }
        // Photometric "black is zero": indices are read as grey.
        let black_is_zero: [u8; 2] = if self.big_endian { [0, 1] } else { [1, 0] };
        bytes.get_mut(photometric..photometric.checked_add(2)?)?.copy_from_slice(&black_is_zero);
        Some(colours)
    }
}

fn excess(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} is more than any picture needs"))
}
