use std::path::Path;

use super::*;
use crate::clock::SimulatedClock;
use crate::error::Remedy;
use crate::pipeline::{Policy, Stamps};
use crate::status::Status;
use crate::stop;
use crate::units::Nanos;

/// Small models, no outputs.
fn config() -> Config {
    let model = |name| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models").join(name).display().to_string();
    let mut config = Config::default();
    config.face.detector = model("tiny-detector.toml");
    config.face.landmarks = model("tiny-landmarks.toml");
    config.sink.http.enabled = false;
    config
}

fn camera(config: &Config, script: &str) -> Input {
    let clock = SimulatedClock::new(Nanos(1));
    let open = crate::source::live(&format!("script:{script}"), &config.source, &(clock.clone() as _)).unwrap();
    Input::new(Feed::Opener(open.unwrap()), Stamps::Live, Policy::Paced, clock)
}

#[test]
fn every_configured_sink_is_opened_and_reports() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config();
    (config.sink.http.enabled, config.sink.http.listen) = (true, "127.0.0.1:0".into());
    config.sink.ndjson.file = Some(folder.path().join("out.ndjson"));
    (config.sink.ndjson.every, config.sink.record.enabled) = (true, true);
    (config.sink.record.dir, config.sink.record.min_free_mb) = (folder.path().join("kept"), 0);
    let assembly = assemble(&config, camera(&config, "frames(5),end"), Camera::only(), Vec::new()).unwrap();
    let address = assembly.address().unwrap();
    assert!(std::net::TcpStream::connect(address).is_ok());
    assert_eq!(assembly.reports.iter().find_map(|r| r.opened()), Some(format!("live page: http://{address}/")));

    let (_stopper, stop) = stop::pair();
    let summary = assembly.pipeline.run(&stop).unwrap();
    assert_eq!((summary.snapshot.counts.presented, summary.snapshot.sinks), (5, 3));
    assert_eq!(summary.snapshot.sink_lost.keys().collect::<Vec<_>>(), ["file", "http", "record"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("out.ndjson")).unwrap().lines().count(), 5);
    let done: Vec<_> = assembly.reports.iter().filter_map(|r| r.done()).collect();
    assert!(done.len() == 1 && done[0].starts_with("  recorded 5 frames in 1 files under "), "{done:?}");
}

#[test]
fn sinks_see_the_status_of_the_pipeline_that_is_built_after_them() {
    let config = config();
    let input = camera(&config, "frames(3),end");
    let before = Arc::clone(&input.status);
    let assembly = assemble(&config, input, Camera::only(), Vec::new()).unwrap();
    assert!(Arc::ptr_eq(&before, &assembly.pipeline.status()));
    let (_stopper, stop) = stop::pair();
    assembly.pipeline.run(&stop).unwrap();
    assert_eq!((before.snapshot().counts.presented, &*before.snapshot().source), (3, "script"));
}

#[test]
fn the_first_part_that_cannot_be_built_is_named_and_the_others_are_closed() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config();
    (config.sink.http.enabled, config.sink.http.listen) = (true, "127.0.0.1:0".into());
    config.sink.ndjson.file = Some(folder.path().join("no/such/folder/out.ndjson"));
    let hubs = crate::sink::Hubs::default();
    let only = || Camera { hubs: hubs.clone(), ..Camera::only() };
    let refused = |config: &Config| assemble(config, camera(config, "end"), only(), Vec::new()).err().unwrap();
    assert_eq!(refused(&config).remedy(), Remedy::Fix);
    config.sink.ndjson.file = None;
    config.sink.ndjson.udp_max_bytes = 1;
    assert_eq!(refused(&config).subject(), "sink.ndjson.udp_max_bytes");
    config.sink.ndjson.udp_max_bytes = 1_000;
    config.render.palette = "irn".into();
    assert!(refused(&config).to_string().contains("palette"));
    config.render.palette = "ironbow".into();
    config.face.landmarks = "/no/such/card.toml".into();
    assert!(refused(&config).to_string().contains("/no/such/card.toml"));
}
