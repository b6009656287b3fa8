//! Temperatures of rendered faces as the product reads them, against the renderer's truth. Needs the face model beside
//! the project.

use std::path::Path;

use heatmark::eval::{self, Options};
use heatmark::face::{Engine, Settings};
use heatmark::landmarks::REGIONS;
use heatmark::radiometry;
use heatmark::synth::dataset::{self, Kind};
use heatmark::synth::head::HeadModel;
use heatmark::synth::scene::Studio;
use heatmark::synth::sensor::Faults;

/// The face model, or `None` (said aloud) where it is not there.
fn studio() -> Option<Studio> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/face-model/ict-facekit-compact.npz"));
    if path.exists() {
        return Some(Studio::new(HeadModel::open(path).expect("the face model opens")));
    }
    assert!(std::env::var_os("HEATMARK_REQUIRE_SHARED").is_none_or(|v| v != "1"), "{} is not there", path.display());
    eprintln!("skipped: {} is not there", path.display());
    None
}

#[test]
fn regions_of_near_faces_are_read_to_a_seventh_of_a_kelvin() {
    let Some(studio) = studio() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let report = |faults, emissivity| {
        let set = dataset::Set { kind: Kind::Crops, seed: 76_001, count: 160, colour: false, faults };
        let out = dir.path().join(format!("{faults:?}"));
        dataset::write(&studio, &set, 2, &out).expect("written");
        let surface = radiometry::Settings { emissivity, reflected_c: 23.0 };
        let mut engine = Engine::new(&Settings::default(), surface).expect("the shipped models");
        let report = eval::run(&[out], &mut engine, &Options::default()).expect("evaluated");
        report.temperature.expect("radiometric pictures with truth")
    };
    let ideal = report(Faults::None, 0.98);
    let find = |list: &[(&str, eval::temperatures::TemperatureScores)], name: &str| {
        let found = list.iter().find(|k| k.0 == name);
        found.unwrap_or_else(|| panic!("{name} is not told")).1
    };
    let regions = find(&ideal.kinds, "regions, apparent, from 40 px");
    println!("{regions:?}");
    assert!(regions.readings > 300 && regions.mean_k < 0.15 && regions.bias_k.abs() < 0.05, "{regions:?}");
    for r in &REGIONS {
        let one = find(&ideal.regions, r.name);
        assert!(one.readings > 10 && one.median_k < 0.2, "{}: {one:?}", r.name);
    }
    // What emissivity is assumed changes what is said of the skin, not what is seen.
    let black = report(Faults::None, 1.0);
    let seen = find(&black.kinds, "regions, apparent, from 40 px");
    assert!((seen.mean_k - regions.mean_k).abs() < 2e-3, "{seen:?}, {regions:?}");
    let skin = |t: &eval::temperatures::TemperatureReport| find(&t.kinds, "points, skin").bias_k;
    assert!(skin(&ideal) > skin(&black) + 0.1, "{} {}", skin(&ideal), skin(&black));
    // Optics blur, and a sensor's noise, stripes and vignetting come on top.
    let error = |faults| find(&report(faults, 0.98).kinds, "regions, apparent, from 40 px").mean_k;
    let (blurred, real) = (error(Faults::Optics), error(Faults::All));
    assert!(blurred < 0.18 && real > blurred + 0.03 && real < 0.35, "{blurred} K blurred, {real} K with all faults");
}
