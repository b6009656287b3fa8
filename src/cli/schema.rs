//! `heatmark schema`.

use super::{Done, print};
use crate::sink::RESULT_SCHEMA;

/// Prints the schema that every result fulfils.
pub fn run() -> Done {
    print::out(RESULT_SCHEMA)
}
