//! The reference of the configuration, printed from the code: a file that sets every key to its default.

use std::fmt::Write as _;

use super::keys::{Keys, Kind, split};
use super::{Config, docs, layers};
use crate::error::{Error, Result};

/// Columns of the text.
const WIDTH: usize = 100;

/// Every section and key with what it means, as TOML that can be used as it is.
///
/// # Errors
/// Fatal where the defaults cannot be listed.
pub fn text() -> Result<String> {
    let defaults = layers::defaults::<Config>()?;
    let keys = Keys::of::<Config>(&defaults).map_err(|e| Error::fatal("settings", "cannot be listed").because(e))?;
    let mut out = String::from("# Every key of Heatmark with its default. Unset keys stand behind `#`.\n");
    for key in keys.keys.iter().filter(|k| split(&k.path).0.is_empty()) {
        entry(&mut out, key);
    }
    for section in &keys.sections {
        let mut own = keys.keys.iter().filter(|k| split(&k.path).0 == section).peekable();
        out.push('\n');
        comment(&mut out, &docs::of(section));
        if own.peek().is_some() {
            let _ = writeln!(out, "[{section}]");
        }
        own.for_each(|key| entry(&mut out, key));
    }
    Ok(out)
}

fn entry(out: &mut String, key: &super::keys::Key) {
    out.push('\n');
    let mut text = docs::of(&key.path);
    if let Kind::Choice(_) = key.kind {
        let _ = write!(text, " One of {}.", key.kind.to_string().replace(" or ", ", "));
    }
    comment(out, &text);
    let (_, leaf) = split(&key.path);
    let _ = match &key.default {
        Some(value) => writeln!(out, "{leaf} = {value}"),
        None => writeln!(out, "# {leaf} = "),
    };
}

fn comment(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + word.len() + 1 > WIDTH {
            let _ = writeln!(out, "{line}");
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    if line.len() > 1 {
        let _ = writeln!(out, "{line}");
    }
}
