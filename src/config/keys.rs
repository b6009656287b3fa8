//! Every key of a settings type, from the JSON Schema that its `JsonSchema` derive gives: names,
//! doc comments, ranges and choices come from the fields themselves.

use std::fmt;

use schemars::JsonSchema;
use serde_json::Value as Json;
use toml::{Table, Value};

use crate::ranges::{self, Range};

/// What a key takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// An integer.
    Integer,
    /// An integer that is printed in octal.
    Octal,
    /// An integer or a float.
    Number,
    /// A string.
    Text,
    /// One of these words.
    Choice(Vec<Choice>),
    /// An array; of these words, if there are any.
    List(Vec<Choice>),
    /// Anything else.
    Any,
}

/// A word that a key takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The word, without quotes.
    pub word: String,
    /// What it means; empty if only the word is known.
    pub about: String,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Bool => f.write_str("true or false"),
            Kind::Integer => f.write_str("an integer"),
            Kind::Octal => f.write_str("an integer, as in 0o660"),
            Kind::Number => f.write_str("a number"),
            Kind::Text => f.write_str("a string"),
            Kind::List(_) => f.write_str("an array"),
            Kind::Any => f.write_str("a value of another form"),
            Kind::Choice(words) => {
                let quoted: Vec<String> = words.iter().map(|c| format!("\"{}\"", c.word)).collect();
                match quoted.split_last() {
                    Some((last, [])) => f.write_str(last),
                    Some((last, rest)) => write!(f, "{} or {last}", rest.join(", ")),
                    None => f.write_str("nothing"),
                }
            }
        }
    }
}

impl Kind {
    /// The kind in the schema of a field that is not optional.
    fn of(schema: &Json) -> Self {
        let words = choices(schema);
        if !words.is_empty() {
            return Kind::Choice(words);
        }
        let types = schema.get("type");
        let named = |t: &Json| t.as_str().filter(|t| *t != "null").map(str::to_string);
        let name = types.and_then(|t| named(t).or_else(|| t.as_array()?.iter().find_map(named)));
        match name.as_deref() {
            Some("boolean") => Kind::Bool,
            Some("integer") if ranges::is_octal(schema) => Kind::Octal,
            Some("integer") => Kind::Integer,
            Some("number") => Kind::Number,
            Some("string") => Kind::Text,
            Some("array") => Kind::List(schema.get("items").map(choices).unwrap_or_default()),
            _ => Kind::Any,
        }
    }

    /// True if a value of this type fits the key, so that only its content can be wrong.
    pub fn fits(&self, value: &Value) -> bool {
        match self {
            Kind::Bool => value.is_bool(),
            Kind::Integer | Kind::Octal => value.is_integer(),
            Kind::Number => value.is_integer() || value.is_float(),
            Kind::Text => value.is_str(),
            Kind::Choice(_) => false,
            Kind::List(_) => value.is_array(),
            Kind::Any => true,
        }
    }
}

/// The words of an enum, or of a string that is limited to some; empty for anything else.
fn choices(schema: &Json) -> Vec<Choice> {
    let list = |schema: &Json, key: &str| schema.get(key).and_then(Json::as_array).cloned().unwrap_or_default();
    let choice = |word: &Json, about: String| word.as_str().map(|word| Choice { word: word.to_string(), about });
    // Variants with a doc comment are a `const` each, those without are one `enum`.
    let mut variants = list(schema, "oneOf");
    variants.push(schema.clone());
    let words = variants.iter().flat_map(|variant| {
        let one = variant.get("const").and_then(|word| choice(word, description(variant)));
        one.into_iter()
            .chain(list(variant, "enum").iter().filter_map(|word| choice(word, String::new())).collect::<Vec<_>>())
    });
    words.collect()
}

/// One key of a settings type.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Dotted path, such as `render.palette`.
    pub path: String,
    /// What it takes.
    pub kind: Kind,
    /// The range of a number, if it has one of its own.
    pub range: Option<Range>,
    /// What it means, from the doc comment of the field.
    pub about: String,
    /// The value if nothing sets it; `None` if it is then absent.
    pub default: Option<Value>,
}

/// A table of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Dotted path.
    pub path: String,
    /// What it is about, from the doc comment of the field.
    pub about: String,
}

/// Keys and sections of a settings type, in the order of its fields.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Keys {
    /// Leaves.
    pub keys: Vec<Key>,
    /// The tables that hold them, without the root.
    pub sections: Vec<Section>,
}

impl Keys {
    /// Lists the keys of `C`. `defaults` is `C::default()` as a table.
    pub fn of<C: JsonSchema>(defaults: &Table) -> Keys {
        let mut keys = Keys::default();
        keys.collect("", ranges::schema::<C>().as_value(), Some(defaults));
        keys
    }

    fn collect(&mut self, section: &str, schema: &Json, defaults: Option<&Table>) {
        let fields = schema.get("properties").and_then(Json::as_object);
        for (name, field) in fields.into_iter().flatten() {
            let (path, about) = (join(section, name), description(field));
            let field = present(field);
            let default = defaults.and_then(|table| table.get(name));
            if field.get("properties").is_some() {
                self.sections.push(Section { path: path.clone(), about });
                self.collect(&path, field, default.and_then(Value::as_table));
            } else {
                let kind = Kind::of(field);
                self.keys.push(Key { path, kind, range: Range::of(field), about, default: default.cloned() });
            }
        }
    }

    /// The key with this path.
    pub fn get(&self, path: &str) -> Option<&Key> {
        self.keys.iter().find(|k| k.path == path)
    }

    /// True if `path` is a table of keys.
    pub fn is_section(&self, path: &str) -> bool {
        self.sections.iter().any(|s| s.path == path)
    }

    /// The path closest to `wrong` in spelling, or the same last word in another section; `None`
    /// if nothing is close enough to be what was meant.
    pub fn nearest(&self, wrong: &str) -> Option<&str> {
        let (section, leaf) = split(wrong);
        let sections = self.sections.iter().map(|s| s.path.as_str());
        let paths = self.keys.iter().map(|k| k.path.as_str()).chain(sections);
        paths
            .map(|path| {
                let (its_section, its_leaf) = split(path);
                let whole = strsim::normalized_damerau_levenshtein(wrong, path);
                let last = strsim::normalized_damerau_levenshtein(leaf, its_leaf);
                // A misspelling in the right section, or the right word in the wrong section.
                let score = if section == its_section { last.max(whole) } else { whole.max(last * 0.9) };
                (score, path)
            })
            .filter(|(score, _)| *score >= 0.55)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, path)| path)
    }
}

/// The schema of an optional field's content; the schema of any other field is returned unchanged.
fn present(schema: &Json) -> &Json {
    let options = schema.get("anyOf").and_then(Json::as_array);
    let holds = options.and_then(|all| all.iter().find(|s| s.get("type").is_none_or(|t| t != "null")));
    holds.unwrap_or(schema)
}

/// The doc comment of a field or variant on one line.
fn description(schema: &Json) -> String {
    let text = schema.get("description").and_then(Json::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Section and last word of a dotted path.
pub fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// `section.leaf`, or `leaf` at the root.
pub fn join(section: &str, leaf: &str) -> String {
    if section.is_empty() { leaf.to_string() } else { format!("{section}.{leaf}") }
}
