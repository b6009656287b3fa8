//! Identical code folding: functions with the same machine code become one. Generic crates instantiate many of those.

use std::path::Path;
use std::process::Command;

const FLAG: &str = "-Wl,--icf=all";

/// Asks for folding in programs if the linker has it, as lld, the default on x86-64 Linux, does. `out` takes the files
/// of the attempt.
pub fn fold_identical_code(out: &Path) {
    if works(out).unwrap_or(false) {
        println!("cargo:rustc-link-arg-bins={FLAG}");
    }
}

/// Whether an empty program links with the flag, by the same compiler, linker and flags as the package.
fn works(out: &Path) -> Option<bool> {
    let [rustc, target] = ["RUSTC", "TARGET"].map(|name| std::env::var(name).ok());
    let target = target.filter(|t| t.contains("-linux-"))?;
    let source = out.join("empty.rs");
    std::fs::write(&source, "fn main() {}").ok()?;
    let mut command = Command::new(rustc?);
    command.args(["--edition", "2024", "--target", &target, "-C", &format!("link-arg={FLAG}"), "-o"]);
    command.arg(out.join("empty")).arg(source);
    if let Ok(linker) = std::env::var("RUSTC_LINKER") {
        command.arg(format!("-Clinker={linker}"));
    }
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    command.args(flags.split('\x1f').filter(|f| !f.is_empty()));
    Some(command.output().ok()?.status.success())
}
