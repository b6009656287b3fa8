//! Embeds every model in `models/`: dropping a card, its ONNX file and its golden file there is enough.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=models");
    let mut files: Vec<_> = std::fs::read_dir(Path::new(&root).join("models"))
        .map(|dir| dir.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.retain(|p| p.is_file() && p.extension().is_some_and(|e| e == "toml" || e == "onnx" || e == "npy"));
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        println!("cargo:rerun-if-changed={}", file.display());
        writeln!(table, "    ({name:?}, include_bytes!({:?})),", file.display().to_string()).expect("to a String");
    }
    table.push(']');
    std::fs::write(Path::new(&out).join("models.rs"), table).expect("OUT_DIR is writable");
}
