//! Every key a settings type knows, found by deserialising the type itself: serde names the fields
//! of each struct it wants, so the list cannot drift from the code, and keys that are optional and
//! unset are in it too.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use toml::{Table, Value};

type Fault = toml::de::Error;

/// What a key takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// An integer.
    Whole,
    /// An integer or a float.
    Number,
    /// A string.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An array.
    List,
    /// Whatever its type reads; found out by trying.
    Any,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Flag => f.write_str("true or false"),
            Kind::Whole => f.write_str("a whole number"),
            Kind::Number => f.write_str("a number"),
            Kind::Text => f.write_str("a string"),
            Kind::List => f.write_str("an array"),
            Kind::Any => f.write_str("a value of another form"),
            Kind::Choice(words) => {
                let quoted: Vec<String> = words.iter().map(|w| format!("\"{w}\"")).collect();
                match quoted.split_last() {
                    Some((last, [])) => f.write_str(last),
                    Some((last, rest)) => write!(f, "{} or {last}", rest.join(", ")),
                    None => f.write_str("nothing"),
                }
            }
        }
    }
}

/// One key of a settings type.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Dotted path, such as `render.palette`.
    pub path: String,
    /// What it takes.
    pub kind: Kind,
    /// The value where nothing sets it; `None` where it is then absent.
    pub default: Option<Value>,
}

/// Keys and sections of a settings type, in the order of its fields.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Keys {
    /// Leaves.
    pub keys: Vec<Key>,
    /// Dotted paths of the tables that hold them; the root, `""`, is not listed.
    pub sections: Vec<String>,
}

impl Keys {
    /// Lists the keys of `C`. `defaults` is `C::default()` as a table.
    ///
    /// # Errors
    /// Where `C` cannot be read back from its own defaults.
    pub fn of<C: DeserializeOwned>(defaults: &Table) -> Result<Keys, Fault> {
        // An unset optional value whose type takes none of the placeholders is passed over on the next round.
        let mut opaque = BTreeSet::new();
        loop {
            let walk = Walk { found: RefCell::default(), at: RefCell::default(), opaque: &opaque };
            let probe = Probe { walk: &walk, path: String::new(), value: Some(Value::Table(defaults.clone())) };
            match C::deserialize(probe) {
                Ok(_) => return Ok(walk.found.into_inner()),
                Err(fault) => {
                    let at = walk.at.into_inner();
                    if at.is_empty() || !opaque.insert(at) {
                        return Err(fault);
                    }
                }
            }
        }
    }

    /// The key with this path.
    pub fn get(&self, path: &str) -> Option<&Key> {
        self.keys.iter().find(|k| k.path == path)
    }

    /// True where `path` is a table of keys.
    pub fn is_section(&self, path: &str) -> bool {
        self.sections.iter().any(|s| s == path)
    }

    /// The path closest to `wrong` in spelling, or the same last word in another section; `None`
    /// where nothing is close enough to be what was meant.
    pub fn nearest(&self, wrong: &str) -> Option<&str> {
        let (section, leaf) = split(wrong);
        let paths = self.keys.iter().map(|k| k.path.as_str()).chain(self.sections.iter().map(String::as_str));
        paths
            .map(|path| {
                let (its_section, its_leaf) = split(path);
                let whole = strsim::normalized_damerau_levenshtein(wrong, path);
                let last = strsim::normalized_damerau_levenshtein(leaf, its_leaf);
                // A slip inside the right section, or the right word in the wrong section.
                let score = if section == its_section { last.max(whole) } else { whole.max(last * 0.9) };
                (score, path)
            })
            .filter(|(score, _)| *score >= 0.55)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, path)| path)
    }
}

/// Section and last word of a dotted path.
pub fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// `section.leaf`, or `leaf` at the root.
pub fn join(section: &str, leaf: &str) -> String {
    if section.is_empty() { leaf.to_string() } else { format!("{section}.{leaf}") }
}

struct Walk<'a> {
    found: RefCell<Keys>,
    /// The unset optional key being read; empty outside one.
    at: RefCell<String>,
    opaque: &'a BTreeSet<String>,
}

/// Hands out defaults (placeholders where there are none) and notes what is asked for.
struct Probe<'a> {
    walk: &'a Walk<'a>,
    path: String,
    value: Option<Value>,
}

impl Probe<'_> {
    fn note(&self, kind: Kind) {
        let mut found = self.walk.found.borrow_mut();
        // The elements of a list and what an option holds are asked for under the path of the key.
        if !self.path.is_empty() && found.keys.last().is_none_or(|k| k.path != self.path) {
            found.keys.push(Key { path: self.path.clone(), kind, default: self.value.clone() });
        }
    }

    fn plain<'de, V: Visitor<'de>>(self, kind: Kind, placeholder: Value, visitor: V) -> Result<V::Value, Fault> {
        self.note(kind);
        self.value.unwrap_or(placeholder).deserialize_any(visitor)
    }
}

macro_rules! plain {
    ($($method:ident: $kind:expr, $placeholder:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.plain($kind, $placeholder, visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Fault;

    plain! {
        deserialize_any: Kind::Any, Value::Table(Table::new());
        deserialize_map: Kind::Any, Value::Table(Table::new());
        deserialize_bool: Kind::Flag, Value::Boolean(false);
        deserialize_i8: Kind::Whole, Value::Integer(1);
        deserialize_i16: Kind::Whole, Value::Integer(1);
        deserialize_i32: Kind::Whole, Value::Integer(1);
        deserialize_i64: Kind::Whole, Value::Integer(1);
        deserialize_u8: Kind::Whole, Value::Integer(1);
        deserialize_u16: Kind::Whole, Value::Integer(1);
        deserialize_u32: Kind::Whole, Value::Integer(1);
        deserialize_u64: Kind::Whole, Value::Integer(1);
        deserialize_f32: Kind::Number, Value::Float(0.0);
        deserialize_f64: Kind::Number, Value::Float(0.0);
        deserialize_str: Kind::Text, Value::String(String::new());
        deserialize_string: Kind::Text, Value::String(String::new());
        deserialize_char: Kind::Text, Value::String("x".into());
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.value.is_some() {
            return visitor.visit_some(self);
        }
        if self.walk.opaque.contains(&self.path) {
            self.note(Kind::Any);
            return visitor.visit_none();
        }
        let nested = !self.walk.at.borrow().is_empty();
        if !nested {
            self.walk.at.replace(self.path.clone());
        }
        let walk = self.walk;
        let read = visitor.visit_some(self)?;
        if !nested {
            walk.at.replace(String::new());
        }
        Ok(read)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.note(Kind::Choice(words));
        match self.value {
            Some(value) => value.deserialize_enum(name, words, visitor),
            None => visitor.visit_enum(words.first().copied().unwrap_or_default().into_deserializer()),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.plain(Kind::List, Value::Array(Vec::new()), visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Fault> {
        self.note(Kind::List);
        match self.value {
            Some(value) => value.deserialize_any(visitor),
            None => visitor.visit_seq(Repeat { walk: self.walk, path: self.path, left: len }),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if !self.path.is_empty() {
            self.walk.found.borrow_mut().sections.push(self.path.clone());
        }
        let table = match self.value {
            Some(Value::Table(table)) => table,
            _ => Table::new(),
        };
        visitor.visit_map(Fields { walk: self.walk, section: self.path, table, fields: fields.iter(), next: "" })
    }

    forward_to_deserialize_any! { i128 u128 bytes byte_buf unit unit_struct tuple_struct identifier ignored_any }
}

struct Fields<'a> {
    walk: &'a Walk<'a>,
    section: String,
    table: Table,
    fields: std::slice::Iter<'static, &'static str>,
    next: &'static str,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some(field) = self.fields.next() else { return Ok(None) };
        self.next = field;
        seed.deserialize(IntoDeserializer::<Fault>::into_deserializer(*field)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let path = join(&self.section, self.next);
        seed.deserialize(Probe { walk: self.walk, path, value: self.table.remove(self.next) })
    }
}

/// Placeholders for a tuple without a default.
struct Repeat<'a> {
    walk: &'a Walk<'a>,
    path: String,
    left: usize,
}

impl<'de> SeqAccess<'de> for Repeat<'_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(Probe { walk: self.walk, path: self.path.clone(), value: None }).map(Some)
    }
}
