//! The real program, run as a person or a service manager runs it.

use std::io::Read;
use std::process::{Command, Output, Stdio};

fn heatmark(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heatmark"));
    command.args(args).stdin(Stdio::null());
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
