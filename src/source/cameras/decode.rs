//! From the bytes of a driver's buffer to a frame: one pass, one copy, no allocation.

use super::boson;
use super::lepton;
use super::{Choice, Layout, Meaning, PixelFormat};
use crate::frame::{FfcState, Frame, FrameFormat, FrameMeta, Signal};
use crate::recording::Unit;
use crate::source::{Settings, still};

/// The layout of a transfer, as negotiated with the driver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transfer {
    /// Bytes from one row to the next; at least a row.
    pub stride: usize,
    /// Frames per second; 0 if unknown.
    pub rate_hz: f32,
}

/// What the camera reports with one frame.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FrameTelemetry {
    /// Its own frame counter.
    pub counter: Option<u32>,
    /// Lepton telemetry.
    pub lepton: Option<lepton::Telemetry>,
}

/// Decodes the transfers of one camera in one format.
#[derive(Debug, Clone)]
pub struct Decoder {
    choice: Choice,
    stride: usize,
    format: FrameFormat,
    /// Meaning of counts until telemetry reports one.
    assumed: Signal,
    /// Unit of counts as the user states it.
    stated: Option<Unit>,
}

impl Decoder {
    /// A decoder for `choice`. `stated` is the unit that the user states for counts. `low_gain` is true if the user
    /// states that the camera is in low gain; it applies if frames do not report the gain.
    pub fn new(choice: Choice, transfer: Transfer, stated: Option<Unit>, low_gain: bool) -> Self {
        let (width, height) = choice.mode.picture(choice.size);
        let assumed = match choice.mode.meaning {
            Meaning::Reported => Signal::Counts,
            Meaning::Always(signal) => signal,
            Meaning::HighGain(signal) if !low_gain => signal,
            Meaning::HighGain(_) => Signal::Counts,
        };
        let row = choice.size.0 as usize * choice.mode.pixel_format.bytes();
        let mut decoder = Self {
            choice,
            stride: transfer.stride.max(row),
            format: FrameFormat { width, height, signal: assumed, rate_hz: transfer.rate_hz },
            assumed,
            stated,
        };
        decoder.format.signal = decoder.stated_or(assumed);
        decoder
    }

    /// The format of the frames.
    pub fn format(&self) -> FrameFormat {
        self.format
    }

    /// The camera and the format.
    pub fn choice(&self) -> &Choice {
        &self.choice
    }

    /// Sets the meaning that the camera reports outside its frames; telemetry in frames overrides it.
    pub fn assume(&mut self, signal: Signal) {
        if self.choice.mode.meaning == Meaning::Reported {
            self.assumed = signal;
            self.format.signal = self.stated_or(signal);
        }
    }

    /// Bytes of a whole transfer, the last row without padding; 1 for compressed pictures.
    pub fn needed(&self) -> usize {
        let (width, height) = self.choice.size;
        match self.choice.mode.pixel_format.bytes() {
            0 => 1,
            bytes => (height as usize).saturating_sub(1) * self.stride + width as usize * bytes,
        }
    }

    /// Fills the pixels, the format and the camera's own fields of `into.meta`, and resets its other fields.
    ///
    /// A transfer that is too short leaves fewer pixels than the format says: the whole rows of the
    /// picture that arrived, but never all of them.
    pub fn decode(&mut self, bytes: &[u8], into: &mut Frame) -> FrameTelemetry {
        into.meta = FrameMeta::default();
        let whole = bytes.len() >= self.needed();
        let telemetry = if whole { self.telemetry(bytes, &mut into.meta) } else { FrameTelemetry::default() };
        into.reshape(self.format);
        if self.choice.mode.pixel_format == PixelFormat::Mjpg {
            self.picture(bytes, into);
            return telemetry;
        }
        let rows = self.rows(bytes, &mut into.pixels);
        if !whole {
            // Bytes are missing somewhere, so the frame must not look whole.
            let most = rows.min(self.format.height as usize - 1);
            into.pixels.truncate(most * self.format.width as usize);
        }
        telemetry
    }

    fn stated_or(&self, signal: Signal) -> Signal {
        match self.stated {
            // Pictures that went through a contrast curve have no unit, regardless of what the user states.
            Some(unit) if signal != Signal::Grey8 => unit.signal(),
            _ => signal,
        }
    }

    fn telemetry(&mut self, bytes: &[u8], meta: &mut FrameMeta) -> FrameTelemetry {
        let mut telemetry = FrameTelemetry::default();
        match self.choice.mode.layout {
            Layout::Lepton => {
                telemetry.lepton = self.lepton(bytes);
                if let Some(lepton) = telemetry.lepton {
                    telemetry.counter = Some(lepton.counter);
                    meta.ffc = lepton.ffc;
                    meta.sensor_c = Some(lepton.fpa.0);
                }
                let signal = telemetry.lepton.map_or(self.assumed, |lepton| lepton.signal());
                self.format.signal = self.stated_or(signal);
            }
            Layout::Boson(rows) => {
                if let Some(boson) = self.boson(bytes, rows).1 {
                    telemetry.counter = Some(boson.counter);
                    meta.sensor_c = Some(boson.fpa.0);
                }
            }
            Layout::Whole | Layout::Rows { .. } | Layout::Paired { .. } => {}
        }
        telemetry
    }

    /// The telemetry rows, copied to the stack without their padding.
    fn lepton(&self, bytes: &[u8]) -> Option<lepton::Telemetry> {
        let row = self.choice.size.0 as usize * 2;
        let rows = lepton::rows(self.choice.size.0) as usize;
        let mut words = [0; 640];
        for (i, to) in words.chunks_mut(row).take(rows).enumerate() {
            let from = bytes.get((self.format.height as usize + i) * self.stride..)?;
            to.copy_from_slice(from.get(..to.len())?);
        }
        lepton::Telemetry::read(&words)
    }

    /// The first row of the picture, and the telemetry, which comes before or after it.
    fn boson(&self, bytes: &[u8], rows: u32) -> (usize, Option<boson::Telemetry>) {
        let row = |y: usize| bytes.get(y * self.stride..).and_then(boson::Telemetry::read);
        match row(self.format.height as usize) {
            Some(telemetry) => (0, Some(telemetry)),
            None => row(0).map_or((0, None), |telemetry| (rows as usize, Some(telemetry))),
        }
    }

    /// Copies the rows of the picture that arrived whole; returns how many.
    fn rows(&self, bytes: &[u8], pixels: &mut [u16]) -> usize {
        let (width, pixel_format) = (self.choice.size.0 as usize, self.choice.mode.pixel_format);
        let (first, counts) = match self.choice.mode.layout {
            Layout::Whole | Layout::Lepton => (0, false),
            Layout::Boson(rows) => (self.boson(bytes, rows).0, false),
            Layout::Rows { first, .. } => (first as usize, true),
            Layout::Paired { .. } => (0, true),
        };
        let format = if counts { PixelFormat::Y16 } else { pixel_format };
        let mut copied = 0;
        // A row of the transfer is a row of the picture, or two of them side by side.
        for (y, to) in pixels.chunks_exact_mut(width).enumerate() {
            let start = (first + y) * self.stride;
            let Some(from) = bytes.get(start..start + width * pixel_format.bytes()) else { break };
            copy(format, from, to);
            copied += 1;
        }
        copied * width / self.format.width.max(1) as usize
    }

    fn picture(&self, bytes: &[u8], into: &mut Frame) {
        let settings = Settings::default();
        match still::decode("MJPG", bytes.to_vec(), &settings) {
            Ok(picture) if picture.frame.pixels.len() == self.format.pixels() => {
                into.pixels.copy_from_slice(&picture.frame.pixels);
            }
            _ => into.pixels.clear(),
        }
    }
}

/// Copies a row of one pixel format; both hold the same number of pixels.
fn copy(format: PixelFormat, from: &[u8], to: &mut [u16]) {
    let (pairs, _) = from.as_chunks::<2>();
    match format {
        PixelFormat::Y16 | PixelFormat::Y14 | PixelFormat::Y12 | PixelFormat::Y10 => {
            to.iter_mut().zip(pairs).for_each(|(pixel, bytes)| *pixel = u16::from_le_bytes(*bytes));
        }
        PixelFormat::Y16Be => to.iter_mut().zip(pairs).for_each(|(pixel, bytes)| *pixel = u16::from_be_bytes(*bytes)),
        PixelFormat::Yuyv => to.iter_mut().zip(pairs).for_each(|(pixel, [luma, _])| *pixel = u16::from(*luma)),
        PixelFormat::Grey | PixelFormat::Mjpg => {
            to.iter_mut().zip(from).for_each(|(pixel, grey)| *pixel = u16::from(*grey))
        }
    }
}

/// True if the shutter is closed or closing, so that an unchanged picture is no fault.
pub fn may_stand_still(ffc: FfcState) -> bool {
    matches!(ffc, FfcState::Running | FfcState::Imminent)
}

#[cfg(test)]
mod tests {
    use super::super::{CAMERAS, IdentifiedBy, Mode, by_name};
    use super::*;

    const RATE: f32 = 9.0;

    fn decoder(name: &str, size: (u32, u32), format: PixelFormat, stride: usize) -> Decoder {
        let profile = by_name(name).unwrap();
        let fits = |m: &&Mode| m.pixel_format == format && m.size.is_none_or(|s| s == size);
        let mode = profile.modes.iter().find(fits).unwrap();
        let choice = Choice { profile, identified_by: IdentifiedBy::UsbId, mode, size };
        Decoder::new(choice, Transfer { stride, rate_hz: RATE }, None, false)
    }

    fn frame() -> Frame {
        Frame::new(FrameFormat { width: 1, height: 1, signal: Signal::Counts, rate_hz: 0.0 })
    }

    #[test]
    fn every_pixel_format_keeps_its_values_and_skips_padding() {
        let cases: [(PixelFormat, &[u8], [u16; 2]); 5] = [
            (PixelFormat::Y16, &[1, 2, 3, 4], [0x0201, 0x0403]),
            (PixelFormat::Y16Be, &[1, 2, 3, 4], [0x0102, 0x0304]),
            (PixelFormat::Y14, &[0xff, 0x3f, 3, 4], [0x3fff, 0x0403]),
            (PixelFormat::Yuyv, &[1, 2, 3, 4], [1, 3]),
            (PixelFormat::Grey, &[1, 2], [1, 2]),
        ];
        for (format, row, wanted) in cases {
            let profile = if format.bytes() == 1 || format == PixelFormat::Yuyv { "picture" } else { "y16" };
            let mut d = decoder(profile, (2, 2), format, row.len() + 3);
            let bytes = [row, &[9, 9, 9], row].concat();
            assert_eq!(d.needed(), bytes.len(), "the last row needs no padding");
            let mut into = frame();
            d.decode(&bytes, &mut into);
            assert_eq!(into.pixels, [wanted, wanted].concat(), "{format}");
            assert_eq!((into.format.width, into.format.height, into.format.rate_hz), (2, 2, RATE));
        }
    }

    #[test]
    fn a_short_transfer_never_looks_whole() {
        for profile in &CAMERAS {
            for mode in profile.modes.iter().filter(|m| m.pixel_format != PixelFormat::Mjpg) {
                let size = mode.size.unwrap_or((64, 48));
                let stride = size.0 as usize * mode.pixel_format.bytes() + 6;
                let mut d = decoder(profile.name, size, mode.pixel_format, stride);
                let whole = vec![0x11; d.needed()];
                let mut into = frame();
                d.decode(&whole, &mut into);
                assert_eq!(into.pixels.len(), into.format.pixels(), "{}", profile.name);
                for len in [0, 1, stride - 1, stride + 7, whole.len() / 2, whole.len() - 1] {
                    d.decode(&whole[..len], &mut into);
                    let (pixels, width) = (into.pixels.len(), into.format.width as usize);
                    assert!(pixels < into.format.pixels(), "{} {len}", profile.name);
                    assert_eq!(pixels % width, 0, "{} {len}", profile.name);
                }
            }
        }
    }

    #[test]
    fn a_stated_unit_gives_counts_a_meaning_but_no_picture() {
        let choice = *decoder("y16", (4, 4), PixelFormat::Y16, 8).choice();
        let stated = Decoder::new(choice, Transfer { stride: 8, rate_hz: 0.0 }, Some(Unit::Centikelvin), false);
        assert_eq!(stated.format().signal, Signal::CENTIKELVIN);
        let choice = *decoder("picture", (4, 4), PixelFormat::Grey, 4).choice();
        let stated = Decoder::new(choice, Transfer { stride: 4, rate_hz: 0.0 }, Some(Unit::Centikelvin), false);
        assert_eq!(stated.format().signal, Signal::Grey8);
    }

    #[test]
    fn low_gain_takes_the_temperature_from_cameras_whose_formula_holds_in_high_gain() {
        for name in ["infiray", "tc002c"] {
            let mode = &by_name(name).unwrap().modes[0];
            let d = decoder(name, mode.size.unwrap(), mode.pixel_format, 0);
            assert!(d.format().signal.is_radiometric());
            let low = Decoder::new(*d.choice(), Transfer { stride: 0, rate_hz: 25.0 }, None, true);
            assert_eq!(low.format().signal, Signal::Counts);
        }
    }

    #[test]
    fn what_the_camera_reports_on_request_holds_until_telemetry_reports_more() {
        let mut d = decoder("purethermal", (160, 120), PixelFormat::Y16, 320);
        assert_eq!(d.format().signal, Signal::Counts);
        d.assume(Signal::CENTIKELVIN);
        let mut into = frame();
        d.decode(&vec![0x73; 160 * 120 * 2], &mut into);
        assert_eq!(into.format.signal, Signal::CENTIKELVIN);
        let mut other = decoder("boson", (640, 512), PixelFormat::Y16, 1280);
        other.assume(Signal::CENTIKELVIN);
        assert_eq!(other.format().signal, Signal::Counts, "its row says that the meaning is unknown");
    }
}
