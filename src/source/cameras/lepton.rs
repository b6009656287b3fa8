//! The telemetry of FLIR Leptons.
//!
//! Layout: FLIR Lepton Engineering Datasheet (500-0659-00-09), "Telemetry Modes": words of 16 bits,
//! rows A (words 0 to 79), B (80 to 159) and C (160 to 239); numbers of two words come low word
//! first. PureThermal sends them as a footer: a Lepton 3 has two rows of 160 words, a Lepton 2
//! three of 80.

use crate::frame::{FfcState, Signal};
use crate::units::{Celsius, Kelvin};

/// Time after a correction until the offsets have settled, milliseconds.
pub const SETTLING_MS: u32 = 10_000;

mod word {
    pub const REVISION: usize = 0;
    pub const UPTIME_MS: usize = 1;
    pub const STATUS: usize = 3;
    pub const FRAME_COUNTER: usize = 20;
    pub const FPA_CK: usize = 24;
    pub const HOUSING_CK: usize = 26;
    pub const LAST_FFC_MS: usize = 30;
    pub const GAIN: usize = 165;
    pub const EFFECTIVE_GAIN: usize = 166;
    pub const TLINEAR: usize = 208;
    pub const RESOLUTION: usize = 209;
    pub const ALL: usize = 240;
}

/// Status bits (words 3 and 4).
mod status {
    pub const FFC_DESIRED: u32 = 1 << 3;
    pub const FFC_STATE: u32 = 4;
    pub const AGC: u32 = 1 << 12;
    pub const SHUTTER_LOCKOUT: u32 = 1 << 15;
    pub const OVERHEATING: u32 = 1 << 20;
}

/// Rows of telemetry in a transfer of this width.
pub fn rows(width: u32) -> u32 {
    if width >= 160 { 2 } else { 3 }
}

/// Range of temperatures that the camera measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gain {
    /// Fine and narrow: to about 140 degC.
    High,
    /// Coarse and wide: to about 450 degC.
    Low,
}

/// What a Lepton reports with one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Telemetry {
    /// Counts the frames inside the camera, which sends every third.
    pub counter: u32,
    /// Time since power-on.
    pub uptime_ms: u32,
    /// Shutter correction, with [`SETTLING_MS`] after it.
    pub ffc: FfcState,
    /// The camera asks for a correction.
    pub ffc_desired: bool,
    /// Time of the last correction, as uptime; 0 if there was none.
    pub last_ffc_ms: u32,
    /// The camera's AGC is on: pixels are a picture, not counts.
    pub agc: bool,
    /// The camera is too hot or too cold for its shutter.
    pub shutter_locked: bool,
    /// The camera will switch itself off within seconds.
    pub overheating: bool,
    /// Temperature of the sensor.
    pub fpa: Celsius,
    /// Temperature of the housing, which only the Lepton 2 reports.
    pub housing: Option<Celsius>,
    /// Current range.
    pub gain: Gain,
    /// Kelvin per count if counts are temperatures (TLinear).
    pub kelvin_per_count: Option<f32>,
}

impl Telemetry {
    /// Parses little-endian words; `None` if they are not telemetry.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (words, _) = bytes.as_chunks::<2>();
        let words = words.get(..word::ALL)?;
        let at = |i: usize| u16::from_le_bytes(words[i]);
        let double = |i: usize| u32::from(at(i)) | u32::from(at(i + 1)) << 16;
        // A sensor between -60 and 130 degC with a revision: picture rows and empty rows are neither.
        if at(word::REVISION) == 0 || !(21_300..=40_300).contains(&at(word::FPA_CK)) {
            return None;
        }
        let bits = double(word::STATUS);
        let uptime_ms = double(word::UPTIME_MS);
        let last_ffc_ms = double(word::LAST_FFC_MS);
        let ck = |i: usize| Celsius::from(Kelvin(f32::from(at(i)) / 100.0));
        let gain = match (at(word::GAIN), at(word::EFFECTIVE_GAIN)) {
            (1, _) | (2, 1) => Gain::Low,
            _ => Gain::High,
        };
        let per_count = if at(word::RESOLUTION) == 1 { 0.01 } else { 0.1 };
        Some(Self {
            counter: double(word::FRAME_COUNTER),
            uptime_ms,
            ffc: ffc(bits >> status::FFC_STATE & 3, uptime_ms, last_ffc_ms),
            ffc_desired: bits & status::FFC_DESIRED != 0,
            last_ffc_ms,
            agc: bits & status::AGC != 0,
            shutter_locked: bits & status::SHUTTER_LOCKOUT != 0,
            overheating: bits & status::OVERHEATING != 0,
            fpa: ck(word::FPA_CK),
            housing: (at(word::HOUSING_CK) != 0).then(|| ck(word::HOUSING_CK)),
            gain,
            kelvin_per_count: (at(word::TLINEAR) == 1).then_some(per_count),
        })
    }

    /// The words of this telemetry, for rendered cameras: the inverse of [`Telemetry::read`]. Bits and numbers
    /// that it does not read are 0.
    pub fn words(&self) -> [u16; word::ALL] {
        let mut words = [0; word::ALL];
        let ck = |c: Celsius| (Kelvin::from(c).0 * 100.0).round() as u16;
        let state = match self.ffc {
            FfcState::Idle if self.last_ffc_ms == 0 => 0,
            FfcState::Imminent => 1,
            FfcState::Running => 2,
            FfcState::Idle | FfcState::Settling => 3,
        };
        let flags = [
            (self.ffc_desired, status::FFC_DESIRED),
            (self.agc, status::AGC),
            (self.shutter_locked, status::SHUTTER_LOCKOUT),
            (self.overheating, status::OVERHEATING),
        ];
        let bits = flags.iter().filter(|f| f.0).fold(state << status::FFC_STATE, |bits, f| bits | f.1);
        for (at, value) in [
            (word::UPTIME_MS, self.uptime_ms),
            (word::STATUS, bits),
            (word::FRAME_COUNTER, self.counter),
            (word::LAST_FFC_MS, self.last_ffc_ms),
        ] {
            (words[at], words[at + 1]) = (value as u16, (value >> 16) as u16);
        }
        words[word::REVISION] = 0x0e;
        words[word::FPA_CK] = ck(self.fpa);
        words[word::HOUSING_CK] = self.housing.map_or(0, ck);
        words[word::GAIN] = u16::from(self.gain == Gain::Low);
        words[word::EFFECTIVE_GAIN] = words[word::GAIN];
        words[word::TLINEAR] = u16::from(self.kelvin_per_count.is_some());
        words[word::RESOLUTION] = u16::from(self.kelvin_per_count.is_some_and(|k| k < 0.05));
        words
    }

    /// The meaning of the frame's counts.
    pub fn signal(&self) -> Signal {
        match self.kelvin_per_count {
            _ if self.agc => Signal::Grey8,
            Some(kelvin_per_count) => Signal::Radiometric { kelvin_per_count, kelvin_at_zero: 0.0 },
            None => Signal::Counts,
        }
    }
}

fn ffc(state: u32, uptime_ms: u32, last_ms: u32) -> FfcState {
    match state {
        0 => FfcState::Idle,
        1 => FfcState::Imminent,
        2 => FfcState::Running,
        // The clock of the camera wraps after 49.7 days.
        _ if uptime_ms.wrapping_sub(last_ms) < SETTLING_MS => FfcState::Settling,
        _ => FfcState::Idle,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telemetry(set: &[(usize, u16)]) -> Vec<u8> {
        let mut words = vec![0u16; 320];
        words[word::REVISION] = 0x0e;
        words[word::FPA_CK] = 30_465;
        for &(i, value) in set {
            words[i] = value;
        }
        words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    fn read(set: &[(usize, u16)]) -> Telemetry {
        Telemetry::read(&telemetry(set)).unwrap()
    }

    #[test]
    fn numbers_of_two_words_come_low_word_first() {
        let t = read(&[(20, 0x1234), (21, 0x0001), (1, 0x0000), (2, 0x0002)]);
        assert_eq!((t.counter, t.uptime_ms), (0x1_1234, 0x2_0000));
        assert!((t.fpa.0 - 31.5).abs() < 1e-3);
        assert_eq!(t.housing, None);
        assert!((read(&[(26, 29_815)]).housing.unwrap().0 - 25.0).abs() < 1e-3);
    }

    #[test]
    fn counts_are_temperatures_only_where_the_camera_says_so() {
        assert_eq!(read(&[]).signal(), Signal::Counts);
        assert_eq!(read(&[(208, 1), (209, 1)]).signal(), Signal::CENTIKELVIN);
        assert_eq!(read(&[(208, 1)]).signal(), Signal::Radiometric { kelvin_per_count: 0.1, kelvin_at_zero: 0.0 });
        assert_eq!(read(&[(208, 1), (209, 1), (3, 1 << 12)]).signal(), Signal::Grey8, "with AGC there is no unit");
    }

    #[test]
    fn gain_is_that_in_force() {
        for (set, gain) in [((0, 0), Gain::High), ((1, 0), Gain::Low), ((2, 0), Gain::High), ((2, 1), Gain::Low)] {
            assert_eq!(read(&[(165, set.0), (166, set.1)]).gain, gain);
        }
    }

    #[test]
    fn a_correction_settles_for_ten_seconds_even_over_a_wrap_of_the_clock() {
        let ffc_at = |state: u16, uptime: u32, last: u32| {
            let halves = |v: u32| (v as u16, (v >> 16) as u16);
            let ((u0, u1), (l0, l1)) = (halves(uptime), halves(last));
            read(&[(3, state << 4), (1, u0), (2, u1), (30, l0), (31, l1)]).ffc
        };
        assert_eq!(ffc_at(0, 1000, 0), FfcState::Idle, "none yet");
        assert_eq!(ffc_at(1, 500_000, 100_000), FfcState::Imminent);
        assert_eq!(ffc_at(2, 500_000, 100_000), FfcState::Running);
        assert_eq!(ffc_at(3, 109_999, 100_000), FfcState::Settling);
        assert_eq!(ffc_at(3, 110_000, 100_000), FfcState::Idle);
        assert_eq!(ffc_at(3, 4_000, u32::MAX - 1_000), FfcState::Settling);
        assert_eq!(ffc_at(3, 9_000, u32::MAX - 1_000), FfcState::Idle);
    }

    #[test]
    fn what_is_written_is_read() {
        let bare = read(&[]);
        let full = Telemetry {
            counter: 0x2_0001,
            uptime_ms: 70_123,
            ffc: FfcState::Settling,
            ffc_desired: true,
            last_ffc_ms: 65_000,
            agc: true,
            shutter_locked: true,
            overheating: true,
            fpa: Celsius(29.3),
            housing: Some(Celsius(31.25)),
            gain: Gain::Low,
            kelvin_per_count: Some(0.1),
        };
        let mut all = vec![bare, full, Telemetry { kelvin_per_count: Some(0.01), agc: false, ..full }];
        all.extend([FfcState::Imminent, FfcState::Running].map(|ffc| Telemetry { ffc, ..bare }));
        all.push(Telemetry { uptime_ms: 90_000, ffc: FfcState::Idle, ..full });
        for want in all {
            let bytes: Vec<u8> = want.words().iter().flat_map(|w| w.to_le_bytes()).collect();
            let got = Telemetry::read(&bytes).unwrap();
            assert!((got.fpa.0 - want.fpa.0).abs() < 0.006, "{got:?}");
            let near = |h: Option<Celsius>| h.map(|c| (c.0 * 50.0).round());
            assert_eq!(near(got.housing), near(want.housing));
            assert_eq!(Telemetry { fpa: want.fpa, housing: want.housing, ..got }, want);
        }
    }

    #[test]
    fn what_is_no_telemetry_is_not_read() {
        assert_eq!(Telemetry::read(&[0; 640]), None);
        assert_eq!(Telemetry::read(&[0xff; 640]), None);
        assert_eq!(Telemetry::read(&telemetry(&[])[..479]), None, "too short");
        let picture: Vec<u8> = (0..320u16).flat_map(|i| (29_315 + i % 11).to_le_bytes()).collect();
        // Centikelvin pixels can look like a sensor temperature; the rest of the words then says nothing wrong.
        if let Some(t) = Telemetry::read(&picture) {
            assert_eq!(t.kelvin_per_count, None);
        }
    }
}
