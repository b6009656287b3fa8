//! The models built into this program.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::DeflateDecoder;

use crate::error::{Error, Result};

/// A file of `models/`.
enum File {
    /// As it is.
    Plain(&'static [u8]),
    /// Packed by the build script.
    #[allow(dead_code, reason = "a debug build packs nothing")]
    Packed(&'static [u8]),
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
        Some((_, File::Packed(bytes))) => {
            let unpacked = unpack(bytes).ok_or_else(|| Error::fatal(name, "is damaged in this program"))?;
            Some(Cow::Owned(unpacked))
        }
        None => None,
    })
}

/// The contents of a packed file; the format is described in `build/pack.rs`.
fn unpack(mut packed: &[u8]) -> Option<Vec<u8>> {
    const CHUNK: usize = 1 << 16;
    const PLANES: usize = 4;
    const DEFLATED: u32 = 1 << 31;

    let length = u64::from_le_bytes(*packed.split_off(..8)?.first_chunk()?);
    let mut file = vec![0; usize::try_from(length).ok()?];
    let mut plane = Vec::with_capacity(CHUNK / PLANES);
    for chunk in file.chunks_mut(CHUNK) {
        for first in 0..PLANES {
            let header = u32::from_le_bytes(*packed.split_off(..4)?.first_chunk()?);
            let stored = packed.split_off(..(header & !DEFLATED) as usize)?;
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
    packed.is_empty().then_some(file)
}

#[cfg(test)]
#[path = "../../build/pack.rs"]
mod pack;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back_unchanged_and_damage_is_noticed() {
        let floats: Vec<u8> = (0..40_000).flat_map(|i| ((i as f32 * 0.37).sin() * 0.1).to_le_bytes()).collect();
        for length in [0, 1, 3, 4, 5, pack::CHUNK - 1, pack::CHUNK, pack::CHUNK + 2, floats.len()] {
            let packed = pack::pack(&floats[..length]).unwrap();
            assert_eq!(unpack(&packed).as_deref(), Some(&floats[..length]), "{length}");
            for cut in (0..packed.len()).step_by(1 + packed.len() / 50) {
                assert!(unpack(&packed[..cut]).is_none(), "{length} cut at {cut}");
            }
        }
        let packed = pack::pack(&floats).unwrap();
        assert!(packed.len() < floats.len() * 15 / 16, "{} of {}", packed.len(), floats.len());
        for at in (0..packed.len()).step_by(997) {
            let mut bad = packed.clone();
            bad[at] ^= 0x81;
            // A changed byte of a stored plane is for the SHA-256 to find.
            let _ = unpack(&bad);
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
