//! What the doc comments of the settings say, by key.

use super::keys::split;

/// Module, struct, and its fields: name, type, text. Collected at build time.
type Struct = (&'static str, &'static str, &'static [(&'static str, &'static str, &'static str)]);

const STRUCTS: &[Struct] = include!(concat!(env!("OUT_DIR"), "/docs.rs"));

/// Text about the key or section `path` of [`super::Config`]; empty where the code says nothing.
pub fn of(path: &str) -> String {
    field(path).map(|(_, _, doc)| plain(doc)).unwrap_or_default()
}

/// The field that `path` names, with the module it stands in.
fn field(path: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let (section, leaf) = split(path);
    let (module, _, fields) = owner(section)?;
    fields.iter().find(|f| f.0 == leaf).map(|&(_, kind, doc)| (*module, kind, doc))
}

/// The struct behind a section.
fn owner(section: &str) -> Option<&'static Struct> {
    if section.is_empty() {
        return STRUCTS.iter().find(|s| s.0 == "config" && s.1 == "Config");
    }
    let (module, kind, _) = field(section)?;
    let kind = kind.trim_start_matches("Option<").trim_end_matches('>');
    let (within, name) = kind.rsplit_once("::").unwrap_or(("", kind));
    let within = within.trim_start_matches("crate::").trim_start_matches("super::").trim_start_matches("self::");
    let fitting = STRUCTS.iter().filter(|s| s.1 == name && (s.0 == within || s.0.ends_with(&format!("::{within}"))));
    let near = STRUCTS.iter().filter(|s| s.1 == name && (s.0 == module || s.0.starts_with(&format!("{module}::"))));
    if within.is_empty() { near.chain(fitting).next() } else { fitting.chain(near).next() }
}

/// Without the marks of links: ``[`Policy`](x)`` becomes `Policy`.
fn plain(doc: &str) -> String {
    let mut out = String::new();
    let mut rest = doc;
    while let Some(at) = rest.find("[`") {
        let Some(end) = rest[at..].find("`]") else { break };
        out.push_str(&rest[..at]);
        out.push_str(&rest[at + 2..at + end]);
        rest = &rest[at + end + 2..];
        if let Some(after) = rest.strip_prefix('(').and_then(|r| r.split_once(')')) {
            rest = after.1;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lose_their_marks() {
        assert_eq!(plain("see [`crate::a::B`] and [`C`](c::C), 1 to 8 [px]"), "see crate::a::B and C, 1 to 8 [px]");
    }
}
