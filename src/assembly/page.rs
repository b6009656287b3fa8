//! What the page is told about the pipeline, and what it may change in the picture.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::config::Config;
use crate::error::Result;
use crate::frame::Signal;
use crate::pipeline;
use crate::pipeline::latency::Distribution;
use crate::pipeline::status::Stage;
use crate::render::agc;
use crate::render::palette::PALETTES;
use crate::render::range::Mode;
use crate::render::{Layers, SharedControls, Wish};
use crate::sink::{self, Change, Choices, Controls, Look, Range, Times};

/// The status of a pipeline that is built after its sinks.
#[derive(Clone)]
pub(super) struct Late {
    status: Arc<OnceLock<pipeline::Status>>,
    model: Arc<str>,
}

impl Late {
    pub fn new(config: &Config) -> Self {
        // Kernels that cannot be had fail elsewhere, with their reason.
        let model = config.face.landmarks_model().unwrap_or(&config.face.landmarks);
        Self { status: Arc::default(), model: Arc::from(model) }
    }

    /// The pipeline exists now.
    pub fn bind(&self, status: pipeline::Status) {
        let _ = self.status.set(status);
    }

    pub fn status(&self) -> Arc<dyn sink::Status> {
        Arc::new(self.clone())
    }

    pub fn controls(&self, shared: SharedControls) -> Arc<dyn Controls> {
        Arc::new(Knobs { shared, late: self.clone() })
    }
}

impl sink::Status for Late {
    fn snapshot(&self) -> sink::Snapshot {
        let model = self.model.to_string();
        let Some(status) = self.status.get() else { return sink::Snapshot { model, ..Default::default() } };
        let now = status.snapshot();
        sink::Snapshot {
            source: now.source.to_string(),
            format: now.format,
            state: now.state,
            ffc: now.ffc,
            sensor_c: now.sensor_c,
            uptime_s: now.uptime_s,
            fps: now.fps.into(),
            captured: now.counts.captured,
            presented: now.counts.presented,
            in_flight: now.counts.in_flight,
            dropped: now.counts.dropped,
            reopened: now.reopened,
            trouble: now.trouble,
            age: times(&status.distribution(Stage::Total)),
            infer: times(&status.distribution(Stage::Infer)),
            sink_lost: lost_by_sink(now.sink_lost),
            model,
        }
    }
}

/// Sinks of one name together.
fn lost_by_sink(seats: Vec<(String, u64)>) -> BTreeMap<String, u64> {
    let mut lost = BTreeMap::new();
    for (name, n) in seats {
        *lost.entry(name).or_default() += n;
    }
    lost
}

fn times(d: &Distribution) -> Times {
    let figures = d.figures();
    let known = |us| (figures.count > 0).then_some(us);
    Times {
        count: figures.count,
        sum_us: d.sum_us,
        p50_us: known(figures.p50_us),
        p99_us: known(figures.p99_us),
        below: d.cumulative().collect(),
    }
}

struct Knobs {
    shared: SharedControls,
    late: Late,
}

impl Controls for Knobs {
    fn choices(&self) -> Choices {
        Choices {
            palettes: PALETTES.iter().map(|p| p.name.to_string()).collect(),
            agc: agc::Mode::ALL.iter().map(|(name, _)| name.to_string()).collect(),
            layers: Layers::NAMES.iter().map(|(name, _)| name.to_string()).collect(),
        }
    }

    fn look(&self) -> Look {
        let now = self.shared.get();
        Look {
            palette: PALETTES.get(usize::from(now.palette)).map(|p| p.name.to_string()).unwrap_or_default(),
            range: match now.mode {
                Mode::Auto => Range::Auto,
                Mode::Fixed => Range::Fixed { min_c: now.min_c, max_c: now.max_c },
            },
            agc: now.agc.name().into(),
            layers: Layers::NAMES.iter().map(|(name, layer)| (name.to_string(), now.layers.has(*layer))).collect(),
        }
    }

    fn change(&self, change: &Change) -> Result<()> {
        let mut wish = Wish { palette: change.palette.clone(), ..Wish::default() };
        wish.agc = change.agc.as_ref().and_then(|name| agc::Mode::ALL.iter().find(|m| m.0 == name)).map(|m| m.1);
        match change.range {
            Some(Range::Auto) => wish.mode = Some(Mode::Auto),
            Some(Range::Fixed { min_c, max_c }) => {
                (wish.mode, wish.min_c, wish.max_c) = (Some(Mode::Fixed), Some(min_c), Some(max_c));
            }
            None => {}
        }
        if !change.layers.is_empty() {
            let now = self.shared.get().layers;
            let on = |name: &str, layer| change.layers.get(name).copied().unwrap_or_else(|| now.has(layer));
            let names = Layers::NAMES.iter().filter(|(name, layer)| on(name, *layer));
            wish.layers = Some(names.map(|(name, _)| name.to_string()).collect());
        }
        let format = self.late.status.get().and_then(|s| s.snapshot().format);
        let signal = format.map_or(Signal::Counts, |f| f.signal);
        self.shared.wish(&wish, signal).map(drop)
    }
}
