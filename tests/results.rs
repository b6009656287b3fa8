//! The results contract: every producer against the shipped schema, and every way out as lines.

mod demo;

use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use demo::Demo;
use heatmark::geometry::Rect;
use heatmark::landmarks::{COUNT, REGIONS};
use heatmark::result::DropReason;
use heatmark::result::{BoxTemperature, Modality, Target, TargetState};
use heatmark::result::{Face, FrameResult, NoTemperature, StreamState, TrackState};
use heatmark::sink::ndjson::{LineSink, Settings, UdpSink, UnixSink};
use heatmark::sink::{RESULT_SCHEMA, Sink, TRACK_SCHEMA, is_reader_gone};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

fn schema() -> Validator {
    let schema: Value = serde_json::from_str(RESULT_SCHEMA).expect("the schema is JSON");
    assert!(jsonschema::meta::is_valid(&schema), "the schema is a schema");
    jsonschema::draft202012::new(&schema).expect("the schema compiles")
}

fn line(result: &FrameResult) -> String {
    let mut s = String::new();
    result.write_json(&mut s);
    s
}

/// Parses and validates; panics with every violation.
#[track_caller]
fn valid(schema: &Validator, line: &str) -> Value {
    assert!(!line.contains('\n'), "one line");
    let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let faults: Vec<String> = schema.iter_errors(&value).map(|e| format!("{e} at {}", e.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    value
}

#[test]
fn every_kind_of_target_is_valid() {
    let schema: Value = serde_json::from_str(TRACK_SCHEMA).unwrap();
    assert!(jsonschema::meta::is_valid(&schema), "the schema is a schema");
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    let print = |result: &FrameResult| {
        let mut line = String::new();
        result.write_track_json(&mut line);
        valid(&schema, &line)
    };
    let mut result = FrameResult::new("pair".into(), 0);
    assert_eq!(print(&result)["targets"], json!([]));
    let heat = BoxTemperature { min_c: 20.25, mean_c: 30.0, max_c: 36.6 };
    for radiometric in [true, false] {
        result.radiometric = radiometric;
        for modality in Modality::ALL {
            for state in TargetState::ALL {
                let mut target = Target::new(7);
                (target.state, target.modality, target.temperature) = (state, modality, Ok(heat));
                (target.bbox, target.unseen_ms) = (Some(Rect::new(1.0, 2.0, 30.5, 40.0)), 0);
                if state != TargetState::Tracked {
                    (target.bbox, target.unseen_ms, target.temperature) = (None, 1200, Err(NoTemperature::Lost));
                }
                (target.score, target.presence) = (f32::NAN, 1.5);
                result.targets = vec![target];
                let seen = &print(&result)["targets"][0];
                assert_eq!((&seen["score"], &seen["presence"]), (&json!(0.0), &json!(1.0)));
                let tracked = state == TargetState::Tracked;
                assert_eq!(seen["box"].is_null(), !tracked);
                let reason = match (radiometric, tracked) {
                    (false, _) => json!("not_radiometric"),
                    (true, false) => json!("lost"),
                    (true, true) => Value::Null,
                };
                assert_eq!(seen["temperature_reason"], reason);
                assert_eq!(seen["temperature_c"].is_null(), !reason.is_null());
            }
        }
    }
    let mut odd = Target::new(1);
    odd.bbox = Some(Rect::new(f32::NAN, 0.0, 1.0, 1.0));
    odd.temperature = Ok(BoxTemperature { min_c: f32::NAN, mean_c: 1.0, max_c: -400.0 });
    (result.radiometric, result.targets) = (true, vec![odd]);
    let seen = &print(&result)["targets"][0];
    assert!(seen["box"].is_null() && seen["temperature_reason"] == "saturated", "{seen}");
}

#[test]
fn every_kind_of_result_is_valid() {
    let schema = schema();
    let mut demo = Demo::new(2);
    for _ in 0..90 {
        demo.advance();
        valid(&schema, &demo.json);
    }
    valid(&schema, &line(&FrameResult::new("never opened".into(), 0)));
    for state in StreamState::ALL {
        demo.result.state = state;
        valid(&schema, &line(&demo.result));
    }
    for track_state in [TrackState::Tracked, TrackState::Lost, TrackState::Reacquired] {
        demo.result.faces[0].track_state = track_state;
        valid(&schema, &line(&demo.result));
    }
    demo.result.captured_utc_ns = None;
    valid(&schema, &line(&demo.result));
}

#[test]
fn the_contract_is_met_to_the_letter() {
    let mut demo = Demo::new(1);
    let face = &mut demo.result.faces[0];
    (face.track, face.score, face.presence) = (3, 0.98, 0.99);
    face.bbox = [51.2, 30.1, 92.8, 84.0].into();
    (face.pose.yaw, face.pose.pitch, face.pose.roll) = (-12.1, 3.0, 1.2);
    face.landmarks[0].x = 54.1;
    face.landmarks[0].y = 50.3;
    face.landmarks[0].confidence = 0.93;
    let temperatures = [34.1, 35.0, 35.1, 31.2, 31.9, 33.5, 32.8, 32.9];
    face.region_c = temperatures.map(Ok).into();
    face.landmark_c = [Ok(33.9); COUNT].into();
    demo.result.seq = 412;
    demo.result.captured.0 = 48_123_456_789;
    demo.result.captured_utc_ns = Some(1_767_268_800_123_000_000);
    demo.result.dropped = Default::default();
    let text = line(&demo.result);
    let start = r#"{"schema":"heatmark.result/1","source":"demo","seq":412,"captured_ns":48123456789,"captured_utc":"2026-01-01T12:00:00.123Z","width":160,"height":120,"radiometric":true,"state":"live","faces":[{"track":3,"track_state":"tracked","box":[51.2,30.1,92.8,84.0],"score":0.98,"presence":0.99,"pose_deg":{"yaw":-12.1,"pitch":3.0,"roll":1.2},"landmarks":[[54.1,50.3,0.93],"#;
    assert!(text.starts_with(start), "{text}");
    let temperatures = r#""temperature_c":{"forehead":34.1,"inner_canthus_right":35.0,"inner_canthus_left":35.1,"nose_tip":31.2,"nostrils":31.9,"mouth":33.5,"cheek_right":32.8,"cheek_left":32.9},"landmark_temperature_c":[33.9,33.9,"#;
    assert!(text.contains(temperatures), "{text}");
    let end = r#""temperature_reason":null,"region_reasons":{}}],"latency_us":{"queue":40,"infer":610,"total":910},"dropped":{"driver":0,"no_buffer":0,"superseded":0,"corrupt":0,"calibrating":0,"sink_behind":0,"stopping":0}}"#;
    assert!(text.ends_with(end), "{text}");
    let value = valid(&schema(), &text);
    assert_eq!(value["faces"][0]["landmarks"].as_array().unwrap().len(), 70);
    let names: Vec<_> = DropReason::ALL.iter().map(|r| r.name()).collect();
    let published: Vec<String> = serde_json::from_str::<serde_json::Map<String, Value>>(&value["dropped"].to_string())
        .unwrap()
        .into_iter()
        .map(|(k, _)| k)
        .collect();
    assert_eq!(published.len(), names.len());
    assert!(names.iter().all(|n| published.iter().any(|p| p == n)));
}

#[test]
fn a_still_picture_names_its_file() {
    let demo = Demo::new(1);
    let mut text = String::new();
    demo.result.write_image_json(Path::new("faces/\"odd\" näme.tiff"), &mut text);
    let value = valid(&schema(), &text);
    assert_eq!(value["image"], "faces/\"odd\" näme.tiff");
}

#[test]
fn a_camera_that_measures_nothing_publishes_no_degree() {
    let mut demo = Demo::new(2);
    assert!(demo.result.faces[0].region_c.at(0).is_ok());
    // The values are there, and must not get out.
    demo.result.radiometric = false;
    let value = valid(&schema(), &line(&demo.result));
    for face in value["faces"].as_array().unwrap() {
        assert!(face["temperature_c"].as_object().unwrap().values().all(Value::is_null));
        assert!(face["landmark_temperature_c"].as_array().unwrap().iter().all(Value::is_null));
        assert_eq!(face["temperature_reason"], "not_radiometric");
    }
}

#[test]
fn the_schema_refuses_what_breaks_the_contract() {
    let schema = schema();
    let demo = Demo::new(1);
    let good: Value = serde_json::from_str(&demo.json).unwrap();
    assert!(schema.is_valid(&good));
    type Break = fn(&mut Value);
    let breaks: [(&str, Break); 15] = [
        ("another version", |v| v["schema"] = json!("heatmark.result/2")),
        ("no source", |v| drop(v.as_object_mut().unwrap().remove("source"))),
        ("a negative count", |v| v["seq"] = json!(-1)),
        ("a number as text", |v| v["width"] = json!("160")),
        ("an unknown state", |v| v["state"] = json!("fine")),
        ("time without zone", |v| v["captured_utc"] = json!("2026-01-01T12:00:00.123")),
        ("69 landmarks", |v| drop(v["faces"][0]["landmarks"].as_array_mut().unwrap().pop())),
        ("a flat landmark", |v| v["faces"][0]["landmarks"][5] = json!([1.0, 2.0])),
        ("a confidence above 1", |v| v["faces"][0]["landmarks"][5][2] = json!(1.5)),
        ("a region missing", |v| drop(v["faces"][0]["temperature_c"].as_object_mut().unwrap().remove("mouth"))),
        ("a region unknown", |v| v["faces"][0]["temperature_c"]["ear"] = json!(30.0)),
        ("below absolute zero", |v| v["faces"][0]["temperature_c"]["mouth"] = json!(-300.0)),
        ("an unknown reason", |v| v["faces"][0]["temperature_reason"] = json!("because")),
        ("degrees of a camera without", |v| v["radiometric"] = json!(false)),
        ("a lost frame without reason", |v| drop(v["dropped"].as_object_mut().unwrap().remove("stopping"))),
    ];
    for (what, change) in breaks {
        let mut bad = good.clone();
        change(&mut bad);
        assert!(!schema.is_valid(&bad), "accepted: {what}");
    }
    // Growth within the version.
    for (what, change) in [
        ("a new member", (|v| v["blink"] = json!(true)) as Break),
        ("a new member of a face", |v| v["faces"][0]["blink"] = json!(true)),
        ("a new stage", |v| v["latency_us"]["render"] = json!(5)),
    ] {
        let mut grown = good.clone();
        change(&mut grown);
        assert!(schema.is_valid(&grown), "refused: {what}");
    }
}

#[test]
fn what_is_written_is_described() {
    let schema: Value = serde_json::from_str(RESULT_SCHEMA).unwrap();
    let demo = Demo::new(1);
    let value: Value = serde_json::from_str(&demo.json).unwrap();
    let described = |at: &Value, value: &Value| {
        for key in value.as_object().unwrap().keys() {
            assert!(at["properties"].get(key).is_some(), "{key} is not in the schema");
        }
    };
    described(&schema, &value);
    described(&schema["$defs"]["face"], &value["faces"][0]);
    for region in REGIONS {
        assert!(schema["$defs"]["face"]["properties"]["temperature_c"]["properties"].get(region.name).is_some());
    }
}

fn any_f32() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -200.0..200.0f32,
        1 => any::<f32>(),
        1 => prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -0.0, 1e-40]),
    ]
}

fn any_temperature() -> impl Strategy<Value = Result<f32, NoTemperature>> {
    use NoTemperature::*;
    prop_oneof![
        3 => any_f32().prop_map(Ok),
        1 => prop::sample::select(vec![NotRadiometric, OutsideFrame, Occluded, Ffc, Saturated, Lost]).prop_map(Err),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_number_breaks_the_contract(
        values in prop::collection::vec(any_f32(), 3 * COUNT + 9),
        temperatures in prop::collection::vec(any_temperature(), COUNT + 8),
        source in ".{0,40}",
        utc in any::<Option<i64>>(),
        (seq, radiometric) in any::<(u64, bool)>(),
    ) {
        let mut demo = Demo::new(1);
        let (r, v) = (&mut demo.result, &values[3 * COUNT..]);
        (r.source, r.captured_utc_ns, r.seq, r.radiometric) = (source.as_str().into(), utc, seq, radiometric);
        let face: &mut Face = &mut r.faces[0];
        face.bbox = [v[0], v[1], v[2], v[3]].into();
        (face.score, face.presence) = (v[4], v[5]);
        (face.pose.yaw, face.pose.pitch, face.pose.roll) = (v[6], v[7], v[8]);
        for (p, v) in face.landmarks.iter_mut().zip(values.chunks_exact(3)) {
            (p.x, p.y, p.confidence) = (v[0], v[1], v[2]);
        }
        for (i, reading) in temperatures.into_iter().enumerate() {
            if i < 8 { face.region_c.set(i, reading) } else { face.landmark_c.set(i - 8, reading) }
        }
        let value = valid(&SCHEMA, &line(r));
        prop_assert_eq!(value["source"].as_str(), Some(source.as_str()));
        let missing = value["faces"][0]["region_reasons"].as_object().unwrap().len();
        prop_assert_eq!(missing == 0, value["faces"][0]["temperature_reason"].is_null());
    }
}

static SCHEMA: std::sync::LazyLock<Validator> = std::sync::LazyLock::new(schema);

#[test]
fn writing_allocates_nothing_once_warm() {
    let demo = Demo::new(8);
    let mut out = String::new();
    demo.result.write_json(&mut out);
    let (room, place) = (out.capacity(), out.as_ptr());
    for _ in 0..100 {
        out.clear();
        demo.result.write_json(&mut out);
    }
    assert_eq!((out.capacity(), out.as_ptr()), (room, place));
}

// ---- ways out ----

fn settle(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < until, "waited 10 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_file_gets_every_line_and_heals_a_cut_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results.ndjson");
    std::fs::write(&path, "{\"schema\":\"heatma").unwrap();
    let settings = Settings { every: true, ..Settings::default() };
    let mut sink = LineSink::file(&path, &settings).unwrap();
    let mut demo = Demo::new(1);
    for _ in 0..300 {
        demo.advance();
        demo.put(&mut sink).unwrap();
    }
    sink.finish().unwrap();
    assert_eq!(sink.lost(), 0);
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 301);
    assert!(text.ends_with('\n'));
    for (i, l) in lines[1..].iter().enumerate() {
        assert_eq!(valid(&SCHEMA, l)["seq"], 2 + i as u64);
    }
}

#[test]
fn a_full_disk_ends_the_sink_and_says_so() {
    if !Path::new("/dev/full").exists() {
        println!("skipped: no /dev/full");
        return;
    }
    let mut sink = LineSink::file(Path::new("/dev/full"), &Settings::default()).unwrap();
    let demo = Demo::new(0);
    let mut error = None;
    settle("the error", || {
        error = demo.put(&mut sink).err();
        error.is_some()
    });
    let error = error.unwrap();
    assert_eq!(error.remedy(), heatmark::Remedy::Fix);
    assert!(error.to_string().starts_with("/dev/full: the disk is full"), "{error}");
}

#[test]
fn a_blocked_writer_never_blocks_the_caller() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    // Opened for both, so that opening does not wait; nobody reads.
    let reader = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    let mut sink = LineSink::file(&path, &Settings::default()).unwrap();
    let demo = Demo::new(2);
    let mut worst = Duration::ZERO;
    for _ in 0..400 {
        let start = Instant::now();
        demo.put(&mut sink).unwrap();
        worst = worst.max(start.elapsed());
    }
    assert!(worst < Duration::from_millis(500), "{worst:?}");
    // The pipe holds 64 KiB and the ring 64 lines of about 6 KB; the rest is lost and, once read, counted.
    let drain = std::thread::spawn(move || {
        let mut lines = BufReader::new(reader).lines();
        let mut got = 0;
        while let Some(Ok(line)) = lines.next() {
            if line == "end" {
                return got;
            }
            valid(&SCHEMA, &line);
            got += 1;
        }
        got
    });
    settle("the loss to be counted", || sink.lost() > 0);
    sink.finish().unwrap();
    let lost = sink.lost();
    std::fs::File::options().write(true).open(&path).unwrap().write_all(b"end\n").unwrap();
    let got = drain.join().unwrap();
    assert_eq!(got + lost, 400);
    assert!(lost > 200, "{lost}");
}

/// Runs in a process of its own, for the next test.
#[test]
#[ignore = "only as the child of a_reader_that_leaves_ends_the_sink_in_peace"]
fn lines_to_a_closed_pipe() {
    let mut sink = LineSink::stdout(&Settings::default()).unwrap();
    let demo = Demo::new(1);
    let mut error = None;
    settle("the broken pipe", || {
        error = demo.put(&mut sink).err();
        error.is_some()
    });
    let error = error.unwrap();
    eprintln!("gone: {} {error}", is_reader_gone(&error));
}

#[test]
fn a_reader_that_leaves_ends_the_sink_in_peace() {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "lines_to_a_closed_pipe", "--nocapture"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.find(|l| l.as_ref().unwrap().starts_with("{\"schema\"")).unwrap().unwrap();
    valid(&SCHEMA, &first);
    drop(lines);
    let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(said.contains("gone: true standard output: its reader has gone"), "{said}");
    assert!(!is_reader_gone(&heatmark::Error::retry("x", "y")));
}

#[test]
fn a_unix_socket_serves_many_readers_and_drops_none_of_the_good_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results.sock");
    let mut sink = UnixSink::open(&path, 0o600, 12).unwrap();
    assert!(!sink.wants().json, "nobody reads");
    let good: Vec<_> = (0..8)
        .map(|_| {
            let stream = UnixStream::connect(&path).unwrap();
            std::thread::spawn(move || {
                let seqs = BufReader::new(stream).lines().map(|l| valid(&SCHEMA, &l.unwrap())["seq"].as_u64().unwrap());
                seqs.collect::<Vec<_>>()
            })
        })
        .collect();
    let silent: Vec<_> = (0..3).map(|_| UnixStream::connect(&path).unwrap()).collect();
    settle("readers", || sink.wants().json);
    std::thread::sleep(Duration::from_millis(200));
    let mut demo = Demo::new(2);
    let mut worst = Duration::ZERO;
    for _ in 0..200 {
        demo.advance();
        let start = Instant::now();
        demo.put(&mut sink).unwrap();
        worst = worst.max(start.elapsed());
        std::thread::sleep(Duration::from_millis(4));
    }
    sink.finish().unwrap();
    // A wait for a silent reader would take seconds.
    assert!(worst < Duration::from_millis(500), "{worst:?}");
    for reader in good {
        let seqs = reader.join().unwrap();
        assert!(seqs.windows(2).all(|w| w[0] < w[1]), "in order");
        assert!(seqs.len() > 150, "{}", seqs.len());
        assert_eq!(*seqs.last().unwrap(), demo.result.seq, "the last line arrives");
    }
    assert!(sink.lost() > 0, "the silent ones lost lines");
    drop(silent);
    assert!(!path.exists(), "the socket file is removed");
}

#[test]
fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("results.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a dead socket file");
    let sink = UnixSink::open(&path, 0o600, 4).unwrap();
    let error = UnixSink::open(&path, 0o600, 4).err().expect("taken");
    assert!(error.to_string().contains("another process listens there"), "{error}");
    UnixStream::connect(&path).expect("the first still listens");
    // Replaced by somebody else: not ours to remove.
    std::fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    drop(sink);
    assert!(path.exists());
    let file = dir.path().join("precious.txt");
    std::fs::write(&file, "x").unwrap();
    let error = UnixSink::open(&file, 0o600, 4).err().expect("not a socket");
    assert!(error.to_string().contains("not a socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "x");
}

#[test]
fn datagrams_carry_one_line_each_and_long_lines_are_counted() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let to = receiver.local_addr().unwrap().to_string();
    let mut sink = UdpSink::open(&to, 60_000).unwrap();
    let demo = Demo::new(2);
    demo.put(&mut sink).unwrap();
    let mut buffer = vec![0; 70_000];
    let n = receiver.recv(&mut buffer).unwrap();
    valid(&SCHEMA, std::str::from_utf8(&buffer[..n]).unwrap());
    let mut short = UdpSink::open(&to, 500).unwrap();
    for _ in 0..3 {
        demo.put(&mut short).unwrap();
    }
    assert_eq!((sink.lost(), short.lost()), (0, 3));
    // Nobody there: lost, and no error.
    drop(receiver);
    for _ in 0..10 {
        demo.put(&mut sink).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(sink.lost() > 0);
}

#[test]
fn settings_refuse_what_cannot_work() {
    for (bad, key) in [
        (Settings { udp: Some("nowhere".into()), ..Settings::default() }, "sink.ndjson.udp"),
        (Settings { udp_max_bytes: 70_000, ..Settings::default() }, "sink.ndjson.udp_max_bytes"),
        (Settings { unix_readers: 0, ..Settings::default() }, "sink.ndjson.unix_readers"),
        (Settings { unix_mode: 0o1777, ..Settings::default() }, "sink.ndjson.unix_mode"),
    ] {
        assert_eq!(bad.validate().unwrap_err().subject(), key);
    }
    assert!(Settings::default().validate().is_ok());
    let unknown = toml::from_str::<Settings>("stdotu = true").unwrap_err().to_string();
    assert!(unknown.contains("unknown field"), "{unknown}");
}
