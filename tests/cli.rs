//! The real program, run as a person or a service manager runs it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn heatmark(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heatmark"));
    command.args(args).stdin(Stdio::null()).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// With the small models of the tests where none are built in.
fn with_models(args: &[&str]) -> Command {
    let mut command = heatmark(args);
    if heatmark::nn::Model::names().next().is_none() {
        command.args(["--set", "face.detector=tests/data/models/tiny-detector.toml"]);
        command.args(["--set", "face.landmarks=tests/data/models/tiny-landmarks.toml"]);
    }
    command
}

fn output(args: &[&str]) -> Output {
    heatmark(args).output().unwrap()
}

fn code(out: &Output) -> i32 {
    out.status.code().unwrap_or_else(|| panic!("ended by a signal: {out:?}"))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Commands named in a help text.
fn commands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    lines
        .filter(|l| l.starts_with("  ") && !l.starts_with("   "))
        .filter_map(|l| l.split_whitespace().next().map(str::to_string))
        .collect()
}

fn help_of(path: &[String], seen: &mut Vec<String>) {
    let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
    args.push("--help");
    let out = output(&args);
    assert_eq!(code(&out), 0, "{path:?}");
    let help = text(&out.stdout);
    assert!(help.contains("Usage: heatmark"), "{path:?}: {help}");
    assert!(help.lines().all(|l| l.chars().count() <= 100), "{path:?} is too wide: {help}");
    seen.push(path.join(" "));
    for command in commands(help) {
        let mut inner = path.to_vec();
        inner.push(command);
        help_of(&inner, seen);
    }
}

#[test]
fn every_command_has_a_help() {
    let mut seen = Vec::new();
    help_of(&[], &mut seen);
    for wanted in ["config", "config check", "config show", "config reference", "schema"] {
        assert!(seen.iter().any(|s| s == wanted), "no {wanted} in {seen:?}");
    }
}

#[test]
fn the_help_ends_with_the_exit_codes() {
    let out = output(&["--help"]);
    for code in ["  0  ", "  1  ", "  2  ", "  3  ", "130  "] {
        assert!(text(&out.stdout).contains(code), "{code}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_the_nearest_command() {
    let out = output(&["shema"]);
    assert_eq!(code(&out), 2);
    assert!(text(&out.stderr).contains("'schema'"), "{out:?}");
    assert_eq!(code(&output(&[])), 2);
    assert_eq!(code(&output(&["--version"])), 0);
}

#[test]
fn config_check_tells_every_error_with_its_line_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, "bord = \"auto\"\n\n[surface]\nemisivity = 0.9\nreflected_c = \"warm\"\n").unwrap();
    let path = file.to_str().unwrap();
    let out = output(&["config", "check", path]);
    assert_eq!((code(&out), out.stdout.len()), (2, 0));
    assert_eq!(
        text(&out.stderr),
        format!(
            "error: {path}:1: bord: no such key; the nearest is board\n\
             error: {path}:4: surface.emisivity: no such key; the nearest is surface.emissivity\n\
             error: {path}:5: surface.reflected_c: found \"warm\", wanted a number\n\
             3 errors\n"
        )
    );
    let out = output(&["config", "check", "/nowhere/heatmark.toml"]);
    assert_eq!(code(&out), 2);
    assert!(text(&out.stderr).starts_with("error: /nowhere/heatmark.toml: "), "{out:?}");
}

#[test]
fn config_show_tells_where_each_value_was_set() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.toml");
    std::fs::write(&file, "surface.emissivity = 0.95\n").unwrap();
    let path = file.to_str().unwrap();
    let out = output(&["config", "show", "--config", path, "--set", "surface.reflected_c=21", "-v"]);
    assert_eq!(code(&out), 0, "{out:?}");
    let row = |key: &str| {
        text(&out.stdout).lines().find(|l| l.starts_with(key)).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("surface.emissivity"), format!("surface.emissivity = 0.95 # {path}:1"));
    assert_eq!(row("surface.reflected_c"), "surface.reflected_c = 21 # --set");
    assert_eq!(row("log.level"), "log.level = \"debug\" # -v");
    assert_eq!(row("log.journal"), "log.journal = false # default");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    for args in [&["config", "reference"][..], &["schema"], &["--help"]] {
        let mut child = heatmark(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!((child.wait().unwrap().code(), told.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn the_schema_is_a_schema() {
    let out = output(&["schema"]);
    assert_eq!(code(&out), 0);
    let schema: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(jsonschema::validator_for(&schema).is_ok());
}

const CLIP: &str = "models/clips/demo.tiff";

/// Longest that anything here may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

fn spawn(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Exit code and what was written to standard error; fails where it does not end.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let mut err = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut told = String::new();
        err.read_to_string(&mut told).unwrap();
        told
    });
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("does not end: {}", reader.join().unwrap());
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    (status.code(), reader.join().unwrap())
}

fn schema() -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_slice(&output(&["schema"]).stdout).unwrap()).unwrap()
}

#[test]
fn the_demo_shows_a_line_each_second_and_a_summary() {
    let out = with_models(&["demo", "--seconds", "3.5", "--no-http"]).output().unwrap();
    assert_eq!(code(&out), 0, "{out:?}");
    let told = text(&out.stdout);
    let lines =
        told.lines().filter(|l| l.contains(" fps  ") && l.contains("  age p50 ") && l.contains("  dropped ")).count();
    assert!((2..=4).contains(&lines), "{told}");
    assert!(told.contains("\ndemo: ") && told.contains(" captured, ") && told.contains(" tracks, in "), "{told}");
}

#[test]
fn the_demo_serves_the_page_it_names() {
    let mut child = spawn(with_models(&["demo", "--listen", "127.0.0.1:0"]));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let page = lines.find_map(|l| l.unwrap().strip_prefix("live page: http://").map(str::to_string)).unwrap();
    let address = page.split('/').next().unwrap().to_string();
    let mut page = TcpStream::connect(&address).unwrap();
    page.set_read_timeout(Some(LIMIT)).unwrap();
    write!(page, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    page.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // The reader must stay, or the summary would meet a closed pipe.
    let rest = std::thread::spawn(move || lines.map(|l| l.unwrap() + "\n").collect::<String>());
    signal(&child, "-INT");
    assert_eq!(ended(child).0, Some(0));
    assert!(rest.join().unwrap().contains(" captured, "));
}

#[test]
fn results_on_standard_output_come_alone_and_fulfil_the_schema() {
    let out = with_models(&["demo", "--seconds", "2", "--no-http", "--ndjson", "-"]).output().unwrap();
    assert_eq!(code(&out), 0, "{out:?}");
    let schema = schema();
    let mut count = 0;
    for line in text(&out.stdout).lines() {
        let result: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(schema.is_valid(&result), "{line}");
        assert_eq!(result["source"], "demo");
        count += 1;
    }
    assert!(count > 3, "{out:?}");
    assert!(text(&out.stderr).contains(" captured, "), "{out:?}");
}

#[test]
fn the_first_signal_ends_in_order() {
    for name in ["-INT", "-TERM"] {
        let mut child = spawn(with_models(&["demo", "--no-http"]));
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut told = String::new();
        out.read_line(&mut told).unwrap();
        signal(&child, name);
        out.read_to_string(&mut told).unwrap();
        assert_eq!(ended(child).0, Some(0), "{name}");
        assert!(told.contains(" captured, "), "{name}: {told}");
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    // Nobody reads, and no line may be lost: the orderly end takes long.
    let mut child = spawn(with_models(&["replay", CLIP, "--repeat", "--every", "--no-http", "--ndjson", "-"]));
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    signal(&child, "-INT");
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none(), "ended in order although nobody read");
    let second = Instant::now();
    signal(&child, "-INT");
    let (code, told) = ended(child);
    assert_eq!(code, Some(130), "{told}");
    assert!(second.elapsed() < Duration::from_secs(5));
}

#[test]
fn results_whose_reader_leaves_end_the_run_in_peace() {
    let mut child = spawn(with_models(&["demo", "--listen", "127.0.0.1:0", "--ndjson", "-"]));
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    drop(out);
    let (code, told) = ended(child);
    assert_eq!(code, Some(0), "{told}");
    assert!(!told.contains("error: ") && !told.contains("panicked"), "{told}");
}

#[test]
fn every_frame_gives_the_same_bytes_on_every_run() {
    let run = || with_models(&["replay", CLIP, "--every", "--no-http", "--ndjson", "-"]).output().unwrap();
    let (first, second) = (run(), run());
    assert_eq!((code(&first), code(&second)), (0, 0), "{first:?}");
    assert!(text(&first.stdout).lines().count() > 10);
    assert!(first.stdout == second.stdout, "two runs differ");
}

#[test]
fn the_built_in_clip_can_be_replayed_unless_a_file_is_called_so() {
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        let mut command = with_models(&["replay", "demo", "--every", "--no-http", "--ndjson", "-"]);
        command.current_dir(&folder).output().unwrap()
    };
    let out = run();
    assert_eq!(code(&out), 0, "{out:?}");
    assert!(text(&out.stdout).lines().count() > 10);
    std::fs::write(folder.path().join("demo"), b"no picture at all").unwrap();
    assert_eq!(code(&run()), 2);
}

#[test]
fn what_cannot_be_played_ends_with_2_and_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let junk = folder.path().join("junk.tiff");
    std::fs::write(&junk, b"no picture at all").unwrap();
    for path in ["/nowhere/clip.tiff", junk.to_str().unwrap(), folder.path().to_str().unwrap()] {
        let out = with_models(&["replay", path, "--no-http"]).output().unwrap();
        assert_eq!(code(&out), 2, "{out:?}");
        assert!(text(&out.stderr).starts_with("error: ") && text(&out.stderr).contains(path), "{out:?}");
    }
    let out = heatmark(&["demo", "--set", "face.landmarks=no-such-model", "--no-http"]).output().unwrap();
    assert_eq!(code(&out), 2, "{out:?}");
    assert!(text(&out.stderr).contains("no-such-model"), "{out:?}");
}

/// A 16-bit grey picture of a warm ramp, centikelvin.
fn picture(path: &std::path::Path) {
    let (width, height) = (160, 120);
    let pixels: Vec<u8> = (0..width * height).flat_map(|i| (29_500 + (i % width) as u16 * 5).to_be_bytes()).collect();
    let mut encoder = png::Encoder::new(std::fs::File::create(path).unwrap(), width, height);
    encoder.set_depth(png::BitDepth::Sixteen);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
}

#[test]
fn pictures_give_a_line_each_and_annotated_copies() {
    let folder = tempfile::tempdir().unwrap();
    let (a, other) = (folder.path().join("a.png"), folder.path().join("other"));
    std::fs::create_dir(&other).unwrap();
    let b = other.join("a.png");
    picture(&a);
    picture(&b);
    let seen = folder.path().join("seen");
    let (a, b, missing) = (a.to_str().unwrap(), b.to_str().unwrap(), "/nowhere/c.png");
    let out = with_models(&["infer", a, missing, b, "--signal", "centikelvin", "--annotate", seen.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(code(&out), 2, "{out:?}");
    assert!(text(&out.stderr).contains(missing), "{out:?}");
    let schema = schema();
    let lines: Vec<serde_json::Value> = text(&out.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(lines.iter().all(|l| schema.is_valid(l)), "{lines:?}");
    assert_eq!(lines.iter().map(|l| l["image"].as_str().unwrap()).collect::<Vec<_>>(), [a, b]);
    assert!(lines.iter().all(|l| l["radiometric"] == true));
    for name in ["a.png", "a-2.png"] {
        let file = std::io::BufReader::new(std::fs::File::open(seen.join(name)).unwrap());
        let width = png::Decoder::new(file).read_info().unwrap().info().width;
        assert!(width >= 160 && width.is_multiple_of(160), "{name}");
    }

    let before = std::fs::read(a).unwrap();
    let out = with_models(&["infer", a, "--annotate", folder.path().to_str().unwrap()]).output().unwrap();
    assert_eq!(code(&out), 2, "{out:?}");
    assert!(std::fs::read(a).unwrap() == before, "the picture itself was overwritten");
}

#[test]
fn what_was_recorded_can_be_played() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("kept");
    let args = [
        "record",
        "demo",
        "--dir",
        dir.to_str().unwrap(),
        "--seconds",
        "2",
        "--no-http",
        "--set",
        "sink.record.min_free_mb=0",
    ];
    let out = with_models(&args).output().unwrap();
    assert_eq!(code(&out), 0, "{out:?}");
    assert!(text(&out.stdout).contains("  recorded "), "{out:?}");
    let file = std::fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    let out =
        with_models(&["replay", file.to_str().unwrap(), "--every", "--no-http", "--ndjson", "-"]).output().unwrap();
    assert_eq!(code(&out), 0, "{out:?}");
    assert!(text(&out.stdout).lines().count() > 3, "{out:?}");
}

#[test]
fn the_bench_measures_every_stage() {
    let out = with_models(&["bench", "--frames", "20", "--warm-up", "20", "--json"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out:?}"));
    let stages = report["stages"].as_array().unwrap();
    let names: Vec<_> = stages.iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["read", "capture", "infer", "render", "json", "jpeg"]);
    let (infer, networks) = (stages[2]["mean_ms"].as_f64().unwrap(), report["networks_ms"].as_f64().unwrap());
    assert!(0.2 * infer < networks && networks < infer, "{report}");
    assert!(stages.iter().all(|s| s["p50_ms"].as_f64() > Some(0.0) && s["p50_ms"].as_f64() <= s["max_ms"].as_f64()));
    assert!(report["pipeline"]["fps"].as_f64() > Some(0.0) && report["memory"]["resident_kb"].as_u64() > Some(1000));
    // A program that does not count says so; `tests/bench.rs` always counts.
    let none: serde_json::Value = if cfg!(feature = "count-allocations") { 0.into() } else { ().into() };
    for stage in stages.iter().filter(|s| s["must_not_allocate"] == true) {
        assert_eq!(stage["allocations"], none, "{stage}");
    }
    assert_eq!(report["pipeline"]["allocations"], none, "{report}");
    assert_eq!(code(&out), 0, "{out:?}");
}
