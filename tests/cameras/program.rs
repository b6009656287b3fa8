//! The commands about cameras, as a person runs them.

use std::process::{Command, Output, Stdio};

fn heatmark(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heatmark"));
    command.args(args).stdin(Stdio::null()).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn devices_are_listed_as_json() {
    let out = heatmark(&["devices", "--json"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let all: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(all.is_array());
}

#[test]
fn a_camera_that_is_not_there_is_worth_another_try() {
    let out = heatmark(&["camera", "ffc", "--source", "v4l2:serial=none-such"]);
    assert_eq!(out.status.code(), Some(3), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("serial number none-such: is not there"), "{}", text(&out.stderr));
    let out = heatmark(&["camera", "gain", "medium"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("wanted high, low or auto"), "{}", text(&out.stderr));
}

#[test]
fn run_takes_a_live_source_through_its_faults_to_its_end() {
    let script = "script:frames(5),error,away(300),frames(5),gap(3),frames(5),end";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.ndjson");
    let file = file.to_str().unwrap();
    let small =
        ["face.detector=tests/data/models/tiny-detector.toml", "face.landmarks=tests/data/models/tiny-landmarks.toml"];
    let mut args = vec!["run", "--source", script, "--no-http", "--ndjson", file, "--seconds", "60"];
    if heatmark::nn::Model::names().next().is_none() {
        small.iter().for_each(|set| args.extend(["--set", set]));
    }
    let out = heatmark(&args);
    assert!(out.status.success(), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("frames arrive again"), "{}", text(&out.stderr));
    let lines = std::fs::read_to_string(file).unwrap();
    let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["source"], "script");
    assert_eq!(last["radiometric"], true);
}

#[test]
fn run_refuses_what_names_no_camera() {
    let out = heatmark(&["run", "--source", "v4l2:seral=1", "--no-http"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("v4l2:serial=SERIAL"), "{}", text(&out.stderr));
}

#[test]
fn the_doctor_speaks_json_and_to_people() {
    let out = heatmark(&["doctor", "--json", "--set", "sink.http.listen=127.0.0.1:0"]);
    let all: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let topics: Vec<_> = all.as_array().unwrap().iter().map(|f| f["topic"].as_str().unwrap().to_string()).collect();
    for wanted in ["camera", "udev rules", "memory", "kernels", "disk", "port"] {
        assert!(topics.iter().any(|t| t == wanted), "{wanted} in {topics:?}");
    }
    let said = text(&heatmark(&["doctor", "--set", "sink.http.listen=127.0.0.1:0"]).stdout);
    assert!(said.lines().any(|l| l.contains("udev rules")), "{said}");
}
