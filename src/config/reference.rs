//! The reference of the configuration: a file that sets every key to its default, with comments.

use std::fmt::Write as _;

use super::Config;
use super::keys::{Choice, Key, Keys, Kind, split};
use super::layers::{defaults, shown};
use crate::error::Result;

/// Columns of the text.
const WIDTH: usize = 100;

/// Every section and key with its description, as TOML that can be used unchanged.
///
/// # Errors
/// Fatal if the defaults have no form in TOML.
pub fn text() -> Result<String> {
    let keys = Keys::of::<Config>(&defaults::<Config>()?);
    let mut out = String::from("# Every key of Heatmark with its default. Keys without one are commented out.\n");
    for key in keys.keys.iter().filter(|k| split(&k.path).0.is_empty()) {
        entry(&mut out, key);
    }
    for section in &keys.sections {
        let mut own = keys.keys.iter().filter(|k| split(&k.path).0 == section.path).peekable();
        out.push('\n');
        comment(&mut out, "#", &section.about);
        if own.peek().is_some() {
            let _ = writeln!(out, "[{}]", section.path);
        }
        own.for_each(|key| entry(&mut out, key));
    }
    Ok(out)
}

fn entry(out: &mut String, key: &Key) {
    out.push('\n');
    let range = key.range.as_ref().filter(|range| range.max.is_some());
    let range = range.map(|range| format!(" Range {range}.")).unwrap_or_default();
    comment(out, "#", &format!("{}{range}", key.about));
    if let Kind::Choice(words) | Kind::List(words) = &key.kind {
        choices(out, words);
    }
    let (_, leaf) = split(&key.path);
    let _ = match &key.default {
        Some(value) => writeln!(out, "{leaf} = {}", shown(key, value)),
        None => writeln!(out, "# {leaf} = "),
    };
}

/// The words that a key takes: one per line if each has its own description, else all in one row.
fn choices(out: &mut String, words: &[Choice]) {
    if words.iter().all(|c| c.about.is_empty()) {
        let quoted: Vec<_> = words.iter().map(|c| format!("\"{}\"", c.word)).collect();
        return comment(out, "#  ", &quoted.join(", "));
    }
    for Choice { word, about } in words {
        comment(out, "#  ", &format!("\"{word}\": {about}"));
    }
}

/// Writes `text` as comment lines that begin with `start`.
fn comment(out: &mut String, start: &str, text: &str) {
    let mut line = String::from(start);
    for word in text.split_whitespace() {
        if line.len() + word.len() + 1 > WIDTH {
            let _ = writeln!(out, "{line}");
            line = String::from(start);
        }
        line.push(' ');
        line.push_str(word);
    }
    if line.len() > start.len() {
        let _ = writeln!(out, "{line}");
    }
}
