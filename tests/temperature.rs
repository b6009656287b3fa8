//! Temperatures of rendered faces as the product reads them, against the renderer's truth. Needs the face model beside
//! the project.

mod studio;

use std::path::Path;

use heatmark::eval::{self, Options};
use heatmark::face::{Engine, Settings};
use heatmark::landmarks::REGIONS;
use heatmark::radiometry;
use heatmark::synth::dataset::{self, Kind};
use heatmark::synth::sensor::Faults;
use studio::studio;

#[test]
fn regions_of_near_faces_are_read_to_a_seventh_of_a_kelvin() {
    let Some(studio) = studio() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let render = |faults| {
        let set = dataset::Set { kind: Kind::Crops, seed: 76_001, colour: false, faults };
        let out = dir.path().join(format!("{faults:?}"));
        dataset::write(studio, &set, 160, 2, &out).expect("written");
        out
    };
    let report = |out: &Path, emissivity| {
        let surface = radiometry::Settings { emissivity, reflected_c: 23.0 };
        let mut engine = Engine::new(&Settings::default(), surface).expect("the shipped models");
        let report = eval::run(&[out.to_path_buf()], &mut engine, &Options::default()).expect("evaluated");
        report.temperature.expect("radiometric pictures with truth")
    };
    let pictures = render(Faults::Ideal);
    let ideal = report(&pictures, 0.98);
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
    let black = report(&pictures, 1.0);
    let seen = find(&black.kinds, "regions, apparent, from 40 px");
    assert!((seen.mean_k - regions.mean_k).abs() < 2e-3, "{seen:?}, {regions:?}");
    let skin = |t: &eval::temperatures::TemperatureReport| find(&t.kinds, "points, skin").bias_k;
    assert!(skin(&ideal) > skin(&black) + 0.1, "{} {}", skin(&ideal), skin(&black));
    // Optics blur, and a sensor's noise, stripes and vignetting come on top.
    let error = |faults| find(&report(&render(faults), 0.98).kinds, "regions, apparent, from 40 px").mean_k;
    let (blurred, real) = (error(Faults::NoiseFree), error(Faults::Drawn));
    assert!(blurred < 0.18 && real > blurred + 0.03 && real < 0.35, "{blurred} K blurred, {real} K with all faults");
}
