//! Compresses models for the program, plane by plane.
//!
//! In files of floats, mantissa bytes hardly compress and exponent bytes compress well. So a file is cut into chunks of
//! [`CHUNK`] bytes, and each chunk into four planes: its bytes 0, 4, 8, ..., its bytes 1, 5, 9, ..., and so on. A plane
//! that deflate shortens by at least a sixteenth is stored deflated. Any other is stored as it is, so that a model
//! loads about as fast as an uncompressed one.
//!
//! The format: the length of the file in bytes (u64), then for each plane its stored length in bytes (u32, the top bit
//! set if deflated) and its bytes. Numbers are little-endian.

#![cfg_attr(not(feature = "compressed-models"), allow(dead_code))]

use std::fmt::Write as _;
#[cfg(feature = "compressed-models")]
use std::io::Write as _;
use std::path::Path;

/// Bytes of a chunk.
pub const CHUNK: usize = 1 << 16;
/// Planes of a chunk.
pub const PLANES: usize = 4;
/// Marks a deflated plane in its length.
pub const DEFLATED: u32 = 1 << 31;

/// Compresses the contents of a file.
///
/// # Errors
/// None in practice: writing to a `Vec` does not fail.
#[cfg(feature = "compressed-models")]
pub fn compress(file: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut compressed = (file.len() as u64).to_le_bytes().to_vec();
    for chunk in file.chunks(CHUNK) {
        for first in 0..PLANES {
            let plane: Vec<u8> = chunk.iter().skip(first).step_by(PLANES).copied().collect();
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(&plane)?;
            let deflated = encoder.finish()?;
            let shorter = deflated.len() < plane.len() - plane.len() / 16;
            let (stored, flag) = if shorter { (&deflated, DEFLATED) } else { (&plane, 0) };
            compressed.extend((stored.len() as u32 | flag).to_le_bytes());
            compressed.extend(stored);
        }
    }
    Ok(compressed)
}

/// Without the feature nothing is compressed.
///
/// # Errors
/// Always.
#[cfg(not(feature = "compressed-models"))]
fn compress(_: &[u8]) -> std::io::Result<Vec<u8>> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// The table of `models` for the program: `&[(file name, File)]`, sorted by name. If `compressed`, every file except
/// cards is compressed into a file in `out`. Files whose name starts with one of `without` are left out.
///
/// # Panics
/// If a file cannot be read or written: the build cannot go on.
#[allow(dead_code, reason = "tests need only `compress`")]
pub fn table(models: &Path, out: &Path, compressed: bool, without: &[&str]) -> String {
    println!("cargo:rerun-if-changed={}", models.display());
    let mut files: Vec<_> =
        std::fs::read_dir(models).map(|dir| dir.flatten().map(|entry| entry.path()).collect()).unwrap_or_default();
    files.retain(|p| p.is_file());
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if without.iter().any(|start| name.starts_with(start)) {
            continue;
        }
        let (kind, path) = match file.extension().and_then(|e| e.to_str()) {
            Some("toml") => ("Plain", file),
            Some("onnx" | "npy") if !compressed => ("Plain", file),
            Some("onnx" | "npy") => {
                let contents = std::fs::read(&file).expect("models can be read");
                let file = out.join(format!("{name}.compressed"));
                std::fs::write(&file, compress(&contents).expect("to a Vec")).expect("OUT_DIR is writable");
                ("Compressed", file)
            }
            _ => continue,
        };
        let path = path.display().to_string();
        writeln!(table, "    ({name:?}, File::{kind}(include_bytes!({path:?}))),").expect("to a String");
    }
    table.push(']');
    table
}
