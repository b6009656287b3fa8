//! The Prometheus text format, version 0.0.4.
//!
//! Cardinality is bounded: faces are numbered by age (0 is the oldest track), not by track. If a
//! server has several cameras, each sample of a camera has the label `camera` with its name.

use std::fmt::{Display, Write};
use std::sync::Arc;

use super::channel::{Channel, GAUGED_FACES, Latest};
use super::site::Site;
use crate::frame::FfcState;
use crate::landmarks::REGIONS;
use crate::result::{StreamState, by_reason};
use crate::status::{LatencySummary, Snapshot};

/// The data shown for one camera.
struct View {
    /// Its label if there are several cameras.
    camera: Option<Arc<str>>,
    model: Arc<str>,
    snapshot: Snapshot,
    latest: Latest,
}

impl View {
    fn new(channel: &Channel, labelled: bool) -> Self {
        let hooks = &channel.hooks;
        Self {
            camera: labelled.then(|| Arc::clone(&hooks.camera.name)),
            model: Arc::clone(&hooks.model),
            snapshot: hooks.status.snapshot(),
            latest: channel.latest(),
        }
    }
}

/// The samples of one camera in one family.
struct Samples<'a> {
    text: &'a mut String,
    family: &'a str,
    camera: Option<&'a str>,
}

impl Samples<'_> {
    fn add(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.add_to("", labels, value);
    }

    /// Adds a sample named after the family with this suffix.
    fn add_to(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        // Writing to a String cannot fail, here and below.
        let _ = write!(self.text, "heatmark_{}{suffix}", self.family);
        let camera = self.camera.map(|name| ("camera", name));
        let mut before = '{';
        for (key, text) in labels.iter().copied().chain(camera) {
            let _ = write!(self.text, "{before}{key}=\"{}\"", escaped(text));
            before = ',';
        }
        let _ = writeln!(self.text, "{} {value}", if before == '{' { "" } else { "}" });
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Text under construction.
struct Page<'a> {
    text: String,
    views: &'a [View],
}

impl Page<'_> {
    /// Writes a family with the samples that `samples` adds for each camera; nothing if there are none.
    fn family(&mut self, name: &str, kind: &str, help: &str, samples: impl Fn(&View, &mut Samples<'_>)) {
        let mut text = String::new();
        for view in self.views {
            samples(view, &mut Samples { text: &mut text, family: name, camera: view.camera.as_deref() });
        }
        self.add(name, kind, help, &text);
    }

    fn add(&mut self, name: &str, kind: &str, help: &str, samples: &str) {
        if !samples.is_empty() {
            let _ = write!(self.text, "# HELP heatmark_{name} {help}\n# TYPE heatmark_{name} {kind}\n{samples}");
        }
    }

    fn one<V: Display>(&mut self, name: &str, kind: &str, help: &str, value: impl Fn(&View) -> V) {
        self.family(name, kind, help, |view, samples| samples.add(&[], value(view)));
    }

    /// One sample per member: 1 for the current one, 0 for the others.
    fn set(&mut self, name: &str, help: &str, members: &[&str], current: impl Fn(&View) -> &'static str) {
        self.family(name, "gauge", help, |view, samples| {
            for member in members {
                samples.add(&[("state", member)], u8::from(*member == current(view)));
            }
        });
    }

    fn histogram(&mut self, name: &str, help: &str, latency: impl Fn(&View) -> &LatencySummary) {
        self.family(name, "histogram", help, |view, samples| {
            let latency = latency(view);
            for &(bound_us, below) in &latency.buckets {
                samples.add_to("_bucket", &[("le", &(bound_us as f64 / 1e6).to_string())], below);
            }
            samples.add_to("_bucket", &[("le", "+Inf")], latency.count);
            samples.add_to("_sum", &[], latency.sum_us as f64 / 1e6);
            samples.add_to("_count", &[], latency.count);
        });
    }
}

/// Every metric of these cameras of the site.
pub(super) fn text(site: &Site, channels: &[Arc<Channel>], labelled: bool) -> String {
    let views: Vec<_> = channels.iter().map(|channel| View::new(channel, labelled)).collect();
    let mut page = Page { text: String::with_capacity(8 * 1024 * views.len()), views: &views };
    frames(&mut page);
    page.histogram("frame_age_seconds", "Age of a frame when presented.", |v| &v.snapshot.age);
    page.histogram("infer_seconds", "Time of inference a frame.", |v| &v.snapshot.infer);
    camera(&mut page);
    scene(&mut page);
    page.family("sink_lost_total", "counter", "Outputs lost because a reader was behind or away.", |view, samples| {
        for (sink, lost) in &view.snapshot.sink_lost {
            samples.add(&[("sink", sink)], lost);
        }
    });
    clients(&mut page, site);
    page.text
}

fn frames(page: &mut Page<'_>) {
    page.family("build_info", "gauge", "Always 1; the version is the label.", |view, samples| {
        samples.add(&[("version", env!("CARGO_PKG_VERSION")), ("model", &view.model)], 1);
    });
    page.one("uptime_seconds", "gauge", "Time since start.", |v| v.snapshot.uptime_s);
    page.one("frames_captured_total", "counter", "Frames captured, including those lost.", |v| {
        v.snapshot.counts.captured
    });
    page.one("frames_presented_total", "counter", "Frames that reached the outputs.", |v| v.snapshot.counts.presented);
    page.family("frames_dropped_total", "counter", "Frames lost, by reason.", |view, samples| {
        for (reason, count) in by_reason(&view.snapshot.counts.dropped) {
            samples.add(&[("reason", reason)], count);
        }
    });
    page.one("frames_in_flight", "gauge", "Frames between capture and output.", |v| v.snapshot.counts.in_flight);
    page.one("frames_per_second", "gauge", "Frames presented per second, over the last seconds.", |v| v.snapshot.fps);
    page.one("source_reopened_total", "counter", "Times the source was opened again.", |v| v.snapshot.reopened);
}

fn camera(page: &mut Page<'_>) {
    let states = StreamState::ALL.map(StreamState::name);
    page.set("state", "State of the picture.", &states, |v| v.snapshot.state.name());
    let ffc = |view: &View| match view.snapshot.ffc {
        FfcState::Idle => "idle",
        FfcState::Imminent => "imminent",
        FfcState::Running => "running",
        FfcState::Settling => "settling",
    };
    page.set("ffc", "Shutter calibration.", &["idle", "imminent", "running", "settling"], ffc);
    page.family("sensor_celsius", "gauge", "Temperature of the camera's sensor.", |view, samples| {
        if let Some(c) = view.snapshot.sensor_c.filter(|c| c.is_finite()) {
            samples.add(&[], c);
        }
    });
}

fn scene(page: &mut Page<'_>) {
    page.family("last_frame_age_seconds", "gauge", "Time since the last new frame.", |view, samples| {
        if let Some(at) = view.latest.frame_at {
            samples.add(&[], at.elapsed().as_secs_f64());
        }
    });
    page.one("faces", "gauge", "Faces in the last result.", |v| v.latest.faces);
    page.one("targets_seen", "gauge", "Targets that are tracked in the last result.", |v| v.latest.targets_seen);
    page.family("region_celsius", "gauge", "Surface temperature; face 0 is the oldest track.", |view, samples| {
        let latest = &view.latest;
        for (face, regions) in latest.regions_c.iter().enumerate().take(latest.faces.min(GAUGED_FACES)) {
            for (region, c) in REGIONS.iter().zip(regions).filter(|(_, c)| c.is_finite()) {
                samples.add(&[("face", &face.to_string()), ("region", region.name)], c);
            }
        }
    });
}

/// The clients of the whole server.
fn clients(page: &mut Page<'_>, site: &Site) {
    let mut text = String::new();
    let mut samples = Samples { text: &mut text, family: "http_clients", camera: None };
    for (kind, seats) in [("stream", &site.stream_seats), ("events", &site.event_seats)] {
        let taken = site.max_clients.saturating_sub(seats.available_permits());
        samples.add(&[("kind", kind)], taken);
    }
    page.add("http_clients", "gauge", "Clients of the streams of all cameras.", &text);
}
