//! The program: parse, call the library, print the error chain once, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    heatmark::cli::run(std::env::args_os()).into()
}
