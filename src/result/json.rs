//! `heatmark.result/1` as one line of JSON, written into a reused buffer.
//!
//! Numbers are rounded to a sensible precision: pixels, degrees and temperatures to 2 decimals,
//! scores to 3. Numbers that are not finite become null, so that the line is always valid JSON.

mod track;

use std::fmt::Write;
use std::path::Path;

use super::{Face, FrameResult, Landmark, Latency, NoTemperature, Readings, SCHEMA};
use crate::landmarks::{REGION_COUNT, REGIONS};
use crate::units::ZERO_CELSIUS_K;

/// Decimals of pixels, angles and temperatures.
const FINE: u32 = 2;
/// Decimals of scores, which are 0 to 1.
const SCORE: u32 = 3;

impl NoTemperature {
    /// Name in results.
    pub fn name(self) -> &'static str {
        match self {
            NoTemperature::NotRadiometric => "not_radiometric",
            NoTemperature::OutsideFrame => "outside_frame",
            NoTemperature::Occluded => "occluded",
            NoTemperature::Ffc => "ffc",
            NoTemperature::Saturated => "saturated",
            NoTemperature::Lost => "lost",
        }
    }

    /// Priority of a reason when the regions of a face disagree, lowest first: reasons about the camera,
    /// then about the track, then about one place.
    fn rank(self) -> u8 {
        match self {
            NoTemperature::NotRadiometric => 0,
            NoTemperature::Ffc => 1,
            NoTemperature::Lost => 2,
            NoTemperature::Saturated => 3,
            NoTemperature::Occluded => 4,
            NoTemperature::OutsideFrame => 5,
        }
    }
}

/// Temperatures of one frame as published: none if the source is not radiometric. A value that is
/// not a temperature (NaN, or below absolute zero) counts as saturated.
#[derive(Clone, Copy)]
struct Gate {
    radiometric: bool,
}

impl Gate {
    fn pass(self, value: Result<f32, NoTemperature>) -> Result<f32, NoTemperature> {
        match value {
            _ if !self.radiometric => Err(NoTemperature::NotRadiometric),
            Ok(v) if !v.is_finite() || v < -ZERO_CELSIUS_K => Err(NoTemperature::Saturated),
            other => other,
        }
    }

    fn summary(self, regions: &Readings<REGION_COUNT>) -> Option<NoTemperature> {
        regions.iter().filter_map(|v| self.pass(v).err()).min_by_key(|r| r.rank())
    }
}

impl Face {
    /// Why this face lacks temperatures: `None` if every region has one, else the most important
    /// reason.
    pub fn temperature_reason(&self, radiometric: bool) -> Option<NoTemperature> {
        Gate { radiometric }.summary(&self.region_c)
    }
}

impl FrameResult {
    /// Appends the result as one line without the newline. Allocates only if `out` must grow.
    pub fn write_json(&self, out: &mut String) {
        self.write(None, out);
    }

    /// Appends the result of a still picture: the same with `"image": PATH`.
    pub fn write_image_json(&self, image: &Path, out: &mut String) {
        self.write(Some(image), out);
    }

    fn write(&self, image: Option<&Path>, out: &mut String) {
        self.begin(SCHEMA, image, out);
        out.push_str(",\"faces\":");
        let gate = Gate { radiometric: self.radiometric };
        list(out, &self.faces, |out, f| face(out, f, gate));
        self.end(out);
    }

    /// The members before the faces or targets.
    fn begin(&self, schema: &str, image: Option<&Path>, out: &mut String) {
        put(out, format_args!("{{\"schema\":\"{schema}\",\"source\":"));
        text(out, &self.source);
        if let Some(path) = image {
            out.push_str(",\"image\":");
            text(out, &path.to_string_lossy());
        }
        put(out, format_args!(",\"seq\":{},\"captured_ns\":{},\"captured_utc\":", self.seq, self.captured.0));
        utc(out, self.captured_utc_ns);
        put(out, format_args!(",\"width\":{},\"height\":{},\"radiometric\":", self.width, self.height));
        put(out, format_args!("{},\"state\":\"{}\"", self.radiometric, self.state.name()));
    }

    /// The members after them.
    fn end(&self, out: &mut String) {
        let Latency { queue_us, infer_us, total_us } = self.latency;
        put(out, format_args!(",\"latency_us\":{{\"queue\":{queue_us},\"infer\":{infer_us},\"total\":{total_us}}}"));
        out.push_str(",\"dropped\":{");
        for (i, (name, count)) in super::by_reason(&self.dropped).into_iter().enumerate() {
            put(out, format_args!("{}\"{name}\":{count}", if i == 0 { "" } else { "," }));
        }
        out.push_str("}}");
    }
}

fn face(out: &mut String, f: &Face, gate: Gate) {
    put(out, format_args!("{{\"track\":{},\"track_state\":\"{}\",\"box\":", f.track, f.track_state.name()));
    list(out, f.bbox.to_array(), |out, v| number(out, v, FINE));
    out.push_str(",\"score\":");
    share(out, f.score);
    out.push_str(",\"presence\":");
    share(out, f.presence);
    for (name, angle) in
        [(",\"pose_deg\":{\"yaw\":", f.pose.yaw), (",\"pitch\":", f.pose.pitch), (",\"roll\":", f.pose.roll)]
    {
        out.push_str(name);
        number(out, angle, FINE);
    }
    out.push_str("},\"landmarks\":");
    list(out, &f.landmarks, |out, p| landmark(out, *p));
    out.push_str(",\"temperature_c\":{");
    for (i, (region, value)) in REGIONS.iter().zip(f.region_c.iter()).enumerate() {
        put(out, format_args!("{}\"{}\":", if i == 0 { "" } else { "," }, region.name));
        number(out, gate.pass(value).unwrap_or(f32::NAN), FINE);
    }
    out.push_str("},\"landmark_temperature_c\":");
    list(out, f.landmark_c.iter(), |out, v| number(out, gate.pass(v).unwrap_or(f32::NAN), FINE));
    out.push_str(",\"temperature_reason\":");
    match gate.summary(&f.region_c) {
        Some(reason) => put(out, format_args!("\"{}\"", reason.name())),
        None => out.push_str("null"),
    }
    out.push_str(",\"region_reasons\":{");
    let missing = REGIONS.iter().zip(f.region_c.iter()).filter_map(|(r, v)| Some((r.name, gate.pass(v).err()?)));
    for (i, (name, reason)) in missing.enumerate() {
        put(out, format_args!("{}\"{name}\":\"{}\"", if i == 0 { "" } else { "," }, reason.name()));
    }
    out.push_str("}}");
}

/// `[x, y, confidence]`; a point without a position is `[null, null, 0.0]`.
fn landmark(out: &mut String, p: Landmark) {
    let placed = p.x.is_finite() && p.y.is_finite();
    let (x, y, confidence) = if placed { (p.x, p.y, p.confidence) } else { (f32::NAN, f32::NAN, 0.0) };
    out.push('[');
    number(out, x, FINE);
    out.push(',');
    number(out, y, FINE);
    out.push(',');
    share(out, confidence);
    out.push(']');
}

fn list<T>(out: &mut String, items: impl IntoIterator<Item = T>, mut item: impl FnMut(&mut String, T)) {
    out.push('[');
    for (i, value) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        item(out, value);
    }
    out.push(']');
}

/// A score in 0 to 1; NaN becomes 0.
fn share(out: &mut String, v: f32) {
    let v = if v.is_finite() { v.clamp(0.0, 1.0) } else { 0.0 };
    number(out, v, SCORE);
}

/// A number rounded half away from zero, without trailing zeros but with at least one decimal;
/// `null` if it is not finite. Values beyond what 64 bits hold at this precision saturate.
fn number(out: &mut String, v: f32, decimals: u32) {
    if !v.is_finite() {
        out.push_str("null");
        return;
    }
    let unit = 10u64.pow(decimals);
    let scaled = (f64::from(v) * unit as f64).round() as i64;
    if scaled < 0 {
        out.push('-');
    }
    let (whole, mut rest) = (scaled.unsigned_abs() / unit, scaled.unsigned_abs() % unit);
    let mut width = decimals as usize;
    while width > 1 && rest % 10 == 0 {
        rest /= 10;
        width -= 1;
    }
    put(out, format_args!("{whole}.{rest:0width$}"));
}

/// RFC 3339 in UTC to the millisecond, or `null` (also outside the years 0 to 9999).
fn utc(out: &mut String, ns: Option<i64>) {
    let at = ns.and_then(|ns| time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(ns)).ok());
    match at.filter(|t| (0..=9999).contains(&t.year())) {
        Some(t) => put(
            out,
            format_args!(
                "\"{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z\"",
                t.year(),
                u8::from(t.month()),
                t.day(),
                t.hour(),
                t.minute(),
                t.second(),
                t.millisecond()
            ),
        ),
        None => out.push_str("null"),
    }
}

/// A JSON string (RFC 8259 section 7).
fn text(out: &mut String, s: &str) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Some readers of line-based text treat U+2028 and U+2029 as line ends.
            c if c.is_control() || c == '\u{2028}' || c == '\u{2029}' => {
                put(out, format_args!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn put(out: &mut String, args: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(args);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(f: impl FnOnce(&mut String)) -> String {
        let mut s = String::new();
        f(&mut s);
        s
    }

    #[test]
    fn numbers_are_short_and_always_valid() {
        for (v, decimals, want) in [
            (51.2, 2, "51.2"),
            (84.0, 2, "84.0"),
            (-12.104_f32, 2, "-12.1"),
            (-0.001, 2, "0.0"),
            (0.05, 2, "0.05"),
            (0.9999, 3, "1.0"),
            (34.096, 2, "34.1"),
            (f32::NAN, 2, "null"),
            (f32::NEG_INFINITY, 2, "null"),
        ] {
            assert_eq!(printed(|s| number(s, v, decimals)), want, "{v}");
        }
        let huge = printed(|s| number(s, f32::MAX, 2));
        assert!(serde_json::from_str::<f64>(&huge).is_ok(), "{huge}");
    }

    #[test]
    fn text_is_read_back_as_written() {
        let odd = "cam \"A\"\\\n\t\u{1}\u{7f}\u{85}\u{2028}é😀";
        let line = printed(|s| text(s, odd));
        assert!(!line.contains('\n') && !line.contains('\u{2028}'));
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), odd);
    }

    #[test]
    fn utc_is_rfc_3339_to_the_millisecond() {
        assert_eq!(printed(|s| utc(s, Some(1_767_268_800_123_999_999))), "\"2026-01-01T12:00:00.123Z\"");
        assert_eq!(printed(|s| utc(s, Some(-1))), "\"1969-12-31T23:59:59.999Z\"");
        assert_eq!(printed(|s| utc(s, Some(i64::MIN))), "\"1677-09-21T00:12:43.145Z\"");
        assert_eq!(printed(|s| utc(s, None)), "null");
    }

    #[test]
    fn a_camera_wide_reason_outranks_a_local_one() {
        let gate = Gate { radiometric: true };
        let mut regions = Readings::from([Ok(34.0); REGION_COUNT]);
        assert_eq!(gate.summary(&regions), None);
        regions.set(5, Err(NoTemperature::OutsideFrame));
        assert_eq!(gate.summary(&regions), Some(NoTemperature::OutsideFrame));
        regions.set(6, Err(NoTemperature::Ffc));
        assert_eq!(gate.summary(&regions), Some(NoTemperature::Ffc));
        assert_eq!(Gate { radiometric: false }.summary(&regions), Some(NoTemperature::NotRadiometric));
    }
}
