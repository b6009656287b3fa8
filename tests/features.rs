//! What a build without default features brings along, and what the program weighs.

use std::collections::BTreeSet;
use std::process::Command;

/// Names and versions of the crates that are built, our own among them.
fn crates(arguments: &[&str]) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none"]).args(arguments);
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| line.split(" (").next().unwrap_or(line).trim().to_string()).collect()
}

fn has(crates: &BTreeSet<String>, name: &str) -> bool {
    crates.iter().any(|one| one.split(' ').next() == Some(name))
}

#[test]
fn the_inference_core_is_small() {
    let core = crates(&["--no-default-features"]);
    assert!(core.len() < 100, "{} crates: {core:?}", core.len());
    for absent in ["clap", "axum", "tokio", "v4l", "v4l2-sys-mit", "bindgen", "tiff", "schemars"] {
        assert!(!has(&core, absent), "{absent}");
    }
    assert!(has(&core, "tract-onnx") && has(&core, "ndarray"));
}

#[test]
fn every_feature_brings_its_own() {
    for (feature, with, without) in [
        ("stream", "crossbeam-channel", "axum"),
        ("camera", "v4l", "axum"),
        ("page", "axum", "v4l"),
        ("program", "clap", "zip"),
        ("synth", "multiversion", "clap"),
    ] {
        let crates = crates(&["--no-default-features", "--features", feature]);
        assert!(has(&crates, with), "{feature} lacks {with}");
        assert!(!has(&crates, without), "{feature} has {without}");
    }
}

#[test]
fn the_program_is_smaller_than_48_megabytes() {
    // An unoptimised program holds symbols and models as they are.
    if !cfg!(debug_assertions) {
        let bytes = std::fs::metadata(env!("CARGO_BIN_EXE_heatmark")).unwrap().len();
        assert!(bytes < 48_000_000, "{bytes} bytes");
    }
}
