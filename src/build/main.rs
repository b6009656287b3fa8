//! Embeds every model in `models/` and every board in `boards/` in the program. To add one, add its file.

mod compress;
mod link;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    println!("cargo:rerun-if-changed=src/build");
    // An unoptimised build of this script would take a minute to compress.
    let release = std::env::var("PROFILE").is_ok_and(|p| p == "release");
    if release {
        link::shrink(&out);
    }
    let compressed = release && cfg!(feature = "compressed-models");
    let without: &[&str] = if cfg!(feature = "base-model") { &[] } else { &["face-landmarks-base."] };
    write(&out, "models.rs", &compress::table(&root.join("models"), &out, compressed, without));
    write(&out, "boards.rs", &boards(&root.join("boards")));
}

fn write(out: &Path, name: &str, text: &str) {
    std::fs::write(out.join(name), text).expect("OUT_DIR is writable");
}

/// `&[(file name, contents)]` of the boards in `folder`, sorted by name.
fn boards(folder: &Path) -> String {
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut files: Vec<_> =
        std::fs::read_dir(folder).map(|dir| dir.flatten().map(|entry| entry.path()).collect()).unwrap_or_default();
    files.retain(|p| p.is_file() && p.extension().is_some_and(|e| e == "toml"));
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        writeln!(table, "    ({name:?}, include_str!({:?})),", file.display().to_string()).expect("to a String");
    }
    table.push(']');
    table
}
