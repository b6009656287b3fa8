//! The order of the rooms under `src/`, read from the paths in the code.
//!
//! A room is a module of the crate root. Imports go down the floors, rooms of one floor do not import one
//! another, and the modules inside a folder form no import circle. A folder's main file (`x.rs` of `x/`) is
//! its door: imports between it and what lies in the folder are not judged. Test modules are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms by floor, the lowest first.
const FLOORS: &[&[&str]] = &[
    &["error", "units"],
    &["stop", "geometry", "ranges"],
    &["clock", "landmarks"],
    &["frame"],
    &["picture", "look"],
    &["result"],
    &["status"],
    &["npy", "kernels", "recording", "radiometry"],
    &["nn"],
    &["preprocess"],
    &["source", "face", "track", "render", "sink"],
    &["pipeline"],
    &["config", "stream", "synth"],
    &["assembly", "eval"],
    &["fleet"],
    &["session"],
    &["doctor"],
    &["bench"],
    &["cli"],
];

/// Modules that only tests compile.
const TEST_MODULES: &[&str] = &["tests", "suite", "naive", "fake", "hostile"];

/// A module: its path from the crate root and the code of its file without comments, strings and tests.
struct Module {
    file: PathBuf,
    code: String,
}

type Name = Vec<String>;

/// What one module takes from another: the name as it stands in the code.
struct Import {
    from: Name,
    to: Name,
    spelt: String,
}

#[test]
fn imports_go_down_the_floors() {
    let house = House::read();
    let floor = |room: &str| FLOORS.iter().position(|rooms| rooms.contains(&room));
    let mut wrong = BTreeSet::new();
    for room in house.modules.keys().filter_map(|name| name.first()) {
        if floor(room).is_none() {
            wrong.insert(format!("src/{room}.rs has no floor: add it to FLOORS"));
        }
    }
    for import in &house.imports {
        let (Some(from), Some(to)) = (import.from.first(), import.to.first()) else { continue };
        if from != to && floor(from) <= floor(to) {
            wrong.insert(house.describe(import));
        }
    }
    assert!(wrong.is_empty(), "imports that do not go down:\n{}", listed(&wrong));
}

#[test]
fn no_folder_holds_an_import_circle() {
    let house = House::read();
    let folders: BTreeSet<Name> =
        house.modules.keys().filter(|name| !name.is_empty()).map(|name| name[..name.len() - 1].to_vec()).collect();
    let mut wrong = BTreeSet::new();
    for folder in folders {
        // Edges between different children of this folder, whatever lies below them.
        let depth = folder.len();
        let mut edges: BTreeMap<&str, BTreeMap<&str, &Import>> = BTreeMap::new();
        for import in &house.imports {
            let inside = |name: &Name| name.len() > depth && name.starts_with(&folder);
            if inside(&import.from) && inside(&import.to) && import.from[depth] != import.to[depth] {
                edges.entry(&import.from[depth]).or_default().entry(&import.to[depth]).or_insert(import);
            }
        }
        for (from, targets) in &edges {
            for (to, import) in targets {
                if reaches(&edges, to, from) {
                    wrong.insert(house.describe(import));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that close a circle:\n{}", listed(&wrong));
}

#[test]
fn the_reader_sees_every_form_of_import() {
    let code =
        strip("use crate::a::{b::C, self, d as e}; // crate::no\nfn f() { super::g::h(\"crate::no\"); x::y::Z; }");
    let used = uses(&code);
    assert_eq!(
        used,
        [("C", "crate::a::b::C"), ("a", "crate::a"), ("e", "crate::a::d")].map(|(a, b)| (a.into(), path(b)))
    );
    assert_eq!(inline(&code), ["super::g::h", "x::y::Z"].map(path));
    let house =
        House::of([("a", "use crate::b::C;"), ("b", "pub use self::c::C;"), ("b::c", "struct C; use crate::a;")]);
    let seen: Vec<_> = house.imports.iter().map(|i| (i.from.join("::"), i.to.join("::"))).collect();
    assert_eq!(seen, [("a", "b::c"), ("b", "b::c"), ("b::c", "a")].map(|(a, b)| (a.into(), b.into())));
}

struct House {
    modules: BTreeMap<Name, Module>,
    imports: Vec<Import>,
}

impl House {
    fn read() -> Self {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        walk(&src, &mut files);
        let modules = files.into_iter().filter_map(|file| {
            let name: Name =
                file.strip_prefix(&src).ok()?.with_extension("").iter().map(|s| s.to_string_lossy().into()).collect();
            let skipped = ["build", "main", "lib"].contains(&name[0].as_str())
                || name.starts_with(&path("source::v4l::sys"))
                || name.iter().any(|part| TEST_MODULES.contains(&part.as_str()));
            (!skipped).then(|| {
                let text = fs::read_to_string(&file).unwrap();
                (name, Module { file, code: strip(&text) })
            })
        });
        Self { modules: modules.collect(), imports: Vec::new() }.resolved()
    }

    fn of<const N: usize>(files: [(&str, &str); N]) -> Self {
        let modules = files.map(|(name, code)| (path(name), Module { file: name.into(), code: strip(code) }));
        Self { modules: modules.into(), imports: Vec::new() }.resolved()
    }

    fn resolved(mut self) -> Self {
        let used: BTreeMap<Name, BTreeMap<String, Name>> =
            self.modules.iter().map(|(name, m)| (name.clone(), uses(&m.code).into_iter().collect())).collect();
        let mut imports = Vec::new();
        for (name, module) in &self.modules {
            for spelt in used[name].values().cloned().chain(inline(&module.code)) {
                if let Some(to) = self.target(name, &spelt, &used, 0).filter(|to| to != name) {
                    imports.push(Import { from: name.clone(), to, spelt: spelt.join("::") });
                }
            }
        }
        self.imports = imports;
        self
    }

    /// The module that defines what `spelt` names, seen from `from`; `None` for other crates.
    fn target(
        &self,
        from: &Name,
        spelt: &[String],
        used: &BTreeMap<Name, BTreeMap<String, Name>>,
        hops: u32,
    ) -> Option<Name> {
        let (mut at, mut rest): (Name, &[String]) = (from.clone(), spelt);
        let mut anchored = false;
        while let Some((first, more)) = rest.split_first() {
            match first.as_str() {
                "crate" | "heatmark" => at.clear(),
                "super" => drop(at.pop()),
                "self" => {}
                _ => break,
            }
            (rest, anchored) = (more, true);
        }
        if !anchored {
            // A child of this module, or a name that a `use` brought in.
            let child: Name = at.iter().chain(spelt.first()).cloned().collect();
            if !self.modules.contains_key(&child) {
                let brought = used.get(from)?.get(spelt.first()?)?;
                if hops > 8 || brought.first() == spelt.first() {
                    return None;
                }
                let whole: Name = brought.iter().chain(&spelt[1..]).cloned().collect();
                return self.target(from, &whole, used, hops + 1);
            }
        }
        while let Some((first, more)) = rest.split_first() {
            let child: Name = at.iter().chain([first]).cloned().collect();
            if self.modules.contains_key(&child) {
                (at, rest) = (child, more);
            } else if let Some(other) = used.get(&at).and_then(|u| u.get(first)).filter(|_| hops < 8) {
                let whole: Name = other.iter().chain(more).cloned().collect();
                return self.target(&at, &whole, used, hops + 1).or(Some(at));
            } else {
                break;
            }
        }
        (!at.is_empty()).then_some(at)
    }

    fn describe(&self, import: &Import) -> String {
        let file =
            |name: &Name| self.modules.get(name).map_or_else(|| name.join("::"), |m| m.file.display().to_string());
        format!("{} -> {}: {}", file(&import.from), file(&import.to), import.spelt)
    }
}

fn reaches<'a>(edges: &BTreeMap<&'a str, BTreeMap<&'a str, &Import>>, from: &'a str, to: &str) -> bool {
    let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
    while let Some(at) = left.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            left.extend(edges.get(at).into_iter().flat_map(|targets| targets.keys()));
        }
    }
    false
}

fn listed(lines: &BTreeSet<String>) -> String {
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

fn path(text: &str) -> Name {
    text.split("::").map(str::to_string).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            walk(&entry, files);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            files.push(entry);
        }
    }
}

/// Code without comments, the contents of strings, and what stands under `#[cfg(test)]`.
fn strip(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '/' if chars.peek() == Some(&'/') => while chars.next_if(|&c| c != '\n').is_some() {},
            '"' => {
                while let Some(c) = chars.next() {
                    match c {
                        '\\' => drop(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                code.push_str("\"\"");
            }
            '\'' => {
                // A character, or a lifetime.
                let ahead: Vec<char> = chars.clone().take(3).collect();
                if ahead.first() == Some(&'\\') {
                    chars.by_ref().take(2).for_each(drop);
                    while chars.next_if(|&c| c != '\'').is_some() {}
                    chars.next();
                } else if ahead.get(1) == Some(&'\'') {
                    chars.by_ref().take(2).for_each(drop);
                }
            }
            _ => code.push(c),
        }
    }
    while let Some(start) = code.find("#[cfg(test)]") {
        let item = &code[start..];
        let end = match (item.find('{'), item.find(';')) {
            (Some(brace), semi) if semi.is_none_or(|semi| brace < semi) => closing(item, brace),
            (_, Some(semi)) => semi + 1,
            _ => item.len(),
        };
        code.replace_range(start..start + end, "");
    }
    code
}

/// Where the block that opens at `open` ends.
fn closing(text: &str, open: usize) -> usize {
    let mut depth = 0;
    for (i, c) in text[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + i + 1;
        }
    }
    text.len()
}

/// `(name in scope, path)` of every `use`.
fn uses(code: &str) -> Vec<(String, Name)> {
    let mut all = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let before = code[..at].trim_end();
        let starts = before.is_empty() || before.ends_with([';', '}', '{', ')', ']']) || before.ends_with("pub");
        if starts && let Some(end) = code[at..].find(';') {
            let tree: String = code[at + 4..at + end].split_whitespace().collect::<Vec<_>>().join(" ");
            branch(&[], &tree, &mut all);
        }
    }
    all
}

fn branch(stem: &[String], tree: &str, into: &mut Vec<(String, Name)>) {
    let tree = tree.trim().trim_start_matches("::");
    if let Some(open) = tree.find('{') {
        let stem: Name = stem.iter().cloned().chain(segments(&tree[..open])).collect();
        let (mut depth, mut start) = (0, open + 1);
        for (i, c) in tree.char_indices().skip(open) {
            depth += i32::from(c == '{') - i32::from(c == '}');
            if (c == ',' && depth == 1) || depth == 0 {
                branch(&stem, &tree[start..i], into);
                start = i + 1;
            }
            if depth == 0 {
                break;
            }
        }
    } else if !tree.is_empty() {
        let (spelt, alias) = tree.split_once(" as ").map_or((tree, None), |(spelt, alias)| (spelt, Some(alias.trim())));
        let mut whole: Name = stem.iter().cloned().chain(segments(spelt)).collect();
        if whole.len() > 1 && whole.last().is_some_and(|last| last == "self" || last == "*") {
            whole.pop();
        }
        if let Some(last) = whole.last() {
            into.push((alias.unwrap_or(last).to_string(), whole));
        }
    }
}

fn segments(text: &str) -> impl Iterator<Item = String> {
    text.split("::").map(str::trim).filter(|s| !s.is_empty()).map(str::to_string)
}

/// Every path of two and more words outside `use`.
fn inline(code: &str) -> Vec<Name> {
    let mut rest = code.to_string();
    while let Some(at) = rest.find("use ") {
        let end = rest[at..].find(';').map_or(rest.len(), |end| at + end + 1);
        rest.replace_range(at..end, "");
    }
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let tokens = rest.split(|c: char| !word(c) && c != ':').filter(|t| t.contains("::") && !t.starts_with(':'));
    tokens.map(|token| segments(token.trim_end_matches(':')).collect::<Name>()).filter(|p| p.len() > 1).collect()
}
