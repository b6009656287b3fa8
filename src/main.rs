//! The program: parse, call the library, print the error chain once, exit code.

use std::process::ExitCode;

/// Lets `heatmark bench` report how much each stage allocates.
#[cfg(feature = "count-allocations")]
#[global_allocator]
static ALLOCATOR: heatmark::bench::alloc::Counting = heatmark::bench::alloc::Counting;

fn main() -> ExitCode {
    heatmark::cli::run(std::env::args_os()).into()
}
