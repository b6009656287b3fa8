//! The written pages: links lead somewhere, examples are what the program takes.

#![cfg(feature = "program")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Folders that hold nothing of ours, wherever they are.
const FOREIGN: [&str; 3] = ["target", "node_modules", "site-packages"];

/// Every Markdown file of the repository with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let (mut folders, mut found) = (vec![PathBuf::from(ROOT)], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && !path.is_symlink() && !name.starts_with('.') && !FOREIGN.contains(&name.as_ref()) {
                folders.push(path);
            } else if name.ends_with(".md") {
                let text = fs::read_to_string(&path).expect("UTF-8");
                found.push((path, text));
            }
        }
    }
    found.sort();
    assert!(found.len() > 5, "{} pages", found.len());
    found
}

/// The fenced blocks of this language.
fn blocks<'a>(text: &'a str, language: &'a str) -> impl Iterator<Item = &'a str> {
    text.split("```").skip(1).step_by(2).filter_map(move |block| block.strip_prefix(language)?.strip_prefix('\n'))
}

/// Lines without the text of fenced blocks.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

fn heatmark(arguments: &[&str]) -> (bool, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_heatmark")).args(arguments).output().expect("the program starts");
    (out.status.success(), String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut broken = Vec::new();
    for (page, text) in pages() {
        let folder = page.parent().unwrap_or(Path::new(ROOT));
        for link in prose(&text).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !link.contains("://") && !file.is_empty() && !folder.join(file).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn configurations_in_pages_are_valid() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut checked = 0;
    for (page, text) in pages() {
        for block in blocks(&text, "toml").filter(|block| block.contains("[sink.")) {
            let file = folder.path().join("heatmark.toml");
            fs::write(&file, block).expect("written");
            let (valid, said) = heatmark(&["config", "check", file.to_str().expect("UTF-8")]);
            assert!(valid, "{}: {said}", page.display());
            checked += 1;
        }
    }
    assert!(checked > 0, "no page shows a configuration");
}

#[test]
fn commands_in_pages_exist_with_their_options() {
    let mut checked = 0;
    for (page, text) in pages() {
        let lines = blocks(&text, "sh").flat_map(str::lines).map(|line| line.split(" # ").next().unwrap_or(line));
        for line in lines.filter_map(|line| line.trim().strip_prefix("heatmark ")) {
            let words: Vec<_> = line.split_whitespace().collect();
            let lower = |w: &&&str| w.bytes().all(|b| b.is_ascii_lowercase());
            let command: Vec<_> = words.iter().skip_while(|w| w.starts_with('-')).take_while(lower).copied().collect();
            // A second word may be a subcommand or an argument.
            let help = (1..=command.len().min(2)).rev().find_map(|n| {
                let (known, help) = heatmark(&[&command[..n], &["--help"]].concat());
                known.then_some(help)
            });
            let help = help.unwrap_or_else(|| panic!("{}: no such command: {line}", page.display()));
            for option in words.iter().filter(|w| w.starts_with("--")) {
                assert!(help.contains(option), "{}: {line}: no option {option}", page.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 5, "only {checked} commands");
}

#[test]
fn the_front_page_stays_short() {
    let text = fs::read_to_string(Path::new(ROOT).join("README.md")).expect("README.md");
    assert!(text.lines().count() <= 120, "{} lines", text.lines().count());
    assert!(text.contains("cargo run --release -- demo") && text.contains("cargo test --release"));
}
