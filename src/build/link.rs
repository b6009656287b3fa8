//! Linker options that make the program smaller.

use std::path::Path;
use std::process::Command;

/// Identical code folding: merges functions with the same machine code. Generic crates instantiate many of them.
const FOLD: &str = "-Wl,--icf=all";

/// Relative relocations as bitmaps. The C library must support them: glibc does since 2.36.
const PACK: &str = "-Wl,-z,pack-relative-relocs";

/// Passes the flags that work here. lld, the default linker on x86-64 Linux, has both. `out` holds the test files.
pub fn shrink(out: &Path) {
    for flag in [FOLD, PACK] {
        if works(flag, out).unwrap_or(false) {
            println!("cargo:rustc-link-arg-bins={flag}");
        }
    }
}

/// Whether an empty program links with the flag, using the package's compiler, linker and flags, and runs.
fn works(flag: &str, out: &Path) -> Option<bool> {
    let [rustc, target, host] = ["RUSTC", "TARGET", "HOST"].map(|name| std::env::var(name).ok());
    let target = target.filter(|t| t.contains("-linux-"))?;
    let (source, program) = (out.join("empty.rs"), out.join("empty"));
    std::fs::write(&source, "fn main() {}").ok()?;
    let mut command = Command::new(rustc?);
    command.args(["--edition", "2024", "--target", &target, "-C", &format!("link-arg={flag}"), "-o"]);
    command.arg(&program).arg(source);
    if let Ok(linker) = std::env::var("RUSTC_LINKER") {
        command.arg(format!("-Clinker={linker}"));
    }
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    command.args(flags.split('\x1f').filter(|f| !f.is_empty()));
    if !command.output().ok()?.status.success() {
        return Some(false);
    }
    // When cross-compiling, the target's C library cannot be tried here.
    if host == Some(target) { Some(Command::new(program).status().ok()?.success()) } else { Some(flag == FOLD) }
}
