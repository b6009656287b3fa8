//! Pixel formats, by their V4L2 names.

use std::fmt;

/// How a driver codes pixels (`pixelformat`, the fourcc of V4L2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// 16-bit little-endian counts (`Y16 `).
    Y16,
    /// 16-bit big-endian counts (`Y16 ` with bit 31 set).
    Y16Be,
    /// 14 bits in 16, little-endian (`Y14 `).
    Y14,
    /// 12 bits in 16, little-endian (`Y12 `).
    Y12,
    /// 10 bits in 16, little-endian (`Y10 `).
    Y10,
    /// 8-bit grey (`GREY`).
    Grey,
    /// Alternating luma and chroma, 8 bits each (`YUYV`); some cameras put 16-bit counts in it.
    Yuyv,
    /// One JPEG picture per frame (`MJPG`).
    Mjpg,
}

impl PixelFormat {
    /// Every format with its V4L2 code and name.
    pub const ALL: [(PixelFormat, u32, &'static str); 8] = [
        (PixelFormat::Y16, code(b"Y16 "), "Y16"),
        (PixelFormat::Y16Be, code(b"Y16 ") | 1 << 31, "Y16_BE"),
        (PixelFormat::Y14, code(b"Y14 "), "Y14"),
        (PixelFormat::Y12, code(b"Y12 "), "Y12"),
        (PixelFormat::Y10, code(b"Y10 "), "Y10"),
        (PixelFormat::Grey, code(b"GREY"), "GREY"),
        (PixelFormat::Yuyv, code(b"YUYV"), "YUYV"),
        (PixelFormat::Mjpg, code(b"MJPG"), "MJPG"),
    ];

    /// The format of this V4L2 code, if it can be read.
    pub fn of(code: u32) -> Option<Self> {
        Self::ALL.iter().find(|(_, c, _)| *c == code).map(|(format, _, _)| *format)
    }

    /// The V4L2 code.
    pub fn code(self) -> u32 {
        self.row().1
    }

    /// Name in the kernel's documentation.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> &'static (PixelFormat, u32, &'static str) {
        // Every variant is in `ALL`; a test checks that.
        Self::ALL.iter().find(|(format, _, _)| *format == self).unwrap_or(&Self::ALL[0])
    }

    /// Bytes from one pixel to the next; 0 if pictures are compressed.
    pub fn bytes(self) -> usize {
        match self {
            PixelFormat::Mjpg => 0,
            PixelFormat::Grey => 1,
            _ => 2,
        }
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A V4L2 code (`v4l2_fourcc`).
pub const fn code(name: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*name)
}

/// A V4L2 code for people.
pub fn shown(code: u32) -> String {
    match PixelFormat::of(code) {
        Some(format) => format.name().into(),
        None => code.to_le_bytes().escape_ascii().to_string().trim_end().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_kernel() {
        // As `v4l2-ctl --list-formats` prints them.
        let kernel = [
            (PixelFormat::Y16, 0x2036_3159),
            (PixelFormat::Y16Be, 0xa036_3159),
            (PixelFormat::Y14, 0x2034_3159),
            (PixelFormat::Y12, 0x2032_3159),
            (PixelFormat::Y10, 0x2030_3159),
            (PixelFormat::Grey, 0x5945_5247),
            (PixelFormat::Yuyv, 0x5659_5559),
            (PixelFormat::Mjpg, 0x4750_4a4d),
        ];
        for (format, code) in kernel {
            assert_eq!(format.code(), code, "{format}");
            assert_eq!(PixelFormat::of(code), Some(format));
        }
        assert_eq!(PixelFormat::of(code(b"NV12")), None);
        assert_eq!(shown(code(b"NV12")), "NV12");
    }
}
