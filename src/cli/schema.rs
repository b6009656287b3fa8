//! `heatmark schema`.

use clap::{Args, ValueEnum};

use super::{Done, print};
use crate::sink::{RESULT_SCHEMA, TRACK_SCHEMA};

/// Arguments of `heatmark schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// Which results.
    #[arg(value_enum, default_value_t = Of::Result)]
    of: Of,
}

/// Kinds of results.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Of {
    /// Faces, as every command but `track` gives them.
    Result,
    /// Targets, as `heatmark track` gives them.
    Track,
}

/// Prints the JSON schema of results.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn run(schema: &Schema) -> Done {
    print::out(match schema.of {
        Of::Result => RESULT_SCHEMA,
        Of::Track => TRACK_SCHEMA,
    })
}
