//! The Prometheus text format, version 0.0.4.
//!
//! Cardinality is bounded: faces are numbered by age (0 is the oldest track), not by track.

use std::fmt::{Display, Write};

use super::{GAUGED_FACES, Shared};
use crate::landmarks::REGIONS;
use crate::result::{StreamState, by_reason};
use crate::status::{LatencySummary, Snapshot};

/// Text under construction.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail, here and below.
        let _ = write!(self.0, "# HELP heatmark_{name} {help}\n# TYPE heatmark_{name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.0, "heatmark_{name}");
        for (i, (key, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{key}=\"{}\"", if i == 0 { '{' } else { ',' }, escaped(text));
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// One sample a member, 1 for the current one and 0 for the others.
    fn set(&mut self, name: &str, help: &str, label: &str, members: &[&str], current: &str) {
        self.family(name, "gauge", help);
        for member in members {
            self.sample(name, &[(label, member)], u8::from(*member == current));
        }
    }

    fn histogram(&mut self, name: &str, help: &str, latency: &LatencySummary) {
        self.family(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        for &(bound_us, below) in &latency.buckets {
            self.sample(&bucket, &[("le", &(bound_us as f64 / 1e6).to_string())], below);
        }
        self.sample(&bucket, &[("le", "+Inf")], latency.count);
        self.sample(&format!("{name}_sum"), &[], latency.sum_us as f64 / 1e6);
        self.sample(&format!("{name}_count"), &[], latency.count);
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Every metric.
pub(super) fn text(shared: &Shared) -> String {
    let s = shared.hooks.status.snapshot();
    let mut page = Page(String::with_capacity(8 * 1024));
    frames(&mut page, &s, &shared.hooks.model);
    page.histogram("frame_age_seconds", "Age of a frame when presented.", &s.age);
    page.histogram("infer_seconds", "Time of inference a frame.", &s.infer);
    camera(&mut page, &s);
    scene(&mut page, shared);
    page.family("sink_lost_total", "counter", "Outputs lost because a reader was behind or away.");
    for (sink, lost) in &s.sink_lost {
        page.sample("sink_lost_total", &[("sink", sink)], lost);
    }
    page.family("http_clients", "gauge", "Clients of the page's streams.");
    for (kind, seats) in [("stream", &shared.stream_seats), ("events", &shared.event_seats)] {
        let taken = shared.max_clients.saturating_sub(seats.available_permits());
        page.sample("http_clients", &[("kind", kind)], taken);
    }
    page.0
}

fn frames(page: &mut Page, s: &Snapshot, model: &str) {
    page.family("build_info", "gauge", "Always 1; the version is the label.");
    page.sample("build_info", &[("version", env!("CARGO_PKG_VERSION")), ("model", model)], 1);
    page.one("uptime_seconds", "gauge", "Time since start.", s.uptime_s);
    page.one("frames_captured_total", "counter", "Frames captured, including those lost.", s.counts.captured);
    page.one("frames_presented_total", "counter", "Frames that reached the outputs.", s.counts.presented);
    page.family("frames_dropped_total", "counter", "Frames lost, by reason.");
    for (reason, count) in by_reason(&s.counts.dropped) {
        page.sample("frames_dropped_total", &[("reason", reason)], count);
    }
    page.one("frames_in_flight", "gauge", "Frames between capture and output.", s.counts.in_flight);
    page.one("frames_per_second", "gauge", "Frames presented per second, over the last seconds.", s.fps);
    page.one("source_reopened_total", "counter", "Times the source was opened again.", s.reopened);
}

fn camera(page: &mut Page, s: &Snapshot) {
    let states = StreamState::ALL.map(StreamState::name);
    page.set("state", "State of the picture.", "state", &states, s.state.name());
    let ffc = match s.ffc {
        crate::frame::FfcState::Idle => "idle",
        crate::frame::FfcState::Imminent => "imminent",
        crate::frame::FfcState::Running => "running",
        crate::frame::FfcState::Settling => "settling",
    };
    page.set("ffc", "Shutter calibration.", "state", &["idle", "imminent", "running", "settling"], ffc);
    if let Some(c) = s.sensor_c.filter(|c| c.is_finite()) {
        page.one("sensor_celsius", "gauge", "Temperature of the camera's sensor.", c);
    }
}

fn scene(page: &mut Page, shared: &Shared) {
    let latest = shared.latest();
    if let Some(at) = latest.frame_at {
        page.one("last_frame_age_seconds", "gauge", "Time since the last new frame.", at.elapsed().as_secs_f64());
    }
    page.one("faces", "gauge", "Faces in the last result.", latest.faces);
    page.family("region_celsius", "gauge", "Surface temperature; face 0 is the oldest track.");
    for (face, regions) in latest.regions_c.iter().enumerate().take(latest.faces.min(GAUGED_FACES)) {
        for (region, c) in REGIONS.iter().zip(regions).filter(|(_, c)| c.is_finite()) {
            page.sample("region_celsius", &[("face", &face.to_string()), ("region", region.name)], c);
        }
    }
}
