//! Collects the doc comments of structs that are read from TOML, so that the reference of the
//! configuration is written once, in the code.

use std::fmt::Write as _;
use std::path::Path;

/// `&[(module path, struct, &[(field, type, doc)])]` of every `Deserialize` struct with named fields.
pub fn table(src: &Path) -> String {
    let mut found = Vec::new();
    let mut aliases = Vec::new();
    walk(src, "", &mut found, &mut aliases);
    for (module, name, target) in aliases {
        let struct_there = found.iter().find(|s| s.0 == target && s.1 == name);
        if let Some((_, name, fields)) = struct_there.cloned() {
            found.push((module, name, fields));
        }
    }
    found.sort();
    let mut out = String::from("&[\n");
    for (module, name, fields) in found {
        writeln!(out, "    ({module:?}, {name:?}, &[").expect("to a String");
        for (field, kind, doc) in fields {
            writeln!(out, "        ({field:?}, {kind:?}, {doc:?}),").expect("to a String");
        }
        out.push_str("    ]),\n");
    }
    out.push(']');
    out
}

type Struct = (String, String, Vec<(String, String, String)>);

/// A struct that a module passes on: module, name, the module it stands in.
type Alias = (String, String, String);

fn walk(folder: &Path, module: &str, found: &mut Vec<Struct>, aliases: &mut Vec<Alias>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default();
    entries.sort();
    for path in entries {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let inner = if module.is_empty() { stem } else { format!("{module}::{stem}") };
        if path.is_dir() {
            walk(&path, &inner, found, aliases);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            structs(&inner, &text, found);
            aliases.extend(text.lines().filter_map(|line| alias(&inner, line)));
        }
    }
}

/// `pub use path::Name;`
fn alias(module: &str, line: &str) -> Option<Alias> {
    let (path, name) = line.strip_prefix("pub use ")?.strip_suffix(';')?.rsplit_once("::")?;
    let target = match path.strip_prefix("crate::") {
        Some(path) => path.to_string(),
        None => format!("{module}::{}", path.trim_start_matches("self::")),
    };
    Some((module.to_string(), name.to_string(), target))
}

fn structs(module: &str, text: &str, found: &mut Vec<Struct>) {
    let mut lines = text.lines();
    let mut readable = false;
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.starts_with("#[derive(") {
            readable = line.contains("Deserialize");
        } else if let Some(rest) = line.strip_prefix("pub struct ").filter(|_| readable) {
            readable = false;
            if let Some(name) = rest.strip_suffix(" {") {
                found.push((module.to_string(), name.to_string(), fields(&mut lines)));
            }
        } else if !line.starts_with("#[") && !line.starts_with("///") {
            readable = false;
        }
    }
}

fn fields<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<(String, String, String)> {
    let mut fields = Vec::new();
    let mut doc = String::new();
    for line in lines.map(str::trim) {
        if line.starts_with('}') {
            break;
        } else if let Some(text) = line.strip_prefix("///") {
            let gap = if doc.is_empty() { "" } else { " " };
            doc.push_str(gap);
            doc.push_str(text.trim());
        } else if let Some((name, kind)) = line.strip_prefix("pub ").and_then(|l| l.split_once(": ")) {
            fields.push((name.to_string(), kind.trim_end_matches(',').to_string(), std::mem::take(&mut doc)));
        }
    }
    fields
}
