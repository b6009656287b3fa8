//! `heatmark schema`.

use super::{Done, print};
use crate::sink::RESULT_SCHEMA;

/// Prints the JSON schema of results.
///
/// # Errors
/// Standard output cannot be written.
pub fn run() -> Done {
    print::out(RESULT_SCHEMA)
}
