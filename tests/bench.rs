//! `heatmark bench` with a counting allocator: nothing on the path allocates after warm-up.

use std::time::Instant;

use heatmark::bench::{self, Plan, alloc};
use heatmark::config::Config;
use heatmark::nn::Model;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

#[test]
fn no_stage_that_must_not_allocate_does() {
    let mut config = Config::default();
    if Model::names().next().is_none() {
        config.face.detector = "tests/data/models/tiny-detector.toml".into();
        config.face.landmarks = "tests/data/models/tiny-landmarks.toml".into();
    }
    let plan = Plan { source: "demo".into(), frames: 20, warm_up: 20, started: Instant::now() };
    let report = bench::run(&config, &plan).unwrap();
    for stage in report.stages.iter().filter(|s| s.must_not_allocate) {
        assert_eq!((stage.allocations, stage.allocated_bytes), (Some(0), Some(0)), "{}", stage.name);
    }
    let read = report.stages.iter().find(|s| s.name == "read").unwrap();
    assert!(read.allocations > Some(0), "reading the clip allocates, so counting works");
    assert_eq!(report.pipeline.allocations, Some(0));
    assert!(report.broken_promises().is_empty() && report.to_string().contains("(must be 0)"), "{report}");
}
