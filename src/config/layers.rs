//! Layers of values, later ones overriding earlier ones, with the origin of each value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::{Spanned, Table, Value};

use super::keys::{Key, Keys, Kind, join, split};
use crate::error::{Error, Result};
use crate::ranges;

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Not set: the default.
    Default,
    /// A built-in board file and its line.
    Board(String, usize),
    /// A configuration file and its line.
    File(String, usize),
    /// A flag on the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Board(name, line) => write!(f, "board {name}:{line}"),
            Origin::File(path, line) => write!(f, "{path}:{line}"),
            Origin::Flag(flag) => f.write_str(flag),
        }
    }
}

/// A key with its final value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Dotted path.
    pub path: String,
    /// The final value; `None` if the key is not set and has no default.
    pub value: Option<Value>,
    /// The value as printed, see [`shown`].
    pub shown: String,
    /// Where it was set.
    pub origin: Origin,
}

/// The final values and their origins.
#[derive(Debug, Clone)]
pub struct Settled<C> {
    /// The typed values.
    pub values: C,
    /// The same values by key, in the order of the fields.
    pub entries: Vec<Entry>,
}

/// Collects layers for the settings type `C`. Problems are collected too, so that all are reported at once.
pub struct Layers<C> {
    keys: Keys,
    defaults: Table,
    set: BTreeMap<String, (Value, Origin)>,
    problems: Vec<Error>,
    kind: PhantomData<C>,
}

/// The defaults of `C` as a table.
///
/// # Errors
/// Fatal if the defaults have no form in TOML.
pub fn defaults<C: Serialize + Default>() -> Result<Table> {
    ranges::table(&C::default()).map_err(|e| Error::fatal("settings", "have no form in TOML").because(e))
}

impl<C: Serialize + DeserializeOwned + JsonSchema + Default> Layers<C> {
    /// Starts with the defaults.
    ///
    /// # Errors
    /// As [`defaults`].
    pub fn new() -> Result<Self> {
        let defaults = defaults::<C>()?;
        let keys = Keys::of::<C>(&defaults);
        Ok(Self { keys, defaults, set: BTreeMap::new(), problems: Vec::new(), kind: PhantomData })
    }

    /// The keys of `C`.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Adds a TOML text whose lines have the origin `origin(line)`, without the top-level tables in `skip`.
    pub fn text(&mut self, text: &str, skip: &[&str], origin: &dyn Fn(usize) -> Origin) {
        let line = |offset: usize| text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count() + 1;
        let (root, faults) = DeTable::parse_recoverable(text);
        if faults.is_empty() {
            let mut root = root.into_inner();
            for table in skip {
                root.remove(*table);
            }
            self.table("", root, &|offset| origin(line(offset)));
        }
        for fault in faults {
            let at = fault.span().map_or(0, |s| s.start);
            self.problems.push(Error::fix(origin(line(at)), format_args!("not TOML: {}", fault.message())));
        }
    }

    /// Adds `key=value` from the command-line flag `flag`; the value is TOML, or a string without quotes.
    pub fn assign(&mut self, flag: &str, assignment: &str) {
        let origin = Origin::Flag(flag.to_string());
        let Some((path, text)) = assignment.split_once('=') else {
            let e = Error::fix(flag, format_args!("found \"{assignment}\", wanted KEY=VALUE"));
            return self.problems.push(e);
        };
        let (path, text) = (path.trim(), text.trim());
        let wants_text = matches!(self.keys.get(path).map(|k| &k.kind), Some(Kind::Text | Kind::Choice(_)));
        let value = match ValueDeserializer::parse(text).and_then(Value::deserialize) {
            Ok(value) if value.is_str() || !wants_text => value,
            _ => Value::String(text.to_string()),
        };
        self.leaf(path, value, origin);
    }

    /// Sets `path` to the value of the command-line flag `flag`.
    pub fn flag(&mut self, flag: &str, path: &str, value: impl Into<Value>) {
        self.leaf(path, value.into(), Origin::Flag(flag.to_string()));
    }

    /// Adds a problem found elsewhere, for example a file that cannot be read.
    pub fn problem(&mut self, problem: Error) {
        self.problems.push(problem);
    }

    /// The value of a key, as far as layers have set it.
    pub fn value(&self, path: &str) -> Option<&Value> {
        self.set.get(path).map(|(value, _)| value)
    }

    /// Merges the layers.
    ///
    /// `check` finds values out of range, perhaps only some of them. The keys that it names are reset to
    /// their defaults and it is called again, until it finds no more.
    ///
    /// # Errors
    /// Every unknown key, wrong type and value out of range.
    pub fn settle(mut self, check: &dyn Fn(&C) -> Vec<Error>) -> Result<Settled<C>, Vec<Error>> {
        let mut problems = std::mem::take(&mut self.problems);
        let values = match self.read() {
            Ok(values) => values,
            Err(e) => {
                problems.push(e);
                return Err(problems);
            }
        };
        let entries = self.entries();
        problems.extend(self.out_of_range(&values, check));
        if problems.is_empty() { Ok(Settled { values, entries }) } else { Err(problems) }
    }

    fn out_of_range(&mut self, values: &C, check: &dyn Fn(&C) -> Vec<Error>) -> Vec<Error> {
        let (mut problems, mut told) = (Vec::new(), BTreeSet::new());
        let mut wrong = check(values);
        while !wrong.is_empty() {
            let mut reset = false;
            for e in wrong {
                if let Some((_, origin)) = self.set.remove(e.subject()) {
                    reset = true;
                    problems.push(Error::new(e.remedy(), origin, &e));
                } else if told.insert(e.subject().to_string()) {
                    problems.push(e);
                }
            }
            wrong = match self.read() {
                Ok(values) if reset => check(&values),
                _ => Vec::new(),
            };
        }
        problems
    }

    fn table(&mut self, section: &str, table: DeTable<'_>, origin: &dyn Fn(usize) -> Origin) {
        // In the order of the text, so that problems are reported from top to bottom.
        let mut rows: Vec<_> = table.into_iter().collect();
        rows.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in rows {
            let path = join(section, key.get_ref());
            self.value_at(&path, key.span().start, value, origin);
        }
    }

    fn value_at(&mut self, path: &str, at: usize, value: Spanned<DeValue<'_>>, origin: &dyn Fn(usize) -> Origin) {
        if self.keys.is_section(path) && matches!(value.get_ref(), DeValue::Table(_)) {
            if let DeValue::Table(inner) = value.into_inner() {
                self.table(path, inner, origin);
            }
            return;
        }
        match Value::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => self.leaf(path, value, origin(at)),
            Err(e) => self.problems.push(Error::fix(format_args!("{}: {path}", origin(at)), e.message())),
        }
    }

    fn leaf(&mut self, path: &str, value: Value, origin: Origin) {
        match self.judge(path, &value) {
            Ok(()) => {
                self.set.insert(path.to_string(), (value, origin));
            }
            Err(message) => self.problems.push(Error::fix(format_args!("{origin}: {path}"), message)),
        }
    }

    /// What is wrong with the value, tested alone on top of the defaults.
    fn judge(&self, path: &str, value: &Value) -> Result<(), String> {
        if self.keys.is_section(path) {
            return Err(format!("found {value}, wanted a table [{path}]"));
        }
        let Some(key) = self.keys.get(path) else {
            return Err(match self.keys.nearest(path) {
                Some(near) => format!("no such key; the nearest is {near}"),
                None => "no such key, and none is near; `heatmark config reference` lists them all".into(),
            });
        };
        let mut table = self.defaults.clone();
        insert(&mut table, path, value.clone());
        match C::deserialize(Value::Table(table)) {
            Ok(_) => Ok(()),
            Err(_) if !key.kind.fits(value) => Err(format!("found {}, wanted {}", shown(key, value), key.kind)),
            Err(e) => Err(format!("found {}: {}", shown(key, value), e.message())),
        }
    }

    fn read(&self) -> Result<C> {
        let mut table = self.defaults.clone();
        for (path, (value, _)) in &self.set {
            insert(&mut table, path, value.clone());
        }
        C::deserialize(Value::Table(table)).map_err(|e| Error::fix("settings", "do not fit together").because(e))
    }

    fn entries(&self) -> Vec<Entry> {
        let entry = |key: &Key| {
            let (value, origin) = match self.set.get(&key.path) {
                Some((value, origin)) => (Some(value.clone()), origin.clone()),
                None => (key.default.clone(), Origin::Default),
            };
            let shown = value.as_ref().map_or("(not set)".into(), |value| shown(key, value));
            Entry { path: key.path.clone(), value, shown, origin }
        };
        self.keys.keys.iter().map(entry).collect()
    }
}

fn insert(table: &mut Table, path: &str, value: Value) {
    let (section, leaf) = split(path);
    let mut at = table;
    for part in section.split('.').filter(|p| !p.is_empty()) {
        let inner = at.entry(part).or_insert_with(|| Value::Table(Table::new()));
        match inner {
            Value::Table(inner) => at = inner,
            _ => return,
        }
    }
    at.insert(leaf.to_string(), value);
}

/// Last words of the keys whose values are never printed.
const SECRETS: [&str; 3] = ["token", "password", "secret"];

/// The value of `key` as printed: TOML, or `"***"` for a secret that is set.
pub fn shown(key: &Key, value: &Value) -> String {
    let (_, leaf) = split(&key.path);
    let secret = SECRETS.iter().any(|s| leaf == *s || leaf.ends_with(&format!("_{s}")));
    match (&key.kind, value) {
        _ if secret && value.as_str() != Some("") => "\"***\"".into(),
        (Kind::Octal, Value::Integer(mode)) => format!("{mode:#o}"),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests;
