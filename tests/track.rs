//! `heatmark track` as its users run it: the built-in pair, its halves, and what cannot be tracked.

use std::path::Path;
use std::process::{Command, Output};

use heatmark::geometry::{Rect, iou};
use heatmark::sink::TRACK_SCHEMA;
use serde_json::Value;

const THERMAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/clips/pair.tiff");
const VISIBLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/clips/pair.mjpeg");
const TRUTH: &str = include_str!("../models/clips/pair.boxes.csv");
const WALKER: &str = heatmark::source::demo::WALKER;
const FRAMES: usize = 72;

fn heatmark(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_heatmark")).args(["-q", "track"]).args(arguments).output().unwrap()
}

/// Lines of results on standard output, each valid.
#[track_caller]
fn lines(arguments: &[&str]) -> Vec<Value> {
    let out = heatmark(&[arguments, &["--every", "--no-http", "--ndjson", "-"]].concat());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let schema: Value = serde_json::from_str(TRACK_SCHEMA).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let check = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        let faults: Vec<String> = schema.iter_errors(&value).map(|e| format!("{e} at {}", e.instance_path())).collect();
        assert!(faults.is_empty(), "{faults:#?}");
        value
    };
    text.lines().map(check).collect()
}

fn truth() -> Vec<Rect> {
    let rows = TRUTH.lines().skip(1).map(|row| {
        let n: Vec<f32> = row.split(',').map(|n| n.parse().unwrap()).collect();
        Rect::new(n[1], n[2], n[1] + n[3], n[2] + n[4])
    });
    rows.collect()
}

fn boxed(line: &Value) -> Option<Rect> {
    let b: [f32; 4] = serde_json::from_value(line["targets"][0]["box"].clone()).ok()?;
    Some(Rect::from(b))
}

/// Mean IoU of the first frames, in which the walker is in clear view.
fn early(lines: &[Value]) -> f32 {
    let truth = truth();
    (0..18).map(|i| boxed(&lines[i]).map_or(0.0, |b| iou(b, truth[i]))).sum::<f32>() / 18.0
}

#[test]
fn the_built_in_pair_is_tracked_with_the_same_results_on_every_run() {
    let first = lines(&["demo"]);
    assert_eq!(first.len(), FRAMES);
    let given = boxed(&first[0]).unwrap();
    assert!(iou(given, truth()[0]) > 0.98, "the box of the first frame is the given one: {given:?}");
    assert!(early(&first) > 0.6, "{}", early(&first));
    let target = &first[5]["targets"][0];
    assert_eq!((&target["id"], &target["state"], &target["modality"]), (&1.into(), &"tracked".into(), &"both".into()));
    assert!((25.0..38.0).contains(&target["temperature_c"]["max"].as_f64().unwrap()), "{target}");
    assert_eq!(first, lines(&["demo"]));
    // In the frames of the shutter calibration the visible half is looked at alone, and there is no temperature.
    let closed = &first[31]["targets"][0];
    assert_eq!((&closed["modality"], &closed["temperature_reason"]), (&"visible".into(), &"ffc".into()));
}

#[test]
fn either_half_is_enough() {
    let pair = lines(&[THERMAL, "--rgb", VISIBLE, "--init", WALKER]);
    let demo = lines(&["demo"]);
    assert!(pair.iter().zip(&demo).all(|(a, b)| a["targets"] == b["targets"]), "files and the built-in pair agree");
    let thermal = lines(&[THERMAL, "--init", WALKER]);
    assert!(thermal.iter().all(|line| line["targets"][0]["modality"] == "thermal"));
    assert!(early(&thermal) > 0.5, "{}", early(&thermal));
    // Twice as many pixels on a side.
    let visible = lines(&["--rgb", VISIBLE, "--init", "17.4,124,27.2,66"]);
    assert_eq!((visible[0]["width"].clone(), visible.len()), (320.into(), FRAMES));
    assert!(visible.iter().all(|line| line["targets"][0]["modality"] == "visible"));
    assert!(visible.iter().all(|line| line["targets"][0]["temperature_c"].is_null()), "no degree in visible light");
}

#[test]
fn boxes_and_pictures_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let (boxes, pictures) = (dir.path().join("boxes.txt"), dir.path().join("seen"));
    let (b, p) = (boxes.to_str().unwrap(), pictures.to_str().unwrap());
    let options = ["demo", "--every", "--no-http", "--boxes", b, "--presence", "--annotate", p, "--init", "hottest"];
    let out = heatmark(&[&options[..], &["--init", WALKER, "--at", "60"]].concat());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    for file in ["boxes.txt", "boxes-2.txt"] {
        let text = std::fs::read_to_string(dir.path().join(file)).unwrap();
        assert_eq!(text.lines().count(), FRAMES - 60, "a line for each frame since it was given");
        assert!(text.lines().all(|line| line.split(',').filter(|n| n.parse::<f32>().is_ok()).count() == 5), "{text}");
    }
    assert_eq!(std::fs::read_dir(&pictures).unwrap().count(), FRAMES);
    let png = std::fs::read(pictures.join("000071.png")).unwrap();
    assert_eq!(png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap().info().width, 640 + 4 + 640);
}

#[test]
fn what_cannot_be_tracked_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let detector = concat!(env!("CARGO_MANIFEST_DIR"), "/models/face-detector.toml");
    for (arguments, says) in [
        (vec![THERMAL, "--init", "500,20,30,40"], "outside the frame"),
        (vec![THERMAL, "--init", "5,20,1,1"], "at least 2"),
        (vec![THERMAL, "--init", "5,20,x,1"], "x,y,width,height"),
        (vec![THERMAL, "--init", "face"], "none is in the frame"),
        (vec![THERMAL, "--rgb", empty.to_str().unwrap(), "--init", WALKER], "holds no picture"),
        (vec!["--rgb", "/nowhere.mp4", "--init", WALKER], "/nowhere.mp4"),
        (vec![THERMAL, "--init", WALKER, "--model", detector], "tracker"),
        (vec![THERMAL, "--init", WALKER, "--model", "track-huge"], "no such model"),
    ] {
        let out = heatmark(&[&arguments[..], &["--every", "--no-http"]].concat());
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success() && said.to_lowercase().contains(says), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    let nothing = heatmark(&[]);
    assert_eq!(nothing.status.code(), Some(2), "a recording is needed");
    assert!(Path::new(THERMAL).exists());
}
