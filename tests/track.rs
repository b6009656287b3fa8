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

/// A JPEG with a bright box of an eighth of its width that moves to the right.
fn jpeg(width: u16, height: u16, i: usize) -> Vec<u8> {
    let (w, h) = (usize::from(width), usize::from(height));
    let left = w / 4 + i * w / 160;
    let inside = |x: usize, y: usize| (left..left + w / 8).contains(&x) && (h / 4..h / 2).contains(&y);
    let grey = |at: usize| if inside(at % w, at / w) { 220 } else { 60 + (at * 7919 % 9) as u8 };
    let pixels: Vec<u8> = (0..w * h).map(grey).collect();
    let mut out = Vec::new();
    jpeg_encoder::Encoder::new(&mut out, 90).encode(&pixels, width, height, jpeg_encoder::ColorType::Luma).unwrap();
    out
}

/// A folder of numbered pictures.
fn pictures(dir: &Path, name: &str, (width, height): (u16, u16), numbers: &[usize]) -> String {
    let folder = dir.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for (i, number) in numbers.iter().enumerate() {
        std::fs::write(folder.join(format!("{number:04}.jpg")), jpeg(width, height, i)).unwrap();
    }
    folder.to_str().unwrap().into()
}

#[test]
fn the_visible_half_may_be_as_large_as_of_a_phone() {
    let dir = tempfile::tempdir().unwrap();
    let thermal = pictures(dir.path(), "wärme 熱", (160, 120), &[0, 1]);
    let visible = pictures(dir.path(), "visible", (1920, 1080), &[0, 1]);
    let seen = dir.path().join("seen");
    let annotate = ["--annotate", seen.to_str().unwrap()];
    let pair = lines(&[&[thermal.as_str(), "--rgb", &visible, "--init", "40,30,20,30"], &annotate[..]].concat());
    assert_eq!((pair.len(), &pair[1]["width"]), (2, &160.into()));
    assert!(pair.iter().all(|line| line["targets"][0]["modality"] == "both"), "{pair:?}");
    assert!(iou(boxed(&pair[1]).unwrap(), Rect::new(41.0, 30.0, 61.0, 60.0)) > 0.6, "{:?}", boxed(&pair[1]));
    let png = std::fs::read(seen.join("000001.png")).unwrap();
    let size = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap().info().size();
    assert!(size.0 < 2000 && size.1 <= 480, "the visible half is as high as the thermal one: {size:?}");
    // Alone, and one after another in a file.
    let stream = dir.path().join("visible.mjpeg");
    std::fs::write(&stream, (0..2).flat_map(|i| jpeg(1920, 1080, i)).collect::<Vec<u8>>()).unwrap();
    let alone = lines(&["--rgb", stream.to_str().unwrap(), "--init", "480,270,240,270"]);
    let first = (&alone[0]["width"], &alone[0]["targets"][0]["modality"]);
    assert_eq!((alone.len(), first), (2, (&1920.into(), &"visible".into())));
    // Too large, and a thermal one as large.
    let huge = pictures(dir.path(), "huge", (4104, 64), &[0]);
    refused(&[&thermal, "--rgb", &huge, "--init", "hottest"], &["0000.jpg", "4104x64", "80x60", "4096x4096"]);
    refused(&[&visible, "--init", "hottest"], &["0000.jpg", "1920x1080", "1280x1024"]);
}

/// The command fails and says all of these.
#[track_caller]
fn refused(arguments: &[&str], says: &[&str]) {
    let out = heatmark(&[arguments, &["--every", "--no-http"]].concat());
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(2) && says.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
}

/// The command succeeds and warns with all of these; the number of results.
#[track_caller]
fn warned(arguments: &[&str], says: &[&str]) -> usize {
    let out = heatmark(&[arguments, &["--every", "--no-http", "--ndjson", "-"]].concat());
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && says.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
    out.stdout.iter().filter(|&&b| b == b'\n').count()
}

#[test]
fn a_target_that_is_asked_for_and_never_starts_is_an_error() {
    refused(&[THERMAL, "--init", WALKER, "--at", "72"], &["--at", "frame 72", "after 72 frames"]);
    assert_eq!(warned(&[THERMAL, "--init", WALKER, "--at", "71"], &[]), FRAMES);
    refused(&[THERMAL], &["--init", "is missing", "hottest"]);
    for wrong in ["nan,20,30,40", "inf,20,30,40", "10,20,1e30,40", "1e30,20,30,40"] {
        refused(&[THERMAL, "--init", wrong], &["track.start", wrong, "wanted x,y,width,height"]);
    }
    refused(&[THERMAL, "--init", "0,0,90000,40"], &["90000.0 x 40.0", "larger than the frame of 160 x 120"]);
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("pair.tiff");
    std::fs::copy(THERMAL, &copy).unwrap();
    let (path, before) = (copy.to_str().unwrap(), std::fs::metadata(&copy).unwrap().len());
    refused(&[path, "--init", WALKER, "--boxes", path], &["--boxes", "pair.tiff", "recording itself"]);
    assert_eq!(std::fs::metadata(&copy).unwrap().len(), before, "nothing is lost");
}

#[test]
fn damage_and_gaps_are_told_and_the_rest_is_tracked() {
    let dir = tempfile::tempdir().unwrap();
    let thermal = pictures(dir.path(), "thermal", (160, 120), &[0, 1, 2, 3, 9, 10]);
    assert_eq!(warned(&[&thermal, "--init", "40,30,20,30"], &["thermal", "between 0003 and 0009"]), 6);
    let stream = |name: &str, parts: &[Vec<u8>]| {
        let path = dir.path().join(name);
        std::fs::write(&path, parts.concat()).unwrap();
        path.to_str().unwrap().to_string()
    };
    let whole: Vec<Vec<u8>> = (0..6).map(|i| jpeg(160, 120, i)).collect();
    let cut: Vec<Vec<u8>> = whole.iter().map(|bytes| bytes[..bytes.len() / 2].to_vec()).collect();
    let damaged = [&whole[0], &whole[1], &cut[2], &whole[3], &cut[4], &whole[5]].map(Clone::clone);
    let damaged = stream("damaged.mjpeg", &damaged);
    assert_eq!(warned(&["--rgb", &damaged, "--init", "40,30,20,30"], &["damaged.mjpeg", "has no end"]), 4);
    let early = stream("early.mjpeg", &whole[..2]);
    let says = ["early.mjpeg", "ends before", "thermal alone"];
    assert_eq!(warned(&[&thermal, "--rgb", &early, "--init", "40,30,20,30"], &says), 6);
    refused(&["--rgb", &stream("cut.mjpeg", &cut), "--init", "40,30,20,30"], &["cut.mjpeg", "has no end"]);
    if Command::new("ffmpeg").arg("-version").output().is_err() {
        return eprintln!("the rest is skipped: ffmpeg is not installed");
    }
    let video = dir.path().join("a.mkv");
    let scene = ["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=2"];
    assert!(Command::new("ffmpeg").args(scene).args(["-c:v", "ffv1"]).arg(&video).status().unwrap().success());
    let bytes = std::fs::read(&video).unwrap();
    std::fs::write(&video, &bytes[..bytes.len() / 2]).unwrap();
    let frames = warned(&["--rgb", video.to_str().unwrap(), "--init", "40,30,20,30"], &["a.mkv", "cut short"]);
    assert!((1..20).contains(&frames), "{frames}");
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
