//! Ranges of settings, stated once: on the field, as `#[schemars(range(min = 1, max = 8))]`.
//!
//! The configuration reference takes its ranges from the same attribute.

use std::fmt;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::Value as Json;
use toml::Value;

use crate::error::{Error, Result};

/// The JSON Schema of a settings type, without references between its parts.
pub fn schema<S: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true).into_generator().into_root_schema_for::<S>()
}

/// Settings as a TOML table.
///
/// # Errors
/// If a value cannot be written as TOML, such as a path that is not UTF-8.
pub fn table<S: Serialize>(settings: &S) -> Result<toml::Table, Box<dyn std::error::Error + Send + Sync>> {
    // Through text: a direct conversion turns 0.98f32 into 0.9800000190734863.
    Ok(toml::to_string(settings)?.parse()?)
}

/// Checks the ranges of every field of `settings`, whose keys start with the dotted path `section`.
///
/// # Errors
/// [`Remedy::Fix`](crate::error::Remedy::Fix) about the first key out of its range. NaN is in no range.
pub fn check<S: Serialize + JsonSchema>(section: &str, settings: &S) -> Result<()> {
    let values = table(settings).map_err(|e| Error::fix(section, "has no form in TOML").because(e))?;
    inside(section, schema::<S>().as_value(), &Value::Table(values))
}

fn inside(path: &str, schema: &Json, value: &Value) -> Result<()> {
    if let Value::Table(values) = value {
        let fields = schema.get("properties").and_then(Json::as_object);
        return fields.into_iter().flatten().try_for_each(|(name, field)| match values.get(name) {
            Some(value) => inside(&format!("{path}.{name}"), field, value),
            None => Ok(()),
        });
    }
    let Some(range) = Range::of(schema) else { return Ok(()) };
    let found = match value {
        Value::Integer(i) => *i as f64,
        Value::Float(f) => *f,
        _ => return Ok(()),
    };
    if range.contains(found) {
        return Ok(());
    }
    Err(Error::fix(path, format_args!("is {}, wanted {range}", number(found, range.octal))))
}

/// Allowed values of a number; an absent end is open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Smallest value.
    pub min: Option<f64>,
    /// Largest value.
    pub max: Option<f64>,
    /// Whether it is printed in octal, like permission bits.
    pub octal: bool,
}

impl Range {
    /// The range in the schema of a field; `None` if it is not a number.
    pub fn of(schema: &Json) -> Option<Self> {
        // An end of type f32 widens to 0.10000000149011612; the value 0.1 of the settings is compared as 0.1.
        let single = schema.get("format").is_some_and(|format| format == "float");
        let shortest = |end: f64| if single { (end as f32).to_string().parse().unwrap_or(end) } else { end };
        let end = |key: &str| schema.get(key).and_then(Json::as_f64).map(shortest);
        let (min, max) = (end("minimum"), end("maximum"));
        (min.is_some() || max.is_some()).then(|| Self { min, max, octal: is_octal(schema) })
    }

    fn contains(&self, value: f64) -> bool {
        !value.is_nan() && self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |value| number(value, self.octal);
        match (self.min, self.max) {
            (Some(min), Some(max)) => write!(f, "{} to {}", end(min), end(max)),
            (Some(min), None) => write!(f, "at least {}", end(min)),
            (None, Some(max)) => write!(f, "at most {}", end(max)),
            (None, None) => f.write_str("any number"),
        }
    }
}

/// True for a number that people write in octal: `#[schemars(extend("format" = "octal"))]`.
pub fn is_octal(schema: &Json) -> bool {
    schema.get("format").is_some_and(|format| format == "octal")
}

fn number(value: f64, octal: bool) -> String {
    if octal { format!("{:#o}", value as i64) } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: f32 = 0.1;

    #[derive(Clone, Serialize, JsonSchema)]
    struct Outer {
        #[schemars(range(min = 2, max = 32))]
        buffers: u32,
        #[schemars(range(min = 0.05, max = 100))]
        cutoff_hz: Option<f32>,
        #[schemars(range(min = LEAST, max = 1))]
        emissivity: f32,
        #[schemars(range(max = 0o777), extend("format" = "octal"))]
        mode: u32,
        inner: Inner,
    }

    #[derive(Clone, Serialize, JsonSchema)]
    struct Inner {
        #[schemars(range(min = 1))]
        count: u64,
        name: String,
    }

    const GOOD: Outer = Outer {
        buffers: 32,
        cutoff_hz: Some(0.05),
        emissivity: 0.1,
        mode: 0o777,
        inner: Inner { count: 1, name: String::new() },
    };

    #[test]
    fn the_ends_are_inside_and_absent_values_are_not_checked() {
        check("outer", &GOOD).unwrap();
        check("outer", &Outer { cutoff_hz: None, ..GOOD }).unwrap();
    }

    #[test]
    fn a_value_outside_is_named_with_its_range() {
        let told = |settings: Outer| check("outer", &settings).unwrap_err().to_string();
        assert_eq!(told(Outer { buffers: 33, ..GOOD }), "outer.buffers: is 33, wanted 2 to 32");
        assert_eq!(told(Outer { cutoff_hz: Some(0.04), ..GOOD }), "outer.cutoff_hz: is 0.04, wanted 0.05 to 100");
        assert_eq!(told(Outer { cutoff_hz: Some(f32::NAN), ..GOOD }), "outer.cutoff_hz: is NaN, wanted 0.05 to 100");
        assert_eq!(told(Outer { emissivity: 0.09, ..GOOD }), "outer.emissivity: is 0.09, wanted 0.1 to 1");
        assert_eq!(told(Outer { mode: 0o1000, ..GOOD }), "outer.mode: is 0o1000, wanted 0o0 to 0o777");
        let inner = Inner { count: 0, ..GOOD.inner };
        assert_eq!(told(Outer { inner, ..GOOD }), "outer.inner.count: is 0, wanted at least 1");
    }
}
