//! Metadata of each frame: one line of JSON in the page's ImageDescription, the
//! `heatmark.recording/1` contract (`src/recording/page.schema.json`).

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::CameraInfo;
use crate::error::{Error, Result};
use crate::frame::{FfcState, Frame, FrameMeta, Signal};
use crate::units::Nanos;

/// Name and version of the contract.
pub const SCHEMA: &str = "heatmark.recording/1";

/// The contract as JSON Schema.
pub const JSON_SCHEMA: &str = include_str!("page.schema.json");

/// Facts of one page. Readers ignore fields they do not know, so that version 1 can grow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// [`SCHEMA`].
    pub schema: String,
    /// The camera.
    #[serde(default)]
    pub camera: CameraInfo,
    /// What a count means.
    pub signal: Signal,
    /// Nominal frames per second; 0 if unknown.
    #[serde(default)]
    pub rate_hz: f32,
    /// The source's own frame number.
    pub seq: u64,
    /// Capture time on the recorder's monotonic clock, ns.
    pub captured_ns: u64,
    /// When the recorder's process received the frame, same clock, ns.
    #[serde(default)]
    pub received_ns: u64,
    /// Capture time in UTC, RFC 3339 with as many digits as are known.
    #[serde(default)]
    pub captured_utc: Option<String>,
    /// Shutter calibration.
    #[serde(default)]
    pub ffc: FfcState,
    /// Sensor temperature, degC.
    #[serde(default)]
    pub sensor_c: Option<f32>,
    /// Frames the recorder has lost so far because the disk was behind.
    #[serde(default)]
    pub lost: u64,
    /// CRC-32 (IEEE) of the counts, row-major, two bytes each, little-endian.
    #[serde(default)]
    pub crc32: Option<u32>,
}

impl Page {
    /// The facts of `frame`.
    pub fn new(camera: &CameraInfo, frame: &Frame, lost: u64, crc32: u32) -> Self {
        let meta = &frame.meta;
        Self {
            schema: SCHEMA.into(),
            camera: camera.clone(),
            signal: frame.format.signal,
            rate_hz: frame.format.rate_hz,
            seq: meta.seq,
            captured_ns: meta.captured.0,
            received_ns: meta.received.0,
            captured_utc: meta.captured_utc_ns.and_then(format_utc),
            ffc: meta.ffc,
            sensor_c: meta.sensor_c.filter(|c| c.is_finite()),
            lost,
            crc32: Some(crc32),
        }
    }

    /// The facts as frame metadata.
    pub fn meta(&self) -> FrameMeta {
        FrameMeta {
            seq: self.seq,
            captured: Nanos(self.captured_ns),
            received: Nanos(self.received_ns),
            captured_utc_ns: self.captured_utc.as_deref().and_then(parse_utc),
            ffc: self.ffc,
            sensor_c: self.sensor_c,
        }
    }

    /// Writes the page as one line of ASCII JSON into `text`, including `result` (a JSON object).
    ///
    /// # Errors
    /// `Fatal` if the facts cannot be written as JSON.
    pub fn write(&self, result: Option<&str>, text: &mut String) -> Result<()> {
        let json =
            serde_json::to_string(self).map_err(|e| Error::fatal("recording", "facts not written").because(e))?;
        text.clear();
        match result {
            Some(result) => {
                escape(json.strip_suffix('}').unwrap_or(&json), text);
                text.push_str(",\"result\":");
                escape(result.trim(), text);
                text.push('}');
            }
            None => escape(&json, text),
        }
        Ok(())
    }

    /// Reads a description. `None` if it does not follow this contract, an error if it has another
    /// version or is damaged.
    pub fn parse(text: &str) -> Option<Result<Page, String>> {
        #[derive(Deserialize)]
        struct Any {
            schema: String,
        }
        let schema = serde_json::from_str::<Any>(text).ok()?.schema;
        if !schema.starts_with("heatmark.recording/") {
            return None;
        }
        if schema != SCHEMA {
            return Some(Err(format!("the recording is {schema}; this program reads {SCHEMA}")));
        }
        let page = serde_json::from_str::<Page>(text).map_err(|e| e.to_string()).and_then(|page| match page.signal {
            Signal::Radiometric { kelvin_per_count, kelvin_at_zero }
                if !(kelvin_per_count > 0.0 && kelvin_per_count.is_finite() && kelvin_at_zero.is_finite()) =>
            {
                Err(format!("{kelvin_per_count} K per count from {kelvin_at_zero} K is no temperature scale"))
            }
            _ => Ok(page),
        });
        Some(page)
    }
}

/// TIFF text is 7-bit. JSON has other characters only inside strings, where \u escapes them.
fn escape(json: &str, out: &mut String) {
    for c in json.chars() {
        if c.is_ascii() && c != '\0' {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

fn format_utc(ns: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ns)).ok()?.format(&Rfc3339).ok()
}

fn parse_utc(text: &str) -> Option<i64> {
    i64::try_from(OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::FrameFormat;

    fn frame() -> Frame {
        let mut frame = Frame::new(FrameFormat { width: 80, height: 60, signal: Signal::CENTIKELVIN, rate_hz: 8.7 });
        frame.meta = FrameMeta {
            seq: 412,
            captured: Nanos(48_123_456_789),
            received: Nanos(48_123_500_000),
            captured_utc_ns: Some(1_767_268_800_123_456_789),
            ffc: FfcState::Settling,
            sensor_c: Some(31.25),
        };
        frame
    }

    #[test]
    fn facts_survive_the_round_trip_and_stay_seven_bit() {
        let camera = CameraInfo { name: Some("Wärmebild \u{1F525}".into()), ..CameraInfo::default() };
        let page = Page::new(&camera, &frame(), 3, 0xDEAD_BEEF);
        let mut text = String::new();
        page.write(Some(r#"{"schema":"heatmark.result/1","source":"Küche"}"#), &mut text).unwrap();
        assert!(text.is_ascii(), "{text}");
        let back = Page::parse(&text).unwrap().unwrap();
        assert_eq!(back, page);
        assert_eq!(back.meta(), frame().meta);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["result"]["source"], "Küche");
    }

    #[test]
    fn pages_satisfy_the_shipped_schema() {
        let schema: serde_json::Value = serde_json::from_str(JSON_SCHEMA).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let mut text = String::new();
        Page::new(&CameraInfo::default(), &frame(), 0, 1).write(Some("{\"faces\":[]}"), &mut text).unwrap();
        let json = serde_json::from_str(&text).unwrap();
        assert!(validator.is_valid(&json), "{:?}", validator.iter_errors(&json).next());
        let mut counts = frame();
        counts.format.signal = Signal::Counts;
        counts.meta = FrameMeta::default();
        Page::new(&CameraInfo::default(), &counts, 0, 1).write(None, &mut text).unwrap();
        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(validator.is_valid(&json), "{:?}", validator.iter_errors(&json).next());
        json["seq"] = "1".into();
        assert!(!validator.is_valid(&json), "the schema refuses nothing");
    }

    #[test]
    fn other_texts_and_versions_are_told_apart() {
        assert!(Page::parse("ImageJ=1.54f\nimages=3").is_none());
        assert!(Page::parse(r#"{"shape": [3, 120, 160]}"#).is_none());
        let other = Page::parse(r#"{"schema":"heatmark.recording/2"}"#).unwrap().unwrap_err();
        assert!(other.contains("heatmark.recording/2") && other.contains(SCHEMA), "{other}");
        assert!(Page::parse(r#"{"schema":"heatmark.recording/1","seq":1}"#).unwrap().is_err());
    }
}
