//! The models built into this program.

use std::borrow::Cow;

use crate::error::Result;

/// A file of `models/`.
enum File {
    /// Uncompressed.
    Plain(&'static [u8]),
    /// Compressed by the build script.
    #[cfg(feature = "compressed-models")]
    #[allow(dead_code, reason = "a debug build compresses nothing")]
    Compressed(&'static [u8]),
}

/// Every file of `models/`, by name.
static FILES: &[(&str, File)] = include!(concat!(env!("OUT_DIR"), "/models.rs"));

/// Names of the built-in models.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().filter_map(|(file, _)| file.strip_suffix(".toml"))
}

/// The contents of a file, if it is built in.
///
/// # Errors
/// Fatal: the file was damaged when the program was built.
pub(super) fn file(name: &str) -> Result<Option<Cow<'static, [u8]>>> {
    Ok(match FILES.iter().find(|f| f.0 == name) {
        Some((_, File::Plain(bytes))) => Some(Cow::Borrowed(bytes)),
        #[cfg(feature = "compressed-models")]
        Some((_, File::Compressed(bytes))) => {
            let contents =
                decompress(bytes).ok_or_else(|| crate::error::Error::fatal(name, "is damaged in this program"))?;
            Some(Cow::Owned(contents))
        }
        None => None,
    })
}

/// The contents of a compressed file; `src/build/compress.rs` describes the format.
#[cfg(feature = "compressed-models")]
fn decompress(mut compressed: &[u8]) -> Option<Vec<u8>> {
    use std::io::Read as _;

    use flate2::read::DeflateDecoder;

    const CHUNK: usize = 1 << 16;
    const PLANES: usize = 4;
    const DEFLATED: u32 = 1 << 31;

    let length = u64::from_le_bytes(*compressed.split_off(..8)?.first_chunk()?);
    let mut file = vec![0; usize::try_from(length).ok()?];
    let mut plane = Vec::with_capacity(CHUNK / PLANES);
    for chunk in file.chunks_mut(CHUNK) {
        for first in 0..PLANES {
            let header = u32::from_le_bytes(*compressed.split_off(..4)?.first_chunk()?);
            let stored = compressed.split_off(..(header & !DEFLATED) as usize)?;
            plane.clear();
            let plane = if header & DEFLATED == 0 {
                stored
            } else {
                DeflateDecoder::new(stored).read_to_end(&mut plane).ok()?;
                &plane
            };
            let places = chunk.iter_mut().skip(first).step_by(PLANES);
            if places.len() != plane.len() {
                return None;
            }
            places.zip(plane).for_each(|(to, from)| *to = *from);
        }
    }
    compressed.is_empty().then_some(file)
}

#[cfg(all(test, feature = "compressed-models"))]
#[path = "../build/compress.rs"]
mod compress;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "compressed-models")]
    #[test]
    fn what_is_compressed_comes_back_unchanged_and_damage_is_noticed() {
        let floats: Vec<u8> = (0..40_000).flat_map(|i| ((i as f32 * 0.37).sin() * 0.1).to_le_bytes()).collect();
        for length in [0, 1, 3, 4, 5, compress::CHUNK - 1, compress::CHUNK, compress::CHUNK + 2, floats.len()] {
            let compressed = compress::compress(&floats[..length]).unwrap();
            assert_eq!(decompress(&compressed).as_deref(), Some(&floats[..length]), "{length}");
            for cut in (0..compressed.len()).step_by(1 + compressed.len() / 50) {
                assert!(decompress(&compressed[..cut]).is_none(), "{length} cut at {cut}");
            }
        }
        let compressed = compress::compress(&floats).unwrap();
        assert!(compressed.len() < floats.len() * 15 / 16, "{} of {}", compressed.len(), floats.len());
        for at in (0..compressed.len()).step_by(997) {
            let mut bad = compressed.clone();
            bad[at] ^= 0x81;
            // A changed byte of a stored plane is caught by the SHA-256.
            let _ = decompress(&bad);
        }
    }

    #[test]
    fn every_file_of_the_folder_is_built_in_unchanged() {
        for (name, _) in FILES {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/").to_string() + name;
            assert!(file(name).unwrap().unwrap() == std::fs::read(path).unwrap(), "{name}");
        }
        assert!(file("no-such-file").unwrap().is_none());
    }
}
