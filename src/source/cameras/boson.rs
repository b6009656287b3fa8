//! The public part of the telemetry row of FLIR Bosons.
//!
//! Offsets in bytes from the start of the row, from Elphel's imagej-elphel: frame counter at 84
//! (32 bits), temperature of the sensor at 94 (16 bits, tenths of a kelvin). The order of the two
//! words of the counter is not stated; it is only compared with itself.

use crate::units::{Celsius, Kelvin};

const COUNTER: usize = 84;
const FPA_DK: usize = 94;
const ALL: usize = 96;

/// What a Boson reports with one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Telemetry {
    /// Changes with every frame.
    pub counter: u32,
    /// Temperature of the sensor.
    pub fpa: Celsius,
}

impl Telemetry {
    /// Parses a row; `None` if it is not telemetry.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..ALL)?;
        let at = |i: usize| u16::from_le_bytes([bytes[i], bytes[i + 1]]);
        let fpa_dk = at(FPA_DK);
        // A sensor between -60 and 130 degC.
        if !(2_130..=4_030).contains(&fpa_dk) {
            return None;
        }
        let counter = u32::from(at(COUNTER)) | u32::from(at(COUNTER + 2)) << 16;
        Some(Self { counter, fpa: Celsius::from(Kelvin(f32::from(fpa_dk) / 10.0)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_and_anything_else_is_not() {
        let mut row = vec![0u8; 1280];
        row[84..88].copy_from_slice(&70_001u32.to_le_bytes());
        row[94..96].copy_from_slice(&3_046u16.to_le_bytes());
        let t = Telemetry::read(&row).unwrap();
        assert_eq!(t.counter, 70_001);
        assert!((t.fpa.0 - 31.45).abs() < 1e-3);
        assert_eq!(Telemetry::read(&row[..95]), None);
        assert_eq!(Telemetry::read(&[0; 1280]), None);
        assert_eq!(Telemetry::read(&[0x73; 1280]), None, "counts of a picture");
    }
}
